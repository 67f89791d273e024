package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/posternauth/postern/store"
)

var expiryTests = []test{
	{"T3_ExpiredIsAbsent", testExpiredIsAbsent},
	{"T3_ExpiryToTheMillisecond", testExpiryPrecision},
	{"T3_ExpiryCanMove", testExpiryMoves},
	{"T3_ExpiredInTheWay", testExpiredInTheWay},
	{"T3_CancelledIsNotAbsent", testCancelled},
}

// testExpiredIsAbsent asks every operation about an item whose time is up, whether or not the engine has removed it.
func testExpiredIsAbsent(t *suite) {
	expires := t.clock.Now().Add(time.Minute)
	dead := func(id string) store.Item { return t.createUntil(t.key("p", id), "old", expires) }
	read, put, stale, deleted, checkGone, checkVersion := dead("read"), dead("put"), dead("stale"), dead("deleted"), dead("gone"), dead("version")
	alive := t.createUntil(t.key("p", "alive"), "old", expires.Add(time.Minute))
	never := t.create(t.key("p", "never"), "old")
	t.want(read.Key, "old")
	t.clock.Advance(time.Minute)

	t.absent(read.Key)
	if items := t.get(read.Key, alive.Key, put.Key, never.Key); len(items) != 2 || items[0].Key != alive.Key || items[1].Key != never.Key {
		t.Fatalf("Get found %v, want the two that are alive", items)
	}
	if ids := t.list(read.Key.Part, 3); !slices.Equal(ids, []string{"alive", "never"}) {
		t.Fatalf("List found %q, want the two that are alive", ids)
	}
	t.conflict("a Put with the version of an expired item", store.Put(stale))
	t.conflict("a Delete of an expired item", store.Delete(deleted.Key, deleted.Version))
	t.conflict("a Check for the version of an expired item", store.Check(checkVersion.Key, checkVersion.Version))
	t.conflict("a Check among other changes", store.Check(checkVersion.Key, checkVersion.Version), store.Put(store.Item{Key: t.key("p", "new")}))
	t.write(store.Check(checkGone.Key, ""))
	t.write(store.Check(checkGone.Key, ""), store.Put(store.Item{Key: t.key("p", "new2")}))

	// A Put over what expired is a Put of something absent, alone and among others.
	t.createUntil(put.Key, "new", t.clock.Now().Add(time.Minute))
	t.want(put.Key, "new")
	t.write(store.Put(store.Item{Key: stale.Key, Value: []byte("new")}), store.Put(store.Item{Key: deleted.Key, Value: []byte("new")}))
	t.want(stale.Key, "new")
	t.want(deleted.Key, "new")
	t.conflict("a Put with the version from before it expired", store.Put(stale))
	t.conflict("a second Put over what expired", store.Put(store.Item{Key: put.Key}))
}

func testExpiryPrecision(t *suite) {
	// An expiry within a millisecond counts from the start of it.
	end := t.clock.Now().Add(time.Second).Truncate(time.Millisecond)
	k, within := t.key("p", "a"), t.key("p", "within")
	t.createUntil(k, "v", end)
	t.createUntil(within, "v", end.Add(999*time.Microsecond))
	t.clock.Advance(end.Add(-time.Millisecond).Sub(t.clock.Now()))
	t.want(k, "v")
	t.want(within, "v")
	t.clock.Advance(time.Millisecond)
	t.absent(k, within)

	// An item may be dead on arrival; its Write succeeds.
	past := t.key("p", "past")
	t.createUntil(past, "v", t.clock.Now().Add(-time.Hour))
	t.absent(past)
	t.createUntil(past, "w", t.clock.Now().Add(time.Hour))
	t.want(past, "w")
	// The far ends of the contract.
	t.createUntil(t.key("p", "1970"), "v", time.Unix(0, 0))
	t.absent(t.key("p", "1970"))
	last := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	t.createUntil(t.key("p", "9999"), "v", last)
	if got := t.want(t.key("p", "9999"), "v").Expires; !got.Equal(last) {
		t.Fatalf("expiry %v, want %v", got, last)
	}
}

