package keys

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// An importedEntry is a public key of another system as the vault keeps it.
type importedEntry struct {
	ID        string    `json:"id"`
	Algorithm Algorithm `json:"alg"`
	Public    []byte    `json:"public"` // PKIX
	Until     time.Time `json:"until"`

	rest rest
}

type importedKey struct {
	public *PublicKey
	until  time.Time
}

func (e importedEntry) parse() (*PublicKey, error) {
	key, err := x509.ParsePKIXPublicKey(e.Public)
	if err != nil {
		return nil, fmt.Errorf("%w: not PKIX", ErrWeakKey)
	}
	return NewPublicKey(key, e.Algorithm, e.ID)
}

// maxImported is how many imported keys a ring has room for.
const maxImported = 10

// Import keeps a public key of another system in the ring until a time, so that its tokens can be checked during a
// migration, with [Ring.Imported]. It never signs, is not published, and is not among the keys that check the tokens of
// this issuer: who has its private key cannot make such tokens. A key without a kid gets its RFC 7638 thumbprint. The
// time of a key that is there is changed. Revoke ends it early.
//
// The error is ErrWeakKey for a shared secret, and for a kid of the ring.
func (r *Ring) Import(ctx context.Context, key *PublicKey, until time.Time) error {
	if key.key == nil {
		return fmt.Errorf("%w: a shared secret is not imported", ErrWeakKey)
	}
	der, err := x509.MarshalPKIXPublicKey(key.key)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrWeakKey, err)
	}
	e := importedEntry{ID: key.id, Algorithm: key.alg, Public: der, Until: stamp(until)}
	if e.ID == "" {
		if e.ID, err = Thumbprint(key.key); err != nil {
			return err
		}
	}
	if err := r.acquire(ctx); err != nil {
		return err
	}
	defer r.release()
	return r.edit(ctx, func(doc *document, now time.Time) error {
		switch {
		case !until.After(now):
			return errors.New("keys: the imported key would end in the past")
		case lists(doc.Keys, e.ID) || lists(doc.Secrets, e.ID):
			return fmt.Errorf("%w: %q is a key of the ring itself", ErrWeakKey, e.ID)
		}
		doc.Imported = slices.DeleteFunc(doc.Imported, func(o importedEntry) bool { return o.ID == e.ID })
		if len(doc.Imported) >= maxImported {
			return fmt.Errorf("keys: a ring has room for %d imported keys: revoke one", maxImported)
		}
		doc.Imported = append(doc.Imported, e)
		return nil
	})
}

// noteGone logs imported keys that this ring has and doc does not, before their time: another process revoked them, or
// is of a version from before there were any, and dropped them with an edit. The caller holds the lock.
func (r *Ring) noteGone(ctx context.Context, doc *document) {
	old := r.cur.Load()
	if old == nil {
		return
	}
	now := r.now()
	for _, e := range old.doc.Imported {
		still := slices.ContainsFunc(doc.Imported, func(o importedEntry) bool { return o.ID == e.ID })
		if !still && e.Until.After(now) {
			r.log.WarnContext(ctx, "keys: an imported key has left the ring before its time; if nobody revoked it, a program of an older version dropped it: replace that program, and import the key again", "kid", e.ID, "until", e.Until)
		}
	}
}

// Imported returns a [Verifier] with the imported keys whose time has not come. A token without kid, such as one of SST
// Auth, is checked with the only one.
func (r *Ring) Imported() Verifier { return importedKeys{r} }

type importedKeys struct{ ring *Ring }

func (i importedKeys) PublicKey(ctx context.Context, kid string) (*PublicKey, error) {
	if err := i.ring.usable(ctx); err != nil {
		return nil, err
	}
	now := i.ring.now()
	var found *PublicKey
	for _, k := range i.ring.current(ctx).imported {
		if !k.until.After(now) || kid != "" && k.public.id != kid {
			continue
		}
		if found != nil {
			return nil, ErrUnknownKey // a token without kid chooses none of several
		}
		found = k.public
	}
	if found == nil {
		return nil, ErrUnknownKey
	}
	return found, nil
}

// ImportedKeys lists the imported keys that have not ended, as the vault has them now. KeyInfo.Retires is their end.
func (r *Ring) ImportedKeys(ctx context.Context) ([]KeyInfo, error) {
	doc, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	var out []KeyInfo
	for _, e := range doc.Imported {
		if e.Until.After(r.now()) {
			out = append(out, KeyInfo{ID: e.ID, Algorithm: e.Algorithm, State: StatePassive, Retires: e.Until})
		}
	}
	return out, nil
}
