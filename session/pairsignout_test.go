package session_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// out signs out with the token of an application, and with the cookies of browsers.
func (k *keeper) out(app session.Tokens, with ...*couple) {
	k.t.Helper()
	r := request("POST", issuer+"/signout", "Sec-Fetch-Site", "same-origin")
	if app.Access != "" {
		r.Header.Set("Authorization", "Bearer "+app.Access)
	}
	for _, c := range with {
		for _, cookie := range c.cookies {
			r.AddCookie(cookie)
		}
	}
	if rec := serve(k.sessions.Handler(), r); rec.Code != http.StatusNoContent {
		k.t.Fatalf("sign-out: %d %s", rec.Code, rec.Body)
	}
}

// inCookies signs the person in again in a browser, without a code.
func (k *keeper) inCookies(c *couple) *couple {
	k.t.Helper()
	rec := recorder()
	if err := k.member.Cookie(rec, c.browser("GET", "/"), k.grant(), ret(app)); err != nil {
		k.t.Fatal(err)
	}
	return &couple{keeper: k, cookies: rec.Result().Cookies()}
}

// stepUp replaces the session of a browser, and returns the browser with a code.
func (k *keeper) stepUp(c *couple) *couple {
	k.t.Helper()
	rec := recorder()
	if err := k.member.ReplaceCookiesAndCode(rec, c.browser("GET", "/"), k.grant(), returnto.New(app, "", s256(proof), "")); err != nil {
		k.t.Fatal(err)
	}
	return &couple{k, rec.Result().Cookies(), must(url.Parse(rec.Header().Get("Location")))(k.t).Query().Get("code")}
}

