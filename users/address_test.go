package users_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/users"
)

// The old address finds nobody at once, is kept from others for seven days, and the change can be undone meanwhile.
func TestA14_FormerAddress(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		ada, bob := w.create(mail("old@example.com")), w.create(mail("bob@example.com"))
		w.want(w.dir.ReplaceAddress(ctx, ada, "old@example.com", "bob@example.com", users.Extra{}), postern.ErrTaken)
		w.want(w.dir.ReplaceAddress(ctx, ada, "bob@example.com", "new@example.com", users.Extra{}), users.ErrField)
		w.ok(w.dir.ReplaceAddress(ctx, ada, "old@example.com", "New@example.com", users.Extra{}))
		w.ok(w.dir.ReplaceAddress(ctx, ada, "old@example.com", "new@example.com", users.Extra{}))
		if got := verified(w.user(ada)); !slices.Equal(got, []string{"new@example.com"}) {
			t.Errorf("the addresses are %q", got)
		}
		if f := w.user(ada).Former; len(f) != 1 || f[0].Address != "old@example.com" || f[0].ReplacedBy != "new@example.com" {
			t.Errorf("the former addresses are %+v", f)
		}
		if h := w.head(ada); h.Sec != 1 || h.Ways.Addresses != 1 {
			t.Errorf("the head is %+v", h)
		}
		w.Advance(7*24*time.Hour - time.Second)
		if got := w.found(mail("old@example.com")); got != "" {
			t.Errorf("the old address finds %s", got)
		}
		_, err := w.dir.Create(ctx, signUp(mail("old@example.com")))
		w.want(err, postern.ErrTaken)
		w.want(w.dir.AddAddress(ctx, bob, "old@example.com", users.Extra{}), postern.ErrTaken)
		w.want(w.dir.Link(ctx, bob, mail("old@example.com")), postern.ErrTaken)

		// Undo: the old address is back, and the new one is free.
		w.ok(w.dir.RestoreAddress(ctx, ada, "old@example.com", users.Extra{}))
		w.ok(w.dir.RestoreAddress(ctx, ada, "old@example.com", users.Extra{}))
		if got := w.found(mail("old@example.com")); got != ada {
			t.Errorf("the old address finds %q", got)
		}
		if got := w.found(mail("new@example.com")); got != "" {
			t.Errorf("the new address finds %q", got)
		}
		if h := w.head(ada); h.Sec != 2 || h.Ways.Addresses != 1 {
			t.Errorf("the head is %+v", h)
		}
		w.ok(w.dir.AddAddress(ctx, bob, "new@example.com", users.Extra{}))
		w.sound(ada)
		w.sound(bob)
	})
}

// After seven days the old address is free, and there is nothing to undo.
func TestA14_FormerAddressIsFreeAfterSevenDays(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		ada := w.create(mail("old@example.com"))
		w.ok(w.dir.ReplaceAddress(ctx, ada, "old@example.com", "new@example.com", users.Extra{}))
		w.Advance(30 * 24 * time.Hour)
		if f := w.user(ada).Former; len(f) != 0 {
			t.Errorf("former addresses after 30 days: %+v", f)
		}
		w.want(w.dir.RestoreAddress(ctx, ada, "old@example.com", users.Extra{}), users.ErrField)
		bob := w.create(mail("old@example.com"))
		w.ok(w.dir.SetRoles(ctx, ada, []string{"reader"}, users.Extra{})) // writes the user without the former address
		if got := w.found(mail("old@example.com")); got != bob {
			t.Errorf("the address finds %q, want its new owner", got)
		}
		w.want(w.dir.RestoreAddress(ctx, ada, "old@example.com", users.Extra{}), users.ErrField)
		w.ok(w.dir.Delete(ctx, ada, users.Extra{}))
		if got := w.found(mail("old@example.com")); got != bob {
			t.Errorf("the address finds %q after its former owner was deleted", got)
		}
		w.sound(bob)
	})
}

