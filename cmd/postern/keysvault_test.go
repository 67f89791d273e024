package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern/keys"
)

// A terminal runs the real binary.
type terminal struct {
	binary string
	env    []string
}

func (c terminal) run(t *testing.T, args ...string) (out, errs string, status int) {
	t.Helper()
	cmd := exec.Command(c.binary, args...)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Dir = t.TempDir() // without a data folder
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

// TestKeys_AnyVault: a production key is made, listed, published and revoked from a terminal, wherever the program
// keeps its ring. Programs that run see it at their next reload.
func TestKeys_AnyVault(t *testing.T) {
	binary := buildBinary(t)
	sealing := bytes.Repeat([]byte{3}, 32)
	text := base64.StdEncoding.EncodeToString(sealing)
	vaults := map[string]func(t *testing.T) (string, keys.Vault){
		"file": func(t *testing.T) (string, keys.Vault) {
			path := filepath.Join(t.TempDir(), "ring")
			return "file:" + path, keys.FileVault{Path: path, Sealer: keys.MasterKey(sealing)}
		},
	}
	for name, open := range engines(t) {
		vaults[name] = func(t *testing.T) (string, keys.Vault) {
			url, st := open(t)
			return url, keys.StoreVault{Store: st, Sealer: keys.MasterKey(sealing), Name: "shop"}
		}
	}
	for name, open := range vaults {
		t.Run(name, func(t *testing.T) {
			url, vault := open(t)
			c := terminal{binary, []string{"POSTERN_VAULT=" + url, vaultKeyEnv + "=" + text}}
			flags := []string{"--ring", "shop"}
			keysCommand := func(want int, args ...string) string {
				t.Helper()
				out, errs, status := c.run(t, append(append([]string{"keys"}, args...), flags...)...)
				if status != want || strings.Contains(out+errs, text) {
					t.Fatalf("keys %s: %d %s%s", strings.Join(args, " "), status, out, errs)
				}
				return out + errs
			}
			for _, command := range [][]string{{"list"}, {"jwks"}, {"revoke", "x"}, {"revoke", "--all"}} {
				if says := keysCommand(1, command...); !strings.Contains(says, "there are no keys in") || !strings.Contains(says, "postern keys rotate") {
					t.Errorf("%v of an empty vault: %s", command, says)
				}
			}
			if _, version, err := vault.Load(t.Context()); err != nil || version != "" {
				t.Fatalf("looking made a ring: version %q, %v", version, err)
			}
			if says := keysCommand(0, "rotate", "--alg", "ES256"); !strings.Contains(says, "It signs from now on.") {
				t.Errorf("the first key: %s", says)
			}

			open := func() *keys.Ring {
				ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: vault})
				if err != nil {
					t.Fatal(err)
				}
				return ring
			}
			program := open() // as it runs in production
			stolen, err := program.SigningKey(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			kid := stolen.Public().ID()
			if says := keysCommand(0, "rotate", "--alg", "EdDSA"); !strings.Contains(says, "signs in 3 hours") {
				t.Errorf("the second key: %s", says)
			}
			list := func() (signing, secrets []listedKey) {
				for line := range strings.Lines(keysCommand(0, "list", "--json")) {
					var k listedKey
					if err := json.Unmarshal([]byte(line), &k); err != nil || k.ID == "" || k.Created.IsZero() {
						t.Fatalf("list: %v %s", err, line)
					}
					if k.Use == useSecret {
						secrets = append(secrets, k)
					} else {
						signing = append(signing, k)
					}
				}
				return signing, secrets
			}
			signing, secrets := list()
			if len(signing) != 2 || len(secrets) != 2 || signing[1].ID != kid || signing[1].State != keys.StateSigning || signing[0].State != keys.StatePending || signing[0].Algorithm != "EdDSA" {
				t.Errorf("list: %+v %+v", signing, secrets)
			}
			set, err := keys.ParseJWKS([]byte(keysCommand(0, "jwks")))
			if err != nil || len(set) != 2 {
				t.Errorf("jwks: %d keys, %v", len(set), err)
			}
			if says := keysCommand(0, "revoke", kid); !strings.Contains(says, "Revoked:  "+kid) {
				t.Errorf("revoke: %s", says)
			}
			for name, ring := range map[string]*keys.Ring{"a new process": open(), "the running one, after a reload": reloaded(t, program)} {
				if _, err := ring.PublicKey(t.Context(), kid); !errors.Is(err, keys.ErrUnknownKey) {
					t.Errorf("%s: the revoked key: %v", name, err)
				}
				if next, err := ring.SigningKey(t.Context(), 0); err != nil || next.Public().ID() != signing[0].ID {
					t.Errorf("%s signs with another key: %v", name, err)
				}
			}
			if says := keysCommand(0, "revoke", "--all"); strings.Count(says, "Revoked:") != 3 { // a key and two secrets
				t.Errorf("revoke --all: %s", says)
			}
			signing, secrets = list()
			for i, list := range [][]listedKey{signing, secrets} {
				alive := slices.DeleteFunc(list, func(k listedKey) bool { return k.State == keys.StateRevoked })
				if len(alive) != 1 || alive[0].State != keys.StateSigning {
					t.Errorf("after revoke --all, list %d: %+v", i, alive)
				}
			}
			if says := keysCommand(1, "revoke", "nobody"); !strings.Contains(says, `no key "nobody"`) {
				t.Errorf("an unknown key: %s", says)
			}
			if name != "file" { // another ring of the same store is not this one
				if out, errs, status := c.run(t, "keys", "list"); status != 1 || out != "" || !strings.Contains(errs, "there are no keys in the ring \"main\"") {
					t.Errorf("another ring: %d %s%s", status, out, errs)
				}
			}
			wrong := terminal{binary, []string{vaultKeyEnv + "=" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{4}, 32))}}
			for _, command := range []string{"rotate", "list", "jwks"} {
				out, errs, status := wrong.run(t, "keys", command, "--vault", url, "--ring", "shop")
				if status != 1 || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, "open") || strings.Contains(errs, url) {
					t.Errorf("keys %s with another key: %d %s%s", command, status, out, errs)
				}
			}
			if again, _ := list(); len(again) != len(signing) {
				t.Errorf("a wrong key changed the ring: %d keys, %d before", len(again), len(signing))
			}
		})
	}
}

