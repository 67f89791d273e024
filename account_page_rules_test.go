package postern_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// TestAccountPage_Addresses walks through adding, changing and removing an address.
func TestAccountPage_Addresses(t *testing.T) {
	h := newHome(t)
	b := h.fresh(h.who)
	pageShows(t, b.press("/account/address", url.Values{"address": {"nobody"}}), http.StatusBadRequest, "one email address", `value="nobody"`, `aria-invalid="true"`)
	pageShows(t, b.press("/account/code", url.Values{"code": {"123456"}}), http.StatusBadRequest) // out of order
	w := b.press("/account/address", url.Values{"address": {"New@example.com"}})
	want(t, w, http.StatusSeeOther, issuer+"/account/code")
	pageShows(t, b.open("/account/code"), http.StatusOK, "We sent a code to new@example.com", "Send a new code", `autocomplete="one-time-code"`)
	pageShows(t, b.open("/account"), http.StatusOK, "New address", "It waits for the code")
	code := h.code("new@example.com")
	wrong := "00000000"
	if code == wrong {
		wrong = "11111111"
	}
	pageShows(t, b.press("/account/code", url.Values{"code": {wrong}}), http.StatusBadRequest, `value="`+wrong+`"`)
	b.done("/account/code", url.Values{"code": {code}}, "Your addresses were changed.")
	b.done("/account/code", url.Values{"code": {code}}, "Your addresses were changed.") // the answer was lost
	old, added := h.addressID(b, "ada@example.com"), h.addressID(b, "new@example.com")
	pageShows(t, b.open("/account/address?id="+added), http.StatusOK, "in the place of new@example.com")
	want(t, b.press("/account/address", url.Values{"address": {"third@example.com"}, "id": {added}}), http.StatusSeeOther, "/account/code")
	other := h.browser()
	h.signIn(other, h.who)
	b.done("/account/code", url.Values{"code": {h.code("third@example.com")}}, "Your addresses were changed.")
	want(t, other.open("/account"), http.StatusSeeOther, "/authorize") // an address was given up
	b.done("/account/remove-address", url.Values{"id": {h.addressID(b, "third@example.com")}}, "The address was removed.")
	pageShows(t, b.press("/account/remove-address", url.Values{"id": {added}}), http.StatusNotFound, "not part of your account any more")
	eve := h.fresh(at("eve", "eve@example.com", true))
	pageShows(t, eve.press("/account/remove-address", url.Values{"id": {old}}), http.StatusNotFound)
	pageShows(t, eve.open("/account/address?id="+old), http.StatusNotFound)
	pageShows(t, b.open("/account"), http.StatusOK, "ada@example.com")
}

// TestAccountPage_Link: the person goes to the other site and comes back to the account.
func TestAccountPage_Link(t *testing.T) {
	h := newHome(t)
	b := h.fresh(h.who)
	h.who = at("ada2", "", false)
	to, err := url.Parse(b.landing(b.press("/account/link", url.Values{"provider": {"other"}})))
	if err != nil || to.Host != "door.example" {
		t.Fatal(to, err)
	}
	w := b.get(to.Query().Get("redirect_uri") + "?" + url.Values{"state": {to.Query().Get("state")}, "code": {"c0de"}}.Encode())
	want(t, w, http.StatusOK, "to your account?")
	want(t, b.post(issuer+"/link", url.Values{"state": {state(t, w)}, "choice": {"add"}}), http.StatusSeeOther, issuer+"/account/security")
	pageShows(t, b.open("/account/security"), http.StatusOK, "<dt id=\"line-1\">Door</dt>", "<dt id=\"line-2\">Other</dt>", "line-2-value\">Unlink</button>")
	b.done("/account/unlink", url.Values{"id": {h.identities(b).Identities[1].ID}}, "was unlinked")
	// The last way in stays, and the page says why.
	h.who = at("solo", "", false)
	solo := h.fresh(h.who)
	pageShows(t, solo.press("/account/unlink", url.Values{"id": {h.identities(solo).Identities[0].ID}}), http.StatusConflict, "last way", "How you sign in")
	pageShows(t, solo.press("/account/link", url.Values{"provider": {"nobody"}}), http.StatusNotFound)
}

