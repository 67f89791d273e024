package users

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/internal/text"
	"github.com/posternauth/postern/store"
)

// A claim is the row that makes an address, a username or an identity belong to one user.
type claim struct {
	User   string `json:"user"`
	Former bool   `json:"former,omitempty"` // of an address that was given up: finds nobody, and keeps others out
}

const claimRow = "claim"

func (d *Directory) addressKey(canonical string) store.Key {
	return store.Key{Part: "addr:" + head.Hash(d.pool, canonical), ID: claimRow}
}

func (d *Directory) usernameKey(name string) store.Key {
	return store.Key{Part: "name:" + head.Hash(d.pool, name), ID: claimRow}
}

func (d *Directory) identityKey(issuer, subject string) store.Key {
	return store.Key{Part: "idn:" + head.Hash(d.pool, issuer, subject), ID: claimRow}
}

// claimKey returns the key by which an identity is found. ok is false if nobody can have such an identity.
func (d *Directory) claimKey(id postern.Identity) (key store.Key, ok bool) {
	switch id.Issuer {
	case postern.MailIssuer:
		a, err := mailaddr.Parse(id.Subject)
		return d.addressKey(a.String()), err == nil
	case postern.NameIssuer:
		name, ok := text.Username(id.Subject)
		return d.usernameKey(name), ok && d.names
	}
	return d.identityKey(id.Issuer, id.Subject), identityForm(id)
}

// A wanted is a claim that a record needs.
type wanted struct {
	key    store.Key
	former bool
	until  time.Time // of a former one
}

func (d *Directory) claims(r *record) []wanted {
	var out []wanted
	if r == nil {
		return nil
	}
	for _, a := range r.Addresses {
		if a.Verified {
			out = append(out, wanted{key: d.addressKey(a.Value)})
		}
	}
	for _, f := range r.Former {
		out = append(out, wanted{d.addressKey(f.Value), true, f.Until})
	}
	if r.Username != "" {
		out = append(out, wanted{key: d.usernameKey(r.Username)})
	}
	for _, i := range r.Identities {
		out = append(out, wanted{key: d.identityKey(i.Issuer, i.Subject)})
	}
	return out
}

// claimChanges returns the changes that lead from the claims of one record to those of another. The error is
// postern.ErrTaken if one belongs to another user.
func (d *Directory) claimChanges(ctx context.Context, userID string, before, after *record) ([]store.Change, error) {
	had := map[store.Key]wanted{}
	for _, w := range d.claims(before) {
		had[w.key] = w
	}
	var puts, keys = []wanted(nil), []store.Key(nil)
	for _, w := range d.claims(after) {
		old, ok := had[w.key]
		delete(had, w.key)
		if !ok || old.former != w.former || !old.until.Equal(w.until) {
			puts, keys = append(puts, w), append(keys, w.key)
		}
	}
	for key := range had {
		keys = append(keys, key)
	}
	rows, err := d.readClaims(ctx, keys)
	if err != nil {
		return nil, err
	}
	var out []store.Change
	checked := map[string]bool{}
	for _, w := range puts {
		row := rows[w.key]
		if row.item.Version != "" && row.User != userID && !checked[row.User] {
			h, err := head.Get(ctx, d.store, d.pool, row.User)
			if err != nil {
				return nil, fmt.Errorf("users: %w", err)
			}
			if h.Gone != head.Deleted {
				return nil, &takenError{claimName(w.key)}
			}
			checked[row.User] = true
			out = append(out, h.Check())
		}
		item := store.Item{Key: w.key, Version: row.item.Version, Expires: w.until}
		item.Value, _ = json.Marshal(claim{userID, w.former}) // texts always encode
		out = append(out, store.Put(item))
	}
	for key := range had {
		if row := rows[key]; row.item.Version != "" && row.User == userID {
			out = append(out, store.Delete(key, row.item.Version))
		}
	}
	return out, nil
}

// A takenError is postern.ErrTaken with what is taken.
type takenError struct{ what string }

func (e *takenError) Error() string { return "users: the " + e.what + " belongs to another user" }
func (e *takenError) Unwrap() error { return postern.ErrTaken }

// claimName returns what a claim is about.
func claimName(key store.Key) string {
	kind, _, _ := strings.Cut(key.Part, ":")
	return map[string]string{"addr": "address", "name": "username", "idn": "identity"}[kind]
}

// A claimItem is a claim with the item it was read from.
type claimItem struct {
	claim
	item store.Item
}

func (d *Directory) readClaims(ctx context.Context, keys []store.Key) (map[store.Key]claimItem, error) {
	out := map[store.Key]claimItem{}
	items, err := d.get(ctx, keys...)
	if err != nil {
		return nil, err
	}
	for _, item := range items {
		c := claimItem{item: item}
		if err := json.Unmarshal(item.Value, &c.claim); err != nil {
			return nil, fmt.Errorf("users: a claim does not decode: %w", err)
		}
		out[item.Key] = c
	}
	return out, nil
}

// get reads any number of items.
func (d *Directory) get(ctx context.Context, keys ...store.Key) (out []store.Item, err error) {
	for len(keys) > 0 {
		n := min(len(keys), store.MaxKeys)
		items, err := d.store.Get(ctx, keys[:n]...)
		if err != nil {
			return nil, fmt.Errorf("users: reading the store: %w", err)
		}
		out, keys = append(out, items...), keys[n:]
	}
	return out, nil
}
