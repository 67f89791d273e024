package main

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/posternauth/postern/internal/test/inbox"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/store/sqlstore"
)

// doctorConfig runs doctor on a configuration with changes, and returns the ids of the findings that are not notes.
func doctorConfig(t *testing.T, status int, changes ...string) string {
	t.Helper()
	text := strings.NewReplacer(changes...).Replace(`issuer = "https://auth.example.com/auth"
audience = "https://api.example.com"
redirects = ["https://app.example.com/"]
[store]
url = "@store"
[keys]
vault = "@vault"
seal = "secret:VAULT_KEY"
[providers.github]
type = "github"
client_id = "id"
client_secret = "secret:GITHUB_SECRET"
[admin]
enabled = false
`)
	file := filepath.Join(t.TempDir(), "postern.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, got := call(t, "", "doctor", "--json", "--config", file)
	var report struct {
		Findings []struct{ ID, Level, Seen, Do, Where string }
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || errs != "" || got != status {
		t.Errorf("%v: status %d, want %d: %s%s, %v", changes, got, status, out, errs, err)
	}
	var ids []string
	for _, f := range report.Findings {
		if f.Level != "note" || f.ID == "keys-none" {
			ids = append(ids, f.ID)
		}
		if strings.Contains(f.Seen+f.Where+f.Do, "hunter2") {
			t.Errorf("a password is shown: %+v", f)
		}
	}
	slices.Sort(ids)
	return strings.Join(slices.Compact(ids), " ")
}

// TestDoctor_Config: each fault of what a configuration leads to is found, and a sound one has none.
func TestDoctor_Config(t *testing.T) {
	key := []byte(strings.Repeat("k", 32))
	t.Setenv("POSTERN_ISSUER", "")
	t.Setenv("VAULT_KEY", base64.StdEncoding.EncodeToString(key))
	t.Setenv("GITHUB_SECRET", "0123456789")
	dir := t.TempDir()
	file := filepath.Join(dir, "a.db")
	vault := filepath.Join(dir, "keys")
	sqlite, vaultURL := []string{"@store", "sqlite:" + file}, []string{"@vault", "file:" + vault}
	both := append(slices.Clone(sqlite), vaultURL...)
	want := func(ids string, status int, changes ...string) {
		t.Helper()
		if got := doctorConfig(t, status, changes...); got != ids {
			t.Errorf("%v: found %q, want %q", changes, got, ids)
		}
	}
	want("keys-none store-tables", 1, both...)
	if _, err := os.Stat(vault); err == nil {
		t.Error("doctor made a ring")
	}
	if _, _, status := call(t, "", "migrate", "--store", "sqlite:"+file); status != 0 {
		t.Fatal("migrate")
	}
	want("keys-none", 0, both...)
	born := noon.Add(-100 * 24 * time.Hour)
	if _, err := keys.Open(t.Context(), keys.RingConfig{Vault: keys.FileVault{Path: vault, Sealer: keys.MasterKey(key)}, Algorithm: keys.ES256, Now: func() time.Time { return born }}); err != nil {
		t.Fatal(err)
	}
	want("key-old", 0, both...)
	want("", 0, append(both, "seal =", "rotate = \"90d\"\nseal =")...)
	sst := append(slices.Clone(both), "seal =", "rotate = \"90d\"\nseal =", "[admin]", "[forward_auth]\nenabled = true\n[forward_auth.sst]\nenabled = true\ntypes = [\"user\"]\n"+
		"subject = \"properties.userID\"\nuntil = "+noon.AddDate(0, 2, 0).Format(time.RFC3339)+"\n[admin]")
	want("sst-key", 0, sst...)
	ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: keys.FileVault{Path: vault, Sealer: keys.MasterKey(key)}, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range []string{"", "sst-key"} { // one key, and two
		old, err := keys.Generate(keys.RS512)
		if err != nil {
			t.Fatal(err)
		}
		if err := ring.Import(t.Context(), old.Public(), noon.AddDate(0, 2, 0)); err != nil {
			t.Fatal(err)
		}
		want(found, 0, sst...)
	}
	want("config-invalid", 1, append(both, "seal =", "rotate = \"90d\"\nseal =", "[keys]", "[server]\ntrusted_proxies = [\"64.0.0.0/2\"]\nclient_ip_header = \"X-Forwarded-For\"\n[keys]")...)
	want("config-invalid", 1, append(both, "audience", "audiance")...)
	want("config-invalid", 1, append(both, `"github"`, `"nothing"`)...)
	t.Setenv("GITHUB_SECRET", "")
	want("secret-missing", 1, both...)
	t.Setenv("GITHUB_SECRET", "0123456789")
	t.Setenv("VAULT_KEY", base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 32))))
	want("vault-unreadable", 1, both...)
	t.Setenv("VAULT_KEY", base64.StdEncoding.EncodeToString(key))
	t.Setenv("STORE_URL", "postgres://postern:hunter2@127.0.0.1:1/x")
	want("store-unreachable", 1, append(vaultURL, "@store", "secret:STORE_URL", "seal =", "rotate = \"90d\"\nseal =")...)

	server := testserver.Postgres(t)
	admin, err := sql.Open("pgx", server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if _, err := sqlstore.Migrate(t.Context(), sqlstore.Config{DB: admin, Dialect: sqlstore.Postgres}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec("CREATE ROLE lesser LOGIN PASSWORD 'hunter2'; GRANT SELECT ON postern_schema, postern_items TO lesser; GRANT USAGE ON SCHEMA public TO lesser"); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("STORE_URL", server.DSN())
	postgres := append(vaultURL, "@store", "secret:STORE_URL", "seal =", "rotate = \"90d\"\nseal =")
	want("", 0, postgres...)
	u.User = url.UserPassword("lesser", "hunter2")
	t.Setenv("STORE_URL", u.String())
	want("store-rights", 1, postgres...)
	if _, err := admin.Exec("ALTER ROLE lesser SET synchronous_commit = off; GRANT ALL ON postern_items, postern_counters TO lesser"); err != nil {
		t.Fatal(err)
	}
	want("store-settings", 0, postgres...)
}

// TestDoctor_Commands: each command that a finding names is one.
func TestDoctor_Commands(t *testing.T) {
	text, err := os.ReadFile("../../internal/doctor/rules.go")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`postern ((?:keys|config|secrets|users|sessions|audit|token) [a-z-]+|migrate|serve)`).FindAllSubmatch(text, -1)
	if len(named) < 3 {
		t.Errorf("%d commands", len(named))
	}
	for _, m := range named {
		if _, errs, status := call(t, "", append(strings.Fields(string(m[1])), "--help")...); status != 0 {
			t.Errorf("%s: %s", m[0], errs)
		}
	}
}

