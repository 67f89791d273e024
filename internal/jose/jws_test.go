package jose

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// compact makes a token of a header, with a payload and signature that are well formed.
func compact(header string) string {
	return b64(header) + "." + b64(`{"sub":"u1"}`) + "." + b64("signature")
}

func refused(t *testing.T, tokens ...string) {
	t.Helper()
	for _, token := range tokens {
		if tok, err := Parse(token); !errors.Is(err, ErrFormat) {
			t.Errorf("Parse(%.100q) = %+v, %v; want ErrFormat", token, tok, err)
		} else if tok.Payload != "" || tok.Input != nil {
			t.Errorf("Parse(%.100q) returns parts of a token it refuses", token)
		}
	}
}

func TestParse(t *testing.T) {
	token := compact(`{"alg":"ES256","kid":"k\u0031","typ":"at+jwt","x5t":"abc","nice":1}`)
	got, err := Parse(token)
	if err != nil {
		t.Fatal(err)
	}
	input := token[:strings.LastIndexByte(token, '.')]
	if got.Alg != "ES256" || got.Kid != "k1" || got.Typ != "at+jwt" || got.Payload != `{"sub":"u1"}` ||
		string(got.Input) != input || string(got.Signature) != "signature" {
		t.Fatalf("got %+v", got)
	}
	got, err = Parse(b64(`{"alg":"HS256"}`) + "..")
	if err != nil || got.Payload != "" || len(got.Signature) != 0 || got.Kid != "" || got.Typ != "" {
		t.Fatalf("empty payload and signature: %+v, %v", got, err)
	}
	if cap(got.Input) != len(got.Input) {
		t.Fatal("appending to Input would write over Signature")
	}
}

func TestJ1_AlgNone(t *testing.T) {
	for _, alg := range []string{"none", "None", "NONE", "nOnE"} {
		h := fmt.Sprintf(`{"alg":%q}`, alg)
		refused(t, compact(h), b64(h)+"."+b64("{}")+".")
	}
	for _, h := range []string{`{}`, `{"alg":""}`, `{"alg":null}`, `{"alg":1}`, `{"alg":["ES256"]}`, `{"alg":{}}`,
		`{"alg":true}`, `{"ALG":"ES256"}`, `{"typ":"JWT"}`, `{"alg":"n\u006fne"}`} {
		refused(t, compact(h))
	}
}

