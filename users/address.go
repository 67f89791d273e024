package users

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/posternauth/postern"
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
		dr.head = dr.head.Moved()
		return dr.keepFormer(old, value)
	})
}

// keepFormer keeps an address that the user has given up from others for 7 days.
func (dr *draft) keepFormer(old, by string) error {
	if len(dr.rec.Former) >= maxFormer {
		return errManyFormer
	}
	dr.rec.Former = append(dr.rec.Former, former{old, by, dr.now.Add(formerFor).UTC()})
	return nil
}

// errManyFormer bounds how many addresses one user keeps from others.
var errManyFormer error = &answer{"users: the user has given up too many addresses lately", postern.Error{Status: http.StatusConflict, Code: "too_many",
	Text: "Too many addresses of this account were removed in the last seven days. Please try again in some days."}}

// RestoreAddress undoes a ReplaceAddress or RemoveAddress of the last 7 days: the user has the old address again, and
// no longer what replaced it, over any number of changes. A FieldError says that there is nothing to undo.
func (d *Directory) RestoreAddress(ctx context.Context, userID, old string, x Extra) error {
	return d.restore(ctx, userID, old, x, false)
}

// restore is RestoreAddress. With freeze, only ways to sign in from before the change are accepted from then on: which
// these are is in the changes of x.
func (d *Directory) restore(ctx context.Context, userID, old string, x Extra, freeze bool) error {
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
		came := r.successors(i)
		r.Former = slices.DeleteFunc(r.Former, func(f former) bool { return f.Value == old || slices.Contains(came, f.Value) })
		r.Addresses = slices.DeleteFunc(r.Addresses, func(a address) bool {
			return a.Type == "email" && (a.Value == old || slices.Contains(came, a.Value))
		})
		r.Addresses = append(r.Addresses, address{"email", old, true})
		dr.head = dr.head.Moved()
		dr.head.Frozen = dr.head.Frozen || freeze
		return nil
	})
}

// successors returns the addresses that came in the place of a former one, over any number of changes.
func (r *record) successors(i int) (all []string) {
	for range r.Former {
		all = append(all, r.Former[i].ReplacedBy)
		if i = r.findFormer(r.Former[i].ReplacedBy); i < 0 {
			break
		}
	}
	return all
}

// RemoveAddress takes a mail address from a user, a verified one or a note. A verified one is kept from other users for
// 7 days, like one that ReplaceAddress replaced, and RestoreAddress gives it back during that time. It returns nil if
// the user does not have the address, and ErrLastWay if it is the last way to sign in.
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
		if err := dr.keepFormer(value, ""); err != nil {
			return err
		}
		return d.removed(dr, x)
	})
}
