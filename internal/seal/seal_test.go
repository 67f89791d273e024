package seal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/keys"
)

func secrets(t testing.TB, ids ...string) keys.Secrets {
	t.Helper()
	var list []keys.Secret
	for _, id := range ids {
		s, err := keys.NewSecret(id, bytes.Repeat([]byte(id[:1]), 32))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	s, err := keys.StaticSecrets(list...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustSeal(t testing.TB, s keys.Secrets, purpose, plaintext string, associated ...string) string {
	t.Helper()
	sealed, err := seal.Seal(t.Context(), s, purpose, []byte(plaintext), associated...)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSeal(t *testing.T) {
	s := secrets(t, "a1")
	for _, plaintext := range []string{"", "x", "a longer text, with ünïcödé", strings.Repeat("long ", 5000), "\x00\xff"} {
		sealed := mustSeal(t, s, "flow", plaintext, "iss", "google")
		if !strings.HasPrefix(sealed, "v1.a1.") || strings.Contains(sealed, "long") || len(sealed) > len(plaintext)*4/3+60 {
			t.Errorf("sealed %.80s", sealed)
		}
		if again := mustSeal(t, s, "flow", plaintext, "iss", "google"); again == sealed {
			t.Error("sealing twice gives the same value")
		}
		got, err := seal.Open(t.Context(), s, "flow", sealed, "iss", "google")
		if err != nil || string(got) != plaintext {
			t.Errorf("opened %.40q, %v", got, err)
		}
	}
	if sealed, err := seal.Seal(t.Context(), s, "flow", make([]byte, 48<<10)); err == nil {
		t.Errorf("48 KiB sealed to %d bytes", len(sealed))
	}
	if largest := mustSeal(t, s, "flow", strings.Repeat("x", 49000)); len(largest) > seal.MaxSize {
		t.Errorf("%d bytes", len(largest))
	} else if _, err := seal.Open(t.Context(), s, "flow", largest); err != nil {
		t.Error(err)
	}
}

// TestK4_SealedForOnePurpose: another purpose, other associated data or another secret do not open it.
func TestK4_SealedForOnePurpose(t *testing.T) {
	s := secrets(t, "a1", "b1")
	sealed := mustSeal(t, s, "flow", "secret", "iss", "google")
	body := strings.TrimPrefix(sealed, "v1.a1.")
	for name, try := range map[string]func() ([]byte, error){
		"purpose":            func() ([]byte, error) { return seal.Open(t.Context(), s, "code", sealed, "iss", "google") },
		"empty purpose":      func() ([]byte, error) { return seal.Open(t.Context(), s, "", sealed, "iss", "google") },
		"nothing associated": func() ([]byte, error) { return seal.Open(t.Context(), s, "flow", sealed) },
		"fewer associated":   func() ([]byte, error) { return seal.Open(t.Context(), s, "flow", sealed, "iss") },
		"more associated":    func() ([]byte, error) { return seal.Open(t.Context(), s, "flow", sealed, "iss", "google", "") },
		"other order":        func() ([]byte, error) { return seal.Open(t.Context(), s, "flow", sealed, "google", "iss") },
		"joined":             func() ([]byte, error) { return seal.Open(t.Context(), s, "flow", sealed, "issgoogle") },
		"split elsewhere":    func() ([]byte, error) { return seal.Open(t.Context(), s, "flow", sealed, "issg", "oogle") },
		"into the purpose":   func() ([]byte, error) { return seal.Open(t.Context(), s, "flowiss", sealed, "google") },
		"other secret":       func() ([]byte, error) { return seal.Open(t.Context(), s, "flow", "v1.b1."+body, "iss", "google") },
		"unknown secret":     func() ([]byte, error) { return seal.Open(t.Context(), s, "flow", "v1.c1."+body, "iss", "google") },
		"same name, other master": func() ([]byte, error) {
			other, err := keys.NewSecret("a1", bytes.Repeat([]byte("z"), 32))
			if err != nil {
				return nil, nil
			}
			o, err := keys.StaticSecrets(other)
			if err != nil {
				return nil, nil
			}
			return seal.Open(t.Context(), o, "flow", sealed, "iss", "google")
		},
	} {
		if got, err := try(); !errors.Is(err, seal.ErrOpen) || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := seal.Open(t.Context(), s, "flow", sealed, "iss", "google"); err != nil {
		t.Fatal(err)
	}
}

func TestOpenMutations(t *testing.T) {
	s := secrets(t, "a1")
	sealed := mustSeal(t, s, "flow", "secret", "iss")
	mac, err := seal.MAC(t.Context(), s, "link", "value")
	if err != nil {
		t.Fatal(err)
	}
	for what, value := range map[string]string{"sealed": sealed, "mac": mac} {
		refused := func(mutant string) {
			t.Helper()
			if mutant == value {
				return
			}
			if got, err := seal.Open(t.Context(), s, "flow", mutant, "iss"); !errors.Is(err, seal.ErrOpen) || got != nil {
				t.Fatalf("%s: Open(%q) = %q, %v", what, mutant, got, err)
			}
			if err := seal.CheckMAC(t.Context(), s, "link", mutant, "value"); !errors.Is(err, seal.ErrOpen) {
				t.Fatalf("%s: CheckMAC(%q) = %v", what, mutant, err)
			}
		}
		for i := range value {
			refused(value[:i]) // every proper prefix
			refused(value[i+1:])
			for bit := range 8 {
				refused(value[:i] + string([]byte{value[i] ^ 1<<bit}) + value[i+1:])
			}
			for _, c := range []string{"A", "_", "=", ".", "\n", " ", "\x00"} {
				refused(value[:i] + c + value[i+1:])
				refused(value[:i] + c + value[i:])
			}
		}
		for _, tail := range []string{"=", "==", ".", "\n", " ", "A", "AA", "AAAA", "\x00"} {
			refused(value + tail)
		}
		refused(strings.ToUpper(value))
		refused("v2" + value[2:])
		refused(value + value)
		refused(strings.Repeat("A", seal.MaxSize+1))
		refused("v1.a1." + strings.Repeat("A", seal.MaxSize))
		refused("v1." + strings.Repeat("a", 100) + value[5:])
	}
	if _, err := seal.Open(t.Context(), s, "flow", sealed, "iss"); err != nil {
		t.Fatal(err)
	}
	if err := seal.CheckMAC(t.Context(), s, "link", mac, "value"); err != nil {
		t.Fatal(err)
	}
}

func TestMAC(t *testing.T) {
	s := secrets(t, "a1", "b1")
	mac, err := seal.MAC(t.Context(), s, "link", "value", "x")
	if err != nil || !strings.HasPrefix(mac, "v1.a1.") || len(mac) != len("v1.a1.")+43 {
		t.Fatal(mac, err)
	}
	if again, err := seal.MAC(t.Context(), s, "link", "value", "x"); err != nil || again != mac {
		t.Errorf("not the same again: %s, %v", again, err)
	}
	for name, err := range map[string]error{
		"value":        seal.CheckMAC(t.Context(), s, "link", mac, "valuf", "x"),
		"purpose":      seal.CheckMAC(t.Context(), s, "code", mac, "value", "x"),
		"fewer":        seal.CheckMAC(t.Context(), s, "link", mac, "value"),
		"more":         seal.CheckMAC(t.Context(), s, "link", mac, "value", "x", ""),
		"joined":       seal.CheckMAC(t.Context(), s, "link", mac, "valuex"),
		"split":        seal.CheckMAC(t.Context(), s, "link", mac, "valu", "ex"),
		"other secret": seal.CheckMAC(t.Context(), s, "link", "v1.b1."+mac[6:], "value", "x"),
		"unknown":      seal.CheckMAC(t.Context(), s, "link", "v1.c1."+mac[6:], "value", "x"),
		"empty":        seal.CheckMAC(t.Context(), s, "link", "", "value", "x"),
	} {
		if !errors.Is(err, seal.ErrOpen) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := seal.CheckMAC(t.Context(), s, "link", mac, "value", "x"); err != nil {
		t.Error(err)
	}
}

type broken struct{}

func (broken) Secret(context.Context, string) (keys.Secret, error) {
	return keys.Secret{}, fmt.Errorf("vault: %w", keys.ErrUnavailable)
}

func TestUnavailable(t *testing.T) {
	s := secrets(t, "a1")
	sealed := mustSeal(t, s, "p", "x")
	mac, err := seal.MAC(t.Context(), s, "p", "x")
	if err != nil {
		t.Fatal(err)
	}
	_, e1 := seal.Seal(t.Context(), broken{}, "p", nil)
	_, e2 := seal.Open(t.Context(), broken{}, "p", sealed)
	_, e3 := seal.MAC(t.Context(), broken{}, "p", "x")
	e4 := seal.CheckMAC(t.Context(), broken{}, "p", mac, "x")
	for i, err := range []error{e1, e2, e3, e4} {
		if !errors.Is(err, keys.ErrUnavailable) || errors.Is(err, seal.ErrOpen) {
			t.Errorf("%d: %v", i+1, err)
		}
	}
	if _, err := seal.Open(t.Context(), broken{}, "p", "nonsense"); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("nonsense must be refused without a secret: %v", err)
	}
}

// TestRotation: a sealed value stays readable after a newer secret is in use, until its own secret retires.
func TestRotation(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ring, err := keys.Open(t.Context(), keys.RingConfig{
		Vault: new(keys.MemoryVault), Algorithm: keys.EdDSA, SecretLifetime: 24 * time.Hour, Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	old := mustSeal(t, ring, "p", "old")
	oldMAC, err := seal.MAC(t.Context(), ring, "p", "old")
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	if err := ring.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	now = now.Add(3 * time.Hour)
	fresh := mustSeal(t, ring, "p", "new")
	if strings.Split(fresh, ".")[1] == strings.Split(old, ".")[1] {
		t.Fatal("the new secret did not take over")
	}
	for range 25 {
		for value, want := range map[string]string{old: "old", fresh: "new"} {
			if got, err := seal.Open(t.Context(), ring, "p", value); err != nil || string(got) != want {
				t.Fatalf("at %v: %q, %v", now, got, err)
			}
		}
		if err := seal.CheckMAC(t.Context(), ring, "p", oldMAC, "old"); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Hour)
	}
	now = now.Add(time.Hour)
	if _, err := seal.Open(t.Context(), ring, "p", old); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("after its secret retired: %v", err)
	}
}

// goldenMAC and golden were made when the format was fixed. Browsers and stores keep values in this format, so both
// must still open.
const goldenMAC = "v1.a1.UVfRIAduM8Is5erYcfjGN1UcUfyVIBp3ASTvGXrG_sY"
const golden = "v1.a1.ts1hpKJ3I2Nn0vu6QWH793qWZ96nMYrMDaQcOunLoogX1w"

func TestGolden(t *testing.T) {
	s := secrets(t, "a1")
	got, err := seal.Open(t.Context(), s, "flow", golden, "iss", "google")
	if err != nil || string(got) != "golden" {
		t.Errorf("%q, %v", got, err)
	}
	if mac, err := seal.MAC(t.Context(), s, "link", "value"); err != nil || mac != goldenMAC {
		t.Errorf("%s, %v", mac, err)
	}
}

// FuzzOpen: only a sealed value opens, unchanged in every byte.
func FuzzOpen(f *testing.F) {
	s := secrets(f, "a1")
	for _, v := range []string{golden, goldenMAC, "v1.a1.", "v1..AA", "..", "v1.a1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got, err := seal.Open(t.Context(), s, "flow", value, "iss", "google")
		if (err == nil) != (value == golden) || err != nil && got != nil {
			t.Fatalf("Open(%q) = %q, %v", value, got, err)
		}
		if err := seal.CheckMAC(t.Context(), s, "link", value, "value"); (err == nil) != (value == goldenMAC) {
			t.Fatalf("CheckMAC(%q) = %v", value, err)
		}
	})
}

func BenchmarkSealOpen(b *testing.B) {
	s := secrets(b, "a1")
	b.ReportAllocs()
	for b.Loop() {
		sealed, err := seal.Seal(b.Context(), s, "flow", []byte("a state of a few dozen bytes, as flows have"), "iss", "google")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := seal.Open(b.Context(), s, "flow", sealed, "iss", "google"); err != nil {
			b.Fatal(err)
		}
	}
}
