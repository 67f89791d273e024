package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/redisstore"
)

var forever time.Time

// first makes a plan that has a fault for the first command after it is armed, and for no other.
type first struct{ next atomic.Int32 }

func (f *first) arm(what fault) { f.next.Store(int32(what)) }
func (f *first) plan() fault    { return fault(f.next.Swap(int32(none))) }

// faulty is a store behind a proxy, and another on the same server that goes straight to it. The server knows the
// scripts already, so that a fault meets what they do and not their being unknown.
func faulty(t testing.TB, addr string, plan func() fault) (*redisstore.Store, *redisstore.Store, *proxy) {
	t.Helper()
	p := startProxy(t, addr, plan)
	direct := open(t, connect(t, &redis.Options{Addr: addr}), nil)
	if _, err := direct.Add(t.Context(), store.Key{Part: "warm", ID: "n"}, 1, forever); err != nil {
		t.Fatal(err)
	}
	if err := direct.Write(t.Context(), store.Check(store.Key{Part: "warm", ID: "up"}, "")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := direct.List(t.Context(), "warm", "", 1); err != nil {
		t.Fatal(err)
	}
	return open(t, connect(t, &redis.Options{Addr: p.addr}), nil), direct, p
}

// A connection that breaks once: each operation, at each point, with what must come of it.
func TestT3_BrokenConnection(t *testing.T) {
	addr := testserver.Redis(t).Addr()
	var armed first
	s, direct, p := faulty(t, addr, armed.plan)
	t.Run("closed", func(t *testing.T) { testBrokenConnection(t, s, direct, p, &armed) })
	p.reset.Store(true)
	t.Run("reset", func(t *testing.T) { testBrokenConnection(t, s, direct, p, &armed) })
}

func testBrokenConnection(t *testing.T, s, direct *redisstore.Store, p *proxy, armed *first) {
	for _, f := range []fault{cutBefore, cutWithin, cutAfter, tornAnswer} {
		reached := f == cutAfter || f == tornAnswer
		part := fmt.Sprint(t.Name(), f)
		key := func(id string) store.Key { return store.Key{Part: part, ID: id} }
		there := store.Put(store.Item{Key: key("there"), Value: []byte("old")})
		gone := store.Put(store.Item{Key: key("gone")})
		if err := direct.Write(t.Context(), there, gone); err != nil {
			t.Fatal(err)
		}
		with := func(name string, do func() error) error {
			t.Helper()
			before := p.injected[f].Load()
			armed.arm(f)
			err := do()
			if p.injected[f].Load() != before+1 {
				t.Fatalf("fault %d, %s: the fault was not injected", f, name)
			}
			if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrInvalid) {
				t.Errorf("fault %d, %s: %v, which says that nothing was done", f, name, err)
			}
			return err
		}
		has := func(name string, k store.Key, version string) {
			t.Helper()
			got := ""
			items, err := direct.Get(t.Context(), k)
			if len(items) == 1 {
				got = items[0].Version
			}
			if err != nil || got != version {
				t.Errorf("fault %d, %s: version %q, %v; want %q", f, name, got, err, version)
			}
		}

		created := store.Put(store.Item{Key: key("new"), Value: []byte("v")})
		if err := with("create", func() error { return s.Write(t.Context(), created) }); err != nil {
			t.Errorf("fault %d, create: %v", f, err)
		}
		has("create", created.Item.Key, created.Item.Version)

		update, other := store.Put(there.Item), store.Put(store.Item{Key: store.Key{Part: part + "b", ID: "a"}})
		if err := with("write two", func() error { return s.Write(t.Context(), other, update) }); err != nil {
			t.Errorf("fault %d, write two: %v", f, err)
		}
		has("write two", update.Item.Key, update.Item.Version)
		has("write two", other.Item.Key, other.Item.Version)

		if err := with("check", func() error { return s.Write(t.Context(), store.Check(update.Item.Key, update.Item.Version)) }); err != nil {
			t.Errorf("fault %d, check: %v", f, err)
		}
		// A deletion leaves nothing to know it by: done by now, but by whom?
		if err := with("delete", func() error { return s.Write(t.Context(), store.Delete(gone.Item.Key, gone.Item.Version)) }); (err != nil) != reached {
			t.Errorf("fault %d, delete: %v", f, err)
		}
		has("delete", gone.Item.Key, "")
		// Nor can anybody know any more that it was a conflict from the beginning. It must not pass for done.
		if err := with("conflict", func() error { return s.Write(t.Context(), store.Put(store.Item{Key: update.Item.Key})) }); err == nil {
			t.Errorf("fault %d: a conflict passed for success", f)
		}
		has("conflict", update.Item.Key, update.Item.Version)

		if n, err := int64(0), with("add", func() error { _, err := s.Add(t.Context(), key("n"), 5, forever); return err }); err == nil {
			t.Errorf("fault %d: Add sent again what may have been counted", f)
		} else if n, err = direct.Add(t.Context(), key("n"), 0, forever); err != nil || n != map[bool]int64{true: 5}[reached] {
			t.Errorf("fault %d, add: the counter is %d, %v", f, n, err)
		}

		for name, get := range map[string]func() ([]store.Item, error){
			"get":        func() ([]store.Item, error) { return s.Get(t.Context(), update.Item.Key) },
			"get of two": func() ([]store.Item, error) { return s.Get(t.Context(), key("missing"), update.Item.Key) },
			"list":       func() ([]store.Item, error) { items, _, err := s.List(t.Context(), part, "new", 1); return items, err },
		} {
			var items []store.Item
			err := with(name, func() (err error) { items, err = get(); return err })
			if err != nil || len(items) != 1 || items[0].Version != update.Item.Version {
				t.Errorf("fault %d, %s: %v, %v", f, name, items, err)
			}
		}
	}
}

