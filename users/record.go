package users

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

// Rows in the part of a user, beside the head.
const (
	userRow = "user" // record
	seenRow = "seen" // when the user last signed in, apart so that a sign-in does not change the version of the user
)

// What a user may have at most.
const (
	maxAddresses  = 10 // verified ones and notes
	maxIdentities = 10
	maxFormer     = 10
)

// A record is a user as stored.
type record struct {
	Name       string          `json:"name,omitempty"`
	Username   string          `json:"username,omitempty"`
	Locale     string          `json:"locale,omitempty"`
	Picture    string          `json:"picture,omitempty"`
	Addresses  []address       `json:"addresses,omitempty"`
	Former     []former        `json:"former,omitempty"`
	Identities []identity      `json:"identities,omitempty"`
	Roles      []string        `json:"roles,omitempty"`
	Data       json.RawMessage `json:"data,omitempty"`
	Profile    json.RawMessage `json:"profile,omitempty"`
	Disabled   *disabled       `json:"disabled,omitempty"`
	Created    time.Time       `json:"created"`
	Updated    time.Time       `json:"updated"`
}

type address struct {
	Type     string `json:"type"`
	Value    string `json:"value"`
	Verified bool   `json:"verified,omitempty"`
}

type former struct {
	Value      string    `json:"value"`
	ReplacedBy string    `json:"by"`
	Until      time.Time `json:"until"`
}

type identity struct {
	Issuer   string    `json:"iss"`
	Subject  string    `json:"sub"`
	Provider string    `json:"provider,omitempty"`
	Linked   time.Time `json:"linked"`
}

type disabled struct {
	At    time.Time `json:"at"`
	Why   string    `json:"why,omitempty"`
	Until time.Time `json:"until,omitzero"`
}

// seen is the row of the last sign-in.
type seen struct {
	At time.Time `json:"at"`
}

func (d *Directory) key(userID, row string) store.Key {
	return store.Key{Part: head.Part(d.pool, userID), ID: row}
}

func decode(item store.Item) (*record, error) {
	r := &record{}
	if err := json.Unmarshal(item.Value, r); err != nil {
		return nil, fmt.Errorf("users: the row of a user does not decode: %w", err)
	}
	return r, nil
}

// put returns the change that writes the record. Angle brackets are written as they are: escaped, they would need six
// times the room, and a person could fill the row so that no administrator can write it any more.
func (r *record) put(item store.Item) (store.Change, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r); err != nil {
		return store.Change{}, fmt.Errorf("users: encoding a user: %w", err)
	}
	item.Value = bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	return store.Put(item), nil
}

// ways sets the counts of a head that follow from the record.
func (r *record) ways(w *head.Ways) {
	w.Identities, w.Usernames, w.Addresses = len(r.Identities), 0, 0
	if r.Username != "" {
		w.Usernames = 1
	}
	for _, a := range r.Addresses {
		if a.Verified {
			w.Addresses++
		}
	}
}

// findAddress returns the index of a mail address in canonical form, or -1.
func (r *record) findAddress(value string) int {
	return slices.IndexFunc(r.Addresses, func(a address) bool { return a.Type == "email" && a.Value == value })
}

func (r *record) findIdentity(id postern.Identity) int {
	return slices.IndexFunc(r.Identities, func(i identity) bool { return i.Issuer == id.Issuer && i.Subject == id.Subject })
}

func (r *record) findFormer(value string) int {
	return slices.IndexFunc(r.Former, func(f former) bool { return f.Value == value })
}

// prune removes former addresses whose time has passed. Their claims have expired with them.
func (r *record) prune(now time.Time) {
	r.Former = slices.DeleteFunc(r.Former, func(f former) bool { return !now.Before(f.Until) })
}

// user returns the record for the outside.
func (d *Directory) user(id string, r *record, h head.Head, version string, last time.Time) User {
	u := User{
		ID: id, Name: r.Name, Username: r.Username, Locale: r.Locale, Picture: r.Picture, Roles: slices.Clone(r.Roles),
		Scopes: d.Scopes(r.Roles), Data: r.Data, Profile: r.Profile, Created: r.Created, Updated: r.Updated,
		LastSignIn: last, Version: version, Frozen: h.Frozen, Passwords: h.Ways.Passwords, Passkeys: h.Ways.Passkeys,
	}
	for _, counts := range []head.Counts{h.Factors, h.Backups} {
		for name, n := range counts {
			if u.Factors == nil {
				u.Factors = map[string]int{}
			}
			u.Factors[name] = n
		}
	}
	for _, a := range r.Addresses {
		u.Addresses = append(u.Addresses, postern.Address(a))
	}
	for _, f := range r.Former {
		if d.now().Before(f.Until) {
			u.Former = append(u.Former, Former{f.Value, f.ReplacedBy, f.Until})
		}
	}
	for _, i := range r.Identities {
		u.Identities = append(u.Identities, Identity(i))
	}
	if r.Disabled != nil && !d.over(r) {
		u.Disabled = &Disabled{r.Disabled.At, r.Disabled.Why, r.Disabled.Until}
	} else if r.Disabled == nil && h.Gone == head.Disabled {
		u.Disabled = &Disabled{}
	}
	return u
}