// TestX2_AccountPages: what people and their browsers say is text on each page.
func TestX2_AccountPages(t *testing.T) {
	h := newHome(t)
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>'` + "`{app}"
	b := h.browser()
	b.Header.Set("User-Agent", evil)
	h.signIn(b, h.who)
	h.stepUp(b, h.who)
	b.done("/account/profile", url.Values{"name": {evil}}, "Your profile was changed.")
	for _, path := range []string{"/account", "/account/security", "/account/sessions", "/account/history", "/account/profile", "/account/delete"} {
		w := b.open(path)
		if body := w.Body.String(); w.Code != http.StatusOK || strings.Contains(body, "<script") || strings.Contains(body, "<img") || strings.Contains(body, "alert(1)</script>") {
			t.Errorf("%s: %d\n%s", path, w.Code, body)
		}
	}
	for _, name := range accountDeeds {
		if name == "sign-out" || name == "delete" || strings.HasSuffix(name, "s") || name == "thaw" {
			continue
		}
		values := url.Values{"locale": {evil}, "picture": {evil}, "address": {evil}, "code": {evil}, "id": {evil}, "provider": {evil}, "resume": {""}}
		if body := b.press("/account/"+name, values).Body.String(); strings.Contains(body, "<script") || strings.Contains(body, "<img") {
			t.Errorf("%s:\n%s", name, body)
		}
	}
	for _, query := range []string{"?done=" + url.QueryEscape(evil), "?page=" + url.QueryEscape(evil)} {
		if body := b.open("/account/history" + query).Body.String(); strings.Contains(body, "alert") && strings.Contains(body, "<script") {
			t.Errorf("%s:\n%s", query, body)
		}
	}
}

// TestR5_AccountPagesOfAnActor: who acts as a person sees nothing of the account, changes nothing, and can stop.
func TestR5_AccountPagesOfAnActor(t *testing.T) {
	g := newAgency(t)
	_, boss := g.administrator("boss", "owner")
	id, _ := g.person("ada", "member")
	g.actAs(boss, id)
	for _, path := range []string{"/account", "/account/security", "/account/sessions", "/account/history", "/account/delete", "/account/export", "/account/resume"} {
		body := pageShows(t, boss.open(path), http.StatusForbidden, "You act as somebody else", issuer+"/session/end", "Stop acting")
		if strings.Contains(body, "ada@example.com") {
			t.Errorf("%s shows the account", path)
		}
	}
	for _, name := range accountDeeds {
		if name != "sign-out" {
			pageShows(t, boss.press("/account/"+name, url.Values{"name": {"x"}, "id": {"x"}, "provider": {"door"}, "confirm": {"ada@example.com"}, "address": {"x@example.com"}, "code": {"1"}}),
				http.StatusForbidden, "You act as somebody else")
		}
	}
	if u, err := g.dir.User(t.Context(), id); err != nil || u.Name != "ada" || len(u.Addresses) != 1 {
		t.Errorf("%+v %v", u, err)
	}
	want(t, boss.press("/session/end", url.Values{}), http.StatusSeeOther, "")
	want(t, boss.open("/account"), http.StatusSeeOther, issuer+"/authorize")
}

// bare is a table with the three methods of postern.Users alone.
type bare struct{ postern.Users }

// TestAccountPage_OwnTable: a table without the optional interfaces shows what it can.
func TestAccountPage_OwnTable(t *testing.T) {
	h := newHouseOf(t, func(*session.Sessions, store.Store) postern.Users { return bare{newTable()} })
	b := h.browser()
	h.signIn(b, h.who)
	body := pageShows(t, b.open("/account"), http.StatusOK, "ada@example.com", "Download my data")
	for _, not := range []string{"Change the profile", "Delete my account", "Remove ", "Add an address"} {
		if strings.Contains(body, not) {
			t.Errorf("the page has %q", not)
		}
	}
	body = pageShows(t, b.open("/account/security"), http.StatusOK)
	if strings.Contains(body, "nlink ") || strings.Contains(body, ">Link ") {
		t.Errorf("the page has links:\n%s", body)
	}
	pageShows(t, b.open("/account/sessions"), http.StatusOK, "This browser")
	for _, path := range []string{"/account/profile", "/account/address", "/account/link?provider=door"} {
		pageShows(t, b.open(path), http.StatusNotFound)
	}
	for _, name := range []string{"profile", "address", "remove-address", "link", "unlink"} {
		pageShows(t, b.press("/account/"+name, url.Values{"name": {"x"}, "address": {"x@example.com"}, "id": {"x"}, "provider": {"door"}}), http.StatusNotFound)
	}
}

