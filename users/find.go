package users

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

// Find returns the id of the user with an identity. An identity with postern.MailIssuer is found by an address that is
// verified now, and one with postern.NameIssuer by the username. A disabled user is found, a deleted one is not. The
// error is postern.ErrNoUser if there is no user.
//
// A frozen user is found by a former address too: as a name beside a password from before the change. The address alone
// signs nobody in.
func (d *Directory) Find(ctx context.Context, id postern.Identity) (userID string, err error) {
	key, ok := d.claimKey(id)
	if !ok {
		return "", postern.ErrNoUser
	}
	rows, err := d.readClaims(ctx, []store.Key{key})
	if err != nil {
		return "", err
	}
	row, found := rows[key]
	owner := row.User
	if !found {
		owner = key.Part // nobody's: an unknown address costs the same reads as a known one, so time shows neither
	}
	h, err := head.Get(ctx, d.store, d.pool, owner)
	switch {
	case err != nil:
		return "", fmt.Errorf("users: %w", err)
	case !found || row.Former && !h.Frozen || h.Gone == head.Deleted:
		return "", postern.ErrNoUser
	case h.Absent():
		return "", fmt.Errorf("users: the head row of a user is missing: restore it from a backup of the store")
	}
	return row.User, nil
}

// Get returns a user as sessions know them. If the time of a Disable has passed, Get enables the user. It gives the
// roles that Config.Redeem has for the user. The error is postern.ErrNoUser if there is none or if the user was
// deleted.
func (d *Directory) Get(ctx context.Context, userID string) (postern.Person, error) {
	r, h, item, err := d.load(ctx, userID)
	if err != nil {
		return postern.Person{}, err
	}
	if d.over(r) {
		u, err := d.wake(ctx, userID)
		if err != nil {
			return postern.Person{}, err
		}
		return d.redeemed(ctx, u.Person())
	}
	return d.redeemed(ctx, d.user(userID, r, h, item.Version, time.Time{}).Person())
}

// User returns a user. The error is that of Get.
func (d *Directory) User(ctx context.Context, userID string) (User, error) {
	r, h, rows, err := d.loadWith(ctx, userID, seenRow)
	if err != nil {
		return User{}, err
	}
	if d.over(r) {
		return d.wake(ctx, userID)
	}
	last, err := decodeSeen(rows)
	if err != nil {
		return User{}, err
	}
	return d.user(userID, r, h, rows[userRow].Version, last), nil
}

func decodeSeen(rows map[string]store.Item) (time.Time, error) {
	item, ok := rows[seenRow]
	if !ok {
		return time.Time{}, nil
	}
	var s seen
	if err := json.Unmarshal(item.Value, &s); err != nil {
		return time.Time{}, fmt.Errorf("users: the row of the last sign-in does not decode: %w", err)
	}
	return s.At, nil
}

// over reports whether the user was disabled until a time that has passed.
func (d *Directory) over(r *record) bool {
	return r.Disabled != nil && !r.Disabled.Until.IsZero() && !d.now().Before(r.Disabled.Until)
}

// wake enables a user whose time has passed, and returns the user. An administrator may have disabled the user anew
// meanwhile: then nothing is written.
func (d *Directory) wake(ctx context.Context, userID string) (User, error) {
	err := d.change(ctx, userID, Extra{}, func(dr *draft) error {
		if !d.over(dr.rec) {
			return errUnchanged
		}
		dr.rec.Disabled = nil
		if dr.head.Gone == head.Disabled {
			dr.head.Gone = ""
		}
		// Sec moved when the user was disabled, and nothing is minted for a disabled user. The sign-in that noticed
		// that the time has passed goes on.
		dr.head = dr.head.Added()
		return nil
	})
	if err != nil {
		return User{}, err
	}
	return d.User(ctx, userID)
}
