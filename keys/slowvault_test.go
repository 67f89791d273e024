package keys_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posternauth/postern/keys"
)

// A slowVault answers after a while, or when the context ends.
type slowVault struct {
	keys.Vault
	takes atomic.Int64 // a time.Duration
	loads atomic.Int64
}

func (v *slowVault) Load(ctx context.Context) ([]byte, string, error) {
	v.loads.Add(1)
	select {
	case <-time.After(time.Duration(v.takes.Load())):
		return v.Vault.Load(ctx)
	case <-ctx.Done():
		return nil, "", ctx.Err()
	}
}

const (
	atHand  = 500 * time.Millisecond // what a caller waits who has what it needs
	lacking = time.Second            // and one who lacks it
)

// took fails unless since start no more time has passed than want, and no less.
func took(t *testing.T, what string, start time.Time, want time.Duration) {
	t.Helper()
	if got := time.Since(start); got != want {
		t.Errorf("%s took %v, want %v", what, got, want)
	}
}

// TestRingVaultHangs: nobody waits long for a vault that does not answer, and what was known stays known.
func TestRingVaultHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vault := &slowVault{Vault: new(keys.MemoryVault)}
		ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: vault, Algorithm: keys.EdDSA})
		if err != nil {
			t.Fatal(err)
		}
		kid := signingKey(t, ring, time.Minute).Public().ID()
		vault.takes.Store(int64(time.Hour))
		for name, use := range map[string]func() error{
			"PublicKeys": func() error {
				public, err := ring.PublicKeys(t.Context())
				if err == nil && (len(public) != 1 || public[0].ID() != kid) {
					err = fmt.Errorf("%v", public)
				}
				return err
			},
			"PublicKey":  func() error { _, err := ring.PublicKey(t.Context(), kid); return err },
			"SigningKey": func() error { _, err := ring.SigningKey(t.Context(), time.Minute); return err },
			"Secret":     func() error { _, err := ring.Secret(t.Context(), ""); return err },
		} {
			<-time.After(6 * time.Minute) // of the bubble: a reload is due
			for i, want := range []time.Duration{atHand, 0, 0} {
				start := time.Now()
				if err := use(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				took(t, fmt.Sprint(name, " ", i), start, want)
			}
		}

		<-time.After(time.Minute)
		start := time.Now() // half a second for the reload that is due, and the rest of a second for what the ring has not
		if _, err := ring.PublicKey(t.Context(), "unknown"); !errors.Is(err, keys.ErrUnavailable) || errors.Is(err, keys.ErrUnknownKey) {
			t.Errorf("unknown kid: %v", err)
		}
		took(t, "an unknown kid", start, atHand+lacking)

		<-time.After(time.Minute)
		gone, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		start = time.Now()
		if _, err := ring.PublicKeys(gone); err != nil {
			t.Error(err)
		}
		took(t, "a caller with a millisecond", start, time.Millisecond)

		before := vault.loads.Load()
		<-time.After(time.Minute)
		vault.takes.Store(0)
		for range 10 {
			if _, err := ring.PublicKeys(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if _, err := ring.PublicKey(t.Context(), "unknown"); !errors.Is(err, keys.ErrUnknownKey) {
			t.Errorf("unknown kid after the outage: %v", err)
		}
		if n := vault.loads.Load() - before; n != 1 {
			t.Errorf("%d reloads after the outage, want 1", n)
		}
	}) // which fails if a reload is left behind
}

// TestRingVaultSlow: a vault slower than anybody waits is read all the same, so that a revocation arrives.
func TestRingVaultSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := new(keys.MemoryVault)
		vault := &slowVault{Vault: shared}
		ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: vault, Algorithm: keys.EdDSA})
		if err != nil {
			t.Fatal(err)
		}
		other, err := keys.Open(t.Context(), keys.RingConfig{Vault: shared, Algorithm: keys.EdDSA})
		if err != nil {
			t.Fatal(err)
		}
		bad := signingKey(t, ring, time.Minute).Public().ID()
		if err := other.Revoke(t.Context(), bad); err != nil {
			t.Fatal(err)
		}
		fresh := signingKey(t, other, time.Minute).Public().ID()
		vault.takes.Store(int64(2 * time.Second))
		<-time.After(5 * time.Minute)
		start := time.Now()
		if _, err := ring.PublicKey(t.Context(), bad); err != nil {
			t.Errorf("before the reload is done: %v", err)
		}
		if _, err := ring.PublicKey(t.Context(), fresh); !errors.Is(err, keys.ErrUnavailable) {
			t.Errorf("a key the ring is about to learn of: %v", err)
		}
		took(t, "both", start, atHand+lacking)
		<-time.After(time.Second)
		if _, err := ring.PublicKey(t.Context(), bad); !errors.Is(err, keys.ErrUnknownKey) {
			t.Errorf("the revoked key: %v", err)
		}
		if _, err := ring.PublicKey(t.Context(), fresh); err != nil {
			t.Errorf("the new key: %v", err)
		}
	})
}

// TestOpenVaultHangs: without any keys there is nothing to go on with; the caller says how long to wait.
func TestOpenVaultHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vault := &slowVault{Vault: new(keys.MemoryVault)}
		vault.takes.Store(int64(time.Hour))
		for _, want := range []time.Duration{time.Second, 5 * time.Second} {
			ctx, cancel := context.WithTimeout(t.Context(), want)
			defer cancel()
			if want == 5*time.Second {
				ctx = t.Context() // the default
			}
			start := time.Now()
			if _, err := keys.Open(ctx, keys.RingConfig{Vault: vault}); !errors.Is(err, keys.ErrUnavailable) {
				t.Errorf("Open: %v", err)
			}
			took(t, "Open", start, want)
		}
	})
}
