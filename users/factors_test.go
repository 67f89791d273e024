package users_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// ResetFactors deletes every row of a factor and no other row, whatever number there is, and ends what was minted.
func TestResetFactors(t *testing.T) {
	for _, n := range []int{1, 15, 130} {
		w := newWorld(t)
		id := must(w.dir.Create(t.Context(), signUp(mail("ada@example.com"))))(t)
		h := must(head.Get(t.Context(), w.store, w.dir.Pool(), id))(t)
		h.Factors = h.Factors.With("totp", 1).With("sms", n)
		h.Backups = h.Backups.With("recovery", 3)
		w.ok(w.store.Write(t.Context(), h.Put()))
		part := head.Part(w.dir.Pool(), id)
		for i := range n {
			w.ok(w.store.Write(t.Context(), store.Put(store.Item{Key: store.Key{Part: part, ID: fmt.Sprintf("factor:sms %d", i)}, Value: []byte("{}")})))
		}
		for _, other := range []string{"factor", "factos", "passkey 1", "password", "ev:1"} {
			w.ok(w.store.Write(t.Context(), store.Put(store.Item{Key: store.Key{Part: part, ID: other}, Value: []byte("{}")})))
		}
		before := w.rows(part)
		w.ok(w.dir.ResetFactors(t.Context(), id, users.Extra{}))
		if after := w.rows(part); before-after != n {
			t.Errorf("%d rows: %d of %d are left", n, after, before)
		}
		now := must(head.Get(t.Context(), w.store, w.dir.Pool(), id))(t)
		if now.Due() || len(now.Backups) != 0 || now.Sec == h.Sec || now.Ways != h.Ways {
			t.Errorf("%d rows: head %+v", n, now)
		}
		w.ok(w.dir.ResetFactors(t.Context(), id, users.Extra{}))
		if again := must(head.Get(t.Context(), w.store, w.dir.Pool(), id))(t); again.Sec != now.Sec {
			t.Error("a reset without a factor ends sessions")
		}
	}
}

// What goes along with a reset is written in the same write, or nothing is.
func TestResetFactors_Also(t *testing.T) {
	w := newWorld(t)
	id := must(w.dir.Create(t.Context(), signUp(mail("ada@example.com"))))(t)
	h := must(head.Get(t.Context(), w.store, w.dir.Pool(), id))(t)
	h.Factors = h.Factors.With("totp", 1)
	row := store.Key{Part: head.Part(w.dir.Pool(), id), ID: "factor:totp"}
	w.ok(w.store.Write(t.Context(), h.Put(), store.Put(store.Item{Key: row, Value: []byte("{}")})))
	no := errors.New("no")
	w.want(w.dir.ResetFactors(t.Context(), id, users.Extra{Also: func(int64) ([]store.Change, error) { return nil, no }}), no)
	if items := must(w.store.Get(t.Context(), row))(t); len(items) != 1 {
		t.Fatal("the row is gone")
	}
	note := store.Key{Part: row.Part, ID: "note"}
	w.ok(w.dir.ResetFactors(t.Context(), id, users.Extra{Also: func(sec int64) ([]store.Change, error) {
		return []store.Change{store.Put(store.Item{Key: note, Value: []byte(fmt.Sprint(sec))})}, nil
	}}))
	if items := must(w.store.Get(t.Context(), row, note))(t); len(items) != 1 || items[0].Key != note {
		t.Errorf("rows %v", items)
	}
	w.want(w.dir.ResetFactors(t.Context(), "nobody", users.Extra{}), postern.ErrNoUser)
}

func (w *world) rows(part string) (n int) {
	w.t.Helper()
	items, _, err := w.store.List(w.t.Context(), part, "", store.MaxList)
	w.ok(err)
	return len(items)
}
