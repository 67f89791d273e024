package infra_test

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/serve"
	"github.com/posternauth/postern/internal/test/infra"
	"github.com/posternauth/postern/secrets"
)

// asked is a source that has every value and keeps the names that it was asked for.
type asked struct {
	prefix string
	names  []string
}

func (a *asked) Lookup(_ context.Context, keys []secrets.Key) (map[secrets.Key]string, error) {
	out := map[secrets.Key]string{}
	for _, key := range keys {
		a.names = append(a.names, key.Path(a.prefix))
		out[key] = "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY=" // 32 bytes
	}
	return out, nil
}

// TestSecrets_WithinTheRole: at no stage does infra/postern.toml ask for a parameter that the roles may not read. One
// such name in a call of GetParameters, and AWS refuses the call.
func TestSecrets_WithinTheRole(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(infra.Root(t), "infra", "postern.toml"))
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, "\n[providers.google]\ntype = \"google\"\nclient_id = \"shop\"\nclient_secret = \"secret:GOOGLE_CLIENT_SECRET\"\n"...)
	for _, stage := range []string{"prod", "dev", "pr-7", "Staging"} {
		variables := maps.Clone(variablesOf("auth"))
		variables["POSTERN_STAGE"], variables["POSTERN_SEAL"] = stage, "secret:POSTERN_VAULT_KEY"
		lookup := func(name string) (string, bool) { value, ok := variables[name]; return value, ok }
		config, err := serve.Parse("postern.toml", text, lookup)
		if err != nil {
			t.Fatal(err)
		}
		source := &asked{}
		_, err = serve.Examine(t.Context(), config, serve.Parts{
			LookupEnv: lookup, ReadFile: os.ReadFile,
			OpenSecrets: func(_ context.Context, r serve.SourceRequest) (secrets.Source, error) {
				source.prefix = r.Prefix
				return source, nil
			},
		})
		if err != nil || len(source.names) != 2 {
			t.Errorf("%s: asked for %q, %v", stage, source.names, err)
		}
		for _, name := range source.names {
			if !mayRead(t, "auth", "parameter"+name, stage) {
				t.Errorf("%s: asks for %s, which no row of infra/iam.md allows", stage, name)
			}
		}
	}
}

// mayRead reports whether the table of infra/iam.md lets a role read a parameter.
func mayRead(t *testing.T, role, parameter, stage string) bool {
	t.Helper()
	for _, g := range iamTable(t) {
		resource := strings.NewReplacer("{app}", app, "{stage}", stage).Replace(g.Resource)
		within, star := strings.CutSuffix(resource, "*")
		if g.Role == role && g.Action == "ssm:GetParameters" && (parameter == resource || star && strings.HasPrefix(parameter, within)) {
			return true
		}
	}
	return false
}
