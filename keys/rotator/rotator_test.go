package rotator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testclock"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/rotator"
)

const day = 24 * time.Hour

// shaky is a vault that can be down.
type shaky struct {
	keys.MemoryVault
	down atomic.Bool
}

var errDown = errors.New("down")

func (v *shaky) Load(ctx context.Context) ([]byte, string, error) {
	if v.down.Load() {
		return nil, "", errDown
	}
	return v.MemoryVault.Load(ctx)
}

func (v *shaky) Save(ctx context.Context, data []byte, version string) (string, error) {
	if v.down.Load() {
		return "", errDown
	}
	return v.MemoryVault.Save(ctx, data, version)
}

func ring(t *testing.T, v keys.Vault, now func() time.Time) *keys.Ring {
	t.Helper()
	r, err := keys.Open(t.Context(), keys.RingConfig{Vault: v, Algorithm: keys.EdDSA, Now: now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func run(t *testing.T, r *keys.Ring, now func() time.Time) rotator.Report {
	t.Helper()
	report, err := rotator.Run(t.Context(), rotator.Config{Ring: r, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestK1_TwoRotators: of rotators that run at once, with clocks a minute apart to either side, one rotates. Daily runs
// for a year rotate every thirty days.
func TestK1_TwoRotators(t *testing.T) {
	c := testclock.New(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	skewed := func(d time.Duration) func() time.Time { return func() time.Time { return c.Now().Add(d) } }
	clocks := []func() time.Time{skewed(-time.Minute), c.Now, skewed(time.Minute)}
	v := new(shaky)
	var rings []*keys.Ring
	for _, now := range clocks {
		rings = append(rings, ring(t, v, now))
	}
	total := 0
	for d := range 365 {
		c.Advance(day)
		var rotated atomic.Int32
		var wg sync.WaitGroup
		for i, r := range rings {
			wg.Go(func() {
				report, err := rotator.Run(t.Context(), rotator.Config{Ring: r, Now: clocks[i]})
				if err != nil {
					t.Error(err)
				}
				if report.Rotated {
					rotated.Add(1)
				}
			})
		}
		wg.Wait()
		if n := rotated.Load(); n > 1 {
			t.Fatalf("on day %d %d of three rotators rotated", d, n)
		}
		total += int(rotated.Load())
	}
	if total < 11 || total > 12 {
		t.Errorf("%d rotations in a year", total)
	}
}

// TestK1_DeadRotator: where no rotator runs for a month beyond its time, the newest key signs and verifies as before,
// and the report has its age. An outage of the store is keys.ErrUnavailable and harms nothing.
func TestK1_DeadRotator(t *testing.T) {
	c := testclock.New(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	v := new(shaky)
	r := ring(t, v, c.Now)
	first := run(t, r, c.Now)
	if first.Rotated || first.Newest == "" || first.Newest != first.Signing || first.Keys != 1 {
		t.Errorf("a new ring: %+v", first)
	}
	c.Advance(29 * day)
	if early := run(t, r, c.Now); early.Rotated {
		t.Errorf("early: %+v", early)
	}
	c.Advance(31 * day) // no run
	key, err := r.SigningKey(t.Context(), time.Hour)
	if err != nil || key.Public().ID() != first.Newest {
		t.Fatalf("after the dead month: %v, %v", key, err)
	}
	look, err := rotator.Look(t.Context(), rotator.Config{Ring: r, Now: c.Now})
	if err != nil || time.Duration(look.Age) != 60*day || !look.Due.Before(c.Now()) {
		t.Errorf("%+v, %v", look, err)
	}
	v.down.Store(true)
	if _, err := rotator.Run(t.Context(), rotator.Config{Ring: r, Now: c.Now}); !errors.Is(err, keys.ErrUnavailable) {
		t.Errorf("down: %v", err)
	}
	if _, err := r.PublicKey(t.Context(), first.Newest); err != nil {
		t.Errorf("while the store is down: %v", err)
	}
	v.down.Store(false)
	late := run(t, r, c.Now)
	if !late.Rotated || late.Age != 0 || late.Signing != first.Newest || !late.Takeover.Equal(c.Now().Add(3*time.Hour)) || late.Keys != 2 {
		t.Errorf("the first run again: %+v", late)
	}
	text, err := json.Marshal(late)
	if err != nil || !strings.Contains(string(text), fmt.Sprintf(`"signing_age_seconds":%d`, 60*24*3600)) {
		t.Errorf("%s, %v", text, err)
	}
}

// TestRun_Refusals: an age under a day, a missing ring, and a key of a clock far ahead are errors.
func TestRun_Refusals(t *testing.T) {
	c := testclock.New(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	v := new(shaky)
	r := ring(t, v, c.Now)
	for name, cfg := range map[string]rotator.Config{"no ring": {}, "an hour": {Ring: r, Every: time.Hour}, "negative": {Ring: r, Every: -day}} {
		if _, err := rotator.Run(t.Context(), cfg); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	c.Advance(-48 * time.Hour) // the clock that made the key was ahead
	if _, err := rotator.Run(t.Context(), rotator.Config{Ring: r, Now: c.Now}); err == nil || !strings.Contains(err.Error(), "ahead of this clock") {
		t.Errorf("a key of the future: %v", err)
	}
}
