package postern_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// movers is a table of users who can change their addresses.
type movers struct {
	*table
	fails int // so many calls fail
}

func (m *movers) ChangeAddress(_ context.Context, userID string, c postern.AddressChange) error {
	defer m.lock()()
	if m.fails > 0 {
		m.fails--
		return errors.New("the table is away")
	}
	key := func(a string) string { return postern.Identity{Issuer: postern.MailIssuer, Subject: a}.Key() }
	if owner := m.byKey[key(c.New)]; c.New != "" && owner != "" && owner != userID {
		return postern.ErrTaken
	}
	p := &m.rows[userID].Person
	p.Addresses = slices.DeleteFunc(slices.Clone(p.Addresses), func(a postern.Address) bool { return a.Value == c.Old || a.Value == c.New })
	delete(m.byKey, key(c.Old))
	if c.New != "" {
		p.Addresses = append(p.Addresses, postern.Address{Type: "email", Value: c.New, Verified: true})
		m.byKey[key(c.New)] = userID
	}
	return nil
}

func newMovers(t *testing.T) (*house, *movers) {
	m := &movers{table: newTable()}
	h := newHouseOf(t, func(*session.Sessions, store.Store) postern.Users { return m }, func(h *house, _ *postern.Config) { h.table = m.table })
	return h, m
}

// lastLink returns the URL in the last mail of a name.
func (h *house) lastLink(name string) *url.URL {
	h.t.Helper()
	for _, m := range slices.Backward(h.mails.All()) {
		if m.Name == name {
			u, err := url.Parse(m.Arg("link"))
			if err != nil || u.Path == "" {
				h.t.Fatal(err, m)
			}
			return u
		}
	}
	h.t.Fatalf("no mail %s in %v", name, h.names())
	return nil
}

// A table of the program gets the same undo: what Postern keeps is in its own store. A call of the table that fails
// leaves the code as good as it was.
func TestA14_UndoInATable(t *testing.T) {
	h, m := newMovers(t)
	b := h.browser()
	h.signIn(b, h.who)
	h.who.AuthTime = h.Now()
	h.through(b, h.who, issuer+"/step-up/door")
	answered(t, b.json("POST", "/account/addresses", `{"address":"new@example.com"}`), http.StatusAccepted, "")
	m.fails = 1
	confirm := `{"code":"` + h.code("new@example.com") + `"}`
	answered(t, b.json("POST", "/account/addresses/confirm", confirm), http.StatusServiceUnavailable, "temporarily_unavailable")
	answered(t, b.json("POST", "/account/addresses/confirm", confirm), http.StatusNoContent, "")
	answered(t, b.json("POST", "/account/addresses/confirm", confirm), http.StatusNoContent, "")
	id := ""
	for _, a := range decoded[account](t, b.json("GET", "/account", "")).Addresses {
		if a.Value == "ada@example.com" {
			id = a.ID
		}
	}
	answered(t, b.json("DELETE", "/account/addresses/"+id, ""), http.StatusNoContent, "")
	u := h.lastLink("postern.address-undo")
	other := at("evil", "", false)
	other.Provider = "other"
	if err := m.Link(t.Context(), "user-1", other); err != nil { // a way in that came after it
		t.Fatal(err)
	}
	want(t, h.browser().post(issuer+"/account/undo", u.Query()), http.StatusOK, "change was undone")
	answered(t, b.json("GET", "/account", ""), http.StatusUnauthorized, "not_signed_in")
	want(t, h.signIn(h.browser(), other), http.StatusForbidden, "account_frozen")
	want(t, h.signIn(h.browser(), at("ada", "", false)), http.StatusSeeOther, "")
	h.Advance(8 * 24 * time.Hour)
	want(t, h.browser().get(u.String()), http.StatusBadRequest, "does not work")
}

// An account of a table that had nothing but the mailbox gets it back.
func TestA14_UndoInATableOfMailboxes(t *testing.T) {
	h, m := newMovers(t)
	b := h.browser()
	h.signIn(b, mailbox("ada@example.com"))
	m.edit("user-1", func(p *postern.Person) {
		p.Addresses = []postern.Address{{Type: "email", Value: "ada@example.com", Verified: true}}
	})
	m.rows["user-1"].ids = nil
	page := b.get(issuer + "/step-up/code")
	want(t, b.post(issuer+"/step-up/code", url.Values{"state": {state(t, page)}, "code": {h.code("ada@example.com")}}), http.StatusSeeOther, "")
	id := decoded[account](t, b.json("GET", "/account", "")).Addresses[0].ID
	answered(t, b.json("POST", "/account/addresses", `{"address":"thief@example.com","replace":"`+id+`"}`), http.StatusAccepted, "")
	answered(t, b.json("POST", "/account/addresses/confirm", `{"code":"`+h.code("thief@example.com")+`"}`), http.StatusNoContent, "")
	u := h.lastLink("postern.address-undo")
	m.fails = 1
	want(t, h.browser().post(issuer+"/account/undo", u.Query()), http.StatusServiceUnavailable, "")
	want(t, h.browser().post(issuer+"/account/undo", u.Query()), http.StatusOK, "your address is back")
	want(t, h.signIn(h.browser(), mailbox("ada@example.com")), http.StatusSeeOther, "")
	if u, err := m.Find(t.Context(), mailbox("thief@example.com")); err == nil {
		t.Errorf("the thief's address finds %s", u)
	}
	if p, err := m.Get(t.Context(), "user-1"); err != nil || strings.Join(slices.Collect(values(p)), " ") != "ada@example.com" {
		t.Errorf("%+v %v", p, err)
	}
}

func values(p postern.Person) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, a := range p.Addresses {
			if !yield(a.Value) {
				return
			}
		}
	}
}
