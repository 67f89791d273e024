package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

func (k *keeper) verify(access string, needs ...session.Need) *session.Session[User] {
	k.t.Helper()
	return must(k.member.Verify(k.t.Context(), access, needs...))(k.t)
}

func tenant(name string) func(*session.Grant[User]) error {
	return func(g *session.Grant[User]) error { g.Properties.TenantID = name; return nil }
}

// Edit changes what the next tokens say.
func TestEdit(t *testing.T) {
	k := newKeeper(t)
	g := k.grant()
	g.Device, g.Address = "Firefox", "203.0.113.7"
	tokens := must(k.member.Create(t.Context(), g))(t)
	k.told(true)
	k.spy.calm()
	err := k.member.Edit(t.Context(), tokens.SessionID, func(g *session.Grant[User]) error {
		if g.Subject != "u1" || g.Properties != (User{"u1", "t1"}) || !slices.Equal(g.Scopes, []string{"orders:read", "orders:write"}) || !slices.Equal(g.Roles, []string{"owner"}) || g.Authentication.Time.IsZero() || g.Device != "Firefox" || g.Address != "203.0.113.7" {
			t.Errorf("grant %+v", g)
		}
		g.Properties.TenantID, g.Scopes, g.Roles = "t2", []string{"a"}, nil
		g.Authentication = session.Authentication{Time: k.Now(), Methods: []string{"pwd", "otp"}}
		g.Device, g.Address = "my phone\n", ""
		return nil
	})
	if err != nil || k.spy.writes() != 1 {
		t.Fatalf("%v after %d writes", err, k.spy.writes())
	}
	if old := k.verify(tokens.Access); old.Properties.TenantID != "t1" {
		t.Error("a token that is out says something new")
	}
	next := k.mustRefresh(tokens.Refresh)
	if next.Refresh != tokens.Refresh {
		t.Error("a change of the session rotated it")
	}
	s := k.verify(next.Access, session.Fresh(time.Minute), session.AuthMethod("otp"))
	if s.Properties.TenantID != "t2" || !slices.Equal(s.Scopes, []string{"a"}) || s.Roles != nil || !s.Authentication.Time.Equal(k.Now()) {
		t.Errorf("session %+v", s)
	}
	if in := must(k.sessions.Find(t.Context(), s.ID))(t); in.Device != "my phone" || in.Address != "" || !in.LastUsed.Equal(k.Now()) {
		t.Errorf("info %+v", in)
	}
	k.wantTold()
	own := errors.New("of the caller")
	for name, c := range map[string]struct {
		id     string
		change func(*session.Grant[User]) error
		want   error
	}{
		"caller's own error": {tokens.SessionID, func(*session.Grant[User]) error { return own }, own},
		"another subject":    {tokens.SessionID, func(g *session.Grant[User]) error { g.Subject = "root"; return nil }, session.ErrGrant},
		"bad scope":          {tokens.SessionID, func(g *session.Grant[User]) error { g.Scopes = []string{"a b"}; return nil }, session.ErrGrant},
		"too large":          {tokens.SessionID, tenant(strings.Repeat("x", 4000)), session.ErrTooLarge},
		"not a session":      {"x", tenant("t3"), session.ErrEnded},
	} {
		k.spy.calm()
		if err := k.member.Edit(t.Context(), c.id, c.change); !errors.Is(err, c.want) || k.spy.writes() != 0 {
			t.Errorf("%s: %v, %d writes", name, err, k.spy.writes())
		}
	}
	robot := session.NewKind[APIKey](k.sessions, "robot")
	if err := robot.Edit(t.Context(), tokens.SessionID, func(*session.Grant[APIKey]) error { return nil }); !errors.Is(err, session.ErrKind) {
		t.Errorf("another kind: %v", err)
	}
	k.spy.onWrite = fails(false, store.ErrConflict)
	if err := k.member.Edit(t.Context(), tokens.SessionID, tenant("t4")); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("conflicts without end: %v", err)
	}
	k.spy.calm()
	if s := k.verify(k.mustRefresh(tokens.Refresh).Access); s.Properties.TenantID != "t2" {
		t.Errorf("what was refused is there: %+v", s)
	}
}