// TestAccountPage_PersonComesBack: a page of a credential that needs a fresh proof leads to the step-up, and back.
func TestAccountPage_PersonComesBack(t *testing.T) {
	h := newHome(t, func(_ *home, c *postern.Config) { c.Factors = map[string]postern.Provider{"chip": chip{}} })
	b := h.browser()
	page := issuer + "/factors/chip/enroll"
	want(t, b.open(page), http.StatusSeeOther, issuer+"/authorize?redirect_uri="+url.QueryEscape(page))
	h.signIn(b, h.who)
	w := b.open(page)
	to, err := url.Parse(w.Header().Get("Location"))
	if err != nil || w.Code != http.StatusSeeOther || to.Path != "/auth/step-up" || to.Query().Get("redirect_uri") != page || to.Query().Get("max_age") != "600" {
		t.Fatalf("%d to %q", w.Code, w.Header().Get("Location"))
	}
	want(t, b.press("/factors/chip/enroll", url.Values{"word": {"secret"}}), http.StatusSeeOther, "/step-up?max_age=600&redirect_uri="+url.QueryEscape(issuer+"/account/security"))
	who := h.who
	who.AuthTime = h.Now()
	want(t, h.through(b, who, issuer+"/step-up/door", "redirect_uri", page), http.StatusSeeOther, page)
	pageShows(t, b.open(page), http.StatusOK, "Choose a word")
	body := pageShows(t, b.open("/account/security"), http.StatusOK, "Second step", ">Set up</a>")
	if strings.Contains(body, "secret") {
		t.Error("the word was kept")
	}
	// A program still gets the refusal.
	h.Advance(11 * time.Minute)
	want(t, b.get(page), http.StatusUnauthorized, "insufficient_user_authentication")
}

// TestAccountPage_Frozen: the page of a frozen account says so, and lets the person end it.
func TestAccountPage_Frozen(t *testing.T) {
	h := newHome(t)
	b := h.fresh(h.who)
	want(t, b.press("/account/address", url.Values{"address": {"new@example.com"}, "id": {h.addressID(b, "ada@example.com")}}), http.StatusSeeOther, "/account/code")
	b.done("/account/code", url.Values{"code": {h.code("new@example.com")}}, "")
	u := h.lastLink("postern.address-undo")
	want(t, h.browser().post(issuer+"/account/undo", u.Query()), http.StatusOK, "")
	b = h.fresh(h.who)
	pageShows(t, b.open("/account"), http.StatusOK, "Some ways to sign in are refused")
	pageShows(t, b.open("/account/security"), http.StatusOK, "Everything here is mine")
	b.done("/account/thaw", url.Values{}, "Every way to sign in works again.")
	if body := pageShows(t, b.open("/account"), http.StatusOK); strings.Contains(body, "refused") {
		t.Errorf("still frozen:\n%s", body)
	}
}

// TestAccountPage_LastAddress: the only address by which an account is found has no "Remove", and a second one has.
func TestAccountPage_LastAddress(t *testing.T) {
	h := newHome(t, func(_ *home, c *postern.Config) { withOpened(c) })
	form := `action="` + issuer + `/account/remove-address"`
	b := h.browser()
	open(b, "eve@example.com")
	if w := b.open("/account"); w.Code != http.StatusOK || strings.Contains(w.Body.String(), form) {
		t.Errorf("the only one: %d\n%s", w.Code, w.Body)
	}
	if err := h.dir.AddAddress(t.Context(), h.idOf(b), "new@example.com", users.Extra{}); err != nil {
		t.Fatal(err)
	}
	pageShows(t, b.open("/account"), http.StatusOK, form)
	pageShows(t, h.fresh(h.who).open("/account"), http.StatusOK, form) // an account at another site is left
}
