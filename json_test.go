package postern_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/session"
)

const (
	spa      = "https://app.example.com" // in postern.Config.Origins
	notes    = "https://notes.example.com"
	wantJSON = "application/json, text/plain, */*" // as browsers' scripts send it
)

// A script is a page of an origin that calls the handler as browsers do: it asks first where it has to.
type script struct {
	*browser
	origin string
}

// call returns nil if the browser keeps the answer from the page.
func (s script) call(method, target, body string) *httptest.ResponseRecorder {
	s.v.t.Helper()
	header := func(r *http.Request) {
		r.Header.Set("Origin", s.origin)
		r.Header.Set("Sec-Fetch-Site", "same-site")
		r.Header.Set("Sec-Fetch-Mode", "cors")
		r.Header.Set("Sec-Fetch-Dest", "empty")
	}
	allowed := func(w *httptest.ResponseRecorder) bool {
		h := w.Header()
		if !slices.Contains(h.Values("Vary"), "Origin") {
			s.v.t.Errorf("%s %s: Vary %q", method, target, h.Values("Vary"))
		}
		return h.Get("Access-Control-Allow-Origin") == s.origin && h.Get("Access-Control-Allow-Credentials") == "true"
	}
	if body != "" {
		r := httptest.NewRequest(http.MethodOptions, target, nil)
		header(r)
		r.Header.Set("Access-Control-Request-Method", method)
		r.Header.Set("Access-Control-Request-Headers", "content-type")
		w := httptest.NewRecorder()
		s.v.auth.ServeHTTP(w, r) // without cookies
		if w.Code != http.StatusNoContent || !allowed(w) || w.Header().Get("Access-Control-Allow-Headers") != "content-type" ||
			!strings.Contains(w.Header().Get("Access-Control-Allow-Methods"), method) || len(w.Result().Cookies()) != 0 {
			if w.Code == http.StatusForbidden && w.Header().Get("Access-Control-Allow-Origin") == "" {
				return nil
			}
			s.v.t.Errorf("%s: preflight %d %v", target, w.Code, w.Header())
			return nil
		}
	}
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	header(r)
	r.Header.Set("Accept", wantJSON)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := s.do(r)
	if !allowed(w) {
		return nil
	}
	return w
}

func decode(t testing.TB, w *httptest.ResponseRecorder) (step struct {
	Step, App, Title, Text, Error string
	Description                   string `json:"error_description"`
	Args                          map[string]any
	Lines                         []struct {
		Label, Value string
		Form         *struct{ URL string }
		Link         *struct{ Text, URL string }
	}
	Forms []struct {
		Name, URL string
		Hidden    map[string]string
		Fields    []map[string]any
	}
	Links []struct{ Name, Text, URL string }
}) {
	t.Helper()
	if w == nil {
		t.Fatal("the browser gives the page no answer")
	}
	if err := json.Unmarshal(w.Body.Bytes(), &step); err != nil || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" ||
		w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Fatalf("%v: %d %v\n%s", err, w.Code, w.Header(), w.Body)
	}
	return step
}

func spaWorld(t *testing.T, mails *[]postern.Mail, change ...func(*session.Config, *postern.Config)) *world {
	t.Helper()
	return newWorld(t, func(v *world, s *session.Config, c *postern.Config) {
		s.Site, s.Origins = "example.com", []string{spa, notes} // another list, for the routes of sessions
		c.Origins = []string{spa}
		c.Redirects = append(c.Redirects, spa+"/in")
		c.Providers["mail"] = magic.Both(magic.Config{})
		c.Mail = func(_ context.Context, m postern.Mail) error { *mails = append(*mails, m); return nil }
		for _, f := range change {
			f(s, c)
		}
	})
}

