package users_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// Two providers with the same subject, or with the same address, are two people.
func TestA1_TheKeyIsIssuerAndSubject(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		other := func(subject string) postern.Identity {
			return postern.Identity{Issuer: "https://github.com", Subject: subject, Addresses: []postern.Address{{Type: "email", Value: "ada@example.com"}}}
		}
		first := w.create(account("1", "ada@example.com"))
		second := w.create(other("1"))
		if first == second {
			t.Fatal("the same subject at two issuers is one user")
		}
		if got := w.found(account("1")); got != first {
			t.Errorf("the first finds %q", got)
		}
		if got := w.found(other("1")); got != second {
			t.Errorf("the second finds %q", got)
		}
		// Issuer and subject are kept apart: no way to cut one text into two gives the key of another.
		a := w.create(postern.Identity{Issuer: "https://a.example", Subject: "bc"})
		b := w.create(postern.Identity{Issuer: "https://a.exampleb", Subject: "c"})
		if a == b {
			t.Error("two identities are one user")
		}
		if got := w.found(mail("ada@example.com")); got != first {
			t.Errorf("the verified address finds %q", got)
		}
		w.sound(first)
		w.sound(second)
	})
}

// An identity is never moved: it belongs to the user who has it until that user removes it.
func TestA13_IdentitiesAreNeverMoved(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ada, bob := w.create(mail("ada@example.com")), w.create(mail("bob@example.com"))
		w.ok(w.dir.Link(t.Context(), ada, account("g1", "more@example.com")))
		w.ok(w.dir.Link(t.Context(), ada, account("g1")))
		w.want(w.dir.Link(t.Context(), bob, account("g1")), postern.ErrTaken)
		w.want(w.dir.Link(t.Context(), bob, mail("ada@example.com")), postern.ErrTaken)
		w.want(w.dir.AddAddress(t.Context(), bob, "ada@example.com", users.Extra{}), postern.ErrTaken)
		_, err := w.dir.Create(t.Context(), signUp(account("g1")))
		w.want(err, postern.ErrTaken)
		w.want(w.dir.Link(t.Context(), "nobody", account("g2")), postern.ErrNoUser)
		if h := w.head(ada); h.Sec != 0 || h.Seq != 2 || h.Ways.Identities != 1 {
			t.Errorf("the head after a link is %+v", h)
		}
		if got := w.found(mail("more@example.com")); got != "" {
			t.Error("an address of a linked identity became a way to sign in")
		}
		for _, id := range []postern.Identity{username("ada_l"), {Issuer: google}, {}} {
			w.want(w.dir.Link(t.Context(), ada, id), users.ErrField)
		}
		w.ok(w.dir.Unlink(t.Context(), bob, account("g1"))) // not his: nothing happens
		if got := w.found(account("g1")); got != ada {
			t.Errorf("the identity finds %q", got)
		}
		w.ok(w.dir.Unlink(t.Context(), ada, account("g1")))
		w.ok(w.dir.Unlink(t.Context(), ada, account("g1")))
		if h := w.head(ada); h.Sec != 1 || h.Ways.Identities != 0 {
			t.Errorf("the head after an unlink is %+v", h)
		}
		w.ok(w.dir.Link(t.Context(), bob, account("g1")))
		w.sound(ada)
		w.sound(bob)
	})
}

// The last way that is configured stays.
func TestA15_TheLastWayStays(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		ada := w.create(account("g1", "ada@example.com"))
		only := func(x users.Ways) users.Extra { return users.Extra{Ways: &x} }
		google := func(issuer string) bool { return issuer == google }
		w.want(w.dir.UnlinkWith(ctx, ada, account("g1"), only(users.Ways{Issuer: google})), users.ErrLastWay)
		w.want(w.dir.UnlinkWith(ctx, ada, account("g1"), only(users.Ways{})), users.ErrLastWay)
		w.want(w.dir.RemoveAddress(ctx, ada, "ada@example.com", only(users.Ways{Mail: true, Issuer: func(string) bool { return false }})), users.ErrLastWay)
		w.ok(w.dir.UnlinkWith(ctx, ada, account("g1"), only(users.Ways{Mail: true})))
		w.want(w.dir.Unlink(ctx, ada, mail("ada@example.com")), users.ErrLastWay)
		w.sound(ada)

		// A password that belongs to no name and no address is not a way.
		s := signUp(username("grace"))
		s.Passwords = 1
		grace := must(w.dir.Create(ctx, s))(t)
		w.want(w.dir.SetUsername(ctx, grace, "", users.Extra{}), users.ErrLastWay)
		w.ok(w.dir.AddAddress(ctx, grace, "grace@example.com", users.Extra{}))
		w.ok(w.dir.SetUsername(ctx, grace, "", only(users.Ways{Password: true})))
		w.want(w.dir.RemoveAddress(ctx, grace, "grace@example.com", users.Extra{}), users.ErrLastWay)
		w.sound(grace)
	})
}

