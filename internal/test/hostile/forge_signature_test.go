package hostile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/asn1"
	"math/big"
	"slices"
	"strings"
)

// rs is an ECDSA signature as two numbers, the same every time (RFC 6979).
func (f *forge) rs(key *ecdsa.PrivateKey, input string, h crypto.Hash) (r, s *big.Int) {
	der, err := key.Sign(nil, digest(h, input), h)
	if err != nil {
		f.t.Fatal(err)
	}
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		f.t.Fatal(err)
	}
	return sig.R, sig.S
}

// signatures: right and wrong signatures in forms they do not have.
func (f *forge) signatures() {
	b := f.batch("signature", "J11", Signature, "signature")
	for _, kid := range []string{"rs256", "ps256", "es256", "es384", "es512", "eddsa", "hs256"} {
		input := b64(header(kid)) + "." + b64(claims())
		good := f.signature(kid, input)
		if b.Keys = "main"; kid == "hs256" {
			b.Keys = "secret"
		}
		b.accept(kid+" as it should be", input+"."+b64(good))
		for name, sig := range map[string]string{
			"empty": "", "one byte less": good[:len(good)-1], "one byte less in front": good[1:], "half": good[:len(good)/2],
			"one byte more": good + "\x00", "one byte more in front": "\x00" + good, "twice": good + good,
			"ones": strings.Repeat("\xff", len(good)), "backwards": backwards(good),
			"of the payload only":        f.signature(kid, b64(claims())),
			"of the decoded text":        f.signature(kid, header(kid)+"."+claims()),
			"of another token":           f.signature(kid, b64(header(kid))+"."+b64(claims("sub", `"u2"`))),
			"in hexadecimal":             hexText(good),
			"in base64url a second time": b64(good),
			"with the last bit turned":   good[:len(good)-1] + string([]byte{good[len(good)-1] ^ 1}),
			"with the first bit turned":  string([]byte{good[0] ^ 0x80}) + good[1:],
		} {
			b.refuse(kid+" "+name, input+"."+b64(sig))
		}
	}
	b.Keys = "main"
	for kid, other := range map[string]string{"rs256": "ps256", "ps256": "rs256"} { // of the same type and size
		input := b64(header(kid)) + "." + b64(claims())
		b.refuse(kid+" of another key", input+"."+b64(f.signatureAs(other, input, crypto.SHA256, kid == "ps256")))
	}
	f.ecdsaSignatures(b)
	f.rsaSignatures(b)

	// Ed25519: S and S+L solve the same equation (RFC 8032 section 5.1.7 wants the smaller).
	input := b64(header("eddsa")) + "." + b64(claims())
	sig := []byte(f.signature("eddsa", input))
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	s := new(big.Int).SetBytes([]byte(backwards(string(sig[32:]))))
	s.Add(s, order)
	b.refuse("eddsa zeros", input+"."+b64(strings.Repeat("\x00", 64)))
	b.refuse("eddsa S+L", input+"."+b64(string(sig[:32])+backwards(string(s.FillBytes(make([]byte, 32))))))
	for name, opts := range map[string]*ed25519.Options{"Ed25519ph": {Hash: crypto.SHA512}, "Ed25519ctx": {Context: "jwt"}} {
		message := []byte(input)
		if opts.Hash != 0 {
			message = digest(opts.Hash, input)
		}
		other, err := f.keys["eddsa"].Sign(nil, message, opts)
		if err != nil {
			f.t.Fatal(err)
		}
		b.refuse("eddsa of "+name, input+"."+b64(string(other)))
	}
}

func (f *forge) ecdsaSignatures(b *batch) {
	for _, kid := range []string{"es256", "es384", "es512"} {
		key := f.keys[kid].(*ecdsa.PrivateKey)
		h := map[string]crypto.Hash{"es256": crypto.SHA256, "es384": crypto.SHA384, "es512": crypto.SHA512}[kid]
		input := b64(header(kid)) + "." + b64(claims())
		r, s := f.rs(key, input, h)
		n := key.Params().N
		size := (key.Params().BitSize + 7) / 8
		raw := func(r, s *big.Int) string {
			return input + "." + b64(string(r.FillBytes(make([]byte, size)))+string(s.FillBytes(make([]byte, size))))
		}
		zero, one := new(big.Int), big.NewInt(1)
		sub := func(a, c *big.Int) *big.Int { return new(big.Int).Sub(a, c) }
		b.accept(kid+" r, n-s: legal, so a list of refused tokens must not go by their text", raw(r, sub(n, s)))
		for name, token := range map[string]string{
			"0, 0": raw(zero, zero), "0, s": raw(zero, s), "r, 0": raw(r, zero), "n, s": raw(n, s), "r, n": raw(r, n), "n, n": raw(n, n),
			"1, 1": raw(one, one), "n-1, n-1": raw(sub(n, one), sub(n, one)), "s, r": raw(s, r), "r, r": raw(r, r), "n-r, s": raw(sub(n, r), s),
			"p, p": raw(key.Params().P, key.Params().P),
		} {
			b.refuse(kid+" "+name, token)
		}
		der, err := key.Sign(nil, digest(h, input), h)
		if err != nil {
			f.t.Fatal(err)
		}
		b.refuse(kid+" in DER", input+"."+b64(string(der)))
		if len(der) < 2*size { // never, but then the next case would be cut
			f.t.Fatal("a DER signature shorter than its numbers")
		}
		b.refuse(kid+" in DER, cut to length", input+"."+b64(string(der[:2*size])))
		if kid == "es512" { // 521 bits in 66 bytes leave room for r+n
			b.refuse(kid+" r+n, s", raw(new(big.Int).Add(r, n), s))
			b.refuse(kid+" r, s+n", raw(r, new(big.Int).Add(s, n)))
		}
		if key.Curve == elliptic.P256() {
			wrong, ws := f.rs(key, input, crypto.SHA384)
			b.refuse(kid+" over SHA-384", raw(wrong, ws))
		}
	}
}

