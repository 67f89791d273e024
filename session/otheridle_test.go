package session_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
)

// A program whose kind is of a shorter Idle than that of the others does not take away from a session what they gave it,
// unless it is the one that rotates.
func TestIdle_NeverShortened(t *testing.T) {
	k := newKeeper(t)
	short := k.twin(0, func(c *session.KindConfig[User]) { c.Idle = 4 * time.Hour })
	claim := session.NewClaim(short.member, session.ClaimConfig[User, bool]{Name: "ok", Fetch: func(context.Context, *session.Session[User]) (bool, error) { return true, nil }})
	in := func() { k.advance(2 * time.Minute); short.now = k.clock() }
	for name, do := range map[string]func(tokens session.Tokens) (session.Tokens, error){
		"CheckStore": func(m session.Tokens) (session.Tokens, error) {
			k.advance(2 * time.Hour)
			fresh := must(k.member.Merge(t.Context(), &session.Session[User]{ID: m.SessionID, Expires: k.clock().Add(time.Minute)}, tenant("t1")))(t)
			short.now = k.clock()
			_, err := short.member.Verify(t.Context(), fresh.Access, session.CheckStore)
			return m, err
		},
		"Edit": func(m session.Tokens) (session.Tokens, error) {
			return m, short.member.Edit(t.Context(), m.SessionID, tenant("t2"))
		},
		"Merge": func(m session.Tokens) (session.Tokens, error) {
			return short.member.Merge(t.Context(), k.verify(m.Access), tenant("t2"))
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
			short.now = k.clock()
			return short.refresh(next.Refresh)
		},
		"the token before": func(m session.Tokens) (session.Tokens, error) {
			k.rotate(m.Refresh)
			short.now = k.clock()
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
		if left := k.item(keyOf(tokens.SessionID)).Expires.Sub(k.clock()); left < 7*day-3*time.Hour {
			t.Errorf("%s: the row goes in %v", name, left)
		}
		if left := got.RefreshExpires.Sub(k.clock()); left < 7*day-3*time.Hour {
			t.Errorf("%s: the refresh token goes in %v", name, left)
		}
		if _, err := k.refresh(got.Refresh); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	tokens := k.create()
	k.advance(time.Hour)
	short.now = k.clock()
	next := short.mustRefresh(tokens.Refresh)
	if row := k.item(keyOf(tokens.SessionID)).Expires; !row.Equal(k.clock().Add(4*time.Hour)) || !next.RefreshExpires.Equal(row) {
		t.Errorf("rotated by the shorter: the row goes in %v, the token in %v", row.Sub(k.clock()), next.RefreshExpires.Sub(k.clock()))
	}
}
