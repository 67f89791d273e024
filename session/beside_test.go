package session_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// idOfBrowser is the session in the cookies of a couple.
func (c *couple) idOfBrowser() string {
	c.t.Helper()
	id := ""
	serve(c.member.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if s, ok := c.member.From(r.Context()); ok {
			id = s.ID
		}
	})), c.browser("GET", "/x"))
	if id == "" {
		c.t.Fatal("the browser is signed out")
	}
	return id
}

// beside asks for a code beside the session of the browser.
func (c *couple) beside(r *http.Request, id string, g session.Grant[User]) (code string, err error) {
	rec := recorder()
	if err = c.member.CodeBeside(rec, r, id, g, returnto.New(app, "", s256(proof), "")); err != nil {
		if rec.Header().Get("Location") != "" || len(rec.Result().Cookies()) != 0 {
			c.t.Errorf("%v, and an answer: %v", err, rec.Header())
		}
		return "", err
	}
	if len(rec.Result().Cookies()) != 0 {
		c.t.Errorf("cookies %v", rec.Result().Cookies())
	}
	return must(url.Parse(rec.Header().Get("Location")))(c.t).Query().Get("code"), nil
}

// Each application has a session that counts, and a sign-out of the browser ends all.
func TestCodeBeside(t *testing.T) {
	k := newKeeper(t)
	c := k.pairUp()
	first := c.redeemed(c.code)
	var all []session.Tokens
	for range 2 {
		code, err := c.beside(c.browser("GET", "/"), c.idOfBrowser(), k.grant())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c.redeemed(code))
	}
	if !c.appLives(first) || !c.appLives(all[0]) || !c.appLives(all[1]) || !c.browserLives() {
		t.Fatalf("first %t, beside %t %t, browser %t", c.appLives(first), c.appLives(all[0]), c.appLives(all[1]), c.browserLives())
	}
	late, err := c.beside(c.browser("GET", "/"), c.idOfBrowser(), k.grant())
	if err != nil {
		t.Fatal(err)
	}
	serve(k.sessions.Handler(), c.browser("POST", issuer+"/signout"))
	if c.browserLives() || c.appLives(first) || c.appLives(all[0]) || c.appLives(all[1]) {
		t.Error("a session lives after the sign-out of its browser")
	}
	if got := c.redeemed(late); got.Access != "" {
		t.Error("a code was redeemed after the sign-out")
	}
}

