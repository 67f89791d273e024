package storetest

import (
	"time"

	"github.com/posternauth/postern/store"
)

var counterTests = []test{
	{"T1_Counter", testCounter},
	{"T1_CountersAreApart", testCountersApart},
	{"T3_CounterExpiry", testCounterExpiry},
}

func testCounter(t *suite) {
	k := t.key("p", "n")
	never := time.Time{}
	t.add(k, 0, never, 0)
	t.add(k, 1, never, 1)
	t.add(k, 41, never, 42)
	t.add(k, -50, never, -8)
	t.add(k, 0, never, -8)
	t.add(k, 8, never, 0)
	t.add(k, store.MaxDelta, never, store.MaxDelta)
	t.add(k, store.MaxDelta, never, 2*store.MaxDelta)
	t.add(k, -store.MaxDelta, never, store.MaxDelta)
	t.add(t.key("p", "m"), 7, never, 7)
	t.add(t.key("q", "n"), 9, never, 9)
}

func testCountersApart(t *suite) {
	k := t.key("p", "same")
	t.add(k, 5, time.Time{}, 5)
	t.absent(k)
	if ids := t.list(k.Part, 10); len(ids) != 0 {
		t.Fatalf("List shows counters: %v", ids)
	}
	it := t.create(k, "item")
	t.add(k, 1, time.Time{}, 6)
	if got := t.want(k, "item"); got.Version != it.Version {
		t.Fatal("Add changed the item of the same key")
	}
	t.write(store.Delete(k, it.Version))
	t.add(k, 1, time.Time{}, 7)
}

func testCounterExpiry(t *suite) {
	k, lasting := t.key("p", "n"), t.key("p", "lasting")
	end := t.clock.Now().Add(time.Minute)
	t.add(k, 3, end, 3)
	t.add(lasting, 3, time.Time{}, 3)
	t.clock.Advance(30 * time.Second)
	// The expiry of the first Add holds: neither a later nor an earlier nor no expiry moves it.
	t.add(k, 1, end.Add(time.Hour), 4)
	t.add(k, 1, t.clock.Now().Add(time.Second), 5)
	t.add(k, 1, time.Time{}, 6)
	t.add(lasting, 1, t.clock.Now().Add(time.Second), 4)
	t.clock.Advance(30*time.Second - 2*time.Millisecond)
	t.add(k, 1, end.Add(time.Hour), 7)
	t.clock.Advance(2 * time.Millisecond)
	t.add(k, 1, end.Add(time.Minute), 1)
	t.add(lasting, 1, time.Time{}, 5)
	t.clock.Advance(59 * time.Second)
	t.add(k, 1, time.Time{}, 2)
	t.clock.Advance(time.Second)
	t.add(k, -1, time.Time{}, -1)
	t.clock.Advance(24 * time.Hour)
	t.add(k, -1, time.Time{}, -2)
	// An expiry that has passed makes a counter of one Add.
	past := t.key("p", "past")
	t.add(past, 4, t.clock.Now().Add(-time.Second), 4)
	t.add(past, 4, t.clock.Now().Add(time.Second), 4)
}
