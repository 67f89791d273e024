package provision_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testclock"
	"github.com/posternauth/postern/provision"
	"github.com/posternauth/postern/store"
)

func TestPending(t *testing.T) {
	clock := testclock.New(start)
	memory := &store.Memory{Now: clock.Now}
	one, _ := provision.NewPending(provision.PendingConfig{Store: memory, Now: clock.Now})
	other, _ := provision.NewPending(provision.PendingConfig{Store: memory, Pool: "b", Now: clock.Now})
	redeem := func(p *provision.Pending, email string) (got []string) {
		t.Helper()
		err := p.Redeem(t.Context(), []string{email, "nobody@example.com", email}, func(_ context.Context, roles []string) error {
			got = append(got, roles...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, role := range []string{"course", "member", "course"} {
		if err := one.Add(t.Context(), "Ada@Example.com", role); err != nil {
			t.Fatal(err)
		}
	}
	if got := redeem(other, "ada@example.com"); got != nil {
		t.Errorf("another pool got %v", got)
	}
	if got := redeem(one, "eve@example.com"); got != nil {
		t.Errorf("another address got %v", got)
	}
	// A crash after the roles were given gives them again, and loses none.
	failed := one.Redeem(t.Context(), []string{"ada@example.com"}, func(context.Context, []string) error { return errDown })
	if !errors.Is(failed, errDown) {
		t.Error(failed)
	}
	if got := redeem(one, "ada@EXAMPLE.com"); !slices.Equal(got, []string{"course", "member"}) {
		t.Errorf("got %v", got)
	}
	if got := redeem(one, "ada@example.com"); got != nil {
		t.Errorf("got %v twice", got)
	}
	if err := one.Add(t.Context(), "ada@example.com", "course"); err != nil {
		t.Fatal(err)
	}
	clock.Advance(366 * 24 * time.Hour)
	if got := redeem(one, "ada@example.com"); got != nil {
		t.Errorf("got %v after Keep", got)
	}
	for _, bad := range []string{"", "ada", "ada@example.com, eve@example.com", "ada@example.com\n"} {
		if err := one.Add(t.Context(), bad, "course"); !errors.Is(err, provision.ErrRefused) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for i := range 70 {
		if err := one.Add(t.Context(), "many@example.com", fmt.Sprint("role", i)); (err != nil) != (i >= 64) {
			t.Fatalf("role %d: %v", i, err)
		}
	}
	sick, _ := provision.NewPending(provision.PendingConfig{Store: &mortal{Store: memory, dies: 1}})
	if err := sick.Add(t.Context(), "ada@example.com", "course"); !errors.Is(err, errDown) {
		t.Error(err)
	}
	if err := sick.Redeem(t.Context(), []string{"ada@example.com"}, nil); !errors.Is(err, errDown) {
		t.Error(err)
	}
}

// 20 grants and 20 proofs at the same time: no role is lost.
func TestPending_Racers(t *testing.T) {
	p, _ := provision.NewPending(provision.PendingConfig{Store: &store.Memory{}})
	var wg sync.WaitGroup
	var mu sync.Mutex
	given := map[string]bool{}
	give := func(_ context.Context, roles []string) error {
		mu.Lock()
		defer mu.Unlock()
		for _, r := range roles {
			given[r] = true
		}
		return nil
	}
	for i := range 20 {
		wg.Go(func() {
			if err := p.Add(t.Context(), "ada@example.com", fmt.Sprint("role", i)); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := p.Redeem(t.Context(), []string{"ada@example.com"}, give); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := p.Redeem(t.Context(), []string{"ada@example.com"}, give); err != nil || len(given) != 20 {
		t.Errorf("%d of 20 roles, %v", len(given), err)
	}
}

// The store has no address of a person who is not a user.
func TestPending_NoAddressInTheStore(t *testing.T) {
	memory := &recorder{Store: &store.Memory{}}
	p, _ := provision.NewPending(provision.PendingConfig{Store: memory})
	if err := p.Add(t.Context(), "ada@example.com", "course"); err != nil {
		t.Fatal(err)
	}
	if len(memory.wrote) == 0 || strings.Contains(memory.wrote, "ada") {
		t.Errorf("wrote %q", memory.wrote)
	}
}

type recorder struct {
	store.Store
	wrote string
}

func (r *recorder) Write(ctx context.Context, changes ...store.Change) error {
	for _, c := range changes {
		r.wrote += fmt.Sprintf("%s %s %s\n", c.Item.Key.Part, c.Item.Key.ID, c.Item.Value)
	}
	return r.Store.Write(ctx, changes...)
}
