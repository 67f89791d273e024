package session_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
)

// whoami answers with the id of the member's session, or "public".
func (k *keeper) whoami() http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s, ok := k.member.From(r.Context())
		if !ok {
			_, _ = rw.Write([]byte(s.Kind))
			return
		}
		_, _ = rw.Write([]byte(s.ID))
	})
}

// A guard refreshes a session with an expired access token before the handler runs, and sets both cookies.
func TestTransparent(t *testing.T) {
	k := newKeeper(t)
	tokens := k.create()
	h := k.member.Require(k.whoami())
	k.Advance(5*time.Minute + time.Minute)
	for name, c := range map[string]struct {
		method string
		cookie string
	}{
		"expired access token":  {"GET", k.cookies(tokens)},
		"no access token":       {"GET", k.renewal() + "=" + tokens.Refresh},
		"spoiled access token":  {"GET", k.access() + "=x; " + k.renewal() + "=" + tokens.Refresh},
		"HEAD":                  {"HEAD", k.cookies(tokens)},
		"OPTIONS":               {"OPTIONS", k.cookies(tokens)},
		"POST of the same page": {"POST", k.cookies(tokens)},
		"DELETE":                {"DELETE", k.cookies(tokens)},
	} {
		rec := serve(h, request(c.method, "https://api.example.com/", "Cookie", c.cookie, "Sec-Fetch-Site", "same-origin"))
		if rec.Code != 200 || rec.Body.String() != tokens.SessionID || rec.Header().Get("Cache-Control") != "no-store" || !strings.Contains(rec.Header().Get("Vary"), "Cookie") {
			t.Errorf("%s: %d %s %v", name, rec.Code, rec.Body, rec.Header())
		}
		access, refresh := value(set(t, rec.Header(), k.access())), value(set(t, rec.Header(), k.renewal()))
		if s, err := k.member.Verify(t.Context(), access); err != nil || s.ID != tokens.SessionID {
			t.Errorf("%s: new access token: %v", name, err)
		}
		if got, err := k.refresh(refresh); err != nil || got.Refresh != refresh || refresh == tokens.Refresh {
			t.Errorf("%s: new refresh token: %v", name, err)
		}
	}
	// A good access token needs none of it.
	next := k.mustRefresh(tokens.Refresh)
	k.spy.calm()
	rec := serve(h, request("GET", "/", "Cookie", k.cookies(next)))
	if rec.Code != 200 || len(rec.Header()["Set-Cookie"]) != 0 || rec.Header().Get("Cache-Control") != "" || k.spy.gets != 0 {
		t.Errorf("a good access token: %d %v, %d reads", rec.Code, rec.Header(), k.spy.gets)
	}
	// A token of a header is never refreshed by cookie.
	rec = serve(h, request("GET", "/", "Cookie", k.renewal()+"="+next.Refresh, "Authorization", "Bearer "+tokens.Access))
	if rec.Code != 401 || errorCode(t, rec) != "try_refresh" || len(rec.Header()["Set-Cookie"]) != 0 {
		t.Errorf("an expired Bearer token beside a cookie: %d %s", rec.Code, rec.Body)
	}
}

// TestS3_RefreshCookies: both cookies are set and removed with the same attributes.
func TestS3_RefreshCookies(t *testing.T) {
	for name, c := range map[string]struct {
		change     func(*session.Config)
		attributes string
	}{
		"https":      {func(*session.Config) {}, "; HttpOnly; Secure; SameSite=Lax"},
		"cross-site": {func(c *session.Config) { c.Origins = []string{"https://app.example.net"} }, "; HttpOnly; Secure; SameSite=None"},
		"localhost":  {func(c *session.Config) { c.Issuer = "http://localhost:8420/auth" }, "; HttpOnly; SameSite=Lax"},
	} {
		k := newKeeper(t, c.change)
		in, out := recorder(), recorder()
		if err := k.member.Cookie(in, request("GET", "/"), k.grant(), ret(app)); err != nil {
			t.Fatal(err)
		}
		if err := k.sessions.SignOut(out, request("POST", "/")); err != nil {
			t.Fatal(err)
		}
		for cookie, life := range map[string]string{k.access(): "300", k.renewal(): "604800"} {
			set, cleared := set(t, in.Header(), cookie), set(t, out.Header(), cookie)
			if len(set) > 4096 || set != cookie+"="+value(set)+"; Path=/; Max-Age="+life+c.attributes || len(value(set)) < 80 {
				t.Errorf("%s: set %q", name, set)
			}
			if cleared != cookie+"=; Path=/; Max-Age=0"+c.attributes {
				t.Errorf("%s: cleared by %q", name, cleared)
			}
			if strings.HasPrefix(cookie, "__Host-") != (name != "localhost") {
				t.Errorf("%s: cookie %s", name, cookie)
			}
		}
	}
}

