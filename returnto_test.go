package postern_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

// hostile are addresses to return to that someone would like to get onto the list, as they stand in a URL's parameter
// after decoding. TestI1 changes the listed ones. The neighbours are OpenAuth's finding O2: it allowed an address whose
// last two labels were those of the issuer's host, which on a shared domain is anybody's.
var hostile = []string{
	"https://example.com/", "https://attacker.example.com/", "https://attacker.example.com/welcome", "https://x.app.example.com/", "https://x.api.example.com/welcome",
	"https://app.example.com:8443/", "https://api.example.com:8443/welcome", "http://app.example.com/", "http://localhost:3000/", "http://localhost/", "http://127.0.0.1:1/", "https://localhost:3000/welcome",
	"https://evil.example/", "http://evil.example/", "//evil.example/", "///evil.example", "////evil.example/", `/\evil.example`, `\/evil.example`,
	`\\evil.example`, `/\/evil.example`, `\evil.example`, "/welcome//evil.example", "//api.example.com@evil.example/", "https:evil.example", "https:/evil.example",
	"https:///evil.example", `https:\\evil.example`, `https:/\evil.example`, "https://app.example.com@evil.example/", "https://app.example.com:x@evil.example/",
	"https://evil.example#https://app.example.com/", "https://evil.example?https://app.example.com/", "https://evil.example/https://app.example.com/",
	`https://evil.example\.app.example.com/`, "https://app.example.com.evil.example/", "https://app.example.comevil.example/", "https://evilapp.example.com/",
	"https://app.example.com%2eevil.example/", "https://app.example.com%00.evil.example/", "https://app.example.com%0d%0a.evil.example/", "https://app.example.com\u3002evil.example/",
	"https://app\uff0eexample\uff0ecom/", "https://app.example.com/\u202e", "https://xn--app.example.com/", "https://APP.example.com/", "HTTPS://app.example.com/",
	"javascript:alert(1)", "JaVaScRiPt:alert(1)", "javascript://app.example.com/%0aalert(1)", "java%73cript:alert(1)", " javascript:alert(1)", "data:text/html,x",
	"data:text/html;base64,PHNjcmlwdD4=", "vbscript:x", "file:///etc/passwd", "blob:https://app.example.com/1", "about:blank", "view-source:https://app.example.com/",
	"filesystem:https://app.example.com/", "intent://app.example.com/#Intent;end", "ws://app.example.com/", "wss://app.example.com/", "ftp://app.example.com/", "mailto:a@app.example.com",
	"http://127.0.0.1@evil.example/native", "http://127.0.0.1:80@evil.example/native", "http://127.0.0.1:/native", "http://127.0.0.1:0/native", "http://127.0.0.1:65536/native",
	"http://127.0.0.1:080/native", "http://127.0.0.1:8a/native", "http://127.0.0.1:80:80/native", "http://127.0.0.1.evil.example/native", "http://127.0.0.1:80.evil.example/native",
	`http://127.0.0.1:80\@evil.example/native`, "http://127.0.0.1#@evil.example/native", "http://127.0.0.2/native", "http://127.1/native", "http://2130706433/native", "http://0x7f000001/native",
	"http://localhost/native", "http://[::1]/native", "http://[::ffff:127.0.0.1]/native", "https://127.0.0.1/native", "http://127.0.0.1/other", "http://127.0.0.1:9/native/",
	"http://127.0.0.1:9/native?x", "http://127.0.0.1:9//native", "com.example.app:/in/", "com.example.app://in", "com.example.app.evil:/in", "COM.example.app:/in",
	"/welcome/", "/welcome/..", "/welcome?x=1", "/welcome#x", "/Welcome", "/", "welcome", "./welcome", "/./welcome", "/%77elcome", "https://api.example.com/welcome/", "http://api.example.com/welcome",
	"https://api.example.com:443/welcome", "https://api.example.com./welcome", "https://app.example.com", "https://app.example.com//", "https://app.example.com/?", "https://app.example.com/#", "https://app.example.com/x",
	"*", "null", "undefined", "https://*.example.com/",
}

