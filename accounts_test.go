package postern_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/users"
)

const choosing = "/authorize?" + byChallenge + "&prompt=select_account"

// chosen presses the button of the account chooser.
func (b *browser) chosen(w *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	b.v.t.Helper()
	page := w.Body.String()
	_, mark, ok := strings.Cut(page, `name="account" value="`)
	if w.Code != http.StatusOK || !ok || !strings.Contains(page, "Choose an account") {
		b.v.t.Fatalf("no chooser: %d to %q\n%s", w.Code, w.Header().Get("Location"), page)
	}
	mark, _, _ = strings.Cut(mark, `"`)
	return b.post(actionOf(page), url.Values{"account": {mark}})
}

func TestAccounts_Continue(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	first, _ := h.byCode(b, h.who)
	was, err := h.kind.Verify(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	h.Advance(2 * time.Minute)
	page := b.get(issuer + choosing)
	if got, want := texts(page.Body.String()), []string{"Continue as ada, ada@example.com", "Use another account"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if len(page.Result().Cookies()) != 0 || page.Header().Get("X-Frame-Options") != "DENY" {
		t.Errorf("%v", page.Header())
	}
	w := b.chosen(page)
	to, err := url.Parse(b.landing(w))
	if err != nil || to.Host != "app.example.com" || to.Query().Get("state") != "s1" || to.Query().Get("code") == "" {
		t.Fatalf("to %s, %v", to, err)
	}
	led := httptest.NewRecorder()
	http.Redirect(led, httptest.NewRequest(http.MethodGet, issuer, nil), to.String(), http.StatusSeeOther)
	access, _ := h.redeem(led)
	now, err := h.kind.Verify(t.Context(), access)
	if err != nil || now.Subject != was.Subject || !now.Authentication.Time.Equal(was.Authentication.Time) ||
		strings.Join(now.Authentication.Methods, " ") != strings.Join(was.Authentication.Methods, " ") {
		t.Errorf("%v %+v, before %+v", err, now, was)
	}
	continued := 0
	for _, e := range h.Events.All() {
		if e.Name == "sign-in continued" && e.UserID == was.Subject && e.Reason == "select_account" {
			continued++
		}
	}
	if continued != 1 {
		t.Errorf("%d events", continued)
	}
	// Without a challenge it leads on with the cookies of the browser, and makes no session.
	w = b.chosen(b.get(issuer + "/authorize?redirect_uri=%2Fwelcome&state=s2&prompt=select_account"))
	if to := b.landing(w); to != "https://api.example.com/welcome?state=s2" {
		t.Errorf("to %s", to)
	}
}

// The way to another account keeps what the application asked for, and signs the other person in.
func TestAccounts_Another(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	h.byCode(b, h.who)
	ada := h.idOf(b)
	other := hrefs(b.get(issuer + choosing + "&ui_locales=de&custom=1").Body.String())[0]
	w := b.get(other)
	want(t, w, http.StatusOK, "Continue with Door")
	door := hrefs(w.Body.String())[0]
	for _, part := range []string{"state=s1", "ui_locales=de", "custom=1", "code_challenge=" + pkceChallenge, "prompt=select_account"} {
		if !strings.Contains(door, part) {
			t.Errorf("no %s in %s", part, door)
		}
	}
	eve := at("eve", "eve@example.com", true)
	w = h.through(b, eve, door)
	if q := ledTo(t, w); q.Get("code") == "" || h.idOf(b) == ada {
		t.Errorf("%v", q)
	}
	// Nobody is signed in: there is nothing to choose.
	want(t, h.browser().get(issuer+choosing), http.StatusOK, "Continue with Door")
	// A provider that the application names has its own chooser.
	want(t, b.get(issuer+choosing+"&provider=door"), http.StatusFound, "/door/authorize?")
}

// The button is for the account that was shown. Another person who has signed in since does not go on by it.
func TestAccounts_OfTheAccountShown(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	h.byCode(b, h.who)
	page := b.get(issuer + choosing)
	h.byCode(b, at("eve", "eve@example.com", true))
	w := b.chosen(page)
	if want(t, w, http.StatusForbidden, "other_session"); !strings.Contains(w.Body.String(), "Continue as eve, eve@example.com") || w.Header().Get("Location") != "" {
		t.Errorf("%v\n%s", w.Header(), w.Body)
	}
	want(t, b.chosen(b.get(issuer+choosing)), http.StatusSeeOther, "/continue?ticket=")
	b.json("POST", "/signout", "")
	w = b.chosen(page)
	want(t, w, http.StatusSeeOther, "postern_account=other")
	want(t, b.get(unmarked(t, w.Header().Get("Location"))), http.StatusOK, "Continue with Door")
}

// What ends a session between the page and the button ends the way to go on.
func TestAccounts_EndedMeanwhile(t *testing.T) {
	needed := false
	for name, tc := range map[string]struct {
		event func(h *home, b *browser)
		more  string
		leads string // part of where the button leads; empty: a refusal
	}{
		"disabled": {func(h *home, b *browser) {
			if err := h.dir.Disable(t.Context(), h.idOf(b), "because", time.Time{}, users.Extra{}); err != nil {
				t.Fatal(err)
			}
		}, "", "postern_account=other"},
		"deleted":      {func(h *home, b *browser) { _ = h.dir.Delete(t.Context(), h.idOf(b), users.Extra{}) }, "", "postern_account=other"},
		"reset":        {func(h *home, b *browser) { h.moveSec(h.idOf(b)) }, "", "postern_account=other"},
		"a factor due": {func(*home, *browser) { needed = true }, "", "postern_account=other"},
		"too old":      {func(h *home, _ *browser) { h.Advance(61 * time.Second) }, "&max_age=60", "/step-up?"},
		"too weak":     {func(*home, *browser) {}, "&acr_values=phr", "/step-up?acr_values=phr"},
		"somebody else was expected, and the person chose": {func(*home, *browser) {}, "&login_hint=eve%40example.com", "/continue?ticket="},
		"somebody else, and a factor due":                  {func(*home, *browser) { needed = true }, "&login_hint=eve%40example.com", "postern_account=other"},
		"somebody else, and too old":                       {func(h *home, _ *browser) { h.Advance(61 * time.Second) }, "&max_age=60&login_hint=eve%40example.com", "/step-up?"},
	} {
		needed = false
		h := newHome(t, func(_ *home, c *postern.Config) {
			c.Factors = map[string]postern.Provider{"chip": chip{}}
			c.RequireFactor = func(context.Context, postern.Person, session.Authentication) (postern.Requirement, error) {
				return postern.Requirement{Factor: needed}, nil
			}
		})
		b := h.browser()
		h.byCode(b, h.who)
		page := b.get(issuer + choosing + tc.more)
		tc.event(h, b)
		w := b.chosen(page)
		to := w.Header().Get("Location")
		if w.Code != http.StatusSeeOther || !strings.Contains(to, tc.leads) || strings.Contains(to, "code=") {
			t.Errorf("%s: %d to %q\n%s", name, w.Code, to, w.Body)
		}
		if strings.HasPrefix(tc.leads, "/step-up") && (!strings.Contains(to, "state=s1") || !strings.Contains(to, "code_challenge="+pkceChallenge)) {
			t.Errorf("%s: the step-up lost what the application asked for: %s", name, to)
		}
	}
}

// An administrator who acts as somebody is not offered their account.
func TestAccounts_NotWhileActing(t *testing.T) {
	g := newAgency(t)
	_, boss := g.administrator("boss", "support")
	id, _ := g.person("ada", "member")
	g.actAs(boss, id)
	want(t, boss.get(issuer+choosing), http.StatusOK, "Continue with Door")
}

func TestAccounts_Hostile(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	h.byCode(b, h.who)
	page := b.get(issuer + choosing)
	for _, site := range []string{"cross-site", "same-site"} {
		c := &browser{Browser: b.Clone(), v: b.v, secure: true}
		c.Header.Set("Sec-Fetch-Site", site)
		c.NoSameSite = true
		want(t, c.chosen(page), http.StatusForbidden, "cross_origin")
	}
	for name, body := range map[string]url.Values{
		"empty": {"account": {""}}, "the id": {"account": {h.idOf(b)}}, "forged": {"account": {strings.Repeat("A", 43)}}, "long": {"account": {strings.Repeat("x", 9000)}},
	} {
		if w := b.post(issuer+choosing, body); w.Code != http.StatusForbidden || w.Header().Get("Location") != "" {
			t.Errorf("%s: %d to %q", name, w.Code, w.Header().Get("Location"))
		}
	}
	for name, body := range map[string]url.Values{
		"nothing":         {},
		"an address":      {"identifier": {"ann@example.com"}},
		"another return":  {"account": {"x"}, "redirect_uri": {"https://evil.example/"}},
		"twice":           {"account": {"x", "y"}},
		"control":         {"account": {"x\r\ny"}},
		"another's field": {"password": {"x"}},
	} {
		if w := b.post(issuer+"/authorize?state=s1", body); w.Code != http.StatusBadRequest || w.Header().Get("Location") != "" {
			t.Errorf("%s: %d to %q", name, w.Code, w.Header().Get("Location"))
		}
	}
	want(t, b.get(issuer+choosing+"&max_age=x"), http.StatusBadRequest, "max_age")
	if w := newWorld(t).browser().post(issuer+"/authorize", url.Values{"account": {"x"}}); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("without users: %d", w.Code)
	}
	// A session that somebody planted is offered with its name, so that the person sees the stranger.
	victim := h.browser()
	attacker := h.browser()
	h.byCode(attacker, at("eve", "eve@example.com", true))
	for name, value := range attacker.Cookies {
		victim.Cookies[name] = value
	}
	want(t, victim.get(issuer+choosing), http.StatusOK, "Continue as eve, eve@example.com")
}

// A program has the same page, and the same way on.
func TestAccounts_JSON(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	h.byCode(b, h.who)
	b.Header.Set("Accept", "application/json")
	page := decoded[struct {
		Step  string
		Forms []struct {
			Name, URL, Submit string
			Hidden            map[string]string
		}
		Links []struct{ Name, URL string }
	}](t, b.get(issuer+choosing))
	if page.Step != "postern.accounts" || len(page.Forms) != 1 || page.Forms[0].Submit != "Continue as ada, ada@example.com" || page.Links[0].Name != "other" {
		t.Fatalf("%+v", page)
	}
	to := redirectURI(t, b.post(page.Forms[0].URL, url.Values{"account": {page.Forms[0].Hidden["account"]}}))
	if !strings.HasPrefix(to, "https://app.example.com/?code=") || !strings.Contains(to, "state=s1") {
		t.Errorf("to %s", to)
	}
	for body, status := range map[string]int{`{"account":"x"}`: http.StatusForbidden, `{"account":"x","password":"y"}`: http.StatusBadRequest} {
		r := httptest.NewRequest("POST", page.Forms[0].URL, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		if w := b.do(r); w.Code != status {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
}
