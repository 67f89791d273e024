package kmskeys_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/posternauth/postern/internal/test/awsfaults"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/kmskeys"
	"github.com/posternauth/postern/keys/vaulttest"
	"github.com/posternauth/postern/store"
)

func newKey(t *testing.T, api *kms.Client, in *kms.CreateKeyInput) string {
	t.Helper()
	out, err := api.CreateKey(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.KeyMetadata.Arn)
}

// TestK4_KMSSealer: what is sealed opens for its place alone and under its key alone, a load of what did not change
// needs no call, and KMS that is down is keys.ErrUnavailable.
func TestK4_KMSSealer(t *testing.T) {
	net := &awsfaults.Transport{}
	api := kms.NewFromConfig(net.Config(testserver.Moto(t).URL()))
	arn, other := newKey(t, api, &kms.CreateKeyInput{}), newKey(t, api, &kms.CreateKeyInput{})
	sealer := func(arn string) *kmskeys.Sealer {
		s, err := kmskeys.NewSealer(kmskeys.SealerConfig{Client: api, ARN: arn})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one := sealer(arn)
	sealed, err := one.Seal(t.Context(), []byte("document"), "ring of shop")
	if err != nil || bytes.Contains(sealed, []byte("document")) {
		t.Fatalf("%q, %v", sealed, err)
	}
	for name, c := range map[string]struct {
		s      keys.Sealer
		sealed []byte
		place  string
	}{
		"another place":             {one, sealed, "ring of office"},
		"another place, a new one":  {sealer(arn), sealed, "ring of office"},
		"the same words":            {one, sealed, "ring\tof shop"},
		"the same words, a new one": {sealer(arn), sealed, "ring\tof shop"},
		"changed":                   {one, append(bytes.Clone(sealed[:len(sealed)-1]), sealed[len(sealed)-1]^1), "ring of shop"},
		"cut":                       {one, sealed[:20], "ring of shop"},
		"of a master key":           {one, bytes.Repeat([]byte("x"), 100), "ring of shop"},
		"under a master key":        {keys.MasterKey(bytes.Repeat([]byte{7}, 32)), sealed, "ring of shop"},
	} {
		if plain, err := c.s.Open(t.Context(), c.sealed, c.place); !errors.Is(err, keys.ErrSealed) || plain != nil {
			t.Errorf("%s: %q, %v", name, plain, err)
		}
	}
	// KMS answers IncorrectKeyException here, and the stand-in AccessDeniedException.
	if plain, err := sealer(other).Open(t.Context(), sealed, "ring of shop"); err == nil || plain != nil {
		t.Errorf("under another key: %q, %v", plain, err)
	}
	again := sealer(arn)
	for range 3 {
		if plain, err := again.Open(t.Context(), sealed, "ring of shop"); err != nil || string(plain) != "document" {
			t.Errorf("%q, %v", plain, err)
		}
	}
	before := net.Calls("Decrypt")
	if _, err := again.Open(t.Context(), sealed, "ring of shop"); err != nil || net.Calls("Decrypt") != before {
		t.Errorf("%d calls for the same document, %v", net.Calls("Decrypt")-before, err)
	}
	net.SetDown(true)
	if _, err := sealer(arn).Open(t.Context(), sealed, "ring of shop"); !errors.Is(err, keys.ErrUnavailable) || errors.Is(err, keys.ErrSealed) {
		t.Errorf("down: %v", err)
	}
	if _, err := one.Seal(t.Context(), nil, "p"); !errors.Is(err, keys.ErrUnavailable) {
		t.Errorf("down: %v", err)
	}
	net.SetDown(false)
	if text := fmt.Sprintf("%v %+v %#v", one, one, one); bytes.Count([]byte(text), []byte("kmskeys.Sealer(")) != 3 {
		t.Errorf("it prints %s", text)
	}
	for _, bad := range []string{"", "alias/x", "arn:aws:kms:eu-central-1:1:alias/x", "1234-abcd", "arn:aws:s3:::x"} {
		if _, err := kmskeys.NewSealer(kmskeys.SealerConfig{Client: api, ARN: bad}); !errors.Is(err, kmskeys.ErrPinned) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	vaulttest.RunPair(t, func(*testing.T) (one, two keys.Vault) {
		st := &store.Memory{}
		return keys.StoreVault{Store: st, Sealer: sealer(arn)}, keys.StoreVault{Store: st, Sealer: sealer(arn)}
	})
}