// reloaded makes a ring read its vault.
func reloaded(t *testing.T, ring *keys.Ring) *keys.Ring {
	t.Helper()
	if _, err := ring.Keys(t.Context()); err != nil {
		t.Fatal(err)
	}
	return ring
}

// TestK4_VaultKeyNeverAnArgument: the key that seals a vault comes from the environment or a private file.
func TestK4_VaultKeyNeverAnArgument(t *testing.T) {
	dir := t.TempDir()
	text := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{3}, 32))
	vault := "file:" + filepath.Join(dir, "ring")
	file := filepath.Join(dir, "key")
	write := func(text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(vaultKeyEnv, "")
	for name, c := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"none":           {[]string{"keys", "rotate", "--vault", vault}, statusUsage, "set POSTERN_VAULT_KEY"},
		"an argument":    {[]string{"keys", "rotate", "--vault", vault, "--vault-key", text}, statusUsage, "unknown flag"},
		"no file":        {[]string{"keys", "rotate", "--vault", vault, "--vault-key-file", file + "x"}, statusNo, "no such file"},
		"without vault":  {[]string{"keys", "rotate", "--data", dir, "--vault-key-file", file}, statusUsage, "give both"},
		"no such scheme": {[]string{"keys", "rotate", "--vault", "mysql://x"}, statusUsage, "its scheme is not known"},
	} {
		out, errs, status := call(t, "", c.args...)
		if status != c.status || out != "" || !strings.Contains(errs, c.says) {
			t.Errorf("%s: %d %s%s", name, status, out, errs)
		}
	}
	fromFile := []string{"keys", "rotate", "--vault", vault, "--vault-key-file", file, "--alg", "EdDSA"}
	write(text+"\n", 0o644)
	if _, errs, status := call(t, "", fromFile...); status != statusNo || !strings.Contains(errs, "chmod 600") {
		t.Errorf("a key that others may read: %d %s", status, errs)
	}
	write(text[:20], 0o600)
	if _, errs, status := call(t, "", fromFile...); status != statusUsage || !strings.Contains(errs, "32 bytes in base64") || strings.Contains(errs, text[:20]) {
		t.Errorf("half a key: %d %s", status, errs)
	}
	write(text+"\n", 0o600)
	if out, errs, status := call(t, "", fromFile...); status != statusOK {
		t.Errorf("from a file: %d %s%s", status, out, errs)
	}
	t.Setenv(vaultKeyEnv, text)
	if out, errs, status := call(t, "", "keys", "list", "--vault", vault); status != statusOK || !strings.Contains(out, "EdDSA") {
		t.Errorf("from the environment: %d %s%s", status, out, errs)
	}
	if _, errs, status := call(t, "", "keys", "list", "--vault", "mysql://root:hunter2@x"); status != statusUsage || !strings.Contains(errs, "--vault") || strings.Contains(errs, "hunter2") {
		t.Errorf("an unknown scheme: %d %s", status, errs)
	}
}