func testExpiryMoves(t *suite) {
	now := t.clock.Now()
	later := t.createUntil(t.key("p", "later"), "v", now.Add(time.Minute))
	sooner := t.createUntil(t.key("p", "sooner"), "v", now.Add(time.Hour))
	forever := t.createUntil(t.key("p", "forever"), "v", now.Add(time.Minute))
	mortal := t.create(t.key("p", "mortal"), "v")
	later.Expires = now.Add(time.Hour)
	sooner.Expires = now.Add(time.Minute)
	forever.Expires = time.Time{}
	mortal.Expires = now.Add(time.Minute)
	t.write(store.Put(later))
	t.write(store.Put(sooner), store.Put(forever))
	t.write(store.Put(mortal))
	t.clock.Advance(time.Minute)
	t.want(later.Key, "v")
	t.absent(sooner.Key)
	if !t.want(forever.Key, "v").Expires.IsZero() {
		t.Fatal("an item made to last still has an expiry")
	}
	t.absent(mortal.Key)
	t.clock.Advance(time.Hour)
	t.absent(later.Key)
	t.want(forever.Key, "v")
}

// testExpiredInTheWay leaves many dead items among few living, with enough writes for an engine to sweep.
func testExpiredInTheWay(t *suite) {
	part := t.key("p", "").Part
	var want []string
	for i := range 300 {
		k := store.Key{Part: part, ID: fmt.Sprintf("%03d", i)}
		switch {
		case i%50 == 49:
			t.create(k, "living")
			want = append(want, k.ID)
		default:
			t.createUntil(k, "dead", t.clock.Now().Add(time.Minute))
		}
	}
	t.clock.Advance(time.Minute)
	for range 2 {
		for _, limit := range []int{1, 4, 100} {
			if got := t.list(part, limit); !slices.Equal(got, want) {
				t.Fatalf("pages of %d: %q, want %q", limit, got, want)
			}
		}
		for i := range 150 {
			t.createUntil(t.key("busy", fmt.Sprint(t.clock.Now().UnixNano(), i)), "v", t.clock.Now().Add(time.Second))
		}
		t.clock.Advance(24 * time.Hour)
	}
	for _, id := range want {
		t.want(store.Key{Part: part, ID: id}, "living")
	}
}

// testCancelled asks with a context that has ended. "Absent" would be a lie, and a lie about a session opens a door.
func testCancelled(t *suite) {
	k := t.key("p", "a")
	it := t.create(k, "1")
	ctx := cancelled(t)
	if items, err := t.s.Get(ctx, k); err == nil || len(items) != 0 {
		t.Errorf("Get: %v, %v; want an error", items, err)
	}
	if items, next, err := t.s.List(ctx, k.Part, "", 10); err == nil || len(items) != 0 || next != "" {
		t.Errorf("List: %v, %q, %v; want an error", items, next, err)
	}
	if n, err := t.s.Add(ctx, k, 1, time.Time{}); err == nil || n != 0 {
		t.Errorf("Add: %d, %v; want an error", n, err)
	}
	put := store.Put(it)
	for name, changes := range map[string][]store.Change{
		"Put":      {put},
		"Check":    {store.Check(k, it.Version)},
		"two Puts": {put, store.Put(store.Item{Key: t.key("p", "b")})},
	} {
		if err := t.s.Write(ctx, changes...); err == nil || errors.Is(err, store.ErrConflict) {
			t.Errorf("Write of %s: %v; want an error that is not ErrConflict", name, err)
		}
	}
	// A context that had ended before the call leaves no doubt: nothing was done.
	if got := t.want(k, "1"); got.Version != it.Version {
		t.Error("a cancelled Write was applied")
	}
	t.absent(t.key("p", "b"))
	t.add(k, 0, time.Time{}, 0)
}
