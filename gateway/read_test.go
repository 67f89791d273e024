package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/lambdahttp"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
	"github.com/posternauth/postern/session"
)

// behind is a function that believes what is in front of it.
func (w *world) behind(k *session.Kind[User], needs ...session.Need) lambdatest.Function {
	w.t.Helper()
	h := gateway.FromAuthorizer(k).Require(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s, _ := k.From(r.Context())
		_ = json.NewEncoder(rw).Encode(s)
	}), needs...)
	return lambdatest.Func(must(lambdahttp.New(h, lambdahttp.Config{AllowLocal: true}))(w.t).Invoke)
}

// fronts are the ways in which the session of a token may reach a function.
func (w *world) fronts(jwt *lambdatest.JWTAuthorizer, k *session.Kind[User]) map[string]func(lambdatest.Function) *lambdatest.Gateway {
	w.t.Helper()
	lambda := func(change func(*lambdatest.LambdaAuthorizer)) *lambdatest.LambdaAuthorizer {
		a := &lambdatest.LambdaAuthorizer{Function: w.function(gateway.Config{Guard: k})}
		change(a)
		return a
	}
	build := func(kind lambdatest.APIType, a lambdatest.RouteAuthorizer) func(lambdatest.Function) *lambdatest.Gateway {
		return func(f lambdatest.Function) *lambdatest.Gateway {
			return must(lambdatest.New(lambdatest.Config{Type: kind, Stage: "prod", Now: w.Now, Routes: []lambdatest.Route{
				{Path: "/a", Function: f, Authorizer: a}, {Path: "/open", Function: f}}}))(w.t)
		}
	}
	none := func(*lambdatest.LambdaAuthorizer) {}
	return map[string]func(lambdatest.Function) *lambdatest.Gateway{
		"REST, Lambda":     build(lambdatest.REST, lambda(none)),
		"HTTP 1.0, Lambda": build(lambdatest.HTTPAPIv1, lambda(func(a *lambdatest.LambdaAuthorizer) { a.PayloadVersion = "1.0" })),
		"HTTP 2.0, Lambda": build(lambdatest.HTTPAPI, lambda(func(a *lambdatest.LambdaAuthorizer) { a.SimpleResponses = true })),
		"HTTP 2.0, JWT":    build(lambdatest.HTTPAPI, jwt),
		"HTTP 1.0, JWT":    build(lambdatest.HTTPAPIv1, jwt),
		"REST, JWT":        build(lambdatest.REST, jwt),
	}
}

// newIssuer is a world that signs as JWT authorizers like it, and serves its keys.
func newIssuer(t *testing.T) (*world, *lambdatest.JWTAuthorizer) {
	t.Helper()
	key := must(keys.Generate(keys.RS256))(t)
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	base := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1) + "/auth"
	w := newWorld(t, func(c *session.Config) {
		c.Issuer, c.Keys = base, must(keys.StaticSigner(key))(t)
	})
	w.key = key
	mux.Handle("/auth/", w.sessions.Handler())
	return w, &lambdatest.JWTAuthorizer{Issuer: base, Audience: []string{audience}, AllowHTTP: true, HTTPClient: srv.Client(), FetchTimeout: timeLimit}
}

// TestTrusted_WholeSession: behind each authorizer the function has the session that a guard would give it.
func TestTrusted_WholeSession(t *testing.T) {
	w, jwt := newIssuer(t)
	token := w.token(w.user, "u1", "orders:read", "orders:write")
	direct := must(w.user.Verify(t.Context(), token))(t)
	want := string(must(json.Marshal(direct))(t))
	for name, front := range w.fronts(jwt, w.user) {
		g := front(w.behind(w.user, session.Scope("orders:read"), session.Role("owner"), session.AuthMethod("otp")))
		key, value := bearer(token)
		rec := call(g, "GET", "/a", key, value)
		if got := strings.TrimSpace(rec.Body.String()); rec.Code != 200 || got != want {
			t.Errorf("%s: %d\n%s, want\n%s", name, rec.Code, got, want)
		}
		// Nothing that a client sends takes the place of the authorizer.
		for _, header := range [][]string{{key, value}, {"X-Amzn-Authorizer", "u1"}, {"Cookie", "session=" + token}} {
			if rec := call(g, "GET", "/open", header...); rec.Code != 401 {
				t.Errorf("%s, a route without authorizer, %s: %d, want 401", name, header[0], rec.Code)
			}
		}
		if rec := call(front(w.behind(w.user, session.Scope("admin"))), "GET", "/a", key, value); rec.Code != 403 || !strings.Contains(rec.Body.String(), "insufficient_scope") {
			t.Errorf("%s, a need that is not met: %d %s", name, rec.Code, rec.Body)
		}
		// A JWT authorizer lets every kind of the issuer in, and so does one that lets in several.
		if rec := call(front(w.behind(w.other)), "GET", "/a", key, value); rec.Code != 401 {
			t.Errorf("%s, a function for another kind: %d, want 401", name, rec.Code)
		}
	}
}

