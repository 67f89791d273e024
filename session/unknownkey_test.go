package session_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// A replica is one of several programs of an issuer that share a store. Each has a ring and a log.
type replica struct {
	ring     *keys.Ring
	sessions *session.Sessions
	member   *session.Kind[User]
	log      bytes.Buffer
}

func (w *world) replica(t *testing.T) *replica {
	t.Helper()
	p := &replica{ring: must(keys.Open(t.Context(), keys.RingConfig{Vault: &keys.MemoryVault{}, Algorithm: keys.ES256, Now: w.Now}))(t)}
	p.sessions = must(session.New(session.Config{
		Issuer: issuer, Audience: audience, Keys: p.ring, Store: w.store, Now: w.Now, Logger: slog.New(slog.NewJSONHandler(&p.log, nil)),
	}))(t)
	p.member = session.NewKind[User](p.sessions, "member")
	return p
}

func (p *replica) cookies(tokens session.Tokens) string {
	name := session.CookieNameOf(p.member)
	return name + "=" + tokens.Access + "; " + name + "-refresh=" + tokens.Refresh
}

// warnings returns how many lines warn of unknown keys.
func (p *replica) warnings() int {
	return strings.Count(p.log.String(), "names a key that this program does not have")
}

// TestUnknownKey_SessionLives: processes with different rings do not end each other's sessions. They answer
// try_refresh at guards and 503 where the token is refreshed, leave the cookies as they are, and log one warning in ten
// minutes.
func TestUnknownKey_SessionLives(t *testing.T) {
	w := newWorld(t)
	replicas := []*replica{w.replica(t), w.replica(t), w.replica(t)}
	home := replicas[0]
	tokens := must(home.member.Create(t.Context(), w.grant()))(t)
	guard := func(p *replica, headers ...string) (int, string) {
		rec := serve(p.member.Require(http.NotFoundHandler()), request("GET", "/orders", headers...))
		if len(rec.Header()["Set-Cookie"]) != 0 {
			t.Errorf("the guard changes cookies: %v", rec.Header()["Set-Cookie"])
		}
		if rec.Code == 404 {
			return 404, ""
		}
		return rec.Code, errorCode(t, rec)
	}
	for range 3 {
		for i, p := range replicas {
			status, code := 401, "try_refresh"
			if i == 0 {
				status, code = 404, ""
			}
			for name, headers := range map[string][]string{"cookies": {"Cookie", p.cookies(tokens)}, "header": {"Authorization", "Bearer " + tokens.Access}} {
				if gotStatus, got := guard(p, headers...); gotStatus != status || got != code {
					t.Errorf("replica %d, %s: %d %s, want %d %s", i, name, gotStatus, got, status, code)
				}
			}
			if i == 0 {
				continue
			}
			rec := serve(p.sessions.Handler(), request("POST", issuer+"/refresh", "Cookie", p.cookies(tokens), "Sec-Fetch-Site", "same-origin"))
			if rec.Code != 503 || rec.Header().Get("Retry-After") == "" || len(rec.Header()["Set-Cookie"]) != 0 {
				t.Errorf("replica %d, refresh: %d %s %v", i, rec.Code, rec.Body, rec.Header())
			}
			if p.warnings() != 1 {
				t.Errorf("replica %d logs %d warnings, want 1\n%s", i, p.warnings(), p.log.String())
			}
		}
	}
	if home.warnings() != 0 {
		t.Errorf("the process that has the keys warns: %s", home.log.String())
	}
	w.Advance(11 * time.Minute)
	if status, code := guard(replicas[1], "Cookie", replicas[1].cookies(tokens)); status != 401 || code != "try_refresh" || replicas[1].warnings() != 2 {
		t.Errorf("after eleven minutes: %d %s, %d warnings", status, code, replicas[1].warnings())
	}
	next := must(home.sessions.Refresh(t.Context(), tokens.Refresh))(t)
	if next.SessionID != tokens.SessionID {
		t.Error("another session came back")
	}
	for i, p := range replicas {
		for _, secret := range []string{tokens.Access, tokens.Refresh, tokens.SessionID} {
			if strings.Contains(p.log.String(), secret) {
				t.Errorf("the log of replica %d holds a token", i)
			}
		}
	}
}

