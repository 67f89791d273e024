package postern

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/strictjson"
	"github.com/posternauth/postern/store"
)

// An AddressChanger is a Users in which people can change their mail addresses: {base}/account/addresses. It may return
// an [*Error] to refuse; other errors, except ErrTaken and ErrNoUser, are answered with 503.
type AddressChanger interface {
	ChangeAddress(ctx context.Context, userID string, c AddressChange) error
}

// An AddressChange adds New, removes Old, or puts New in the place of Old.
type AddressChange struct {
	Old string // an address of the user; empty: New is added
	New string // proven by a code; empty: Old is removed

	// Also returns changes that belong to the same write, or an error that ends the change; nil: there are none. sec is
	// the number Sec of the head as it was read for this write.
	Also func(sec int64) ([]store.Change, error)

	// Offered are the ways to sign in of the handler. The last of them that the user has is not removed.
	Offered Offered
}

// changeLife is how long a change of an address waits for its code. The mailed code itself lives for ten minutes.
const changeLife = time.Hour

// A changeRow is a change of an address that waits for the code, sealed. A user has at most one: a new one replaces it.
type changeRow struct {
	ID      string `json:"id"` // of the code
	Old     string `json:"old,omitempty"`
	New     string `json:"new"`
	Sec     int64  `json:"sec"`
	Session string `json:"sid"`
	Stop    string `json:"stop"` // hash of the token of the link that stops it
}

func (a *Auth) changeKey(userID string) store.Key {
	return store.Key{Part: a.partOfUser(userID), ID: "change"}
}

// code is the attempt to which the mailed code belongs. It is never in a cookie.
func (c changeRow) code() *attempt { return &attempt{ID: c.ID, Purpose: "change"} }

func (a *Auth) readChange(ctx context.Context, userID string) (c changeRow, item store.Item, err error) {
	items, err := a.store.Get(ctx, a.changeKey(userID))
	if err != nil {
		return c, item, unavailable(err)
	}
	if len(items) == 0 || !items[0].Expires.IsZero() && !a.sessions.Now().Before(items[0].Expires) {
		return c, store.Item{Key: a.changeKey(userID)}, nil
	}
	if err := a.openRow(ctx, items[0], &c); err != nil {
		return c, item, unavailable(fmt.Errorf("postern: the row of a change does not open: %w", err))
	}
	return c, items[0], nil
}

