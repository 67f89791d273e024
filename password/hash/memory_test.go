package hash

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const childEnv = "POSTERN_HASH_CHILD"

// TestD2_Memory: 500 sign-ins at a time in a process of 256 MiB, half of them with imported hashes of 32 MiB. The
// process stays within its memory, each call is answered or refused with a time to try again, another network is
// answered in the middle of it, and no goroutine stays.
func TestD2_Memory(t *testing.T) {
	if os.Getenv(childEnv) != "" {
		crowdOf500(t)
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestD2_Memory$", "-test.v")
	cmd.Env = append(os.Environ(), childEnv+"=1", "GOMEMLIMIT=off", "GOGC=100")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestD2_Memory") {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

func crowdOf500(t *testing.T) {
	h := newHasher(t, Config{MemoryMiB: 256})
	own := mustHash(t, h, "correct horse battery")
	better, err := ImportBetterAuth("e7f3b62b43befaca5b2bac89315ed294:1ae180b91dd328736bd229790ef80619fa08246a8bfc73358145d6aba3bf23a73d5cdebff64f86252f9c91162a24880ede4e050f4974344dcb0de5e2a8bb74fc")
	if err != nil {
		t.Fatal(err)
	}
	var answered, refused atomic.Int64
	call := func(ctx context.Context, encoded, password string) error {
		r, err := h.Verify(ctx, encoded, password)
		var busy *BusyError
		switch {
		case err == nil && r.OK:
			answered.Add(1)
		case errors.As(err, &busy) && busy.RetryAfter >= time.Second:
			refused.Add(1)
		default:
			t.Errorf("%+v %v", r, err)
		}
		return err
	}
	var wg sync.WaitGroup
	began := make(chan struct{})
	for i := range 500 {
		wg.Go(func() {
			<-began
			ctx := WithShare(t.Context(), "2001:db8:1:2::/64")
			if i%2 == 0 || raced { // scrypt is in Go, which the detector slows down
				call(ctx, own, "correct horse battery")
			} else {
				call(ctx, better, "correct horse \ufb01 \u00c5")
			}
		})
	}
	close(began)
	for refused.Load() == 0 { // until the queue is full
		runtime.Gosched()
	}
	for i := range 5 {
		if err := call(WithShare(t.Context(), fmt.Sprint("network ", i)), own, "correct horse battery"); err != nil {
			t.Errorf("another network: %v", err)
		}
	}
	wg.Wait()
	if n := answered.Load() + refused.Load(); n != 505 || answered.Load() < int64(h.gate.queues[common].most) {
		t.Errorf("%d answered, %d refused", answered.Load(), refused.Load())
	}
	if left := stacksOfPackage(); len(left) > 0 {
		t.Errorf("goroutines that stay:\n%s", strings.Join(left, "\n\n"))
	}
	peak := peakKiB(t)
	if peak > 256<<10 && !raced {
		t.Errorf("the process had %d MiB", peak>>10)
	}
	t.Logf("%d answered, %d refused, %d MiB at most", answered.Load(), refused.Load(), peak>>10)
}

// ownCode matches a line of a stack that stands in this package and in no test of it.
var ownCode = regexp.MustCompile(`/password/hash/(\w+)\.go:`)

// stacksOfPackage returns the stacks of goroutines that this package started or that run its code. A goroutine of the
// test that has returned and not ended yet is none of them.
func stacksOfPackage() (left []string) {
	all := make([]byte, 4<<20)
	all = all[:runtime.Stack(all, true)]
	for stack := range strings.SplitSeq(string(all), "\n\n") {
		for _, m := range ownCode.FindAllStringSubmatch(stack, -1) {
			if !strings.HasSuffix(m[1], "_test") {
				left = append(left, stack)
				break
			}
		}
	}
	return left
}

// peakKiB returns the most memory that the process ever had.
func peakKiB(t *testing.T) int {
	t.Helper()
	file, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(rest, "kB")))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("no VmHWM in /proc/self/status")
	return 0
}
