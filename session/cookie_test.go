package session_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/session"
)

// setCookies are the Set-Cookie headers of a sign-in and of the sign-out that follows.
func setCookies(t *testing.T, w *world) (in, out string) {
	t.Helper()
	rec := recorder()
	if err := w.user.Cookie(rec, request("GET", "/"), w.grant(), ret("https://example.com/")); err != nil {
		t.Fatal(err)
	}
	in = rec.Header().Get("Set-Cookie")
	rec = recorder()
	if err := w.sessions.SignOut(rec, request("POST", issuer+"/signout")); err != nil {
		t.Fatal(err)
	}
	for _, c := range rec.Header()["Set-Cookie"] {
		if strings.HasPrefix(c, session.CookieNameOf(w.user)+"=") {
			out = c
		}
	}
	return in, out
}

func TestS3_Cookie(t *testing.T) {
	const lax, none, plain = "; HttpOnly; Secure; SameSite=Lax", "; HttpOnly; Secure; SameSite=None", "; HttpOnly; SameSite=Lax"
	for name, c := range map[string]struct {
		issuer     string
		origins    []string
		attributes string
		site       string
	}{
		"https":                     {issuer, nil, lax, ""},
		"own origin":                {issuer, []string{"https://api.example.com"}, lax, ""},
		"parent":                    {issuer, []string{"https://example.com"}, lax, ""},
		"child":                     {issuer, []string{"https://app.api.example.com"}, lax, ""},
		"other port":                {issuer, []string{"https://api.example.com:8443"}, lax, ""},
		"sibling":                   {issuer, []string{"https://app.example.com"}, none, ""},
		"other site":                {issuer, []string{"https://example.com", "https://app.example.net"}, none, ""},
		"other scheme":              {"https://localhost:8443", []string{"http://localhost:3000"}, none, ""},
		"http to https":             {issuer, []string{"http://localhost:3000"}, none, ""},
		"suffix, no parent":         {"https://notexample.com", []string{"https://example.com"}, none, ""},
		"localhost":                 {"http://localhost:8420/auth", nil, plain, ""},
		"localhost, front":          {"http://localhost:8420/auth", []string{"http://localhost:3000"}, plain, ""},
		"addresses":                 {"http://127.0.0.1:8420", []string{"https://app.example.com"}, plain, ""},
		"siblings of a site":        {issuer, []string{"https://app.example.com"}, lax, "example.com"},
		"cousins of a site":         {issuer, []string{"https://a.b.example.com:8443", "https://example.com"}, lax, "example.com"},
		"the origin is not below":   {issuer, []string{"https://app.example.com"}, none, "api.example.com"},
		"a site, and another":       {issuer, []string{"https://app.example.com", "https://app.example.net"}, none, "example.com"},
		"a site is no part of name": {issuer, []string{"https://notexample.com"}, none, "example.com"},
		"a site, other scheme":      {"https://localhost.example.com", []string{"http://localhost:3000"}, none, "example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(cfg *session.Config) { cfg.Issuer, cfg.Origins, cfg.Site = c.issuer, c.origins, c.site })
			in, out := setCookies(t, w)
			cookieName := session.CookieNameOf(w.user)
			secure := strings.HasPrefix(c.issuer, "https")
			if strings.HasPrefix(cookieName, "__Host-") != secure {
				t.Errorf("name %q", cookieName)
			}
			_, attributes, _ := strings.Cut(in, ";")
			if want := " Path=/; Max-Age=3600" + c.attributes; attributes != want {
				t.Errorf("attributes %q, want %q", attributes, want)
			}
			if want := cookieName + "=; Path=/; Max-Age=0" + c.attributes; out != want {
				t.Errorf("sign-out %q, want %q", out, want)
			}
			parsed := must(http.ParseSetCookie(in))(t)
			if parsed.Domain != "" || parsed.Valid() != nil {
				t.Errorf("cookie %v: %v", parsed, parsed.Valid())
			}
			if rec := serve(w.user.Require(w.whoami()), request("GET", "/", "Cookie", parsed.Name+"="+parsed.Value)); rec.Body.String() != "u1" {
				t.Errorf("the cookie does not open the door: %s", rec.Body)
			}
		})
	}
}

