package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/posternauth/postern/internal/awsvault"
	"github.com/posternauth/postern/internal/serve/emf"
	"github.com/posternauth/postern/internal/test/functiontest"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/rotator"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
	"github.com/posternauth/postern/secrets"
	"github.com/posternauth/postern/secrets/ssmsecrets"
	"github.com/posternauth/postern/store/dynamostore"
)

// environment has the variables that the templates set, with an issuer of this machine.
func environment(t *testing.T, aws string) map[string]string {
	t.Helper()
	config, err := filepath.Abs(filepath.Join("testdata", "postern.toml"))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"POSTERN_CONFIG": config, "POSTERN_ISSUER": "http://localhost:8080/auth", "POSTERN_AUDIENCE": "api", "POSTERN_ORIGINS": "http://localhost:3000",
		"POSTERN_REDIRECTS": "http://localhost:3000/", "POSTERN_STORE": "dynamodb:auth", "POSTERN_VAULT": "ssm:/shop/prod/auth/keys", "POSTERN_SEAL": "", "POSTERN_APP": "shop",
		"POSTERN_STAGE": "prod", "POSTERN_MAIL_FROM": "sign-in@example.com",
		"AWS_ENDPOINT_URL": aws, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
	}
}

func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}

func list(env map[string]string) (out []string) {
	for name, value := range env {
		out = append(out, name+"="+value)
	}
	return out
}

// TestBootstrap runs both handlers as they are deployed, with each kind of keys of the CDK construct: the first start
// makes the keys, a sign-in begins, and the rotator reports. It has no table, because its role may read none.
func TestBootstrap(t *testing.T) {
	moto := testserver.Moto(t)
	bootstrap := functiontest.Build(t, ".")
	c := awsConfig(lookup(environment(t, moto.URL())))
	if err := dynamostore.CreateTable(t.Context(), dynamodb.NewFromConfig(c), "auth"); err != nil {
		t.Fatal(err)
	}
	// moto loads a service at its first call, which may take longer than a function waits.
	made, err := kms.NewFromConfig(c).CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ssm.NewFromConfig(c).GetParametersByPath(t.Context(), &ssm.GetParametersByPathInput{Path: aws.String("/nothing")}); err != nil {
		t.Fatal(err)
	}
	if _, err := secretsmanager.NewFromConfig(c).ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{}); err != nil {
		t.Fatal(err)
	}
	for kind, variables := range map[string][2]string{
		"ssm":     {"ssm:/shop/prod/auth/keys", ""},
		"kms":     {"ssm:/sealed/prod/auth/keys", "kms:" + *made.KeyMetadata.Arn},
		"secrets": {"secrets-manager:shop/prod/auth/keys", ""},
	} {
		t.Run(kind, func(t *testing.T) {
			env := environment(t, moto.URL())
			env["POSTERN_VAULT"], env["POSTERN_SEAL"] = variables[0], variables[1]
			begin(t, bootstrap, env)
			vault, err := awsvault.Open(t.Context(), awsvault.Request{URL: variables[0], AWS: func(context.Context) (aws.Config, error) { return c, nil }})
			if err != nil {
				t.Fatal(err)
			}
			if document, _, err := vault.Load(t.Context()); (err == nil && json.Valid(document)) != (kind != "kms") {
				t.Errorf("the ring can be read without the KMS key: %v; %v", kind == "kms", err)
			}
			env["_HANDLER"], env["POSTERN_ROTATE"], env["POSTERN_STORE"] = "rotator", "720h", "dynamodb:no-table"
			run, out := functiontest.Start(t, bootstrap, list(env)...)
			answer, err := run.Invoke(t.Context(), []byte(`{}`))
			var r struct {
				Rotated bool
				Keys    int
			}
			if err != nil || json.Unmarshal(answer, &r) != nil || r.Rotated || r.Keys != 1 {
				t.Errorf("a rotator with a new key: %s %v", answer, err)
			}
			out.Find(t, `"KeyAgeSeconds":\d+.*"RotatorFailures":0,"RotatorRuns":1`)
		})
	}
}

