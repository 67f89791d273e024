//go:build unix

package run_test

import (
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

// TestE5_HungReloadIsSeen: a reload that does not end is logged and counted once as a failure, also if it fails in the
// end. One that succeeds in the end is taken.
func TestE5_HungReloadIsSeen(t *testing.T) {
	late := make(chan time.Time)
	limits := make(chan time.Duration, 8)
	w := startAfter(t, planOf(newHouse("one")), func(d time.Duration) <-chan time.Time { limits <- d; return late })
	answer := make(chan error)
	w.setLoad(func() (run.Plan, error) { err := <-answer; return planOf(newHouse("two")), err })
	const hangs, refused, taken = "postern: a reload hangs", "postern: the configuration was not reloaded", "postern: the configuration was reloaded"
	step := func(what, line string, times, failures, successes int) {
		t.Helper()
		w.log.wait(t, line, times)
		_, body, _ := w.get("http://localhost/metrics")
		for outcome, n := range map[string]int{"failure": failures, "success": successes} {
			if want := fmt.Sprintf("postern_config_reloads_total{outcome=%q} %d\n", outcome, n); !strings.Contains(body, want) {
				t.Errorf("%s: the metrics do not have %s", what, want)
			}
		}
	}
	w.reload <- syscall.SIGHUP
	if d := <-limits; d < 30*time.Second {
		t.Errorf("a reload hangs after %s, and may take longer to open its house", d)
	}
	late <- time.Now()
	step("it hangs", hangs, 1, 1, 0)
	answer <- errors.New("a stale file handle")
	step("it fails in the end", refused, 1, 1, 0)
	w.reload <- syscall.SIGHUP
	answer <- errors.New("no such setting")
	step("the next one fails at once", refused, 2, 2, 0)
	w.reload <- syscall.SIGHUP
	late <- time.Now()
	step("another one hangs", hangs, 2, 3, 0)
	answer <- nil
	step("it succeeds in the end", taken, 1, 3, 1)
}