func TestS3_CookieName(t *testing.T) {
	w := newWorld(t)
	firebase := session.NewKindConfig(w.sessions, session.KindConfig[User]{Name: "fb", CookieName: "__session", Stateless: true, Access: time.Minute})
	rec := recorder()
	if err := firebase.Cookie(rec, request("GET", "/"), w.grant(), ret("https://example.com/")); err != nil {
		t.Fatal(err)
	}
	c := rec.Result().Cookies()[0]
	if c.Name != "__session" || !c.Secure || !c.HttpOnly || c.MaxAge != 60 {
		t.Errorf("%+v", c)
	}
	names := map[string]bool{}
	for _, w := range []*world{w, newWorld(t, func(c *session.Config) { c.Issuer += "2" })} {
		names[session.CookieNameOf(w.user)], names[session.CookieNameOf(w.apikey)] = true, true
	}
	if len(names) != 4 {
		t.Errorf("names of two kinds of two issuers: %v", names)
	}
	local := newWorld(t, func(c *session.Config) { c.Issuer = "http://localhost:8420" })
	k := session.NewKindConfig(local.sessions, session.KindConfig[User]{Name: "x", CookieName: "__Host-mine"})
	if got := session.CookieNameOf(k); got != "mine" {
		t.Errorf("on http: %q", got)
	}
}

func TestDeliver_Location(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ target, state, want string }{
		{"https://example.com", "", "https://example.com"},
		{"https://example.com/a?b=c#d", "", "https://example.com/a?b=c#d"},
		{"https://example.com/a?b=c#d", "s&t=u #%", "https://example.com/a?b=c&state=s%26t%3Du+%23%25#d"},
		{"https://example.com/?", "s", "https://example.com/?state=s"},
		{"https://example.com/#", "s", "https://example.com/?state=s#"},
		{"https://example.com/#/route?x=y", "s", "https://example.com/?state=s#/route?x=y"},
		{"https://example.com/?x=%7e&y=a+b", "", "https://example.com/?x=%7e&y=a+b"},
		{"https://example.com/?code=evil&x=1&%73tate=evil&token=evil&iss=evil", "s", "https://example.com/?x=1&state=s"},
		{"com.example.app:/callback", "s", "com.example.app:/callback?state=s"},
		{"http://127.0.0.1:5000/cb", "", "http://127.0.0.1:5000/cb"},
	} {
		rec := recorder()
		if err := w.user.Cookie(rec, request("POST", "/"), w.grant(), returnto.New(c.target, c.state, "", "")); err != nil {
			t.Fatal(err)
		}
		if got := rec.Header().Get("Location"); got != c.want || rec.Code != 303 || rec.Body.Len() != 0 {
			t.Errorf("%s: %d to %s, want %s", c.target, rec.Code, got, c.want)
		}
		if rec.Header().Get("Cache-Control") != "no-store" || rec.Header().Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("headers %v", rec.Header())
		}
	}
	rec := recorder()
	if err := w.user.Parameter(rec, request("GET", "/"), w.grant(), returnto.New("https://example.com/?token=evil&a=b", "s", "", "free text of a link")); err != nil {
		t.Fatal(err)
	}
	u := must(rec.Result().Location())(t)
	s := must(w.user.Verify(t.Context(), u.Query().Get("token")))(t)
	if len(u.Query()["token"]) != 1 || u.Query().Get("a") != "b" || u.Query().Get("state") != "s" || s.ClientID != audience || rec.Code != 303 || len(rec.Result().Cookies()) != 0 {
		t.Errorf("Parameter: %d %v, client %q", rec.Code, u, s.ClientID)
	}
	if rec.Header().Get("Cache-Control") != "no-store" || rec.Header().Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("Parameter: headers %v", rec.Header())
	}
}

