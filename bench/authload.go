package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// An authServer is a whole authorization server in a separate process, with people who have accounts there.
type authServer struct {
	name string
	pid  int
	stop func()

	// client makes what one worker needs to sign in, check and refresh. Its functions are nil for what the server
	// does not have.
	client func(worker int) (authClient, error)
}

// An authClient does one thing at a time, over connections that it keeps.
type authClient struct {
	verify, refresh, rotate, password, mailed func(context.Context) error
}

// authTasks are what is measured, in the order of the table.
var authTasks = []struct {
	name string
	do   func(authClient) func(context.Context) error
}{
	{"verify", func(c authClient) func(context.Context) error { return c.verify }},
	{"refresh, the same token again", func(c authClient) func(context.Context) error { return c.refresh }},
	{"refresh, rotated", func(c authClient) func(context.Context) error { return c.rotate }},
	{"sign-in, mailed code", func(c authClient) func(context.Context) error { return c.mailed }},
	{"sign-in, password", func(c authClient) func(context.Context) error { return c.password }},
}

// authAccounts is how many people have an account: each worker signs in a share of them, so that no limit for one
// person is met.
const authAccounts = 96

// whole loads whole servers beside each other: `postern serve` and authorization servers on Node.
func whole(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench whole", flag.ContinueOnError)
	rounds := flags.Int("rounds", 7, "how often each server has its turn at each task")
	turn := flags.Duration("turn", 2*time.Second, "how long a turn is")
	workers := flags.Int("workers", 8, "how many clients there are at once")
	which := flags.String("servers", "postern,postern-memory,net-http,openauth,oidc-provider", "servers, separated by commas")
	only := flags.String("only", "", "tasks whose names match this regular expression; empty: all")
	if err := flags.Parse(args); err != nil {
		return err
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	if flags.NArg() > 0 || *rounds < 1 || *turn <= 0 || *workers < 1 || *workers > authAccounts {
		return errors.New("whole takes flags only; -h shows them")
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var all []*wholeResult
	defer func() {
		for _, r := range all {
			r.server.stop()
		}
	}()
	for _, name := range strings.Split(*which, ",") {
		start, known := authServers[name]
		if !known {
			return fmt.Errorf("server %q is not known", name)
		}
		folder := dir + "/" + name
		if err := os.Mkdir(folder, 0o700); err != nil {
			return err
		}
		s, err := start(folder)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		r := &wholeResult{server: s, tasks: make([]wholeTask, len(authTasks))}
		all = append(all, r)
		for n := range *workers {
			c, err := s.client(n)
			if err != nil {
				return fmt.Errorf("%s: client %d: %w", name, n, err)
			}
			r.clients = append(r.clients, c)
		}
	}
	if err := takeTurns(all, wanted, *rounds, *turn); err != nil {
		return err
	}
	return printWhole(out, all)
}

// authServers start a server whose data are in a folder.
var authServers = map[string]func(folder string) (*authServer, error){
	"postern":        func(folder string) (*authServer, error) { return startPostern(folder, "sqlite:"+folder+"/postern.db") },
	"postern-memory": func(folder string) (*authServer, error) { return startPostern(folder, "memory") },
	"net-http":       startBare,
	"openauth":       startOpenAuth,
	"oidc-provider":  startOIDCProvider,
}

type wholeResult struct {
	server  *authServer
	clients []authClient
	tasks   []wholeTask
}

// wholeTask is what one server did of one task.
type wholeTask struct {
	rates []float64 // a second, of each round
	cpu   []float64 // nanoseconds of the server for one, of each round
	took  []time.Duration

	memory float64 // bytes that were resident at the end of a turn, at most
}

// takeTurns lets the servers take turns at each task, in another order each round. The first round is not counted.
// Tasks come one after the other, because memory that one needed is not given back at once.
func takeTurns(all []*wholeResult, wanted *regexp.Regexp, rounds int, turn time.Duration) error {
	for task, is := range authTasks {
		if !wanted.MatchString(is.name) {
			continue
		}
		for round := range rounds + 1 {
			for _, i := range rand.Perm(len(all)) {
				r := all[i]
				if is.do(r.clients[0]) == nil {
					continue
				}
				if err := r.turn(task, turn, round > 0); err != nil {
					return fmt.Errorf("%s: %s: %w", r.server.name, is.name, err)
				}
			}
		}
	}
	return nil
}

func (r *wholeResult) turn(task int, d time.Duration, counts bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), d+30*time.Second)
	defer cancel()
	before, err := cpuOf(r.server.pid)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	var took []time.Duration
	start := time.Now()
	for _, c := range r.clients {
		do := authTasks[task].do(c)
		wg.Go(func() {
			var mine []time.Duration
			var err error
			for last := time.Now(); err == nil && last.Sub(start) < d; {
				err = do(ctx)
				now := time.Now()
				mine, last = append(mine, now.Sub(last)), now
			}
			mu.Lock()
			defer mu.Unlock()
			took, failed = append(took, mine...), cmp.Or(failed, err)
		})
	}
	wg.Wait()
	all := time.Since(start)
	after, err := cpuOf(r.server.pid)
	if err = cmp.Or(failed, err); err != nil || !counts {
		return err
	}
	t := &r.tasks[task]
	t.rates = append(t.rates, float64(len(took))/all.Seconds())
	t.cpu = append(t.cpu, float64(after-before)/float64(len(took)))
	t.took = append(t.took, took...)
	memory, err := residentOf(r.server.pid)
	t.memory = max(t.memory, memory)
	return err
}

