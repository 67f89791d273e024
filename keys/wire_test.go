package keys_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// TestK1_KindLifetimesReachTheRing: a kind's lifetime travels through session to the ring: the token of a year verifies
// for a year, whatever is rotated meanwhile, and in a process that has issued nothing; its key is gone soon after.
func TestK1_KindLifetimesReachTheRing(t *testing.T) {
	const year = 365 * 24 * time.Hour
	type machine struct{}
	for name, lifetime := range map[string]time.Duration{"a year": year, "an hour": time.Hour} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			vault := new(keys.MemoryVault)
			kind := func(ring *keys.Ring) *session.Kind[machine] {
				sessions, err := session.New(session.Config{Issuer: "https://api.example.com", Audience: "api", Keys: ring, Now: c.Now})
				if err != nil {
					t.Fatal(err)
				}
				return session.NewKindConfig(sessions, session.KindConfig[machine]{Name: "machine", Stateless: true, Access: lifetime})
			}
			ring := open(t, vault, c)
			short := signingKey(t, ring, time.Minute).Public().ID()
			tokens, err := kind(ring).Create(t.Context(), session.Grant[machine]{Subject: "m1"})
			if err != nil {
				t.Fatal(err)
			}
			reader := open(t, vault, c)
			for passed := time.Duration(0); passed < lifetime; passed += lifetime / 12 {
				if _, err := kind(reader).Verify(t.Context(), tokens.Access); err != nil {
					t.Fatalf("after %v: %v", passed, err)
				}
				if err := ring.Rotate(t.Context()); err != nil {
					t.Fatal(err)
				}
				c.Advance(lifetime / 12)
			}
			c.Advance(6 * time.Hour) // the successor's three, and two more
			if _, err := reader.PublicKey(t.Context(), short); !errors.Is(err, keys.ErrUnknownKey) {
				t.Errorf("the key lives on after its last token: %v", err)
			}
		})
	}
}

