// Package head keeps the head row of a user. Everything that was minted for a user carries the number Sec of the moment
// in which it was minted, and is refused once the head has another: a session, a waiting sign-in, a reset, a code.
//
// The head stays for ever, and holds no personal data. An absent head is all zero.
package head

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"

	"github.com/posternauth/postern/store"
)

// ID is the id of the head within the part of the user.
const ID = "!"

// Values of Head.Gone and Head.Lock.
const (
	Disabled = "disabled"
	Deleted  = "deleted"

	LockPassword = "password" // too many wrong passwords: the password is refused until another proof
)

// Ways count the ways in of a user: each can begin a sign-in.
type Ways struct {
	Passwords  int `json:"pw,omitempty"`
	Passkeys   int `json:"pk,omitempty"`
	Identities int `json:"idn,omitempty"`  // of providers
	Addresses  int `json:"addr,omitempty"` // verified mail addresses
	Usernames  int `json:"name,omitempty"` // a name finds the user, but proves nothing
}

// Counts count the factors of a user by the name of each in the configuration.
type Counts map[string]int

// With returns the counts with n more of a name. A count is never below zero.
func (c Counts) With(name string, n int) Counts {
	next := maps.Clone(c)
	if next == nil {
		next = Counts{}
	}
	if next[name] += n; next[name] <= 0 {
		delete(next, name)
	}
	return next
}

// damaged reports a count that With never writes.
func (c Counts) damaged() bool {
	for _, n := range c {
		if n <= 0 {
			return true
		}
	}
	return false
}

// A Head is the head row of one user, as it was read.
type Head struct {
	Sec     int64  `json:"sec,omitempty"`    // moves when the security of the user changes: what was minted before is refused
	Seq     int64  `json:"seq,omitempty"`    // moves with Sec and with every addition
	Rights  int64  `json:"rights,omitempty"` // moves when the roles of the user change
	Ways    Ways   `json:"ways,omitzero"`
	Factors Counts `json:"factors,omitempty"` // any of them makes a second proof due
	Backups Counts `json:"backups,omitempty"` // answer where one is due, and make none due: recovery codes
	Gone    string `json:"gone,omitempty"`    // Disabled, Deleted, or empty
	Lock    string `json:"lock,omitempty"`    // LockPassword, or empty
	Frozen  bool   `json:"frozen,omitempty"`  // a change of an address was undone: ways in that came after it are refused
	Change  bool   `json:"change,omitempty"`  // the password must be changed before it signs in again

	item store.Item
}

// Part returns the part of the store in which all rows of a user are, except sessions. The hash covers the length of
// each text, so two pairs never give the same part, and an application's ids may be short, long or easy to guess.
func Part(pool, userID string) string { return partPrefix + Hash(pool, userID) }

const partPrefix = "user:"

// Hash returns a hash of several texts, 256 bits in base64url.
func Hash(texts ...string) string {
	h := sha256.New()
	for _, t := range texts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(t))))
		h.Write([]byte(t))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// Key returns the key of the head of a user.
func Key(pool, userID string) store.Key { return KeyOf(Hash(pool, userID)) }

// KeyOf returns the key of the head of a user by Hash(pool, userID).
func KeyOf(hash string) store.Key { return store.Key{Part: partPrefix + hash, ID: ID} }

// Get reads the head of a user.
func Get(ctx context.Context, s store.Store, pool, userID string) (Head, error) {
	key := Key(pool, userID)
	items, err := s.Get(ctx, key)
	if err != nil {
		return Head{}, fmt.Errorf("head: reading the store: %w", err)
	}
	return Find(items, key)
}

var errDamaged = errors.New("head: the row does not decode: not the object of a head")

// Find decodes the head with a key among items that were read. The head is absent, and all zero, if it is not there.
// The error means that the row is damaged: answer it as an unavailable store.
func Find(items []store.Item, key store.Key) (Head, error) {
	for _, item := range items {
		if item.Key != key {
			continue
		}
		h := Head{}
		if err := json.Unmarshal(item.Value, &h); err != nil {
			return Head{}, fmt.Errorf("head: the row does not decode: %w", err)
		}
		if h.Sec < 0 || h.Seq < 0 || h.Rights < 0 || h.Factors.damaged() || h.Backups.damaged() || bytes.Equal(bytes.TrimSpace(item.Value), []byte("null")) {
			return Head{}, errDamaged // never an absent head: that would revive what has ended
		}
		h.item = item
		return h, nil
	}
	return Head{item: store.Item{Key: key}}, nil
}

// Absent reports whether the row does not exist.
func (h Head) Absent() bool { return h.item.Version == "" }

// Due reports whether the user has a factor that is asked for after a first proof.
func (h Head) Due() bool { return len(h.Factors) > 0 }

// Moved returns the head after an event that ends what was minted before.
func (h Head) Moved() Head {
	h.Sec++
	h.Seq++
	return h
}

// Added returns the head after an addition, which ends what is in flight.
func (h Head) Added() Head {
	h.Seq++
	return h
}

// Put returns the change that writes the head, on condition that the row is as it was read.
func (h Head) Put() store.Change {
	item := h.item
	item.Value, _ = json.Marshal(h) // numbers and texts always encode
	return store.Put(item)
}

// Check returns the change that makes a Write fail unless the row is as it was read.
func (h Head) Check() store.Change { return store.Check(h.item.Key, h.item.Version) }

// CredentialClaim returns the key of the row that names the owner of a credential, by the hash of the credential. The
// owner's row of the credential has the id CredentialRow and this hash, so who deletes a user finds both.
func CredentialClaim(hash string) store.Key {
	return store.Key{Part: CredentialRow + hash, ID: "owner"}
}

// CredentialRow begins the id of the row of a credential that has a claim.
const CredentialRow = "passkey:"

// SameStore reports whether two stores are the same value. The heads of the users must be where the sessions look.
func SameStore(a, b store.Store) bool {
	return a == nil && b == nil || a != nil && b != nil && reflect.TypeOf(a).Comparable() && reflect.TypeOf(b).Comparable() && a == b
}
