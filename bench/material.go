package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

const (
	issuer   = "https://api.example.com/auth"
	audience = "api"
	kid      = "2026-01"
)

var algorithms = []keys.Algorithm{keys.RS256, keys.ES256, keys.EdDSA, keys.HS256}

// User is what every contender decodes the properties of a token into.
type User struct {
	UserID   string `json:"userID"`
	TenantID string `json:"tenantID,omitempty"`
}

// Claims are those that contenders without their own types add to the registered ones.
type Claims struct {
	Type       string   `json:"type"`
	Properties User     `json:"properties"`
	Roles      []string `json:"roles"`
}

var (
	alice = User{UserID: "user_01J9ZQ4W8Y", TenantID: "tenant_42"}
	roles = []string{"owner", "editor", "viewer"}
)

// right reports whether a contender read the claims of the token: one that decodes less has less to do.
func right(kind string, properties User, read []string) error {
	if kind != "user" || properties != alice || len(read) != len(roles) || read[2] != roles[2] {
		return fmt.Errorf("the token was read wrongly: %s %v %v", kind, properties, read)
	}
	return nil
}

// A material is one key, in the forms the contenders take it, and a token signed by it.
type material struct {
	alg     keys.Algorithm
	private crypto.Signer // nil for HS256
	public  crypto.PublicKey
	secret  []byte // of HS256
	signing keys.SigningKey
	token   string
}

func newMaterial(alg keys.Algorithm) (*material, error) {
	m := &material{alg: alg}
	var err error
	switch alg {
	case keys.RS256:
		m.private, err = rsa.GenerateKey(rand.Reader, 2048)
	case keys.ES256:
		m.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case keys.EdDSA:
		_, m.private, err = ed25519.GenerateKey(rand.Reader)
	case keys.HS256:
		m.secret = make([]byte, 32)
		_, _ = rand.Read(m.secret) // never fails
		m.signing, err = keys.NewHMAC(kid, m.secret)
	}
	if err != nil {
		return nil, err
	}
	if m.private != nil {
		m.public = m.private.Public()
		if m.signing, err = keys.NewSigningKey(m.private, alg, kid); err != nil {
			return nil, err
		}
	}
	m.token, err = m.mint(1)
	return m, err
}

// kind is the guard under test. cache is KindConfig.Cache.
func (m *material) kind(cache int) (*session.Kind[User], error) {
	signer, err := keys.StaticSigner(m.signing)
	if err != nil {
		return nil, err
	}
	return kindOf(signer, cache)
}

func kindOf(from keys.Verifier, cache int) (*session.Kind[User], error) {
	sessions, err := session.New(session.Config{Issuer: issuer, Audience: audience, Keys: from})
	if err != nil {
		return nil, err
	}
	return session.NewKindConfig(sessions, session.KindConfig[User]{Name: "user", Stateless: true, Access: 24 * time.Hour, Cache: cache}), nil
}

func (m *material) grant() session.Grant[User] {
	return session.Grant[User]{Subject: alice.UserID, Properties: alice, Roles: roles}
}

// mint makes tokens and returns the last.
func (m *material) mint(n int) (string, error) {
	all, err := m.tokens(n)
	if err != nil {
		return "", err
	}
	return all[n-1], nil
}

func (m *material) tokens(n int) ([]string, error) {
	kind, err := m.kind(-1)
	if err != nil {
		return nil, err
	}
	out := make([]string, n)
	for i := range out {
		t, err := kind.Create(context.Background(), m.grant())
		if err != nil {
			return nil, err
		}
		out[i] = t.Access
	}
	return out, nil
}

// parts are the bytes that are signed, and the signature in base64url.
func (m *material) parts() (input []byte, signature string) {
	i := strings.LastIndexByte(m.token, '.')
	return []byte(m.token[:i]), m.token[i+1:]
}

// spoilt is the token with another signature, which every contender must refuse.
func (m *material) spoilt() string {
	b := []byte(m.token)
	if i := len(b) - 10; b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}

// keyFor is the key a Go peer checks with.
func (m *material) keyFor() any {
	if m.secret != nil {
		return m.secret
	}
	return m.public
}

// keyToSign is the key a Go peer signs with.
func (m *material) keyToSign() any {
	if m.secret != nil {
		return m.secret
	}
	return m.private
}

// pem is the public key as text.
func (m *material) pem() (string, error) {
	der, err := x509.MarshalPKIXPublicKey(m.public)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}
