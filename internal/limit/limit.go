// Package limit counts what may happen only so often: guesses, mails, sign-in attempts.
//
// Call [Take] before the work that it guards. A limit is exact: in no stretch of time as long as the rule's Every do
// more than Burst takes succeed, even if many callers race. A denied take only reads, so a flood does not write.
//
// The state of a limit is one item, changed by compare-and-set. It holds the recent takes in at most 65 steps of
// Every/64, whatever Burst is. A take counts until its step is a whole Every ago, so it comes back late by at most one
// step.
//
// A limit for client addresses is several limits at once, see [Client]. [Read], [State.Take] and [TakeAll] count
// several limits with one read.
package limit

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/posternauth/postern/store"
)

// ErrLimited is matched by the error of a denied take.
var ErrLimited = errors.New("limit reached")

// An Error is a denied take. It matches [ErrLimited].
type Error struct {
	Rule       string        // Name of the rule
	RetryAfter time.Duration // when a take can succeed again, if nobody else takes first; more than zero
	Bucket     Bucket        // the bucket that is full; of several, the one that is full the longest

	until time.Time // the end of RetryAfter, see Denials
}

func (e *Error) Error() string {
	return fmt.Sprintf("limit %s reached: try again in %v", e.Rule, e.RetryAfter)
}

// Is makes errors.Is(err, ErrLimited) true.
func (e *Error) Is(target error) bool { return target == ErrLimited }

// RetryAfterSeconds returns RetryAfter for the Retry-After header: whole seconds, rounded up.
func (e *Error) RetryAfterSeconds() int64 {
	return int64((e.RetryAfter + time.Second - 1) / time.Second)
}

// A Rule allows Burst takes in any stretch of time of length Every.
type Rule struct {
	Name  string        // what is limited, such as "mail"; rules of different names share nothing
	Every time.Duration // at least a millisecond
	Burst int           // at least 1
}

func (r Rule) check() error {
	if r.Name == "" || r.Every < time.Millisecond || r.Burst < 1 {
		return fmt.Errorf("limit %q: a rule needs a name, an Every of a millisecond or more and a Burst of 1 or more", r.Name)
	}
	return nil
}

// A Bucket is a rule for one account or client, and the place of its state in the store.
type Bucket struct {
	Rule Rule
	Key  store.Key
}

// For returns the bucket of a rule for a key: an account, an address. The key goes into the store as a SHA-256 hash,
// together with the rule's name. To keep tenants and issuers apart, make them part of the key.
func For(rule Rule, key string) Bucket {
	return Bucket{rule, store.Key{Part: partOf(rule, key), ID: "takes"}}
}

// partOf returns a part that belongs to one rule and key: limits are many, and none is ever listed.
func partOf(rule Rule, key string) string { return "limit:" + hash(rule.Name+"\x00"+key) }

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// tries bounds the compare-and-sets of one take. Each conflict means that another take succeeded, so only a crowd
// reaches it, and a crowd can wait a second.
const tries = 10

// Take counts one take of the rule for a key, see [For], at the moment now. It returns nil if the take is allowed and
// an [*Error] if it is denied. Any other error is the store's: the caller answers 503 and does not do the work.
func Take(ctx context.Context, s store.Store, rule Rule, key string, now time.Time) error {
	return TakeAll(ctx, s, now, For(rule, key))
}

// TakeAll counts one take in each of the buckets, if all of them allow it. The errors are those of [Take].
//
// The buckets of one part change together. Between parts, a racer can use up the second after the first was written:
// the take is then denied and has been counted in the first.
func TakeAll(ctx context.Context, s store.Store, now time.Time, buckets ...Bucket) error {
	return Retry(ctx, nameOf(buckets), taking(ctx, s, now, buckets))
}

// Count is TakeAll for work that was done already, such as a failed attempt. It does not give up in a crowd: it tries
// until ctx ends, since each failure that is not counted is one more guess.
func Count(ctx context.Context, s store.Store, now time.Time, buckets ...Bucket) error {
	return retry(ctx, math.MaxInt, nameOf(buckets), taking(ctx, s, now, buckets))
}

// taking returns one try of a take, to be repeated until it is done.
func taking(ctx context.Context, s store.Store, now time.Time, buckets []Bucket) func() (done bool, err error) {
	left := buckets
	return func() (bool, error) {
		state, err := Read(ctx, s, left...)
		if err != nil {
			return false, err
		}
		changes, err := state.Take(now)
		if err != nil {
			return false, err
		}
		for len(changes) > 0 {
			part := changes[0].Item.Key.Part
			n := 0
			for n < len(changes) && changes[n].Item.Key.Part == part {
				n++
			}
			switch err := s.Write(ctx, changes[:n]...); {
			case errors.Is(err, store.ErrConflict):
				return false, nil
			case err != nil:
				return false, fmt.Errorf("limit %s: writing the store: %w", nameOf(left), err)
			}
			changes = changes[n:]
			left = slices.DeleteFunc(slices.Clone(left), func(b Bucket) bool { return b.Key.Part == part })
		}
		return true, nil
	}
}

// GiveBack takes back what was counted at the moment taken: the work turned out not to count. written are the items
// that the take wrote, if the caller has them, which saves a read. It is best effort. The caller may ignore an error:
// the take then counts until it is old.
func GiveBack(ctx context.Context, s store.Store, taken time.Time, written []store.Item, buckets ...Bucket) error {
	return Retry(ctx, nameOf(buckets), func() (bool, error) {
		items := written
		written = nil
		if items == nil {
			var err error
			if items, err = s.Get(ctx, Keys(buckets...)...); err != nil {
				return false, fmt.Errorf("limit %s: reading the store: %w", nameOf(buckets), err)
			}
		}
		state, err := Decode(items, buckets...)
		if err != nil {
			return false, err
		}
		changes, err := state.GiveBack(taken)
		if err != nil || len(changes) == 0 {
			return true, err
		}
		err = s.Write(ctx, changes...)
		if errors.Is(err, store.ErrConflict) {
			return false, nil
		}
		if err != nil {
			err = fmt.Errorf("limit %s: writing the store: %w", nameOf(buckets), err)
		}
		return true, err
	})
}

// nameOf returns the name for errors about several buckets: that of the first.
func nameOf(buckets []Bucket) string {
	if len(buckets) == 0 {
		return ""
	}
	return buckets[0].Rule.Name
}

// Retry calls try until it is done or fails, with a pause after each conflict, and gives up with an [*Error].
func Retry(ctx context.Context, name string, try func() (done bool, err error)) error {
	return retry(ctx, tries, name, try)
}

func retry(ctx context.Context, most int, name string, try func() (done bool, err error)) error {
	for n := range most {
		if err := pause(ctx, n); err != nil {
			return fmt.Errorf("limit %s: %w", name, err)
		}
		if done, err := try(); done || err != nil {
			return err
		}
	}
	return &Error{Rule: name, RetryAfter: time.Second}
}

// pause waits before a second and later try: longer each time, and for a random time, so that racers part.
func pause(ctx context.Context, try int) error {
	if try == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(rand.N(time.Duration(min(try, 10)) * 2 * time.Millisecond))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
