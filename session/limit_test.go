package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// counted counts the calls of a store and the rows put into it.
type counted struct {
	store.Store
	gets, writes int
	rows         map[store.Key]bool
	failing      error
}

func (s *counted) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	s.gets++
	return s.Store.Get(ctx, keys...)
}

func (s *counted) Write(ctx context.Context, changes ...store.Change) error {
	if s.failing != nil {
		return s.failing
	}
	s.writes++
	for _, c := range changes {
		s.rows[c.Item.Key] = true
	}
	return s.Store.Write(ctx, changes...)
}

// newCountedKeeper is a keeper on a counted store.
func newCountedKeeper(t *testing.T) (*keeper, *counted) {
	s := &counted{rows: map[store.Key]bool{}}
	k := newKeeper(t, func(c *session.Config) { s.Store, c.Store = c.Store, s })
	k.sessions.TrustProxies([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, "X-Forwarded-For")
	return k, s
}

// forge changes the last characters of a token: its form and its session are right, its proof is wrong.
func forge(token string) string {
	end := "AAAA"
	if strings.HasSuffix(token, end) {
		end = "BBBB"
	}
	return token[:len(token)-4] + end
}

// from is a POST from a client address.
func (k *keeper) from(addr, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", issuer+path, strings.NewReader(body))
	r.RemoteAddr = "10.0.0.1:1" // of the proxy
	r.Header.Set("X-Forwarded-For", addr)
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return serve(k.sessions.Handler(), r)
}

// Every endpoint that asks the store about a code or a refresh token answers 100 forged ones of an address and then
// 429. A refused token writes nothing and reads no limit. It reads a row only if it names a code or session that no
// forged token named before. What proves itself passes from the same address.
func TestD3_ForgedTokensOfOneAddress(t *testing.T) {
	const addr = "203.0.113.7"
	refresh := func(token string) string {
		return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {audience}}.Encode()
	}
	for name, tc := range map[string]struct {
		status int
		reads  int // of a refused request
		send   func(k *keeper, tokens session.Tokens, from string, i int) *httptest.ResponseRecorder
	}{
		"code": {400, 1, func(k *keeper, tokens session.Tokens, from string, i int) *httptest.ResponseRecorder {
			half, _, _ := strings.Cut(tokens.SessionID, ".")
			return k.from(from, "/token", form(half+"."+fmt.Sprintf("%043d", i)).Encode())
		}},
		"refresh token": {400, 0, func(k *keeper, tokens session.Tokens, from string, _ int) *httptest.ResponseRecorder {
			return k.from(from, "/token", refresh(forge(tokens.Refresh)))
		}},
		"refresh token of no session": {400, 1, func(k *keeper, tokens session.Tokens, from string, i int) *httptest.ResponseRecorder {
			id := tokens.SessionID[:len(tokens.SessionID)-4] + fmt.Sprintf("%04d", i)
			return k.from(from, "/token", refresh(strings.Replace(tokens.Refresh, tokens.SessionID, id, 1)))
		}},
		"refresh cookie": {401, 0, func(k *keeper, tokens session.Tokens, from string, _ int) *httptest.ResponseRecorder {
			return k.from(from, "/refresh", "", "Cookie", k.renewal()+"="+forge(tokens.Refresh))
		}},
		"refresh cookie at own sessions": {401, 0, func(k *keeper, tokens session.Tokens, from string, _ int) *httptest.ResponseRecorder {
			r := request("DELETE", issuer+"/sessions", "Cookie", k.renewal()+"="+forge(tokens.Refresh), "X-Forwarded-For", from)
			r.RemoteAddr = "10.0.0.1:1"
			return serve(k.sessions.Handler(), r)
		}},
		"refresh cookie at sign-out": {204, 0, func(k *keeper, tokens session.Tokens, from string, _ int) *httptest.ResponseRecorder {
			return k.from(from, "/signout", "", "Cookie", k.renewal()+"="+forge(tokens.Refresh))
		}},
		"Bearer refresh token at sign-out": {204, 0, func(k *keeper, tokens session.Tokens, from string, _ int) *httptest.ResponseRecorder {
			return k.from(from, "/signout", "", "Authorization", "Bearer "+forge(tokens.Refresh))
		}},
		"refresh cookie at sign-out everywhere": {401, 0, func(k *keeper, tokens session.Tokens, from string, _ int) *httptest.ResponseRecorder {
			return k.from(from, "/signout/everywhere", "", "Cookie", k.renewal()+"="+forge(tokens.Refresh))
		}},
		"token to revoke": {200, 0, func(k *keeper, tokens session.Tokens, from string, _ int) *httptest.ResponseRecorder {
			return k.from(from, "/revoke", url.Values{"token": {forge(tokens.Refresh)}, "client_id": {audience}}.Encode())
		}},
	} {
		t.Run(name, func(t *testing.T) {
			k, s := newCountedKeeper(t)
			tokens := k.create()
			s.rows = map[store.Key]bool{}
			for i := range 5000 {
				reads, before := s.gets, s.writes
				rec := tc.send(k, tokens, addr, i)
				if i < 100 && rec.Code != tc.status {
					t.Fatalf("forged %d: %d %s", i, rec.Code, rec.Body)
				}
				if i < 100 {
					continue
				}
				if rec.Code != 429 || rec.Header().Get("Retry-After") == "" || errorCode(t, rec) != "rate_limited" || s.writes != before {
					t.Fatalf("forged %d: %d %v %s, %d writes", i, rec.Code, rec.Header(), rec.Body, s.writes-before)
				}
				if i > 100 && s.gets-reads != tc.reads {
					t.Fatalf("forged %d: %d reads, want %d", i, s.gets-reads, tc.reads)
				}
			}
			if n := k.limited(); n != 1 {
				t.Errorf("%d events of 4,900 refused requests, want one", n)
			}
			if len(s.rows) != 2 {
				t.Errorf("%d rows written, want two: the address and its /24", len(s.rows))
			}
			if e := k.lastEvent(); e.Name != "limited" || e.Reason != "forged" || e.Addr != addr {
				t.Errorf("event %+v", e)
			}
			if rec := tc.send(k, tokens, "198.51.100.9", 1); rec.Code != tc.status {
				t.Errorf("another address: %d %s", rec.Code, rec.Body)
			}
			if rec := k.from(addr, "/token", refresh(tokens.Refresh)); rec.Code != 200 {
				t.Errorf("a true refresh token from the same address: %d %s", rec.Code, rec.Body)
			}
			k.Advance(11 * time.Minute)
			if rec := tc.send(k, tokens, addr, 2); rec.Code != tc.status {
				t.Errorf("eleven minutes later: %d %s", rec.Code, rec.Body)
			}
			s.failing = errors.New("disk on fire")
			if rec := tc.send(k, tokens, addr, 3); rec.Code != 503 || rec.Header().Get("Retry-After") == "" {
				t.Errorf("not counted: %d %s", rec.Code, rec.Body)
			}
		})
	}
}

