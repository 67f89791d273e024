package limit_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
)

// race lets 100 racers take at one moment, then takes alone until denied: the sum must be exactly Burst, and the racers
// alone never more.
func race(t *testing.T, s store.Store, rule limit.Rule) {
	t.Helper()
	var allowed atomic.Int64
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for range 100 {
		wg.Go(func() {
			<-gate
			switch err := limit.Take(t.Context(), s, rule, "k", start); {
			case err == nil:
				allowed.Add(1)
			case !errors.Is(err, limit.ErrLimited):
				t.Errorf("a racer got %v", err)
			}
		})
	}
	close(gate)
	wg.Wait()
	if n := allowed.Load(); n < 1 || n > int64(rule.Burst) {
		t.Fatalf("100 racers: %d allowed, want 1 to %d", n, rule.Burst)
	}
	for {
		err := limit.Take(t.Context(), s, rule, "k", start)
		if errors.Is(err, limit.ErrLimited) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		allowed.Add(1)
	}
	if n := allowed.Load(); n != int64(rule.Burst) {
		t.Fatalf("%d allowed in all, want %d: a take was lost or counted twice", n, rule.Burst)
	}
}

func TestT2_RacersMemory(t *testing.T) {
	for _, burst := range []int{1, 5, 40} {
		race(t, &store.Memory{Now: func() time.Time { return start }}, limit.Rule{Name: "r", Every: time.Hour, Burst: burst})
	}
}

func TestT2_RacersSQLite(t *testing.T) {
	for _, burst := range []int{1, 5, 40} {
		db, err := sql.Open("sqlite", sqlstore.DSN(filepath.Join(t.TempDir(), "test.db")))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		s, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: sqlstore.SQLite, Now: func() time.Time { return start }})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		race(t, s, limit.Rule{Name: "r", Every: time.Hour, Burst: burst})
	}
}

// crowded is a store in which a racer was faster before each of the next writes.
type crowded struct {
	store.Store
	faster int
}

func (s *crowded) Write(ctx context.Context, changes ...store.Change) error {
	if s.faster--; s.faster >= 0 {
		return store.ErrConflict
	}
	return s.Store.Write(ctx, changes...)
}

// What was done already is counted, however many racers are faster. A take gives up there, and its work is not done.
func TestT2_CountDoesNotGiveUpInACrowd(t *testing.T) {
	memory := &store.Memory{Now: func() time.Time { return start }}
	bucket := limit.For(limit.Rule{Name: "r", Every: time.Hour, Burst: 5}, "k")
	left := func() int {
		state, err := limit.Read(t.Context(), memory, bucket)
		if err != nil {
			t.Fatal(err)
		}
		return state.Left(start)
	}
	if err := limit.TakeAll(t.Context(), &crowded{memory, 30}, start, bucket); !errors.Is(err, limit.ErrLimited) || left() != 5 {
		t.Errorf("a take in a crowd: %v, %d left; want a refusal and all 5", err, left())
	}
	if err := limit.Count(t.Context(), &crowded{memory, 30}, start, bucket); err != nil || left() != 4 {
		t.Errorf("a count in a crowd: %v, %d left; want 4", err, left())
	}
}
