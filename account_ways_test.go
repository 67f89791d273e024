package postern_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/users"
)

type sessionList struct {
	Sessions []struct {
		ID      string
		Current bool
	}
	Next string
}

func TestAccount_Sessions(t *testing.T) {
	h := newHome(t)
	one, two := h.fresh(h.who), h.browser()
	h.signIn(two, h.who)
	eve := h.fresh(at("eve", "eve@example.com", true))
	h.who = at("ada", "ada@example.com", true)
	mine, _ := h.session(one)
	other, _ := h.session(two)
	list := decoded[sessionList](t, one.json("GET", "/account/sessions", ""))
	if len(list.Sessions) != 2 {
		t.Fatalf("%+v", list)
	}
	for _, s := range list.Sessions {
		if s.Current != (s.ID == mine.ID) {
			t.Errorf("%+v", s)
		}
	}
	answered(t, one.json("GET", "/account/sessions?after=x", ""), http.StatusBadRequest, "invalid_cursor")
	// R3: a session of another person is as one that does not exist.
	answered(t, eve.json("DELETE", "/account/sessions/"+other.ID, ""), http.StatusNotFound, "not_found")
	answered(t, eve.json("DELETE", "/account/sessions/nothing", ""), http.StatusNotFound, "not_found")
	answered(t, two.json("DELETE", "/account/sessions/"+mine.ID, ""), http.StatusUnauthorized, "insufficient_user_authentication")
	answered(t, one.json("DELETE", "/account/sessions/"+other.ID, ""), http.StatusNoContent, "")
	answered(t, two.json("GET", "/account", ""), http.StatusUnauthorized, "not_signed_in")
	h.signIn(two, h.who)
	answered(t, one.json("DELETE", "/account/sessions", ""), http.StatusNoContent, "")
	answered(t, two.json("GET", "/account", ""), http.StatusUnauthorized, "not_signed_in")
	answered(t, one.json("GET", "/account", ""), http.StatusOK, "")
	answered(t, eve.json("GET", "/account", ""), http.StatusOK, "")
}

// submit posts a form of a page of the issuer, which opens in the window.
func (b *browser) submit(path string) *httptest.ResponseRecorder {
	r := b.Request("POST", issuer+path, url.Values{})
	r.Header.Set("Sec-Fetch-Dest", "document")
	return b.do(r)
}

type identityList struct {
	Identities []struct{ ID, Provider, Issuer string }
}

func (h *home) identities(b *browser) identityList {
	h.t.Helper()
	w := b.json("GET", "/account/identities", "")
	answered(h.t, w, http.StatusOK, "")
	return decoded[identityList](h.t, w)
}

// link adds a second identity by the account, over the page that names it.
func (h *home) link(b *browser, second postern.Identity) {
	h.t.Helper()
	h.who = second
	w := b.submit("/account/identities/other")
	to, err := url.Parse(b.landing(w))
	if err != nil || to.Query().Get("redirect_uri") == "" {
		h.t.Fatalf("link: %d %s", w.Code, w.Body)
	}
	w = b.get(to.Query().Get("redirect_uri") + "?" + url.Values{"state": {to.Query().Get("state")}, "code": {"c0de"}}.Encode())
	want(h.t, w, http.StatusOK, "to your account?")
	if n := len(h.identities(b).Identities); n != 1 {
		h.t.Errorf("%d identities before the page was answered", n)
	}
	want(h.t, b.post(issuer+"/link", url.Values{"state": {state(h.t, w)}, "choice": {"add"}}), http.StatusSeeOther, "")
}

