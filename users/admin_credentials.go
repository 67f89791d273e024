package users

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

var (
	errNoPassword error = &answer{"users: the user has no password", postern.Error{Status: http.StatusConflict, Code: "no_password",
		Text: "This user has no password."}}
	errNoAddress error = &answer{"users: the user has no verified address", postern.Error{Status: http.StatusConflict, Code: "no_address",
		Text: "This user has no verified address, so nobody could reset the password."}}
	errSecond error = &answer{"users: a second administrator is needed", postern.Error{Status: http.StatusConflict, Code: "second_administrator",
		Text: "You changed another way into this account within 24 hours. Please ask another administrator."}}
	errNoReset = &postern.Error{Status: http.StatusConflict, Code: "no_reset",
		Text: "No link was mailed: the user has no verified address, or signs in without a password."}
)

// UnlockPassword lets the password of a user work again after too many wrong ones.
func (d *Directory) UnlockPassword(ctx context.Context, userID string, x Extra) error {
	return d.change(ctx, userID, x, func(dr *draft) error {
		if dr.head.Lock != head.LockPassword {
			return errUnchanged
		}
		dr.head.Lock = ""
		return nil
	})
}

// DemandPasswordChange makes the password of a user refuse the next sign-in until it is changed: by a mailed reset, or
// by a person who is signed in. It ends no session. The user needs a password and a verified address.
func (d *Directory) DemandPasswordChange(ctx context.Context, userID string, x Extra) error {
	return d.change(ctx, userID, x, func(dr *draft) error {
		w := dr.head.Ways
		dr.rec.ways(&w)
		switch {
		case w.Passwords == 0:
			return errNoPassword
		case w.Addresses == 0:
			return errNoAddress
		case dr.head.Change:
			return errUnchanged
		}
		dr.head.Change = true
		return nil
	})
}

// removePassword removes a password: changes are those of its row.
func (d *Directory) removePassword(ctx context.Context, userID string, changes []store.Change, x Extra) error {
	return d.change(ctx, userID, x, func(dr *draft) error {
		if dr.head.Ways.Passwords == 0 {
			return errNoPassword
		}
		dr.head.Ways.Passwords, dr.head.Lock, dr.head.Change = 0, "", false
		dr.also = append(dr.also, changes...)
		return d.removed(dr, x)
	})
}

func (c *adminCall) unlock() error {
	if err := c.dir.UnlockPassword(c.r.Context(), c.target, c.deed()); err != nil {
		return err
	}
	c.done("password unlocked", "")
	return nil
}

func (c *adminCall) demandChange() error {
	if err := c.reach(); err != nil {
		return err
	}
	if err := c.dir.DemandPasswordChange(c.r.Context(), c.target, c.deed()); err != nil {
		return err
	}
	c.done("password change demanded", "")
	return nil
}

// passwords returns the provider of passwords of the users of this directory.
func (c *adminCall) passwords() (postern.PasswordAdmin, error) {
	p := c.flow.PasswordAdmin()
	switch {
	case c.flow.Pool() != c.dir.pool:
		return nil, errElsewhere
	case p == nil:
		return nil, errNotHere
	}
	return p, nil
}

func (c *adminCall) resetMail() error {
	p, err := c.passwords()
	if err != nil {
		return err
	}
	if err := c.reach(); err != nil {
		return err
	}
	sent, err := p.MailReset(c.r, c.target)
	switch {
	case err != nil:
		return err
	case !sent:
		return errNoReset
	}
	c.done("reset mailed", "")
	return nil
}

func (c *adminCall) removePassword() error {
	p, err := c.passwords()
	if err != nil {
		return err
	}
	if err := c.reach(); err != nil { // before what the last way says of the user
		return err
	}
	changes, err := p.Removal(c.r.Context(), c.target)
	if err != nil {
		return err
	}
	if err := c.dir.removePassword(c.r.Context(), c.target, changes, c.careful(deedRemoved)); err != nil {
		return err
	}
	return c.removedWay("password removed", "password", passwordText)
}

// removeIdentity removes the identity that the query names by issuer and subject.
func (c *adminCall) removeIdentity() error {
	u, err := c.dir.User(c.r.Context(), c.target)
	if err != nil {
		return err
	}
	if !c.dir.within(c.actor, u.Roles) {
		return errBeyond
	}
	issuer, subject := c.r.Form.Get("issuer"), c.r.Form.Get("subject")
	i := slices.IndexFunc(u.Identities, func(id Identity) bool { return id.Issuer == issuer && id.Subject == subject })
	if i < 0 {
		return errNotHere
	}
	if err := c.dir.UnlinkWith(c.r.Context(), c.target, postern.Identity{Issuer: issuer, Subject: subject}, c.careful(deedRemoved)); err != nil {
		return err
	}
	return c.removedWay("identity unlinked", u.Identities[i].Provider, identityText)
}

// removedWay ends a deed that has removed a way to sign in.
func (c *adminCall) removedWay(event, name, text string) error {
	if err := c.dir.endSessions(c.r.Context(), c.target); err != nil {
		return err
	}
	if c.flow.Pool() == c.dir.pool {
		c.flow.Notify(c.r.Context(), c.target, noticeRemoved(name, text))
	}
	c.done(event, "")
	return nil
}

// Deeds of administrators that together give an account to somebody else.
const (
	deedRemoved = "removed"
	deedAddress = "address"

	deedsRow   = "admin deeds" // in the part of the user
	deedsApart = 24 * time.Hour
	maxDeeds   = 20
)

type adminDeed struct {
	What string    `json:"what"`
	By   string    `json:"by"`
	At   time.Time `json:"at"`
}

// careful is deed for one of two deeds, of which one administrator may do only one to a user within 24 hours: to remove
// a way to sign in, and to give the user an address.
func (c *adminCall) careful(what string) Extra {
	x := c.deed()
	x.Ways = c.dir.offered(c.flow.Offered())
	inner := x.within
	x.within = func(ctx context.Context, before, after *record) ([]store.Change, error) {
		changes, err := inner(ctx, before, after)
		if err != nil || before == after {
			return changes, err
		}
		row, err := c.apart(ctx, what)
		return append(changes, row), err
	}
	return x
}

// apart returns the change that records a deed, or errSecond.
func (c *adminCall) apart(ctx context.Context, what string) (store.Change, error) {
	d, item, all := c.dir, store.Item{Key: c.dir.key(c.target, deedsRow)}, []adminDeed(nil)
	items, err := d.get(ctx, item.Key)
	if err != nil {
		return store.Change{}, err
	}
	for _, item = range items {
		if err := json.Unmarshal(item.Value, &all); err != nil {
			return store.Change{}, fmt.Errorf("users: the deeds of administrators do not decode: %w", err)
		}
	}
	now, by := d.now().UTC(), head.Hash(c.actor.Pool, c.actor.UserID)
	all = slices.DeleteFunc(all, func(a adminDeed) bool { return now.Sub(a.At) >= deedsApart })
	for _, a := range all {
		if a.By == by && a.What != what {
			return store.Change{}, errSecond
		}
	}
	if len(all) >= maxDeeds { // the same deed again and again: no later one is forgotten before an earlier one
		return store.Change{}, ErrTooMany
	}
	all = append(all, adminDeed{what, by, now})
	item.Value, _ = json.Marshal(all) // texts and times of this millennium always encode
	item.Expires = now.Add(deedsApart)
	return store.Put(item), nil
}