// A Write is applied, its answer is lost, and another replaces what it wrote before it is sent again: the answer must
// be neither "conflict", for it was applied, nor success, which nobody can know.
func TestT3_OverwrittenInDoubt(t *testing.T) {
	var armed first
	s, direct, p := faulty(t, testserver.Redis(t).Addr(), armed.plan)
	k := store.Key{Part: "p", ID: "a"}
	mine := store.Put(store.Item{Key: k, Value: []byte("mine")})
	p.between = func() {
		if err := direct.Write(context.Background(), store.Put(mine.Item)); err != nil {
			t.Errorf("the Write in between: %v", err)
		}
	}
	armed.arm(cutAfter)
	err := s.Write(t.Context(), mine)
	if p.injected[cutAfter].Load() != 1 {
		t.Fatal("the fault was not injected")
	}
	if err == nil || errors.Is(err, store.ErrConflict) {
		t.Errorf("%v, want an error that leaves it open", err)
	}
}

// A server that carries commands out and says nothing.
func TestT3_Silence(t *testing.T) {
	addr := testserver.Redis(t).Addr()
	var armed first
	s, direct, p := faulty(t, addr, armed.plan)
	k := store.Key{Part: "p", ID: "a"}
	put := store.Put(store.Item{Key: k})
	for i, do := range []func(ctx context.Context) error{
		func(ctx context.Context) error { return s.Write(ctx, put) },
		func(ctx context.Context) error { return s.Write(ctx, store.Check(k, put.Item.Version)) },
		func(ctx context.Context) error { _, err := s.Get(ctx, k); return err },
		func(ctx context.Context) error { _, err := s.Add(ctx, k, 1, forever); return err },
		func(ctx context.Context) error { _, _, err := s.List(ctx, "p", "", 1); return err },
	} {
		// The connection is made beforehand, so that the time allowed is for the command alone.
		if _, err := s.Get(t.Context(), store.Key{Part: "other", ID: "a"}); err != nil {
			t.Fatal(err)
		}
		armed.arm(silence)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		err := do(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("operation %d: %v, want a time-out", i, err)
		}
		if n := p.injected[silence].Load(); n != int64(i+1) {
			t.Fatalf("operation %d: %d silences", i, n)
		}
	}
	if items, err := direct.Get(t.Context(), k); err != nil || len(items) != 1 || items[0].Version != put.Item.Version {
		t.Errorf("the Write that was not answered left %v, %v", items, err)
	}
}