func TestAccount_LinkAndUnlink(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	h.signIn(b, h.who)
	want(t, b.submit("/account/identities/other"), http.StatusUnauthorized, "insufficient_user_authentication")
	h.stepUp(b, h.who)
	answered(t, b.json("DELETE", "/account/identities/nothing", ""), http.StatusNotFound, "not_found")
	want(t, b.submit("/account/identities/nobody"), http.StatusNotFound, "not_found")
	h.link(b, at("ada2", "", false))
	list := h.identities(b)
	if len(list.Identities) != 2 || list.Identities[1].Provider != "other" {
		t.Fatalf("%+v", list)
	}
	// A way in that is removed moves "sec": every other session ends, and this one goes on under another id.
	old, other := b.Clone(), h.browser()
	h.signIn(other, at("ada", "ada@example.com", true))
	before, _ := h.session(b)
	answered(t, b.json("DELETE", "/account/identities/"+list.Identities[1].ID, ""), http.StatusNoContent, "")
	after, ok := h.session(b)
	if !ok || after.ID == before.ID || after.Subject != before.Subject {
		t.Errorf("after: %+v %v", after, ok)
	}
	answered(t, b.json("GET", "/account", ""), http.StatusOK, "")
	answered(t, other.json("GET", "/account", ""), http.StatusUnauthorized, "not_signed_in")
	answered(t, (&browser{Browser: old, v: b.v, secure: true}).json("GET", "/account", ""), http.StatusUnauthorized, "not_signed_in")
	if n := h.names(); !strings.HasSuffix(n[len(n)-1], "identity-unlinked") {
		t.Errorf("mails: %v", n)
	}
}

// TestA15_AccountKeepsAWay: of 100 requests at once that remove the ways in, one stays.
func TestA15_AccountKeepsAWay(t *testing.T) {
	h := newHome(t)
	who := at("ada", "", false) // no address: identities are the only ways
	h.who = who
	b := h.fresh(who)
	h.link(b, at("ada2", "", false))
	list := h.identities(b)
	var racers sync.WaitGroup
	var mu sync.Mutex
	codes := map[int]int{}
	token := b.access()
	for i := range 100 {
		racers.Go(func() {
			r := b.Request("DELETE", issuer+"/account/identities/"+list.Identities[i%2].ID, nil)
			r.Header.Set("Authorization", "Bearer "+token)
			w := h.browser().do(r)
			mu.Lock()
			defer mu.Unlock()
			codes[w.Code]++
		})
	}
	racers.Wait()
	u, err := h.dir.User(t.Context(), h.userID(who, at("ada2", "", false)))
	if err != nil || len(u.Identities) != 1 || codes[http.StatusNoContent] == 0 {
		t.Errorf("%d identities left, %v, %v", len(u.Identities), codes, err)
	}
}

// userID finds the user who has one of some identities.
func (h *home) userID(ids ...postern.Identity) string {
	h.t.Helper()
	for _, id := range ids {
		if u, err := h.dir.Find(h.t.Context(), id); err == nil {
			return u
		}
	}
	h.t.Fatal("no user")
	return ""
}

func TestA15_LastWay(t *testing.T) {
	h := newHome(t)
	h.who = at("ada", "", false)
	b := h.fresh(h.who)
	answered(t, b.json("DELETE", "/account/identities/"+h.identities(b).Identities[0].ID, ""), http.StatusConflict, "last_way")
	if len(h.identities(b).Identities) != 1 {
		t.Error("the last way was removed")
	}
}

// TestA13_SwappedSession: the session is another one between the start of a link and its end.
func TestA13_SwappedSession(t *testing.T) {
	h := newHome(t)
	b := h.fresh(h.who)
	ada := h.idOf(b)
	h.who = at("stray", "", false)
	w := b.submit("/account/identities/other")
	to, _ := url.Parse(b.landing(w))
	h.signIn(b, at("eve", "eve@example.com", true)) // in the same browser
	h.who = at("stray", "", false)
	want(t, b.get(to.Query().Get("redirect_uri")+"?"+url.Values{"state": {to.Query().Get("state")}, "code": {"c0de"}}.Encode()), http.StatusForbidden, "other_session")
	if _, err := h.dir.Find(t.Context(), h.who); err == nil {
		t.Error("the identity was linked")
	}
	// An identity of another user is never moved.
	a := h.fresh(at("ada", "ada@example.com", true))
	h.who = at("eve", "eve@example.com", true)
	w = a.submit("/account/identities/door")
	to, _ = url.Parse(a.landing(w))
	want(t, a.get(to.Query().Get("redirect_uri")+"?"+url.Values{"state": {to.Query().Get("state")}, "code": {"c0de"}}.Encode()), http.StatusForbidden, "identity_taken")
	if u := h.userID(h.who); u == ada {
		t.Error("the identity was moved")
	}
}

