package sqlstore_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/posternauth/postern/store"
)

const (
	roleEnv = "POSTERN_SQLSTORE_ROLE" // what a child process does
	fileEnv = "POSTERN_SQLSTORE_FILE" // on which database
)

// TestMain lets the test binary be its own child processes.
func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "":
		code := m.Run()
		if err := closeShared(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	case "racer":
		childMain(raceRounds)
	case "writer":
		childMain(writeUntilKilled)
	}
}

// childMain opens the store as a program would and runs f on it.
func childMain(f func(s store.Store) error) {
	s, closeAll, err := openFile(os.Getenv(fileEnv))
	if err == nil {
		err = errors.Join(f(s), closeAll())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child is another process on the same file, with its lines in and out.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func start(t *testing.T, role, file string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.Command(self)}
	c.cmd.Env = append(os.Environ(), roleEnv+"="+role, fileEnv+"="+file)
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewScanner(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

const rounds = 100

// TestT2_TwoProcesses lets two processes, of four goroutines each, race for one item in each of 100 rounds, and both
// increment one counter and one number. Both open the file, which does not exist, at the same time.
func TestT2_TwoProcesses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "test.db")
	children := []*child{start(t, "racer", file), start(t, "racer", file)}
	for _, c := range children {
		if !c.out.Scan() || c.out.Text() != "ready" {
			t.Fatalf("a process did not get ready: %q, %v", c.out.Text(), c.out.Err())
		}
	}
	for round := range rounds {
		for _, c := range children {
			fmt.Fprintln(c.in, round)
		}
		won := 0
		for _, c := range children {
			if !c.out.Scan() {
				t.Fatalf("round %d: a process ended: %v", round, c.out.Err())
			}
			n, err := strconv.Atoi(c.out.Text())
			if err != nil {
				t.Fatalf("round %d: %s", round, c.out.Text())
			}
			won += n
		}
		if won != 1 {
			t.Errorf("round %d: %d winners, want 1", round, won)
		}
	}
	for _, c := range children {
		c.in.Close()
		if err := c.cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	s, closeAll, err := openFile(file)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll()
	const each = rounds * 2 * 4
	items, err := s.Get(t.Context(), store.Key{Part: "number", ID: "n"})
	if err != nil || len(items) != 1 || string(items[0].Value) != strconv.Itoa(each) {
		t.Errorf("the number after %d increments: %s, %v", each, items, err)
	}
	if n, err := s.Add(t.Context(), store.Key{Part: "counter", ID: "n"}, 0, forever); err != nil || n != each {
		t.Errorf("the counter after %d Adds: %d, %v", each, n, err)
	}
}

// raceRounds is one racing process: for each line it reads, it tries once in each of four goroutines and prints how
// many won.
func raceRounds(s store.Store) error {
	fmt.Println("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		round := lines.Text()
		var won atomic.Int64
		errs := make([]error, 4)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { errs[i] = raceOnce(s, round, &won) })
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			fmt.Println(strings.ReplaceAll(err.Error(), "\n", "; "))
			continue
		}
		fmt.Println(won.Load())
	}
	return lines.Err()
}

func raceOnce(s store.Store, round string, won *atomic.Int64) error {
	first := store.Put(store.Item{Key: store.Key{Part: "round" + round, ID: "winner"}})
	second := store.Put(store.Item{Key: store.Key{Part: "bought" + round, ID: first.Item.Version}})
	switch err := s.Write(background, first, second); {
	case err == nil:
		won.Add(1)
	case !errors.Is(err, store.ErrConflict):
		return err
	}
	if _, err := s.Add(background, store.Key{Part: "counter", ID: "n"}, 1, forever); err != nil {
		return err
	}
	for {
		err := increment(s, store.Key{Part: "number", ID: "n"})
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

func increment(s store.Store, k store.Key) error {
	items, err := s.Get(background, k)
	if err != nil {
		return err
	}
	it, n := store.Item{Key: k}, 0
	if len(items) == 1 {
		it = items[0]
		if n, err = strconv.Atoi(string(it.Value)); err != nil {
			return err
		}
	}
	it.Value = strconv.AppendInt(nil, int64(n+1), 10)
	return s.Write(background, store.Put(it))
}