// TestKeys_Config: every command for keys takes a configuration of postern serve in the place of a vault. It needs no
// secret but that of the keys, and makes no ring.
func TestKeys_Config(t *testing.T) {
	folder := t.TempDir()
	t.Setenv(vaultKeyEnv, base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))
	t.Setenv("POSTERN_VAULT", "file:"+filepath.Join(folder, "another")) // goes behind --config
	file := filepath.Join(folder, "postern.toml")
	text := "issuer = \"http://localhost:8080/auth\"\naudience = \"api\"\nredirects = [\"/app\"]\n[store]\nurl = \"secret:NOT_SET\"\n" +
		"[keys]\nvault = \"file:ring\"\nseal = \"secret:POSTERN_VAULT_KEY\"\n[providers.github]\ntype = \"github\"\nclient_id = \"id\"\nclient_secret = \"secret:NOT_SET\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	do := func(want int, text string, args ...string) string {
		t.Helper()
		out, errs, status := call(t, "", append([]string{"keys"}, args...)...)
		if status != want || !strings.Contains(out+errs, text) {
			t.Errorf("keys %v: %d, want %d and %q: %s%s", args, status, want, text, out, errs)
		}
		return out
	}
	for _, command := range []string{"list", "rotate", "jwks", "status"} {
		do(statusNo, "no keys yet", command, "--config", file)
	}
	vault := "file:" + filepath.Join(folder, "ring")
	do(0, "ES256", "rotate", "--vault", vault, "--alg", "ES256")
	do(0, "(ES256)\nIt is published now", "rotate", "--config", file)
	do(0, "(RS256)\nIt is published now", "rotate", "--config", file, "--alg", "RS256")
	list := do(0, "RS256", "list", "--config", file)
	if same := do(0, "", "list", "--vault", vault); list != same || strings.Count(list, "\n") != 7 {
		t.Errorf("by the configuration %s, by the vault %s", list, same)
	}
	kid := strings.Fields(strings.Split(list, "\n")[1])[0]
	do(0, kid, "jwks", "--config", file)
	do(0, "Revoked:  "+kid, "revoke", kid, "--config", file)
	do(0, "revoked just now", "list", "--vault", vault)
	do(statusUsage, "leave out --vault", "list", "--config", file, "--vault", vault)
	do(statusUsage, "leave out --vault-key-file", "revoke", "--all", "--config", file, "--vault-key-file", file)
	do(statusUsage, "leave out --vault-key-file and --seal", "rotate", "--config", file, "--seal", "kms:x")
	do(statusNo, "no such file", "list", "--config", filepath.Join(folder, "none"))
}
