package session_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A couple is an application and a browser after one sign-in.
type couple struct {
	*keeper
	cookies []*http.Cookie
	code    string
}

func (k *keeper) pairUp(cookies ...*http.Cookie) *couple {
	k.t.Helper()
	rec, r := recorder(), request("GET", "/")
	for _, c := range cookies {
		r.AddCookie(c)
	}
	if err := k.member.CodeAndCookies(rec, r, k.grant(), returnto.New(app, "", s256(proof), "")); err != nil {
		k.t.Fatal(err)
	}
	return &couple{k, rec.Result().Cookies(), must(url.Parse(rec.Header().Get("Location")))(k.t).Query().Get("code")}
}

// redeemed returns the tokens of the application; empty if the code is refused.
func (c *couple) redeemed(code string) session.Tokens {
	rec := c.redeem(form(code))
	var t session.Tokens
	if rec.Code == http.StatusOK {
		var body struct {
			Access  string `json:"access_token"`
			Refresh string `json:"refresh_token"`
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
			c.t.Fatal(err)
		}
		t.Access, t.Refresh = body.Access, body.Refresh
	}
	return t
}

func (c *couple) appLives(t session.Tokens) bool {
	_, err := c.member.Verify(c.t.Context(), t.Access, session.CheckStore)
	return err == nil
}

func (c *couple) browser(method, target string) *http.Request {
	r := request(method, target, "Sec-Fetch-Site", "same-origin")
	for _, k := range c.cookies {
		r.AddCookie(k)
	}
	return r
}

func (c *couple) browserLives() bool {
	return serve(c.member.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), session.CheckStore), c.browser("GET", "/x")).Code == http.StatusOK
}

func TestPair_BothWork(t *testing.T) {
	k := newKeeper(t)
	c := k.pairUp()
	for _, cookie := range c.cookies {
		if !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Domain != "" || strings.Contains(cookie.Value, c.code) {
			t.Errorf("cookie %+v", cookie)
		}
	}
	app := c.redeemed(c.code)
	if len(c.cookies) != 2 || !c.browserLives() || !c.appLives(app) {
		t.Fatalf("%d cookies, browser %t, application %t", len(c.cookies), c.browserLives(), c.appLives(app))
	}
	page := must(k.sessions.List(t.Context(), "u1", session.ListOptions{}))(t)
	if len(page.Sessions) != 1 || !page.Sessions[0].AtIssuer || len(page.Sessions[0].Paired) != 1 {
		t.Errorf("sessions %+v", page.Sessions)
	}
	k.Advance(2 * time.Hour) // a refresh of each
	if _, err := k.sessions.Refresh(t.Context(), app.Refresh); err != nil {
		t.Error(err)
	}
	if !c.browserLives() {
		t.Error("the session of the browser is not refreshed")
	}
}

// A sign-out of one ends both, wherever it is made, and nobody else's session.
func TestPair_SignOutOfEither(t *testing.T) {
	for name, out := range map[string]func(k *keeper, c *couple, app session.Tokens) int{
		"browser": func(k *keeper, c *couple, _ session.Tokens) int {
			return serve(k.sessions.Handler(), c.browser("POST", issuer+"/signout")).Code
		},
		"application": func(k *keeper, c *couple, app session.Tokens) int {
			return serve(k.sessions.Handler(), request("POST", issuer+"/signout", "Authorization", "Bearer "+app.Access)).Code
		},
		"RFC 7009": func(k *keeper, c *couple, app session.Tokens) int {
			r := httptest.NewRequest("POST", issuer+"/revoke", strings.NewReader(url.Values{"token": {app.Refresh}}.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			return serve(k.sessions.Handler(), r).Code
		},
		"list": func(k *keeper, c *couple, app session.Tokens) int {
			s := must(k.member.Verify(k.t.Context(), app.Access))(k.t)
			if err := k.sessions.Revoke(k.t.Context(), s.ID); err != nil {
				k.t.Error(err)
			}
			return http.StatusNoContent
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t)
			other := k.pairUp()
			kept := other.redeemed(other.code)
			c := k.pairUp()
			app := c.redeemed(c.code)
			k.Advance(2 * time.Minute)
			if status := out(k, c, app); status >= 400 {
				t.Fatalf("status %d", status)
			}
			if c.browserLives() || c.appLives(app) {
				t.Errorf("after the sign-out: browser %t, application %t", c.browserLives(), c.appLives(app))
			}
			if !other.browserLives() || !other.appLives(kept) {
				t.Error("another pair of the person ended")
			}
		})
	}
}