// The owner of a former address may prove it anew.
func TestAddAddress_OwnFormer(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		ada := w.create(mail("old@example.com"))
		w.ok(w.dir.ReplaceAddress(ctx, ada, "old@example.com", "new@example.com", users.Extra{}))
		w.ok(w.dir.AddAddress(ctx, ada, "old@example.com", users.Extra{}))
		w.Advance(30 * 24 * time.Hour) // its claim has no end any more
		if got := verified(w.user(ada)); !slices.Equal(got, []string{"new@example.com", "old@example.com"}) {
			t.Errorf("the addresses are %q", got)
		}
		w.sound(ada)
		w.ok(w.dir.ReplaceAddress(ctx, ada, "new@example.com", "third@example.com", users.Extra{}))
		w.ok(w.dir.ReplaceAddress(ctx, ada, "third@example.com", "new@example.com", users.Extra{}))
		w.sound(ada)
		w.ok(w.dir.RemoveAddress(ctx, ada, "new@example.com", users.Extra{}))
		w.ok(w.dir.RemoveAddress(ctx, ada, "new@example.com", users.Extra{}))
		if got := w.found(mail("new@example.com")); got != "" {
			t.Errorf("a removed address finds %q", got)
		}
		w.sound(ada)
	})
}

func TestAddresses_AtMostTen(t *testing.T) {
	w := newWorld(t)
	ada := w.create(mail("ada@example.com"))
	for i := range 9 {
		w.ok(w.dir.AddNote(t.Context(), ada, fmt.Sprintf("note%d@example.com", i), users.Extra{}))
	}
	w.want(w.dir.AddAddress(t.Context(), ada, "more@example.com", users.Extra{}), users.ErrTooMany)
	w.want(w.dir.AddNote(t.Context(), ada, "more@example.com", users.Extra{}), users.ErrTooMany)
	w.ok(w.dir.AddAddress(t.Context(), ada, "note3@example.com", users.Extra{})) // a note that is proven
	for i := range 10 {
		w.ok(w.dir.Link(t.Context(), ada, account(fmt.Sprint(i))))
	}
	w.want(w.dir.Link(t.Context(), ada, account("10")), users.ErrTooMany)
	w.sound(ada)
	w.ok(w.dir.Delete(t.Context(), ada, users.Extra{}))
	for i := range 10 {
		if got := w.found(account(fmt.Sprint(i))); got != "" {
			t.Errorf("an identity of a deleted user finds %q", got)
		}
	}
}

// An address that is not verified is a note: anybody may have the same, nobody is found by it, and it takes nothing
// from the user who proves it.
func TestA11_UnverifiedAddressIsANote(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		note := func(subject string) postern.Identity {
			return postern.Identity{Issuer: "https://idp.example", Subject: subject, Addresses: []postern.Address{{Type: "email", Value: "ada@example.com"}}}
		}
		ids := make([]string, w.racers())
		race(len(ids), func(i int) (err error) {
			switch i % 3 {
			case 0: // a provider that has not verified the address: a user without it
				ids[i], err = w.dir.Create(ctx, signUp(note(fmt.Sprint(i))))
			case 1:
				ids[i], err = w.dir.Create(ctx, signUp(mail("ada@example.com")))
			case 2:
				ids[i], err = w.dir.Create(ctx, signUp(account(fmt.Sprint(i), "ada@example.com")))
			}
			return err
		})
		owners := 0
		for i, id := range ids {
			if id == "" {
				if i%3 == 0 {
					t.Errorf("racer %d, who claims nothing, was refused", i)
				}
				continue
			}
			w.sound(id)
			if i%3 == 0 {
				if a := verified(w.user(id)); len(a) != 0 {
					t.Errorf("racer %d has the verified addresses %q", i, a)
				}
				continue
			}
			owners++
			if got := w.found(mail("ada@example.com")); got != id {
				t.Errorf("the address finds %q, its owner is %q", got, id)
			}
		}
		if owners != 1 {
			t.Errorf("the address has %d owners", owners)
		}
		page := must(w.dir.Search(ctx, users.Query{Identifier: "ada@example.com"}))(t)
		if len(page.Users) != 1 {
			t.Errorf("a search by the address finds %d users", len(page.Users))
		}
	})
}

// A note stays a note when its user signs in again, and a search for it finds nobody.
func TestA11_NotesFindNobody(t *testing.T) {
	w := newWorld(t)
	id := w.create(postern.Identity{Issuer: google, Subject: "1", Addresses: []postern.Address{{Type: "email", Value: "ada@example.com"}}})
	w.ok(w.dir.AddNote(t.Context(), id, "two@example.com", users.Extra{}))
	for _, a := range []string{"ada@example.com", "two@example.com"} {
		if got := w.found(mail(a)); got != "" {
			t.Errorf("%s finds %s", a, got)
		}
		if page := must(w.dir.Search(t.Context(), users.Query{Identifier: a}))(t); len(page.Users) != 0 {
			t.Errorf("a search for %s finds %d users", a, len(page.Users))
		}
	}
	if h := w.head(id); h.Ways.Addresses != 0 {
		t.Errorf("notes count as ways: %+v", h.Ways)
	}
	if _, ok := w.user(id).Email(); ok {
		t.Error("Email returns a note")
	}
}

