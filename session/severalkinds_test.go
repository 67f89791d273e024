package session_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
)

// A pair is a browser that is signed in as two kinds, and another that is, too.
type pair struct {
	*keeper
	admin                *session.Kind[User]
	member, boss         session.Tokens // of this browser
	memberThere, there   session.Tokens // of another
	memberOther, another session.Tokens // of somebody else
	cookie               string
}

func newPair(t testing.TB) *pair {
	t.Helper()
	p := &pair{keeper: newKeeper(t)}
	p.admin = session.NewKind[User](p.sessions, "admin")
	admin := func(subject string) session.Tokens {
		g := p.grant()
		g.Subject = subject
		return must(p.admin.Create(t.Context(), g))(t)
	}
	p.member, p.boss = p.create(), admin("boss")
	p.memberThere, p.there = p.create(), admin("boss")
	p.memberOther, p.another = must(p.keeper.member.Create(t.Context(), session.Grant[User]{Subject: "u2"}))(t), admin("boss2")
	name := session.CookieNameOf(p.admin)
	p.cookie = p.cookies(p.member) + "; " + name + "=" + p.boss.Access + "; " + name + "-refresh=" + p.boss.Refresh
	p.told(true)
	p.spy.calm()
	return p
}

func (p *pair) wantLive(what string, live bool, all ...session.Tokens) {
	p.t.Helper()
	for i, tokens := range all {
		in := must(p.sessions.Find(p.t.Context(), tokens.SessionID))(p.t)
		if (in.Ended == "") != live {
			p.t.Errorf("%s: %s %d: ended %q, want live %v", what, in.Kind, i, in.Ended, live)
		}
	}
}

