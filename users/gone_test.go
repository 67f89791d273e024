package users_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

func TestDisable(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		kind := session.NewKind[string](w.sessions, "user")
		ada := w.create(mail("ada@example.com"))
		tokens := must(kind.Create(ctx, session.Grant[string]{Subject: ada}))(t)
		w.ok(w.dir.Disable(ctx, ada, "fraud", time.Time{}, users.Extra{}))
		w.ok(w.dir.Disable(ctx, ada, "fraud", time.Time{}, users.Extra{}))
		u, h := w.user(ada), w.head(ada)
		if u.Disabled == nil || u.Disabled.Why != "fraud" || !u.Disabled.At.Equal(w.Now()) || !u.Disabled.Until.IsZero() {
			t.Errorf("disabled: %+v", u.Disabled)
		}
		if h.Gone != head.Disabled || h.Sec != 1 {
			t.Errorf("the head is %+v", h)
		}
		if p := must(w.dir.Get(ctx, ada))(t); !p.Disabled {
			t.Error("the person is not disabled")
		}
		if got := w.found(mail("ada@example.com")); got != ada {
			t.Errorf("a disabled user is not found: %q", got)
		}
		if _, err := w.sessions.Refresh(ctx, tokens.Refresh); err == nil {
			t.Error("the session of a disabled user was refreshed")
		}
		w.ok(w.dir.Enable(ctx, ada, users.Extra{}))
		w.ok(w.dir.Enable(ctx, ada, users.Extra{}))
		if h := w.head(ada); h.Gone != "" || h.Sec != 2 || w.user(ada).Disabled != nil {
			t.Errorf("the head is %+v", h)
		}
		w.want(w.dir.Disable(ctx, "nobody", "", time.Time{}, users.Extra{}), postern.ErrNoUser)
		w.sound(ada)
	})
}

// A user who is disabled until a time is enabled by the first read after it, and stays so.
func TestDisable_Until(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		for i, read := range []func(string) (bool, error){
			func(id string) (bool, error) { p, err := w.dir.Get(ctx, id); return p.Disabled, err },
			func(id string) (bool, error) { u, err := w.dir.User(ctx, id); return u.Disabled != nil, err },
		} {
			ada := w.create(mail(fmt.Sprintf("ada%d@example.com", i)))
			w.ok(w.dir.Disable(ctx, ada, "too many attempts", w.Now().Add(time.Hour), users.Extra{}))
			w.Advance(time.Hour - time.Second)
			if off, err := read(ada); err != nil || !off {
				t.Errorf("a second before: disabled is %v, %v", off, err)
			}
			w.Advance(48 * time.Hour)
			for range 2 {
				if off, err := read(ada); err != nil || off {
					t.Errorf("after: disabled is %v, %v", off, err)
				}
			}
			if h := w.head(ada); h.Gone != "" || h.Sec != 1 { // it moved when the user was disabled
				t.Errorf("the head is %+v", h)
			}
			w.sound(ada)
		}
	})
}

// doors are the ways to reach a user. Each returns whether the user was reached.
func doors(w *world, dir *users.Directory, id string) map[string]func(context.Context) (bool, error) {
	return map[string]func(context.Context) (bool, error){
		"Get":  func(ctx context.Context) (bool, error) { _, err := dir.Get(ctx, id); return err == nil, err },
		"User": func(ctx context.Context) (bool, error) { _, err := dir.User(ctx, id); return err == nil, err },
		"by address": func(ctx context.Context) (bool, error) {
			got, err := dir.Find(ctx, mail("ada@example.com"))
			return got == id, err
		},
		"by identity": func(ctx context.Context) (bool, error) {
			got, err := dir.Find(ctx, account("g1"))
			return got == id, err
		},
		"by name": func(ctx context.Context) (bool, error) {
			got, err := dir.Find(ctx, username("ada_l"))
			return got == id, err
		},
		"Update": func(ctx context.Context) (bool, error) {
			name := "M"
			_, err := dir.Update(ctx, id, "", users.Fields{Name: &name})
			return err == nil, err
		},
		"Link": func(ctx context.Context) (bool, error) {
			err := dir.Link(ctx, id, account("g2"))
			return err == nil, err
		},
		"Search": func(ctx context.Context) (bool, error) {
			page, err := dir.Search(ctx, users.Query{})
			return len(page.Users) > 0, err
		},
	}
}

