package session_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
)

// CheckStore, as a need of a route and as the policy of a kind, refuses at once what was ended; without it a token
// lives out its time, and no longer.
func TestCheckStore(t *testing.T) {
	always := func(c *session.KindConfig[User]) { c.CheckStore = true }
	for name, k := range map[string]*keeper{"need": newKeeper(t), "policy": newKeeper(t, always)} {
		var needs []session.Need
		if name == "need" {
			needs = append(needs, session.CheckStore)
		}
		tokens := k.create()
		h := k.member.Require(k.whoami(), needs...)
		optional := k.member.Optional(k.whoami(), needs...)
		asCookie := []string{"Cookie", k.cookies(tokens)}
		asBearer := []string{"Authorization", "Bearer " + tokens.Access}
		k.spy.calm()
		for i, headers := range [][]string{asCookie, asBearer} {
			if rec := serve(h, request("GET", "/", headers...)); rec.Code != 200 || rec.Body.String() != tokens.SessionID || k.spy.gets != i+1 || k.spy.writes() != 0 {
				t.Errorf("%s: %d %s, %d reads, %d writes", name, rec.Code, rec.Body, k.spy.gets, k.spy.writes())
			}
		}
		if name == "policy" {
			k.verify(tokens.Access)
		}
		k.verify(tokens.Access, needs...)

		k.spy.onGet = func(int) error { return errors.New("away") }
		for _, guarded := range []struct {
			headers []string
			code    int
		}{{asCookie, 503}, {asBearer, 503}} {
			if rec := serve(h, request("GET", "/", guarded.headers...)); rec.Code != guarded.code || rec.Header().Get("Retry-After") == "" {
				t.Errorf("%s, store away: %d %s", name, rec.Code, rec.Body)
			}
			if rec := serve(optional, request("GET", "/", guarded.headers...)); rec.Code != guarded.code {
				t.Errorf("%s, store away, for everybody: %d %s", name, rec.Code, rec.Body)
			}
		}
		if _, err := k.member.Verify(t.Context(), tokens.Access, needs...); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("%s, store away: %v", name, err)
		}
		k.spy.calm()
		if err := k.sessions.Revoke(t.Context(), tokens.SessionID); err != nil {
			t.Fatal(err)
		}
		for i, headers := range [][]string{asCookie, asBearer} {
			rec := serve(h, request("GET", "/", headers...))
			if rec.Code != 401 || errorCode(t, rec) != "session_ended" || len(rec.Header()["Set-Cookie"]) != 0 {
				t.Errorf("%s, ended: %d %s", name, rec.Code, rec.Body)
			}
			if rec := serve(optional, request("GET", "/", headers...)); rec.Code != []int{200, 401}[i] || i == 0 && rec.Body.String() != "public" {
				t.Errorf("%s, ended, for everybody: %d %s", name, rec.Code, rec.Body)
			}
		}
		if _, err := k.member.Verify(t.Context(), tokens.Access, needs...); !errors.Is(err, session.ErrEnded) {
			t.Errorf("%s, ended: %v", name, err)
		}
		if name == "policy" {
			continue
		}
		// TestS9: without CheckStore the delay is the life of the token and the leeway.
		k.Advance(5*time.Minute + 30*time.Second - time.Millisecond)
		k.verify(tokens.Access)
		k.Advance(time.Millisecond)
		if _, err := k.member.Verify(t.Context(), tokens.Access); !errors.Is(err, session.ErrExpired) {
			t.Errorf("at its end: %v", err)
		}
	}
}

// The use of a session is written down once an hour and keeps it from going idle; a store that does not take it turns
// nobody away.
func TestCheckStore_LastSeen(t *testing.T) {
	k := newKeeper(t, func(c *session.KindConfig[User]) { c.Access, c.Idle = 12*time.Hour, 12*time.Hour })
	born := k.Now()
	tokens := k.create()
	seen := func() time.Duration {
		return must(k.sessions.Find(t.Context(), tokens.SessionID))(t).LastUsed.Sub(born)
	}
	k.spy.calm()
	for minute := range 180 {
		k.Set(born.Add(time.Duration(minute) * time.Minute))
		k.verify(tokens.Access, session.CheckStore)
	}
	if k.spy.writes() != 2 || seen() != 2*time.Hour {
		t.Errorf("%d writes in three hours, last seen after %v", k.spy.writes(), seen())
	}
	if in := must(k.sessions.Find(t.Context(), tokens.SessionID))(t); !in.IdleExpiresAt.Equal(born.Add(14 * time.Hour)) {
		t.Errorf("idle until %v", in.IdleExpiresAt.Sub(born))
	}
	for name, write := range map[string]error{"away": errors.New("away"), "gone": context.Canceled} {
		k.Advance(time.Hour + time.Minute)
		k.spy.onWrite = fails(false, write)
		if _, err := k.member.Verify(t.Context(), tokens.Access, session.CheckStore); err != nil {
			t.Errorf("store %s for writing: %v", name, err)
		}
	}
	k.spy.calm()
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { k.verify(tokens.Access, session.CheckStore) })
	}
	all.Wait()
	if seen() != k.Now().Sub(born) {
		t.Errorf("last seen after %v", seen())
	}
	// A refresh counts as use, and what was seen does not outlive it wrongly.
	k.Set(born.Add(11 * time.Hour))
	next := k.mustRefresh(tokens.Refresh)
	if seen() != 11*time.Hour || !next.RefreshExpires.Equal(born.Add(23*time.Hour)) {
		t.Errorf("seen after %v, refresh until %v", seen(), next.RefreshExpires.Sub(born))
	}
	k.Set(born.Add(23 * time.Hour))
	if _, err := k.refresh(next.Refresh); !errors.Is(err, session.ErrEnded) {
		t.Errorf("idle: %v", err)
	}
}

