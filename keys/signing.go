package keys

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"

	"github.com/posternauth/postern/internal/jose"
)

// localKey is a SigningKey in memory, or behind any crypto.Signer.
type localKey struct {
	public    *PublicKey
	signer    *crypto.Signer // a pointer: printing what holds a localKey follows one with some verbs
	generated bool           // by Generate, in this process
}

// NewSigningKey makes a SigningKey of a private key of the standard library (*rsa.PrivateKey, *ecdsa.PrivateKey,
// ed25519.PrivateKey) or of any crypto.Signer with such a public key. An empty kid becomes the RFC 7638 thumbprint.
// Errors as [NewPublicKey].
func NewSigningKey(signer crypto.Signer, alg Algorithm, kid string) (SigningKey, error) {
	return asKey(newLocalKey(signer, alg, kid))
}

// asKey keeps a nil pointer from becoming a SigningKey that is not nil.
func asKey[K SigningKey](k K, err error) (SigningKey, error) {
	if err != nil {
		return nil, err
	}
	return k, nil
}

func newLocalKey(signer crypto.Signer, alg Algorithm, kid string) (*localKey, error) {
	if signer == nil {
		return nil, fmt.Errorf("%w: no private key given", ErrWeakKey)
	}
	if private, ok := signer.(*rsa.PrivateKey); ok {
		if err := private.Validate(); err != nil {
			return nil, fmt.Errorf("%w: not a consistent RSA key", ErrWeakKey)
		}
		private.Precompute()
	}
	public, err := NewPublicKey(signer.Public(), alg, kid)
	if err != nil {
		return nil, err
	}
	if public.id == "" {
		if public.id, err = Thumbprint(public.key); err != nil {
			return nil, err
		}
	}
	return &localKey{public: public, signer: &signer}, nil
}

// Generate makes a new key for alg: RSA of 2048 bits, the curve of an ES algorithm, or Ed25519. Its kid is the RFC 7638
// thumbprint. Shared secrets are not made here: see [NewHMAC].
func Generate(alg Algorithm) (SigningKey, error) {
	key, err := generate(alg)
	if err != nil {
		return nil, err
	}
	key.generated = true
	return key, nil
}

func generate(alg Algorithm) (*localKey, error) {
	var signer crypto.Signer
	var err error
	switch {
	case alg.isRSA():
		signer, err = rsa.GenerateKey(rand.Reader, 2048)
	case alg == ES256:
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case alg == ES384:
		signer, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case alg == ES512:
		signer, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case alg == EdDSA:
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, fmt.Errorf("keys: cannot make a key for algorithm %q; use one of RS256, PS256, ES256, EdDSA", alg)
	}
	if err != nil {
		return nil, fmt.Errorf("keys: making a key for %s: %w", alg, err)
	}
	return newLocalKey(signer, alg, "")
}

func (k *localKey) Public() *PublicKey { return k.public }

func (k *localKey) Sign(_ context.Context, message []byte) ([]byte, error) {
	check := k.public.check
	var opts crypto.SignerOpts = check.Hash()
	if check.PSS() {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: check.Hash()}
	}
	sig, err := (*k.signer).Sign(rand.Reader, check.Digest(message), opts)
	if err != nil {
		return nil, fmt.Errorf("keys: signing with key %q: %w", k.public.id, err)
	}
	if _, ok := k.public.key.(*ecdsa.PublicKey); ok {
		return jose.RawFromDER(sig, check.Size())
	}
	return sig, nil
}

// Format keeps the private key out of logs, whatever the verb.
func (k *localKey) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "keys.SigningKey(%s %q)", k.public.alg, k.public.id)
}

// hmacKey is a secret that both sides know.
type hmacKey struct{ public *PublicKey }

// NewHMAC makes a SigningKey for HS256 of a secret both sides share: at least 32 bytes from a random source, never a
// password (RFC 7518 section 3.2, RFC 8725 section 3.5). A program that can check such tokens can also make them. The
// secret is copied. For the checking side take Public of the result. See [Static] for what an empty kid means.
func NewHMAC(kid string, secret []byte) (SigningKey, error) {
	return asKey(newHMAC(HS256, kid, secret))
}

func newHMAC(alg Algorithm, kid string, secret []byte) (*hmacKey, error) {
	public, err := newPublicKey(append([]byte{}, secret...), nil, alg, kid)
	if err != nil {
		return nil, err
	}
	return &hmacKey{public}, nil
}

func (k *hmacKey) Public() *PublicKey { return k.public }

func (k *hmacKey) Sign(_ context.Context, message []byte) ([]byte, error) {
	return k.public.check.MAC(message), nil
}
