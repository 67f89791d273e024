package main

import (
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
)

// TestGuard keeps verification near the bare signature check, and a hit far below it. The figures measured on a quiet
// machine leave much room to these bounds, since other work may share the one this runs on. golang-jwt,
// which is known to cost more than the check, shows that the measurement separates the contenders.
func TestGuard(t *testing.T) {
	if testing.Short() {
		t.Skip("measures time for some seconds; run without -short")
	}
	for _, alg := range []keys.Algorithm{keys.RS256, keys.ES256, keys.EdDSA} {
		t.Run(string(alg), func(t *testing.T) {
			vsBare := guardRatios(t, alg)
			t.Logf("times the bare check: %v", vsBare)
			if got := vsBare["postern"]; got > 1.35 {
				t.Errorf("verification takes %.2f times the bare signature check; at most 1.35", got)
			}
			if got := vsBare["postern, hit"]; alg == keys.RS256 && got > 0.15 {
				t.Errorf("a hit takes %.3f times the bare signature check; at most 0.15", got)
			}
			if got := vsBare["golang-jwt"]; got <= 1.01 {
				t.Errorf("golang-jwt takes %.3f times the bare signature check: this measures something else", got)
			}
		})
	}
}

// guardRatios measures a few contenders in turns, and returns the median of each one's ratios to the bare check.
func guardRatios(t *testing.T, alg keys.Algorithm) map[string]float64 {
	t.Helper()
	m, err := newMaterial(alg)
	if err != nil {
		t.Fatal(err)
	}
	check, err := bareVerify(m)
	if err != nil {
		t.Fatal(err)
	}
	all, err := addVerify(nil, m, peer{name: bare, verify: check})
	if err != nil {
		t.Fatal(err)
	}
	for _, newPeer := range []func(*material) (peer, error){ours, golangJWT} {
		p, err := newPeer(m)
		if err != nil {
			t.Fatal(err)
		}
		if all, err = addVerify(all, m, p); err != nil {
			t.Fatal(err)
		}
	}
	hits, err := addHits(nil, m, 1, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range hits {
		if c.op != nil { // the others need more than one core
			all = append(all, c)
		}
	}
	results, err := measure("guard", string(alg), effort{rounds: 31, turn: 10 * time.Millisecond}, all)
	if err != nil {
		t.Fatal(err)
	}
	vsBare := map[string]float64{}
	for _, r := range results {
		vsBare[r.Impl] = *r.VsBare
	}
	for _, name := range []string{"postern", "postern, hit", "golang-jwt"} {
		if vsBare[name] <= 0 {
			t.Fatalf("%q was not measured", name)
		}
	}
	return vsBare
}
