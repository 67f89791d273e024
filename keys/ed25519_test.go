package keys_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
)

// TestJ16_Ed25519: no key for which anyone can sign is loaded, and neither is text that is not a key.
func TestJ16_Ed25519(t *testing.T) {
	repeat := func(first, middle, last string) string {
		return first + string(bytes.Repeat([]byte(middle), 30)) + last
	}
	for name, y := range map[string]string{ // RFC 8032 section 5.1.2: little-endian, the sign of x in the highest bit
		"order 4":              repeat("00", "00", "00"),
		"order 1":              repeat("01", "00", "00"),
		"order 2":              repeat("ec", "ff", "7f"),
		"order 8":              "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"order 8, negative":    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"order 4, as p":        repeat("ed", "ff", "7f"),
		"order 1, as p+1":      repeat("ee", "ff", "7f"),
		"off the curve":        repeat("02", "00", "00"),
		"not canonical, y = 3": repeat("f0", "ff", "7f"),
		"all ones":             repeat("ff", "ff", "7f"),
	} {
		for _, sign := range []byte{0, 0x80} {
			key, err := hex.DecodeString(y)
			if err != nil || len(key) != ed25519.PublicKeySize {
				t.Fatalf("%s: %d bytes, %v", name, len(key), err)
			}
			key[31] |= sign
			if k, err := keys.NewPublicKey(ed25519.PublicKey(key), keys.EdDSA, "k"); k != nil || !errors.Is(err, keys.ErrWeakKey) {
				t.Errorf("%s, sign %#x: %v, %v", name, sign, k, err)
			}
			jwk := `{"kty":"OKP","crv":"Ed25519","kid":"k","x":"` + b64(key) + `"}`
			if k, err := keys.ParseJWK([]byte(jwk)); k != nil || !errors.Is(err, keys.ErrWeakKey) {
				t.Errorf("%s, sign %#x, as a JWK: %v, %v", name, sign, k, err)
			}
		}
	}

	// R = identity and S = 0 is a signature of any message by the key of order 1: the library takes it, so that the key
	// must not get there.
	identity := append([]byte{1}, make([]byte, 31)...)
	input := jose.SigningInput("EdDSA", "k", "JWT", []byte(`{"sub":"admin"}`))
	forged := append(bytes.Clone(identity), make([]byte, 32)...)
	if !ed25519.Verify(identity, []byte(input), forged) {
		t.Fatal("the forged signature is none")
	}
	if c, err := jose.NewChecker(jose.EdDSA, ed25519.PublicKey(identity)); c != nil || !errors.Is(err, jose.ErrKey) {
		t.Errorf("a checker that takes the forged signature: %v", err)
	}

	for range 100 {
		public, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keys.NewPublicKey(public, keys.EdDSA, "k"); err != nil {
			t.Fatalf("%x: %v", public, err)
		}
		c, err := jose.NewChecker(jose.EdDSA, public)
		if err != nil || !c.Check([]byte(input), ed25519.Sign(private, []byte(input))) || c.Check([]byte(input), forged) {
			t.Fatalf("%x: %v", public, err)
		}
	}
}
