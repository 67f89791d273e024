package serve

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// full is a file that uses every room. Each of its lines is broken in turn.
const full = `issuer = "https://auth.example.com/auth"
audience = "https://api.example.com"
client_id = "web"
name = "Example"
redirects = ["https://app.example.com/", "/welcome"]
origins = ["https://app.example.com"]
site = "example.com"
require_pkce = true
token_clients = ["cli"]
order = ["google", "password"]
identifier_first = true
not_before = 2026-01-01T00:00:00Z

[server]
listen = ":8080"
local_listen = "127.0.0.1:8081"
pprof = true
trusted_proxies = ["10.0.0.0/8"]
client_ip_header = "X-Forwarded-For"
drain = "5s"
shutdown = "20s"

[secrets]
app = "shop"
stage = "prod"
sources = ["env", "ssm"]
prefix = "/sst"
protected = ["prod"]

[store]
url = "secret:DATABASE_URL"

[keys]
vault = "store"
ring = "main"
seal = "secret:POSTERN_VAULT_KEY"
algorithm = "ES256"
rotate = "60d"

[[keys.signers]]
key = "kms:arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
public_key = "testdata/signer.pem"
algorithm = "RS512"
from = 2026-01-01T00:00:00Z

[session]
kind = "user"
access = "5m"
idle = "7d"
absolute = "30d"
max_sessions = 10
check_store = true
cookie = "__Host-session"
claims = ["email", "name"]

[users]
default_roles = ["reader"]
admit = "domains"
domains = ["example.com"]
usernames = true
reserved_names = ["example"]

[users.roles]
reader = ["posts:read"]
admin = ["users:read", "users:roles", "posts:read"]

[[users.fields]]
name = "company"
label = "Company"
type = "text"
max_length = 80
required = true

[providers.google]
type = "google"
label = "Google"
client_id = "1234"
client_secret = "secret:GOOGLE_CLIENT_SECRET"
scopes = ["openid", "email"]
prompt = "select_account"
timeout = "5s"
hosted_domain = "example.com"

[providers.google.params]
access_type = "offline"

[providers.link]
type = "magic"
mode = "both"
life = "5m"
per_address = 5

[providers.password]
type = "password"
min_length = 15
memory_mib = 128

[providers.passkey]
type = "passkey"
rp_id = "example.com"
offer = true

[factors]
totp = true
totp_name = "Example"
recovery = true
require_for_roles = ["admin"]
remember = "7d"

[mail]
url = "smtps://smtp.example.com"
from = "Example <no-reply@example.com>"
username = "postern"
password = "secret:SMTP_PASSWORD"
timeout = "5s"

[pages]
scheme = "light"
accent = "#0b6e4f"
radius = 4
terms = "https://example.com/terms"
languages = ["en", "de"]

[admin]
enabled = true
kind = "staff"
access = "5m"
idle = "1h"
absolute = "8h"
require_factor = true

[forward_auth]
enabled = true
scopes = ["posts:read"]
check_store = true

[[forward_auth.rules]]
path = "/admin"
roles = ["admin"]

[forward_auth.apps.wiki]
roles = ["reader"]

[forward_auth.sst]
enabled = true
types = ["user"]
subject = "properties.userID"
until = 2026-01-01T00:00:00Z
max_age = "45d"
allow_no_exp = true
cookie = "auth-token"

[audit]
log = true
webhook = "https://events.example.com/"
webhook_secret = "secret:WEBHOOK_SECRET"

[log]
format = "json"
level = "info"
`

// problemsOf parses and checks a file.
func problemsOf(t *testing.T, text string) []Problem {
	t.Helper()
	c, _ := Parse("postern.toml", []byte(text), environment{"EMPTY": "", "HOST": "db.internal", "PORT": "5432", "SCHEME": "postgres"}.lookup)
	err := Check(t.Context(), c, Parts{LookupEnv: environment{}.lookup, ReadFile: os.ReadFile})
	var invalid *Invalid
	if err != nil && !errors.As(err, &invalid) {
		t.Fatalf("not an Invalid: %v", err)
	}
	if invalid == nil {
		return nil
	}
	for _, p := range invalid.Problems {
		if p.File != "postern.toml" || p.Text == "" || p.Next == "" {
			t.Errorf("no text or no next step: %+v", p)
		}
	}
	return invalid.Problems
}

