package hostile

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/posternauth/postern/keys"
)

const (
	issuer   = "https://api.example.com/auth"
	audience = "api"
	kind     = "user"
	leeway   = 30 * time.Second
	access   = time.Hour
)

var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

//go:embed testdata/keys.json
var testKeys []byte

// A forge makes tokens with the test keys: good ones, and bad ones that are signed as well as good ones. What it makes
// is the same every time.
type forge struct {
	t     testing.TB
	keys  map[string]crypto.Signer // by kid
	hmac  []byte
	cases []Case
}

func newForge(t testing.TB) *forge {
	t.Helper()
	var file map[string]string
	if err := json.Unmarshal(testKeys, &file); err != nil {
		t.Fatal(err)
	}
	f := &forge{t: t, keys: map[string]crypto.Signer{}}
	for name, text := range file {
		if name == "comment" {
			continue
		}
		der, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatalf("key %s: %v", name, err)
		}
		if name == "hs256" {
			f.hmac = der
			continue
		}
		key, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			t.Fatalf("key %s: %v", name, err)
		}
		f.keys[name] = key.(crypto.Signer)
	}
	return f
}

// algorithms are those of the keys, by kid.
var algorithms = map[string]string{
	"rs256": "RS256", "ps256": "PS256", "es256": "ES256", "es384": "ES384", "es512": "ES512", "eddsa": "EdDSA", "hs256": "HS256",
}

// jwks are the sets of keys: main has one of each algorithm; one has a single key, so that tokens need no kid; secret
// is for HS256, which is never mixed with public keys.
func (f *forge) jwks() map[string]json.RawMessage {
	set := func(kids ...string) json.RawMessage {
		public := make([]*keys.PublicKey, len(kids))
		for i, kid := range kids {
			k, err := keys.NewPublicKey(f.keys[kid].Public(), keys.Algorithm(algorithms[kid]), kid)
			if err != nil {
				f.t.Fatal(err)
			}
			public[i] = k
		}
		data, err := keys.JWKS(public)
		if err != nil {
			f.t.Fatal(err)
		}
		return bytes.TrimSpace(data)
	}
	return map[string]json.RawMessage{
		"main":   set("rs256", "ps256", "es256", "es384", "es512", "eddsa"),
		"one":    set("es256"),
		"secret": json.RawMessage(`{"keys":[{"kty":"oct","alg":"HS256","kid":"hs256","k":"` + b64(string(f.hmac)) + `"}]}`),
	}
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// fixed is the random source of signatures that take one.
type fixed struct{}

func (fixed) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 0x5a
	}
	return len(p), nil
}

// mac is the HMAC of input, with a hash of that many bits.
func mac(bits int, key []byte, input string) string {
	hash := sha256.New
	if bits == 384 {
		hash = sha512.New384
	} else if bits == 512 {
		hash = sha512.New
	}
	h := hmac.New(hash, key)
	h.Write([]byte(input))
	return string(h.Sum(nil))
}

func digest(h crypto.Hash, input string) []byte {
	d := h.New()
	d.Write([]byte(input))
	return d.Sum(nil)
}

// signature is that of the key called kid, by its own algorithm.
func (f *forge) signature(kid, input string) string {
	f.t.Helper()
	if kid == "hs256" {
		return mac(256, f.hmac, input)
	}
	return f.signatureAs(kid, input, map[string]crypto.Hash{"es384": crypto.SHA384, "es512": crypto.SHA512}[kid], kid == "ps256")
}

