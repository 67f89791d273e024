package storetest

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/posternauth/postern/store"
)

var itemTests = []test{
	{"T1_Get", testGet},
	{"T1_PutAbsent", testPutAbsent},
	{"T1_PutVersion", testPutVersion},
	{"T1_Delete", testDelete},
	{"T1_Check", testCheck},
	{"T1_VersionsNeverReused", testVersionsNeverReused},
	{"T1_ValuesKept", testValuesKept},
	{"T1_BuffersNotShared", testBuffers},
	{"T1_KeysApart", testKeysApart},
}

func testGet(t *suite) {
	if items := t.get(); len(items) != 0 {
		t.Fatalf("Get of no keys found %d items", len(items))
	}
	t.absent(t.key("p", "missing"))

	var keys []store.Key
	for i := range store.MaxKeys {
		k := t.key(fmt.Sprint("p", i%3), fmt.Sprint("id", i))
		keys = append(keys, k)
		if i%4 != 1 {
			t.create(k, fmt.Sprint("v", i))
		}
	}
	// Backwards, so that no order of the engine's own passes for the order of the keys.
	var asked []store.Key
	var want []string
	for i := len(keys) - 1; i >= 0; i-- {
		asked = append(asked, keys[i])
		if i%4 != 1 {
			want = append(want, fmt.Sprint("v", i))
		}
	}
	var got []string
	for _, it := range t.get(asked...) {
		got = append(got, string(it.Value))
		if it.Version == "" || !it.Expires.IsZero() {
			t.Errorf("item %q has version %q and expiry %v, want a version and none", it.Value, it.Version, it.Expires)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("Get of %d keys\n got %v\nwant %v", len(asked), got, want)
	}
}

func testPutAbsent(t *suite) {
	k := t.key("p", "a")
	it := t.create(k, "1")
	if got := t.want(k, "1"); got.Version != it.Version {
		t.Fatalf("version %q as read, %q as put: a caller without an answer could not find out whose write it was", got.Version, it.Version)
	}
	t.conflict("a Put that wants the item absent", store.Put(store.Item{Key: k, Value: []byte("2")}))
	if got := t.want(k, "1"); got.Version != it.Version {
		t.Fatal("a conflict changed the version")
	}
}

func testPutVersion(t *suite) {
	k := t.key("p", "a")
	first := t.create(k, "1")
	second := first
	second.Value = []byte("2")
	put := store.Put(second)
	t.write(put)
	if got := t.want(k, "2"); got.Version != put.Item.Version || got.Version == first.Version {
		t.Fatalf("version %q after the second Put, want the new one %q", got.Version, put.Item.Version)
	}
	t.conflict("a Put with the version before", store.Put(first))
	t.conflict("a Put with a version that never was", store.Put(store.Item{Key: k, Version: "never"}))
	t.conflict("a Put with a version where nothing is", store.Put(store.Item{Key: t.key("p", "b"), Version: first.Version}))
	t.want(k, "2")
	t.absent(t.key("p", "b"))
}

func testDelete(t *suite) {
	k := t.key("p", "a")
	first := t.create(k, "1")
	next := store.Put(first)
	t.write(next)
	t.conflict("a Delete with the version before", store.Delete(k, first.Version))
	t.want(k, "1")
	t.write(store.Delete(k, next.Item.Version))
	t.absent(k)
	t.conflict("a Delete of what is gone", store.Delete(k, next.Item.Version))
	t.create(k, "again")
	t.want(k, "again")
}

func testCheck(t *suite) {
	k, gone := t.key("p", "a"), t.key("p", "gone")
	it := t.create(k, "1")
	t.write(store.Check(k, it.Version))
	t.write(store.Check(gone, ""))
	t.write(store.Check(k, it.Version), store.Check(gone, ""))
	t.conflict("a Check of another version", store.Check(k, "other"))
	t.conflict("a Check that an item is absent", store.Check(k, ""))
	t.conflict("a Check of a version where nothing is", store.Check(gone, it.Version))
	if got := t.want(k, "1"); got.Version != it.Version {
		t.Fatal("a Check changed the version")
	}
	t.absent(gone)
}

func testVersionsNeverReused(t *suite) {
	k := t.key("p", "a")
	seen := map[string]bool{}
	var old []string
	for range 20 {
		it := t.create(k, "same")
		again := store.Put(it)
		t.write(again)
		for _, v := range []string{it.Version, again.Item.Version} {
			if seen[v] {
				t.Fatalf("version %q came twice", v)
			}
			seen[v] = true
			old = append(old, v)
		}
		t.write(store.Delete(k, again.Item.Version))
	}
	current := t.create(k, "same")
	for _, v := range old {
		t.conflict("a Put with the version of a former life", store.Put(store.Item{Key: k, Version: v}))
		t.conflict("a Delete with the version of a former life", store.Delete(k, v))
		t.conflict("a Check with the version of a former life", store.Check(k, v))
	}
	if got := t.want(k, "same"); got.Version != current.Version {
		t.Fatalf("version %q, want %q", got.Version, current.Version)
	}
}

func testValuesKept(t *suite) {
	var every []byte
	for i := range 256 {
		every = append(every, byte(i))
	}
	for name, v := range map[string]string{
		"empty":      "",
		"JSON":       `{"name":"Zoë 👋","n":1.0,  "spaces": [ ]}`,
		"every byte": string(every),
		"largest":    strings.Repeat("x", store.MaxValue),
	} {
		k := t.key("values", name)
		it := t.create(k, v)
		t.want(k, v)
		it.Value = []byte("shorter")
		t.write(store.Put(it))
		t.want(k, "shorter")
	}
	expires := t.clock.Now().Add(time.Hour)
	k := t.key("values", "expiry")
	t.createUntil(k, "v", expires)
	if got := t.want(k, "v").Expires; got.UnixMilli() != expires.UnixMilli() || got.Nanosecond()%1e6 != 0 {
		t.Errorf("expiry %v, want %v cut to the millisecond", got, expires)
	}
	items, _, err := t.s.List(t.Context(), k.Part, "exp", 1)
	if err != nil || len(items) != 1 || items[0].Expires.UnixMilli() != expires.UnixMilli() {
		t.Errorf("List found %v, %v; want the item with its expiry", items, err)
	}
}

func testBuffers(t *suite) {
	k := t.key("p", "a")
	buf := []byte("value")
	t.write(store.Put(store.Item{Key: k, Value: buf}))
	copy(buf, "XXXXX")
	read := t.want(k, "value").Value
	copy(read, "YYYYY")
	t.want(k, "value")
	items, _, err := t.s.List(t.Context(), k.Part, "", 10)
	if err != nil || len(items) != 1 || !bytes.Equal(items[0].Value, []byte("value")) {
		t.Fatalf("List: %v, %v", items, err)
	}
	copy(items[0].Value, "ZZZZZ")
	t.want(k, "value")
}

// testKeysApart writes names that a careless engine would take for one.
func testKeysApart(t *suite) {
	var keys []store.Key
	for _, pair := range [][2]string{
		{"a", "bc"}, {"ab", "c"}, {"a:", "b"}, {"a", ":b"}, {"a/b", "c"}, {"a", "b/c"}, {"a#", "b"}, {"a", "#b"},
		{"a|b", "c"}, {"a", "b|c"}, {"{a}", "b"}, {"a", "{b}"},
		{"case", "id"}, {"case", "ID"}, {"Case", "id"}, {"case", "id "}, {"case", " id"}, {"case ", "id"},
		{"uni", "é"}, {"uni", "e\u0301"}, {"uni", "ß"}, {"uni", "ss"}, {"uni", "İ"}, {"uni", "i"}, {"uni", "\u200bi"},
		{"num", "1"}, {"num", "01"}, {"num", "1.0"}, {"num", "1e0"}, {"num", "true"}, {"num", "null"}, {"num", "NULL"},
		{"long", strings.Repeat("k", store.MaxName-1)}, {"long", strings.Repeat("k", store.MaxName)},
	} {
		keys = append(keys, t.key(pair[0], pair[1]))
	}
	for i, k := range keys {
		t.create(k, fmt.Sprint("v", i))
	}
	for i, k := range keys {
		t.want(k, fmt.Sprint("v", i))
		t.add(k, int64(i)+1, time.Time{}, int64(i)+1)
	}
	for i, k := range keys {
		it := t.want(k, fmt.Sprint("v", i))
		t.write(store.Delete(k, it.Version))
		t.absent(k)
	}
}