// A person signs in by mail without leaving a front end of another origin: it reads the ways in, fills in the forms as
// JSON and gets the address to go on to. The session is in cookies, or in the code of that address.
func TestJSON_MailSignInFromAnotherOrigin(t *testing.T) {
	var mails []postern.Mail
	v := spaWorld(t, &mails)
	s := script{v.browser(), spa}
	query := "?redirect_uri=" + url.QueryEscape(spa+"/in") + "&state=xyz"
	ways := decode(t, s.call("GET", issuer+"/authorize"+query, ""))
	if ways.Step != "postern.choose" || len(ways.Forms) != 1 || ways.Forms[0].Name != "mail" || ways.Forms[0].URL != issuer+"/mail/authorize"+query ||
		!slices.ContainsFunc(ways.Links, func(l struct{ Name, Text, URL string }) bool {
			return l.Name == "provider:door" && l.URL == issuer+"/door/authorize"+query
		}) {
		t.Fatalf("%+v", ways)
	}
	bad := s.call("POST", ways.Forms[0].URL, `{"email":"ada"}`)
	if again := decode(t, bad); bad.Code != 400 || again.Error != "invalid_email" || again.Step != "magic.ask" || again.Description == "" {
		t.Errorf("%d %+v", bad.Code, again)
	}
	next := redirectURI(t, s.call("POST", ways.Forms[0].URL, `{"email":"Ada@Example.com"}`))
	types := decode(t, s.call("GET", next, ""))
	if types.Step != "magic.code" || types.Args["to"] != "ada@example.com" || types.Args["left"] != 600.0 || len(types.Forms) != 1 || len(mails) != 1 {
		t.Fatalf("%+v, %d mails", types, len(mails))
	}
	body, _ := json.Marshal(map[string]string{"state": types.Forms[0].Hidden["state"], "code": mails[0].Arg("code")}) // strings always encode
	w := s.call("POST", types.Forms[0].URL, string(body))
	if to := redirectURI(t, w); to != spa+"/in?state=xyz" || len(v.finished()) != 1 {
		t.Errorf("led to %q, %d sign-ins", to, len(v.finished()))
	}
	for _, k := range w.Result().Cookies() {
		if k.SameSite != http.SameSiteLaxMode || !k.Secure || !k.HttpOnly {
			t.Errorf("cookie %s", k.Raw)
		}
	}
}

// Of the origins that sessions trust, a provider's routes trust the ones that are listed for them.
func TestX4_OriginsOfProviderRoutes(t *testing.T) {
	var mails []postern.Mail
	v := spaWorld(t, &mails)
	for _, origin := range []string{notes, "https://evil.example", "null", "https://app.example.com.evil.example", "https://APP.example.com", "http://app.example.com", "https://app.example.com:8443"} {
		for _, path := range []string{
			"/mail/authorize", "/mail/callback", "/door/authorize", "/door/callback", "/desk/authorize", "/desk/elsewhere", "/post/callback", "/authorize", "", "/unknown/step",
		} {
			s := script{v.browser(), origin}
			if w := s.call("POST", issuer+path, `{"email":"ada@example.com","name":"ann"}`); w != nil {
				t.Errorf("%s at %s: the preflight is allowed", origin, path)
			}
			// A browser does not send it then. A client that does gets nothing done.
			r := httptest.NewRequest("POST", issuer+path, strings.NewReader(`{"email":"ada@example.com","name":"ann"}`))
			r.Header.Set("Origin", origin)
			r.Header.Set("Sec-Fetch-Site", "same-site")
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Accept", wantJSON)
			w := s.do(r)
			want := 403
			if path == "/unknown/step" {
				want = 404
			} else if path == "" || path == "/authorize" {
				want = 405
			}
			if w.Code != want || w.Header().Get("Access-Control-Allow-Origin") != "" || len(w.Result().Cookies()) != 0 {
				t.Errorf("%s at %s: %d %v", origin, path, w.Code, w.Header())
			}
			if w := s.call("GET", issuer+path, ""); w != nil {
				t.Errorf("%s may read %s", origin, path)
			}
		}
	}
	if len(mails) != 0 || len(v.finished()) != 0 {
		t.Errorf("%d mails, %d sign-ins", len(mails), len(v.finished()))
	}
	// A listed origin may not send a form, for which no browser asks first.
	r := httptest.NewRequest("POST", issuer+"/mail/authorize", strings.NewReader("email=ada@example.com"))
	r.Header.Set("Origin", spa)
	r.Header.Set("Sec-Fetch-Site", "same-site")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if w := v.browser().do(r); w.Code != 403 || len(mails) != 0 {
		t.Errorf("a form of a listed origin: %d", w.Code)
	}
	// Nor do the routes of sessions trust an origin for being listed here.
	only := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) { c.Origins = []string{spa} })
	r = httptest.NewRequest(http.MethodOptions, issuer+"/session", nil)
	r.Header.Set("Origin", spa)
	r.Header.Set("Access-Control-Request-Method", "GET")
	if w := only.browser().do(r); w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("/session: %v", w.Header())
	}
}

func TestConfigOrigins(t *testing.T) {
	v := newWorld(t)
	for origin, good := range map[string]bool{
		spa: true, "http://localhost:3000": true, issuer: false, "*": false, "https://*.example.com": false, spa + "/": false, "http://app.example.com": false, "null": false, "": false,
	} {
		_, err := postern.New(postern.Config{
			Sessions: v.sessions, Redirects: []string{"/"}, Providers: map[string]postern.Provider{"desk": desk{}}, Origins: []string{origin},
			OnSuccess: func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return nil },
		})
		if (err == nil) != good || err != nil && !strings.Contains(err.Error(), "postern: Config.Origins") {
			t.Errorf("%q: %v", origin, err)
		}
	}
}

