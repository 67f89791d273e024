package postern_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// Of two requests with one ticket, one signs in, also where the second is done while the first writes.
func TestSignUp_ATicketRaces(t *testing.T) {
	h := newHome(t, func(_ *home, c *postern.Config) { c.Providers["enrol"] = enrolls{} })
	b := h.browser()
	w := apply(b, "ada@example.com")
	w = b.post(issuer+"/sign-up/code", url.Values{"state": {state(t, w)}, "code": {h.code("ada@example.com")}})
	st := state(t, w)
	other := &browser{Browser: b.Clone(), v: b.v, secure: true}
	meanwhile := &during{Store: h.store.Store, write: func() {
		want(t, other.post(issuer+"/enrol/sign-up", url.Values{"state": {st}}), http.StatusSeeOther, "/continue")
	}}
	h.store.Store = meanwhile
	want(t, b.post(issuer+"/enrol/sign-up", url.Values{"state": {st}}), http.StatusBadRequest, "used_state")
	if _, ok := h.session(b); ok || meanwhile.write != nil {
		t.Error("the second one is signed in too")
	}
}

// during calls a function before the first write of a ticket.
type during struct {
	store.Store
	write func()
}

func (s *during) Write(ctx context.Context, changes ...store.Change) error {
	if f := s.write; f != nil && slices.ContainsFunc(changes, func(c store.Change) bool { return c.Item.Key.ID == "used" }) {
		s.write = nil
		f()
	}
	return s.Store.Write(ctx, changes...)
}

// enrolls is a provider whose credential is a button.
type enrolls struct{}

func (enrolls) Handler(f *postern.Flow) http.Handler {
	return enrollHandler{f.Steps(map[string]http.HandlerFunc{"POST sign-up": func(w http.ResponseWriter, r *http.Request) {
		f.SignUp(w, r, postern.Credential{Methods: []string{"pwd"}})
	}}), f}
}

type enrollHandler struct {
	http.Handler
	f *postern.Flow
}

func (e enrollHandler) EnrollForm(state, _ string) *postern.Form {
	return &postern.Form{Action: e.f.URL("sign-up"), Hidden: map[string]string{"state": state}}
}

// opened is a provider that ends a sign-in without an attempt, as a mailed link does that is opened in another browser.
type opened struct{}

func (opened) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{"POST open": func(w http.ResponseWriter, r *http.Request) {
		address := r.PostForm.Get("address")
		f.Done(w, r, postern.Identity{Issuer: postern.MailIssuer, Subject: address, Addresses: []postern.Address{{Type: "email", Value: address, Verified: true}}}, "link")
	}})
}

func withOpened(c *postern.Config) { c.Providers["opened"] = opened{} }

func open(b *browser, address string) {
	b.post(issuer+"/opened/open", url.Values{"address": {address}})
}

// TestA14_TheNextOwnerIsAnotherUser: an address that its user has given up makes a new user, also where each sign-in
// comes from a mailed link that is opened in another browser.
func TestA14_TheNextOwnerIsAnotherUser(t *testing.T) {
	h := newHouse(t, func(_ *house, c *postern.Config) { withOpened(c) })
	b := h.browser()
	open(b, "old@example.com")
	if s, ok := h.session(b); !ok || s.Subject != "user-1" {
		t.Fatalf("session %+v", s)
	}
	h.table.edit("user-1", func(p *postern.Person) {
		p.Addresses[0].Value = "new@example.com"
		delete(h.table.byKey, postern.Identity{Issuer: postern.MailIssuer, Subject: "old@example.com"}.Key())
	})
	next := h.browser()
	open(next, "old@example.com")
	if s, ok := h.session(next); !ok || s.Subject == "user-1" {
		t.Errorf("the next owner of the address has session %+v", s)
	}
}

// TestA16_ADeletedUserSignsUpAgain: with a new id, also by a mailed link that is opened in another browser.
func TestA16_ADeletedUserSignsUpAgain(t *testing.T) {
	h := newHome(t, func(_ *home, c *postern.Config) { withOpened(c) })
	b := h.browser()
	open(b, "ada@example.com")
	first, ok := h.session(b)
	if !ok {
		t.Fatal("no session")
	}
	if err := h.dir.Delete(t.Context(), first.Subject, users.Extra{}); err != nil {
		t.Fatal(err)
	}
	h.Advance(30 * 24 * time.Hour)
	b = h.browser()
	open(b, "ada@example.com")
	if s, ok := h.session(b); !ok || s.Subject == first.Subject {
		t.Errorf("session %+v, the deleted user was %s", s, first.Subject)
	}
}

