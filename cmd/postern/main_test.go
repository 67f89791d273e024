package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
)

// noon is the clock of these tests.
var noon = time.Date(2026, 5, 17, 12, 0, 0, 0, time.UTC)

// call runs a command line at noon.
func call(t *testing.T, in string, args ...string) (out, errs string, status int) {
	t.Helper()
	var o, e bytes.Buffer
	status = run(t.Context(), args, world{strings.NewReader(in), &o, &e, func() time.Time { return noon }})
	return o.String(), e.String(), status
}

// newKey makes a key under a kid of one's choice.
func newKey(t testing.TB, alg keys.Algorithm, kid string) keys.SigningKey {
	t.Helper()
	k, err := keys.Generate(alg)
	if err != nil {
		t.Fatal(err)
	}
	if kid == "" {
		return k
	}
	public, err := keys.NewPublicKey(k.Public().Public(), alg, kid)
	if err != nil {
		t.Fatal(err)
	}
	return renamed{k, public}
}

type renamed struct {
	keys.SigningKey
	public *keys.PublicKey
}

func (r renamed) Public() *keys.PublicKey { return r.public }

// sign makes a token of any header and payload, well formed or not.
func sign(t testing.TB, k keys.SigningKey, header, payload string) string {
	t.Helper()
	input := jose.Compact([]byte(b64(header)), []byte(payload))
	sig, err := k.Sign(context.Background(), []byte(input))
	if err != nil {
		t.Fatal(err)
	}
	return jose.Compact([]byte(input), sig)
}

func b64(s string) string { return jose.Compact(nil, []byte(s))[1:] }

// lineOf is a token as a line of the input of verify.
func lineOf(t testing.TB, token string) string {
	t.Helper()
	line, err := json.Marshal(token)
	if err != nil {
		t.Fatal(err)
	}
	return string(line) + "\n"
}

func TestHelp(t *testing.T) {
	for _, tc := range []struct {
		args string
		want []string
	}{
		{"", []string{"postern dev", "token verify", "keys rotate"}},
		{"--help", []string{"postern dev", "token inspect"}},
		{"dev --help", []string{"--addr", "127.0.0.1:8420", "--data", "postern dev --for http://localhost:8080/auth -- go run ."}},
		{"lambda --help", []string{"--event", "--authorizer", "127.0.0.1:3000", "Nothing is sent to AWS"}},
		{"keys rotate --help", []string{"three\nhours", "RS256"}},
		{"token verify --help", []string{`{"valid":false,"reason":"expired","claims":null}`, "exit status", "--max-lifetime"}},
		{"token inspect --help", []string{"Nothing is checked"}},
		{"migrate --help", []string{"one transaction", "psql -1 -v ON_ERROR_STOP=1", "--dry-run", "--from"}},
		{"sessions revoke --help", []string{"redis://...?prefix=PREFIX", "exit status is 1", "session.CheckStore"}},
		{"users add --help", []string{"An address that you type is not verified by that", "--verified", "postern users invite"}},
		{"users import --help", []string{"auth0, better-auth, clerk, cognito, firebase, keycloak, supabase, postern", "Begin with --dry-run", "POSTERN_FIREBASE_HASH", "exit status is 1"}},
		{"users invite --help", []string{"No mail is sent", "seven days", "--vault"}},
		{"users delete --help", []string{"cannot be undone", "--yes"}},
		{"--version", []string{"postern "}},
		{"help", []string{"postern dev", "token verify", "keys rotate", "version"}},
		{"help keys", []string{"keys rotate", "keys revoke"}},
		{"help token verify", []string{"exit status", "--max-lifetime", "must be a JSON string", "jq -R . tokens.txt | postern token verify -"}},
		{"help help", []string{"Explain a command"}},
		{"version", []string{"postern "}},
		{"version --help", []string{"Print the version"}},
	} {
		t.Run(tc.args, func(t *testing.T) {
			out, errs, status := call(t, "", strings.Fields(tc.args)...)
			if status != 0 || errs != "" {
				t.Fatalf("status %d, %s", status, errs)
			}
			flat := strings.Join(strings.Fields(out), " ")
			for _, want := range tc.want {
				if !strings.Contains(flat, strings.Join(strings.Fields(want), " ")) {
					t.Errorf("help does not say %q:\n%s", want, out)
				}
			}
		})
	}
}

func TestUsageErrors(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"tokn", `unknown command tokn, did you mean "token"`},
		{"frobnicate", "unknown command frobnicate"},
		{"keys frobnicate", "unknown command frobnicate"},
		{"dev x", "unexpected argument x: a program to start goes with --for"},
		{"help tokn", "help: "},
		{"help token verfy", "help: "},
		{"version x", "unexpected"},
		{"token verify x", "--jwks"},
		{"token verify --jwks nowhere.json x", "nowhere.json"},
		{"token verify --jwks x --leeway 61s x", "at most 60s"},
		{"token verify --jwks x --leeway=-1s x", "not negative"},
		{"token verify --jwks x --at yesterday x", "2026-01-31T12:00:00Z"},
		{"token verify --jwks x --max-lifetime long x", "length of time"},
		{"keys rotate --alg HS256", "--alg must be one of"},
		{"keys revoke", "expected"},
		{"dev --addr example.com:80", "this machine only"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			t.Chdir(t.TempDir())
			out, errs, status := call(t, "", strings.Fields(tc.args)...)
			if status != statusUsage || out != "" {
				t.Errorf("status %d, output %q", status, out)
			}
			if !strings.HasPrefix(errs, "postern: ") || !strings.Contains(errs, tc.want) {
				t.Errorf("the error does not say %q: %s", tc.want, errs)
			}
		})
	}
}