// TestS9_EverywhereOfSeveralKinds: a session whose cookie is cleared has ended.
func TestS9_EverywhereOfSeveralKinds(t *testing.T) {
	t.Run("cookies", func(t *testing.T) {
		p := newPair(t)
		rec := p.ask("POST", "/signout/everywhere", "", "Cookie", p.cookie)
		if rec.Code != 204 || len(rec.Header()["Set-Cookie"]) != 6 { // two of each stateful kind, one of each other
			t.Errorf("%d %s %q", rec.Code, rec.Body, rec.Header()["Set-Cookie"])
		}
		p.wantTold("subject revoked", "subject revoked")
		p.wantLive("theirs", false, p.member, p.boss, p.memberThere, p.there)
		p.wantLive("others'", true, p.memberOther, p.another)
	})
	t.Run("Bearer", func(t *testing.T) {
		p := newPair(t)
		rec := p.ask("POST", "/signout/everywhere", "", "Authorization", "Bearer "+p.member.Access, "Cookie", p.cookie)
		cleared := rec.Header()["Set-Cookie"]
		if rec.Code != 204 || len(cleared) != 2 || slices.ContainsFunc(cleared, func(c string) bool { return !strings.HasPrefix(c, p.access()) }) {
			t.Errorf("%d %s %q", rec.Code, rec.Body, cleared)
		}
		p.wantLive("its kind", false, p.member, p.memberThere)
		p.wantLive("the other kind", true, p.boss, p.there, p.memberOther)
	})
	t.Run("one is over", func(t *testing.T) {
		p := newPair(t)
		if err := p.sessions.Revoke(t.Context(), p.boss.SessionID); err != nil {
			t.Fatal(err)
		}
		if rec := p.ask("POST", "/signout/everywhere", "", "Cookie", p.cookie); rec.Code != 204 {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
		p.wantLive("of the live", false, p.member, p.memberThere)
		p.wantLive("of the dead, elsewhere", true, p.there)
	})
	t.Run("one has expired and cannot be refreshed", func(t *testing.T) {
		p := newPair(t)
		p.Advance(time.Hour)
		cookie := p.cookies(p.member) + "; " + session.CookieNameOf(p.admin) + "=" + p.boss.Access
		if rec := p.ask("POST", "/signout/everywhere", "", "Cookie", cookie); rec.Code != 204 {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
		p.wantTold("subject revoked", "session ended: sign-out")
		p.wantLive("carried", false, p.member, p.memberThere, p.boss)
		p.wantLive("elsewhere", true, p.there)
	})
	t.Run("store", func(t *testing.T) {
		for n := range 4 { // the first, second... question to the store fails, and no other
			p := newPair(t)
			p.spy.onGet = func(i int) error {
				if i == n+1 {
					return errors.New("away")
				}
				return nil
			}
			rec := p.ask("POST", "/signout/everywhere", "", "Cookie", p.cookie)
			if rec.Code != 503 || len(rec.Header()["Set-Cookie"]) != 0 || p.spy.gets != n+1 && n > 1 {
				t.Errorf("away at %d of %d: %d %s %q", n+1, p.spy.gets, rec.Code, rec.Body, rec.Header()["Set-Cookie"])
			}
			p.spy.calm()
			if rec := p.ask("POST", "/signout/everywhere", "", "Cookie", p.cookie); rec.Code != 204 {
				t.Errorf("tried again after %d: %d %s", n+1, rec.Code, rec.Body)
			}
			p.wantLive("theirs", false, p.member, p.boss, p.memberThere, p.there)
		}
	})
}

// The list has all sessions of the browser, and each can be ended.
func TestOwnSessions_SeveralKinds(t *testing.T) {
	p := newPair(t)
	list := func(headers ...string) (kinds, current []string) {
		t.Helper()
		rec := p.ask("GET", "/sessions", "", headers...)
		if rec.Code != 200 {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
		for _, one := range decode(t, rec)["sessions"].([]any) {
			in := one.(map[string]any)
			kinds = append(kinds, in["kind"].(string))
			if in["current"] == true {
				current = append(current, in["id"].(string))
			}
		}
		slices.Sort(kinds)
		slices.Sort(current)
		return kinds, current
	}
	both := []string{p.member.SessionID, p.boss.SessionID}
	slices.Sort(both)
	if kinds, current := list("Cookie", p.cookie); !slices.Equal(kinds, []string{"admin", "admin", "member", "member"}) || !slices.Equal(current, both) {
		t.Errorf("by cookie: %q, %q", kinds, current)
	}
	if kinds, current := list("Cookie", p.cookie, "Authorization", "Bearer "+p.boss.Access); !slices.Equal(kinds, []string{"admin", "admin"}) || !slices.Equal(current, []string{p.boss.SessionID}) {
		t.Errorf("by Bearer: %q, %q", kinds, current)
	}
	for what, c := range map[string]struct {
		id      string
		headers []string
	}{
		"somebody else's": {p.another.SessionID, []string{"Cookie", p.cookie}},
		"not its kind":    {p.memberThere.SessionID, []string{"Cookie", p.cookie, "Authorization", "Bearer " + p.boss.Access}},
	} {
		if rec := p.ask("DELETE", "/sessions/"+c.id, "", c.headers...); rec.Code != 404 {
			t.Errorf("%s: %d %s", what, rec.Code, rec.Body)
		}
	}
	p.wantTold()
	for _, tokens := range []session.Tokens{p.memberThere, p.there} {
		if rec := p.ask("DELETE", "/sessions/"+tokens.SessionID, "", "Cookie", p.cookie); rec.Code != 204 || len(rec.Header()["Set-Cookie"]) != 0 {
			t.Errorf("end one: %d %s", rec.Code, rec.Body)
		}
	}
	p.wantTold("session ended: revoked", "session ended: revoked")
	more := p.create()
	if rec := p.ask("DELETE", "/sessions", "", "Cookie", p.cookie); rec.Code != 204 {
		t.Errorf("end the others: %d %s", rec.Code, rec.Body)
	}
	p.wantTold("others revoked", "others revoked")
	p.wantLive("the others", false, more, p.memberThere, p.there)
	p.wantLive("this browser's, and somebody else's", true, p.member, p.boss, p.memberOther, p.another)
	rec := p.ask("DELETE", "/sessions/"+p.boss.SessionID, "", "Cookie", p.cookie)
	if rec.Code != 204 || len(rec.Header()["Set-Cookie"]) != 2 || set(t, rec.Header(), p.access()) != "" {
		t.Errorf("end one's own: %d %s %q", rec.Code, rec.Body, rec.Header()["Set-Cookie"])
	}
	p.wantLive("the other of this browser", true, p.member)
}
