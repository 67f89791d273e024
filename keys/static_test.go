package keys_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
)

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

var allAlgorithms = []keys.Algorithm{keys.RS256, keys.RS384, keys.RS512, keys.PS256, keys.PS384, keys.PS512,
	keys.ES256, keys.ES384, keys.ES512, keys.EdDSA}

func TestGenerateSignVerify(t *testing.T) {
	message := []byte("message")
	for _, alg := range allAlgorithms {
		key, other := generate(t, alg), generate(t, alg)
		sig, err := key.Sign(t.Context(), message)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		public := key.Public()
		if public.Algorithm() != alg || public.ID() == other.Public().ID() || len(public.ID()) != 43 {
			t.Errorf("%s: made %v", alg, public)
		}
		if err := public.Verify(message, sig); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		for name, err := range map[string]error{
			"other key": other.Public().Verify(message, sig), "other message": public.Verify([]byte("massage"), sig),
			"no signature": public.Verify(message, nil), "cut": public.Verify(message, sig[1:]),
		} {
			if !errors.Is(err, keys.ErrSignature) {
				t.Errorf("%s: %s: %v", alg, name, err)
			}
		}
	}
	for _, alg := range []keys.Algorithm{"", "none", "HS256", "RS999", "PSxyz", "ES521", "rs256"} {
		if key, err := keys.Generate(alg); err == nil || key != nil {
			t.Errorf("Generate(%q) = %v, %v", alg, key, err)
		}
	}
}

