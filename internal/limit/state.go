package limit

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/posternauth/postern/store"
)

// A State is what one read found in several buckets.
type State struct {
	buckets []Bucket
	items   []store.Item
	rows    []row
}

// Read reads buckets, all in one Get.
func Read(ctx context.Context, s store.Store, buckets ...Bucket) (*State, error) {
	items, err := s.Get(ctx, Keys(buckets...)...)
	if err != nil {
		return nil, fmt.Errorf("limit %s: reading the store: %w", nameOf(buckets), err)
	}
	return Decode(items, buckets...)
}

// Keys returns where the state of the buckets is, for callers that read it together with other items.
func Keys(buckets ...Bucket) []store.Key {
	keys := make([]store.Key, len(buckets))
	for i, b := range buckets {
		keys[i] = b.Key
	}
	return keys
}

// Decode finds the state of the buckets among items that were read. Other items are ignored.
func Decode(items []store.Item, buckets ...Bucket) (*State, error) {
	s := &State{buckets: buckets, items: make([]store.Item, len(buckets)), rows: make([]row, len(buckets))}
	for i, b := range buckets {
		if err := b.Rule.check(); err != nil {
			return nil, err
		}
		s.items[i].Key = b.Key
		at := slices.IndexFunc(items, func(it store.Item) bool { return it.Key == b.Key })
		if at < 0 {
			continue
		}
		s.items[i] = items[at]
		if err := json.Unmarshal(items[at].Value, &s.rows[i]); err != nil {
			return nil, fmt.Errorf("limit %s: its item in the store is damaged: %w", b.Rule.Name, err)
		}
	}
	return s, nil
}

// Left returns how many takes the fullest of the buckets still allows.
func (s *State) Left(now time.Time) int {
	left := 0
	for i, b := range s.buckets {
		if n := max(0, b.Rule.Burst-s.rows[i].taken(b.Rule, now)); i == 0 || n < left {
			left = n
		}
	}
	return left
}

// Take returns the changes that count one take in every bucket at the moment now, or an [*Error] for the bucket that
// stays full the longest. The changes are conditional on what was read and stand in the order of the buckets. Nothing
// is taken until they are written.
func (s *State) Take(now time.Time) ([]store.Change, error) {
	var denied *Error
	changes := make([]store.Change, len(s.buckets))
	for i, b := range s.buckets {
		r := row{slices.Clone(s.rows[i].Steps)}
		if wait := r.take(b.Rule, now); wait > 0 {
			if denied == nil || wait > denied.RetryAfter {
				denied = &Error{Rule: b.Rule.Name, RetryAfter: wait, Bucket: b}
			}
			continue
		}
		change, err := s.put(i, r)
		if err != nil {
			return nil, err
		}
		changes[i] = change
	}
	if denied != nil {
		return nil, denied
	}
	return changes, nil
}

// GiveBack returns the changes that undo a take at the moment taken, where it is still counted. They are conditional on
// what was read.
func (s *State) GiveBack(taken time.Time) ([]store.Change, error) {
	var changes []store.Change
	for i, b := range s.buckets {
		_, end := b.Rule.step(taken)
		at := slices.IndexFunc(s.rows[i].Steps, func(st step) bool { return st[0] == end })
		if at < 0 {
			continue
		}
		r := s.rows[i]
		if r.Steps[at][1]--; r.Steps[at][1] <= 0 {
			r.Steps = slices.Delete(r.Steps, at, at+1)
		}
		if len(r.Steps) == 0 {
			changes = append(changes, store.Delete(s.items[i].Key, s.items[i].Version))
			continue
		}
		change, err := s.put(i, r)
		if err != nil {
			return nil, err
		}
		changes = append(changes, change)
	}
	return changes, nil
}

func (s *State) put(i int, r row) (store.Change, error) {
	value, err := json.Marshal(r)
	if err != nil {
		return store.Change{}, fmt.Errorf("limit %s: %w", s.buckets[i].Rule.Name, err)
	}
	it := s.items[i]
	it.Value, it.Expires = value, r.last().Add(s.buckets[i].Rule.Every)
	return store.Put(it), nil
}

// steps is the number of parts into which Every is cut, and so the size of a row.
const steps = 64

// row is the state of one bucket: steps in which takes happened, the oldest first.
type row struct {
	Steps []step `json:"s"`
}

// step is the end of a step in Unix milliseconds, and the number of takes in it.
type step [2]int64

func (r row) last() time.Time { return time.UnixMilli(r.Steps[len(r.Steps)-1][0]) }

// step returns the moment in Unix milliseconds and the end of its step. A take counts as made at the end of its step:
// late, never early, so that no window can hold one too many.
func (r Rule) step(now time.Time) (at, end int64) {
	at = now.UnixMilli()
	size := (r.Every.Milliseconds() + steps - 1) / steps
	return at, (at/size + 1) * size
}

// taken returns how many takes count at the moment now.
func (r row) taken(rule Rule, now time.Time) int {
	n := int64(0)
	for _, s := range r.Steps {
		if s[0]+rule.Every.Milliseconds() > now.UnixMilli() {
			n += s[1]
		}
	}
	return int(n)
}

// take counts a take at now, or returns how long to wait.
func (r *row) take(rule Rule, now time.Time) (wait time.Duration) {
	every := rule.Every.Milliseconds()
	at, end := rule.step(now)
	r.Steps = slices.DeleteFunc(r.Steps, func(s step) bool { return s[0]+every <= at })
	if over := int64(r.taken(rule, now)) - int64(rule.Burst) + 1; over > 0 {
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