var allowed = map[string]string{
	"":                                "https://app.example.com/",
	"https://app.example.com/":        "https://app.example.com/",
	"/welcome":                        "https://api.example.com/welcome",
	"https://api.example.com/welcome": "https://api.example.com/welcome",
	"http://127.0.0.1/native":         "http://127.0.0.1/native",
	"http://127.0.0.1:1/native":       "http://127.0.0.1:1/native",
	"http://127.0.0.1:65535/native":   "http://127.0.0.1:65535/native",
	"com.example.app:/in":             "com.example.app:/in",
}

func TestC12_ReturnTo(t *testing.T) {
	if len(hostile) < 80 {
		t.Fatalf("only %d payloads", len(hostile))
	}
	v := newWorld(t)
	for _, uri := range hostile {
		b := v.browser()
		for _, path := range []string{"/door/authorize", "/door/connect", "/authorize", "/desk/authorize"} {
			w := b.get(issuer + path + "?provider=door&redirect_uri=" + url.QueryEscape(uri))
			if w.Code != 400 || w.Header().Get("Location") != "" || len(w.Header()["Set-Cookie"]) != 0 {
				t.Errorf("%s to %q: %d, Location %q", path, uri, w.Code, w.Header().Get("Location"))
			}
		}
		if w := b.post(issuer+"/desk/authorize", url.Values{"name": {"ann"}, "redirect_uri": {uri}}); w.Code != 400 {
			t.Errorf("POST to %q: %d, Location %q", uri, w.Code, w.Header().Get("Location"))
		}
	}
	if n := len(v.finished()); n != 0 {
		t.Errorf("%d sign-ins", n)
	}
	for uri, want := range allowed {
		b := v.browser()
		w := b.get(callback("door", b.begin("door", "redirect_uri="+url.QueryEscape(uri))))
		if w.Code != 303 || w.Header().Get("Location") != want {
			t.Errorf("%q: %d to %q, want %q", uri, w.Code, w.Header().Get("Location"), want)
		}
	}
}

// Every change of a single character of a listed URI, and every case change, is another URI.
func TestI1_ExactRedirectURI(t *testing.T) {
	v := newWorld(t)
	n := 0
	for _, uri := range []string{"https://app.example.com/", "/welcome", "https://api.example.com/welcome", "com.example.app:/in"} {
		mutations := []string{strings.ToUpper(uri), strings.ToUpper(uri[:1]) + uri[1:], uri + "/", uri + "?", uri + "#", uri + ".", uri + "%20", uri + "x", "/" + uri, uri + uri, uri + "," + uri}
		for i := range uri {
			mutations = append(mutations, uri[:i]+uri[i+1:], uri[:i]+"x"+uri[i:], uri[:i]+"."+uri[i:])
		}
		for _, m := range mutations {
			if _, listed := allowed[m]; listed || m == uri {
				continue
			}
			n++
			if w := v.browser().get(issuer + "/door/authorize?redirect_uri=" + url.QueryEscape(m)); w.Code != 400 || w.Header().Get("Location") != "" {
				t.Errorf("%q passes for %q", m, uri)
			}
		}
	}
	if n < 60 {
		t.Errorf("only %d mutations", n)
	}
}

