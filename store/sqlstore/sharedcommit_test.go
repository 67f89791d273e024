package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
)

// TestT2_SharedCommitFails: writes of many callers share a transaction, and its commit fails. Nobody is answered that a
// write was done, and the connection is fit for the next one.
func TestT2_SharedCommitFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	db := openDB(t, sqlstore.DSN(path)+"&_pragma=busy_timeout(1)")
	db.SetMaxOpenConns(1)
	s := openStore(t, db, nil)
	for _, statement := range []string{ // a foreign key that is looked at only when the transaction ends
		"CREATE TABLE parents (id INTEGER PRIMARY KEY)",
		"CREATE TABLE children (parent INTEGER REFERENCES parents(id) DEFERRABLE INITIALLY DEFERRED)",
		"CREATE TRIGGER bad AFTER INSERT ON postern_items WHEN new.part = 'bad' BEGIN INSERT INTO children VALUES (1); END",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	other := openDB(t, sqlstore.DSN(path))
	failed := 0
	for round := range 5 {
		tx, err := other.BeginTx(t.Context(), nil) // _txlock=immediate takes the lock, so that all have to wait
		if err != nil {
			t.Fatal(err)
		}
		var queued, all sync.WaitGroup
		answers := make([]error, 20)
		keys := make([]store.Key, len(answers))
		for n := range answers {
			keys[n] = store.Key{Part: fmt.Sprint("good", n), ID: fmt.Sprint(round)}
			if n == len(answers)/2 {
				keys[n].Part = "bad"
			}
			queued.Add(1)
			all.Go(func() {
				ctx := begun{t.Context(), new(sync.Once), queued.Done}
				answers[n] = s.Write(ctx, store.Put(store.Item{Key: keys[n]}), store.Check(store.Key{Part: "none", ID: "a"}, ""))
			})
		}
		queued.Wait()
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		all.Wait()
		for n, answer := range answers {
			items, err := s.Get(t.Context(), keys[n])
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case errors.Is(answer, store.ErrConflict):
				t.Errorf("round %d, writer %d: %v of a write that was alone", round, n, answer)
			case answer == nil && len(items) != 1:
				t.Errorf("round %d, writer %d: the write was acknowledged, and the item is not there", round, n)
			case answer != nil && keys[n].Part != "bad":
				failed++
			}
		}
		if err := s.Write(context.Background(), store.Put(store.Item{Key: store.Key{Part: "after", ID: fmt.Sprint(round)}})); err != nil {
			t.Errorf("the write after a commit that failed: %v", err)
		}
	}
	if failed == 0 {
		t.Error("no transaction was shared with the bad one: this showed nothing")
	}
}
