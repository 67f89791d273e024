package totp_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocs_Names: docs/factors.md has the name of every page, mail and event.
func TestDocs_Names(t *testing.T) {
	page, err := os.ReadFile("../docs/factors.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	literal := regexp.MustCompile(`"((?:totp|recovery)\.[a-z-]+|(?:totp|recovery codes?) (?:added|removed|made|used))"`)
	found := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range literal.FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = true
		}
	}
	if len(found) < 14 {
		t.Fatalf("only %d names found: the pattern is wrong", len(found))
	}
	for name := range found {
		if !strings.Contains(string(page), "`"+name+"`") && !strings.Contains(string(page), `"`+name+`"`) {
			t.Errorf("%s is not in docs/factors.md", name)
		}
	}
}
