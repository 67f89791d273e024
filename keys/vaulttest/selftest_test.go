package vaulttest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/vaulttest"
)

const brokenEnv = "POSTERN_VAULTTEST_BROKEN"

// A wrong vault is a keys.MemoryVault with one promise broken.
type wrong struct {
	keys.MemoryVault
	load func(*wrong, context.Context) ([]byte, string, error)
	save func(*wrong, context.Context, []byte, string) (string, error)

	mu   sync.Mutex
	data []byte // of those that keep it themselves
	n    int
}

func (v *wrong) Load(ctx context.Context) ([]byte, string, error) {
	if v.load != nil {
		return v.load(v, ctx)
	}
	return v.MemoryVault.Load(ctx)
}

func (v *wrong) Save(ctx context.Context, data []byte, version string) (string, error) {
	if v.save != nil {
		return v.save(v, ctx, data, version)
	}
	return v.MemoryVault.Save(ctx, data, version)
}

// ownLoad is Load of a vault that keeps its data itself.
func ownLoad(v *wrong, ctx context.Context) ([]byte, string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := ctx.Err(); err != nil || v.n == 0 {
		return nil, "", err
	}
	return append([]byte{}, v.data...), v.at(), nil
}

// ownSave is Save of one. keep writes the data.
func ownSave(keep func(v *wrong, data []byte)) func(*wrong, context.Context, []byte, string) (string, error) {
	return func(v *wrong, ctx context.Context, data []byte, version string) (string, error) {
		v.mu.Lock()
		defer v.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if version != v.at() {
			return "", keys.ErrConflict
		}
		keep(v, data)
		v.n++
		return v.at(), nil
	}
}

// at is the version of a vault that keeps its data itself.
func (v *wrong) at() string {
	if v.n == 0 {
		return ""
	}
	return strconv.Itoa(v.n)
}

// brokenVaults is, for each broken promise, the subtest that is about it.
var brokenVaults = map[string]struct {
	fails string
	vault *wrong
}{
	"is never empty": {"Empty", &wrong{load: func(v *wrong, ctx context.Context) ([]byte, string, error) {
		data, version, err := v.MemoryVault.Load(ctx)
		return data, "v" + version, err
	}}},
	"ignores versions": {"Conflict", &wrong{save: func(v *wrong, ctx context.Context, data []byte, _ string) (string, error) {
		_, version, err := v.MemoryVault.Load(ctx)
		if err != nil {
			return "", err
		}
		return v.MemoryVault.Save(ctx, data, version)
	}}},
	"begins anew over what is there": {"Conflict", &wrong{save: func(v *wrong, ctx context.Context, data []byte, version string) (string, error) {
		if _, at, err := v.MemoryVault.Load(ctx); err == nil && version == "" {
			version = at
		}
		return v.MemoryVault.Save(ctx, data, version)
	}}},
	"changes bytes": {"SaveAndLoad", &wrong{save: func(v *wrong, ctx context.Context, data []byte, version string) (string, error) {
		return v.MemoryVault.Save(ctx, []byte(strings.TrimSpace(string(data))), version)
	}}},
	"cuts long documents": {"Sizes", &wrong{save: func(v *wrong, ctx context.Context, data []byte, version string) (string, error) {
		return v.MemoryVault.Save(ctx, data[:min(len(data), 50<<10)], version)
	}}},
	"refuses documents of 60 KiB": {"Sizes", &wrong{save: func(v *wrong, ctx context.Context, data []byte, version string) (string, error) {
		if len(data) > 50<<10 {
			return "", errors.New("too large")
		}
		return v.MemoryVault.Save(ctx, data, version)
	}}},
	"keeps what it cannot load": {"Sizes", &wrong{load: func(v *wrong, ctx context.Context) ([]byte, string, error) {
		data, version, err := v.MemoryVault.Load(ctx)
		if len(data) > 1<<20 {
			return nil, "", errors.New("too large")
		}
		return data, version, err
	}}},
	"makes versions of the data": {"VersionsAreNew", &wrong{
		load: func(v *wrong, ctx context.Context) ([]byte, string, error) {
			v.mu.Lock()
			defer v.mu.Unlock()
			if v.data == nil || ctx.Err() != nil {
				return nil, "", ctx.Err()
			}
			return append([]byte{}, v.data...), "hash " + strconv.Quote(string(v.data[:min(len(v.data), 60)])), nil
		},
		save: func(v *wrong, ctx context.Context, data []byte, version string) (string, error) {
			_, at, err := v.Load(ctx)
			v.mu.Lock()
			defer v.mu.Unlock()
			if err != nil {
				return "", err
			}
			if at != version {
				return "", keys.ErrConflict
			}
			v.data = append([]byte{}, data...)
			return "hash " + strconv.Quote(string(data[:min(len(data), 60)])), nil
		},
	}},
	"keeps the slice of Save": {"SlicesAreCopied", &wrong{
		load: ownLoad,
		save: ownSave(func(v *wrong, data []byte) { v.data = data }),
	}},
	"hands out one slice": {"SlicesAreCopied", &wrong{
		load: func(v *wrong, ctx context.Context) ([]byte, string, error) {
			v.mu.Lock()
			defer v.mu.Unlock()
			if err := ctx.Err(); err != nil || v.n == 0 {
				return nil, "", err
			}
			return v.data, v.at(), nil
		},
		save: ownSave(func(v *wrong, data []byte) { v.data = append([]byte{}, data...) }),
	}},
	"is empty when asked too late": {"Cancelled", &wrong{load: func(v *wrong, ctx context.Context) ([]byte, string, error) {
		if ctx.Err() != nil {
			return nil, "", nil
		}
		return v.MemoryVault.Load(ctx)
	}}},
	"saves for a caller that has gone": {"Cancelled", &wrong{save: func(v *wrong, ctx context.Context, data []byte, version string) (string, error) {
		return v.MemoryVault.Save(context.WithoutCancel(ctx), data, version)
	}}},
	"calls a late Save a conflict": {"Deadline", &wrong{save: func(v *wrong, ctx context.Context, data []byte, version string) (string, error) {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return "", keys.ErrConflict
		}
		return v.MemoryVault.Save(ctx, data, version)
	}}},
	"compares first and writes later": {"OneWinner", &wrong{
		load: ownLoad,
		save: func(v *wrong, ctx context.Context, data []byte, version string) (string, error) {
			v.mu.Lock()
			at := v.at()
			v.mu.Unlock()
			if err := ctx.Err(); err != nil {
				return "", err
			}
			if version != at {
				return "", keys.ErrConflict
			}
			time.Sleep(10 * time.Millisecond)
			v.mu.Lock()
			defer v.mu.Unlock()
			v.data = append([]byte{}, data...)
			v.n++
			return v.at(), nil
		},
	}},
	"writes in two halves": {"WholeDocuments", &wrong{
		load: ownLoad,
		save: ownSave(func(v *wrong, data []byte) {
			if half := len(data) / 2; len(v.data) == len(data) {
				v.data = append(append([]byte{}, data[:half]...), v.data[half:]...)
				v.mu.Unlock()
				time.Sleep(5 * time.Millisecond)
				v.mu.Lock()
			}
			v.data = append([]byte{}, data...)
		}),
	}},
}

