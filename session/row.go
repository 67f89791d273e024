package session

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/posternauth/postern/store"
)

// A row is the record of a session in the store. A reader of the store cannot use it to sign in: a refresh token is
// computed from the row and from a master secret, which is never in the store.
//
// The rows of one issuer, kind and subject are in one part, so that a single conditional write can change a session
// together with the epoch and the index:
//
//	session:<hash>  !       the epoch: a counter; a session of another epoch has ended
//	session:<hash>  *       the index: the sessions of the subject, see index.go
//	session:<hash>  #<hash> an authorization code, see Kind.Code
//	session:<hash>  <tail>  a session
type row struct {
	Issuer   string          `json:"iss"` // a row of another issuer counts as absent
	Kind     string          `json:"kind"`
	Subject  string          `json:"sub"`
	Created  int64           `json:"created"` // times in Unix milliseconds
	At       int64           `json:"at"`      // of the last rotation
	Seen     int64           `json:"seen,omitempty"`
	Absolute int64           `json:"absolute"`
	Number   int64           `json:"n"`    // of the current refresh token
	Prev     int64           `json:"prev"` // of the refresh token that was traded for the current one; -1: none
	Kid      string          `json:"kid"`
	Salt     string          `json:"salt"`
	Epoch    int64           `json:"epoch"`
	Sec      int64           `json:"sec,omitempty"`     // of the head of the user when the session began, see KindConfig.Pool
	Rights   int64           `json:"rights,omitempty"`  // of the head, read before the roles in Grant were loaded
	Act      *actor          `json:"act,omitempty"`     // of an impersonation
	Pair     string          `json:"pair,omitempty"`    // see CodeAndCookies
	Home     bool            `json:"home,omitempty"`    // of a pair, it is the one in the cookies of the issuer's origin
	Browser  string          `json:"browser,omitempty"` // the name of the first pair of its browser; empty: that is Pair
	Beside   bool            `json:"beside,omitempty"`  // it began without a proof, see CodeBeside
	Ended    string          `json:"ended,omitempty"`   // why it ended; the row stays to recognize replayed tokens, see put
	Device   string          `json:"device,omitempty"`
	Address  string          `json:"address,omitempty"`
	Grant    *savedGrant     `json:"grant,omitempty"` // nil when ended
	Data     json.RawMessage `json:"data,omitempty"`

	granted string // JSON of Grant, set by readLiveness
}

type savedGrant struct {
	Properties json.RawMessage `json:"properties"`
	Scopes     []string        `json:"scopes,omitempty"`
	Roles      []string        `json:"roles,omitempty"`
	AuthTime   int64           `json:"auth_time,omitempty"` // Unix seconds, as in the token
	Methods    []string        `json:"amr,omitempty"`
	Factors    []string        `json:"factors,omitempty"` // see Authentication
	Remembered bool            `json:"remembered,omitempty"`
	ClientID   string          `json:"client_id"`
	Claims     claimed         `json:"claims,omitempty"`
}

type epochRow struct {
	Epoch int64 `json:"e"`
}

const (
	partPrefix     = "session:"
	epochID        = "!"
	codePrefix     = "#"
	indexID        = "*"
	subjectPartLen = 16 // of a session id, in base64url: 96 bits of the hash of issuer, kind and subject
	tailLen        = 22 // 128 random bits
)

// subjectPart returns the first half of the ids of a subject's sessions of a kind. Anybody can compute it from a
// subject, so it is not a secret, and no id is logged: Event.SessionID has the whole id, beside the subject. The hash
// covers the length of each part too, so that two different triples never give the same input.
func (s *Sessions) subjectPart(kind, subject string) string {
	h := sha256.New()
	for _, text := range []string{s.issuer, kind, subject} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(text))))
		h.Write([]byte(text))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))[:subjectPartLen]
}

// sessionID returns a new id: the subjectPart, so that the rows of a subject are together, and 128 random bits.
func (s *Sessions) sessionID(kind, subject string) (string, error) {
	tail, err := s.random(16)
	if err != nil {
		return "", err
	}
	return s.subjectPart(kind, subject) + "." + tail, nil
}

// sessionKey returns the key of a session in the store, and false for a text that cannot be an id.
func sessionKey(id string) (store.Key, bool) {
	half, tail, ok := strings.Cut(id, ".")
	if !ok || !base64Text(half, subjectPartLen) || !base64Text(tail, tailLen) {
		return store.Key{}, false
	}
	return store.Key{Part: partPrefix + half, ID: tail}, true
}