// A sign-out between the redirect and the redemption: the code gives nothing.
func TestPair_SignOutBeforeTheCodeIsRedeemed(t *testing.T) {
	k := newKeeper(t)
	c := k.pairUp()
	serve(k.sessions.Handler(), c.browser("POST", issuer+"/signout"))
	if app := c.redeemed(c.code); app.Access != "" {
		t.Error("the code of a person who has signed out gives a session")
	}
	if e := k.lastEvent(); e.Name != "code refused" || e.Reason != "sign-out" {
		t.Errorf("event %+v", e)
	}
}

// A code that is stolen with its verifier gives no cookie, and its replay does not end the session of the browser.
func TestPair_CodeReplayed(t *testing.T) {
	k := newKeeper(t)
	c := k.pairUp()
	rec := c.redeem(form(c.code))
	if len(rec.Result().Cookies()) != 0 {
		t.Errorf("the redemption sets cookies: %v", rec.Header())
	}
	var app struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &app); err != nil {
		t.Fatal(err)
	}
	c.redeemed(c.code)
	if c.appLives(session.Tokens{Access: app.Access}) || !c.browserLives() {
		t.Errorf("application %t, browser %t", c.appLives(session.Tokens{Access: app.Access}), c.browserLives())
	}
}

// Whatever session the browser has before is replaced: planted cookies have no part in the new one. Its pair stays.
func TestPair_NewSignInReplaces(t *testing.T) {
	k := newKeeper(t)
	first := k.pairUp()
	one := first.redeemed(first.code)
	second := k.pairUp(first.cookies...)
	if first.browserLives() || !first.appLives(one) || !second.browserLives() {
		t.Errorf("first %t, its application %t, second %t", first.browserLives(), first.appLives(one), second.browserLives())
	}
	if two := second.redeemed(second.code); !second.appLives(two) {
		t.Error("the second application has no session")
	}
	// Two tabs: the code of the first is still good.
	a := k.pairUp()
	b := k.pairUp(a.cookies...)
	if !a.appLives(a.redeemed(a.code)) || !b.appLives(b.redeemed(b.code)) {
		t.Error("a sign-in in another tab makes a code useless")
	}
}

// A step-up with a challenge: the browser and the application have new sessions, and the old ones have ended.
func TestPair_StepUp(t *testing.T) {
	k := newKeeper(t)
	c := k.pairUp()
	old := c.redeemed(c.code)
	rec := recorder()
	g := k.grant()
	g.Authentication.Methods = []string{"otp"}
	if err := k.member.ReplaceCookiesAndCode(rec, c.browser("GET", "/"), g, returnto.New(app, "", s256(proof), "")); err != nil {
		t.Fatal(err)
	}
	before := *c
	c.cookies = rec.Result().Cookies()
	if before.browserLives() || !c.browserLives() || !c.appLives(old) {
		t.Errorf("before the code: old %t, new %t, application %t", before.browserLives(), c.browserLives(), c.appLives(old))
	}
	app := c.redeemed(must(url.Parse(rec.Header().Get("Location")))(t).Query().Get("code"))
	s, err := k.member.Verify(t.Context(), app.Access, session.CheckStore)
	if err != nil || strings.Join(s.Authentication.Methods, " ") != "otp" || c.appLives(old) {
		t.Errorf("%v %+v, the old one lives: %t", err, s, c.appLives(old))
	}
	serve(k.sessions.Handler(), c.browser("POST", issuer+"/signout"))
	if c.appLives(app) {
		t.Error("after a step-up the two are no pair any more")
	}
}

// After a step-up, a sign-out ends a code that was given out before.
func TestPair_SignOutAfterAStepUp(t *testing.T) {
	k := newKeeper(t)
	c := k.pairUp()
	rec := recorder()
	if err := k.member.ReplaceCookies(rec, c.browser("GET", "/"), k.grant()); err != nil {
		t.Fatal(err)
	}
	c.cookies = rec.Result().Cookies()
	serve(k.sessions.Handler(), c.browser("POST", issuer+"/signout"))
	if app := c.redeemed(c.code); app.Access != "" {
		t.Error("the code outlives the sign-out")
	}
}

// What ends all sessions of a subject ends both, and a code that is under way.
func TestPair_RevokeSubject(t *testing.T) {
	eachStore(t, func(t *testing.T, changes ...any) {
		k := newKeeper(t, append(changes, pooled)...)
		c, late := k.pairUp(), k.pairUp()
		app := c.redeemed(c.code)
		if err := k.sessions.RevokeSubject(t.Context(), "u1"); err != nil {
			t.Fatal(err)
		}
		if c.browserLives() || c.appLives(app) || late.browserLives() || late.redeemed(late.code).Access != "" {
			t.Error("a session, or a code, outlives the event")
		}
	})
}

