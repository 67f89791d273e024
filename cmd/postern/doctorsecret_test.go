package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestL1_DoctorKeepsTheStoreSecret: the secret of the store may be no URL, such as the words of libpq. Nothing of it is
// printed.
func TestL1_DoctorKeepsTheStoreSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "postern.toml")
	text := "issuer = \"http://localhost:8080/auth\"\naudience = \"api\"\nredirects = [\"/app\"]\n[store]\nurl = \"secret:DATABASE\"\n[keys]\nseal = \"secret:POSTERN_VAULT_KEY\"\n" +
		"[providers.github]\ntype = \"github\"\nclient_id = \"id\"\nclient_secret = \"secret:GITHUB\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(vaultKeyEnv, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
	t.Setenv("GITHUB", "x")
	for _, secret := range []string{"hunter2", "host=127.0.0.1 user=u password=hunter2", "host=127.0.0.1 password=hunter2:x", "postgres//u:hunter2@127.0.0.1/x"} {
		t.Setenv("DATABASE", secret)
		for _, command := range []string{"doctor", "migrate", "users list", "keys list"} {
			out, errs, status := call(t, "", append(strings.Fields(command), "--config", file)...)
			if status == 0 || strings.Contains(out+errs, "hunter2") {
				t.Errorf("%s of %q: %d %s%s", command, secret, status, out, errs)
			}
		}
	}
}
