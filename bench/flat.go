package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

// flat measures whether the memory of a server stays as it is under load that goes on: sign-ins, refreshes and checks
// at a rate that the machine can bear, so that nothing waits. With -disrupt, the server or its store fails in between.
func flat(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench flat", flag.ContinueOnError)
	lasts := flags.Duration("for", time.Hour, "how long the load goes on")
	every := flags.Duration("every", time.Minute, "how often the memory is read")
	pause := flags.Duration("pause", 500*time.Millisecond, "how long a worker waits after one round: 20 checks, 2 refreshes, 1 sign-in")
	workers := flags.Int("workers", 4, "how many clients there are at once")
	which := flags.String("server", "postern", "the server; with -disrupt also postern-postgres")
	disrupt := flags.Duration("disrupt", 0, "how often the server or its store fails; 0: never")
	ways := flags.String("ways", "", "how it fails, in turn: kill, restart, and lock (SQLite) or cut, stall, stop (Postgres); default: all")
	outage := flags.Duration("outage", 8*time.Second, "how long the store is away")
	held := flags.Int("held", 200, "how many sessions are held over every failure, besides those of the workers")
	if err := flags.Parse(args); err != nil {
		return err
	}
	start, known := authServers[*which]
	if flags.NArg() > 0 || !known && *disrupt == 0 || *every <= 0 || *lasts < 8**every || *pause < 0 || *workers < 1 || *workers > authAccounts {
		return errors.New("flat takes flags only, and at least eight readings; -h shows them")
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if *disrupt != 0 {
		f, err := newFragile(dir, *which)
		if err != nil {
			return err
		}
		defer f.stop()
		return disrupted(out, f, disruption{
			ways: *ways, lasts: *lasts, every: *every, pause: *pause, workers: *workers, disrupt: *disrupt, outage: *outage, held: *held,
		})
	}
	s, err := start(dir)
	if err != nil {
		return err
	}
	defer s.stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	l := &flatLoad{pause: *pause, attempt: func(ctx context.Context, _ string, deed func(context.Context) error) error { return deed(ctx) }}
	failed := make(chan error, *workers)
	var wg sync.WaitGroup
	for n := range *workers {
		c, err := s.client(n)
		if err != nil {
			return err
		}
		wg.Go(func() { failed <- l.rounds(ctx, c) })
	}
	readings, err := readMemory(s.pid, *lasts, *every, failed)
	cancel()
	wg.Wait()
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if err := printFlat(out, *every, readings); err != nil {
		return err
	}
	return l.print(out, s.name)
}

// A flatLoad is what the workers do, and how often they did it.
type flatLoad struct {
	pause   time.Duration
	attempt func(ctx context.Context, name string, deed func(context.Context) error) error

	done, signedIn atomic.Int64
}

// rounds goes on until ctx ends. Every eighth sign-in is one by password, the others are by mailed codes.
func (l *flatLoad) rounds(ctx context.Context, c authClient) error {
	for n := 0; ctx.Err() == nil; n++ {
		type task struct {
			name string
			do   func(context.Context) error
		}
		tasks := []task{{"refresh", c.refresh}, {"refresh", c.refresh}, {"sign-in, mailed code", c.mailed}}
		if c.mailed == nil || n%8 == 0 {
			tasks[2] = task{"sign-in, password", c.password}
		}
		for range 20 {
			tasks = append(tasks, task{"verify", c.verify})
		}
		for _, t := range tasks {
			if t.do == nil {
				continue
			}
			if err := l.attempt(ctx, t.name, t.do); err != nil && ctx.Err() == nil {
				return err
			}
			l.done.Add(1)
		}
		l.signedIn.Add(1)
		select {
		case <-ctx.Done():
		case <-time.After(l.pause):
		}
	}
	return nil
}

func (l *flatLoad) print(out io.Writer, name string) error {
	_, err := fmt.Fprintf(out, "%s: %d requests by the clients, %d of them sign-ins\n", name, l.done.Load(), l.signedIn.Load())
	return err
}

// readMemory returns the memory of a process, read again and again, or the first error of a worker.
func readMemory(pid int, lasts, every time.Duration, failed <-chan error) (readings []float64, err error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for len(readings) < int(lasts/every) {
		select {
		case err := <-failed:
			return nil, err
		case <-tick.C:
			bytes, err := residentOf(pid)
			if err != nil {
				return nil, err
			}
			readings = append(readings, bytes)
		}
	}
	return readings, nil
}

// printFlat prints the medians of eight spans. The first has the start of the server in it.
func printFlat(out io.Writer, every time.Duration, readings []float64) error {
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "minutes\tMB\t")
	var medians []float64
	for i := range 8 {
		from, to := i*len(readings)/8, (i+1)*len(readings)/8
		medians = append(medians, quantile(readings[from:to], 0.5))
		fmt.Fprintf(t, "%.0f-%.0f\t%.1f\t\n", (time.Duration(from) * every).Minutes(), (time.Duration(to) * every).Minutes(), medians[i]/1e6)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "the last eighth has %.2f times the memory of the second\n", medians[7]/medians[1])
	return err
}
