package users

import (
	"context"
	"slices"

	"github.com/posternauth/postern"
)

var (
	_ postern.Users          = (*Directory)(nil)
	_ postern.Linker         = (*Directory)(nil)
	_ postern.Creator        = (*Directory)(nil)
	_ postern.RoleAdder      = (*Directory)(nil)
	_ postern.IdentityLister = (*Directory)(nil)

	_ postern.UsernameChecker = (*Directory)(nil)
)

// Identities returns the identities of a user, for the pages that list the ways to sign in.
func (d *Directory) Identities(ctx context.Context, userID string) ([]postern.Identity, error) {
	u, err := d.User(ctx, userID)
	if err != nil {
		return nil, err
	}
	all := make([]postern.Identity, len(u.Identities))
	for i, id := range u.Identities {
		all[i] = postern.Identity{Issuer: id.Issuer, Subject: id.Subject, Provider: id.Provider}
	}
	return all, nil
}

// AddRoles gives roles to a user, who keeps the others. A role that is not configured is left out, as in Create.
func (d *Directory) AddRoles(ctx context.Context, userID string, roles ...string) error {
	known := slices.DeleteFunc(slices.Clone(roles), func(role string) bool {
		_, ok := d.roles[role]
		return !ok
	})
	return d.AddRolesWith(ctx, userID, known, Extra{})
}