// What is wrong with an authorization request is shown, never redirected, whatever else is right about it.
func TestI2_ErrorsAreShown(t *testing.T) {
	v := newWorld(t)
	for query, code := range map[string]string{
		"redirect_uri=https://evil.example/":          "invalid_redirect_uri",
		"response_type=token":                         "invalid_request",
		"response_type=id_token":                      "invalid_request",
		"response_type=code+token":                    "invalid_request",
		"response_type=Code":                          "invalid_request",
		"state=" + strings.Repeat("s", 1025):          "invalid_request",
		"client_id=" + strings.Repeat("c", 256):       "invalid_client",
		"client_id=web":                               "invalid_client",
		"client_id=API":                               "invalid_client",
		"client_id=api+":                              "invalid_client",
		"state=a%00b":                                 "invalid_request",
		"state=a%0ab":                                 "invalid_request",
		"state=%ff":                                   "invalid_request",
		"state=a&state=b":                             "invalid_request",
		"redirect_uri=/welcome&redirect_uri=/welcome": "invalid_request",
		"redirect_uri=/welcome&Redirect_uri=%zz":      "invalid_request",
		"state=a;redirect_uri=/welcome":               "invalid_request",
		"code_challenge=" + challenge:                 "invalid_request", // plain by default
		"code_challenge=" + challenge + "&code_challenge_method=plain":        "invalid_request",
		"code_challenge=" + challenge + "&code_challenge_method=s256":         "invalid_request",
		"code_challenge=" + challenge + "&code_challenge_method=":             "invalid_request",
		"code_challenge=&code_challenge_method=S256":                          "invalid_request",
		"code_challenge_method=S256":                                          "invalid_request",
		"code_challenge=":                                                     "invalid_request",
		"code_challenge_method=":                                              "invalid_request",
		"code_challenge=" + challenge[1:] + "&code_challenge_method=S256":     "invalid_request",
		"code_challenge=" + challenge[:42] + "N&code_challenge_method=S256":   "invalid_request", // its last bits are loose: no verifier fits
		"code_challenge=" + challenge + "a&code_challenge_method=S256":        "invalid_request",
		"code_challenge=" + challenge[1:] + "%2B&code_challenge_method=S256":  "invalid_request",
		"code_challenge=" + challenge[1:] + "%3D&code_challenge_method=S256":  "invalid_request",
		"code_challenge=" + challenge + "&code_challenge_method=S256&state=%": "invalid_request",
	} {
		b := v.browser()
		refused(t, b.get(issuer+"/door/authorize?"+query), 400, code)
		b.Header.Set("Accept", "application/json")
		refused(t, b.get(issuer+"/door/authorize?"+query), 400, code)
		refused(t, b.get(issuer+"/authorize?provider=door&"+query), 400, code)
	}
	for _, query := range []string{"response_type=code", "response_type=", "client_id=", "client_id=api", "state=", "scope=openid&nonce=n&prompt=none", "state=" + url.QueryEscape("größer & <b>")} {
		v.browser().begin("door", query)
	}
}

// After a form with a credential the answer is 303: a 307 would carry the form on.
func TestI2_SeeOther(t *testing.T) {
	v := newWorld(t)
	if w := v.browser().post(issuer+"/desk/authorize", url.Values{"name": {"ann"}}); w.Code != http.StatusSeeOther {
		t.Errorf("%d, want 303", w.Code)
	}
}

// OpenAuth's guide let every address in, and left out PKCE, state and Secure (its finding O17). Here no configuration
// allows that: TestC2_PKCEAlways of package oidc has PKCE and state, and every test browser checks the cookies (look).
func TestNew_Redirects(t *testing.T) {
	bad := map[string]string{
		"":                                "1 to 1024 characters",
		"https://app.example.com/ ":       "1 to 1024 characters",
		"https://app.example.com/\n":      "1 to 1024 characters",
		"https://größe.example/":          "1 to 1024 characters",
		`/\evil.example`:                  "1 to 1024 characters",
		"/" + strings.Repeat("a", 1024):   "1 to 1024 characters",
		"//evil.example":                  "two slashes",
		"https://app.example.com/#top":    "fragment",
		"https://*.example.com/":          "wildcard",
		"https://*":                       "wildcard",
		"*":                               "neither an absolute URL nor a path",
		"https://user@app.example.com/":   "user information",
		"app.example.com/":                "neither an absolute URL nor a path",
		"welcome":                         "neither an absolute URL nor a path",
		"http://app.example.com/":         "may do without https",
		"http://localhost.evil.example/":  "may do without https",
		"http://127.0.0.1:99999/":         "may do without https",
		"http://127.0.0.1:+80/":           "not a URL",
		"http://[localhost]:3000/":        "not a URL",
		"http://[127.0.0.1]/":             "not a URL",
		"http://::1/":                     "not a URL",
		"http://LOCALHOST:3000/":          "lower case",
		"https://app.example.com:/":       "must name a host",
		"https://":                        "must name a host",
		"https:///path":                   "must name a host",
		"https:app.example.com":           "must name a host",
		"https://App.example.com/":        "lower case",
		"HTTPS://app.example.com/":        "lower case",
		"javascript:alert(1)":             "never safe",
		"data:text/html,x":                "never safe",
		"vbscript:x":                      "never safe",
		"file:///etc/passwd":              "never safe",
		"blob:https://app.example.com/1":  "never safe",
		"view-source:https://example.com": "never safe",
		"https://app.example.com:x/":      "not a URL",
		"%zz":                             "not a URL",
	}
	sessions := newWorld(t).sessions
	for entry, why := range bad {
		_, err := postern.New(config(sessions, "https://app.example.com/", entry))
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want %q", entry, err, why)
		}
	}
	for _, entry := range []string{"https://app.example.com/", "https://app.example.com:8443/a?b=c", "http://localhost:3000/", "http://[::1]/cb", "com.example.app:/in", "myapp://in", "/", "/a%20b?c=d"} {
		if _, err := postern.New(config(sessions, entry)); err != nil {
			t.Errorf("%q: %v", entry, err)
		}
	}
}