// TestUnknownKey_WarnsOfOwnIssuerOnly: a token that names another issuer, or no key that ever signed here, is no sign
// of processes with different keys, and neither is a key that has ended.
func TestUnknownKey_WarnsOfOwnIssuerOnly(t *testing.T) {
	w := newWorld(t)
	p := w.replica(t)
	stranger := must(keys.Generate(keys.ES256))(t)
	foreign := w.signAs(stranger, "at+jwt", w.with("iss", "https://other.example.com"))
	if _, err := p.member.Verify(t.Context(), foreign); session.Reason(err) != "unknown_key" || p.warnings() != 0 {
		t.Errorf("a token of another issuer: %v, %d warnings", err, p.warnings())
	}
	tokens := must(p.member.Create(t.Context(), w.grant()))(t)
	for _, list := range [][]keys.KeyInfo{must(p.ring.Keys(t.Context()))(t), must(p.ring.MasterSecrets(t.Context()))(t)} {
		if err := p.ring.Revoke(t.Context(), list[0].ID); err != nil {
			t.Fatal(err)
		}
	}
	rec := serve(p.sessions.Handler(), request("POST", issuer+"/refresh", "Cookie", p.cookies(tokens), "Sec-Fetch-Site", "same-origin"))
	if rec.Code != 401 || errorCode(t, rec) != "session_ended" || len(rec.Header()["Set-Cookie"]) == 0 {
		t.Errorf("a revoked secret: %d %s %v", rec.Code, rec.Body, rec.Header())
	}
	rec = serve(p.member.Require(http.NotFoundHandler()), request("GET", "/", "Authorization", "Bearer "+tokens.Access))
	if rec.Code != 401 || errorCode(t, rec) != "try_refresh" || p.warnings() != 0 {
		t.Errorf("a revoked key: %d %s, %d warnings", rec.Code, rec.Body, p.warnings())
	}
	own := w.signAs(stranger, "at+jwt", w.claims())
	for range 1000 { // a flood of forged tokens is one line
		if _, err := p.member.Verify(t.Context(), own); session.Reason(err) != "unknown_key" {
			t.Fatal(err)
		}
	}
	if p.warnings() != 1 {
		t.Errorf("%d warnings of 1000 forged tokens, want 1", p.warnings())
	}
	var line struct {
		Level  string `json:"level"`
		Issuer string `json:"issuer"`
	}
	if err := json.Unmarshal(p.log.Bytes(), &line); err != nil || line.Level != "WARN" || line.Issuer != issuer {
		t.Errorf("the line: %s, %v", p.log.String(), err)
	}
}

// ask sends a request to the handler of a replica.
func (p *replica) ask(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, issuer+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return serve(p.sessions.Handler(), r)
}

// refreshing returns what a client sends with a refresh token, to each endpoint that takes one.
func (p *replica) refreshing(token string) map[string]func() *httptest.ResponseRecorder {
	cookies := []string{"Cookie", session.CookieNameOf(p.member) + "-refresh=" + token, "Sec-Fetch-Site", "same-origin"}
	return map[string]func() *httptest.ResponseRecorder{
		"token": func() *httptest.ResponseRecorder {
			return p.ask("POST", "/token", "grant_type=refresh_token&refresh_token="+token)
		},
		"revoke":  func() *httptest.ResponseRecorder { return p.ask("POST", "/revoke", "token="+token) },
		"refresh": func() *httptest.ResponseRecorder { return p.ask("POST", "/refresh", "", cookies...) },
		"signout": func() *httptest.ResponseRecorder { return p.ask("POST", "/signout", "", cookies...) },
		"signout, Bearer": func() *httptest.ResponseRecorder {
			return p.ask("POST", "/signout", "", "Authorization", "Bearer "+token)
		},
	}
}