func (h *home) addressID(b *browser, value string) string {
	h.t.Helper()
	for _, a := range decoded[account](h.t, b.json("GET", "/account", "")).Addresses {
		if a.Value == value {
			return a.ID
		}
	}
	h.t.Fatalf("no address %s", value)
	return ""
}

func TestAccount_AddAddress(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	h.signIn(b, h.who)
	add := `{"address":"Ada@new.example"}`
	answered(t, b.json("POST", "/account/addresses", add), http.StatusUnauthorized, "insufficient_user_authentication") // A6
	h.stepUp(b, h.who)
	answered(t, b.json("POST", "/account/addresses", `{"address":"x"}`), http.StatusBadRequest, "invalid_address")
	answered(t, b.json("POST", "/account/addresses", `{"address":"a@x.example","verified":true}`), http.StatusBadRequest, "unknown_member")
	answered(t, b.json("POST", "/account/addresses", `{"address":"a@x.example","replace":"nothing"}`), http.StatusBadRequest, "invalid_address")
	answered(t, b.json("POST", "/account/addresses/confirm", `{"code":"12345678"}`), http.StatusBadRequest, "expired_code")
	answered(t, b.json("POST", "/account/addresses", add), http.StatusAccepted, "")
	code := h.code("ada@new.example")
	if got := strings.Join(h.names(), ", "); !strings.Contains(got, "ada@new.example new-address, ada@example.com address-change") {
		t.Errorf("mails: %s", got)
	}
	// The code counts in the session that asked, and nowhere else.
	other := h.fresh(at("ada", "ada@example.com", true))
	answered(t, other.json("POST", "/account/addresses/confirm", `{"code":"`+code+`"}`), http.StatusBadRequest, "expired_code")
	wrong := "00000000"
	if code == wrong {
		wrong = "11111111"
	}
	answered(t, b.json("POST", "/account/addresses/confirm", `{"code":"`+wrong+`"}`), http.StatusBadRequest, "wrong_code")
	answered(t, b.json("POST", "/account/addresses/confirm", `{"code":"`+code+`"}`), http.StatusNoContent, "")
	answered(t, b.json("POST", "/account/addresses/confirm", `{"code":"`+code+`"}`), http.StatusNoContent, "") // it is done
	if u := h.userID(mailbox("ada@new.example")); u != h.idOf(b) {
		t.Errorf("the address belongs to %s", u)
	}
	answered(t, b.json("DELETE", "/account/addresses/"+h.addressID(b, "ada@example.com"), ""), http.StatusNoContent, "")
	answered(t, b.json("GET", "/account", ""), http.StatusOK, "")
	answered(t, other.json("GET", "/account", ""), http.StatusUnauthorized, "not_signed_in")
	answered(t, b.json("DELETE", "/account/addresses/nothing", ""), http.StatusNotFound, "not_found")
}

func mailbox(address string) postern.Identity {
	return postern.Identity{Issuer: postern.MailIssuer, Subject: address}
}