// TestJ4_KeyInjection: a header that brings a key, or names a place for one, is read as if it did not. UAA
// writes jku and IMS writes x5u into every token, so that refusing them would shut those issuers out.
func TestJ4_KeyInjection(t *testing.T) {
	plain, err := Parse(compact(`{"alg":"ES256","kid":"k1"}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range []string{
		`"jwk":{"kty":"EC"}`, `"jwk":"x"`, `"jwk":null`, `"jku":"https://evil.example/"`, `"x5u":"https://evil.example/"`,
		`"x5c":["MIIB"]`, `"x5c":"MIIB"`, `"\u006aku":"x"`, `"x5t":"x"`,
	} {
		got, err := Parse(compact(`{"alg":"ES256",` + more + `,"kid":"k1"}`))
		if err != nil || got.Text != plain.Text {
			t.Errorf("%s: %+v, %v; want %+v", more, got.Text, err, plain.Text)
		}
	}
}

// TestHeader_UnknownMembersAreIgnored is the rule of RFC 7515 section 4, whatever the type of a member.
func TestHeader_UnknownMembersAreIgnored(t *testing.T) {
	for _, more := range []string{
		`"aud_hint":["a"]`, `"authz":{"a":{"b":[1]}}`, `"itt":"at"`, `"v":2`, `"flag":true`, `"nothing":null`, `"typ":null`, `"kid":null`, `"cty":null`,
	} {
		got, err := Parse(compact(`{"alg":"ES256",` + more + `}`))
		if err != nil || got.Kid != "" || got.Typ != "" || got.Alg != "ES256" {
			t.Errorf("%s: %+v, %v", more, got.Text, err)
		}
	}
}

func TestParseLong(t *testing.T) {
	token := b64(`{"alg":"ES256"}`) + "." + b64(strings.Repeat("a", MaxToken)) + "." + b64("signature")
	if _, err := Parse(token); !errors.Is(err, ErrFormat) {
		t.Errorf("Parse of %d bytes: %v", len(token), err)
	}
	if got, err := ParseLong(token, len(token)); err != nil || len(got.Payload) != MaxToken {
		t.Errorf("at the limit: %d bytes of payload, %v", len(got.Payload), err)
	}
	if _, err := ParseLong(token, len(token)-1); !errors.Is(err, ErrFormat) {
		t.Errorf("one byte over the limit: %v", err)
	}
}

func TestHasType(t *testing.T) {
	if !HasType("at+jwt", "application/at+jwt") || HasType("jwt", "text/jwt") {
		t.Error("the prefix of the wanted type counts")
	}
	for typ, want := range map[string]bool{
		"JWT": true, "jwt": true, "application/jwt": true, "APPLICATION/JWT": true, "Jwt": true,
		"": false, "at+jwt": false, "application/at+jwt": false, "JWT ": false, "application/": false, "text/jwt": false, "application/application/jwt": false,
	} {
		if HasType(typ, "JWT") != want {
			t.Errorf("HasType(%q, JWT) is %v", typ, !want)
		}
	}
}

func TestJ5_KidShape(t *testing.T) {
	for _, h := range []string{`{"alg":"ES256","kid":1}`, `{"alg":"ES256","kid":["a"]}`,
		`{"alg":"ES256","kid":{}}`, `{"alg":"ES256","kid":true}`, `{"alg":"ES256","kid":""}`,
		`{"alg":"ES256","kid":"` + strings.Repeat("k", MaxKid+1) + `"}`, `{"alg":"ES256","typ":1}`} {
		refused(t, compact(h))
	}
	for _, kid := range []string{"../../etc/passwd", "' OR 1=1 --", "https://evil.example/k", "\x00", strings.Repeat("k", MaxKid)} {
		quoted, _ := json.Marshal(kid)
		tok, err := Parse(compact(`{"alg":"ES256","kid":` + string(quoted) + `}`))
		if err != nil || tok.Kid != kid {
			t.Errorf("kid %q: %q, %v; it is an opaque string", kid, tok.Kid, err)
		}
	}
}

func TestJ6_Crit(t *testing.T) {
	for _, crit := range []string{`["exp"]`, `[]`, `["b64"]`, `null`, `"exp"`, `{}`, `1`, `true`, `[1]`} {
		refused(t, compact(`{"alg":"ES256","crit":`+crit+`}`), compact(`{"alg":"ES256","cr\u0069t":`+crit+`}`))
	}
}

func TestJ7_OtherForms(t *testing.T) {
	for _, h := range []string{`{"alg":"ES256","b64":false}`, `{"alg":"ES256","b64":true}`, `{"alg":"ES256","zip":"DEF"}`,
		`{"alg":"ES256","enc":"A256GCM"}`, `{"alg":"ES256","cty":"JWT"}`, `{"alg":"ES256","cty":"jwt"}`,
		`{"alg":"ES256","cty":"application/jwt"}`, `{"alg":"ES256","cty":1}`} {
		refused(t, compact(h))
	}
	if _, err := Parse(compact(`{"alg":"ES256","cty":"json"}`)); err != nil {
		t.Errorf("cty json: %v", err)
	}
}

func TestJ8_DuplicateHeader(t *testing.T) {
	refused(t,
		compact(`{"alg":"none","alg":"ES256"}`), compact(`{"alg":"ES256","alg":"ES256"}`),
		compact(`{"alg":"ES256","\u0061lg":"none"}`), compact(`{"alg":"ES256","ALG":"none"}`),
		compact(`{"alg":"ES256","kid":"a","`+"\u212a"+`id":"b"}`), compact(`{"alg":"ES256","kid":"a","KID":"b"}`))
}

func TestJ9_Base64(t *testing.T) {
	good := compact(`{"alg":"ES256"}`)
	if _, err := Parse(good); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"=", "==", "\r", "\n", "\r\n", " ", "\t", "+", "/", "%3D", "\x00", "é", "A"} {
		for i := range len(good) + 1 { // in every place
			bad := good[:i] + s + good[i:]
			tok, err := Parse(bad)
			if err == nil && (s != "A" || string(tok.Input)+"."+b64(string(tok.Signature)) != bad) {
				t.Fatalf("Parse(%q) accepted", bad)
			}
		}
	}
	// Unused bits that are set: only one text for each sequence of bytes.
	for _, part := range []string{"QQ", "QUI"} {
		for _, last := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
			s := part[:len(part)-1] + string(last)
			out, ok := DecodeBase64(nil, s)
			if canonical := base64.RawURLEncoding.EncodeToString(out) == s; ok != canonical {
				t.Errorf("DecodeBase64(%q) accepted %v, canonical %v", s, ok, canonical)
			}
		}
	}
	refused(t, b64(`{"alg":"ES256"}`)+".A."+b64("s"), b64(`{"alg":"ES256"}`)+".AAAAA."+b64("s"))
}

func TestJ10_CompactOnly(t *testing.T) {
	good := compact(`{"alg":"ES256"}`)
	parts := strings.Split(good, ".")
	refused(t, "", ".", "..", "...", parts[0], parts[0]+"."+parts[1], good+".", "."+good, good+"."+parts[2],
		parts[0]+"."+parts[1]+".."+parts[2], " "+good, good+" ", "\ufeff"+good, "Bearer "+good,
		`{"payload":"`+parts[1]+`","protected":"`+parts[0]+`","signature":"`+parts[2]+`"}`,
		`{"payload":"`+parts[1]+`","signatures":[]}`,
		compact("\ufeff"+`{"alg":"ES256"}`), compact(`{"alg":"ES256"}x`), compact(`{"alg":"ES256"}{}`),
		compact("{\"alg\":\"ES256\",\"a\":\"\xff\"}"), compact(`[{"alg":"ES256"}]`), compact(`"ES256"`), compact(``), compact(`null`),
		compact("{\x00\"\x00a\x00l\x00g\x00"), compact(`{"alg":"ES256","typ":{"b":1}}`), compact(`{"alg":"ES256","cty":[1]}`),
		compact(`{"alg":"ES256","a":"\ud800"}`), compact(`{"alg":"ES256",}`), compact(`{'alg':'ES256'}`))
}

func TestJ15_BoundedWork(t *testing.T) {
	const mib = 1 << 20
	attacks := map[string]string{
		"dots":            strings.Repeat(".", 8*mib),
		"one long part":   strings.Repeat("A", 8*mib),
		"three long":      strings.Repeat("A", mib) + "." + strings.Repeat("A", mib) + "." + strings.Repeat("A", mib),
		"long header":     b64(`{"alg":"ES256","a":"`+strings.Repeat("a", MaxHeader)+`"}`) + ".e30.AA",
		"just too long":   "e30.e30." + strings.Repeat("A", MaxToken),
		"deep header":     compact(`{"alg":` + strings.Repeat("[", 1000)),
		"many members":    compact("{" + strings.Repeat(`"a":1,`, 200) + `"alg":"ES256"}`),
		"escapes":         compact(`{"` + strings.Repeat(`\u0061`, 200) + `":1,"alg":"none"}`),
		"dots and a tail": strings.Repeat("a.", 4*mib),
	}
	for name, token := range attacks {
		const runs = 20
		best := time.Hour // of many runs: what the machine does besides only makes it longer
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			start := time.Now()
			_, err := Parse(token)
			best = min(best, time.Since(start))
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("%s: %v, want ErrFormat", name, err)
			}
		}
		runtime.ReadMemStats(&after)
		if bytes := (after.TotalAlloc - before.TotalAlloc) / runs; bytes > 64<<10 || best > 2*time.Millisecond {
			t.Errorf("%s: %d bytes and %v before it is refused", name, bytes, best)
		}
	}
}

func TestSigningInput(t *testing.T) {
	for _, tt := range []struct{ alg, kid, typ string }{
		{"ES256", "", ""}, {"RS256", "k1", "at+jwt"}, {"EdDSA", "a\"\\\n<é\u2028", "JWT"},
	} {
		payload := `{"sub":"é"}`
		token := Compact(SigningInput(tt.alg, tt.kid, tt.typ, []byte(payload)), []byte{0, 0xff, 1})
		got, err := Parse(token)
		if err != nil || got.Alg != tt.alg || got.Kid != tt.kid || got.Typ != tt.typ || got.Payload != payload ||
			!bytes.Equal(got.Signature, []byte{0, 0xff, 1}) {
			t.Errorf("%+v: got %+v, %v", tt, got, err)
		}
	}
}

// FuzzParse: a token that is accepted is the only text of what it says, and carries nothing that is refused.
func FuzzParse(f *testing.F) {
	f.Add(compact(`{"alg":"ES256","kid":"a","typ":"at+jwt"}`))
	f.Add(compact(`{"alg":"none"}`))
	f.Add(compact(`{"alg":"ES256","crit":["exp"]}`))
	f.Add("..")
	f.Add("e30.e30.AB")
	f.Fuzz(func(t *testing.T, token string) {
		tok, err := Parse(token)
		if err != nil {
			return
		}
		if again := string(tok.Input) + "." + base64.RawURLEncoding.EncodeToString(tok.Signature); again != token {
			t.Fatalf("%q reads as %q", token, again)
		}
		head, payload, _ := strings.Cut(string(tok.Input), ".")
		if b64(tok.Payload) != payload {
			t.Fatalf("payload %q is not %q", tok.Payload, payload)
		}
		text, err := base64.RawURLEncoding.Strict().DecodeString(head)
		if err != nil {
			t.Fatal(err)
		}
		var h map[string]any
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber() // one that no float64 can hold is JSON all the same
		if err := d.Decode(&h); err != nil || !json.Valid(text) {
			t.Fatalf("header %q: %v", text, err)
		}
		if h["alg"] != tok.Alg || strings.EqualFold(tok.Alg, "none") || tok.Alg == "" {
			t.Fatalf("alg %v read as %q", h["alg"], tok.Alg)
		}
		if kid := h["kid"]; kid != nil && kid != tok.Kid || kid == nil && tok.Kid != "" {
			t.Fatalf("kid %v read as %q", kid, tok.Kid)
		}
		for _, name := range []string{"crit", "b64", "zip", "enc"} {
			if _, ok := h[name]; ok {
				t.Fatalf("%s accepted", name)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	token := compact(`{"alg":"ES256","kid":"n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg","typ":"at+jwt"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(token); err != nil {
			b.Fatal(err)
		}
	}
}
