package smkeys_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/posternauth/postern/internal/test/awsfaults"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/smkeys"
	"github.com/posternauth/postern/keys/vaulttest"
)

var sealer = keys.MasterKey(bytes.Repeat([]byte{7}, 32))

func vault(t *testing.T, api smkeys.Client, name string, seal keys.Sealer) *smkeys.Vault {
	t.Helper()
	v, err := smkeys.New(smkeys.Config{Client: api, Name: name, Sealer: seal})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestK4_Suite: the vault keeps the contract, sealed, across two values.
func TestK4_Suite(t *testing.T) {
	url := testserver.Moto(t).URL()
	api := secretsmanager.NewFromConfig(new(awsfaults.Transport).Config(url))
	n := 0
	vaulttest.RunPair(t, func(t *testing.T) (one, other keys.Vault) {
		n++
		name := fmt.Sprintf("suite/%d/keys", n)
		return vault(t, api, name, sealer), vault(t, api, name, sealer)
	})
}

// TestFaults: an outage is keys.ErrUnavailable and never an empty ring, and after a lost answer the vault looks.
func TestFaults(t *testing.T) {
	url := testserver.Moto(t).URL()
	net := &awsfaults.Transport{}
	v := vault(t, secretsmanager.NewFromConfig(net.Config(url)), "shop/keys", nil)
	net.Lose("CreateSecret", 1)
	version, err := v.Save(t.Context(), []byte("one"), "")
	if err != nil {
		t.Fatal(err)
	}
	net.Lose("UpdateSecretVersionStage", 1)
	if version, err = v.Save(t.Context(), []byte("two"), version); err != nil {
		t.Fatal(err)
	}
	for _, action := range []string{"PutSecretValue", "UpdateSecretVersionStage"} {
		net.Fail(action, "ThrottlingException", 1)
		if _, err := v.Save(t.Context(), []byte("no"), version); !errors.Is(err, keys.ErrUnavailable) || errors.Is(err, keys.ErrConflict) {
			t.Errorf("%s: %v", action, err)
		}
	}
	net.SetDown(true)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := keys.Open(ctx, keys.RingConfig{Vault: v, Logger: slog.New(slog.DiscardHandler)}); !errors.Is(err, keys.ErrUnavailable) {
		t.Errorf("down: %v", err)
	}
	net.SetDown(false)
	if data, at, err := v.Load(t.Context()); err != nil || string(data) != "two" || at != version {
		t.Errorf("%q at %q, %v", data, at, err)
	}
}

// TestE2_Copied: a ring copied to another secret, a foreign secret, and one sealed otherwise do not open.
func TestE2_Copied(t *testing.T) {
	url := testserver.Moto(t).URL()
	api := secretsmanager.NewFromConfig(new(awsfaults.Transport).Config(url))
	for name, seal := range map[string]keys.Sealer{"plain": nil, "sealed": sealer} {
		if _, err := vault(t, api, name, seal).Save(t.Context(), []byte("ring"), ""); err != nil {
			t.Fatal(err)
		}
	}
	out, err := api.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("plain")})
	if err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]*secretsmanager.CreateSecretInput{
		"copied":  {SecretBinary: out.SecretBinary},
		"foreign": {SecretString: aws.String("s3cret")},
		"damaged": {SecretBinary: out.SecretBinary[:len(out.SecretBinary)-9]},
	} {
		in.Name = &name
		if name == "damaged" {
			in.SecretBinary = bytes.ReplaceAll(in.SecretBinary, []byte(`"plain"`), []byte(`"damaged"`))
		}
		if _, err := api.CreateSecret(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	for name, v := range map[string]*smkeys.Vault{
		"copied": vault(t, api, "copied", nil), "foreign": vault(t, api, "foreign", nil), "damaged": vault(t, api, "damaged", nil),
		"no key": vault(t, api, "sealed", nil), "not sealed": vault(t, api, "plain", sealer),
		"another key": vault(t, api, "sealed", keys.MasterKey(bytes.Repeat([]byte{8}, 32))),
	} {
		t.Run(name, func(t *testing.T) { vaulttest.Unreadable(t, v) })
	}
	for _, name := range []string{"", "a b", "ö"} {
		if _, err := smkeys.New(smkeys.Config{Client: api, Name: name}); err == nil {
			t.Errorf("%q is accepted", name)
		}
	}
}

// TestMovedLabel: AWSCURRENT on an older version makes that one the ring of a new process, as docs/keys.md says. A
// process that runs keeps what it saw revoked.
func TestMovedLabel(t *testing.T) {
	api := secretsmanager.NewFromConfig(new(awsfaults.Transport).Config(testserver.Moto(t).URL()))
	v := vault(t, api, "shop/keys", sealer)
	now := time.Now()
	c := keys.RingConfig{Vault: v, Algorithm: keys.ES256, Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler)}
	ring, err := keys.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	leaked, err := ring.SigningKey(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	_, before, err := v.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Revoke(t.Context(), leaked.Public().ID()); err != nil {
		t.Fatal(err)
	}
	_, after, err := v.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.UpdateSecretVersionStage(t.Context(), &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: aws.String("shop/keys"), VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: &before, RemoveFromVersionId: &after,
	}); err != nil {
		t.Fatal(err)
	}
	fresh, err := keys.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(10 * time.Minute)
	if _, err := fresh.PublicKey(t.Context(), leaked.Public().ID()); err != nil {
		t.Errorf("a new process: %v", err)
	}
	if _, err := ring.PublicKey(t.Context(), leaked.Public().ID()); !errors.Is(err, keys.ErrRetired) {
		t.Errorf("the process that revoked it: %v", err)
	}
}
