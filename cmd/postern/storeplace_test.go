package main

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestStore_Config: migrate, users and sessions take a configuration of postern serve in the place of a store. It names
// the issuer and the roles, and they need no secret but that of the store, and an invitation that of the keys.
func TestStore_Config(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "postern.toml")
	write := func(name, storeURL string) string {
		t.Helper()
		path := filepath.Join(folder, name)
		text := "issuer = \"http://localhost:8080/auth\"\naudience = \"api\"\nredirects = [\"/app\"]\n[store]\nurl = \"" + storeURL + "\"\n" +
			"[users]\nusernames = true\nreserved_names = [\"shop\"]\nroles.editor = [\"posts:write\"]\n[keys]\nseal = \"secret:POSTERN_VAULT_KEY\"\n[providers.github]\ntype = \"github\"\nclient_id = \"id\"\nclient_secret = \"secret:NOT_SET\"\n[providers.passkey]\ntype = \"passkey\"\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("postern.toml", "secret:DATABASE")
	t.Setenv("POSTERN_STORE", "sqlite:"+filepath.Join(folder, "another.db")) // all these go behind --config
	t.Setenv("POSTERN_ISSUER", "https://another.example/auth")
	t.Setenv("POSTERN_POOL", "another")
	do := func(want int, text string, args ...string) string {
		t.Helper()
		out, errs, status := call(t, "", args...)
		if status != want || !strings.Contains(out+errs, text) {
			t.Errorf("%v: %d, want %d and %q: %s%s", args, status, want, text, out, errs)
		}
		return out
	}
	do(statusNo, "DATABASE", "migrate", "--config", file)
	t.Setenv("DATABASE", "sqlite:"+filepath.Join(folder, "auth.db"))
	do(statusNo, "there is no database", "users", "list", "--config", file)
	do(0, "CREATE TABLE", "migrate", "--config", file, "--dry-run")
	do(0, "The tables are made", "migrate", "--config", file)
	do(statusUsage, "leave out --store (and POSTERN_STORE) and --config", "migrate", "--config", file, "--print", "sqlite")

	do(statusUsage, "has no role editr: it has editor, no other", "users", "add", "--config", file, "--username", "ana", "--role", "editr")
	do(0, "", "users", "add", "--config", file, "--username", "ana", "--role", "editor")
	do(statusNo, "no user was added: username", "users", "add", "--config", file, "--username", "shop")
	do(0, "ana", "users", "list", "--config", file)
	do(0, "editor", "users", "show", "--config", file, "ana")
	do(0, "No live session of ana (kind user, issuer http://localhost:8080/auth)", "sessions", "list", "--config", file, "ana")
	store := []string{"--store", "sqlite:" + filepath.Join(folder, "auth.db"), "--issuer", "http://localhost:8080/auth", "--pool", "http://localhost:8080/auth"}
	do(0, "ana", append([]string{"users", "list"}, store...)...)

	do(statusNo, "POSTERN_VAULT_KEY", "users", "invite", "--config", file, "eva@example.com")
	t.Setenv(vaultKeyEnv, base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))
	do(statusNo, "no keys yet", "users", "invite", "--config", file, "eva@example.com")
	do(0, "", "keys", "rotate", "--vault", "sqlite:"+filepath.Join(folder, "auth.db"))
	do(0, "http://localhost:8080/auth/", "users", "invite", "--config", file, "--role", "editor", "eva@example.com")

	do(statusUsage, "leave out --store", "users", "list", "--config", file, "--store", "sqlite:x")
	do(statusUsage, "leave out --issuer", "sessions", "list", "--config", file, "--issuer", issuerURL, "ana")
	do(statusUsage, "leave out --pool", "users", "list", "--config", file, "--pool", "x")
	do(statusUsage, "leave out --vault", "users", "invite", "--config", file, "--vault", "file:x", "eva@example.com")
	do(statusNo, "in the memory of the server", "users", "list", "--config", write("memory.toml", "memory"))
	do(statusNo, "no such file", "users", "list", "--config", filepath.Join(folder, "none"))
}

// TestStore_ConfigDevelopmentHosts: an issuer that may be http for the server may be so for the commands.
func TestStore_ConfigDevelopmentHosts(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "postern.toml")
	text := "issuer = \"http://auth.test/auth\"\ndevelopment_hosts = [\"auth.test\"]\naudience = \"api\"\nredirects = [\"/app\"]\n[store]\nurl = \"sqlite:auth.db\"\n" +
		"[keys]\nseal = \"secret:POSTERN_VAULT_KEY\"\n[providers.github]\ntype = \"github\"\nclient_id = \"id\"\nclient_secret = \"secret:NOT_SET\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(vaultKeyEnv, base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))
	for _, args := range []string{
		"migrate", "keys rotate --vault sqlite:" + filepath.Join(folder, "auth.db"), "users add --email ana@example.com --verified",
		"users list", "users show ana@example.com", "users invite eva@example.com", "sessions list ana",
	} {
		all := strings.Fields(args)
		if !strings.Contains(args, "--vault") {
			all = append(all, "--config", file)
		}
		if out, errs, status := call(t, "", all...); status != statusOK {
			t.Errorf("%s: %d %s%s", args, status, out, errs)
		}
	}
	// The file allows no usernames.
	if _, errs, status := call(t, "", "users", "add", "--config", file, "--username", "bob"); status != statusNo || !strings.Contains(errs, "Usernames are not in use here") {
		t.Errorf("a username: %d %s", status, errs)
	}
}