// TestDoctor_MailHere: a mail server of this machine needs no TLS, as for smtpmail, unless a password goes there.
func TestDoctor_MailHere(t *testing.T) {
	t.Setenv("POSTERN_ISSUER", "")
	t.Setenv("VAULT_KEY", base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))
	t.Setenv("GITHUB_SECRET", "0123456789")
	t.Setenv("SMTP_PASSWORD", "hunter2")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- (&inbox.SMTP{Inbox: inbox.New()}).Serve(ctx, listener) }()
	defer func() {
		cancel()
		<-served
	}()
	file := filepath.Join(t.TempDir(), "a.db")
	if _, _, status := call(t, "", "migrate", "--store", "sqlite:"+file); status != 0 {
		t.Fatal("migrate")
	}
	for more, want := range map[string]string{
		"": "", "username = \"a\"\npassword = \"secret:SMTP_PASSWORD\"\n": "mail-tls",
	} {
		mail := "[mail]\nurl = \"smtp://" + listener.Addr().String() + "\"\nfrom = \"a@mail.invalid\"\n" + more + "[admin]"
		found := doctorConfig(t, min(len(want), 1), "@store", "sqlite:"+file, "@vault", "file:"+filepath.Join(t.TempDir(), "keys"), "[admin]", mail)
		var ids []string
		for id := range strings.FieldsSeq(found) {
			if strings.HasPrefix(id, "mail-") || strings.HasPrefix(id, "config-") {
				ids = append(ids, id)
			}
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("with %q: found %q, want %q", more, got, want)
		}
	}
}

