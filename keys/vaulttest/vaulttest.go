// Package vaulttest checks that a [keys.Vault] keeps its contract, races included.
//
//	func TestVault(t *testing.T) {
//		vaulttest.Run(t, func(t *testing.T) keys.Vault { return newEmptyVault(t) })
//	}
//
// [RunPair] is the same for two values of one place, as two processes have them. [Unreadable] checks that a vault which
// is damaged or cannot be reached is not taken for an empty one. Run all of it with -race.
package vaulttest

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/posternauth/postern/keys"
)

// MaxDocument is the size of the largest document that the suite saves, in bytes. Every vault must keep it.
const MaxDocument = 60 << 10

// Run runs the suite. empty returns a vault in which nothing was saved yet, a new one at each call.
func Run(t *testing.T, empty func(t *testing.T) keys.Vault) {
	t.Helper()
	RunPair(t, func(t *testing.T) (one, other keys.Vault) {
		v := empty(t)
		return v, v
	})
}

// RunPair runs the suite on two values of one vault: what is saved by one is loaded by the other. empty returns a vault
// in which nothing was saved yet, a new one at each call.
func RunPair(t *testing.T, empty func(t *testing.T) (one, other keys.Vault)) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(t *testing.T, p pair)
	}{
		{"Empty", testEmpty},
		{"SaveAndLoad", testSaveAndLoad},
		{"Sizes", testSizes},
		{"Conflict", testConflict},
		{"VersionsAreNew", testVersionsAreNew},
		{"SlicesAreCopied", testSlicesAreCopied},
		{"Cancelled", testCancelled},
		{"Deadline", testDeadline},
		{"OneWinner", testOneWinner},
		{"NoLostUpdate", testNoLostUpdate},
		{"WholeDocuments", testWholeDocuments},
		{"Ring", testRing},
		{"RingRotations", testRingRotations},
		{"RingRevocations", testRingRevocations},
	} {
		t.Run(part.name, func(t *testing.T) {
			one, other := empty(t)
			part.run(t, pair{one, other})
		})
	}
}

// Unreadable fails the test unless v, a vault whose document is damaged, foreign or out of reach, returns errors: from
// Load, from a Save over no version, and ErrUnavailable from keys.Open. If such a vault seemed empty, keys.Open would
// begin a new ring in its place.
func Unreadable(t *testing.T, v keys.Vault) {
	t.Helper()
	data, version, err := v.Load(t.Context())
	if err == nil || data != nil || version != "" {
		t.Errorf("Load: %d bytes at version %q, %v; want an error alone", len(data), version, err)
	}
	if errors.Is(err, keys.ErrConflict) {
		t.Errorf("Load: %v, which is an answer of Save", err)
	}
	if version, err := v.Save(t.Context(), []byte("new"), ""); err == nil || version != "" {
		t.Errorf("Save over no version: version %q, %v; want an error alone", version, err)
	}
	if _, err := keys.Open(t.Context(), keys.RingConfig{Vault: v, Algorithm: keys.ES256, Logger: slog.New(slog.DiscardHandler)}); !errors.Is(err, keys.ErrUnavailable) {
		t.Errorf("keys.Open: %v, want ErrUnavailable", err)
	}
}

// A pair is two values of one vault.
type pair struct{ one, other keys.Vault }

// both calls f for each value.
func (p pair) both(f func(v keys.Vault)) {
	f(p.one)
	f(p.other)
}

// of returns one value for even numbers and the other for odd ones.
func (p pair) of(i int) keys.Vault {
	if i%2 == 0 {
		return p.one
	}
	return p.other
}

func save(t *testing.T, v keys.Vault, data, version string) string {
	t.Helper()
	next, err := v.Save(t.Context(), []byte(data), version)
	if err != nil || next == "" {
		t.Fatalf("Save over version %q: version %q, %v", version, next, err)
	}
	return next
}

func (p pair) want(t *testing.T, data, version string) {
	t.Helper()
	p.both(func(v keys.Vault) {
		got, at, err := v.Load(t.Context())
		if err != nil || string(got) != data || at != version {
			t.Fatalf("Load: %.60q (%d bytes) at version %q, %v; want %.60q (%d bytes) at %q", got, len(got), at, err, data, len(data), version)
		}
	})
}
