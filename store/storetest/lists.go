package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/posternauth/postern/store"
)

var listTests = []test{
	{"T1_ListOrder", testListOrder},
	{"T1_ListPages", testListPages},
	{"T1_ListWhileItChanges", testListChanges},
	{"T1_ListAfterEachWrite", testListAfterEachWrite},
}

func testListOrder(t *suite) {
	part := t.key("p", "").Part
	if ids := t.list(part, 10); len(ids) != 0 {
		t.Fatalf("List of a part that never was: %v", ids)
	}
	// Byte order of UTF-8 is not what a collation, UTF-16 or numbers give: U+FF61 sorts before U+1F600 only by bytes.
	ids := []string{
		"!", "#1", "%", "*", "-", "1", "10", "9", "A", "B", "Z", "_", "a", "aa", "ab", "b", "z", "~",
		"Ä", "ä", "é", "e\u0301", "\u007f", "\uFF61", "\U0001F600", "\u2028", "中",
	}
	for i, id := range ids {
		t.create(store.Key{Part: part, ID: id}, fmt.Sprint("v", i))
		t.create(t.key("other", id), "other")
		t.create(t.key("p2", id), "longer part")
	}
	want := slices.Clone(ids)
	slices.Sort(want)
	if got := t.list(part, store.MaxList); !slices.Equal(got, want) {
		t.Fatalf("List\n got %q\nwant %q", got, want)
	}
	items, _, err := t.s.List(t.Context(), part, "", store.MaxList)
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range items {
		value := fmt.Sprint("v", slices.Index(ids, it.Key.ID))
		if got := t.want(it.Key, value); string(it.Value) != value || it.Version != got.Version || !it.Expires.IsZero() {
			t.Errorf("List gave %q version %q expiry %v, Get gave %q version %q", it.Value, it.Version, it.Expires, got.Value, got.Version)
		}
	}
}

func testListPages(t *suite) {
	part := t.key("p", "").Part
	var want []string
	for i := range 23 {
		want = append(want, fmt.Sprintf("id%02d", i))
	}
	for i := range want {
		t.create(store.Key{Part: part, ID: want[(i*7)%len(want)]}, "v")
	}
	for _, limit := range []int{1, 2, 5, 22, 23, 24, store.MaxList} {
		if got := t.list(part, limit); !slices.Equal(got, want) {
			t.Fatalf("pages of %d\n got %q\nwant %q", limit, got, want)
		}
	}
	for _, tc := range []struct {
		after string
		first int
	}{{"", 0}, {"id", 0}, {"id04", 5}, {"id04x", 5}, {"id21", 22}} {
		items, _, err := t.s.List(t.Context(), part, tc.after, 1)
		if err != nil || len(items) != 1 || items[0].Key.ID != want[tc.first] {
			t.Fatalf("List after %q: %v, %v; want %q first", tc.after, items, err, want[tc.first])
		}
	}
	for _, after := range []string{"id22", "id9", "\U0010FFFF"} {
		items, next, err := t.s.List(t.Context(), part, after, 5)
		if err != nil || len(items) != 0 || next != "" {
			t.Fatalf("List after the last: %v, %q, %v; want nothing", items, next, err)
		}
	}
}

// testListChanges deletes the item a page ended with, and adds on both sides of it, before the next page is asked for.
func testListChanges(t *suite) {
	part := t.key("p", "").Part
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		t.create(store.Key{Part: part, ID: id}, "v")
	}
	var first []string
	after := ""
	for len(first) < 2 { // a page may be short
		items, next, err := t.s.List(t.Context(), part, after, 2-len(first))
		if err != nil || next == "" {
			t.Fatalf("List: next %q, %v", next, err)
		}
		for _, it := range items {
			first = append(first, it.Key.ID)
		}
		after = next
	}
	b := t.want(store.Key{Part: part, ID: "b"}, "v")
	t.write(store.Delete(b.Key, b.Version))
	t.create(store.Key{Part: part, ID: "aa"}, "v")
	t.create(store.Key{Part: part, ID: "bb"}, "v")
	var rest []string
	for after != "" {
		items, next, err := t.s.List(t.Context(), part, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range items {
			rest = append(rest, it.Key.ID)
		}
		after = next
	}
	if want := []string{"bb", "c", "d", "e"}; !slices.Equal(rest, want) {
		t.Fatalf("the following pages %q, want %q", rest, want)
	}
}

// testListAfterEachWrite lists a part after every single change of it, so that nothing kept for the List before is used
// for the next one.
func testListAfterEachWrite(t *suite) {
	part := t.key("p", "").Part
	id := func(id string) store.Key { return store.Key{Part: part, ID: id} }
	want := func(what string, ids ...string) {
		t.Helper()
		if got := t.list(part, 10); !slices.Equal(got, ids) {
			t.Fatalf("List after %s: %q, want %q", what, got, ids)
		}
	}
	b := t.create(id("b"), "v")
	want("the first item", "b")
	t.create(id("a"), "v")
	want("an item before it", "a", "b")
	t.create(id("c"), "v")
	want("an item behind it", "a", "b", "c")
	t.write(store.Delete(b.Key, b.Version))
	want("a Delete", "a", "c")
	t.create(id("b"), "v")
	want("a new item of that name", "a", "b", "c")
	t.createUntil(id("d"), "v", t.clock.Now().Add(time.Minute))
	want("an item that expires", "a", "b", "c", "d")
	t.clock.Advance(time.Minute)
	want("its end", "a", "b", "c")
	t.create(id("d"), "v")
	want("an item in its place", "a", "b", "c", "d")
}
