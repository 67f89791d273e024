package users_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// A deed is a method that writes, with what must hold after it.
type deed struct {
	before func(w *world) // makes the world in which it begins, where ada is a user
	do     func(ctx context.Context, d *users.Directory) error
	after  func(w *world) bool
}

var fixedSignUps = [3]postern.SignUp{signUp(account("g9", "new@example.com")), signUp(username("grace")), signUp(mail("ada@example.com"))}

// ada is the id of the user on whom deeds are done.
func ada(w *world) string {
	return must(w.dir.Find(background, account("g1")))(w.t)
}

func adaIn(ctx context.Context, d *users.Directory) (string, error) {
	return d.Find(ctx, account("g1"))
}

// on makes a deed on ada.
func on(f func(ctx context.Context, d *users.Directory, id string) error) func(context.Context, *users.Directory) error {
	return func(ctx context.Context, d *users.Directory) error {
		id, err := adaIn(ctx, d)
		if err != nil {
			return err
		}
		return f(ctx, d, id)
	}
}

var deeds = map[string]deed{
	"Create": {
		do: func(ctx context.Context, d *users.Directory) error {
			_, err := d.Create(ctx, fixedSignUps[0])
			return err
		},
		after: func(w *world) bool {
			return w.found(mail("new@example.com")) != "" && w.found(account("g9")) == w.found(mail("new@example.com"))
		},
	},
	"CreateWith": {
		do: func(ctx context.Context, d *users.Directory) error {
			s := fixedSignUps[1]
			s.Passwords = 1
			_, err := d.CreateWith(ctx, s, func(id string) []store.Change {
				return []store.Change{store.Put(store.Item{Key: store.Key{Part: head.Part(d.Pool(), id), ID: "password"}, Value: []byte("{}")})}
			})
			return err
		},
		after: func(w *world) bool {
			id := w.found(username("grace"))
			items := must(w.store.Get(background, store.Key{Part: head.Part(w.pool, id), ID: "password"}))(w.t)
			return len(items) == 1 && w.head(id).Ways.Passwords == 1
		},
	},
	"Create takes over": {
		before: func(w *world) { w.bury(ada(w)) },
		do: func(ctx context.Context, d *users.Directory) error {
			_, err := d.Create(ctx, fixedSignUps[2])
			return err
		},
		after: func(w *world) bool { return w.found(mail("ada@example.com")) != "" && w.found(account("g1")) == "" },
	},
	"Update": {
		do: on(func(ctx context.Context, d *users.Directory, id string) error {
			name := "Ada"
			_, err := d.Update(ctx, id, "", users.Fields{Name: &name})
			return err
		}),
		after: func(w *world) bool { return w.user(ada(w)).Name == "Ada" },
	},
	"SetRoles": {
		do: on(func(ctx context.Context, d *users.Directory, id string) error {
			return d.SetRoles(ctx, id, []string{"reader"}, users.Extra{})
		}),
		after: func(w *world) bool { return w.head(ada(w)).Rights == 1 && len(w.user(ada(w)).Scopes) == 1 },
	},
	"SetUsername": {
		do: on(func(ctx context.Context, d *users.Directory, id string) error {
			return d.SetUsername(ctx, id, "ada_l", users.Extra{})
		}),
		after: func(w *world) bool { return w.found(username("ada_l")) == ada(w) },
	},
	"AddAddress": {
		do: on(func(ctx context.Context, d *users.Directory, id string) error {
			return d.AddAddress(ctx, id, "new@example.com", users.Extra{})
		}),
		after: func(w *world) bool { return w.found(mail("new@example.com")) == ada(w) },
	},
	"ReplaceAddress": {
		do: on(func(ctx context.Context, d *users.Directory, id string) error {
			return d.ReplaceAddress(ctx, id, "ada@example.com", "new@example.com", users.Extra{})
		}),
		after: func(w *world) bool {
			return w.found(mail("new@example.com")) == ada(w) && w.found(mail("ada@example.com")) == "" && w.head(ada(w)).Sec == 1
		},
	},
	"RestoreAddress": {
		before: func(w *world) {
			w.ok(w.dir.ReplaceAddress(background, ada(w), "ada@example.com", "new@example.com", users.Extra{}))
		},
		do: on(func(ctx context.Context, d *users.Directory, id string) error {
			return d.RestoreAddress(ctx, id, "ada@example.com", users.Extra{})
		}),
		after: func(w *world) bool {
			return w.found(mail("ada@example.com")) == ada(w) && w.found(mail("new@example.com")) == "" && w.head(ada(w)).Sec == 2
		},
	},
	"RemoveAddress": {
		do: on(func(ctx context.Context, d *users.Directory, id string) error {
			return d.RemoveAddress(ctx, id, "ada@example.com", users.Extra{})
		}),
		after: func(w *world) bool { return w.found(mail("ada@example.com")) == "" && w.head(ada(w)).Sec == 1 },
	},
	"Link": {
		do:    on(func(ctx context.Context, d *users.Directory, id string) error { return d.Link(ctx, id, account("g2")) }),
		after: func(w *world) bool { return w.found(account("g2")) == ada(w) && w.head(ada(w)).Ways.Identities == 2 },
	},
	"Unlink": {
		before: func(w *world) { w.ok(w.dir.Link(background, ada(w), account("g2"))) },
		do: on(func(ctx context.Context, d *users.Directory, id string) error {
			return d.Unlink(ctx, id, account("g2"))
		}),
		after: func(w *world) bool { return w.found(account("g2")) == "" && w.head(ada(w)).Sec == 1 },
	},
	"Disable": {
		do: on(func(ctx context.Context, d *users.Directory, id string) error {
			return d.Disable(ctx, id, "why", time.Time{}, users.Extra{})
		}),
		after: func(w *world) bool {
			return w.head(ada(w)).Gone == head.Disabled && w.user(ada(w)).Disabled != nil && w.head(ada(w)).Sec == 1
		},
	},
	"Enable": {
		before: func(w *world) { w.ok(w.dir.Disable(background, ada(w), "why", time.Time{}, users.Extra{})) },
		do: on(func(ctx context.Context, d *users.Directory, id string) error {
			return d.Enable(ctx, id, users.Extra{})
		}),
		after: func(w *world) bool { return w.head(ada(w)).Gone == "" && w.user(ada(w)).Disabled == nil },
	},
	"the end of Disable": {
		before: func(w *world) {
			w.ok(w.dir.Disable(background, ada(w), "why", w.Now().Add(time.Hour), users.Extra{}))
			w.Advance(2 * time.Hour)
		},
		do:    on(func(ctx context.Context, d *users.Directory, id string) error { _, err := d.Get(ctx, id); return err }),
		after: func(w *world) bool { return w.head(ada(w)).Gone == "" && w.user(ada(w)).Disabled == nil },
	},
	"Delete": {
		do: on(func(ctx context.Context, d *users.Directory, id string) error {
			return d.Delete(ctx, id, users.Extra{})
		}),
		after: func(w *world) bool {
			must(w.dir.Sweep(background))(w.t)
			return w.found(account("g1")) == "" && w.found(mail("ada@example.com")) == "" && len(w.all()) == 1
		},
	},
	"Import": {
		do:    importOne("Grace", "g3"),
		after: func(w *world) bool { return w.user(w.found(account("g3"))).Name == "Grace" },
	},
	"Import of a change": {
		before: func(w *world) { w.ok(importOne("Grace", "g3")(background, w.dir)) },
		do:     importOne("Grace Hopper", "g4"),
		after: func(w *world) bool {
			return w.found(account("g3")) == "" && w.user(w.found(account("g4"))).Name == "Grace Hopper"
		},
	},
}

