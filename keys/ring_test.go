package keys_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testclock"
	"github.com/posternauth/postern/keys"
)

func newClock() *testclock.Clock { return testclock.New(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) }

// A faultyVault counts and fails on demand.
type faultyVault struct {
	keys.Vault
	loads, saves       atomic.Int64
	loadFail, saveFail atomic.Pointer[error]
}

func (v *faultyVault) Load(ctx context.Context) ([]byte, string, error) {
	v.loads.Add(1)
	if err := v.loadFail.Load(); err != nil {
		return nil, "", *err
	}
	return v.Vault.Load(ctx)
}

func (v *faultyVault) Save(ctx context.Context, data []byte, version string) (string, error) {
	v.saves.Add(1)
	if err := v.saveFail.Load(); err != nil {
		return "", *err
	}
	return v.Vault.Save(ctx, data, version)
}

var errDown = errors.New("the vault is down")

func open(t *testing.T, v keys.Vault, c *testclock.Clock) *keys.Ring {
	t.Helper()
	ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: v, Algorithm: keys.EdDSA, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func signingKey(t *testing.T, s keys.Signer, lifetime time.Duration) keys.SigningKey {
	t.Helper()
	key, err := s.SigningKey(t.Context(), lifetime)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func states(t *testing.T, r *keys.Ring) string {
	t.Helper()
	infos, err := r.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, info := range infos {
		out = append(out, string(info.State))
	}
	return strings.Join(out, " ")
}

func TestK3_FirstBootRace(t *testing.T) {
	const instances = 50
	for name, vault := range map[string]keys.Vault{"memory": new(keys.MemoryVault), "file": fileVault(t)} {
		var wg sync.WaitGroup
		ids := make([]string, instances)
		for i := range instances {
			wg.Go(func() {
				ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: vault, Algorithm: keys.ES256})
				if err != nil {
					ids[i] = fmt.Sprint(i, err)
					return
				}
				key, err := ring.SigningKey(t.Context(), time.Minute)
				secret, err2 := ring.Secret(t.Context(), "")
				infos, err3 := ring.Keys(t.Context())
				if err := errors.Join(err, err2, err3); err != nil {
					ids[i] = fmt.Sprint(i, err)
					return
				}
				ids[i] = fmt.Sprint(key.Public().ID(), " ", secret.ID, " ", len(infos))
			})
		}
		wg.Wait()
		slices.Sort(ids)
		if all := slices.Compact(ids); len(all) != 1 {
			t.Errorf("%s: %d instances have different rings: %q", name, instances, all)
		}
	}
}

func TestRingDefaults(t *testing.T) {
	ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: new(keys.MemoryVault)})
	if err != nil {
		t.Fatal(err)
	}
	key := signingKey(t, ring, time.Minute)
	if key.Public().Algorithm() != keys.RS256 {
		t.Errorf("default algorithm %s", key.Public().Algorithm())
	}
	thumb, err := keys.Thumbprint(key.Public().Public())
	if err != nil || thumb != key.Public().ID() {
		t.Errorf("kid %s is not the thumbprint %s, %v", key.Public().ID(), thumb, err)
	}
	if k, err := ring.PublicKey(t.Context(), ""); err != nil || k != key.Public() {
		t.Errorf("an empty kid finds the only key: %v, %v", k, err)
	}
	if err := ring.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := ring.PublicKey(t.Context(), ""); !errors.Is(err, keys.ErrUnknownKey) {
		t.Errorf("an empty kid with two keys: %v", err)
	}
	for name, cfg := range map[string]keys.RingConfig{
		"no vault": {}, "HS256": {Vault: new(keys.MemoryVault), Algorithm: keys.HS256},
		"none": {Vault: new(keys.MemoryVault), Algorithm: "none"},
	} {
		if _, err := keys.Open(t.Context(), cfg); err == nil {
			t.Errorf("Open with %s succeeds", name)
		}
	}
}

