package session

import (
	"cmp"
	"context"
	"slices"

	"github.com/posternauth/postern/store"
)

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
	u.index.Sessions = leave(u.index.Sessions, old)
	if len(u.index.Sessions) == 0 {
		u.index.Epoch, u.index.Sec = u.epoch.number, u.head.Sec
	}
	if p.full(u.index.Sessions, r.Pair) {
		if crowded, err = p.crowdOut(ctx, &r, &u); err != nil {
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
	names, err := u.index.with(n.record.item.Key.ID, &r)
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

// crowdOut returns the sessions that have to end when the session r is to come, those of whole pairs: the ones used
// longest ago. The pair of r stays. Both what ends and what was found to have ended leaves the index of u.
//
// The index has a time for each session that no use of it is older than. So the sessions are read in the order of these
// times, and only until no other can have been used longer ago. A person who keeps signing in costs a read of two.
func (p *policy) crowdOut(ctx context.Context, r *row, u *subjectRows) (crowded []record, err error) {
	s, now := p.sessions, p.sessions.now()
	x := &u.index
	moved := x.Epoch != u.epoch.number || x.Sec != u.head.Sec || !s.notBefore.IsZero()
	x.Epoch, x.Sec = u.epoch.number, u.head.Sec
	x.Sessions = slices.DeleteFunc(x.Sessions, func(e indexEntry) bool { return e.Ends != 0 && now.Unix() >= e.Ends })
	if moved {
		for i := range x.Sessions {
			x.Sessions[i].Used = 0
		}
	}
	read := map[string]record{} // of those that live
	for some := 2; ; some = min(2*some, store.MaxKeys) {
		all := contenders(x.Sessions, r.Pair)
		out := p.tooMany(all)
		isRead := func(e indexEntry) bool { _, is := read[e.Tail]; return is }
		if !slices.ContainsFunc(out, func(e indexEntry) bool { return !isRead(e) }) {
			for _, e := range out {
				crowded = append(crowded, read[e.Tail])
			}
			x.Sessions = leave(x.Sessions, tails(crowded))
			return crowded, nil
		}
		if all[0].used == 0 { // nothing is known of it, and then mostly of all
			some = store.MaxKeys
		}
		var unread []indexEntry
		for _, c := range all {
			if unread = append(unread, slices.DeleteFunc(slices.Clone(c.entries), isRead)...); len(unread) >= some {
				break
			}
		}
		found, err := p.loadEntries(ctx, r.Subject, *u, unread)
		if err != nil {
			return nil, err
		}
		for _, k := range found {
			if k.verdict(p, now) == nil {
				read[k.item.Key.ID] = k
			}
		}
		x.Sessions = slices.DeleteFunc(x.Sessions, func(e indexEntry) bool { return !isRead(e) && slices.Contains(unread, e) })
		for i, e := range x.Sessions {
			if k, is := read[e.Tail]; is {
				x.Sessions[i].Used, x.Sessions[i].Ends = k.lastUsed(), ends(&k.row)
			}
		}
	}
}

// A contender is what counts as one session, of those of which the ones used longest ago end.
type contender struct {
	used    int64 // no last use of it was before; 0: nothing is known
	entries []indexEntry
}

// contenders returns what the entries count as, the one used longest ago first, as far as the index says. Those of the
// pair but are none.
func contenders(entries []indexEntry, but string) (all []contender) {
	all = make([]contender, 0, len(entries))
	pairs := map[string]int{}
	for i, e := range entries {
		if but != "" && (e.Pair == but || e.Tail == but) { // joinPair may be about to write the pair of e
			continue
		}
		at, known := pairs[e.Pair]
		if e.Pair == "" || !known {
			pairs[e.Pair] = len(all)
			all = append(all, contender{e.Used, entries[i : i+1 : i+1]})
			continue
		}
		c := &all[at]
		c.used, c.entries = max(c.used, e.Used), append(c.entries, e)
	}
	slices.SortStableFunc(all, func(a, b contender) int { return cmp.Compare(a.used, b.used) })
	return all
}

// tooMany returns the sessions of the first contenders: so many that one more has room, or as many as end in one write.
func (p *policy) tooMany(all []contender) (out []indexEntry) {
	for n := len(all) - (p.maxSessions - 1); n > 0; n-- {
		first := all[0]
		if all = all[1:]; len(out) > 0 && len(out)+len(first.entries) > maxCrowdedOut {
			break
		}
		out = append(out, first.entries...)
	}
	return out
}

// crowdedOut emits the events of the sessions that a new one ended.
func (p *policy) crowdedOut(ctx context.Context, crowded []record) {
	for _, k := range crowded {
		p.sessions.emitEnded(ctx, &k, endCrowded)
	}
}
