package serve

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern/secrets"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// shelf is a source of secrets.
type shelf map[secrets.Key]string

func (s shelf) Lookup(_ context.Context, all []secrets.Key) (map[secrets.Key]string, error) {
	found := map[secrets.Key]string{}
	for _, key := range all {
		if value, ok := s[key]; ok {
			found[key] = value
		}
	}
	return found, nil
}

const secretsFile = `issuer = "http://localhost:8080/auth"
audience = "https://api.example.com"
redirects = ["/done"]

[secrets]
app = "shop"
stage = "${STAGE}"
sources = ["ssm"]
protected = ["live"]

[store]
url = "secret:DATABASE_URL"

[keys]
seal = "secret:SEAL"
algorithm = "ES256"

[audit]
file = "audit.jsonl"
file_key = "secret:AUDIT_KEY"

[providers.google]
type = "google"
client_id = "1"
client_secret = "secret:GOOGLE"
`

// opened opens secretsFile for a stage and returns the keys of its problems.
func opened(t *testing.T, stage string, source shelf) (found []string, audit AuditRequest) {
	t.Helper()
	c, err := Parse("postern.toml", []byte(secretsFile), environment{"STAGE": stage}.lookup)
	if err != nil {
		t.Fatal(err)
	}
	h, err := Open(t.Context(), c, Parts{
		LookupEnv: environment{}.lookup, ReadFile: os.ReadFile,
		OpenSecrets: func(context.Context, SourceRequest) (secrets.Source, error) { return source, nil },
		OpenStore:   func(context.Context, string) (store.Store, func(), error) { return &store.Memory{}, func() {}, nil },
		OpenAudit: func(_ context.Context, a AuditRequest) (func(context.Context, session.Event), func() error, error) {
			audit = a
			return func(context.Context, session.Event) {}, func() error { return nil }, nil
		},
	})
	var invalid *Invalid
	switch {
	case errors.As(err, &invalid):
		for _, p := range invalid.Problems {
			found = append(found, p.Key)
		}
	case err != nil:
		t.Fatal(err)
	default:
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
	return found, audit
}

// TestE1_NoMasterKeyOfTheFallbackStage: stages share what is in the fallback stage, so no master key comes from there.
func TestE1_NoMasterKeyOfTheFallbackStage(t *testing.T) {
	shared := shelf{}
	for name, value := range map[string]string{"SEAL": vaultKey(), "AUDIT_KEY": strings.Repeat("00112233", 8), "GOOGLE": "g", "DATABASE_URL": "postgres://db/shop"} {
		shared[secrets.Key{App: "shop", Stage: secrets.FallbackStage, Kind: secrets.Secret, Name: name}] = value
	}
	if got, _ := opened(t, "pr-7", shared); !equal(got, "audit.file_key", "keys.seal") {
		t.Errorf("with all values in the fallback stage: problems with %q", got)
	}
	for name, value := range map[string]string{"SEAL": vaultKey(), "AUDIT_KEY": strings.Repeat("44556677", 8)} {
		shared[secrets.Key{App: "shop", Stage: "pr-7", Kind: secrets.Secret, Name: name}] = value
	}
	got, audit := opened(t, "pr-7", shared)
	if len(got) > 0 || audit.Key != strings.Repeat("44556677", 8) {
		t.Errorf("with master keys of the stage: problems with %q, the audit key is %q", got, audit.Key)
	}
}

// TestE1_ProtectedStagesAreMore: production and prod never use the fallback stage, whatever else is protected.
func TestE1_ProtectedStagesAreMore(t *testing.T) {
	for _, stage := range []string{"prod", "production", "Prod-eu", "live", "live-2"} {
		source := shelf{}
		for name, value := range map[string]string{"SEAL": vaultKey(), "AUDIT_KEY": strings.Repeat("00112233", 8), "DATABASE_URL": "postgres://db/shop"} {
			source[secrets.Key{App: "shop", Stage: stage, Kind: secrets.Secret, Name: name}] = value
		}
		source[secrets.Key{App: "shop", Stage: secrets.FallbackStage, Kind: secrets.Secret, Name: "GOOGLE"}] = "g"
		if got, _ := opened(t, stage, source); !equal(got, "providers.google.client_secret") {
			t.Errorf("%s: problems with %q", stage, got)
		}
	}
}

func equal(got []string, want ...string) bool {
	slices.Sort(got)
	return slices.Equal(got, want)
}

// TestSecrets_SetCommand: the command of a missing secret writes to the place that is read.
func TestSecrets_SetCommand(t *testing.T) {
	for place, c := range map[string]Secrets{
		"--in ssm:/sst":                {Sources: []string{"env", "ssm"}},
		"--in secretsmanager:/postern": {Sources: []string{"secretsmanager"}, Prefix: "/postern"},
		"--data ./dev":                 {Sources: []string{"sealed:./dev", "env"}},
	} {
		c.App, c.Stage = "shop", "dev"
		if got, want := setCommand(&Config{Secrets: c}, "GOOGLE"), "postern secrets set GOOGLE --app shop --stage dev "+place; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
