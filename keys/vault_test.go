package keys_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/vaulttest"
)

func fileVault(t *testing.T) keys.FileVault {
	return keys.FileVault{Path: filepath.Join(t.TempDir(), "keys"), Sealer: keys.MasterKey(bytes.Repeat([]byte{7}, 32))}
}

func TestMemoryVault(t *testing.T) {
	vaulttest.Run(t, func(*testing.T) keys.Vault { return new(keys.MemoryVault) })
}

func TestFileVault(t *testing.T) {
	vaulttest.Run(t, func(t *testing.T) keys.Vault { return fileVault(t) })
}

func TestK4_SealedAtRest(t *testing.T) {
	v := fileVault(t)
	for _, alg := range []keys.Algorithm{keys.ES256, keys.EdDSA} {
		ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: v, Algorithm: alg})
		if err != nil {
			t.Fatal(err)
		}
		if err := ring.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	plain, _, err := v.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Keys, Secrets []struct{ Private []byte } }
	if err := json.Unmarshal(plain, &doc); err != nil || len(doc.Keys) != 3 || len(doc.Secrets) != 3 {
		t.Fatalf("%d keys, %d secrets, %v", len(doc.Keys), len(doc.Secrets), err)
	}
	dir := filepath.Dir(v.Path)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", f.Name(), info.Mode())
		}
		raw, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range append(doc.Keys, doc.Secrets...) {
			if len(e.Private) < 32 {
				t.Fatal("an entry without its private part")
			}
			secret := e.Private[len(e.Private)-32:]
			for _, form := range [][]byte{secret, []byte(base64.StdEncoding.EncodeToString(e.Private))[:40], []byte(`"keys"`), bytes.Repeat([]byte{7}, 32)} {
				if bytes.Contains(raw, form) {
					t.Errorf("%s shows %q", f.Name(), form)
				}
			}
		}
	}
}

