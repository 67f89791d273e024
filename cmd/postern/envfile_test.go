package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEnvFile(t *testing.T) {
	text := "# the settings\r\n\r\n  # indented\nA=plain:/value,1=2\nB='single $x \"y\" \\n # z'\nC=\"a\\nb\\t\\\"\\\\\\$ 'c' # d\"\n_d1=\nE=''\nF=\"\"\nG=é"
	got, err := parseEnv(text)
	want := []setting{{"A", "plain:/value,1=2"}, {"B", `single $x "y" \n # z`}, {"C", "a\nb\t\"\\$ 'c' # d"}, {"_d1", ""}, {"E", ""}, {"F", ""}, {"G", "é"}}
	if err != nil || len(got) != len(want) {
		t.Fatalf("%v, %v", got, err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%q, want %q", got[i], want[i])
		}
	}
}

// TestEnvFile_RefusesWhatReadersReadDifferently: with the number of the line, and never with a value, which may be a
// secret.
func TestEnvFile_RefusesWhatReadersReadDifferently(t *testing.T) {
	const secret = "hunter2"
	for line, want := range map[string]string{
		"hunter2": "want NAME=value", "export A=hunter2": "want NAME=value", " A=hunter2": "want NAME=value", "A =hunter2": "want NAME=value", "=hunter2": "want NAME=value",
		"1A=hunter2": "want NAME=value", "A-B=hunter2": "want NAME=value", "A.B=hunter2": "want NAME=value", "A: hunter2": "want NAME=value",
		"OK=hunter2": "OK is set twice",
		"A= hunter2": "single quotes", "A=hunter2 # note": "single quotes", "A=hunter2 ": "single quotes", "A=hunter2#x": "single quotes", "A=$hunter2": "single quotes", "A=hunter2\\": "single quotes",
		"A=hun'ter2": "single quotes", "A=`hunter2`": "single quotes", "A='hunter2": "second '", "A='hunter2' ": "second '", "A='hunter2'x": "second '",
		`A="hunter2`: "closing", `A="hunter2" # x`: "nothing may follow", `A="$hunter2"`: "$ is not taken", "A=\"`hunter2`\"": "single quotes", `A="hunter2\q"`: "a backslash stands before", `A="hunter2\`: "a backslash stands before",
		"A=hunter2\x00": "not text", "A=hunter2\xff": "not text", "A=hunter2\r\rB=1": "",
	} {
		_, err := parseEnv("OK=1\n# comment\n" + line)
		if want == "" {
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%q: %v", line, err)
			}
			continue
		}
		if err == nil || !strings.HasPrefix(err.Error(), "3: ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", line, err)
		}
	}
	large := filepath.Join(t.TempDir(), "large.env")
	if err := os.WriteFile(large, []byte("A="+strings.Repeat("x", maxEnvFile)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{large: "larger than 64 KiB", filepath.Join(t.TempDir(), "absent.env"): "no such file"} {
		if _, err := readEnvFile(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestLambda_EnvFile: the function gets the variables, a later file and --env win, and no value is printed, whatever is
// wrong.
func TestLambda_EnvFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	first := write("first.env", "ONE=1-hunter2\nTWO=1\nTHREE=1\n")
	second := write("second.env", "TWO='2 hunter2'\nTHREE=2\n")
	url, stop := startLambda(t, build(t, "testdata/environment", "environment"), "--event", "url", "--env-file", first, "--env-file", second, "--env", "THREE=3")
	if status, body := ask(t, "GET", url+"/", "", ""); status != 200 || body != "1-hunter2|2 hunter2|3" {
		t.Errorf("%d %s", status, body)
	}
	if printed := stop(); strings.Contains(printed, "hunter2") {
		t.Errorf("a value is printed: %s", printed)
	}
	bad := write("bad.env", "ONE=1\nTWO=hunter2 x\n")
	out, errs, status := call(t, "", "lambda", "--addr", "127.0.0.1:0", "--env-file", bad, echo)
	if status != statusNo || !strings.Contains(errs, "bad.env:2: TWO: ") || strings.Contains(out+errs, "hunter2") {
		t.Errorf("%d %s", status, errs)
	}
}
