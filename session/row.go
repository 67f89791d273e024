package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/posternauth/postern/store"
)

// A row is what the store keeps of a session. Nothing in it opens anything: the refresh token is computed from it and
// from a master secret that the store never sees.
//
// All that belongs to one subject and kind lies in one part, so that a single conditional write can touch a session
// together with what else decides about it:
//
//	session:<hash>  !       the epoch: a counter that ends all sessions born before it moved
//	session:<hash>  #<hash> an authorization code, see Kind.Code
//	session:<hash>  <tail>  a session
type row struct {
	Kind     string          `json:"kind"`
	Subject  string          `json:"sub"`
	Created  int64           `json:"created"` // times in Unix milliseconds
	At       int64           `json:"at"`      // of the last rotation
	Seen     int64           `json:"seen,omitempty"`
	Absolute int64           `json:"absolute"`
	Number   int64           `json:"n"` // of the refresh token that is good now
	Kid      string          `json:"kid"`
	Salt     string          `json:"salt"`
	Epoch    int64           `json:"epoch"`
	Ended    string          `json:"ended,omitempty"` // why; such a row is kept to tell a replay from a token never issued
	Device   string          `json:"device,omitempty"`
	Place    string          `json:"place,omitempty"`
	Grant    *savedGrant     `json:"grant,omitempty"` // nil when ended
	Data     json.RawMessage `json:"data,omitempty"`

	granted string // JSON of Grant, as glance saw it
}

type savedGrant struct {
	Properties json.RawMessage `json:"properties"`
	Scopes     []string        `json:"scopes,omitempty"`
	Roles      []string        `json:"roles,omitempty"`
	AuthTime   int64           `json:"auth_time,omitempty"` // Unix seconds, as in the token
	Methods    []string        `json:"amr,omitempty"`
	ClientID   string          `json:"client_id"`
	Claims     claimed         `json:"claims,omitempty"`
}

type epochRow struct {
	Epoch int64 `json:"e"`
}

const (
	partPrefix = "session:"
	epochID    = "!"
	codePrefix = "#"
	afterCodes = "$" // sorts behind "!" and "#" and before every tail
	halfLen    = 16  // of a session id, in base64url: 96 bits of the hash of kind and subject
	tailLen    = 22  // 128 random bits
)

func epochKey(half string) store.Key { return store.Key{Part: partPrefix + half, ID: epochID} }

// sessionKey finds the place of a session by its id; false if it cannot be one.
func sessionKey(id string) (store.Key, bool) {
	half, tail, ok := strings.Cut(id, ".")
	if !ok || !base64Text(half, halfLen) || !base64Text(tail, tailLen) {
		return store.Key{}, false
	}
	return store.Key{Part: partPrefix + half, ID: tail}, true
}