// TestSuiteRefusesBrokenVaults: a suite is worth what it refuses. Each broken vault must fail, in another process, in
// the subtest that is about the promise that it breaks.
func TestSuiteRefusesBrokenVaults(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, broken := range brokenVaults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(self, "-test.run=^TestRunOnBrokenVault$", "-test.v", "-test.timeout=60s")
			cmd.Env = append(os.Environ(), brokenEnv+"="+name)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if want := "--- FAIL: TestRunOnBrokenVault/" + broken.fails; err == nil || !strings.Contains(string(out), want) {
				t.Errorf("the suite did not fail in %s (%v)\n%s", broken.fails, err, out)
			}
		})
	}
}

// TestRunOnBrokenVault is the other process. Without a name in the environment it has nothing to run.
func TestRunOnBrokenVault(t *testing.T) {
	broken, ok := brokenVaults[os.Getenv(brokenEnv)]
	if !ok {
		return
	}
	vaulttest.Run(t, func(*testing.T) keys.Vault { return &wrong{load: broken.vault.load, save: broken.vault.save} })
}

// TestUnreadable_RefusesEmpty: a vault that hides an error behind an empty one does not pass.
func TestUnreadable_RefusesEmpty(t *testing.T) {
	if os.Getenv(brokenEnv) == "unreadable" {
		vaulttest.Unreadable(t, &wrong{})
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestUnreadable_RefusesEmpty$", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), brokenEnv+"=unreadable")
	out, err := cmd.CombinedOutput()
	for _, want := range []string{"Load:", "Save over no version:"} {
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("Unreadable does not object to %s (%v)\n%s", want, err, out)
		}
	}
}

// A vault of one's own passes the suite if it keeps the contract.
func TestSuiteAcceptsRightVault(t *testing.T) {
	vaulttest.Run(t, func(*testing.T) keys.Vault { return &keys.MemoryVault{} })
}