// A pair counts as one session, and gives way as one: a person signs in by code on as many devices as by cookies.
func TestPair_Crowded(t *testing.T) {
	k := newKeeper(t, few(3))
	var all []*couple
	var apps []session.Tokens
	for range 3 {
		k.Advance(time.Minute)
		c := k.pairUp()
		all, apps = append(all, c), append(apps, c.redeemed(c.code))
	}
	k.wantTold()
	for i, c := range all {
		if !c.browserLives() || !c.appLives(apps[i]) {
			t.Errorf("device %d of three: browser %t, application %t", i, c.browserLives(), c.appLives(apps[i]))
		}
	}
	// The first is used, by its browser alone: of the pair, the later use counts.
	k.Advance(time.Minute)
	all[0].cookies = cookiesOf(k, k.mustRefresh(refreshOf(all[0])))
	k.Advance(time.Minute)
	fourth := k.pairUp()
	k.wantTold("session ended: too many", "session ended: too many")
	if !all[0].browserLives() || !all[0].appLives(apps[0]) || all[1].browserLives() || all[1].appLives(apps[1]) || !all[2].appLives(apps[2]) {
		t.Error("not the device used longest ago gave way, or one half of it")
	}
	last := fourth.redeemed(fourth.code) // its pair is there already
	k.wantTold()
	k.create()
	k.wantTold("session ended: too many", "session ended: too many")
	if all[2].browserLives() || !fourth.browserLives() || !fourth.appLives(last) {
		t.Error("a session without a pair takes more, or less, than one place")
	}
	// A code whose pair gave way before it was redeemed gives nothing.
	late := k.pairUp()
	for range 3 {
		k.Advance(time.Second)
		k.create()
	}
	if late.browserLives() || late.redeemed(late.code).Access != "" {
		t.Error("a code brings back half of a pair")
	}
	// With room for one, a pair has it.
	one := newKeeper(t, few(1))
	c := one.pairUp()
	if app := c.redeemed(c.code); !c.appLives(app) || !c.browserLives() {
		t.Errorf("browser %t, application %t", c.browserLives(), c.appLives(app))
	}
}

// However often one browser signs in, and steps up, the sessions, their rows and the index are bounded.
func TestPair_RowsAreBounded(t *testing.T) {
	k := newKeeper(t, few(5))
	b := k.pairUp()
	for i := range 200 {
		k.Advance(time.Second)
		switch i % 4 {
		case 0:
			b.redeemed(b.code)
		case 1:
			b = k.stepUp(b)
		case 2:
			b = k.inCookies(b)
			b = k.stepUp(b)
		case 3:
			b = k.pairUp(b.cookies...)
		}
	}
	part := keyOf(must(k.sessions.List(t.Context(), "u1", session.ListOptions{}))(t).Sessions[0].ID).Part
	var index struct{ Sessions []struct{ ID string } }
	if err := json.Unmarshal(k.item(store.Key{Part: part, ID: "*"}).Value, &index); err != nil || len(index.Sessions) > 10 {
		t.Errorf("%d entries, %v", len(index.Sessions), err)
	}
	live := 0
	for _, e := range index.Sessions {
		if in := must(k.sessions.Find(t.Context(), strings.TrimPrefix(part, "session:")+"."+e.ID))(t); in.Ended == "" {
			live++
		}
	}
	if live == 0 || live > 10 || !b.browserLives() {
		t.Errorf("%d sessions live, the browser: %t", live, b.browserLives())
	}
}

// TestPair_Refused: without a challenge, for a kind without a store, in the place of somebody else. Nothing is written.
func TestPair_Refused(t *testing.T) {
	k := newKeeper(t)
	acting := k.grant()
	acting.ActorSession = "somebody"
	for name, err := range map[string]func(w http.ResponseWriter, r *http.Request) error{
		"no challenge": func(w http.ResponseWriter, r *http.Request) error {
			return k.member.CodeAndCookies(w, r, k.grant(), returnto.New(app, "", "", ""))
		},
		"stateless": func(w http.ResponseWriter, r *http.Request) error {
			return k.user.CodeAndCookies(w, r, k.grant(), returnto.New(app, "", s256(proof), ""))
		},
		"impersonation": func(w http.ResponseWriter, r *http.Request) error {
			return k.member.CodeAndCookies(w, r, acting, returnto.New(app, "", s256(proof), ""))
		},
	} {
		rec := recorder()
		if err(rec, request("GET", "/")) == nil || len(rec.Header()) != 0 {
			t.Errorf("%s: %v", name, rec.Header())
		}
	}
	if page := must(k.sessions.List(t.Context(), "u1", session.ListOptions{}))(t); len(page.Sessions) != 0 {
		t.Errorf("sessions %+v", page.Sessions)
	}
}