// A refused client reads in the answer what to do, and an ordinary route clears cookies after a reuse alone.
func TestTransparent_Refused(t *testing.T) {
	k := newKeeper(t, func(c *session.Config) { c.Origins = []string{"https://app.example.net"} })
	verifier := k.twin(0, func(c *session.Config) { c.Store = nil })
	born := k.create()
	apikey := session.NewKind[APIKey](k.sessions, "robot")
	foreign := must(apikey.Create(t.Context(), session.Grant[APIKey]{Subject: "u1"}))(t)
	ended := k.create()
	reused := k.create()
	if err := k.sessions.Revoke(t.Context(), ended.SessionID); err != nil {
		t.Fatal(err)
	}
	k.rotate(k.rotate(reused.Refresh).Refresh)
	k.Advance(10 * time.Minute)
	dead := k.access() + "=x; " + k.renewal() + "="
	for name, c := range map[string]struct {
		on       *keeper
		headers  []string
		code     int
		error    string
		cleared  bool
		optional int // of the same route for everybody
	}{
		"nothing":                  {k, nil, 401, "unauthorized", false, 200},
		"expired, nothing to try":  {k, []string{"Cookie", k.access() + "=" + born.Access}, 401, "try_refresh", false, 200},
		"spoiled refresh token":    {k, []string{"Cookie", dead + born.Refresh + "A"}, 401, "session_ended", false, 200},
		"session that was ended":   {k, []string{"Cookie", dead + ended.Refresh}, 401, "session_ended", false, 200},
		"of another kind":          {k, []string{"Cookie", dead + foreign.Refresh}, 401, "invalid_token", false, 200},
		"used again":               {k, []string{"Cookie", dead + reused.Refresh}, 401, "session_ended", true, 200},
		"two refresh cookies":      {k, []string{"Cookie", dead + born.Refresh + "; " + k.renewal() + "=" + born.Refresh}, 400, "invalid_request", false, 400},
		"two and nothing else":     {k, []string{"Cookie", k.renewal() + "=a; " + k.renewal() + "=b"}, 400, "invalid_request", false, 400},
		"another's page":           {k, []string{"Cookie", dead + born.Refresh, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 403, "cross_origin", false, 403},
		"another's page, refresh":  {k, []string{"Cookie", k.renewal() + "=" + born.Refresh, "Origin", "null"}, 403, "cross_origin", false, 403},
		"WebSocket":                {k, []string{"Cookie", dead + born.Refresh, "Upgrade", "websocket", "Connection", "Upgrade", "Origin", "https://app.example.net"}, 401, "try_refresh", false, 200},
		"WebSocket of another":     {k, []string{"Cookie", dead + born.Refresh, "Upgrade", "websocket", "Origin", "https://evil.example"}, 403, "cross_origin", false, 403},
		"program that only checks": {verifier, []string{"Cookie", dead + born.Refresh}, 401, "try_refresh", false, 200},
	} {
		k.spy.calm()
		k.told(true)
		rec := serve(c.on.member.Require(c.on.whoami()), request("POST", "https://api.example.com/", c.headers...))
		if rec.Code != c.code || errorCode(t, rec) != c.error {
			t.Errorf("%s: %d %s, want %d %s", name, rec.Code, rec.Body, c.code, c.error)
		}
		if cookies := len(rec.Header()["Set-Cookie"]); (cookies == 2) != c.cleared || !c.cleared && cookies != 0 {
			t.Errorf("%s: cookies %q", name, rec.Header()["Set-Cookie"])
		}
		if (rec.Code == 401) != (rec.Header().Get("WWW-Authenticate") != "") && rec.Code != 400 {
			t.Errorf("%s: WWW-Authenticate %q", name, rec.Header().Get("WWW-Authenticate"))
		}
		if c.error == "cross_origin" && k.spy.gets != 0 {
			t.Errorf("%s: the store was asked before the origin", name)
		}
		if c.cleared != (k.spy.writes() == 1) || !c.cleared && k.spy.writes() != 0 {
			t.Errorf("%s: %d writes", name, k.spy.writes())
		}
		if rec := serve(c.on.member.Optional(c.on.whoami()), request("POST", "https://api.example.com/", c.headers...)); rec.Code != c.optional || rec.Code == 200 && rec.Body.String() != "public" {
			t.Errorf("%s, for everybody: %d %s", name, rec.Code, rec.Body)
		}
	}
	// Without the store nobody is signed out, and nobody is let in.
	k.spy.onGet = func(int) error { return errors.New("away") }
	for _, h := range []http.Handler{k.member.Require(k.whoami()), k.member.Optional(k.whoami())} {
		rec := serve(h, request("GET", "/", "Cookie", dead+born.Refresh))
		if rec.Code != 503 || errorCode(t, rec) != "temporarily_unavailable" || rec.Header().Get("Retry-After") == "" || len(rec.Header()["Set-Cookie"]) != 0 {
			t.Errorf("store away: %d %s %v", rec.Code, rec.Body, rec.Header())
		}
	}
	k.spy.calm()
	if rec := serve(k.member.Require(k.whoami()), request("GET", "/", "Cookie", dead+born.Refresh)); rec.Code != 200 {
		t.Errorf("store back: %d %s", rec.Code, rec.Body)
	}
}

// An answer with cookies is never cached, whatever header the handler sets; nor is an answer of the guard.
func TestTransparent_NoStore(t *testing.T) {
	say := func(then func(http.ResponseWriter)) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=600")
			w.Header().Set("Expires", "Thu, 01 Jan 2099 00:00:00 GMT")
			then(w)
		})
	}
	for name, h := range map[string]http.Handler{
		"writes":            say(func(w http.ResponseWriter) { _, _ = w.Write([]byte("x")) }),
		"answers":           say(func(w http.ResponseWriter) { w.WriteHeader(204) }),
		"writes nothing":    say(func(http.ResponseWriter) {}),
		"flushes":           say(func(w http.ResponseWriter) { w.(http.Flusher).Flush() }),
		"by its controller": say(func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }),
	} {
		k := newKeeper(t)
		tokens := k.create()
		k.Advance(10 * time.Minute)
		for _, guarded := range []http.Handler{k.member.Require(h), k.member.Optional(h), session.AnyOf(k.user, k.member).Require(h)} {
			rec := serve(guarded, request("GET", "/", "Cookie", k.cookies(tokens)))
			if got := rec.Result().Header; got.Get("Cache-Control") != "no-store" || len(got["Set-Cookie"]) != 2 {
				t.Errorf("%s: %v", name, got)
			}
			good := k.mustRefresh(tokens.Refresh)
			rec = serve(guarded, request("GET", "/", "Cookie", k.cookies(good)))
			if got := rec.Result().Header.Get("Cache-Control"); got != "public, max-age=600" {
				t.Errorf("%s, nothing refreshed: Cache-Control %q", name, got)
			}
		}
		rec := serve(k.member.Require(h, session.Scope("none")), request("GET", "/", "Cookie", k.cookies(tokens)))
		if rec.Code != 403 || rec.Header().Get("Cache-Control") != "no-store" || len(rec.Header()["Set-Cookie"]) != 2 {
			t.Errorf("%s: refreshed, and refused for its needs: %d %v", name, rec.Code, rec.Header())
		}
	}
}

