package postern

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/mailaddr"
)

// An identity is added to a user in two ways, and in both the person has signed in on both sides. From the account
// page: a fresh session, the other site, and a page that names what will be added. From a sign-in with a new identity
// whose verified address belongs to a user: that user signs in in the same browser, and then sees the same page.

// No provider can have these names.
const (
	flowLink = "/link"
	flowJoin = "/join"
)

// linkState is an identity on its way to a user, as the attempt keeps it.
type linkState struct {
	Issuer   string `json:"i"`
	Subject  string `json:"s"`
	Provider string `json:"p"`
	Address  string `json:"a,omitempty"` // verified by the provider
}

func linkOf(id Identity) linkState {
	address, _ := id.Email()
	return linkState{id.Issuer, id.Subject, id.Provider, address}
}

func (s linkState) identity() Identity {
	id := Identity{Issuer: s.Issuer, Subject: s.Subject, Provider: s.Provider}
	if s.Address != "" {
		id.Addresses = []Address{{Type: "email", Value: s.Address, Verified: true}}
	}
	return id
}

// beginLink sends a person to a provider, to add an identity there to their account. The session must be fresh.
func (a *Auth) beginLink(w http.ResponseWriter, r *http.Request, name string) error {
	if _, err := a.returnFor(r); err != nil {
		return err
	}
	l, h, answered, err := a.freshSession(w, r)
	if answered || err != nil {
		return err
	}
	if _, ok := a.session.users.(Linker); !ok {
		return errNotFound()
	}
	x := exchangeOf(r)
	x.purpose, x.whose = purposeLink, whose{User: l.subject, Session: l.id, Sec: h.Sec}
	return a.authorizeBy(w, r, name)
}

// endLink shows what a callback would add to the account of the session that began it. Nothing is added yet.
func (a *Auth) endLink(w http.ResponseWriter, r *http.Request, in *SignIn, who whose) error {
	ctx := r.Context()
	if in.Identity.Issuer == "" || in.Identity.Issuer == MailIssuer || in.Identity.Issuer == NameIssuer {
		return errPurpose() // an address is added by a mailed code, in the account
	}
	if err := a.sameSession(w, r, who); err != nil {
		return err
	}
	switch u, err := a.session.users.Find(ctx, in.Identity); {
	case err == nil && u == who.User:
		return nil // linked already: on to where it leads
	case err == nil:
		return Deny("identity_taken", "That account at the other site belongs to another account here. Nothing was changed.")
	case !errors.Is(err, ErrNoUser):
		return unavailable(fmt.Errorf("postern: Users.Find: %w", err))
	}
	x := exchangeOf(r)
	x.whose = who
	t, err := a.beginOwn(w, r, in.Return, flowLink, purposeLink, linkOf(in.Identity))
	if err != nil {
		return err
	}
	a.show(w, r, a.linkPage(t, "/link", linkOf(in.Identity)))
	return nil
}

// sameSession checks that the request has the session that began an attempt, and that nothing ended it since.
func (a *Auth) sameSession(w http.ResponseWriter, r *http.Request, who whose) error {
	l, ok := a.session.current(w, r)
	if !ok {
		return errAnswered
	}
	if l.id != who.Session || l.subject != who.User {
		return Deny("other_session", "This browser has another session now. Nothing was changed. Please start again.")
	}
	h, err := head.Get(r.Context(), a.store, a.session.pool, who.User)
	if err != nil {
		return unavailable(err)
	}
	if h.Sec != who.Sec || h.Gone != "" {
		return errChanged()
	}
	return nil
}

// linkPage names what will be added, with a button.
func (a *Auth) linkPage(t *attempt, path string, s linkState) Page {
	p := Page{
		Name: "postern.link", Title: "Add {site} to your account?", Args: map[string]any{"provider": s.Provider, "site": a.wayOf(s.Provider), "address": ""},
		Text: "You will be able to sign in with your {site} account.",
		Forms: []Form{
			{Name: "add", Action: a.issuer + path, Hidden: map[string]string{"state": t.ID, "choice": "add"}, Submit: "Add {site}"},
			{Name: "skip", Action: a.issuer + path, Hidden: map[string]string{"state": t.ID, "choice": "skip"}, Submit: "Do not add it"},
		},
	}
	if address, err := mailaddr.Parse(s.Address); err == nil {
		p.Text, p.Args["address"] = "You will be able to sign in with your {site} account with {address}.", address.Mask()
	}
	return p
}

// chosenToAdd returns which of the two buttons of linkPage was pressed. A form without an answer does nothing.
func chosenToAdd(r *http.Request) (bool, error) {
	switch r.PostForm.Get("choice") {
	case "add":
		return true, nil
	case "skip":
		return false, nil
	}
	return false, badRequest("invalid_request", "The form is not complete. Please start again.")
}

// postLink adds an identity, after the person has seen which.
func (a *Auth) postLink(w http.ResponseWriter, r *http.Request) error {
	if err := knownMembers(r, "state", "choice"); err != nil {
		return err
	}
	add, err := chosenToAdd(r)
	if err != nil {
		return err
	}
	t, err := a.attempts.find(r, flowLink)
	if err != nil {
		return err
	}
	var s linkState
	if err := json.Unmarshal(t.Provider, &s); t.Purpose != purposeLink || err != nil {
		return errPurpose()
	}
	if err := a.sameSession(w, r, t.Whose); err != nil {
		return err
	}
	if e := a.burn(r, t); e != nil {
		return e
	}
	a.attempts.clear(w, t)
	if add {
		if err := a.link(r.Context(), t.Whose.User, t.Whose.Sec, s); err != nil {
			return err
		}
	}
	exchangeOf(r).attempt = t
	return a.leave(w, t)
}

