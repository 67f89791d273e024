package sqlstore_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
)

// TestT2_CloseDuringWrites: a program closes the store while writes are under way. They succeed or fail, and none
// panics; what was answered is there.
func TestT2_CloseDuringWrites(t *testing.T) {
	for _, most := range []int{0, 1} {
		path := filepath.Join(t.TempDir(), "test.db")
		db := openDB(t, sqlstore.DSN(path)+"&_pragma=synchronous(OFF)")
		db.SetMaxOpenConns(most)
		s := openStore(t, db, nil)
		var all sync.WaitGroup
		var done atomic.Int64
		for writer := range 4 {
			all.Go(func() {
				for n := range 100 {
					key := store.Key{Part: fmt.Sprint("p", writer), ID: fmt.Sprint(n)}
					if s.Write(t.Context(), store.Put(store.Item{Key: key}), store.Check(store.Key{Part: "none", ID: "a"}, "")) == nil {
						done.Add(1)
					}
				}
			})
		}
		all.Go(func() {
			for range 100 {
				_ = s.Close() // of one connection, its statements may be in use
			}
		})
		all.Wait()
		var n int64
		if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM postern_items").Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n != done.Load() || n == 0 {
			t.Errorf("%d connections: %d writes were answered, and %d items are there", most, done.Load(), n)
		}
	}
}