func base64Text(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// A kept session is a row as it was read, with the epoch of its subject.
type kept struct {
	row
	id    string
	item  store.Item // without Version: there is no such session
	epoch epoch
}

func (k *kept) found() bool { return k.item.Version != "" }

type epoch struct {
	number int64
	item   store.Item // without Version: never moved
}

// load reads a session and the epoch of its subject in one round trip.
func (s *Sessions) load(ctx context.Context, id string) (kept, error) {
	return s.loadWith(ctx, id, (*row).read)
}

// loadWith reads again where row and epoch do not fit: the items of one Get need not be of one moment, and RevokeOthers
// moves both. A session is not over before it is sure that its row stood when the epoch had moved on.
func (s *Sessions) loadWith(ctx context.Context, id string, read func(*row, []byte) error) (kept, error) {
	k, err := s.loadOnce(ctx, id, read)
	for range tries {
		if err != nil || !k.found() || k.Ended != "" || k.Epoch == k.epoch.number {
			return k, err
		}
		before := k
		if k, err = s.loadOnce(ctx, id, read); err != nil {
			return k, err
		}
		stood := k.item.Version == before.item.Version
		if stood && (before.Epoch < before.epoch.number || k.Epoch > k.epoch.number) {
			return before, nil
		}
	}
	return k, s.unavailable(ctx, "store", errors.New("others write the same session again and again"))
}

func (s *Sessions) loadOnce(ctx context.Context, id string, read func(*row, []byte) error) (kept, error) {
	k := kept{id: id}
	key, ok := sessionKey(id)
	if !ok {
		return k, nil
	}
	items, err := s.store.Get(ctx, key, store.Key{Part: key.Part, ID: epochID})
	if err != nil {
		return k, s.unavailable(ctx, "store", err)
	}
	k.epoch.item.Key = store.Key{Part: key.Part, ID: epochID}
	for _, item := range items {
		if item.Key.ID != epochID {
			k.item, err = item, read(&k.row, item.Value)
		} else {
			err = k.epoch.read(item)
		}
		if err != nil {
			return k, s.unavailable(ctx, "store", fmt.Errorf("a row of sessions does not decode: %w", err))
		}
	}
	return k, nil
}

// read takes nothing for a session that lacks what every row has: the store's mistakes must not look like verdicts.
func (r *row) read(value []byte) error {
	if err := json.Unmarshal(value, r); err != nil {
		return err
	}
	if !r.whole() || r.Salt == "" || r.Ended == "" && r.Grant == nil {
		return errDamaged
	}
	return nil
}

var errDamaged = errors.New("a part of it is missing")

func (e *epoch) read(item store.Item) error {
	var r epochRow
	if err := json.Unmarshal(item.Value, &r); err != nil {
		return err
	}
	if r.Epoch < 1 { // what counts from 0 again would bring to life what was ended
		return errDamaged
	}
	e.number, e.item = r.Epoch, item
	return nil
}

// loadEpoch reads the epoch of a subject alone.
func (s *Sessions) loadEpoch(ctx context.Context, half string) (epoch, error) {
	e := epoch{item: store.Item{Key: epochKey(half)}}
	items, err := s.store.Get(ctx, e.item.Key)
	if err != nil {
		return e, s.unavailable(ctx, "store", err)
	}
	for _, item := range items {
		if err := e.read(item); err != nil {
			return e, s.unavailable(ctx, "store", fmt.Errorf("a row of sessions does not decode: %w", err))
		}
	}
	return e, nil
}

// moved is the change that ends all sessions of the epoch. Its row stays for ever: without it, what was ended would live.
func (e epoch) moved() store.Change {
	item := e.item
	item.Value = fmt.Appendf(nil, `{"e":%d}`, e.number+1)
	return store.Put(item)
}

// verdict tells whether a session lives: nil, or ErrEnded.
func (k *kept) verdict(p *policy, now time.Time) error {
	at := now.UnixMilli()
	switch {
	case !k.found():
		return refuse(ErrEnded, "")
	case k.Ended == endReuse:
		return refuseFor(ErrReuse, ErrEnded)
	case k.Ended != "", at >= k.Absolute, at >= k.idleEnd(p.idle), k.Epoch != k.epoch.number:
		return refuse(ErrEnded, "")
	case !p.sessions.notBefore.IsZero() && k.Created < p.sessions.notBefore.UnixMilli():
		return refuse(ErrEnded, "it is older than Config.NotBefore")
	}
	return nil
}

// idleEnd is when the session ends if it is not used again.
func (r *row) idleEnd(idle time.Duration) int64 { return max(r.At, r.Seen) + idle.Milliseconds() }

// put is the change that writes r in the place of what was read. Only a rotation begins the idle time anew: whatever else is
// written, by a program with a shorter Idle perhaps, the row stays for as long as it was going to.
func (k *kept) put(r row, idle time.Duration) (store.Change, error) {
	var value bytes.Buffer
	enc := json.NewEncoder(&value)
	enc.SetEscapeHTML(false) // or data full of < would be six times as long as it was measured
	if err := enc.Encode(r); err != nil {
		return store.Change{}, fmt.Errorf("session: %w", err)
	}
	item := k.item
	item.Value = bytes.TrimSuffix(value.Bytes(), []byte("\n"))
	item.Expires = time.UnixMilli(r.Absolute)
	if end := r.idleEnd(idle); r.Ended == "" && end < r.Absolute {
		item.Expires = time.UnixMilli(end)
		if r.Number == k.Number {
			item.Expires = later(item.Expires, k.item.Expires)
		}
	}
	return store.Put(item), nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// commit writes and reports whether it was done; not done and no error means that something moved, or may still be on
// its way: read again and decide anew. Only a store that can neither write nor be read is an error.
func (s *Sessions) commit(ctx context.Context, changes ...store.Change) (bool, error) {
	err := s.store.Write(ctx, changes...)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, store.ErrConflict):
		return false, nil
	case errors.Is(err, store.ErrInvalid):
		return false, s.unavailable(ctx, "store", err)
	}
	// It may have been written: the version of the first change tells. The request's own deadline may be what cut the
	// answer off.
	again, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	first := changes[0].Item
	items, unread := s.store.Get(again, first.Key)
	if unread != nil {
		return false, s.unavailable(ctx, "store", errors.Join(err, unread))
	}
	return len(items) == 1 && items[0].Version == first.Version, nil
}

const tries = 6 // of a conditional write: the first and five more

// pause lets others finish before the next try of a conditional write.
func pause(ctx context.Context, try int) error {
	t := time.NewTimer(rand.N(time.Duration(try+1) * 4 * time.Millisecond))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// retry calls step until it is done, or has been in the way of others too often.
func (s *Sessions) retry(ctx context.Context, step func(context.Context) (done bool, err error)) error {
	for try := range tries {
		if done, err := step(ctx); done || err != nil {
			return err
		}
		if err := pause(ctx, try); err != nil {
			return s.unavailable(ctx, "store", err)
		}
	}
	return s.unavailable(ctx, "store", errors.New("too many write the same session at once"))
}
