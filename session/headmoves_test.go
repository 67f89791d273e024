package session_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// endAll are the ways to end all sessions of u1.
var endAll = map[string]func(k *keeper, mine session.Tokens) error{
	"RevokeSubject": func(k *keeper, _ session.Tokens) error { return k.sessions.RevokeSubject(k.t.Context(), "u1") },
	"SignOutEverywhere": func(k *keeper, mine session.Tokens) error {
		return k.sessions.SignOutEverywhere(recorder(), request("POST", "/", "Cookie", k.cookies(mine)))
	},
	"POST signout/everywhere": func(k *keeper, mine session.Tokens) error {
		return refused(k.ask("POST", "/signout/everywhere", "", "Cookie", k.cookies(mine)).Code)
	},
	"Bearer": func(k *keeper, mine session.Tokens) error {
		return refused(k.ask("POST", "/signout/everywhere", "", "Authorization", "Bearer "+mine.Access).Code)
	},
}

func refused(code int) error {
	if code == 503 {
		return session.ErrUnavailable
	}
	if code >= 300 {
		return fmt.Errorf("status %d", code)
	}
	return nil
}

// TestA10_EndAll: to end all sessions of a person moves the head once, in the write that moves the epoch if the store
// allows it. So what other packages minted ends too, and sessions of other kinds of the pool.
func TestA10_EndAll(t *testing.T) {
	eachStore(t, func(t *testing.T, changes ...any) {
		for name, end := range endAll {
			k := newKeeper(t, append(changes, pooled)...)
			staff := session.NewKindConfig(k.sessions, session.KindConfig[User]{Name: "staff", Pool: pool})
			robot := session.NewKind[APIKey](k.sessions, "robot")
			mine, other := k.create(), k.create()
			also := must(staff.Create(t.Context(), k.grant()))(t)
			bot := must(robot.Create(t.Context(), session.Grant[APIKey]{Subject: "u1"}))(t)
			neighbour := must(k.member.Create(t.Context(), session.Grant[User]{Subject: "u2"}))(t)
			code := k.memberCode(audience)
			k.told(true)
			k.spy.calm()
			if err := end(k, mine); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			heads := 0
			for _, changes := range k.spy.written {
				for _, c := range changes {
					if c.Op == store.OpPut && c.Item.Key == head.Key(pool, "u1") {
						heads++
						if together := len(changes) == 2; together == k.oneParted() {
							t.Errorf("%s: the head and the epoch: %+v", name, changes)
						}
					}
				}
			}
			if heads != 1 || k.sec() != 1 {
				t.Errorf("%s: %d writes of the head, sec %d", name, heads, k.sec())
			}
			if told := k.told(); told[0] != "subject revoked" {
				t.Errorf("%s: events %q", name, told)
			}
			for what, tokens := range map[string]session.Tokens{"mine": mine, "other": other} {
				k.wantOver(name+", "+what, tokens)
			}
			if _, err := k.refresh(also.Refresh); !errors.Is(err, session.ErrEnded) {
				t.Errorf("%s: the session of the other kind: %v", name, err)
			}
			if rec := k.redeemCode(code, audience); rec.Code != 400 {
				t.Errorf("%s: the code: %d %s", name, rec.Code, rec.Body)
			}
			if _, err := k.refresh(bot.Refresh); (err != nil) != (name == "RevokeSubject") {
				t.Errorf("%s: a kind without Pool: %v", name, err)
			}
			k.mustRefresh(neighbour.Refresh)
			k.mustRefresh(k.create().Refresh)
		}
	})
}

func (k *keeper) oneParted() bool { return !store.WritesTwoParts(k.sessions.Store()) }

// TestA10_EndOthers: to end all other sessions moves the head, and the session that asks goes on, with cookies of two
// kinds both of them.
func TestA10_EndOthers(t *testing.T) {
	eachStore(t, func(t *testing.T, changes ...any) {
		for name, ask := range map[string]func(k *keeper, mine, also session.Tokens, cookie string) error{
			"RevokeOthers": func(k *keeper, mine, _ session.Tokens, _ string) error {
				return k.sessions.RevokeOthers(t.Context(), mine.SessionID)
			},
			"DELETE": func(k *keeper, mine, _ session.Tokens, _ string) error {
				return refused(k.ask("DELETE", "/sessions", "", "Authorization", "Bearer "+mine.Access).Code)
			},
			"DELETE with two kinds": func(k *keeper, mine, _ session.Tokens, cookie string) error {
				return refused(k.ask("DELETE", "/sessions", "", "Cookie", k.cookies(mine)+"; "+cookie).Code)
			},
		} {
			k := newKeeper(t, append(changes, pooled)...)
			staff := session.NewKindConfig(k.sessions, session.KindConfig[User]{Name: "staff", Pool: pool})
			k.head(moveSec)
			mine, other := k.create(), k.create()
			also, alsoOther := must(staff.Create(t.Context(), k.grant()))(t), must(staff.Create(t.Context(), k.grant()))(t)
			cookie := session.CookieNameOf(staff) + "=" + also.Access + "; " + session.CookieNameOf(staff) + "-refresh=" + also.Refresh
			for round := range 2 { // a second time it ends nothing
				if err := ask(k, mine, also, cookie); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if k.sec() != int64(2+round) {
					t.Errorf("%s: sec %d", name, k.sec())
				}
				k.verify(mine.Access, session.CheckStore)
				k.mustRefresh(mine.Refresh)
			}
			k.wantOver(name, other)
			if _, err := k.refresh(alsoOther.Refresh); !errors.Is(err, session.ErrEnded) {
				t.Errorf("%s: the other session of the other kind: %v", name, err)
			}
			if _, err := k.refresh(also.Refresh); (err == nil) != (name == "DELETE with two kinds") {
				t.Errorf("%s: the other session of this browser: %v", name, err)
			}
			mine = k.rotate(mine.Refresh)
			k.verify(mine.Access, session.CheckStore)
		}
	})
}

