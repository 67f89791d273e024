package session

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

// The index of a subject names its sessions, the newest last. Each session enters it in the write that creates the
// session, so it is complete. One that is ended leaves it in the same write; one that ends otherwise stays until the
// index is full. Hence a subject never has more sessions than KindConfig.MaxSessions, however many are created at the
// same time, and they can be read without a search through what ended long ago. The sessions of a pair count as one, so
// the index names the pair too.
type index struct {
	indexRow
	item store.Item // without Version: there is none yet
}

type indexRow struct {
	Last     int64        `json:"last"` // the number of the newest entry there ever was
	Sessions []indexEntry `json:"sessions"`

	// The epoch of the subject and the Sec of the head that the sessions with Used belong to. At others, Used says
	// nothing: they may have ended.
	Epoch int64 `json:"e,omitempty"`
	Sec   int64 `json:"s,omitempty"`
}

type indexEntry struct {
	Number int64  `json:"n"`  // grows with each new session
	Tail   string `json:"id"` // the second half of the session id
	Pair   string `json:"pair,omitempty"`

	// What crowdOut goes by, so that it need not read each session. An entry of an earlier version has none.
	Used int64 `json:"u,omitempty"` // Unix milliseconds; the session was last used then or later
	Ends int64 `json:"x,omitempty"` // Unix seconds; the session has ended by then, see row.Absolute
}

// unit is the name of what counts as one session: a pair, or a session without one.
func (e indexEntry) unit() string { return cmp.Or(e.Pair, e.Tail) }

func (x *index) read(item store.Item) error {
	if !x.readOwn(item.Value) {
		x.indexRow = indexRow{}
		if err := json.Unmarshal(item.Value, &x.indexRow); err != nil {
			return err
		}
	}
	last := int64(0)
	for _, e := range x.Sessions {
		if !base64Text(e.Tail, tailLen) || e.Pair != "" && !base64Text(e.Pair, tailLen) || e.Number <= last || e.Number > x.Last {
			return errDamaged
		}
		last = e.Number
	}
	x.item = item
	return nil
}

func (x *index) has(tail string) bool {
	return slices.ContainsFunc(x.Sessions, func(e indexEntry) bool { return e.Tail == tail })
}

// pair names the pair of a session that had none: its own.
func (x *index) pair(tail string) {
	for i := range x.Sessions {
		if x.Sessions[i].Tail == tail {
			x.Sessions[i].Pair = tail
		}
	}
}

// with is the change that writes the index with a new session at its end.
func (x *index) with(tail string, r *row) (store.Change, error) {
	next := x.indexRow
	next.add(tail, r)
	return x.put(next, time.UnixMilli(r.Absolute))
}

func (r *indexRow) add(tail string, of *row) {
	r.Last++
	r.Sessions = append(r.Sessions, indexEntry{r.Last, tail, of.Pair, of.lastUsed(), ends(of)})
}

// without is the change that writes the index without the sessions with the tails gone; needed is false if it has none
// of them.
func (x *index) without(gone []string) (change store.Change, needed bool, err error) {
	next := x.indexRow
	next.Sessions = leave(next.Sessions, gone)
	if len(next.Sessions) == len(x.Sessions) {
		return change, false, nil
	}
	change, err = x.put(next, time.Time{})
	return change, true, err
}

func (x *index) put(next indexRow, expires time.Time) (store.Change, error) {
	value, err := json.Marshal(next)
	if err != nil {
		return store.Change{}, err
	}
	item := x.item
	item.Value, item.Expires = value, later(item.Expires, expires)
	return store.Put(item), nil
}

// leave returns the entries without those with the tails gone.
func leave(entries []indexEntry, gone []string) []indexEntry {
	return slices.DeleteFunc(slices.Clone(entries), func(e indexEntry) bool { return slices.Contains(gone, e.Tail) })
}

// ends is indexEntry.Ends of a session.
func ends(r *row) int64 { return (r.Absolute + 999) / 1000 }

// subjectRows are the epoch and the index of a subject, and the head of the user if the kind has a Pool.
type subjectRows struct {
	epoch epoch
	index index
	head  head.Head
}

// subjectKeys are the keys of the rows that every subject has, in a part.
func subjectKeys(part string) []store.Key {
	return []store.Key{{Part: part, ID: epochID}, {Part: part, ID: indexID}}
}

// loadSubject reads the rows of a subject in one round trip.
func (p *policy) loadSubject(ctx context.Context, subject string) (u subjectRows, err error) {
	s := p.sessions
	part := partPrefix + s.subjectPart(p.name, subject)
	keys := subjectKeys(part)
	if p.pool != "" {
		keys = append(keys, p.headKey(subject))
	}
	items, err := s.store.Get(ctx, keys...)
	if err != nil {
		return u, s.unavailable(ctx, "store", err)
	}
	if u, err = s.readSubject(ctx, part, items); err == nil && p.pool != "" {
		if u.head, err = head.Find(items, keys[2]); err != nil {
			return u, s.unavailable(ctx, "store", err)
		}
	}
	return u, err
}

// readSubject takes the epoch and the index out of items, which may hold others.
func (s *Sessions) readSubject(ctx context.Context, part string, items []store.Item) (u subjectRows, err error) {
	keys := subjectKeys(part)
	u.epoch.item.Key, u.index.item.Key = keys[0], keys[1]
	for _, item := range items {
		switch item.Key {
		case keys[0]:
			err = u.epoch.read(item)
		case keys[1]:
			err = u.index.read(item)
		}
		if err != nil {
			return u, s.damaged(ctx, err)
		}
	}
	return u, nil
}

// loadEntries reads the sessions of entries, those that are still there, in their order.
func (p *policy) loadEntries(ctx context.Context, subject string, u subjectRows, entries []indexEntry) (out []record, err error) {
	s := p.sessions
	part := u.index.item.Key.Part
	for some := range slices.Chunk(entries, store.MaxKeys) {
		keys := make([]store.Key, len(some))
		for i, e := range some {
			keys[i] = store.Key{Part: part, ID: e.Tail}
		}
		items, err := s.store.Get(ctx, keys...)
		if err != nil {
			return nil, s.unavailable(ctx, "store", err)
		}
		for _, item := range items {
			k := record{id: strings.TrimPrefix(part, partPrefix) + "." + item.Key.ID, item: item, epoch: u.epoch, head: u.head, headed: p.pool != ""}
			if err := k.read(item.Value); err != nil {
				return nil, s.damaged(ctx, err)
			}
			if k.Issuer == s.issuer && k.Kind == p.name && k.Subject == subject {
				out = append(out, k)
			}
		}
	}
	return out, nil
}