// A setting of full: its line, and its key.
type setting struct {
	line       int // from 0
	key, value string
}

func settingsOfFull() (all []setting, lines []string) { return settingsIn(full) }

func settingsIn(text string) (all []setting, lines []string) {
	lines = strings.Split(text, "\n")
	table, count := "", map[string]int{}
	for i, line := range lines {
		if header, ok := strings.CutPrefix(line, "[["); ok {
			name := strings.TrimSuffix(header, "]]")
			table = fmt.Sprintf("%s[%d]", name, count[name])
			count[name]++
		} else if header, ok := strings.CutPrefix(line, "["); ok {
			table = strings.TrimSuffix(header, "]")
		} else if key, value, ok := strings.Cut(line, " = "); ok {
			all = append(all, setting{i, join(table, key), value})
		}
	}
	return all, lines
}

// with returns full with a line replaced.
func with(lines []string, i int, line string) string {
	out := slices.Clone(lines)
	out[i] = line
	return strings.Join(out, "\n")
}

// names reports whether a problem is about a key: its own, or an entry of it.
func names(list []Problem, key string, line int) bool {
	return slices.ContainsFunc(list, func(p Problem) bool {
		return (p.Key == key || strings.HasPrefix(p.Key, key+"[")) && (line == 0 || p.Line == line)
	})
}

// TestE5_EveryFieldBroken: each setting of a full file, empty, misspelt, twice, with a variable that is not set, and of
// a wrong type. None starts, and the problem has the setting and its line. Without the setting a file starts, or names
// what is missing.
func TestE5_EveryFieldBroken(t *testing.T) {
	if list := problemsOf(t, full); len(list) > 0 {
		t.Fatal(list)
	}
	all, lines := settingsOfFull()
	broken := 0
	for _, s := range all {
		name := s.key[strings.LastIndexByte(s.key, '.')+1:]
		table := strings.TrimSuffix(s.key, name)
		openKey := table == "users.roles." || table == "providers.google.params." // names there are the application's
		mutants := map[string]string{
			"empty":      name + ` = ""`,
			"variable":   name + ` = "${UNSET}"`,
			"malformed":  name + ` = "${UNSET:-default}"`,
			"wrong type": name + ` = { a = 1 }`,
			"a float":    name + ` = 1.5`,
			"twice":      lines[s.line] + "\n" + lines[s.line],
		}
		for kind, line := range mutants {
			at := s.line + 1
			if kind == "twice" {
				at++
			}
			if list := problemsOf(t, with(lines, s.line, line)); !names(list, s.key, at) {
				t.Errorf("%s, %s: %v", s.key, kind, list)
			}
			broken++
		}
		if !openKey {
			list := problemsOf(t, with(lines, s.line, strings.Replace(lines[s.line], name, name+"x", 1)))
			if !names(list, s.key+"x", s.line+1) {
				t.Errorf("%s misspelt: %v", s.key, list)
			}
			broken++
		}
		without := problemsOf(t, with(lines, s.line, ""))
		if strings.HasPrefix(s.value, `"`) && !openKey { // an empty variable is as no line, or is refused
			list := problemsOf(t, with(lines, s.line, name+` = "${EMPTY}"`))
			same := slices.EqualFunc(list, without, func(a, b Problem) bool { return a.Key == b.Key })
			if !same && !names(list, s.key, 0) {
				t.Errorf("%s from an empty variable: %v, and without it: %v", s.key, list, without)
			}
		}
		for _, p := range without {
			if p.Key == "" || !strings.Contains(p.Text+p.Key, name) && !strings.Contains(full, lastName(p.Key)) {
				t.Errorf("without %s: %v", s.key, p)
			}
		}
		if strings.HasPrefix(s.value, `"secret:`) {
			if list := problemsOf(t, with(lines, s.line, name+` = "hunter2-hunter2"`)); !names(list, s.key, s.line+1) || strings.Contains(fmt.Sprint(list), "hunter2") {
				t.Errorf("%s with a plain secret: %v", s.key, list)
			}
			broken++
		}
	}
	for _, key := range []string{"issuer", "audience", "redirects", "store.url", "keys.seal", "users.domains", "providers.google.type", "providers.google.client_id",
		"providers.google.client_secret", "mail.url", "mail.from", "mail.password", "server.client_ip_header", "audit.webhook_secret", "users.fields[0].name"} {
		i := slices.IndexFunc(all, func(s setting) bool { return s.key == key })
		list := problemsOf(t, with(lines, all[i].line, ""))
		want := key
		if key == "server.client_ip_header" {
			want = "server.trusted_proxies"
		}
		if len(list) == 0 || !slices.ContainsFunc(list, func(p Problem) bool { return p.Key == want }) {
			t.Errorf("without %s: %v", key, list)
		}
		broken++
	}
	t.Logf("%d broken files", broken)
	if broken < 400 {
		t.Errorf("only %d broken files: the generator is wrong", broken)
	}
}

