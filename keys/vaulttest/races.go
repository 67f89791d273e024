package vaulttest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
)

// testOneWinner: of many that begin at once, one does.
func testOneWinner(t *testing.T, p pair) {
	const racers = 20
	results := race(racers, func(i int) error {
		_, err := p.of(i).Save(t.Context(), fmt.Append(nil, "racer ", i), "")
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
	if winner < 0 {
		t.Fatal("nobody won")
	}
	_, version, err := p.one.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.want(t, fmt.Sprint("racer ", winner), version)
}

// testNoLostUpdate: many that each add one byte, as Ring does with a key, lose none.
func testNoLostUpdate(t *testing.T, p pair) {
	const racers, rounds, hopeless = 8, 5, 500
	var saved atomic.Int64
	for i, err := range race(racers, func(i int) error {
		v := p.of(i)
		conflicts, before := 0, int64(0)
		for done := 0; done < rounds; {
			if now := saved.Load(); now != before {
				conflicts, before = 0, now
			}
			data, version, err := v.Load(t.Context())
			if err != nil {
				return err
			}
			switch _, err := v.Save(t.Context(), append(data, 'x'), version); {
			case err == nil:
				done++
				saved.Add(1)
			case !errors.Is(err, keys.ErrConflict):
				return err
			default:
				if conflicts++; conflicts == hopeless {
					return fmt.Errorf("ErrConflict %d times in a row, while nobody saved", hopeless)
				}
			}
		}
		return nil
	}) {
		if err != nil {
			t.Fatalf("racer %d: %v", i, err)
		}
	}
	data, _, err := p.other.Load(t.Context())
	if err != nil || len(data) != racers*rounds {
		t.Fatalf("%d updates of %d are left, %v", len(data), racers*rounds, err)
	}
}

// testWholeDocuments: a Load beside Saves returns one document as it was saved, at the version that Save returned for
// it, and never an older one than before.
func testWholeDocuments(t *testing.T, p pair) {
	const saves, size = 20, 32 << 10
	document := func(i int) string { return strings.Repeat(string(rune('a'+i)), size) }
	var mu sync.Mutex
	versions := map[string]int{save(t, p.one, document(0), ""): 0}
	done := make(chan struct{})
	type loaded struct {
		version string
		i       int
	}
	readers := make([][]loaded, 2)
	errs := race(3, func(racer int) error {
		if racer == 2 {
			defer close(done)
			_, version, err := p.one.Load(t.Context())
			for i := 1; i <= saves && err == nil; i++ {
				if version, err = p.one.Save(t.Context(), []byte(document(i)), version); err == nil {
					mu.Lock()
					versions[version] = i
					mu.Unlock()
				}
			}
			return err
		}
		for {
			data, version, err := p.of(racer).Load(t.Context())
			if err != nil {
				return err
			}
			i := -1
			if len(data) > 0 {
				i = int(data[0] - 'a')
			}
			if i < 0 || i > saves || string(data) != document(i) {
				return fmt.Errorf("a Load returned %d bytes that were never saved", len(data))
			}
			readers[racer] = append(readers[racer], loaded{version, i})
			select {
			case <-done:
				return nil
			default:
			}
		}
	})
	for i, err := range errs {
		if err != nil {
			t.Fatalf("racer %d: %v", i, err)
		}
	}
	for _, list := range readers {
		last := 0
		for _, l := range list {
			if saved, ok := versions[l.version]; !ok || saved != l.i {
				t.Fatalf("document %d was loaded at version %q, which Save returned for document %d (%v)", l.i, l.version, saved, ok)
			}
			if l.i < last {
				t.Fatalf("document %d was loaded after document %d", l.i, last)
			}
			last = l.i
		}
	}
}

// testRing: the vault does what it is for. Rings that are opened at once on an empty vault have one key.
func testRing(t *testing.T, p pair) {
	const rings = 4
	ids := make([]string, rings)
	for i, err := range race(rings, func(i int) error {
		ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: p.of(i), Algorithm: keys.ES256})
		if err != nil {
			return err
		}
		key, err := ring.SigningKey(t.Context(), 0)
		if err != nil {
			return err
		}
		secret, err := ring.Secret(t.Context(), "")
		ids[i] = key.Public().ID() + " " + secret.ID
		return err
	}) {
		if err != nil {
			t.Fatalf("ring %d: %v", i, err)
		}
	}
	for i, id := range ids {
		if id != ids[0] {
			t.Errorf("ring %d has %s, ring 0 %s", i, id, ids[0])
		}
	}
}

// testRingRotations: rings that rotate at once lose no key.
func testRingRotations(t *testing.T, p pair) {
	const rings, rounds = 4, 2
	for i, err := range race(rings, func(i int) error {
		ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: p.of(i), Algorithm: keys.ES256})
		for range rounds {
			if err == nil {
				err = ring.Rotate(t.Context())
			}
		}
		return err
	}) {
		if err != nil {
			t.Fatalf("ring %d: %v", i, err)
		}
	}
	ring := openRing(t, p.other)
	for what, list := range map[string]func() ([]keys.KeyInfo, error){
		"keys":    func() ([]keys.KeyInfo, error) { return ring.Keys(t.Context()) },
		"secrets": func() ([]keys.KeyInfo, error) { return ring.MasterSecrets(t.Context()) },
	} {
		infos, err := list()
		if err != nil || len(infos) != 1+rings*rounds {
			t.Errorf("%d %s, %v; want %d", len(infos), what, err, 1+rings*rounds)
		}
	}
}

// testRingRevocations: a key that one ring revokes ends in another when it reloads.
func testRingRevocations(t *testing.T, p pair) {
	var late time.Duration
	here := openRing(t, p.one)
	elsewhere, err := keys.Open(t.Context(), keys.RingConfig{Vault: p.other, Algorithm: keys.ES256, Now: func() time.Time { return time.Now().Add(late) }})
	if err != nil {
		t.Fatal(err)
	}
	key, err := here.SigningKey(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	kid := key.Public().ID()
	if _, err := elsewhere.PublicKey(t.Context(), kid); err != nil {
		t.Fatal(err)
	}
	if err := here.Revoke(t.Context(), kid); err != nil {
		t.Fatal(err)
	}
	late = 6 * time.Minute // when a ring reloads at its next use; Keys waits for that, however slow the vault is
	if _, err := elsewhere.Keys(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, ring := range map[string]*keys.Ring{"the ring that revoked it": here, "another": elsewhere, "a new one": openRing(t, p.other)} {
		if _, err := ring.PublicKey(t.Context(), kid); !errors.Is(err, keys.ErrUnknownKey) {
			t.Errorf("%s: %v, want ErrUnknownKey", name, err)
		}
		if next, err := ring.SigningKey(t.Context(), 0); err != nil || next.Public().ID() == kid {
			t.Errorf("%s signs with the revoked key, or with none: %v", name, err)
		}
	}
}

func openRing(t *testing.T, v keys.Vault) *keys.Ring {
	t.Helper()
	ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: v, Algorithm: keys.ES256})
	if err != nil {
		t.Fatal(err)
	}
	return ring
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