// A sign-in that nobody finishes does not keep the browser signed in: a sign-out with the token of the earlier sign-in
// ends the present session of the browser, in whichever way it is made, and whatever the later sign-ins were.
func TestPair_SignOutAfterASignInThatWasNotFinished(t *testing.T) {
	later := map[string]func(k *keeper, c *couple) *couple{
		"code": func(k *keeper, c *couple) *couple { return k.pairUp(c.cookies...) },
		"three codes": func(k *keeper, c *couple) *couple {
			return k.pairUp(k.pairUp(k.pairUp(c.cookies...).cookies...).cookies...)
		},
		"cookies":       func(k *keeper, c *couple) *couple { return k.inCookies(c) },
		"code, step-up": func(k *keeper, c *couple) *couple { return k.stepUp(k.pairUp(c.cookies...)) },
		"code, cookies": func(k *keeper, c *couple) *couple { return k.inCookies(k.pairUp(c.cookies...)) },
		"code, sent twice": func(k *keeper, c *couple) *couple { // the replay ends the session of the application
			next := k.pairUp(c.cookies...)
			app := next.redeemed(next.code)
			if next.redeemed(next.code); next.appLives(app) {
				k.t.Error("a replayed code ends nothing")
			}
			return next
		},
	}
	outs := map[string]func(k *keeper, app session.Tokens){
		"Bearer": func(k *keeper, app session.Tokens) { k.out(app) },
		"RFC 7009": func(k *keeper, app session.Tokens) {
			r := httptest.NewRequest("POST", issuer+"/revoke", strings.NewReader(url.Values{"token": {app.Refresh}}.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if rec := serve(k.sessions.Handler(), r); rec.Code != http.StatusOK {
				k.t.Errorf("%d %s", rec.Code, rec.Body)
			}
		},
		"Revoke": func(k *keeper, app session.Tokens) {
			s := must(k.member.Verify(k.t.Context(), app.Access))(k.t)
			if err := k.sessions.Revoke(k.t.Context(), s.ID); err != nil {
				k.t.Error(err)
			}
		},
	}
	for name, again := range later {
		for how, out := range outs {
			t.Run(name+"/"+how, func(t *testing.T) {
				k := newKeeper(t)
				other := k.pairUp()
				kept := other.redeemed(other.code)
				first := k.pairUp()
				app := first.redeemed(first.code)
				last := again(k, first)
				if !last.browserLives() || !last.appLives(app) {
					t.Fatal("the sign-in that was not finished ends something else")
				}
				k.told()
				out(k, app)
				if last.browserLives() || last.appLives(app) {
					t.Errorf("after the sign-out: browser %t, application %t", last.browserLives(), last.appLives(app))
				}
				reason := map[bool]string{true: "revoked", false: "sign-out"}[how == "Revoke"]
				k.wantTold("session ended: "+reason, "session ended: "+reason)
				if late := last.redeemed(last.code); late.Access != "" {
					t.Error("the code outlives the sign-out")
				}
				if !other.browserLives() || !other.appLives(kept) {
					t.Error("another browser of the person is signed out")
				}
			})
		}
	}
}

// A sign-out with a token of a session of an application that has ended for another reason still signs out the browser.
// After a sign-out it changes nothing, and an old cookie of the browser never does.
func TestPair_SignOutWithATokenOfAnEndedSession(t *testing.T) {
	for name, ends := range map[string]func(k *keeper, c *couple, app session.Tokens) *couple{
		"used again": func(k *keeper, c *couple, app session.Tokens) *couple {
			k.Advance(15 * time.Second)
			k.rotate(k.rotate(app.Refresh).Refresh)
			if _, err := k.refresh(app.Refresh); !errors.Is(err, session.ErrReuse) {
				k.t.Error(err)
			}
			return c
		},
		"replaced": func(k *keeper, c *couple, _ session.Tokens) *couple {
			next := k.stepUp(c)
			if !next.appLives(next.redeemed(next.code)) {
				k.t.Error("the step-up gives no session")
			}
			return next
		},
		"code sent twice": func(_ *keeper, c *couple, _ session.Tokens) *couple { c.redeemed(c.code); return c },
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t)
			first := k.pairUp()
			app := first.redeemed(first.code)
			id := must(k.member.Verify(t.Context(), app.Access))(t).ID
			c := ends(k, first, app)
			was := must(k.sessions.Find(t.Context(), id))(t).Ended
			if was == "" || !c.browserLives() {
				t.Fatalf("ended %q, browser %t", was, c.browserLives())
			}
			old := first.cookies
			k.out(app)
			if list := k.list(); c.browserLives() || len(list) != 0 {
				t.Errorf("browser %t, sessions %+v", c.browserLives(), list)
			}
			if got := must(k.sessions.Find(t.Context(), id))(t).Ended; got != was {
				t.Errorf("the reason %q became %q", was, got)
			}
			// The same once more, after a new sign-in in this browser.
			again := k.pairUp(c.cookies...)
			k.told()
			k.out(app)
			k.out(session.Tokens{}, &couple{keeper: k, cookies: old})
			if name == "replaced" { // the session of the old cookies was replaced, too
				k.wantTold()
			}
			if !again.appLives(again.redeemed(again.code)) || !again.browserLives() {
				t.Error("an old token ends a later sign-in")
			}
		})
	}
	k := newKeeper(t)
	c := k.pairUp()
	app := c.redeemed(c.code)
	next := k.stepUp(c)
	k.told()
	k.out(session.Tokens{}, c) // a copy of the cookies from before the step-up
	k.wantTold()
	if !next.browserLives() || !next.appLives(app) {
		t.Error("a cookie of a replaced session ends the present one")
	}
}

// Two applications in one browser: a sign-out with the token of one leaves the other alone, in either order. With the
// cookies it is a sign-out of the browser, and ends both.
func TestPair_TwoApplications(t *testing.T) {
	both := func(t *testing.T) (k *keeper, b *couple, one, two session.Tokens) {
		k = newKeeper(t)
		first := k.pairUp()
		one = first.redeemed(first.code)
		b = k.pairUp(first.cookies...)
		return k, b, one, b.redeemed(b.code)
	}
	t.Run("the first", func(t *testing.T) {
		k, b, one, two := both(t)
		k.out(one)
		if b.appLives(one) || !b.appLives(two) || !b.browserLives() {
			t.Errorf("first %t, second %t, browser %t", b.appLives(one), b.appLives(two), b.browserLives())
		}
		k.out(two)
		if b.appLives(two) || b.browserLives() {
			t.Error("a sign-out of the second leaves something")
		}
	})
	t.Run("the second", func(t *testing.T) {
		k, b, one, two := both(t)
		k.out(two)
		if !b.appLives(one) || b.appLives(two) || b.browserLives() {
			t.Errorf("first %t, second %t, browser %t", b.appLives(one), b.appLives(two), b.browserLives())
		}
		// The browser still belongs to the first: a sign-in that is not finished ends with it.
		again := k.pairUp(b.cookies...)
		k.out(one)
		if again.browserLives() {
			t.Error("the browser stays signed in")
		}
	})
	for name, with := range map[string]func(k *keeper, b *couple, one, two session.Tokens){
		"the cookies":            func(k *keeper, b *couple, _, _ session.Tokens) { k.out(session.Tokens{}, b) },
		"the cookies and first":  func(k *keeper, b *couple, one, _ session.Tokens) { k.out(one, b) },
		"the cookies and second": func(k *keeper, b *couple, _, two session.Tokens) { k.out(two, b) },
	} {
		t.Run(name, func(t *testing.T) {
			k, b, one, two := both(t)
			with(k, b, one, two)
			if b.appLives(one) || b.appLives(two) || b.browserLives() {
				t.Errorf("first %t, second %t, browser %t", b.appLives(one), b.appLives(two), b.browserLives())
			}
		})
	}
	t.Run("the second was not used for too long", func(t *testing.T) {
		k, b, one, _ := both(t)
		for range 8 {
			k.Advance(24 * time.Hour)
			one = k.mustRefresh(one.Refresh)
			next := k.mustRefresh(refreshOf(b))
			b.cookies = cookiesOf(k, next)
		}
		k.out(one)
		if b.browserLives() {
			t.Error("the browser stays signed in for a session that has expired")
		}
	})
}

