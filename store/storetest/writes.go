package storetest

import (
	"errors"
	"fmt"

	"github.com/posternauth/postern/store"
)

var writeTests = []test{
	{"T1_WriteAppliesAll", testWriteAppliesAll},
	{"T1_WriteIsWhole", testWriteIsWhole},
	{"T1_WriteAcrossParts", testWriteAcrossParts},
	{"T1_WriteOfNothing", testWriteOfNothing},
}

func testWriteAppliesAll(t *suite) {
	var puts []store.Change
	for i := range store.MaxChanges {
		puts = append(puts, store.Put(store.Item{Key: t.together(fmt.Sprint("p", i%4), fmt.Sprint(i)), Value: fmt.Append(nil, i)}))
	}
	t.write(puts...)
	var mixed []store.Change
	for i, c := range puts {
		t.want(c.Item.Key, fmt.Sprint(i))
		switch i % 3 {
		case 0:
			mixed = append(mixed, store.Put(store.Item{Key: c.Item.Key, Value: []byte("new"), Version: c.Item.Version}))
		case 1:
			mixed = append(mixed, store.Delete(c.Item.Key, c.Item.Version))
		case 2:
			mixed = append(mixed, store.Check(c.Item.Key, c.Item.Version))
		}
	}
	t.write(mixed...)
	for i, c := range puts {
		switch i % 3 {
		case 0:
			t.want(c.Item.Key, "new")
		case 1:
			t.absent(c.Item.Key)
		case 2:
			t.want(c.Item.Key, fmt.Sprint(i))
		}
	}
}

// testWriteIsWhole puts each way of failing at each place of a Write that would otherwise succeed.
func testWriteIsWhole(t *suite) {
	there := t.create(t.together("p", "there"), "1")
	failing := map[string]store.Change{
		"Put of what must be absent": store.Put(store.Item{Key: there.Key, Value: []byte("2")}),
		"Put of a wrong version":     store.Put(store.Item{Key: there.Key, Version: "wrong"}),
		"Put of a version, absent":   store.Put(store.Item{Key: t.together("p", "nowhere"), Version: there.Version}),
		"Delete of a wrong version":  store.Delete(there.Key, "wrong"),
		"Delete of what is absent":   store.Delete(t.together("p", "nowhere"), there.Version),
		"Check of a wrong version":   store.Check(there.Key, "wrong"),
		"Check that it is absent":    store.Check(there.Key, ""),
		"Check of what is absent":    store.Check(t.together("p", "nowhere"), there.Version),
	}
	changed := t.create(t.together("q", "changed"), "old")
	deleted := t.create(t.together("r", "deleted"), "old")
	checked := t.create(t.together("s", "checked"), "old")
	for name, fail := range failing {
		for place := range 5 {
			good := []store.Change{
				store.Put(store.Item{Key: t.together("p", "new"), Value: []byte("new")}),
				store.Put(store.Item{Key: changed.Key, Value: []byte("new"), Version: changed.Version}),
				store.Delete(deleted.Key, deleted.Version),
				store.Check(checked.Key, checked.Version),
			}
			changes := append(append(append([]store.Change{}, good[:place]...), fail), good[place:]...)
			t.conflict(fmt.Sprintf("%s at place %d", name, place), changes...)
			t.absent(t.together("p", "new"), t.together("p", "nowhere"))
			t.want(there.Key, "1")
			for _, it := range []store.Item{there, changed, deleted, checked} {
				if got := t.want(it.Key, string(it.Value)); got.Version != it.Version {
					t.Fatalf("%s at place %d: %s has a new version after a conflict", name, place, it.Key.ID)
				}
			}
		}
	}
	// A change that is outside the contract undoes its neighbours too.
	err := t.s.Write(t.Context(), store.Put(store.Item{Key: t.together("p", "new")}), store.Delete(there.Key, ""))
	if !errors.Is(err, store.ErrInvalid) {
		t.Fatalf("Write with an invalid change: %v, want ErrInvalid", err)
	}
	t.absent(t.together("p", "new"))
}

// testWriteAcrossParts: a Write to several parts is as whole as any other, or is refused with nothing done. The engine
// states by OnePart which of the two it does.
func testWriteAcrossParts(t *suite) {
	there := t.create(t.key("p", "there"), "old")
	for i := range 20 { // more names than a cluster has nodes
		a, b := t.key(fmt.Sprint("left", i), "a"), t.key(fmt.Sprint("right", i), "b")
		err := t.s.Write(t.Context(), store.Put(store.Item{Key: a, Value: []byte("new")}), store.Put(store.Item{Key: b, Value: []byte("new")}), store.Check(there.Key, there.Version))
		switch {
		case errors.Is(err, store.ErrInvalid) && t.onePart():
			t.absent(a, b)
		case err == nil && !t.onePart():
			t.want(a, "new")
			t.want(b, "new")
		default:
			t.Fatalf("Write %d to several parts: %v; WritesTwoParts is %v", i, err, !t.onePart())
		}
	}
	if t.onePart() {
		return
	}
	// A Write over two parts fails as a whole, whichever part has the change that fails.
	for i := range 4 {
		a, b := t.key(fmt.Sprint("first", i), "a"), t.key(fmt.Sprint("second", i), "b")
		good, stale := store.Put(store.Item{Key: a, Value: []byte("new")}), store.Check(there.Key, "stale")
		if i%2 == 1 {
			stale = store.Put(store.Item{Key: there.Key, Value: []byte("new"), Version: "stale"})
		}
		changes := []store.Change{good, stale, store.Put(store.Item{Key: b, Value: []byte("new")})}
		if i >= 2 {
			changes[0], changes[1] = changes[1], changes[0]
		}
		t.conflict("a stale version in another part", changes...)
		t.absent(a, b)
		if now := t.want(there.Key, "old"); now.Version != there.Version {
			t.Fatal("the item has a new version after a conflict")
		}
	}
}

func testWriteOfNothing(t *suite) {
	if err := t.s.Write(t.Context()); err != nil {
		t.Fatalf("Write of no changes: %v", err)
	}
}