// TestTrusted_ByConnection: a request that came over a connection, or by another front end, has no authorizer.
func TestTrusted_ByConnection(t *testing.T) {
	w := newWorld(t)
	h := gateway.FromAuthorizer(w.user).Require(http.NotFoundHandler())
	key, value := bearer(w.token(w.user, "u1"))
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set(key, value)
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	if rec.Code != 401 {
		t.Errorf("a plain request: %d, want 401", rec.Code)
	}
	for _, kind := range []lambdatest.APIType{lambdatest.FunctionURL, lambdatest.ALB, lambdatest.ALBMultiValue} {
		rec := httptest.NewRecorder()
		lambdatest.Handler(kind, w.behind(w.user)).ServeHTTP(rec, r)
		if rec.Code != 401 {
			t.Errorf("%v: %d, want 401", kind, rec.Code)
		}
	}
	url := `{"version":"2.0","rawPath":"/","headers":{},"requestContext":{"apiId":"x","domainName":"x.lambda-url.eu-west-1.on.aws","http":{"method":"GET","path":"/"},"authorizer":{"jwt":{"claims":` +
		string(must(json.Marshal(w.claims(nil)))(t)) + `}}}}`
	for change, status := range map[string]string{"no change": `"statusCode":401`, ".lambda-url.": `"statusCode":200`} { // no function URL has a JWT authorizer
		out, err := w.behind(w.user).Invoke(t.Context(), []byte(strings.Replace(url, change, ".", 1)))
		if err != nil || !strings.Contains(string(out), status) {
			t.Errorf("%q: %s, %v", change, out, err)
		}
	}
	claims := string(must(json.Marshal(w.claims(nil)))(t))
	for name, c := range map[string]struct {
		authorizer string
		ok         bool
	}{
		"of a JWT authorizer":    {`"jwt":{"claims":` + claims + `}`, true},
		"of a Lambda authorizer": {`"lambda":{"claims":` + claims + `}`, false}, // which may pass on what a client sent
		"at the top":             {`"claims":` + claims, false},
	} {
		_, err := gateway.Read(t.Context(), w.user, []byte(`{"version":"2.0","requestContext":{"apiId":"x","authorizer":{`+c.authorizer+`}}}`))
		if c.ok != (err == nil) || !c.ok && session.Reason(err) != "missing" {
			t.Errorf("claims %s: %v", name, err)
		}
	}
	if _, err := gateway.Read(t.Context(), w.user, []byte(`{"version":"2.0","headers":{"authorizer":"x"},"lambda":{"sub":"u1"},"authorizer":{"lambda":{"sub":"u1"}}}`)); session.Reason(err) != "missing" {
		t.Errorf("an event that says nothing of an authorizer: %v", err)
	}
}

// TestTrusted_CookieOfAnotherOrigin: where a cache has let a request through that its page may not send, the function
// does not.
func TestTrusted_CookieOfAnotherOrigin(t *testing.T) {
	w := newWorld(t)
	auth := &lambdatest.LambdaAuthorizer{Function: w.function(gateway.Config{Uncached: true}), IdentitySource: []string{"method.request.header.Cookie"}}
	g := must(lambdatest.New(lambdatest.Config{Type: lambdatest.REST, Stage: "prod", Now: w.Now,
		Routes: []lambdatest.Route{{Path: "/a", Function: w.behind(w.user), Authorizer: auth}}}))(t)
	cookie := "session=" + w.token(w.user, "u1")
	if rec := call(g, "POST", "/a", "Cookie", cookie, "Sec-Fetch-Site", "same-origin"); rec.Code != 200 {
		t.Fatalf("POST of the same origin: %d %s", rec.Code, rec.Body)
	}
	if rec := call(g, "POST", "/a", "Cookie", cookie, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"); rec.Code != 403 {
		t.Errorf("POST of another origin, with the policy from the cache: %d %s", rec.Code, rec.Body)
	}
}

