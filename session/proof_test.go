package session_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
)

// TestS1_AccessTokenNeverBecomesASession: the holder of an access token alone gets nothing that outlives it, by any way
// the package has.
func TestS1_AccessTokenNeverBecomesASession(t *testing.T) {
	k := newKeeper(t)
	claim := session.NewClaim(k.member, session.ClaimConfig[User, int]{Name: "n", Recheck: time.Nanosecond})
	mine := k.create()
	k.Advance(time.Minute)
	s := k.verify(mine.Access)
	outlives := func(what string, got session.Tokens) {
		t.Helper()
		if got.Refresh != "" || got.Expires.After(mine.Expires) || !got.RefreshExpires.IsZero() {
			t.Errorf("%s: an access token brought %+v", what, got)
		}
	}
	merged := must(k.member.Merge(t.Context(), s, tenant("t2")))(t)
	outlives("Merge", merged)
	for range 3 { // and no chain of them
		merged = must(k.member.Merge(t.Context(), k.verify(merged.Access), func(g *session.Grant[User]) error { return claim.Set(g, 1) }))(t)
		outlives("Merge again", merged)
		k.Advance(time.Minute)
	}
	k.Set(s.Issued.Add(time.Minute))
	for name, token := range map[string]string{"access token": mine.Access, "session id": mine.SessionID, "nothing": ""} {
		got, err := k.member.Replace(t.Context(), token, k.grant())
		if !errors.Is(err, session.ErrRefresh) || got.Access != "" {
			t.Errorf("Replace by %s: %v", name, err)
		}
		rec := recorder()
		headers := []string{"Authorization", "Bearer " + mine.Access, "Cookie", k.access() + "=" + mine.Access, "Sec-Fetch-Site", "same-origin"}
		if token != "" {
			headers[3] += "; " + k.renewal() + "=" + token
		}
		if err := k.member.ReplaceCookies(rec, request("POST", "https://api.example.com/", headers...), k.grant()); err == nil || len(rec.Header()["Set-Cookie"]) > 0 {
			t.Errorf("ReplaceCookies by %s: %v, %v", name, err, rec.Header())
		}
	}
	// Over HTTP: every route of the issuer, with the access token in every place.
	for _, way := range []string{"POST /token", "POST /refresh", "POST /signout/everywhere", "GET /sessions", "DELETE /sessions"} {
		method, path, _ := strings.Cut(way, " ")
		k := newKeeper(t)
		mine := k.create()
		for _, headers := range [][]string{
			{"Authorization", "Bearer " + mine.Access},
			{"Cookie", k.access() + "=" + mine.Access, "Sec-Fetch-Site", "same-origin"},
			{"Cookie", k.access() + "=" + mine.Access + "; " + k.renewal() + "=" + mine.Access, "Sec-Fetch-Site", "same-origin"},
		} {
			body := ""
			if path == "/token" {
				body = "grant_type=refresh_token&refresh_token=" + mine.Access
			}
			rec := k.ask(method, path, body, headers...)
			if renewal := value(set(t, rec.Header(), k.renewal())); renewal != "" || strings.Contains(rec.Body.String(), "refresh_token") && rec.Code == http.StatusOK {
				t.Errorf("%s with %q: %d %s %v", way, headers[0], rec.Code, rec.Body, rec.Header())
			}
		}
	}
	// A guard neither, and a claim that is renewed brings a token that ends when the old one does.
	h := k.member.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := k.member.From(r.Context())
		got, err := k.member.Merge(r.Context(), s, tenant("t3"))
		if err != nil {
			t.Error(err)
		}
		k.member.SetCookies(w, got)
	}))
	rec := serve(h, request("GET", "https://api.example.com/", "Cookie", k.access()+"="+mine.Access))
	if rec.Code != 200 || set(t, rec.Header(), k.access()) == "" || set(t, rec.Header(), k.renewal()) != "" {
		t.Errorf("by cookie: %d %v", rec.Code, rec.Header())
	}
}

// TestS1_ReplaceProof: Replace takes every refresh token that Refresh takes, and what ends a session there ends it
// here.
func TestS1_ReplaceProof(t *testing.T) {
	for name, c := range map[string]struct {
		wait  time.Duration
		which int // of three generations
		told  []string
		ok    bool
	}{
		"present, new":         {0, 2, []string{"session ended: replaced"}, true},
		"present, old":         {time.Hour, 2, []string{"session ended: replaced"}, true},
		"the one before":       {0, 1, []string{"session ended: replaced"}, true},
		"the one before, late": {time.Hour, 1, []string{"session ended: replaced"}, true},
		"an older one":         {0, 0, []string{"session ended: reuse"}, false},
	} {
		k := newKeeper(t)
		tokens := []session.Tokens{k.create()}
		for range 2 {
			tokens = append(tokens, k.rotate(tokens[len(tokens)-1].Refresh))
		}
		k.Advance(c.wait)
		k.told()
		rec := recorder()
		err := k.member.ReplaceCookies(rec, request("POST", "https://api.example.com/", "Cookie", k.cookies(tokens[c.which]), "Sec-Fetch-Site", "same-origin"), k.grant())
		if (err == nil) != c.ok || !c.ok && !errors.Is(err, session.ErrReuse) {
			t.Errorf("%s: %v", name, err)
		}
		k.wantTold(c.told...)
		if renewed := value(set(t, rec.Header(), k.renewal())); (renewed != "") != c.ok || set(t, rec.Header(), k.renewal()) == "" {
			t.Errorf("%s: cookies %v", name, rec.Header())
		} else if c.ok && k.mustRefresh(renewed).SessionID == tokens[0].SessionID {
			t.Errorf("%s: the session stayed", name)
		}
		for _, old := range tokens {
			if _, err := k.refresh(old.Refresh); !errors.Is(err, session.ErrEnded) {
				t.Errorf("%s: an old token: %v", name, err)
			}
		}
	}
	k := newKeeper(t)
	mine := k.create()
	for name, c := range map[string]struct {
		headers []string
		want    error
	}{
		"another's page": {[]string{"Cookie", k.cookies(mine), "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, session.ErrCrossOrigin},
		"no cookie":      {nil, session.ErrMissing},
		"two cookies":    {[]string{"Cookie", k.renewal() + "=a; " + k.renewal() + "=b"}, session.ErrDuplicate},
	} {
		if err := k.member.ReplaceCookies(recorder(), request("POST", "https://api.example.com/", c.headers...), k.grant()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	robot := session.NewKind[User](k.sessions, "robot")
	if _, err := robot.Replace(t.Context(), mine.Refresh, k.grant()); !errors.Is(err, session.ErrKind) {
		t.Errorf("of another kind: %v", err)
	}
	k.mustRefresh(mine.Refresh)
}