func importOne(name, subject string) func(context.Context, *users.Directory) error {
	return func(ctx context.Context, d *users.Directory) error {
		in := users.Imported{ID: "7", Name: name, Identities: []postern.Identity{account(subject)}, Addresses: []postern.Address{{Type: "email", Value: "grace@example.com", Verified: true}}}
		_, err := d.Import(ctx, "other", one(in), users.ImportOptions{})
		return err
	}
}

func one(in ...users.Imported) iter.Seq2[users.Imported, error] {
	return func(yield func(users.Imported, error) bool) {
		for _, r := range in {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// TestCrash breaks each deed at each call of the store, in four ways, and does it again. Nothing is half done at any
// time, and the second time everything is.
func TestCrash(t *testing.T) {
	for name, d := range deeds {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			for mode, faults := range map[string]func(f *faulty, n int){
				"one call fails":      func(f *faulty, n int) { f.fails = func(call int) bool { return call == n } },
				"one answer is lost":  func(f *faulty, n int) { f.loses = func(call int) bool { return call == n } },
				"down from a call on": func(f *faulty, n int) { f.fails = func(call int) bool { return call >= n } },
				"answer lost, down from then": func(f *faulty, n int) {
					f.loses = func(call int) bool { return call == n }
					f.fails = func(call int) bool { return call > n }
				},
			} {
				for n := 1; ; n++ {
					if n > 60 {
						t.Fatalf("%s: there is no end of calls", mode)
					}
					w := newWorld(t)
					w.create(account("g1", "ada@example.com"))
					w.create(mail("bystander@example.com"))
					if d.before != nil {
						d.before(w)
					}
					f := &faulty{Store: w.store, keys: map[store.Key]bool{}}
					faults(f, n)
					err := d.do(t.Context(), w.on(f))
					if err != nil && !errors.Is(err, errDown) {
						t.Errorf("%s at call %d: %v", mode, n, err)
					}
					what := fmt.Sprintf("%s at call %d", mode, n)
					w.whole(what, f.keys)
					if err := d.do(t.Context(), w.dir); err != nil && !(name == "Delete" && errors.Is(err, postern.ErrNoUser)) {
						t.Errorf("%s: the second time: %v", what, err)
					}
					w.whole(what+", then again", f.keys)
					if !d.after(w) {
						t.Errorf("%s: the second time it is not done", what)
					}
					if f.calls < n {
						break
					}
				}
			}
		})
	}
}

// whole fails unless all that is stored belongs together: the users who are listed, and every claim that was written.
func (w *world) whole(what string, keys map[store.Key]bool) {
	w.t.Helper()
	listed := w.all()
	for _, id := range listed {
		w.sound(id)
	}
	waiting, _, err := w.store.List(background, w.gonePart(), "", 100)
	w.ok(err)
	for key := range keys {
		items := must(w.store.Get(background, key))(w.t)
		if key.ID != "claim" || len(items) == 0 {
			continue
		}
		_, owner, _ := strings.Cut(string(items[0].Value), `"user":"`)
		owner, _, _ = strings.Cut(owner, `"`)
		if slices.Contains(listed, owner) {
			continue
		}
		if w.head(owner).Gone != head.Deleted || !slices.ContainsFunc(waiting, func(it store.Item) bool { return it.Key.ID == owner }) {
			w.t.Errorf("%s: a claim belongs to %q, who is neither a user nor waits for the sweep", what, owner)
		}
	}
}

// gonePart returns the part of the deletions that are not finished.
func (w *world) gonePart() string { return "users-gone:" + head.Hash(w.pool) }
