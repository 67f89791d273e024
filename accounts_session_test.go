package postern_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

// continued presses the button of the chooser for an application, and returns the answer that leads there with a code.
func (h *home) continued(b *browser) *httptest.ResponseRecorder {
	h.t.Helper()
	w := b.chosen(b.get(issuer + choosing))
	to := b.landing(w)
	if u, err := url.Parse(to); err != nil || u.Query().Get("code") == "" {
		h.t.Fatalf("to %q", to)
	}
	led := httptest.NewRecorder()
	http.Redirect(led, httptest.NewRequest(http.MethodGet, issuer, nil), to, http.StatusSeeOther)
	return led
}

// refreshed is the status of a refresh with the token of an application.
func (h *home) refreshed(refresh string) int {
	h.t.Helper()
	return h.browser().post(issuer+"/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}).Code
}

// A thief has copied the cookies of a browser, and goes on to an application. The theft is noticed: the session of the
// thief ends with that of the browser.
func TestAccounts_EndsWithTheft(t *testing.T) {
	for name, begin := range map[string]func(h *home, b *browser){
		"code":    func(h *home, b *browser) { h.byCode(b, h.who) },
		"cookies": func(h *home, b *browser) { h.signIn(b, h.who) },
	} {
		h := newHome(t)
		b := h.browser()
		begin(h, b)
		thief := &browser{Browser: b.Clone(), v: b.v, secure: true}
		access, refresh := h.redeem(h.continued(thief))
		for range 2 { // the owner goes on
			h.Advance(time.Hour)
			answered(t, b.json("GET", "/account", ""), http.StatusOK, "")
		}
		if got := thief.json("GET", "/account", "").Code; got != http.StatusUnauthorized {
			t.Errorf("%s: the copy: %d", name, got)
		}
		if got := b.json("GET", "/account", "").Code; got != http.StatusUnauthorized {
			t.Errorf("%s: the owner: %d", name, got)
		}
		if h.refreshed(refresh) == http.StatusOK || h.bearer(access).Code == http.StatusOK {
			t.Errorf("%s: the session of the thief goes on", name)
		}
	}
}

// The answer with the code is lost: the person stays signed in, with the cookies that the browser has, and the button
// works again.
func TestAccounts_AnswerLost(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	h.signIn(b, h.who)
	before := b.Clone().Cookies
	lost := &browser{Browser: b.Clone(), v: b.v, secure: true}
	first, _ := h.redeem(h.continued(lost))
	answered(t, b.json("GET", "/account", ""), http.StatusOK, "")
	second, _ := h.redeem(h.continued(b))
	for _, access := range []string{first, second} {
		if w := h.bearer(access); w.Code != http.StatusOK {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	for name, value := range before {
		if b.Cookies[name] != value {
			t.Errorf("the cookie %s has changed", name)
		}
	}
	b.json("POST", "/signout", "")
	for _, access := range []string{first, second} {
		if w := h.bearer(access); w.Code != http.StatusUnauthorized {
			t.Errorf("after the sign-out: %d", w.Code)
		}
	}
}

// However often a person goes on, the sessions end at the age that the sign-in allows.
func TestAccounts_HasAnEnd(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	h.byCode(b, h.who)
	var refresh string
	for range 4 { // until day 24
		h.Advance(6 * 24 * time.Hour)
		answered(t, b.json("GET", "/account", ""), http.StatusOK, "")
		_, refresh = h.redeem(h.continued(b))
	}
	if got := h.refreshed(refresh); got != http.StatusOK {
		t.Fatalf("on day 24: %d", got)
	}
	access, refresh := h.redeem(h.continued(b))
	// The tokens of the application, put where the cookies of the browser were, give no further session.
	moved := &browser{Browser: b.Clone(), v: b.v, secure: true}
	for name, value := range b.Cookies {
		switch {
		case len(value) > 200:
			moved.Cookies[name] = access
		case len(name) > 8 && name[len(name)-8:] == "-refresh":
			moved.Cookies[name] = refresh
		}
	}
	if got := h.idOf(moved); got != h.idOf(b) {
		t.Fatalf("the cookies are of %q", got)
	}
	want(t, moved.chosen(moved.get(issuer+choosing)), http.StatusUnauthorized, "not_signed_in")
	h.Advance(6*24*time.Hour + time.Minute)
	if got := h.refreshed(refresh); got == http.StatusOK {
		t.Error("the session is older than 30 days")
	}
	if got := b.json("GET", "/account", "").Code; got != http.StatusUnauthorized {
		t.Errorf("the browser: %d", got)
	}
}

// A sign-out in an application to which the person went on ends the session there. The browser stays signed in for the
// other application, and the next way to the first one needs a press.
func TestAccounts_SignOutOfOne(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	first, _ := h.byCode(b, h.who)
	access, refresh := h.redeem(h.continued(b))
	h.browser().post(issuer+"/revoke", url.Values{"token": {refresh}})
	if h.bearer(access).Code != http.StatusUnauthorized || h.bearer(first).Code != http.StatusOK {
		t.Errorf("the application %d, the other one %d", h.bearer(access).Code, h.bearer(first).Code)
	}
	if q := ledTo(t, b.get(issuer+"/authorize?"+byChallenge+"&prompt=none")); q.Has("code") {
		t.Errorf("without a press: %v", q)
	}
	want(t, b.get(issuer+choosing), http.StatusOK, "Continue as ada")
}
