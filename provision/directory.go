package provision

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/posternauth/postern"
)

// DirectoryConfig is the configuration of NewDirectory. Users, AddRoles and Pending are required.
type DirectoryConfig struct {
	// Users finds the user who verified an address: a users.Directory, or a table of the application.
	Users postern.Users

	// AddRoles adds roles to a user, beside the ones that the user has. It must be safe to repeat. For a
	// users.Directory it calls AddRolesWith.
	AddRoles func(ctx context.Context, userID string, roles []string) error

	// Pending keeps the roles for an address that nobody has verified. Give its Redeem to users.Config.Redeem, or call
	// it where the application's table returns a user.
	Pending *Pending

	// TrustSenderAddresses makes a user with a verified address at once, if nobody has the address. Set it only if the
	// sender has checked that the person reads the mailbox. A shop does not: a buyer can type any address.
	//
	// Defaults to false: the roles wait in Pending.
	TrustSenderAddresses bool
}

// A Directory gives roles to users of Postern. It is safe for concurrent use.
type Directory struct{ c DirectoryConfig }

// NewDirectory returns a Directory.
func NewDirectory(c DirectoryConfig) (*Directory, error) {
	if c.Users == nil || c.AddRoles == nil || c.Pending == nil {
		return nil, errors.New("provision: DirectoryConfig: Users, AddRoles and Pending are required")
	}
	return &Directory{c}, nil
}

// Upsert implements Users. The roles go to the user who verified the address. If there is none, they are kept for the
// person who verifies it later, with whatever provider: neither the address nor the name of g makes a user, because
// anybody can have typed them at the sender.
func (d *Directory) Upsert(ctx context.Context, g Grant) (Result, error) {
	if userID, err := d.give(ctx, g); !errors.Is(err, postern.ErrNoUser) {
		return Result{UserID: userID}, err
	}
	if d.c.TrustSenderAddresses {
		return d.create(ctx, g)
	}
	if err := d.c.Pending.Add(ctx, g.Email, g.Roles...); err != nil {
		return Result{}, err
	}
	// Somebody may have verified the address since the look-up above. Then their Redeem came too early, and the roles
	// are given here.
	userID, err := d.find(ctx, g)
	switch {
	case errors.Is(err, postern.ErrNoUser):
		return Result{Pending: true}, nil
	case err != nil:
		return Result{}, err
	}
	err = d.c.Pending.Redeem(ctx, []string{g.Email}, func(ctx context.Context, roles []string) error {
		return d.c.AddRoles(ctx, userID, roles)
	})
	return Result{UserID: userID}, err
}

func (d *Directory) find(ctx context.Context, g Grant) (string, error) {
	userID, err := d.c.Users.Find(ctx, postern.Identity{Issuer: postern.MailIssuer, Subject: g.Email})
	if err != nil && !errors.Is(err, postern.ErrNoUser) {
		err = fmt.Errorf("provision: find the user: %w", err)
	}
	return userID, err
}

func (d *Directory) give(ctx context.Context, g Grant) (string, error) {
	userID, err := d.find(ctx, g)
	if err != nil {
		return "", err
	}
	if err := d.c.AddRoles(ctx, userID, g.Roles); err != nil {
		return "", fmt.Errorf("provision: add the roles: %w", err)
	}
	return userID, nil
}

func (d *Directory) create(ctx context.Context, g Grant) (Result, error) {
	userID, err := d.c.Users.Create(ctx, postern.SignUp{
		ID: rand.Text(), Name: g.Name, Roles: g.Roles, Time: g.Time,
		Identity: postern.Identity{
			Issuer: postern.MailIssuer, Subject: g.Email,
			Addresses: []postern.Address{{Type: "email", Value: g.Email, Verified: true}},
		},
	})
	if errors.Is(err, postern.ErrTaken) { // somebody was faster: an earlier try, another delivery, or the person
		userID, err := d.give(ctx, g)
		return Result{UserID: userID}, err
	}
	if err != nil {
		return Result{}, fmt.Errorf("provision: create the user: %w", err)
	}
	return Result{UserID: userID, Created: true}, nil
}