// TestDoctor_IssuerDiffers: the configuration and the deployment must be of one issuer.
func TestDoctor_IssuerDiffers(t *testing.T) {
	t.Setenv("POSTERN_ISSUER", "")
	file := filepath.Join(t.TempDir(), "postern.toml")
	text := "issuer = \"http://localhost:8080/auth\"\naudience = \"a\"\nredirects = [\"/\"]\n[store]\nurl = \"memory\"\n[keys]\nvault = \"memory\"\n[providers.github]\ntype = \"github\"\nclient_id = \"id\"\nclient_secret = \"secret:S\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("S", "0123456789")
	out, errs, status := call(t, "", "doctor", "--config", file, "--issuer", "http://127.0.0.1:1/auth")
	if status != statusNo || !strings.Contains(out, "error "+"issuer-differs"+"\n") || !strings.Contains(out, "error unreachable\n") {
		t.Errorf("%d %s%s", status, out, errs)
	}
}

// TestDoctor_Providers: the metadata of each OpenID provider are read where the program reads them.
func TestDoctor_Providers(t *testing.T) {
	const directory = "3aa4a235-b6e2-48d5-9195-7fcf05b459b0"
	asked := make(chan string, 8)
	var issuer string
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		at := "http://" + r.Host
		fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q,"jwks_uri":%q}`, strings.Replace(issuer, "@", at, 1), at+"/a", at+"/t", at+"/k")
	}))
	defer provider.Close()
	t.Setenv("POSTERN_ISSUER", "")
	t.Setenv("GITHUB_SECRET", "0123456789")
	const path = "/.well-known/openid-configuration"
	for name, c := range map[string]struct{ settings, issuer, asked, want string }{
		"oidc":                       {"type = \"oidc\"\nissuer = \"@\"", "@", path, ""},
		"metadata_url":               {"type = \"oidc\"\nissuer = \"https://corp.example\"\nmetadata_url = \"@/metadata\"", "https://corp.example", "/metadata", ""},
		"metadata_url of another":    {"type = \"oidc\"\nissuer = \"https://corp.example\"\nmetadata_url = \"@/metadata\"", "https://other.example", "/metadata", "provider-unreachable"},
		"by hand":                    {"type = \"oidc\"\nissuer = \"https://corp.example\"\nauth_url = \"@/a\"\ntoken_url = \"@/t\"\njwks_url = \"@/k\"", "", "", ""},
		"keycloak":                   {"type = \"keycloak\"\nserver = \"@\"\nrealm = \"staff\"", "@/realms/staff", "/realms/staff" + path, ""},
		"keycloak, another realm":    {"type = \"keycloak\"\nserver = \"@\"\nrealm = \"staff\"", "@/realms/shop", "/realms/staff" + path, "provider-unreachable"},
		"microsoft, any directory":   {"type = \"microsoft\"\ntenant = \"common\"\nissuer = \"@/common/v2.0\"", "@/{tenantid}/v2.0", "/common/v2.0" + path, ""},
		"microsoft, one directory":   {"type = \"microsoft\"\ntenant = \"shop.example\"\nissuer = \"@/shop.example/v2.0\"", "@/" + directory + "/v2.0", "/shop.example/v2.0" + path, ""},
		"microsoft, another service": {"type = \"microsoft\"\ntenant = \"common\"\nissuer = \"@/common/v2.0\"", "https://evil.example/v2.0", "/common/v2.0" + path, "provider-unreachable"},
	} {
		issuer = c.issuer
		status := statusOK
		if c.want != "" {
			status = statusNo
		}
		got := doctorConfig(t, status, `issuer = "https://auth.example.com/auth"`, `issuer = "http://localhost:8080/auth"`, "@store", "memory", "@vault", "memory",
			"seal = \"secret:VAULT_KEY\"\n", "", `type = "github"`, strings.ReplaceAll(c.settings, "@", provider.URL)+"\nallow_local = true")
		at := ""
		select {
		case at = <-asked:
		default:
		}
		if got != c.want || at != c.asked {
			t.Errorf("%s: found %q, want %q; %q was asked for, want %q", name, got, c.want, at, c.asked)
		}
	}
}

// TestDoctor_Signers: doctor asks the keys of KMS for a signature, and finds one that makes none.
func TestDoctor_Signers(t *testing.T) {
	api, folder := onCloud(t), t.TempDir()
	t.Setenv("POSTERN_ISSUER", "")
	t.Setenv("GITHUB_SECRET", "0123456789")
	arn, public := pemOf(t, api, types.KeySpecEccNistP256)
	file := filepath.Join(folder, "signer.pem")
	if err := os.WriteFile(file, []byte(public), 0o600); err != nil {
		t.Fatal(err)
	}
	settings := []string{`issuer = "https://auth.example.com/auth"`, `issuer = "http://localhost:8080/auth"`, "@store", "memory", "@vault", "memory",
		"seal = \"secret:VAULT_KEY\"\n", fmt.Sprintf("[[keys.signers]]\nkey = \"kms:%s\"\npublic_key = %q\n", arn, file)}
	if found := doctorConfig(t, 0, settings...); found != "" {
		t.Errorf("a key that signs: %q", found)
	}
	denied(t, arn)
	if found := doctorConfig(t, 1, settings...); found != "signer-unusable" {
		t.Errorf("kms:Sign is denied: %q", found)
	}
}

// TestDoctor_Tables: what to do about tables is what helps. A migration helps neither with those of another program nor
// with those of a newer one.
func TestDoctor_Tables(t *testing.T) {
	t.Setenv("POSTERN_ISSUER", "")
	t.Setenv("GITHUB_SECRET", "0123456789")
	t.Setenv("VAULT_KEY", base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))
	for name, c := range map[string]struct{ statement, id, do string }{
		"another program's": {"DROP TABLE postern_schema; CREATE TABLE postern_schema (name TEXT)", "store-foreign", "Use another database"},
		"lost":              {"DROP TABLE postern_items", "store-foreign", "restore its tables from a backup"},
		"older":             {"DROP VIEW postern_sessions; UPDATE postern_schema SET version = 1", "store-tables", "Run postern migrate."},
		"newer":             {"UPDATE postern_schema SET version = 99, oldest = 99", "store-tables", "Upgrade the program"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "a.db")
			if _, _, status := call(t, "", "migrate", "--store", "sqlite:"+file); status != 0 {
				t.Fatal("migrate")
			}
			db, err := sql.Open("sqlite", file)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(c.statement); err != nil {
				t.Fatal(err)
			}
			text := "issuer = \"https://auth.example.com/auth\"\naudience = \"a\"\nredirects = [\"https://app.example.com/\"]\n[store]\nurl = \"sqlite:" + file +
				"\"\n[keys]\nvault = \"file:" + filepath.Join(dir, "keys") + "\"\nseal = \"secret:VAULT_KEY\"\n[providers.github]\ntype = \"github\"\nclient_id = \"id\"\nclient_secret = \"secret:GITHUB_SECRET\"\n"
			config := filepath.Join(dir, "postern.toml")
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			out, _, status := call(t, "", "doctor", "--json", "--config", config)
			var report struct{ Findings []struct{ ID, Do string } }
			if err := json.Unmarshal([]byte(out), &report); err != nil || status != statusNo {
				t.Fatalf("status %d: %v", status, err)
			}
			found := false
			for _, f := range report.Findings {
				if strings.HasPrefix(f.ID, "store-") {
					found = f.ID == c.id && strings.Contains(f.Do, c.do)
				}
			}
			_, _, migrated := call(t, "", "migrate", "--store", "sqlite:"+file)
			if helps := c.do == "Run postern migrate."; !found || helps != (migrated == statusOK) && name != "newer" { // which it leaves alone
				t.Errorf("migrate ends with %d; %s", migrated, out)
			}
		})
	}
}
