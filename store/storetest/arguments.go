package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/posternauth/postern/store"
)

var argumentTests = []test{
	{"T1_RefusedNames", testRefusedNames},
	{"T1_RefusedChanges", testRefusedChanges},
	{"T1_RefusedSizes", testRefusedSizes},
}

func (t *suite) invalid(what string, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrInvalid) {
		t.Errorf("%s: %v, want ErrInvalid", what, err)
	}
}

func testRefusedNames(t *suite) {
	long := strings.Repeat("x", store.MaxName+1)
	for name, s := range map[string]string{
		"empty": "", "too long": long, "NUL": "a\x00b", "not UTF-8": "a\xff", "half a rune": "a\xc3", "a surrogate": "\xed\xa0\x80",
	} {
		for where, k := range map[string]store.Key{"Part": {Part: s, ID: "id"}, "ID": {Part: t.prefix, ID: s}} {
			what := name + " " + where
			_, err := t.s.Get(t.Context(), t.key("p", "a"), k)
			t.invalid("Get, "+what, err)
			t.invalid("Put, "+what, t.s.Write(t.Context(), store.Put(store.Item{Key: k})))
			t.invalid("Delete, "+what, t.s.Write(t.Context(), store.Delete(k, "v")))
			t.invalid("Check, "+what, t.s.Write(t.Context(), store.Check(k, "v")))
			_, err = t.s.Add(t.Context(), k, 1, time.Time{})
			t.invalid("Add, "+what, err)
			if err != nil && s != "" && strings.Contains(err.Error(), s) {
				t.Errorf("the error quotes the name, which may be an address: %v", err)
			}
		}
		_, _, err := t.s.List(t.Context(), s, "", 10)
		t.invalid("List, "+name+" part", err)
		if s != "" {
			_, _, err = t.s.List(t.Context(), t.prefix, s, 10)
			t.invalid("List, "+name+" after", err)
		}
	}
}

func testRefusedChanges(t *suite) {
	a, b := t.key("p", "a"), t.key("p", "b")
	it := t.create(a, "1")
	noVersion := store.Put(it)
	noVersion.Item.Version = ""
	sameVersion := store.Put(it)
	sameVersion.Item.Version = it.Version
	longVersion := store.Put(it)
	longVersion.Item.Version = strings.Repeat("v", store.MaxName+1)
	for name, changes := range map[string][]store.Change{
		"a key named twice":         {store.Put(it), store.Put(it)},
		"a key put and deleted":     {store.Put(it), store.Delete(a, it.Version)},
		"a key put and checked":     {store.Put(it), store.Check(a, it.Version)},
		"a Delete without version":  {store.Delete(a, "")},
		"a Put without version":     {noVersion},
		"a Put of the same version": {sameVersion},
		"a version too long":        {longVersion},
		"an expectation with NUL":   {store.Check(a, "v\x00")},
		"no operation":              {{Item: it}},
		"an unknown operation":      {{Op: 99, Item: it, Expect: it.Version}},
		"an expiry before 1970":     {store.Put(store.Item{Key: b, Expires: time.Unix(-1, 0)})},
		"an expiry after 9999":      {store.Put(store.Item{Key: b, Expires: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)})},
	} {
		t.invalid(name, t.s.Write(t.Context(), changes...))
		t.invalid(name+", after a good change", t.s.Write(t.Context(), append([]store.Change{store.Put(store.Item{Key: b})}, changes...)...))
		t.absent(b)
	}
	_, err := t.s.Get(t.Context(), a, b, a)
	t.invalid("Get of a key named twice", err)
	if got := t.want(a, "1"); got.Version != it.Version {
		t.Error("a refused change was applied")
	}
}

func testRefusedSizes(t *suite) {
	var keys []store.Key
	var puts []store.Change
	for i := range max(store.MaxKeys, store.MaxChanges) + 1 {
		keys = append(keys, t.key("p", fmt.Sprint(i)))
		puts = append(puts, store.Put(store.Item{Key: keys[i]}))
	}
	_, err := t.s.Get(t.Context(), keys[:store.MaxKeys+1]...)
	t.invalid("Get of too many keys", err)
	t.invalid("Write of too many changes", t.s.Write(t.Context(), puts[:store.MaxChanges+1]...))
	t.absent(keys[0])
	t.invalid("a value too large", t.s.Write(t.Context(), store.Put(store.Item{Key: keys[0], Value: make([]byte, store.MaxValue+1)})))
	t.absent(keys[0])
	for _, limit := range []int{0, -1, store.MaxList + 1} {
		_, _, err := t.s.List(t.Context(), t.prefix, "", limit)
		t.invalid(fmt.Sprint("List of ", limit), err)
	}
	for _, delta := range []int64{store.MaxDelta + 1, -store.MaxDelta - 1} {
		_, err := t.s.Add(t.Context(), keys[0], delta, time.Time{})
		t.invalid(fmt.Sprint("Add of ", delta), err)
	}
	_, err = t.s.Add(t.Context(), keys[0], 1, time.Unix(-1, 0))
	t.invalid("Add until before 1970", err)
	t.add(keys[0], 0, time.Time{}, 0)
}
