// Command fuzzall runs every fuzz target of the module for a while each, one after another:
//
//	go run ./internal/test/archtest/fuzzall -time 15m
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
)

func main() {
	each := flag.String("time", "5000x", "how long each target runs: a time, or a number of inputs such as 5000x")
	only := flag.String("only", ".", "regular expression of the targets to run, as package/Name")
	flag.Parse()
	match, err := regexp.Compile(*only)
	if err != nil {
		fail("-only: %v", err)
	}
	targets, err := find()
	if err != nil {
		fail("listing fuzz targets: %v", err)
	}
	if len(targets) == 0 {
		fail("no fuzz target found: this check would check nothing")
	}
	for _, t := range targets {
		if !match.MatchString(t.pkg + "/" + t.name) {
			continue
		}
		cmd := exec.Command("go", "test", "-run", "^$", "-fuzz", "^"+t.name+"$", "-fuzztime", *each, "-fuzzminimizetime", "1x", t.pkg)
		out, err := cmd.CombinedOutput()
		if err != nil {
			os.Stdout.Write(out)
			fail("%s in %s: %v", t.name, t.pkg, err)
		}
		fmt.Printf("%s %s: %s\n", t.pkg, t.name, executions(out))
	}
}

type target struct{ pkg, name string }

// find asks the test binaries themselves, so that a build-tagged or generated target counts too.
func find() ([]target, error) {
	pkgs, err := exec.Command("go", "list", "-f", "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}", "./...").Output()
	if err != nil {
		return nil, err
	}
	var all []target
	for _, pkg := range strings.Fields(string(pkgs)) {
		var errs bytes.Buffer
		cmd := exec.Command("go", "test", "-list", "^Fuzz", pkg)
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("%s: %w\n%s%s", pkg, err, out, errs.String())
		}
		for _, line := range strings.Fields(string(out)) {
			if strings.HasPrefix(line, "Fuzz") {
				all = append(all, target{pkg, line})
			}
		}
	}
	return all, nil
}

var execs = regexp.MustCompile(`execs: (\d+)`)

func executions(out []byte) string {
	found := execs.FindAllSubmatch(out, -1)
	if len(found) == 0 {
		return "seeds only"
	}
	return string(found[len(found)-1][1]) + " executions"
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "fuzzall: "+format+"\n", args...)
	os.Exit(1)
}
