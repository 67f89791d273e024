package head_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

func write(t *testing.T, s store.Store, changes ...store.Change) {
	t.Helper()
	if err := s.Write(t.Context(), changes...); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, s store.Store) head.Head {
	t.Helper()
	h, err := head.Get(t.Context(), s, "pool", "u1")
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// An absent head is all zero, and Check holds it absent.
func TestHead_Absent(t *testing.T) {
	s := &store.Memory{}
	h := get(t, s)
	if !h.Absent() || h.Sec != 0 || h.Gone != "" {
		t.Errorf("%+v", h)
	}
	write(t, s, h.Check())
	write(t, s, h.Moved().Put())
	if err := s.Write(t.Context(), h.Check()); !errors.Is(err, store.ErrConflict) {
		t.Errorf("the head exists now: %v", err)
	}
}

// Put writes on the version that was read, so of two racers one writes; each field survives.
func TestHead_CompareAndSet(t *testing.T) {
	s := &store.Memory{}
	first, second := get(t, s), get(t, s)
	next := first.Moved()
	next.Rights, next.Gone, next.Lock = 3, head.Disabled, head.LockPassword
	next.Ways = head.Ways{Passwords: 1, Passkeys: 2, Identities: 3, Addresses: 4, Usernames: 5}
	next.Factors, next.Backups = next.Factors.With("totp", 1).With("sms", 2).With("sms", -2), next.Backups.With("recovery", 10)
	write(t, s, next.Put())
	if err := s.Write(t.Context(), second.Added().Put()); !errors.Is(err, store.ErrConflict) {
		t.Errorf("two racers wrote: %v", err)
	}
	got := get(t, s)
	if got.Sec != 1 || got.Seq != 1 || got.Rights != 3 || got.Gone != head.Disabled || got.Lock != head.LockPassword || got.Ways != next.Ways || !maps.Equal(got.Factors, head.Counts{"totp": 1}) || !maps.Equal(got.Backups, head.Counts{"recovery": 10}) || got.Absent() {
		t.Errorf("%+v", got)
	}
	write(t, s, got.Check(), store.Check(store.Key{Part: "other", ID: "x"}, ""))
	write(t, s, got.Added().Put())
	if again := get(t, s); again.Sec != 1 || again.Seq != 2 {
		t.Errorf("an addition moved %+v", again)
	}
	if err := s.Write(t.Context(), got.Check()); !errors.Is(err, store.ErrConflict) {
		t.Errorf("Check of an older head: %v", err)
	}
}

// A head that does not decode is an error, never an absent head.
func TestHead_Damaged(t *testing.T) {
	for _, value := range []string{"", "null", "[]", "1", `"x"`, "{", `{}x`, `{"sec":"1"}`, `{"sec":-1}`, `{"seq":-1}`, `{"rights":-1}`, `{"gone":1}`, `{"factors":{"totp":0}}`, `{"backups":{"recovery":-1}}`, `{"sec":1.5}`, `{"sec":99999999999999999999}`} {
		s := &store.Memory{}
		write(t, s, store.Put(store.Item{Key: head.Key("pool", "u1"), Value: []byte(value)}))
		if h, err := head.Get(t.Context(), s, "pool", "u1"); err == nil {
			t.Errorf("%q: %+v", value, h)
		} else if value != "" && strings.Contains(err.Error(), value) && len(value) > 4 {
			t.Errorf("%q is in the error: %v", value, err)
		}
	}
	s := &store.Memory{}
	write(t, s, store.Put(store.Item{Key: head.Key("pool", "u1"), Value: []byte(" {} ")}))
	if h, err := head.Get(t.Context(), s, "pool", "u1"); err != nil || h.Absent() {
		t.Errorf("an empty head: %+v %v", h, err)
	}
}

type away struct{ store.Store }

var errAway = errors.New("away")

func (away) Get(context.Context, ...store.Key) ([]store.Item, error) { return nil, errAway }

func TestHead_StoreAway(t *testing.T) {
	if _, err := head.Get(t.Context(), away{}, "pool", "u1"); !errors.Is(err, errAway) {
		t.Error(err)
	}
}

// Find takes the item of the key, whatever other items of the same ID were read.
func TestHead_FindAmongOthers(t *testing.T) {
	key := head.Key("pool", "u1")
	other := store.Item{Key: store.Key{Part: "session:x", ID: head.ID}, Value: []byte(`{"e":7}`), Version: "v"}
	mine := store.Item{Key: key, Value: []byte(`{"sec":5}`), Version: "w"}
	if h, err := head.Find([]store.Item{other, mine}, key); err != nil || h.Sec != 5 {
		t.Errorf("%+v %v", h, err)
	}
	if h, err := head.Find([]store.Item{other}, key); err != nil || !h.Absent() {
		t.Errorf("%+v %v", h, err)
	}
}

// TestHead_Parts: no two pairs of pool and id have one part, and each part is a name that every store takes.
func TestHead_Parts(t *testing.T) {
	seen := map[string][2]string{}
	for _, pair := range [][2]string{{"a", "bc"}, {"ab", "c"}, {"abc", ""}, {"", "abc"}, {"a|b", "c"}, {"a", "b|c"}, {"a", strings.Repeat("x", 10000)}, {"a", "\x00"}, {"a", "\xff"}, {"a", "ü"}, {"a", "u\u0308"}} {
		part := head.Part(pair[0], pair[1])
		if other, twice := seen[part]; twice {
			t.Errorf("%q and %q share a part", pair, other)
		}
		seen[part] = pair
		if err := store.CheckKeys(head.Key(pair[0], pair[1])); err != nil {
			t.Errorf("%q: %v", pair, err)
		}
		if len(part) != len("user:")+43 {
			t.Errorf("%q: %d bytes", pair, len(part))
		}
	}
}

func TestContext(t *testing.T) {
	ctx := t.Context()
	if _, ok := head.Expected(ctx); ok {
		t.Error("an empty context expects a head")
	}
	if _, ok := head.LoadedRights(ctx); ok {
		t.Error("an empty context has rights")
	}
	if head.Carries(ctx, 0, 0) {
		t.Error("an empty context carries a session")
	}
	ctx = head.Carry(head.Loaded(head.Expect(ctx, 0), 7), 3, 4)
	if sec, ok := head.Expected(ctx); !ok || sec != 0 {
		t.Error(sec, ok)
	}
	if rights, ok := head.LoadedRights(ctx); !ok || rights != 7 {
		t.Error(rights, ok)
	}
	for _, pair := range [][2]int64{{3, 4}, {4, 4}, {3, 3}, {4, 3}, {3, 5}, {2, 4}} {
		if got := head.Carries(ctx, pair[0], pair[1]); got != (pair == [2]int64{3, 4}) {
			t.Errorf("%v: %v", pair, got)
		}
	}
}
