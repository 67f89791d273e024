package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/test/npm"
	"github.com/posternauth/postern/internal/test/testneed"
)

// write returns the bill of a program.
func write(t *testing.T, program, version string) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := run([]string{"-version", version, program}, &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// build returns the path of a command.
func build(t *testing.T, name string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), name)
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, "github.com/posternauth/postern/cmd/"+name)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, text)
	}
	return program
}

// TestBill_Program: the bill of a built program has the modules that the linker wrote into it, all of them and no
// other, with their sums beside and not among the hashes of files. The schema of CycloneDX allows it (npm:
// @cyclonedx/cyclonedx-library).
func TestBill_Program(t *testing.T) {
	program := build(t, "postern")
	text := write(t, program, "v0.1.0-test")
	if again := write(t, program, "v0.1.0-test"); !bytes.Equal(text, again) {
		t.Error("two bills of one program differ")
	}
	for _, never := range []string{"timestamp", "serialNumber", "licenses", filepath.Dir(program)} {
		if bytes.Contains(text, []byte(never)) {
			t.Errorf("the bill has %s", never)
		}
	}
	var b bill
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	c := b.Metadata.Component
	if c.Name != "postern" || c.Version != "v0.1.0-test" || len(c.Hashes) != 1 ||
		c.Hashes[0] != (hash{"SHA-256", hex.EncodeToString(sum[:])}) {
		t.Errorf("the program is %+v", c)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Deps) < 10 || len(b.Components) != len(info.Deps)+1 {
		t.Fatalf("%d components for %d modules", len(b.Components), len(info.Deps))
	}
	for i, module := range info.Deps {
		c := b.Components[i+1]
		if c.Name != module.Path || c.Version != module.Version || len(c.Hashes) != 0 ||
			len(c.Properties) != 1 || c.Properties[0] != (property{"go.sum", module.Sum}) {
			t.Errorf("%s %s: %+v", module.Path, module.Version, c)
		}
	}
	valid(t, text)
}

// valid checks a bill by the schema, and that the check refuses a wrong one.
func valid(t *testing.T, text []byte) {
	t.Helper()
	node := testneed.Binary(t, "node", "Debian package nodejs")
	modules := npm.Modules(t, "testdata/npm")
	check := func(text []byte) (string, error) {
		path := filepath.Join(t.TempDir(), "bill.json")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), node, "testdata/validate.mjs", path)
		cmd.Env = append(os.Environ(), "MODULES="+modules)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := check(text); err != nil {
		t.Errorf("the schema refuses the bill: %v\n%s", err, out)
	}
	for _, wrong := range [][2]string{
		{`"alg": "SHA-256"`, `"alg": "h1"`},
		{`"purl"`, `"url"`},
		{`"type": "library"`, `"type": "module"`},
	} {
		broken := strings.Replace(string(text), wrong[0], wrong[1], 1)
		out, err := check([]byte(broken))
		if exit, ok := err.(*exec.ExitError); broken == string(text) || !ok || exit.ExitCode() != 3 {
			t.Errorf("with %s the schema check answers %v %s", wrong[1], err, out)
		}
	}
}

func info() *debug.BuildInfo {
	return &debug.BuildInfo{
		GoVersion: "go1.26.8 X:jsonv2", Path: "example.com/auth/cmd/serve", Main: debug.Module{Path: "example.com/auth", Version: "(devel)"},
		Settings: []debug.BuildSetting{{Key: "GOOS", Value: "linux"}, {Key: "GOARCH", Value: "arm64"}},
		Deps: []*debug.Module{
			{Path: "github.com/BurntSushi/toml", Version: "v1.5.0", Sum: "h1:abc="},
			{Path: "example.com/old", Version: "v2.0.0+incompatible"},
			{Path: "example.com/lib", Version: "v1.0.0", Sum: "h1:old=", Replace: &debug.Module{Path: "example.com/fork", Version: "v1.0.1", Sum: "h1:new="}},
		},
	}
}

func TestBill_URLs(t *testing.T) {
	b, err := billOf(info(), "v1.2.3", strings.Repeat("0", 64))
	if err != nil {
		t.Fatal(err)
	}
	got := []string{b.Metadata.Component.PURL}
	for _, c := range b.Components {
		if c.Ref != c.PURL {
			t.Errorf("%s has the reference %s", c.PURL, c.Ref)
		}
		got = append(got, c.PURL)
	}
	want := []string{
		"pkg:golang/example.com/auth@v1.2.3?goarch=arm64&goos=linux#cmd/serve",
		"pkg:golang/stdlib@1.26.8",
		"pkg:golang/github.com/burntsushi/toml@v1.5.0",
		"pkg:golang/example.com/old@v2.0.0%2Bincompatible",
		"pkg:golang/example.com/fork@v1.0.1",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if b.Components[1].Name != "github.com/BurntSushi/toml" || b.Components[3].Properties[0].Value != "h1:new=" || b.Components[2].Properties != nil {
		t.Errorf("components %+v", b.Components)
	}
	if len(b.Dependencies) != 1 || b.Dependencies[0].Ref != want[0] || strings.Join(b.Dependencies[0].DependsOn, "\n") != strings.Join(want[1:], "\n") {
		t.Errorf("dependencies %+v", b.Dependencies)
	}
}

// TestBill_Refused: a bill that would lack a version is an error, not a bill with a gap.
func TestBill_Refused(t *testing.T) {
	for want, change := range map[string]func(*debug.BuildInfo) string{
		"give one with -version":      func(*debug.BuildInfo) string { return "" },
		"lib was built from a folder": func(i *debug.BuildInfo) string { i.Deps[2].Replace = &debug.Module{Path: "../lib"}; return "v1.0.0" },
		"not built from a module":     func(i *debug.BuildInfo) string { i.Main.Path = ""; return "v1.0.0" },
		"with a release of Go":        func(i *debug.BuildInfo) string { i.GoVersion = "devel go1.27-abcdef"; return "v1.0.0" },
	} {
		i := info()
		version := change(i)
		if _, err := billOf(i, version, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	i := info()
	i.Main.Version = "v0.9.0"
	if b, err := billOf(i, "", ""); err != nil || b.Metadata.Component.Version != "v0.9.0" {
		t.Errorf("%+v, %v", b.Metadata, err)
	}
	notProgram := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(notProgram, []byte("notes"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{nil, {"a", "b"}, {"-version"}, {notProgram}, {notProgram + ".none"}} {
		var out bytes.Buffer
		if err := run(args, &out); err == nil || out.Len() != 0 {
			t.Errorf("%q: %v, %s", args, err, &out)
		}
	}
}
