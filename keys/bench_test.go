package keys_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"math/big"
	"testing"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
)

const benchPayload = `{"iss":"https://api.example.com/auth","sub":"user-1","aud":"api","iat":1700000000,"exp":1700000300,` +
	`"jti":"aGVsbG8gd29ybGQh","sid":"c2Vzc2lvbi1pZA.aWQ","type":"user","properties":{"userID":"u1","tenantID":"t1"},"roles":["a","b","c"]}`

func benchToken(b *testing.B, alg keys.Algorithm) (keys.Verifier, *keys.PublicKey, string, []byte, []byte) {
	b.Helper()
	var key keys.SigningKey
	if alg == keys.HS256 {
		key = hmacKey(b, "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg")
	} else {
		key = generate(b, alg)
	}
	v, err := keys.Static(key.Public())
	if err != nil {
		b.Fatal(err)
	}
	input := jose.SigningInput(string(alg), key.Public().ID(), "at+jwt", []byte(benchPayload))
	sig, err := key.Sign(b.Context(), input)
	if err != nil {
		b.Fatal(err)
	}
	return v, key.Public(), jose.Compact(input, sig), input, sig
}

var benchAlgorithms = []keys.Algorithm{keys.RS256, keys.PS256, keys.ES256, keys.EdDSA, keys.HS256}

// BenchmarkVerify is everything from the text of a token to claims that can be trusted, without typed properties.
func BenchmarkVerify(b *testing.B) {
	for _, alg := range benchAlgorithms {
		b.Run(string(alg), func(b *testing.B) {
			v, _, token, _, _ := benchToken(b, alg)
			b.ReportAllocs()
			for b.Loop() {
				tok, err := jose.Parse(token)
				if err != nil {
					b.Fatal(err)
				}
				k, err := v.PublicKey(b.Context(), tok.Kid)
				if err != nil || string(k.Algorithm()) != tok.Alg || k.Verify(tok.Input, tok.Signature) != nil {
					b.Fatal(err)
				}
				var sub string
				err = jose.Object(tok.Payload, func(name, value string) (err error) {
					switch name {
					case "sub":
						sub, err = jose.String(value)
					case "exp":
						_, err = jose.NumericDate(value)
					case "aud":
						_, err = jose.Has(value, "api")
					}
					return err
				})
				if err != nil || sub != "user-1" {
					b.Fatal(err, sub)
				}
			}
		})
	}
}

// BenchmarkBare is the standard library's check of the same signature alone.
func BenchmarkBare(b *testing.B) {
	for _, alg := range benchAlgorithms {
		b.Run(string(alg), func(b *testing.B) {
			_, public, _, input, sig := benchToken(b, alg)
			der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(sig[:len(sig)/2]), new(big.Int).SetBytes(sig[len(sig)/2:])})
			if err != nil {
				b.Fatal(err)
			}
			secret := make([]byte, 32)
			b.ReportAllocs()
			for b.Loop() {
				ok := true
				switch k := public.Public().(type) {
				case *rsa.PublicKey:
					d := sha256.Sum256(input)
					if alg == keys.PS256 {
						ok = rsa.VerifyPSS(k, crypto.SHA256, d[:], sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
					} else {
						ok = rsa.VerifyPKCS1v15(k, crypto.SHA256, d[:], sig) == nil
					}
				case *ecdsa.PublicKey:
					d := sha256.Sum256(input)
					ok = ecdsa.VerifyASN1(k, d[:], der)
				case ed25519.PublicKey:
					ok = ed25519.Verify(k, input, sig)
				default:
					h := hmac.New(sha256.New, secret)
					h.Write(input)
					ok = len(h.Sum(nil)) == 32
				}
				if !ok {
					b.Fatal("signature")
				}
			}
		})
	}
}

func BenchmarkRingPublicKey(b *testing.B) {
	ring, err := keys.Open(b.Context(), keys.RingConfig{Vault: new(keys.MemoryVault), Algorithm: keys.EdDSA})
	if err != nil {
		b.Fatal(err)
	}
	kid := ""
	if public, err := ring.PublicKeys(b.Context()); err == nil {
		kid = public[0].ID()
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ring.PublicKey(b.Context(), kid); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAllocations guards what a verification costs beyond the signature: two allocations for the token, none for a key
// that is found or for claims that are read.
func TestAllocations(t *testing.T) {
	ring := open(t, new(keys.MemoryVault), newClock())
	p := publish(t, jwks(t, generate(t, keys.EdDSA).Public()))
	far := remote(t, p, newClock())
	key := signingKey(t, ring, 0)
	input := jose.SigningInput("EdDSA", key.Public().ID(), "at+jwt", []byte(benchPayload))
	sig, err := key.Sign(t.Context(), input)
	if err != nil {
		t.Fatal(err)
	}
	token, ctx := jose.Compact(input, sig), t.Context()
	if _, err := far.PublicKey(ctx, ""); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		most float64
		run  func() error
	}{
		"token":  {2, func() error { _, err := jose.Parse(token); return err }},
		"ring":   {0, func() error { _, err := ring.PublicKey(ctx, key.Public().ID()); return err }},
		"remote": {0, func() error { _, err := far.PublicKey(ctx, ""); return err }},
		"secret": {0, func() error { _, err := ring.Secret(ctx, ""); return err }},
		"EdDSA":  {0, func() error { return key.Public().Verify(input, sig) }},
		"claims": {0, func() error {
			n := 0
			return jose.Object(benchPayload, func(name, value string) error {
				if name == "sub" {
					s, err := jose.String(value)
					n += len(s)
					return err
				}
				return nil
			})
		}},
	} {
		if got := testing.AllocsPerRun(100, func() {
			if err := tt.run(); err != nil {
				t.Fatal(name, err)
			}
		}); got > tt.most {
			t.Errorf("%s: %v allocations, want at most %v", name, got, tt.most)
		}
	}
}