// beginAddress mails a code to a new address, and a notice to the addresses that the person has. An address that
// belongs to another user gets a notice in place of the code; the answer is the same.
func (a *Auth) beginAddress(w http.ResponseWriter, r *http.Request, _ string) error {
	if _, ok := a.session.users.(AddressChanger); !ok || a.mail == nil {
		return errNotFound()
	}
	var body struct {
		Address strictjson.Text `json:"address"`
		Replace strictjson.Text `json:"replace"` // id of the address in whose place it comes
	}
	if err := a.readJSON(w, r, &body); err != nil {
		return err
	}
	l, h, err := a.freshOwner(w, r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	p, err := a.personOf(ctx, l)
	if err != nil {
		return err
	}
	address, ok := canonicalAddress(body.Address.Value)
	if !ok {
		return badRequest("invalid_address", "Please enter one email address, such as ann@example.com.")
	}
	c := changeRow{ID: rand.Text() + rand.Text(), New: address, Sec: h.Sec, Session: l.id}
	if body.Replace.Value != "" {
		old, ok := addressOfID(p, body.Replace.Value)
		if !ok || !old.Verified || old.Type != "email" {
			return badRequest("invalid_address", "The address to replace is not one of this account.")
		}
		c.Old = old.Value
	}
	if err := a.takeMail(r, address, ""); err != nil {
		return err
	}
	_, err = a.session.users.Find(ctx, mailIdentity(address))
	if err != nil && !errors.Is(err, ErrNoUser) {
		return unavailableUsers("Users.Find", err)
	}
	taken := err == nil
	stop := rand.Text() + rand.Text()
	c.Stop = head.Hash("stop", stop)
	if err := a.putChange(ctx, l.subject, c, h); err != nil {
		return err
	}
	code, err := a.newCode(ctx, c.code(), address, !taken)
	if err != nil {
		return err
	}
	m := a.verifyMail(r, address, code, "postern.new-address", "to add this address to your account")
	if taken {
		m = a.haveAccountMail(r, address)
	}
	if err := a.sendMail(ctx, m); err != nil {
		return err
	}
	link := a.issuer + "/account/stop?" + url.Values{"user": {l.subject}, "token": {stop}}.Encode()
	a.notify(ctx, l.subject, "postern.address-change", "Somebody who is signed in to your account at "+a.name+
		" asked to change its addresses. To stop it and to end all sessions, open this link:\n\n"+link, map[string]any{"link": link})
	a.emitOf(ctx, Event{Name: "address change begun", UserID: l.subject, Kind: a.session.name, SessionID: l.id})
	return answerJSON(w, http.StatusAccepted, map[string]any{"address": address, "expires_in": int(codeLife / time.Second)})
}

// putChange writes the change that waits, in the place of an earlier one.
func (a *Auth) putChange(ctx context.Context, userID string, c changeRow, h head.Head) error {
	_, item, err := a.readChange(ctx, userID)
	if err != nil {
		return err
	}
	if item.Value, err = a.sealRow(ctx, item.Key, c); err != nil {
		return unavailable(err)
	}
	item.Expires = a.sessions.Now().Add(changeLife)
	switch err := a.store.Write(ctx, store.Put(item), h.Check()); {
	case errors.Is(err, store.ErrConflict):
		return errChanged()
	case err != nil:
		return unavailable(err)
	}
	return nil
}

// confirmAddress takes the code of the newest mail, in the session that asked for it.
func (a *Auth) confirmAddress(w http.ResponseWriter, r *http.Request, _ string) error {
	changer, ok := a.session.users.(AddressChanger)
	if !ok {
		return errNotFound()
	}
	var body struct {
		Code strictjson.Text `json:"code"`
	}
	if err := a.readJSON(w, r, &body); err != nil {
		return err
	}
	l, h, err := a.freshOwner(w, r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	c, item, err := a.readChange(ctx, l.subject)
	switch {
	case err != nil:
		return err
	case c.ID == "" || c.Session != l.id:
		return errDeadCode
	case c.Sec != h.Sec:
		return errChanged()
	}
	if err := a.checkCode(r, c.code(), c.New, body.Code.Value); err != nil {
		return err
	}
	before, err := a.personOf(ctx, l)
	if err != nil {
		return err
	}
	if c.Old != "" {
		if err := a.endBefore(ctx, h); err != nil {
			return err
		}
	}
	err = changer.ChangeAddress(ctx, l.subject, AddressChange{Old: c.Old, New: c.New, Offered: a.offered(), Also: func(sec int64) ([]store.Change, error) {
		if sec != c.Sec {
			return nil, errChanged()
		}
		return []store.Change{store.Delete(item.Key, item.Version)}, nil
	}})
	switch {
	case errors.Is(err, ErrTaken):
		return errAddressTaken()
	case err != nil:
		return unavailableUsers("Users.ChangeAddress", err)
	}
	if c.Old != "" {
		a.carryOn(w, r, l, h)
	}
	a.emitOf(ctx, Event{Name: "address changed", UserID: l.subject, Kind: a.session.name, SessionID: l.id})
	a.notifyAddresses(ctx, before, "postern.address-changed", "The addresses of your account at "+a.name+" were changed.", nil)
	return answerNothing(w)
}

func (a *Auth) removeAddress(w http.ResponseWriter, r *http.Request, id string) error {
	changer, ok := a.session.users.(AddressChanger)
	if !ok {
		return errNotFound()
	}
	l, h, err := a.freshOwner(w, r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	p, err := a.personOf(ctx, l)
	if err != nil {
		return err
	}
	old, ok := addressOfID(p, id)
	if !ok {
		return errNotFound()
	}
	if old.Verified {
		if err := a.endBefore(ctx, h); err != nil {
			return err
		}
	}
	if err := changer.ChangeAddress(ctx, l.subject, AddressChange{Old: old.Value, Offered: a.offered()}); err != nil {
		return unavailableUsers("Users.ChangeAddress", err)
	}
	if old.Verified {
		a.carryOn(w, r, l, h)
		a.notifyAddresses(ctx, p, "postern.address-removed", "An address was removed from your account at "+a.name+".", nil)
	}
	a.emitOf(ctx, Event{Name: "address removed", UserID: l.subject, Kind: a.session.name, SessionID: l.id})
	return answerNothing(w)
}

// stopChange is the page of the link in the notice about a change. A program that opens links changes nothing.
func (a *Auth) stopChange(w http.ResponseWriter, r *http.Request) error {
	user, token := r.Form.Get("user"), r.Form.Get("token")
	if _, _, err := a.stoppable(r.Context(), user, token); err != nil {
		return err
	}
	a.show(w, r, Page{Name: "postern.stop-change", Title: "Stop the change?",
		Text:  "The change of the addresses of your account stops, and all its sessions end.",
		Forms: []Form{{Action: a.issuer + "/account/stop", Hidden: map[string]string{"user": user, "token": token}, Submit: "Stop the change"}}})
	return nil
}

func (a *Auth) postStopChange(w http.ResponseWriter, r *http.Request) error {
	ctx, user := r.Context(), r.PostForm.Get("user")
	item, h, err := a.stoppable(ctx, user, r.PostForm.Get("token"))
	if err != nil {
		return err
	}
	switch err := a.store.Write(ctx, store.Delete(item.Key, item.Version), h.Moved().Put()); {
	case errors.Is(err, store.ErrConflict):
		return errStop
	case err != nil:
		return unavailable(err)
	}
	if err := a.EndUser(ctx, user); err != nil {
		return unavailable(err)
	}
	a.emitOf(ctx, Event{Name: "address change stopped", UserID: user, Kind: a.session.name})
	a.show(w, r, Page{Name: "postern.change-stopped", Title: "The change was stopped",
		Text:  "All sessions of your account have ended. Sign in again, and change your password if you have one.",
		Links: []Link{{Name: "sign-in", Text: "Sign in", URL: a.issuer + "/authorize"}}})
	return nil
}

var errStop = badRequest("expired_code", "This link does not work any more: the change is done, or was stopped, or is older than an hour.")

// stoppable returns the row of a change, if the token is that of its notice.
func (a *Auth) stoppable(ctx context.Context, userID, token string) (store.Item, head.Head, error) {
	if userID == "" || len(userID) > 255 {
		return store.Item{}, head.Head{}, errStop
	}
	c, item, err := a.readChange(ctx, userID)
	if err != nil {
		return item, head.Head{}, err
	}
	if c.ID == "" || subtle.ConstantTimeCompare([]byte(c.Stop), []byte(head.Hash("stop", token))) != 1 {
		return item, head.Head{}, errStop
	}
	h, err := head.Get(ctx, a.store, a.session.pool, userID)
	if err != nil {
		return item, h, unavailable(err)
	}
	if h.Sec != c.Sec {
		return item, h, errStop
	}
	return item, h, nil
}
