package torture

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/store"
)

// A diary is where workers write down what they do, line by line:
//
//	begun   <refresh token> <Unix ms>   a session was created, or refreshed
//	ending  <session id>                it is about to be ended
//	ended   <session id>                it was ended
//
// Each line is written after the answer it is about, and before anything else is asked for.
type diary func(line string) error

const workers = 4 // of a process

// workUntilKilled is a process that signs people in and out until it is killed.
func workUntilKilled(spec string) error {
	base := time.Now()
	st, closeAll, err := open(spec, func() time.Time { return base })
	if err != nil {
		return err
	}
	defer closeAll()
	write := func(line string) error { _, err := io.WriteString(os.Stdout, line); return err } // one call a line: no half lines of others
	failed := make(chan error, workers)
	for range workers {
		go func() { failed <- work(context.Background(), st, base, write, nil) }()
	}
	return <-failed
}

// work signs people in and out and writes it down, until ctx ends or the diary is shut. mishap receives the errors;
// nil: they end the work.
func work(ctx context.Context, st store.Store, base time.Time, write diary, mishap func(error)) error {
	c := new(clock)
	o, err := newOffice(st, c)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		c.set(base)
		if err := oneLife(ctx, o, write); err != nil {
			if mishap == nil || ctx.Err() != nil {
				return err
			}
			mishap(err)
		}
	}
	return nil
}

// oneLife is that of one session; half of them are ended, in one of two ways.
func oneLife(ctx context.Context, o *office, write diary) error {
	subject := "s" + strconv.FormatUint(rand.Uint64(), 36)
	t, err := o.create(ctx, subject)
	if err != nil {
		return err
	}
	if err := write(fmt.Sprintln("begun", t.Refresh, o.ms.Load())); err != nil {
		return err
	}
	for range rand.N(4) {
		o.add(40 * time.Second)
		if t, err = o.sessions.Refresh(ctx, t.Refresh); err != nil {
			return err
		}
		if err := write(fmt.Sprintln("begun", t.Refresh, o.ms.Load())); err != nil {
			return err
		}
	}
	if rand.N(2) == 0 {
		return nil
	}
	if err := write(fmt.Sprintln("ending", t.SessionID)); err != nil {
		return err
	}
	if rand.N(2) == 0 {
		err = o.sessions.Revoke(ctx, t.SessionID)
	} else {
		err = o.sessions.RevokeSubject(ctx, subject)
	}
	if err != nil {
		return err
	}
	return write(fmt.Sprintln("ended", t.SessionID))
}

// A register is what was acknowledged of all sessions.
type register struct {
	lives   map[string]*life // by session id
	touched map[string]bool  // since the last verification
	acks    int
}

type life struct {
	token  string // the latest that was handed out
	at     time.Time
	ending bool
	ended  bool
}

// enter reads a line of a diary. A line that was cut off when the process died says nothing.
func (r *register) enter(t *testing.T, line string) {
	t.Helper()
	words := strings.Fields(line)
	switch {
	case len(words) == 0 || !strings.HasSuffix(line, "\n"):
		return
	case len(words) == 3 && words[0] == "begun":
		ms, err := strconv.ParseInt(words[2], 10, 64)
		if err != nil {
			t.Fatalf("in a diary: %q", line)
		}
		id := idOf(words[1])
		if r.lives[id] == nil {
			r.lives[id] = new(life)
		}
		r.lives[id].token, r.lives[id].at = words[1], time.UnixMilli(ms)
		r.touched[id] = true
		r.acks++
	case len(words) == 2 && r.lives[words[1]] != nil:
		l := r.lives[words[1]]
		l.ending = true
		if words[0] == "ended" {
			l.ended = true
			r.acks++
		}
	default:
		t.Fatalf("in a diary: %q", line)
	}
}

// verify asks the store about every session, or only about those of which something new is known. Of what was in doubt
// it notes how it turned out. It returns how many live and how many are over.
func (r *register) verify(t *testing.T, st store.Store, all bool) (live, over int) {
	t.Helper()
	c := new(clock)
	o, err := newOffice(st, c)
	if err != nil {
		t.Fatal(err)
	}
	for id, l := range r.lives {
		if !all && !r.touched[id] {
			continue
		}
		c.set(l.at)
		got, err := o.sessions.Refresh(t.Context(), l.token)
		switch end := outcome(err); {
		case end == "ok" && l.ended:
			t.Fatalf("a session that was ended lives, its generation %d", number(got.Refresh))
		case end == "ok":
			if n := number(got.Refresh); n != number(l.token) && n != number(l.token)+1 {
				t.Fatalf("generation %d was acknowledged, %d is there", number(l.token), n)
			}
			live++
		case end == "ended" && l.ending:
			l.ended = true // if it was in doubt it is not any more: it must never come back
			over++
		default:
			t.Fatalf("a session of generation %d that was acknowledged: %v", number(l.token), err)
		}
	}
	clear(r.touched)
	return live, over
}

func newRegister() *register { return &register{lives: map[string]*life{}, touched: map[string]bool{}} }

// TestT4_ProgramKilled kills a program that signs people in and out, at any moment, many times over. All sessions it
// had told of are there, and none that was ended is back, then and in the end.
func TestT4_ProgramKilled(t *testing.T) {
	each(t, func(t *testing.T, b backend, at *place) {
		st, closeAll, err := open(at.spec, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer closeAll()
		r := newRegister()
		kills, began := size(t, max(3, 25/b.slow)), time.Now()
		for kill := range kills {
			c := startChild(t, "worker", at.spec)
			lines := make(chan string, 1<<16)
			go func() {
				defer close(lines)
				for c.out.Scan() {
					lines <- c.out.Text() + "\n"
				}
			}()
			for range 1 + rand.N(20) { // a different amount of work each time, and then whatever the process is at
				line, ok := <-lines
				if !ok {
					t.Fatalf("kill %d: the program ended by itself: %v\n%s", kill, c.cmd.Wait(), &c.stderr)
				}
				r.enter(t, line)
			}
			<-time.After(rand.N(5 * time.Millisecond))
			if err := c.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			for line := range lines { // what it wrote before it died was acknowledged as well
				r.enter(t, line)
			}
			_ = c.cmd.Wait() // "signal: killed" is what was asked for
			r.verify(t, st, false)
		}
		live, over := r.verify(t, st, true)
		t.Logf("%d kills of the program in %v: of %d acknowledgements about %d sessions none lost, %d live and %d are over; %s",
			kills, time.Since(began).Round(time.Millisecond), r.acks, len(r.lives), live, over, bound(kills))
		if r.acks < kills || kills >= 20 && (live == 0 || over == 0) {
			t.Error("the work was too little to show anything")
		}
	})
}

// bound is the 95 % upper bound of a rate of which n tries have shown nothing: the rule of three.
func bound(n int) string {
	return fmt.Sprintf("0 of %d, so at most %.3g %% of kills at a confidence of 95 %%", n, min(100, 300/float64(n)))
}
