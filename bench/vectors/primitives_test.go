package vectors

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/posternauth/postern/keys"
)

// octets are bytes written in hexadecimal.
type octets []byte

func (o *octets) UnmarshalText(text []byte) (err error) {
	*o, err = hex.DecodeString(string(text))
	return err
}

type signatureGroup struct {
	PublicKeyDER octets `json:"publicKeyDer"`
	PublicKey    json.RawMessage
	KeySize      int
	TagSize      int
	SLen         int `json:"sLen"`
	Tests        []struct {
		ID            int `json:"tcId"`
		Comment       string
		Msg, Sig, Key octets
		Tag           octets
		Result        string
	}
}

// TestJ11_WycheproofSignatures runs the vectors of every signature algorithm through PublicKey.Verify. "acceptable" is
// a signature that some take (the name of the hash without its NULL, for one): it is refused.
func TestJ11_WycheproofSignatures(t *testing.T) {
	for _, file := range []struct {
		name     string
		alg      keys.Algorithm
		n, valid int
	}{
		{"ecdsa_secp256r1_sha256_p1363", keys.ES256, 262, 173},
		{"ecdsa_secp384r1_sha384_p1363", keys.ES384, 280, 193},
		{"ecdsa_secp521r1_sha512_p1363", keys.ES512, 318, 231},
		{"ed25519", keys.EdDSA, 151, 88},
		{"rsa_signature_2048_sha256", keys.RS256, 259, 9},
		{"rsa_signature_3072_sha256", keys.RS256, 259, 8},
		{"rsa_signature_4096_sha256", keys.RS256, 258, 7},
		{"rsa_signature_2048_sha384", keys.RS384, 258, 7},
		{"rsa_signature_3072_sha384", keys.RS384, 259, 7},
		{"rsa_signature_4096_sha384", keys.RS384, 259, 7},
		{"rsa_signature_2048_sha512", keys.RS512, 259, 8},
		{"rsa_signature_3072_sha512", keys.RS512, 260, 8},
		{"rsa_signature_4096_sha512", keys.RS512, 259, 7},
		{"rsa_pss_2048_sha256_mgf1_32", keys.PS256, 108, 63},
		{"rsa_pss_3072_sha256_mgf1_32", keys.PS256, 108, 63},
		{"rsa_pss_4096_sha256_mgf1_32", keys.PS256, 108, 63},
		{"rsa_pss_2048_sha384_mgf1_48", keys.PS384, 141, 95},
		{"rsa_pss_4096_sha512_mgf1_64", keys.PS512, 179, 132},
		{"rsa_pss_4096_sha512_mgf1_32", keys.PS512, 177, 0}, // the salt is too short, so none is right
	} {
		t.Run(file.name, func(t *testing.T) {
			tried, accepted := 0, 0
			for _, g := range read[signatureGroup](t, file.name+"_test.json", file.n) {
				public, err := x509.ParsePKIXPublicKey(g.PublicKeyDER)
				if err != nil {
					t.Fatal(err)
				}
				key, err := keys.NewPublicKey(public, file.alg, "k")
				if err != nil {
					t.Fatal(err)
				}
				size := map[keys.Algorithm]int{keys.PS256: 32, keys.PS384: 48, keys.PS512: 64}[file.alg]
				for _, one := range g.Tests {
					tried++
					want := one.Result == "valid" && g.SLen == size
					if err := key.Verify(one.Msg, one.Sig); (err == nil) != want {
						t.Errorf("%d %s (%s): %v", one.ID, one.Comment, one.Result, err)
					}
					if want {
						accepted++
					}
				}
			}
			if tried != file.n || accepted != file.valid {
				t.Errorf("%d tried, %d accepted", tried, accepted)
			}
		})
	}
}

// TestJ11_WycheproofHMAC: secrets shorter than the hash are refused, and so are tags that are not of full length (RFC
// 7518 section 3.2).
func TestJ11_WycheproofHMAC(t *testing.T) {
	for _, bits := range []int{256, 384, 512} {
		whole, short := 0, 0
		for _, g := range read[signatureGroup](t, fmt.Sprintf("hmac_sha%d_test.json", bits), 174) {
			for _, one := range g.Tests {
				key, err := keys.ParseJWK(fmt.Appendf(nil, `{"kty":"oct","alg":"HS%d","k":"%s"}`, bits, base64.RawURLEncoding.EncodeToString(one.Key)))
				if g.KeySize < bits {
					if err == nil {
						t.Errorf("HS%d: a secret of %d bits is taken", bits, g.KeySize)
					}
					short++
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				want := one.Result == "valid" && g.TagSize == bits
				if err := key.Verify(one.Msg, one.Tag); (err == nil) != want {
					t.Errorf("HS%d: %d %s (%s, %d bits of tag): %v", bits, one.ID, one.Comment, one.Result, g.TagSize, err)
				}
				whole++
			}
		}
		if whole < 100 || short == 0 || whole+short != 174 {
			t.Errorf("HS%d: %d vectors, and %d of short secrets", bits, whole, short)
		}
	}
}
