package main

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestK4_FolderFiles: the data folder is its owner's alone, git ignores it, and no temporary file stays in it.
func TestK4_FolderFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("file modes are those of Unix")
	}
	dir := t.TempDir() + "/data"
	if _, errs, status := call(t, "", "keys", "rotate", "--data", dir, "--alg", "EdDSA"); status != 0 {
		t.Fatal(errs)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v, %v", info.Mode().Perm(), err)
	}
	if text, err := os.ReadFile(dir + "/.gitignore"); err != nil || string(text) != "*\n" {
		t.Errorf(".gitignore: %q, %v", text, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains([]string{".gitignore", vaultFile, vaultFile + ".lock", vaultKeyFile}, e.Name()) {
			t.Errorf("%s stays in the folder", e.Name())
		}
	}
}

// TestK4_VaultKey: the key of the vault is refused if its group can read it, and if it has another length.
func TestK4_VaultKey(t *testing.T) {
	dir := t.TempDir()
	path := folder(dir).file(vaultKeyFile)
	for n, want := range map[int]string{16: "32 bytes", 31: "32 bytes", 33: "32 bytes", 32: ""} {
		if err := os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(make([]byte, n))), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := folder(dir).vaultKey(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("a key of %d bytes: %v", n, err)
		}
	}
	for _, mode := range []os.FileMode{0o640, 0o620, 0o604} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if err := private(path); runtime.GOOS != "windows" && (err == nil || !strings.Contains(err.Error(), "chmod 600")) {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
}

// TestWriteOnce: of two processes that make one file, the first wins.
func TestWriteOnce(t *testing.T) {
	dir := t.TempDir()
	path := dir + "/vault.key"
	if err := writeOnce(path, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := writeOnce(path, []byte("second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the second: %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "first" {
		t.Errorf("%q, %v", text, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("files: %v, %v", entries, err)
	}
}