// TestA14_OldAddressAtOnce: after a change of the address the old one signs nobody in and cannot be registered, also
// days later; the owner of the old mailbox knew before.
func TestA14_OldAddressAtOnce(t *testing.T) {
	h := newHome(t)
	b := h.fresh(h.who)
	body := fmt.Sprintf(`{"address":"ada@new.example","replace":%q}`, h.addressID(b, "ada@example.com"))
	answered(t, b.json("POST", "/account/addresses", body), http.StatusAccepted, "")
	answered(t, b.json("POST", "/account/addresses/confirm", `{"code":"`+h.code("ada@new.example")+`"}`), http.StatusNoContent, "")
	answered(t, b.json("GET", "/account", ""), http.StatusOK, "") // under a new id
	if got := strings.Join(h.names(), ", "); !strings.Contains(got, "ada@example.com address-change,") || !strings.HasSuffix(got, "ada@example.com address-undo") {
		t.Errorf("mails: %s", got)
	}
	old := mailbox("ada@example.com")
	for _, later := range []time.Duration{0, 6 * 24 * time.Hour} {
		h.Advance(later)
		if _, err := h.dir.Find(t.Context(), old); err == nil {
			t.Errorf("%v later the old address finds the user", later)
		}
		if _, err := h.dir.Create(t.Context(), postern.SignUp{Identity: old}); err == nil {
			t.Errorf("%v later the old address was registered", later)
		}
	}
	h.Advance(25 * time.Hour)
	if _, err := h.dir.Create(t.Context(), postern.SignUp{Identity: old}); err != nil {
		t.Errorf("after seven days: %v", err)
	}
}

// TestA6_StopTheChange: the link in the notice stops a change and ends the sessions, by a page with a button.
func TestA6_StopTheChange(t *testing.T) {
	h := newHome(t)
	b := h.fresh(h.who)
	id := h.idOf(b)
	answered(t, b.json("POST", "/account/addresses", `{"address":"thief@evil.example"}`), http.StatusAccepted, "")
	code, link := h.code("thief@evil.example"), ""
	for _, m := range h.mails.All() {
		if l := m.Arg("link"); m.To == "ada@example.com" && l != "" {
			link = l
		}
	}
	owner := h.browser()
	want(t, owner.get(strings.Replace(link, "token=", "token=x", 1)), http.StatusBadRequest, "does not work")
	want(t, owner.get(link), http.StatusOK, "Stop the change")
	answered(t, b.json("GET", "/account", ""), http.StatusOK, "") // a program that opens links changes nothing
	u, _ := url.Parse(link)
	want(t, owner.post(issuer+"/account/stop", u.Query()), http.StatusOK, "The change was stopped")
	want(t, owner.post(issuer+"/account/stop", u.Query()), http.StatusBadRequest, "does not work")
	answered(t, b.json("GET", "/account", ""), http.StatusUnauthorized, "not_signed_in")
	b = h.fresh(at("ada", "ada@example.com", true))
	answered(t, b.json("POST", "/account/addresses/confirm", `{"code":"`+code+`"}`), http.StatusBadRequest, "expired_code")
	if _, err := h.dir.Find(t.Context(), mailbox("thief@evil.example")); err == nil || h.idOf(b) != id {
		t.Error("the address was added")
	}
}

// TestA8_AddressAnswersAlike: an address of another user has the same answer; its owner gets a notice, and no code.
func TestA8_AddressAnswersAlike(t *testing.T) {
	h := newHome(t)
	h.signIn(h.browser(), at("eve", "eve@example.com", true))
	b := h.fresh(at("ada", "ada@example.com", true))
	free := b.json("POST", "/account/addresses", `{"address":"new@example.com"}`)
	taken := b.json("POST", "/account/addresses", `{"address":"eve@example.com"}`)
	if free.Code != taken.Code || strings.ReplaceAll(free.Body.String(), "new@", "eve@") != taken.Body.String() {
		t.Errorf("%d %s\n%d %s", free.Code, free.Body, taken.Code, taken.Body)
	}
	for _, m := range h.mails.All() {
		if m.To == "eve@example.com" && m.Arg("code") != "" {
			t.Error("the owner got a code")
		}
	}
	answered(t, b.json("POST", "/account/addresses/confirm", `{"code":"12345678"}`), http.StatusBadRequest, "wrong_code")
}

