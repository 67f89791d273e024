package keys_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/posternauth/postern/keys"
)

// rsaN is the modulus of the example in RFC 7638 section 3.1.
const rsaN = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs" +
	"tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbI" +
	"SD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"

// ecX, ecY, ecD are the key of RFC 7515 appendix A.3; edX, edD that of RFC 8037 appendix A.
const (
	ecX = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
	ecY = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
	ecD = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"
	edX = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
	edY = "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw" // of another key: RFC 8032 section 7.1, test 2
	edD = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
)

func TestThumbprint(t *testing.T) {
	for want, jwk := range map[string]string{
		"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs": `{"kty":"RSA","n":"` + rsaN + `","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`, // RFC 7638 3.1
		"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k": `{"kty":"OKP","crv":"Ed25519","x":"` + edX + `"}`,                              // RFC 8037 A.3
	} {
		k, err := keys.ParseJWK([]byte(jwk))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := keys.Thumbprint(k.Public()); err != nil || got != want {
			t.Errorf("thumbprint %s, %v; want %s", got, err, want)
		}
	}
	if _, err := keys.Thumbprint("x"); !errors.Is(err, keys.ErrWeakKey) {
		t.Errorf("of a string: %v", err)
	}
}

// TestRFCVectors: signatures of RFC 7515 A.3 and RFC 8037 A.4.
func TestRFCVectors(t *testing.T) {
	for jwk, token := range map[string]string{
		`{"kty":"EC","crv":"P-256","x":"` + ecX + `","y":"` + ecY + `"}`: "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ." +
			"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
		`{"kty":"OKP","crv":"Ed25519","x":"` + edX + `"}`: "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc." +
			"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
	} {
		k, err := keys.ParseJWK([]byte(jwk))
		if err != nil {
			t.Fatal(err)
		}
		dot := strings.LastIndexByte(token, '.')
		if err := k.Verify([]byte(token[:dot]), unb64(t, token[dot+1:])); err != nil {
			t.Errorf("%s: %v", k.Algorithm(), err)
		}
	}
}

