package keys_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
)

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
