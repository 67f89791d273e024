package main

import (
	"testing"
	"time"

	"github.com/posternauth/postern/lambdahttp/lambdatest"
)

// TestAdapters_Defects: none of the defects is ours, and each is somebody's, so that a check that cannot fail shows.
func TestAdapters_Defects(t *testing.T) {
	for _, d := range defects {
		var others []string
		for _, a := range adapters {
			wrong, of, err := d.wrongOn(a)
			switch {
			case err != nil:
				t.Fatalf("%s, %s: %v", d.name, a.name, err)
			case a.name == "postern" && of != len(d.kinds):
				t.Errorf("%s: looked at %d kinds of %d", d.name, of, len(d.kinds))
			case len(wrong) == 0:
			case a.name == "postern":
				t.Errorf("%s: on %v", d.name, wrong)
			default:
				others = append(others, a.name)
			}
		}
		if others == nil {
			t.Errorf("%s: nobody has this defect: the check shows nothing", d.name)
		}
	}
}

// TestAdapters_Cost keeps the allocations of an event, on its way to the handler and back, at most those of every peer.
// The time is only logged: on a machine that others use it moves. `go run . adapters` compares it, in one run.
func TestAdapters_Cost(t *testing.T) {
	if testing.Short() {
		t.Skip("measures time for some seconds; run without -short")
	}
	for _, kind := range adapterKinds {
		all, err := adapterContenders(kind)
		if err != nil {
			t.Fatal(err)
		}
		if least := 4; len(all) < least && kind != lambdatest.ALB {
			t.Fatalf("%v: %d contenders, want %d", kind, len(all), least)
		}
		results, err := measure("adapters", kind.String(), effort{rounds: 15, turn: 5 * time.Millisecond}, all)
		if err != nil {
			t.Fatal(err)
		}
		ours := results[1]
		if ours.Impl != "postern" {
			t.Fatalf("%v: the second contender is %q", kind, ours.Impl)
		}
		for _, peer := range results[2:] {
			times := ratio(ours.rounds, peer.rounds)
			t.Logf("%v: %.2f times %s, %.0f allocations against %.0f", kind, times, peer.Impl, *ours.Allocs, *peer.Allocs)
			if *ours.Allocs > *peer.Allocs {
				t.Errorf("%v: %.0f allocations, %s has %.0f", kind, *ours.Allocs, peer.Impl, *peer.Allocs)
			}
		}
	}
}
