package users_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/session"
)

const (
	pairApp       = "https://app.example.com/cb"
	pairVerifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	pairChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// A couple is a browser that signed in for an application, on the engine of a world.
type couple struct {
	w       *world
	kind    *session.Kind[string]
	cookies []*http.Cookie
	code    string
}

func (c couple) do(method, path, bearer string, cookies bool, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, c.w.sessions.Issuer()+path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	if cookies {
		for _, k := range c.cookies {
			r.AddCookie(k)
		}
	}
	rec := httptest.NewRecorder()
	c.w.sessions.Handler().ServeHTTP(rec, r)
	return rec
}

// then is what the browser has after another sign-in, or after a step-up.
func (c couple) then(deliver func(w http.ResponseWriter, r *http.Request, g session.Grant[string], ret session.Return) error) couple {
	c.w.t.Helper()
	r := httptest.NewRequest("GET", c.w.sessions.Issuer()+"/x", nil)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for _, k := range c.cookies {
		r.AddCookie(k)
	}
	rec := httptest.NewRecorder()
	c.w.ok(deliver(rec, r, session.Grant[string]{Subject: "ada"}, returnto.New(pairApp, "", pairChallenge, "")))
	to := must(url.Parse(rec.Header().Get("Location")))(c.w.t)
	return couple{c.w, c.kind, rec.Result().Cookies(), to.Query().Get("code")}
}

// redeem returns the access token of the application; empty if the code is refused.
func (c couple) redeem() string {
	rec := c.do("POST", "/token", "", false, url.Values{"grant_type": {"authorization_code"}, "code": {c.code}, "code_verifier": {pairVerifier}, "redirect_uri": {pairApp}})
	var body struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil || rec.Code >= 500 {
		c.w.t.Errorf("token: %d %s", rec.Code, rec.Body)
	}
	return body.Access
}

func (c couple) appLives(access string) bool {
	_, err := c.kind.Verify(c.w.t.Context(), access, session.CheckStore)
	return err == nil
}

func (c couple) lives() bool { return c.do("GET", "/sessions", "", true, nil).Code == http.StatusOK }

// TestPairs_EachEngine: the sessions of a browser and of its applications end together, count once, and stay together,
// on every engine.
func TestPairs_EachEngine(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		kind := session.NewKindConfig(w.sessions, session.KindConfig[string]{Name: "member", Pool: w.pool, MaxSessions: 3})
		empty := couple{w: w, kind: kind}
		// A sign-in that is not finished does not keep the browser signed in.
		first := empty.then(kind.CodeAndCookies)
		app := first.redeem()
		second := first.then(kind.CodeAndCookies)
		if !second.lives() || !second.appLives(app) {
			t.Fatal("the sign-in does not work")
		}
		if rec := second.do("POST", "/signout", app, false, nil); rec.Code != http.StatusNoContent {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
		if second.lives() || second.appLives(app) || second.redeem() != "" {
			t.Error("after a sign-out with the token of the first sign-in something lives")
		}
		// A step-up by code pairs the session of a browser that had none.
		plain := empty.then(kind.Cookie)
		stepped := plain.then(kind.ReplaceCookiesAndCode)
		app = stepped.redeem()
		stepped.do("POST", "/signout", "", true, nil)
		if app == "" || stepped.lives() || stepped.appLives(app) {
			t.Error("the session of a step-up outlives the sign-out of its browser")
		}
		// Three devices of three, then a fourth; then all others are ended by each half of a pair.
		var all []couple
		var apps []string
		for range 4 {
			w.Advance(time.Second)
			c := empty.then(kind.CodeAndCookies)
			all, apps = append(all, c), append(apps, c.redeem())
		}
		for i, c := range all {
			if c.lives() != (i > 0) || c.appLives(apps[i]) != (i > 0) {
				t.Errorf("device %d of four: browser %t, application %t", i, c.lives(), c.appLives(apps[i]))
			}
		}
		if list := must(w.sessions.List(t.Context(), "ada", session.ListOptions{}))(t); len(list.Sessions) != 3 {
			t.Errorf("%d entries", len(list.Sessions))
		}
		if rec := all[3].do("DELETE", "/sessions", apps[3], false, nil); rec.Code != http.StatusNoContent {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
		if !all[3].lives() || !all[3].appLives(apps[3]) || all[2].lives() || all[1].appLives(apps[1]) {
			t.Error("the application: the wrong sessions ended")
		}
		other := empty.then(kind.CodeAndCookies)
		if rec := all[3].do("DELETE", "/sessions", "", true, nil); rec.Code != http.StatusNoContent {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
		if !all[3].lives() || !all[3].appLives(apps[3]) || other.lives() || other.redeem() != "" {
			t.Error("the browser: the wrong sessions ended")
		}
	})
}

// TestPairs_SignOutRace: a code that is redeemed during the sign-out of its browser leaves no session.
func TestPairs_SignOutRace(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		kind := session.NewKindConfig(w.sessions, session.KindConfig[string]{Name: "member", Pool: w.pool})
		rounds := w.racers() / 5
		redeemed := 0
		for range rounds {
			c := couple{w: w, kind: kind}.then(kind.CodeAndCookies)
			var app string
			var both sync.WaitGroup
			both.Go(func() { app = c.redeem() })
			both.Go(func() {
				if rec := c.do("POST", "/signout", "", true, nil); rec.Code != http.StatusNoContent {
					t.Errorf("%d %s", rec.Code, rec.Body)
				}
			})
			both.Wait()
			if app != "" {
				redeemed++
			}
			if c.lives() || app != "" && c.appLives(app) {
				t.Fatal("a session outlives the sign-out")
			}
		}
		t.Logf("%d of %d codes were redeemed first", redeemed, rounds)
	})
}