// TestE4_BootstrapSigner: the auth function publishes the key of KMS that its configuration pins, and not that of the
// ring. With another public key it does not start, and the rotator runs all the same.
func TestE4_BootstrapSigner(t *testing.T) {
	moto := testserver.Moto(t)
	bootstrap := functiontest.Build(t, ".")
	env := environment(t, moto.URL())
	c := awsConfig(lookup(env))
	if err := dynamostore.CreateTable(t.Context(), dynamodb.NewFromConfig(c), "auth"); err != nil {
		t.Fatal(err)
	}
	if _, err := ssm.NewFromConfig(c).GetParametersByPath(t.Context(), &ssm.GetParametersByPathInput{Path: aws.String("/nothing")}); err != nil {
		t.Fatal(err)
	}
	api := kms.NewFromConfig(c)
	made, err := api.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeSignVerify})
	if err != nil {
		t.Fatal(err)
	}
	out, err := api.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: made.KeyMetadata.Arn})
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: out.PublicKey})
	key, err := keys.ParsePublicPEM(public, keys.RS256, "")
	if err != nil {
		t.Fatal(err)
	}
	kid, err := keys.Thumbprint(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(env["POSTERN_CONFIG"])
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	env["POSTERN_CONFIG"], env["POSTERN_SIGNER"] = filepath.Join(folder, "postern.toml"), "kms:"+*made.KeyMetadata.Arn
	text = append(text, "\n[[keys.signers]]\nkey = \"${POSTERN_SIGNER}\"\npublic_key = \"signer.pem\"\n"...)
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("postern.toml", text)
	write("signer.pem", public)
	begin(t, bootstrap, env)
	auth, _ := functiontest.Start(t, bootstrap, list(env)...)
	w := httptest.NewRecorder()
	lambdatest.Handler(lambdatest.HTTPAPI, auth).ServeHTTP(w, httptest.NewRequest("GET", "http://localhost:8080/auth/.well-known/jwks.json", nil))
	if set, err := keys.ParseJWKS(w.Body.Bytes()); err != nil || len(set) != 1 || set[0].ID() != kid || set[0].Algorithm() != keys.RS256 {
		t.Errorf("%v is published, want %s: %v", set, kid, err)
	}

	other, err := keys.Generate(keys.RS256)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(other.Public().Public())
	if err != nil {
		t.Fatal(err)
	}
	write("signer.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	var log strings.Builder
	refused := world{lookup(env), os.ReadFile, io.Discard, slog.New(slog.NewTextHandler(&log, nil))}
	if _, err := open(t.Context(), refused); err == nil || !strings.Contains(err.Error(), "keys.signers[0]: ") || !strings.Contains(log.String(), "a key of KMS is not the one of the configuration") {
		t.Errorf("another public key: %v; the log has %s", err, log.String())
	}
	env["_HANDLER"] = "rotator"
	if _, err := open(t.Context(), refused); err != nil {
		t.Errorf("the rotator: %v", err)
	}
}

// TestBootstrap_RotatorReadsNoOtherSecret: the rotator runs with the one secret that seals the keys, although the
// configuration names another one, without which the auth function does not start.
func TestBootstrap_RotatorReadsNoOtherSecret(t *testing.T) {
	moto := testserver.Moto(t)
	bootstrap := functiontest.Build(t, ".")
	env := environment(t, moto.URL())
	text, err := os.ReadFile(env["POSTERN_CONFIG"])
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, "\n[providers.google]\ntype = \"google\"\nclient_id = \"shop\"\nclient_secret = \"secret:GOOGLE_CLIENT_SECRET\"\n"...)
	env["POSTERN_CONFIG"] = filepath.Join(t.TempDir(), "postern.toml")
	if err := os.WriteFile(env["POSTERN_CONFIG"], text, 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := ssmsecrets.New(ssmsecrets.Config{Client: ssm.NewFromConfig(awsConfig(lookup(env))), Prefix: "/postern"})
	if err != nil {
		t.Fatal(err)
	}
	seal := secrets.Key{App: "shop", Stage: "prod", Kind: secrets.Secret, Name: "POSTERN_VAULT_KEY"}
	if err := source.Set(t.Context(), seal, "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY="); err != nil {
		t.Fatal(err)
	}
	env["POSTERN_VAULT"], env["POSTERN_SEAL"] = "ssm:/one/prod/auth/keys", "secret:POSTERN_VAULT_KEY"

	auth, printed := functiontest.Start(t, bootstrap, list(env)...)
	if answer, err := auth.Invoke(t.Context(), []byte(`{}`)); err == nil {
		t.Errorf("the auth function started without a secret of a provider: %s", answer)
	}
	printed.Find(t, "GOOGLE_CLIENT_SECRET has no value")

	env["_HANDLER"], env["POSTERN_ROTATE"] = "rotator", "720h"
	run, _ := functiontest.Start(t, bootstrap, list(env)...)
	answer, err := run.Invoke(t.Context(), []byte(`{}`))
	if err != nil || !strings.Contains(string(answer), `"keys":1`) {
		t.Errorf("the rotator: %s %v", answer, err)
	}
}

// begin asks the auth function for its documents and for a page.
func begin(t *testing.T, bootstrap string, env map[string]string) {
	t.Helper()
	auth, _ := functiontest.Start(t, bootstrap, list(env)...)
	api := lambdatest.Handler(lambdatest.HTTPAPI, auth)
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest("GET", "http://localhost:8080"+path, nil))
		return w
	}
	for _, path := range []string{
		"/auth/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/auth",
		"/auth/.well-known/jwks.json",
	} {
		if w := get(path); w.Code != 200 || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := get("/elsewhere"); w.Code != 404 {
		t.Errorf("a path of nothing: %d", w.Code)
	}
	if w := get("/auth/link/authorize"); w.Code >= 400 {
		t.Errorf("the page of the link: %d %s", w.Code, w.Body)
	}
}