// The answers of all ways to end a sign-in name one address, with the cookies and the code of a redirect.
func TestJSON_EveryRedirect(t *testing.T) {
	ways := map[string]func(v *world, user *session.Kind[struct{}], w http.ResponseWriter, r *http.Request, in *postern.SignIn) error{
		"Cookie": func(_ *world, user *session.Kind[struct{}], w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			return user.Cookie(w, r, session.Grant[struct{}]{Subject: "u1"}, in.Return)
		},
		"Code": func(_ *world, user *session.Kind[struct{}], w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			return user.Code(w, r, session.Grant[struct{}]{Subject: "u1"}, in.Return)
		},
		"303": func(_ *world, _ *session.Kind[struct{}], w http.ResponseWriter, r *http.Request, _ *postern.SignIn) error {
			http.Redirect(w, r, "/profile", http.StatusSeeOther)
			return nil
		},
		"nothing": func(*world, *session.Kind[struct{}], http.ResponseWriter, *http.Request, *postern.SignIn) error {
			return nil
		},
	}
	for name, end := range ways {
		var user *session.Kind[struct{}]
		v := newWorld(t, func(v *world, _ *session.Config, c *postern.Config) {
			c.Origins = []string{spa}
			c.OnSuccess = func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error { return end(v, user, w, r, in) }
		})
		user = session.NewKind[struct{}](v.sessions, "person")
		query := "?redirect_uri=/welcome&state=s&code_challenge=" + strings.Repeat("z", 42) + "w&code_challenge_method=S256"
		for _, accept := range []string{wantJSON, "text/html"} {
			b := v.browser()
			b.Header.Set("Accept", accept)
			b.Header.Set("Sec-Fetch-Mode", "cors") // a navigation of a browser gets the page between a form and another site
			w := b.post(issuer+"/desk/authorize"+query, url.Values{"name": {"ann"}})
			location := w.Header().Get("Location")
			if accept == wantJSON {
				location = redirectURI(t, w)
			} else if w.Code != 303 {
				t.Errorf("%s: %d", name, w.Code)
			}
			u, err := url.Parse(location)
			if err != nil || name == "303" && u.Path != "/profile" || name != "303" && (u.Path != "/welcome" || u.Query().Get("state") != "s") ||
				(u.Query().Get("code") != "") != (name == "Code") || (len(w.Result().Cookies()) > 1) != (name == "Cookie") {
				t.Errorf("%s, %s: %d to %q, %d cookies", name, accept, w.Code, location, len(w.Result().Cookies()))
			}
		}
		// The page to choose redirects to a provider that the request names.
		b := v.browser()
		b.Header.Set("Accept", wantJSON)
		if to := redirectURI(t, b.get(issuer+"/authorize?provider=door&state=s")); to != issuer+"/door/authorize?state=s" {
			t.Errorf("provider: %q", to)
		}
	}
}

// A front end begins a sign-in elsewhere by a POST of JSON and leads the person there itself. A GET of a script begins
// nothing.
func TestX2_JSONBeginsAtAnotherProvider(t *testing.T) {
	idp := httptest.NewServer(nil)
	defer idp.Close()
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.Origins = []string{spa}
		c.Redirects = append(c.Redirects, spa+"/in")
		c.Providers["company"] = oidc.New(oidc.Config{Issuer: "https://login.example", ClientID: "app", ClientSecret: "secret", HTTPClient: &http.Client{Transport: metadata{}}})
	})
	s := script{v.browser(), spa}
	to, err := url.Parse(redirectURI(t, s.call("POST", issuer+"/company/authorize", `{"redirect_uri":"`+spa+`/in","state":"s"}`)))
	if err != nil || to.Host != "login.example" || to.Query().Get("redirect_uri") != issuer+"/company/callback" || len(s.Cookies) != 1 {
		t.Errorf("%v, %v, %d cookies", to, err, len(s.Cookies))
	}
	other := script{v.browser(), spa}
	if w := other.call("GET", issuer+"/company/authorize", ""); w == nil || w.Code != 403 || decode(t, w).Error != "navigation_required" || len(other.Cookies) != 0 {
		t.Errorf("a GET of a script: %v", w)
	}
	for _, body := range []string{`{"redirect_uri":"https://evil.example/"}`, `{"role":"admin"}`, `{"client_id":"app","scope":"x"}`, `{"redirect_uri":null}`, `[]`, " "} {
		if w := other.call("POST", issuer+"/company/authorize", body); w == nil || w.Code != 400 || len(other.Cookies) != 0 {
			t.Errorf("%s: %v", body, w)
		}
	}
}

// metadata answers with the discovery document of login.example.
type metadata struct{}

func (metadata) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	_, err := w.WriteString(`{"issuer":"https://login.example","authorization_endpoint":"https://login.example/authorize","token_endpoint":"https://login.example/token",
		"jwks_uri":"https://login.example/jwks","response_types_supported":["code"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["ES256"]}`)
	return w.Result(), err
}

