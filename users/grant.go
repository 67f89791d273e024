package users

import (
	"context"
	"fmt"
	"slices"

	"github.com/posternauth/postern"
)

// AddRolesWith gives roles to a user, beside the ones that the user has. It is safe to repeat, and two calls at the
// same time both count. The change has its effect as that of SetRoles. The error is ErrRole for a role that
// Config.Roles does not have.
func (d *Directory) AddRolesWith(ctx context.Context, userID string, roles []string, x Extra) error {
	for _, role := range roles {
		if _, ok := d.roles[role]; !ok {
			return fmt.Errorf("%w: %q", ErrRole, role)
		}
	}
	return d.change(ctx, userID, x, func(dr *draft) error {
		all := slices.Compact(slices.Sorted(slices.Values(slices.Concat(dr.rec.Roles, roles))))
		if len(all) == len(slices.Compact(slices.Sorted(slices.Values(dr.rec.Roles)))) {
			return errUnchanged
		}
		dr.rec.Roles = all
		dr.head.Rights++
		return nil
	})
}

// RemoveRoles takes roles from a user, who keeps the others. It is safe to repeat, and two calls at the same time both
// count. The change has its effect as that of SetRoles. A role that the user does not have counts as removed.
func (d *Directory) RemoveRoles(ctx context.Context, userID string, roles []string, x Extra) error {
	return d.change(ctx, userID, x, func(dr *draft) error {
		left := slices.DeleteFunc(slices.Clone(dr.rec.Roles), func(role string) bool { return slices.Contains(roles, role) })
		if len(left) == len(dr.rec.Roles) {
			return errUnchanged
		}
		dr.rec.Roles = left
		dr.head.Rights++
		return nil
	})
}

// redeemed returns a user after Config.Redeem gave what waits for their addresses.
func (d *Directory) redeemed(ctx context.Context, p postern.Person) (postern.Person, error) {
	if d.redeem == nil || p.Disabled {
		return p, nil
	}
	var verified []string
	for _, a := range p.Addresses {
		if a.Type == "email" && a.Verified {
			verified = append(verified, a.Value)
		}
	}
	if len(verified) == 0 {
		return p, nil
	}
	given := false
	err := d.redeem(ctx, verified, func(ctx context.Context, roles []string) error {
		// A role that was configured then and is not any more must not keep the user out.
		roles = slices.DeleteFunc(slices.Clone(roles), func(role string) bool { _, ok := d.roles[role]; return !ok })
		given = true
		return d.AddRolesWith(ctx, p.ID, roles, Extra{})
	})
	if err != nil {
		return postern.Person{}, fmt.Errorf("users: Config.Redeem: %w", err)
	}
	if !given {
		return p, nil
	}
	u, err := d.User(ctx, p.ID)
	return u.Person(), err
}
