package kmskeys

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/posternauth/postern/keys"
)

// A SealerClient is the part of *kms.Client that a Sealer calls.
type SealerClient interface {
	GenerateDataKey(context.Context, *kms.GenerateDataKeyInput, ...func(*kms.Options)) (*kms.GenerateDataKeyOutput, error)
	Decrypt(context.Context, *kms.DecryptInput, ...func(*kms.Options)) (*kms.DecryptOutput, error)
}

// SealerConfig of a Sealer. Both fields are required.
type SealerConfig struct {
	// Client calls KMS, with a region and credentials. It decides how often a call is tried again.
	Client SealerClient

	// ARN of a symmetric key: arn:aws:kms:REGION:ACCOUNT:key/ID. An alias is refused, because it can be moved.
	ARN string
}

// A Sealer is a keys.Sealer whose master key is a symmetric key of KMS. Each Seal takes a new data key
// (GenerateDataKey) and stores it, encrypted by KMS, with what it seals: AES-256-GCM. The place of the vault is in the
// encryption context of KMS under "postern:vault", for policies and logs of AWS, and bound by the seal itself.
//
// It keeps the data key of the document that it opened or sealed last in memory. So a ring that is loaded again and did
// not change needs no call.
//
// A program that reads needs kms:Decrypt for the key, and one that writes kms:GenerateDataKey as well.
type Sealer struct {
	c SealerConfig

	mu      sync.Mutex
	wrapped []byte // of the last data key
	place   string
	aead    cipher.AEAD
}

var _ keys.Sealer = (*Sealer)(nil)

// NewSealer returns a Sealer. It calls nothing.
func NewSealer(c SealerConfig) (*Sealer, error) {
	if c.Client == nil {
		return nil, errors.New("kmskeys: SealerConfig.Client is missing")
	}
	if err := checkARN(c.ARN); err != nil {
		return nil, fmt.Errorf("kmskeys: SealerConfig.ARN: %w", err)
	}
	return &Sealer{c: c}, nil
}

// sealMagic begins what is sealed, and names its format. The length of the wrapped data key follows in two bytes, and
// then the data key, nonce, ciphertext and tag.
const sealMagic = "postern-kms-1\n"

// Seal encrypts plain under a new data key. If KMS does not answer, the error is keys.ErrUnavailable.
func (s *Sealer) Seal(ctx context.Context, plain []byte, place string) ([]byte, error) {
	out, err := s.c.Client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId: &s.c.ARN, KeySpec: types.DataKeySpecAes256, EncryptionContext: contextOf(place),
	}, early)
	if err != nil {
		return nil, fmt.Errorf("%w: kmskeys: a data key of %s: %w", keys.ErrUnavailable, s.c.ARN, err)
	}
	if !sameKey(out.KeyId, s.c.ARN) {
		return nil, fmt.Errorf("%w: KMS used %q, and %q was asked for", ErrPinned, aws.ToString(out.KeyId), s.c.ARN)
	}
	aead, err := s.remember(out.Plaintext, out.CiphertextBlob, place)
	if err != nil {
		return nil, err
	}
	if len(out.CiphertextBlob) > 1<<16-1 {
		return nil, errors.New("kmskeys: the data key is longer than KMS makes one")
	}
	sealed := binary.BigEndian.AppendUint16([]byte(sealMagic), uint16(len(out.CiphertextBlob)))
	sealed = append(sealed, out.CiphertextBlob...)
	return aead.Seal(sealed, nil, plain, []byte(place)), nil
}

// Open decrypts what Seal returned for the same place. If KMS does not answer, the error is keys.ErrUnavailable.
func (s *Sealer) Open(ctx context.Context, sealed []byte, place string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	rest, ok := bytes.CutPrefix(sealed, []byte(sealMagic))
	if !ok || len(rest) < 2 || len(rest)-2 < int(binary.BigEndian.Uint16(rest)) {
		return nil, keys.ErrSealed
	}
	n := int(binary.BigEndian.Uint16(rest))
	aead, err := s.unwrap(ctx, rest[2:2+n], place)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, rest[2+n:], []byte(place))
	if err != nil {
		return nil, keys.ErrSealed
	}
	return plain, nil
}

// unwrap returns the cipher of a data key.
func (s *Sealer) unwrap(ctx context.Context, wrapped []byte, place string) (cipher.AEAD, error) {
	s.mu.Lock()
	aead, same := s.aead, s.aead != nil && s.place == place && bytes.Equal(s.wrapped, wrapped)
	s.mu.Unlock()
	if same {
		return aead, nil
	}
	out, err := s.c.Client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: wrapped, KeyId: &s.c.ARN, EncryptionContext: contextOf(place)}, early)
	var another *types.IncorrectKeyException
	var damaged *types.InvalidCiphertextException
	switch {
	case errors.As(err, &another), errors.As(err, &damaged):
		return nil, keys.ErrSealed
	case err != nil:
		return nil, fmt.Errorf("%w: kmskeys: opening a data key of %s: %w", keys.ErrUnavailable, s.c.ARN, err)
	case !sameKey(out.KeyId, s.c.ARN):
		return nil, fmt.Errorf("%w: KMS used %q, and %q was asked for", ErrPinned, aws.ToString(out.KeyId), s.c.ARN)
	}
	return s.remember(out.Plaintext, wrapped, place)
}

func (s *Sealer) remember(key, wrapped []byte, place string) (cipher.AEAD, error) {
	if len(key) != 32 {
		return nil, errors.New("kmskeys: the data key does not have 32 bytes")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrapped, s.place, s.aead = bytes.Clone(wrapped), place, aead
	return aead, nil
}

// Format keeps the data key out of logs, whatever the verb.
func (s *Sealer) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "kmskeys.Sealer(%q)", s.c.ARN) }

// contextOf is the encryption context of a place: its printable parts.
func contextOf(place string) map[string]string {
	parts := strings.FieldsFunc(place, func(r rune) bool { return r <= ' ' || r > '~' })
	return map[string]string{"postern:vault": strings.Join(parts, " ")}
}
