package storetest_test

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/storetest"
)

const brokenEnv = "POSTERN_STORETEST_BROKEN"

// A suite is worth what it refuses. Each store of brokenStores breaks one promise of the contract; the suite, run
// on it in another process, must fail, and in the subtest that is about that promise.
func TestSuiteRefusesBrokenStores(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, broken := range brokenStores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(self, "-test.run=^TestRunOnBrokenStore$", "-test.v", "-test.timeout=60s")
			cmd.Env = append(os.Environ(), brokenEnv+"="+name)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if want := "--- FAIL: TestRunOnBrokenStore/" + broken.fails; err == nil || !strings.Contains(string(out), want) {
				t.Errorf("the suite did not fail in %s (%v)\n%s", broken.fails, err, failures(string(out)))
			}
		})
	}
}

// A right store passes in the same way, so that a failure above is the fault's and not the arrangement's.
func TestSuiteAcceptsRightStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		return &store.Memory{Now: now}
	})
}

// So does one that refuses a Write to several parts, as a Redis Cluster does.
func TestSuiteAcceptsOnePartStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		m := &store.Memory{Now: now}
		return onePart{hooked{Store: m, write: func(ctx context.Context, changes ...store.Change) error {
			if err := store.CheckChanges(changes...); err != nil || !severalParts(changes) {
				return cmp.Or(err, m.Write(ctx, changes...))
			}
			return store.ErrInvalid
		}}}
	})
}

// TestRunOnBrokenStore is the other process. Without a name in the environment it has nothing to run.
func TestRunOnBrokenStore(t *testing.T) {
	name := os.Getenv(brokenEnv)
	if name == "" {
		return
	}
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		return brokenStores[name].open(now)
	})
}

func failures(out string) string {
	var lines []string
	for line := range strings.Lines(out) {
		if strings.Contains(line, "FAIL") || strings.Contains(line, "panic") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