func config(s *session.Sessions, redirects ...string) postern.Config {
	return postern.Config{
		Sessions: s, Redirects: redirects, Providers: map[string]postern.Provider{"desk": desk{}},
		OnSuccess: func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return nil },
	}
}

// One rule builds the way back, whatever writes the redirect: the parameters of an answer come once and are ours.
func TestReturnURL_OneRule(t *testing.T) {
	for name, answer := range map[string]func(v *world) func(http.ResponseWriter, *http.Request, *postern.SignIn) error{
		"nothing written": func(*world) func(http.ResponseWriter, *http.Request, *postern.SignIn) error {
			return func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return nil }
		},
		"Cookie": func(v *world) func(http.ResponseWriter, *http.Request, *postern.SignIn) error {
			return func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
				return v.users.Cookie(w, r, session.Grant[user]{Subject: "u1"}, in.Return)
			}
		},
		"Code": func(v *world) func(http.ResponseWriter, *http.Request, *postern.SignIn) error {
			return func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
				return v.users.Code(w, r, session.Grant[user]{Subject: "u1"}, in.Return)
			}
		},
		"Parameter": func(v *world) func(http.ResponseWriter, *http.Request, *postern.SignIn) error {
			return func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
				return v.users.Parameter(w, r, session.Grant[user]{Subject: "u1"}, in.Return)
			}
		},
	} {
		const target = "https://app.example.com/cb?state=fixed&code=evil&%74oken=evil&keep=1"
		v := newWorld(t, func(v *world, _ *session.Config, c *postern.Config) {
			c.Redirects = []string{target}
			c.OnSuccess = func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error { return answer(v)(w, r, in) }
		})
		for _, state := range []string{"", "asked"} {
			b := v.browser()
			w := b.get(callback("door", b.begin("door", "state="+state, "code_challenge_method=S256", "code_challenge="+challenge)))
			u, err := url.Parse(w.Header().Get("Location"))
			if err != nil || w.Code != http.StatusSeeOther {
				t.Fatalf("%s: %d, %v\n%s", name, w.Code, err, w.Body)
			}
			q := u.Query()
			if len(q["state"]) > 1 || q.Get("state") != state || strings.Contains(u.RawQuery, "evil") || q.Get("keep") != "1" {
				t.Errorf("%s, asked with state %q: leads to %s", name, state, u)
			}
		}
	}
}

// Two spellings of one page are two entries. New refuses the one without a path, before a person's sign-in is refused.
func TestNew_RedirectWithoutPath(t *testing.T) {
	for _, tc := range []struct {
		list []string
		good bool
	}{
		{[]string{"http://localhost:3000"}, false},
		{[]string{"http://localhost:3000/"}, true},
		{[]string{"http://localhost:3000", "http://localhost:3000/"}, true},
		{[]string{"http://localhost:3000/", "http://localhost:3000"}, true},
		{[]string{"https://app.example.com"}, false},
		{[]string{"https://app.example.com", "https://other.example.com/"}, false},
		{[]string{"https://app.example.com?a=b"}, false},
		{[]string{"https://app.example.com?a=b/c"}, false},
		{[]string{"https://app.example.com/?a=b", "https://app.example.com?a=b"}, true},
		{[]string{"https://app.example.com/cb", "/welcome", "com.example.app:/in", "myapp://in"}, true},
	} {
		c := postern.Config{
			Sessions: newWorld(t).sessions, Redirects: tc.list, Providers: map[string]postern.Provider{"door": door{}},
			OnSuccess: func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return nil },
		}
		_, err := postern.New(c)
		if (err == nil) != tc.good || err != nil && !strings.Contains(err.Error(), `has no path`) {
			t.Errorf("%q: %v", tc.list, err)
		}
	}
}