// Many racers that remove different ways leave one.
func TestA15_RacersLeaveOne(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		s := signUp(mail("ada@example.com"))
		s.Passwords = 1
		ada := must(w.dir.Create(ctx, s))(t)
		const identities = 8
		for i := range identities {
			w.ok(w.dir.Link(ctx, ada, account(fmt.Sprint(i))))
		}
		password := func() error { // as a package of credentials does it: by the head, on the version that was read
			h, err := head.Get(ctx, w.store, w.pool, ada)
			if err != nil {
				return err
			}
			if h.Ways.Passwords == 0 {
				return nil
			}
			if h.Ways.Identities+h.Ways.Addresses == 0 {
				return users.ErrLastWay
			}
			h.Ways.Passwords--
			return w.store.Write(ctx, h.Moved().Put())
		}
		race(w.racers(), func(i int) error {
			switch i %= identities + 2; i {
			case identities:
				return password()
			case identities + 1:
				return w.dir.RemoveAddress(ctx, ada, "ada@example.com", users.Extra{})
			}
			return w.dir.Unlink(ctx, ada, account(fmt.Sprint(i)))
		})
		for i := range identities { // whatever the race left: one after the other
			err := w.dir.Unlink(ctx, ada, account(fmt.Sprint(i)))
			if err != nil && !errors.Is(err, users.ErrLastWay) {
				t.Fatal(err)
			}
		}
		if err := w.dir.RemoveAddress(ctx, ada, "ada@example.com", users.Extra{}); err != nil && !errors.Is(err, users.ErrLastWay) {
			t.Fatal(err)
		}
		h := w.head(ada)
		if left := h.Ways.Identities + h.Ways.Addresses; left != 1 {
			t.Errorf("%d ways are left: %+v", left, h.Ways)
		}
		w.sound(ada)
	})
}

// race calls f n times at once and returns how many calls had no error.
func race(n int, f func(i int) error) int {
	var won atomic.Int64
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-begin
			if f(i) == nil {
				won.Add(1)
			}
		})
	}
	close(begin)
	wg.Wait()
	return int(won.Load())
}

// Many racers for one address, one identity and one name: one owner each, and the others have nothing.
func TestRace_Create(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, id := range []postern.Identity{mail("ada@example.com"), account("g1", "bob@example.com"), username("ada_l")} {
			before := len(w.all())
			owners := make([]string, w.racers())
			won := race(w.racers(), func(i int) (err error) {
				owners[i], err = w.dir.Create(t.Context(), signUp(id))
				if err != nil && !errors.Is(err, postern.ErrTaken) {
					t.Error(err)
				}
				return err
			})
			if won != 1 {
				t.Errorf("%s: %d racers made a user", id.Issuer, won)
			}
			for _, owner := range owners {
				if owner != "" && w.found(id) != owner {
					t.Errorf("%s: the winner is %s, found is %s", id.Issuer, owner, w.found(id))
				}
			}
			if n := len(w.all()) - before; n != 1 {
				t.Errorf("%s: %d users more", id.Issuer, n)
			}
		}
		// The same sign-up many times: one user, and all calls return them.
		s := signUp(mail("same@example.com"))
		ids := make([]string, w.racers())
		if won := race(w.racers(), func(i int) (err error) { ids[i], err = w.dir.Create(t.Context(), s); return err }); won != w.racers() {
			t.Errorf("%d calls of one sign-up returned the user", won)
		}
		for _, id := range ids {
			if id != ids[0] {
				t.Errorf("one sign-up made %s and %s", ids[0], id)
			}
		}
	})
}

// Many users race to link one identity and to add one address: one owner.
func TestRace_Link(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		racers := make([]string, w.racers())
		for i := range racers {
			racers[i] = w.create(account(fmt.Sprint("own", i)))
		}
		for _, id := range []postern.Identity{account("wanted"), mail("wanted@example.com")} {
			won := race(len(racers), func(i int) error {
				err := w.dir.Link(t.Context(), racers[i], id)
				if err != nil && !errors.Is(err, postern.ErrTaken) {
					t.Error(err)
				}
				return err
			})
			if won != 1 {
				t.Errorf("%s: %d racers have it", id.Issuer, won)
			}
		}
		n := 0
		for _, id := range racers {
			w.sound(id)
			u := w.user(id)
			n += len(u.Identities) - 1 + len(u.Addresses)
		}
		if n != 2 {
			t.Errorf("%d identities and addresses were added, want 2", n)
		}
	})
}

// Many racers take over the claim of a deleted user: one owner.
func TestRace_TakeOver(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		old := w.create(mail("ada@example.com"))
		w.bury(old)
		if got := w.found(mail("ada@example.com")); got != "" {
			t.Fatalf("the address of a deleted user finds %s", got)
		}
		won := race(w.racers(), func(int) error {
			_, err := w.dir.Create(t.Context(), signUp(mail("ada@example.com")))
			if err != nil && !errors.Is(err, postern.ErrTaken) {
				t.Error(err)
			}
			return err
		})
		if won != 1 {
			t.Errorf("%d racers have the address", won)
		}
		owner := w.found(mail("ada@example.com"))
		w.Advance(2 * time.Hour)
		if n := must(w.dir.Sweep(t.Context()))(t); n != 1 {
			t.Errorf("%d deletions finished", n)
		}
		if got := w.found(mail("ada@example.com")); got != owner || owner == old {
			t.Errorf("after the sweep the address finds %q, want %q", got, owner)
		}
		w.sound(owner)
	})
}

// bury makes the first write of a deletion and none after it.
func (w *world) bury(id string) {
	w.t.Helper()
	cut := &faulty{Store: w.store}
	cut.after(1)
	if err := w.on(cut).Delete(w.t.Context(), id, users.Extra{}); err == nil {
		w.t.Fatal("the deletion was not cut")
	}
	if w.head(id).Gone != head.Deleted {
		w.t.Fatal("the first write does not delete")
	}
}

var _ store.Store = (*faulty)(nil)