// Each of two kinds is renewed by its cookie, and a dead cookie of the first does not hinder the second.
func TestTransparent_AnyOf(t *testing.T) {
	k := newKeeper(t)
	robot := session.NewKind[APIKey](k.sessions, "robot")
	both := session.AnyOf(k.member, robot).Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m, _ := k.member.From(r.Context())
		b, _ := robot.From(r.Context())
		_, _ = w.Write([]byte(m.Kind + " " + b.Kind))
	}))
	tokens := k.create()
	other := must(robot.Create(t.Context(), session.Grant[APIKey]{Subject: "r1"}))(t)
	k.Advance(10 * time.Minute)
	robotCookie := session.CookieNameOf(robot)
	for name, c := range map[string]struct{ cookie, want, set string }{
		"the first":              {k.cookies(tokens), "member public", k.access()},
		"the second":             {robotCookie + "=" + other.Access + "; " + robotCookie + "-refresh=" + other.Refresh, "public robot", robotCookie},
		"both":                   {k.cookies(tokens) + "; " + robotCookie + "-refresh=" + other.Refresh, "member public", k.access()},
		"the first is dead":      {k.renewal() + "=dead; " + robotCookie + "-refresh=" + other.Refresh, "public robot", robotCookie},
		"the first is exchanged": {k.renewal() + "=" + other.Refresh + "; " + robotCookie + "-refresh=" + other.Refresh, "public robot", robotCookie},
	} {
		rec := serve(both, request("GET", "/", "Cookie", c.cookie))
		if rec.Code != 200 || rec.Body.String() != c.want || set(t, rec.Header(), c.set) == "" || len(rec.Header()["Set-Cookie"]) != 2 {
			t.Errorf("%s: %d %s %q", name, rec.Code, rec.Body, rec.Header()["Set-Cookie"])
		}
	}
}

// Many tabs of one browser, by two instances: every request passes, and the cookie of the last answer is good.
func TestTransparent_ManyTabs(t *testing.T) {
	k := newKeeper(t)
	two := k.twin(0)
	handlers := []http.Handler{k.member.Require(k.whoami()), two.member.Require(two.whoami())}
	tokens := k.create()
	for range 20 {
		k.Advance(6 * time.Minute)
		jar := make(chan string, 50)
		var tabs sync.WaitGroup
		for i := range cap(jar) {
			tabs.Go(func() {
				rec := serve(handlers[i%2], request("GET", "/", "Cookie", k.cookies(tokens)))
				if rec.Code != 200 || rec.Body.String() != tokens.SessionID {
					t.Errorf("%d %s", rec.Code, rec.Body)
				}
				jar <- value(set(t, rec.Header(), k.renewal()))
			})
		}
		tabs.Wait()
		tokens.Refresh = <-jar
		for range cap(jar) - 1 {
			if other := <-jar; other != tokens.Refresh {
				t.Fatal("two tabs got different refresh cookies")
			}
		}
	}
	for _, name := range append(k.told(), two.told()...) {
		if name != "refresh retried" {
			t.Errorf("event %q", name)
		}
	}
}
