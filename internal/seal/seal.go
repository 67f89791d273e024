// Package seal protects small values that leave the program and come back: cookies, and values that work once.
//
// [Seal] encrypts a value: nobody else can read it, change it or use it for another purpose. [MAC] makes a fingerprint:
// a store keeps it as proof of a value, without the value.
//
// Both derive a key for each purpose from the master secrets of a ring. The result contains the name of the secret, so
// old values stay readable after a newer secret is in use.
//
//	cookie, err := seal.Seal(ctx, ring, "flow", state, issuer, provider)
//	state, err := seal.Open(ctx, ring, "flow", cookie, issuer, provider) // or ErrOpen
package seal

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
)

// ErrOpen is the error for a sealed value or MAC that is wrong: changed, made for another purpose or other associated
// data, or made with an unknown secret. It does not contain the reason.
var ErrOpen = errors.New("seal: value does not open")

// MaxSize is the length of the longest sealed value, in bytes.
const MaxSize = 64 << 10

const version = "v1"

// Seal encrypts plaintext (AES-256-GCM, NIST SP 800-38D, random nonce) under the current secret of s. The associated
// data is authenticated but not part of the result. The result is URL-safe and longer than plaintext by a third and
// about 60 bytes. Errors come from s, and from a plaintext whose sealed form would be longer than MaxSize.
func Seal(ctx context.Context, s keys.Secrets, purpose string, plaintext []byte, associated ...string) (string, error) {
	secret, err := s.Secret(ctx, "")
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	aead, err := newAEAD(secret, purpose)
	if err != nil {
		return "", err
	}
	box := aead.Seal(nil, nil, plaintext, bind(secret.ID, purpose, associated))
	sealed := version + "." + secret.ID + "." + base64.RawURLEncoding.EncodeToString(box)
	if len(sealed) > MaxSize {
		return "", fmt.Errorf("seal: a plaintext of %d bytes is too long", len(plaintext))
	}
	return sealed, nil
}

// Open returns the plaintext of a value that was sealed for the same purpose and associated data. The error is ErrOpen
// if the value is wrong. Any other error comes from s, such as keys.ErrUnavailable: the value may be good.
func Open(ctx context.Context, s keys.Secrets, purpose, sealed string, associated ...string) ([]byte, error) {
	if len(sealed) > MaxSize {
		return nil, ErrOpen
	}
	kid, text, ok := cut(sealed)
	if !ok {
		return nil, ErrOpen
	}
	box, ok := jose.DecodeBase64(make([]byte, 0, len(text)*3/4), text)
	if !ok {
		return nil, ErrOpen
	}
	secret, err := find(ctx, s, kid)
	if err != nil {
		return nil, err
	}
	aead, err := newAEAD(secret, purpose)
	if err != nil {
		return nil, err
	}
	plaintext, err := aead.Open(nil, nil, box, bind(kid, purpose, associated))
	if err != nil {
		return nil, ErrOpen
	}
	return plaintext, nil
}

func newAEAD(secret keys.Secret, purpose string) (cipher.AEAD, error) {
	block, err := aes.NewCipher(secret.Derive("seal/" + purpose))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// cut takes "v1.kid.rest" apart.
func cut(value string) (kid, rest string, ok bool) {
	if !strings.HasPrefix(value, version+".") {
		return "", "", false
	}
	kid, rest, ok = strings.Cut(value[len(version)+1:], ".")
	return kid, rest, ok && kid != "" && len(kid) <= 64 && rest != ""
}

func find(ctx context.Context, s keys.Secrets, kid string) (keys.Secret, error) {
	secret, err := s.Secret(ctx, kid)
	if errors.Is(err, keys.ErrUnknownKey) {
		return keys.Secret{}, ErrOpen
	}
	if err != nil {
		return keys.Secret{}, fmt.Errorf("seal: %w", err)
	}
	return secret, nil
}

// bind returns the data that a value is bound to. Each part follows its length, so different lists of parts differ.
func bind(kid, purpose string, parts []string) []byte {
	out := make([]byte, 0, 128)
	out = appendPart(out, version)
	out = appendPart(out, kid)
	out = appendPart(out, purpose)
	for _, p := range parts {
		out = appendPart(out, p)
	}
	return out
}

func appendPart(dst []byte, part string) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(len(part)))
	return append(dst, part...)
}
