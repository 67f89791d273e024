package session_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// TestT3_FaultSweep lets the n-th call of the store fail, for every n and in every way, under everything that uses it.
// The answer is the right one or "unavailable", and says the truth: what was acknowledged is done. Nobody is let in by
// a fault, and when it is over the same call does what it should.
func TestT3_FaultSweep(t *testing.T) {
	type op struct {
		name string
		do   func(k *keeper, mine session.Tokens) error
		done func(k *keeper, mine session.Tokens) error // nil: what do acknowledged is so
		want error                                      // of do where it is a verdict
	}
	alive := func(k *keeper, mine session.Tokens) error { return second(k.refresh(mine.Refresh)) }
	over := func(k *keeper, mine session.Tokens) error {
		if err := second(k.refresh(mine.Refresh)); !errors.Is(err, session.ErrEnded) {
			return fmt.Errorf("it lives: %w", err)
		}
		return nil
	}
	says := func(tenant string) func(k *keeper, mine session.Tokens) error {
		return func(k *keeper, mine session.Tokens) error {
			next, err := k.refresh(mine.Refresh)
			if err != nil {
				return err
			}
			if got := k.verify(next.Access).Properties.TenantID; got != tenant {
				return fmt.Errorf("it says %q", got)
			}
			return nil
		}
	}
	var got session.Tokens // of the last do
	ops := []op{
		{"Create", func(k *keeper, _ session.Tokens) (err error) {
			got, err = k.member.Create(k.t.Context(), k.grant())
			return err
		},
			func(k *keeper, _ session.Tokens) error { return alive(k, got) }, nil},
		{"Refresh", func(k *keeper, mine session.Tokens) (err error) { got, err = k.refresh(mine.Refresh); return err },
			func(k *keeper, _ session.Tokens) error { return alive(k, got) }, nil},
		{"Refresh of what is ended", func(k *keeper, mine session.Tokens) error { return second(k.refresh(ended(k).Refresh)) }, alive, session.ErrEnded},
		{"replay", func(k *keeper, mine session.Tokens) error { return second(k.refresh(replayed(k))) }, alive, session.ErrReuse},
		{"CheckStore", func(k *keeper, mine session.Tokens) error {
			return second(k.member.Verify(k.t.Context(), mine.Access, session.CheckStore))
		}, alive, nil},
		{"CheckStore of what is ended", func(k *keeper, mine session.Tokens) error {
			return second(k.member.Verify(k.t.Context(), ended(k).Access, session.CheckStore))
		}, alive, session.ErrEnded},
		{"Revoke", func(k *keeper, mine session.Tokens) error { return k.sessions.Revoke(k.t.Context(), mine.SessionID) }, over, nil},
		{"RevokeSubject", func(k *keeper, mine session.Tokens) error { return k.sessions.RevokeSubject(k.t.Context(), "u1") }, over, nil},
		{"RevokeOthers", func(k *keeper, mine session.Tokens) error {
			return k.sessions.RevokeOthers(k.t.Context(), mine.SessionID)
		}, alive, nil},
		{"SignOut", func(k *keeper, mine session.Tokens) error {
			return k.sessions.SignOut(recorder(), request("POST", "/", "Cookie", k.cookies(mine)))
		}, over, nil},
		{"SignOutEverywhere", func(k *keeper, mine session.Tokens) error {
			return k.sessions.SignOutEverywhere(recorder(), request("POST", "/", "Cookie", k.cookies(mine)))
		}, over, nil},
		{"Cookie", func(k *keeper, mine session.Tokens) error {
			return k.member.Cookie(recorder(), request("GET", "/", "Cookie", k.cookies(mine)), k.grant(), ret(app))
		}, over, nil},
		{"Edit", func(k *keeper, mine session.Tokens) error {
			return k.member.Edit(k.t.Context(), mine.SessionID, tenant("t2"))
		}, says("t2"), nil},
		{"Replace", func(k *keeper, mine session.Tokens) (err error) {
			got, err = k.member.Replace(k.t.Context(), mine.Refresh, k.grant())
			return err
		}, func(k *keeper, mine session.Tokens) error { return errors.Join(alive(k, got), over(k, mine)) }, nil},
		{"EditData", func(k *keeper, mine session.Tokens) error {
			return k.sessions.EditData(k.t.Context(), mine.SessionID, func(json.RawMessage) (json.RawMessage, error) { return json.RawMessage("1"), nil })
		}, func(k *keeper, mine session.Tokens) error {
			if v, err := k.sessions.Data(k.t.Context(), mine.SessionID); err != nil || string(v) != "1" {
				return fmt.Errorf("data %s, %w", v, err)
			}
			return nil
		}, nil},
		{"List", func(k *keeper, mine session.Tokens) error {
			list, err := k.sessions.List(k.t.Context(), "u1", session.ListOptions{})
			if err == nil && len(list.Sessions) != 2 {
				return fmt.Errorf("%d sessions", len(list.Sessions))
			}
			return err
		}, alive, nil},
	}
	lost := errors.New("connection lost")
	faults := map[string]struct{ apply, forGood bool }{"once": {}, "once, though done": {apply: true}, "for good": {forGood: true}, "for good, though done": {apply: true, forGood: true}}
	answers := map[string]int{}
	for _, op := range ops {
		for name, fault := range faults {
			synctest.Test(t, func(t *testing.T) {
				for n, seen := 1, 0; seen >= n-1; n++ { // until there was no n-th call
					k := newKeeper(t, func(c *session.Config) { c.Logger = nil })
					mine := k.create()
					ended(k)
					replayed(k)
					k.create()
					k.Advance(2 * time.Minute)
					k.spy.calm()
					seen = 0
					hit := func() bool { seen++; return seen == n || fault.forGood && seen > n }
					read := func(int) error {
						if hit() {
							return lost
						}
						return nil
					}
					k.spy.onGet, k.spy.onList = read, read
					k.spy.onWrite = func(int, []store.Change) (bool, error) {
						if hit() {
							return fault.apply, lost
						}
						return true, nil
					}
					err := op.do(k, mine)
					k.spy.calm()
					what := fmt.Sprintf("%s, call %d fails %s", op.name, n, name)
					switch {
					case errors.Is(err, session.ErrUnavailable) && (op.want == nil || !errors.Is(err, op.want)):
						answers["unavailable"]++
						if err := op.do(k, mine); !errors.Is(err, op.want) {
							// What was done without an answer is over, and said so.
							if !fault.apply || !errors.Is(err, session.ErrEnded) && !errors.Is(err, session.ErrMissing) {
								t.Errorf("%s; again: %v", what, err)
							}
							continue
						}
					case errors.Is(err, op.want):
						answers["right"]++
					default:
						t.Errorf("%s: %v", what, err)
						continue
					}
					if err := op.done(k, mine); err != nil {
						t.Errorf("%s, acknowledged: %v", what, err)
					}
				}
			})
		}
	}
	t.Logf("answers %v", answers)
	if answers["right"] < 50 || answers["unavailable"] < 50 {
		t.Errorf("answers %v: too few to mean anything", answers)
	}
}

const (
	endedTokens    = "of a session that was ended"
	replayedTokens = "of a session whose first token is old"
)

// ended is a session that was ended before the fault: made once for each keeper.
func ended(k *keeper) session.Tokens {
	return k.once(endedTokens, func() session.Tokens {
		tokens := must(k.member.Create(k.t.Context(), session.Grant[User]{Subject: "u2"}))(k.t)
		if err := k.sessions.Revoke(k.t.Context(), tokens.SessionID); err != nil {
			k.t.Fatal(err)
		}
		return tokens
	})
}

// replayed is the first token of a session that went on two times.
func replayed(k *keeper) string {
	return k.once(replayedTokens, func() session.Tokens {
		tokens := must(k.member.Create(k.t.Context(), session.Grant[User]{Subject: "u3"}))(k.t)
		k.rotate(k.rotate(tokens.Refresh).Refresh)
		return tokens
	}).Refresh
}
