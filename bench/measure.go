package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"
)

// A contender does one thing over and over. Exactly one of op and batch is set.
type contender struct {
	name string
	op   func() error
	// batch does the thing for about d and says how often and at what cost: the way to measure another process.
	batch func(d time.Duration) (n int, cpu time.Duration, err error)
	close func()
}

// bare is the name of the contender that all others are compared with.
const bare = "bare"

// A result is what one contender took, over all rounds.
type result struct {
	Bench    string   `json:"bench"`
	Impl     string   `json:"impl"`
	Alg      string   `json:"alg"`
	MedianNS float64  `json:"median_ns"`
	P10NS    float64  `json:"p10_ns"`
	VsBare   *float64 `json:"vs_bare"`
	Allocs   *float64 `json:"allocs"` // null where they cannot be counted: on Node
	Bytes    *float64 `json:"bytes"`

	// Of http only: median_ns is the time between two answers, these are the server's CPU time for a request, what of
	// it is not the bare server's, and requests a second as a part of the bare server's.
	CPU        float64 `json:"cpu_ns,omitempty"`
	AddedCPU   float64 `json:"added_cpu_ns,omitempty"`
	RateVsBare float64 `json:"rate_vs_bare,omitempty"`

	rounds []float64
}

// effort is how long to measure.
type effort struct {
	rounds int
	turn   time.Duration // of each contender in a round
}

// measure lets the contenders take turns, in another order each round, so that what slows the machine down for a while
// slows all of them. The figure of a turn is CPU time per operation. Ratios are taken within each round; of these, and
// of the times, the median counts.
func measure(bench, alg string, e effort, all []contender) ([]result, error) {
	defer func() {
		for _, c := range all {
			if c.close != nil {
				c.close()
			}
		}
	}()
	counts := make([]int, len(all))
	results := make([]result, len(all))
	for i, c := range all {
		results[i] = result{Bench: bench, Impl: c.name, Alg: alg}
		if c.op == nil {
			continue
		}
		for range 50 { // warm
			if err := c.op(); err != nil {
				return nil, fmt.Errorf("%s %s: %w", c.name, alg, err)
			}
		}
		allocs, bytes := allocations(c.op)
		results[i].Allocs, results[i].Bytes = &allocs, &bytes
		start, n := time.Now(), 0
		for ; time.Since(start) < e.turn; n++ {
			_ = c.op()
		}
		counts[i] = max(1, n)
	}
	for range e.rounds {
		for _, i := range rand.Perm(len(all)) {
			ns, err := turn(all[i], counts[i], e.turn)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", all[i].name, alg, err)
			}
			results[i].rounds = append(results[i].rounds, ns)
		}
	}
	summarise(results)
	return results, nil
}

// turn returns nanoseconds per operation. Garbage of the turn before is cleared away first; what an operation leaves
// behind shows in its allocations, and in the measurement over HTTP, not here.
func turn(c contender, n int, d time.Duration) (float64, error) {
	if c.batch != nil {
		n, cpu, err := c.batch(d)
		return float64(cpu) / float64(max(1, n)), err
	}
	runtime.GC()
	start := cpuTime()
	for range n {
		if err := c.op(); err != nil {
			return 0, err
		}
	}
	return float64(cpuTime()-start) / float64(n), nil
}

func summarise(results []result) {
	base := slices.IndexFunc(results, func(r result) bool { return r.Impl == bare })
	for i := range results {
		r := &results[i]
		r.MedianNS, r.P10NS = quantile(r.rounds, 0.5), quantile(r.rounds, 0.1)
		if base >= 0 {
			v := ratio(r.rounds, results[base].rounds)
			r.VsBare = &v
		}
	}
}

// ratio is the median of the ratios of each round.
func ratio(a, b []float64) float64 {
	each := make([]float64, len(a))
	for i := range a {
		each[i] = a[i] / b[i]
	}
	return quantile(each, 0.5)
}

func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	low := int(at)
	if low+1 == len(sorted) {
		return sorted[low]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}

// allocations of one operation, and their bytes.
func allocations(op func() error) (count, bytes float64) {
	const n = 200
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		_ = op()
	}
	runtime.ReadMemStats(&after)
	return float64((after.Mallocs - before.Mallocs) / n), float64((after.TotalAlloc - before.TotalAlloc) / n)
}
