package keys

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"slices"
	"time"
)

// A document is what the vault keeps.
type document struct {
	Format  int     `json:"format"` // 1
	Keys    []entry `json:"keys"`
	Secrets []entry `json:"secrets"`

	Imported []importedEntry `json:"imported,omitempty"`

	rest rest
}

func parseDocument(data []byte) (*document, error) {
	var doc document
	if err := json.Unmarshal(data, &doc); err != nil || doc.Format != 1 {
		return nil, errors.New("keys: what the vault holds is not a ring this version can read")
	}
	sortEntries(doc.Keys)
	sortEntries(doc.Secrets)
	return &doc, nil
}

// load reads the vault and installs what it holds; nothing if it is empty and no ring is there yet. The caller holds
// the lock. Where others wait for the result, ctx must not be one that ends with the caller.
func (r *Ring) load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, vaultTimeout)
	defer cancel()
	tried := r.now()
	doc, version, err := r.fetch(ctx)
	if err == nil && doc != nil {
		back := r.keepRevoked(ctx, doc)
		r.noteGone(ctx, doc)
		if back != "" && r.cur.Load() == nil {
			err = fmt.Errorf("%w, where the revoked key %q is not revoked: find out who did that, and revoke it again", errSetBack, back)
		} else {
			err = r.install(doc, version)
		}
	}
	h := &health{tried: tried, due: tried.Add(r.cfg.ReloadEvery)}
	if err != nil {
		h.err = unavailable(err)
		h.due = tried.Add(min(r.cfg.ReloadEvery, reloadCooldown))
		r.log.WarnContext(ctx, "keys: the ring could not be reloaded; the one in memory stays in use", "error", err)
	}
	r.health.Store(h)
	return h.err
}

// errSetBack refuses a Ring that would begin with less than the one that it replaces.
var errSetBack = errors.New("keys: the vault was set back to an older state")

