package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"math/big"
	"sync"
)

// The signature algorithms of RFC 7518 section 3.1 and RFC 8037.
const (
	RS256, RS384, RS512 = "RS256", "RS384", "RS512"
	PS256, PS384, PS512 = "PS256", "PS384", "PS512"
	ES256, ES384, ES512 = "ES256", "ES384", "ES512"
	HS256, HS384, HS512 = "HS256", "HS384", "HS512"
	EdDSA               = "EdDSA"
)

// family is the kind of key an algorithm takes.
type family uint8

const (
	rsaPKCS1 family = iota + 1
	rsaPSS
	ec
	okp
	mac
)

type algorithm struct {
	family family
	hash   crypto.Hash
	curve  elliptic.Curve
}

func lookup(alg string) (algorithm, bool) {
	switch alg {
	case RS256:
		return algorithm{family: rsaPKCS1, hash: crypto.SHA256}, true
	case RS384:
		return algorithm{family: rsaPKCS1, hash: crypto.SHA384}, true
	case RS512:
		return algorithm{family: rsaPKCS1, hash: crypto.SHA512}, true
	case PS256:
		return algorithm{family: rsaPSS, hash: crypto.SHA256}, true
	case PS384:
		return algorithm{family: rsaPSS, hash: crypto.SHA384}, true
	case PS512:
		return algorithm{family: rsaPSS, hash: crypto.SHA512}, true
	case ES256:
		return algorithm{family: ec, hash: crypto.SHA256, curve: elliptic.P256()}, true
	case ES384:
		return algorithm{family: ec, hash: crypto.SHA384, curve: elliptic.P384()}, true
	case ES512: // P-521, not P-512: RFC 7518 section 3.4
		return algorithm{family: ec, hash: crypto.SHA512, curve: elliptic.P521()}, true
	case EdDSA:
		return algorithm{family: okp}, true
	case HS256:
		return algorithm{family: mac, hash: crypto.SHA256}, true
	case HS384:
		return algorithm{family: mac, hash: crypto.SHA384}, true
	case HS512:
		return algorithm{family: mac, hash: crypto.SHA512}, true
	}
	return algorithm{}, false
}

// Known reports whether alg is an algorithm of this package. The comparison is exact: "rs256" is not.
func Known(alg string) bool {
	_, ok := lookup(alg)
	return ok
}

// Symmetric reports whether alg is a MAC: who can check it can also make it.
func Symmetric(alg string) bool {
	a, ok := lookup(alg)
	return ok && a.family == mac
}

// A Checker checks signatures of one algorithm by one key. It is safe for concurrent use.
type Checker struct {
	algorithm
	rsa  *rsa.PublicKey
	ec   *ecdsa.PublicKey
	ed   ed25519.PublicKey
	macs *sync.Pool // of *keyed. A pointer: printing what holds a Checker follows one with some verbs
	size int        // bytes of a signature
}

// NewChecker binds key to alg. key is *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey or the []byte of a shared
// secret. The error is ErrKey if the key is of the wrong type or curve for alg, or weak: RSA outside 2048 to 8192 bits,
// with an exponent that is even or below 3, or with a modulus of the ROCA generator; a point off its curve, or of small
// order; a secret shorter than the hash.
func NewChecker(alg string, key any) (*Checker, error) {
	a, ok := lookup(alg)
	if !ok {
		return nil, fmt.Errorf("%w: algorithm %q is not known", ErrKey, alg)
	}
	c := &Checker{algorithm: a}
	switch key := key.(type) {
	case *rsa.PublicKey:
		if a.family != rsaPKCS1 && a.family != rsaPSS || key == nil || key.N == nil {
			return nil, fmt.Errorf("%w: an RSA key cannot do %s", ErrKey, alg)
		}
		if err := checkRSA(key); err != nil {
			return nil, err
		}
		c.rsa, c.size = key, key.Size()
	case *ecdsa.PublicKey:
		if a.family != ec || key == nil || key.Curve != a.curve {
			return nil, fmt.Errorf("%w: an elliptic curve key of this curve cannot do %s", ErrKey, alg)
		}
		//lint:ignore SA1019 a key without coordinates would make Bytes panic
		if key.X == nil || key.Y == nil {
			return nil, fmt.Errorf("%w: an elliptic curve key without a point", ErrKey)
		}
		if _, err := key.Bytes(); err != nil { // off the curve, or infinity
			return nil, fmt.Errorf("%w: not a point of the curve", ErrKey)
		}
		c.ec, c.size = key, 2*((a.curve.Params().BitSize+7)/8)
	case ed25519.PublicKey:
		if a.family != okp {
			return nil, fmt.Errorf("%w: an Ed25519 key cannot do %s", ErrKey, alg)
		}
		if err := checkEd25519(key); err != nil {
			return nil, err
		}
		c.ed, c.size = key, ed25519.SignatureSize
	case []byte:
		if a.family != mac {
			return nil, fmt.Errorf("%w: a shared secret cannot do %s", ErrKey, alg)
		}
		if len(key) < a.hash.Size() { // RFC 7518 section 3.2
			return nil, fmt.Errorf("%w: a secret for %s needs %d random bytes", ErrKey, alg, a.hash.Size())
		}
		c.macs, c.size = &sync.Pool{New: func() any { return &keyed{Hash: newMAC(a.hash, key)} }}, a.hash.Size()
	default:
		return nil, fmt.Errorf("%w: keys of type %T are not supported", ErrKey, key)
	}
	return c, nil
}