// signatureAs signs with another hash, or another padding, than the key's own. No hash means SHA-256.
func (f *forge) signatureAs(kid, input string, h crypto.Hash, pss bool) string {
	f.t.Helper()
	if h == 0 {
		h = crypto.SHA256
	}
	var sig []byte
	var err error
	switch key := f.keys[kid].(type) {
	case ed25519.PrivateKey:
		sig = ed25519.Sign(key, []byte(input))
	case *rsa.PrivateKey:
		if pss {
			sig, err = rsa.SignPSS(fixed{}, key, h, digest(h, input), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			sig, err = rsa.SignPKCS1v15(nil, key, h, digest(h, input))
		}
	case *ecdsa.PrivateKey:
		r, s := f.rs(key, input, h)
		size := (key.Params().BitSize + 7) / 8
		sig = append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	default:
		f.t.Fatalf("no key %q", kid)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return string(sig)
}

// header is the header of a token by the key called kid, with members added behind or, by their names, replaced; an
// empty value leaves one out. Values are JSON.
func header(kid string, changes ...string) string {
	return object([]string{"alg", `"` + algorithms[kid] + `"`, "kid", `"` + kid + `"`, "typ", `"at+jwt"`}, changes)
}

// claims are those of a good token, with changes as in header.
func claims(changes ...string) string {
	return object([]string{"iss", `"` + issuer + `"`, "aud", `"` + audience + `"`, "sub", `"u1"`, "client_id", `"web"`,
		"iat", at(-60), "exp", at(600), "jti", `"j1"`, "sid", `"s1"`, "type", `"` + kind + `"`, "properties", `{"userID":"u1"}`}, changes)
}

func object(members, changes []string) string {
	for i := 0; i < len(changes); i += 2 {
		found := false
		for j := 0; j < len(members) && !found; j += 2 {
			if found = members[j] == changes[i]; found {
				members[j+1] = changes[i+1]
			}
		}
		if !found {
			members = append(members, changes[i], changes[i+1])
		}
	}
	var out []string
	for i := 0; i < len(members); i += 2 {
		if members[i+1] != "" {
			out = append(out, `"`+members[i]+`":`+members[i+1])
		}
	}
	return "{" + strings.Join(out, ",") + "}"
}

// at is a time some seconds from now, as a claim.
func at(seconds int64) string { return fmt.Sprint(now.Unix() + seconds) }

// token signs a header and a payload, whatever they are, with the key called kid.
func (f *forge) token(kid, header, payload string) string {
	input := b64(header) + "." + b64(payload)
	return input + "." + b64(f.signature(kid, input))
}

// good is a token nobody has anything against.
func (f *forge) good() string { return f.token("es256", header("es256"), claims()) }

// A batch takes the cases of one group.
type batch struct {
	f *forge
	Case
}

func (f *forge) batch(group, row string, layer Layer, reason string) *batch {
	return &batch{f, Case{Group: group, Row: row, Layer: layer, Reason: reason, Keys: "main"}}
}

// refuse adds a token that must be refused for the reason of the batch.
func (b *batch) refuse(name, token string) { b.refuseFor(b.Reason, name, token) }

func (b *batch) refuseFor(reason, name, token string) {
	b.add(name, reason, false, text(token)...)
}

// accept adds a token that is legal, though it may look odd.
func (b *batch) accept(name, token string) { b.add(name, "", true, text(token)...) }

func (b *batch) add(name, reason string, accept bool, parts ...Part) {
	c := b.Case
	c.Name, c.Reason, c.Accept, c.Parts = name, reason, accept, parts
	b.f.cases = append(b.f.cases, c)
}

// text is a token as a list of parts: what many tokens share and what goes on repeating is not written out.
func text(token string) (parts []Part) {
	if !utf8.ValidString(token) {
		return []Part{{Base64: base64.StdEncoding.EncodeToString([]byte(token))}}
	}
	add := func(p Part) {
		if p != (Part{}) {
			parts = append(parts, p)
		}
	}
	start := 0
scan:
	for i := 0; i < len(token); {
		for name, s := range shared {
			if strings.HasPrefix(token[i:], s) {
				add(Part{Text: token[start:i]})
				add(Part{Use: name, Text: s})
				i += len(s)
				start = i
				continue scan
			}
		}
		for _, period := range []int{1, 4, 8, 16} {
			n := 1
			for i+(n+1)*period <= len(token) && token[i+n*period:i+(n+1)*period] == token[i:i+period] {
				n++
			}
			if n*period > 200 {
				add(Part{Text: token[start:i]})
				add(Part{Text: token[i : i+period], Repeat: n})
				i += n * period
				start = i
				continue scan
			}
		}
		i++
	}
	add(Part{Text: token[start:]})
	if parts == nil {
		parts = []Part{{}}
	}
	return parts
}

// shared are the parts of a good token: most bad ones have one of them.
var shared = map[string]string{"header": b64(header("es256")), "payload": b64(claims())}
