package users

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

const (
	factorRows = "factor:"
	factorMax  = 15 // rows that are deleted together with the counts
)

// ResetFactors takes all second factors from a user who has lost them: apps, recovery codes, and the factors of the
// application. Everything that was minted for the user before ends, remembered browsers too. Passwords and passkeys
// stay, because they are ways to sign in. Who asks for it must have made sure who the person is.
func (d *Directory) ResetFactors(ctx context.Context, userID string, x Extra) error {
	return d.reset(ctx, userID, false, x)
}

// RemovePasskeys is ResetFactors for a user who has lost the passkeys as well. The error is ErrLastWay if they are the
// last way to sign in.
func (d *Directory) RemovePasskeys(ctx context.Context, userID string, x Extra) error {
	return d.reset(ctx, userID, true, x)
}

func (d *Directory) reset(ctx context.Context, userID string, passkeys bool, x Extra) error {
	var keys, rows []store.Item // of the passkeys, and of the other factors
	inside := func() int { return min(len(rows), max(0, factorMax-len(keys))) }
	with := x
	with.Also = func(sec int64) (more []store.Change, err error) {
		for _, item := range slices.Concat(keys, rows[:inside()]) {
			more = append(more, store.Delete(item.Key, item.Version))
		}
		if x.Also == nil {
			return more, nil
		}
		also, err := x.Also(sec)
		return append(more, also...), err
	}
	err := d.change(ctx, userID, with, func(dr *draft) (err error) {
		if rows, err = d.rowsOf(ctx, userID, factorRows); err != nil {
			return err
		}
		if passkeys {
			if keys, err = d.rowsOf(ctx, userID, head.CredentialRow); err != nil {
				return err
			}
			if len(keys) < dr.head.Ways.Passkeys { // the list is behind: one that is left would sign in
				return errBusy
			}
		}
		if len(keys) == 0 && len(rows) == 0 && len(dr.head.Factors) == 0 && len(dr.head.Backups) == 0 {
			return errUnchanged
		}
		dr.head.Factors, dr.head.Backups = nil, nil
		if len(keys) > 0 {
			dr.head.Ways.Passkeys = 0
			return d.removed(dr, x)
		}
		dr.head = dr.head.Moved()
		return nil
	})
	if err != nil {
		return err
	}
	var rest []store.Change
	for _, item := range rows[inside():] { // their counts are zero, so they count for nothing
		rest = append(rest, store.Delete(item.Key, item.Version))
	}
	if _, err := d.deleteAll(ctx, rest); err != nil {
		return err
	}
	var claims []store.Key // without the rows they let nobody in
	for _, item := range keys {
		claims = append(claims, head.CredentialClaim(strings.TrimPrefix(item.Key.ID, head.CredentialRow)))
	}
	if len(claims) > 0 {
		if err := d.remove(ctx, claims...); err != nil {
			return err
		}
	}
	return d.endSessions(ctx, userID)
}

// rowsOf returns the rows of a user whose ids begin with a prefix.
func (d *Directory) rowsOf(ctx context.Context, userID, prefix string) (rows []store.Item, err error) {
	part := head.Part(d.pool, userID)
	for after := prefix; ; {
		items, next, err := d.store.List(ctx, part, after, 100)
		if err != nil {
			return nil, fmt.Errorf("users: listing the store: %w", err)
		}
		for _, item := range items {
			if !strings.HasPrefix(item.Key.ID, prefix) {
				return rows, nil
			}
			rows = append(rows, item)
		}
		if after = next; next == "" {
			return rows, nil
		}
	}
}

// resetFactors is ResetFactors by an administrator.
func (c *adminCall) resetFactors() error {
	if err := c.dir.ResetFactors(c.r.Context(), c.target, c.careful(deedRemoved)); err != nil {
		return err
	}
	return c.removedWay("factors reset", "factors", factorsText)
}

// removePasskeys is RemovePasskeys by an administrator.
func (c *adminCall) removePasskeys() error {
	if err := c.reach(); err != nil { // before what the last way says of the user
		return err
	}
	if err := c.dir.RemovePasskeys(c.r.Context(), c.target, c.careful(deedRemoved)); err != nil {
		return err
	}
	return c.removedWay("passkeys removed", "passkeys", passkeysText)
}
