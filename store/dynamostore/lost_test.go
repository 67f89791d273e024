package dynamostore_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/dynamostore"
)

// end is what a call that met one fault must come to.
type end int

const (
	success  end = iota
	conflict     // store.ErrConflict
	doubt        // another error, whose text says that it may have been applied
)

func (e end) String() string { return [...]string{"success", "a conflict", "doubt"}[e] }

func endOf(err error) end {
	switch {
	case err == nil:
		return success
	case errors.Is(err, store.ErrConflict):
		return conflict
	}
	return doubt
}

// must is for the calls on the store that meets no faults.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, s store.Store, k store.Key, value string, expires time.Time) store.Item {
	t.Helper()
	put := store.Put(store.Item{Key: k, Value: []byte(value), Expires: expires})
	must(t, s.Write(t.Context(), put))
	return put.Item
}

// holds fails unless the values of the items are these; "" stands for absent.
func holds(t *testing.T, s store.Store, want map[store.Key]string) {
	t.Helper()
	for k, value := range want {
		items, err := s.Get(t.Context(), k)
		must(t, err)
		got := ""
		if len(items) == 1 {
			got = string(items[0].Value)
		}
		if got != value {
			t.Errorf("%s holds %q, want %q", k.ID, got, value)
		}
	}
}

// A lossy call is one call of the store with one fault under its first request.
type lossy struct {
	name string
	// run arranges things on the clean store, makes the call on the one with the fault, looks at the outcome and
	// returns the error of the call.
	run func(t *testing.T, clean, s store.Store, part string, f fault) error
	// want is the end for a fault.
	want func(f fault) end
}

func always(e end) func(fault) end { return func(fault) end { return e } }

// stale is for calls that can only end in a conflict, or in doubt. A torn refusal is still one by its status.
func stale(f fault) end {
	if f.sure || f.torn {
		return conflict
	}
	return doubt
}