// cpuOf returns the time that a process spent on processors (proc(5)).
func cpuOf(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * (time.Second / 100), err // Linux counts in hundredths
}

// residentOf returns how many bytes of memory a process has (proc(5)).
func residentOf(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kb, err := strconv.ParseFloat(strings.Fields(rest + " none")[0], 64)
	return kb * 1024, err
}

func printWhole(out io.Writer, all []*wholeResult) error {
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	for task, is := range authTasks {
		if !slices.ContainsFunc(all, func(r *wholeResult) bool { return len(r.tasks[task].rates) > 0 }) {
			continue
		}
		fmt.Fprintf(t, "%s\t1/s\tp50\tp99\tCPU each\tMB\tthe first one's rate\t\n", is.name)
		for _, r := range all {
			got := r.tasks[task]
			if len(got.rates) == 0 {
				fmt.Fprintf(t, "%s\t-\t-\t-\t-\t-\t-\t\n", r.server.name)
				continue
			}
			slices.Sort(got.took)
			times := "-"
			if first := all[0].tasks[task].rates; len(first) > 0 {
				times = fmt.Sprintf("%.1f x", ratio(first, got.rates))
			}
			fmt.Fprintf(t, "%s\t%.0f\t%s\t%s\t%s\t%.0f\t%s\t\n", r.server.name, quantile(got.rates, 0.5), at(got.took, 0.5), at(got.took, 0.99),
				duration(quantile(got.cpu, 0.5)), got.memory/1e6, times)
		}
		fmt.Fprintln(t, "\t\t\t\t\t\t\t")
	}
	return t.Flush()
}

// startProcess starts a server and waits until ready accepts it.
func startProcess(cmd *exec.Cmd, ready string) (stop func(), err error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop = func() {
		_ = cmd.Process.Kill()
		<-ended
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-ended:
			return nil, fmt.Errorf("it ended: %w", cmp.Or(err, errors.New("without an error")))
		default:
		}
		res, err := http.Get(ready)
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return stop, nil
			}
		}
		if time.Now().After(end) {
			stop()
			return nil, fmt.Errorf("%s did not answer 200 within a minute: %w", ready, cmp.Or(err, errors.New("another status")))
		}
	}
}
