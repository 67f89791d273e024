package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const offlineConfig = `issuer = "http://localhost:8080/auth"
audience = "https://api.example.com"
redirects = ["/app"]
[server]
listen = "127.0.0.1:0"
local_listen = "off"
[store]
url = "sqlite:postern.db"
migrate = true
[keys]
seal = "secret:POSTERN_VAULT_KEY"
algorithm = "ES256"
[providers.github]
type = "github"
client_id = "1"
client_secret = "secret:GITHUB"
[mail]
url = "smtp://127.0.0.1:9"
from = "Example <no-reply@example.com>"
[audit]
webhook = "https://events.example.com/"
webhook_secret = "secret:WEBHOOK"
`

// TestConfigCheck_RefusesWhatServeRefuses: values that no engine or service of this program takes are found by config
// check, which calls nobody, and by serve.
func TestConfigCheck_RefusesWhatServeRefuses(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{"POSTERN_VAULT_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "GITHUB": "0123456789",
		"WEBHOOK": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key",
		"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none} {
		t.Setenv(name, value)
	}
	file := filepath.Join(t.TempDir(), "postern.toml")
	check := func(text string) (out string, status int) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, _, status = call(t, "", "config", "check", file)
		return out, status
	}
	if out, status := check(offlineConfig); status != statusOK {
		t.Fatal(out)
	}
	const store, vault, mail = `url = "sqlite:postern.db"`, "[keys]\n", `url = "smtp://127.0.0.1:9"` + "\n" + `from = "Example <no-reply@example.com>"`
	for _, c := range []struct{ old, new, key string }{
		{store, `url = "postgres://db:port/postern"`, "store.url"},
		{store, `url = "postgres://a@b@db/postern"`, "store.url"},
		{store, `url = "postgres://db/postern?sslmode=perhaps"`, "store.url"},
		{store, `url = "redis://127.0.0.1:9/name"`, "store.url"},
		{store, `url = "redis://127.0.0.1:9?prefix={a}"`, "store.url"},
		{store, `url = "rediss://127.0.0.1:9?no_such_option=1"`, "store.url"},
		{vault, "[keys]\nvault = \"ssm:/aws/keys\"\n", "keys.vault"},
		{vault, "[keys]\nvault = \"ssm:/" + strings.Repeat("a", 200) + "\"\n", "keys.vault"},
		{vault, "[keys]\nvault = \"secrets-manager:a b\"\n", "keys.vault"},
		{"[store]", "[secrets]\nsources = [\"env\", \"ssm\"]\nprefix = \"/ssm\"\n[store]", "secrets.sources[1]"},
		{mail, "url = \"ses:\"\nfrom = \"nobody\"", "mail.from"},
		{mail, "url = \"ses:\"\nfrom = \"a@example.com, b@example.com\"", "mail.from"},
		{"https://events.example.com/", "http://127.0.0.1:9/", "audit.webhook"},
		{"https://events.example.com/", "https://events.example.com/ x", "audit.webhook"},
		{"https://events.example.com/", "https://2130706433/", "audit.webhook"},
	} {
		text := strings.Replace(offlineConfig, c.old, c.new, 1)
		if text == offlineConfig {
			t.Fatalf("the configuration has no %q", c.old)
		}
		out, status := check(text)
		if status != statusNo || !strings.Contains(out, ": "+c.key+": ") || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: config check: %d %s", c.new, status, out)
		}
		if out, errs, status := call(t, "", "serve", "--config", file); status != statusNo && status != statusUsage || strings.Contains(out, "listens on") {
			t.Errorf("%s: serve: %d %s%s", c.new, status, out, errs)
		}
	}
}