var lossyCalls = []lossy{
	{"Get", func(t *testing.T, clean, s store.Store, part string, f fault) error {
		it := create(t, clean, store.Key{Part: part, ID: "a"}, "v", time.Time{})
		items, err := s.Get(t.Context(), it.Key)
		if len(items) != 1 || string(items[0].Value) != "v" || items[0].Version != it.Version {
			t.Errorf("Get: %v, %v", items, err)
		}
		return err
	}, always(success)},
	{"Get of the absent", func(t *testing.T, clean, s store.Store, part string, f fault) error {
		items, err := s.Get(t.Context(), store.Key{Part: part, ID: "a"})
		if len(items) != 0 {
			t.Errorf("Get: %v, %v", items, err)
		}
		return err
	}, always(success)},
	{"Get of several", func(t *testing.T, clean, s store.Store, part string, f fault) error {
		a := create(t, clean, store.Key{Part: part, ID: "a"}, "v", time.Time{})
		b := create(t, clean, store.Key{Part: part + "b", ID: "b"}, "w", time.Time{})
		items, err := s.Get(t.Context(), b.Key, store.Key{Part: part, ID: "none"}, a.Key)
		if len(items) != 2 || string(items[0].Value) != "w" || string(items[1].Value) != "v" {
			t.Errorf("Get: %v, %v", items, err)
		}
		return err
	}, always(success)},
	{"List", func(t *testing.T, clean, s store.Store, part string, f fault) error {
		create(t, clean, store.Key{Part: part, ID: "a"}, "v", time.Time{})
		create(t, clean, store.Key{Part: part, ID: "b"}, "w", time.Time{})
		items, next, err := s.List(t.Context(), part, "", 10)
		if len(items) != 2 || next != "" {
			t.Errorf("List: %v, %q, %v", items, next, err)
		}
		return err
	}, always(success)},
	{"Check that holds", func(t *testing.T, clean, s store.Store, part string, f fault) error {
		it := create(t, clean, store.Key{Part: part, ID: "a"}, "v", time.Time{})
		return s.Write(t.Context(), store.Check(it.Key, it.Version))
	}, always(success)},
	{"Check that fails", func(t *testing.T, clean, s store.Store, part string, f fault) error {
		it := create(t, clean, store.Key{Part: part, ID: "a"}, "v", time.Time{})
		return s.Write(t.Context(), store.Check(it.Key, ""))
	}, always(conflict)},
	{"Put of the absent", func(t *testing.T, clean, s store.Store, part string, f fault) error {
		k := store.Key{Part: part, ID: "a"}
		err := s.Write(t.Context(), store.Put(store.Item{Key: k, Value: []byte("v")}))
		value := ""
		if f.sure || f.done {
			value = "v"
		}
		holds(t, clean, map[store.Key]string{k: value})
		return err
	}, func(f fault) end {
		if f.sure || f.done {
			return success
		}
		return doubt
	}},
	{"Put of a version", func(t *testing.T, clean, s store.Store, part string, f fault) error {
		it := create(t, clean, store.Key{Part: part, ID: "a"}, "v", time.Time{})
		it.Value = []byte("w")
		err := s.Write(t.Context(), store.Put(it))
		holds(t, clean, map[store.Key]string{it.Key: "w"})
		return err
	}, always(success)},
	{"Delete", func(t *testing.T, clean, s store.Store, part string, f fault) error {
		it := create(t, clean, store.Key{Part: part, ID: "a"}, "v", time.Time{})
		err := s.Write(t.Context(), store.Delete(it.Key, it.Version))
		holds(t, clean, map[store.Key]string{it.Key: ""})
		return err
	}, func(f fault) end {
		if f.done {
			return doubt // it is gone, and nobody can say by whom
		}
		return success
	}},
	{"Write of several", func(t *testing.T, clean, s store.Store, part string, f fault) error {
		a := create(t, clean, store.Key{Part: part, ID: "a"}, "v", time.Time{})
		b := create(t, clean, store.Key{Part: part, ID: "b"}, "v", time.Time{})
		c := create(t, clean, store.Key{Part: part, ID: "c"}, "v", time.Time{})
		a.Value = []byte("w")
		d := store.Key{Part: part, ID: "d"}
		err := s.Write(t.Context(), store.Delete(b.Key, b.Version), store.Put(a), store.Check(c.Key, c.Version), store.Put(store.Item{Key: d, Value: []byte("new")}))
		holds(t, clean, map[store.Key]string{a.Key: "w", b.Key: "", c.Key: "v", d: "new"})
		return err
	}, always(success)},
	{"Write of several Deletes", func(t *testing.T, clean, s store.Store, part string, f fault) error {
		a := create(t, clean, store.Key{Part: part, ID: "a"}, "v", time.Time{})
		b := create(t, clean, store.Key{Part: part, ID: "b"}, "v", time.Time{})
		err := s.Write(t.Context(), store.Delete(a.Key, a.Version), store.Delete(b.Key, b.Version))
		holds(t, clean, map[store.Key]string{a.Key: "", b.Key: ""})
		return err
	}, func(f fault) end {
		if f.done {
			return doubt // of DynamoDB the token brings success; moto does not know tokens
		}
		return success
	}},
	{"Add", func(t *testing.T, clean, s store.Store, part string, f fault) error {
		k := store.Key{Part: part, ID: "n"}
		sum, err := s.Add(t.Context(), k, 5, time.Time{})
		if err == nil && sum != 5 {
			t.Errorf("Add answered %d, want 5", sum)
		}
		want := int64(0)
		if f.sure || f.done {
			want = 5
		}
		if sum, err := clean.Add(t.Context(), k, 0, time.Time{}); err != nil || sum != want {
			t.Errorf("the counter is at %d, %v; want %d", sum, err, want)
		}
		return err
	}, func(f fault) end {
		if f.sure {
			return success
		}
		return doubt
	}},
	{"Put over another", func(t *testing.T, clean, s store.Store, part string, f fault) error {
		it := create(t, clean, store.Key{Part: part, ID: "a"}, "v", time.Time{})
		err := s.Write(t.Context(), store.Put(store.Item{Key: it.Key, Value: []byte("wrong")}))
		holds(t, clean, map[store.Key]string{it.Key: "v"})
		return err
	}, stale},
	{"Put of a stale version", func(t *testing.T, clean, s store.Store, part string, f fault) error {
		it := create(t, clean, store.Key{Part: part, ID: "a"}, "v", time.Time{})
		err := s.Write(t.Context(), store.Put(store.Item{Key: it.Key, Value: []byte("wrong"), Version: "stale"}))
		holds(t, clean, map[store.Key]string{it.Key: "v"})
		return err
	}, stale},
	{"Put of an expired version", func(t *testing.T, clean, s store.Store, part string, f fault) error {
		it := create(t, clean, store.Key{Part: part, ID: "a"}, "v", time.Now().Add(-time.Minute))
		it.Value = []byte("wrong")
		err := s.Write(t.Context(), store.Put(it))
		holds(t, clean, map[store.Key]string{it.Key: ""})
		return err
	}, always(conflict)}, // the version still stands: it cannot have been replaced
	{"Delete of a stale version", func(t *testing.T, clean, s store.Store, part string, f fault) error {
		it := create(t, clean, store.Key{Part: part, ID: "a"}, "v", time.Time{})
		err := s.Write(t.Context(), store.Delete(it.Key, "stale"))
		holds(t, clean, map[store.Key]string{it.Key: "v"})
		return err
	}, stale},
	{"Write of several, one stale", func(t *testing.T, clean, s store.Store, part string, f fault) error {
		it := create(t, clean, store.Key{Part: part, ID: "a"}, "v", time.Time{})
		b := store.Key{Part: part, ID: "b"}
		err := s.Write(t.Context(), store.Put(store.Item{Key: b, Value: []byte("wrong")}), store.Check(it.Key, "stale"))
		holds(t, clean, map[store.Key]string{it.Key: "v", b: ""})
		return err
	}, stale},
}

