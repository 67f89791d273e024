package testneed_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/test/testneed"
)

// recorder stands in for a test and notes how it ended.
type recorder struct {
	testing.TB
	ended, text string
}

func (r *recorder) Helper() {}

func (r *recorder) Skip(args ...any) {
	r.ended, r.text = "skipped", fmt.Sprint(args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.ended, r.text = "failed", fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func record(f func(t testing.TB)) *recorder {
	r := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
		r.ended = "passed"
	}()
	<-done
	return r
}

func TestBinary(t *testing.T) {
	dir := t.TempDir()
	tool := filepath.Join(dir, "postern-tool")
	if runtime.GOOS == "windows" {
		tool += ".exe"
	}
	if err := os.WriteFile(tool, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	for _, tc := range []struct{ name, require, want string }{
		{"postern-tool", "", "passed"},
		{"postern-tool", "all", "passed"},
		{"postern-absent", "", "skipped"},
		{"postern-absent", "all", "failed"},
		{"postern-absent", "some", "skipped"},
		{"postern-unreachable", "all", "skipped"},
	} {
		t.Run(tc.name+"/"+tc.require, func(t *testing.T) {
			t.Setenv("POSTERN_TEST_REQUIRE", tc.require)
			t.Setenv("POSTERN_TEST_UNREACHABLE", "postern-unreachable")
			var path string
			r := record(func(t testing.TB) { path = testneed.Binary(t, tc.name, "package absent-tools") })
			if r.ended != tc.want {
				t.Fatalf("ended %q, want %q", r.ended, tc.want)
			}
			if tc.want == "passed" && path != tool {
				t.Fatalf("path %q, want %q", path, tool)
			}
			if tc.want != "passed" && tc.name == "postern-absent" && !strings.Contains(r.text, "needs postern-absent: install package absent-tools") {
				t.Fatalf("the reason does not say what to install: %q", r.text)
			}
		})
	}
}
