package users

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/strictjson"
	"github.com/posternauth/postern/store"
)

var errNoMail = &postern.Error{Status: http.StatusConflict, Code: "no_mail", Text: "This program sends no mail: Config.Mail is not set."}

// errAddressOwned refuses an address that is somebody's.
var errAddressOwned = &postern.Error{Status: http.StatusConflict, Code: "address_taken", Text: "This address belongs to a user."}

// create makes a user with an address that is not verified, and mails a link to it. Until the mailbox has confirmed the
// address, nobody signs in as the user.
func (c *adminCall) create() error {
	var body struct {
		Address  strictjson.Text `json:"address"`
		Username strictjson.Text `json:"username"`
		Name     strictjson.Text `json:"name"`
		Locale   strictjson.Text `json:"locale"`
		Roles    []string        `json:"roles"`
		Data     json.RawMessage `json:"data"`
	}
	if err := c.flow.ReadJSON(c.w, c.r, &body); err != nil {
		return err
	}
	if err := c.grants(body.Roles); err != nil {
		return err
	}
	address, err := c.free(body.Address.Value, "")
	if err != nil {
		return err
	}
	ctx := c.r.Context()
	r, err := c.dir.importRecord(Imported{Username: body.Username.Value, Name: body.Name.Value, Locale: body.Locale.Value, Roles: body.Roles, Data: body.Data,
		Addresses: []postern.Address{{Type: "email", Value: address}}})
	if err != nil {
		return err
	}
	if !c.flow.MailReady() {
		return errNoMail
	}
	if err := c.insert(ctx, r, address); err != nil {
		return err
	}
	if err := c.flow.VerifyByMail(ctx, c.actor, c.target, address); err != nil {
		return err
	}
	u, err := c.dir.User(ctx, c.target)
	if err != nil {
		return err
	}
	c.flow.JSON(c.w, c.r, http.StatusCreated, c.user(u))
	return nil
}

// insert writes a new user. The same address gives the same user as long as nobody has confirmed it, so that a request
// whose answer was lost can be sent again.
func (c *adminCall) insert(ctx context.Context, r *record, address string) error {
	acting, err := c.dir.actorStays(ctx, c.actor)
	if err != nil {
		return err
	}
	for _, from := range []string{address, ""} {
		if c.target, err = c.dir.newID("administrator", from); err != nil {
			return err
		}
		err = c.dir.insert(ctx, c.target, r, credentials{more: []store.Change{acting}})
		if errors.Is(err, errExists) {
			old, h, _, why := c.dir.load(ctx, c.target)
			switch {
			case why != nil:
				return why
			case old.findAddress(address) < 0:
			case h.Ways.Passwords+h.Ways.Passkeys+h.Ways.Identities+h.Ways.Addresses > 0: // somebody uses the account already
				return errAddressOwned
			default:
				return c.reach()
			}
		}
		if !errors.Is(err, errExists) && !errors.Is(err, errWas) {
			break
		}
	}
	if err == nil {
		c.emit("user created", "")
	}
	return err
}

// grants checks that the actor may give some roles.
func (c *adminCall) grants(roles []string) error {
	for _, role := range roles {
		if _, ok := c.dir.roles[role]; !ok {
			return ErrRole
		}
	}
	if len(roles) > 0 && !slices.Contains(c.actor.Scopes, ScopeRoles) || !c.dir.within(c.actor, roles) {
		return errBeyond
	}
	return nil
}

// free returns the canonical form of an address that belongs to nobody but the user with an id.
func (c *adminCall) free(typed, userID string) (string, error) {
	if c.flow.Pool() != c.dir.pool {
		return "", errElsewhere
	}
	address, err := checkAddress(typed)
	if err != nil {
		return "", err
	}
	switch owner, err := c.dir.Find(c.r.Context(), postern.Identity{Issuer: postern.MailIssuer, Subject: address}); {
	case errors.Is(err, postern.ErrNoUser), err == nil && owner == userID && userID != "":
		return address, nil
	case err != nil:
		return "", err
	}
	return "", errAddressOwned
}

// addAddress gives a user an address that is not verified, and mails a link to it. It is also how the mail is sent
// again.
func (c *adminCall) addAddress() error {
	var body struct {
		Address strictjson.Text `json:"address"`
	}
	if err := c.flow.ReadJSON(c.w, c.r, &body); err != nil {
		return err
	}
	if err := c.reach(); err != nil {
		return err
	}
	mail, err := c.free(body.Address.Value, c.target)
	if err != nil {
		return err
	}
	// The note is written again if the user has it, so that the deed is recorded each time.
	if err := c.dir.change(c.r.Context(), c.target, c.careful(deedAddress), func(dr *draft) error {
		switch i := dr.rec.findAddress(mail); {
		case i >= 0 && dr.rec.Addresses[i].Verified:
			return errAddressOwned
		case i < 0 && len(dr.rec.Addresses) >= maxAddresses:
			return ErrTooMany
		case i < 0:
			dr.rec.Addresses = append(dr.rec.Addresses, address{Type: "email", Value: mail})
		}
		return nil
	}); err != nil {
		return err
	}
	if err := c.flow.VerifyByMail(c.r.Context(), c.actor, c.target, mail); err != nil {
		return err
	}
	c.flow.Notify(c.r.Context(), c.target, noticeOffered())
	c.done("address offered", "")
	return nil
}
