package lambdahttp_test

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/posternauth/postern/lambdahttp"
)

// eventOf returns the event a handler finds in its context.
func eventOf(t *testing.T, event []byte) (got lambdahttp.Event) {
	t.Helper()
	f := function(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ev, ok := lambdahttp.From(r.Context())
		if !ok {
			t.Fatal("no event in the context")
		}
		got = *ev
	}), lambdahttp.Config{})
	invoke(t, f, event)
	return got
}

func TestFrom(t *testing.T) {
	want := map[string]lambdahttp.Event{
		"rest":         {Format: lambdahttp.REST, Stage: "live", DomainName: "abc123defg.execute-api.eu-west-1.amazonaws.com", Route: "/users/{id}"},
		"http-1.0":     {Format: lambdahttp.HTTP1, Stage: "$default", DomainName: "abc123defg.execute-api.eu-west-1.amazonaws.com", Route: "/users/{id}"},
		"http-2.0":     {Format: lambdahttp.HTTP2, Stage: "$default", DomainName: "abc123defg.execute-api.eu-west-1.amazonaws.com", Route: "GET /users/{id}"},
		"function-url": {Format: lambdahttp.FunctionURL, Stage: "$default", DomainName: "abc123defg.lambda-url.eu-west-1.on.aws", Route: "GET /users/{id}"},
		"alb":          {Format: lambdahttp.ALB},
		"alb-multi":    {Format: lambdahttp.ALB},
	}
	eachShape(t, func(t *testing.T, shape string) {
		raw := sent{resource: "/users/{id}", routeKey: "GET /users/{id}", params: map[string]string{"id": "1"}}.event(shape)
		got, want := eventOf(t, raw), want[shape]
		want.SourceIP = netip.MustParseAddr("203.0.113.9")
		want.RequestID, want.APIID = "JKJaXmPLvHcESHA=", "abc123defg"
		if want.Format == lambdahttp.ALB {
			want.RequestID, want.APIID = "", ""
			want.TargetGroup = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/t/6d0ecf831eec9f09"
		}
		if string(got.Raw) != string(raw) {
			t.Errorf("Raw = %s", got.Raw)
		}
		got.Raw = nil
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})
	vars := strings.Replace(string(sent{}.event("rest")), `"requestContext"`, `"stageVariables":{"table":"users-live"},"requestContext"`, 1)
	if got := eventOf(t, []byte(vars)).StageVariables; !reflect.DeepEqual(got, map[string]string{"table": "users-live"}) {
		t.Errorf("StageVariables = %v", got)
	}
}

// TestEvent_Authorizer: what each sort of authorizer leaves in the event, by the shapes of AWS's documents.
func TestEvent_Authorizer(t *testing.T) {
	for name, c := range map[string]struct {
		shape, authorizer string
		want              lambdahttp.AuthorizerContext
	}{
		"none":      {"rest", `null`, lambdahttp.AuthorizerContext{}},
		"not there": {"http-2.0", `null`, lambdahttp.AuthorizerContext{}},
		"JWT": {"http-2.0", `{"jwt":{"claims":{"sub":"u1","aud":"[a b]","exp":"1790000000","scope":"x y"},"scopes":["x"]}}`, lambdahttp.AuthorizerContext{
			Claims: map[string]string{"sub": "u1", "aud": "[a b]", "exp": "1790000000", "scope": "x y"}, Scopes: []string{"x"}}},
		"JWT, no scopes asked for": {"http-2.0", `{"jwt":{"claims":{"sub":"u1"},"scopes":null}}`, lambdahttp.AuthorizerContext{Claims: map[string]string{"sub": "u1"}}},
		"JWT, claims of other types": {"http-2.0", `{"jwt":{"claims":{"n":12345678901234567890,"b":true,"z":null}}}`, lambdahttp.AuthorizerContext{
			Claims: map[string]string{"n": "12345678901234567890", "b": "true"}}},
		"empty members": {"http-2.0", `{"jwt":{"claims":null,"scopes":null},"lambda":null,"iam":null}`, lambdahttp.AuthorizerContext{}},
		"Lambda, 2.0": {"http-2.0", `{"lambda":{"user":"u1","n":9007199254740993,"list":["a"],"m":{"x":"y"}}}`, lambdahttp.AuthorizerContext{
			Context: map[string]any{"user": "u1", "n": json.Number("9007199254740993"), "list": []any{"a"}, "m": map[string]any{"x": "y"}}}},
		"Lambda, 2.0, no claims of its making": {"http-2.0", `{"lambda":{"claims":{"sub":"u1"},"jwt":{"claims":{"sub":"u1"}}}}`, lambdahttp.AuthorizerContext{
			Context: map[string]any{"claims": map[string]any{"sub": "u1"}, "jwt": map[string]any{"claims": map[string]any{"sub": "u1"}}}}},
		"Lambda, REST": {"rest", `{"principalId":"u1","integrationLatency":23,"role":"admin","n":1,"b":"true","gone":null}`, lambdahttp.AuthorizerContext{
			Principal: "u1", Context: map[string]any{"role": "admin", "n": json.Number("1"), "b": "true"}}},
		"Lambda, REST, no claims of its making": {"rest", `{"principalId":"u1","claims":"{\"sub\":\"admin\"}","scopes":"all"}`, lambdahttp.AuthorizerContext{
			Principal: "u1", Context: map[string]any{"claims": `{"sub":"admin"}`, "scopes": "all"}}},
		"Cognito, REST": {"rest", `{"claims":{"sub":"u1","cognito:groups":"a,b"}}`, lambdahttp.AuthorizerContext{
			Claims: map[string]string{"sub": "u1", "cognito:groups": "a,b"}}},
		"JWT, 1.0": {"http-1.0", `{"claims":{"sub":"u1"},"scopes":["x"]}`, lambdahttp.AuthorizerContext{Claims: map[string]string{"sub": "u1"}, Scopes: []string{"x"}}},
		"Lambda, 1.0": {"http-1.0", `{"principalId":"u1","role":"admin"}`, lambdahttp.AuthorizerContext{
			Principal: "u1", Context: map[string]any{"role": "admin"}}},
		"nonsense": {"rest", `["a"]`, lambdahttp.AuthorizerContext{}},
		"text":     {"http-2.0", `"a"`, lambdahttp.AuthorizerContext{}},
	} {
		event := strings.Replace(string(sent{}.event(c.shape)), `"requestContext":{`, `"requestContext":{"authorizer":`+c.authorizer+`,`, 1)
		ev := eventOf(t, []byte(event))
		if got := ev.AuthorizerContext(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %#v\nwant %#v", name, got, c.want)
		}
	}
}