// The refresh cookie of that session, its person and its kind are needed.
func TestCodeBeside_Refused(t *testing.T) {
	k := newKeeper(t)
	c, d := k.pairUp(), k.pairUp()
	id, other := c.idOfBrowser(), k.grant()
	other.Subject = "somebody else"
	access := request("GET", "/")
	for _, cookie := range c.cookies {
		if len(cookie.Value) > 200 { // the access token
			access.AddCookie(cookie)
		}
	}
	for name, tc := range map[string]struct {
		r    *http.Request
		id   string
		g    session.Grant[User]
		want error
	}{
		"no cookie":        {request("GET", "/"), id, k.grant(), session.ErrMissing},
		"the access token": {access, id, k.grant(), session.ErrMissing},
		"another session":  {c.browser("GET", "/"), d.idOfBrowser(), k.grant(), session.ErrRefresh},
		"no such session":  {c.browser("GET", "/"), "x", k.grant(), session.ErrRefresh},
		"another person":   {c.browser("GET", "/"), id, other, session.ErrGrant},
	} {
		if _, err := c.beside(tc.r, tc.id, tc.g); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	if err := c.member.CodeBeside(recorder(), c.browser("GET", "/"), id, k.grant(), returnto.New(app, "", "", "")); !errors.Is(err, session.ErrCode) {
		t.Errorf("without a challenge: %v", err)
	}
	if auth, err := k.member.AuthenticationOf(t.Context(), id); err != nil || len(auth.Methods) == 0 {
		t.Errorf("%+v, %v", auth, err)
	}
	serve(k.sessions.Handler(), c.browser("POST", issuer+"/signout"))
	if _, err := c.beside(c.browser("GET", "/"), id, k.grant()); !errors.Is(err, session.ErrEnded) {
		t.Errorf("after the sign-out: %v", err)
	}
	if _, err := k.member.AuthenticationOf(t.Context(), id); !errors.Is(err, session.ErrEnded) {
		t.Errorf("after the sign-out: %v", err)
	}
}

// A session of the cookies that has no pair gets one when the first code is redeemed. The cookies stay as they are:
// also where the answer with a code was lost, or where two were asked for at once.
func TestPair_Beside(t *testing.T) {
	k := newKeeper(t)
	c := k.inCookies(&couple{keeper: k})
	other := k.create()
	id := c.idOfBrowser()
	var codes []string
	for range 3 {
		codes = append(codes, must(c.beside(c.browser("GET", "/"), id, k.grant()))(t))
	}
	k.Advance(31 * time.Second) // a refresh would trade the token
	if all := k.allOf("u1"); len(all) != 2 || all[0].AtIssuer || all[1].AtIssuer {
		t.Errorf("before: %+v", all)
	}
	first, second := c.redeemed(codes[1]), c.redeemed(codes[2])
	if !c.browserLives() || c.idOfBrowser() != id || !c.appLives(first) || !c.appLives(second) {
		t.Fatalf("browser %t, first %t, second %t", c.browserLives(), c.appLives(first), c.appLives(second))
	}
	all := k.allOf("u1")
	i := slices.IndexFunc(all, func(in session.Info) bool { return in.AtIssuer })
	if len(all) != 3 || i < 0 || len(all[i].Paired) != 1 || all[i].ID != k.verify(first.Access).ID || all[i].Paired[0] != id {
		t.Errorf("after: %+v", all)
	}
	k.mustRefresh(refreshOf(c))
	k.out(second)
	if !c.browserLives() || !c.appLives(first) {
		t.Errorf("after the sign-out of the second: browser %t, first %t", c.browserLives(), c.appLives(first))
	}
	third := c.redeemed(must(c.beside(c.browser("GET", "/"), id, k.grant()))(t))
	k.out(first)
	if c.browserLives() || !c.appLives(third) {
		t.Errorf("after the sign-out of the pair: browser %t, third %t", c.browserLives(), c.appLives(third))
	}
	k.mustRefresh(other.Refresh)
}

// With MaxSessions 1 the session of the browser, which is its pair, goes on.
func TestPair_BesideFull(t *testing.T) {
	k := newKeeper(t, few(1))
	c := k.inCookies(&couple{keeper: k})
	app := c.redeemed(must(c.beside(c.browser("GET", "/"), c.idOfBrowser(), k.grant()))(t))
	if !c.browserLives() || !c.appLives(app) {
		t.Fatalf("browser %t, application %t", c.browserLives(), c.appLives(app))
	}
	if err := k.sessions.RevokeOthers(t.Context(), k.verify(app.Access).ID); err != nil || !c.browserLives() || !c.appLives(app) {
		t.Errorf("after the end of all others: %v, browser %t, application %t", err, c.browserLives(), c.appLives(app))
	}
	k.out(session.Tokens{}, c)
	if c.appLives(app) {
		t.Error("the sign-out of the browser does not end its pair")
	}
}

// A sign-out, or a copied token, that is noticed while a code is redeemed: nothing escapes it.
func TestPair_BesideDuringTheEnd(t *testing.T) {
	for name, end := range map[string]func(k *keeper, c *couple, old string){
		"sign-out": func(k *keeper, c *couple, _ string) { k.out(session.Tokens{}, c) },
		"copied": func(k *keeper, _ *couple, old string) {
			if _, err := k.refresh(old); !errors.Is(err, session.ErrReuse) {
				k.t.Error(err)
			}
		},
	} {
		for _, paired := range []bool{false, true} {
			k := newKeeper(t)
			c := k.inCookies(&couple{keeper: k})
			if paired {
				c = k.pairUp()
				c.redeemed(c.code)
			}
			old := refreshOf(c)
			next := k.rotate(k.rotate(old).Refresh)
			late := &couple{keeper: k, cookies: cookiesOf(k, next)}
			code := must(late.beside(late.browser("GET", "/"), late.idOfBrowser(), k.grant()))(t)
			var app session.Tokens
			done := false
			k.spy.onWrite = func(int, []store.Change) (bool, error) {
				if !done { // the end has read, and is about to write
					done = true
					app = late.redeemed(code)
				}
				return true, nil
			}
			end(k, late, old)
			k.spy.calm()
			if app.Access == "" || late.appLives(app) || late.browserLives() {
				t.Errorf("%s, paired %t: redeemed %t, lives %t, browser %t", name, paired, app.Access != "", late.appLives(app), late.browserLives())
			}
		}
	}
}

// Two codes that are redeemed at the same time, while the browser refreshes: the browser has one pair, and a sign-out
// ends all.
func TestPair_BesideAtOnce(t *testing.T) {
	k := newKeeper(t)
	c := k.inCookies(&couple{keeper: k})
	id, refresh := c.idOfBrowser(), refreshOf(c)
	codes := make([]string, 4)
	for i := range codes {
		codes[i] = must(c.beside(c.browser("GET", "/"), id, k.grant()))(t)
	}
	k.Advance(31 * time.Second)
	apps := make([]session.Tokens, len(codes))
	var wg sync.WaitGroup
	for i, code := range codes {
		wg.Go(func() { apps[i] = c.redeemed(code) })
	}
	wg.Go(func() {
		if _, err := k.sessions.Refresh(t.Context(), refresh); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	pairs := 0
	for _, in := range k.allOf("u1") {
		pairs += len(in.Paired)
	}
	if pairs != 1 {
		t.Errorf("%d sessions are paired with the browser's: %+v", pairs, k.allOf("u1"))
	}
	k.out(session.Tokens{}, c)
	for i, app := range apps {
		if app.Access == "" || c.appLives(app) {
			t.Errorf("%d: redeemed %t, lives %t", i, app.Access != "", c.appLives(app))
		}
	}
}

// A thief who has the cookies can ask for codes. When the copied token is noticed, what came of them ends as well, and
// a code is worth nothing any more, also after the owner has signed in again. A session that the owner got by a
// sign-in goes on.
func TestPair_BesideEndsWithACopiedToken(t *testing.T) {
	for _, paired := range []bool{false, true} {
		k := newKeeper(t)
		c := k.inCookies(&couple{keeper: k})
		var own session.Tokens
		if paired {
			c = k.pairUp()
			own = c.redeemed(c.code)
		}
		thief := *c
		stolen := c.redeemed(must(thief.beside(thief.browser("GET", "/"), thief.idOfBrowser(), k.grant()))(t))
		again := c.redeemed(must(thief.beside(thief.browser("GET", "/"), thief.idOfBrowser(), k.grant()))(t))
		late := must(thief.beside(thief.browser("GET", "/"), thief.idOfBrowser(), k.grant()))(t)
		old := refreshOf(c)
		k.Advance(time.Second)
		next := k.rotate(k.rotate(old).Refresh)
		k.told()
		if _, err := k.refresh(old); !errors.Is(err, session.ErrReuse) {
			t.Fatal(err)
		}
		k.wantTold("session ended: reuse", "session ended: reuse", "session ended: reuse")
		for name, app := range map[string]session.Tokens{"paired": stolen, "beside": again} {
			if _, err := k.sessions.Refresh(t.Context(), app.Refresh); !errors.Is(err, session.ErrEnded) || c.appLives(app) {
				t.Errorf("paired %t: the session %s goes on: %v", paired, name, err)
			}
		}
		k.pairUp(cookiesOf(k, next)...) // the owner signs in again
		if c.redeemed(late).Access != "" {
			t.Errorf("paired %t: a code of the thief gives a session", paired)
		}
		if paired && !c.appLives(own) {
			t.Error("the session of the owner's sign-in ended")
		}
	}
}

// However sessions follow one another, they end at the age of KindConfig.Absolute, until the person gives a new proof.
func TestPair_BesideHasAnEnd(t *testing.T) {
	k := newKeeper(t)
	g := k.grant()
	g.Authentication.Time = k.Now()
	rec := recorder()
	if err := k.member.Cookie(rec, request("GET", "/"), g, ret(app)); err != nil {
		t.Fatal(err)
	}
	c := &couple{keeper: k, cookies: rec.Result().Cookies()}
	end := must(k.sessions.Find(t.Context(), c.idOfBrowser()))(t).ExpiresAt
	k.Advance(6 * day)
	c.cookies = cookiesOf(k, k.mustRefresh(refreshOf(c)))
	beside := c.redeemed(must(c.beside(c.browser("GET", "/"), c.idOfBrowser(), g))(t))
	endOf := func(access string) time.Time {
		return must(k.sessions.Find(t.Context(), k.verify(access).ID))(t).ExpiresAt
	}
	if got := endOf(beside.Access); !got.Equal(end) {
		t.Errorf("a session beside ends at %v, want %v", got, end)
	}
	// Whatever the grant says: there was no proof.
	newer := g
	newer.Authentication.Time = k.Now()
	if got := endOf(c.redeemed(must(c.beside(c.browser("GET", "/"), c.idOfBrowser(), newer))(t)).Access); !got.Equal(end) {
		t.Errorf("with a later time of the proof: %v, want %v", got, end)
	}
	// Its tokens, put into cookies, are those of an application.
	moved := &couple{keeper: k, cookies: cookiesOf(k, beside)}
	if _, err := moved.beside(moved.browser("GET", "/"), moved.idOfBrowser(), g); !errors.Is(err, session.ErrRefresh) {
		t.Errorf("a code by the tokens of an application: %v", err)
	}
	// A replacement without a proof stays a session that a copied token ends.
	replaced := must(k.member.Replace(t.Context(), beside.Refresh, g))(t)
	proven := g
	proven.Authentication.Time = k.Now().Add(time.Second)
	stepped := c.redeemed(must(c.beside(c.browser("GET", "/"), c.idOfBrowser(), g))(t))
	owned := must(k.member.Replace(t.Context(), stepped.Refresh, proven))(t)
	old := refreshOf(c)
	k.rotate(k.rotate(old).Refresh)
	if _, err := k.refresh(old); !errors.Is(err, session.ErrReuse) {
		t.Fatal(err)
	}
	if c.appLives(replaced) || !c.appLives(owned) {
		t.Errorf("after a copied token: replaced without a proof %t, with one %t", c.appLives(replaced), c.appLives(owned))
	}
}

// Replace gives a new life to a session whose person has proved again who they are, and to no other.
func TestReplace_HasAnEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		proof func(old, now time.Time) time.Time
		newer bool
	}{
		"the same proof": {func(old, _ time.Time) time.Time { return old }, false},
		"an older one":   {func(old, _ time.Time) time.Time { return old.Add(-time.Hour) }, false},
		"none":           {func(time.Time, time.Time) time.Time { return time.Time{} }, false},
		"a new one":      {func(_, now time.Time) time.Time { return now }, true},
	} {
		k := newKeeper(t)
		g := k.grant()
		tokens := must(k.member.Create(t.Context(), g))(t)
		want := k.Now().Add(30 * day)
		old := g.Authentication.Time
		for range 5 {
			k.Advance(5 * day)
			g.Authentication.Time = tc.proof(old, k.Now())
			if tc.newer {
				want = k.Now().Add(30 * day)
			}
			tokens = must(k.member.Replace(t.Context(), tokens.Refresh, g))(t)
			in := must(k.sessions.Find(t.Context(), tokens.SessionID))(t)
			if in.ExpiresAt.Sub(want).Abs() > time.Second || tokens.RefreshExpires.After(in.ExpiresAt) {
				t.Fatalf("%s: ends at %v, want %v", name, in.ExpiresAt, want)
			}
		}
		k.Advance(6 * day)
		if _, err := k.refresh(tokens.Refresh); (err == nil) != tc.newer {
			t.Errorf("%s: after 31 days: %v", name, err)
		}
	}
}
