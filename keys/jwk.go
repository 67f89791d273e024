package keys

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"

	"github.com/posternauth/postern/internal/jose"
)

// errUnusable marks keys that are well formed but not for this package: of another type or algorithm, or for
// encryption.
var errUnusable = errors.New("not a signature key of a known algorithm")

// maxOps bounds the values of key_ops. RFC 7517 section 4.3 knows eight.
const maxOps = 32

// A jwk is one JSON Web Key (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2) as it was written.
type jwk struct {
	kty, crv, alg, use, kid string
	ops                     []string
	hasOps                  bool
	private                 bool // has a member only private keys have
	n, e, x, y, d, p, q, k  []byte
}

func readJWK(data string) (*jwk, error) {
	var j jwk
	err := jose.Object(data, func(name, value string) (err error) {
		if value == "null" { // absent
			return nil
		}
		switch name {
		case "kty":
			j.kty, err = jose.String(value)
		case "crv":
			j.crv, err = jose.String(value)
		case "alg":
			if j.alg, err = jose.String(value); err == nil && j.alg == "" {
				err = errors.New("empty")
			}
		case "use":
			if j.use, err = jose.String(value); err == nil && j.use == "" {
				err = errors.New("empty")
			}
		case "kid":
			j.kid, err = jose.String(value)
		case "key_ops":
			j.hasOps = true
			j.ops, err = opsOf(value)
		case "n":
			j.n, err = bytesOf(value)
		case "e":
			j.e, err = bytesOf(value)
		case "x":
			j.x, err = bytesOf(value)
		case "y":
			j.y, err = bytesOf(value)
		case "k":
			j.k, err = bytesOf(value)
		case "d":
			j.private = true
			j.d, err = bytesOf(value)
		case "p":
			j.private = true
			j.p, err = bytesOf(value)
		case "q":
			j.private = true
			j.q, err = bytesOf(value)
		case "dp", "dq", "qi", "oth", "priv":
			j.private = true
		}
		if err != nil {
			return fmt.Errorf("member %q: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWeakKey, err)
	}
	return &j, nil
}

// opsOf reads an array of strings without duplicates (RFC 7517 section 4.3).
func opsOf(value string) ([]string, error) {
	var ops []string
	err := jose.Array(value, func(element string) error {
		op, err := jose.String(element)
		if err == nil && slices.Contains(ops, op) {
			err = errors.New("a value given twice")
		}
		if err == nil && len(ops) == maxOps {
			err = errors.New("too many values")
		}
		ops = append(ops, op)
		return err
	})
	return ops, err
}

func bytesOf(value string) ([]byte, error) {
	s, err := jose.String(value)
	if err != nil {
		return nil, err
	}
	b, ok := jose.DecodeBase64(make([]byte, 0, len(s)*3/4), s)
	if !ok || len(b) == 0 {
		return nil, errors.New("not base64url, or empty")
	}
	return b, nil
}

// algorithm decides what the key is for. op is the operation it is wanted for: "verify" or "sign". A key is for one
// algorithm: its own, or without alg the one its type has; for RSA that is the first RSA algorithm of prefer.
func (j *jwk) algorithm(op string, prefer []Algorithm) (Algorithm, error) {
	alg := Algorithm(j.alg)
	switch {
	case j.kty != "RSA" && j.kty != "EC" && j.kty != "OKP" && j.kty != "oct",
		j.use != "" && j.use != "sig",
		j.hasOps && !slices.Contains(j.ops, op),
		j.alg != "" && !jose.Known(j.alg),
		j.kty == "OKP" && j.crv != "Ed25519",
		j.kty == "EC" && j.crv != "P-256" && j.crv != "P-384" && j.crv != "P-521":
		return "", errUnusable
	case alg != "":
	case j.kty == "RSA":
		alg = RS256
		if i := slices.IndexFunc(prefer, Algorithm.isRSA); i >= 0 {
			alg = prefer[i]
		}
	case j.kty == "EC":
		alg = map[string]Algorithm{"P-256": ES256, "P-384": ES384, "P-521": ES512}[j.crv]
	case j.kty == "OKP":
		alg = EdDSA
	case j.kty == "oct":
		alg = HS256
	}
	return alg, nil
}

// public makes the key that verifies.
func (j *jwk) public(alg Algorithm) (*PublicKey, error) {
	switch j.kty {
	case "RSA":
		key, err := j.rsa()
		if err != nil {
			return nil, err
		}
		return NewPublicKey(key, alg, j.kid)
	case "EC":
		key, err := j.ec()
		if err != nil {
			return nil, err
		}
		return NewPublicKey(key, alg, j.kid)
	case "OKP":
		return NewPublicKey(ed25519.PublicKey(j.x), alg, j.kid)
	default:
		key, err := newHMAC(alg, j.kid, j.k)
		if err != nil {
			return nil, err
		}
		return key.public, nil
	}
}

// rsa reads n and e. RFC 7518 section 2 has no leading zero octets in them; several publishers write one, which changes
// nothing about the number, so it is read.
func (j *jwk) rsa() (*rsa.PublicKey, error) {
	n, e := new(big.Int).SetBytes(j.n), new(big.Int).SetBytes(j.e)
	if n.Sign() == 0 || e.Sign() == 0 || e.BitLen() > 31 || e.Int64() > math.MaxInt32 {
		return nil, fmt.Errorf("%w: n or e is missing or out of range", ErrWeakKey)
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

func (j *jwk) curve() elliptic.Curve {
	switch j.crv {
	case "P-384":
		return elliptic.P384()
	case "P-521":
		return elliptic.P521()
	}
	return elliptic.P256()
}

func (j *jwk) ec() (*ecdsa.PublicKey, error) {
	curve := j.curve()
	// RFC 7518 section 6.2.1.2: coordinates have the full size of the field.
	size := (curve.Params().BitSize + 7) / 8
	if len(j.x) != size || len(j.y) != size {
		return nil, fmt.Errorf("%w: x and y of %s have %d bytes", ErrWeakKey, j.crv, size)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, j.x, j.y))
	if err != nil {
		return nil, fmt.Errorf("%w: x and y are not a point of %s", ErrWeakKey, j.crv)
	}
	return key, nil
}

// ParsePrivateJWK reads a private key in JWK form, or the shared secret of kty oct. Private and public members must
// belong together. A key without alg is for the algorithm its type has: by curve, EdDSA, HS256; RS256 for RSA. An empty
// kid becomes the RFC 7638 thumbprint. The error is ErrWeakKey.
func ParsePrivateJWK(data []byte) (SigningKey, error) {
	j, err := readJWK(string(data))
	if err != nil {
		return nil, err
	}
	alg, err := j.algorithm("sign", nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWeakKey, err)
	}
	inconsistent := fmt.Errorf("%w: not a private key, or its members do not belong together", ErrWeakKey)
	switch j.kty {
	case "oct":
		return asKey(newHMAC(alg, j.kid, j.k))
	case "RSA":
		public, err := j.rsa()
		if err != nil {
			return nil, err
		}
		private := &rsa.PrivateKey{PublicKey: *public, D: new(big.Int).SetBytes(j.d),
			Primes: []*big.Int{new(big.Int).SetBytes(j.p), new(big.Int).SetBytes(j.q)}}
		if private.Validate() != nil {
			return nil, inconsistent
		}
		return NewSigningKey(private, alg, j.kid)
	case "EC":
		public, err := j.ec()
		if err != nil {
			return nil, err
		}
		private, err := ecdsa.ParseRawPrivateKey(j.curve(), j.d)
		if err != nil || !private.PublicKey.Equal(public) {
			return nil, inconsistent
		}
		return NewSigningKey(private, alg, j.kid)
	default:
		if len(j.d) != ed25519.SeedSize {
			return nil, inconsistent
		}
		private := ed25519.NewKeyFromSeed(j.d)
		if !private.Public().(ed25519.PublicKey).Equal(ed25519.PublicKey(j.x)) {
			return nil, inconsistent
		}
		return NewSigningKey(private, alg, j.kid)
	}
}
