package gateway_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/session"
)

func moduleDir(t testing.TB, module string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatalf("go list -m: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// TestG5_SameMeaningSameVerdict: however an event writes it down, a request is the same request.
func TestG5_SameMeaningSameVerdict(t *testing.T) {
	w := newWorld(t)
	good := w.token(w.user, "u1")
	alien := w.token(w.user, "u2")
	a := w.authorizer(gateway.Config{Uncached: true, Query: "token"})
	type object = map[string]any
	rest := func(change object) object {
		e := object{"type": "REQUEST", "methodArn": testARN, "httpMethod": "GET", "resource": "/a", "path": "/a", "headers": nil, "multiValueHeaders": nil}
		for k, v := range change {
			e[k] = v
		}
		return e
	}
	http1 := func(change object) object {
		e := rest(change)
		e["version"] = "1.0"
		return e
	}
	http2 := func(change object) object {
		e := object{"type": "REQUEST", "version": "2.0", "routeArn": testARN, "routeKey": "GET /a", "rawPath": "/prod/a", "headers": object{}}
		for k, v := range change {
			e[k] = v
		}
		return e
	}
	token := func(v any) object { return object{"type": "TOKEN", "methodArn": testARN, "authorizationToken": v} }
	socket := func(change object) object {
		e := rest(change)
		e["methodArn"] = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/$connect"
		return e
	}
	head := func(name string, value any) object { return object{"headers": object{name: value}} }
	multi := func(name string, values ...string) object { return object{"multiValueHeaders": object{name: values}} }
	both := func(name string, values ...string) object {
		return object{"multiValueHeaders": object{name: values}, "headers": object{name: values[len(values)-1]}}
	}
	bearer := "Bearer " + good
	cookie := "session=" + good
	groups := map[string][]object{
		"allow": {
			token(bearer), token("bearer " + good), token("BEARER " + good), token("Bearer    " + good),
			rest(head("Authorization", bearer)), rest(head("authorization", bearer)), rest(head("AUTHORIZATION", bearer)), rest(head("aUTHORIZATION", "bEARER "+good)),
			rest(multi("Authorization", bearer)), rest(multi("authorization", bearer)), rest(both("Authorization", bearer)), rest(both("authorization", bearer)),
			rest(object{"headers": object{"Authorization": bearer}, "multiValueHeaders": object{}}),
			rest(both("Cookie", cookie)), rest(both("cookie", "a=b; "+cookie+"; c=d")), rest(both("cookie", "a=b", cookie)), rest(head("cookie", cookie)), rest(head("COOKIE", cookie)),
			http1(head("Authorization", bearer)), http1(head("authorization", bearer)), http1(head("cookie", cookie)),
			http2(head("authorization", bearer)), http2(head("Authorization", bearer)), http2(object{"cookies": []string{cookie}}), http2(object{"cookies": []string{"a=b", cookie}}),
			http2(object{"cookies": []string{cookie}, "headers": object{"authorization": "Basic eDp5"}}), // another scheme is somebody else's
			http2(object{"cookies": nil, "headers": object{"authorization": bearer}, "identitySource": nil}),
			rest(object{"headers": object{"Authorization": bearer, "Cookie": "session=x.y.z"}}), // a header is final
			http2(object{"headers": object{"authorization": bearer}, "cookies": []string{"session=x.y.z"}}),
			socket(head("Authorization", bearer)), socket(object{"queryStringParameters": object{"token": good}}), socket(object{"multiValueQueryStringParameters": object{"token": []string{good}}, "queryStringParameters": object{"token": good}}),
			socket(head("Sec-WebSocket-Protocol", "chat, bearer."+good)), socket(both("sec-websocket-protocol", "bearer."+good, "chat")),
			socket(object{"headers": object{"Cookie": cookie, "Origin": "https://app.example.com"}}), socket(object{"headers": object{"cookie": cookie, "origin": "https://api.example.com"}}),
		},
		"401": {
			token(nil), token(""), token(good), token(bearer + "," + bearer), token(bearer + ", " + bearer), token("Basic " + good),
			rest(nil), rest(object{"headers": object{}}), rest(both("Authorization", bearer, bearer)), rest(multi("Authorization", bearer, "Bearer "+alien)),
			rest(object{"multiValueHeaders": object{"Authorization": []string{bearer}, "authorization": []string{bearer}}}),
			rest(object{"headers": object{"Authorization": bearer, "authorization": "Bearer " + alien}}),
			rest(object{"headers": object{"Authorization": bearer}, "multiValueHeaders": object{"Authorization": []string{"Bearer " + alien}}}),
			rest(head("Authorization", bearer+","+bearer)), rest(head("Authorization", bearer+" , Bearer "+alien)), http1(head("authorization", bearer+","+bearer)),
			rest(both("Cookie", cookie+"; "+cookie)), rest(both("Cookie", cookie, "session="+alien)), rest(both("Cookie", cookie+"; session=")), http1(head("cookie", cookie+";"+cookie)),
			rest(object{"headers": object{"Authorization": "Bearer x.y.z", "Cookie": cookie}}), // a header is final
			rest(object{"queryStringParameters": object{"token": good}}),                       // of a WebSocket only
			rest(head("Sec-WebSocket-Protocol", "bearer."+good)),
			rest(object{"headers": object{"Sec-WebSocket-Protocol": "bearer." + good, "Upgrade": "websocket"}}),
			socket(nil), socket(object{"multiValueQueryStringParameters": object{"token": []string{good, good}}}), socket(head("Sec-WebSocket-Protocol", "bearer."+good+", bearer."+alien)),
		},
		"false": {
			http2(nil), http2(head("authorization", bearer+","+bearer)), http2(head("authorization", bearer+", Bearer "+alien)), http2(object{"cookies": []string{cookie, cookie}}),
			http2(object{"cookies": []string{cookie, "session=" + alien}}), http2(object{"headers": nil, "cookies": nil}), http2(object{"queryStringParameters": object{"token": good}}),
			http2(object{"headers": object{"authorization": "Bearer x.y.z"}, "cookies": []string{cookie}}),
		},
		"deny": { // a WebSocket by cookie, from where nobody trusts
			socket(head("Cookie", cookie)), socket(object{"headers": object{"Cookie": cookie, "Origin": "https://evil.example"}}),
			socket(object{"headers": object{"Cookie": cookie, "Origin": "null"}}), socket(object{"multiValueHeaders": object{"Cookie": []string{cookie}, "Origin": []string{"https://app.example.com", "https://app.example.com"}}}),
		},
	}
	n := 0
	for want, events := range groups {
		for i, e := range events {
			n++
			out, err := a.Invoke(t.Context(), must(json.Marshal(e))(t))
			method, path := "GET", "/a"
			if strings.HasSuffix(fmt.Sprint(e["methodArn"]), "$connect") {
				method, path = "$connect", ""
			}
			if got := outcome(out, err, method, path); got != want {
				t.Errorf("%s %d: %s (%v): %v", want, i, got, err, e)
			}
			if want == "allow" && !strings.Contains(string(out), `"sub":"u1"`) {
				t.Errorf("%s %d is about somebody else: %s", want, i, out)
			}
		}
	}
	if n < 60 {
		t.Errorf("only %d fixtures", n)
	}
}

// checkAnswer checks an answer by AWS's rules.
func checkAnswer(t testing.TB, out []byte) {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(out, &m); err != nil {
		t.Fatalf("the answer is not an object: %v", err)
	}
	for name, raw := range m {
		switch name {
		case "principalId":
			var s string
			if json.Unmarshal(raw, &s) != nil || s == "" {
				t.Errorf("principalId is %s", raw)
			}
		case "context", "resolverContext":
			var values map[string]any
			if json.Unmarshal(raw, &values) != nil {
				t.Errorf("%s is not an object", name)
			}
			for key, v := range values {
				switch v.(type) {
				case string, float64, bool:
				default:
					t.Errorf("%s[%q] is a %T", name, key, v)
				}
				if key == "claims" {
					t.Error("the context has the key claims, which is reserved")
				}
			}
		case "policyDocument":
			var p struct {
				Version   string
				Statement []struct {
					Action, Effect string
					Resource       []string
				}
			}
			if json.Unmarshal(raw, &p) != nil || p.Version != "2012-10-17" || len(p.Statement) == 0 {
				t.Errorf("policyDocument is %s", raw)
			}
			for _, s := range p.Statement {
				if s.Action != "execute-api:Invoke" || s.Effect != "Allow" && s.Effect != "Deny" || len(s.Resource) == 0 {
					t.Errorf("a statement: %+v", s)
				}
				for _, r := range s.Resource {
					parts := strings.SplitN(r, "/", 3)
					if len(r) > 512 || len(parts) != 3 || strings.ContainsAny(parts[0]+parts[1], "*?") || strings.ContainsAny(parts[2], "?${}") {
						t.Errorf("a resource: %s", r)
					}
				}
			}
		case "isAuthorized", "usageIdentifierKey", "deniedFields", "ttlOverride":
		default:
			t.Errorf("a member %s", name)
		}
	}
	if (m["policyDocument"] == nil) != (m["principalId"] == nil) || (m["policyDocument"] == nil) == (m["isAuthorized"] == nil) {
		t.Errorf("an answer that is neither a policy nor a yes or no: %s", out)
	}
	if m["resolverContext"] == nil && len(out) > 8<<10 {
		t.Errorf("the answer has %d bytes", len(out))
	}
}

// TestG6_EveryAnswer checks answers of every sort by AWS's rules, and looks for secrets in them.
func TestG6_EveryAnswer(t *testing.T) {
	w := newWorld(t)
	cookie := w.token(w.user, "u1", "read")
	configs := map[string]gateway.Config{
		"plain": {}, "routes": {Routes: g1Nested, Uncached: true}, "deny": {OnInvalid: gateway.Deny, Routes: g1Routes, Uncached: true},
		"extras": {Context: func(s *gateway.Session) map[string]any {
			return map[string]any{"name": "Bob", "n": 1, "f": 1.5, "b": true}
		}, UsageKey: func(*gateway.Session) string { return "usage-key" }},
		"brief": {WithoutProperties: true}, "needs": {Guard: w.user.With(session.Scope("admin")), Uncached: true},
		"store": {Guard: session.AnyOf(w.live, w.user)}, "fields": {Fields: []gateway.Field{{Name: "Mutation.a", Needs: []session.Need{session.Scope("a")}}, {Name: "Query.b"}}},
	}
	tokens := map[string]string{"good": w.token(w.user, "u1", "read"), "full": w.token(w.user, `<u>"1"&'ü`, "read", "write", "admin"), "live": w.token(w.live, "u1"), "bad": "a.b.c"}
	allowed := 0
	for cname, c := range configs {
		for tname, token := range tokens {
			for _, kind := range kinds {
				got, out := w.asks(kind, "Bearer "+token, c)
				if got == "malformed" || got == "500" {
					t.Errorf("%s, %s, %s: %s", cname, tname, kind, got)
				}
				if out == nil {
					continue
				}
				if got == "allow" {
					allowed++
				}
				checkAnswer(t, out)
				if sig := token[strings.LastIndex(token, ".")+1:]; tname != "bad" && strings.Contains(string(out), sig) {
					t.Errorf("%s, %s, %s: the token is in the answer", cname, tname, kind)
				}
			}
		}
		e := `{"type":"REQUEST","methodArn":"` + testARN + `","headers":{"Cookie":"session=` + cookie + `"}}`
		c.Now = w.Now
		if c.Guard == nil {
			c.Guard = w.user
		}
		if out, err := must(gateway.New(c))(t).Invoke(t.Context(), []byte(e)); err == nil {
			checkAnswer(t, out)
			if strings.Contains(string(out), cookie) {
				t.Errorf("%s: the cookie is in the answer", cname)
			}
		}
	}
	if allowed < 30 {
		t.Errorf("only %d requests were let in: nothing was tested", allowed)
	}
}

// TestG6_Limits: what API Gateway would not take is an error that says what to do, and lets nobody in.
func TestG6_Limits(t *testing.T) {
	w := newWorld(t)
	long := session.Grant[User]{Subject: "u1", Properties: User{Name: strings.Repeat("x", 1900)}}
	token := must(w.user.Create(t.Context(), long))(t).Access
	var many []gateway.Route
	for i := range 32 {
		many = append(many, gateway.Route{Method: "GET", Path: fmt.Sprintf("/route-number-%d/*", i)})
	}
	a := w.authorizer(gateway.Config{Routes: many, Policies: true})
	_, err := a.Invoke(t.Context(), eventOf(t, "REST", "Bearer "+token))
	if err == nil || !strings.Contains(err.Error(), "8192") {
		t.Errorf("an answer of 8 KB and more: %v", err)
	}
	a = w.authorizer(gateway.Config{Routes: many, Policies: true, WithoutProperties: true})
	if _, err := a.Invoke(t.Context(), eventOf(t, "REST", "Bearer "+token)); err != nil {
		t.Errorf("without properties: %v", err)
	}
	for name, value := range map[string]any{"o": map[string]any{}, "l": []string{"a"}, "nil": nil, "sub": "x", "claims": "x", "principalId": "x", "": "x"} {
		a := w.authorizer(gateway.Config{Context: func(*gateway.Session) map[string]any { return map[string]any{name: value} }})
		if out, err := a.Invoke(t.Context(), eventOf(t, "REST", "Bearer "+token)); err == nil {
			t.Errorf("Context %q: %v: %s", name, value, out)
		}
	}
}
