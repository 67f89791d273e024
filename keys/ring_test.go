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

	"github.com/posternauth/postern/keys"
)

// A clock is set by the test.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.nanos.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.nanos.Load()) }
func (c *clock) Advance(d time.Duration) { c.nanos.Add(int64(d)) }

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

func open(t *testing.T, v keys.Vault, c *clock) *keys.Ring {
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

// TestK1_Rotation: a hundred rotations, seen by an issuer and by verifiers whose copy of the published keys is up to
// two hours old, as API Gateway's is. No token that is alive fails, and none verifies for ever.
func TestK1_Rotation(t *testing.T) {
	const step, tokenLife = 20 * time.Minute, time.Hour
	c := newClock()
	vault := new(keys.MemoryVault)
	issuer, other := open(t, vault, c), open(t, vault, c)

	type token struct {
		kid     string
		sig     []byte
		expires time.Time
	}
	type verifier struct { // a cache of the JWKS
		fetched time.Time
		keys    keys.Verifier
	}
	message := []byte("message")
	var alive []token
	stale := make([]verifier, 7)
	first := signingKey(t, issuer, tokenLife).Public().ID()
	kids := map[string]bool{}
	checks := 0
	for rotations := 0; rotations < 100; {
		for i := range stale {
			// Each refetches after exactly two hours, at another phase.
			if v := &stale[i]; c.Now().Sub(v.fetched) >= 2*time.Hour || v.keys == nil {
				v.fetched = c.Now().Add(-time.Duration(i) * step * btoi(v.keys == nil))
				public, err := other.PublicKeys(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				doc, err := keys.JWKS(public)
				if err != nil {
					t.Fatal(err)
				}
				parsed, err := keys.ParseJWKS(doc)
				if err != nil {
					t.Fatal(err)
				}
				if v.keys, err = keys.Static(parsed...); err != nil {
					t.Fatal(err)
				}
			}
		}
		key := signingKey(t, issuer, tokenLife)
		sig, err := key.Sign(t.Context(), message)
		if err != nil {
			t.Fatal(err)
		}
		kids[key.Public().ID()] = true
		alive = append(alive, token{key.Public().ID(), sig, c.Now().Add(tokenLife)})
		alive = slices.DeleteFunc(alive, func(tok token) bool { return !tok.expires.After(c.Now()) })
		for _, tok := range alive {
			for i, v := range append([]verifier{{keys: issuer}, {keys: other}}, stale...) {
				k, err := v.keys.PublicKey(t.Context(), tok.kid)
				if err != nil || k.Verify(message, tok.sig) != nil {
					t.Fatalf("after %d rotations verifier %d fails a living token: %v", rotations, i, err)
				}
				checks++
			}
		}
		// Every four hours, of three, and sometimes two within one lead time.
		if c.Now().Sub(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))%(4*time.Hour) == 0 {
			if err := []*keys.Ring{issuer, other}[rotations%2].Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
			rotations++
		}
		c.Advance(step)
	}
	if len(kids) < 99 || checks < 10000 {
		t.Fatalf("%d keys signed, %d checks: the test saw too little", len(kids), checks)
	}
	if _, err := issuer.PublicKey(t.Context(), first); !errors.Is(err, keys.ErrUnknownKey) {
		t.Errorf("the first key after a hundred rotations: %v", err)
	}
}

func btoi(b bool) time.Duration {
	if b {
		return 1
	}
	return 0
}

func TestK1_Retirement(t *testing.T) {
	c := newClock()
	ring := open(t, new(keys.MemoryVault), c)
	old := signingKey(t, ring, 10*time.Hour).Public().ID() // longer than a new key is ready for
	c.Advance(time.Minute)
	if err := ring.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		advance time.Duration
		states  string
		found   bool
	}{
		{0, "signing pending", true},
		{3*time.Hour - time.Second, "signing pending", true},
		{time.Second, "passive signing", true},
		{12*time.Hour - time.Second, "passive signing", true},
		{time.Second, "retired signing", false}, // 3 h + 10 h + 2 h
	} {
		c.Advance(tt.advance)
		if _, err := ring.PublicKey(t.Context(), old); (err == nil) != tt.found || err != nil && !errors.Is(err, keys.ErrUnknownKey) {
			t.Errorf("%s: old key: %v", tt.states, err)
		}
		if got := states(t, ring); got != tt.states {
			t.Errorf("states %q, want %q", got, tt.states)
		}
		public, err := ring.PublicKeys(t.Context())
		if published := slices.ContainsFunc(public, func(k *keys.PublicKey) bool { return k.ID() == old }); err != nil || published != tt.found {
			t.Errorf("%s: old key published: %v, %v", tt.states, published, err)
		}
	}
}

func TestK1_Revoke(t *testing.T) {
	c := newClock()
	vault := new(keys.MemoryVault)
	ring, other := open(t, vault, c), open(t, vault, c)
	bad := signingKey(t, ring, time.Minute).Public().ID()
	if err := ring.Revoke(t.Context(), "no such kid"); !errors.Is(err, keys.ErrUnknownKey) {
		t.Fatalf("Revoke of an unknown kid: %v", err)
	}
	for range 2 { // the second changes nothing
		if err := ring.Revoke(t.Context(), bad); err != nil {
			t.Fatal(err)
		}
		if got := states(t, ring); got != "revoked signing" {
			t.Fatalf("states %q", got)
		}
	}
	if _, err := ring.PublicKey(t.Context(), bad); !errors.Is(err, keys.ErrUnknownKey) {
		t.Fatalf("revoked key: %v", err)
	}
	if next := signingKey(t, ring, time.Minute).Public().ID(); next == bad {
		t.Fatal("the revoked key still signs")
	}
	c.Advance(5 * time.Minute) // ReloadEvery
	if _, err := other.PublicKey(t.Context(), bad); !errors.Is(err, keys.ErrUnknownKey) {
		t.Fatalf("revoked key at another process after its reload: %v", err)
	}
	data, _, err := vault.Load(t.Context())
	if err != nil || bytes.Count(data, []byte(`"private"`)) != 2 {
		t.Fatalf("the private part of a revoked key is still kept: %v", err)
	}

	secret, err := ring.Secret(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Revoke(t.Context(), secret.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Secret(t.Context(), secret.ID); !errors.Is(err, keys.ErrUnknownKey) {
		t.Fatalf("revoked secret: %v", err)
	}
	if next, err := ring.Secret(t.Context(), ""); err != nil || next.ID == secret.ID {
		t.Fatalf("after the secret was revoked: %v, %v", next, err)
	}
	if infos, err := ring.MasterSecrets(t.Context()); err != nil || len(infos) != 2 || infos[0].State != keys.StateRevoked {
		t.Fatalf("secrets: %+v, %v", infos, err)
	}
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
				c.Advance(time.Minute)
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