func refreshOf(c *couple) string {
	i := slices.IndexFunc(c.cookies, func(k *http.Cookie) bool { return strings.HasSuffix(k.Name, "-refresh") })
	return c.cookies[i].Value
}

func cookiesOf(k *keeper, t session.Tokens) []*http.Cookie {
	return []*http.Cookie{{Name: k.access(), Value: t.Access}, {Name: k.renewal(), Value: t.Refresh}}
}

// A browser in which the person signed in more often than one write can end: all that began there ends.
func TestPair_SignOutOfManySignIns(t *testing.T) {
	k := newKeeper(t)
	b := k.pairUp()
	apps := []session.Tokens{b.redeemed(b.code)}
	for range 49 {
		b = k.pairUp(b.cookies...)
		apps = append(apps, b.redeemed(b.code))
	}
	k.told()
	k.out(session.Tokens{}, b)
	for i, app := range apps {
		if b.appLives(app) {
			t.Errorf("application %d lives", i)
		}
	}
	if told := k.told(); b.browserLives() || len(told) != 51 {
		t.Errorf("browser %t, %d events", b.browserLives(), len(told))
	}
}

// Somebody else signs in at the browser: their session is not that of the earlier person, and ends nothing of theirs.
func TestPair_AnotherPersonInTheBrowser(t *testing.T) {
	k := newKeeper(t)
	first := k.pairUp()
	one := first.redeemed(first.code)
	rec := recorder()
	g := k.grant()
	g.Subject = "u2"
	if err := k.member.CodeAndCookies(rec, first.browser("GET", "/"), g, returnto.New(app, "", s256(proof), "")); err != nil {
		t.Fatal(err)
	}
	second := &couple{keeper: k, cookies: rec.Result().Cookies()}
	k.out(one)
	if !second.browserLives() || second.appLives(one) {
		t.Errorf("second %t, first %t", second.browserLives(), second.appLives(one))
	}
	again := k.pairUp()
	two := again.redeemed(again.code)
	k.out(session.Tokens{}, second)
	if !again.appLives(two) {
		t.Error("a sign-out of somebody else ends a session")
	}
}

// A code whose browser was signed out gives nothing, also after further sign-ins there. One that was given out before a
// later sign-in still works while the browser is signed in.
func TestPair_CodesOfABrowser(t *testing.T) {
	k := newKeeper(t)
	first := k.pairUp()
	second := k.pairUp(first.cookies...)
	third := k.inCookies(second)
	app := second.redeemed(second.code)
	if !third.appLives(app) || !third.appLives(first.redeemed(first.code)) {
		t.Error("a later sign-in makes a code useless")
	}
	late := k.pairUp(third.cookies...)
	k.out(session.Tokens{}, late)
	again := k.pairUp(late.cookies...)
	if late.redeemed(late.code).Access != "" {
		t.Error("a code outlives the sign-out")
	}
	if !again.appLives(again.redeemed(again.code)) || !again.browserLives() {
		t.Error("a sign-in after the sign-out does not work")
	}
	for name, end := range map[string]func(c *couple){
		"a copy of the cookie was used": func(c *couple) {
			old := refreshOf(c)
			k.Advance(15 * time.Second)
			k.rotate(k.rotate(old).Refresh)
			if _, err := k.refresh(old); !errors.Is(err, session.ErrReuse) {
				t.Error(err)
			}
		},
		"other sessions were ended": func(*couple) {
			if err := k.sessions.RevokeOthers(t.Context(), k.create().SessionID); err != nil {
				t.Fatal(err)
			}
		},
	} {
		c := k.pairUp()
		end(c)
		if c.browserLives() || c.redeemed(c.code).Access != "" {
			t.Errorf("%s: the code gives a session to a browser without one", name)
		}
	}
}

