package session

import (
	"context"
	"errors"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

// A record is a row that was read from the store, with the epoch of its subject.
type record struct {
	row
	id     string
	item   store.Item // an empty Version: there is no such session
	epoch  epoch
	head   head.Head   // of the user, if headed
	headed bool        // the head was read together with the row, because the kind has a Pool
	index  *store.Item // that of its subject, if the lookup asked for it; without Version: there is none

	actorGone bool // of an impersonation: the session of its actor has ended, or the actor has other rights
}

func (k *record) found() bool { return k.item.Version != "" }

// A lookup is what to read of a session.
type lookup struct {
	read func(*row, []byte) error
	head bool      // the head of the user too, if the kind has a Pool
	user store.Key // the key of the head, so that one round trip reads all; zero: not known yet

	actor bool // the session is that of an actor: user is the key, whatever issuer and kind the session has
	index bool // the index of the subject too
}

// load reads a session and the epoch of its subject in one round trip.
func (s *Sessions) load(ctx context.Context, id string) (record, error) {
	return s.loadWith(ctx, id, lookup{read: (*row).read})
}

// loadHeaded is load with the head of the user, if the kind has a Pool. It takes one round trip if user is the key of
// the head, and two if user is zero or another key.
func (s *Sessions) loadHeaded(ctx context.Context, id string, user store.Key) (record, error) {
	return s.loadWith(ctx, id, lookup{read: (*row).read, head: true, user: user})
}

// loadWith is loadAgreed, which also asks for the actor of an impersonation if the head is asked for.
func (s *Sessions) loadWith(ctx context.Context, id string, l lookup) (record, error) {
	k, err := s.loadAgreed(ctx, id, l)
	if err == nil && l.head && k.found() && k.Ended == "" && k.Act != nil {
		err = s.findActor(ctx, &k)
	}
	return k, err
}

// loadAgreed reads again if the row does not agree with the epoch of the subject or with the head of the user:
// RevokeOthers moves them together, and a Get may return one item from before that write and one from after it. So a
// session counts as ended only when a second read shows the same row.
func (s *Sessions) loadAgreed(ctx context.Context, id string, l lookup) (record, error) {
	k, err := s.loadOnce(ctx, id, l)
	if user, needed := k.user(s, l); err == nil && needed && user != l.user {
		l.user = user
		k, err = s.loadOnce(ctx, id, l)
	}
	for try := range tries {
		if err != nil || !k.found() || k.Ended != "" || k.agrees() {
			return k, err
		}
		if k.headed && !s.twoParts { // RevokeOthers has written the head, and writes the row in a moment
			if err := pause(ctx, try); err != nil {
				return k, s.unavailable(ctx, "store", err)
			}
		}
		before := k
		if k, err = s.loadOnce(ctx, id, l); err != nil {
			return k, err
		}
		stood := k.item.Version == before.item.Version
		if stood && (before.behind() || k.ahead()) {
			return before, nil
		}
	}
	return k, s.unavailable(ctx, "store", errors.New("other requests kept writing the same session, try again"))
}

// user returns the key of the head of the session's user; needed is false if the lookup needs no head.
func (k *record) user(s *Sessions, l lookup) (key store.Key, needed bool) {
	if !l.head || !k.found() {
		return key, false
	}
	if l.actor {
		return l.user, true
	}
	p := s.kind(k.Kind)
	if p == nil || p.pool == "" {
		return key, false
	}
	return p.headKey(k.Subject), true
}

// agrees reports whether the row belongs to the epoch and to the head that were read with it.
func (k *record) agrees() bool { return !k.behind() && !k.ahead() }

// behind reports whether the row is older than the epoch or the head.
func (k *record) behind() bool { return k.Epoch < k.epoch.number || k.headed && k.Sec < k.head.Sec }

// ahead reports whether the row is newer than the epoch or the head.
func (k *record) ahead() bool { return k.Epoch > k.epoch.number || k.headed && k.Sec > k.head.Sec }

func (s *Sessions) loadOnce(ctx context.Context, id string, l lookup) (record, error) {
	k := record{id: id}
	key, ok := sessionKey(id)
	if !ok {
		return k, nil
	}
	k.epoch.item.Key = store.Key{Part: key.Part, ID: epochID}
	keys := append(make([]store.Key, 0, 4), key, k.epoch.item.Key)
	if l.user != (store.Key{}) {
		keys = append(keys, l.user)
	}
	var inIndex store.Key
	if l.index {
		inIndex = store.Key{Part: key.Part, ID: indexID}
		keys, k.index = append(keys, inIndex), &store.Item{Key: inIndex}
	}
	items, err := s.store.Get(ctx, keys...)
	if err != nil {
		return k, s.unavailable(ctx, "store", err)
	}
	for _, item := range items {
		switch item.Key {
		case key:
			k.item, err = item, l.read(&k.row, item.Value)
		case k.epoch.item.Key:
			err = k.epoch.read(item)
		case inIndex:
			k.index = &item
		}
		if err != nil {
			return k, s.damaged(ctx, err)
		}
	}
	if k.found() && k.Issuer != s.issuer && !l.actor { // a session of another issuer on the same store
		return record{id: id, epoch: k.epoch}, nil
	}
	if user, needed := k.user(s, l); needed && user == l.user {
		if k.head, err = head.Find(items, user); err != nil {
			return k, s.unavailable(ctx, "store", err)
		}
		k.headed = true
	}
	return k, nil
}