// limited is the number of events about the limit.
func (k *keeper) limited() (n int) {
	for _, e := range k.Events.All() {
		if e.Name == "limited" && e.Reason == "forged" {
			n++
		}
	}
	return n
}

// A guard counts forged refresh cookies together with the endpoints. From the second of a session on it refuses them
// without a read of the session, and after 100 without any read. Meanwhile every true token is renewed, from the same
// address and from a neighbour, of the same session and of others.
func TestD3_ForgedTokensAtGuards(t *testing.T) {
	const addr = "203.0.113.7"
	k, s := newCountedKeeper(t)
	tokens, other := k.create(), k.create()
	same, neighbour := k.create(), k.create()
	k.Advance(10 * time.Minute)
	page := k.member.Require(k.whoami())
	visit := func(from, token string) *httptest.ResponseRecorder {
		r := request("GET", "/", "Cookie", k.renewal()+"="+token, "X-Forwarded-For", from)
		r.RemoteAddr = "10.0.0.1:1"
		return serve(page, r)
	}
	for i := range 1000 {
		gets, writes := s.gets, s.writes
		rec := visit(addr, forge(tokens.Refresh))
		if rec.Code != 401 || len(rec.Header()["Set-Cookie"]) != 0 {
			t.Fatalf("forged %d: %d %s", i, rec.Code, rec.Body)
		}
		if i > 100 && (s.gets != gets || s.writes != writes) {
			t.Fatalf("forged %d: %d reads, %d writes", i, s.gets-gets, s.writes-writes)
		}
	}
	if rec := k.from(addr, "/refresh", "", "Cookie", k.renewal()+"="+forge(tokens.Refresh)); rec.Code != 429 {
		t.Errorf("an endpoint after it: %d %s", rec.Code, rec.Body)
	}
	if rec := visit(addr, other.Refresh); rec.Code != 200 {
		t.Errorf("a true token of another session: %d %s", rec.Code, rec.Body)
	}
	for from, mine := range map[string]session.Tokens{addr: same, "203.0.113.8": neighbour, "198.51.100.9": tokens} {
		for range 3 {
			if rec := visit(addr, forge(mine.Refresh)); rec.Code != 401 {
				t.Errorf("a forged token: %d", rec.Code)
			}
		}
		if rec := visit(from, mine.Refresh); rec.Code != 200 {
			t.Errorf("the true token from %s: %d %s", from, rec.Code, rec.Body)
		}
	}
	if rec := k.from("203.0.113.8", "/refresh", "", "Cookie", k.renewal()+"="+forge(tokens.Refresh)); rec.Code != 401 {
		t.Errorf("the first forged token of a neighbour: %d, want 401", rec.Code)
	}
	if rec := k.from(addr, "/refresh", "", "Cookie", k.renewal()+"="+tokens.Refresh); rec.Code != 200 {
		t.Errorf("the true token at /refresh: %d %s", rec.Code, rec.Body)
	}
	k.Advance(11 * time.Minute)
	if rec := visit(addr, tokens.Refresh); rec.Code != 200 {
		t.Errorf("the true token eleven minutes later: %d %s", rec.Code, rec.Body)
	}
}

