package kmskeys

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/posternauth/postern/internal/plainbody"
	"github.com/posternauth/postern/keys"
)

// A SignerClient is the part of *kms.Client that a Signer calls.
type SignerClient interface {
	GetPublicKey(context.Context, *kms.GetPublicKeyInput, ...func(*kms.Options)) (*kms.GetPublicKeyOutput, error)
	Sign(context.Context, *kms.SignInput, ...func(*kms.Options)) (*kms.SignOutput, error)
}

// A Key is an asymmetric key of KMS (SIGN_VERIFY). ARN, Algorithm and Thumbprint are required.
type Key struct {
	// ARN of the key: arn:aws:kms:REGION:ACCOUNT:key/ID. An alias is refused.
	ARN string

	// Algorithm is the one algorithm of the key: RS256 to RS512 or PS256 to PS512 for RSA_2048 and larger, ES256, ES384
	// or ES512 for a curve of NIST.
	Algorithm keys.Algorithm

	// Thumbprint of the public key (RFC 7638), as keys.Thumbprint computes it. It is the kid.
	Thumbprint string

	// From is when the key begins to sign. Until then it is published and verifies. Leave three hours between the
	// deployment of a new key and From, so that every verifier has it.
	//
	// Defaults to the beginning: the first key has no From.
	From time.Time
}

// SignerConfig of a Signer. Client and Keys are required.
type SignerConfig struct {
	// Client calls KMS, with a region and credentials. It decides how often a call is tried again.
	Client SignerClient

	// Keys that are published and verify. The one with the latest From that has come signs. To rotate, add a key with a
	// From three hours ahead in every process, and remove the old one when From and the longest life of a token, and
	// two hours, are over.
	Keys []Key

	// Report gets each key that is not the one of the configuration, with the reason, for the log and an alarm.
	//
	// Defaults to an error of slog.Default().
	Report func(ctx context.Context, arn string, err error)

	// Now is the clock.
	//
	// Defaults to time.Now.
	Now func() time.Time
}

// A Signer is a keys.Signer whose private keys never leave KMS. Each key is pinned: by the ARN, and by the thumbprint
// of the public key. It has no master secrets; those stay in a keys.Ring, as session.Config.Secrets. keys.Join adds the
// keys of a ring that signed before.
//
// Each token costs a call of KMS (kms:Sign). Verifying costs none.
type Signer struct {
	c    SignerConfig
	keys []*signingKey // by From
	list []*keys.PublicKey
}

var _ keys.Signer = (*Signer)(nil)

// NewSigner reads the public keys from KMS (kms:GetPublicKey) and compares each with its pin. The error is ErrPinned if
// one differs, and keys.ErrUnavailable if KMS does not answer.
func NewSigner(ctx context.Context, c SignerConfig) (*Signer, error) {
	if c.Client == nil || len(c.Keys) == 0 {
		return nil, errors.New("kmskeys: SignerConfig needs a Client and Keys")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Report == nil {
		c.Report = func(ctx context.Context, arn string, err error) {
			slog.ErrorContext(ctx, "kmskeys: a key is refused", "arn", arn, "error", err)
		}
	}
	s := &Signer{c: c}
	for _, k := range c.Keys {
		key, err := s.read(ctx, k)
		if err != nil {
			if errors.Is(err, ErrPinned) {
				c.Report(ctx, k.ARN, err)
			}
			return nil, err
		}
		s.keys = append(s.keys, key)
		s.list = append(s.list, key.public)
	}
	if _, err := keys.Static(s.list...); err != nil {
		return nil, fmt.Errorf("kmskeys: %w", err)
	}
	slices.SortStableFunc(s.keys, func(a, b *signingKey) int { return a.from.Compare(b.from) })
	if first := s.keys[0].from; first.After(c.Now()) {
		return nil, fmt.Errorf("kmskeys: no key signs before %v: leave From of the first key empty", first)
	}
	return s, nil
}

// read returns a key if KMS has the one of the configuration.
func (s *Signer) read(ctx context.Context, k Key) (*signingKey, error) {
	if err := checkARN(k.ARN); err != nil {
		return nil, fmt.Errorf("kmskeys: Key.ARN: %w", err)
	}
	spec, ok := algorithms[k.Algorithm]
	if !ok || k.Thumbprint == "" {
		return nil, fmt.Errorf("kmskeys: key %s: Algorithm %q is not one of KMS, or Thumbprint is missing", k.ARN, k.Algorithm)
	}
	out, err := s.c.Client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &k.ARN}, early)
	if err != nil {
		return nil, fmt.Errorf("%w: kmskeys: the public key of %s: %w", keys.ErrUnavailable, k.ARN, err)
	}
	switch {
	case !sameKey(out.KeyId, k.ARN):
		return nil, fmt.Errorf("%w: KMS answered with %q, and %q was asked for", ErrPinned, aws.ToString(out.KeyId), k.ARN)
	case out.KeyUsage != types.KeyUsageTypeSignVerify || !slices.Contains(out.SigningAlgorithms, spec):
		return nil, fmt.Errorf("%w: %s is for %s with %v, and not for %s", ErrPinned, k.ARN, out.KeyUsage, out.SigningAlgorithms, k.Algorithm)
	}
	raw, err := x509.ParsePKIXPublicKey(out.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("%w: the public key of %s cannot be read", ErrPinned, k.ARN)
	}
	thumb, err := keys.Thumbprint(raw)
	if err != nil || thumb != k.Thumbprint {
		return nil, fmt.Errorf("%w: the public key of %s has the thumbprint %s, and %s is pinned", ErrPinned, k.ARN, thumb, k.Thumbprint)
	}
	public, err := keys.NewPublicKey(raw, k.Algorithm, thumb)
	if err != nil {
		return nil, fmt.Errorf("kmskeys: %s: %w", k.ARN, err)
	}
	return &signingKey{signer: s, arn: k.ARN, spec: spec, public: public, from: k.From}, nil
}

