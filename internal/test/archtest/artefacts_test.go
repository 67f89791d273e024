package archtest

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// maxFile is the size of a file in the repository, in bytes. largeFiles are the exceptions and their sizes.
const maxFile = 1 << 20

var largeFiles = map[string]int64{
	"password/common8/common8.bin": 1300 << 10, // a list of passwords, linked only by programs that import its package
}

// programs are the first bytes of compiled programs and libraries: ELF, PE, archives of object files, WebAssembly, and
// Mach-O in its byte orders, with several architectures too.
var programs = map[string]string{
	"\x7fELF": "ELF", "MZ": "PE", "!<arch>\n": "an archive of object files", "\x00asm": "WebAssembly",
	"\xfe\xed\xfa\xce": "Mach-O", "\xfe\xed\xfa\xcf": "Mach-O", "\xce\xfa\xed\xfe": "Mach-O", "\xcf\xfa\xed\xfe": "Mach-O",
	"\xca\xfe\xba\xbe": "Mach-O of several architectures, or a Java class",
}

// program returns the kind of program that a file begins like; empty if it is none.
func program(start []byte) string {
	for magic, kind := range programs {
		if bytes.HasPrefix(start, []byte(magic)) {
			return kind
		}
	}
	return ""
}

// The repository has sources alone: no compiled program and no large file, which everybody would download for ever.
func TestRepository_NoArtefacts(t *testing.T) {
	out, err := exec.Command("git", "-C", root, "ls-files", "-z").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	names := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if len(names) < 100 {
		t.Fatalf("git lists %d files", len(names))
	}
	seen := map[string]bool{}
	for _, name := range names {
		info, err := os.Lstat(filepath.Join(root, name))
		if os.IsNotExist(err) { // deleted, not committed yet
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		if !info.Mode().IsRegular() {
			continue
		}
		if want, listed := largeFiles[name]; listed {
			seen[name] = true
			if info.Size() > want {
				t.Errorf("%s has %d bytes, allowed are %d", name, info.Size(), want)
			}
		} else if info.Size() > maxFile {
			t.Errorf("%s has %d bytes, allowed are %d", name, info.Size(), maxFile)
		}
		if kind := program(begin(t, filepath.Join(root, name))); kind != "" {
			t.Errorf("%s is a compiled program (%s): remove it, and name it in .gitignore", name, kind)
		}
	}
	for name := range largeFiles {
		if !seen[name] {
			t.Errorf("largeFiles lists %s, which does not exist", name)
		}
	}
}

func begin(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	start := make([]byte, 8)
	n, err := io.ReadFull(f, start)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		t.Fatal(err)
	}
	return start[:n]
}

func TestRepository_NoArtefacts_Self(t *testing.T) {
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if program(begin(t, own)) == "" {
		t.Error("the running program is not found")
	}
	for start, want := range map[string]string{"": "", "pack": "", "M": "", "MZ\x90\x00": "PE", "\x7fELF\x02\x01": "ELF", "\x89PNG": "", "# M": ""} {
		if got := program([]byte(start)); got != want {
			t.Errorf("%q: %q, want %q", start, got, want)
		}
	}
}
