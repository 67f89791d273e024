package postern

import (
	"context"
	"crypto/rand"
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

// A FormerLister is a Users that keeps addresses from others for some days after their users have given them up.
// Notices go to these addresses too.
type FormerLister interface {
	FormerAddresses(ctx context.Context, userID string) ([]string, error)
}

// An AddressChange adds New, removes Old, or puts New in the place of Old.
type AddressChange struct {
	Old string // an address of the user; empty: New is added
	New string // proven by a code, or earlier; empty: Old is removed

	// Undo reports that New was an address of the user until a few days ago, and comes back in the place of Old.
	Undo bool

	// Also returns changes that belong to the same write, or an error that ends the change. sec is the number Sec of
	// the head as it was read for this write. It is nil for a Users without a method Pool, which writes no heads.
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
	Done    bool   `json:"done,omitempty"`
	Stopped bool   `json:"stopped,omitempty"` // the sessions of the user may not have ended
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

// beginAddress is newAddress for programs.
func (a *Auth) beginAddress(w http.ResponseWriter, r *http.Request, _ string) error {
	if !a.changesAddresses() {
		return errNotFound()
	}
	var body struct {
		Address strictjson.Text `json:"address"`
		Replace strictjson.Text `json:"replace"` // id of the address in whose place it comes
	}
	if err := a.readJSON(w, r, &body); err != nil {
		return err
	}
	address, err := a.newAddress(w, r, body.Address.Value, body.Replace.Value)
	if err != nil {
		return err
	}
	return answerJSON(w, http.StatusAccepted, map[string]any{"address": address, "expires_in": int(codeLife / time.Second)})
}

// changesAddresses reports whether people can add and replace addresses here.
func (a *Auth) changesAddresses() bool {
	_, ok := a.session.users.(AddressChanger)
	return ok && a.mail != nil
}

// newAddress mails a code to a new address, and a notice to the addresses that the person has. An address that
// belongs to another user gets a notice in place of the code; the answer is the same. replace is the id of the address
// in whose place it comes.
func (a *Auth) newAddress(w http.ResponseWriter, r *http.Request, typed, replace string) (string, error) {
	l, h, err := a.freshOwner(w, r)
	if err != nil {
		return "", err
	}
	ctx := r.Context()
	p, err := a.personOf(ctx, l)
	if err != nil {
		return "", err
	}
	address, ok := canonicalAddress(typed)
	if !ok {
		return "", badRequest("invalid_address", "Please enter one email address, such as ann@example.com.")
	}
	c := changeRow{ID: rand.Text() + rand.Text(), New: address, Sec: h.Sec, Session: l.id}
	if replace != "" {
		old, ok := addressOfID(p, replace)
		if !ok || !old.Verified || old.Type != "email" {
			return "", badRequest("invalid_address", "The address to replace is not one of this account.")
		}
		c.Old = old.Value
	}
	if err := a.takeMail(r, address, ""); err != nil {
		return "", err
	}
	owner, err := a.session.users.Find(ctx, mailIdentity(address))
	if err != nil && !errors.Is(err, ErrNoUser) {
		return "", unavailableUsers("Users.Find", err)
	}
	taken := err == nil && (owner != l.subject || verifiedMail(p, address)) // of a frozen account, Find knows former addresses
	stop := rand.Text() + rand.Text()
	c.Stop = head.Hash("stop", stop)
	if err := a.putChange(ctx, l.subject, c, h); err != nil {
		return "", err
	}
	code, err := a.newCode(ctx, c.code(), address, !taken)
	if err != nil {
		return "", err
	}
	link, err := a.linkOfCode(r, pathAddressCode, c.code(), address, code)
	if err != nil {
		return "", err
	}
	m := a.verifyMail(r, address, code, link, "postern.new-address", forAddressText)
	if taken {
		m = a.haveAccountMail(r, address)
	}
	if err := a.sendMail(ctx, m); err != nil {
		return "", err
	}
	link = a.issuer + "/account/stop?" + url.Values{"user": {l.subject}, "token": {stop}}.Encode()
	a.notifyOf(ctx, l.subject, noticeOfChange(link))
	a.emitOf(ctx, Event{Name: "address change begun", UserID: l.subject, Kind: a.session.name, SessionID: l.id})
	return address, nil
}

// putChange writes the change that waits, in the place of an earlier one.
func (a *Auth) putChange(ctx context.Context, userID string, c changeRow, h head.Head) error {
	earlier, item, err := a.readChange(ctx, userID)
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
	if earlier.ID != "" {
		a.endCode(ctx, earlier.code())
	}
	return nil
}

// confirmAddress is takeAddress for programs.
func (a *Auth) confirmAddress(w http.ResponseWriter, r *http.Request, _ string) error {
	if _, ok := a.session.users.(AddressChanger); !ok {
		return errNotFound()
	}
	var body struct {
		Code strictjson.Text `json:"code"`
	}
	if err := a.readJSON(w, r, &body); err != nil {
		return err
	}
	if err := a.takeAddress(w, r, url.Values{"code": {body.Code.Value}}); err != nil {
		return err
	}
	return answerNothing(w)
}

// takeAddress takes the code of the newest mail, typed or in its link, in the session that asked for it, and changes
// the addresses.
func (a *Auth) takeAddress(w http.ResponseWriter, r *http.Request, sent url.Values) error {
	changer, ok := a.session.users.(AddressChanger)
	if !ok {
		return errNotFound()
	}
	l, h, err := a.freshOwner(w, r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	c, _, err := a.readChange(ctx, l.subject)
	switch {
	case err != nil:
		return err
	case c.ID == "" || c.Session != l.id || c.Stopped:
		return errDeadCode
	case c.Done:
		return nil // the answer of an earlier request was lost
	case c.Sec != h.Sec:
		return errChanged()
	}
	code, err := a.codeSent(ctx, pathAddressCode, c.code(), sent)
	if err != nil {
		return err
	}
	if _, _, err := a.compareCode(r, c.code(), c.New, code); err != nil {
		return err
	}
	before, err := a.personOf(ctx, l)
	if err != nil {
		return err
	}
	told, err := a.noticeAddresses(ctx, before)
	if err != nil {
		return err
	}
	had, err := a.snapshot(ctx, l.subject)
	if err != nil {
		return err
	}
	token, err := a.changeAddress(ctx, changer, l.subject, h, AddressChange{Old: c.Old, New: c.New}, c.Old != "", func() ([]store.Change, error) {
		return a.changed(ctx, l.subject, c.code())
	})
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
	n := noticeChanged
	n.before = had
	a.noticeAll(ctx, before, without(told, c.Old), n)
	if c.Old != "" {
		a.mailUndo(ctx, before, c.Old, token)
	}
	return nil
}

// changed returns the changes that use up the code of a change that waits, and mark it as done.
func (a *Auth) changed(ctx context.Context, userID string, code *attempt) ([]store.Change, error) {
	use, err := a.useCode(ctx, code)
	if err != nil {
		return nil, err
	}
	c, item, err := a.readChange(ctx, userID)
	if err != nil {
		return nil, err
	}
	if c.ID != code.ID || c.Done || c.Stopped {
		return nil, errDeadCode
	}
	c.Done = true
	if item.Value, err = a.sealRow(ctx, item.Key, c); err != nil {
		return nil, unavailable(err)
	}
	return []store.Change{use, store.Put(item)}, nil
}

// keepsHeads reports whether Users writes the heads of its users, and with them what belongs to the same write.
func (a *Auth) keepsHeads() bool {
	_, ok := a.session.users.(interface{ Pool() string })
	return ok
}

// changeAddress changes the addresses of a user. ends reports that a verified address is given up: then the result is
// the token that undoes it. after are changes of the same write; a Users that writes no heads is done before them.
func (a *Auth) changeAddress(ctx context.Context, changer AddressChanger, userID string, h head.Head, c AddressChange, ends bool, after func() ([]store.Change, error)) (string, error) {
	token := rand.Text() + rand.Text()
	c.Offered = a.offered()
	first := func() ([]store.Change, error) {
		if !ends {
			return nil, nil
		}
		undo, err := a.undoOf(ctx, userID, token, c)
		return []store.Change{undo}, err
	}
	if a.keepsHeads() {
		c.Also = func(sec int64) ([]store.Change, error) {
			if sec != h.Sec {
				return nil, errChanged()
			}
			list, err := first()
			if err != nil {
				return nil, err
			}
			more, err := after()
			return append(list, more...), err
		}
		return token, changer.ChangeAddress(ctx, userID, c)
	}
	list, err := first()
	if err == nil && ends {
		err = a.writeOrChanged(ctx, append(list, h.Moved().Put())...)
	}
	if err != nil {
		return "", err
	}
	if err := changer.ChangeAddress(ctx, userID, c); err != nil {
		return "", err
	}
	if list, err = after(); err == nil && len(list) > 0 {
		err = a.writeParts(ctx, list)
	}
	return token, err
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
	told, err := a.noticeAddresses(ctx, p)
	if err != nil {
		return err
	}
	had, err := a.snapshot(ctx, l.subject)
	if err != nil {
		return err
	}
	none := func() ([]store.Change, error) { return nil, nil }
	token, err := a.changeAddress(ctx, changer, l.subject, h, AddressChange{Old: old.Value}, old.Verified, none)
	if err != nil {
		return unavailableUsers("Users.ChangeAddress", err)
	}
	if old.Verified {
		a.carryOn(w, r, l, h)
		n := noticeRemoved
		n.before = had
		a.noticeAll(ctx, p, without(told, old.Value), n)
		a.mailUndo(ctx, p, old.Value, token)
	}
	a.emitOf(ctx, Event{Name: "address removed", UserID: l.subject, Kind: a.session.name, SessionID: l.id})
	return nil
}
