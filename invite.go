package postern

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/store"
)

// invitationLife is how long an invitation can be redeemed.
const invitationLife = 7 * 24 * time.Hour

// An Invitation lets the owner of an address sign up, with roles.
type Invitation struct {
	Address string   // the mail address that must be verified to redeem it
	Roles   []string // of the new user; added to those of a user who has the address already
	By      string   // user id of who invites; empty for the application itself
	Pool    string   // of By; empty: that of Config.Session
}

// invitationRow is what the store keeps of an invitation, sealed.
type invitationRow struct {
	Address string   `json:"a"`
	Roles   []string `json:"r,omitempty"`
	By      string   `json:"by,omitempty"`
	Pool    string   `json:"pool,omitempty"`   // of By; empty: that of Config.Session
	Sec     int64    `json:"sec,omitempty"`    // of By: a change of their security takes the invitation back
	Rights  int64    `json:"rights,omitempty"` // of By: so does a change of their roles
	Used    bool     `json:"used,omitempty"`
}

type invitation struct {
	invitationRow
	item store.Item
	done []byte // the sealed row after use
}

// used is the change that uses up the invitation, once.
func (i *invitation) used() store.Change {
	item := i.item
	item.Value = i.done
	return store.Put(item)
}

// ErrInvalid is returned for an argument that does not have the form that the method asks for.
var ErrInvalid = errors.New("postern: invalid argument")

// Invite makes an invitation and mails it, and returns the link of the mail. The link works for seven days, once, and
// only together with a proof of the address: by a mailed code, or by a provider that has verified the address. It needs
// Config.Session. Config.Mail is optional: without it the caller passes on the link.
//
// Who calls Invite decides which roles may be given. The error is ErrInvalid for an address that is not one, an
// [*Error] if By is disabled or deleted, or the store's.
func (a *Auth) Invite(ctx context.Context, i Invitation) (link string, err error) {
	address, ok := canonicalAddress(i.Address)
	if !ok || a.session == nil {
		return "", fmt.Errorf("%w: an invitation needs one mail address, and Config.Session", ErrInvalid)
	}
	row := invitationRow{Address: address, Roles: i.Roles, By: i.By, Pool: i.Pool}
	if i.By != "" {
		h, err := head.Get(ctx, a.store, cmp.Or(i.Pool, a.session.pool), i.By)
		if err != nil {
			return "", err
		}
		sec, known := head.Expected(ctx)
		rights, loaded := head.LoadedRights(ctx)
		if h.Gone != "" || known && sec != h.Sec || loaded && rights != h.Rights {
			return "", errRightsChanged() // since it was decided that By may give the roles
		}
		row.Sec, row.Rights = h.Sec, h.Rights
	}
	var id [32]byte
	if _, err := rand.Read(id[:]); err != nil {
		return "", err
	}
	token := base64.RawURLEncoding.EncodeToString(id[:])
	key := a.invitationKey(token)
	value, err := a.sealRow(ctx, key, row)
	if err != nil {
		return "", err
	}
	if err := a.store.Write(ctx, store.Put(store.Item{Key: key, Value: value, Expires: a.sessions.Now().Add(invitationLife)})); err != nil {
		return "", fmt.Errorf("postern: writing an invitation: %w", err)
	}
	link = a.issuer + "/authorize?" + url.Values{"invitation": {token}}.Encode()
	if a.mail != nil {
		m := a.invitationMail(link)
		m.To, m.Language = address, a.languageOf(ctx, address)
		err = a.sendMail(ctx, m)
	}
	a.emitOf(ctx, Event{Name: "invited", UserID: i.By, Err: err})
	return link, err
}

func (a *Auth) invitationMail(link string) Mail {
	return Mail{
		Name: "postern.invitation", Args: map[string]any{"app": a.name, "link": link, "life": invitationLife},
		Subject: "You are invited to {app}",
		Parts: []MailPart{
			{Text: "You are invited to {app}. To accept, open this link and sign in or create your account with this address:"},
			{Text: "Accept the invitation", Link: link},
			{Text: "The link works for {life}, once."},
		},
	}
}

// invitationKey is the place of an invitation. The store keeps a hash of the token, which opens nothing.
func (a *Auth) invitationKey(token string) store.Key {
	return store.Key{Part: "invite:" + head.Hash("invitation", a.issuer, token), ID: "invitation"}
}

