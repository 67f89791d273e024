package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestE5_RegularFilesAlone: a configuration, and a file that it names, is a regular file of a bounded size.
func TestE5_RegularFilesAlone(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, size int) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(strings.Repeat("x", size)), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if data, err := readRegular(file("largest", maxRegular)); err != nil || len(data) != maxRegular {
		t.Errorf("got %d bytes and %v", len(data), err)
	}
	for path, want := range map[string]string{
		file("larger", maxRegular+1): "has more than", dir: "", filepath.Join(dir, "none"): "", os.DevNull: "is not a regular file",
	} {
		if _, err := readRegular(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", path, err)
		}
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	if _, err := readRegular("/dev/zero"); err == nil {
		t.Error("a device was read")
	}
	if _, err := os.Stat("/proc/self/fd"); err == nil {
		if _, err := readRegular(fmt.Sprintf("/proc/self/fd/%d", read.Fd())); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
			t.Errorf("a pipe: got %v", err)
		}
	}
}
