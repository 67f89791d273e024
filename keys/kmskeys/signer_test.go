package kmskeys_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/posternauth/postern/internal/test/awsfaults"
	"github.com/posternauth/postern/internal/test/testclock"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/kmskeys"
)

// pinned makes a key of KMS and returns it as a configuration pins it.
func pinned(t *testing.T, api *kms.Client, spec types.KeySpec, alg keys.Algorithm) kmskeys.Key {
	t.Helper()
	arn := newKey(t, api, &kms.CreateKeyInput{KeySpec: spec, KeyUsage: types.KeyUsageTypeSignVerify})
	out, err := api.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &arn})
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.ParsePKIXPublicKey(out.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	thumb, err := keys.Thumbprint(public)
	if err != nil {
		t.Fatal(err)
	}
	return kmskeys.Key{ARN: arn, Algorithm: alg, Thumbprint: thumb}
}

// TestKMSSigner: what KMS signs verifies with the published keys, a second key takes over at its time, and both verify
// meanwhile, beside the keys of the ring that signed before.
func TestKMSSigner(t *testing.T) {
	net := &awsfaults.Transport{}
	api := kms.NewFromConfig(net.Config(testserver.Moto(t).URL()))
	clock := testclock.New(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	message := []byte("token")
	// The stand-in uses another length of salt for PS256 than KMS does, which refuses it here.
	for spec, algs := range map[types.KeySpec][]keys.Algorithm{
		types.KeySpecRsa2048: {keys.RS256, keys.RS384, keys.RS512}, types.KeySpecEccNistP256: {keys.ES256}, types.KeySpecEccNistP384: {keys.ES384},
	} {
		for _, alg := range algs {
			s, err := kmskeys.NewSigner(t.Context(), kmskeys.SignerConfig{Client: api, Keys: []kmskeys.Key{pinned(t, api, spec, alg)}})
			if err != nil {
				t.Fatal(err)
			}
			key, err := s.SigningKey(t.Context(), time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			sig, err := key.Sign(t.Context(), message)
			if err != nil {
				t.Fatalf("%s: %v", alg, err)
			}
			if _, err := keys.Verify(t.Context(), s, key.Public().ID(), alg, message, sig); err != nil {
				t.Errorf("%s: %v", alg, err)
			}
		}
	}

	ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: new(keys.MemoryVault), Algorithm: keys.ES256, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	a, b := pinned(t, api, types.KeySpecEccNistP256, keys.ES256), pinned(t, api, types.KeySpecRsa2048, keys.RS256)
	b.From = clock.Now().Add(3 * time.Hour)
	s, err := kmskeys.NewSigner(t.Context(), kmskeys.SignerConfig{Client: api, Keys: []kmskeys.Key{b, a}, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	both := keys.Join(s, ring)
	signs := func(want string) []byte {
		t.Helper()
		key, err := both.SigningKey(t.Context(), time.Hour)
		if err != nil || key.Public().ID() != want {
			t.Fatalf("%v signs, want %s: %v", key, want, err)
		}
		sig, err := key.Sign(t.Context(), message)
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	first := signs(a.Thumbprint)
	clock.Advance(3 * time.Hour)
	second := signs(b.Thumbprint)
	old, err := ring.SigningKey(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	third, err := old.Sign(t.Context(), message)
	if err != nil {
		t.Fatal(err)
	}
	public, err := both.PublicKeys(t.Context())
	if err != nil || len(public) != 3 {
		t.Fatalf("%d keys are published, %v", len(public), err)
	}
	published, err := keys.Static(public...)
	if err != nil {
		t.Fatal(err)
	}
	for kid, sig := range map[string][]byte{a.Thumbprint: first, b.Thumbprint: second, old.Public().ID(): third} {
		for _, from := range []keys.Verifier{both, published} {
			k, err := from.PublicKey(t.Context(), kid)
			if err != nil || k.Verify(message, sig) != nil {
				t.Errorf("%s: %v", kid, err)
			}
		}
	}
	for _, kid := range []string{"", "no such key"} {
		if _, err := both.PublicKey(t.Context(), kid); !errors.Is(err, keys.ErrUnknownKey) {
			t.Errorf("%q: %v", kid, err)
		}
	}
	net.SetDown(true)
	key, err := both.SigningKey(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.Sign(t.Context(), message); !errors.Is(err, keys.ErrUnavailable) {
		t.Errorf("down: %v", err)
	}
	if _, err := kmskeys.NewSigner(t.Context(), kmskeys.SignerConfig{Client: api, Keys: []kmskeys.Key{a}}); !errors.Is(err, keys.ErrUnavailable) || errors.Is(err, kmskeys.ErrPinned) {
		t.Errorf("down: %v", err)
	}
}

// local is KMS with a key in memory, for what the stand-in does not do: it signs digests.
type local struct {
	arn string
	key *ecdsa.PrivateKey
}

func (l local) GetPublicKey(context.Context, *kms.GetPublicKeyInput, ...func(*kms.Options)) (*kms.GetPublicKeyOutput, error) {
	der, err := x509.MarshalPKIXPublicKey(&l.key.PublicKey)
	return &kms.GetPublicKeyOutput{
		KeyId: &l.arn, PublicKey: der, KeyUsage: types.KeyUsageTypeSignVerify, SigningAlgorithms: []types.SigningAlgorithmSpec{types.SigningAlgorithmSpecEcdsaSha256},
	}, err
}

func (l local) Sign(_ context.Context, in *kms.SignInput, _ ...func(*kms.Options)) (*kms.SignOutput, error) {
	if in.MessageType != types.MessageTypeDigest || len(in.Message) != 32 {
		return nil, errors.New("not a digest")
	}
	sig, err := ecdsa.SignASN1(rand.Reader, l.key, in.Message)
	return &kms.SignOutput{KeyId: &l.arn, Signature: sig}, err
}

// TestKMSSigner_LongToken: a token longer than KMS takes is hashed here.
func TestKMSSigner_LongToken(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	thumb, err := keys.Thumbprint(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	l := local{"arn:aws:kms:eu-central-1:123456789012:key/1", private}
	s, err := kmskeys.NewSigner(t.Context(), kmskeys.SignerConfig{Client: l, Keys: []kmskeys.Key{{ARN: l.arn, Algorithm: keys.ES256, Thumbprint: thumb}}})
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.SigningKey(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	message := make([]byte, 4097)
	if sig, err := key.Sign(t.Context(), message); err != nil || key.Public().Verify(message, sig) != nil {
		t.Errorf("%v", err)
	}
}

// swapped is KMS as it answers for another key than it was asked for: what a moved alias or a proxy could do.
type swapped struct {
	*kms.Client
	arn      string
	conceals string // the ARN that it answers with; empty: the true one
}

func (s swapped) GetPublicKey(ctx context.Context, in *kms.GetPublicKeyInput, o ...func(*kms.Options)) (*kms.GetPublicKeyOutput, error) {
	out, err := s.Client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &s.arn}, o...)
	if err == nil && s.conceals != "" {
		out.KeyId = &s.conceals
	}
	return out, err
}

// swappedSign answers for the right key at the start, and signs with another.
type swappedSign struct {
	*kms.Client
	arn, conceals string
}

func (s swappedSign) Sign(ctx context.Context, in *kms.SignInput, o ...func(*kms.Options)) (*kms.SignOutput, error) {
	other := *in
	other.KeyId = &s.arn
	out, err := s.Client.Sign(ctx, &other, o...)
	if err == nil && s.conceals != "" {
		out.KeyId = &s.conceals
	}
	return out, err
}

// TestE4_PinnedKey: an alias, a moved alias, another ARN, another public key, use or algorithm refuses to start and is
// reported; a signature of another key is refused and reported.
func TestE4_PinnedKey(t *testing.T) {
	api := kms.NewFromConfig(new(awsfaults.Transport).Config(testserver.Moto(t).URL()))
	good, other := pinned(t, api, types.KeySpecEccNistP256, keys.ES256), pinned(t, api, types.KeySpecEccNistP256, keys.ES256)
	alias := "alias/issuer"
	if _, err := api.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: &good.ARN}); err != nil {
		t.Fatal(err)
	}
	change := func(f func(*kmskeys.Key)) kmskeys.Key { k := good; f(&k); return k }
	for name, c := range map[string]struct {
		client kmskeys.SignerClient
		key    kmskeys.Key
	}{
		"an alias":             {api, change(func(k *kmskeys.Key) { k.ARN = alias })},
		"the ARN of an alias":  {api, change(func(k *kmskeys.Key) { k.ARN = "arn:aws:kms:eu-central-1:123456789012:" + alias })},
		"the id alone":         {api, change(func(k *kmskeys.Key) { k.ARN = k.ARN[len(k.ARN)-36:] })},
		"another key":          {api, change(func(k *kmskeys.Key) { k.ARN = other.ARN })},
		"another public key":   {api, change(func(k *kmskeys.Key) { k.Thumbprint = other.Thumbprint })},
		"KMS gives another":    {swapped{api, other.ARN, ""}, good},
		"KMS conceals another": {swapped{api, other.ARN, good.ARN}, good},
		"another algorithm":    {api, change(func(k *kmskeys.Key) { k.Algorithm = keys.RS256 })},
		"a key for encryption": {api, change(func(k *kmskeys.Key) {
			k.ARN = newKey(t, api, &kms.CreateKeyInput{KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeEncryptDecrypt})
		})},
		"a key of larger curve": {api, change(func(k *kmskeys.Key) { k.ARN = pinned(t, api, types.KeySpecEccNistP384, keys.ES384).ARN })},
	} {
		reported := ""
		s, err := kmskeys.NewSigner(t.Context(), kmskeys.SignerConfig{
			Client: c.client, Keys: []kmskeys.Key{c.key}, Report: func(_ context.Context, arn string, _ error) { reported = arn },
		})
		if !errors.Is(err, kmskeys.ErrPinned) || s != nil || reported != c.key.ARN {
			t.Errorf("%s: %v, reported %q", name, err, reported)
		}
	}
	for name, client := range map[string]kmskeys.SignerClient{"its ARN": swappedSign{api, other.ARN, ""}, "concealed": swappedSign{api, other.ARN, good.ARN}} {
		reports := 0
		s, err := kmskeys.NewSigner(t.Context(), kmskeys.SignerConfig{
			Client: client, Keys: []kmskeys.Key{good}, Report: func(context.Context, string, error) { reports++ },
		})
		if err != nil {
			t.Fatal(err)
		}
		key, err := s.SigningKey(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if sig, err := key.Sign(t.Context(), []byte("token")); !errors.Is(err, kmskeys.ErrPinned) || sig != nil || reports != 1 {
			t.Errorf("a signature of another key, %s: %v, %d reports", name, err, reports)
		}
	}
	// A moved alias changes nothing: the key is named by its ARN.
	if _, err := api.UpdateAlias(t.Context(), &kms.UpdateAliasInput{AliasName: aws.String(alias), TargetKeyId: &other.ARN}); err != nil {
		t.Fatal(err)
	}
	if _, err := kmskeys.NewSigner(t.Context(), kmskeys.SignerConfig{Client: api, Keys: []kmskeys.Key{good}}); err != nil {
		t.Errorf("after the alias moved: %v", err)
	}
}