// Routes of the application that sign people out count forged refresh tokens together with the endpoints. Over the
// limit they get an error, and write nothing. A true token still signs out.
func TestD3_ForgedTokensAtOwnRoutes(t *testing.T) {
	const addr = "203.0.113.7"
	for name, tc := range map[string]struct {
		signOut func(*session.Sessions) func(http.ResponseWriter, *http.Request) error
		bearer  bool
		first   error // of a forged token that is counted
	}{
		"SignOut":           {func(s *session.Sessions) func(http.ResponseWriter, *http.Request) error { return s.SignOut }, false, nil},
		"SignOut, Bearer":   {func(s *session.Sessions) func(http.ResponseWriter, *http.Request) error { return s.SignOut }, true, nil},
		"SignOutEverywhere": {func(s *session.Sessions) func(http.ResponseWriter, *http.Request) error { return s.SignOutEverywhere }, false, session.ErrRefresh},
	} {
		t.Run(name, func(t *testing.T) {
			k, s := newCountedKeeper(t)
			tokens := k.create()
			leave := func(token string) (*httptest.ResponseRecorder, error) {
				r := request("POST", "/leave", "X-Forwarded-For", addr)
				r.RemoteAddr = "10.0.0.1:1"
				if tc.bearer {
					r.Header.Set("Authorization", "Bearer "+token)
				} else {
					r.Header.Set("Cookie", k.renewal()+"="+token)
				}
				rec := httptest.NewRecorder()
				return rec, tc.signOut(k.sessions)(rec, r)
			}
			for i := range 300 {
				before := s.writes
				rec, err := leave(forge(tokens.Refresh))
				switch {
				case i < 100 && !errors.Is(err, tc.first):
					t.Fatalf("forged %d: %v", i, err)
				case i >= 100 && (!errors.Is(err, session.ErrUnavailable) || s.writes != before || len(rec.Header()["Set-Cookie"]) != 0):
					t.Fatalf("forged %d: %v, %d writes, %v", i, err, s.writes-before, rec.Header())
				}
			}
			if rec := k.from(addr, "/refresh", "", "Cookie", k.renewal()+"="+forge(tokens.Refresh)); rec.Code != 429 {
				t.Errorf("an endpoint after it: %d %s", rec.Code, rec.Body)
			}
			if _, err := leave(tokens.Refresh); err != nil {
				t.Errorf("the true token: %v", err)
			}
			if list := k.list(); len(list) != 0 {
				t.Errorf("sessions left: %v", list)
			}
		})
	}
}