func (f *forge) rsaSignatures(b *batch) {
	key := f.keys["rs256"].(*rsa.PrivateKey)
	input := b64(header("rs256")) + "." + b64(claims())
	sum := digest(crypto.SHA256, input)
	number := func(n *big.Int) string { return input + "." + b64(string(n.FillBytes(make([]byte, key.Size())))) }
	good := new(big.Int).SetBytes([]byte(f.signature("rs256", input)))
	b.refuse("rs256 zero", number(new(big.Int)))
	b.refuse("rs256 one", number(big.NewInt(1)))
	b.refuse("rs256 n-1", number(new(big.Int).Sub(key.N, big.NewInt(1))))
	b.refuse("rs256 n", number(key.N))
	b.refuse("rs256 n-s", number(new(big.Int).Sub(key.N, good)))
	if more := new(big.Int).Add(good, key.N); more.BitLen() <= 8*key.Size() {
		b.refuse("rs256 s+n", number(more))
	} else {
		b.refuse("rs256 s+n, one byte longer", input+"."+b64(string(more.Bytes())))
	}
	b.refuse("rs256 padded as PSS", input+"."+b64(f.signatureAs("rs256", input, crypto.SHA256, true)))
	b.refuse("rs256 over SHA-384", input+"."+b64(f.signatureAs("rs256", input, crypto.SHA384, false)))
	b.refuse("rs256 over SHA-1", input+"."+b64(f.signatureAs("rs256", input, crypto.SHA1, false)))

	// The padding of RFC 8017 section 9.2, made by hand with one thing wrong.
	raised := func(em []byte) string {
		m := new(big.Int).SetBytes(em)
		return number(m.Exp(m, key.D, key.N))
	}
	info := append([]byte("\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"), sum...)
	pad := func(head string, fill byte, info []byte) []byte {
		em := append([]byte(head), slices.Repeat([]byte{fill}, key.Size()-len(head)-1-len(info))...)
		return append(append(em, 0), info...)
	}
	if token := raised(pad("\x00\x01", 0xff, info)); token != number(good) {
		f.t.Fatal("the padding made by hand is not that of the standard library")
	}
	noNull := append([]byte("\x30\x2f\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x04\x20"), sum...)
	short := append(append([]byte("\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff\x00"), info...), slices.Repeat([]byte{0xaa}, key.Size())...)
	b.refuse("rs256 padding type 2", raised(pad("\x00\x02", 0xff, info)))
	b.refuse("rs256 padding type 0", raised(pad("\x00\x00", 0x00, info)))
	b.refuse("rs256 padding of other bytes", raised(pad("\x00\x01", 0xfe, info)))
	b.refuse("rs256 hash name without NULL", raised(pad("\x00\x01", 0xff, noNull)))
	b.refuse("rs256 bare hash", raised(pad("\x00\x01", 0xff, sum)))
	b.refuse("rs256 short padding, then anything", raised(short[:key.Size()]))

	pss := f.keys["ps256"].(*rsa.PrivateKey)
	input = b64(header("ps256")) + "." + b64(claims())
	sum = digest(crypto.SHA256, input)
	for _, salt := range []int{0, 16, 20, 31, 33, 64, pss.Size() - 2 - 32} {
		sig, err := rsa.SignPSS(fixed{}, pss, crypto.SHA256, sum, &rsa.PSSOptions{SaltLength: salt})
		if salt == 0 {
			sig, err = f.pssWithoutSalt(pss, sum)
		}
		if err != nil {
			f.t.Fatal(err)
		}
		b.refuse("ps256 salt of "+new(big.Int).SetInt64(int64(salt)).String()+" bytes", input+"."+b64(string(sig)))
	}
	b.refuse("ps256 padded as PKCS #1 v1.5", input+"."+b64(f.signatureAs("ps256", input, crypto.SHA256, false)))
	b.refuse("ps256 over SHA-384", input+"."+b64(f.signatureAs("ps256", input, crypto.SHA384, true)))
}

// pssWithoutSalt is EMSA-PSS (RFC 8017 section 9.1.1) with an empty salt: for the standard library a length of 0 means
// the longest.
func (f *forge) pssWithoutSalt(key *rsa.PrivateKey, sum []byte) ([]byte, error) {
	h := digest(crypto.SHA256, strings.Repeat("\x00", 8)+string(sum))
	db := make([]byte, key.Size()-len(h)-1)
	db[len(db)-1] = 1
	for i := 0; i*32 < len(db); i++ {
		mask := digest(crypto.SHA256, string(h)+string([]byte{0, 0, 0, byte(i)}))
		for j := 0; j < 32 && i*32+j < len(db); j++ {
			db[i*32+j] ^= mask[j]
		}
	}
	db[0] &= 0x7f
	em := append(append(db, h...), 0xbc)
	m := new(big.Int).SetBytes(em)
	sig := m.Exp(m, key.D, key.N).FillBytes(make([]byte, key.Size()))
	return sig, rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, sum, sig, nil) // a salt of any length
}

func backwards(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

func hexText(s string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i := range len(s) {
		b.WriteByte(digits[s[i]>>4])
		b.WriteByte(digits[s[i]&15])
	}
	return b.String()
}
