package torture

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	roleEnv = "POSTERN_TORTURE_ROLE" // what a child process does
	specEnv = "POSTERN_TORTURE_SPEC" // on which store
)

// TestMain lets the test binary be its own child processes.
func TestMain(m *testing.M) {
	redis.SetLogger(silent{}) // what it says of servers that were killed is known
	var role func(spec string) error
	switch name := os.Getenv(roleEnv); name {
	case "":
		os.Exit(m.Run())
	case "office":
		role = serveOrders
	case "worker":
		role = workUntilKilled
	default:
		role = func(string) error { return fmt.Errorf("no such role: %q", name) }
	}
	if err := role(os.Getenv(specEnv)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// A child is another process on the same store, with its lines in and out.
type child struct {
	t      testing.TB
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Scanner
	stderr bytes.Buffer
}

func startChild(t testing.TB, role, spec string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: exec.Command(self)}
	c.cmd.Env = append(os.Environ(), roleEnv+"="+role, specEnv+"="+spec)
	c.cmd.Stderr = &c.stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewScanner(out)
	c.out.Buffer(nil, 8<<20)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// startOffice starts a process that follows orders until the end of the test.
func startOffice(t testing.TB, spec string) *child {
	t.Helper()
	c := startChild(t, "office", spec)
	t.Cleanup(func() {
		c.in.Close()
		if err := c.cmd.Wait(); err != nil { // a data race is an exit status, too
			t.Errorf("a process ended badly: %v\n%s", err, &c.stderr)
		}
	})
	return c
}

// An order is a task for an office, in one line of JSON.
type order struct {
	Do      string
	Now     int64    // Unix milliseconds, on the clock of the office
	Start   int64    // Unix nanoseconds of the real time at which all that is parallel begins
	Tokens  []string // refresh tokens, one for each parallel call
	Copies  int      // of each
	Subject string

	Steps  [][]step // of each goroutine
	Faults bool     // calls of the store go wrong now and then
}

// An account is the answer of an office.
type account struct {
	Results []result
	Events  map[string]int
	Failed  string // the office could not do it at all
}

// A result is that of one call, or of several that ended alike.
type result struct {
	Outcome string `json:",omitempty"`
	Refresh string `json:",omitempty"`
	Access  string `json:",omitempty"`
	Times   int    `json:",omitempty"`
}

// send sends an order without waiting for the account.
func (c *child) send(o order) {
	c.t.Helper()
	line, err := json.Marshal(o)
	if err == nil {
		_, err = c.in.Write(append(line, '\n'))
	}
	if err != nil {
		c.t.Fatalf("a process does not listen: %v\n%s", err, &c.stderr)
	}
}

func (c *child) hear(into any) {
	c.t.Helper()
	if !c.out.Scan() {
		c.t.Fatalf("a process ended: %v", c.out.Err())
	}
	if err := json.Unmarshal(c.out.Bytes(), into); err != nil {
		c.t.Fatal(err)
	}
}

// ask sends an order and returns the account.
func (c *child) ask(o order) account {
	c.t.Helper()
	c.send(o)
	return c.account()
}

func (c *child) account() (a account) {
	c.t.Helper()
	c.hear(&a)
	if a.Failed != "" {
		c.t.Fatalf("a process failed: %s", a.Failed)
	}
	return a
}

// soon is a moment that orders sent now can meet.
func soon() int64 { return time.Now().Add(2 * time.Millisecond).UnixNano() }

// serveOrders is a process that follows orders, line by line.
func serveOrders(spec string) error {
	c := new(clock)
	c.set(time.Now())
	st, closeAll, err := open(spec, c.now)
	if err != nil {
		return err
	}
	shaky := &shaky{Store: st}
	o, err := newOffice(shaky, c)
	if err != nil {
		return errors.Join(err, closeAll())
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		var do order
		if err := json.Unmarshal(lines.Bytes(), &do); err != nil {
			return err
		}
		c.ms.Store(do.Now)
		shaky.on.Store(do.Faults)
		var answer any
		if do.Steps != nil {
			answer = o.live(do)
		} else {
			answer = o.obey(do)
		}
		line, err := json.Marshal(answer)
		if err != nil {
			return err
		}
		if _, err := os.Stdout.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return errors.Join(lines.Err(), closeAll())
}

func (o *office) obey(do order) (a account) {
	ctx := context.Background()
	switch do.Do {
	case "create":
		for range max(1, do.Copies) {
			t, err := o.create(ctx, do.Subject)
			if err != nil {
				a.Failed = err.Error()
			}
			a.Results = append(a.Results, result{Outcome: outcome(err), Refresh: t.Refresh, Access: t.Access, Times: 1})
		}
	case "refresh":
		a.Results = o.refreshAll(ctx, do)
	case "check":
		for _, access := range do.Tokens {
			_, err := o.user.Verify(ctx, access, checkStore)
			a.Results = append(a.Results, result{Outcome: outcome(err), Times: 1})
		}
	default:
		a.Failed = "no such order: " + do.Do
	}
	a.Events = o.takeEvents()
	return a
}

// refreshAll uses every token as often as there are copies, all at once. The results stand in the order of the tokens,
// those of the same token and with the same end together.
func (o *office) refreshAll(ctx context.Context, do order) (all []result) {
	copies := max(1, do.Copies)
	results := make([]result, len(do.Tokens)*copies)
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			<-begin
			t, err := o.sessions.Refresh(ctx, do.Tokens[i/copies])
			results[i] = result{Outcome: outcome(err), Refresh: t.Refresh, Access: t.Access, Times: 1}
		})
	}
	<-time.After(time.Until(time.Unix(0, do.Start))) // the barrier that the processes have in common
	close(begin)
	wg.Wait()
	for i := 0; i < len(results); i += copies {
		first := len(all)
		for _, r := range results[i : i+copies] {
			if j := same(all[first:], r); j >= 0 {
				all[first+j].Times++
			} else {
				all = append(all, r)
			}
		}
	}
	return all
}

func same(all []result, r result) int {
	for i, other := range all {
		if other.Outcome == r.Outcome && other.Refresh == r.Refresh {
			return i
		}
	}
	return -1
}
