// Package limit counts what may happen only so often: guesses, mails, sign-in attempts.
//
// Call [Take] before the work that it guards. A limit is exact: in no stretch of time as long as the rule's Every do
// more than Burst takes succeed, whoever races. A take that is denied only reads, so that a flood leaves the store alone.
//
// The state of a limit is one item, changed by compare-and-set, that holds the recent takes in at most 65 steps of
// Every/64 whatever Burst is. A take counts until its step is a whole Every ago, so it comes back late by one step at most.
package limit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/posternauth/postern/store"
)

// ErrLimited is what [Take]'s answer matches when the limit is reached.
var ErrLimited = errors.New("limit reached")

// An Error is a take denied. It matches [ErrLimited].
type Error struct {
	Rule       string        // Name of the rule
	RetryAfter time.Duration // when a take can succeed again, if nobody else comes first; more than zero
}

func (e *Error) Error() string {
	return fmt.Sprintf("limit %s reached: try again in %v", e.Rule, e.RetryAfter)
}

// Is makes errors.Is(err, ErrLimited) true.
func (e *Error) Is(target error) bool { return target == ErrLimited }

// RetryAfterSeconds is RetryAfter as the Retry-After header wants it: whole seconds, rounded up.
func (e *Error) RetryAfterSeconds() int64 {
	return int64((e.RetryAfter + time.Second - 1) / time.Second)
}

// A Rule allows Burst takes in any stretch of time of length Every.
type Rule struct {
	Name  string        // what is limited, such as "mail"; a name of its own has a bucket of its own
	Every time.Duration // at least a millisecond
	Burst int           // at least 1
}

const (
	// steps is the number of parts into which Every is cut, and so the size of a row.
	steps = 64

	// tries bounds the compare-and-sets of one Take. Each conflict means that another take succeeded, so it is reached
	// only in a crowd, and a crowd may be told to wait a second.
	tries = 10
)

// Take counts one take of the rule for a key (an account, an address, a client's network), at the moment now. It returns
// nil when the take is allowed and an [*Error] when it is not. Any other error is the store's: the caller answers 503
// and does not do the work.
//
// The key goes into the store as a SHA-256 hash, together with the rule's name. Separate tenants and issuers by making
// them part of the key.
func Take(ctx context.Context, s store.Store, rule Rule, key string, now time.Time) error {
	if rule.Name == "" || rule.Every < time.Millisecond || rule.Burst < 1 {
		return fmt.Errorf("limit %q: a rule needs a name, an Every of a millisecond or more and a Burst of 1 or more", rule.Name)
	}
	k := rowKey(rule, key)
	for try := range tries {
		if err := pause(ctx, try); err != nil {
			return fmt.Errorf("limit %s: %w", rule.Name, err)
		}
		items, err := s.Get(ctx, k)
		if err != nil {
			return fmt.Errorf("limit %s: reading the store: %w", rule.Name, err)
		}
		it := store.Item{Key: k}
		var r row
		if len(items) == 1 {
			it = items[0]
			if err := json.Unmarshal(it.Value, &r); err != nil {
				return fmt.Errorf("limit %s: its item in the store is damaged: %w", rule.Name, err)
			}
		}
		if wait := r.take(rule, now); wait > 0 {
			return &Error{Rule: rule.Name, RetryAfter: wait}
		}
		if it.Value, err = json.Marshal(r); err != nil {
			return fmt.Errorf("limit %s: %w", rule.Name, err)
		}
		it.Expires = r.last().Add(rule.Every)
		err = s.Write(ctx, store.Put(it))
		if err == nil {
			return nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("limit %s: writing the store: %w", rule.Name, err)
		}
	}
	return &Error{Rule: rule.Name, RetryAfter: time.Second}
}

// rowKey hashes the rule and the key into a part of their own: limits are many, and none is ever listed.
func rowKey(rule Rule, key string) store.Key {
	sum := sha256.Sum256([]byte(rule.Name + "\x00" + key))
	return store.Key{Part: "limit:" + base64.RawURLEncoding.EncodeToString(sum[:16]), ID: "takes"}
}

// pause waits before a second and later try, longer each time and never the same for two racers.
func pause(ctx context.Context, try int) error {
	if try == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(rand.N(time.Duration(try) * 2 * time.Millisecond))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// row is the state of one limit: steps in which takes happened, the oldest first.
type row struct {
	Steps []step `json:"s"`
}

// step is the end of a step in Unix milliseconds, and the number of takes in it.
type step [2]int64

func (r row) last() time.Time { return time.UnixMilli(r.Steps[len(r.Steps)-1][0]) }

// take counts a take at now, or says how long to wait.
func (r *row) take(rule Rule, now time.Time) (wait time.Duration) {
	every := rule.Every.Milliseconds()
	at := now.UnixMilli()
	// A take counts as made at the end of its step: late, never early, so that no window can hold one too many.
	size := (every + steps - 1) / steps
	end := (at/size + 1) * size

	var taken int64
	r.Steps = slices.DeleteFunc(r.Steps, func(s step) bool { return s[0]+every <= at })
	for _, s := range r.Steps {
		taken += s[1]
	}
	if over := taken - int64(rule.Burst) + 1; over > 0 {
		for _, s := range r.Steps {
			if over -= s[1]; over <= 0 {
				return time.UnixMilli(s[0] + every).Sub(now)
			}
		}
	}
	// Clocks of several machines differ: a step may belong before the last one.
	i, found := slices.BinarySearchFunc(r.Steps, end, func(s step, end int64) int { return cmp.Compare(s[0], end) })
	if !found {
		r.Steps = slices.Insert(r.Steps, i, step{end, 0})
	}
	r.Steps[i][1]++
	return 0
}