// Check reports whether sig, in raw JWS form, is the signature of message.
func (c *Checker) Check(message, sig []byte) bool {
	if len(sig) != c.size {
		return false
	}
	switch c.family {
	case rsaPKCS1:
		return c.checkPKCS1(message, sig)
	case rsaPSS: // RFC 7518 section 3.5: the salt is as long as the hash
		opts := rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
		return rsa.VerifyPSS(c.rsa, c.hash, c.digest(nil, message), sig, &opts) == nil
	case ec:
		return c.checkEC(message, sig)
	case okp:
		return ed25519.Verify(c.ed, message, sig)
	case mac:
		return c.checkMAC(message, sig)
	}
	return false
}

// The digests below stay on the stack.

func (c *Checker) checkPKCS1(message, sig []byte) bool {
	var digest [sha512.Size]byte
	return rsa.VerifyPKCS1v15(c.rsa, c.hash, c.digest(digest[:0], message), sig) == nil
}

func (c *Checker) checkEC(message, sig []byte) bool {
	var digest [sha512.Size]byte
	asn1, ok := derFromRaw(make([]byte, 0, c.size+derOverhead), sig)
	return ok && ecdsa.VerifyASN1(c.ec, c.digest(digest[:0], message), asn1)
}

// keyed is a hash with the key worked in, which is half the work for a short message, and room for what goes in and
// out: what is handed to an interface cannot stay on a stack.
type keyed struct {
	hash.Hash
	message []byte
	room    [sha512.Size]byte
}

func (c *Checker) checkMAC(message, sig []byte) bool {
	k := c.macs.Get().(*keyed)
	ok := hmac.Equal(k.sum(message), sig)
	c.macs.Put(k)
	return ok
}

// MAC returns the MAC of message. c must be of a shared secret.
func (c *Checker) MAC(message []byte) []byte {
	k := c.macs.Get().(*keyed)
	sum := append([]byte(nil), k.sum(message)...)
	c.macs.Put(k)
	return sum
}

// sum returns the MAC in k's room.
func (k *keyed) sum(message []byte) []byte {
	k.Reset()
	k.message = append(k.message[:0], message...)
	k.Write(k.message)
	return k.Sum(k.room[:0])
}

func newMAC(h crypto.Hash, secret []byte) hash.Hash {
	switch h {
	case crypto.SHA256:
		return hmac.New(sha256.New, secret)
	case crypto.SHA384:
		return hmac.New(sha512.New384, secret)
	default:
		return hmac.New(sha512.New, secret)
	}
}

// Digest returns what of message is signed: its hash, or for EdDSA message itself.
func (c *Checker) Digest(message []byte) []byte {
	if c.hash == 0 {
		return message
	}
	return c.digest(nil, message)
}

// Hash is the hash function of the algorithm; 0 for EdDSA.
func (c *Checker) Hash() crypto.Hash { return c.hash }

// PSS reports whether signatures are of RSASSA-PSS.
func (c *Checker) PSS() bool { return c.family == rsaPSS }

// Size is the length of a signature in bytes.
func (c *Checker) Size() int { return c.size }

func (c *Checker) digest(dst, message []byte) []byte {
	switch c.hash {
	case crypto.SHA256:
		d := sha256.Sum256(message)
		return append(dst, d[:]...)
	case crypto.SHA384:
		d := sha512.Sum384(message)
		return append(dst, d[:]...)
	default:
		d := sha512.Sum512(message)
		return append(dst, d[:]...)
	}
}

func checkRSA(key *rsa.PublicKey) error {
	switch bits := key.N.BitLen(); {
	case key.N.Sign() <= 0 || bits < 2048:
		return fmt.Errorf("%w: an RSA key needs 2048 bits or more", ErrKey)
	case bits > 8192: // each check costs more the longer the key, and its publisher chooses it
		return fmt.Errorf("%w: RSA keys of more than 8192 bits are not supported", ErrKey)
	case key.E < 3 || key.E&1 == 0 || key.N.Bit(0) == 0:
		return fmt.Errorf("%w: an RSA modulus and exponent are odd, the exponent 3 or more", ErrKey)
	case isROCA(key.N):
		return fmt.Errorf("%w: the RSA modulus is of a generator known to be broken (CVE-2017-15361)", ErrKey)
	}
	return nil
}

// isROCA recognises moduli of the RSA generator broken by CVE-2017-15361: modulo every small prime they lie in the
// group generated by 65537 (Nemec and others, "The Return of Coppersmith's Attack", 2017). A modulus made otherwise
// does so by chance about once in 2^27.
func isROCA(n *big.Int) bool {
	primes := [...]uint64{3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83,
		89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167}
	var p, r big.Int
	for _, prime := range primes {
		residue := r.Mod(n, p.SetUint64(prime)).Uint64()
		in := false
		for power, first := 65537%prime, true; first || power != 65537%prime; first = false {
			if power == residue {
				in = true
				break
			}
			power = power * 65537 % prime
		}
		if !in {
			return false
		}
	}
	return true
}