// No change is lost to another, nor to a refresh.
func TestEdit_Race(t *testing.T) {
	k := newKeeper(t)
	bag := session.NewKind[map[string]int](k.sessions, "bag")
	born := must(bag.Create(t.Context(), session.Grant[map[string]int]{Subject: "u1", Properties: map[string]int{"n": 0}}))(t)
	k.Advance(time.Minute)
	var all sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for range 8 {
		all.Go(func() {
			err := bag.Edit(t.Context(), born.SessionID, func(g *session.Grant[map[string]int]) error { g.Properties["n"]++; return nil })
			if errors.Is(err, session.ErrUnavailable) { // too many at once is an answer
				return
			}
			if err != nil {
				t.Errorf("Edit: %v", err)
			}
			mu.Lock()
			done++
			mu.Unlock()
		})
		all.Go(func() {
			if _, err := k.refresh(born.Refresh); err != nil && !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("Refresh: %v", err)
			}
		})
	}
	all.Wait()
	last := k.mustRefresh(born.Refresh)
	s := must(bag.Verify(t.Context(), last.Access))(t)
	if s.Properties["n"] != done || done == 0 {
		t.Errorf("%d changes were acknowledged, %d are there", done, s.Properties["n"])
	}
}

// Merge returns an access token with the new state, which ends when the old one did.
func TestMerge(t *testing.T) {
	k := newKeeper(t)
	tokens := k.create()
	k.Advance(2 * time.Minute)
	before := k.verify(tokens.Access)
	merged := must(k.member.Merge(t.Context(), before, tenant("t2")))(t)
	if merged.SessionID != tokens.SessionID || !merged.Expires.Equal(tokens.Expires) || merged.Refresh != "" || !merged.RefreshExpires.IsZero() {
		t.Errorf("tokens %+v, those before %+v", merged, tokens)
	}
	s := k.verify(merged.Access)
	if s.Properties.TenantID != "t2" || s.ID != before.ID || s.TokenID == before.TokenID || !s.Expires.Equal(before.Expires) || s.ClientID != before.ClientID {
		t.Errorf("session %+v", s)
	}
	if k.verify(k.mustRefresh(tokens.Refresh).Access).Properties.TenantID != "t2" {
		t.Error("after a refresh it is as it was")
	}
	next := k.rotate(tokens.Refresh)
	rec := recorder()
	k.member.SetCookies(rec, next)
	k.member.SetCookies(rec, merged) // the last access token counts, and the refresh cookie stays
	if value(set(t, rec.Header(), k.access())) != merged.Access || value(set(t, rec.Header(), k.renewal())) != next.Refresh || rec.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", rec.Header())
	}
	if _, err := k.member.Merge(t.Context(), s, tenant(strings.Repeat("x", 4000))); !errors.Is(err, session.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

// Replace makes a new session in the place of the old one, in one write.
func TestS1_Replace(t *testing.T) {
	k := newKeeper(t)
	g := k.grant()
	g.Device, g.Address = "phone", "home"
	tokens := must(k.member.Create(t.Context(), g))(t)
	other := k.create()
	if err := k.sessions.EditData(t.Context(), tokens.SessionID, func(json.RawMessage) (json.RawMessage, error) { return json.RawMessage(`{"cart":[1]}`), nil }); err != nil {
		t.Fatal(err)
	}
	k.Advance(6 * day)
	tokens = k.mustRefresh(tokens.Refresh)
	s := k.verify(tokens.Access)
	k.told(true)
	k.spy.calm()
	step := session.Grant[User]{Subject: "u1", Properties: s.Properties, Scopes: []string{"pay"}, Authentication: session.Authentication{Time: k.Now(), Methods: []string{"oidc", "otp"}}, Address: "work"}
	fresh := must(k.member.Replace(t.Context(), tokens.Refresh, step))(t)
	if told := k.told(true); !slices.Equal(told, []string{"session created", "session ended: replaced"}) || k.spy.writes() != 1 || len(k.spy.written[0]) != 4 {
		t.Errorf("events %q, writes %d", told, k.spy.writes())
	}
	if fresh.SessionID == tokens.SessionID || fresh.Refresh == tokens.Refresh {
		t.Error("the id stayed")
	}
	if got := k.verify(fresh.Access, session.CheckStore, session.Fresh(time.Minute), session.AuthMethod("otp"), session.Scope("pay")); got.ID != fresh.SessionID || got.Roles != nil {
		t.Errorf("session %+v", got)
	}
	in := must(k.sessions.Find(t.Context(), fresh.SessionID))(t)
	if in.Device != "phone" || in.Address != "work" || in.ClientID != s.ClientID || string(must(k.sessions.Data(t.Context(), fresh.SessionID))(t)) != `{"cart":[1]}` {
		t.Errorf("info %+v", in)
	}
	for name, err := range map[string]error{
		"refresh":  second(k.refresh(tokens.Refresh)),
		"access":   second(k.member.Verify(t.Context(), tokens.Access, session.CheckStore)),
		"replaced": second(k.member.Replace(t.Context(), tokens.Refresh, step)),
	} {
		if !errors.Is(err, session.ErrEnded) || errors.Is(err, session.ErrReuse) {
			t.Errorf("the old one, %s: %v", name, err)
		}
	}
	k.mustRefresh(fresh.Refresh)
	k.mustRefresh(other.Refresh)
	if !in.ExpiresAt.Equal(k.Now().Add(30 * day)) {
		t.Errorf("a sign-in in two steps began %v ago", 30*day-in.ExpiresAt.Sub(k.Now()))
	}

	step.Subject = "root"
	if _, err := k.member.Replace(t.Context(), fresh.Refresh, step); !errors.Is(err, session.ErrGrant) {
		t.Errorf("another subject: %v", err)
	}
	step.Subject = "u1"
	k.told(true)
	k.spy.calm()
	k.spy.onWrite = fails(false, errors.New("away"))
	if _, err := k.member.Replace(t.Context(), fresh.Refresh, step); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("store away: %v", err)
	}
	k.wantTold()
	k.spy.calm()
	k.mustRefresh(fresh.Refresh)
	// Of a hundred at once one wins, and one session is left.
	var n sync.WaitGroup
	won := make(chan session.Tokens, 100)
	for range cap(won) {
		n.Go(func() {
			if got, err := k.member.Replace(context.Background(), fresh.Refresh, step); err == nil {
				won <- got
			} else if !errors.Is(err, session.ErrEnded) && !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("Replace: %v", err)
			}
		})
	}
	n.Wait()
	close(won)
	if len(won) != 1 {
		t.Fatalf("%d of a hundred won", len(won))
	}
	k.mustRefresh((<-won).Refresh)
}

