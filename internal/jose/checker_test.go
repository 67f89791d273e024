package jose

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func ecKey(c elliptic.Curve) *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(c, rand.Reader)) }

func TestJ11_ECDSAForm(t *testing.T) {
	for alg, key := range map[string]*ecdsa.PrivateKey{
		ES256: ecKey(elliptic.P256()), ES384: ecKey(elliptic.P384()), ES512: ecKey(elliptic.P521()),
	} {
		c := must(NewChecker(alg, &key.PublicKey))
		message := []byte("message")
		der := must(ecdsa.SignASN1(rand.Reader, key, c.Digest(message)))
		sig := must(RawFromDER(der, c.Size()))
		if !c.Check(message, sig) {
			t.Fatalf("%s: good signature refused", alg)
		}
		n, half := key.Params().N, len(sig)/2
		r, s := new(big.Int).SetBytes(sig[:half]), new(big.Int).SetBytes(sig[half:])
		raw := func(r, s *big.Int) []byte {
			out := make([]byte, 2*half)
			r.FillBytes(out[:half])
			s.FillBytes(out[half:])
			return out
		}
		if other := raw(r, new(big.Int).Sub(n, s)); !c.Check(message, other) {
			t.Errorf("%s: (r, n-s) is a legal signature too", alg)
		}
		zero, all := new(big.Int), new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(8*half)), big.NewInt(1))
		for name, bad := range map[string][]byte{
			"DER": der, "empty": {}, "short": sig[:len(sig)-1], "long": append(append([]byte{}, sig...), 0), "half": sig[:half],
			"zeros": make([]byte, len(sig)), "r 0": raw(zero, s), "s 0": raw(r, zero), "r n": raw(n, s), "s n": raw(r, n),
			"both n": raw(n, n), "all ones": raw(all, all), "swapped": raw(s, r),
			"leading zero each": append(append(append([]byte{0}, sig[:half]...), 0), sig[half:]...),
		} {
			if c.Check(message, bad) {
				t.Errorf("%s: signature %s accepted", alg, name)
			}
		}
		if sum := new(big.Int).Add(r, n); sum.BitLen() <= 8*half && c.Check(message, raw(sum, s)) {
			t.Errorf("%s: r + n accepted", alg)
		}
		if c.Check([]byte("massage"), sig) {
			t.Errorf("%s: other message accepted", alg)
		}
	}
}

func TestJ11_RSA(t *testing.T) {
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	message := []byte("message")
	for _, alg := range []string{RS256, RS384, RS512, PS256, PS384, PS512} {
		c := must(NewChecker(alg, &key.PublicKey))
		h, digest := c.Hash(), c.Digest(message)
		pkcs := must(rsa.SignPKCS1v15(rand.Reader, key, h, digest))
		pss := must(rsa.SignPSS(rand.Reader, key, h, digest, &rsa.PSSOptions{SaltLength: h.Size()}))
		good, bad := pkcs, pss
		if c.PSS() {
			good, bad = pss, pkcs
			for _, salt := range []int{rsa.PSSSaltLengthAuto, 1, 8, h.Size() - 1, h.Size() + 1, 100} {
				sig := must(rsa.SignPSS(rand.Reader, key, h, digest, &rsa.PSSOptions{SaltLength: salt})) // Auto: the longest that fits
				if c.Check(message, sig) {
					t.Errorf("%s: salt of %d bytes accepted", alg, salt)
				}
			}
		}
		if !c.Check(message, good) {
			t.Errorf("%s: good signature refused", alg)
		}
		if c.Check(message, bad) {
			t.Errorf("%s: signature of the other padding accepted", alg)
		}
		for _, s := range [][]byte{nil, {}, good[1:], append([]byte{0}, good...), append(append([]byte{}, good...), 0), make([]byte, len(good))} {
			if c.Check(message, s) {
				t.Errorf("%s: signature of %d bytes accepted", alg, len(s))
			}
		}
	}
}

func TestEdDSAAndHMAC(t *testing.T) {
	public, private := must2(ed25519.GenerateKey(rand.Reader))
	message := []byte("message")
	ed := must(NewChecker(EdDSA, public))
	sig := ed25519.Sign(private, message)
	sig2 := append([]byte{}, sig...)
	sig2[63] |= 0x80 // S out of range (RFC 8032 section 5.1.7)
	if !ed.Check(message, sig) || ed.Check(message, sig[:63]) || ed.Check(message, append(sig, 0)) || ed.Check(message, sig2) || ed.Check(nil, sig) {
		t.Error("EdDSA")
	}
	secret := []byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
	for alg, h := range map[string]crypto.Hash{HS256: crypto.SHA256, HS384: crypto.SHA384, HS512: crypto.SHA512} {
		c := must(NewChecker(alg, secret))
		m := hmac.New(h.New, secret)
		m.Write(message)
		want := m.Sum(nil)
		if !c.Check(message, want) || string(c.MAC(message)) != string(want) {
			t.Errorf("%s: good MAC refused", alg)
		}
		if c.Check(message, want[:len(want)-1]) || c.Check(message, nil) || c.Check(message, append(want, 0)) || c.Check([]byte("x"), want) {
			t.Errorf("%s: bad MAC accepted", alg)
		}
	}
}