var errInvitation = badRequest("invalid_invitation", "This invitation does not work: it is older than seven days, was used, was taken back, "+
	"or is for another address. Please ask for a new one.")

// invitationNamed reads an invitation and checks that the identity has its address verified. It returns nil without a
// token.
func (a *Auth) invitationNamed(ctx context.Context, token string, id Identity) (*invitation, error) {
	address, verified := id.Email()
	if canonical, err := mailaddr.Parse(address); err == nil { // a provider may write it in another letter case
		address = canonical.String()
	}
	return a.readInvitation(ctx, token, address, verified)
}

// invitationOf reads the invitation of an attempt.
func (a *Auth) invitationOf(r *http.Request, id Identity) (*invitation, error) {
	token := ""
	if x := exchangeOf(r); x != nil && x.attempt != nil {
		token = x.attempt.Invite
	}
	return a.invitationNamed(r.Context(), token, id)
}

func (a *Auth) readInvitation(ctx context.Context, token, address string, verified bool) (*invitation, error) {
	if token == "" {
		return nil, nil
	}
	key := a.invitationKey(token)
	items, err := a.store.Get(ctx, key)
	if err != nil {
		return nil, unavailable(err)
	}
	if len(items) == 0 {
		return nil, errInvitation
	}
	i := &invitation{item: items[0]}
	if err := a.openRow(ctx, items[0], &i.invitationRow); err != nil {
		return nil, unavailable(fmt.Errorf("postern: the row of an invitation does not open: %w", err))
	}
	if i.Used || !verified || i.Address != address {
		return nil, errInvitation
	}
	if i.By != "" {
		h, err := head.Get(ctx, a.store, cmp.Or(i.Pool, a.session.pool), i.By)
		if err != nil {
			return nil, unavailable(err)
		}
		if h.Sec != i.Sec || h.Rights != i.Rights || h.Gone != "" {
			return nil, errInvitation
		}
	}
	done := i.invitationRow
	done.Used = true
	if i.done, err = a.sealRow(ctx, key, done); err != nil {
		return nil, unavailable(err)
	}
	return i, nil
}

// invitationOfUser reads the invitation of an attempt if it is for a verified address of the user, or of the identity.
// Otherwise it returns nil: a person who has an account signs in, whatever the link was.
func (a *Auth) invitationOfUser(r *http.Request, in *SignIn) (*invitation, error) {
	x, ctx := exchangeOf(r), r.Context()
	if x == nil || x.attempt == nil || x.attempt.Invite == "" {
		return nil, nil
	}
	p, err := a.session.users.Get(ctx, in.UserID)
	switch {
	case errors.Is(err, ErrNoUser) || err == nil && p.Disabled:
		return nil, nil
	case err != nil:
		return nil, unavailable(fmt.Errorf("postern: Users.Get: %w", err))
	}
	for _, address := range slices.Concat(in.Identity.Addresses, p.Addresses) {
		canonical, err := mailaddr.Parse(address.Value)
		if err != nil || address.Type != "email" || !address.Verified {
			continue
		}
		if i, err := a.readInvitation(ctx, x.attempt.Invite, canonical.String(), true); !errors.Is(err, errInvitation) {
			return i, err
		}
	}
	return nil, nil
}

// redeemInvitation gives the roles of an invitation to a user who exists already.
func (a *Auth) redeemInvitation(r *http.Request, in *SignIn) error {
	invite, err := a.invitationOfUser(r, in)
	if invite == nil || err != nil {
		return err
	}
	ctx := r.Context()
	if s, ok := a.session.users.(RoleAdder); ok && len(invite.Roles) > 0 {
		if err := s.AddRoles(ctx, in.UserID, invite.Roles...); err != nil {
			return unavailable(fmt.Errorf("postern: Users.AddRoles: %w", err))
		}
	}
	// The roles are given before the invitation is used up: a crash between repeats what changes nothing.
	if err := a.store.Write(ctx, invite.used()); err != nil && !errors.Is(err, store.ErrConflict) {
		return unavailable(err)
	}
	return nil
}

// A RoleAdder is a Users that keeps roles. AddRoles adds roles to a user; those that the user has stay.
type RoleAdder interface {
	AddRoles(ctx context.Context, userID string, roles ...string) error
}
