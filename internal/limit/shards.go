package limit

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/posternauth/postern/store"
)

// shards is the number of buckets of a limit that everybody shares.
const shards = 4

// Shards splits a rule that all requests share over several buckets, so that they do not all write one item. Their
// Bursts add up to the rule's. Take from one of them with [State.TakeAny].
func Shards(rule Rule, key string) []Bucket {
	var buckets []Bucket
	for i := range min(shards, rule.Burst) {
		part := rule
		part.Burst = (rule.Burst + i) / min(shards, rule.Burst)
		b := For(part, fmt.Sprintf("%s\x00%d", key, i))
		buckets = append(buckets, b)
	}
	return buckets
}

// TakeAny returns the change that counts one take in one of the buckets that have room, or an [*Error] if none has.
func (s *State) TakeAny(now time.Time) ([]store.Change, error) {
	var denied error
	start := rand.IntN(len(s.buckets))
	for n := range s.buckets {
		i := (start + n) % len(s.buckets)
		one := State{s.buckets[i : i+1], s.items[i : i+1], s.rows[i : i+1]}
		changes, err := one.Take(now)
		if err == nil {
			return changes, nil
		}
		if denied == nil || sooner(err, denied) {
			denied = err
		}
	}
	return nil, denied
}

func sooner(a, b error) bool {
	x, ok := a.(*Error)
	y, also := b.(*Error)
	return ok && also && x.RetryAfter < y.RetryAfter
}

// LeftInAll returns how many takes the buckets allow together.
func (s *State) LeftInAll(now time.Time) int {
	left := 0
	for i, b := range s.buckets {
		left += max(0, b.Rule.Burst-s.rows[i].taken(b.Rule, now))
	}
	return left
}
