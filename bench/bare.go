package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"math/big"
)

var errSignature = errors.New("the signature does not verify")

// bareVerify is what no verifier can do without: the standard library's check of the signature, of a token that is cut
// up and decoded already.
func bareVerify(m *material) (func(token string) error, error) {
	var input, sig []byte
	prepare := func(token string) error {
		at := *m
		at.token = token
		var text string
		input, text = at.parts()
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			return err
		}
		if sig = raw; len(raw) == 64 && isEC(m.public) {
			sig, err = asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])})
		}
		return err
	}
	last := ""
	return func(token string) error {
		if token != last {
			if err := prepare(token); err != nil {
				return err
			}
			last = token
		}
		ok := false
		switch key := m.public.(type) {
		case *rsa.PublicKey:
			digest := sha256.Sum256(input)
			ok = rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], sig) == nil
		case *ecdsa.PublicKey:
			digest := sha256.Sum256(input)
			ok = ecdsa.VerifyASN1(key, digest[:], sig)
		case ed25519.PublicKey:
			ok = ed25519.Verify(key, input, sig)
		default:
			h := hmac.New(sha256.New, m.secret)
			h.Write(input)
			ok = hmac.Equal(h.Sum(nil), sig)
		}
		if !ok {
			return errSignature
		}
		return nil
	}, nil
}

func isEC(key crypto.PublicKey) bool {
	_, ok := key.(*ecdsa.PublicKey)
	return ok
}

// bareSign is the standard library's signature of the same bytes.
func bareSign(m *material) (func() (string, error), error) {
	input, _ := m.parts()
	return func() (string, error) {
		if m.private == nil {
			h := hmac.New(sha256.New, m.secret)
			h.Write(input)
			return "", notEmpty(h.Sum(nil))
		}
		if _, ok := m.private.(ed25519.PrivateKey); ok {
			sig, err := m.private.Sign(rand.Reader, input, crypto.Hash(0))
			return "", errors.Join(err, notEmpty(sig))
		}
		digest := sha256.Sum256(input)
		sig, err := m.private.Sign(rand.Reader, digest[:], crypto.SHA256)
		return "", errors.Join(err, notEmpty(sig))
	}, nil
}

func notEmpty(sig []byte) error {
	if len(sig) == 0 {
		return errors.New("no signature")
	}
	return nil
}

// ours is the session package with every check in place, and without its cache.
func ours(m *material) (peer, error) {
	kind, err := m.kind(-1)
	if err != nil {
		return peer{}, err
	}
	ctx, grant := context.Background(), m.grant()
	return peer{
		name: "postern",
		verify: func(token string) error {
			s, err := kind.Verify(ctx, token)
			if err != nil {
				return err
			}
			return right(s.Kind, s.Properties, s.Roles)
		},
		sign: func() (string, error) {
			t, err := kind.Create(ctx, grant)
			return t.Access, err
		},
	}, nil
}
