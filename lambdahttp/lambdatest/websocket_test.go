package lambdatest

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func newWebSocket(t *testing.T, cfg WebSocketConfig) *WebSocket {
	t.Helper()
	cfg.Now = newClock().Now
	ws, err := NewWebSocket(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return ws
}

// TestWebSocket: a connection from the handshake to its end, and the events have the members of the official samples.
func TestWebSocket(t *testing.T) {
	authorizer := &recorder{out: policyResult(statements("Allow $connect"), `,"context":{"n":7}`)}
	connect, other, say, bye := &recorder{out: `{"statusCode":200,"headers":{"Sec-WebSocket-Protocol":"v1","X-Other":"no"}}`}, &recorder{out: "null"}, &recorder{out: `"said"`}, &recorder{out: "{}"}
	ws := newWebSocket(t, WebSocketConfig{
		Routes:         map[string]Function{"$connect": connect, "$default": other, "say": say, "$disconnect": bye},
		Authorizer:     &LambdaAuthorizer{Function: authorizer, IdentitySource: []string{"route.request.querystring.token"}},
		StageVariables: map[string]string{"v": "1"},
	})
	r := request("GET", "/prod?token=t", "", "Sec-WebSocket-Protocol: v1, v2", "User-Agent: test")
	r.RemoteAddr = "203.0.113.7:1"
	conn, res := ws.Connect(r)
	if res.StatusCode != 101 || conn == nil || res.Header.Get("Sec-WebSocket-Protocol") != "v1" || res.Header.Get("X-Other") != "" {
		t.Fatalf("got %d %v", res.StatusCode, res.Header)
	}
	auth := authorizer.last(t)
	for member, want := range map[string]string{
		"type": `"REQUEST"`, "methodArn": `"` + apiARN + `/$connect"`, "queryStringParameters": `{"token":"t"}`, "stageVariables": `{"v":"1"}`,
		"requestContext.eventType": `"CONNECT"`, "requestContext.routeKey": `"$connect"`, "requestContext.connectionId": `"` + conn.ID + `"`,
		"requestContext.identity": `{"sourceIp":"203.0.113.7","userAgent":"test"}`, "pathParameters": `null`, "body": `null`, "requestContext.authorizer": `null`,
	} {
		if got := asJSON(t, at(auth, member)); got != want {
			t.Errorf("authorizer, %s: got %s, want %s", member, got, want)
		}
	}
	shown := `{"integrationLatency":0,"n":"7","principalId":"u1"}`
	if got := asJSON(t, at(connect.last(t), "requestContext.authorizer")); got != shown {
		t.Errorf("$connect sees %s", got)
	}

	for message, f := range map[string]*recorder{`{"action":"say"}`: say, `{"action":"nothing"}`: other, `{"action":"$connect"}`: other, `text`: other, `[1]`: other} {
		before := f.calls()
		out, err := conn.Send(t.Context(), []byte(message))
		if err != nil || string(out) != f.out || f.calls() != before+1 {
			t.Errorf("%s: %s, %v", message, out, err)
		}
		if got := f.last(t)["body"]; got != message {
			t.Errorf("body %v", got)
		}
	}
	if got := asJSON(t, at(say.last(t), "requestContext.authorizer")); got != shown {
		t.Errorf("a message sees %s", got)
	}
	if err := conn.Close(t.Context(), 1001, "away"); err != nil {
		t.Fatal(err)
	}
	if got := asJSON(t, []any{at(bye.last(t), "requestContext.disconnectStatusCode"), at(bye.last(t), "requestContext.disconnectReason")}); got != `[1001,"away"]` {
		t.Errorf("got %s", got)
	}
	if authorizer.calls() != 1 {
		t.Errorf("the authorizer was called %d times", authorizer.calls())
	}

	for name, f := range map[string]*recorder{"apigw-websocket-request-send-message.json": say, "apigw-websocket-request-disconnect.json": bye} {
		want, got := memberNames(sample(t, name), ""), memberNames(f.last(t), "")
		want = append(want, "requestContext.authorizer") // the samples are of open APIs
		slices.Sort(want)
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s:\ngot  %v\nwant %v", name, got, want)
		}
	}
	// The sample of $connect mixes in members of REST events; what the simulator has must be in it.
	want := append(memberNames(sample(t, "apigw-websocket-request.json"), ""), "requestContext.identity.userAgent")
	for _, m := range memberNames(connect.last(t), "") {
		if !slices.Contains(want, m) {
			t.Errorf("$connect has %s, the sample has not", m)
		}
	}
}

