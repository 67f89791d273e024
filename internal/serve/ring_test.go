package serve

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/secrets"
	"github.com/posternauth/postern/store"
)

// noting is a shelf that keeps the names it was asked for.
type noting struct {
	shelf
	asked []string
}

func (n *noting) Lookup(ctx context.Context, all []secrets.Key) (map[secrets.Key]string, error) {
	for _, key := range all {
		n.asked = append(n.asked, key.Name)
	}
	return n.shelf.Lookup(ctx, all)
}

// TestE1_OpenRing: a program that rotates keys opens what the keys need, and nothing else of the configuration: the
// secrets of providers and of the audit log are not there, and the store only if the keys are in it.
func TestE1_OpenRing(t *testing.T) {
	const kms = "kms:arn:aws:kms:eu-west-1:123456789012:key/1"
	for name, c := range map[string]struct {
		vault, seal string
		asked       []string
		opened      string
	}{
		"sealed by a secret": {"ssm:/shop/prod/auth/keys", "secret:SEAL", []string{"SEAL"}, "vault"},
		"sealed by KMS":      {"ssm:/shop/prod/auth/keys", kms, nil, "vault"},
		"not sealed":         {"ssm:/shop/prod/auth/keys", "", nil, "vault"},
		"in the store":       {"store", "secret:SEAL", []string{"DATABASE_URL", "SEAL"}, "store, closed"},
	} {
		text := strings.Replace(secretsFile, `seal = "secret:SEAL"`, `vault = "`+c.vault+`"`+"\nseal = \""+c.seal+`"`, 1)
		if c.seal == "" {
			text = strings.Replace(text, "seal = \"\"\n", "", 1)
		}
		config, err := Parse("postern.toml", []byte(text), environment{"STAGE": "prod"}.lookup)
		if err != nil {
			t.Fatal(err)
		}
		source, opened := &noting{shelf: shelf{}}, ""
		for name, value := range map[string]string{"SEAL": vaultKey(), "DATABASE_URL": "postgres://db/shop"} {
			source.shelf[secrets.Key{App: "shop", Stage: "prod", Kind: secrets.Secret, Name: name}] = value
		}
		p := Parts{
			LookupEnv: environment{}.lookup, ReadFile: os.ReadFile,
			OpenSecrets: func(context.Context, SourceRequest) (secrets.Source, error) { return source, nil },
			OpenStore: func(context.Context, string) (store.Store, func(), error) {
				opened += "store"
				return &store.Memory{}, func() { opened += ", closed" }, nil
			},
			OpenVault: func(_ context.Context, r VaultRequest) (keys.Vault, error) {
				opened += "vault"
				if r.Store != nil || (r.Key != nil) != (c.seal == "secret:SEAL") || (r.KMS != "") != (c.seal == kms) {
					t.Errorf("%s: the request is %+v", name, r)
				}
				return &keys.MemoryVault{}, nil
			},
		}
		ring, closeRing, err := OpenRing(t.Context(), config, p)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if all, err := ring.Keys(t.Context()); err != nil || len(all) != 1 {
			t.Errorf("%s: keys %v, %v", name, all, err)
		}
		if err := closeRing(); err != nil {
			t.Errorf("%s: closing: %v", name, err)
		}
		slices.Sort(source.asked)
		if asked := slices.Compact(source.asked); !slices.Equal(asked, c.asked) || opened != c.opened {
			t.Errorf("%s: asked for %q and opened %s, want %q and %s", name, asked, opened, c.asked, c.opened)
		}
		var invalid *Invalid
		if _, err := Open(t.Context(), config, p); !errors.As(err, &invalid) {
			t.Errorf("%s: the whole configuration opens without its secrets: %v", name, err)
		}
		delete(source.shelf, secrets.Key{App: "shop", Stage: "prod", Kind: secrets.Secret, Name: "SEAL"})
		if _, _, err := OpenRing(t.Context(), config, p); errors.As(err, &invalid) != (c.seal == "secret:SEAL") {
			t.Errorf("%s: without the sealing key: %v", name, err)
		}
	}
}
