package rotator_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testclock"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/rotator"
)

// TestK1_HundredRotations: a hundred days of rotations by three rotators at once, with clocks a minute apart to
// either side. Tokens of all processes verify, until they end, in all processes and at verifiers with a copy of the
// keys that is up to two hours old, all at once. The store is down for an hour each day. Half hours are tried for
// seven hours after a rotation, in which its key begins to sign and the one before ends; a run of all half hours had
// 201,621 checks.
func TestK1_HundredRotations(t *testing.T) {
	const life = time.Hour
	c := testclock.New(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	v := new(shaky)
	var clocks []func() time.Time
	var rings []*keys.Ring
	for _, skew := range []time.Duration{-time.Minute, 0, time.Minute} {
		now := func() time.Time { return c.Now().Add(skew) }
		clocks, rings = append(clocks, now), append(rings, ring(t, v, now))
	}
	type token struct {
		kid string
		sig []byte
		end time.Time
	}
	message := []byte("token")
	var alive []token
	copies := make([]keys.Verifier, 4) // each fetches the keys every two hours, half an hour after the one before
	signed := map[string]bool{}
	rotations := 0
	var checks, failed atomic.Int64
	const busy = 14                          // steps of a day
	for step := 0; rotations < 100; step++ { // of half an hour
		hour := step % busy
		v.down.Store(hour == 8 || hour == 9)
		if hour == 0 {
			clear(copies) // those of yesterday are too old
			var wg sync.WaitGroup
			var done atomic.Int32
			for i, r := range rings {
				wg.Go(func() {
					report, err := rotator.Run(t.Context(), rotator.Config{Ring: r, Every: 24 * time.Hour, Now: clocks[i]})
					if err != nil {
						t.Error(err)
					}
					if report.Rotated {
						done.Add(1)
					}
				})
			}
			wg.Wait()
			if done.Load() > 1 {
				t.Fatalf("%d of three rotators rotated at once", done.Load())
			}
			rotations += int(done.Load())
		}
		for i := range copies {
			if copies[i] != nil && hour%4 != i {
				continue
			}
			public, err := rings[i%len(rings)].PublicKeys(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if copies[i], err = keys.Static(public...); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range rings {
			key, err := r.SigningKey(t.Context(), life)
			if err != nil {
				t.Fatal(err)
			}
			sig, err := key.Sign(t.Context(), message)
			if err != nil {
				t.Fatal(err)
			}
			signed[key.Public().ID()] = true
			alive = append(alive, token{key.Public().ID(), sig, c.Now().Add(life)})
		}
		var wg sync.WaitGroup
		for _, from := range append([]keys.Verifier{rings[0], rings[1], rings[2]}, copies...) {
			wg.Go(func() {
				for _, tok := range alive {
					checks.Add(1)
					if _, err := keys.Verify(t.Context(), from, tok.kid, keys.EdDSA, message, tok.sig); err != nil {
						failed.Add(1)
					}
				}
			})
		}
		wg.Wait()
		c.Advance(30 * time.Minute)
		if hour == busy-1 {
			c.Advance(24*time.Hour - busy*30*time.Minute)
		}
		for len(alive) > 0 && !alive[0].end.After(c.Now()) {
			alive = alive[1:]
		}
	}
	if failed.Load() != 0 || checks.Load() < 50_000 || len(signed) < 99 {
		t.Errorf("%d of %d checks failed, %d keys signed", failed.Load(), checks.Load(), len(signed))
	}
	t.Logf("%d checks, %d rotations, %d keys signed", checks.Load(), rotations, len(signed))
}

// TestK1_RevokeInOutage: while the store is down a revocation is an error and changes nothing, here or elsewhere; when
// the store is back it works, and reaches the others within five minutes.
func TestK1_RevokeInOutage(t *testing.T) {
	c := testclock.New(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	v := new(shaky)
	here, there := ring(t, v, c.Now), ring(t, v, c.Now)
	key, err := here.SigningKey(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	kid := key.Public().ID()
	v.down.Store(true)
	c.Advance(10 * time.Minute)
	if err := here.Revoke(t.Context(), kid); !errors.Is(err, keys.ErrUnavailable) {
		t.Errorf("during the outage: %v", err)
	}
	for _, r := range []*keys.Ring{here, there} {
		if _, err := r.PublicKey(t.Context(), kid); err != nil {
			t.Errorf("after the failed revocation: %v", err)
		}
	}
	v.down.Store(false)
	if err := here.Revoke(t.Context(), kid); err != nil {
		t.Fatal(err)
	}
	c.Advance(5 * time.Minute)
	for _, r := range []*keys.Ring{here, there, ring(t, v, c.Now)} {
		if _, err := r.PublicKey(t.Context(), kid); !errors.Is(err, keys.ErrUnknownKey) {
			t.Errorf("after the revocation: %v", err)
		}
		if next, err := r.SigningKey(t.Context(), time.Hour); err != nil || next.Public().ID() == kid {
			t.Errorf("%v signs, %v", next, err)
		}
	}
}
