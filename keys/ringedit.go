package keys

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Rotate adds a key and a master secret. They are published at once and take over when they are three hours old, so
// nothing has to wait or restart. Call it on a schedule: every month or quarter.
func (r *Ring) Rotate(ctx context.Context) error {
	if err := r.acquire(ctx); err != nil {
		return err
	}
	defer r.release()
	return r.edit(ctx, r.addBoth)
}

func (r *Ring) addBoth(doc *document, now time.Time) error {
	if err := r.addKey(doc, now); err != nil {
		return err
	}
	return r.addSecret(doc, now)
}

// RotateOlder rotates as Rotate does if the newest key that is not revoked is at least as old as age, and reports
// whether it did. The age is checked in the step that saves. So of several processes that call it at once, one rotates.
// A key with a creation time more than an hour ahead of this clock is an error: it would hold up rotations until then.
// Whether it rotated or not, old versions of the ring leave a vault that keeps them; see [Vault].
func (r *Ring) RotateOlder(ctx context.Context, age time.Duration) (rotated bool, err error) {
	if rotated, err = r.rotateOlder(ctx, age); err != nil {
		return false, err
	}
	if v, ok := r.cfg.Vault.(interface{ Sweep(context.Context) error }); ok {
		if err := v.Sweep(ctx); err != nil {
			r.log.WarnContext(ctx, "keys: old versions of the ring could not be removed; the next rotation tries again", "error", err)
		}
	}
	return rotated, nil
}

func (r *Ring) rotateOlder(ctx context.Context, age time.Duration) (rotated bool, err error) {
	if err := r.acquire(ctx); err != nil {
		return false, err
	}
	defer r.release()
	err = r.edit(ctx, func(doc *document, now time.Time) error {
		rotated = false // of an attempt before
		for _, e := range slices.Backward(doc.Keys) {
			switch {
			case !e.Revoked.IsZero():
				continue
			case e.Created.Sub(now) > time.Hour:
				return fmt.Errorf("keys: key %q was made %v ahead of this clock: correct the clock that is wrong, or revoke the key", e.ID, e.Created.Sub(now).Round(time.Minute))
			case now.Sub(e.Created) < age:
				return nil
			}
			break // the newest decides
		}
		rotated = true
		return r.addBoth(doc, now)
	})
	return rotated && err == nil, err
}

// Revoke ends a key or master secret: what it signed or sealed is refused in this process when the call returns, in
// other processes within RingConfig.ReloadEvery, and at verifiers elsewhere when their cached JWKS expires (up to 2
// hours at API Gateway). If it was the one in use and none was waiting, a new one is made in the same step. The error
// is ErrUnknownKey if the ring has no such key.
func (r *Ring) Revoke(ctx context.Context, kid string) error {
	if err := r.acquire(ctx); err != nil {
		return err
	}
	defer r.release()
	return r.edit(ctx, func(doc *document, now time.Time) error {
		if i := slices.IndexFunc(doc.Imported, func(e importedEntry) bool { return e.ID == kid }); i >= 0 {
			doc.Imported = slices.Delete(doc.Imported, i, i+1)
			return nil
		}
		for _, kind := range []struct {
			entries []entry
			add     func(*document, time.Time) error
		}{{doc.Keys, r.addKey}, {doc.Secrets, r.addSecret}} {
			i := slices.IndexFunc(kind.entries, func(e entry) bool { return e.ID == kid })
			if i < 0 {
				continue
			}
			if !kind.entries[i].Revoked.IsZero() {
				return nil
			}
			_, inUse, _ := plan(kind.entries, now)
			kind.entries[i].Revoked = stamp(now)
			states, signer, _ := plan(kind.entries, now)
			waiting := signer > i || slices.ContainsFunc(states, func(s status) bool { return s.State == StatePending })
			if inUse == i && !waiting {
				return kind.add(doc, now)
			}
			return nil
		}
		return ErrUnknownKey
	})
}

// KeyInfo describes a key or master secret of a [Ring].
type KeyInfo struct {
	ID        string
	Algorithm Algorithm // empty for a master secret
	State     State
	Created   time.Time
	Activates time.Time // when it began to sign, or will; zero: it never did
	Retires   time.Time // when it stops verifying; zero: not before another follows it
	Revoked   time.Time // zero: not revoked
}

// Keys lists the signing keys of the ring, the oldest first, as the vault has them now. Keys that retired or were
// revoked are listed for thirty days more.
func (r *Ring) Keys(ctx context.Context) ([]KeyInfo, error) {
	doc, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	return describe(doc.Keys, r.now()), nil
}

// MasterSecrets lists the master secrets of the ring as Keys does the keys.
func (r *Ring) MasterSecrets(ctx context.Context) ([]KeyInfo, error) {
	doc, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	return describe(doc.Secrets, r.now()), nil
}

func (r *Ring) look(ctx context.Context) (*document, error) {
	if err := r.acquire(ctx); err != nil {
		return nil, err
	}
	defer r.release()
	if err := r.load(context.WithoutCancel(ctx)); err != nil {
		return nil, err
	}
	return r.cur.Load().doc, nil
}

func describe(entries []entry, now time.Time) []KeyInfo {
	states, _, _ := plan(entries, now)
	out := make([]KeyInfo, len(entries))
	for i, e := range entries {
		out[i] = KeyInfo{
			ID: e.ID, Algorithm: e.Algorithm, State: states[i].State, Created: e.Created,
			Activates: states[i].Activates, Retires: states[i].Retires, Revoked: e.Revoked,
		}
	}
	return out
}