// TestRotator: a key is made when the newest is old enough, and the age and failures are metrics.
func TestRotator(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	vault := &breaking{Vault: &keys.MemoryVault{}}
	ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: vault, Algorithm: keys.ES256, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	metrics, err := emf.New(emf.Config{Issuer: "https://auth.example.com/auth", Out: &out})
	if err != nil {
		t.Fatal(err)
	}
	f := &function{rotate(rotator.Config{Ring: ring, Every: 720 * time.Hour, Now: clock}, metrics), metrics, slog.New(slog.DiscardHandler)}
	for _, step := range []struct {
		after        time.Duration
		want, metric string
	}{
		{time.Hour, `{"rotated":false,"key_age_seconds":3600,"keys":1}`, `"KeyAgeSeconds":3600,"RotatorFailures":0,"RotatorRuns":1`},
		{719 * time.Hour, `{"rotated":true,"key_age_seconds":0,"keys":2}`, `"KeyAgeSeconds":0,"RotatorFailures":0,"RotatorRuns":1`},
		{24 * time.Hour, `{"rotated":false,"key_age_seconds":86400,"keys":1}`, `"KeyAgeSeconds":86400,"RotatorFailures":0,"RotatorRuns":1`},
	} {
		now = now.Add(step.after)
		out.Reset()
		answer, err := f.Invoke(t.Context(), nil)
		var report struct {
			Rotated bool `json:"rotated"`
			Age     int  `json:"key_age_seconds"`
			Keys    int  `json:"keys"`
		}
		got, _ := json.Marshal(&report)
		if err == nil && json.Unmarshal(answer, &report) == nil {
			got, _ = json.Marshal(&report)
		}
		if err != nil || string(got) != step.want || !strings.Contains(out.String(), step.metric) {
			t.Errorf("after %v: %s %v, want %s; metrics %s", step.after, got, err, step.want, out.String())
		}
	}
	vault.broken = true
	out.Reset()
	if _, err := f.Invoke(t.Context(), nil); !errors.Is(err, keys.ErrUnavailable) || !strings.Contains(out.String(), `"RotatorFailures":1`) {
		t.Errorf("a vault that does not answer: %v %s", err, out.String())
	}
}

// breaking is a vault that stops to answer.
type breaking struct {
	keys.Vault
	broken bool
}

func (b *breaking) Load(ctx context.Context) ([]byte, string, error) {
	if b.broken {
		return nil, "", errors.New("no answer")
	}
	return b.Vault.Load(ctx)
}

// TestRefused: what this program does not have is refused with what to write instead.
func TestRefused(t *testing.T) {
	for name, c := range map[string]struct{ name, value, want string }{
		"another store":  {"POSTERN_STORE", "postgres://db.internal/postern", "DynamoDB alone"},
		"a file of keys": {"POSTERN_VAULT", "file:/tmp/keys", "ssm:PATH"},
		"a short round":  {"POSTERN_ROTATE", "3h", "24h or more"},
		"no file":        {"POSTERN_CONFIG", "/nowhere/postern.toml", "POSTERN_CONFIG"},
		"no issuer":      {"POSTERN_ISSUER", "", "issuer"},
		"unset variable": {"POSTERN_AUDIENCE", "", "audience"},
	} {
		env := environment(t, "http://127.0.0.1:1")
		env[c.name] = c.value
		if c.name == "POSTERN_VAULT" {
			env["POSTERN_SEAL"] = "kms:arn:aws:kms:eu-west-1:123456789012:key/1"
		}
		_, err := open(t.Context(), world{lookup(env), os.ReadFile, io.Discard, slog.New(slog.DiscardHandler)})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
