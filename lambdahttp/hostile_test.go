package lambdahttp_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern/lambdahttp"
)

// TestHostile_Refused: what net/http refuses is a 400 here, never reaches the handler, and is never echoed.
func TestHostile_Refused(t *testing.T) {
	var refused []string
	for name, s := range map[string]sent{
		"line break in a header":    {header: []string{"X-Evil", "a\r\nAuthorization: Bearer evil"}},
		"NUL in a header":           {header: []string{"X-Evil", "a\x00evil"}},
		"line break in a name":      {header: []string{"X-Evil: 1\r\nAuthorization", "Bearer"}},
		"space in a name":           {header: []string{"Content-Length ", "0"}},
		"empty name":                {header: []string{"", "evil"}},
		"pseudo header":             {header: []string{":authority", "evil.example"}},
		"two hosts":                 {header: []string{"Host", "api.example.com", "Host", "evil.example"}},
		"a host that is a URL":      {header: []string{"Host", "evil.example/x"}},
		"a host with a line break":  {header: []string{"Host", "a\r\nevil"}},
		"a host with a user":        {header: []string{"Host", "good@evil.example"}},
		"line break in a cookie":    {cookies: []string{"a=1\r\nX-Evil: 1"}},
		"method that is none":       {method: "GET /evil HTTP/1.1\r\n"},
		"absolute path":             {path: "http://evil.example/x"},
		"the server as a path":      {method: "OPTIONS", path: "*"},
		"relative path":             {path: "evil"},
		"base64 that is none":       {method: "POST", body: "evil!", encoded: true},
		"base64 without its end":    {method: "POST", body: "ZXZpbA", encoded: true},
		"base64 of another sort":    {method: "POST", body: "_-_-", encoded: true},
		"unfinished percent":        {path: "/%"},
		"percent without a number":  {path: "/%zz"},
		"percent without all of it": {path: "/%4"},
	} {
		eachShape(t, func(t *testing.T, shape string) {
			if strings.HasPrefix(name, "two hosts") && shape == "alb" || strings.HasPrefix(name, "percent") && strings.HasPrefix(shape, "http-") ||
				name == "unfinished percent" && strings.HasPrefix(shape, "http-") {
				return // one header of a name; paths were decoded on the way
			}
			logger, lines := logs()
			f := function(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				t.Errorf("%s: reached the handler: %q %q", name, r.URL, r.Header)
			}), lambdahttp.Config{Logger: logger})
			got := invoke(t, f, s.event(shape))
			if got.Status != 400 || !strings.HasPrefix(got.Body, `{"error":"invalid_request","error_description":"`) {
				t.Errorf("%s: %s", name, got.raw)
			}
			if strings.Contains(got.raw, "evil") || strings.Contains(lines.String(), "evil") || strings.Count(lines.String(), "\n") != 1 {
				t.Errorf("%s: the client's own words: %s\n%s", name, got.raw, lines)
			}
			refused = append(refused, name)
		})
	}
	if len(refused) < 100 {
		t.Errorf("only %d cases ran", len(refused))
	}
}

// TestHostile_Harmless: odd requests reach the handler as what they are, and nothing in them has become something else.
func TestHostile_Harmless(t *testing.T) {
	eachShape(t, func(t *testing.T, shape string) {
		got := see(t, lambdahttp.Config{}, sent{path: "//evil.example/%2e%2e/x"}.event(shape))
		if u, err := url.ParseRequestURI(got.URI); got.Path != "//evil.example/../x" || got.Host == "evil.example" || err != nil || u.Host != "" {
			t.Errorf("two slashes: %+v, %v", got, err)
		}
		got = see(t, lambdahttp.Config{}, sent{path: "/" + strings.Repeat("a/", 5000), query: strings.Repeat("a=b&", 1000) + "a=b"}.event(shape))
		if len(got.Path) != 10001 || (shape != "alb" && strings.Count(got.Query, "a=b") != 1001) {
			t.Errorf("a long URL: path of %d bytes, query of %d", len(got.Path), len(got.Query))
		}
		// The connection ended at the gateway: a handler that forwards the request must not forward its framing.
		got = see(t, lambdahttp.Config{}, sent{method: "POST", body: "hello", header: []string{"Transfer-Encoding", "chunked", "Content-Length", "999"}}.event(shape))
		if got.Header.Get("Transfer-Encoding") != "" || got.Header.Get("Content-Length") != "5" || got.Length != 5 {
			t.Errorf("framing: %+v", got)
		}
	})
	// A raw query is written out as one line and one query, whatever is in it.
	event := strings.Replace(string(sent{query: "QQ"}.event("http-2.0")), `"rawQueryString":"QQ"`, `"rawQueryString":"a=b c\r\nX: y\u0000#frag&λ=\u007f"`, 1)
	got := see(t, lambdahttp.Config{}, []byte(event))
	if want := "a=b%20c%0D%0AX:%20y%00%23frag&λ=%7F"; got.Query != want {
		t.Errorf("query %q, want %q", got.Query, want)
	}
	if values, err := url.ParseQuery(got.Query); err != nil || values.Get("a") != "b c\r\nX: y\x00#frag" {
		t.Errorf("query reads as %q, %v", values, err)
	}
}