// TestA10_CrashBetweenTwoWrites: a store that writes one Part at a time fails after any write of a call that ends
// sessions. Nothing lives on that the call reported as ended; after an error, the same call ends the rest.
func TestA10_CrashBetweenTwoWrites(t *testing.T) {
	calls := map[string]func(k *keeper, mine session.Tokens) error{
		"RevokeOthers": func(k *keeper, mine session.Tokens) error {
			return k.sessions.RevokeOthers(k.t.Context(), mine.SessionID)
		},
	}
	for name, call := range endAll {
		calls[name] = call
	}
	eachStore(t, func(t *testing.T, changes ...any) {
		for name, call := range calls {
			for _, applied := range []bool{false, true} { // the answer that is lost is of a write that was made
				fired := 0
				for at := 1; ; at++ {
					k := newKeeper(t, append(changes, pooled)...)
					staff := session.NewKindConfig(k.sessions, session.KindConfig[User]{Name: "staff", Pool: pool})
					mine, other := k.create(), k.create()
					also := must(staff.Create(t.Context(), k.grant()))(t)
					k.spy.calm()
					down := false
					k.spy.onWrite = func(n int, _ []store.Change) (bool, error) {
						if down = down || n == at; down {
							return applied && n == at, errors.New("the program dies here")
						}
						return true, nil
					}
					k.spy.onGet = func(int) error {
						if down {
							return errors.New("dead")
						}
						return nil
					}
					err := call(k, mine)
					k.spy.calm()
					if !down {
						if err != nil {
							t.Fatalf("%s: %v", name, err)
						}
						break
					}
					fired++
					if !errors.Is(err, session.ErrUnavailable) {
						t.Errorf("%s, write %d: %v", name, at, err)
					}
					if err = call(k, mine); err != nil { // refused: the session that asks has ended, as the others have
						if name == "RevokeSubject" || name == "RevokeOthers" && !errors.Is(err, session.ErrEnded) {
							t.Errorf("%s again, after write %d: %v", name, at, err)
						}
						if _, err := k.refresh(mine.Refresh); !errors.Is(err, session.ErrEnded) {
							t.Errorf("%s, write %d: refused, but the session lives: %v", name, at, err)
						}
					}
					k.wantOver(fmt.Sprint(name, " again, after write ", at), other)
					if _, err := staff.Verify(t.Context(), also.Access, session.CheckStore); !errors.Is(err, session.ErrEnded) {
						t.Errorf("%s again, after write %d: the other kind: %v", name, at, err)
					}
					if n := len(k.list()); n > 1 || n == 1 && name != "RevokeOthers" {
						t.Errorf("%s again, after write %d: %d sessions", name, at, n)
					}
				}
				if fired == 0 || len(changes) > 0 && fired < 2 {
					t.Errorf("%s: died at %d writes", name, fired)
				}
			}
		}
	})
}

