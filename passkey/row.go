package passkey

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// The rows of this package lie in the part of the user, except the claim: one for each credential id, absent-only, in
// the same write as the credential.
const (
	rowStart = head.CredentialRow
	handleID = "passkey-handle"

	maxPasskeys = 20 // of one user
	maxID       = 1023
)

// A keeper keeps the passkeys of the users of one pool.
type keeper struct {
	store    store.Store
	sessions *session.Sessions // the clock, the secrets and the events
	pool     string
}

func (k *keeper) now() time.Time { return k.sessions.Now() }

// A row is one passkey of a user (the credential record of section 4, as far as it is used).
type row struct {
	ID         []byte    `json:"id"`
	Key        []byte    `json:"key"` // public, as COSE
	Count      uint32    `json:"count,omitempty"`
	Transports []string  `json:"transports,omitempty"`
	Model      string    `json:"aaguid,omitempty"`
	Synced     bool      `json:"be,omitempty"` // backup eligible: it never changes
	BackedUp   bool      `json:"bs,omitempty"`
	Name       string    `json:"name,omitempty"` // by the person; empty: that of the model
	Created    time.Time `json:"created"`
	Used       time.Time `json:"used,omitzero"`
	item       store.Item
}

// methods are the amr of a passkey (RFC 8176).
func (r row) methods(verified bool) []string {
	list := []string{"hwk"}
	if r.Synced {
		list = []string{"swk"}
	}
	if verified {
		list = append(list, "user")
	}
	return list
}

// hash stands for a credential id in the store.
func (k *keeper) hash(id []byte) string { return head.Hash("passkey", k.pool, string(id)) }

func (k *keeper) key(userID, id string) store.Key {
	return store.Key{Part: head.Part(k.pool, userID), ID: id}
}

// put returns the change that writes a row, on condition that it is as it was read.
func (k *keeper) put(userID string, r row) store.Change {
	item := r.item
	item.Key = k.key(userID, rowStart+k.hash(r.ID))
	item.Value, _ = json.Marshal(r) // bytes, texts and times always encode
	return store.Put(item)
}

// A claim names the owner of a credential.
type claim struct {
	User string `json:"user"`
}

func (k *keeper) claim(userID string, id []byte) store.Change {
	value, _ := json.Marshal(claim{userID}) // a text always encodes
	return store.Put(store.Item{Key: head.CredentialClaim(k.hash(id)), Value: value})
}

// owner returns the user who has a credential; empty: nobody.
func (k *keeper) owner(ctx context.Context, id []byte) (string, error) {
	if len(id) == 0 || len(id) > maxID {
		return "", nil
	}
	items, err := k.store.Get(ctx, head.CredentialClaim(k.hash(id)))
	if err != nil {
		return "", unavailable(fmt.Errorf("passkey: reading the store: %w", err))
	}
	if len(items) == 0 {
		return "", nil
	}
	var c claim
	if err := json.Unmarshal(items[0].Value, &c); err != nil || c.User == "" {
		return "", unavailable(fmt.Errorf("passkey: a claim in the store does not decode: %w", err))
	}
	return c.User, nil
}

// A state is what the store has of a user, from one Get.
type state struct {
	user   string
	head   head.Head
	handle []byte // empty: none yet
	row    row    // of the credential that was asked for
	found  bool   // there is the row
}

// load reads the state of a user, with the row of a credential by its hash, unless that is empty.
func (k *keeper) load(ctx context.Context, userID, hash string) (*state, error) {
	s := &state{user: userID}
	headKey := head.Key(k.pool, userID)
	keys := []store.Key{headKey, k.key(userID, handleID)}
	if hash != "" {
		keys = append(keys, k.key(userID, rowStart+hash))
	}
	items, err := k.store.Get(ctx, keys...)
	if err != nil {
		return nil, unavailable(fmt.Errorf("passkey: reading the store: %w", err))
	}
	if s.head, err = head.Find(items, headKey); err != nil {
		return nil, unavailable(err)
	}
	for _, item := range items {
		switch item.Key.ID {
		case handleID:
			err = json.Unmarshal(item.Value, &s.handle)
		case rowStart + hash:
			s.row, err = readRow(item)
			s.found = true
		}
		if err != nil {
			return nil, unavailable(fmt.Errorf("passkey: the row %q of a user does not decode: %w", item.Key.ID, err))
		}
	}
	return s, nil
}

func readRow(item store.Item) (r row, err error) {
	err = json.Unmarshal(item.Value, &r)
	r.item = item
	return r, err
}

// all returns the passkeys of a user, the oldest first.
func (k *keeper) all(ctx context.Context, userID string) (rows []row, err error) {
	for after := rowStart; ; {
		items, next, err := k.store.List(ctx, head.Part(k.pool, userID), after, 2*maxPasskeys)
		if err != nil {
			return nil, unavailable(fmt.Errorf("passkey: listing the store: %w", err))
		}
		for _, item := range items {
			if !strings.HasPrefix(item.Key.ID, rowStart) {
				return sorted(rows), nil
			}
			r, err := readRow(item)
			if err != nil {
				return nil, unavailable(fmt.Errorf("passkey: a row of a user does not decode: %w", err))
			}
			rows = append(rows, r)
		}
		if after = next; next == "" {
			return sorted(rows), nil
		}
	}
}

// created are the changes that give a user a new passkey. handle is nil if it is stored.
func (k *keeper) created(userID string, r row, handle []byte) []store.Change {
	list := []store.Change{k.put(userID, r), k.claim(userID, r.ID)}
	if handle != nil {
		value, _ := json.Marshal(handle) // bytes always encode
		list = append(list, store.Put(store.Item{Key: k.key(userID, handleID), Value: value}))
	}
	return list
}

func encoded(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
