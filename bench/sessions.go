package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// A task is one thing that is done to sessions, by one of the workers.
type task struct {
	name   string
	worker func(n int) (do func(context.Context) error) // what worker n does over and over
	read   bool                                         // compared with what scs takes to read a session
}

// Names of the tasks that others are compared with: reads, and one Store.Write.
const (
	peerRead   = "scs: Load"
	plainWrite = "one row, the driver alone"
	ownWrite   = "one item, Store.Write"
)

// sessions measures what it costs to create, check and refresh sessions in each store, beside alexedwards/scs on the
// same engine. All tasks of an engine take turns in one run.
func sessions(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench sessions", flag.ContinueOnError)
	rounds := flags.Int("rounds", 9, "how often each task has its turn")
	turn := flags.Duration("turn", 300*time.Millisecond, "how long a turn is")
	which := flags.String("engines", "memory,sqlite,postgres,redis,dynamodb", "engines, separated by commas")
	only := flags.String("tasks", "", "measure only tasks that match this `regexp`; what they are compared with has to match, too")
	alg := flags.String("alg", "EdDSA", "algorithm of the access tokens")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || *rounds < 1 || *turn <= 0 {
		return errors.New("sessions takes flags only; -h shows them")
	}
	chosen, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-tasks: %w", err)
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // Postgres runs as another user when this runs as root
		return err
	}
	for _, name := range strings.Split(*which, ",") {
		open, known := engines[name]
		if !known {
			return fmt.Errorf("engine %q is not known", name)
		}
		if err := os.Mkdir(dir+"/"+name, 0o755); err != nil {
			return err
		}
		e, err := open(dir + "/" + name)
		if err != nil {
			fmt.Fprintf(out, "%s: not measured: %v\n\n", name, err)
			continue
		}
		err = e.measure(out, chosen, *alg, *rounds, *turn)
		e.close()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (e *engine) measure(out io.Writer, chosen *regexp.Regexp, alg string, rounds int, turn time.Duration) error {
	tasks, err := e.tasks(alg)
	if err != nil {
		return err
	}
	tasks = slices.DeleteFunc(tasks, func(t task) bool { return !chosen.MatchString(t.name) })
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%s\tworkers\top/s\tp50\tp99\tx peer\tprogram\tserver\tx peer by CPU\t\n", e.name)
	for _, workers := range []int{1, 8} {
		all, err := e.race(tasks, workers, rounds, turn)
		if err != nil {
			return err
		}
		for i, task := range tasks {
			times, server, byCPU := "-", "-", "-"
			if e.server != nil {
				server = duration(quantile(all[i].server, 0.5))
			}
			if base := peerOf(task, tasks); base >= 0 {
				times = fmt.Sprintf("%.2f", ratio(all[i].rates, all[base].rates))
				if e.server != nil || !e.remote {
					byCPU = fmt.Sprintf("%.2f", ratio(all[base].both(), all[i].both()))
				}
			}
			slices.Sort(all[i].took)
			fmt.Fprintf(t, "%s\t%d\t%.0f\t%s\t%s\t%s\t%s\t%s\t%s\t\n", task.name, workers, quantile(all[i].rates, 0.5),
				at(all[i].took, 0.5), at(all[i].took, 0.99), times, duration(quantile(all[i].program, 0.5)), server, byCPU)
		}
	}
	fmt.Fprintln(t)
	return t.Flush()
}

// peerOf finds what a task is compared with.
func peerOf(t task, all []task) int {
	peer := ""
	switch {
	case t.read:
		peer = peerRead
	case t.name == ownWrite:
		peer = plainWrite
	}
	return slices.IndexFunc(all, func(o task) bool { return o.name == peer })
}

func at(sorted []time.Duration, q float64) string {
	return duration(float64(sorted[int(q*float64(len(sorted)-1))]))
}

// tally is what a task did in its turns.
type tally struct {
	rates           []float64 // operations a second, of each round
	program, server []float64 // CPU time of an operation in nanoseconds, of each round
	took            []time.Duration
}

// both is the CPU time of program and server together, of each round.
func (t *tally) both() []float64 {
	sum := make([]float64, len(t.program))
	for i := range sum {
		sum[i] = t.program[i] + t.server[i]
	}
	return sum
}

// race lets tasks take turns, in another order each round.
func (e *engine) race(tasks []task, workers, rounds int, turn time.Duration) ([]tally, error) {
	server := e.server
	if server == nil {
		server = func() (time.Duration, error) { return 0, nil }
	}
	all := make([]tally, len(tasks))
	for round := range rounds + 1 { // the first is for warming up
		for _, i := range rand.Perm(len(tasks)) {
			theirs, err := server()
			if err != nil {
				return nil, err
			}
			ours := cpuTime()
			rate, took, err := tasks[i].turn(workers, turn)
			ours = cpuTime() - ours
			if err != nil {
				return nil, fmt.Errorf("%s: %w", tasks[i].name, err)
			}
			after, err := server()
			if err != nil {
				return nil, err
			}
			if n := float64(len(took)); round > 0 {
				all[i].rates, all[i].took = append(all[i].rates, rate), append(all[i].took, took...)
				all[i].program, all[i].server = append(all[i].program, float64(ours)/n), append(all[i].server, float64(after-theirs)/n)
			}
		}
	}
	return all, nil
}

// turn lets workers do a task for d.
func (t task) turn(workers int, d time.Duration) (rate float64, took []time.Duration, err error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	ctx := context.Background()
	start := time.Now()
	for n := range workers {
		do := t.worker(n)
		wg.Go(func() {
			var mine []time.Duration
			for last := time.Now(); last.Sub(start) < d; {
				failed := do(ctx)
				now := time.Now()
				mine, last = append(mine, now.Sub(last)), now
				if failed != nil {
					mu.Lock()
					err = failed
					mu.Unlock()
					return
				}
			}
			mu.Lock()
			took = append(took, mine...)
			mu.Unlock()
		})
	}
	wg.Wait()
	return float64(len(took)) / time.Since(start).Seconds(), took, err
}
