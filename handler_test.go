package postern_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

func TestIndex(t *testing.T) {
	v := newWorld(t)
	want := "{\n    \"desk\": \"https://api.example.com/auth/desk/authorize\",\n    \"door\": \"https://api.example.com/auth/door/authorize\",\n    \"post\": \"https://api.example.com/auth/post/authorize\"\n}\n"
	for _, target := range []string{issuer, issuer + "/"} {
		w := v.browser().get(target)
		if w.Code != 200 || w.Body.String() != want || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("GET %s: %d\n%s", target, w.Code, w.Body)
		}
	}
}

func TestChoose(t *testing.T) {
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.Labels = map[string]string{"desk": "the <desk>"}
	})
	b := v.browser()
	if w := b.get(issuer + "/authorize?provider=door&state=a+b&redirect_uri=/welcome"); w.Code != 302 || w.Header().Get("Location") != issuer+"/door/authorize?redirect_uri=%2Fwelcome&state=a+b" {
		t.Errorf("with provider: %d to %q", w.Code, w.Header().Get("Location"))
	}
	w := b.get(issuer + "/authorize?state=a%26b&provider=")
	for _, want := range []string{
		`<a href="https://api.example.com/auth/desk/authorize?state=a%26b">Continue with the &lt;desk&gt;</a>`,
		`<a href="https://api.example.com/auth/door/authorize?state=a%26b">Continue with Door</a>`,
	} {
		if w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%d, no %s on\n%s", w.Code, want, w.Body)
		}
	}
	refused(t, b.get(issuer+"/authorize?provider=nobody"), 400, "unknown_provider")
	one := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.Providers = map[string]postern.Provider{"door": door{}}
	})
	if w := one.browser().get(issuer + "/authorize"); w.Code != 302 || w.Header().Get("Location") != issuer+"/door/authorize" {
		t.Errorf("the only provider: %d to %q", w.Code, w.Header().Get("Location"))
	}
}

func TestRoutes(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	for _, tc := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/auth/door/authorize", 302, ""},
		{"GET", "/auth/door/connect", 302, ""},
		{"HEAD", "/auth/door/authorize", 302, ""},
		{"HEAD", "/auth", 200, ""},
		{"POST", "/auth", 405, "GET, HEAD"},
		{"POST", "/auth/authorize", 405, "GET, HEAD"},
		{"PUT", "/auth/door/authorize", 405, "GET, HEAD, POST"},
		{"DELETE", "/auth/door/callback", 405, "GET, HEAD, POST"},
		{"POST", "/auth/door/authorize", 405, "GET, HEAD"},
		{"POST", "/auth/door/connect", 405, "GET, HEAD"},
		{"GET", "/auth/desk/elsewhere", 405, "POST"},
		{"GET", "/auth/desk/nowhere", 404, ""},
		{"POST", "/auth/desk/nowhere", 404, ""},
		{"GET", "/auth/door/authorize/", 404, ""},
		{"GET", "/auth/door/authorize/x", 404, ""},
		{"GET", "/auth/door//authorize", 404, ""},
		{"GET", "/auth//door/authorize", 404, ""},
		{"GET", "//auth/door/authorize", 404, ""},
		{"GET", "/auth/DOOR/authorize", 404, ""},
		{"GET", "/auth/door%2Fauthorize", 404, ""},
		{"GET", "/auth/./door/authorize", 404, ""},
		{"GET", "/auth/x/../door/authorize", 404, ""},
		{"GET", "/authx/door/authorize", 404, ""},
		{"GET", "/", 404, ""},
		{"GET", "/auth/" + strings.Repeat("a/", 200), 404, ""},
		{"GET", "/auth/" + strings.Repeat("a/", 300), 414, ""},
		{"GET", "/auth/token", 405, "POST"},
		{"GET", "/auth/signout", 405, "POST"},
		{"GET", "/auth/signout/everywhere", 405, "POST"},
		{"GET", "/auth/refresh", 405, "POST"},
		{"GET", "/auth/revoke", 405, "POST"},
		{"GET", "/auth/sessions", 401, ""},
		{"PUT", "/auth/sessions", 405, "GET, DELETE"},
		{"GET", "/auth/sessions/x", 405, "DELETE"},
		{"GET", "/auth/.well-known/jwks.json", 200, ""},
		{"GET", "/auth/.well-known/openid-configuration", 200, ""},
		{"GET", "/.well-known/oauth-authorization-server/auth", 200, ""},
		{"GET", "/.well-known/oauth-authorization-server", 404, ""},
	} {
		r := httptest.NewRequest(tc.method, "https://api.example.com"+tc.path, nil)
		if strings.HasPrefix(tc.path, "//") {
			r.URL = &url.URL{Path: tc.path}
		}
		if w := b.do(r); w.Code != tc.status || w.Header().Get("Allow") != tc.allow {
			t.Errorf("%s %s: %d, Allow %q, want %d %q", tc.method, tc.path, w.Code, w.Header().Get("Allow"), tc.status, tc.allow)
		}
	}
}

