//go:build unix

package run_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/serve/run"
)

// TestE5_StopDuringHungReload: a file that cannot be read does not hold up requests, the next reload, or the stop.
func TestE5_StopDuringHungReload(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "postern.toml")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	h := newHouse("one")
	w := start(t, planOf(h))
	reading := make(chan struct{}, 1)
	read := func() (run.Plan, error) {
		reading <- struct{}{}
		_, err := os.ReadFile(fifo) // hangs until somebody writes
		return planOf(newHouse("two")), err
	}
	w.setLoad(read)
	w.reload <- syscall.SIGHUP
	<-reading
	if _, body, _ := w.get("http://public/auth/token"); body != "one" {
		t.Errorf("while a reload hangs, %q serves", body)
	}
	write := func() {
		f, err := os.OpenFile(fifo, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	write()
	w.log.wait(t, "postern: the configuration was reloaded", 1)
	w.reload <- syscall.SIGHUP
	<-reading
	w.stop()
	if err := w.end(); err != nil {
		t.Error(err)
	}
	if !h.isClosed() {
		t.Error("the first house is open")
	}
	write() // ends the reader
}

// TestE5_HungReloadIsDropped: a reload that does not end is an error and counted as a failure, and the next one works.
// Its house is closed when it comes. Many that hang are refused.
func TestE5_HungReloadIsDropped(t *testing.T) {
	late := make(chan time.Time)
	limits := make(chan time.Duration, 64)
	first := newHouse("one")
	w := startAfter(t, planOf(first), func(d time.Duration) <-chan time.Time { limits <- d; return late })
	for range 2 { // of the start
		<-limits
	}
	answer, reading := make(chan run.Plan), make(chan struct{}, 64)
	hung := func() (run.Plan, error) { reading <- struct{}{}; return <-answer, nil }
	const refused, taken = "postern: the configuration was not reloaded", "postern: the configuration was reloaded"
	step := func(what, line string, times, failures, successes int, serves string) {
		t.Helper()
		w.log.wait(t, line, times)
		_, body, _ := w.get("http://localhost/metrics")
		for outcome, n := range map[string]int{"failure": failures, "success": successes} {
			if want := fmt.Sprintf("postern_config_reloads_total{outcome=%q} %d\n", outcome, n); !strings.Contains(body, want) {
				t.Errorf("%s: the metrics do not have %s", what, want)
			}
		}
		if _, body, _ := w.get("http://public/auth/token"); body != serves {
			t.Errorf("%s: %q serves, want %q", what, body, serves)
		}
	}
	hang := func() {
		t.Helper()
		w.setLoad(hung)
		w.reload <- syscall.SIGHUP
		if d := <-limits; d < 30*time.Second {
			t.Errorf("a reload hangs after %s, and may take longer to open its house", d)
		}
		<-reading
		late <- time.Now()
	}
	hang()
	step("it hangs", refused, 1, 1, 0, "one")
	if got := w.log.String(); !strings.Contains(got, `"level":"ERROR","msg":"`+refused) || !strings.Contains(got, "a reload hangs: it has not ended after 35s; look at") {
		t.Errorf("the log of one that hangs: %s", got)
	}
	w.setLoad(nil)
	w.set(planOf(newHouse("two")), nil)
	w.reload <- syscall.SIGHUP
	step("the next one", taken, 1, 1, 1, "two")

	ghost := newHouse("ghost")
	answer <- planOf(ghost)
	w.closed(ghost)
	if _, body, _ := w.get("http://public/auth/token"); body != "two" {
		t.Errorf("a reload that was dropped serves: %q", body)
	}

	for range 8 {
		hang()
	}
	w.setLoad(nil)
	w.reload <- syscall.SIGHUP
	step("after eight that hang", refused, 10, 10, 1, "two")
	if got := w.log.String(); !strings.Contains(got, "8 earlier reloads still hang") {
		t.Errorf("the log of too many: %s", got)
	}
	for range 8 {
		h := newHouse("ghost")
		answer <- planOf(h)
		w.closed(h)
	}
}

// TestE5_HungStart: a start that hangs ends by a signal, and after a while by itself. A house that comes later is
// closed.
func TestE5_HungStart(t *testing.T) {
	for name, c := range map[string]struct {
		load, signal bool
		want         string // of the error; empty: none
	}{
		"reading, a signal": {true, true, ""}, "reading, the limit": {true, false, "reading the configuration hangs"},
		"opening, a signal": {false, true, ""}, "opening, the limit": {false, false, "the start hangs: it has not ended after 10m5s"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			h, inside, goOn := newHouse("one"), make(chan struct{}), make(chan struct{})
			hang := func() { close(inside); <-goOn }
			plan := planOf(h)
			plan.Open = func(context.Context, run.Tools) (run.House, error) { hang(); return h, nil }
			late, ended := make(chan time.Time), make(chan error, 1)
			after := func(time.Duration) <-chan time.Time { return late }
			log := &lines{more: make(chan struct{}, 1)}
			go func() {
				ended <- run.Run(ctx, run.Config{Log: log, After: after, Load: func(context.Context) (run.Plan, error) {
					if c.load {
						hang()
					}
					return plan, nil
				}})
			}()
			<-inside
			if c.signal {
				stop()
			} else {
				late <- time.Now()
			}
			select {
			case err := <-ended:
				if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || errors.Is(err, run.ErrConfig)) {
					t.Errorf("it ended with %v", err)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("it does not end")
			}
			close(goOn)
			if !c.load {
				(&world{t: t}).closed(h)
			}
		})
	}
}
