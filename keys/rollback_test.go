package keys_test

import (
	"errors"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/store"
)

// A rolledBack is a ring in a store that is set back to older states, while the process of the ring goes on.
type rolledBack struct {
	*testing.T
	st   *store.Memory
	now  time.Time
	ring *keys.Ring
}

func newRolledBack(t *testing.T) *rolledBack {
	r := &rolledBack{T: t, st: &store.Memory{}, now: time.Now()}
	r.ring = openRing(t, keys.StoreVault{Store: r.st, Sealer: keys.MasterKey(vaultKey)}, func(c *keys.RingConfig) {
		c.Now = func() time.Time { return r.now }
	})
	return r
}

func (r *rolledBack) state() []byte { return itemOf(r.T, r.st, ringItem).Value }

// setBack puts an older state into the store, and goes on to the next reload.
func (r *rolledBack) setBack(state []byte) {
	put(r.T, r.st, ringItem, state)
	r.now = r.now.Add(6 * time.Minute)
}

func (r *rolledBack) rotate() {
	r.Helper()
	if err := r.ring.Rotate(r.Context()); err != nil {
		r.Fatal(err)
	}
}

// inUse returns the kids of the key and of the master secret that are in use.
func (r *rolledBack) inUse() (key, secret string) {
	r.Helper()
	s, err := r.ring.Secret(r.Context(), "")
	if err != nil {
		r.Fatal(err)
	}
	return signingKey(r.T, r.ring, time.Hour).Public().ID(), s.ID
}

func (r *rolledBack) revoke(kids ...string) {
	r.Helper()
	for _, kid := range kids {
		if err := r.ring.Revoke(r.Context(), kid); err != nil {
			r.Fatal(err)
		}
	}
}

// refused checks that a revoked key and a revoked master secret work for nothing.
func (r *rolledBack) refused(when, key, secret string) {
	r.Helper()
	if _, err := r.ring.PublicKey(r.Context(), key); !errors.Is(err, keys.ErrRetired) {
		r.Errorf("%s: the revoked key: %v", when, err)
	}
	if _, err := r.ring.Secret(r.Context(), secret); !errors.Is(err, keys.ErrRetired) {
		r.Errorf("%s: the revoked secret: %v", when, err)
	}
	published, err := r.ring.PublicKeys(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	for _, k := range published {
		if k.ID() == key {
			r.Errorf("%s: the revoked key is published", when)
		}
	}
	if signer, err := r.ring.SigningKey(r.Context(), time.Hour); err == nil && signer.Public().ID() == key {
		r.Errorf("%s: the revoked key signs", when)
	}
	if s, err := r.ring.Secret(r.Context(), ""); err == nil && s.ID == secret {
		r.Errorf("%s: the revoked secret seals", when)
	}
}

// TestK1_RolledBackTwice: a vault is set back to a state before a revoked key was made, and then to one where it signs.
// The process that saw the revocation refuses the key after both, and a rotation writes the revocation again.
func TestK1_RolledBackTwice(t *testing.T) {
	r := newRolledBack(t)
	before := r.state()
	r.rotate()
	r.now = r.now.Add(4 * time.Hour)
	key, secret := r.inUse()
	signs := r.state()
	r.revoke(key, secret)
	revoked := r.state()
	r.refused("after Revoke", key, secret)
	for _, step := range []struct {
		when  string
		state []byte
	}{
		{"one step back", signs}, {"forward", revoked}, {"before the key", before}, {"then where it signs", signs},
		{"before the key again", before}, {"where it signs again", signs},
	} {
		r.setBack(step.state)
		r.refused(step.when, key, secret)
		r.now = r.now.Add(time.Hour)
		r.refused(step.when+", later", key, secret)
	}
	r.rotate()
	r.refused("after a rotation", key, secret)
	late := *r
	late.ring = openRing(t, keys.StoreVault{Store: r.st, Sealer: keys.MasterKey(vaultKey)}, func(c *keys.RingConfig) {
		c.Now = func() time.Time { return r.now }
	})
	late.refused("a new process", key, secret)
}

// TestK1_RolledBackAfterRetirement: a revoked key and a revoked master secret have left the ring long ago when the
// vault is set back to the state where they were in use. The process that saw the revocation still refuses them.
func TestK1_RolledBackAfterRetirement(t *testing.T) {
	r := newRolledBack(t)
	key, secret := r.inUse()
	inUse := r.state()
	r.revoke(key, secret)
	for range 12 {
		r.now = r.now.Add(30 * 24 * time.Hour)
		r.rotate()
	}
	list, err := r.ring.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range list {
		if k.ID == key {
			t.Fatal("the ring still lists the key: nothing is tested")
		}
	}
	r.refused("after a year", key, secret)
	r.setBack(inUse)
	r.refused("set back", key, secret)
	r.rotate()
	r.now = r.now.Add(4 * time.Hour)
	r.refused("after a rotation", key, secret)
}

// TestK1_RevokedElsewhereRolledBack: a process that only saw, in the vault, that another one revoked a key keeps it
// revoked too, through two rollbacks.
func TestK1_RevokedElsewhereRolledBack(t *testing.T) {
	r := newRolledBack(t)
	before := r.state()
	r.rotate()
	r.now = r.now.Add(4 * time.Hour)
	key, secret := r.inUse()
	signs := r.state()
	other := openRing(t, keys.StoreVault{Store: r.st, Sealer: keys.MasterKey(vaultKey)}, func(c *keys.RingConfig) {
		c.Now = func() time.Time { return r.now }
	})
	for _, kid := range []string{key, secret} {
		if err := other.Revoke(t.Context(), kid); err != nil {
			t.Fatal(err)
		}
	}
	r.now = r.now.Add(6 * time.Minute)
	r.refused("after the reload", key, secret)
	for _, state := range [][]byte{before, signs} {
		r.setBack(state)
		r.refused("set back", key, secret)
	}
}
