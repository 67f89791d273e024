package hostile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
)

// algNone: tokens that say there is no signature, or do not say how they are signed.
func (f *forge) algNone() {
	b := f.batch("alg-none", "J1", Signature, "malformed")
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "NoNe", `n\u006fne`, `\u006eone`} {
		h := header("es256", "alg", `"`+alg+`"`)
		b.refuse(alg+" without signature", b64(h)+"."+b64(claims())+".")
		b.refuse(alg+" with the signature", f.token("es256", h, claims()))
	}
	b.refuse("none without signature and last dot", b64(header("es256", "alg", `"none"`))+"."+b64(claims()))
	b.refuse("none without kid", b64(`{"alg":"none","typ":"at+jwt"}`)+"."+b64(claims())+".")
	b.refuse("none without anything else", b64(`{"alg":"none"}`)+"."+b64(claims())+".")
	for _, alg := range []string{" none", "none ", `none\u0000`, `none\t`, "non\u0435", "ｎｏｎｅ"} {
		b.refuseFor("algorithm", fmt.Sprintf("%q without signature", alg), b64(header("es256", "alg", `"`+alg+`"`))+"."+b64(claims())+".")
	}

	b = f.batch("alg-shape", "J1", Signature, "malformed")
	for _, alg := range []string{"null", "true", "false", "0", "256", `["ES256"]`, `["none"]`, `{"alg":"ES256"}`, `""`, "[]", "{}"} {
		b.refuse("alg "+alg, f.token("es256", header("es256", "alg", alg), claims()))
	}
	b.refuse("no alg", f.token("es256", header("es256", "alg", ""), claims()))
	b.refuse("no alg, no signature", b64(header("es256", "alg", ""))+"."+b64(claims())+".")
	b.refuse("ALG instead", f.token("es256", header("es256", "alg", "", "ALG", `"ES256"`), claims()))
	b.refuse("enc instead", f.token("es256", header("es256", "alg", "", "enc", `"ES256"`), claims()))
	b.refuse("empty header", f.token("es256", "{}", claims()))
	for _, alg := range []string{"es256", "Es256", "ES256 ", " ES256", `ES256\u0000`, "ES-256", "ES256K", "SHA256withECDSA", "ecdsa-p256",
		"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", "RSA1_5", "dir"} {
		b.refuseFor("algorithm", fmt.Sprintf("alg %q", alg), f.token("es256", header("es256", "alg", `"`+alg+`"`), claims()))
	}
	b.refuseFor("algorithm", "alg Ed25519 for a key of EdDSA", f.token("eddsa", header("eddsa", "alg", `"Ed25519"`), claims()))
}

// algConfusion: the token says another algorithm than that of its key. The classic one keys an HMAC with the public
// key.
func (f *forge) algConfusion() {
	b := f.batch("alg-confusion", "J2", Signature, "algorithm")
	macs := func(kid, name string, key []byte) {
		for _, bits := range []int{256, 384, 512} {
			if bits != 256 && name != "PEM" {
				continue
			}
			input := b64(header(kid, "alg", fmt.Sprintf(`"HS%d"`, bits))) + "." + b64(claims())
			b.refuse(fmt.Sprintf("HS%d keyed with %s of %s", bits, name, kid), input+"."+b64(mac(bits, key, input)))
		}
	}
	for _, kid := range []string{"rs256", "es256", "eddsa"} {
		public := f.keys[kid].Public()
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			f.t.Fatal(err)
		}
		block := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		macs(kid, "DER", der)
		macs(kid, "PEM", []byte(block))
		macs(kid, "PEM without its last line break", []byte(strings.TrimSpace(block)))
		macs(kid, "PEM with CR LF", []byte(strings.ReplaceAll(block, "\n", "\r\n")))
		macs(kid, "the JWK text", []byte(f.publicJWK(kid)))
		switch key := public.(type) {
		case *rsa.PublicKey:
			pkcs1 := x509.MarshalPKCS1PublicKey(key)
			macs(kid, "PKCS #1 DER", pkcs1)
			macs(kid, "PKCS #1 PEM", pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: pkcs1}))
			macs(kid, "the modulus", key.N.Bytes())
			macs(kid, "n as text", []byte(b64(string(key.N.Bytes()))))
		case *ecdsa.PublicKey:
			point, err := key.Bytes()
			if err != nil {
				f.t.Fatal(err)
			}
			macs(kid, "the point", point)
			macs(kid, "x and y", point[1:])
			macs(kid, "the compressed point", append([]byte{2 + point[64]&1}, point[1:33]...))
			macs(kid, "x as text", []byte(b64(string(point[1:33]))))
		case ed25519.PublicKey:
			macs(kid, "the 32 bytes", key)
			macs(kid, "x as text", []byte(b64(string(key))))
		}
		macs(kid, "nothing", nil)
		macs(kid, "its kid", []byte(kid))
	}

	other := func(name, kid, alg string, sign func(input string) string) {
		input := b64(header(kid, "alg", `"`+alg+`"`)) + "." + b64(claims())
		b.refuse(name, input+"."+b64(sign(input)))
	}
	other("PS256 by the RS256 key", "rs256", "PS256", func(s string) string { return f.signatureAs("rs256", s, 0, true) })
	other("RS256 by the PS256 key", "ps256", "RS256", func(s string) string { return f.signatureAs("ps256", s, 0, false) })
	other("RS384 by the RS256 key", "rs256", "RS384", func(s string) string { return f.signatureAs("rs256", s, crypto.SHA384, false) })
	other("RS512 by the RS256 key", "rs256", "RS512", func(s string) string { return f.signatureAs("rs256", s, crypto.SHA512, false) })
	other("ES512 by the ES256 key", "es256", "ES512", func(s string) string { return f.signatureAs("es256", s, crypto.SHA512, false) })
	other("ES256 by the ES384 key", "es384", "ES256", func(s string) string { return f.signatureAs("es384", s, crypto.SHA256, false) })
	other("EdDSA with the kid of the ES256 key", "es256", "EdDSA", func(s string) string { return f.signature("eddsa", s) })
	other("ES256 with the kid of the RS256 key", "rs256", "ES256", func(s string) string { return f.signature("es256", s) })

	b.Keys = "secret"
	other("RS256 where a secret is shared", "hs256", "RS256", func(s string) string { return f.signature("rs256", s) })
	other("HS512 where the secret is for HS256", "hs256", "HS512", func(s string) string { return mac(512, f.hmac, s) })
	other("HS384 where the secret is for HS256", "hs256", "HS384", func(s string) string { return mac(384, f.hmac, s) })
}

// publicJWK is a key as the JWKS has it.
func (f *forge) publicJWK(kid string) string {
	main := string(f.jwks()["main"])
	end := strings.Index(main, `"kid":"`+kid+`"}`)
	start := strings.LastIndex(main[:end], "{")
	return main[start : end+len(`"kid":"`+kid+`"}`)]
}