func must2[A, B any](a A, b B, err error) (A, B) {
	if err != nil {
		panic(err)
	}
	return a, b
}

func TestJ16_WeakKeys(t *testing.T) {
	good := must(rsa.GenerateKey(rand.Reader, 2048))
	p256, p384 := ecKey(elliptic.P256()), ecKey(elliptic.P384())
	public, private := must2(ed25519.GenerateKey(rand.Reader))
	//lint:ignore SA1019 a key with a point off its curve is made on purpose
	offCurve := &ecdsa.PublicKey{Curve: elliptic.P256(), X: p256.X, Y: new(big.Int).Add(p256.Y, big.NewInt(1))}
	secret := make([]byte, 64)
	odd := func(bits int) *big.Int {
		n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
		return n.SetBit(n, 0, 1)
	}
	for name, tt := range map[string]struct {
		alg string
		key any
		ok  bool
	}{
		"RSA 2048": {RS256, &good.PublicKey, true}, "RSA for PSS": {PS512, &good.PublicKey, true},
		"RSA 2047":     {RS256, &rsa.PublicKey{N: odd(2047), E: 65537}, false},
		"RSA 8193":     {RS256, &rsa.PublicKey{N: odd(8193), E: 65537}, false},
		"RSA e=1":      {RS256, &rsa.PublicKey{N: good.N, E: 1}, false},
		"RSA e=2":      {RS256, &rsa.PublicKey{N: good.N, E: 2}, false},
		"RSA e even":   {RS256, &rsa.PublicKey{N: good.N, E: 65536}, false},
		"RSA e=0":      {RS256, &rsa.PublicKey{N: good.N}, false},
		"RSA e<0":      {RS256, &rsa.PublicKey{N: good.N, E: -3}, false},
		"RSA e=3":      {RS256, &rsa.PublicKey{N: good.N, E: 3}, true},
		"RSA n even":   {RS256, &rsa.PublicKey{N: new(big.Int).SetBit(good.N, 0, 0), E: 65537}, false},
		"RSA n<0":      {RS256, &rsa.PublicKey{N: new(big.Int).Neg(good.N), E: 65537}, false},
		"RSA for ES":   {ES256, &good.PublicKey, false},
		"RSA for HS":   {HS256, &good.PublicKey, false},
		"RSA for Ed":   {EdDSA, &good.PublicKey, false},
		"RSA empty":    {RS256, &rsa.PublicKey{}, false},
		"RSA nil":      {RS256, (*rsa.PublicKey)(nil), false},
		"EC empty":     {ES256, &ecdsa.PublicKey{}, false},
		"EC no point":  {ES256, &ecdsa.PublicKey{Curve: elliptic.P256()}, false},
		"EC nil":       {ES256, (*ecdsa.PublicKey)(nil), false},
		"P-256":        {ES256, &p256.PublicKey, true},
		"P-256 ES384":  {ES384, &p256.PublicKey, false},
		"P-384 ES256":  {ES256, &p384.PublicKey, false},
		"off curve":    {ES256, offCurve, false},
		"P-224":        {ES256, &ecKey(elliptic.P224()).PublicKey, false},
		"Ed":           {EdDSA, public, true},
		"Ed short":     {EdDSA, public[:31], false},
		"Ed for HS256": {HS256, public, false},
		"secret 32":    {HS256, secret[:32], true},
		"secret 31":    {HS256, secret[:31], false},
		"secret empty": {HS256, []byte{}, false},
		"secret HS384": {HS384, secret[:47], false},
		"secret HS512": {HS512, secret[:63], false},
		"secret RS256": {RS256, secret, false},
		"private":      {EdDSA, private, false},
		"private RSA":  {RS256, good, false},
		"nil":          {RS256, nil, false},
		"none":         {"none", &good.PublicKey, false},
		"lower case":   {"rs256", &good.PublicKey, false},
		"no algorithm": {"", &good.PublicKey, false},
		"ES521":        {"ES521", &ecKey(elliptic.P521()).PublicKey, false},
	} {
		c, err := NewChecker(tt.alg, tt.key)
		if tt.ok != (err == nil) || tt.ok != (c != nil) || err != nil && !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v, want accepted %v", name, err, tt.ok)
		}
	}
}