// TestA16_DeleteAccount: after the answer nothing of the user works, and the address gets a new user.
func TestA16_DeleteAccount(t *testing.T) {
	h := newHome(t)
	b, other := h.fresh(h.who), h.browser()
	h.signIn(other, at("ada", "ada@example.com", true))
	id := h.idOf(b)
	answered(t, other.json("DELETE", "/account?confirm="+id, ""), http.StatusUnauthorized, "insufficient_user_authentication")
	for _, confirm := range []string{"", "?confirm=yes", "?confirm="} {
		answered(t, b.json("DELETE", "/account"+confirm, ""), http.StatusBadRequest, "confirm_required")
	}
	token := b.access()
	answered(t, b.json("DELETE", "/account?confirm="+id, ""), http.StatusNoContent, "")
	for _, was := range []*browser{b, other} {
		answered(t, was.json("GET", "/account", ""), http.StatusUnauthorized, "not_signed_in")
	}
	r := b.Request("GET", issuer+"/account", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	if w := h.browser().do(r); w.Code != http.StatusUnauthorized {
		t.Errorf("the token: %d %s", w.Code, w.Body)
	}
	h.signIn(b, at("ada", "ada@example.com", true))
	if again := h.idOf(b); again == id {
		t.Error("the id was used again")
	}
}

func TestAccount_History(t *testing.T) {
	h := newHome(t)
	b := h.fresh(h.who)
	h.Advance(time.Second)
	answered(t, b.json("PATCH", "/account", `{"name":"x"}`), http.StatusOK, "")
	events := func() (names []string) {
		w := b.json("GET", "/account/history", "")
		answered(t, w, http.StatusOK, "")
		for _, e := range decoded[struct{ Events []struct{ Event string } }](t, w).Events {
			names = append(names, e.Event)
		}
		return names
	}
	if got := strings.Join(events(), " "); !strings.HasPrefix(got, "account_changed") || !strings.Contains(got, "step-up") || !strings.Contains(got, "sign-in") {
		t.Errorf("%s", got)
	}
	for range 230 {
		h.Advance(time.Millisecond)
		answered(t, b.json("PATCH", "/account", `{"name":"x"}`), http.StatusOK, "")
	}
	if n := len(events()); n != 200 {
		t.Errorf("%d events, want 200", n)
	}
	h.Advance(91 * 24 * time.Hour)
	h.signIn(b, h.who)
	if got := events(); len(got) != 1 {
		t.Errorf("after 91 days: %v", got)
	}
}

// TestR7_AccountExport: the export is the allow-list, and holds no secret.
func TestR7_AccountExport(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	h.signIn(b, h.who)
	answered(t, b.json("GET", "/account/export", ""), http.StatusUnauthorized, "insufficient_user_authentication")
	h.stepUp(b, h.who)
	id := h.idOf(b)
	secret := "canary-of-the-application"
	if _, err := h.dir.Update(t.Context(), id, "", users.Fields{Data: []byte(`"` + secret + `"`)}); err != nil {
		t.Fatal(err)
	}
	w := b.json("GET", "/account/export", "")
	answered(t, w, http.StatusOK, "")
	out := decoded[struct {
		Account    account
		Identities []struct{ Subject string }
		Sessions   []struct{ ID string }
	}](t, w)
	if out.Account.ID != id || len(out.Identities) != 1 || out.Identities[0].Subject != "ada" || len(out.Sessions) == 0 {
		t.Errorf("%s", w.Body)
	}
	for name, value := range b.Cookies {
		if !isLast(name) && strings.Contains(w.Body.String(), value) {
			t.Error("a token is in the export")
		}
	}
	if strings.Contains(w.Body.String(), secret) {
		t.Error("data of the application are in the export")
	}
}

// TestAccount_DeedsStoreFails: in each deed each call of the store fails once. The answer is 503 or the deed is done,
// and repeating it ends well.
func TestAccount_DeedsStoreFails(t *testing.T) {
	h := newHome(t)
	b := h.fresh(h.who)
	for _, path := range []string{"/account/sessions", "/account/identities", "/account/history", "/account/export"} {
		h.eachFails(b, "GET", path, "")
	}
	h.eachFails(b, "DELETE", "/account/sessions", "")
	id := h.idOf(b)
	answered(t, b.json("DELETE", "/account?confirm="+id, ""), http.StatusNoContent, "")
	if _, err := h.dir.Get(context.Background(), id); err == nil {
		t.Error("the user exists")
	}
}
