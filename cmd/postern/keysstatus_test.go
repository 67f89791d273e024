package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testserver"
)

// TestKeysStatus: ages, what comes next, and what a gateway may still accept; a key that is too old is exit status 1.
func TestKeysStatus(t *testing.T) {
	data := t.TempDir()
	rotate := func() string {
		t.Helper()
		out, errs, status := call(t, "", "keys", "rotate", "--data", data, "--alg", "EdDSA")
		if status != 0 {
			t.Fatal(errs)
		}
		return strings.Fields(out)[2]
	}
	first := rotate()
	second := rotate()
	read := func() (s keyStatus) {
		t.Helper()
		out, errs, status := call(t, "", "keys", "status", "--data", data, "--json", "--max-age", "24h")
		if err := json.Unmarshal([]byte(out), &s); status != 0 || err != nil {
			t.Fatalf("%d %v %s%s", status, err, out, errs)
		}
		return s
	}
	s := read()
	if s.Newest != second || s.Signing != first || len(s.Changes) != 1 || s.Changes[0].Key != second || s.Changes[0].What != "signs" || len(s.Accepted) != 0 {
		t.Errorf("%+v", s)
	}
	if _, errs, status := call(t, "", "keys", "revoke", "--data", data, first); status != 0 {
		t.Fatal(errs)
	}
	s = read()
	if s.Signing != second || len(s.Accepted) != 1 || s.Accepted[0].Key != first || !s.Accepted[0].Until.Equal(noon.Add(gatewayCache)) {
		t.Errorf("after the revocation: %+v", s)
	}
	if out, errs, status := call(t, "", "keys", "status", "--data", data); status != statusOK || !strings.Contains(out, "may accept it until") {
		t.Errorf("%d %s%s", status, out, errs)
	}
	var o, e bytes.Buffer
	late := world{strings.NewReader(""), &o, &e, func() time.Time { return noon.Add(46 * 24 * time.Hour) }}
	if status := run(t.Context(), []string{"keys", "status", "--data", data, "--max-age", "1080h"}, late); status != statusNo || !strings.Contains(e.String(), "45 days old") || !strings.Contains(e.String(), "postern keys rotate") {
		t.Errorf("too old: %d %s%s", status, &o, &e)
	}
	if strings.Contains(o.String(), "may accept") {
		t.Errorf("a gateway accepts a key that ended 46 days ago: %s", &o)
	}
}

// TestKeysImport: the key pair of another system is imported from its private PEM, ends on a day, and can be revoked.
func TestKeysImport(t *testing.T) {
	data := t.TempDir()
	if _, errs, status := call(t, "", "keys", "rotate", "--data", data, "--alg", "EdDSA"); status != 0 {
		t.Fatal(errs)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	file := filepath.Join(data, "sst.pem")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	until := time.Now().AddDate(0, 1, 0).Format(time.DateOnly)
	out, errs, status := call(t, "", "keys", "import", file, "--data", data, "--until", until)
	if status != 0 || !strings.Contains(out, "RS512") || !strings.Contains(out, "never signs") || !strings.Contains(out, "accepted where [forward_auth.sst]") {
		t.Fatalf("%d %s%s", status, out, errs)
	}
	if help, _, _ := call(t, "", "keys", "import", "--help"); !strings.Contains(strings.Join(strings.Fields(help), " "), "An import alone lets nobody in.") {
		t.Errorf("the help: %s", help)
	}
	kid := strings.Fields(out)[1]
	if jwks, _, _ := call(t, "", "keys", "jwks", "--data", data); strings.Contains(jwks, kid) {
		t.Errorf("it is published: %s", jwks)
	}
	shown := func(want bool) {
		t.Helper()
		for command, text := range map[string]string{
			"list":          "checks tokens of another system, ends in ",
			"list --json":   `{"id":"` + kid + `","use":"imported","algorithm":"RS512","state":"passive","retires":"` + until + `T00:00:00Z"}`,
			"status":        kid + " was imported, checks tokens of another system, and ends in ",
			"status --json": `{"key":"` + kid + `","what":"ends","at":"` + until + `T00:00:00Z"}`,
		} {
			out, errs, status := call(t, "", append([]string{"keys"}, append(strings.Fields(command), "--data", data)...)...)
			if status != 0 || strings.Contains(out, text) != want || strings.Contains(out, kid) != want {
				t.Errorf("%s: %d %s%s, shows the imported key: want %t", command, status, out, errs, want)
			}
		}
	}
	shown(true)
	if out, errs, status := call(t, "", "keys", "revoke", "--data", data, kid); status != 0 || !strings.Contains(out, "Revoked:  "+kid) {
		t.Errorf("revoke: %d %s%s", status, out, errs)
	}
	shown(false)
	for name, args := range map[string][]string{
		"no end":     {file},
		"in 2020":    {file, "--until", "2020-01-01"},
		"no key":     {filepath.Join(data, "vault.key"), "--until", until},
		"for ES256":  {file, "--until", until, "--alg", "ES256"},
		"no file":    {filepath.Join(data, "none"), "--until", until},
		"in no form": {file, "--until", "soon"},
	} {
		if out, errs, status := call(t, "", append([]string{"keys", "import", "--data", data}, args...)...); status == 0 || out != "" || strings.Contains(errs, string(text[40:80])) {
			t.Errorf("%s: %d %s%s", name, status, out, errs)
		}
	}
}

// TestKeys_VaultsOnAWS: a ring in SSM or Secrets Manager is made, rotated and listed from a terminal.
func TestKeys_VaultsOnAWS(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": testserver.Moto(t).URL(), "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
		"AWS_EC2_METADATA_DISABLED": "true", vaultKeyEnv: "",
	} {
		t.Setenv(name, value)
	}
	for _, vault := range []string{"ssm:/shop/prod/auth/keys", "secrets-manager:shop/prod/auth/keys"} {
		run := func(want int, args ...string) string {
			t.Helper()
			out, errs, status := call(t, "", append([]string{"keys"}, append(args, "--vault", vault)...)...)
			if status != want {
				t.Fatalf("%s: keys %v: %d %s%s", vault, args, status, out, errs)
			}
			return out + errs
		}
		if says := run(1, "list"); !strings.Contains(says, "there are no keys in") {
			t.Error(says)
		}
		run(0, "rotate", "--alg", "ES256")
		run(0, "rotate", "--alg", "ES256")
		if says := run(0, "list", "--json"); strings.Count(says, `"use":"signing"`) != 2 {
			t.Error(says)
		}
		run(1, "list", "--seal", "kms:arn:aws:kms:eu-central-1:123456789012:key/none")
		run(statusUsage, "list", "--seal", "kms:alias/x")
		run(statusUsage, "list", "--seal", string(bytes.Repeat([]byte("x"), 44)))
	}
}
