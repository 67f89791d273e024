package users

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

const (
	batch     = 20  // changes of one write of a deletion
	sweepPage = 100 // deletions that Sweep reads at once

	// settle is how long after a deletion a write that was under way may still add a row, and a list miss one.
	settle = time.Hour
)

// A burial is the row of a deletion that is not finished.
type burial struct {
	At time.Time `json:"at"`
}

// gonePart holds a row for each deletion that is not finished.
func (d *Directory) gonePart() string { return "users-gone:" + head.Hash(d.pool) }

// Delete deletes a user. The first write makes the user not exist: nobody signs in, sessions end, and addresses and
// identities are free for others. Then everything that is stored of the user is removed. If that is interrupted, Sweep
// or a second Delete goes on. Programs that delete users call Sweep once a day. One row without personal data stays for
// ever, so that the id is never used again.
//
// It returns nil if the user was deleted before, and postern.ErrNoUser if there was none.
func (d *Directory) Delete(ctx context.Context, userID string, x Extra) error {
	if err := d.bury(ctx, userID, x); err != nil {
		return err
	}
	if err := d.endSessions(ctx, userID); err != nil {
		return err
	}
	return d.clear(ctx, userID)
}

// bury writes the tombstone, and the row by which Sweep finds it.
func (d *Directory) bury(ctx context.Context, userID string, x Extra) error {
	if !userIDForm(userID) {
		return postern.ErrNoUser
	}
	todo := store.Key{Part: d.gonePart(), ID: userID}
	return d.retry(ctx, func(ctx context.Context) (bool, error) {
		items, err := d.get(ctx, head.Key(d.pool, userID), d.key(userID, userRow), todo)
		if err != nil {
			return false, err
		}
		before, h, _, err := d.assemble(userID, items)
		switch {
		case h.Gone == head.Deleted:
			return true, nil
		case err != nil:
			return false, err
		case head.Moved(ctx, userID, h.Sec):
			return false, errMoved
		}
		item := store.Item{Key: todo}
		item.Value, _ = json.Marshal(burial{d.now().UTC()}) // a time of this millennium always encodes
		for _, old := range items {
			if old.Key == todo {
				item.Version = old.Version
			}
		}
		var also []store.Change
		if x.Also != nil {
			if also, err = x.Also(h.Sec); err != nil {
				return false, err
			}
		}
		if x.within != nil {
			more, err := x.within(ctx, before, nil)
			if err != nil {
				return false, err
			}
			also = append(also, more...)
		}
		h = h.Moved()
		h.Gone, h.Ways, h.Factors, h.Backups, h.Lock = head.Deleted, head.Ways{}, nil, nil, ""
		return d.commit(ctx, append([]store.Change{h.Put(), store.Put(item)}, also...)...)
	})
}

// clear removes what is stored of a deleted user. The row with the names of the claims is the last to go.
func (d *Directory) clear(ctx context.Context, userID string) error {
	headKey := head.Key(d.pool, userID)
	items, err := d.get(ctx, headKey, d.key(userID, userRow))
	if err != nil {
		return err
	}
	h, err := head.Find(items, headKey)
	switch {
	case err != nil:
		return fmt.Errorf("users: %w", err)
	case h.Gone != head.Deleted:
		return errors.New("users: a user is to be cleared who is not deleted: restore the store from one backup")
	}
	for _, item := range items {
		if item.Key == headKey {
			continue
		}
		r, err := decode(item)
		if err != nil {
			return err
		}
		if err := d.clearClaims(ctx, userID, r); err != nil {
			return err
		}
	}
	if err := d.clearPart(ctx, userID); err != nil {
		return err
	}
	return d.remove(ctx, d.key(userID, userRow))
}

