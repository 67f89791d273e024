//go:build unix

package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestImportReport_ForItsOwner: a report has addresses of people, also where a file of another mode is there already.
func TestImportReport_ForItsOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.ndjson")
	if err := os.WriteFile(path, []byte("of before\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := newImportReport(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != 0 {
		t.Errorf("the report is %v, %v", info, err)
	}
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
}
