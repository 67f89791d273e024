package keys

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
)

// A Sealer encrypts and authenticates the document of a [Vault]. [MasterKey] does it with a key of 32 bytes, and
// kmskeys.Sealer with data keys of AWS KMS.
//
// place names where the sealed bytes are kept, such as a ring in a store. Open returns an error for bytes that were
// sealed for another place, that were changed, or that were sealed under another key: ErrSealed. An error for another
// reason, such as a network that is down, is another one. The methods may be called from many goroutines, and hold no
// slice of a caller longer than the call.
type Sealer interface {
	Seal(ctx context.Context, plain []byte, place string) (sealed []byte, err error)
	Open(ctx context.Context, sealed []byte, place string) (plain []byte, err error)
}

// ErrSealed is the error of Sealer.Open for bytes that are damaged, or sealed under another key or for another place.
var ErrSealed = errors.New("keys: sealed under another key or for another place, or damaged")

// MasterKey returns a [Sealer] with a key of 32 random bytes: AES-256-GCM (NIST SP 800-38D) with random nonces. The
// bytes are copied. Keep them elsewhere than what they seal. A key of another length, or of zeros alone, is ErrWeakKey
// when the Sealer is used.
func MasterKey(key []byte) Sealer {
	kept := append([]byte(nil), key...)
	return masterKey{&kept}
}

// masterKey has its key behind a pointer, because printing a struct that holds it shows its fields.
type masterKey struct{ key *[]byte }

func (m masterKey) Seal(ctx context.Context, plain []byte, place string) ([]byte, error) {
	aead, err := m.aead(ctx)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, plain, []byte(place)), nil
}

func (m masterKey) Open(ctx context.Context, sealed []byte, place string) ([]byte, error) {
	aead, err := m.aead(ctx)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, sealed, []byte(place))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

func (m masterKey) aead(ctx context.Context) (cipher.AEAD, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(*m.key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func (m masterKey) check() error {
	key := *m.key
	if len(key) != 32 || [32]byte(key) == [32]byte{} {
		return fmt.Errorf("%w: a master key is 32 random bytes", ErrWeakKey)
	}
	return nil
}

// checkSealer refuses a Sealer that can seal nothing, before the first document is there.
func checkSealer(s Sealer, vault string) error {
	if m, ok := s.(masterKey); ok {
		return m.check()
	}
	if s == nil {
		return fmt.Errorf("keys: %s needs a Sealer, such as keys.MasterKey", vault)
	}
	return nil
}

// Format keeps the key out of logs, whatever the verb.
func (m masterKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, "keys.MasterKey") }
