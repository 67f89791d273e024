package session

import (
	"context"
	"errors"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

// The head is a row of the user that all packages share, see package head. A session keeps the Sec of the head of the
// moment in which it began. It ends when the head has another Sec, or when the user is gone.

var (
	errGone  = refuse(ErrEnded, "the user is disabled or deleted")
	errMoved = refuse(ErrEnded, "the security of the account has changed, sign in again")
)

// errRights is the error for a session whose roles were loaded before the rights of the user changed. A refresh loads
// them again.
var errRights = refuse(ErrExpired, "the roles of the user have changed, refresh it first")

// headKey returns the key of the head of a user of the kind's Pool.
func (p *policy) headKey(subject string) store.Key { return head.Key(p.pool, subject) }

// headVerdict returns the error for a session that the head of its user has ended.
func (k *record) headVerdict() error {
	switch {
	case !k.headed:
		return nil
	case k.head.Gone != "":
		return errGone
	case k.Sec != k.head.Sec:
		return errMoved
	}
	return nil
}

// headReason returns the Reason of the event that ends a session for an error of headVerdict or actorVerdict, and ""
// for any other.
func headReason(err error) string {
	switch {
	case errors.Is(err, errGone):
		return endGone
	case errors.Is(err, errMoved):
		return endSecurity
	case errors.Is(err, errActor):
		return endActor
	}
	return ""
}

// endByHead ends a session for an error that has a headReason. It reports false, without an error, if another write
// came first.
func (s *Sessions) endByHead(ctx context.Context, p *policy, k *record, verdict error) (bool, error) {
	done, err := s.end(ctx, p, k, headReason(verdict))
	if err == nil && done {
		err = verdict
	}
	return done, err
}

// userOf returns headKey, or the zero key if the kind has no Pool.
func (p *policy) userOf(subject string) store.Key {
	if p.pool == "" {
		return store.Key{}
	}
	return p.headKey(subject)
}

// loadedRights returns the rights of the head when the roles of a new session were loaded; known is false if the
// context does not have it.
func (p *policy) loadedRights(ctx context.Context) (rights int64, known bool) {
	if p.pool == "" {
		return 0, true
	}
	return head.LoadedRights(ctx)
}

// A birth is the Sec that the head of a user must have while a session begins. The first head that is read sets it,
// unless the context has one: so a session never begins after an event that came after the sign-in.
type birth struct {
	policy *policy
	sec    int64
	known  bool
}

func (p *policy) birth(ctx context.Context) birth {
	sec, ok := head.Expected(ctx)
	return birth{p, sec, ok}
}

// check returns an error if no session may begin for a user with this head.
func (b *birth) check(h head.Head) error {
	if b.policy.pool == "" {
		return nil
	}
	if h.Gone != "" {
		return errGone
	}
	if !b.known {
		b.sec, b.known = h.Sec, true
	}
	if h.Sec != b.sec {
		return errMoved
	}
	return nil
}

// rightsMoved reports whether the roles of a session are to be loaded again. A program without OnRefresh cannot.
func (p *policy) rightsMoved(k *record) bool {
	return k.headed && p.onRefresh != nil && k.Rights != k.head.Rights
}

// A headMove is a head that one call has moved.
type headMove struct{ from, to int64 }

// headMoves are the heads that one call has moved, so that it moves none twice: kinds may share a pool, and a browser
// may have sessions of several kinds.
type headMoves map[store.Key]headMove

// moveFirst moves a head in a separate write, for a store that cannot write it together with the epoch. It reports
// false, without an error, if another write came first.
func (s *Sessions) moveFirst(ctx context.Context, key store.Key, h head.Head, moved headMoves) (bool, error) {
	won, err := s.commit(ctx, h.Moved().Put())
	if won {
		moved.add(key, h)
	}
	return won, err
}

// named returns the change after which the index names all of these sessions of one subject, which is a Check if it
// does now. After moveFirst, a session to keep counts as ended until it is written again, and a sign-in in between may
// take it out of the index.
func (p *policy) named(ctx context.Context, all []record) (store.Change, error) {
	u, err := p.loadSubject(ctx, all[0].Subject)
	if err != nil {
		return store.Change{}, err
	}
	next, expires := u.index.indexRow, time.Time{}
	for _, k := range all {
		if !u.index.has(k.item.Key.ID) {
			next.add(k.item.Key.ID, &k.row)
			expires = later(expires, time.UnixMilli(k.Absolute))
		}
	}
	if next.Last == u.index.Last {
		return store.Check(u.index.item.Key, u.index.item.Version), nil
	}
	return u.index.put(next, expires)
}

// allow returns nil for the verdict about a session that has ended only because this call moved the head, and any other
// verdict as it is.
func (m headMoves) allow(key store.Key, k *record, verdict error) error {
	if move, done := m[key]; done && errors.Is(verdict, errMoved) && move == (headMove{k.Sec, k.head.Sec}) {
		return nil
	}
	return verdict
}

// add records that the call has moved a head, which was before as it is given. The first record of a head stays.
func (m headMoves) add(key store.Key, before head.Head) {
	if _, done := m[key]; !done {
		m[key] = headMove{before.Sec, before.Moved().Sec}
	}
}