// TestT2_LostAnswers puts every fault under every call: what was acknowledged is there, what is called a conflict was
// not applied, and nothing is done twice.
func TestT2_LostAnswers(t *testing.T) {
	client, table := newTable(t)
	clean := openStore(t, client, table, nil)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	for i, call := range lossyCalls {
		for j, f := range faults {
			t.Run(call.name+"/"+f.name, func(t *testing.T) {
				net := &faulty{next: transport, plan: []fault{f}}
				s := openStore(t, newClient(motoURL(t), net), table, nil)
				err := call.run(t, clean, s, fmt.Sprintf("lost%d-%d", i, j), f)
				if got, want := endOf(err), call.want(f); got != want {
					t.Errorf("ended in %v (%v), want %v", got, err, want)
				}
				requests, injected := net.count(f.name)
				if injected != 1 {
					t.Errorf("the fault was injected %d times, want once", injected)
				}
				if once := call.name == "Add" && !f.sure; once != (requests == 1) {
					t.Errorf("%d requests", requests)
				}
			})
		}
	}
}

// A request that hangs is given up after RequestTimeout and repeated, whether or not it was applied.
func TestT2_HangingRequests(t *testing.T) {
	client, table := newTable(t)
	clean := openStore(t, client, table, nil)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	hang := func(_ http.RoundTripper, req *http.Request) (*http.Response, error) {
		if err := spend(req); err != nil {
			return nil, err
		}
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	for _, f := range []fault{{name: "hangs", inject: hang}, {name: "hangs after", done: true, inject: afterwards(hang)}} {
		t.Run(f.name, func(t *testing.T) {
			it := create(t, clean, store.Key{Part: f.name, ID: "a"}, "v", time.Time{})
			net := &faulty{next: transport, plan: []fault{f}}
			s, err := dynamostore.New(dynamostore.Config{Client: newClient(motoURL(t), net), Table: table, RequestTimeout: time.Second})
			must(t, err)
			it.Value = []byte("w")
			if err := s.Write(t.Context(), store.Put(it)); err != nil {
				t.Error(err)
			}
			holds(t, clean, map[store.Key]string{it.Key: "w"})
			if _, injected := net.count(f.name); injected != 1 {
				t.Errorf("the fault was injected %d times, want once", injected)
			}
		})
	}
}
