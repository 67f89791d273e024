package postern_test

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/users"
)

// TestA11_Racers: at the same moment people sign in by providers that have not verified an address, by providers that
// have, and by a mailed code. The address has one owner, who proved it; who did not has a note of it.
func TestA11_Racers(t *testing.T) {
	h := newHome(t, func(h *home, c *postern.Config) {
		for kind, verified := range map[string]bool{"noted": false, "verified": true} {
			for i := range 33 {
				who := at(fmt.Sprint(kind, i), anns, verified)
				c.Providers[fmt.Sprint(kind, i)] = door{identity: func(*http.Request) postern.Identity { return who }}
			}
		}
	})
	var racers, ready sync.WaitGroup
	ready.Add(1)
	for i := range 33 {
		for _, kind := range []string{"noted", "verified"} {
			name := fmt.Sprint(kind, i)
			b := h.browser()
			to, err := url.Parse(b.get(issuer + "/" + name + "/authorize").Header().Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			racers.Go(func() {
				ready.Wait()
				b.Do(b.Request("GET", to.Query().Get("redirect_uri")+"?"+url.Values{"state": {to.Query().Get("state")}, "code": {"x"}}.Encode(), nil))
			})
		}
	}
	for range 4 { // as many mails as an address gets in an hour
		b := h.browser()
		w := b.post(issuer+"/sign-up", url.Values{"email": {anns}})
		st, code := state(t, w), h.code(anns)
		racers.Go(func() {
			ready.Wait()
			b.Do(b.Request("POST", issuer+"/sign-up/code", url.Values{"state": {st}, "code": {code}}))
		})
	}
	ready.Done()
	racers.Wait()
	owner, err := h.dir.Find(t.Context(), postern.Identity{Issuer: postern.MailIssuer, Subject: anns})
	if err != nil {
		t.Fatal(err)
	}
	verified, noted := 0, 0
	for u, err := range h.dir.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range u.Addresses {
			switch {
			case a.Verified && u.ID == owner:
				verified++
			case a.Verified:
				t.Errorf("%s has the address of %s", u.ID, owner)
			case u.ID == owner:
				t.Errorf("the owner has a note: %+v", u)
			default:
				noted++
			}
		}
	}
	if verified != 1 || noted != 33 {
		t.Errorf("%d owners, %d notes", verified, noted)
	}
}

// TestA4_AddressOfAProvider: whatever letter case a provider writes, an address is one address: in a table of the
// program too.
func TestA4_AddressOfAProvider(t *testing.T) {
	h := newHouse(t)
	h.signIn(h.browser(), at("ada", "ada@example.com", true))
	want(t, h.signIn(h.browser(), at("ada-2", "Ada@Example.COM", true)), http.StatusConflict, "account_exists")
	h.signIn(h.browser(), at("bob", "Bob@Example.COM", true))
	if id, err := h.table.Find(t.Context(), postern.Identity{Issuer: postern.MailIssuer, Subject: "bob@example.com"}); err != nil || h.table.count() != 2 {
		t.Errorf("%q %v, %d users", id, err, h.table.count())
	}
}

// vouching is a door that says which issuer its identities have.
type vouching struct{ knows }

func (vouching) Issues(issuer string) bool { return issuer == "https://door.example" }

// TestS11_IdentityOfAnotherSystem: an identity that was imported has the name of no provider. It is recognized by its
// issuer: for a step-up, in the account, and as a way to sign in.
func TestS11_IdentityOfAnotherSystem(t *testing.T) {
	h := newHome(t, func(h *home, c *postern.Config) {
		c.Providers = map[string]postern.Provider{"door": vouching{knows{h.house}}}
	})
	_, err := h.dir.Import(t.Context(), "elsewhere", func(yield func(users.Imported, error) bool) {
		yield(users.Imported{ID: "1", Addresses: []postern.Address{{Type: "email", Value: "ada@example.com", Verified: true}},
			Identities: []postern.Identity{{Issuer: "https://door.example", Subject: "ada"}}}, nil)
	}, users.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b := h.browser()
	h.signIn(b, h.who)
	if list := h.identities(b).Identities; len(list) != 1 || list[0].Provider != "door" {
		t.Errorf("%+v", list)
	}
	want(t, b.get(issuer+"/step-up/code"), http.StatusNotFound, "not_found") // there is a stronger proof
	h.stepUp(b, h.who)
	answered(t, b.json("DELETE", "/account/addresses/"+h.addressID(b, "ada@example.com"), ""), http.StatusNoContent, "")
	answered(t, b.json("DELETE", "/account/identities/"+h.identities(b).Identities[0].ID, ""), http.StatusConflict, "last_way")
}

// TestA3_JoinByEveryAddress: an identity may have several verified addresses. The owner of any of them is asked to sign
// in first.
func TestA3_JoinByEveryAddress(t *testing.T) {
	h := newHome(t)
	h.signIn(h.browser(), h.who)
	second := at("ada-2", "new@example.com", true)
	second.Addresses = append(second.Addresses, postern.Address{Type: "email", Value: "ada@example.com", Verified: true})
	ada, b := h.who, h.browser()
	want(t, h.signIn(b, second), http.StatusConflict, "account_exists")
	w := h.signIn(b, ada)
	want(t, b.post(issuer+"/join", url.Values{"state": {state(t, w)}, "choice": {"add"}}), http.StatusSeeOther, "")
	id, err := h.dir.Find(t.Context(), second)
	if err != nil || id != h.idOf(b) {
		t.Errorf("%q %v", id, err)
	}
}
