package sqlstore_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
)

// TestT2_SmallPool: two Stores on a pool of two connections both write and read, because none keeps a connection.
func TestT2_SmallPool(t *testing.T) {
	db := openDB(t, sqlstore.DSN(filepath.Join(t.TempDir(), "test.db")))
	db.SetMaxOpenConns(2)
	one, two := openStore(t, db, nil), openStore(t, db, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for i, s := range []*sqlstore.Store{one, two} {
		k := store.Key{Part: "p", ID: string(rune('a' + i))}
		if err := s.Write(ctx, store.Put(store.Item{Key: k}), store.Put(store.Item{Key: store.Key{Part: "q", ID: k.ID}})); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []*sqlstore.Store{one, two} {
		if items, err := s.Get(ctx, store.Key{Part: "p", ID: "a"}, store.Key{Part: "q", ID: "b"}); err != nil || len(items) != 2 {
			t.Errorf("%d items, %v, want 2", len(items), err)
		}
	}
}
