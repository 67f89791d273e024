package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posternauth/postern/password/policy"
	"github.com/posternauth/postern/password/wordlist"
)

// TestPasswordsBuild: the file refuses the passwords that it was made of, in a policy of the same length.
func TestPasswordsBuild(t *testing.T) {
	t.Chdir(t.TempDir())
	const words = "short\nacme-holidays\nSUMMER IN THE CITY\n"
	if err := os.WriteFile("words.txt", []byte(words), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, status := call(t, "", "passwords", "build", "--min", "8", "--out", "acme.bin", "words.txt")
	if status != statusOK || errs != "" || !strings.HasPrefix(out, "acme.bin: 2 passwords of at least 8 characters in ") {
		t.Fatalf("%d %s%s", status, out, errs)
	}
	list, err := wordlist.ReadFile("acme.bin")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := policy.New(policy.Config{MinLength: 8, Lists: []*wordlist.List{list}})
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]bool{"Acme-Holidays": false, "summer in the city": false, "acme holidays": true} {
		if err := rules.Check(password); (err == nil) != want {
			t.Errorf("%s: %v", password, err)
		}
	}
	if out, errs, status := call(t, words, "passwords", "build", "-"); status != statusOK || errs != "" || !strings.HasPrefix(out, "passwords.bin: 1 passwords of at least 15 characters in ") {
		t.Errorf("from standard input: %d %s%s", status, out, errs)
	}
	fromFile, err := os.ReadFile("acme.bin")
	if err != nil {
		t.Fatal(err)
	}
	if text := string(fromFile); strings.Contains(text, "acme") || strings.Contains(text, "summer") {
		t.Error("the file shows its passwords")
	}
}

// TestPasswordsBuild_Refuses: mistakes name the file or the flag, and write nothing.
func TestPasswordsBuild_Refuses(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("words.txt", []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]struct {
		status int
		says   string
	}{
		"passwords build":                                {statusUsage, "<list>"},
		"passwords build --min 0 words.txt":              {statusUsage, "choose from 1 to 1024"},
		"passwords build --min x words.txt":              {statusUsage, "--min"},
		"passwords build none.txt":                       {statusNo, "none.txt"},
		"passwords build words.txt":                      {statusNo, "no word has 15 characters or more"},
		"passwords build --min 3 --out no/x.b words.txt": {statusNo, "no/x.b"},
		"passwords build .":                              {statusNo, "directory"},
	} {
		out, errs, status := call(t, "", strings.Fields(args)...)
		if status != want.status || out != "" || !strings.Contains(errs, want.says) {
			t.Errorf("%s: %d %s%s", args, status, out, errs)
		}
	}
	if left, _ := filepath.Glob("*"); len(left) != 1 {
		t.Errorf("files left: %v", left)
	}
}