type epoch struct {
	number int64
	item   store.Item // an empty Version: the epoch was never moved
}

// damaged returns ErrUnavailable for a row that does not decode.
func (s *Sessions) damaged(ctx context.Context, err error) error {
	return s.unavailable(ctx, "store", fmt.Errorf("the row of a session does not decode: %w", err))
}

// read decodes a row. It refuses a row that lacks a required field, so that a fault of the store does not look like the
// end of a session.
func (r *row) read(value []byte) error {
	if err := json.Unmarshal(value, r); err != nil {
		return err
	}
	if !r.whole() || r.Salt == "" || r.Ended == "" && r.Grant == nil {
		return errDamaged
	}
	return nil
}

var errDamaged = errors.New("a required field is missing")

func (e *epoch) read(item store.Item) error {
	var r epochRow
	if err := json.Unmarshal(item.Value, &r); err != nil {
		return err
	}
	if r.Epoch < 1 { // an epoch that starts at 0 again would revive sessions that have ended
		return errDamaged
	}
	e.number, e.item = r.Epoch, item
	return nil
}

// moved returns the change that ends all sessions of the epoch. The row of an epoch never expires: without it, the
// ended sessions would live again.
func (e epoch) moved() store.Change {
	item := e.item
	item.Value = fmt.Appendf(nil, `{"e":%d}`, e.number+1)
	return store.Put(item)
}

// verdict returns nil for a session that lives, and an error that matches ErrEnded for any other.
func (k *record) verdict(p *policy, now time.Time) error {
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
	if err := k.headVerdict(); err != nil {
		return err
	}
	return k.actorVerdict()
}

// lastUsed returns the time of the last use, in Unix milliseconds.
func (r *row) lastUsed() int64 { return max(r.At, r.Seen) }

// idleEnd returns the time when the session ends if it is not used again, in Unix milliseconds.
func (r *row) idleEnd(idle time.Duration) int64 { return r.lastUsed() + idle.Milliseconds() }

// put returns the change that replaces the row by r. Only a rotation may make the row expire earlier than before. For
// every other write the row keeps its expiry or gets a later one, even if this program has a shorter Idle than the
// program that wrote the row. This is enough for the row of a session that has ended: once the session would have been
// idle for too long, its tokens are refused with the row and without it. Only the row of a theft stays until Absolute:
// an owner who comes back late still gets ErrReuse.
func (k *record) put(r row, idle time.Duration) (store.Change, error) {
	var value bytes.Buffer
	enc := json.NewEncoder(&value)
	enc.SetEscapeHTML(false) // escaped, each < in the data would take six bytes, and maxData would not hold
	if err := enc.Encode(r); err != nil {
		return store.Change{}, fmt.Errorf("session: %w", err)
	}
	item := k.item
	item.Value = bytes.TrimSuffix(value.Bytes(), []byte("\n"))
	item.Expires = time.UnixMilli(r.Absolute)
	if end := r.idleEnd(idle); end < r.Absolute && r.Ended != endReuse {
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

// commit writes the changes and reports whether they were written. false without an error means that another write came
// first, or that this write may still be under way: the caller reads again and decides again. It returns an error only
// if the store refuses the changes as invalid, or can neither write nor read.
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
	// The changes may have been written although the answer was lost, for example at the deadline of the request. The
	// version of the first item shows it.
	again, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	first := changes[0].Item
	items, unread := s.store.Get(again, first.Key)
	if unread != nil {
		return false, s.unavailable(ctx, "store", errors.Join(err, unread))
	}
	return len(items) == 1 && items[0].Version == first.Version, nil
}

const tries = 6 // attempts of a conditional write, with the first

// pause waits for a short random time before the next try of a conditional write, so that others can finish.
func pause(ctx context.Context, try int) error {
	t := time.NewTimer(rand.N(time.Duration(min(try+1, 2*tries)) * 4 * time.Millisecond))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// retry calls step until it is done or returns an error, and gives up after a number of tries.
func (s *Sessions) retry(ctx context.Context, step func(context.Context) (done bool, err error)) error {
	return s.retryUpTo(ctx, tries, step)
}

func (s *Sessions) retryUpTo(ctx context.Context, tries int, step func(context.Context) (done bool, err error)) error {
	for try := range tries {
		if done, err := step(ctx); done || err != nil {
			return err
		}
		if err := pause(ctx, try); err != nil {
			return s.unavailable(ctx, "store", err)
		}
	}
	return s.unavailable(ctx, "store", errors.New("too many requests write the same session at once, try again"))
}
