package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the lists of linked packages anew")

// bounds of the functions that are ours: megabytes of the binary for arm64, where functions are cheaper; times the
// echo's.
var bounds = map[string]struct{ mb, timesEcho, start, memory float64 }{
	authorizerName: {mb: 6.75, timesEcho: 1.15, start: 1.3, memory: 8.5},
	authName:       {mb: 11.3, timesEcho: 1.94, start: 2.7, memory: 14},
	passkeysName:   {mb: 13.9, timesEcho: 2.38, start: 3.2, memory: 15.5},
	pagesName:      {mb: 17.9, timesEcho: 3.08, start: 3.8, memory: 18.5},
	sesName:        {mb: 12.4, timesEcho: 2.13, start: 3.6, memory: 15.5},
}

func goFunctions(t *testing.T) []cold {
	t.Helper()
	return []cold{
		{name: echoName, module: ".", pkg: "./coldstart/echo"},
		{name: authorizerName, module: "..", pkg: "./examples/lambda-authorizer/authorizer"},
		{name: authName, module: "..", pkg: "./examples/lambda-http"},
		{name: usersName, module: ".", pkg: "./coldstart/users"},
		{name: passkeysName, module: ".", pkg: "./coldstart/users", tags: ",passkey"},
		{name: pagesName, module: ".", pkg: "./coldstart/users", tags: ",pages"},
		{name: sesName, module: ".", pkg: "./coldstart/users", tags: ",ses"},
	}
}

// TestColdstart_Sizes keeps binaries small: what is linked has to be read, and initialised, before anything is served.
func TestColdstart_Sizes(t *testing.T) {
	var echo float64
	for _, c := range goFunctions(t) {
		path := filepath.Join(t.TempDir(), "bootstrap")
		if err := buildCold(c, path, "GOOS=linux", "GOARCH=arm64"); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		mb := float64(info.Size()) / 1e6
		if c.name == echoName {
			echo = mb
		}
		t.Logf("%s: %.2f MB, %.3f times the echo", c.name, mb, mb/echo)
		if b, bounded := bounds[c.name]; bounded && (mb > b.mb || mb/echo > b.timesEcho) {
			t.Errorf("%s has %.2f MB, %.3f times the echo; at most %.1f MB and %.2f times", c.name, mb, mb/echo, b.mb, b.timesEcho)
		}
	}
}

// TestColdstart_Packages compares what each function links with the list that was agreed to. After a change that is
// meant: go test -run Coldstart_Packages -update .
func TestColdstart_Packages(t *testing.T) {
	for _, c := range goFunctions(t) {
		cmd := exec.Command("go", "list", "-deps", "-tags", "lambda.norpc"+c.tags, c.pkg)
		cmd.Dir, cmd.Env = c.module, append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", c.pkg, err)
		}
		linked := linkedPackages(string(out))
		file := filepath.Join("testdata", "coldstart", strings.ReplaceAll(c.name, " ", "-")+".txt")
		if *update {
			if err := os.WriteFile(file, []byte(strings.Join(linked, "\n")+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		agreed := strings.Fields(string(text))
		for _, p := range linked {
			if !slices.Contains(agreed, p) {
				t.Errorf("%s links %s, which is not in %s", c.name, p, file)
			}
		}
		for _, p := range agreed {
			if !slices.Contains(linked, p) {
				t.Errorf("%s links %s no more: take it off %s", c.name, p, file)
			}
		}
	}
}

// linkedPackages are the packages of a list of dependencies, without the standard library's own.
func linkedPackages(list string) []string {
	var all []string
	for p := range strings.FieldsSeq(list) {
		domain, _, _ := strings.Cut(p, "/")
		theirs := !strings.Contains(domain, ".") && (p == "internal" || strings.HasPrefix(p, "internal/") || strings.HasPrefix(p, "vendor/") || strings.Contains(p, "/internal"))
		if !theirs {
			all = append(all, p)
		}
	}
	slices.Sort(all)
	return all
}

// TestColdstart_Start keeps starts near that of the echo. The bounds leave room for a machine that does other things;
// on a quiet one it is 1.05 and 1.7.
func TestColdstart_Start(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes for some seconds; run without -short")
	}
	all, err := colds(t.TempDir(), regexp.MustCompile(""))
	if err != nil {
		t.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(c cold) bool { return c.pkg == "" })
	measured, err := startInTurns(all, 25)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range all {
		times, memory := ratio(measured[i].poll, measured[0].poll), quantile(measured[i].memory, 0.5)
		t.Logf("%s: %.2f times the echo to the first poll, %.1f MiB", c.name, times, memory)
		if b, bounded := bounds[c.name]; bounded && (times > b.start || memory > b.memory) {
			t.Errorf("%s: %.2f times the echo to the first poll and %.1f MiB; at most %.1f and %.0f MiB", c.name, times, memory, b.start, b.memory)
		}
	}
}
