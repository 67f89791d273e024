package keys

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// ParsePublicPEM reads one PEM block: a PKIX public key ("PUBLIC KEY"), a PKCS #1 one ("RSA PUBLIC KEY") or an X.509
// certificate, of which only the key is taken: its dates, names and issuer are not looked at. alg is the one algorithm
// the key is for. See [Static] for what an empty kid means. The error is ErrWeakKey.
func ParsePublicPEM(data []byte, alg Algorithm, kid string) (*PublicKey, error) {
	block, err := onePEM(data)
	if err != nil {
		return nil, err
	}
	var key any
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = cert.PublicKey
		}
	case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY":
		return nil, fmt.Errorf("%w: this is a private key; a verifier needs the public key or certificate", ErrWeakKey)
	default:
		return nil, fmt.Errorf("%w: PEM block %q is not a public key or certificate", ErrWeakKey, block.Type)
	}
	if err != nil || key == nil {
		return nil, fmt.Errorf("%w: the content of PEM block %q cannot be read", ErrWeakKey, block.Type)
	}
	return NewPublicKey(key, alg, kid)
}

// ParsePrivatePEM reads one PEM block: PKCS #8 ("PRIVATE KEY"), PKCS #1 ("RSA PRIVATE KEY") or SEC 1 ("EC PRIVATE
// KEY"), not encrypted. alg is the one algorithm the key is for; an empty kid becomes the RFC 7638 thumbprint. The
// error is ErrWeakKey.
func ParsePrivatePEM(data []byte, alg Algorithm, kid string) (SigningKey, error) {
	block, err := onePEM(data)
	if err != nil {
		return nil, err
	}
	var key any
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return nil, fmt.Errorf("%w: the private key is encrypted; decrypt it first (openssl pkcs8)", ErrWeakKey)
	default:
		return nil, fmt.Errorf("%w: PEM block %q is not a private key", ErrWeakKey, block.Type)
	}
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok || block.Headers["DEK-Info"] != "" {
		// The parser's own text could quote what it read.
		return nil, fmt.Errorf("%w: the content of PEM block %q cannot be read, or is encrypted", ErrWeakKey, block.Type)
	}
	return NewSigningKey(signer, alg, kid)
}

func onePEM(data []byte) (*pem.Block, error) {
	block, rest := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%w: no PEM block found", ErrWeakKey)
	}
	if len(bytes.TrimSpace(rest)) != 0 {
		return nil, fmt.Errorf("%w: more than one PEM block; give the one that holds the key", ErrWeakKey)
	}
	return block, nil
}