// An address that is removed is kept from others like one that is replaced, and comes back the same way.
func TestA14_RemovedAddress(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		ada, bob := w.create(mail("old@example.com")), w.create(mail("bob@example.com"))
		w.ok(w.dir.AddAddress(ctx, ada, "new@example.com", users.Extra{}))
		w.ok(w.dir.RemoveAddress(ctx, ada, "old@example.com", users.Extra{}))
		if f := w.user(ada).Former; len(f) != 1 || f[0].Address != "old@example.com" || f[0].ReplacedBy != "" {
			t.Errorf("the former addresses are %+v", f)
		}
		if got := must(w.dir.FormerAddresses(ctx, ada))(t); !slices.Equal(got, []string{"old@example.com"}) {
			t.Errorf("notices go to %q", got)
		}
		if got := w.found(mail("old@example.com")); got != "" {
			t.Errorf("the old address finds %s", got)
		}
		w.Advance(7*24*time.Hour - time.Second)
		w.want(w.dir.AddAddress(ctx, bob, "old@example.com", users.Extra{}), postern.ErrTaken)
		w.ok(w.dir.RestoreAddress(ctx, ada, "old@example.com", users.Extra{}))
		if got := verified(w.user(ada)); !slices.Equal(got, []string{"new@example.com", "old@example.com"}) {
			t.Errorf("the addresses are %q", got)
		}
		w.sound(ada)
		w.ok(w.dir.RemoveAddress(ctx, ada, "new@example.com", users.Extra{}))
		w.Advance(7*24*time.Hour + time.Second)
		if got := must(w.dir.FormerAddresses(ctx, ada))(t); len(got) != 0 {
			t.Errorf("after seven days notices go to %q", got)
		}
		w.ok(w.dir.AddAddress(ctx, bob, "new@example.com", users.Extra{}))
		w.sound(ada)
		w.sound(bob)
	})
}

// RestoreAddress takes back what came of the address over several changes.
func TestA14_RestoreOverSeveralChanges(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		ada := w.create(mail("a@example.com"))
		for _, step := range [][2]string{{"a@example.com", "b@example.com"}, {"b@example.com", "c@example.com"}, {"c@example.com", "d@example.com"}} {
			w.ok(w.dir.ReplaceAddress(ctx, ada, step[0], step[1], users.Extra{}))
		}
		w.ok(w.dir.AddNote(ctx, ada, "a@example.com", users.Extra{}))
		w.ok(w.dir.RestoreAddress(ctx, ada, "a@example.com", users.Extra{}))
		if got := verified(w.user(ada)); !slices.Equal(got, []string{"a@example.com"}) {
			t.Errorf("the addresses are %q", got)
		}
		if got := must(w.dir.FormerAddresses(ctx, ada))(t); len(got) != 0 {
			t.Errorf("notices go to %q", got)
		}
		for _, other := range []string{"b@example.com", "c@example.com", "d@example.com"} {
			if got := w.found(mail(other)); got != "" {
				t.Errorf("%s finds %q", other, got)
			}
		}
		w.sound(ada)
	})
}

// A user keeps ten addresses from others at most.
func TestA14_FormerAddressesAreBounded(t *testing.T) {
	w := newWorld(t)
	ada := w.create(mail("ada@example.com"))
	for i := range 11 {
		address := fmt.Sprintf("%d@example.com", i)
		w.ok(w.dir.AddAddress(t.Context(), ada, address, users.Extra{}))
		err := w.dir.RemoveAddress(t.Context(), ada, address, users.Extra{})
		var e *postern.Error
		if i < 10 && err != nil || i == 10 && (!errors.As(err, &e) || e.Code != "too_many") {
			t.Errorf("address %d: %v", i, err)
		}
	}
	w.sound(ada)
	w.Advance(8 * 24 * time.Hour)
	w.ok(w.dir.RemoveAddress(t.Context(), ada, "10@example.com", users.Extra{}))
}