// A session that begins while a sign-out of its pair reads the store does not escape it.
func TestPair_RedeemedDuringTheSignOut(t *testing.T) {
	for name, with := range map[string]func(k *keeper, first, c *couple, app session.Tokens){
		"of the browser":              func(k *keeper, _, c *couple, _ session.Tokens) { k.out(session.Tokens{}, c) },
		"of an earlier sign-in there": func(k *keeper, _, _ *couple, app session.Tokens) { k.out(app) },
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t)
			first := k.pairUp()
			app := first.redeemed(first.code)
			c := k.pairUp(first.cookies...)
			var late session.Tokens
			done := false
			k.spy.onWrite = func(_ int, changes []store.Change) (bool, error) {
				if !done { // the sign-out has read, and is about to write
					done = true
					late = c.redeemed(c.code)
				}
				return true, nil
			}
			with(k, first, c, app)
			k.spy.calm()
			if late.Access == "" {
				t.Fatal("the code was not redeemed")
			}
			if lives := c.appLives(late); lives != c.browserLives() || lives && name == "of the browser" || c.appLives(app) {
				t.Errorf("the late one %t, the browser %t, the one that signed out %t", lives, c.browserLives(), c.appLives(app))
			}
		})
	}
}

// A step-up by code pairs the session of a browser that had none: a sign-out of either then ends both.
func TestPair_StepUpOfASessionWithoutAPair(t *testing.T) {
	for name, out := range map[string]func(k *keeper, c *couple, app session.Tokens){
		"application": func(k *keeper, _ *couple, app session.Tokens) { k.out(app) },
		"browser":     func(k *keeper, c *couple, _ session.Tokens) { k.out(session.Tokens{}, c) },
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t)
			c := k.stepUp(k.inCookies(&couple{keeper: k}))
			app := c.redeemed(c.code)
			if !c.browserLives() || !c.appLives(app) {
				t.Fatal("the step-up gives no sessions")
			}
			next := k.stepUp(c)
			again := next.redeemed(next.code)
			if c.appLives(app) || !next.appLives(again) {
				t.Errorf("after another step-up: the old one %t, the new one %t", c.appLives(app), next.appLives(again))
			}
			out(k, next, again)
			if next.browserLives() || next.appLives(again) {
				t.Errorf("after the sign-out: browser %t, application %t", next.browserLives(), next.appLives(again))
			}
		})
	}
}

// What a pair costs: a refresh and a check take the round trips of any session.
func TestPair_Costs(t *testing.T) {
	k := newKeeper(t)
	first := k.pairUp()
	c := k.pairUp(first.cookies...)
	app := c.redeemed(c.code)
	alone := k.create()
	k.Advance(time.Minute)
	costs := func(do func() error) string {
		k.spy.calm()
		if err := do(); err != nil {
			t.Error(err)
		}
		return fmt.Sprintf("%d reads, %d writes", k.spy.gets, k.spy.writes())
	}
	check := func(token string, needs ...session.Need) func() error {
		return func() error { _, err := k.member.Verify(t.Context(), token, needs...); return err }
	}
	renew := func(token string) func() error { return func() error { _, err := k.refresh(token); return err } }
	if plain, both, browser := costs(renew(alone.Refresh)), costs(renew(app.Refresh)), costs(renew(refreshOf(c))); both != plain || browser != plain || plain != "1 reads, 1 writes" {
		t.Errorf("a refresh: %s, of an application %s, of the browser %s", plain, both, browser)
	}
	if plain, both := costs(check(alone.Access, session.CheckStore)), costs(check(app.Access, session.CheckStore)); both != plain || plain != "1 reads, 0 writes" {
		t.Errorf("CheckStore: %s, of an application %s", plain, both)
	}
	if got := costs(check(app.Access)); got != "0 reads, 0 writes" {
		t.Errorf("a check: %s", got)
	}
}