// TestWebSocket_Refused: who does not get in.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html
func TestWebSocket_Refused(t *testing.T) {
	tests := []struct {
		name    string
		target  string
		auth    *recorder
		connect *recorder
		status  int
		body    string
	}{
		{"no token", "/", &recorder{}, ok(), 401, `{"message":"Unauthorized"}`},
		{"Unauthorized", "/?token=t", &recorder{err: errors.New("Unauthorized")}, ok(), 401, `{"message":"Unauthorized"}`},
		{"deny", "/?token=t", &recorder{out: policyResult(statements("Deny *"), "")}, ok(), 403, `{"message":"Forbidden"}`},
		{"allows something else", "/?token=t", &recorder{out: policyResult(statements("Allow GET/a"), "")}, ok(), 403, `{"message":"Forbidden"}`},
		{"malformed", "/?token=t", &recorder{out: `{}`}, ok(), 500, `{"message":"Internal Server Error"}`},
		{"function says no", "/?token=t", &recorder{out: allowAll}, &recorder{out: `{"statusCode":409,"body":"secret"}`}, 409, `{"message":"Conflict"}`},
		{"function fails", "/?token=t", &recorder{out: allowAll}, &recorder{err: errors.New("x")}, 502, `{"message":"Internal server error"}`},
		{"function returns text", "/?token=t", &recorder{out: allowAll}, &recorder{out: `"x"`}, 502, `{"message":"Internal server error"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ws := newWebSocket(t, WebSocketConfig{Routes: map[string]Function{"$connect": tt.connect}, Authorizer: &LambdaAuthorizer{Function: tt.auth, IdentitySource: []string{"route.request.querystring.token"}}})
			conn, res := ws.Connect(request("GET", tt.target, ""))
			if body := bodyOf(t, res); conn != nil || res.StatusCode != tt.status || body != tt.body {
				t.Errorf("got %d %s, want %d %s", res.StatusCode, body, tt.status, tt.body)
			}
		})
	}
}

// A WebSocket API asks its authorizer for every connection.
func TestWebSocket_NoCache(t *testing.T) {
	auth := &recorder{out: allowAll}
	ws := newWebSocket(t, WebSocketConfig{Routes: map[string]Function{"$default": ok()}, Authorizer: &LambdaAuthorizer{Function: auth}})
	for range 2 {
		if _, res := ws.Connect(request("GET", "/", "")); res.StatusCode != 101 {
			t.Fatalf("status %d", res.StatusCode)
		}
	}
	if auth.calls() != 2 {
		t.Errorf("%d calls, want 2", auth.calls())
	}
}

func TestWebSocket_Limits(t *testing.T) {
	f := ok()
	ws := newWebSocket(t, WebSocketConfig{Routes: map[string]Function{"say": f}})
	conn, _ := ws.Connect(request("GET", "/", ""))
	if _, err := conn.Send(t.Context(), make([]byte, maxMessage+1)); err == nil {
		t.Error("a message above 128 KB is taken")
	}
	if _, err := conn.Send(t.Context(), []byte("{}")); err == nil || f.calls() != 0 {
		t.Errorf("a message without a route: %v", err)
	}
	if err := conn.Close(t.Context(), 1000, ""); err != nil {
		t.Error(err)
	}
	if conn, res := ws.Connect(request("GET", "/", "", "X: "+strings.Repeat("x", 10240))); conn != nil || res.StatusCode != 431 {
		t.Errorf("long headers: status %d", res.StatusCode)
	}
}

func TestNewWebSocket_Refuses(t *testing.T) {
	routes := map[string]Function{"$default": ok()}
	for name, cfg := range map[string]WebSocketConfig{
		"no routes":     {},
		"nil function":  {Routes: map[string]Function{"a": nil}},
		"selection":     {Routes: routes, RouteSelection: "$request.header.a"},
		"TOKEN":         {Routes: routes, Authorizer: &LambdaAuthorizer{Function: ok(), Type: TokenAuthorizer}},
		"simple":        {Routes: routes, Authorizer: &LambdaAuthorizer{Function: ok(), SimpleResponses: true}},
		"HTTP's source": {Routes: routes, Authorizer: &LambdaAuthorizer{Function: ok(), IdentitySource: []string{"$request.header.A"}}},
		"timeout":       {Routes: routes, Timeout: -1},
	} {
		if _, err := NewWebSocket(cfg); err == nil || !strings.HasPrefix(err.Error(), "lambdatest: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
