package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
)

// A program with a shorter Absolute does not shorten the life of the index that names the sessions of others.
func TestIdle_IndexNeverShortened(t *testing.T) {
	k := newKeeper(t, func(c *session.KindConfig[User]) { c.Idle, c.MaxSessions = 20*day, 2 })
	short := k.twin(0, func(c *session.KindConfig[User]) { c.Idle, c.Absolute = time.Hour, time.Hour })
	mine := k.create()
	short.create()
	for range 2 {
		k.Advance(9 * day)
		short.Set(k.Now())
		if list := k.list(); len(list) != 1 || list[0].ID != mine.SessionID {
			t.Fatalf("long after the short session: %+v", list)
		}
		mine = k.mustRefresh(mine.Refresh)
	}
	k.create()
	k.create() // the third: the oldest must go, and can only be found by the index
	if _, err := k.refresh(mine.Refresh); !errors.Is(err, session.ErrEnded) {
		t.Errorf("a session too many lives on: %v", err)
	}
}

// A program with a shorter Idle than the others does not shorten the life of a session that they wrote,
// unless it is the one that rotates.
func TestIdle_NeverShortened(t *testing.T) {
	k := newKeeper(t)
	short := k.twin(0, func(c *session.KindConfig[User]) { c.Idle = 4 * time.Hour })
	claim := session.NewClaim(short.member, session.ClaimConfig[User, bool]{Name: "ok", Fetch: func(context.Context, *session.Session[User]) (bool, error) { return true, nil }})
	in := func() { k.Advance(2 * time.Minute); short.Set(k.Now()) }
	for name, do := range map[string]func(tokens session.Tokens) (session.Tokens, error){
		"CheckStore": func(m session.Tokens) (session.Tokens, error) {
			k.Advance(2 * time.Hour)
			fresh := must(k.member.Merge(t.Context(), &session.Session[User]{ID: m.SessionID, Expires: k.Now().Add(time.Minute)}, tenant("t1")))(t)
			short.Set(k.Now())
			_, err := short.member.Verify(t.Context(), fresh.Access, session.CheckStore)
			return m, err
		},
		"Edit": func(m session.Tokens) (session.Tokens, error) {
			return m, short.member.Edit(t.Context(), m.SessionID, tenant("t2"))
		},
		"Merge": func(m session.Tokens) (session.Tokens, error) {
			_, err := short.member.Merge(t.Context(), k.verify(m.Access), tenant("t2"))
			return m, err
		},
		"EditData": func(m session.Tokens) (session.Tokens, error) {
			return m, short.sessions.EditData(t.Context(), m.SessionID, func(json.RawMessage) (json.RawMessage, error) { return json.RawMessage(`1`), nil })
		},
		"RevokeOthers": func(m session.Tokens) (session.Tokens, error) {
			return m, short.sessions.RevokeOthers(t.Context(), m.SessionID)
		},
		"a claim": func(m session.Tokens) (session.Tokens, error) {
			_, err := short.member.Verify(t.Context(), m.Access, claim.Is(true))
			return m, err
		},
		"an answer of the grace": func(m session.Tokens) (session.Tokens, error) {
			next := k.rotate(m.Refresh)
			short.Set(k.Now())
			return short.refresh(next.Refresh)
		},
		"the token before": func(m session.Tokens) (session.Tokens, error) {
			k.rotate(m.Refresh)
			short.Set(k.Now())
			return short.refresh(m.Refresh)
		},
	} {
		tokens := k.create()
		in()
		writes := k.spy.writes()
		got, err := do(tokens)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if k.spy.writes() == writes {
			t.Errorf("%s wrote nothing", name)
		}
		if left := k.item(keyOf(tokens.SessionID)).Expires.Sub(k.Now()); left < 7*day-3*time.Hour {
			t.Errorf("%s: the row goes in %v", name, left)
		}
		if left := got.RefreshExpires.Sub(k.Now()); left < 7*day-3*time.Hour {
			t.Errorf("%s: the refresh token goes in %v", name, left)
		}
		if _, err := k.refresh(got.Refresh); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	tokens := k.create()
	k.Advance(time.Hour)
	short.Set(k.Now())
	next := short.mustRefresh(tokens.Refresh)
	if row := k.item(keyOf(tokens.SessionID)).Expires; !row.Equal(k.Now().Add(4*time.Hour)) || !next.RefreshExpires.Equal(row) {
		t.Errorf("rotated by the shorter: the row goes in %v, the token in %v", row.Sub(k.Now()), next.RefreshExpires.Sub(k.Now()))
	}
}
