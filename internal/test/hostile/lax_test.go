package hostile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

// lax verifies tokens the way it has been done wrong before: base64 and JSON as the standard library reads them, the
// algorithm and the key as the token wants them, claims compared by a glance. It still refuses most bad tokens.
type lax struct {
	corpus *Corpus
	keys   map[string]crypto.PublicKey
	secret []byte
}

type laxHeader struct {
	Alg any             `json:"alg"`
	Kid any             `json:"kid"`
	JWK json.RawMessage `json:"jwk"`
}

type laxClaims struct {
	Iss, Aud, Exp, Nbf any
}

func (l *lax) verify(token string) bool {
	parts := strings.Split(strings.TrimPrefix(strings.TrimSpace(token), "Bearer "), ".")
	if len(parts) < 2 {
		return false
	}
	var header laxHeader
	var claims laxClaims
	if json.NewDecoder(strings.NewReader(laxBase64(parts[0]))).Decode(&header) != nil ||
		json.NewDecoder(strings.NewReader(laxBase64(parts[1]))).Decode(&claims) != nil {
		return false
	}
	alg := strings.ToLower(strings.TrimSpace(fmt.Sprint(header.Alg)))
	if alg != "none" && header.Alg != nil {
		if len(parts) < 3 || !l.signed(alg, &header, parts[0]+"."+parts[1], laxBase64(parts[2])) {
			return false
		}
	}
	clock := l.corpus.Time.Unix()
	exp, isTime := claims.Exp.(float64)
	nbf, _ := claims.Nbf.(float64)
	return !(isTime && int64(exp) < clock-30) && int64(nbf) <= clock+30 &&
		strings.HasPrefix(fmt.Sprint(claims.Iss), l.corpus.Issuer) && strings.Contains(fmt.Sprint(claims.Aud), l.corpus.Audience)
}

func laxBase64(s string) string {
	s = strings.NewReplacer("+", "-", "/", "_", "=", "", " ", "", "\t", "").Replace(s)
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return ""
	}
	return string(raw)
}

// signed tries every key where the token does not name one.
func (l *lax) signed(alg string, h *laxHeader, input, sig string) bool {
	if key, ok := l.keys[fmt.Sprint(h.Kid)]; ok && len(h.JWK) == 0 {
		return l.by(key, alg, input, sig)
	}
	if len(h.JWK) > 0 {
		var jwk struct{ X, Y string }
		if json.Unmarshal(h.JWK, &jwk) == nil && jwk.X != "" {
			key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), []byte("\x04"+laxBase64(jwk.X)+laxBase64(jwk.Y)))
			return err == nil && l.by(key, alg, input, sig)
		}
	}
	for _, key := range l.keys {
		if l.by(key, alg, input, sig) {
			return true
		}
	}
	return false
}

func (l *lax) by(key crypto.PublicKey, alg, input, sig string) bool {
	if strings.HasPrefix(alg, "hs") {
		der, _ := x509.MarshalPKIXPublicKey(key)
		return mac(256, l.secret, input) == sig || mac(256, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), input) == sig
	}
	sum := digest(crypto.SHA256, input)
	switch key := key.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum, []byte(sig)) == nil || rsa.VerifyPSS(key, crypto.SHA256, sum, []byte(sig), nil) == nil
	case *ecdsa.PublicKey:
		if ecdsa.VerifyASN1(key, sum, []byte(sig)) {
			return true
		}
		half := len(sig) / 2
		return half > 0 && ecdsa.Verify(key, sum, new(big.Int).SetBytes([]byte(sig[:half])), new(big.Int).SetBytes([]byte(sig[half:])))
	case ed25519.PublicKey:
		return ed25519.Verify(key, []byte(input), []byte(sig))
	}
	return false
}

// TestCorpus_CatchesLaxVerifiers: the corpus finds out a verifier that has the usual faults, in every one of its
// groups. So the tests that use it can fail.
func TestCorpus_CatchesLaxVerifiers(t *testing.T) {
	c := load(t)
	f := newForge(t)
	l := &lax{corpus: c, keys: map[string]crypto.PublicKey{}, secret: f.hmac}
	for kid, key := range f.keys {
		if kid != "attacker" {
			l.keys[kid] = key.Public()
		}
	}
	if !l.verify(f.good()) || l.verify(f.token("attacker", header("es256"), claims())) {
		t.Fatal("the lax verifier verifies nothing")
	}
	accepted, refused := map[string]int{}, 0
	for _, one := range c.Cases {
		switch {
		case one.Accept:
		case l.verify(one.Text()):
			accepted[one.Group]++
		default:
			refused++
		}
	}
	for _, one := range c.Cases {
		if accepted[one.Group] == 0 {
			t.Errorf("group %s has no token that a lax verifier accepts", one.Group)
			accepted[one.Group] = -1
		}
	}
	wrong, _ := judge(c, func(one *Case) string {
		if l.verify(one.Text()) {
			return ""
		}
		return one.Reason
	})
	if len(wrong) != len(accepted) {
		t.Errorf("the judge finds faults in %d groups of %d", len(wrong), len(accepted))
	}
	t.Logf("accepted of the tokens to refuse: %v; refused: %d", accepted, refused)
}