// TestR1_ALoweredInviterGivesNothing: an invitation is taken back when the roles of who made it change.
func TestR1_ALoweredInviterGivesNothing(t *testing.T) {
	h := newHome(t)
	boss, err := h.dir.Create(t.Context(), postern.SignUp{Identity: at("boss", "boss@example.com", true), Roles: []string{"editor"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, lowered := range []bool{false, true} {
		who := at("ada", "ada@example.com", true)
		if lowered {
			who = at("eve", "eve@example.com", true)
		}
		link, err := h.auth.Invite(t.Context(), postern.Invitation{Address: who.Addresses[0].Value, Roles: []string{"editor"}, By: boss})
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		if !lowered {
			want(t, h.signIn(h.browser(), who, "invitation", u.Query().Get("invitation")), http.StatusSeeOther, "https://app.example.com/")
			continue
		}
		if err := h.dir.SetRoles(t.Context(), boss, nil, users.Extra{}); err != nil {
			t.Fatal(err)
		}
		want(t, h.signIn(h.browser(), who, "invitation", u.Query().Get("invitation")), http.StatusBadRequest, "invalid_invitation")
	}
}

// TestA12_ProvidersHaveNoFlowOfTheHandler: the attempt of a provider, whatever its name and its state, is none of the
// pages of the handler itself.
func TestA12_ProvidersHaveNoFlowOfTheHandler(t *testing.T) {
	h := newHouse(t, func(h *house, c *postern.Config) {
		for _, name := range []string{"link", "join", "wait"} {
			c.Providers[name] = confusing{}
		}
	})
	b := h.browser()
	id := at("ada", "ada@example.com", true)
	h.signIn(b, id)
	id.AuthTime = h.Now()
	h.through(b, id, issuer+"/step-up/door")
	for _, name := range []string{"link", "join", "wait"} {
		w := b.submit("/account/identities/" + name)
		for _, page := range []string{"/link", "/join"} {
			want(t, b.post(issuer+page, url.Values{"state": {w.Body.String()}, "choice": {"add"}}), http.StatusBadRequest, "invalid_state")
		}
	}
	if ids, err := h.table.Identities(t.Context(), "user-1"); err != nil || len(ids) != 1 {
		t.Errorf("identities %v, %v", ids, err)
	}
}

// confusing is a provider whose state has the members of an identity that waits to be linked.
type confusing struct{}

func (confusing) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{"GET authorize": func(w http.ResponseWriter, r *http.Request) {
		id, err := f.Start(w, r, map[string]string{"i": "https://victim.example", "s": "1", "p": "door", "a": ""})
		if err != nil {
			f.Fail(w, r, err)
			return
		}
		_, _ = w.Write([]byte(id))
	}})
}

// An invitation gives its roles to a user who has its address, whatever the way in, and to nobody else.
func TestInvite_AUserWithACredential(t *testing.T) {
	h := newHome(t, func(_ *home, c *postern.Config) { c.Providers["pass"] = knowsUser{} })
	b := h.browser()
	h.signIn(b, at("ada", "ada@example.com", true))
	id := h.idOf(b)
	link, err := h.auth.Invite(t.Context(), postern.Invitation{Address: "ada@example.com", Roles: []string{"editor"}})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	h.signIn(h.browser(), at("eve", "eve@example.com", true))
	eve, err := h.dir.Find(t.Context(), at("eve", "", false))
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{eve, id} {
		b := h.browser()
		state := b.get(issuer + "/pass/authorize?user=" + user + "&" + u.RawQuery).Body.String()
		want(t, b.get(issuer+"/pass/callback?state="+state), http.StatusSeeOther, "https://app.example.com/")
		p, err := h.dir.User(t.Context(), user)
		if err != nil || (len(p.Roles) == 1) != (user == id) {
			t.Errorf("the roles of %s are %v, %v", user, p.Roles, err)
		}
	}
	want(t, h.signIn(h.browser(), at("bob", "ADA@example.com", true), "invitation", u.Query().Get("invitation")), http.StatusConflict, "You have an account already")
	link, err = h.auth.Invite(t.Context(), postern.Invitation{Address: "cara@example.com", Roles: []string{"editor"}})
	if err != nil {
		t.Fatal(err)
	}
	if u, err = url.Parse(link); err != nil {
		t.Fatal(err)
	}
	b = h.browser() // a provider may write the address in another letter case
	want(t, h.signIn(b, at("cara", "Cara@Example.com", true), "invitation", u.Query().Get("invitation")), http.StatusSeeOther, "https://app.example.com/")
	if s, ok := h.session(b); !ok || !slices.Equal(s.Roles, []string{"editor"}) {
		t.Errorf("session %+v", s)
	}
}

// knowsUser is a provider that knows whose credential it is, as package password does.
type knowsUser struct{}

func (knowsUser) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{
		"GET authorize": func(w http.ResponseWriter, r *http.Request) {
			id, err := f.Start(w, r, r.Form.Get("user"))
			if err != nil {
				f.Fail(w, r, err)
				return
			}
			_, _ = w.Write([]byte(id))
		},
		"GET callback": func(w http.ResponseWriter, r *http.Request) {
			var user string
			if err := f.Resume(w, r, &user); err != nil {
				f.Fail(w, r, err)
				return
			}
			f.DoneUser(w, r, user, "pwd")
		},
	})
}
