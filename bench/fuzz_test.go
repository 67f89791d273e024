package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"testing"
	"time"

	gojose "github.com/go-jose/go-jose/v4"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// The primes of a throw-away RSA key that is always the same: the processes of a fuzz run must agree on it.
const (
	fuzzP = "c5690786d4f0e16348f4d8f1d2f1029269190ecaf069c487982f620c72024a5a09313b5f5955f47dc3f7013d021dce113fb12fee68ebd94d8b5c083843cb709e" +
		"b5f8d69e19443ab4ebcada9207aafb402a2ca043cbd9f3f0ffc0983d66e6d334515abf2f00236a50fc73dec8a7088d20bb876826f7905b7234bcd2f07d04a827"
	fuzzQ = "d0acfbbe4bc5b0909a7d1c9259d0635d8766b55796ee9faf9231498d1e967004ecf09e5e5305ccf7f6b21bac77f28a9a49628ae157732da8e4b0a9a2fa460a6e" +
		"9ba401e014fad592c32cb4058cbf894bae1900013ce570145f9ba18f117c65fb83b6bdfe0b4b501a0987e11d138b26dea4d1249236b4ed1f67d1a35383802f19"
)

// A fuzzKey is one key as each of the three libraries wants it.
type fuzzKey struct {
	alg     string
	private keys.SigningKey
	trust   *session.External[struct{}]
	public  crypto.PublicKey
}

func fuzzKeys(t testing.TB) []fuzzKey {
	t.Helper()
	ec, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	var all []fuzzKey
	for _, k := range []struct {
		alg    keys.Algorithm
		signer crypto.Signer
	}{
		{keys.RS256, fuzzRSA(t)},
		{keys.PS256, fuzzRSA(t)},
		{keys.ES256, ec},
		{keys.EdDSA, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))},
	} {
		private, err := keys.NewSigningKey(k.signer, k.alg, "k1")
		if err != nil {
			t.Fatal(err)
		}
		set, err := keys.Static(private.Public())
		if err != nil {
			t.Fatal(err)
		}
		trust, err := session.NewExternal[struct{}](session.ExternalConfig{
			Issuer: "i", Audience: "a", Algorithms: []keys.Algorithm{k.alg}, Keys: set, Now: func() time.Time { return time.Unix(1000, 0) },
		})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fuzzKey{string(k.alg), private, trust, k.signer.Public()})
	}
	return all
}

func fuzzRSA(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	p, _ := new(big.Int).SetString(fuzzP, 16)
	q, _ := new(big.Int).SetString(fuzzQ, 16)
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537},
		D:         new(big.Int).ModInverse(big.NewInt(65537), phi),
		Primes:    []*big.Int{p, q},
	}
	if err := key.Validate(); err != nil {
		t.Fatal(err)
	}
	return key
}

// peers says whether go-jose and jwx take the signature of a token, and what payload they read.
func (k fuzzKey) peers(token string) (goJose, jwx bool, payloads [][]byte) {
	if parsed, err := gojose.ParseSignedCompact(token, []gojose.SignatureAlgorithm{gojose.SignatureAlgorithm(k.alg)}); err == nil {
		if payload, err := parsed.Verify(k.public); err == nil {
			goJose, payloads = true, append(payloads, payload)
		}
	}
	alg, known := jwa.LookupSignatureAlgorithm(k.alg)
	if payload, err := jws.Verify([]byte(token), jws.WithKey(alg, k.public), jws.WithCompact()); known && err == nil {
		jwx, payloads = true, append(payloads, payload)
	}
	return goJose, jwx, payloads
}

