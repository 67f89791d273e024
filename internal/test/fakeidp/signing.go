package fakeidp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"
)

var b64 = base64.RawURLEncoding

// A signingKey signs with one algorithm.
type signingKey struct {
	kid string
	alg string
	key crypto.Signer
}

// A keyring holds the key that signs and those that are published.
type keyring struct {
	mu        *sync.Mutex
	alg       string
	signing   signingKey
	published []signingKey
}

func newKeyring(alg string) (keyring, error) {
	ring := keyring{mu: new(sync.Mutex), alg: alg}
	algs := []string{"ES256"}
	switch alg {
	case "", "RS256":
		ring.alg = "RS256"
		algs = []string{"ES256", "RS256"}
	case "ES256":
	default:
		return ring, fmt.Errorf("fakeidp: Config.Algorithm %q is not known: use RS256 or ES256", alg)
	}
	for _, a := range algs {
		key, err := newSigningKey(a)
		if err != nil {
			return ring, err
		}
		ring.signing = key // the last is of the algorithm asked for
		ring.published = append(ring.published, key)
	}
	return ring, nil
}

func newSigningKey(alg string) (signingKey, error) {
	var key crypto.Signer
	var err error
	if alg == "ES256" {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		return signingKey{}, fmt.Errorf("fakeidp: make a signing key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return signingKey{}, fmt.Errorf("fakeidp: encode the public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return signingKey{kid: b64.EncodeToString(sum[:12]), alg: alg, key: key}, nil
}

// RotateKeys makes a new signing key. The old ones stay published if keepOld, as good providers do for a while.
func (p *IdP) RotateKeys(keepOld bool) error {
	key, err := newSigningKey(p.keys.alg)
	if err != nil {
		return err
	}
	p.keys.mu.Lock()
	defer p.keys.mu.Unlock()
	p.keys.signing = key
	if !keepOld {
		p.keys.published = nil
	}
	p.keys.published = append([]signingKey{key}, p.keys.published...)
	return nil
}

// sign makes a compact JWS (RFC 7515 section 7.1) of the claims, as wrong as the faults say and in the manner of v.
func (p *IdP) sign(claims map[string]any, v vendor, f Faults) (string, error) {
	p.keys.mu.Lock()
	key := p.keys.signing
	for _, published := range p.keys.published {
		if published.alg == v.alg {
			key = published
		}
	}
	p.keys.mu.Unlock()
	if f.UnknownKey {
		var err error
		if key, err = newSigningKey(p.keys.alg); err != nil {
			return "", err
		}
	}
	header := map[string]any{"alg": key.alg, "kid": key.kid, "typ": "JWT"}
	if v.zip != "" {
		header["zip"] = v.zip
	}
	if f.NoKeyID {
		delete(header, "kid")
	}
	signature := key.signature
	switch {
	case f.AlgNone:
		header["alg"] = "none"
		signature = func([]byte) ([]byte, error) { return nil, nil }
	case f.HMAC:
		header["alg"] = "HS256"
		signature = key.confusedSignature
	}
	head, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("fakeidp: Faults.IDToken left claims that JSON cannot hold: %w", err)
	}
	input := b64.EncodeToString(head) + "." + b64.EncodeToString(body)
	sig, err := signature([]byte(input))
	if err != nil {
		return "", err
	}
	if f.BadSignature && len(sig) > 0 {
		sig[len(sig)/2] ^= 1
	}
	return input + "." + b64.EncodeToString(sig), nil
}

func (k signingKey) signature(input []byte) ([]byte, error) {
	sum := sha256.Sum256(input)
	ec, ok := k.key.(*ecdsa.PrivateKey)
	if !ok {
		return k.key.Sign(rand.Reader, sum[:], crypto.SHA256)
	}
	r, s, err := ecdsa.Sign(rand.Reader, ec, sum[:])
	if err != nil {
		return nil, err
	}
	sig := make([]byte, 64) // RFC 7518 section 3.4
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return sig, nil
}

// confusedSignature is the forgery that a verifier believes if the header chooses the algorithm (RFC 8725 section 2.1).
func (k signingKey) confusedSignature(input []byte) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(k.key.Public())
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	mac.Write(input)
	return mac.Sum(nil), nil
}

// jwk is the public key as RFC 7517 has it.
func (k signingKey) jwk() (map[string]string, error) {
	m := map[string]string{"kid": k.kid, "alg": k.alg, "use": "sig"}
	switch pub := k.key.Public().(type) {
	case *rsa.PublicKey:
		m["kty"], m["n"], m["e"] = "RSA", b64.EncodeToString(pub.N.Bytes()), b64.EncodeToString(big.NewInt(int64(pub.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := pub.Bytes() // 4, x, y (SEC 1 section 2.3.3)
		if err != nil {
			return nil, err
		}
		m["kty"], m["crv"], m["x"], m["y"] = "EC", "P-256", b64.EncodeToString(point[1:33]), b64.EncodeToString(point[33:])
	}
	return m, nil
}

func (p *IdP) serveJWKS(w http.ResponseWriter, _ *http.Request, s shape, _ Faults) {
	p.keys.mu.Lock()
	published := p.keys.published
	p.keys.mu.Unlock()
	set := struct {
		Keys []map[string]string `json:"keys"`
	}{Keys: []map[string]string{}}
	for _, key := range published {
		m, err := key.jwk()
		if err != nil {
			http.Error(w, "cannot encode a key", http.StatusInternalServerError)
			return
		}
		if s == microsoft {
			delete(m, "alg") // its keys have none
		}
		set.Keys = append(set.Keys, m)
	}
	writeJSON(w, http.StatusOK, set)
}

// algorithms that are published, for the metadata.
func (p *IdP) algorithms() []string {
	if p.keys.alg == "ES256" {
		return []string{"ES256"}
	}
	return []string{"RS256", "ES256"}
}

// halfHash is at_hash (OpenID Connect Core section 3.1.3.6) for the SHA-256 family.
func halfHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return b64.EncodeToString(sum[:16])
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "cannot encode the answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

// words of a space-separated list, such as scope.
func words(s string) []string { return strings.Fields(s) }
