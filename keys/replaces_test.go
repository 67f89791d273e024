package keys_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/store"
)

// TestK1_Replaces: a ring that takes the place of another in the process knows what that one saw. A vault that was set
// back behind a revocation, or emptied, does not open, and the ring before goes on. Later revocations reach both.
func TestK1_Replaces(t *testing.T) {
	r := newRolledBack(t)
	reopen := func() (*keys.Ring, error) {
		return keys.Open(t.Context(), keys.RingConfig{
			Vault: keys.StoreVault{Store: r.st, Sealer: keys.MasterKey(vaultKey)}, Algorithm: keys.ES256,
			Now: func() time.Time { return r.now }, Logger: silent, Replaces: r.ring,
		})
	}
	r.rotate()
	r.now = r.now.Add(4 * time.Hour)
	key, secret := r.inUse()
	signs := r.state()
	r.revoke(key, secret)
	revoked := r.state()
	for range 2 {
		next, err := reopen()
		if err != nil {
			t.Fatalf("nothing happened to the vault: %v", err)
		}
		r.ring = next
	}
	put(t, r.st, ringItem, signs)
	if _, err := reopen(); !errors.Is(err, keys.ErrUnavailable) || !strings.Contains(err.Error(), "set back to an older state") ||
		!strings.Contains(err.Error(), "revoke it again") {
		t.Errorf("a vault that was set back: %v", err)
	}
	r.refused("set back", key, secret)
	if err := r.st.Write(t.Context(), store.Delete(ringItem, itemOf(t, r.st, ringItem).Version)); err != nil {
		t.Fatal(err)
	}
	if _, err := reopen(); !errors.Is(err, keys.ErrUnavailable) || !strings.Contains(err.Error(), "has been emptied") {
		t.Errorf("an emptied vault: %v", err)
	}
	r.refused("emptied", key, secret)
	put(t, r.st, ringItem, signs)
	other := openRing(t, keys.StoreVault{Store: r.st, Sealer: keys.MasterKey(vaultKey)})
	for _, kid := range []string{key, secret} { // as the message says
		if err := other.Revoke(t.Context(), kid); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := reopen(); err != nil {
		t.Errorf("revoked again: %v", err)
	}
	// What the ring before revokes, in a request that began before the reload, is known to the one after.
	put(t, r.st, ringItem, revoked)
	before := r.ring
	next, err := reopen()
	if err != nil {
		t.Fatal(err)
	}
	r.ring = next
	later, secret := r.inUse()
	inUse := r.state()
	if err := before.Revoke(t.Context(), later); err != nil {
		t.Fatal(err)
	}
	r.setBack(inUse)
	if _, err := r.ring.PublicKey(t.Context(), later); !errors.Is(err, keys.ErrRetired) {
		t.Errorf("revoked by the ring before: %v", err)
	}
	if s, err := r.ring.Secret(t.Context(), secret); err != nil || s.ID != secret {
		t.Errorf("the secret that nobody revoked: %v", err)
	}
}
