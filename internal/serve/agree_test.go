package serve

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/secrets"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// more are rooms that full does not have.
const more = `
[providers.own]
type = "oidc"
issuer = "https://login.example.com"
metadata_url = "https://login.example.com/metadata"
client_id = "1"
client_secret = "secret:OWN"
audiences = ["2"]
algorithms = ["ES256"]
max_age = "1h"
auth_method = "client_secret_post"

[providers.apple]
type = "apple"
team_id = "ABCDE12345"
key_id = "ABCDE12345"
client_id = "com.example.app"
private_key = "secret:APPLE"

[providers.entra]
type = "microsoft"
tenant = "3aa4a235-b6e2-48d5-9195-7fcf05b459b0"
client_id = "1"
client_secret = "secret:OWN"

[providers.cloak]
type = "keycloak"
server = "https://cloak.example.com"
realm = "shop"
client_id = "1"
client_secret = "secret:OWN"

[providers.pool]
type = "cognito"
pool = "eu-central-1_AbCdEfGhI"
client_id = "1"

[providers.plain]
type = "oauth"
issuer = "https://plain.example.com"
auth_url = "https://plain.example.com/authorize"
token_url = "https://plain.example.com/token"
user_info_url = "https://plain.example.com/me"
client_id = "1"
client_secret = "secret:OWN"
subject = "id"
`

// everything is a program that has all parts, over memory, with every secret.
func everything(t *testing.T) Parts {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	apple := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	env := environment{"POSTERN_VAULT_KEY": vaultKey(), "DATABASE_URL": "sqlite:postern.db", "GOOGLE_CLIENT_SECRET": "0123456789", "SMTP_PASSWORD": "0123456789",
		"WEBHOOK_SECRET": "whsec_" + vaultKey(), "OWN": "0123456789", "APPLE": apple}
	return Parts{
		LookupEnv: env.lookup, ReadFile: os.ReadFile, Logger: slog.New(slog.DiscardHandler),
		OpenStore:   func(context.Context, string) (store.Store, func(), error) { return &store.Memory{}, func() {}, nil },
		OpenSecrets: func(context.Context, SourceRequest) (secrets.Source, error) { return shelf{}, nil },
		OpenSigner: func(ctx context.Context, _ SignerRequest) (keys.Signer, error) {
			return keys.Open(ctx, keys.RingConfig{Vault: &keys.MemoryVault{}, Algorithm: keys.ES256})
		},
		OpenMail: func(context.Context, Mail) (func(context.Context, postern.Mail) error, error) {
			return func(context.Context, postern.Mail) error { return nil }, nil
		},
		OpenAudit: func(_ context.Context, a AuditRequest) (func(context.Context, session.Event), func() error, error) {
			return func(context.Context, session.Event) {}, func() error { return nil }, webhook(a.Webhook, a.Secrets...)
		},
	}
}

// TestCheck_AgreesWithOpen: what Check accepts opens, with secrets and services that are there, and what it refuses
// does not.
func TestCheck_AgreesWithOpen(t *testing.T) {
	parts := everything(t)
	verdicts := func(text string) (check, open error) {
		t.Helper()
		c, _ := Parse("postern.toml", []byte(text), environment{}.lookup) // Check and Open return its problems
		check = Check(t.Context(), c, parts)
		h, open := Open(t.Context(), c, parts)
		if open == nil {
			open = h.Close()
		}
		return check, open
	}
	if check, open := verdicts(full + more); check != nil || open != nil {
		t.Fatal(check, open)
	}
	all, lines := settingsIn(full + more)
	tried, opened := 0, 0
	for _, s := range all {
		name := s.key[strings.LastIndexByte(s.key, '.')+1:]
		values := []string{"x", "-", ".", "a b", "\u00e9", "a\\u0000b", "/x", "http://127.0.0.1:1/", "https://127.0.0.1/x", "https://1/", "https://h.example/ x", "3m", "0s", strings.Repeat("a", 300)}
		for i := range values {
			values[i] = `"` + values[i] + `"`
		}
		switch s.value[0] {
		case '[':
			for i := range values {
				values[i] = "[" + values[i] + "]"
			}
		case 't', 'f':
			values = []string{"true", "false"}
		case '"':
		default:
			values = []string{"0", "-1", "1", "64", "1000000", "2016-01-01T00:00:00Z"}
		}
		for _, value := range append(values, "") {
			line := name + " = " + value
			if value == "" {
				line = ""
			}
			text := with(lines, s.line, line)
			if c, err := Parse("postern.toml", []byte(text), environment{}.lookup); err != nil || len(c.problems) > 0 {
				continue // both begin with it
			}
			check, open := verdicts(text)
			if (check == nil) != (open == nil) {
				t.Errorf("%s = %s\n\tcheck: %v\n\topen: %v", s.key, value, check, open)
			}
			if tried++; open == nil {
				opened++
			}
			var invalid *Invalid
			if open != nil && !errors.As(open, &invalid) {
				t.Errorf("%s = %s: a mistake of the file is an error of a service: %v", s.key, value, open)
			}
		}
	}
	t.Logf("%d files, of which %d open", tried, opened)
	if opened < 100 || tried-opened < 20 {
		t.Errorf("%d files, of which %d open: the generator is wrong", tried, opened)
	}
}