// album is a provider with a page that has everything.
type album struct{}

func (album) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{
		"GET authorize": func(w http.ResponseWriter, r *http.Request) {
			f.Page(w, r, postern.Page{
				Name: "album.show", Status: 418, Title: "Title", Text: "One & two.", Error: "Wrong <here>.",
				Args: map[string]any{"life": 90 * time.Second, "half": 1500 * time.Millisecond, "at": time.Date(2026, 3, 2, 13, 0, 0, 0, time.FixedZone("", 3600)), "n": 7, "who": "ann"},
				Lines: []postern.Line{
					{Label: "Phone", Value: "+1", Form: &postern.Form{Action: "remove"}}, {Label: "Mail", Value: "a@b.c", Link: &postern.Link{Text: "More", URL: "/more?x=1"}},
				},
				Ways: []postern.Link{{Name: "way", Text: "Way", URL: "https://other.example/"}}, Forms: []postern.Form{{Fields: []postern.Field{{Name: "q", Label: "Q"}}}},
				Links: []postern.Link{{Text: "Evil", URL: "javascript:alert(1)"}, {Text: "Help", URL: "/help"}},
			})
		},
		"GET broken": func(w http.ResponseWriter, r *http.Request) {
			f.Page(w, r, postern.Page{Name: "album.broken", Args: map[string]any{"x": func() {}}})
		},
		"POST known": func(w http.ResponseWriter, r *http.Request) {
			if err := f.Fields(r, "a", "b"); err != nil {
				f.Fail(w, r, err)
			}
		},
	})
}

// A page as JSON: durations in seconds, times in UTC, absolute addresses, and no link that would run something.
func TestPage_JSON(t *testing.T) {
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.Providers["album"] = album{}
		c.Render = func(w http.ResponseWriter, _ *http.Request, p postern.Page) { w.WriteHeader(p.Status) } // draws pages alone
	})
	b := v.browser()
	b.Header.Set("Accept", wantJSON)
	w := b.get(issuer + "/album/authorize?a=b")
	p := decode(t, w)
	want := map[string]any{"life": 90.0, "half": 1.5, "at": "2026-03-02T12:00:00Z", "n": 7.0, "who": "ann"}
	for name, value := range want {
		if p.Args[name] != value {
			t.Errorf("%s is %v, want %v", name, p.Args[name], value)
		}
	}
	if w.Code != 418 || p.Step != "album.show" || p.App != "api.example.com" || p.Title != "Title" || p.Text != "One & two." || p.Error != "invalid_request" || p.Description != "Wrong <here>." {
		t.Errorf("%d %+v", w.Code, p)
	}
	if len(p.Lines) != 2 || p.Lines[0].Form.URL != issuer+"/album/remove" || p.Lines[1].Link.URL != "https://api.example.com/more?x=1" {
		t.Errorf("lines %+v", p.Lines)
	}
	if len(p.Forms) != 1 || p.Forms[0].URL != issuer+"/album/authorize?a=b" || p.Forms[0].Fields[0]["type"] != "text" || p.Forms[0].Fields[0]["label"] != "Q" {
		t.Errorf("forms %+v", p.Forms)
	}
	if len(p.Links) != 2 || p.Links[0].URL != "https://other.example/" || p.Links[1].URL != "https://api.example.com/help" || strings.Contains(w.Body.String(), "javascript") {
		t.Errorf("links %+v", p.Links)
	}
	refused(t, b.get(issuer+"/album/broken"), 500, "internal_error")
	if head := b.send("HEAD", issuer+"/album/authorize", nil); head.Code != 418 || head.Body.Len() != 0 || head.Header().Get("Content-Type") != "application/json" {
		t.Errorf("HEAD: %d %v", head.Code, head.Header())
	}
	b.Header.Set("Accept", "text/html,application/json")
	if w := b.get(issuer + "/album/authorize"); w.Code != 418 || w.Body.Len() != 0 {
		t.Errorf("a browser gets %d %s", w.Code, w.Body)
	}
	for body, status := range map[string]int{
		`{}`: 200, `{"a":"1"}`: 200, `{"a":1,"b":true}`: 200, `{"A":"1"}`: 400, `{"a":"1","c":"2"}`: 400, `{"redirect_uri":"/welcome"}`: 400, `{"a":{}}`: 400, `{"a":"1","a":"1"}`: 400, ``: 400, `null`: 400,
	} {
		r := httptest.NewRequest("POST", issuer+"/album/known", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if w := b.do(r); w.Code != status {
			t.Errorf("%s: %d, want %d", body, w.Code, status)
		}
	}
	if w := b.post(issuer+"/album/known", url.Values{"other": {"1"}}); w.Code != 200 {
		t.Errorf("a form with a field more: %d", w.Code)
	}
}
