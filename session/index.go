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
// session, so it is complete; one that has ended stays until the index is full. Hence a subject never has more sessions
// than KindConfig.MaxSessions, however many are created at the same time, and they can be read without a search through
// what ended long ago. The sessions of a pair count as one, so the index names the pair too.
type index struct {
	indexRow
	item store.Item // without Version: there is none yet
}

type indexRow struct {
	Last     int64        `json:"last"` // the number of the newest entry there ever was
	Sessions []indexEntry `json:"sessions"`
}

type indexEntry struct {
	Number int64  `json:"n"`  // grows with each new session
	Tail   string `json:"id"` // the second half of the session id
	Pair   string `json:"pair,omitempty"`
}

// unit is the name of what counts as one session: a pair, or a session without one.
func (e indexEntry) unit() string { return cmp.Or(e.Pair, e.Tail) }

func (x *index) read(item store.Item) error {
	if err := json.Unmarshal(item.Value, &x.indexRow); err != nil {
		return err
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

// with is the change that writes the index with other entries and a new session, perhaps of a pair, at their end.
func (x *index) with(entries []indexEntry, tail, pair string, expires time.Time) (store.Change, error) {
	next := indexRow{Last: x.Last + 1, Sessions: append(entries, indexEntry{x.Last + 1, tail, pair})}
	value, err := json.Marshal(next)
	if err != nil {
		return store.Change{}, err
	}
	item := x.item
	item.Value, item.Expires = value, later(item.Expires, expires)
	return store.Put(item), nil
}

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

// maxCrowdedOut is about how many sessions one new session ends at most, in one write: more are too many only after
// KindConfig.MaxSessions was made smaller, and end with the next ones. Sessions of one pair end together.
const maxCrowdedOut = 12

// insert returns the changes that create the session n of a subject, in the place of the sessions with the tails old.
// Where the subject then had too many, those used longest ago end in the same write: crowded.
func (p *policy) insert(ctx context.Context, n newborn, u subjectRows, old ...string) (changes []store.Change, crowded []record, err error) {
	r := n.row
	r.Epoch, r.Sec = u.epoch.number, u.head.Sec
	put, err := n.record.put(r, p.idle)
	if err != nil {
		return nil, nil, err
	}
	changes = []store.Change{put, store.Check(u.epoch.item.Key, u.epoch.item.Version)}
	if p.pool != "" && p.sessions.twoParts { // elsewhere, the first refresh or CheckStore compares the Sec
		changes = append(changes, u.head.Check())
	}
	entries := slices.DeleteFunc(slices.Clone(u.index.Sessions), func(e indexEntry) bool { return slices.Contains(old, e.Tail) })
	if p.full(entries, r.Pair) {
		if entries, crowded, err = p.crowdOut(ctx, &r, u, entries); err != nil {
			return nil, nil, err
		}
	}
	for _, k := range crowded {
		put, err := k.put(k.ended(endCrowded), p.idle)
		if err != nil {
			return nil, nil, err
		}
		// Its entry leaves the index now. Without an early expiry, each sign-in would leave a row for as long as Idle.
		// Every reader treats an absent row as an ended session, so nothing lives again when the row is gone.
		if gone := p.sessions.now().Add(p.access + grace + skew); gone.Before(put.Item.Expires) {
			put.Item.Expires = gone
		}
		changes = append(changes, put)
	}
	names, err := u.index.with(entries, n.record.item.Key.ID, r.Pair, time.UnixMilli(r.Absolute))
	if err != nil {
		return nil, nil, err
	}
	return append(changes, names), crowded, nil
}

// full reports whether the index may have no room for a new session of a pair, or of none. Some of its entries may have
// ended. Entries of one pair do not count twice, but they too are bounded.
func (p *policy) full(entries []indexEntry, pair string) bool {
	if len(entries) < p.maxSessions || len(entries) >= 2*p.maxSessions {
		return len(entries) >= p.maxSessions
	}
	units := map[string]bool{}
	for _, e := range entries {
		if pair == "" || e.Pair != pair {
			units[e.unit()] = true
		}
	}
	return len(units) >= p.maxSessions
}

// crowdOut returns the entries that stay when the session r is to come, and the sessions that have to end for it: those
// of whole pairs. The pair of r stays.
func (p *policy) crowdOut(ctx context.Context, r *row, u subjectRows, entries []indexEntry) (stay []indexEntry, crowded []record, err error) {
	all, err := p.loadEntries(ctx, r.Subject, u, entries)
	if err != nil {
		return nil, nil, err
	}
	now := p.sessions.now()
	lives, used := map[string]bool{}, map[string]int64{}
	var units [][]record
	for _, k := range all {
		if k.verdict(p, now) != nil {
			continue
		}
		lives[k.item.Key.ID] = true
		if r.Pair != "" && (k.Pair == r.Pair || k.item.Key.ID == r.Pair) { // joinPair may be about to write the pair of k
			continue
		}
		i := slices.IndexFunc(units, func(unit []record) bool { return k.Pair != "" && unit[0].Pair == k.Pair })
		if i < 0 {
			i, units = len(units), append(units, nil)
		}
		units[i] = append(units[i], k)
		used[units[i][0].id] = max(used[units[i][0].id], k.lastUsed())
	}
	slices.SortStableFunc(units, func(a, b []record) int { return cmp.Compare(used[a[0].id], used[b[0].id]) })
	for ; len(units) > p.maxSessions-1 && (len(crowded) == 0 || len(crowded)+len(units[0]) <= maxCrowdedOut); units = units[1:] {
		crowded = append(crowded, units[0]...)
		for _, k := range units[0] {
			delete(lives, k.item.Key.ID)
		}
	}
	return slices.DeleteFunc(entries, func(e indexEntry) bool { return !lives[e.Tail] }), crowded, nil
}

// crowdedOut emits the events of the sessions that a new one ended.
func (p *policy) crowdedOut(ctx context.Context, crowded []record) {
	for _, k := range crowded {
		p.sessions.emitEnded(ctx, &k, endCrowded)
	}
}
