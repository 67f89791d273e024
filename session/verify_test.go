package session_test

import (
	"context"
	"encoding/base64"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// refuses gives tokens to Verify and to a guard; all must be refused for one reason.
func (w *world) refuses(t *testing.T, want string, tokens map[string]string) {
	t.Helper()
	if s, err := w.user.Verify(t.Context(), w.token()); err != nil || s.Subject != "u1" {
		t.Fatalf("a good token: %v", err)
	}
	h := w.user.Require(w.whoami())
	for name, token := range tokens {
		t.Run(name, func(t *testing.T) {
			s, err := w.user.Verify(t.Context(), token)
			if !errors.Is(err, session.ErrInvalidToken) || session.Reason(err) != want || s != nil {
				t.Errorf("error = %v (%q), want an ErrInvalidToken with the reason %q", err, session.Reason(err), want)
			}
			rec := serve(h, request("GET", "/", "Authorization", "Bearer "+token))
			if rec.Code != 401 || errorCode(t, rec) != "invalid_token" || !strings.Contains(rec.Header().Get("WWW-Authenticate"), `error="invalid_token"`) {
				t.Errorf("HTTP: %d %s", rec.Code, rec.Body)
			}
			// The same as a cookie of the kind.
			if rec := serve(h, request("GET", "/", "Cookie", w.cookieName()+"="+token)); rec.Code != 401 {
				t.Errorf("as a cookie: %d %s", rec.Code, rec.Body)
			}
		})
	}
}

// raw joins any header to a payload, signed by the right key.
func (w *world) raw(header string) string {
	tok := must(jose.Parse(w.token()))(w.t)
	enc := base64.RawURLEncoding
	input := enc.EncodeToString([]byte(header)) + "." + enc.EncodeToString([]byte(tok.Payload))
	return input + "." + enc.EncodeToString(must(w.key.Sign(w.t.Context(), []byte(input)))(w.t))
}

func TestJ1_AlgNone(t *testing.T) {
	w := newWorld(t)
	kid := w.key.Public().ID()
	tokens := map[string]string{}
	for _, alg := range []string{`"none"`, `"None"`, `"NONE"`, `"nOnE"`, `null`, `0`, `["none"]`, `["ES256"]`, `{}`, `""`, `true`} {
		signed := w.raw(`{"alg":` + alg + `,"kid":"` + kid + `","typ":"at+jwt"}`)
		tokens[alg+" signed"] = signed
		tokens[alg+" unsigned"] = signed[:strings.LastIndexByte(signed, '.')+1]
	}
	tokens["absent"] = w.raw(`{"kid":"` + kid + `","typ":"at+jwt"}`)
	w.refuses(t, "malformed", tokens)
}

func TestJ2_AlgorithmBelongsToTheKey(t *testing.T) {
	w := newWorld(t)
	kid := w.key.Public().ID()
	tokens := map[string]string{}
	for _, alg := range []string{"HS256", "RS256", "ES384", "EdDSA", "PS256", "es256", "ES256 ", "ES256K"} {
		tokens[alg] = w.raw(`{"alg":"` + alg + `","kid":"` + kid + `","typ":"at+jwt"}`)
	}
	// HMAC keyed with what everybody knows: the published key.
	jwks := must(keys.JWKS([]*keys.PublicKey{w.key.Public()}))(t)
	for name, secret := range map[string][]byte{"JWKS": jwks, "kid": []byte(kid), "zeros": make([]byte, 32)} {
		if len(secret) < 32 {
			continue
		}
		mac := must(keys.NewHMAC(kid, secret))(t)
		tokens["HMAC with the "+name] = w.signAs(mac, "at+jwt", w.claims())
	}
	w.refuses(t, "algorithm", tokens)
}

// TestJ4_HeadersThatBringKeysAreIgnored: the key that is known by the kid decides, whatever the header brings.
func TestJ4_HeadersThatBringKeysAreIgnored(t *testing.T) {
	w := newWorld(t)
	forged := map[string]string{}
	for _, member := range []string{`"jwk":{"kty":"EC"}`, `"jku":"https://evil.example/jwks"`, `"x5u":"https://evil.example/x"`, `"x5c":["MII"]`} {
		token := w.raw(`{"alg":"ES256","kid":"` + w.key.Public().ID() + `","typ":"at+jwt",` + member + `}`)
		if s, err := w.user.Verify(t.Context(), token); err != nil || s.Subject != "u1" {
			t.Errorf("%s, rightly signed: %v", member, err)
		}
		forged[member] = token[:len(token)-40] + strings.Repeat("A", 40)
	}
	w.refuses(t, "signature", forged)
}

func TestJ6_J7_HeadersThatChangeTheSignature(t *testing.T) {
	w := newWorld(t)
	tokens := map[string]string{}
	for _, member := range []string{
		`"crit":["exp"]`, `"crit":[]`, `"crit":null`, `"crit":"b64"`, // J6
		`"b64":false`, `"zip":"DEF"`, `"cty":"JWT"`, `"enc":"A128GCM"`, `"enc":null`, // J7
	} {
		tokens[member] = w.raw(`{"alg":"ES256","kid":"` + w.key.Public().ID() + `","typ":"at+jwt",` + member + `}`)
	}
	w.refuses(t, "malformed", tokens)
}

func TestJ5_Kid(t *testing.T) {
	w := newWorld(t)
	unknown := map[string]string{}
	for _, kid := range []string{"other", "../../etc/passwd", "' OR 1=1 --", `\u0000`, "https://evil.example/k", "{{7*7}}", "$(id)", "0"} {
		unknown[kid] = w.raw(`{"alg":"ES256","kid":"` + kid + `","typ":"at+jwt"}`)
	}
	w.refuses(t, "unknown_key", unknown)
	malformed := map[string]string{}
	for _, kid := range []string{"1", "true", `["a"]`, `{}`, `""`, `"` + strings.Repeat("a", 5000) + `"`} {
		malformed[kid[:min(8, len(kid))]] = w.raw(`{"alg":"ES256","kid":` + kid + `,"typ":"at+jwt"}`)
	}
	w.refuses(t, "malformed", malformed)
}

func TestJ8_DuplicateMembers(t *testing.T) {
	w := newWorld(t)
	tok := must(jose.Parse(w.token()))(t)
	open := strings.TrimSuffix(tok.Payload, "}")
	payloads := map[string]string{
		"exp twice":             w.sign(open + `,"exp":9999999999}`),
		"exp in capitals":       w.sign(open + `,"EXP":9999999999}`),
		"iss escaped":           w.sign(open + `,"\u0069ss":"https://evil.example"}`),
		"type twice":            w.sign(open + `,"type":"admin"}`),
		"properties, Kelvin":    w.sign(open + `,"jti":"a","JTI":"b"}`),
		"within properties":     w.sign(strings.Replace(tok.Payload, `"userID":"u1"`, `"userID":"u1","userID":"u2"`, 1)),
		"not an object":         w.sign(`["iss"]`),
		"a string":              w.sign(`"iss"`),
		"two objects":           w.sign(tok.Payload + tok.Payload),
		"byte order mark":       w.sign("\ufeff" + tok.Payload),
		"invalid UTF-8":         w.sign(strings.Replace(tok.Payload, "u1", "u\xff", 1)),
		"nothing":               w.sign(``),
		"unfinished":            w.sign(open),
		"NUL at the end":        w.sign(tok.Payload + "\x00"),
		"a million levels deep": w.sign(`{"a":` + strings.Repeat("[", 4000) + strings.Repeat("]", 4000) + `}`),
	}
	w.refuses(t, "malformed", payloads)
}

func TestJ9_J10_J15_Form(t *testing.T) {
	w := newWorld(t)
	good := w.token()
	parts := strings.Split(good, ".")
	tokens := map[string]string{
		"two parts":  parts[0] + "." + parts[1],
		"four parts": good + ".",
		"one part":   parts[0],
		"padding":    good + "=",
		"huge":       strings.Repeat("a", 8<<20),
		"dots":       strings.Repeat(".", 1<<20),
		"slash":      strings.Replace(good, parts[2][:1], "/", 1),
	}
	for name, token := range tokens {
		if _, err := w.user.Verify(t.Context(), token); session.Reason(err) != "malformed" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, odd := range []string{" ", "\n", "\r\n", "\t", "\x00", "\ufeff", "+", "="} {
		for i := range 4 {
			at := []int{0, len(parts[0]), len(good) - 3, len(good)}[i]
			if _, err := w.user.Verify(t.Context(), good[:at]+odd+good[at:]); err == nil {
				t.Errorf("%q at %d is accepted", odd, at)
			}
		}
	}
}

func TestJ12_Times(t *testing.T) {
	w := newWorld(t)
	now := w.Now().Unix()
	claims := func(iat, nbf, exp any) string {
		c := w.claims()
		for name, v := range map[string]any{"iat": iat, "nbf": nbf, "exp": exp} {
			if c[name] = v; v == nil {
				delete(c, name)
			}
		}
		return w.sign(c)
	}
	for name, c := range map[string]struct {
		token string
		want  string
	}{
		"good":                   {claims(now, nil, now+600), ""},
		"last second of leeway":  {claims(now-600, nil, now-29), ""},
		"end of leeway":          {claims(now-600, nil, now-30), "expired"},
		"long gone":              {claims(now-600, nil, now-599), "expired"},
		"exp of 1970":            {claims(now, nil, 0), "expired"},
		"negative exp":           {claims(now, nil, -1), "expired"},
		"fraction":               {claims(now, nil, float64(now)+0.5), ""},
		"no exp":                 {claims(now, nil, nil), "claims"},
		"exp a string":           {claims(now, nil, "9999999999"), "claims"},
		"exp true":               {claims(now, nil, true), "claims"},
		"exp beyond all numbers": {claims(now, nil, 1e300), "claims"},
		"exp 2^63":               {claims(now, nil, uint64(math.MaxInt64)+1), "claims"},
		"exp a list":             {claims(now, nil, []int64{now + 600}), "claims"},
		"no iat":                 {claims(nil, nil, now+600), "claims"},
		"iat a string":           {claims("0", nil, now+600), "claims"},
		"iat now":                {claims(now+30, nil, now+600), ""},
		"iat to come":            {claims(now+31, nil, now+600), "not_yet_valid"},
		"nbf now":                {claims(now, now+30, now+600), ""},
		"nbf to come":            {claims(now, now+31, now+600), "not_yet_valid"},
		"nbf 1e300":              {claims(now, 1e300, now+600), "claims"},
		"nbf a string":           {claims(now, "0", now+600), "claims"},
		"longest life":           {claims(now-30, nil, now+3600), ""},
		"longer than the kind's": {claims(now-30, nil, now+3602), "claims"},
		"a century":              {claims(now, nil, now+100*365*86400), "claims"},
	} {
		if _, err := w.user.Verify(t.Context(), c.token); session.Reason(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// A token lives exactly as long as it says, plus the leeway.
func TestJ12_Lifetime(t *testing.T) {
	for _, leeway := range []time.Duration{-1, time.Second, 30 * time.Second, time.Minute} {
		w := newWorld(t, func(c *session.Config) { c.Leeway = leeway })
		token := w.token()
		w.Advance(time.Hour + max(0, leeway) - time.Nanosecond)
		if _, err := w.user.Verify(t.Context(), token); err != nil {
			t.Errorf("leeway %v, a moment before the end: %v", leeway, err)
		}
		w.Advance(time.Nanosecond)
		if _, err := w.user.Verify(t.Context(), token); !errors.Is(err, session.ErrExpired) {
			t.Errorf("leeway %v, at the end: %v", leeway, err)
		}
	}
}

// In OpenAuth the audience of a token was an option that nobody read (its finding O7). TestNew_Refuses and
// TestExternal_Config require one.
func TestJ13_IssuerAndAudience(t *testing.T) {
	w := newWorld(t)
	issuers := map[string]string{}
	for _, iss := range []string{issuer + "/", "https://api.example.com", "https://API.example.com/auth", "http://api.example.com/auth", issuer + "\x00", "", "api.example.com/auth", issuer + "x", " " + issuer} {
		issuers["iss "+iss] = w.sign(w.with("iss", iss))
	}
	issuers["no iss"] = w.sign(w.with("iss", nil))
	w.refuses(t, "issuer", issuers)

	audiences := map[string]string{"no aud": w.sign(w.with("aud", nil))}
	for name, aud := range map[string]any{
		"other": "web", "empty": "", "none": []string{}, "prefix": "ap", "longer": "api2", "capitals": "API", "with a space": "api ", "list of others": []string{"a", "ap", "apis"}, "joined": "web api",
	} {
		audiences[name] = w.sign(w.with("aud", aud))
	}
	w.refuses(t, "audience", audiences)

	types := map[string]string{}
	for name, v := range map[string]any{"number": 1, "null": jsonNull{}, "object": map[string]any{"api": true}, "true": true} {
		types["iss "+name] = w.sign(w.with("iss", v))
		types["aud "+name] = w.sign(w.with("aud", v))
		types["sub "+name] = w.sign(w.with("sub", v))
	}
	types["iss list"] = w.sign(w.with("iss", []string{issuer}))
	types["aud list of numbers"] = w.sign(w.with("aud", []any{audience, 1}))
	types["aud list of lists"] = w.sign(w.with("aud", []any{[]string{audience}}))
	w.refuses(t, "claims", types)

	if _, err := w.user.Verify(t.Context(), w.sign(w.with("aud", []string{"web", audience}))); err != nil {
		t.Errorf("aud as one of a list: %v", err)
	}
}

type jsonNull struct{}

func (jsonNull) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

func TestVerify_Claims(t *testing.T) {
	w := newWorld(t)
	tokens := map[string]string{}
	for _, name := range []string{"sub", "jti", "sid", "client_id", "properties", "iat", "exp"} {
		tokens["no "+name] = w.sign(w.with(name, nil))
	}
	for _, name := range []string{"sub", "jti", "sid", "client_id"} {
		tokens["empty "+name] = w.sign(w.with(name, ""))
		tokens["number "+name] = w.sign(w.with(name, 7))
	}
	for name, v := range map[string]any{"scope": []string{"a"}, "roles": "admin", "amr": "otp", "auth_time": "now", "properties": "u1"} {
		tokens[name+" of another type"] = w.sign(w.with(name, v))
	}
	tokens["roles of numbers"] = w.sign(w.with("roles", []int{1}))
	w.refuses(t, "claims", tokens)
	w.refuses(t, "kind", map[string]string{
		"no type": w.sign(w.with("type", nil)), "other": w.sign(w.with("type", "apikey")), "capitals": w.sign(w.with("type", "User")),
		"public": w.sign(w.with("type", "public")),
	})
	// Other claims are ignored, as long as the JSON is valid (RFC 7519 section 4).
	if _, err := w.user.Verify(t.Context(), w.sign(w.with("vendor", map[string]any{"a": []int{1}}))); err != nil {
		t.Errorf("an unknown claim: %v", err)
	}
}

func TestVerify_Type(t *testing.T) {
	w := newWorld(t)
	for _, typ := range []string{"at+jwt", "AT+JWT", "application/at+jwt", "Application/At+JWT"} {
		if _, err := w.user.Verify(t.Context(), w.signAs(w.key, typ, w.claims())); err != nil {
			t.Errorf("typ %q: %v", typ, err)
		}
	}
	tokens := map[string]string{}
	for _, typ := range []string{"", "JWT", "jwt", "at", "at+jwt2", "application/JWT", "application/application/at+jwt", "id+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt"} {
		tokens["typ "+typ] = w.signAs(w.key, typ, w.claims())
	}
	w.refuses(t, "typ", tokens)
}

func TestVerify_NotBefore(t *testing.T) {
	w := newWorld(t)
	restored := w.Now().Add(500 * time.Millisecond)
	later := newWorld(t, func(c *session.Config) { c.NotBefore = restored })
	for _, c := range []struct {
		at   time.Duration
		want string
	}{{-time.Hour, "too_old"}, {-time.Second, "too_old"}, {0, ""}, {time.Second, ""}} {
		later.Set(w.Now().Add(c.at))
		if _, err := later.user.Verify(t.Context(), later.token()); session.Reason(err) != c.want {
			t.Errorf("issued %v after: %v, want %q", c.at, err, c.want)
		}
	}
}

func TestVerify_KeysUnavailable(t *testing.T) {
	w := newWorld(t, func(c *session.Config) { c.Keys = brokenSigner{c.Keys.(keys.Signer)} })
	token := w.sign(w.claims())
	if _, err := w.user.Verify(t.Context(), token); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("error = %v", err)
	}
	for name, h := range map[string]session.Guard{"user": w.user, "any": session.AnyOf(w.user, w.apikey)} {
		for _, optional := range []bool{false, true} {
			guard := h.Require
			if optional {
				guard = h.Optional
			}
			for header, value := range map[string]string{"Authorization": "Bearer " + token, "Cookie": session.CookieNameOf(w.user) + "=" + token} {
				rec := serve(guard(w.whoami()), request("GET", "/", header, value))
				if rec.Code != 503 || rec.Header().Get("Retry-After") == "" || errorCode(t, rec) != "temporarily_unavailable" {
					t.Errorf("%s optional=%v by %s: %d %s", name, optional, header, rec.Code, rec.Body)
				}
			}
		}
	}
	if !strings.Contains(w.Log.String(), `"level":"ERROR"`) {
		t.Error("keys that are away are not logged")
	}
}

// The signature is checked before the claims: the answer to a forged token shows nothing about the claims that would
// pass.
func TestVerify_SignatureComesFirst(t *testing.T) {
	w := newWorld(t)
	other := must(keys.Generate(keys.ES256))(t)
	forger := renamed{other, w.key.Public().ID(), t}
	tokens := map[string]string{}
	for name, claims := range map[string]any{
		"good": w.claims(), "expired": w.with("exp", 1), "issuer": w.with("iss", "x"), "kind": w.with("type", "x"), "no JSON": "{", "nothing": "",
	} {
		tokens[name] = w.signAs(forger, "at+jwt", claims)
	}
	w.refuses(t, "signature", tokens)
}

// renamed is a key under the name of another.
type renamed struct {
	keys.SigningKey
	kid string
	t   testing.TB
}

func (r renamed) Public() *keys.PublicKey {
	return must(keys.NewPublicKey(r.SigningKey.Public().Public(), keys.ES256, r.kid))(r.t)
}

func (r renamed) Sign(ctx context.Context, message []byte) ([]byte, error) {
	return r.SigningKey.Sign(ctx, message)
}