func lastName(key string) string {
	key, _, _ = strings.Cut(key, "[")
	return key[strings.LastIndexByte(key, '.')+1:]
}

// TestE5_DangerousFiles: files that are well formed and would be a hole.
func TestE5_DangerousFiles(t *testing.T) {
	for _, c := range []struct{ old, new, key string }{
		{`issuer = "https://auth.example.com/auth"`, `issuer = "http://auth.example.com/auth"`, "issuer"},
		{`issuer = "https://auth.example.com/auth"`, `issuer = "https://auth.example.com/auth/"`, "issuer"},
		{`issuer = "https://auth.example.com/auth"`, `issuer = "https://auth.example.com/auth?x=1"`, "issuer"},
		{`issuer = "https://auth.example.com/auth"`, `issuer = "https://u:p@auth.example.com/auth"`, "issuer"},
		{`issuer = "https://auth.example.com/auth"`, "issuer = \"https://auth.example.com/auth\"\ndevelopment_hosts = [\"web\"]", "development_hosts"},
		{`"/welcome"]`, `"https://*.example.com/"]`, "redirects[1]"},
		{`"/welcome"]`, `"https://app.example.com/*"]`, "redirects[1]"},
		{`"/welcome"]`, `"http://app.example.com/"]`, "redirects[1]"},
		{`"/welcome"]`, `"//evil.example/"]`, "redirects[1]"},
		{`"/welcome"]`, `"javascript:alert(1)"]`, "redirects[1]"},
		{`"/welcome"]`, `"https://app.example.com"]`, "redirects[1]"},
		{`origins = ["https://app.example.com"]`, `origins = ["*"]`, "origins[0]"},
		{`origins = ["https://app.example.com"]`, `origins = ["null"]`, "origins[0]"},
		{`origins = ["https://app.example.com"]`, `origins = ["http://app.example.com"]`, "origins[0]"},
		{`origins = ["https://app.example.com"]`, `origins = ["https://app.other.example"]`, "origins[0]"},
		{`site = "example.com"`, `site = "com"`, "site"},
		{`site = "example.com"`, `site = "other.example"`, "site"},
		{`url = "secret:DATABASE_URL"`, `url = "memory"`, "store.url"},
		{`url = "secret:DATABASE_URL"`, `url = "postgres://postern:hunter2@db/postern"`, "store.url"},
		{`url = "secret:DATABASE_URL"`, `url = "postgres://db/postern?password=hunter2"`, "store.url"},
		{`url = "secret:DATABASE_URL"`, `url = "mysql://db/postern"`, "store.url"},
		{`vault = "store"`, `vault = "memory"`, "keys.vault"},
		{`vault = "store"`, `vault = "https://vault.example.com"`, "keys.vault"},
		{`seal = "secret:POSTERN_VAULT_KEY"`, `seal = "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY="`, "keys.seal"},
		{`seal = "secret:POSTERN_VAULT_KEY"`, `seal = "kms:arn:aws:kms:eu-central-1:1:alias/postern"`, "keys.seal"},
		{`algorithm = "ES256"`, `algorithm = "HS256"`, "keys.algorithm"},
		{`algorithm = "ES256"`, `algorithm = "none"`, "keys.algorithm"},
		{`trusted_proxies = ["10.0.0.0/8"]`, ``, "server.client_ip_header"},
		{`client_ip_header = "X-Forwarded-For"`, ``, "server.trusted_proxies"},
		{`trusted_proxies = ["10.0.0.0/8"]`, `trusted_proxies = ["0.0.0.0/0"]`, "server.trusted_proxies[0]"},
		{`trusted_proxies = ["10.0.0.0/8"]`, `trusted_proxies = ["::/0"]`, "server.trusted_proxies[0]"},
		{`local_listen = "127.0.0.1:8081"`, `local_listen = ":8080"`, "server.local_listen"},
		{`totp = true`, `totp = false`, "factors.totp_name"},
		{`require_factor = true`, `require_factor = false`, "admin.require_factor"},
		{`kind = "staff"`, `kind = "user"`, "admin.kind"},
		{`admin = ["users:read", "users:roles", "posts:read"]`, `admin = ["posts:read"]`, "admin.enabled"},
		{`default_roles = ["reader"]`, `default_roles = ["admin"]`, "users.default_roles[0]"},
		{`default_roles = ["reader"]`, `default_roles = ["raeder"]`, "users.default_roles[0]"},
		{`require_for_roles = ["admin"]`, `require_for_roles = ["admins"]`, "factors.require_for_roles[0]"},
		{"wiki]\nroles = [\"reader\"]", "wiki]\nroles = [\"readers\"]", "forward_auth.apps.wiki.roles[0]"},
		{`scopes = ["posts:read"]`, `scopes = ["post:read"]`, "forward_auth.scopes[0]"},
		{`path = "/admin"`, `path = "/%61dmin"`, "forward_auth.rules[0].path"},
		{`path = "/admin"`, `path = "/x/../admin"`, "forward_auth.rules[0].path"},
		{`path = "/admin"`, `path = "admin"`, "forward_auth.rules[0].path"},
		{`path = "/admin"`, `path = "/\u0430dmin"`, "forward_auth.rules[0].path"},
		{`path = "/admin"`, `path = "/admin "`, "forward_auth.rules[0].path"},
		{`path = "/admin"`, `path = "/x /admin"`, "forward_auth.rules[0].path"},
		{`path = "/admin"`, `path = "/admin\u0000"`, "forward_auth.rules[0].path"},
		{`path = "/admin"`, `path = "/admin\u200b"`, "forward_auth.rules[0].path"},
		{`domains = ["example.com"]`, `domains = ["*.example.com"]`, "users.domains[0]"},
		{`min_length = 15`, `min_length = 8`, "providers.password.min_length"},
		{`min_length = 15`, `min_length = 6`, "providers.password.min_length"},
		{`memory_mib = 128`, `memory_mib = 8`, "providers.password.memory_mib"},
		{`life = "5m"`, `life = "24h"`, "providers.link.life"},
		{`access = "5m"` + "\nidle = \"7d\"", `access = "5m"` + "\nidle = \"2m\"", "session.idle"},
		{`access = "5m"` + "\nidle = \"7d\"", `access = "400d"` + "\nidle = \"7d\"", "session.access"},
		{`[providers.link]`, "[providers.second]\ntype = \"password\"\n\n[providers.link]", "providers.second.type"},
		{`[providers.link]`, "[providers.google]\ntype = \"google\"\n\n[providers.link]", "providers.google"},
		{`[providers.link]`, "[providers.admin]\ntype = \"google\"\nclient_id = \"1\"\nclient_secret = \"secret:A\"\n\n[providers.link]", "providers.admin"},
		{`[providers.link]`, "[providers.fake]\ntype = \"oauth\"\nclient_id = \"1\"\nissuer = \"https://accounts.google.com\"\nauth_url = \"https://a.example/a\"\ntoken_url = \"https://a.example/t\"\nuser_info_url = \"https://a.example/u\"\n\n[providers.link]", "providers.google.issuer"},
		{`[providers.link]`, "[providers.own]\ntype = \"oidc\"\nclient_id = \"1\"\nissuer = \"http://login.example.com\"\n\n[providers.link]", "providers.own.issuer"},
		{`[providers.link]`, "[providers.own]\ntype = \"oidc\"\nclient_id = \"1\"\nissuer = \"https://127.0.0.1\"\nallow_local = true\n\n[providers.link]", "providers.own.allow_local"},
		{`hosted_domain = "example.com"`, `tenant = "common"`, "providers.google.tenant"},
		{`rp_id = "example.com"`, `rp_id = "other.example"`, "providers.passkey.rp_id"},
		{`url = "smtps://smtp.example.com"`, `url = "smtps://postern:hunter2@smtp.example.com"`, "mail.url"},
		{`from = "Example <no-reply@example.com>"`, `from = "Example <no-reply@example.com>\r\nBcc: x@evil.example"`, "mail.from"},
		{`webhook = "https://events.example.com/"`, `webhook = "http://events.example.com/"`, "audit.webhook"},
		{`name = "Example"`, `name = "secret:NAME"`, "name"},
		{`accent = "#0b6e4f"`, `accent = "#ffffff"`, "pages"},
		{`client_ip_header = "X-Forwarded-For"`, `client_ip_header = "Forwarded"`, "server.client_ip_header"},
		{`client_ip_header = "X-Forwarded-For"`, `client_ip_header = "X Forwarded For"`, "server.client_ip_header"},
		{`trusted_proxies = ["10.0.0.0/8"]`, `trusted_proxies = ["10.0.0.0/8", "0.0.0.0/1"]`, "server.trusted_proxies[1]"},
		{`trusted_proxies = ["10.0.0.0/8"]`, `trusted_proxies = ["0.0.0.0/1", "128.0.0.0/1"]`, "server.trusted_proxies[0]"},
		{`trusted_proxies = ["10.0.0.0/8"]`, `trusted_proxies = ["::ffff:0.0.0.0/97"]`, "server.trusted_proxies[0]"},
		{`trusted_proxies = ["10.0.0.0/8"]`, `trusted_proxies = ["2000::/3"]`, "server.trusted_proxies[0]"},
		{`trusted_proxies = ["10.0.0.0/8"]`, `trusted_proxies = ["fc00::/6"]`, "server.trusted_proxies[0]"},
		{`url = "secret:DATABASE_URL"`, `url = "postgres://u:hunter2@${HOST}/db"`, "store.url"},
		{`url = "secret:DATABASE_URL"`, `url = "postgres://u:hunter2${EMPTY}@db:${PORT}/db"`, "store.url"},
		{`url = "secret:DATABASE_URL"`, `url = "rediss://:hunter2@${HOST}:6379"`, "store.url"},
		{`url = "secret:DATABASE_URL"`, `url = "${SCHEME}://u:hunter2@db/db"`, "store.url"},
		{`url = "secret:DATABASE_URL"`, `url = "postgres://${HOST}/db?password=hunter2"`, "store.url"},
		{"enabled = true\nscopes = [\"posts:read\"]", "enabled = true\nscopes = \"${EMPTY}\"", "forward_auth.scopes"},
		{"enabled = true\nscopes = [\"posts:read\"]", "enabled = true\nroles = \"${EMPTY}\"", "forward_auth.roles"},
		{"wiki]\nroles = [\"reader\"]", "wiki]\nroles = \"${EMPTY}\"", "forward_auth.apps.wiki.roles"},
		{"path = \"/admin\"\nroles = [\"admin\"]", "path = \"/admin\"\nscopes = [\"users:read\"]\nroles = \"${EMPTY}\"", "forward_auth.rules[0].roles"},
		{`require_for_roles = ["admin"]`, `require_for_roles = "${EMPTY}"`, "factors.require_for_roles"},
		{`vault = "store"`, `vault = "ssm:no slash"`, "keys.vault"},
		{`vault = "store"`, `vault = "ssm:shop/keys"`, "keys.vault"},
		{`seal = "secret:POSTERN_VAULT_KEY"`, `seal = "kms:arn::key/"`, "keys.seal"},
		{`seal = "secret:POSTERN_VAULT_KEY"`, `seal = "kms:arn:aws:kms:eu-central-1:1:key/a"`, "keys.seal"},
		{`not_before = 2026-01-01T00:00:00Z`, `not_before = 2226-01-01T00:00:00Z`, "not_before"},
		{`local_listen = "127.0.0.1:8081"`, `local_listen = "off"`, "server.pprof"},
		{"listen = \":8080\"\nlocal_listen = \"127.0.0.1:8081\"", "listen = \"127.0.0.1:8080\"\nlocal_listen = \"localhost:8080\"", "server.local_listen"},
		{"listen = \":8080\"\nlocal_listen = \"127.0.0.1:8081\"", "listen = \"localhost:8080\"\nlocal_listen = \"[::1]:8080\"", "server.local_listen"},
		{`url = "smtps://smtp.example.com"`, `url = "ses:"`, "mail.username"},
		{`url = "smtps://smtp.example.com"`, `url = "ses:"`, "mail.password"},
		{`url = "smtps://smtp.example.com"`, "url = \"ses:\"\nallow_plaintext = true", "mail.allow_plaintext"},
		{"vault = \"store\"\nring = \"main\"", "vault = \"file:ring\"\nring = \"other\"", "keys.ring"},
		{"idle = \"7d\"\nabsolute = \"30d\"", "idle = \"31d\"\nabsolute = \"30d\"", "session.idle"},
		{"[forward_auth]\nenabled = true", "[forward_auth]\nenabled = false", "forward_auth.sst.enabled"},
		{"[forward_auth.sst]\nenabled = true", "[forward_auth.sst]\nenabled = false", "forward_auth.sst.enabled"},
		{"[forward_auth.sst]\nenabled = true", "[forward_auth.sst]", "forward_auth.sst.enabled"},
		{`types = ["user"]`, ``, "forward_auth.sst.types"},
		{`types = ["user"]`, `types = ["public"]`, "forward_auth.sst.types"},
		{`types = ["user"]`, `types = ["user", "a\u0000"]`, "forward_auth.sst.types"},
		{`types = ["user"]`, `types = "${EMPTY}"`, "forward_auth.sst.types"},
		{`subject = "properties.userID"`, ``, "forward_auth.sst.subject"},
		{`subject = "properties.userID"`, `subject = "userID"`, "forward_auth.sst.subject"},
		{`subject = "properties.userID"`, `subject = "properties"`, "forward_auth.sst.subject"},
		{`subject = "properties.userID"`, `subject = "properties.a..b"`, "forward_auth.sst.subject"},
		{`until = 2026-01-01T00:00:00Z`, ``, "forward_auth.sst.until"},
		{`until = 2026-01-01T00:00:00Z`, `until = 2226-01-01T00:00:00Z`, "forward_auth.sst.until"},
		{`max_age = "45d"`, `max_age = "0s"`, "forward_auth.sst.max_age"},
		{`max_age = "45d"`, `max_age = "10y"`, "forward_auth.sst.max_age"},
		{`max_age = "45d"`, `max_age = "401d"`, "forward_auth.sst.max_age"},
		{`max_age = "45d"`, `max_age = "90.5s"`, "forward_auth.sst.max_age"},
		{`cookie = "auth-token"`, `cookie = "auth token"`, "forward_auth.sst.cookie"},
		{"idle = \"1h\"\nabsolute = \"8h\"", "idle = \"9h\"\nabsolute = \"8h\"", "admin.idle"},
	} {
		if !strings.Contains(full, c.old) {
			t.Fatalf("full has no %q", c.old)
		}
		list := problemsOf(t, strings.Replace(full, c.old, c.new, 1))
		if !slices.ContainsFunc(list, func(p Problem) bool { return p.Key == c.key }) {
			t.Errorf("%q: no problem with %s: %v", c.new, c.key, list)
		}
		if strings.Contains(fmt.Sprint(list), "hunter2") {
			t.Errorf("%q: the password is in the error: %v", c.new, list)
		}
	}
}
