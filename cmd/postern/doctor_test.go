package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDoctor: findings are printed with what to do, as text or JSON, and the exit status is for CI.
func TestDoctor(t *testing.T) {
	t.Setenv("POSTERN_ISSUER", "")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "https://\u202eevil.example/")
		w.WriteHeader(http.StatusFound)
	}))
	defer server.Close()
	out, errs, status := call(t, "", "doctor", "--issuer", server.URL+"/auth")
	if status != statusNo || errs != "" || !strings.HasPrefix(out, "error discovery-redirect\n") || !strings.Contains(out, "\n  do   Make the issuer the URL") ||
		!strings.Contains(out, "1 error, 0 warnings, 0 notes") || strings.Contains(out, "\u202e") {
		t.Errorf("%d %q %s", status, out, errs)
	}
	out, _, status = call(t, "", "doctor", "--json", "--issuer", server.URL+"/auth")
	var report struct {
		Findings []struct{ ID, Level, Where, Seen, Do, Doc string }
		Checked  []string
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || status != statusNo || len(report.Findings) != 1 || report.Findings[0].ID != "discovery-redirect" || len(report.Checked) == 0 {
		t.Errorf("%d %s, %v", status, out, err)
	}
	if out, errs, status := call(t, "", "doctor"); status != statusUsage || out != "" || !strings.Contains(errs, "name something to look at") {
		t.Errorf("without anything: %d %s%s", status, out, errs)
	}
	file := filepath.Join(t.TempDir(), "template.yaml")
	for text, want := range map[string]int{
		"Resources: {T: {Type: AWS::DynamoDB::Table, Properties: {TimeToLiveSpecification: {AttributeName: expiry, Enabled: true}}}}": statusOK, // warnings
		"Resources: {T: {Type: AWS::DynamoDB::Table}}": statusNo,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, errs, status := call(t, "", "doctor", "--template", file); status != want || errs != "" || !strings.Contains(out, "warning table-recovery\n  at   "+file+": T\n") {
			t.Errorf("%s: %d %s%s", text, status, out, errs)
		}
	}
	if out, errs, status := call(t, "", "doctor", "--template", file+".not"); status != statusNo || out != "" || !strings.Contains(errs, "no such file") {
		t.Errorf("a file that is not there: %d %s%s", status, out, errs)
	}
}