// TestA10_Carry: the session of the request that moved the head is replaced, and only that one; the old one ends in the
// write in which the new one begins.
func TestA10_Carry(t *testing.T) {
	eachStore(t, func(t *testing.T, changes ...any) {
		k := newKeeper(t, append(changes, pooled)...)
		k.head(moveSec)
		mine, other := k.create(), k.create()
		k.head(moveSec)
		k.told(true)
		for name, ctx := range map[string]context.Context{
			"none":     t.Context(),
			"of later": head.Carry(t.Context(), 2, 3),
			"of other": head.Carry(t.Context(), 0, 2),
		} {
			victim := must(k.member.Create(t.Context(), k.grant()))(t)
			k.edit(victim.SessionID, func(row map[string]any) { row["sec"] = 1 })
			if _, err := k.member.Replace(ctx, victim.Refresh, k.grant()); !errors.Is(err, session.ErrEnded) {
				t.Errorf("%s: %v", name, err)
			}
		}
		k.told(true)
		k.spy.calm()
		r := request("POST", "/", "Cookie", k.cookies(mine))
		rec := recorder()
		if err := k.member.ReplaceCookies(rec, r.WithContext(head.Carry(head.Expect(r.Context(), 1), 1, 2)), k.grant()); err != nil {
			t.Fatal(err)
		}
		k.wantTold("session ended: replaced")
		checked := false
		for _, c := range k.spy.written[0] {
			checked = checked || c.Op == store.OpCheck && c.Item.Key == head.Key(pool, "u1")
		}
		if k.spy.writes() != 1 || checked == k.oneParted() {
			t.Errorf("%d writes, the head is checked: %v", k.spy.writes(), checked)
		}
		next := session.Tokens{Access: value(set(t, rec.Header(), k.access())), Refresh: value(set(t, rec.Header(), k.renewal()))}
		s := k.verify(next.Access, session.CheckStore)
		if s.ID == mine.SessionID {
			t.Error("the id is the same")
		}
		k.mustRefresh(next.Refresh)
		k.wantOver("the old session", mine)
		k.wantOver("another session", other)
		// A head that moved once more, by somebody else, refuses it.
		k.head(moveSec)
		if _, err := k.member.Replace(head.Carry(t.Context(), 2, 3), next.Refresh, k.grant()); err != nil {
			t.Fatalf("the mover: %v", err)
		}
		last := k.create()
		k.head(moveSec)
		k.head(moveSec)
		if _, err := k.member.Replace(head.Carry(t.Context(), 3, 4), last.Refresh, k.grant()); !errors.Is(err, session.ErrEnded) {
			t.Errorf("the head moved twice: %v", err)
		}
		last = k.create()
		k.head(disable)
		if _, err := k.member.Replace(head.Carry(t.Context(), 5, 6), last.Refresh, k.grant()); !errors.Is(err, session.ErrEnded) {
			t.Errorf("disabled: %v", err)
		}
		if n := len(k.list()); n != 0 {
			t.Errorf("%d sessions", n)
		}
	})
}

// A session that was made before its kind had a Pool lives on: its refresh token names no head, and the next one does.
// The other way round it does, too.
func TestPool_SetLater(t *testing.T) {
	k := newKeeper(t)
	with := k.twin(0, pooled)
	tokens := k.create()
	if !strings.HasPrefix(tokens.Refresh, "v1.") {
		t.Fatal(tokens.Refresh)
	}
	within := must(with.refresh(tokens.Refresh))(t)
	with.Set(k.Now())
	k.Advance(time.Minute)
	next := must(with.refresh(within.Refresh))(t)
	if !strings.HasPrefix(within.Refresh, "v2.") || !strings.HasPrefix(next.Refresh, "v2.") || next.SessionID != tokens.SessionID {
		t.Errorf("%q, then %q", within.Refresh, next.Refresh)
	}
	must(with.refresh(tokens.Refresh))(t) // the one before, in its old form
	must(k.refresh(next.Refresh))(t)      // the program without Pool
	last := k.rotate(next.Refresh)
	if !strings.HasPrefix(last.Refresh, "v1.") {
		t.Errorf("without Pool: %q", last.Refresh)
	}
	k.head(moveSec)
	k.mustRefresh(last.Refresh)
	if _, err := with.refresh(last.Refresh); !errors.Is(err, session.ErrEnded) || errors.Is(err, session.ErrReuse) {
		t.Errorf("the head moved: %v", err)
	}
}

// The part of a refresh token that names the head is proven as the rest is: nobody can name another head.
func TestA10_RefreshTokenOfAnotherHead(t *testing.T) {
	k := newKeeper(t, pooled)
	mine := k.create()
	foreign := must(k.member.Create(t.Context(), session.Grant[User]{Subject: "u2"}))(t)
	user := session.TicketUser(mine.Refresh)
	if user == "" || user == session.TicketUser(foreign.Refresh) {
		t.Fatal(user)
	}
	k.head(disable)
	for name, token := range map[string]string{
		"another user": strings.Replace(mine.Refresh, user, session.TicketUser(foreign.Refresh), 1),
		"nobody":       strings.Replace(mine.Refresh, user, strings.Repeat("A", 43), 1),
		"none":         strings.Replace(strings.Replace(mine.Refresh, "."+user, "", 1), "v2.", "v1.", 1),
		"no version":   strings.Replace(mine.Refresh, "v2.", "v1.", 1),
		"short":        strings.Replace(mine.Refresh, user, user[1:], 1),
		"twice":        strings.Replace(mine.Refresh, user, user+"."+user, 1),
	} {
		if _, err := k.refresh(token); !errors.Is(err, session.ErrRefresh) {
			t.Errorf("%s: %v", name, err)
		}
	}
	k.mustRefresh(foreign.Refresh)
}
