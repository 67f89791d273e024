package users

import (
	"context"
	"slices"
	"time"
)

// formerFor is how long an address that was replaced is kept from others.
const formerFor = 7 * 24 * time.Hour

// AddAddress gives a user a mail address that was verified. The error is postern.ErrTaken if it belongs to another
// user, or belonged to one until a few days ago.
func (d *Directory) AddAddress(ctx context.Context, userID, mail string, x Extra) error {
	value, err := checkAddress(mail)
	if err != nil {
		return err
	}
	return d.change(ctx, userID, x, func(dr *draft) error {
		r := dr.rec
		if i := r.findAddress(value); i >= 0 {
			if r.Addresses[i].Verified {
				return errUnchanged
			}
			r.Addresses[i].Verified = true // a note that was proven
		} else {
			if len(r.Addresses) >= maxAddresses {
				return ErrTooMany
			}
			r.Addresses = append(r.Addresses, address{"email", value, true})
		}
		r.Former = slices.DeleteFunc(r.Former, func(f former) bool { return f.Value == value })
		dr.head = dr.head.Added()
		return nil
	})
}

// AddNote gives a user a mail address that is not verified. Nobody is found by it, and any number of users may have the
// same. AddAddress makes it a verified one.
func (d *Directory) AddNote(ctx context.Context, userID, mail string, x Extra) error {
	value, err := checkAddress(mail)
	if err != nil {
		return err
	}
	return d.change(ctx, userID, x, func(dr *draft) error {
		switch {
		case dr.rec.findAddress(value) >= 0:
			return errUnchanged
		case len(dr.rec.Addresses) >= maxAddresses:
			return ErrTooMany
		}
		dr.rec.Addresses = append(dr.rec.Addresses, address{Type: "email", Value: value})
		return nil
	})
}

// ReplaceAddress puts a verified address in the place of another one. The old one signs nobody in from then on. It is
// kept from other users for 7 days, and RestoreAddress undoes the change during that time. The errors are those of
// AddAddress, and a FieldError if the user does not have the old address.
func (d *Directory) ReplaceAddress(ctx context.Context, userID, old, mail string, x Extra) error {
	value, err := checkAddress(mail)
	if err != nil {
		return err
	}
	if old, err = checkAddress(old); err != nil {
		return err
	}
	return d.change(ctx, userID, x, func(dr *draft) error {
		r := dr.rec
		if i := r.findFormer(old); i >= 0 && r.Former[i].ReplacedBy == value && r.findAddress(value) >= 0 {
			return errUnchanged // an earlier call
		}
		i := r.findAddress(old)
		if i < 0 || !r.Addresses[i].Verified || value == old {
			return &FieldError{"address", "It is not a verified address of this user."}
		}
		if j := r.findAddress(value); j >= 0 && r.Addresses[j].Verified {
			return &FieldError{"address", "The user has the new address already. Remove the old one."}
		}
		r.Addresses[i].Value = value
		r.Addresses = slices.DeleteFunc(r.Addresses, func(a address) bool { return !a.Verified && a.Value == value })
		r.Former = slices.DeleteFunc(r.Former, func(f former) bool { return f.Value == value })
		if len(r.Former) >= maxFormer {
			return ErrTooMany
		}
		r.Former = append(r.Former, former{old, value, dr.now.Add(formerFor).UTC()})
		dr.head = dr.head.Moved()
		return nil
	})
}

// RestoreAddress undoes a ReplaceAddress of the last 7 days: the user has the old address again, and no longer the one
// that replaced it. A FieldError says that there is nothing to undo.
func (d *Directory) RestoreAddress(ctx context.Context, userID, old string, x Extra) error {
	old, err := checkAddress(old)
	if err != nil {
		return err
	}
	return d.change(ctx, userID, x, func(dr *draft) error {
		r := dr.rec
		i := r.findFormer(old)
		if i < 0 {
			if j := r.findAddress(old); j >= 0 && r.Addresses[j].Verified {
				return errUnchanged
			}
			return &FieldError{"address", "The user did not have this address in the last days."}
		}
		by := r.Former[i].ReplacedBy
		r.Former = slices.Delete(r.Former, i, i+1)
		if j := r.findAddress(by); j >= 0 {
			r.Addresses[j] = address{"email", old, true}
		} else { // what replaced it was replaced or removed since
			r.Addresses = append(r.Addresses, address{"email", old, true})
		}
		dr.head = dr.head.Moved()
		return nil
	})
}

// RemoveAddress takes a mail address from a user, a verified one or a note. It returns nil if the user does not have
// it, and ErrLastWay if it is the last way to sign in.
func (d *Directory) RemoveAddress(ctx context.Context, userID, mail string, x Extra) error {
	value, err := checkAddress(mail)
	if err != nil {
		return err
	}
	return d.change(ctx, userID, x, func(dr *draft) error {
		i := dr.rec.findAddress(value)
		if i < 0 {
			return errUnchanged
		}
		verified := dr.rec.Addresses[i].Verified
		dr.rec.Addresses = slices.Delete(dr.rec.Addresses, i, i+1)
		if !verified {
			return nil
		}
		return d.removed(dr, x)
	})
}
