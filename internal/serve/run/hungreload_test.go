//go:build unix

package run_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

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
