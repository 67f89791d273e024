package users_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/users"
)

// Two callers add a role each, at the same time: both count. SetRoles would lose one of them.
func TestAddRoles(t *testing.T) {
	w := newWorld(t)
	id := must(w.dir.Create(t.Context(), signUp(mail("ada@example.com"))))(t)
	for range 20 {
		w.ok(w.dir.SetRoles(t.Context(), id, nil, users.Extra{}))
		var wg sync.WaitGroup
		for _, role := range []string{"editor", "reader", "editor"} {
			wg.Go(func() {
				if err := w.dir.AddRolesWith(t.Context(), id, []string{role}, users.Extra{}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if p := must(w.dir.Get(t.Context(), id))(t); !slices.Equal(p.Roles, []string{"editor", "reader"}) {
			t.Fatalf("roles %v", p.Roles)
		}
	}
	before := must(w.dir.User(t.Context(), id))(t)
	w.ok(w.dir.AddRolesWith(t.Context(), id, []string{"reader"}, users.Extra{}))
	if after := must(w.dir.User(t.Context(), id))(t); after.Version != before.Version {
		t.Error("a role that the user has already was written again")
	}
	w.want(w.dir.AddRolesWith(t.Context(), id, []string{"reader", "owner"}, users.Extra{}), users.ErrRole)
}

// Two callers remove a role each, at the same time: both count, and the role that nobody removed stays.
func TestRemoveRoles(t *testing.T) {
	w := newWorld(t)
	id := must(w.dir.Create(t.Context(), signUp(mail("ada@example.com"))))(t)
	for range 20 {
		w.ok(w.dir.SetRoles(t.Context(), id, []string{"admin", "editor", "reader"}, users.Extra{}))
		var wg sync.WaitGroup
		for _, role := range []string{"editor", "reader", "editor"} {
			wg.Go(func() {
				if err := w.dir.RemoveRoles(t.Context(), id, []string{role}, users.Extra{}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if p := must(w.dir.Get(t.Context(), id))(t); !slices.Equal(p.Roles, []string{"admin"}) {
			t.Fatalf("roles %v", p.Roles)
		}
	}
	before := must(w.dir.User(t.Context(), id))(t)
	w.ok(w.dir.RemoveRoles(t.Context(), id, []string{"reader", "owner"}, users.Extra{}))
	if after := must(w.dir.User(t.Context(), id))(t); after.Version != before.Version {
		t.Error("a user without the roles was written again")
	}
	w.want(w.dir.RemoveRoles(t.Context(), "nobody", []string{"reader"}, users.Extra{}), postern.ErrNoUser)
}