// What ends by itself is not forged: people whose sessions have ended all learn it, from one address too.
func TestD3_EndedSessionsAreNotLimited(t *testing.T) {
	k, _ := newCountedKeeper(t)
	tokens := k.create()
	if err := k.sessions.Revoke(t.Context(), tokens.SessionID); err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		rec := k.from("203.0.113.7", "/refresh", "", "Cookie", k.renewal()+"="+tokens.Refresh)
		if rec.Code != 401 || errorCode(t, rec) != "session_ended" {
			t.Fatalf("request %d: %d %s", i, rec.Code, rec.Body)
		}
	}
}

// No forged token reaches the store through ForwardAuth, whatever the route needs, so nothing has to be counted.
func TestD3_ForgedTokensAtForwardAuth(t *testing.T) {
	k, s := newCountedKeeper(t)
	tokens := k.create()
	plain, asks := session.ForwardAuth(k.member), session.ForwardAuth(k.member, session.CheckStore)
	s.gets, s.writes = 0, 0
	for i := range 5000 {
		for _, h := range []http.Handler{plain, asks} {
			r := request("GET", issuer+"/verify", "X-Original-Method", "GET", "X-Original-Uri", "/")
			switch i % 3 {
			case 0:
				r.Header.Set("Authorization", "Bearer "+forge(tokens.Access))
			case 1:
				r.Header.Set("Cookie", k.access()+"="+forge(tokens.Access))
			case 2:
				r.Header.Set("Cookie", k.renewal()+"="+forge(tokens.Refresh))
			}
			if rec := serve(h, r); rec.Code != 401 {
				t.Fatalf("request %d: %d %s", i, rec.Code, rec.Body)
			}
		}
	}
	if s.gets+s.writes != 0 {
		t.Errorf("forged tokens cost %d reads and %d writes", s.gets, s.writes)
	}
}

// A program without package postern logs a proxy that it was not given, once: at the endpoints of Handler, and where a
// guard counts a forged token. It logs no peer on the internet, whatever its headers, and no proxy that it was given.
func TestD3_ProxyThatIsNotConfigured(t *testing.T) {
	var log bytes.Buffer
	fresh := func() (*keeper, session.Tokens) {
		log.Reset()
		k := newKeeper(t, func(c *session.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		return k, k.create()
	}
	endpoint := func(k *keeper, _ session.Tokens) (http.Handler, *http.Request) {
		return k.sessions.Handler(), request("POST", issuer+"/refresh")
	}
	guard := func(k *keeper, tokens session.Tokens) (http.Handler, *http.Request) {
		return k.member.Require(k.whoami()), request("GET", "/", "Cookie", k.renewal()+"="+forge(tokens.Refresh))
	}
	for place, ask := range map[string]func(*keeper, session.Tokens) (http.Handler, *http.Request){"endpoint": endpoint, "guard": guard} {
		for _, c := range []struct {
			peer, header string
			trusted      string
			want         int
		}{
			{"10.0.0.1:1", "X-Real-Ip", "", 1}, {"10.0.0.1:1", "X-Forwarded-For", "", 1}, {"@", "", "", 1},
			{"10.0.0.1:1", "", "", 0}, {"203.0.113.7:1", "X-Forwarded-For", "", 0}, {"10.0.0.1:1", "X-Forwarded-For", "10.0.0.0/8", 0},
		} {
			k, tokens := fresh()
			if c.trusted != "" {
				k.sessions.TrustProxies([]netip.Prefix{netip.MustParsePrefix(c.trusted)}, "X-Forwarded-For")
			}
			for range 3 {
				h, r := ask(k, tokens)
				r.RemoteAddr = c.peer
				if c.header != "" {
					r.Header.Set(c.header, "198.51.100.9")
				}
				serve(h, r)
			}
			if n := strings.Count(log.String(), "call Sessions.TrustProxies"); n != c.want {
				t.Errorf("%s, peer %s with %q, trusted %q: %d warnings, want %d", place, c.peer, c.header, c.trusted, n, c.want)
			}
		}
	}
}