// TestHostile_Spoof: a client can write any header, and none is taken for what the platform says.
func TestHostile_Spoof(t *testing.T) {
	eachShape(t, func(t *testing.T, shape string) {
		var ev *lambdahttp.Event
		f := function(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { ev, _ = lambdahttp.From(r.Context()) }), lambdahttp.Config{})
		invoke(t, f, sent{header: []string{
			"X-GoLambdaProxy-ApiGw-Context", `{"accountId":"EVIL","authorizer":{"principalId":"EVIL"}}`,
			"X-Amzn-Request-Context", `{"authorizer":{"lambda":{"user":"EVIL"}}}`,
			"X-Amzn-Lambda-Context", `{"request_id":"EVIL"}`, "X-Apigateway-Event", "EVIL", "Requestcontext", "EVIL", "X-Forwarded-Host", "EVIL",
		}, query: "requestContext=EVIL"}.event(shape))
		a := ev.AuthorizerContext()
		if a.Principal != "" || a.Claims != nil || a.Context != nil || strings.Contains(ev.RequestID+ev.Stage+ev.Route+ev.DomainName+ev.APIID, "EVIL") {
			t.Errorf("%+v, %+v", ev, a)
		}
	})
}

// TestG4_Events: events that no platform would send are answered or refused, in bounded time and without a panic.
func TestG4_Events(t *testing.T) {
	f := function(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}), lambdahttp.Config{})
	const v2 = `{"version":"2.0","rawPath":"/","requestContext":{"http":{"method":"GET"}}`
	for name, event := range map[string]string{
		"deep":                    strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000),
		"deep below a header":     v2 + `,"headers":{"a":` + strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000) + `}}`,
		"many members":            `{` + strings.Repeat(`"a":1,`, 200_000) + `"b":2}`,
		"nothing":                 ``,
		"not JSON":                `{"version":"2.0"`,
		"null":                    `null`,
		"a list":                  `[]`,
		"a string":                `"GET /"`,
		"a number as a path":      `{"httpMethod":"GET","path":5}`,
		"an object as a method":   `{"httpMethod":{},"path":"/"}`,
		"an object as a header":   v2 + `,"headers":[{"a":"b"}]}`,
		"a list as the context":   `{"httpMethod":"GET","path":"/","requestContext":[]}`,
		"cookies that are none":   v2 + `,"cookies":{"a":"b"}}`,
		"a name as long as a day": `{"` + strings.Repeat("n", 1<<20) + `":1}`,
	} {
		out, err := f.Invoke(t.Context(), []byte(event))
		if err == nil {
			var r reply
			if json.Unmarshal(out, &r) != nil || r.Status != 400 {
				t.Errorf("%s: %.300s", name, out)
			}
		} else if len(err.Error()) > 1500 {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
	}
	// Members that may be missing are missed by nobody.
	for _, event := range []string{
		v2 + `}`,
		v2 + `,"headers":null,"cookies":null,"body":null,"pathParameters":null,"stageVariables":null,"queryStringParameters":null}`,
		`{"httpMethod":"GET","path":"/"}`,
		`{"httpMethod":"GET","path":"/","headers":null,"multiValueHeaders":null,"requestContext":null}`,
		`{"httpMethod":"GET","path":"/","headers":{"a":null,"b":1,"c":true},"multiValueHeaders":{},"requestContext":{"authorizer":null}}`,
		`{"httpMethod":"GET","path":"/","multiValueHeaders":{"a":[],"b":null},"requestContext":{"elb":{}}}`,
	} {
		if got := invoke(t, f, []byte(event)); got.Status != 200 {
			t.Errorf("%s: %s", event, got.raw)
		}
	}
}
