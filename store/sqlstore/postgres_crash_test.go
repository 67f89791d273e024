package sqlstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/store"
)

// TestT4_KillPostgres kills the server, with fsync on, while four writers are at it, and starts it again on what it
// left. What was acknowledged must be there, and the items of each write must agree. POSTERN_TEST_LONG is the number of
// kills.
func TestT4_KillPostgres(t *testing.T) {
	kills := 5
	if n, err := strconv.Atoi(os.Getenv("POSTERN_TEST_LONG")); err == nil {
		kills = n
	}
	server := testserver.PostgresWith(t, testserver.PostgresOptions{Fsync: true})
	s := postgresStore(t, openPostgres(t, server.DSN()), nil)
	writers := make([]writer, 4)
	for i := range writers {
		for _, name := range []string{"one", "two", "alone"} {
			writers[i].items = append(writers[i].items, store.Item{Key: store.Key{Part: fmt.Sprint(name, i), ID: "n"}, Value: []byte("0")})
		}
	}
	for kill := range kills {
		var acknowledged atomic.Int64
		enough := make(chan struct{})
		limit := 1 + rand.Int64N(200)
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				writers[i].run(t.Context(), s, func() {
					if acknowledged.Add(1) == limit {
						close(enough)
					}
				})
			})
		}
		<-enough
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if err := server.Start(); err != nil {
			t.Fatalf("kill %d: starting on what is left: %v", kill, err)
		}
		for i := range writers {
			if err := writers[i].verify(t.Context(), s); err != nil {
				t.Fatalf("kill %d, writer %d: %v", kill, i, err)
			}
		}
	}
}

// writer raises two items together and one alone.
type writer struct {
	items []store.Item // as last acknowledged, or read
	tried []store.Item // as last tried
}

// run writes until an error.
func (w *writer) run(ctx context.Context, s store.Store, acknowledged func()) {
	for n := 1; ; n++ {
		w.tried = nil
		var changes []store.Change
		for i, it := range w.items {
			last, err := strconv.Atoi(string(it.Value))
			if err != nil {
				panic(err)
			}
			it.Value = strconv.AppendInt(nil, int64(last+1), 10)
			changes = append(changes, store.Put(it))
			w.tried = append(w.tried, changes[i].Item)
		}
		if s.Write(ctx, changes[:2]...) != nil {
			return
		}
		copy(w.items, w.tried[:2])
		if s.Write(ctx, changes[2]) != nil {
			return
		}
		w.items[2] = w.tried[2]
		acknowledged()
	}
}

// verify fails unless what is there was acknowledged, or was being written at the time.
func (w *writer) verify(ctx context.Context, s store.Store) error {
	var found []store.Item
	for i, it := range w.items {
		items, err := s.Get(ctx, it.Key)
		if err != nil {
			return fmt.Errorf("the first reads after a start: %w", err)
		}
		if it.Version == "" && len(items) == 0 {
			items = w.items[i : i+1] // nothing of it was ever acknowledged
		}
		if len(items) != 1 || items[0].Version != it.Version && items[0].Version != w.tried[i].Version {
			return fmt.Errorf("found %v, want version %s (acknowledged) or %s", items, it.Version, w.tried[i].Version)
		}
		found = append(found, items[0])
	}
	if !bytes.Equal(found[0].Value, found[1].Value) {
		return fmt.Errorf("half a write: %s and %s", found[0].Value, found[1].Value)
	}
	w.items = found
	return nil
}

// A connection that breaks around a write leaves its fate unknown, and the error never says otherwise. The item shows
// it.
func TestT4_ConnectionBreaks(t *testing.T) {
	for _, mode := range []string{"exec", "simple_protocol"} { // in both each statement's text is said each time
		t.Run(mode, func(t *testing.T) { testConnectionBreaks(t, postgres(t, "default_query_exec_mode="+mode)) })
	}
}