// TestRingVaultDown: what is in memory stays in use, what is not is unavailable and never unknown.
func TestRingVaultDown(t *testing.T) {
	c := newClock()
	var log bytes.Buffer
	vault := &faultyVault{Vault: new(keys.MemoryVault)}
	ring, err := keys.Open(t.Context(), keys.RingConfig{
		Vault: vault, Algorithm: keys.EdDSA, Now: c.Now, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	kid := signingKey(t, ring, time.Minute).Public().ID()
	secret, err := ring.Secret(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	down := fmt.Errorf("dial: %w", errDown)
	vault.loadFail.Store(&down)
	loads := vault.loads.Load()
	for range 3 * 60 { // three hours, asked every minute
		c.Advance(time.Minute)
		for range 5 {
			if _, err := ring.PublicKey(t.Context(), kid); err != nil {
				t.Fatalf("known kid: %v", err)
			}
			if _, err := ring.PublicKey(t.Context(), "rogue"); !errors.Is(err, keys.ErrUnavailable) || errors.Is(err, keys.ErrUnknownKey) || !errors.Is(err, errDown) {
				t.Fatalf("unknown kid: %v", err)
			}
		}
		if got, err := ring.Secret(t.Context(), secret.ID); err != nil || got.ID != secret.ID {
			t.Fatal(err)
		}
		signingKey(t, ring, time.Minute)
		if _, err := ring.SigningKey(t.Context(), 20*time.Hour); !errors.Is(err, keys.ErrUnavailable) {
			t.Fatalf("a lifetime that cannot be noted: %v", err)
		}
	}
	if n := vault.loads.Load() - loads; n > 3*60*3 {
		t.Errorf("%d loads in three hours of outage", n)
	}
	if !strings.Contains(log.String(), "could not be reloaded") {
		t.Errorf("log: %q", log.String())
	}
	vault.loadFail.Store(nil)
	c.Advance(time.Minute)
	if _, err := ring.PublicKey(t.Context(), "rogue"); !errors.Is(err, keys.ErrUnknownKey) {
		t.Errorf("unknown kid after the outage: %v", err)
	}
	if got := signingKey(t, ring, 20*time.Hour).Public().ID(); got != kid {
		t.Errorf("signs with %s", got)
	}

	for _, fail := range []*atomic.Pointer[error]{&vault.loadFail, &vault.saveFail} {
		fail.Store(&down)
		if err := ring.Rotate(t.Context()); !errors.Is(err, keys.ErrUnavailable) {
			t.Errorf("Rotate while the vault is down: %v", err)
		}
		fail.Store(nil)
	}
	if got := states(t, ring); got != "signing" {
		t.Errorf("after failed rotations: %s", got)
	}
}

func TestRingReload(t *testing.T) {
	c := newClock()
	vault := &faultyVault{Vault: new(keys.MemoryVault)}
	ring, other := open(t, vault, c), open(t, vault, c)
	if err := other.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	public, err := other.PublicKeys(t.Context())
	if err != nil || len(public) != 2 {
		t.Fatal(len(public), err)
	}
	fresh := public[1].ID()
	if _, err := ring.PublicKey(t.Context(), fresh); !errors.Is(err, keys.ErrUnknownKey) {
		t.Fatalf("within the cooldown: %v", err)
	}
	c.Advance(30 * time.Second)
	if _, err := ring.PublicKey(t.Context(), fresh); err != nil {
		t.Fatalf("an unknown kid reloads: %v", err)
	}
	loads := vault.loads.Load()
	for range 10000 {
		if _, err := ring.PublicKey(t.Context(), "rogue"); !errors.Is(err, keys.ErrUnknownKey) {
			t.Fatal(err)
		}
	}
	if n := vault.loads.Load() - loads; n != 0 {
		t.Errorf("%d loads for rogue kids within the cooldown", n)
	}
	c.Advance(5 * time.Minute)
	for range 100 {
		if _, err := ring.PublicKey(t.Context(), fresh); err != nil {
			t.Fatal(err)
		}
	}
	if n := vault.loads.Load() - loads; n != 1 {
		t.Errorf("%d loads when the ring is five minutes old, want 1", n)
	}
	c.Advance(-time.Hour) // a clock that is set back
	if _, err := ring.PublicKey(t.Context(), fresh); err != nil {
		t.Errorf("after the clock was set back: %v", err)
	}
}

// TestRingConcurrent is for the race detector.
func TestRingConcurrent(t *testing.T) {
	c := newClock()
	vault := new(keys.MemoryVault)
	rings := []*keys.Ring{open(t, vault, c), open(t, vault, c)}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			ring := rings[i%2]
			for range 200 {
				// All steps together stay below the six hours in which a key can retire: a goroutine that was held up
				// between asking which key signs and asking for it must still find it.
				c.Advance(12 * time.Second)
				key, err := ring.SigningKey(t.Context(), time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := ring.PublicKey(t.Context(), key.Public().ID()); err != nil {
					t.Error(err)
				}
				if _, err := ring.Secret(t.Context(), ""); err != nil {
					t.Error(err)
				}
				_, _ = ring.PublicKey(t.Context(), "rogue")
			}
			if err := ring.Rotate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if infos, err := rings[0].Keys(t.Context()); err != nil || len(infos) != 9 {
		t.Errorf("%d keys after eight rotations at once, %v", len(infos), err)
	}
}

func TestRingRefusesOtherDocuments(t *testing.T) {
	for _, data := range []string{`{}`, `{"format":2}`, `not JSON`, ``, `{"format":1,"keys":[{"id":"a","alg":"ES256","private":"AAAA"}],"secrets":[]}`,
		`{"format":1,"keys":[],"secrets":[{"id":"a","private":"AAAA"}]}`} {
		vault := new(keys.MemoryVault)
		if _, err := vault.Save(t.Context(), []byte(data), ""); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Open(t.Context(), keys.RingConfig{Vault: vault}); !errors.Is(err, keys.ErrUnavailable) {
			t.Errorf("%s: %v", data, err)
		}
		if got, _, _ := vault.Load(t.Context()); string(got) != data {
			t.Errorf("%s was overwritten", data)
		}
	}
}
