package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// recovery is how long the server may take after a failure.
const recovery = 10 * time.Second

// A disruption is what flat does with -disrupt.
type disruption struct {
	ways                                 string
	lasts, every, pause, disrupt, outage time.Duration
	workers, held                        int
}

// A disruptor lets a server fail under load, and checks that no session is lost by it.
type disruptor struct {
	disruption
	*fragile
	users    []authClient // of the workers
	sessions []authClient // that are held
	renewed  int          // how many of those were replaced
	deeds    []disruptedDeed

	mu     sync.Mutex
	state  string    // what happened last
	since  time.Time // when it was over; zero: it goes on
	counts map[string]int
	took   map[string][]time.Duration // the longest recovery of each deed, by the way of failing
	asked  int                        // how often a held session was refreshed and checked
	flew   int                        // how many refreshes were under way when the server failed
	lost   int                        // how many of those had no answer, or another than tokens
}

// A disruptedDeed is done after each failure, by a client that does nothing else.
type disruptedDeed struct {
	name string
	do   func(context.Context) error
	as   authClient
}

func disrupted(out io.Writer, f *fragile, how disruption) (err error) {
	d := &disruptor{disruption: how, fragile: f, state: "before any failure", since: time.Now(), counts: map[string]int{}, took: map[string][]time.Duration{}}
	ways := f.all
	if how.ways != "" {
		ways = strings.Split(how.ways, ",")
	}
	for _, way := range ways {
		if f.failures[way] == nil {
			return fmt.Errorf("%s cannot fail by %q", f.name, way)
		}
	}
	if how.workers > 4 || how.held < 1 || how.disrupt < 4*how.every || how.outage < 0 {
		return errors.New("-disrupt takes at most 4 workers, at least one held session, and four readings of the memory between failures")
	}
	if err := d.prepare(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	load := &flatLoad{pause: how.pause, attempt: d.attempt}
	failed := make(chan error, how.workers+1)
	var wg sync.WaitGroup
	for _, c := range d.users {
		wg.Go(func() { failed <- load.rounds(ctx, c) })
	}
	finished := make(chan struct{})
	wg.Go(func() {
		defer close(finished)
		failed <- d.run(ctx, ways)
	})
	tick := time.NewTicker(how.every)
	defer tick.Stop()
	for going := true; going && err == nil; {
		select {
		case err = <-failed:
		case <-finished:
			going = false
		case <-tick.C:
			f.read()
		}
	}
	cancel()
	wg.Wait()
	close(failed)
	for e := range failed {
		if err == nil {
			err = e
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	return d.print(out, ways, load)
}

// holder returns the worker whose session is held at place n. A client signs in every eighth person, and a person's
// hundredth sign-in ends the session that was used longest ago. So held sessions are of other people than those whom
// the workers (0 to 3) and the clients of the deeds (4) sign in.
func holder(n int) int { return 5 + n%3 + n/3*8 }

func (d *disruptor) prepare() error {
	for n := range d.workers {
		c, err := d.client(n)
		if err != nil {
			return err
		}
		d.users = append(d.users, c)
	}
	for i := range d.held {
		c, err := d.client(holder(i))
		if err != nil {
			return err
		}
		d.sessions = append(d.sessions, c)
	}
	for i, task := range authTasks {
		c, err := d.client(4 + 8*3*i)
		if err != nil {
			return err
		}
		if do := task.do(c); do != nil {
			d.deeds = append(d.deeds, disruptedDeed{task.name, do, c})
		}
	}
	return nil
}

// run lets the server fail again and again, until the time is over.
func (d *disruptor) run(ctx context.Context, ways []string) error {
	begun := time.Now()
	for n := 1; time.Duration(n)*d.disrupt+d.disrupt/2 <= d.lasts; n++ {
		pauseFor(ctx, time.Until(begun.Add(time.Duration(n)*d.disrupt)))
		if ctx.Err() != nil {
			return nil
		}
		if err := d.fail(ctx, ways[(n-1)%len(ways)]); err != nil {
			return err
		}
		// Half of the sessions come back at once, the others later than a refresh token counts as just rotated.
		if err := d.check(ctx, 0); err != nil {
			return err
		}
		pauseFor(ctx, time.Until(begun.Add(time.Duration(n)*d.disrupt+d.disrupt/2)))
		if err := d.check(ctx, 2); err != nil {
			return err
		}
		if err := d.renew(ctx); err != nil {
			return err
		}
	}
	pauseFor(ctx, time.Until(begun.Add(d.lasts)))
	for _, half := range []int{0, 2} {
		if err := d.check(ctx, half); err != nil {
			return err
		}
	}
	return nil
}

// fail lets the server fail while every other held session is refreshed, and measures how long each deed takes to work.
func (d *disruptor) fail(ctx context.Context, way string) error {
	for _, deed := range d.deeds { // the access tokens are minutes old
		if err := d.attempt(ctx, "refresh", deed.as.refresh); err != nil {
			return err
		}
	}
	d.set(fmt.Sprintf("after %q number %d", way, d.counts[way]+1), time.Time{})
	d.counts[way]++
	var flying sync.WaitGroup
	for i := 0; i < len(d.sessions); i += 2 {
		d.flew++
		flying.Go(func() {
			attempt, cancel := context.WithTimeout(ctx, recovery)
			defer cancel()
			if err := d.sessions[i].refresh(attempt); err != nil { // check refreshes again
				d.mu.Lock()
				defer d.mu.Unlock()
				d.lost++
			}
		})
	}
	pauseFor(ctx, rand.N(50*time.Millisecond))
	err := d.failures[way](ctx, d.outage)
	over := time.Now()
	d.set(d.state, over)
	if err != nil {
		return fmt.Errorf("%s: %w", d.state, err)
	}
	errs := make([]error, len(d.deeds))
	took := make([]time.Duration, len(d.deeds))
	var wg sync.WaitGroup
	for i, deed := range d.deeds {
		wg.Go(func() {
			errs[i] = d.attempt(ctx, deed.name, deed.do)
			took[i] = time.Since(over)
		})
	}
	wg.Wait()
	flying.Wait()
	if err := errors.Join(errs...); err != nil || ctx.Err() != nil {
		return err
	}
	d.took[way] = longest(d.took[way], took)
	if most := slices.Max(took); most > recovery {
		return fmt.Errorf("%s: the server was back after %v", d.state, most)
	}
	return nil
}

func longest(a, b []time.Duration) []time.Duration {
	for i := range a {
		b[i] = max(a[i], b[i])
	}
	return b
}

// check refreshes those of the held sessions whose number by four is half or one more, and checks them. Those at half
// were being refreshed when the server failed.
func (d *disruptor) check(ctx context.Context, half int) error {
	var wg sync.WaitGroup
	errs := make([]error, len(d.sessions))
	limit := make(chan struct{}, 8)
	for i, s := range d.sessions {
		if i%4 != half && i%4 != half+1 {
			continue
		}
		d.asked++
		wg.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			if errs[i] = d.attempt(ctx, "refresh", s.refresh); errs[i] == nil {
				errs[i] = d.attempt(ctx, "verify", s.verify)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// renew replaces a tenth of the held sessions by new ones, so that the next failure meets sessions of every age.
func (d *disruptor) renew(ctx context.Context) error {
	for range (d.held + 9) / 10 {
		err := d.attempt(ctx, "sign-in, password", func(context.Context) (err error) {
			d.sessions[d.renewed%d.held], err = d.client(holder(d.renewed + 1))
			return err
		})
		if err != nil {
			return err
		}
		d.renewed++
	}
	return nil
}

// attempt does something until it works. While the server fails, and for a while after it, errors are part of that, but
// for one that says that the session is lost.
func (d *disruptor) attempt(ctx context.Context, name string, do func(context.Context) error) error {
	for {
		once, cancel := context.WithTimeout(ctx, time.Minute)
		err := do(once)
		cancel()
		if err == nil || ctx.Err() != nil {
			return nil
		}
		d.mu.Lock()
		state, since := d.state, d.since
		d.mu.Unlock()
		session := name == "verify" || strings.HasPrefix(name, "refresh")
		if answer := (*badAnswer)(nil); session && errors.As(err, &answer) && (answer.status == http.StatusUnauthorized || strings.Contains(string(answer.body), "invalid_grant")) {
			return fmt.Errorf("%s: a session is lost: %s: %w", state, name, err)
		}
		if after := time.Since(since); !since.IsZero() && after > recovery {
			return fmt.Errorf("%s, %v later: %s: %w", state, after, name, err)
		}
		pauseFor(ctx, 20*time.Millisecond)
	}
}

func (d *disruptor) set(state string, since time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state, d.since = state, since
}

func (d *disruptor) print(out io.Writer, ways []string, load *flatLoad) error {
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "longest recovery\ttimes\t")
	for _, deed := range d.deeds {
		fmt.Fprintf(t, "%s\t", deed.name)
	}
	fmt.Fprintln(t)
	for _, way := range ways {
		fmt.Fprintf(t, "%s\t%d\t", way, d.counts[way])
		for _, took := range d.took[way] {
			fmt.Fprintf(t, "%.2f s\t", took.Seconds())
		}
		fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(d.lives) == 1 {
		if err := printFlat(out, d.every, d.lives[0].readings); err != nil {
			return err
		}
	} else if err := d.printLives(out); err != nil {
		return err
	}
	if err := load.print(out, d.name); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, `sessions lost: 0 of %d that workers used and %d that were held, %d of them made between failures
refreshes of held sessions under way when something failed: %d, of which %d got no tokens; later, each refreshed again and checked: %d times
`, d.workers, d.held+d.renewed, d.renewed, d.flew, d.lost, d.asked)
	return err
}

// printLives prints the memory of each process over a span that is the same for all: the time between two failures.
func (d *disruptor) printLives(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "process since minute\tMB\t")
	var medians []float64
	span := int(d.disrupt/d.every) - 1
	for _, l := range d.lives {
		if len(l.readings) < span {
			continue
		}
		m := quantile(l.readings[:span], 0.5)
		medians = append(medians, m)
		fmt.Fprintf(t, "%.0f\t%.1f\t\n", l.began.Sub(d.lives[0].began).Minutes(), m/1e6)
	}
	if err := t.Flush(); err != nil || len(medians) < 2 {
		return err
	}
	_, err := fmt.Fprintf(out, "the last process has %.2f times the memory of the first one after a failure, in as many minutes\n", medians[len(medians)-1]/medians[1])
	return err
}
