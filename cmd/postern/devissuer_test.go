package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSessions_OfDevAtAnyPort: postern dev on any port makes sessions that the commands find by the data folder alone,
// also after dev moved to another port.
func TestSessions_OfDevAtAnyPort(t *testing.T) {
	d := newDemoSite(t) // on a free port
	d.signIn("ada@example.com")
	_, body := page(t, d.signIn("ada@example.com"), "GET", d.url+"/", nil)
	own := regexp.MustCompile(`<code>sid</code></th><td><code>([^<]+)`).FindStringSubmatch(body)[1]
	data := string(d.folder)
	out, errs, status := call(t, "", "sessions", "show", "--data", data, own)
	if status != 0 || !strings.Contains(out, own) {
		t.Fatalf("show: %d %s%s", status, out, errs)
	}
	_, subject, _ := strings.Cut(out, "Subject")
	subject = strings.Fields(subject)[0]
	if out, errs, status := call(t, "", "sessions", "list", "--data", data, "--json", subject); status != 0 || strings.Count(out, "\n") != 2 {
		t.Errorf("list: %d %s%s", status, out, errs)
	}

	const moved = "http://localhost:1/auth"
	if err := d.folder.keepIssuer(moved); err != nil {
		t.Fatal(err)
	}
	if out, errs, status := call(t, "", "sessions", "list", "--data", data, subject); status != 0 || !strings.Contains(out, "No live session") || !strings.Contains(out, moved) {
		t.Errorf("after dev moved: %d %s%s", status, out, errs)
	}
	if err := os.Remove(filepath.Join(data, issuerFile)); err != nil {
		t.Fatal(err)
	}
	if out, errs, status := call(t, "", "sessions", "list", "--data", data, subject); status != statusUsage || out != "" || !strings.Contains(errs, "or give --issuer") {
		t.Errorf("a folder without an issuer: %d %s%s", status, out, errs)
	}
}
