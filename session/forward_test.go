package session_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// A forwardWorld has a kind in a store behind ForwardAuth.
type forwardWorld struct {
	*claimWorld
	token, cookie string
}

func newForwardWorld(t testing.TB, changes ...func(*session.Config)) *forwardWorld {
	w := &forwardWorld{claimWorld: newClaimWorld(t, changes...)}
	w.value.Store(true)
	w.token = w.create(func(g *session.Grant[User]) error {
		g.Scopes, g.Roles = []string{"orders:read", "orders:write"}, []string{"owner"}
		return nil
	}).Access
	w.cookie = session.CookieNameOf(w.member) + "=" + w.token
	return w
}

// ask asks about a request as a proxy does: by a GET that names the method, and with a path.
func (w *forwardWorld) ask(headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	return w.askAs("GET", headers...)
}

func (w *forwardWorld) askAs(method string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	if !slices.Contains(headers, "X-Forwarded-Uri") {
		headers = append(slices.Clip(headers), "X-Forwarded-Uri", "/orders")
	}
	rec := serve(session.ForwardAuth(w.member, session.Scope("orders:read")), request(method, "/auth/verify", headers...))
	w.checkForward(rec)
	return rec
}

// checkForward checks what every answer has in common.
func (w *forwardWorld) checkForward(rec *httptest.ResponseRecorder) {
	w.t.Helper()
	if !slices.Contains([]int{200, 401, 403, 503}, rec.Code) {
		w.t.Errorf("status %d", rec.Code)
	}
	h := rec.Header()
	if h.Get("Cache-Control") != "no-store" || len(h["Set-Cookie"]) > 0 || h.Get("Location") != "" {
		w.t.Errorf("header %v", h)
	}
	if challenged := h.Get("WWW-Authenticate") != ""; rec.Code == 401 && !challenged || (rec.Code == 200 || rec.Code == 503) && challenged {
		w.t.Errorf("%d with WWW-Authenticate %q", rec.Code, h.Get("WWW-Authenticate"))
	}
	for _, name := range session.ForwardHeaders() {
		if rec.Code != 200 && h.Get(name) != "" {
			w.t.Errorf("%d with %s: %s", rec.Code, name, h.Get(name))
		}
	}
	if rec.Code == 200 && (rec.Body.Len() > 0 || h.Get("X-Auth-Error") != "") {
		w.t.Errorf("a refusal in a 200: %v %s", h, rec.Body)
	}
	if rec.Code != 200 && h.Get("X-Auth-Error") != errorCode(w.t, rec) {
		w.t.Errorf("X-Auth-Error %q of %s", h.Get("X-Auth-Error"), rec.Body)
	}
}

func TestForwardAuth_Statuses(t *testing.T) {
	w := newForwardWorld(t)
	poor := w.create().Access
	expired := w.create(func(g *session.Grant[User]) error { g.Scopes = []string{"orders:read"}; return nil })
	get := []string{"X-Forwarded-Method", "GET"}
	for name, c := range map[string]struct {
		headers []string
		code    int
		error   string
	}{
		"bearer":          {[]string{"Authorization", "Bearer " + w.token}, 200, ""},
		"cookie":          {append(get, "Cookie", w.cookie), 200, ""},
		"none":            {nil, 401, "unauthorized"},
		"other scheme":    {[]string{"Authorization", "Basic eDp5"}, 401, "unauthorized"},
		"rubbish":         {[]string{"Authorization", "Bearer rubbish"}, 401, "invalid_token"},
		"two headers":     {[]string{"Authorization", "Bearer " + w.token, "Authorization", "Bearer " + w.token}, 401, "invalid_request"},
		"two cookies":     {append(get, "Cookie", w.cookie+"; "+w.cookie), 401, "invalid_request"},
		"spoiled":         {[]string{"Authorization", "Bearer " + w.token[:len(w.token)-4] + "AAAA"}, 401, "invalid_token"},
		"scope":           {[]string{"Authorization", "Bearer " + poor}, 403, "insufficient_scope"},
		"scope, cookie":   {append(get, "Cookie", session.CookieNameOf(w.member)+"="+poor), 403, "insufficient_scope"},
		"header decides":  {append(get, "Cookie", w.cookie, "Authorization", "Bearer "+poor), 403, "insufficient_scope"},
		"refresh cookie":  {append(get, "Cookie", session.CookieNameOf(w.member)+"-refresh="+expired.Refresh), 401, "try_refresh"},
		"of another kind": {[]string{"Authorization", "Bearer " + w.world.token()}, 401, "invalid_token"},
	} {
		t.Run(name, func(t *testing.T) {
			rec := w.ask(c.headers...)
			if rec.Code != c.code || c.error != "" && errorCode(t, rec) != c.error {
				t.Errorf("%d %s, want %d %s", rec.Code, rec.Body, c.code, c.error)
			}
		})
	}

	// A session that could be refreshed is not refreshed here: the cookie would not arrive.
	w.Advance(10 * time.Minute)
	rec := w.ask(append(get, "Cookie", session.CookieNameOf(w.member)+"="+expired.Access+"; "+session.CookieNameOf(w.member)+"-refresh="+expired.Refresh)...)
	if rec.Code != 401 || errorCode(t, rec) != "try_refresh" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if slices.Contains(w.eventNames(), "session refreshed") {
		t.Error("it was refreshed")
	}
}

