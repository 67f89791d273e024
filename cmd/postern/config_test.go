package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	server "github.com/posternauth/postern/internal/serve"
)

// TestConfig_Example: what config example prints passes config check, and a mistake is listed with its line.
func TestConfig_Example(t *testing.T) {
	t.Chdir(t.TempDir())
	example, errs, status := call(t, "", "config", "example")
	if status != statusOK || errs != "" {
		t.Fatal(status, errs)
	}
	if err := os.WriteFile("postern.toml", []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, errs, status := call(t, "", "config", "check"); status != statusOK || out != "postern.toml: no problems\n" || errs != "" {
		t.Errorf("check: %d %q %q", status, out, errs)
	}
	broken := strings.Replace(strings.Replace(example, "[factors]", "[faktors]", 1), `type = "magic"`, `type = "magik"`, 1)
	if err := os.WriteFile("broken.toml", []byte(broken+"\n[pages]\nlogo = \"none.svg\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, status := call(t, "", "config", "check", "--json", "broken.toml")
	if status != statusNo || errs != "" {
		t.Errorf("check --json: %d %q", status, errs)
	}
	var report configReport
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range report.Problems {
		if p.Line < 1 || !strings.Contains(strings.Split(broken, "\n")[min(p.Line, strings.Count(broken, "\n"))-1]+"logo", lastPart(p.Key)) || p.Next == "" {
			t.Errorf("%+v", p)
		}
		got = append(got, p.Key)
	}
	if want := "providers.link.type faktors pages.logo"; strings.Join(got, " ") != want || report.Valid {
		t.Errorf("problems with %v, want %s", got, want)
	}
	out, errs, status = call(t, "", "config", "check", "broken.toml")
	if status != statusNo || strings.Count(out, "\n") != 3 || !strings.HasPrefix(out, "broken.toml:") || !strings.Contains(out, "write factors, or remove it") || !strings.Contains(errs, "3 problems") {
		t.Errorf("check: %d %s%s", status, out, errs)
	}
}

func lastPart(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

func TestConfig_NoFile(t *testing.T) {
	t.Chdir(t.TempDir())
	_, errs, status := call(t, "", "config", "check", "absent.toml")
	if status != statusNo || !strings.Contains(errs, "postern config example > absent.toml") {
		t.Errorf("%d %s", status, errs)
	}
}

// TestConfig_Docs: the document is what the command prints.
func TestConfig_Docs(t *testing.T) {
	out, _, status := call(t, "", "config", "docs")
	var b strings.Builder
	if err := server.Docs(&b); err != nil || status != statusOK || out != b.String() {
		t.Errorf("%d %v", status, err)
	}
}