// TestUnknownKey_NoFalseSuccess: a process that lacks the secret of a refresh token answers 503 where its session would
// be ended or refreshed, as long as the session lives. It clears no cookie and logs no fault. The process that has the
// secret ends the session; then the other one answers as for any session that has ended.
func TestUnknownKey_NoFalseSuccess(t *testing.T) {
	w := newWorld(t)
	home, other := w.replica(t), w.replica(t)
	tokens := must(home.member.Create(t.Context(), w.grant()))(t)
	for range 2 {
		for name, send := range other.refreshing(tokens.Refresh) {
			rec := send()
			if rec.Code != 503 || errorCode(t, rec) != "temporarily_unavailable" || rec.Header().Get("Retry-After") == "" || len(rec.Header()["Set-Cookie"]) != 0 {
				t.Errorf("%s: %d %s %v", name, rec.Code, rec.Body, rec.Header())
			}
		}
	}
	r := request("POST", "https://api.example.com/leave", "Cookie", other.cookies(tokens), "Sec-Fetch-Site", "same-origin")
	rec := httptest.NewRecorder()
	if err := other.sessions.SignOut(rec, r); !errors.Is(err, session.ErrUnavailable) || len(rec.Header()) != 0 {
		t.Errorf("SignOut: %v, %v", err, rec.Header())
	}
	if strings.Contains(other.log.String(), `"level":"ERROR"`) || other.warnings() != 1 {
		t.Errorf("the log of the other process: %s", other.log.String())
	}
	checked := home.member.Require(http.NotFoundHandler(), session.CheckStore)
	if rec := serve(checked, request("GET", "/", "Cookie", home.cookies(tokens))); rec.Code != 404 {
		t.Fatalf("the session: %d %s", rec.Code, rec.Body)
	}

	// A planted cookie does not keep the session of the request alive.
	own := must(other.member.Create(t.Context(), w.grant()))(t)
	name := session.CookieNameOf(other.member) + "-refresh="
	if rec := other.ask("POST", "/signout", "", "Cookie", name+tokens.Refresh+"; "+name+own.Refresh, "Sec-Fetch-Site", "same-origin"); rec.Code != 503 {
		t.Errorf("with a planted cookie: %d %s", rec.Code, rec.Body)
	}
	if _, err := other.sessions.Refresh(t.Context(), own.Refresh); !errors.Is(err, session.ErrEnded) {
		t.Errorf("the session beside a planted cookie: %v", err)
	}

	if rec := home.refreshing(tokens.Refresh)["signout"](); rec.Code != 204 {
		t.Fatalf("sign-out at home: %d %s", rec.Code, rec.Body)
	}
	want := map[string]int{"token": 400, "revoke": 200, "refresh": 401, "signout": 204, "signout, Bearer": 204}
	for name, send := range other.refreshing(tokens.Refresh) {
		if rec := send(); rec.Code != want[name] {
			t.Errorf("%s, after the end: %d %s", name, rec.Code, rec.Body)
		}
	}
}

// TestUnknownKey_SignInAgain: a cookie whose secret nobody here has, such as a planted one, does not keep a person from
// signing in, and the new cookies replace it.
func TestUnknownKey_SignInAgain(t *testing.T) {
	w := newWorld(t)
	home, other := w.replica(t), w.replica(t)
	tokens := must(home.member.Create(t.Context(), w.grant()))(t)
	rec := httptest.NewRecorder()
	r := request("GET", issuer+"/link/callback", "Cookie", other.cookies(tokens))
	if err := other.member.Cookie(rec, r, w.grant(), ret("https://api.example.com/orders")); err != nil || rec.Code != 303 || len(rec.Header()["Set-Cookie"]) != 2 {
		t.Errorf("the sign-in: %v, %d %v", err, rec.Code, rec.Header())
	}
}

// TestUnknownKey_ForgedIsCounted: tokens with made-up keys are counted against the client, whether they name a session
// or not, and are then refused with 429. The person behind the same address still refreshes and signs out.
func TestUnknownKey_ForgedIsCounted(t *testing.T) {
	for name, live := range map[string]bool{"a session": true, "no session": false} {
		for _, endpoint := range []string{"token", "revoke", "refresh", "signout", "signout, Bearer"} {
			t.Run(name+"/"+endpoint, func(t *testing.T) {
				w := newWorld(t)
				p := w.replica(t)
				mine := must(p.member.Create(t.Context(), w.grant()))(t)
				parts := strings.Split(mine.Refresh, ".")
				if !live {
					gone := must(p.member.Create(t.Context(), w.grant()))(t)
					if err := p.sessions.Revoke(t.Context(), gone.SessionID); err != nil {
						t.Fatal(err)
					}
					parts = strings.Split(gone.Refresh, ".")
				}
				limited := 0
				for i := range 150 {
					parts[1] = fmt.Sprintf("stranger-%d", i)
					if rec := p.refreshing(strings.Join(parts, "."))[endpoint](); rec.Code == 429 {
						limited++
					}
				}
				if limited != 50 {
					t.Errorf("%d of 150 were limited, want 50", limited)
				}
				if strings.Contains(p.log.String(), `"level":"ERROR"`) || p.warnings() != 1 {
					t.Errorf("the log: %.600s", p.log.String())
				}
				if rec := p.refreshing(mine.Refresh)[endpoint](); rec.Code != 200 && rec.Code != 204 {
					t.Errorf("the person: %d %s", rec.Code, rec.Body)
				}
			})
		}
	}
}
