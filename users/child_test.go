package users_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/posternauth/postern"
)

const childEnv = "POSTERN_USERS_CHILD" // "pool engine …": be a process that races on this store

// An orderOfRace is one race of a child: to create a user, or to link an identity to a user of this process.
type orderOfRace struct {
	Identity postern.Identity
	Racers   int
	Link     []string // users; empty: create
}

// child follows orders from its standard input, line by line, and answers each with the number of winners.
func child(spec string) error {
	pool, spec, _ := strings.Cut(spec, " ")
	t := &childT{}
	w := newWorldOn(t, spec)
	w.pool = pool
	w.dir = w.on(w.store)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var o orderOfRace
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return err
		}
		won := w.obey(o)
		if _, err := fmt.Println(won); err != nil {
			return err
		}
	}
	t.end()
	return lines.Err()
}

func (w *world) obey(o orderOfRace) int {
	return race(o.Racers, func(i int) (err error) {
		if len(o.Link) > 0 {
			err = w.dir.Link(context.Background(), o.Link[i], o.Identity)
		} else {
			_, err = w.dir.Create(context.Background(), signUp(o.Identity))
		}
		if err != nil && !errors.Is(err, postern.ErrTaken) {
			w.t.Error(err)
		}
		return err
	})
}

// A childT is the testing.TB of a child.
type childT struct {
	testing.TB
	cleanups []func()
}

func (t *childT) Helper()                   {}
func (t *childT) Cleanup(f func())          { t.cleanups = append(t.cleanups, f) }
func (t *childT) Fatal(a ...any)            { panic(fmt.Sprint(a...)) }
func (t *childT) Error(a ...any)            { panic(fmt.Sprint(a...)) }
func (t *childT) Errorf(s string, a ...any) { panic(fmt.Sprintf(s, a...)) }

func (t *childT) end() {
	for _, f := range t.cleanups {
		f()
	}
}

// Two processes race on one store: for an address, an identity and a username, and to link. One owner each.
func TestRace_TwoProcesses(t *testing.T) {
	for _, e := range engines[1:] {
		t.Run(e.name, func(t *testing.T) {
			w := newWorldOn(t, e.start(t))
			self := must(os.Executable())(t)
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), childEnv+"="+w.pool+" "+w.spec)
			cmd.Stderr = os.Stderr
			in := must(cmd.StdinPipe())(t)
			out := bufio.NewScanner(must(cmd.StdoutPipe())(t))
			w.ok(cmd.Start())
			t.Cleanup(func() {
				in.Close()
				if err := cmd.Wait(); err != nil {
					t.Errorf("the other process: %v", err)
				}
			})
			n := w.racers() / 2
			together := func(o, theirs orderOfRace) int {
				line, _ := json.Marshal(theirs)
				_, err := in.Write(append(line, '\n'))
				w.ok(err)
				won := w.obey(o)
				if !out.Scan() {
					t.Fatalf("the other process ended: %v", out.Err())
				}
				var also int
				_, err = fmt.Sscan(out.Text(), &also)
				w.ok(err)
				return won + also
			}
			for round := range 1 + n/10 {
				for _, id := range []postern.Identity{
					mail(fmt.Sprintf("ada%d@example.com", round)), account(fmt.Sprint("g", round), fmt.Sprintf("bob%d@example.com", round)), username(fmt.Sprint("ada_", round)),
				} {
					o := orderOfRace{Identity: id, Racers: n}
					if won := together(o, o); won != 1 {
						t.Errorf("%s: %d racers of two processes made a user", id.Issuer, won)
					}
					w.sound(w.found(id))
				}
			}
			var ours, theirs []string
			for i := range n {
				ours, theirs = append(ours, w.create(account(fmt.Sprint("ours", i)))), append(theirs, w.create(account(fmt.Sprint("theirs", i))))
			}
			id := account("wanted")
			if won := together(orderOfRace{id, n, ours}, orderOfRace{id, n, theirs}); won != 1 {
				t.Errorf("%d racers of two processes linked one identity", won)
			}
			w.sound(w.found(id))
		})
	}
}
