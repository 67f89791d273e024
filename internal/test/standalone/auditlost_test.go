package standalone

import (
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
)

var lostInFile = regexp.MustCompile(`\npostern_audit_lost_total\{sink="file"\} ([0-9]+)\n`)

// TestServe_AuditLost: events that find no place in the audit file are counted.
func TestServe_AuditLost(t *testing.T) {
	s := newSite(t, "sqlite:"+filepath.Join(t.TempDir(), "postern.db"))
	folder := filepath.Join(t.TempDir(), "log")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	s.write("[audit]", `file = "`+folder+`/audit.jsonl"`)
	server := s.start()
	p := s.person("ada")
	p.signUp()
	lost := func() string {
		t.Helper()
		_, text := get(server.local + "/metrics")
		m := lostInFile.FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("the metric is missing:\n%s", tail(text))
		}
		return m[1]
	}
	if n := lost(); n != "0" {
		t.Errorf("%s events are lost before anything is wrong", n)
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	s.until("an event is lost", patience, func() bool { p.signIn(); return lost() != "0" })
	s.end(server, syscall.SIGTERM)
}
