package users

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

// Fields are the fields of a user that Update changes. A nil field stays as it is.
type Fields struct {
	Name    *string
	Locale  *string
	Picture *string         // https URL, or empty
	Profile json.RawMessage // JSON null removes it
	Data    json.RawMessage // JSON null removes it
}

// Update changes fields of a user and returns the user. If version is not empty, the user must have it still, or the
// error is ErrVersion. A FieldError says which field is not valid.
func (d *Directory) Update(ctx context.Context, userID, version string, f Fields) (User, error) {
	if err := d.update(ctx, userID, version, f, Extra{}); err != nil {
		return User{}, err
	}
	return d.User(ctx, userID)
}

func (d *Directory) update(ctx context.Context, userID, version string, f Fields, x Extra) error {
	return d.change(ctx, userID, x, func(dr *draft) error {
		if version != "" && version != dr.item.Version {
			return ErrVersion
		}
		return f.apply(dr.rec)
	})
}

func (f Fields) apply(r *record) (err error) {
	for _, field := range []struct {
		to    *string
		from  *string
		check func(string) error
	}{{&r.Name, f.Name, checkName}, {&r.Locale, f.Locale, checkLocale}, {&r.Picture, f.Picture, checkPicture}} {
		if field.from == nil {
			continue
		}
		if err := field.check(*field.from); err != nil {
			return err
		}
		*field.to = *field.from
	}
	if f.Profile != nil {
		if r.Profile, err = checkJSON("profile", f.Profile); err != nil {
			return err
		}
	}
	if f.Data != nil {
		r.Data, err = checkJSON("data", f.Data)
	}
	return err
}

// SetRoles replaces the roles of a user. The change has its effect at the next refresh of each session, and at once
// where a guard asks the store. The error is ErrRole for a role that Config.Roles does not have, unless the user has it
// already.
func (d *Directory) SetRoles(ctx context.Context, userID string, roles []string, x Extra) error {
	roles = slices.Compact(slices.Sorted(slices.Values(roles)))
	return d.change(ctx, userID, x, func(dr *draft) error {
		for _, role := range roles {
			if _, ok := d.roles[role]; !ok && !slices.Contains(dr.rec.Roles, role) {
				return fmt.Errorf("%w: %q", ErrRole, role)
			}
		}
		if slices.Equal(roles, slices.Sorted(slices.Values(dr.rec.Roles))) {
			return errUnchanged
		}
		dr.rec.Roles = roles
		dr.head.Rights++
		return nil
	})
}

// SetUsername gives a user a username, in place of the one they have. An empty name removes it. The errors are
// postern.ErrTaken and a FieldError. A username that a user gave up is free for others.
// The error is ErrLastWay if a password would be left that belongs to no name and no address.
func (d *Directory) SetUsername(ctx context.Context, userID, name string, x Extra) error {
	return d.change(ctx, userID, x, func(dr *draft) (err error) {
		if name != "" {
			if name, err = d.checkUsername(name); err != nil {
				return err
			}
		}
		if name == dr.rec.Username {
			return errUnchanged
		}
		had := dr.rec.Username
		dr.rec.Username = name
		if had != "" {
			return d.removed(dr, x)
		}
		dr.head = dr.head.Added()
		return nil
	})
}

// TouchLastSignIn records that a user has just signed in, to the minute. An error means that it was not recorded; it is
// no reason to refuse the sign-in.
func (d *Directory) TouchLastSignIn(ctx context.Context, userID string) error {
	_, h, rows, err := d.loadWith(ctx, userID, seenRow)
	if err != nil {
		return err
	}
	last, err := decodeSeen(rows)
	if err != nil {
		return err
	}
	now := d.now().UTC().Truncate(time.Minute)
	if !now.After(last) {
		return nil
	}
	item := store.Item{Key: d.key(userID, seenRow), Version: rows[seenRow].Version}
	item.Value, _ = json.Marshal(seen{now}) // a time of this millennium always encodes
	_, err = d.commit(ctx, store.Put(item), h.Check())
	return err // a conflict is another sign-in at the same moment
}

func (dr *draft) enable() {
	dr.rec.Disabled = nil
	if dr.head.Gone == head.Disabled {
		dr.head.Gone = ""
	}
	dr.head = dr.head.Moved()
}