// TestK1_SecretLifetimeReachesRefresh: a session that rests for long is refreshed after its secret was followed by
// others, for as long as RingConfig.SecretLifetime says.
func TestK1_SecretLifetimeReachesRefresh(t *testing.T) {
	const day = 24 * time.Hour
	type user struct{}
	c := newClock()
	vault := new(keys.MemoryVault)
	ring := open(t, vault, c)
	sessions, err := session.New(session.Config{
		Issuer: "https://api.example.com", Audience: "api", Keys: ring, Store: &store.Memory{Now: c.Now}, Now: c.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	users := session.NewKindConfig(sessions, session.KindConfig[user]{Name: "user", Idle: 85 * day, Absolute: 85 * day})
	tokens, err := users.Create(t.Context(), session.Grant[user]{Subject: "u1"})
	if err != nil {
		t.Fatal(err)
	}
	for range 8 {
		if err := ring.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Advance(10 * day)
	}
	if _, err := sessions.Refresh(t.Context(), tokens.Refresh); err != nil {
		t.Errorf("after 80 days and eight secrets: %v", err)
	}
}

// TestRing_EmptiedVault: a vault that was emptied under a ring is an error to everything that writes, and no new ring
// is begun in its place: the keys in memory go on.
func TestRing_EmptiedVault(t *testing.T) {
	c := newClock()
	vault := &emptiedVault{Vault: new(keys.MemoryVault)}
	ring := open(t, vault, c)
	kid := signingKey(t, ring, time.Minute).Public().ID()
	vault.empty = true
	for name, write := range map[string]func() error{
		"Rotate":     func() error { return ring.Rotate(t.Context()) },
		"Revoke":     func() error { return ring.Revoke(t.Context(), kid) },
		"SigningKey": func() error { _, err := ring.SigningKey(t.Context(), 100*time.Hour); return err },
		"Keys":       func() error { _, err := ring.Keys(t.Context()); return err },
	} {
		if err := write(); !errors.Is(err, keys.ErrUnavailable) || !strings.Contains(err.Error(), "emptied") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if vault.saves.Load() != 1 { // by Open
		t.Errorf("%d saves: an emptied vault was filled again", vault.saves.Load())
	}
	c.Advance(time.Hour)
	if got := signingKey(t, ring, time.Minute).Public().ID(); got != kid {
		t.Error("the key in memory no longer signs")
	}
	vault.empty = false
	if err := ring.Rotate(t.Context()); err != nil {
		t.Errorf("Rotate once the vault is back: %v", err)
	}
}

type emptiedVault struct {
	keys.Vault
	empty bool
	saves atomic.Int64
}

func (v *emptiedVault) Load(ctx context.Context) ([]byte, string, error) {
	if v.empty {
		return nil, "", nil
	}
	return v.Vault.Load(ctx)
}

func (v *emptiedVault) Save(ctx context.Context, data []byte, version string) (string, error) {
	v.saves.Add(1)
	if v.empty {
		version = ""
	}
	return v.Vault.Save(ctx, data, version)
}

// TestK1_RevokeAfterRotate: Revoke of the signing key while its successor is young makes the successor sign at once,
// and makes no third key; Revoke of the young one leaves the old one signing.
func TestK1_RevokeAfterRotate(t *testing.T) {
	for _, tt := range []struct {
		revoke string
		states string
	}{{"old", "revoked signing"}, {"new", "signing revoked"}} {
		t.Run(tt.revoke, func(t *testing.T) {
			c := newClock()
			ring := open(t, new(keys.MemoryVault), c)
			c.Advance(time.Minute)
			if err := ring.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
			for what, list := range map[string]func() ([]keys.KeyInfo, error){
				"keys":    func() ([]keys.KeyInfo, error) { return ring.Keys(t.Context()) },
				"secrets": func() ([]keys.KeyInfo, error) { return ring.MasterSecrets(t.Context()) },
			} {
				infos, err := list()
				if err != nil || len(infos) != 2 {
					t.Fatalf("%s: %v, %v", what, infos, err)
				}
				target := infos[0]
				if tt.revoke == "new" {
					target = infos[1]
				}
				if err := ring.Revoke(t.Context(), target.ID); err != nil {
					t.Fatal(err)
				}
				var got []string
				if infos, err = list(); err != nil {
					t.Fatal(err)
				}
				for _, info := range infos {
					got = append(got, string(info.State))
				}
				if strings.Join(got, " ") != tt.states {
					t.Errorf("%s: states %q, want %q", what, got, tt.states)
				}
			}
			old, _ := ring.Keys(t.Context())
			if got := signingKey(t, ring, time.Minute).Public().ID(); got == old[0].ID == (tt.revoke == "old") {
				t.Errorf("%s signs", got)
			}
		})
	}
}

// TestK1_RevokedKeyStampedAhead: a process whose clock was a day ahead made the newest key, and that key was revoked.
// The keys that follow take over when they are three hours old, not three hours after that day.
func TestK1_RevokedKeyStampedAhead(t *testing.T) {
	c, ahead := newClock(), newClock()
	ahead.Advance(24 * time.Hour)
	vault := new(keys.MemoryVault)
	ring, wrong := open(t, vault, c), open(t, vault, ahead)
	if err := wrong.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	infos, err := ring.Keys(t.Context())
	if err != nil || len(infos) != 2 {
		t.Fatalf("%v, %v", infos, err)
	}
	if err := ring.Revoke(t.Context(), infos[1].ID); err != nil {
		t.Fatal(err)
	}
	c.Advance(time.Minute)
	if err := ring.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if infos, err = ring.Keys(t.Context()); err != nil || len(infos) != 3 {
		t.Fatalf("%v, %v", infos, err)
	}
	var made keys.KeyInfo
	for _, info := range infos {
		if info.State == keys.StatePending {
			made = info
		}
	}
	if made.ID == "" || made.Created.After(c.Now()) {
		t.Fatalf("the new key is stamped %v, and it is %v: %+v", made.Created, c.Now(), infos)
	}
	c.Advance(3 * time.Hour)
	if got := signingKey(t, ring, time.Minute).Public().ID(); got != made.ID {
		t.Errorf("after three hours %s signs, want the new key", got)
	}
}

// TestK4_FileVaultKey: nothing is ever sealed under a key that is missing, short or zero.
func TestK4_FileVaultKey(t *testing.T) {
	for name, key := range map[string][]byte{"none": nil, "short": make([]byte, 16), "31 bytes": bytes.Repeat([]byte{7}, 31), "33 bytes": bytes.Repeat([]byte{7}, 33), "zero": make([]byte, 32)} {
		v := keys.FileVault{Path: filepath.Join(t.TempDir(), "ring"), Sealer: keys.MasterKey(key)}
		if _, err := v.Save(t.Context(), []byte("document"), ""); !errors.Is(err, keys.ErrWeakKey) {
			t.Errorf("%s: Save: %v", name, err)
		}
		if _, _, err := v.Load(t.Context()); !errors.Is(err, keys.ErrWeakKey) {
			t.Errorf("%s: Load: %v", name, err)
		}
		if _, err := keys.Open(t.Context(), keys.RingConfig{Vault: v}); !errors.Is(err, keys.ErrWeakKey) {
			t.Errorf("%s: Open: %v", name, err)
		}
	}
}

// TestK1_RetiresIsKnownWithASuccessor: a signing key without a successor has no time to retire; with one it has.
func TestK1_RetiresIsKnownWithASuccessor(t *testing.T) {
	c := newClock()
	ring := open(t, new(keys.MemoryVault), c)
	infos, err := ring.Keys(t.Context())
	if err != nil || len(infos) != 1 || !infos[0].Retires.IsZero() {
		t.Fatalf("alone: %+v, %v", infos, err)
	}
	c.Advance(time.Minute)
	if err := ring.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	infos, err = ring.Keys(t.Context())
	if err != nil || len(infos) != 2 || !infos[1].Retires.IsZero() {
		t.Fatalf("followed: %+v, %v", infos, err)
	}
	if want := infos[1].Activates.Add(3 * time.Hour); !infos[0].Retires.Equal(want) { // an hour's tokens, and two hours more
		t.Errorf("retires %v, want %v", infos[0].Retires, want)
	}
}