func TestDeliver_Refuses(t *testing.T) {
	w := newWorld(t)
	for name, deliver := range map[string]func(http.ResponseWriter, *http.Request, session.Grant[User], session.Return) error{
		"Cookie": w.user.Cookie, "Parameter": w.user.Parameter, "Code": w.user.Code,
	} {
		for _, c := range []struct {
			g    session.Grant[User]
			ret  session.Return
			want error
		}{
			{w.grant(), session.Return{}, session.ErrReturn},
			{w.grant(), ret("/relative"), session.ErrReturn},
			{w.grant(), ret("https://example.com/\r\nSet-Cookie: a=b"), session.ErrReturn},
			{session.Grant[User]{}, ret("https://example.com/"), session.ErrGrant},
		} {
			rec := recorder()
			if err := deliver(rec, request("GET", "/"), c.g, c.ret); !errors.Is(err, c.want) || len(rec.Header()) != 0 {
				t.Errorf("%s: %v with %v, want %v and nothing written", name, err, rec.Header(), c.want)
			}
		}
	}
	if names := w.eventNames(); len(names) != 0 {
		t.Errorf("events %v of sessions that were not made", names)
	}
}

func TestSignOut(t *testing.T) {
	w := newWorld(t, func(c *session.Config) { c.Origins = []string{"https://app.example.net"} })
	cookie := w.cookieName() + "=" + w.token()
	send := func(method, contentType, body string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, issuer+"/signout", strings.NewReader(body))
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		for i := 0; i < len(headers); i += 2 {
			r.Header.Add(headers[i], headers[i+1])
		}
		return serve(w.sessions.Handler(), r)
	}
	form := "application/x-www-form-urlencoded"
	for name, c := range map[string]struct {
		rec  *httptest.ResponseRecorder
		code int
	}{
		"no body":           {send("POST", "", "", "Cookie", cookie), 204},
		"again":             {send("POST", "", ""), 204},
		"JSON":              {send("POST", "application/json", "{}", "Cookie", cookie), 204},
		"form of a script":  {send("POST", form, "", "Cookie", cookie), 204},
		"a button":          {send("POST", form, "", "Accept", "text/html,*/*"), 303},
		"trusted origin":    {send("POST", "application/json", "{}", "Sec-Fetch-Site", "cross-site", "Origin", "https://app.example.net"), 204},
		"GET":               {send("GET", "", "", "Cookie", cookie), 405},
		"HEAD":              {send("HEAD", "", "", "Cookie", cookie), 405},
		"DELETE":            {send("DELETE", "", "", "Cookie", cookie), 405},
		"text":              {send("POST", "text/plain", "{}", "Cookie", cookie), 415},
		"multipart":         {send("POST", "multipart/form-data; boundary=x", "", "Cookie", cookie), 415},
		"another's page":    {send("POST", form, "", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example", "Cookie", cookie), 403},
		"an opaque origin":  {send("POST", form, "", "Origin", "null", "Cookie", cookie), 403},
		"a body, no type":   {send("POST", "", "x", "Cookie", cookie), 415},
		"a sibling's page":  {send("POST", form, "", "Sec-Fetch-Site", "same-site", "Origin", "https://evil.example.com"), 403},
		"an odd media type": {send("POST", "application/json; =", "{}"), 415},
	} {
		if c.rec.Code != c.code {
			t.Errorf("%s: %d %s, want %d", name, c.rec.Code, c.rec.Body, c.code)
		}
		cleared := len(c.rec.Result().Cookies())
		if want := map[bool]int{true: 2, false: 0}[c.code < 400]; cleared != want {
			t.Errorf("%s: %d cookies cleared, want %d", name, cleared, want)
		}
		if c.code < 400 && c.rec.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: may be cached", name)
		}
		if got := c.rec.Header().Get("Location"); (got == "https://api.example.com/") != (c.code == 303) {
			t.Errorf("%s: Location %q", name, got)
		}
		if c.code == 405 && c.rec.Header().Get("Allow") != "POST" {
			t.Errorf("%s: Allow %q", name, c.rec.Header().Get("Allow"))
		}
	}
	out := 0
	for _, e := range w.Events.All() {
		if e.Name == "session ended" && e.Reason == "sign-out" {
			out++
			if e.Subject != "u1" || e.Kind != "user" || e.SessionID == "" {
				t.Errorf("event %+v", e)
			}
		}
	}
	if out != 3 {
		t.Errorf("%d events of a sign-out, want those of the 3 requests with a session", out)
	}
	rec := recorder()
	if err := w.sessions.SignOut(rec, request("POST", "/", "Origin", "https://evil.example")); !errors.Is(err, session.ErrCrossOrigin) || len(rec.Header()) != 0 {
		t.Errorf("SignOut for another's page: %v %v", err, rec.Header())
	}
}
