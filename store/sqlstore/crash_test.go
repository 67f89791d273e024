package sqlstore_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/posternauth/postern/store"
)

// TestT4_Kill kills a writing process at any moment, many times over. What it had acknowledged must be there, and the
// two items of each of its writes must agree.
func TestT4_Kill(t *testing.T) {
	kills := 60
	if testing.Short() {
		kills = 10
	}
	file := filepath.Join(t.TempDir(), "test.db")
	acknowledged := 0
	for kill := range kills {
		c := start(t, "writer", file)
		// A different number of writes each time, and then whatever the process is at.
		for range 1 + kill*7%20 {
			if !c.out.Scan() {
				t.Fatalf("kill %d: the process ended by itself: %v", kill, c.out.Err())
			}
			n, err := strconv.Atoi(c.out.Text())
			if err != nil || n <= acknowledged {
				t.Fatalf("kill %d: acknowledged %q after %d", kill, c.out.Text(), acknowledged)
			}
			acknowledged = n
		}
		if err := c.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for c.out.Scan() { // what it wrote to the pipe before it died was acknowledged as well
			if n, err := strconv.Atoi(c.out.Text()); err == nil {
				acknowledged = max(acknowledged, n)
			}
		}
		c.in.Close()
		_ = c.cmd.Wait() // "signal: killed" is what was asked for

		s, closeAll, err := openFile(file)
		if err != nil {
			t.Fatalf("kill %d: opening what is left: %v", kill, err)
		}
		items, err := s.Get(t.Context(), left, right)
		if err != nil || len(items) != 2 || string(items[0].Value) != string(items[1].Value) {
			t.Fatalf("kill %d: half a write: %s, %v", kill, items, err)
		}
		if n, err := strconv.Atoi(string(items[0].Value)); err != nil || n < acknowledged {
			t.Fatalf("kill %d: %q is left, %d was acknowledged", kill, items[0].Value, acknowledged)
		}
		if err := closeAll(); err != nil {
			t.Fatal(err)
		}
	}
}

var left, right = store.Key{Part: "left", ID: "n"}, store.Key{Part: "right", ID: "n"}

// writeUntilKilled raises two items together, and prints each number once its write was answered.
func writeUntilKilled(s store.Store) error {
	out := bufio.NewWriter(os.Stdout)
	items, err := s.Get(background, left, right)
	if err != nil {
		return err
	}
	if len(items) == 0 {
		items = []store.Item{{Key: left, Value: []byte("0")}, {Key: right, Value: []byte("0")}}
	}
	for n, err := strconv.Atoi(string(items[0].Value)); ; n++ {
		if err != nil {
			return err
		}
		items[0].Value = strconv.AppendInt(nil, int64(n+1), 10)
		items[1].Value = items[0].Value
		a, b := store.Put(items[0]), store.Put(items[1])
		if err := s.Write(background, a, b); err != nil {
			return err
		}
		items[0], items[1] = a.Item, b.Item
		fmt.Fprintln(out, n+1)
		if err := out.Flush(); err != nil {
			return err
		}
	}
}