// algorithms of KMS. Its sizes of salt and hash are those of RFC 7518.
var algorithms = map[keys.Algorithm]types.SigningAlgorithmSpec{
	keys.RS256: types.SigningAlgorithmSpecRsassaPkcs1V15Sha256, keys.RS384: types.SigningAlgorithmSpecRsassaPkcs1V15Sha384, keys.RS512: types.SigningAlgorithmSpecRsassaPkcs1V15Sha512,
	keys.PS256: types.SigningAlgorithmSpecRsassaPssSha256, keys.PS384: types.SigningAlgorithmSpecRsassaPssSha384, keys.PS512: types.SigningAlgorithmSpecRsassaPssSha512,
	keys.ES256: types.SigningAlgorithmSpecEcdsaSha256, keys.ES384: types.SigningAlgorithmSpecEcdsaSha384, keys.ES512: types.SigningAlgorithmSpecEcdsaSha512,
}

// PublicKey returns the key that kid names.
func (s *Signer) PublicKey(_ context.Context, kid string) (*keys.PublicKey, error) {
	for _, k := range s.list {
		if k.ID() == kid || kid == "" && len(s.list) == 1 {
			return k, nil
		}
	}
	return nil, keys.ErrUnknownKey
}

// PublicKeys are all keys of the configuration.
func (s *Signer) PublicKeys(context.Context) ([]*keys.PublicKey, error) {
	return slices.Clone(s.list), nil
}

// SigningKey returns the key that signs now. lifetime changes nothing: the configuration says how long a key is
// published.
func (s *Signer) SigningKey(context.Context, time.Duration) (keys.SigningKey, error) {
	now := s.c.Now()
	for _, k := range slices.Backward(s.keys) {
		if !k.from.After(now) {
			return k, nil
		}
	}
	return nil, fmt.Errorf("%w: kmskeys: no key signs yet", keys.ErrUnavailable)
}

type signingKey struct {
	signer *Signer
	arn    string
	spec   types.SigningAlgorithmSpec
	public *keys.PublicKey
	from   time.Time
}

func (k *signingKey) Public() *keys.PublicKey { return k.public }

// maxMessage is the longest message that KMS hashes itself.
const maxMessage = 4096

// Sign signs in KMS, and checks the signature with the pinned public key before it returns it.
func (k *signingKey) Sign(ctx context.Context, message []byte) ([]byte, error) {
	in := &kms.SignInput{KeyId: &k.arn, Message: message, MessageType: types.MessageTypeRaw, SigningAlgorithm: k.spec}
	if len(message) > maxMessage {
		hash := crypto.SHA256
		switch k.public.Algorithm()[2:] {
		case "384":
			hash = crypto.SHA384
		case "512":
			hash = crypto.SHA512
		}
		h := hash.New()
		h.Write(message)
		in.Message, in.MessageType = h.Sum(nil), types.MessageTypeDigest
	}
	out, err := k.signer.c.Client.Sign(ctx, in, early)
	if err != nil {
		return nil, fmt.Errorf("%w: kmskeys: signing with %s: %w", keys.ErrUnavailable, k.arn, err)
	}
	sig, err := raw(k.public.Public(), out.Signature)
	if err == nil && !sameKey(out.KeyId, k.arn) {
		err = fmt.Errorf("%w: KMS signed with %q, and %q was asked for", ErrPinned, aws.ToString(out.KeyId), k.arn)
	}
	if err == nil && k.public.Verify(message, sig) != nil {
		err = fmt.Errorf("%w: a signature of %s does not verify with its public key", ErrPinned, k.arn)
	}
	if err != nil {
		k.signer.c.Report(ctx, k.arn, err)
		return nil, err
	}
	return sig, nil
}

// raw turns the DER form of an ECDSA signature into that of JWS (RFC 7518 section 3.4).
func raw(public crypto.PublicKey, sig []byte) ([]byte, error) {
	ec, ok := public.(*ecdsa.PublicKey)
	if !ok {
		return sig, nil
	}
	var parts struct{ R, S *big.Int }
	size := (ec.Curve.Params().BitSize + 7) / 8
	rest, err := asn1.Unmarshal(sig, &parts)
	if err != nil || len(rest) != 0 || parts.R.Sign() < 0 || parts.S.Sign() < 0 || parts.R.BitLen() > 8*size || parts.S.BitLen() > 8*size {
		return nil, fmt.Errorf("%w: the signature is not in the form of ECDSA", ErrPinned)
	}
	out := make([]byte, 2*size)
	parts.R.FillBytes(out[:size])
	parts.S.FillBytes(out[size:])
	return out, nil
}

// early is an option of each call: an answer that comes early is not lost.
func early(o *kms.Options) { o.APIOptions = append(o.APIOptions, plainbody.Add) }
