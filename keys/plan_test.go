package keys

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const hour = time.Hour

// at makes an entry created h hours after epoch with tokens of an hour.
func at(id string, h float64) entry {
	return entry{ID: id, Created: after(h), Longest: hour}
}

func after(h float64) time.Time { return epoch.Add(time.Duration(h * float64(hour))) }

func (e entry) revokedAt(h float64) entry {
	e.Revoked = after(h)
	return e
}

func (e entry) longest(d time.Duration) entry {
	e.Longest = d
	return e
}

func TestPlan(t *testing.T) {
	const p, s, v, r, x = StatePending, StateSigning, StatePassive, StateRetired, StateRevoked
	ab := []entry{at("a", 0), at("b", 100)}
	tests := []struct {
		name    string
		entries []entry
		now     float64
		want    []State
		until   float64 // 0: never by time alone
	}{
		{"none", nil, 0, nil, 0},
		{"the first signs at once", []entry{at("a", 0)}, 0, []State{s}, 0},
		{"the first by a clock ahead signs too", []entry{at("a", 0)}, -1, []State{s}, 0},
		{"alone for years", []entry{at("a", 0)}, 100000, []State{s}, 0},

		{"a second waits", ab, 100, []State{s, p}, 103},
		{"a second by a clock ahead waits and verifies", ab, 99.5, []State{s, p}, 103},
		{"a second waits to the end", ab, 102.999, []State{s, p}, 103},
		{"a second takes over", ab, 103, []State{v, s}, 106},
		{"the first still verifies", ab, 105.999, []State{v, s}, 106},
		{"the first retires after 1 h of tokens and 2 h", ab, 106, []State{r, s}, 0},
		{"retired for good", ab, 100000, []State{r, s}, 0},
		{"long tokens keep it", []entry{at("a", 0).longest(1000 * hour), at("b", 100)}, 1104.9, []State{v, s}, 1105},
		{"long tokens end too", []entry{at("a", 0).longest(1000 * hour), at("b", 100)}, 1105, []State{r, s}, 0},

		{"two within the lead time", []entry{at("a", 0), at("b", 1)}, 2, []State{s, p}, 4},
		{"two at once", []entry{at("a", 0), at("b", 0)}, 1, []State{s, p}, 3},
		{"two at once, aged", []entry{at("a", 0), at("b", 0)}, 3, []State{v, s}, 6},
		{"three in a row", []entry{at("a", 0), at("b", 100), at("c", 101)}, 103.5, []State{v, s, p}, 104},
		{"three in a row, later", []entry{at("a", 0), at("b", 100), at("c", 101)}, 104, []State{v, v, s}, 106},
		{"three in a row, first gone", []entry{at("a", 0), at("b", 100), at("c", 101)}, 106, []State{r, v, s}, 107},

		{"pending revoked", []entry{at("a", 0), at("b", 100).revokedAt(101)}, 200, []State{s, x}, 0},
		{"the only one revoked", []entry{at("a", 0).revokedAt(10)}, 11, []State{x}, 0},
		{"its successor signs at once", []entry{at("a", 0).revokedAt(10), at("b", 10)}, 10, []State{x, s}, 0},
		{"pending signs when the signer is revoked", []entry{at("a", 0).revokedAt(101), at("b", 100)}, 101, []State{x, s}, 0},
		{"revoked by a clock ahead counts at once", []entry{at("a", 0).revokedAt(101), at("b", 100)}, 100.9, []State{x, s}, 0},
		{"passive signs again", []entry{at("a", 0), at("b", 100).revokedAt(104), at("c", 104)}, 104, []State{s, x, p}, 107},
		{"and begins to retire anew", []entry{at("a", 0), at("b", 100).revokedAt(104), at("c", 104)}, 109.9, []State{v, x, s}, 110},
		{"and retires", []entry{at("a", 0), at("b", 100).revokedAt(104), at("c", 104)}, 110, []State{r, x, s}, 0},
		{"retired does not come back", []entry{at("a", 0), at("b", 100).revokedAt(107), at("c", 107)}, 107, []State{r, x, s}, 0},
		{"passive revoked", []entry{at("a", 0).revokedAt(104), at("b", 100)}, 104, []State{x, s}, 0},
	}
	for _, tt := range tests {
		got, signer, until := plan(tt.entries, after(tt.now))
		var states []State
		for _, st := range got {
			states = append(states, st.State)
		}
		if !slices.Equal(states, tt.want) || signer != slices.Index(tt.want, s) {
			t.Errorf("%s: %v, signer %d; want %v", tt.name, states, signer, tt.want)
		}
		if want := after(tt.until); tt.until == 0 && !until.IsZero() || tt.until != 0 && !until.Equal(want) {
			t.Errorf("%s: holds until %v, want %v", tt.name, until, want)
		}
	}
}