// TestS4_SeenByAFastClock: a program whose clock was hours ahead recorded a use of the session. The next refresh puts
// that right, so the session does not outlive its Idle by those hours.
func TestS4_SeenByAFastClock(t *testing.T) {
	long := func(c *session.KindConfig[User]) { c.Access, c.Idle = 12*time.Hour, 12*time.Hour }
	k := newKeeper(t, long)
	fast := k.twin(6*time.Hour, long)
	tokens := k.create()
	if _, err := fast.member.Verify(t.Context(), tokens.Access, session.CheckStore); err != nil {
		t.Fatal(err)
	}
	if in := must(k.sessions.Find(t.Context(), tokens.SessionID))(t); in.LastUsed.Sub(k.Now()) != 6*time.Hour {
		t.Fatalf("the fast clock recorded nothing: last used %v", in.LastUsed)
	}
	k.Advance(time.Minute)
	next := k.mustRefresh(tokens.Refresh)
	if !next.RefreshExpires.Equal(k.Now().Add(12 * time.Hour)) {
		t.Errorf("the refresh token goes in %v", next.RefreshExpires.Sub(k.Now()))
	}
	k.Advance(12 * time.Hour)
	if _, err := k.refresh(next.Refresh); !errors.Is(err, session.ErrEnded) {
		t.Errorf("unused for the whole of Idle: %v", err)
	}
}

// OnRefresh reloads what a session says, ends it, or has the refresh tried again; never in an answer of the grace.
func TestRenew(t *testing.T) {
	calls := 0
	var answer error
	var given string
	renew := func(c *session.KindConfig[User]) {
		c.OnRefresh = func(_ context.Context, id string, g *session.Grant[User]) error {
			calls++
			given = id
			if g.Subject != "u1" || g.Properties.UserID != "u1" {
				t.Errorf("grant %+v", g)
			}
			g.Roles, g.Properties.TenantID = append(g.Roles, "admin"), "t2"
			return answer
		}
	}
	k := newKeeper(t, renew)
	tokens := k.create()
	k.mustRefresh(tokens.Refresh)
	k.Advance(30 * time.Second)
	k.mustRefresh(tokens.Refresh)
	if calls != 0 {
		t.Fatalf("%d calls within the grace", calls)
	}
	next := k.rotate(tokens.Refresh)
	if s := k.verify(next.Access); calls != 1 || given != tokens.SessionID || s.Properties.TenantID != "t2" || len(s.Roles) != 2 || s.Roles[1] != "admin" {
		t.Errorf("%d calls; session %+v", calls, s)
	}
	if s := k.verify(k.mustRefresh(tokens.Refresh).Access); calls != 1 || len(s.Roles) != 2 {
		t.Errorf("%d calls; an answer of the grace says %+v", calls, s)
	}
	k.Advance(time.Minute)
	k.told()
	k.spy.calm()
	own := errors.New("database away")
	for _, err := range []error{own, session.ErrReuse, session.ErrNeed, session.ErrGrant, session.ErrKind, session.ErrRefresh, session.ErrMissing, context.Canceled} {
		answer = err
		if _, got := k.refresh(next.Refresh); !errors.Is(got, session.ErrUnavailable) || errors.Is(got, err) != (err == own || err == context.Canceled) || !strings.Contains(got.Error(), err.Error()) {
			t.Errorf("%v: %v", err, got)
		}
		rec := k.ask("POST", "/refresh", "", "Cookie", k.cookies(next))
		if rec.Code != 503 || len(rec.Header()["Set-Cookie"]) != 0 {
			t.Errorf("%v: %d %s", err, rec.Code, rec.Body)
		}
		rec = k.ask("POST", "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {next.Refresh}}.Encode())
		if rec.Code != 503 {
			t.Errorf("%v, at the token endpoint: %d %s", err, rec.Code, rec.Body)
		}
		k.Advance(6 * time.Minute)
		if rec := serve(k.member.Optional(k.whoami()), request("GET", "/", "Cookie", k.cookies(next))); rec.Code != 503 {
			t.Errorf("%v, for everybody: %d %s", err, rec.Code, rec.Body)
		}
		if rec := serve(k.member.Require(k.whoami()), request("GET", "/", "Cookie", k.cookies(next))); rec.Code != 503 {
			t.Errorf("%v, before a handler: %d %s", err, rec.Code, rec.Body)
		}
	}
	if k.spy.writes() != 0 {
		t.Errorf("%d writes", k.spy.writes())
	}
	answer = nil
	next = k.mustRefresh(next.Refresh)
	k.Advance(time.Minute)
	answer = session.ErrEnded
	k.spy.onWrite = fails(false, errors.New("away"))
	if _, err := k.refresh(next.Refresh); !errors.Is(err, session.ErrUnavailable) || errors.Is(err, session.ErrEnded) {
		t.Errorf("ended, but not written: %v", err)
	}
	k.wantTold()
	k.spy.calm()
	if _, err := k.refresh(next.Refresh); !errors.Is(err, session.ErrEnded) || errors.Is(err, session.ErrReuse) {
		t.Errorf("ended: %v", err)
	}
	k.wantTold("session ended: renew")
	answer = nil
	if _, err := k.refresh(next.Refresh); !errors.Is(err, session.ErrEnded) {
		t.Errorf("it lives again: %v", err)
	}
	k.wantTold()
}