// Connections that break all the time under eight writers, each with its own item: an item holds what was
// acknowledged or what was attempted last, and nobody else can have caused a conflict.
func TestT3_UnreliableNetwork(t *testing.T) {
	writes := 100
	if n, err := strconv.Atoi(os.Getenv("POSTERN_TEST_LONG")); err == nil {
		writes *= n
	}
	var n atomic.Uint64
	dice := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	s, direct, p := faulty(t, testserver.Redis(t).Addr(), func() fault {
		mu.Lock()
		defer mu.Unlock()
		n.Add(1)
		return []fault{cutBefore, cutWithin, cutAfter, tornAnswer, none, none, none, none, none, none}[dice.IntN(10)]
	})
	var wg sync.WaitGroup
	var acknowledged, unknown, added, maybe atomic.Int64
	counter := store.Key{Part: "counter", ID: "n"}
	for w := range 8 {
		wg.Go(func() {
			it, twin := store.Item{Key: store.Key{Part: fmt.Sprint("w", w), ID: "a"}}, store.Item{Key: store.Key{Part: fmt.Sprint("twin", w), ID: "a"}}
			for i := range writes {
				it.Value = strconv.AppendInt(nil, int64(i), 10)
				twin.Value = it.Value
				a, b := store.Put(it), store.Put(twin)
				switch err := s.Write(t.Context(), a, b); {
				case err == nil:
					acknowledged.Add(1)
					it, twin = a.Item, b.Item
				case errors.Is(err, store.ErrConflict):
					t.Errorf("writer %d: a conflict with itself", w)
					return
				default:
					unknown.Add(1)
				}
				items, err := direct.Get(t.Context(), it.Key, twin.Key)
				switch {
				case err != nil || len(items) == 1 || len(items) == 2 && string(items[0].Value) != string(items[1].Value):
					t.Errorf("writer %d: %v, %v", w, items, err)
					return
				case len(items) == 2 && items[0].Version == a.Item.Version && items[1].Version == b.Item.Version:
					it, twin = a.Item, b.Item
				case len(items) == 0 && it.Version == "":
				case len(items) == 2 && items[0].Version == it.Version && items[1].Version == twin.Version:
				default:
					t.Errorf("writer %d: acknowledged %q is lost, there is %v", w, it.Value, items)
					return
				}
				if _, err := s.Add(t.Context(), counter, 1, forever); err == nil {
					added.Add(1)
				} else {
					maybe.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if sum, err := direct.Add(t.Context(), counter, 0, forever); err != nil || sum < added.Load() || sum > added.Load()+maybe.Load() {
		t.Errorf("the counter is %d, %v; %d were acknowledged and %d are in doubt", sum, err, added.Load(), maybe.Load())
	}
	for f := cutBefore; f <= tornAnswer; f++ {
		if p.injected[f].Load() == 0 {
			t.Errorf("fault %d was never injected", f)
		}
	}
	if acknowledged.Load() == 0 || maybe.Load() == 0 {
		t.Errorf("%d acknowledged, %d Adds in doubt: want some of both", acknowledged.Load(), maybe.Load())
	}
	t.Logf("%d commands; %d cut before, %d within, %d after, %d answers torn; %d writes acknowledged, %d in doubt", n.Load(),
		p.injected[cutBefore].Load(), p.injected[cutWithin].Load(), p.injected[cutAfter].Load(), p.injected[tornAnswer].Load(), acknowledged.Load(), unknown.Load())
}
