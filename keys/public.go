package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"

	"github.com/posternauth/postern/internal/jose"
)

// A PublicKey checks signatures of one algorithm. It is immutable and safe for concurrent use. For the algorithms of a
// shared secret (HS256) it can check too, but has nothing to publish.
type PublicKey struct {
	id    string
	alg   Algorithm
	key   crypto.PublicKey // nil for a shared secret
	check *jose.Checker
}

// NewPublicKey binds a key of the standard library (*rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey) to the one
// algorithm it is used with. kid is what tokens call it; see [Static] for what an empty one means. The error is
// ErrWeakKey if the key does not fit the algorithm or is too weak: RSA of fewer than 2048 bits, for instance.
func NewPublicKey(key crypto.PublicKey, alg Algorithm, kid string) (*PublicKey, error) {
	if _, ok := key.([]byte); ok {
		return nil, fmt.Errorf("%w: a shared secret is not a public key; use NewHMAC", ErrWeakKey)
	}
	return newPublicKey(key, key, alg, kid)
}

func newPublicKey(checkWith any, public crypto.PublicKey, alg Algorithm, kid string) (*PublicKey, error) {
	if len(kid) > jose.MaxKid {
		return nil, fmt.Errorf("%w: kid is longer than %d bytes", ErrWeakKey, jose.MaxKid)
	}
	check, err := jose.NewChecker(string(alg), checkWith)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWeakKey, err)
	}
	return &PublicKey{id: kid, alg: alg, key: public, check: check}, nil
}

// ID is the key's kid: the RFC 7638 thumbprint for keys of a Ring, what the publisher says for others.
func (k *PublicKey) ID() string { return k.id }

// Algorithm is the one algorithm of the key.
func (k *PublicKey) Algorithm() Algorithm { return k.alg }

// Public is the key in the form of the standard library; nil for HS256.
func (k *PublicKey) Public() crypto.PublicKey { return k.key }

// Verify returns nil or ErrSignature. sig is raw JWS form (ES256: 64 bytes r‖s).
func (k *PublicKey) Verify(message, sig []byte) error {
	if !k.check.Check(message, sig) {
		return ErrSignature
	}
	return nil
}

// Format keeps a shared secret out of logs, whatever the verb.
func (k *PublicKey) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "keys.PublicKey(%s %q)", k.alg, k.id)
}

// Thumbprint is the RFC 7638 thumbprint of a public key: the base64url SHA-256 of its required JWK members.
func Thumbprint(key crypto.PublicKey) (string, error) {
	members, err := requiredMembers(key)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append(append([]byte{'{'}, members...), '}'))
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

// requiredMembers writes the members of RFC 7638 section 3.2 (RFC 8037 section 2 for OKP) in their canonical order,
// without the braces.
func requiredMembers(key crypto.PublicKey) ([]byte, error) {
	b64 := base64.RawURLEncoding.EncodeToString
	switch key := key.(type) {
	case *rsa.PublicKey:
		e := big.NewInt(int64(key.E)).Bytes()
		return fmt.Appendf(nil, `"e":"%s","kty":"RSA","n":"%s"`, b64(e), b64(key.N.Bytes())), nil
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			return nil, fmt.Errorf("%w: not a point of the curve", ErrWeakKey)
		}
		point = point[1:]
		half := len(point) / 2
		return fmt.Appendf(nil, `"crv":"%s","kty":"EC","x":"%s","y":"%s"`,
			curveName(key.Curve), b64(point[:half]), b64(point[half:])), nil
	case ed25519.PublicKey:
		return fmt.Appendf(nil, `"crv":"Ed25519","kty":"OKP","x":"%s"`, b64(key)), nil
	}
	return nil, fmt.Errorf("%w: keys of type %T have no JWK form", ErrWeakKey, key)
}

func curveName(c elliptic.Curve) string { return c.Params().Name } // P-256, P-384, P-521: as RFC 7518 calls them

// JWKS returns the JWK Set (RFC 7517 section 5) that publishes keys: public members, alg, use and kid of each. A shared
// secret among them is an error.
func JWKS(keys []*PublicKey) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(`{"keys":[`)
	for i, k := range keys {
		if k.key == nil {
			return nil, fmt.Errorf("keys: %s is a shared secret and is never published", k.alg)
		}
		members, err := requiredMembers(k.key)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(&out, `{%s,"alg":"%s","use":"sig"`, members, k.alg)
		if k.id != "" {
			out.WriteString(`,"kid":`)
			out.Write(jose.AppendString(nil, k.id))
		}
		out.WriteByte('}')
	}
	out.WriteString("]}\n")
	return out.Bytes(), nil
}