// With Config.Session, Mount serves the rooms of people at every issuer, with and without a path.
func TestMount_Rooms(t *testing.T) {
	for _, base := range []string{"https://api.example.com/auth", "https://api.example.com"} {
		v := newWorld(t, func(_ *world, s *session.Config, c *postern.Config) {
			s.Issuer = base
			c.Providers = map[string]postern.Provider{"door": door{}, "link": door{}}
		})
		kind := postern.NewKind(v.sessions, newTable(), session.KindConfig[user]{Name: "person"}, func(postern.Person) user { return user{} })
		auth, err := postern.New(postern.Config{
			Sessions: v.sessions, Session: kind, Admit: postern.Open, Redirects: []string{"https://app.example.com/"}, Logger: v.Logger(),
			Providers: map[string]postern.Provider{"door": door{}, "link": door{}}, Mail: func(context.Context, postern.Mail) error { return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) })
		auth.Mount(mux)
		for _, tc := range []struct {
			method, path string
			status       int
		}{
			{"GET", "/sign-up", 200}, {"POST", "/sign-up", 400}, {"POST", "/sign-up/code", 400}, {"DELETE", "/sign-up", 405},
			{"GET", "/step-up", 401}, {"GET", "/step-up/door", 401}, {"POST", "/step-up/code", 400},
			{"POST", "/link", 400}, {"POST", "/join", 400}, {"GET", "/link/authorize", 302}, {"GET", "/account", 401}, {"DELETE", "/account", 404},
		} {
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, httptest.NewRequest(tc.method, base+tc.path, nil))
			if w.Code != tc.status {
				t.Errorf("%s%s: %s: %d, want %d", base, tc.path, tc.method, w.Code, tc.status)
			}
		}
	}
}

// Mount works beside other patterns of an application on the same mux.
func TestMount(t *testing.T) {
	for _, base := range []string{"https://api.example.com/auth", "https://api.example.com", "https://api.example.com/a/b"} {
		v := newWorld(t, func(_ *world, s *session.Config, c *postern.Config) {
			s.Issuer, s.Origins = base, []string{"https://app.example.com"}
			c.ForwardAuth = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) })
		})
		mux := http.NewServeMux()
		mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "app") })
		mux.HandleFunc("GET /api/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "app") })
		v.auth.Mount(mux)
		path := strings.TrimPrefix(base, "https://api.example.com")
		index := path
		if index == "" {
			index = "/"
		}
		for _, tc := range []struct {
			method, path string
			status       int
		}{
			{"GET", index, 200}, {"HEAD", index, 200}, {"GET", path + "/door/authorize", 302}, {"GET", path + "/door/callback", 400}, {"POST", path + "/desk/authorize", 303},
			{"GET", path + "/authorize", 200}, {"GET", path + "/.well-known/jwks.json", 200}, {"GET", path + "/.well-known/oauth-authorization-server", 200},
			{"GET", "/.well-known/oauth-authorization-server" + path, 200}, {"POST", path + "/signout", 204}, {"POST", path + "/token", 415}, {"OPTIONS", path + "/token", 204},
			{"POST", path + "/refresh", 401}, {"OPTIONS", path + "/refresh", 204}, {"POST", path + "/signout/everywhere", 401}, {"GET", path + "/sessions", 401}, {"POST", path + "/sessions", 405},
			{"DELETE", path + "/sessions", 401}, {"DELETE", path + "/sessions/a.b", 401}, {"OPTIONS", path + "/sessions/a.b", 204}, {"DELETE", path + "/refresh", 405},
			{"POST", path + "/revoke", 415}, {"OPTIONS", path + "/revoke", 204}, {"DELETE", path + "/revoke", 405},
			{"GET", path + "/verify", 418}, {"POST", path + "/verify", 418}, {"DELETE", path + "/verify", 418},
		} {
			r := httptest.NewRequest(tc.method, "https://api.example.com"+tc.path, nil)
			if strings.HasSuffix(tc.path, "desk/authorize") {
				r = httptest.NewRequest(tc.method, "https://api.example.com"+tc.path, strings.NewReader("name=ann"))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			if tc.method == "OPTIONS" {
				r.Header.Set("Origin", "https://app.example.com")
				r.Header.Set("Access-Control-Request-Method", "POST")
			}
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			if w.Code != tc.status {
				t.Errorf("%s: %s %s: %d, want %d\n%s", base, tc.method, tc.path, w.Code, tc.status, w.Body)
			}
		}
		for _, path := range []string{"/other", "/api/x"} {
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			if w.Body.String() != "app" {
				t.Errorf("%s: GET %s does not reach the application: %d", base, path, w.Code)
			}
		}
	}
}

