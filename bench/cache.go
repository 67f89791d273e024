package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// manyTokens is how many are in use at once in the row of that name.
const manyTokens = 16384

// cache measures tokens that were verified before.
func cache(o options) ([]result, error) {
	return each(o, "cache", func(m *material) (all []contender, err error) {
		check, err := bareVerify(m)
		if err != nil {
			return nil, err
		}
		if all, err = addVerify(all, m, peer{name: bare, verify: check}); err != nil {
			return nil, err
		}
		p, err := ours(m)
		if err != nil {
			return nil, err
		}
		p.name = "postern, not cached"
		if all, err = addVerify(all, m, p); err != nil {
			return nil, err
		}
		if all, err = addHits(all, m, 1, ""); err != nil {
			return nil, err
		}
		if m.alg != keys.RS256 { // whose tokens take long to make
			if all, err = addHits(all, m, manyTokens, fmt.Sprintf(", %d tokens", manyTokens)); err != nil {
				return nil, err
			}
		}
		if !o.node {
			return all, nil
		}
		return addNode(all, m, "fast-jwt, cached")
	})
}

// addHits adds what there is to measure about n tokens that are all remembered.
func addHits(all []contender, m *material, n int, suffix string) ([]contender, error) {
	kind, err := m.kind(2 * n)
	if err != nil {
		return all, err
	}
	tokens, err := m.tokens(n)
	if err != nil {
		return all, err
	}
	for _, t := range tokens {
		if _, err := kind.Verify(context.Background(), t); err != nil {
			return all, err
		}
	}
	// A request brings its token in separate memory: comparing a string with itself would be too easy.
	var fresh []string
	for len(fresh) < max(n, 64) {
		for _, t := range tokens {
			fresh = append(fresh, strings.Clone(t))
		}
	}
	rand.Shuffle(len(fresh), func(i, j int) { fresh[i], fresh[j] = fresh[j], fresh[i] })
	next, mask := 0, len(fresh)-1
	all = append(all, contender{name: "postern, hit" + suffix, op: func() error {
		next++
		return hit(kind, fresh[next&mask])
	}})
	if workers := runtime.GOMAXPROCS(0); workers > 1 {
		all = append(all, contender{name: fmt.Sprintf("postern, hit, on %d cores%s", workers, suffix), batch: func(d time.Duration) (int, time.Duration, error) {
			return parallel(workers, d, kind, fresh)
		}})
	}
	return all, nil
}

func hit(kind *session.Kind[User], token string) error {
	s, err := kind.Verify(context.Background(), token)
	if err != nil {
		return err
	}
	return right(s.Kind, s.Properties, s.Roles)
}

// parallel has several cores hit the same tokens. If they hindered each other, the CPU time of a hit would grow.
func parallel(workers int, d time.Duration, kind *session.Kind[User], fresh []string) (int, time.Duration, error) {
	var (
		wg    sync.WaitGroup
		total atomic.Int64
		errs  = make([]error, workers)
	)
	runtime.GC()
	start, end := cpuTime(), time.Now().Add(d)
	for w := range workers {
		wg.Go(func() {
			at := w * len(fresh) / workers
			for time.Now().Before(end) {
				for range 256 {
					at++
					if errs[w] = hit(kind, fresh[at&(len(fresh)-1)]); errs[w] != nil {
						return
					}
				}
				total.Add(256)
			}
		})
	}
	wg.Wait()
	return int(total.Load()), cpuTime() - start, errors.Join(errs...)
}