// What the server keeps for a session is bounded, comes back as it was, and goes with the session.
func TestData(t *testing.T) {
	k := newKeeper(t)
	tokens := k.create()
	id := tokens.SessionID
	put := func(v string) error {
		return k.sessions.EditData(t.Context(), id, func(json.RawMessage) (json.RawMessage, error) { return json.RawMessage(v), nil })
	}
	if got := must(k.sessions.Data(t.Context(), id))(t); got != nil {
		t.Errorf("of a new session: %s", got)
	}
	largest := `"` + strings.Repeat("<", 64<<10-2) + `"`
	for _, v := range []string{`{"cart":["a","b"],"n":1.50}`, `"<b>&amp; \u2028"`, `null`, `[]`, `0`, largest} {
		if err := put(v); err != nil {
			t.Errorf("%.20s: %v", v, err)
			continue
		}
		if got := must(k.sessions.Data(t.Context(), id))(t); string(got) != v {
			t.Errorf("%.40s came back as %.40s", v, got)
		}
	}
	for name, c := range map[string]struct {
		v    string
		want error
	}{
		"too large": {largest + " ", session.ErrTooLarge}, "no JSON": {"{", session.ErrGrant}, "two values": {"1 2", session.ErrGrant}, "not UTF-8": {"\"\xff\"", session.ErrGrant},
	} {
		if err := put(c.v); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	tokens = k.rotate(tokens.Refresh)
	if got := must(k.sessions.Data(t.Context(), id))(t); string(got) != largest {
		t.Errorf("after a refresh: %.40s", got)
	}
	if strings.Contains(tokens.Access, "<") || k.verify(tokens.Access).Properties.TenantID != "t1" {
		t.Error("data went into a token")
	}
	own := errors.New("of the caller")
	if err := k.sessions.EditData(t.Context(), id, func(json.RawMessage) (json.RawMessage, error) { return nil, own }); !errors.Is(err, own) {
		t.Errorf("caller's own error: %v", err)
	}
	if err := put(""); err != nil || must(k.sessions.Data(t.Context(), id))(t) != nil {
		t.Errorf("removed: %v", err)
	}
	if err := put("0"); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			err := k.sessions.EditData(t.Context(), id, func(old json.RawMessage) (json.RawMessage, error) {
				var n int
				if err := json.Unmarshal(old, &n); err != nil {
					return nil, err
				}
				return fmt.Append(nil, n+1), nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := must(k.sessions.Data(t.Context(), id))(t); string(got) != "5" {
		t.Errorf("five additions make %s", got)
	}
	if err := k.sessions.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(k.item(keyOf(id)).Value), `"data"`) {
		t.Error("the tombstone keeps data")
	}
}
