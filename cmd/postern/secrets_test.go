package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/test/testserver"
)

const canary = "a canary in a coal mine"

// secretsOf runs postern secrets in a place.
func secretsOf(t *testing.T, in string, args ...string) (out, errs string, status int) {
	t.Helper()
	return call(t, in, append([]string{"secrets"}, args...)...)
}

// TestE3_Secrets: a value is set from standard input, no command shows it but get with --reveal, and it is never an
// argument.
func TestE3_Secrets(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
	t.Setenv("AWS_REGION", "eu-central-1")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_ENDPOINT_URL", testserver.Moto(t).URL())
	for _, place := range []string{"", "ssm:/sst", "secretsmanager:/sst"} {
		t.Run("in "+place, func(t *testing.T) {
			t.Setenv("POSTERN_SECRETS", place)
			t.Setenv("POSTERN_APP", "shop")
			t.Chdir(t.TempDir())
			var shown strings.Builder
			do := func(in, want string, wantStatus int, args ...string) string {
				t.Helper()
				out, errs, status := secretsOf(t, in, args...)
				if status != wantStatus || !strings.Contains(out+errs, want) {
					t.Errorf("%v: %d %s%s", args, status, out, errs)
				}
				if args[0] != "get" {
					shown.WriteString(out + errs)
				}
				return out
			}
			if place == "" {
				do("", "postern secrets set NAME", statusNo, "list", "--stage", "dev")
			}
			do(canary+"\n", "ID (shop/dev) is set", statusOK, "set", "ID", "--stage", "dev")
			do(canary+"\r\n", "SHARED (shop/.fallback) is set", statusOK, "set", "SHARED", "--fallback")
			do("http://api", "is set", statusOK, "set", "API", "--stage", "dev", "--parameter")
			do("", "value is empty", statusNo, "set", "ID", "--stage", "dev")
			do("", "--reveal", statusUsage, "get", "ID", "--stage", "dev")
			if out := do("", "", statusOK, "get", "ID", "--stage", "dev", "--reveal"); out != canary+"\n" {
				t.Errorf("get: %q", out)
			}
			do("", "no value for ID (shop/prod); set it with: postern secrets set ID", statusNo, "get", "ID", "--stage", "prod", "--reveal")
			do("", "no value for SHARED (shop/pr-7); set it with: postern secrets set SHARED, and the same flags. The fallback stage has one: add --fallback", statusNo, "get", "SHARED", "--stage", "pr-7", "--reveal")
			do(`A="one \" two"`+"\n# a comment\nB='"+canary+"'\n", "2 values set", statusOK, "load", "-", "--stage", "dev")
			do("A=1\nB-B=2\n", "line 2", statusNo, "load", "-", "--stage", "dev")
			do("A=1\nB=\n", "B: ", statusNo, "load", "-", "--stage", "dev")
			if out := do("", "", statusOK, "get", "A", "--stage", "dev", "--reveal"); out != `one " two`+"\n" {
				t.Errorf("after a file that is refused: %q", out)
			}
			list := do("", "", statusOK, "list", "--stage", "dev")
			for _, want := range []string{"A ", "API ", "parameter", "B ", "ID ", "SHARED ", "fallback"} {
				if !strings.Contains(list, want) {
					t.Errorf("list has no %q:\n%s", want, list)
				}
			}
			do("", `"name":"ID","kind":"Secret","stage":"dev"`, statusOK, "list", "--stage", "dev", "--json")
			do("", "ID (shop/dev) is removed", statusOK, "remove", "ID", "--stage", "dev")
			do("", "no value", statusNo, "remove", "ID", "--stage", "dev")
			for _, wrong := range [][]string{{"ID", canary}, {"ID", "x", canary}, {"ID=" + canary}, {"ID", "=", canary}, {"--stage", "dev", "ID", "--", canary}} {
				do("x", "a value is never an argument", statusUsage, append([]string{"set", "--stage", "dev"}, wrong...)...)
			}
			do("x", "name", statusUsage, "set", "../ID", "--stage", "dev")
			do("x", "--stage is missing", statusUsage, "set", "ID")
			do("x", "Config.Stage", statusUsage, "set", "ID", "--stage", "..")
			if strings.Contains(shown.String(), canary) || strings.Contains(shown.String(), "one") {
				t.Errorf("a value is shown:\n%s", shown.String())
			}
			if place != "" {
				return
			}
			for _, name := range []string{secretsFile, vaultKeyFile} {
				data, err := os.ReadFile(filepath.Join(".postern", name))
				if err != nil || strings.Contains(string(data), canary) || strings.Contains(string(data), "SHARED") {
					t.Errorf("%s: %v", name, err)
				}
			}
			if err := os.Remove(filepath.Join(".postern", vaultKeyFile)); err != nil {
				t.Fatal(err)
			}
			do("x", "vault.key is gone", statusNo, "set", "ID", "--stage", "dev")
		})
	}
}

// TestSecrets_Places: a place that does not exist is a mistake of usage.
func TestSecrets_Places(t *testing.T) {
	for _, place := range []string{"ssm", "vault:/x", "ssm:sst", "ssm:/aws/x"} {
		_, errs, status := secretsOf(t, "x", "set", "ID", "--app", "shop", "--stage", "dev", "--in", place)
		if status != statusUsage || !strings.Contains(errs, "--in") {
			t.Errorf("%s: %d %s", place, status, errs)
		}
	}
}
