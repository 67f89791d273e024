package users

import (
	"context"
	"slices"

	"github.com/posternauth/postern"
)

// Link adds a verified identity to a user. An identity with postern.MailIssuer is added as an address. Link returns nil
// if the user has the identity already, and postern.ErrTaken if another user has it.
//
// The addresses of the identity are not added: they would be ways to sign in that the person did not ask for.
func (d *Directory) Link(ctx context.Context, userID string, id postern.Identity) error {
	return d.LinkWith(ctx, userID, id, Extra{})
}

// LinkWith is Link with more in the same write.
func (d *Directory) LinkWith(ctx context.Context, userID string, id postern.Identity, x Extra) error {
	switch {
	case id.Issuer == postern.MailIssuer:
		return d.AddAddress(ctx, userID, id.Subject, x)
	case id.Issuer == postern.NameIssuer || !identityForm(id):
		return &FieldError{"identity", "Only an identity of a provider and a mail address can be linked."}
	}
	return d.change(ctx, userID, x, func(dr *draft) error {
		switch {
		case dr.rec.findIdentity(id) >= 0:
			return errUnchanged
		case len(dr.rec.Identities) >= maxIdentities:
			return ErrTooMany
		}
		dr.rec.Identities = append(dr.rec.Identities, identity{id.Issuer, id.Subject, id.Provider, dr.now.UTC()})
		dr.head = dr.head.Added()
		return nil
	})
}

// Unlink removes an identity from a user. It returns nil if the user does not have it, and ErrLastWay if it is the last
// way to sign in among those of Config.Ways.
func (d *Directory) Unlink(ctx context.Context, userID string, id postern.Identity) error {
	return d.UnlinkWith(ctx, userID, id, Extra{})
}

// UnlinkWith is Unlink with more in the same write.
func (d *Directory) UnlinkWith(ctx context.Context, userID string, id postern.Identity, x Extra) error {
	switch id.Issuer {
	case postern.MailIssuer:
		return d.RemoveAddress(ctx, userID, id.Subject, x)
	case postern.NameIssuer:
		return &FieldError{"identity", "A username is removed by SetUsername."}
	}
	return d.change(ctx, userID, x, func(dr *draft) error {
		i := dr.rec.findIdentity(id)
		if i < 0 {
			return errUnchanged
		}
		dr.rec.Identities = slices.Delete(dr.rec.Identities, i, i+1)
		return d.removed(dr, x)
	})
}