// TestTrusted_Claims: the claims of a kind come through, so that a function can ask for them.
func TestTrusted_Claims(t *testing.T) {
	w := newWorld(t)
	plan := session.NewClaim(w.user, session.ClaimConfig[User, string]{Name: "plan"})
	g := session.Grant[User]{Subject: "u1", Properties: User{UserID: "u1"}}
	if err := plan.Set(&g, "gold"); err != nil {
		t.Fatal(err)
	}
	token := must(w.user.Create(t.Context(), g))(t).Access
	for _, kind := range []string{"REST", "2.0"} {
		_, out := w.asks(kind, "Bearer "+token, gateway.Config{})
		var answer struct{ Context map[string]any }
		if err := json.Unmarshal(out, &answer); err != nil {
			t.Fatal(err)
		}
		event := map[string]any{"requestContext": map[string]any{"apiId": "x", "authorizer": answer.Context}}
		if kind == "2.0" {
			event = map[string]any{"version": "2.0", "requestContext": map[string]any{"apiId": "x", "authorizer": map[string]any{"lambda": answer.Context}}}
		}
		s, err := gateway.Read(t.Context(), w.user, must(json.Marshal(event))(t))
		if err != nil {
			t.Fatal(err)
		}
		if v, _, ok := plan.Value(s); !ok || v != "gold" {
			t.Errorf("%s: the claim is %q, %v", kind, v, ok)
		}
	}
}

// TestRead_JWTStrings: claims as HTTP APIs write them, and claims that are not of a session.
func TestRead_JWTStrings(t *testing.T) {
	w := newWorld(t)
	now := w.Now().Unix()
	claims := func(change map[string]any) []byte {
		c := map[string]any{"iss": issuer, "aud": "[api other]", "sub": "u1", "sid": "s1", "jti": "j1", "client_id": "web", "type": "user",
			"iat": fmt.Sprint(now), "exp": fmt.Sprint(now + 60), "roles": "[owner editor]", "amr": "[pwd]", "scope": "a b", "auth_time": fmt.Sprint(now), "properties": `{"userID":"u1"}`}
		for k, v := range change {
			c[k] = v
		}
		return must(json.Marshal(map[string]any{"version": "2.0", "requestContext": map[string]any{"apiId": "x", "authorizer": map[string]any{"jwt": map[string]any{"claims": c, "scopes": nil}}}}))(t)
	}
	s, err := gateway.Read(t.Context(), w.user, claims(nil))
	if err != nil || s.Properties.UserID != "u1" || len(s.Roles) != 2 || s.Roles[1] != "editor" || len(s.Scopes) != 2 || s.Expires.Unix() != now+60 || len(s.Authentication.Methods) != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	for reason, changes := range map[string][]map[string]any{
		"issuer": {{"iss": "https://evil.example"}, {"iss": ""}}, "audience": {{"aud": "[other]"}, {"aud": "apis"}, {"aud": ""}}, "kind": {{"type": "admin"}, {"type": ""}},
		"expired":       {{"exp": fmt.Sprint(now - 60)}},
		"not_yet_valid": {{"nbf": fmt.Sprint(now + 90)}},
		"claims":        {{"exp": "soon"}, {"exp": ""}, {"exp": "1e400"}, {"roles": "owner"}, {"properties": "map[userID:u1]"}, {"properties": ""}, {"sub": ""}, {"jti": ""}, {"iat": "-"}},
	} {
		for _, change := range changes {
			if _, err := gateway.Read(t.Context(), w.user, claims(change)); session.Reason(err) != reason {
				t.Errorf("%v: %v, want %s", change, err, reason)
			}
		}
	}
}
