package storetest

import (
	"errors"
	"fmt"

	"github.com/posternauth/postern/store"
)

var writeTests = []test{
	{"T1_WriteAppliesAll", testWriteAppliesAll},
	{"T1_WriteIsWhole", testWriteIsWhole},
	{"T1_WriteOfNothing", testWriteOfNothing},
}

func testWriteAppliesAll(t *suite) {
	var puts []store.Change
	for i := range store.MaxChanges {
		puts = append(puts, store.Put(store.Item{Key: t.key(fmt.Sprint("p", i%4), fmt.Sprint(i)), Value: fmt.Append(nil, i)}))
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
	there := t.create(t.key("p", "there"), "1")
	failing := map[string]store.Change{
		"Put of what must be absent": store.Put(store.Item{Key: there.Key, Value: []byte("2")}),
		"Put of a wrong version":     store.Put(store.Item{Key: there.Key, Version: "wrong"}),
		"Put of a version, absent":   store.Put(store.Item{Key: t.key("p", "nowhere"), Version: there.Version}),
		"Delete of a wrong version":  store.Delete(there.Key, "wrong"),
		"Delete of what is absent":   store.Delete(t.key("p", "nowhere"), there.Version),
		"Check of a wrong version":   store.Check(there.Key, "wrong"),
		"Check that it is absent":    store.Check(there.Key, ""),
		"Check of what is absent":    store.Check(t.key("p", "nowhere"), there.Version),
	}
	changed := t.create(t.key("q", "changed"), "old")
	deleted := t.create(t.key("r", "deleted"), "old")
	checked := t.create(t.key("s", "checked"), "old")
	for name, fail := range failing {
		for place := range 5 {
			good := []store.Change{
				store.Put(store.Item{Key: t.key("p", "new"), Value: []byte("new")}),
				store.Put(store.Item{Key: changed.Key, Value: []byte("new"), Version: changed.Version}),
				store.Delete(deleted.Key, deleted.Version),
				store.Check(checked.Key, checked.Version),
			}
			changes := append(append(append([]store.Change{}, good[:place]...), fail), good[place:]...)
			t.conflict(fmt.Sprintf("%s at place %d", name, place), changes...)
			t.absent(t.key("p", "new"), t.key("p", "nowhere"))
			t.want(there.Key, "1")
			for _, it := range []store.Item{there, changed, deleted, checked} {
				if got := t.want(it.Key, string(it.Value)); got.Version != it.Version {
					t.Fatalf("%s at place %d: %s has a new version after a conflict", name, place, it.Key.ID)
				}
			}
		}
	}
	// A change that is outside the contract undoes its neighbours too.
	err := t.s.Write(t.Context(), store.Put(store.Item{Key: t.key("p", "new")}), store.Delete(there.Key, ""))
	if !errors.Is(err, store.ErrInvalid) {
		t.Fatalf("Write with an invalid change: %v, want ErrInvalid", err)
	}
	t.absent(t.key("p", "new"))
}

func testWriteOfNothing(t *suite) {
	if err := t.s.Write(t.Context()); err != nil {
		t.Fatalf("Write of no changes: %v", err)
	}
}