// understood returns a header without the members that Postern ignores (RFC 7515 section 4): the peers read some of
// them, such as jwk, and refuse a token where they are malformed.
func understood(t *testing.T, header string) string {
	t.Helper()
	var all, some map[string]json.RawMessage
	if err := json.Unmarshal([]byte(header), &all); err != nil {
		t.Fatal(err)
	}
	some = map[string]json.RawMessage{}
	for _, name := range []string{"alg", "crit", "b64"} {
		if value, ok := all[name]; ok {
			some[name] = value
		}
	}
	text, err := json.Marshal(some)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// FuzzTokenAgainstPeers: no token passes that go-jose and jwx both refuse, whether the right key signed it or not, and
// none is read differently. Both peers take more: any crit-less header, any claims, any base64 spelling.
func FuzzTokenAgainstPeers(f *testing.F) {
	all := fuzzKeys(f)
	claims := `{"iss":"i","aud":"a","sub":"u1","exp":2000}`
	for i, k := range all {
		header := `{"alg":"` + k.alg + `","kid":"k1","typ":"JWT"}`
		token := k.sign(f, header, claims)
		if _, err := k.trust.Verify(f.Context(), token); err != nil {
			f.Fatalf("%s: %v", k.alg, err)
		}
		if a, b, _ := k.peers(token); !a || !b {
			f.Fatalf("%s: go-jose %v, jwx %v", k.alg, a, b)
		}
		f.Add(uint8(i), token, "")
		f.Add(uint8(i), header, claims)
		f.Add(uint8(i), `{"alg":"`+k.alg+`","crit":["b64"],"b64":false}`, claims)
		f.Add(uint8(i), `{"alg":"`+k.alg+`","jwk":{}}`, `{"iss":"i","aud":["a","b"],"sub":"u1","exp":2e3,"nbf":1}`)
		f.Add(uint8(i), `{"alg":"none","alg":"`+k.alg+`"}`, claims)
	}
	// header and payload are signed; without a payload header is a whole token.
	f.Fuzz(func(t *testing.T, which uint8, header, payload string) {
		k := all[int(which)%len(all)]
		token := header
		if payload != "" {
			token = k.sign(t, header, payload)
		}
		s, err := k.trust.Verify(t.Context(), token)
		if err != nil {
			return
		}
		judged := token
		if payload != "" {
			judged = k.sign(t, understood(t, header), payload)
		}
		goJose, jwx, payloads := k.peers(judged)
		if !goJose && !jwx {
			t.Fatalf("%s: %q passes, and go-jose and jwx both refuse it", k.alg, token)
		}
		for _, p := range payloads {
			if !bytes.Equal(p, s.Claims) {
				t.Fatalf("%s: %q says %q, and %q to a peer", k.alg, token, s.Claims, p)
			}
		}
		var c map[string]any // a struct would take Sub for sub
		if err := json.Unmarshal(s.Claims, &c); err != nil || c["sub"] != s.Subject {
			t.Fatalf("%s: %q has the subject %q: %v", k.alg, s.Claims, s.Subject, err)
		}
	})
}

func (k fuzzKey) sign(t testing.TB, header, payload string) string {
	t.Helper()
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	signature, err := k.private.Sign(t.Context(), []byte(input))
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// FuzzJWKSAgainstPeers: no key passes that go-jose and jwx both refuse, and none is another key to a peer.
func FuzzJWKSAgainstPeers(f *testing.F) {
	for _, k := range fuzzKeys(f) {
		doc, err := keys.JWKS([]*keys.PublicKey{k.private.Public()})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(bytes.TrimSpace(doc)))
	}
	f.Add(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`)
	f.Add(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","use":"sig","key_ops":["verify"]}]}`)
	f.Fuzz(func(t *testing.T, doc string) {
		set, err := keys.ParseJWKS([]byte(doc))
		if err != nil {
			return
		}
		for _, k := range set {
			if k.Public() == nil {
				return // shared secrets: the peers read any
			}
		}
		theirs := map[string][]crypto.PublicKey{}
		add := func(kid string, key crypto.PublicKey) { theirs[kid] = append(theirs[kid], key) }
		var other gojose.JSONWebKeySet
		errJose := json.Unmarshal([]byte(doc), &other)
		if errJose == nil {
			for _, k := range other.Keys {
				add(k.KeyID, k.Key)
			}
		}
		jwx, errJWX := jwk.Parse([]byte(doc))
		if errJWX == nil {
			for i := range jwx.Len() {
				k, _ := jwx.Key(i)
				kid, _ := k.KeyID()
				var raw any
				if err := jwk.Export(k, &raw); err == nil {
					add(kid, raw)
				}
			}
		}
		if errJose != nil && errJWX != nil {
			t.Fatalf("%s passes, and both peers refuse it: %v; %v", doc, errJose, errJWX)
		}
		for _, k := range set {
			same := false
			ours := k.Public().(interface{ Equal(crypto.PublicKey) bool })
			for _, key := range theirs[k.ID()] {
				same = same || ours.Equal(key)
			}
			if !same {
				t.Fatalf("%s: the key %q is not that of any peer: %v", doc, k.ID(), theirs[k.ID()])
			}
		}
	})
}
