package provision

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/store"
)

// PendingConfig is the configuration of NewPending. Store is required.
type PendingConfig struct {
	// Store keeps the roles.
	Store store.Store

	// Pool separates the roles of two user pools in one store.
	//
	// Defaults to one pool.
	Pool string

	// Keep is how long roles wait for their owner. Each new grant for the address begins it anew.
	//
	// Defaults to 365 days.
	Keep time.Duration

	// Now is the clock. Set it in tests only.
	//
	// Defaults to time.Now.
	Now func() time.Time
}

// A Pending keeps roles for addresses that nobody has proved yet. It has one row for each address, with the roles and
// nothing else: no name and no other data of a sender goes to the person who proves the address later. A Pending is
// safe for concurrent use.
type Pending struct{ c PendingConfig }

// NewPending returns a Pending.
func NewPending(c PendingConfig) (*Pending, error) {
	if c.Store == nil || c.Keep < 0 {
		return nil, errors.New("provision: PendingConfig: Store is required, and Keep cannot be negative")
	}
	if c.Keep == 0 {
		c.Keep = 365 * 24 * time.Hour
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Pending{c}, nil
}

// waiting is the value of a row.
type waiting struct {
	Roles []string `json:"roles"`
}

// maxWaiting is how many roles one address can have waiting.
const maxWaiting = 64

// Add keeps roles for an address. Roles that wait already are kept once.
func (p *Pending) Add(ctx context.Context, email string, roles ...string) error {
	key, err := p.key(email)
	if err != nil {
		return err
	}
	for {
		row, w, err := p.read(ctx, key)
		if err != nil {
			return err
		}
		w.Roles = slices.Compact(slices.Sorted(slices.Values(append(w.Roles, roles...))))
		if len(w.Roles) > maxWaiting {
			return fmt.Errorf("%w: %d roles wait for one address", ErrRefused, len(w.Roles))
		}
		row.Value, _ = json.Marshal(w) // strings always encode
		row.Expires = p.c.Now().Add(p.c.Keep)
		err = p.c.Store.Write(ctx, store.Put(row))
		if errors.Is(err, store.ErrConflict) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return fmt.Errorf("provision: keep roles for an address: %w", err)
		}
		return nil
	}
}

// Redeem gives the roles that wait for the addresses of a person. Call it with addresses that the person has proved, at
// each sign-in: users.Config.Redeem does. give adds roles to that user and must be safe to repeat. The roles are
// forgotten only after give returned nil, so that a crash loses none. Without roles that wait, Redeem reads the store
// once and does nothing.
func (p *Pending) Redeem(ctx context.Context, addresses []string, give func(ctx context.Context, roles []string) error) error {
	keys := make([]store.Key, 0, len(addresses))
	for _, a := range addresses {
		key, err := p.key(a)
		if err != nil {
			return err
		}
		if len(keys) < store.MaxKeys && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	items, err := p.c.Store.Get(ctx, keys...)
	if err != nil {
		return fmt.Errorf("provision: read the roles that wait for an address: %w", err)
	}
	for _, it := range items {
		if err := p.redeem(ctx, it, give); err != nil {
			return err
		}
	}
	return nil
}

func (p *Pending) redeem(ctx context.Context, row store.Item, give func(ctx context.Context, roles []string) error) error {
	for {
		w, err := decodeWaiting(row)
		if err != nil {
			return err
		}
		if err := give(ctx, w.Roles); err != nil {
			return fmt.Errorf("provision: give the roles that wait for an address: %w", err)
		}
		err = p.c.Store.Write(ctx, store.Delete(row.Key, row.Version))
		if err == nil {
			return nil
		}
		if !errors.Is(err, store.ErrConflict) || ctx.Err() != nil {
			return fmt.Errorf("provision: forget the roles that were given: %w", err)
		}
		// A role came in between, or another request gave them.
		if row, _, err = p.read(ctx, row.Key); err != nil || row.Version == "" {
			return err
		}
	}
}

func (p *Pending) read(ctx context.Context, key store.Key) (store.Item, waiting, error) {
	var w waiting
	items, err := p.c.Store.Get(ctx, key)
	if err != nil {
		return store.Item{}, w, fmt.Errorf("provision: read the roles that wait for an address: %w", err)
	}
	if len(items) == 0 {
		return store.Item{Key: key}, w, nil
	}
	w, err = decodeWaiting(items[0])
	return items[0], w, err
}

func decodeWaiting(row store.Item) (w waiting, err error) {
	if err := json.Unmarshal(row.Value, &w); err != nil {
		return w, errors.New("provision: the row of an address is damaged")
	}
	return w, nil
}

// key hashes the address: the store need not have the addresses of people who are not users.
func (p *Pending) key(email string) (store.Key, error) {
	a, err := mailaddr.Parse(email)
	if err != nil {
		return store.Key{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%d:%s|%s", len(p.c.Pool), p.c.Pool, a) // a hash never fails
	return store.Key{Part: "grants:" + base64.RawURLEncoding.EncodeToString(h.Sum(nil)), ID: "roles"}, nil
}