// Deleted: dead after the first write, wherever the rest is interrupted; another person inherits nothing.
func TestA16_DeletedAfterTheFirstWrite(t *testing.T) {
	for cut := 1; ; cut++ {
		w := newWorld(t)
		ctx := t.Context()
		s := signUp(account("g1", "ada@example.com"))
		s.Passwords = 1
		id := must(w.dir.CreateWith(ctx, s, func(id string) []store.Change {
			return []store.Change{store.Put(store.Item{Key: store.Key{Part: head.Part(w.pool, id), ID: "password"}, Value: []byte("{}")})}
		}))(t)
		w.ok(w.dir.SetUsername(ctx, id, "ada_l", users.Extra{}))
		w.ok(w.dir.SetRoles(ctx, id, []string{"admin"}, users.Extra{}))
		for i := range 30 { // rows of other packages, more than one batch
			key := store.Key{Part: head.Part(w.pool, id), ID: fmt.Sprintf("ev:%02d", i)}
			w.ok(w.store.Write(ctx, store.Put(store.Item{Key: key, Value: []byte("{}")})))
		}
		w.ok(w.dir.TouchLastSignIn(ctx, id))
		faults := &faulty{Store: w.store}
		faults.after(cut)
		err := w.on(faults).Delete(ctx, id, users.Extra{})
		for name, door := range doors(w, w.dir, id) {
			if reached, err := door(ctx); reached || err != nil && !errors.Is(err, postern.ErrNoUser) {
				t.Errorf("after %d writes, %s: reached %v, %v", cut, name, reached, err)
			}
		}
		// Somebody else takes what was the user's, before the rest of the deletion.
		again := w.create(account("g1", "ada@example.com"))
		w.ok(w.dir.SetUsername(ctx, again, "ada_l", users.Extra{}))
		if u := w.user(again); again == id || len(u.Roles) != 0 || w.head(again).Ways.Passwords != 0 {
			t.Errorf("after %d writes the next owner is %+v", cut, u)
		}
		if err == nil {
			if cut < 4 {
				t.Errorf("the deletion had only %d writes", cut)
			}
			return
		}
		if cut%2 == 0 { // a second call, or the sweep
			w.ok(w.dir.Delete(ctx, id, users.Extra{}))
		} else if n := must(w.dir.Sweep(ctx))(t); n != 0 {
			t.Errorf("after %d writes the sweep finished %d, which were deleted just now", cut, n)
		}
		items, _, err := w.store.List(ctx, head.Part(w.pool, id), "", 100)
		w.ok(err)
		if len(items) != 1 || items[0].Key.ID != head.ID {
			t.Errorf("after %d writes and a sweep %d rows are left", cut, len(items))
		}
		if got := w.all(); len(got) != 1 || got[0] != again {
			t.Errorf("listed are %q", got)
		}
		w.sound(again)
		// A write that was under way adds a row. The sweep of the next day removes it.
		late := store.Item{Key: store.Key{Part: head.Part(w.pool, id), ID: "ev:late"}, Value: []byte("{}")}
		w.ok(w.store.Write(ctx, store.Put(late)))
		w.Advance(24 * time.Hour)
		if n := must(w.dir.Sweep(ctx))(t); n != 1 {
			t.Errorf("the next day the sweep finished %d", n)
		}
		if n := must(w.dir.Sweep(ctx))(t); n != 0 {
			t.Errorf("after the sweep there are still %d", n)
		}
		if items := must(w.store.Get(ctx, late.Key))(t); len(items) != 0 {
			t.Error("a late row was left")
		}
		// The id never comes back.
		_, err = w.dir.Create(ctx, s)
		w.want(err, postern.ErrTaken)
	}
}

func TestDelete(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		id := w.create(account("g1", "ada@example.com"))
		w.ok(w.dir.ReplaceAddress(ctx, id, "ada@example.com", "new@example.com", users.Extra{}))
		w.want(w.dir.Delete(ctx, "nobody", users.Extra{}), postern.ErrNoUser)
		w.ok(w.dir.Delete(ctx, id, users.Extra{}))
		w.ok(w.dir.Delete(ctx, id, users.Extra{}))
		w.want(w.dir.Disable(ctx, id, "", time.Time{}, users.Extra{}), postern.ErrNoUser)
		w.want(w.dir.TouchLastSignIn(ctx, id), postern.ErrNoUser)
		for _, i := range []postern.Identity{account("g1"), mail("ada@example.com"), mail("new@example.com")} {
			if again := w.create(i); again == id {
				t.Error("the id was used again")
			}
		}
		for want := range 2 { // not at once, but an hour later
			if n := must(w.dir.Sweep(ctx))(t); n != want {
				t.Errorf("the sweep finished %d deletions, want %d", n, want)
			}
			w.Advance(2 * time.Hour)
		}
		h := w.head(id)
		if h.Gone != head.Deleted || h.Ways != (head.Ways{}) || h.Sec == 0 {
			t.Errorf("the head is %+v", h)
		}
	})
}

// A write that is under way when the user is deleted does not bring them back.
func TestDelete_Race(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		for i := range 3 {
			id := w.create(account(fmt.Sprint("g", i)))
			race(12, func(n int) error {
				switch n % 4 {
				case 0:
					return w.dir.AddAddress(ctx, id, fmt.Sprintf("a%d-%d@example.com", i, n), users.Extra{})
				case 1:
					return w.dir.SetRoles(ctx, id, []string{"reader"}, users.Extra{})
				case 2:
					return w.dir.TouchLastSignIn(ctx, id)
				}
				return w.dir.Delete(ctx, id, users.Extra{})
			})
			w.ok(w.dir.Delete(ctx, id, users.Extra{}))
			must(w.dir.Sweep(ctx))(t)
			items, _, err := w.store.List(ctx, head.Part(w.pool, id), "", 100)
			w.ok(err)
			if len(items) != 1 {
				t.Errorf("%d rows of a deleted user", len(items))
			}
			for n := range 12 {
				if got := w.found(mail(fmt.Sprintf("a%d-%d@example.com", i, n))); got != "" {
					t.Errorf("an address finds the deleted user %s", got)
				}
			}
		}
		if got := w.all(); len(got) != 0 {
			t.Errorf("listed are %q", got)
		}
	})
}

func TestTouchLastSignIn(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		id := w.create(mail("ada@example.com"))
		version := w.user(id).Version
		w.Advance(90 * time.Second)
		w.ok(w.dir.TouchLastSignIn(t.Context(), id))
		w.ok(w.dir.TouchLastSignIn(t.Context(), id))
		u := w.user(id)
		if !u.LastSignIn.Equal(w.Now().Truncate(time.Minute)) {
			t.Errorf("the last sign-in was %v", u.LastSignIn)
		}
		if u.Version != version {
			t.Error("a sign-in changed the version of the user")
		}
		w.want(w.dir.TouchLastSignIn(t.Context(), "nobody"), postern.ErrNoUser)
	})
}