func TestPlanTimes(t *testing.T) {
	states, _, _ := plan([]entry{at("a", 0), at("b", 100), at("c", 104)}, after(105))
	for i, want := range []struct{ activates, retires float64 }{{0, 106}, {103, 110}, {107, 0}} {
		if !states[i].Activates.Equal(after(want.activates)) {
			t.Errorf("entry %d activates %v", i, states[i].Activates)
		}
		if want.retires == 0 != states[i].Retires.IsZero() || want.retires != 0 && !states[i].Retires.Equal(after(want.retires)) {
			t.Errorf("entry %d retires %v", i, states[i].Retires)
		}
	}
}

// TestPlanProperties: what must hold for every history, asked at every moment of random ones.
func TestPlanProperties(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		var entries []entry
		now := 0.0
		last := map[string]struct {
			state State
			until time.Time // it has to verify until then: something it signed lives
		}{}
		for step := range 60 {
			now += rnd.Float64() * 2
			switch n := rnd.IntN(10); {
			case len(entries) == 0 || n == 0:
				entries = append(entries, at(fmt.Sprintf("k%03d", step), now))
			case n == 1:
				i := rnd.IntN(len(entries))
				if entries[i].Revoked.IsZero() {
					entries[i].Revoked = after(now)
				}
			case n == 2: // what the ring does before it signs something long
				if _, i, _ := plan(entries, after(now)); i >= 0 {
					entries[i].Longest = max(entries[i].Longest, time.Duration(rnd.IntN(10))*hour)
				}
			}
			states, signer, until := plan(entries, after(now))
			signing, usable := 0, 0
			for i, st := range states {
				e := entries[i]
				was := last[e.ID]
				if st.State == StateSigning {
					signing++
					was.until = after(now).Add(e.Longest)
				}
				if e.Revoked.IsZero() && st.State != StateRetired {
					usable++
				}
				if !e.Revoked.IsZero() != (st.State == StateRevoked) {
					t.Fatalf("round %d: %v is %s", round, e, st.State)
				}
				if was.state == StateRetired && st.State != StateRetired && st.State != StateRevoked {
					t.Fatalf("round %d: %s was retired and is %s", round, e.ID, st.State)
				}
				if st.State == StateRetired && was.until.Add(retirementMargin).After(after(now)) {
					t.Fatalf("round %d: %s retired at %v, something it signed lives until %v", round, e.ID, after(now), was.until)
				}
				was.state = st.State
				last[e.ID] = was
			}
			if usable > 0 && signing != 1 || usable == 0 && signing != 0 || (signer >= 0) != (signing == 1) {
				t.Fatalf("round %d: %d usable, %d sign, signer %d", round, usable, signing, signer)
			}
			if !until.IsZero() { // nothing changes before, something does then
				same, _, _ := plan(entries, until.Add(-time.Nanosecond))
				then, _, _ := plan(entries, until)
				for i := range states {
					if same[i].State != states[i].State {
						t.Fatalf("round %d: %s changes before %v", round, entries[i].ID, until)
					}
				}
				if slices.EqualFunc(then, states, func(a, b status) bool { return a.State == b.State }) {
					t.Fatalf("round %d: nothing changes at %v", round, until)
				}
			}
			// tidy forgets nothing that matters.
			tidied := tidy(slices.Clone(entries), after(now))
			after1, _, _ := plan(tidied, after(now))
			for i, st := range after1 {
				j := len(states) - len(after1) + i
				if st.State != states[j].State {
					t.Fatalf("round %d: tidy makes %s %s", round, entries[j].ID, st.State)
				}
			}
		}
	}
}

func TestTidy(t *testing.T) {
	entries := []entry{at("a", 0), at("b", 100).revokedAt(104), at("c", 104), at("d", 300)}
	for i := range entries {
		entries[i].Private = []byte("private")
	}
	got := tidy(slices.Clone(entries), after(305))
	var left []string
	for _, e := range got {
		left = append(left, fmt.Sprint(e.ID, len(e.Private)))
	}
	if want := []string{"a0", "b0", "c7", "d7"}; !slices.Equal(left, want) {
		t.Errorf("soon: %v, want %v", left, want)
	}
	left = nil
	for _, e := range tidy(slices.Clone(entries), after(305+31*24)) {
		left = append(left, fmt.Sprint(e.ID, len(e.Private)))
	}
	if want := []string{"d7"}; !slices.Equal(left, want) {
		t.Errorf("a month later: %v, want %v", left, want)
	}
	alone := tidy([]entry{at("a", 0).revokedAt(1)}, after(31*24))
	if len(alone) != 0 {
		t.Errorf("revoked a month ago and still listed: %v", alone)
	}
}
