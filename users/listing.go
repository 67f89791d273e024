package users

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

const listParts = 16 // among which the listing rows are spread

// listPart returns a part of the listing.
func (d *Directory) listPart(n int) string { return fmt.Sprintf("users:%s:%x", head.Hash(d.pool), n) }

// listKey returns the key of the listing row of a user. The rows of a part are in the order of their ID, newest first.
func (d *Directory) listKey(userID string, created time.Time) store.Key {
	sum := sha256.Sum256([]byte(userID))
	return store.Key{Part: d.listPart(int(sum[0]) % listParts), ID: listID(userID, created)}
}

func listID(userID string, created time.Time) string {
	const far = 1 << 52 // milliseconds, in the year 144683
	return fmt.Sprintf("%013x:%s", far-created.UnixMilli(), userID)
}

// listUserID returns the id of the user of a listing row.
func listUserID(id string) string {
	_, userID, _ := strings.Cut(id, ":")
	return userID
}

// A lister walks the listing, newest first, over all its parts at once.
type lister struct {
	d     *Directory
	parts [listParts]struct {
		ids   []string
		after string
		done  bool
	}
}

// newLister returns a lister that begins after a listing row.
func (d *Directory) newLister(after string) *lister {
	l := &lister{d: d}
	for i := range l.parts {
		l.parts[i].after = after
	}
	return l
}

// fill reads the next rows of each part that has none left.
func (l *lister) fill(ctx context.Context, limit int) error {
	var wg sync.WaitGroup
	var failed [listParts]error
	for i := range l.parts {
		p := &l.parts[i]
		if len(p.ids) > 0 || p.done {
			continue
		}
		wg.Go(func() {
			for len(p.ids) == 0 && !p.done {
				items, next, err := l.d.store.List(ctx, l.d.listPart(i), p.after, limit)
				if err != nil {
					failed[i] = fmt.Errorf("users: listing the store: %w", err)
					return
				}
				for _, item := range items {
					p.ids = append(p.ids, item.Key.ID)
				}
				p.after, p.done = next, next == ""
			}
		})
	}
	wg.Wait()
	return errors.Join(failed[:]...)
}

// next returns the next n listing rows, fewer at the end.
func (l *lister) next(ctx context.Context, n int) (ids []string, err error) {
	for len(ids) < n {
		if err := l.fill(ctx, n/listParts+4); err != nil {
			return nil, err
		}
		first := -1
		for i := range l.parts {
			if p := l.parts[i].ids; len(p) > 0 && (first < 0 || p[0] < l.parts[first].ids[0]) {
				first = i
			}
		}
		if first < 0 {
			break
		}
		ids = append(ids, l.parts[first].ids[0])
		l.parts[first].ids = l.parts[first].ids[1:]
	}
	return ids, nil
}

// ended reports whether there are no more rows, as far as is known.
func (l *lister) ended() bool {
	for i := range l.parts {
		if len(l.parts[i].ids) > 0 || !l.parts[i].done {
			return false
		}
	}
	return true
}