// No header of a request changes a URL of an answer, a cookie's name or attributes, or the allowed addresses. In
// OpenAuth the issuer and the allowed addresses followed such headers (its finding O9). Tests of the same name in
// session have the tokens, and TestM4_LinkComesFromConfiguration of magic has the mails.
func TestC10_ForwardedHeaders(t *testing.T) {
	v := newWorld(t)
	plain := v.output("api.example.com", nil)
	evil := "evil.example"
	combinations := []http.Header{}
	for _, name := range []string{
		"X-Forwarded-Host", "X-Forwarded-Server", "X-Host", "X-Original-Host", "X-Forwarded-Proto", "X-Forwarded-Scheme", "X-Forwarded-Protocol", "X-Url-Scheme", "X-Forwarded-Ssl", "Front-End-Https",
		"X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Path", "X-Original-Url", "X-Rewrite-Url", "X-Original-Uri", "X-Script-Name", "Forwarded", "Via", "X-Real-Ip", "X-Forwarded-For", "True-Client-Ip",
		"X-Http-Method-Override", "X-Method-Override", "X-Amzn-Trace-Id", "Cf-Visitor", "X-Forwarded-Uri", "X-Base-Url",
	} {
		for _, value := range []string{evil, "http", "for=1.2.3.4;host=" + evil + ";proto=http", "/evil"} {
			combinations = append(combinations, http.Header{name: {value}})
		}
	}
	combinations = append(combinations, http.Header{"X-Forwarded-Host": {evil}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Prefix": {"/x"}, "Forwarded": {"host=" + evil}})
	for _, header := range combinations {
		if got := v.output("api.example.com", header); got != plain {
			t.Errorf("with %v:\n%s\nwithout:\n%s", header, got, plain)
		}
	}
	for _, host := range []string{evil, "127.0.0.1:8080", "api.example.com:444", "api.example.com@" + evil, "", "a b", "internal-alb-1.elb.amazonaws.com"} {
		if got := v.output(host, nil); got != plain {
			t.Errorf("with Host %q:\n%s\nwithout:\n%s", host, got, plain)
		}
	}
}

// output returns the answers of the handler to some requests, without their random parts.
func (v *world) output(host string, header http.Header) string {
	var all strings.Builder
	for _, path := range []string{"/auth", "/auth/authorize?redirect_uri=/welcome", "/auth/door/authorize", "/auth/desk/authorize", "/auth/door/callback", "/auth/.well-known/openid-configuration"} {
		r := httptest.NewRequest("GET", path, nil)
		r.Host = host
		for name, values := range header {
			r.Header[name] = values
		}
		if host == "evil.example" {
			r.URL.Scheme, r.URL.Host = "http", host // the absolute form of a request target
		}
		w := httptest.NewRecorder()
		v.auth.ServeHTTP(w, r)
		location, _ := url.Parse(w.Header().Get("Location"))
		q := location.Query()
		q.Del("state")
		fmt.Fprintln(&all, path, w.Code, location.Host, q.Encode())
		for _, k := range w.Result().Cookies() {
			fmt.Fprintln(&all, len(k.Name), k.Name[:20], k.Secure, k.Domain, k.Path, k.SameSite)
		}
		w.Header().Del("Set-Cookie")
		w.Header().Del("Location")
		text, _ := json.Marshal(w.Header())
		if location.Host == "" {
			fmt.Fprintln(&all, w.Body)
		}
		fmt.Fprintln(&all, string(text))
	}
	return all.String()
}

// A POST must come from a page of this site. The configured URL decides, not Host.
func TestX2_SameOrigin(t *testing.T) {
	v := newWorld(t)
	for _, tc := range []struct {
		site, origin, host string
		status             int
	}{
		{"same-origin", "https://api.example.com", "api.example.com", 303},
		{"same-origin", "null", "api.example.com", 303}, // a browser under Referrer-Policy: no-referrer
		{"same-origin", "", "internal:8080", 303},
		{"none", "", "api.example.com", 303},
		{"", "https://api.example.com", "api.example.com", 303},
		{"", "https://api.example.com", "internal:8080", 303}, // a proxy rewrote Host
		{"", "", "api.example.com", 303},                      // not a browser
		{"", "https://internal:8080", "internal:8080", 403},
		{"", "http://api.example.com", "api.example.com", 403},
		{"", "https://api.example.com:8443", "api.example.com", 403},
		{"", "https://api.example.com.evil.example", "api.example.com", 403},
		{"", "https://evil.example", "evil.example", 403},
		{"", "null", "api.example.com", 403},
		{"", "https://app.example.com", "api.example.com", 403},
		{"cross-site", "https://evil.example", "api.example.com", 403},
		{"cross-site", "https://api.example.com", "api.example.com", 403},
		{"same-site", "https://app.example.com", "api.example.com", 403},
		{"cross-site", "", "api.example.com", 403},
		{"Same-Origin", "", "api.example.com", 403},
	} {
		r := httptest.NewRequest("POST", "/auth/desk/authorize", strings.NewReader("name=ann"))
		r.Host = tc.host
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if tc.site != "" {
			r.Header.Set("Sec-Fetch-Site", tc.site)
		}
		if tc.origin != "" {
			r.Header.Set("Origin", tc.origin)
		}
		if w := v.browser().do(r); w.Code != tc.status {
			t.Errorf("Sec-Fetch-Site %q, Origin %q, Host %q: %d, want %d", tc.site, tc.origin, tc.host, w.Code, tc.status)
		}
	}
}

// A POST from another site is accepted only at the callback of an attempt that expects it.
func TestX2_FormPostAlone(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	post, plain := b.begin("post"), b.begin("door")
	b.Header = http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://door.example"}}
	for target, state := range map[string]string{
		"/door/callback":    plain, // begun by Start
		"/door/callback?a":  post,  // of another provider
		"/post/authorize":   post,
		"/desk/authorize":   post,
		"/post/callback":    strings.Repeat("A", 43),
		"/post/callback?b":  "",
		"/desk/elsewhere":   post,
		"/post/callback/..": post,
	} {
		w := b.post(issuer+target, url.Values{"state": {state}, "name": {"ann"}})
		if w.Code != 403 && w.Code != 404 {
			t.Errorf("cross-site POST %s: %d", target, w.Code)
		}
	}
	stranger := v.browser()
	stranger.Header = b.Header
	refused(t, stranger.post(issuer+"/post/callback", url.Values{"state": {post}}), 403, "cross_origin")
	if len(v.finished()) != 0 || v.store.writes != 0 {
		t.Fatalf("%d sign-ins, %d writes", len(v.finished()), v.store.writes)
	}
	if w := b.post(issuer+"/post/callback", url.Values{"state": {post}}); w.Code != 303 {
		t.Errorf("the callback it is for: %d", w.Code)
	}
}

// A GET request changes nothing.
func TestX2_GetChangesNothing(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	for _, path := range []string{"", "/", "/authorize", "/door/authorize", "/door/callback", "/desk/authorize?name=ann", "/desk/elsewhere?name=ann", "/post/callback", "/token", "/signout", "/.well-known/jwks.json"} {
		b.get(issuer + path)
	}
	if v.store.writes != 0 || len(v.finished()) != 0 {
		t.Errorf("%d writes, %d sign-ins", v.store.writes, len(v.finished()))
	}
}