// TestJ16_ROCA makes moduli the way the broken generator does: p = k*M + (65537^a mod M), M a product of small primes.
func TestJ16_ROCA(t *testing.T) {
	m := big.NewInt(1)
	for p := int64(2); p <= 167; p++ {
		if big.NewInt(p).ProbablyPrime(0) {
			m.Mul(m, big.NewInt(p))
		}
	}
	prime := func() *big.Int {
		limit := new(big.Int).Div(new(big.Int).Lsh(big.NewInt(1), 1024), m)
		for {
			k := must(rand.Int(rand.Reader, limit))
			a := must(rand.Int(rand.Reader, m))
			p := k.Mul(k.SetBit(k, limit.BitLen()-2, 1), m)
			p.Add(p, new(big.Int).Exp(big.NewInt(65537), a, m))
			if p.Bit(0) == 1 && p.ProbablyPrime(10) {
				return p
			}
		}
	}
	n := new(big.Int)
	for n.BitLen() != 2048 { // a shorter one is refused by another rule
		n.Mul(prime(), prime())
	}
	for _, alg := range []string{RS256, RS512, PS256} {
		if c, err := NewChecker(alg, &rsa.PublicKey{N: n, E: 65537}); c != nil || !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), "CVE-2017-15361") {
			t.Errorf("%s: a modulus of the broken generator: %v", alg, err)
		}
	}
	for range 5 {
		if _, err := NewChecker(RS256, &must(rsa.GenerateKey(rand.Reader, 2048)).PublicKey); err != nil {
			t.Errorf("an honest modulus: %v", err)
		}
	}
}

// TestK4_LeadingZeros: a KMS answers in ASN.1, which drops leading zeros; r‖s keeps them.
func TestK4_LeadingZeros(t *testing.T) {
	key := ecKey(elliptic.P256())
	c := must(NewChecker(ES256, &key.PublicKey))
	message := []byte("message")
	digest := sha256.Sum256(message)
	short := 0
	for range 3000 {
		der := must(ecdsa.SignASN1(rand.Reader, key, digest[:]))
		sig, err := RawFromDER(der, 64)
		if err != nil || len(sig) != 64 || !c.Check(message, sig) {
			t.Fatalf("signature %x became %x: %v", der, sig, err)
		}
		if sig[0] == 0 || sig[32] == 0 {
			short++
		}
	}
	if short == 0 {
		t.Fatal("no signature with a leading zero among 3000: the test saw nothing")
	}
	one := big.NewInt(1)
	type pair struct{ R, S *big.Int }
	tooBig := new(big.Int).Lsh(one, 256)
	good := must(asn1.Marshal(pair{one, one}))
	if raw, err := RawFromDER(good, 64); err != nil || raw[31] != 1 || raw[63] != 1 || raw[0] != 0 {
		t.Fatalf("(1, 1) became %x, %v", raw, err)
	}
	for _, bad := range [][]byte{nil, {0x30, 0}, good[:len(good)-1], append(good, 0), []byte("not ASN.1"),
		must(asn1.Marshal(pair{tooBig, one})), must(asn1.Marshal(pair{one, tooBig})),
		must(asn1.Marshal(pair{new(big.Int), one})), must(asn1.Marshal(pair{one, big.NewInt(-1)})),
	} {
		if raw, err := RawFromDER(bad, 64); !errors.Is(err, ErrFormat) {
			t.Errorf("RawFromDER(%x) = %x, %v", bad, raw, err)
		}
	}
}

// FuzzRawSignature: the ASN.1 form made for the standard library is what encoding/asn1 makes, and comes back the same.
func FuzzRawSignature(f *testing.F) {
	f.Add([]byte{0, 1, 0x80, 0})
	f.Add(make([]byte, 64))
	f.Add(append(make([]byte, 131), 0xff))
	f.Fuzz(func(t *testing.T, sig []byte) {
		if len(sig) == 0 || len(sig) > 132 || len(sig)%2 != 0 {
			return
		}
		half := len(sig) / 2
		r, s := new(big.Int).SetBytes(sig[:half]), new(big.Int).SetBytes(sig[half:])
		der, ok := derFromRaw(nil, sig)
		if ok != (r.Sign() > 0 && s.Sign() > 0) {
			t.Fatalf("%x: %v", sig, ok)
		}
		if !ok {
			return
		}
		if want := must(asn1.Marshal(struct{ R, S *big.Int }{r, s})); string(want) != string(der) {
			t.Fatalf("%x became %x, want %x", sig, der, want)
		}
		if back, err := RawFromDER(der, len(sig)); err != nil || string(back) != string(sig) {
			t.Fatalf("%x came back as %x, %v", sig, back, err)
		}
	})
}

// TestHMACConcurrent: keyed hashes are reused, but never by two at once.
func TestHMACConcurrent(t *testing.T) {
	c := must(NewChecker(HS256, make([]byte, 32)))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			message := bytes.Repeat([]byte{byte(i)}, 100+i)
			m := hmac.New(sha256.New, make([]byte, 32))
			m.Write(message)
			for want := m.Sum(nil); i < 1000; i++ {
				if !c.Check(message, want) {
					t.Error("a good MAC is refused")
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestDigest(t *testing.T) {
	c := must(NewChecker(HS512, make([]byte, 64)))
	if want := sha512.Sum512([]byte("x")); string(c.Digest([]byte("x"))) != string(want[:]) {
		t.Error("SHA-512")
	}
	if !Symmetric(HS384) || Symmetric(ES256) || Symmetric("x") || !Known(PS384) || Known("none") {
		t.Error("Known, Symmetric")
	}
}
