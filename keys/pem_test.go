package keys_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"testing"

	"github.com/posternauth/postern/keys"
)

func block(kind string, der []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func TestPEM(t *testing.T) {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8 := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return block("PRIVATE KEY", der, err)
	}
	pkix := func(key any) []byte {
		der, err := x509.MarshalPKIXPublicKey(key)
		return block("PUBLIC KEY", der, err)
	}
	sec1, err := x509.MarshalECPrivateKey(e)
	ec := block("EC PRIVATE KEY", sec1, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	certDER, err := x509.CreateCertificate(rand.Reader, template, template, &e.PublicKey, e)
	cert := block("CERTIFICATE", certDER, err)
	rsaPrivate := block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(r), nil)
	rsaPublic := block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&r.PublicKey), nil)
	encrypted := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: []byte{1}})

	message := []byte("message")
	for name, tt := range map[string]struct {
		private, public []byte
		alg             keys.Algorithm
	}{
		"PKCS 8 RSA": {pkcs8(r), pkix(&r.PublicKey), keys.RS256}, "PKCS 1": {rsaPrivate, rsaPublic, keys.PS512},
		"PKCS 8 EC": {pkcs8(e), cert, keys.ES256}, "SEC 1": {ec, pkix(&e.PublicKey), keys.ES256},
		"Ed25519": {pkcs8(ed), pkix(public), keys.EdDSA}, "space around": {append([]byte("\n# comment\n"), append(ec, " \n"...)...), pkix(&e.PublicKey), keys.ES256},
	} {
		key, err := keys.ParsePrivatePEM(tt.private, tt.alg, "")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		check, err := keys.ParsePublicPEM(tt.public, tt.alg, "named")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		sig, err := key.Sign(t.Context(), message)
		if err != nil || check.Verify(message, sig) != nil || check.ID() != "named" || len(key.Public().ID()) != 43 {
			t.Errorf("%s: %v, %v, %v", name, key, check, err)
		}
	}

	for name, tt := range map[string]struct {
		data []byte
		alg  keys.Algorithm
	}{
		"empty": {nil, keys.RS256}, "text": {[]byte("key"), keys.RS256}, "two": {bytes.Repeat(pkix(public), 2), keys.EdDSA},
		"private":      {pkcs8(ed), keys.EdDSA},
		"other block":  {block("OPENSSH KEY", []byte{1}, nil), keys.EdDSA},
		"garbage":      {block("PUBLIC KEY", []byte{1, 2, 3}, nil), keys.EdDSA},
		"garbage cert": {block("CERTIFICATE", []byte{1, 2, 3}, nil), keys.EdDSA},
		"RSA for ES":   {pkix(&r.PublicKey), keys.ES256},
		"EC for ES384": {pkix(&e.PublicKey), keys.ES384},
		"J2 as HS256":  {pkix(&r.PublicKey), keys.HS256},
		"alg none":     {pkix(&r.PublicKey), "none"},
		"no alg":       {pkix(&r.PublicKey), ""},
		"weak":         {pkix(&small.PublicKey), keys.RS256},
	} {
		if k, err := keys.ParsePublicPEM(tt.data, tt.alg, "k"); k != nil || !errors.Is(err, keys.ErrWeakKey) {
			t.Errorf("public %s: %v, %v", name, k, err)
		}
	}
	for name, tt := range map[string]struct {
		data []byte
		alg  keys.Algorithm
	}{
		"empty": {nil, keys.RS256}, "public": {pkix(public), keys.EdDSA}, "certificate": {cert, keys.ES256},
		"garbage": {block("PRIVATE KEY", []byte{1}, nil), keys.EdDSA}, "encrypted": {encrypted, keys.RS256},
		"encrypted PKCS 8": {block("ENCRYPTED PRIVATE KEY", []byte{1}, nil), keys.RS256},
		"two":              {bytes.Repeat(ec, 2), keys.ES256}, "weak": {pkcs8(small), keys.RS256}, "for another": {ec, keys.RS256},
		"HS256": {ec, keys.HS256},
	} {
		if k, err := keys.ParsePrivatePEM(tt.data, tt.alg, "k"); k != nil || !errors.Is(err, keys.ErrWeakKey) {
			t.Errorf("private %s: %v, %v", name, k, err)
		}
	}
	if _, err := keys.NewSigningKey(nil, keys.ES256, ""); !errors.Is(err, keys.ErrWeakKey) {
		t.Errorf("nil: %v", err)
	}
}
