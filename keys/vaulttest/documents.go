package vaulttest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
)

func testEmpty(t *testing.T, p pair) {
	p.want(t, "", "")
	p.both(func(v keys.Vault) {
		if _, err := v.Save(t.Context(), []byte("x"), "no such version"); !errors.Is(err, keys.ErrConflict) {
			t.Fatalf("Save over a version that never was: %v, want ErrConflict", err)
		}
	})
	p.want(t, "", "")
}

func testSaveAndLoad(t *testing.T, p pair) {
	version := ""
	for i, data := range []string{"one", `{"json":"ö"}`, "\x00\xff binary \r\n", strings.Repeat("0123456789abcdef", 2048), " padded "} {
		version = save(t, p.of(i), data, version)
		p.want(t, data, version)
	}
}

// testSizes: documents keep their length, from none to the largest, in bytes that no encoding compresses.
func testSizes(t *testing.T, p pair) {
	source := rand.NewChaCha8([32]byte{7})
	version := ""
	for i, size := range []int{0, 1, 4095, 4096, 32 << 10, MaxDocument} {
		data := make([]byte, size)
		source.Read(data) // never fails
		version = save(t, p.of(i), string(data), version)
		p.want(t, string(data), version)
	}
	// A document that a vault does not keep is refused, and the one before it stays.
	before, at, err := p.one.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	huge := make([]byte, 4<<20)
	source.Read(huge)
	switch next, err := p.one.Save(t.Context(), huge, at); {
	case err == nil:
		p.want(t, string(huge), next)
	case errors.Is(err, keys.ErrConflict):
		t.Error("Save of 4 MiB: ErrConflict, after which callers try again without end")
	default:
		p.want(t, string(before), at)
	}
}

func testConflict(t *testing.T, p pair) {
	first := save(t, p.one, "one", "")
	second := save(t, p.other, "two", first)
	for _, version := range []string{"", first, "no such version", second + "x"} {
		p.both(func(v keys.Vault) {
			if next, err := v.Save(t.Context(), []byte("three"), version); !errors.Is(err, keys.ErrConflict) || next != "" {
				t.Fatalf("Save over version %q: version %q, %v, want ErrConflict", version, next, err)
			}
		})
	}
	p.want(t, "two", second)
}

func testVersionsAreNew(t *testing.T, p pair) {
	seen := map[string]bool{}
	version := ""
	for i := range 6 {
		version = save(t, p.of(i), fmt.Sprint("data ", i%2), version) // the same data again is another version
		if seen[version] {
			t.Fatalf("version %q is used twice", version)
		}
		seen[version] = true
	}
}

func testSlicesAreCopied(t *testing.T, p pair) {
	data := []byte("original")
	version, err := p.one.Save(t.Context(), data, "")
	if err != nil {
		t.Fatal(err)
	}
	if string(data) != "original" {
		t.Fatalf("Save changed the caller's slice: %q", data)
	}
	copy(data, "scribble")
	got, _, err := p.one.Load(t.Context())
	if err != nil || string(got) != "original" {
		t.Fatalf("the vault kept the caller's slice: %q, %v", got, err)
	}
	second, _, err := p.one.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	copy(got, "scribble")
	_ = append(got, "scribble"...)
	if string(second) != "original" {
		t.Fatal("two Loads returned one slice")
	}
	p.want(t, "original", version)
}

func testCancelled(t *testing.T, p pair) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.ended(t, ctx, "") // an empty vault is not known to be empty
	version := save(t, p.one, "one", "")
	p.ended(t, ctx, version)
	p.want(t, "one", version)
}

func testDeadline(t *testing.T, p pair) {
	version := save(t, p.one, "one", "")
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	p.ended(t, ctx, version)
	p.want(t, "one", version)
}

// ended checks what both values answer after ctx has ended.
func (p pair) ended(t *testing.T, ctx context.Context, version string) {
	t.Helper()
	p.both(func(v keys.Vault) {
		if data, at, err := v.Load(ctx); err == nil || data != nil || at != "" {
			t.Errorf("Load with a context that has ended: %q at %q, %v", data, at, err)
		}
		if _, err := v.Save(ctx, []byte("two"), version); err == nil || errors.Is(err, keys.ErrConflict) {
			t.Errorf("Save with a context that has ended: %v", err)
		}
	})
}