func TestFileVaultRefuses(t *testing.T) {
	good := fileVault(t)
	if _, err := good.Save(t.Context(), []byte("secret document"), ""); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(good.Path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(data []byte, mode os.FileMode) keys.FileVault {
		v := fileVault(t)
		if err := os.WriteFile(v.Path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(v.Path, mode); err != nil {
			t.Fatal(err)
		}
		return v
	}
	flipped := bytes.Clone(raw)
	flipped[len(flipped)-1] ^= 1
	otherKey := good
	otherKey.Sealer = keys.MasterKey(bytes.Repeat([]byte{8}, 32))
	cases := map[string]keys.FileVault{
		"flipped bit":  write(flipped, 0o600),
		"cut short":    write(raw[:len(raw)-1], 0o600),
		"header only":  write(raw[:20], 0o600),
		"empty file":   write(nil, 0o600),
		"other format": write([]byte("{}"), 0o600),
		"too large":    write(make([]byte, 2<<20), 0o600),
		"other key":    otherKey,
		"no key":       {Path: good.Path},
		"short key":    {Path: good.Path, Sealer: keys.MasterKey(make([]byte, 16))},
		"zero key":     {Path: good.Path, Sealer: keys.MasterKey(make([]byte, 32))},
		"no path":      {Sealer: good.Sealer},
		"a folder":     {Path: t.TempDir(), Sealer: good.Sealer},
	}
	if runtime.GOOS != "windows" {
		cases["group may read"] = write(raw, 0o640)
		cases["world may read"] = write(raw, 0o604)
	}
	for name, v := range cases {
		data, version, err := v.Load(t.Context())
		if err == nil || data != nil || version != "" {
			t.Errorf("%s: Load = %q, %q, %v", name, data, version, err)
			continue
		}
		if errors.Is(err, keys.ErrConflict) || strings.Contains(err.Error(), "secret document") {
			t.Errorf("%s: %v", name, err)
		}
		t.Run(name, func(t *testing.T) { vaulttest.Unreadable(t, v) })
	}
	missing := keys.FileVault{Path: filepath.Join(t.TempDir(), "no", "folder"), Sealer: good.Sealer}
	if _, err := missing.Save(t.Context(), []byte("x"), ""); err == nil {
		t.Error("Save into a folder that does not exist succeeds")
	}
}

// TestFileVaultLeftovers: what a process that was killed left behind is in nobody's way.
func TestFileVaultLeftovers(t *testing.T) {
	v := fileVault(t)
	for _, leftover := range []string{".new", ".lock"} {
		if err := os.WriteFile(v.Path+leftover, []byte("half"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	version, err := v.Save(t.Context(), []byte("one"), "")
	if err != nil {
		t.Fatal(err)
	}
	if data, at, err := v.Load(t.Context()); err != nil || string(data) != "one" || at != version {
		t.Fatalf("%q, %v", data, err)
	}
	if _, err := os.Stat(v.Path + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the half-written file is still there: %v", err)
	}
}

// The child of the tests below is this test binary again.
const (
	childEnv  = "POSTERN_KEYS_TEST_CHILD" // what it does
	childOpen = "open"
	childHold = "hold"

	childRotate = "rotate"
	placeEnv    = "POSTERN_KEYS_TEST_PLACE" // of openEngine
	nameEnv     = "POSTERN_KEYS_TEST_NAME"  // StoreVault.Name
)

func TestMain(m *testing.M) {
	path := os.Getenv("POSTERN_KEYS_TEST_PATH")
	v := keys.FileVault{Path: path, Sealer: keys.MasterKey(bytes.Repeat([]byte{7}, 32))}
	switch os.Getenv(childEnv) {
	case childOpen:
		ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: v, Algorithm: keys.ES256})
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		key, _ := ring.SigningKey(context.Background(), time.Minute)
		secret, _ := ring.Secret(context.Background(), "")
		fmt.Println(key.Public().ID(), secret.ID)
		os.Exit(0)
	case childRotate:
		fmt.Println("error:", rotateUntilKilled())
		os.Exit(1)
	case childHold: // saves without end, until it is killed
		for version := ""; ; {
			var err error
			if version, err = v.Save(context.Background(), bytes.Repeat([]byte("x"), 100<<10), version); err != nil {
				fmt.Println("error:", err)
				os.Exit(1)
			}
			fmt.Println("saved")
		}
	}
	os.Exit(m.Run())
}

func child(t *testing.T, role, path string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+role, "POSTERN_KEYS_TEST_PATH="+path)
	return cmd
}

func TestK3_FirstBootProcesses(t *testing.T) {
	const processes = 20
	v := fileVault(t)
	out := make([]bytes.Buffer, processes)
	cmds := make([]*exec.Cmd, processes)
	for i := range cmds {
		cmds[i] = child(t, childOpen, v.Path)
		cmds[i].Stdout = &out[i]
		if err := cmds[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Fatalf("process %d: %v %s", i, err, out[i].String())
		}
		if out[i].String() != out[0].String() || out[i].Len() < 40 {
			t.Errorf("process %d has %q, process 0 %q", i, out[i].String(), out[0].String())
		}
	}
}

// TestFileVaultKilled: a process that is killed while it saves leaves a whole file and no lock.
func TestFileVaultKilled(t *testing.T) {
	v := fileVault(t)
	for range 5 {
		_ = os.Remove(v.Path)
		cmd := child(t, childHold, v.Path)
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line := make([]byte, 6)
		for range 3 {
			if _, err := io.ReadFull(stdout, line); err != nil || string(line) == "error:" {
				t.Fatalf("%q, %v", line, err)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed: the error says so
		data, version, err := v.Load(t.Context())
		if err != nil || len(data) != 100<<10 {
			t.Fatalf("after the kill: %d bytes, %v", len(data), err)
		}
		if _, err := v.Save(t.Context(), []byte("next"), version); err != nil {
			t.Fatalf("after the kill: %v", err)
		}
	}
}
