// Package vaulttest checks that a [keys.Vault] keeps its contract.
//
//	func TestVault(t *testing.T) {
//		vaulttest.Run(t, func(t *testing.T) keys.Vault { return newEmptyVault(t) })
//	}
package vaulttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/posternauth/postern/keys"
)

// Run runs the suite. empty returns a vault in which nothing was saved yet, a new one at each call.
func Run(t *testing.T, empty func(t *testing.T) keys.Vault) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(t *testing.T, v keys.Vault)
	}{
		{"Empty", testEmpty},
		{"SaveAndLoad", testSaveAndLoad},
		{"Conflict", testConflict},
		{"VersionsAreNew", testVersionsAreNew},
		{"SlicesAreCopied", testSlicesAreCopied},
		{"Cancelled", testCancelled},
		{"OneWinner", testOneWinner},
		{"NoLostUpdate", testNoLostUpdate},
		{"Ring", testRing},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, empty(t)) })
	}
}

func save(t *testing.T, v keys.Vault, data, version string) string {
	t.Helper()
	next, err := v.Save(t.Context(), []byte(data), version)
	if err != nil || next == "" {
		t.Fatalf("Save over version %q: version %q, %v", version, next, err)
	}
	return next
}

func want(t *testing.T, v keys.Vault, data, version string) {
	t.Helper()
	got, at, err := v.Load(t.Context())
	if err != nil || string(got) != data || at != version {
		t.Fatalf("Load: %q at version %q, %v; want %q at %q", got, at, err, data, version)
	}
}

func testEmpty(t *testing.T, v keys.Vault) {
	want(t, v, "", "")
	if _, err := v.Save(t.Context(), []byte("x"), "no such version"); !errors.Is(err, keys.ErrConflict) {
		t.Fatalf("Save over a version that never was: %v, want ErrConflict", err)
	}
	want(t, v, "", "")
}

func testSaveAndLoad(t *testing.T, v keys.Vault) {
	version := ""
	for _, data := range []string{"one", `{"json":"ö"}`, "\x00\xff binary \n", string(bytes.Repeat([]byte("0123456789abcdef"), 2048))} {
		version = save(t, v, data, version)
		want(t, v, data, version)
	}
}

func testConflict(t *testing.T, v keys.Vault) {
	first := save(t, v, "one", "")
	second := save(t, v, "two", first)
	for _, version := range []string{"", first, "no such version"} {
		if _, err := v.Save(t.Context(), []byte("three"), version); !errors.Is(err, keys.ErrConflict) {
			t.Fatalf("Save over version %q: %v, want ErrConflict", version, err)
		}
	}
	want(t, v, "two", second)
}

func testVersionsAreNew(t *testing.T, v keys.Vault) {
	seen := map[string]bool{}
	version := ""
	for i := range 6 {
		version = save(t, v, fmt.Sprint("data ", i%2), version) // the same data again is another version
		if seen[version] {
			t.Fatalf("version %q is used twice", version)
		}
		seen[version] = true
	}
}

func testSlicesAreCopied(t *testing.T, v keys.Vault) {
	data := []byte("original")
	version, err := v.Save(t.Context(), data, "")
	if err != nil {
		t.Fatal(err)
	}
	copy(data, "scribble")
	got, _, err := v.Load(t.Context())
	if err != nil || string(got) != "original" {
		t.Fatalf("the vault kept the caller's slice: %q, %v", got, err)
	}
	copy(got, "scribble")
	want(t, v, "original", version)
}

func testCancelled(t *testing.T, v keys.Vault) {
	version := save(t, v, "one", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := v.Load(ctx); err == nil {
		t.Error("Load with a context that has ended succeeds")
	}
	if _, err := v.Save(ctx, []byte("two"), version); err == nil || errors.Is(err, keys.ErrConflict) {
		t.Errorf("Save with a context that has ended: %v", err)
	}
	want(t, v, "one", version)
}

// testOneWinner: of many that begin at once, one does.
func testOneWinner(t *testing.T, v keys.Vault) {
	const racers = 20
	results := race(racers, func(i int) error {
		_, err := v.Save(t.Context(), fmt.Append(nil, "racer ", i), "")
		return err
	})
	winner := -1
	for i, err := range results {
		switch {
		case err == nil && winner >= 0:
			t.Fatalf("racers %d and %d both won", winner, i)
		case err == nil:
			winner = i
		case !errors.Is(err, keys.ErrConflict):
			t.Fatalf("racer %d: %v, want ErrConflict", i, err)
		}
	}
	data, _, err := v.Load(t.Context())
	if winner < 0 || err != nil || string(data) != fmt.Sprint("racer ", winner) {
		t.Fatalf("winner %d, the vault holds %q, %v", winner, data, err)
	}
}

// testNoLostUpdate: many that each add one byte, as Ring does with a key, lose none.
func testNoLostUpdate(t *testing.T, v keys.Vault) {
	const racers, rounds = 8, 5
	for i, err := range race(racers, func(int) error {
		for done := 0; done < rounds; {
			data, version, err := v.Load(t.Context())
			if err != nil {
				return err
			}
			switch _, err := v.Save(t.Context(), append(data, 'x'), version); {
			case err == nil:
				done++
			case !errors.Is(err, keys.ErrConflict):
				return err
			}
		}
		return nil
	}) {
		if err != nil {
			t.Fatalf("racer %d: %v", i, err)
		}
	}
	data, _, err := v.Load(t.Context())
	if err != nil || len(data) != racers*rounds {
		t.Fatalf("%d updates of %d are left, %v", len(data), racers*rounds, err)
	}
}

// testRing: the vault does what it is for.
func testRing(t *testing.T, v keys.Vault) {
	ids := map[string]bool{}
	for range 2 {
		ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: v, Algorithm: keys.ES256})
		if err != nil {
			t.Fatal(err)
		}
		key, err := ring.SigningKey(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		ids[key.Public().ID()] = true
	}
	if len(ids) != 1 {
		t.Fatalf("two rings of one vault sign with %d keys", len(ids))
	}
}

func race(n int, run func(i int) error) []error {
	results := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			results[i] = run(i)
		})
	}
	close(start)
	wg.Wait()
	return results
}