// TestG3_ForwardAuthKeysDown: a token that cannot be checked lets nothing through.
func TestG3_ForwardAuthKeysDown(t *testing.T) {
	w := newForwardWorld(t)
	broken := newWorld(t, func(c *session.Config) { c.Keys = brokenSigner{c.Keys.(keys.Signer)} })
	k := session.NewKindConfig(broken.sessions, session.KindConfig[User]{Name: "member"})
	rec := serve(session.ForwardAuth(k), request("GET", "/auth/verify", "X-Forwarded-Uri", "/", "Authorization", "Bearer "+w.token))
	w.checkForward(rec)
	if rec.Code != 503 || rec.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	shaky := &faulty{}
	w = newForwardWorld(t, func(c *session.Config) { shaky.Store = c.Store; c.Store = shaky })
	shaky.calls, shaky.at = 0, 1
	rec = serve(session.ForwardAuth(w.member, session.CheckStore), request("GET", "/auth/verify", "X-Forwarded-Uri", "/", "Authorization", "Bearer "+w.token))
	w.checkForward(rec)
	if rec.Code != 503 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// TestX2_ForwardAuthOriginalMethod: the cross-origin check is for the request that the proxy asks about. Of several
// methods the strictest counts.
func TestX2_ForwardAuthOriginalMethod(t *testing.T) {
	w := newForwardWorld(t, func(c *session.Config) { c.Origins = []string{"https://app.example.com"} })
	const cross, same, link = "cross-site", "same-origin", "none"
	for name, c := range map[string]struct {
		method  string // of the proxy's own request
		headers []string
		ok      bool
	}{
		"GET":                         {"GET", []string{"X-Forwarded-Method", "GET"}, true},
		"GET from elsewhere":          {"GET", []string{"X-Forwarded-Method", "GET", "Sec-Fetch-Site", cross}, true},
		"HEAD":                        {"GET", []string{"X-Original-Method", "HEAD", "Sec-Fetch-Site", cross}, true},
		"POST":                        {"GET", []string{"X-Forwarded-Method", "POST", "Sec-Fetch-Site", same}, true},
		"POST by origin":              {"GET", []string{"X-Original-Method", "POST", "Origin", "https://app.example.com"}, true},
		"POST of the issuer":          {"GET", []string{"X-Original-Method", "POST", "Origin", "https://api.example.com"}, true},
		"POST from elsewhere":         {"GET", []string{"X-Forwarded-Method", "POST", "Sec-Fetch-Site", cross}, false},
		"POST of elsewhere":           {"GET", []string{"X-Original-Method", "POST", "Origin", "https://evil.example"}, false},
		"POST of nowhere":             {"GET", []string{"X-Original-Method", "POST", "Origin", "null"}, false},
		"POST, nothing said":          {"GET", []string{"X-Original-Method", "POST"}, false},
		"DELETE":                      {"GET", []string{"X-Original-Method", "DELETE", "Sec-Fetch-Site", cross}, false},
		"lower case":                  {"GET", []string{"X-Original-Method", "post", "Sec-Fetch-Site", cross}, false},
		"an unknown word":             {"GET", []string{"X-Original-Method", "%REQ(:METHOD)%", "Sec-Fetch-Site", cross}, false},
		"empty":                       {"GET", []string{"X-Original-Method", "", "Sec-Fetch-Site", cross}, false},
		"two say different":           {"GET", []string{"X-Forwarded-Method", "GET", "X-Original-Method", "POST", "Sec-Fetch-Site", cross}, false},
		"two say different, reversed": {"GET", []string{"X-Forwarded-Method", "POST", "X-Original-Method", "GET", "Sec-Fetch-Site", cross}, false},
		"one says two":                {"GET", []string{"X-Forwarded-Method", "GET", "X-Forwarded-Method", "POST", "Sec-Fetch-Site", cross}, false},
		"one says two in a line":      {"GET", []string{"X-Forwarded-Method", "GET, POST", "Sec-Fetch-Site", cross}, false},
		"the proxy's own":             {"POST", []string{"Sec-Fetch-Site", cross}, false},
		"the proxy's own, and a lie":  {"POST", []string{"X-Forwarded-Method", "GET", "Sec-Fetch-Site", cross}, false},
		"the proxy's own, same site":  {"POST", []string{"Sec-Fetch-Site", same}, true},
		"nothing told":                {"GET", []string{"Sec-Fetch-Site", cross}, false},
		"nothing told, a link typed":  {"GET", []string{"Sec-Fetch-Site", link}, true},
		"nothing at all":              {"GET", nil, false},
		"override is not ours":        {"GET", []string{"X-Original-Method", "POST", "X-Http-Method-Override", "GET", "Sec-Fetch-Site", cross}, false},
		"other headers decide naught": {"GET", []string{"X-Original-Method", "POST", "Sec-Fetch-Site", cross, "X-Forwarded-Host", "api.example.com", "X-Forwarded-Uri", "/", "X-Original-Url", "https://api.example.com/", "Forwarded", "host=api.example.com"}, false},
		"WebSocket":                   {"GET", []string{"X-Forwarded-Method", "GET", "Sec-WebSocket-Key", "x", "Origin", "https://app.example.com"}, true},
		"WebSocket of elsewhere":      {"GET", []string{"X-Forwarded-Method", "GET", "Sec-WebSocket-Key", "x", "Origin", "https://evil.example"}, false},
		"WebSocket by version":        {"GET", []string{"X-Forwarded-Method", "GET", "Sec-WebSocket-Version", "13", "Origin", "https://evil.example"}, false},
		"WebSocket by mode":           {"GET", []string{"X-Forwarded-Method", "GET", "Sec-Fetch-Mode", "websocket", "Origin", "https://evil.example"}, false},
		"WebSocket by CONNECT":        {"GET", []string{"X-Forwarded-Method", "CONNECT", "Sec-Fetch-Site", same, "Origin", "https://evil.example"}, false},
		"WebSocket without an origin": {"GET", []string{"X-Forwarded-Method", "GET", "Sec-WebSocket-Key", "x"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			rec := w.askAs(c.method, append(c.headers, "Cookie", w.cookie)...)
			if want := map[bool]int{true: 200, false: 403}[c.ok]; rec.Code != want {
				t.Errorf("by cookie: %d %s, want %d", rec.Code, rec.Body, want)
			} else if !c.ok && errorCode(t, rec) != "cross_origin" {
				t.Errorf("by cookie: %s", rec.Body)
			}
			// A page sets a header by itself, so it needs no such proof.
			if rec := w.askAs(c.method, append(c.headers, "Authorization", "Bearer "+w.token)...); rec.Code != 200 {
				t.Errorf("by header: %d %s", rec.Code, rec.Body)
			}
		})
	}
	for header, hint := range map[string]string{"Sec-Fetch-Site": "X-Original-Method", "X-Original-Method": "neither Origin nor Sec-Fetch-Site"} {
		value := map[string]string{"Sec-Fetch-Site": cross, "X-Original-Method": "POST"}[header]
		if rec := w.ask("Cookie", w.cookie, header, value); !strings.Contains(rec.Body.String(), hint) {
			t.Errorf("the answer does not help the operator: %s", rec.Body)
		}
	}
}

// TestG6_ForwardAuthHeaders: the headers have the values of the session, whatever characters are in them.
func TestG6_ForwardAuthHeaders(t *testing.T) {
	w := newForwardWorld(t)
	rec := w.ask("Authorization", "Bearer "+w.token)
	s := must(w.member.Verify(t.Context(), w.token))(t)
	for name, want := range map[string]string{
		"X-Auth-Subject": "u1", "X-Auth-Kind": "member", "X-Auth-Session": s.ID,
		"X-Auth-Scopes": "orders:read orders:write", "X-Auth-Roles": "owner",
	} {
		if got := rec.Header()[http.CanonicalHeaderKey(name)]; !reflect.DeepEqual(got, []string{want}) {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if strings.Contains(rec.Header().Get("X-Auth-Scopes"), w.token) || rec.Header().Get("Content-Length") != "0" {
		t.Errorf("%v", rec.Header())
	}

	partner := must(session.NewExternal[map[string]any](session.ExternalConfig{Issuer: "https://partner.example/", Audience: audience,
		Algorithms: []keys.Algorithm{keys.ES256}, Keys: must(keys.Static(w.key.Public()))(t), Now: w.Now}))(t)
	h := session.ForwardAuth(session.AnyOf(w.member, partner))
	seen := map[string]string{}
	for _, subject := range []string{"auth0|1", "a b", "a%20b", "a,b", "a%2Cb", " a", "ä", "\u00c3\u00a4", "a\r\nX-Auth-Roles: admin", "a\x00", "日本", "a+b", "a/b?c=d&e", strings.Repeat("x", 2000)} {
		payload := w.with("iss", "https://partner.example/")
		payload["sub"], payload["scp"], payload["roles"] = subject, []string{"read", "a b", "x,y", "\r\n", "write"}, []string{"user", "user admin"}
		delete(payload, "scope")
		rec := serve(h, request("GET", "/auth/verify", "X-Forwarded-Uri", "/", "Authorization", "Bearer "+w.sign(payload)))
		w.checkForward(rec)
		if rec.Code != 200 {
			t.Fatalf("%q: %d %s", subject, rec.Code, rec.Body)
		}
		got := rec.Header().Get("X-Auth-Subject")
		if back, err := url.PathUnescape(got); err != nil || back != subject || strings.ContainsFunc(got, func(r rune) bool { return r <= ' ' || r > '~' || r == ',' }) {
			t.Errorf("%q became %q", subject, got)
		}
		if other, twice := seen[got]; twice {
			t.Errorf("%q and %q look the same", subject, other)
		}
		seen[got] = subject
		if rec.Header().Get("X-Auth-Scopes") != "read write" || rec.Header().Get("X-Auth-Roles") != "user" || rec.Header().Get("X-Auth-Kind") != "https://partner.example/" {
			t.Errorf("%v", rec.Header())
		}
	}
	rec = serve(h, request("GET", "/auth/verify", "X-Forwarded-Uri", "/", "Authorization", "Bearer "+w.create().Access))
	if roles := rec.Header()["X-Auth-Roles"]; !reflect.DeepEqual(roles, []string{""}) { // to overwrite what a client sent
		t.Errorf("no roles are %q", roles)
	}
}

// A proxy that does not send the path opens nothing: without it the endpoint cannot know that two programs read the
// path in the same way. The reason is in the header, because proxies drop the body. AnyPath needs no path.
func TestTwoReadersOfOnePath_NoPath(t *testing.T) {
	w := newForwardWorld(t)
	for name, c := range map[string]struct {
		headers []string
		want    string // the error; empty: let through
	}{
		"method alone":        {[]string{"X-Original-Method", "GET"}, "missing_path"},
		"nothing":             {nil, "missing_path"},
		"empty":               {[]string{"X-Forwarded-Method", "GET", "X-Forwarded-Uri", ""}, "missing_path"},
		"ingress-nginx":       {[]string{"X-Original-Method", "GET", "X-Original-Url", "https://app.example.com/a?b=c"}, ""},
		"ingress-nginx, dots": {[]string{"X-Original-Method", "GET", "X-Original-Url", "https://app.example.com/x/..;/admin"}, "ambiguous_path"},
		"another of a client": {[]string{"X-Forwarded-Method", "GET", "X-Forwarded-Uri", "/admin", "X-Original-Url", "https://app.example.com/a"}, "ambiguous_path"},
		"of a client, equal":  {[]string{"X-Forwarded-Method", "GET", "X-Forwarded-Uri", "/a", "X-Original-Uri", "/a"}, ""},
	} {
		for _, credential := range [][]string{{"Authorization", "Bearer " + w.token}, {"Cookie", w.cookie, "Sec-Fetch-Site", "same-origin"}} {
			headers := append(slices.Clip(c.headers), credential...)
			want := 200
			if c.want != "" {
				want = 403
			}
			rec := serve(session.ForwardAuth(w.member), request("GET", "/auth/verify", headers...))
			w.checkForward(rec)
			if rec.Code != want || rec.Header().Get("X-Auth-Error") != c.want {
				t.Errorf("%s: %d %s, want %d %q", name, rec.Code, rec.Body, want, c.want)
			}
			rec = serve(session.ForwardAuth(w.member, session.AnyPath), request("GET", "/auth/verify", headers...))
			if rec.Code != 200 {
				t.Errorf("%s, AnyPath: %d %s", name, rec.Code, rec.Body)
			}
		}
	}
}

// Any method asks, HEAD included, and no body is read.
func TestForwardAuth_AnyMethod(t *testing.T) {
	w := newForwardWorld(t)
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"} {
		r := httptest.NewRequest(method, "/auth/verify", poison{t})
		r.Header.Set("Authorization", "Bearer "+w.token)
		r.Header.Set("X-Forwarded-Uri", "/")
		if rec := serve(session.ForwardAuth(w.member), r); rec.Code != 200 {
			t.Errorf("%s: %d", method, rec.Code)
		}
	}
}

type poison struct{ t *testing.T }

func (p poison) Read([]byte) (int, error) {
	p.t.Error("the body was read")
	return 0, nil
}

// A claim is renewed here as well; its new value decides, though no cookie can bring it.
func TestForwardAuth_Claim(t *testing.T) {
	w := newForwardWorld(t)
	h := session.ForwardAuth(w.member, w.verified.Is(true).Within(time.Minute))
	w.Advance(2 * time.Minute)
	for _, want := range []struct {
		value   bool
		code    int
		fetches int64
		wait    time.Duration
	}{{true, 200, 2, 0}, {true, 200, 2, 61 * time.Second}, {false, 403, 3, 0}} {
		w.value.Store(want.value)
		rec := serve(h, request("GET", "/auth/verify", "Cookie", w.cookie, "X-Forwarded-Method", "GET", "X-Forwarded-Uri", "/"))
		w.checkForward(rec)
		if rec.Code != want.code || w.fetches.Load() != want.fetches {
			t.Errorf("%d %s after %d fetches, want %d after %d", rec.Code, rec.Body, w.fetches.Load(), want.code, want.fetches)
		}
		w.Advance(want.wait)
	}
}

func TestForwardAuth_OfNothing(t *testing.T) {
	defer func() {
		if text, _ := recover().(string); !strings.HasPrefix(text, "session: ") {
			t.Errorf("panic = %q", text)
		}
	}()
	session.ForwardAuth(nil)
}