func TestParsePrivateJWK(t *testing.T) {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaJWK := func(d []byte) string {
		return fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"AQAB","d":%q,"p":%q,"q":%q,"dp":"AA","alg":"PS256"}`,
			b64(r.N.Bytes()), b64(d), b64(r.Primes[0].Bytes()), b64(r.Primes[1].Bytes()))
	}
	for jwk, want := range map[string]keys.Algorithm{
		`{"kty":"EC","crv":"P-256","x":"` + ecX + `","y":"` + ecY + `","d":"` + ecD + `","kid":"k"}`:     keys.ES256,
		`{"kty":"OKP","crv":"Ed25519","x":"` + edX + `","d":"` + edD + `","kid":"k","key_ops":["sign"]}`: keys.EdDSA,
		`{"kty":"oct","k":"` + b64(make([]byte, 32)) + `","kid":"k"}`:                                    keys.HS256,
		`{"kty":"oct","k":"` + b64(make([]byte, 64)) + `","kid":"k","alg":"HS512"}`:                      keys.HS512,
		rsaJWK(r.D.Bytes()): keys.PS256,
	} {
		key, err := keys.ParsePrivateJWK([]byte(jwk))
		if err != nil {
			t.Errorf("%s: %v", want, err)
			continue
		}
		sig, err := key.Sign(t.Context(), []byte("m"))
		if err != nil || key.Public().Algorithm() != want || key.Public().Verify([]byte("m"), sig) != nil || key.Public().ID() == "" {
			t.Errorf("%s: %v, %v", want, key, err)
		}
	}
	for name, jwk := range map[string]string{
		"public EC":      `{"kty":"EC","crv":"P-256","x":"` + ecX + `","y":"` + ecY + `"}`,
		"EC other d":     `{"kty":"EC","crv":"P-256","x":"` + ecX + `","y":"` + ecY + `","d":"` + edD + `"}`,
		"EC d 0":         `{"kty":"EC","crv":"P-256","x":"` + ecX + `","y":"` + ecY + `","d":"` + b64(make([]byte, 32)) + `"}`,
		"OKP other d":    `{"kty":"OKP","crv":"Ed25519","x":"` + edX + `","d":"` + ecD + `"}`,
		"OKP short d":    `{"kty":"OKP","crv":"Ed25519","x":"` + edX + `","d":"AAAA"}`,
		"public RSA":     `{"kty":"RSA","n":"` + rsaN + `","e":"AQAB"}`,
		"RSA other d":    rsaJWK(r.N.Bytes()),
		"for encrypting": `{"kty":"oct","use":"enc","k":"` + b64(make([]byte, 32)) + `"}`,
		"only verify":    `{"kty":"oct","key_ops":["verify"],"k":"` + b64(make([]byte, 32)) + `"}`,
		"oct short":      `{"kty":"oct","k":"AAAA"}`,
		"oct empty":      `{"kty":"oct"}`,
		"nothing":        ``,
	} {
		if key, err := keys.ParsePrivateJWK([]byte(jwk)); key != nil || !errors.Is(err, keys.ErrWeakKey) {
			t.Errorf("%s: %v, %v", name, key, err)
		} else if strings.Contains(err.Error(), edD) || strings.Contains(err.Error(), ecD) {
			t.Errorf("%s: the error shows the key", name)
		}
	}
}

func TestJ3_UseAndOps(t *testing.T) {
	ec := func(more string) string {
		return `{"kty":"EC","crv":"P-256","x":"` + ecX + `","y":"` + ecY + `","kid":"k"` + more + `}`
	}
	for more, ok := range map[string]bool{
		``: true, `,"alg":"ES256"`: true, `,"use":"sig"`: true, `,"key_ops":["verify"]`: true, `,"key_ops":["sign","verify"]`: true,
		`,"use":"sig","key_ops":["verify"]`: true, `,"unknown":{"a":[1]}`: true, `,"x5c":["MIIB"]`: true,
		`,"use":"enc"`: false, `,"use":""`: false, `,"use":1`: false, `,"use":"SIG"`: false,
		`,"use":null`: true, `,"alg":null`: true, `,"key_ops":null`: true, `,"d":null`: true, `,"x5c":null`: true, // null is absent
		`,"KID":"k"`:          true, // a member that nobody knows: names are case-sensitive (RFC 7517 section 4)
		`,"key_ops":["sign"]`: false, `,"key_ops":["encrypt"]`: false, `,"key_ops":[]`: false, `,"key_ops":[1]`: false, `,"key_ops":{}`: false,
		`,"key_ops":"verify"`: false, `,"key_ops":["verify","verify"]`: false, `,"key_ops":["verify","sign","\u0076erify"]`: false,
		`,"use":"sig","key_ops":["encrypt"]`: false, `,"use":"enc","key_ops":["verify"]`: false,
		`,"alg":"ES384"`: false, `,"alg":"RS256"`: false, `,"alg":"HS256"`: false, `,"alg":"none"`: false, `,"alg":""`: false, `,"alg":"es256"`: false,
		`,"alg":"ECDH-ES"`: false, `,"alg":1`: false, `,"kid":"k"`: false, `,"d":"` + ecD + `"`: false, `,"kid2":1,}`: false,
	} {
		k, err := keys.ParseJWK([]byte(ec(more)))
		if (err == nil) != ok || (err != nil) != errors.Is(err, keys.ErrWeakKey) {
			t.Errorf("%s: %v, %v", more, k, err)
		}
		if set, err := keys.ParseJWKS([]byte(`{"keys":[` + ec(more) + `]}`)); (err == nil) != ok || ok != (len(set) == 1) {
			t.Errorf("%s in a set: %v, %v", more, set, err)
		}
	}
	if _, err := keys.ParseJWK([]byte(ec("")), keys.RS256, keys.EdDSA); !errors.Is(err, keys.ErrWeakKey) {
		t.Errorf("a key for an algorithm that is not accepted: %v", err)
	}
	k, err := keys.ParseJWK([]byte(`{"kty":"RSA","e":"AQAB","n":"`+rsaN+`"}`), keys.ES256, keys.PS384, keys.RS256)
	if err != nil || k.Algorithm() != keys.PS384 {
		t.Errorf("RSA without alg: %v, %v", k, err)
	}
}

// TestJWK_LeadingZero: a zero octet before n or e, which some publishers write, is not a part of the number.
func TestJWK_LeadingZero(t *testing.T) {
	jwk := func(n, e string) string { return `{"kty":"RSA","n":"` + n + `","e":"` + e + `"}` }
	zeros := func(s string) string { return b64(append(make([]byte, 2), unb64(t, s)...)) }
	want, err := keys.ParseJWK([]byte(jwk(rsaN, "AQAB")))
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range []string{jwk(zeros(rsaN), "AQAB"), jwk(rsaN, zeros("AQAB")), jwk(zeros(rsaN), zeros("AQAB"))} {
		got, err := keys.ParseJWK([]byte(doc))
		if err != nil || !want.Public().(*rsa.PublicKey).Equal(got.Public()) {
			t.Errorf("%.60s: %v", doc, err)
		}
	}
	// It adds no bits either: a short modulus stays one.
	if k, err := keys.ParseJWK([]byte(jwk(b64(append(make([]byte, 200), unb64(t, rsaN)[:100]...)), "AQAB"))); !errors.Is(err, keys.ErrWeakKey) {
		t.Errorf("800 bits behind zeros: %v, %v", k, err)
	}
}

func TestJ16_MalformedJWK(t *testing.T) {
	flip := func(s string) string { return "A" + s[1:] }
	pad := func(s string, n int) string { return b64(append(make([]byte, n), unb64(t, s)...)) }
	ec := `{"kty":"EC","crv":"P-256","x":%q,"y":%q}`
	for name, jwk := range map[string]string{
		"off curve":       fmt.Sprintf(ec, flip(ecX), ecY),
		"infinity":        fmt.Sprintf(ec, b64(make([]byte, 32)), b64(make([]byte, 32))),
		"x long":          fmt.Sprintf(ec, pad(ecX, 1), ecY),
		"y short":         fmt.Sprintf(ec, ecX, b64(unb64(t, ecY)[1:])),
		"x padded":        fmt.Sprintf(ec, ecX+"=", ecY),
		"x spaced":        fmt.Sprintf(ec, ecX+"\n", ecY),
		"x standard":      fmt.Sprintf(ec, strings.ReplaceAll(ecX, "_", "/")+"+", ecY),
		"x number":        `{"kty":"EC","crv":"P-256","x":1,"y":"` + ecY + `"}`,
		"x missing":       `{"kty":"EC","crv":"P-256","y":"` + ecY + `"}`,
		"curve missing":   `{"kty":"EC","x":"` + ecX + `","y":"` + ecY + `"}`,
		"curve of others": `{"kty":"EC","crv":"secp256k1","x":"` + ecX + `","y":"` + ecY + `"}`,
		"larger curve":    `{"kty":"EC","crv":"P-384","x":"` + ecX + `","y":"` + ecY + `"}`,
		"wrong kty":       `{"kty":"RSA","crv":"P-256","x":"` + ecX + `","y":"` + ecY + `"}`,
		"kty missing":     `{"crv":"P-256","x":"` + ecX + `","y":"` + ecY + `"}`,
		"kty case":        `{"kty":"ec","crv":"P-256","x":"` + ecX + `","y":"` + ecY + `"}`,
		"Ed short":        `{"kty":"OKP","crv":"Ed25519","x":"AAAA"}`,
		"Ed448":           `{"kty":"OKP","crv":"Ed448","x":"` + edX + `"}`,
		"X25519":          `{"kty":"OKP","crv":"X25519","x":"` + edX + `"}`,
		"RSA 1024":        `{"kty":"RSA","e":"AQAB","n":"` + rsaN[:171] + `"}`,
		"RSA e=1":         `{"kty":"RSA","e":"AQ","n":"` + rsaN + `"}`,
		"RSA e even":      `{"kty":"RSA","e":"AQAA","n":"` + rsaN + `"}`,
		"RSA e zero":      `{"kty":"RSA","e":"AA","n":"` + rsaN + `"}`,
		"RSA e empty":     `{"kty":"RSA","e":"","n":"` + rsaN + `"}`,
		"RSA e huge":      `{"kty":"RSA","e":"AQAAAAE","n":"` + rsaN + `"}`,
		"RSA n zeros":     `{"kty":"RSA","e":"AQAB","n":"` + b64(make([]byte, 256)) + `"}`,
		"RSA n missing":   `{"kty":"RSA","e":"AQAB"}`,
		"secret short":    `{"kty":"oct","alg":"HS256","k":"` + b64(make([]byte, 31)) + `"}`,
		"secret HS512":    `{"kty":"oct","alg":"HS512","k":"` + b64(make([]byte, 63)) + `"}`,
		"secret AES":      `{"kty":"oct","alg":"A256GCM","k":"` + b64(make([]byte, 32)) + `"}`,
		"secret RS256":    `{"kty":"oct","alg":"RS256","k":"` + b64(make([]byte, 512)) + `"}`,
		"kid long":        `{"kty":"OKP","crv":"Ed25519","x":"` + edX + `","kid":"` + strings.Repeat("k", 257) + `"}`,
		"kid number":      `{"kty":"OKP","crv":"Ed25519","x":"` + edX + `","kid":1}`,
		"trailing":        `{"kty":"OKP","crv":"Ed25519","x":"` + edX + `"}x`,
		"a list":          `[{"kty":"OKP","crv":"Ed25519","x":"` + edX + `"}]`,
		"nothing":         ``,
	} {
		if k, err := keys.ParseJWK([]byte(jwk)); k != nil || !errors.Is(err, keys.ErrWeakKey) {
			t.Errorf("%s: %v, %v", name, k, err)
		}
	}
}

func TestJ16_Sets(t *testing.T) {
	ed := `{"kty":"OKP","crv":"Ed25519","x":"` + edX + `","kid":"ed"}`
	ec := `{"kty":"EC","crv":"P-256","x":"` + ecX + `","y":"` + ecY + `","kid":"ec"}`
	oct := `{"kty":"oct","k":"` + b64(make([]byte, 32)) + `","kid":"oct"}`
	bare := strings.Replace(ed, `"kid":"ed"`, `"use":"sig"`, 1)
	enc := `{"kty":"RSA","use":"enc","e":"AQAB","n":"` + rsaN + `","kid":"ed"}`
	for _, tt := range []struct {
		name, members string
		want          int
	}{
		{"two", ed + "," + ec, 2},
		{"for encryption beside", enc + "," + ed, 1},
		{"unknown beside", `{"kty":"AKP","alg":"ML-DSA-44"},` + ed, 1},
		{"shared secrets", oct, 1},
		{"one without kid", strings.Replace(ed, `"kid":"ed"`, `"use":"sig"`, 1), 1},
		{"none", ``, 0},
		{"only for encryption", enc, 0},
		{"one kid, two algorithms", ed + "," + strings.Replace(ec, `"ec"`, `"ed"`, 1), 2},
		{"one kid, one algorithm, two keys", ed + "," + strings.Replace(ed, edX, edY, 1), 0},
		{"the same key twice", ed + "," + ec + "," + ed, 2},
		{"the same key twice, alone", ed + "," + ed, 1},
		{"the same key without kid twice", bare + "," + bare, 1},
		{"mixed", ed + "," + oct, 0},
		{"without kid among several", ec + "," + strings.Replace(ed, `"kid":"ed"`, `"use":"sig"`, 1), 0},
		{"private beside", ed + "," + strings.Replace(ec, `"kty"`, `"d":"`+ecD+`","kty"`, 1), 0},
		{"weak beside", ed + `,{"kty":"RSA","e":"AQ","n":"` + rsaN + `"}`, 0},
		{"malformed beside", ed + `,1`, 0},
		{"no kty beside", ed + `,{}`, 0},
	} {
		set, err := keys.ParseJWKS([]byte(`{"more":[1],"keys":[` + tt.members + `]}`))
		if len(set) != tt.want || (tt.want == 0) != errors.Is(err, keys.ErrWeakKey) {
			t.Errorf("%s: %v, %v", tt.name, set, err)
		}
	}
	for _, doc := range []string{``, `[]`, `{}`, `{"keys":1}`, `{"keys":null}`, `{"keys":[` + ed + `]}x`, `{"keys":[` + ed + `],"keys":[]}`,
		`{"Keys":[` + ed + `]}`, ed} {
		if set, err := keys.ParseJWKS([]byte(doc)); !errors.Is(err, keys.ErrWeakKey) {
			t.Errorf("%.60s: %v, %v", doc, set, err)
		}
	}
}

func TestJWKS(t *testing.T) {
	var public []*keys.PublicKey
	for _, alg := range allAlgorithms {
		public = append(public, generate(t, alg).Public())
	}
	odd, err := keys.NewPublicKey(public[0].Public(), keys.RS256, "a\"\\<é\n")
	if err != nil {
		t.Fatal(err)
	}
	public = append(public, odd)
	doc, err := keys.JWKS(public)
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(doc, &set); err != nil || len(set.Keys) != len(public) {
		t.Fatalf("%s: %v", doc, err)
	}
	allowed := map[string]bool{"kty": true, "crv": true, "x": true, "y": true, "n": true, "e": true, "alg": true, "use": true, "kid": true}
	for i, members := range set.Keys {
		if members["use"] != "sig" || members["kid"] != public[i].ID() || members["alg"] != string(public[i].Algorithm()) {
			t.Errorf("%v", members)
		}
		for name := range members {
			if !allowed[name] {
				t.Errorf("%s publishes %q", public[i].Algorithm(), name)
			}
		}
	}
	back, err := keys.ParseJWKS(doc)
	if err != nil || len(back) != len(public) {
		t.Fatalf("%d keys came back, %v", len(back), err)
	}
	for i, k := range back {
		if eq, ok := k.Public().(interface{ Equal(any) bool }); ok && !eq.Equal(public[i].Public()) || k.ID() != public[i].ID() || k.Algorithm() != public[i].Algorithm() {
			t.Errorf("%v came back as %v", public[i], k)
		}
	}
	if doc, err := keys.JWKS(nil); err != nil || strings.TrimSpace(string(doc)) != `{"keys":[]}` {
		t.Errorf("no keys: %s, %v", doc, err)
	}
}

// FuzzParseJWKS: what is accepted can be published, and means the same when it is read again.
func FuzzParseJWKS(f *testing.F) {
	f.Add(`{"keys":[{"kty":"EC","crv":"P-256","x":"` + ecX + `","y":"` + ecY + `","kid":"a"}]}`)
	f.Add(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"` + edX + `","use":"sig","key_ops":["verify"]}]}`)
	f.Add(`{"keys":[{"kty":"RSA","e":"AQAB","n":"` + rsaN + `","alg":"PS256","kid":"b"}]}`)
	f.Add(`{"keys":[{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}`)
	f.Fuzz(func(t *testing.T, doc string) {
		set, err := keys.ParseJWKS([]byte(doc))
		if err != nil {
			if !errors.Is(err, keys.ErrWeakKey) || set != nil {
				t.Fatalf("%v, %v", set, err)
			}
			return
		}
		if !json.Valid([]byte(doc)) {
			t.Fatalf("accepted, but not JSON: %q", doc)
		}
		for _, k := range set {
			switch public := k.Public().(type) {
			case *rsa.PublicKey:
				if public.N.BitLen() < 2048 || public.E < 3 || public.E&1 == 0 {
					t.Fatalf("weak: %d bits, e %d", public.N.BitLen(), public.E)
				}
			case *ecdsa.PublicKey:
				if _, err := public.Bytes(); err != nil || public.Curve == elliptic.P224() {
					t.Fatal("not a point")
				}
			case ed25519.PublicKey:
				if len(public) != 32 {
					t.Fatal("Ed25519 size")
				}
				for i := range byte(16) { // of a point of order 8, two of these are likely to be signed
					if ed25519.Verify(public, []byte{i}, append([]byte{1}, make([]byte, 63)...)) {
						t.Fatal("Ed25519 of small order: anyone can sign")
					}
				}
			case nil:
				return // shared secrets are not published
			}
		}
		out, err := keys.JWKS(set)
		if err != nil {
			t.Fatal(err)
		}
		back, err := keys.ParseJWKS(out)
		if err != nil || len(back) != len(set) {
			t.Fatalf("%s came back as %d keys, %v", out, len(back), err)
		}
	})
}