func testConnectionBreaks(t *testing.T, dsn string) {
	target, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	plain := postgresStore(t, openPostgres(t, target.String()), nil)
	for _, tc := range []struct {
		name    string
		word    string // that the client is about to say, or has said, when the connection breaks
		arrives bool
		changes int
		want    bool // it was written
	}{
		{"before commit", "COMMIT\x00", false, 2, false},
		{"after commit", "COMMIT\x00", true, 2, true},
		{"before the second statement", "right", false, 2, false},
		{"after the second statement", "right", true, 2, false},
		{"before begin", "BEGIN", false, 2, true}, // nothing was done, so another connection is tried
		{"after begin", "BEGIN", true, 2, true},
		{"before a statement alone", "INSERT", false, 1, false},
		{"after a statement alone", "INSERT", true, 1, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := &cutter{target: target.Host, arrives: tc.arrives}
			through := *target
			through.Host = c.listen(t)
			s := postgresStore(t, openPostgres(t, through.String()), nil)
			changes := []store.Change{
				store.Put(store.Item{Key: store.Key{Part: "left " + tc.name, ID: "n"}}),
				store.Put(store.Item{Key: store.Key{Part: "right " + tc.name, ID: "n"}}),
			}[:tc.changes]
			c.word.Store(&tc.word)
			err := s.Write(t.Context(), changes...)
			if c.word.Load() != nil {
				t.Fatal("the connection did not break")
			}
			if tc.word == "BEGIN" && err != nil {
				t.Errorf("a connection that broke before the first change: %v", err)
			}
			if tc.word != "BEGIN" && (err == nil || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrInvalid)) {
				t.Errorf("got %v, want an error that leaves it open", err)
			}
			for _, change := range changes {
				// A read by way of Write: the server may be still at it, and then this waits.
				conflict := plain.Write(t.Context(), store.Check(change.Item.Key, ""), store.Put(store.Item{Key: store.Key{Part: "after", ID: change.Item.Version}}))
				if written := errors.Is(conflict, store.ErrConflict); written != tc.want || conflict != nil && !written {
					t.Errorf("written is %t (%v), want %t", written, conflict, tc.want)
				}
			}
			word := tc.word
			if tc.changes == 1 {
				word = "SELECT value"
			}
			c.word.Store(&word)
			if _, err := s.Get(t.Context(), changes[0].Item.Key); err != nil {
				t.Errorf("a read, which may be tried again: %v", err)
			}
		})
	}
}

// cutter stands between a client and a server and breaks, once, the connection on which the client says word.
type cutter struct {
	target  string
	arrives bool                   // the server still gets it
	word    atomic.Pointer[string] // nil: it breaks nothing
}

func (c *cutter) listen(t *testing.T) (address string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", c.target)
			if err != nil {
				t.Error(err)
				client.Close()
				return
			}
			var broken atomic.Bool
			wg.Go(func() {
				defer server.Close()
				forward(server, client, func(said []byte) (last bool) {
					word := c.word.Load()
					if word == nil || !bytes.Contains(said, []byte(*word)) || !c.word.CompareAndSwap(word, nil) {
						return false
					}
					broken.Store(true)
					if !c.arrives {
						client.Close()
						return true
					}
					return false
				})
			})
			wg.Go(func() {
				defer client.Close()
				forward(client, server, func([]byte) bool { return broken.Load() }) // it has been heard, and nobody learns
			})
		}
	})
	t.Cleanup(func() { // runs after the database is closed, and with it the connections
		listener.Close()
		wg.Wait()
	})
	return listener.Addr().String()
}

// forward copies until either end is closed, or until last says that what was read goes no further.
func forward(to io.Writer, from io.Reader, last func(said []byte) bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil || last(buffer[:n]) {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// A call whose context ends while it waits for a lock gives up at once, says neither yes nor no, and leaves no
// transaction behind.
func TestT2_PostgresCallersGiveUp(t *testing.T) {
	db := openPostgres(t, postgres(t))
	db.SetMaxOpenConns(4)
	s := postgresStore(t, db, nil)
	put := store.Put(store.Item{Key: left})
	if err := s.Write(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("SELECT 1 FROM postern_items FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	for name, changes := range map[string][]store.Change{
		"one": {store.Put(put.Item)},
		"two": {store.Put(put.Item), store.Put(store.Item{Key: right})},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Write(ctx, changes...) }()
		awaitWaiting(t, db, 1)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: %v, want that the context was cancelled", name, err)
		}
		awaitWaiting(t, db, 0)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if items, err := s.Get(t.Context(), left, right); err != nil || len(items) != 1 || items[0].Version != put.Item.Version {
		t.Errorf("after two that gave up: %v, %v", items, err)
	}
	if err := s.Write(t.Context(), store.Put(put.Item), store.Put(store.Item{Key: right})); err != nil {
		t.Errorf("a write after all that: %v", err)
	}
	if open := db.Stats().InUse; open != 0 {
		t.Errorf("%d connections were kept", open)
	}
	if strings.Contains(fmt.Sprint(s), "postgres://") {
		t.Error("a Store shows its connection string")
	}
}
