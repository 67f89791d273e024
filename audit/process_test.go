//go:build linux

package audit_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/posternauth/postern/audit"
)

// asChild is the variable that makes this test binary the program of a test.
const asChild = "POSTERN_AUDIT_CHILD"

func TestMain(m *testing.M) {
	task, path, ok := strings.Cut(os.Getenv(asChild), " ")
	if !ok {
		os.Exit(m.Run())
	}
	if err := child(task, path); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func child(task, path string) error {
	f, err := audit.NewFile(audit.FileConfig{Path: path, MaxBytes: 64 << 10, SyncEach: task == "synced"})
	if err != nil {
		return err
	}
	if task == "full" {
		return full(f)
	}
	for {
		f.Event(context.Background(), event("u"))
		if _, err := fmt.Println(f.Head().Seq); err != nil { // each number is a promise
			return err
		}
	}
}

// full lets the disk be full: no file of this process can grow beyond a limit, which falls in the middle of a record.
func full(f *audit.File) error {
	write := func(n int) {
		for range n {
			f.Event(context.Background(), event("u"))
		}
	}
	limit := func(bytes uint64) error {
		var r syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &r); err != nil {
			return err
		}
		r.Cur = min(bytes, r.Max)
		return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &r)
	}
	if err := limit(2000); err != nil {
		return err
	}
	write(10)
	s := f.Stats()
	if s.Lost == 0 || s.Written == 0 || !errors.Is(s.Err, syscall.EFBIG) {
		return fmt.Errorf("while it is full: %+v", s)
	}
	if err := limit(1 << 40); err != nil {
		return err
	}
	write(3)
	if after := f.Stats(); after.Lost != s.Lost || after.Err != nil {
		return fmt.Errorf("after it: %+v", after)
	}
	fmt.Println(s.Lost)
	return f.Close()
}

// process returns the program of a test.
func process(task, path string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asChild+"="+task+" "+path)
	return cmd
}

// TestFile_Killed: of a program that is killed while it writes, each record that it reported stays, and the next start
// goes on with the chain.
func TestFile_Killed(t *testing.T) {
	path, promised := logPath(t), uint64(0)
	for round := range 20 {
		cmd := process([]string{"written", "synced"}[round%2], path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		scanner, count, last := bufio.NewScanner(out), 0, ""
		for until := rand.IntN(300) + 1; count < until && scanner.Scan(); count++ {
			last = scanner.Text()
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for scanner.Scan() {
			last = scanner.Text()
		}
		_ = cmd.Wait() // it was killed
		if _, err := fmt.Sscan(last, &promised); err != nil {
			t.Fatalf("round %d: the program printed %q", round, last)
		}
		if r := verify(t, path, nil); r.Last < promised || r.First != 1 || r.Lost != 0 {
			t.Fatalf("round %d: promised %d, found %+v", round, promised, r)
		}
	}
	t.Logf("%+v", verify(t, path, nil))
}

// TestFile_OtherProcess: two processes cannot write one log.
func TestFile_OtherProcess(t *testing.T) {
	path := logPath(t)
	newFile(t, audit.FileConfig{Path: path})
	out, err := process("written", path).CombinedOutput()
	if err == nil || !strings.Contains(string(out), audit.ErrLocked.Error()) {
		t.Errorf("the other process: %v %s", err, out)
	}
}

// TestFile_DiskFull: events that find no place are counted and reported, half a record does not stay, and the chain has
// a record of what is missing.
func TestFile_DiskFull(t *testing.T) {
	path := logPath(t)
	cmd := process("full", path)
	var report bytes.Buffer
	cmd.Stderr = &report
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s%s", err, out, report.String())
	}
	if r := verify(t, path, nil); r.Lost != 1 {
		t.Errorf("got %+v", r)
	}
	want := fmt.Sprintf(`"event":"audit lost","time":"%d-`, time.Now().UTC().Year())
	text := strings.Join(lines(t, path), "")
	if !strings.Contains(text, want) || !strings.Contains(text, `"reason":"`+strings.TrimSpace(string(out))+` events"`) {
		t.Errorf("the log is %s", text)
	}
	if !strings.Contains(report.String(), "audit: the log has a failure") {
		t.Errorf("nothing was reported: %s", report.String())
	}
}