func (d *Directory) clearClaims(ctx context.Context, userID string, r *record) error {
	var keys []store.Key
	for _, w := range d.claims(r) {
		keys = append(keys, w.key)
	}
	return d.retry(ctx, func(ctx context.Context) (bool, error) {
		rows, err := d.readClaims(ctx, keys)
		if err != nil {
			return false, err
		}
		var out []store.Change
		for _, row := range rows {
			if row.User == userID { // else somebody has taken it over
				out = append(out, store.Delete(row.item.Key, row.item.Version))
			}
		}
		listing, err := d.get(ctx, d.listKey(userID, r.Created))
		if err != nil {
			return false, err
		}
		for _, item := range listing {
			out = append(out, store.Delete(item.Key, item.Version))
		}
		return d.deleteAll(ctx, out)
	})
}

// clearPart removes all rows of a user's part except the head and the record: those of other packages too.
func (d *Directory) clearPart(ctx context.Context, userID string) error {
	part := head.Part(d.pool, userID)
	return d.retry(ctx, func(ctx context.Context) (bool, error) {
		done := true
		for after := ""; ; {
			items, next, err := d.store.List(ctx, part, after, batch)
			if err != nil {
				return false, fmt.Errorf("users: listing the store: %w", err)
			}
			var out []store.Change
			var claims []store.Key
			for _, item := range items {
				if hash, ok := strings.CutPrefix(item.Key.ID, head.CredentialRow); ok {
					claims = append(claims, head.CredentialClaim(hash))
				}
				if item.Key.ID != head.ID && item.Key.ID != userRow {
					out = append(out, store.Delete(item.Key, item.Version))
				}
			}
			if err := d.remove(ctx, claims...); err != nil { // before the rows by which they are found
				return false, err
			}
			ok, err := d.deleteAll(ctx, out)
			if err != nil {
				return false, err
			}
			done = done && ok
			if after = next; next == "" {
				return done, nil
			}
		}
	})
}

// deleteAll writes deletions in batches. It reports whether none of them conflicted.
func (d *Directory) deleteAll(ctx context.Context, changes []store.Change) (bool, error) {
	done := true
	for len(changes) > 0 {
		n := min(len(changes), batch)
		err := d.store.Write(ctx, changes[:n]...)
		switch {
		case errors.Is(err, store.ErrConflict):
			done = false
		case err != nil:
			return false, fmt.Errorf("users: writing the store: %w", err)
		}
		changes = changes[n:]
	}
	return done, nil
}

// remove deletes rows, whatever their versions are.
func (d *Directory) remove(ctx context.Context, keys ...store.Key) error {
	return d.retry(ctx, func(ctx context.Context) (bool, error) {
		items, err := d.get(ctx, keys...)
		if err != nil {
			return false, err
		}
		var out []store.Change
		for _, item := range items {
			out = append(out, store.Delete(item.Key, item.Version))
		}
		return d.deleteAll(ctx, out)
	})
}

// Sweep goes on with deletions that were interrupted. An hour after each deletion it also removes what a write that was
// under way has added since, and is then finished with it. It returns how many it finished. Call it once a day.
func (d *Directory) Sweep(ctx context.Context) (finished int, err error) {
	for after := ""; ; {
		items, next, err := d.store.List(ctx, d.gonePart(), after, sweepPage)
		if err != nil {
			return finished, fmt.Errorf("users: listing the store: %w", err)
		}
		for _, item := range items {
			done, err := d.sweep(ctx, item)
			if err != nil {
				return finished, err
			}
			if done {
				finished++
			}
		}
		if after = next; next == "" {
			return finished, nil
		}
	}
}

// sweep goes on with one deletion, and reports whether it is finished.
func (d *Directory) sweep(ctx context.Context, item store.Item) (finished bool, err error) {
	var b burial
	if err := json.Unmarshal(item.Value, &b); err != nil {
		return false, fmt.Errorf("users: the row of a deletion does not decode: %w", err)
	}
	userID := item.Key.ID
	if err := d.endSessions(ctx, userID); err != nil {
		return false, err
	}
	if err := d.clear(ctx, userID); err != nil || d.now().Before(b.At.Add(settle)) {
		return false, err
	}
	return true, d.remove(ctx, item.Key)
}