func unavailable(err error) error {
	if errors.Is(err, ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// fetch returns a nil document if the vault is empty before the ring began. One that became empty is an error: nobody
// empties a vault on purpose while it is in use.
func (r *Ring) fetch(ctx context.Context) (*document, string, error) {
	data, version, err := r.cfg.Vault.Load(ctx)
	if err != nil {
		return nil, "", err
	}
	if version == "" {
		if r.seen.began.Load() {
			return nil, "", errors.New("keys: the vault has been emptied: restore it; a process that starts makes a new ring, which ends all sessions")
		}
		return nil, "", nil
	}
	doc, err := parseDocument(data)
	return doc, version, err
}

// keepRevoked notes the revocations of doc, and revokes in doc what this ring has seen revoked before. Only a vault
// that was set back to an older state lacks a revocation, and a revoked key must not come back with it. The next edit
// writes the revocation again. back is the kid of one that doc did not have revoked. The caller holds the lock.
func (r *Ring) keepRevoked(ctx context.Context, doc *document) (back string) {
	for _, entries := range [][]entry{doc.Keys, doc.Secrets} {
		for i := range entries {
			e := &entries[i]
			seen, known := r.seen.revoked.Load(e.ID)
			switch {
			case !e.Revoked.IsZero():
				if !known {
					r.seen.revoked.Store(e.ID, e.Revoked)
				}
			case known:
				back, e.Revoked = e.ID, seen.(time.Time)
				r.log.WarnContext(ctx, "keys: the vault was set back to an older state, where a revoked key is not revoked; it stays revoked in this process", "kid", e.ID)
			}
		}
	}
	return back
}

// ended reports whether a kid that does not verify is known to have ended.
func (r *Ring) ended(entries []entry, kid string) bool {
	_, revoked := r.seen.revoked.Load(kid)
	return revoked || lists(entries, kid)
}

func (r *Ring) install(doc *document, version string) error {
	old := r.cur.Load()
	if old != nil && old.version == version {
		return nil
	}
	s, err := newSnapshot(doc, version, old)
	if err != nil {
		return err
	}
	r.cur.Store(s.at(r.now()))
	r.seen.began.Store(true)
	return nil
}

// edit changes the document: load, change, save, again from the start if another was faster. change may run several
// times; where it changes nothing, nothing is saved. The caller holds the lock.
func (r *Ring) edit(ctx context.Context, change func(doc *document, now time.Time) error) error {
	for attempt := 0; ; attempt++ {
		doc, version, err := r.fetch(ctx)
		if err != nil {
			return unavailable(err)
		}
		if doc == nil {
			doc = &document{Format: 1}
		}
		before, err := json.Marshal(doc)
		if err != nil {
			return fmt.Errorf("keys: writing the ring: %w", err)
		}
		r.keepRevoked(ctx, doc)
		if attempt == 0 {
			r.noteGone(ctx, doc)
		}
		now := r.now()
		if err := change(doc, now); err != nil {
			return err
		}
		sortEntries(doc.Keys)
		sortEntries(doc.Secrets)
		doc.Keys, doc.Secrets = tidy(doc.Keys, now), tidy(doc.Secrets, now)
		doc.Imported = slices.DeleteFunc(doc.Imported, func(e importedEntry) bool { return !e.Until.After(now) })
		data, err := json.Marshal(doc)
		if err != nil {
			return fmt.Errorf("keys: writing the ring: %w", err)
		}
		if !bytes.Equal(before, data) {
			version, err = r.cfg.Vault.Save(ctx, data, version)
		}
		switch {
		case err == nil:
			r.health.Store(&health{tried: now, due: now.Add(r.cfg.ReloadEvery)})
			r.keepRevoked(ctx, doc) // a revocation that change made
			return r.install(doc, version)
		case !errors.Is(err, ErrConflict) || attempt == maxAttempts:
			return unavailable(err)
		}
		// Each conflict is progress of another; a moment apart, they stop meeting.
		timer := time.NewTimer(time.Duration(mrand.Int64N(int64(min(attempt+1, 20)))) * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return unavailable(ctx.Err())
		}
	}
}

const maxAttempts = 100

// begin makes the first entries of a ring, and notes a longer SecretLifetime.
func (r *Ring) begin(doc *document, now time.Time) error {
	if len(doc.Keys) == 0 {
		if err := r.addKey(doc, now); err != nil {
			return err
		}
	}
	if len(doc.Secrets) == 0 {
		if err := r.addSecret(doc, now); err != nil {
			return err
		}
	}
	states, _, _ := plan(doc.Secrets, now)
	for i := range doc.Secrets {
		if states[i].verifies() {
			doc.Secrets[i].Longest = max(doc.Secrets[i].Longest, r.cfg.SecretLifetime)
		}
	}
	return nil
}

func (r *Ring) addKey(doc *document, now time.Time) error {
	key, err := generate(r.cfg.Algorithm)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(*key.signer)
	if err != nil {
		return fmt.Errorf("keys: encoding a new key: %w", err)
	}
	doc.Keys = append(doc.Keys, entry{
		ID: key.public.id, Algorithm: r.cfg.Algorithm, Created: newest(doc.Keys, now), Longest: firstLifetime, Private: der,
	})
	return nil
}

func (r *Ring) addSecret(doc *document, now time.Time) error {
	var id [12]byte
	var master [32]byte
	if _, err := rand.Read(id[:]); err != nil {
		return err
	}
	if _, err := io.ReadFull(r.cfg.Rand, master[:]); err != nil {
		return fmt.Errorf("keys: reading random bytes: %w", err)
	}
	doc.Secrets = append(doc.Secrets, entry{
		ID: base64.RawURLEncoding.EncodeToString(id[:]), Created: newest(doc.Secrets, now), Longest: doc.secretLifetime(r.cfg.SecretLifetime), Private: master[:],
	})
	return nil
}

// newest is the time to stamp on an entry that joins the others: now, but after all of them, also those stamped by a
// clock that is ahead. One that was far ahead holds nobody up once its entry is revoked.
func newest(entries []entry, now time.Time) time.Time {
	created := stamp(now)
	for _, e := range entries {
		if next := e.Created.Add(time.Millisecond); next.After(created) && (e.Revoked.IsZero() || !e.Created.After(now)) {
			created = next
		}
	}
	return created
}

func stamp(now time.Time) time.Time { return now.UTC().Truncate(time.Millisecond) }
