package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/store"
)

// TestT4_Kill kills a durable server at any moment under load and starts it again, many times over. What it had
// acknowledged must be there: writes, counts, and above all deletions.
func TestT4_Kill(t *testing.T) {
	kills := 20
	if testing.Short() {
		kills = 5
	}
	if n, err := strconv.Atoi(os.Getenv("POSTERN_TEST_LONG")); err == nil {
		kills *= n
	}
	server := testserver.RedisWith(t, testserver.RedisOptions{Durable: true})
	writers := make([]*writer, 4)
	for i := range writers {
		writers[i] = &writer{name: fmt.Sprint("w", i)}
	}
	reconnect := func() { // for go-redis goes on failing for a second after a server has come back
		client := connect(t, &redis.Options{Addr: server.Addr(), MaxRetries: -1, DialerRetries: 1})
		for _, w := range writers {
			w.s = open(t, client, nil)
		}
	}
	reconnect()
	total := 0
	for kill := range kills {
		var acknowledged atomic.Int64
		enough := make(chan struct{})
		target := int64(20 + kill*7%40) // a different number of writes each time, and then whatever the server is at
		var wg sync.WaitGroup
		for _, w := range writers {
			wg.Go(func() {
				w.run(t, func() {
					if acknowledged.Add(1) == target {
						close(enough)
					}
				})
			})
		}
		stopped := make(chan struct{})
		go func() { wg.Wait(); close(stopped) }()
		select {
		case <-enough:
		case <-stopped:
			t.Fatalf("kill %d: the writers ended by themselves", kill)
		}
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		<-stopped
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		reconnect()
		for _, w := range writers {
			w.verify(t, kill)
		}
		if t.Failed() {
			return
		}
		total += int(acknowledged.Load())
	}
	t.Logf("%d kills, %d acknowledged rounds of five operations, nothing lost", kills, total)
}

// A writer raises two items of different parts together, ends the session it began in the round before, and counts.
type writer struct {
	s    store.Store
	name string

	pair       [2]store.Item // as last acknowledged or found
	n          int
	alive      store.Item // the session that was acknowledged and nobody has tried to end
	ended      []store.Key
	counted    int64
	inDoubt    int64
	attempting store.Item // a session whose beginning or end was not acknowledged
}

func (w *writer) key(kind, id string) store.Key { return store.Key{Part: w.name + kind, ID: id} }

// run works until the server is gone.
func (w *writer) run(t *testing.T, acknowledged func()) {
	ctx := t.Context()
	for {
		stop := func(err error) bool {
			if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrInvalid) {
				t.Errorf("%s: %v", w.name, err)
			}
			return err != nil
		}
		w.pair[0].Key, w.pair[1].Key = w.key("left", "n"), w.key("right", "n")
		w.pair[0].Value = strconv.AppendInt(nil, int64(w.n+1), 10)
		w.pair[1].Value = w.pair[0].Value
		a, b := store.Put(w.pair[0]), store.Put(w.pair[1])
		if stop(w.s.Write(ctx, a, b)) {
			return
		}
		w.pair[0], w.pair[1] = a.Item, b.Item
		w.n++
		begin := store.Put(store.Item{Key: w.key("session", a.Item.Version), Expires: time.Now().Add(time.Hour)})
		w.attempting = begin.Item
		if stop(w.s.Write(ctx, begin)) {
			return
		}
		if w.alive.Version != "" {
			end := w.alive
			w.attempting, w.alive = end, begin.Item
			if stop(w.s.Write(ctx, store.Delete(end.Key, end.Version))) {
				return
			}
			w.ended = append(w.ended, end.Key)
		}
		w.attempting, w.alive = store.Item{}, begin.Item
		if _, err := w.s.Add(ctx, w.key("count", "n"), 1, forever); err != nil {
			w.inDoubt++
			return
		}
		w.counted++
		acknowledged()
	}
}

// verify compares what the server has with what it acknowledged, and goes on from what it has.
func (w *writer) verify(t *testing.T, kill int) {
	t.Helper()
	ctx := context.Background()
	items, err := w.s.Get(ctx, w.key("left", "n"), w.key("right", "n"))
	if err != nil || len(items) == 1 || len(items) == 2 && string(items[0].Value) != string(items[1].Value) {
		t.Fatalf("kill %d, %s: half a write: %s, %v", kill, w.name, items, err)
	}
	n := 0
	w.pair = [2]store.Item{}
	if len(items) == 2 {
		if n, err = strconv.Atoi(string(items[0].Value)); err != nil {
			t.Fatal(err)
		}
		w.pair = [2]store.Item(items)
	}
	if n != w.n && n != w.n+1 {
		t.Errorf("kill %d, %s: %d is left, %d was acknowledged", kill, w.name, n, w.n)
	}
	w.n = n

	sessions := map[store.Key]bool{}
	for after := ""; ; {
		items, next, err := w.s.List(ctx, w.name+"session", after, store.MaxList)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range items {
			sessions[it.Key] = true
			found, err := w.s.Get(ctx, it.Key)
			if err != nil || len(found) != 1 {
				t.Errorf("kill %d, %s: List shows a session that Get does not: %v, %v", kill, w.name, found, err)
			}
			if it.Key == w.attempting.Key && it.Key != w.alive.Key { // in doubt, and it is there: end it for certain
				if err := w.s.Write(ctx, store.Delete(it.Key, it.Version)); err != nil {
					t.Fatal(err)
				}
				w.ended = append(w.ended, it.Key)
				delete(sessions, it.Key)
			}
		}
		if after = next; after == "" {
			break
		}
	}
	if w.alive.Version != "" && !sessions[w.alive.Key] {
		t.Errorf("kill %d, %s: an acknowledged session is lost", kill, w.name)
	}
	for _, k := range w.ended {
		if sessions[k] {
			t.Errorf("kill %d, %s: an ended session is alive again", kill, w.name)
		}
	}
	if want := map[bool]int{true: 1}[w.alive.Version != ""]; len(sessions) != want {
		t.Errorf("kill %d, %s: %d sessions, want %d", kill, w.name, len(sessions), want)
	}
	sum, err := w.s.Add(ctx, w.key("count", "n"), 0, forever)
	if err != nil || sum < w.counted || sum > w.counted+w.inDoubt {
		t.Errorf("kill %d, %s: the counter is %d, %v; %d were acknowledged and %d are in doubt", kill, w.name, sum, err, w.counted, w.inDoubt)
	}
	w.counted, w.inDoubt, w.attempting = sum, 0, store.Item{}
}
