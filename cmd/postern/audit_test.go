package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posternauth/postern/audit"
	"github.com/posternauth/postern/session"
)

// auditLog writes a log of three events, and returns its path and head.
func auditLog(t *testing.T, key []byte) (path, head string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "audit.jsonl")
	f, err := audit.NewFile(audit.FileConfig{Path: path, Key: key, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		f.Event(context.Background(), session.Event{Name: "sign-in", Time: noon, UserID: "u1"})
	}
	head = f.Head().Hash
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path, head
}

func TestAuditVerify(t *testing.T) {
	const hexKey = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	key, err := audit.ParseKey(hexKey)
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(t.TempDir(), "audit.key")
	short := filepath.Join(t.TempDir(), "short.key")
	open := filepath.Join(t.TempDir(), "open.key")
	for path, text := range map[string]string{keyFile: hexKey + "\n", short: "abcd", open: hexKey} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	plain, plainHead := auditLog(t, nil)
	keyed, keyedHead := auditLog(t, key)
	forged, _ := auditLog(t, nil)
	text, err := os.ReadFile(forged)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(forged, bytes.Replace(text, []byte("u1"), []byte("u2"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	cut, _ := auditLog(t, key)
	text, err = os.ReadFile(cut)
	if err != nil {
		t.Fatal(err)
	}
	all := bytes.SplitAfter(text, []byte("\n"))
	prev := string(bytes.Split(all[2], []byte(`"prev":"`))[1][:64]) // as a person reads it where nobody kept a head
	before := string(bytes.Split(all[1], []byte(`"hash":"`))[1][:64])
	if err := os.WriteFile(cut, bytes.Join(all[2:], nil), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args   []string
		status int
		want   []string
	}{
		"plain":           {[]string{plain}, statusOK, []string{"valid\n", "records  4 (1 to 4)", "files    1", "head     " + plainHead, "There is no key", "No head was given"}},
		"with head":       {[]string{plain, "--head", plainHead}, statusOK, []string{"valid\n", "There is no key"}},
		"keyed":           {[]string{keyed, "--key-file", keyFile, "--head", keyedHead}, statusOK, []string{"valid\n"}},
		"keyed, no key":   {[]string{keyed}, statusNo, []string{"the key is not that of the log"}},
		"other head":      {[]string{plain, "--head", keyedHead}, statusNo, []string{"no record with the given head"}},
		"forged":          {[]string{forged}, statusNo, []string{"line 2 of " + forged, "was changed"}},
		"short key":       {[]string{keyed, "--key-file", short}, statusNo, []string{"at least 64 hex digits"}},
		"key for all":     {[]string{keyed, "--key-file", open}, statusNo, []string{"can be read by others"}},
		"no file":         {[]string{plain + "x"}, statusNo, []string{"no such file"}},
		"no argument":     {nil, statusUsage, []string{"Try: postern audit verify --help"}},
		"cut off":         {[]string{cut, "--key-file", keyFile}, statusNo, []string{"records are missing at the start", "begins with record 3", "older files", "--after", "prev of record 3"}},
		"from its prev":   {[]string{cut, "--key-file", keyFile, "--after", prev}, statusOK, []string{"records  2 (3 to 4)"}},
		"from a head on":  {[]string{cut, "--key-file", keyFile, "--after", before}, statusOK, []string{"records  2 (3 to 4)", "The records before 3"}},
		"another head":    {[]string{cut, "--key-file", keyFile, "--after", keyedHead}, statusNo, []string{"record 3 does not come after"}},
		"two logs as one": {[]string{plain, forged}, statusNo, []string{"broken"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, status := call(t, "", append([]string{"audit", "verify"}, tc.args...)...)
			for _, want := range tc.want {
				if !strings.Contains(out+errs, want) {
					t.Errorf("%q is missing", want)
				}
			}
			if status != tc.status || (status == statusOK) != strings.HasPrefix(out, "valid") || strings.Contains(out+errs, hexKey) {
				t.Errorf("%d: %s%s", status, out, errs)
			}
		})
	}
	for path, valid := range map[string]bool{plain: true, forged: false, cut: false} {
		out, errs, status := call(t, "", "audit", "verify", "--json", path)
		var got struct {
			Valid   bool
			Error   string
			Records int
			Head    string
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil || errs != "" {
			t.Fatalf("%v: %s%s", err, out, errs)
		}
		if got.Valid != valid || (status == statusOK) != valid || valid && (got.Records != 4 || got.Head != plainHead) || !valid && got.Error == "" {
			t.Errorf("%d %s", status, out)
		}
	}
}
