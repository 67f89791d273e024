package password

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/password/policy"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// The rows of this package lie in the part of the user. Each write of a password contains the head of the user.
const (
	rowID   = "password"
	triesID = "password tries"
)

// A keeper keeps the passwords of the users of one pool.
type keeper struct {
	store    store.Store
	sessions *session.Sessions // the clock, the secrets and the events
	pool     string
	hasher   *hash.Hasher
	policy   *policy.Policy
}

func (k *keeper) now() time.Time { return k.sessions.Now() }

// A row is the password of a user.
type row struct {
	Hash string    `json:"hash"` // a string of package hash
	Set  time.Time `json:"set,omitzero"`
}

func (k *keeper) key(userID, id string) store.Key {
	return store.Key{Part: head.Part(k.pool, userID), ID: id}
}

// Row returns the change that gives a user a password which was hashed before, for an import: encoded is a string of
// package hash, such as one of its Import functions returns. pool is that of the directory, userID the id of a new
// user. Count it in postern.SignUp.Passwords, or in what the import of the directory counts.
//
// The error is hash.ErrEncoded or hash.ErrCost.
func Row(pool, userID, encoded string) (store.Change, error) {
	if err := hash.Check(encoded); err != nil {
		return store.Change{}, fmt.Errorf("password: %w", err)
	}
	return (row{Hash: encoded}).put(store.Item{Key: store.Key{Part: head.Part(pool, userID), ID: rowID}})
}

// put returns the change that writes the row, on condition that item is as it was read.
func (r row) put(item store.Item) (store.Change, error) {
	value, err := json.Marshal(r)
	if err != nil {
		return store.Change{}, fmt.Errorf("password: %w", err)
	}
	item.Value, item.Expires = value, time.Time{}
	return store.Put(item), nil
}

// A state is what the store has of a user, from one Get. Of a name that nobody has it is all empty.
type state struct {
	user      string // empty: nobody
	head      head.Head
	row       row
	item      store.Item // of row
	tries     tries
	triesItem store.Item
	more      map[string]store.Item // other rows of the user, by ID
}

func (s *state) has() bool { return s.user != "" && s.item.Version != "" }

// locked reports whether the password is refused because of too many wrong ones.
func (s *state) locked() bool { return s.head.Lock == head.LockPassword || s.tries.Lock }

// load reads the state of a user. For nobody it reads as many rows, which nobody has, from a place that depends on the
// identifier.
func (k *keeper) load(ctx context.Context, userID, identifier string, more ...string) (*state, error) {
	s := &state{user: userID, more: map[string]store.Item{}}
	at := func(id string) store.Key { return k.key(userID, id) }
	if userID == "" {
		at = func(id string) store.Key { return store.Key{Part: k.nobody(identifier), ID: id} }
	}
	headKey := at(head.ID)
	keys := []store.Key{headKey, at(rowID), at(triesID)}
	for _, id := range more {
		keys = append(keys, at(id))
		s.more[id] = store.Item{Key: at(id)}
	}
	items, err := k.store.Get(ctx, keys...)
	if err != nil {
		return nil, fmt.Errorf("password: reading the store: %w", err)
	}
	if s.head, err = head.Find(items, headKey); err != nil {
		return nil, err
	}
	s.item, s.triesItem = store.Item{Key: at(rowID)}, store.Item{Key: at(triesID)}
	for _, item := range items {
		switch item.Key.ID {
		case rowID:
			s.item = item
			err = json.Unmarshal(item.Value, &s.row)
		case triesID:
			s.triesItem = item
			err = json.Unmarshal(item.Value, &s.tries)
		case head.ID:
		default:
			s.more[item.Key.ID] = item
		}
		if err != nil {
			return nil, fmt.Errorf("password: the row %q of a user does not decode: %w", item.Key.ID, err)
		}
	}
	return s, nil
}

// nobody is the part of the store where the tries of a name lie that nobody has.
func (k *keeper) nobody(identifier string) string {
	return "password:" + head.Hash("nobody", k.pool, identifier)
}

// fresh hashes a new password, after the policy has accepted it.
func (k *keeper) fresh(ctx context.Context, password string, about ...string) (row, error) {
	if err := k.policy.Check(password, about...); err != nil {
		return row{}, err
	}
	encoded, err := k.hasher.Hash(ctx, password)
	return row{Hash: encoded, Set: k.now().UTC()}, err
}

// write gives a user a password, in one write with the head h.
func (k *keeper) write(ctx context.Context, s *state, r row, h head.Head, more ...store.Change) error {
	put, err := r.put(s.item)
	if err != nil {
		return err
	}
	h.Ways.Passwords, h.Lock, h.Change = 1, "", false
	return k.commit(ctx, append([]store.Change{h.Put(), put}, more...)...)
}

// commit writes changes, of which the first is a Put. Where the answer of the store is lost, the version of that item
// shows whether they were written.
func (k *keeper) commit(ctx context.Context, changes ...store.Change) error {
	err := k.store.Write(ctx, changes...)
	if err == nil || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrInvalid) {
		return err
	}
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	first := changes[0].Item
	items, unread := k.store.Get(look, first.Key)
	if unread == nil && len(items) == 1 && items[0].Version == first.Version {
		return nil
	}
	return errors.Join(err, unread)
}

// rehash replaces a password row by one of today's cost. Best effort, with a password that was just verified.
func (k *keeper) rehash(ctx context.Context, s *state, password string) {
	encoded, err := k.hasher.Hash(ctx, password)
	if err != nil {
		return
	}
	put, err := row{Hash: encoded, Set: s.row.Set}.put(s.item)
	if err != nil {
		return
	}
	switch err := k.store.Write(ctx, put, s.head.Check()); {
	case err == nil:
		s.item = put.Item
	case !errors.Is(err, store.ErrConflict):
		k.sessions.Emit(ctx, session.Event{Name: "password not rehashed", UserID: s.user, Err: err})
	}
}