func hmacKey(t testing.TB, kid string) keys.SigningKey {
	t.Helper()
	key, err := keys.NewHMAC(kid, bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestHMAC(t *testing.T) {
	secret := bytes.Repeat([]byte{2}, 32)
	key, err := keys.NewHMAC("k", secret)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := key.Sign(t.Context(), []byte("message"))
	if err != nil {
		t.Fatal(err)
	}
	secret[0] = 0 // the caller's slice is the caller's
	if err := key.Public().Verify([]byte("message"), sig); err != nil || key.Public().Public() != nil {
		t.Errorf("%v, public %v", err, key.Public().Public())
	}
	for _, short := range [][]byte{nil, {}, make([]byte, 31)} {
		if key, err := keys.NewHMAC("k", short); key != nil || !errors.Is(err, keys.ErrWeakKey) {
			t.Errorf("secret of %d bytes: %v", len(short), err)
		}
	}
}

// TestJ2_AlgorithmConfusion: nothing public becomes an HMAC key.
func TestJ2_AlgorithmConfusion(t *testing.T) {
	for _, alg := range allAlgorithms {
		public := generate(t, alg).Public()
		if _, err := keys.NewPublicKey(public.Public(), keys.HS256, "k"); !errors.Is(err, keys.ErrWeakKey) {
			t.Errorf("%s key for HS256: %v", alg, err)
		}
	}
	if _, err := keys.NewPublicKey(make([]byte, 64), keys.HS256, "k"); !errors.Is(err, keys.ErrWeakKey) {
		t.Errorf("bytes as a public key: %v", err)
	}
	for _, alg := range allAlgorithms {
		if _, err := keys.NewPublicKey(make([]byte, 64), alg, "k"); !errors.Is(err, keys.ErrWeakKey) {
			t.Errorf("bytes for %s: %v", alg, err)
		}
	}
	if doc, err := keys.JWKS([]*keys.PublicKey{hmacKey(t, "k").Public()}); err == nil {
		t.Errorf("a shared secret is published: %s", doc)
	}
}

func TestStatic(t *testing.T) {
	a, b := generate(t, keys.EdDSA).Public(), generate(t, keys.ES256).Public()
	bare, err := keys.NewPublicKey(a.Public(), keys.EdDSA, "")
	if err != nil {
		t.Fatal(err)
	}
	renamed, err := keys.NewPublicKey(generate(t, keys.EdDSA).Public().Public(), keys.EdDSA, a.ID())
	if err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string][]*keys.PublicKey{
		"none": nil, "nil": {nil}, "two keys, one name": {a, renamed}, "without kid among several": {a, bare},
		"J16 mixed set": {a, hmacKey(t, "h").Public()}, "J16 mixed set, other order": {hmacKey(t, "h").Public(), a},
	} {
		if _, err := keys.Static(set...); !errors.Is(err, keys.ErrWeakKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, tt := range []struct {
		name string
		set  []*keys.PublicKey
		kid  string
		want *keys.PublicKey
	}{
		{"by kid", []*keys.PublicKey{a, b}, b.ID(), b},
		{"unknown", []*keys.PublicKey{a, b}, "x", nil},
		{"case matters", []*keys.PublicKey{a, b}, strings.ToUpper(a.ID()), nil},
		{"no kid, several", []*keys.PublicKey{a, b}, "", nil},
		{"no kid, one", []*keys.PublicKey{a}, "", a},
		{"unknown, one", []*keys.PublicKey{a}, "x", nil},
		{"key without kid, any", []*keys.PublicKey{bare}, "x", bare},
		{"key without kid, none", []*keys.PublicKey{bare}, "", bare},
	} {
		v, err := keys.Static(tt.set...)
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.PublicKey(t.Context(), tt.kid)
		if got != tt.want || (tt.want == nil) != errors.Is(err, keys.ErrUnknownKey) {
			t.Errorf("%s: %v, %v", tt.name, got, err)
		}
	}
}

// TestJ5_OpaqueKid: a kid is looked up and nothing else.
func TestJ5_OpaqueKid(t *testing.T) {
	a := generate(t, keys.EdDSA).Public()
	p := publish(t, jwks(t, a))
	static, err := keys.Static(a)
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]keys.Verifier{"static": static, "ring": open(t, new(keys.MemoryVault), newClock()), "remote": remote(t, p, newClock())}
	for _, kid := range []string{"../../../etc/passwd", "/dev/null", "' OR '1'='1", "a\x00", p.URL + "/evil", "${jndi:ldap://x}",
		"{{.}}", strings.Repeat("k", 5000), "\n", " " + a.ID(), a.ID() + "\x00", "*", "."} {
		for name, v := range sources {
			if _, err := v.PublicKey(t.Context(), kid); !errors.Is(err, keys.ErrUnknownKey) {
				t.Errorf("%s: kid %.40q: %v", name, kid, err)
			}
		}
	}
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestStaticSigner(t *testing.T) {
	now, before := generate(t, keys.ES256), generate(t, keys.RS256)
	s, err := keys.StaticSigner(now, before.Public())
	if err != nil {
		t.Fatal(err)
	}
	if key := signingKey(t, s, 1000*time.Hour); key != now {
		t.Error("signs with another key")
	}
	public, err := s.PublicKeys(t.Context())
	if err != nil || len(public) != 2 || public[0] != now.Public() {
		t.Errorf("published: %v, %v", public, err)
	}
	if k, err := s.PublicKey(t.Context(), before.Public().ID()); err != nil || k != before.Public() {
		t.Errorf("%v, %v", k, err)
	}
	h, err := keys.StaticSigner(hmacKey(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	if public, err := h.PublicKeys(t.Context()); err != nil || len(public) != 0 {
		t.Errorf("a shared secret is published: %v, %v", public, err)
	}
	if _, err := keys.StaticSigner(nil); err == nil {
		t.Error("nil signs")
	}
	if _, err := keys.StaticSigner(now, hmacKey(t, "h").Public()); !errors.Is(err, keys.ErrWeakKey) {
		t.Errorf("mixed: %v", err)
	}
}

// hkdfGolden is HKDF-SHA256 of the bytes 0 to 31, no salt, info "seal/flow", computed by the text of RFC 5869 with
// Python's hmac. Sessions would end if the derivation changed.
const hkdfGolden = "641735ec582e0732a43b93b2f17187ab6fc5f96836a749c232d495b4dca7eb3e"

func TestSecret(t *testing.T) {
	master := make([]byte, 32)
	for i := range master {
		master[i] = byte(i)
	}
	s, err := keys.NewSecret("id", master)
	if err != nil {
		t.Fatal(err)
	}
	master[0] = 99
	if got := fmt.Sprintf("%x", s.Derive("seal/flow")); got != hkdfGolden {
		t.Errorf("derived %s", got)
	}
	if bytes.Equal(s.Derive("a"), s.Derive("b")) || len(s.Derive("")) != 32 {
		t.Error("purposes share a key")
	}
	for _, id := range []string{"", "a.b", "a b", "é", strings.Repeat("a", 65)} {
		if _, err := keys.NewSecret(id, master); !errors.Is(err, keys.ErrWeakKey) {
			t.Errorf("id %q: %v", id, err)
		}
	}
	for _, m := range [][]byte{nil, make([]byte, 32), master[:31], append(master, 0)} {
		if _, err := keys.NewSecret("id", m); !errors.Is(err, keys.ErrWeakKey) {
			t.Errorf("master of %d bytes: %v", len(m), err)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("the zero Secret derives keys")
		}
	}()
	keys.Secret{}.Derive("x")
}

func TestStaticSecrets(t *testing.T) {
	fresh, err := keys.NewSecret("new", bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	old, err := keys.NewSecret("old", bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	s, err := keys.StaticSecrets(fresh, old)
	if err != nil {
		t.Fatal(err)
	}
	for kid, want := range map[string]string{"": "new", "new": "new", "old": "old"} {
		if got, err := s.Secret(t.Context(), kid); err != nil || got.ID != want {
			t.Errorf("Secret(%q) = %v, %v", kid, got, err)
		}
	}
	if _, err := s.Secret(t.Context(), "x"); !errors.Is(err, keys.ErrUnknownKey) {
		t.Errorf("unknown: %v", err)
	}
	for name, list := range map[string][]keys.Secret{"none": nil, "zero": {{}}, "twice": {old, old}} {
		if _, err := keys.StaticSecrets(list...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestL1_NothingSecretPrints: no verb shows a key, also where it stands inside something else.
func TestL1_NothingSecretPrints(t *testing.T) {
	canary := []byte("canary-canary-canary-canary-cana")
	seed := ed25519.NewKeyFromSeed(canary)
	signing, err := keys.NewSigningKey(seed, keys.EdDSA, "k")
	if err != nil {
		t.Fatal(err)
	}
	mac, err := keys.NewHMAC("k", canary)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := keys.NewSecret("k", canary)
	if err != nil {
		t.Fatal(err)
	}
	memory := new(keys.MemoryVault)
	if _, err := memory.Save(t.Context(), canary, ""); err != nil {
		t.Fatal(err)
	}
	file := keys.FileVault{Path: "p", Sealer: keys.MasterKey(canary)}
	for _, v := range []any{signing, mac, mac.Public(), *mac.Public(), secret, &secret, memory, file, &file,
		keys.RingConfig{Vault: file}, keys.RingConfig{Vault: memory}, open(t, new(keys.MemoryVault), newClock()),
		struct{ s keys.Secret }{secret}, struct{ k *keys.PublicKey }{mac.Public()}, struct{ k keys.SigningKey }{signing},
		struct{ k keys.SigningKey }{mac}, []keys.Secret{secret}, map[string]any{"v": file}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
			text := fmt.Sprintf(verb, v)
			for _, form := range []string{"canary", fmt.Sprintf("%x", canary[:6]), fmt.Sprintf("%X", canary[:6]), "99 97 110 97", "0x63, 0x61"} {
				if strings.Contains(text, form) {
					t.Errorf("%T printed with %s shows %s", v, verb, text)
				}
			}
		}
	}
}

func unb64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