// link adds an identity to a user and mails a notice to every verified address. The session was checked when the head
// had the number sec.
func (a *Auth) link(ctx context.Context, userID string, sec int64, s linkState) error {
	linker, ok := a.session.users.(Linker)
	if !ok {
		return errNotFound()
	}
	before, err := a.snapshot(ctx, userID)
	if err != nil {
		return err
	}
	switch err := linker.Link(head.Bind(ctx, userID, sec), userID, s.identity()); {
	case errors.Is(err, ErrTaken):
		return Deny("identity_taken", "That account at the other site belongs to another account here. Nothing was changed.")
	case err != nil:
		return unavailableUsers("Users.Link", err)
	}
	a.emitOf(ctx, Event{Name: "identity linked", UserID: userID, Provider: s.Provider})
	n := noticeOfLink(s.Provider, a.wayOf(s.Provider))
	n.before = before
	a.notifyOf(ctx, userID, n)
	return nil
}

// offerJoin answers a new identity whose verified address belongs to a user. No user is made, and nothing is added: the
// owner of that account must sign in to it first, in this browser.
func (a *Auth) offerJoin(w http.ResponseWriter, r *http.Request, in *SignIn, userID, address string) error {
	if _, ok := a.session.users.(Linker); !ok {
		return errAddressTaken()
	}
	h, err := head.Get(r.Context(), a.store, a.session.pool, userID)
	if err != nil {
		return unavailable(err)
	}
	if h.Gone == head.Disabled {
		return Deny("account_disabled", "This account is disabled. Please ask the people who run this site.")
	}
	x := exchangeOf(r)
	x.whose = whose{User: userID, Sec: h.Sec}
	join := linkOf(in.Identity)
	join.Address = address // the one by which the user was found
	if _, err := a.beginOwn(w, r, in.Return, flowJoin, purposeJoin, join); err != nil {
		return err
	}
	q := query(in.Return).Encode()
	if q != "" {
		q = "?" + q
	}
	masked := ""
	if m, err := mailaddr.Parse(address); err == nil {
		masked = m.Mask()
	}
	a.show(w, r, Page{
		Status: http.StatusConflict, Name: "postern.account-exists", Title: "You have an account already",
		Args:  map[string]any{"provider": in.Identity.Provider, "site": a.wayOf(in.Identity.Provider), "address": masked},
		Text:  "An account has the address {address}. Sign in to it the way you did before. You can then add {site} to it.",
		Code:  "account_exists",
		Links: []Link{{Name: "sign-in", Text: "Sign in to my account", URL: a.issuer + "/authorize" + q}},
	})
	return nil
}

// joining returns the attempt by which this browser wants to add an identity to the user who has just signed in.
func (a *Auth) joining(r *http.Request, in *SignIn, h head.Head) (*attempt, linkState) {
	var s linkState
	t := a.attempts.newest(r, flowJoin)
	if t == nil || t.Purpose != purposeJoin || t.Whose.User != in.UserID || t.Whose.Sec != h.Sec || json.Unmarshal(t.Provider, &s) != nil {
		return nil, s
	}
	if s.Issuer == in.Identity.Issuer && s.Subject == in.Identity.Subject {
		return nil, s
	}
	return t, s
}

// askJoin lets a sign-in wait for the answer whether an identity is added, where one is to be. waits reports that the
// request is answered.
func (a *Auth) askJoin(w http.ResponseWriter, r *http.Request, in *SignIn, h head.Head) (waits bool, err error) {
	t, s := a.joining(r, in, h)
	if t == nil {
		return false, nil
	}
	a.attempts.clear(w, t)
	wait, err := a.wait(w, r, in, h, waitRow{For: waitJoin, Join: s})
	if err != nil {
		return false, err
	}
	a.show(w, r, a.linkPage(wait, "/join", s))
	return true, nil
}

// postJoin ends a sign-in that waited for the answer whether an identity is added.
func (a *Auth) postJoin(w http.ResponseWriter, r *http.Request) error {
	if err := knownMembers(r, "state", "choice"); err != nil {
		return err
	}
	add, err := chosenToAdd(r)
	if err != nil {
		return err
	}
	wt, err := a.findWaiting(r, waitJoin)
	if err != nil {
		return err
	}
	if err := a.useWaiting(r, wt, wt.head.Check()); err != nil {
		return err
	}
	in, s := wt.signIn(), wt.row.Join
	if add {
		// The address must still be that of the user: its owner may be another by now.
		if u, err := a.session.users.Find(r.Context(), mailIdentity(s.Address)); err != nil || u != in.UserID {
			if err != nil && !errors.Is(err, ErrNoUser) {
				return unavailable(fmt.Errorf("postern: Users.Find: %w", err))
			}
			return errChanged()
		}
		if err := a.link(r.Context(), in.UserID, wt.row.Sec, s); err != nil {
			return err
		}
	}
	a.goOn(w, r, wt, in, wt.row.Sec)
	return nil
}
