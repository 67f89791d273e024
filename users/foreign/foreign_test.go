package foreign_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/users/foreign"
)

var update = flag.Bool("update", false, "write what was read to the .want files")

var now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, name string) []byte {
	t.Helper()
	b, err := readFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// show writes a record as text, one field a line.
func show(r foreign.Record) string {
	var b strings.Builder
	line := func(name string, v any) {
		if s := fmt.Sprint(v); s != "" && s != "false" && s != "[]" && s != "0001-01-01 00:00:00 +0000 UTC" {
			fmt.Fprintf(&b, "  %s: %s\n", name, s)
		}
	}
	fmt.Fprintf(&b, "%s (record %d, line %d)\n", r.ID, r.Number, r.Line)
	line("name", r.Name)
	line("username", r.Username)
	line("locale", r.Locale)
	line("picture", r.Picture)
	for _, a := range r.Addresses {
		line(a.Type, fmt.Sprint(a.Value, ", verified ", a.Verified))
	}
	for _, i := range r.Identities {
		line("identity", i.Issuer+" "+i.Subject)
	}
	line("roles", r.Roles)
	line("disabled", r.Disabled)
	line("until", r.Until)
	line("why", r.Why)
	line("created", r.Created)
	line("last sign-in", r.LastSignIn)
	line("data", string(r.Data))
	line("profile", string(r.Profile))
	if len(r.Password) > 24 {
		line("password", r.Password[:24]+"…")
	}
	for _, n := range r.Notes {
		line("note", n)
	}
	return b.String()
}

// readAll returns the records and errors as text, and the records.
func readAll(ctx context.Context, f foreign.Format, in []byte, o foreign.Options) (string, []foreign.Record, error) {
	var out strings.Builder
	var all []foreign.Record
	var last error
	for r, err := range foreign.Read(ctx, f, bytes.NewReader(in), o) {
		if err != nil {
			fmt.Fprintf(&out, "error: %v\n", err)
			if last = err; !errors.As(err, new(*foreign.RecordError)) {
				return out.String(), all, err
			}
			continue
		}
		out.WriteString(show(r))
		all = append(all, r)
	}
	return out.String(), all, last
}

func project(t *testing.T) *hash.Firebase {
	t.Helper()
	p, err := foreign.ParseFirebaseParameters(`hash_config {
  algorithm: SCRYPT,
  base64_signer_key: jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==,
  base64_salt_separator: Bw==,
  rounds: 8,
  mem_cost: 14,
}`)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Every format reads the files in testdata, which have the shapes of the vendors' documentation, and each password
// verifies.
func TestRead(t *testing.T) {
	hasher, err := hash.New(hash.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		format    foreign.Format
		file      string
		options   foreign.Options
		passwords map[string]string
	}{
		{foreign.Auth0, "auth0.ndjson", foreign.Options{Accounts: bytes.NewReader(open(t, "auth0-hashes.ndjson"))},
			map[string]string{"auth0|5dea9f9c82dd7c0e76e4ec93": "a", "auth0|euclid": "abc"}},
		{foreign.Cognito, "cognito.json", foreign.Options{Issuers: map[string]string{"acme": "https://id.acme.example"}}, nil},
		{foreign.Cognito, "cognito.csv", foreign.Options{}, nil},
		{foreign.Firebase, "firebase.json", foreign.Options{Firebase: project(t)}, map[string]string{"abc123def456ghi789jk0001": "user1password"}},
		{foreign.Firebase, "firebase.csv", foreign.Options{Firebase: project(t)}, map[string]string{"abc123def456ghi789jk0001": "user1password"}},
		{foreign.Supabase, "supabase.csv", foreign.Options{Accounts: bytes.NewReader(open(t, "supabase-identities.csv"))},
			map[string]string{"0a0b0c0d-0000-4000-8000-000000000001": "abc"}},
		{foreign.Supabase, "supabase.json", foreign.Options{AllUnverified: true}, nil},
		{foreign.Clerk, "clerk.csv", foreign.Options{Hasher: hasher}, map[string]string{"user_1": "abc", "user_2": "password"}},
		{foreign.Clerk, "clerk.json", foreign.Options{}, nil},
		{foreign.BetterAuth, "better-auth.json", foreign.Options{}, map[string]string{"u1": "correct horse \ufb01 A\u030a"}},
		{foreign.BetterAuth, "better-auth-user.csv", foreign.Options{Accounts: bytes.NewReader(open(t, "better-auth-account.csv"))},
			map[string]string{"u1": "correct horse \ufb01 A\u030a"}},
		{foreign.Keycloak, "keycloak.json", foreign.Options{Issuers: map[string]string{"google": "https://accounts.google.com"}},
			map[string]string{"826731b2-bf17-4bd9-b45c-6a26c76ddaae": "test"}},
		{foreign.Postern, "postern.ndjson", foreign.Options{}, nil},
	} {
		t.Run(tt.file, func(t *testing.T) {
			tt.options.Now = func() time.Time { return now }
			got, all, _ := readAll(t.Context(), tt.format, open(t, tt.file), tt.options)
			want := filepath.Join("testdata", tt.file+".want")
			if *update {
				if err := os.WriteFile(want, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if w := string(open(t, tt.file+".want")); got != w {
				t.Errorf("got\n%s\nwant\n%s", got, w)
			}
			for _, secret := range []string{"gho_secret", "ya29.secret", "JBSWY3DPEHPK3PXP"} {
				if strings.Contains(fmt.Sprintf("%+v", all), secret) {
					t.Errorf("a record has the secret %q", secret)
				}
			}
			verified := 0
			for _, r := range all {
				if r.Password == "" {
					continue
				}
				verified++
				result, err := hasher.Verify(t.Context(), r.Password, tt.passwords[r.ID])
				wrong, _ := hasher.Verify(t.Context(), r.Password, tt.passwords[r.ID]+"x")
				if err != nil || !result.OK || wrong.OK {
					t.Errorf("%s: the password does not verify: %+v, %v", r.ID, result, err)
				}
			}
			if verified != len(tt.passwords) {
				t.Errorf("%d passwords, want %d", verified, len(tt.passwords))
			}
		})
	}
}

func readFile(name string) ([]byte, error) { return os.ReadFile(filepath.Join("testdata", name)) }
