package session_test

import (
	"errors"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// TestS9_EndBetweenTwoCalls: calls that turn a session or a code into new tokens ask the store several times. Where
// another program ends the session between any two of these, no token that comes out of the call works.
func TestS9_EndBetweenTwoCalls(t *testing.T) {
	ends := map[string]func(k *keeper, mine, other session.Tokens) error{
		"Revoke":        func(k *keeper, mine, _ session.Tokens) error { return k.sessions.Revoke(k.t.Context(), mine.SessionID) },
		"RevokeSubject": func(k *keeper, _, _ session.Tokens) error { return k.sessions.RevokeSubject(k.t.Context(), "u1") },
		"RevokeOthers": func(k *keeper, _, other session.Tokens) error {
			return k.sessions.RevokeOthers(k.t.Context(), other.SessionID)
		},
	}
	calls := map[string]func(k *keeper, mine session.Tokens) (session.Tokens, error){
		"Refresh": func(k *keeper, mine session.Tokens) (session.Tokens, error) { return k.refresh(mine.Refresh) },
		"Replace": func(k *keeper, mine session.Tokens) (session.Tokens, error) {
			return k.member.Replace(k.t.Context(), mine.Refresh, k.grant())
		},
		"Replace that ends a third session": func(k *keeper, mine session.Tokens) (session.Tokens, error) {
			few := k.twin(0, func(c *session.KindConfig[User]) { c.MaxSessions = 1 })
			return few.member.Replace(k.t.Context(), mine.Refresh, k.grant())
		},
	}
	for end, how := range ends {
		for name, call := range calls {
			fired := 0
			for at := 1; ; at++ {
				k := newKeeper(t)
				mine, other := k.create(), k.create()
				k.Advance(time.Minute)
				n, ended := 0, false
				step := func() {
					if n++; n != at || ended {
						return
					}
					ended = true
					if err := how(k.twin(0), mine, other); err != nil {
						t.Errorf("%s: %v", end, err)
					}
				}
				k.spy.calm()
				k.spy.onGet = func(int) error { step(); return nil }
				k.spy.onWrite = func(int, []store.Change) (bool, error) { step(); return true, nil }
				got, err := call(k, mine)
				k.spy.calm()
				if !ended {
					break
				}
				fired++
				if err != nil {
					if !errors.Is(err, session.ErrEnded) {
						t.Errorf("%s at call %d of %s: %v", end, at, name, err)
					}
					continue
				}
				if _, err := k.refresh(got.Refresh); !errors.Is(err, session.ErrEnded) {
					t.Errorf("%s at call %d of %s: the refresh token works: %v", end, at, name, err)
				}
				if _, err := k.member.Verify(t.Context(), got.Access, session.CheckStore); !errors.Is(err, session.ErrEnded) {
					t.Errorf("%s at call %d of %s: the access token works: %v", end, at, name, err)
				}
			}
			if fired < 2 {
				t.Errorf("%s during %s: tried at %d calls of the store", end, name, fired)
			}
		}
	}
}
