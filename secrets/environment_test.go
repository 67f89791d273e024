package secrets_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posternauth/postern/secrets"
)

// TestE1_Environment: a variable, a file, a credential of systemd; two at once, an empty one, and what cannot be read
// are errors.
func TestE1_Environment(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if err := os.Mkdir(filepath.Join(dir, "FOLDER"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("CREDENTIAL", "of systemd\n")
	for name, c := range map[string]struct {
		env  map[string]string
		want string
		err  string // a part of the error
	}{
		"NAME":       {env: map[string]string{"NAME": "v"}, want: "v"},
		"LINES":      {env: map[string]string{"LINES_FILE": write("lines", "one\ntwo\n\n")}, want: "one\ntwo\n"},
		"CRLF":       {env: map[string]string{"CRLF_FILE": write("crlf", "v\r\n")}, want: "v"},
		"CREDENTIAL": {env: map[string]string{"CREDENTIALS_DIRECTORY": dir}, want: "of systemd"},
		"NONE":       {env: map[string]string{"CREDENTIALS_DIRECTORY": dir}, err: "the variable NONE, or the file that NONE_FILE names"},
		"EMPTY":      {env: map[string]string{"EMPTY": ""}, err: "is empty"},
		"BLANK":      {env: map[string]string{"BLANK_FILE": write("blank", "\n")}, err: "is empty"},
		"TWICE":      {env: map[string]string{"TWICE": "v", "TWICE_FILE": write("twice", "w")}, err: "twice"},
		"GONE":       {env: map[string]string{"GONE_FILE": filepath.Join(dir, "gone")}, err: "GONE_FILE"},
		"FOLDER":     {env: map[string]string{"CREDENTIALS_DIRECTORY": dir}, err: "regular"},
		"LONG":       {env: map[string]string{"LONG_FILE": write("long", strings.Repeat("x", secrets.MaxValue+1))}, err: "64 KiB"},
	} {
		for _, stage := range []string{"dev", "prod"} {
			env := secrets.Environment{LookupEnv: func(name string) (string, bool) { v, ok := c.env[name]; return v, ok }}
			got, err := open(t, stage, env).Get(t.Context(), name)
			if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %q, %v", name, got, err)
			}
			if missing := errors.Is(err, secrets.ErrMissing); missing != (name == "NONE") {
				t.Errorf("%s: missing is %v", name, missing)
			}
			for value := range maps.Values(c.env) {
				if err != nil && len(value) == 1 && strings.Contains(err.Error(), `"`+value+`"`) {
					t.Errorf("%s: the error has the value: %v", name, err)
				}
			}
		}
	}
}
