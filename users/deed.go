package users

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

// An Extra goes along with a change of a user. The zero Extra adds nothing.
type Extra struct {
	// Ways are the ways to sign in that the program offers, where they differ from those of the Directory.
	//
	// Defaults to Config.Ways.
	Ways *Ways

	// Also returns more changes for the same write: the use of a ticket, for example. sec is the number "sec" of the
	// user as it was read for this write; compare it with the number of the ticket. Also is called again at each try.
	// Its error ends the call, and nothing is written. It is not called if the user has already what is asked for.
	Also func(sec int64) ([]store.Change, error)

	// within decides about a deed of an administrator, and returns more changes. after is nil for a deletion.
	within func(ctx context.Context, before, after *record) ([]store.Change, error)
}

// errUnchanged is returned by the function of change if there is nothing to write.
var errUnchanged = errors.New("users: nothing to change")

// errBusy is the end of the tries of a write that always conflicted.
var errBusy = errors.New("users: too many requests write the same user at once; try again")

// errMoved ends a deed of a person whose session has ended since it was checked.
var errMoved error = &answer{"users: the security of the user has changed since the session was checked", postern.Error{Status: http.StatusBadRequest, Code: "expired_state",
	Text: "The security of this account changed in the meantime. Please start again."}}

// A draft is a user who is being changed.
type draft struct {
	id   string
	rec  *record
	head head.Head
	item store.Item // of the record, as it was read
	now  time.Time
	also []store.Change
	mark func(version string) store.Change // one more change, which needs the new version of the record; nil: none
}

// change reads a user, lets f change the draft, and writes the user, the claims and the head in one write. f is called
// again at each try. The error is postern.ErrNoUser if there is no such user.
func (d *Directory) change(ctx context.Context, userID string, x Extra, f func(*draft) error) error {
	return d.retry(ctx, func(ctx context.Context) (bool, error) {
		before, h, item, err := d.load(ctx, userID)
		if err != nil {
			return false, err
		}
		if head.Moved(ctx, userID, h.Sec) {
			return false, errMoved
		}
		after, err := decode(item)
		if err != nil {
			return false, err
		}
		dr := &draft{id: userID, rec: after, head: h, item: item, now: d.now()}
		after.prune(dr.now)
		if err := f(dr); err != nil {
			if !errors.Is(err, errUnchanged) {
				return false, err
			}
			if x.within != nil { // an answer of "done" is for those who might have done it
				_, err = x.within(ctx, before, before)
			} else {
				err = nil
			}
			return err == nil, err
		}
		if x.Also != nil {
			if dr.also, err = x.Also(h.Sec); err != nil {
				return false, err
			}
		}
		if x.within != nil {
			more, err := x.within(ctx, before, after)
			if err != nil {
				return false, err
			}
			dr.also = append(dr.also, more...)
		}
		after.Updated = dr.now
		changes, err := d.changes(ctx, dr, before, h)
		if err != nil {
			return false, err
		}
		return d.commit(ctx, changes...)
	})
}

// changes returns one write: the record, the head if it moved or else a check of it, claims, and what else there is.
func (d *Directory) changes(ctx context.Context, dr *draft, before *record, as head.Head) ([]store.Change, error) {
	put, err := dr.rec.put(dr.item)
	if err != nil {
		return nil, err
	}
	claims, err := d.claimChanges(ctx, dr.id, before, dr.rec)
	if err != nil {
		return nil, err
	}
	dr.rec.ways(&dr.head.Ways)
	guard := as.Check()
	if !sameHead(as, dr.head) {
		guard = dr.head.Put()
	}
	out := slices.Concat([]store.Change{put, guard}, claims, dr.also)
	if dr.mark != nil {
		out = append(out, dr.mark(put.Item.Version))
	}
	return out, nil
}

func sameHead(a, b head.Head) bool {
	x, _ := json.Marshal(a) // numbers and texts always encode
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

// load reads the record and the head of a user, in one round trip. The error is postern.ErrNoUser for a user who does
// not exist or was deleted.
func (d *Directory) load(ctx context.Context, userID string) (*record, head.Head, store.Item, error) {
	r, h, items, err := d.loadWith(ctx, userID)
	if err != nil {
		return nil, h, store.Item{}, err
	}
	return r, h, items[userRow], nil
}

// loadWith is load with more rows of the user. It returns the items by their ID.
func (d *Directory) loadWith(ctx context.Context, userID string, more ...string) (*record, head.Head, map[string]store.Item, error) {
	if !userIDForm(userID) {
		return nil, head.Head{}, nil, postern.ErrNoUser
	}
	keys := []store.Key{head.Key(d.pool, userID), d.key(userID, userRow)}
	for _, row := range more {
		keys = append(keys, d.key(userID, row))
	}
	items, err := d.get(ctx, keys...)
	if err != nil {
		return nil, head.Head{}, nil, err
	}
	return d.assemble(userID, items)
}

// assemble makes a user of items, among which may be those of others.
func (d *Directory) assemble(userID string, items []store.Item) (*record, head.Head, map[string]store.Item, error) {
	headKey := head.Key(d.pool, userID)
	h, err := head.Find(items, headKey)
	if err != nil {
		return nil, h, nil, fmt.Errorf("users: %w", err)
	}
	rows := map[string]store.Item{}
	for _, item := range items {
		if item.Key.Part == headKey.Part {
			rows[item.Key.ID] = item
		}
	}
	item, found := rows[userRow]
	switch {
	case h.Gone == head.Deleted, !found:
		return nil, h, nil, postern.ErrNoUser
	case h.Absent():
		return nil, h, nil, fmt.Errorf("users: the head row of a user is missing: restore it from a backup of the store")
	}
	r, err := decode(item)
	return r, h, rows, err
}

const tries = 12 // of one write, with the first

// retry calls step until it is done or returns an error.
func (d *Directory) retry(ctx context.Context, step func(context.Context) (done bool, err error)) error {
	for try := range tries {
		if done, err := step(ctx); done || err != nil {
			return err
		}
		if err := pause(ctx, try); err != nil {
			return fmt.Errorf("users: %w", err)
		}
	}
	return errBusy
}

// pause waits for a short random time, longer from try to try, so that others can finish.
func pause(ctx context.Context, try int) error {
	t := time.NewTimer(rand.N(time.Duration(1<<min(try, 6)) * 4 * time.Millisecond))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// commit writes the changes and reports whether they were written. false without an error means that another write came
// first: the caller reads again and decides again. After an error the write may still be under way.
func (d *Directory) commit(ctx context.Context, changes ...store.Change) (bool, error) {
	err := d.store.Write(ctx, changes...)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, store.ErrConflict):
		return false, nil
	case errors.Is(err, store.ErrInvalid):
		return false, fmt.Errorf("users: writing the store: %w", err)
	}
	// The answer may be lost although the changes were written. The version of an item shows it.
	first := changes[slices.IndexFunc(changes, func(c store.Change) bool { return c.Op == store.OpPut })].Item
	again, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	items, unread := d.store.Get(again, first.Key)
	if unread != nil {
		return false, fmt.Errorf("users: writing the store: %w", errors.Join(err, unread))
	}
	if len(items) == 1 && items[0].Version == first.Version {
		return true, nil
	}
	return false, fmt.Errorf("users: writing the store: %w", err)
}
