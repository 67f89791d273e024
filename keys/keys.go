package keys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/posternauth/postern/internal/jose"
)

// An Algorithm is a JWS algorithm (RFC 7518 section 3.1, RFC 8037). It belongs to a key, never to a token.
type Algorithm string

// The algorithms Postern knows. HS256, HS384 and HS512 are for a secret shared by both sides and are never published.
const (
	RS256 Algorithm = jose.RS256
	RS384 Algorithm = jose.RS384
	RS512 Algorithm = jose.RS512
	PS256 Algorithm = jose.PS256
	PS384 Algorithm = jose.PS384
	PS512 Algorithm = jose.PS512
	ES256 Algorithm = jose.ES256
	ES384 Algorithm = jose.ES384
	ES512 Algorithm = jose.ES512
	EdDSA Algorithm = jose.EdDSA
	HS256 Algorithm = jose.HS256
	HS384 Algorithm = jose.HS384
	HS512 Algorithm = jose.HS512
)

func (a Algorithm) symmetric() bool { return jose.Symmetric(string(a)) }

func (a Algorithm) isRSA() bool {
	return len(a) == 5 && (a[:2] == "RS" || a[:2] == "PS")
}

var (
	// ErrUnknownKey: no key with this kid may verify now.
	ErrUnknownKey = errors.New("keys: unknown key")
	// ErrUnavailable: the source of the keys could not be read (network, vault). It says nothing about the token:
	// answer 503.
	ErrUnavailable = errors.New("keys: keys unavailable")
	// ErrAlgorithm: the key is for another algorithm than the token names.
	ErrAlgorithm = errors.New("keys: the key is for another algorithm")
	// ErrSignature: the signature does not fit the message and key.
	ErrSignature = errors.New("keys: signature does not verify")
	// ErrWeakKey: the key is refused at load: too short, malformed, known to be broken.
	ErrWeakKey = errors.New("keys: key refused")
	// ErrRetired: the key is one of the ring, but retired or revoked. It matches ErrUnknownKey as well.
	ErrRetired = fmt.Errorf("%w: it has retired or was revoked", ErrUnknownKey)
	// ErrLocal: the keys belong to one process, and this platform starts many, which would refuse each other's tokens.
	// A Ring returns it together with ErrUnavailable.
	ErrLocal = errors.New("keys: these keys belong to one process and this platform starts many: keep the ring in a vault that all of them share, such as keys.StoreVault over DynamoDB, or allow local keys where a process may be alone")
	// ErrConflict is the answer of Vault.Save when the vault changed since it was loaded.
	ErrConflict = errors.New("keys: the vault changed since it was loaded")
)

// A Verifier finds the key that a token names. An empty kid finds the only key of a source that has one key. If a
// Verifier also has the method PublicKeys of a [Signer], its keys may be published.
type Verifier interface {
	// PublicKey returns ErrUnknownKey if there is no such key, ErrUnavailable if that could not be found out. Where
	// keys for several algorithms share a kid it returns the first; [Verify] finds the right one.
	PublicKey(ctx context.Context, kid string) (*PublicKey, error)
}

// A SigningKey makes signatures: in memory, or in a KMS.
type SigningKey interface {
	Public() *PublicKey
	// Sign returns the signature of message in JWS form.
	Sign(ctx context.Context, message []byte) ([]byte, error)
}

// A Signer is a Verifier that can sign too.
type Signer interface {
	Verifier
	// SigningKey returns the key that signs now. lifetime is how long the token to be signed will live: a key is
	// published until the last such token is dead.
	SigningKey(ctx context.Context, lifetime time.Duration) (SigningKey, error)
	// PublicKeys are the keys to publish: all that verify now, pending ones too; never an HMAC key.
	PublicKeys(ctx context.Context) ([]*PublicKey, error)
}

// Secrets is a ring of master secrets. They protect values that only Postern itself reads: sealed cookies, one-time
// values, refresh tokens.
type Secrets interface {
	// Secret returns the named secret, or the one that protects new values if kid is empty. Errors as
	// Verifier.PublicKey.
	Secret(ctx context.Context, kid string) (Secret, error)
}
