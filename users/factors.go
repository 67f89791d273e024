package users

import (
	"context"
	"fmt"
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
	var rows []store.Item
	with := x
	with.Also = func(sec int64) (more []store.Change, err error) {
		for _, item := range rows[:min(len(rows), factorMax)] {
			more = append(more, store.Delete(item.Key, item.Version))
		}
		if x.Also == nil {
			return more, nil
		}
		also, err := x.Also(sec)
		return append(more, also...), err
	}
	err := d.change(ctx, userID, with, func(dr *draft) (err error) {
		if rows, err = d.factorsOf(ctx, userID); err != nil {
			return err
		}
		if len(rows) == 0 && len(dr.head.Factors) == 0 && len(dr.head.Backups) == 0 {
			return errUnchanged
		}
		dr.head.Factors, dr.head.Backups = nil, nil
		dr.head = dr.head.Moved()
		return nil
	})
	if err != nil {
		return err
	}
	if len(rows) > factorMax { // their counts are zero, so they count for nothing
		var rest []store.Change
		for _, item := range rows[factorMax:] {
			rest = append(rest, store.Delete(item.Key, item.Version))
		}
		if _, err := d.deleteAll(ctx, rest); err != nil {
			return err
		}
	}
	return d.endSessions(ctx, userID)
}

// factorsOf returns the rows of the factors of a user.
func (d *Directory) factorsOf(ctx context.Context, userID string) (rows []store.Item, err error) {
	part := head.Part(d.pool, userID)
	for after := factorRows; ; {
		items, next, err := d.store.List(ctx, part, after, 100)
		if err != nil {
			return nil, fmt.Errorf("users: listing the store: %w", err)
		}
		for _, item := range items {
			if !strings.HasPrefix(item.Key.ID, factorRows) {
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
	return c.removedWay("factors reset", "factors", "The second factors of your account were removed by an administrator. No code is asked for any more when you sign in.")
}
