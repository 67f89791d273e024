package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/posternauth/postern/store"
)

var hostileTests = []test{
	{"T5_NamesAreOnlyNames", testHostileNames},
	{"T5_ForgedCursors", testForgedCursors},
}

// hostile holds names that try to be SQL, patterns, expressions, paths, formats or commands.
var hostile = []string{
	`'`, `''`, `"`, "`", `\`, `\'`, `;`, `--`, `/*`, `%`, `_`, `%%`, `a%`, `a_`, `*`, `?`, `$1`, `:a`, `@a`, `#a`, `:v0`, `{}`, `{a`, `a}`, `[a-z]`,
	`' OR '1'='1`, `' OR 1=1 --`, `'; DROP TABLE postern_items; --`, `'); DELETE FROM postern_items; --`, `" OR ""="`, `1 UNION SELECT 1,2,3,4,5`,
	`' UNION SELECT part,id,value,expires_ms,version FROM postern_items --`, `x' AND randomblob(100000000) --`, `'||(SELECT 1)||'`, `a' COLLATE NOCASE --`,
	`attribute_exists(pk)`, `pk = :v OR 1 = 1`, `redis.call("FLUSHALL")`, "a\r\nFLUSHALL\r\n", "*1\r\n$8\r\nFLUSHALL\r\n", "a\nb", "a\tb", "\x01", "\x1b[31m", "\x7f",
	`../../etc/passwd`, `%s%n%d`, `%00`, `{{.}}`, `${jndi:ldap://x}`, `<script>`, `null`, `NaN`, `0`, `-1`, "\u202e", "\ufeff", "\ufffd", "\U0010ffff",
}

func testHostileNames(t *suite) {
	bystander := t.create(t.key("bystander", "a"), "untouched")
	t.add(bystander.Key, 7, time.Time{}, 7)
	for i, name := range hostile {
		k := store.Key{Part: t.prefix + name, ID: name}
		it := t.createUntil(k, name, t.clock.Now().Add(time.Hour))
		t.want(k, name)
		if ids := t.list(k.Part, 10); !slices.Equal(ids, []string{name}) {
			t.Fatalf("List of a part named %q: %q", name, ids)
		}
		t.conflict("a hostile version", store.Check(k, name))
		t.conflict("a hostile version", store.Put(store.Item{Key: k, Value: []byte("forced"), Version: name}))
		t.conflict("a hostile version", store.Delete(k, name))
		t.conflict("a hostile version", store.Delete(bystander.Key, name))
		t.add(k, int64(i), time.Time{}, int64(i))
		chosen := store.Put(it)
		chosen.Item.Version = "x" + name
		if t.onePart() {
			t.write(chosen)
		} else {
			t.write(chosen, store.Check(bystander.Key, bystander.Version))
		}
		if got := t.want(k, name); got.Version != chosen.Item.Version {
			t.Fatalf("version %q, want %q", got.Version, chosen.Item.Version)
		}
	}
	var all []store.Key
	for _, name := range hostile {
		all = append(all, store.Key{Part: t.prefix + name, ID: name})
	}
	for chunk := range slices.Chunk(all, store.MaxKeys) {
		for i, it := range t.get(chunk...) {
			if it.Key != chunk[i] || string(it.Value) != chunk[i].ID {
				t.Fatalf("Get found %q where %q was asked for", it.Key.ID, chunk[i].ID)
			}
		}
	}
	// One part that has them all, in byte order, next to a part that a pattern would match.
	for _, name := range hostile {
		t.create(t.key("all%", name), "v")
		t.create(t.key("allx", name), "not asked for")
	}
	want := slices.Clone(hostile)
	slices.Sort(want)
	if got := t.list(t.key("all%", "").Part, 7); !slices.Equal(got, want) {
		t.Fatalf("List\n got %q\nwant %q", got, want)
	}
	if got := t.want(bystander.Key, "untouched"); got.Version != bystander.Version {
		t.Fatal("another item was touched")
	}
	t.add(bystander.Key, 0, time.Time{}, 7)
}

// testForgedCursors passes as "after" what a client may send back instead of the cursor it was given.
func testForgedCursors(t *suite) {
	part := t.key("p", "").Part
	ids := []string{"a", "b", "c"}
	for _, id := range ids {
		t.create(store.Key{Part: part, ID: id}, "mine")
		t.create(t.key("q", id), "another's")
	}
	for _, after := range append(hostile, t.key("q", "").Part, "q", fmt.Sprint(t.key("q", "a"))) {
		items, _, err := t.s.List(t.Context(), part, after, 10)
		if err != nil {
			if !errors.Is(err, store.ErrInvalid) {
				t.Errorf("List after %q: %v, want items or ErrInvalid", after, err)
			}
			continue
		}
		var got, want []string
		for _, it := range items {
			if it.Key.Part != part || string(it.Value) != "mine" {
				t.Fatalf("List after %q shows another's item", after)
			}
			got = append(got, it.Key.ID)
		}
		for _, id := range ids {
			if id > after {
				want = append(want, id)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("List after %q: %q, want %q", after, got, want)
		}
	}
}
