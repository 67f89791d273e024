package oidc

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
)

var at = time.Unix(1_800_000_000, 0)

// bench makes ID tokens and checks them.
type bench struct {
	testing.TB
	key  keys.SigningKey
	want expected
}

func newBench(t testing.TB) *bench {
	t.Helper()
	key, err := keys.Generate(keys.ES256)
	if err != nil {
		t.Fatal(err)
	}
	return benchOf(t, key)
}

func benchOf(t testing.TB, key keys.SigningKey) *bench {
	t.Helper()
	set, err := keys.Static(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t, key, expected{
		issuer: "https://id.example", client: "app", algorithms: []keys.Algorithm{keys.ES256}, keys: set, nonce: "n0nce", access: "at", now: at, leeway: time.Minute, limit: 64 << 10,
	}}
}

// token signs good claims with changes: a nil value takes a claim away, a json.RawMessage is written as it is.
func (b *bench) token(changes map[string]any) string {
	claims := map[string]any{
		"iss": "https://id.example", "sub": "1", "aud": "app", "iat": at.Unix(), "exp": at.Add(time.Hour).Unix(), "nonce": "n0nce",
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	payload, err := json.Marshal(claims)
	if err != nil {
		b.Fatal(err)
	}
	return b.sign("JWT", string(payload))
}

func (b *bench) sign(typ, payload string) string {
	input := jose.SigningInput("ES256", b.key.Public().ID(), typ, []byte(payload))
	sig, err := b.key.Sign(context.Background(), input)
	if err != nil {
		b.Fatal(err)
	}
	return jose.Compact(input, sig)
}

func (b *bench) check(token string) (*idClaims, error) {
	return checkIDToken(context.Background(), token, b.want)
}

type claims = map[string]any

func TestJ13_IDTokenClaims(t *testing.T) {
	b := newBench(t)
	for name, tt := range map[string]struct {
		change claims
		ok     bool
	}{
		"good":                       {nil, true},
		"aud as list of one":         {claims{"aud": []string{"app"}}, true},
		"aud of two, azp":            {claims{"aud": []string{"app", "api"}, "azp": "app"}, true},
		"azp alone":                  {claims{"azp": "app"}, true},
		"unknown claims":             {claims{"x": claims{"y": []int{1}}, "amr": []string{"pwd"}}, true},
		"fractions":                  {claims{"exp": json.RawMessage("1800003600.5"), "iat": json.RawMessage("1.8e9")}, true},
		"iss other":                  {claims{"iss": "https://other.example"}, false},
		"iss with slash":             {claims{"iss": "https://id.example/"}, false},
		"iss in other case":          {claims{"iss": "https://ID.example"}, false},
		"iss prefix":                 {claims{"iss": "https://id.exampl"}, false},
		"iss suffix":                 {claims{"iss": "https://id.example.evil.example"}, false},
		"iss by http":                {claims{"iss": "http://id.example"}, false},
		"iss missing":                {claims{"iss": nil}, false},
		"iss null":                   {claims{"iss": json.RawMessage("null")}, false},
		"iss list":                   {claims{"iss": []string{"https://id.example"}}, false},
		"iss object":                 {claims{"iss": claims{"https://id.example": true}}, false},
		"iss empty":                  {claims{"iss": ""}, false},
		"aud other":                  {claims{"aud": "other"}, false},
		"aud missing":                {claims{"aud": nil}, false},
		"aud null":                   {claims{"aud": json.RawMessage("null")}, false},
		"aud empty":                  {claims{"aud": ""}, false},
		"aud empty list":             {claims{"aud": []string{}}, false},
		"aud substring":              {claims{"aud": "app2"}, false},
		"aud with space":             {claims{"aud": "app other"}, false},
		"aud comma":                  {claims{"aud": "app,other"}, false},
		"aud in other case":          {claims{"aud": "APP"}, false},
		"aud number":                 {claims{"aud": 1}, false},
		"aud object":                 {claims{"aud": claims{"app": true}}, false},
		"aud nested":                 {claims{"aud": []any{[]string{"app"}}}, false},
		"aud mixed":                  {claims{"aud": []any{"app", 1}}, false},
		"aud of two, no azp":         {claims{"aud": []string{"app", "api"}}, false},
		"aud of two, azp other":      {claims{"aud": []string{"app", "api"}, "azp": "api"}, false},
		"aud other, azp ours":        {claims{"aud": "api", "azp": "app"}, false},
		"azp other":                  {claims{"azp": "other"}, false},
		"azp empty":                  {claims{"azp": ""}, false},
		"azp list":                   {claims{"azp": []string{"app"}}, false},
		"sub missing":                {claims{"sub": nil}, false},
		"sub empty":                  {claims{"sub": ""}, false},
		"sub number":                 {claims{"sub": 1}, false},
		"sub null":                   {claims{"sub": json.RawMessage("null")}, false},
		"sub of 255":                 {claims{"sub": strings.Repeat("x", 255)}, true},
		"sub of 256":                 {claims{"sub": strings.Repeat("x", 256)}, false},
		"sub with a line break":      {claims{"sub": "a\nb"}, false},
		"nonce other":                {claims{"nonce": "other"}, false},
		"nonce missing":              {claims{"nonce": nil}, false},
		"nonce empty":                {claims{"nonce": ""}, false},
		"nonce prefix":               {claims{"nonce": "n0nc"}, false},
		"nonce list":                 {claims{"nonce": []string{"n0nce"}}, false},
		"at_hash of another token":   {claims{"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, false},
		"at_hash empty":              {claims{"at_hash": ""}, false},
		"at_hash number":             {claims{"at_hash": 1}, false},
		"hd number":                  {claims{"hd": 1}, true}, // counts as missing: checkDomain refuses it where it is wanted
		"at_hash null":               {claims{"at_hash": json.RawMessage("null")}, true},
		"azp null":                   {claims{"azp": json.RawMessage("null")}, true},
		"email null":                 {claims{"email": json.RawMessage("null"), "email_verified": json.RawMessage("null")}, true},
		"name of a wrong type":       {claims{"name": 1}, true},
		"email of a wrong type":      {claims{"email": []string{"a@example.com"}, "email_verified": true}, true},
		"nothing but a good at_hash": {claims{"at_hash": atHash("at")}, true},
	} {
		c, err := b.check(b.token(tt.change))
		if (err == nil) != tt.ok || (c != nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func atHash(access string) string {
	sum := sha256.Sum256([]byte(access))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func TestJ12_IDTokenTimes(t *testing.T) {
	b := newBench(t)
	sec := func(d time.Duration) int64 { return at.Add(d).Unix() }
	for name, tt := range map[string]struct {
		change claims
		maxAge time.Duration
		ok     bool
	}{
		"exp at the end of leeway":       {claims{"exp": sec(-time.Minute + time.Second)}, 0, true},
		"exp after leeway":               {claims{"exp": sec(-time.Minute)}, 0, false},
		"exp missing":                    {claims{"exp": nil}, 0, false},
		"exp null":                       {claims{"exp": json.RawMessage("null")}, 0, false},
		"exp text":                       {claims{"exp": "1800003600"}, 0, false},
		"exp zero":                       {claims{"exp": 0}, 0, false},
		"exp negative":                   {claims{"exp": -1}, 0, false},
		"exp huge":                       {claims{"exp": json.RawMessage("1e300")}, 0, false},
		"exp wraps":                      {claims{"exp": json.RawMessage("18446744073709551616")}, 0, false},
		"iat in leeway":                  {claims{"iat": sec(time.Minute)}, 0, true},
		"iat in the future":              {claims{"iat": sec(time.Minute + time.Second)}, 0, false},
		"iat missing":                    {claims{"iat": nil}, 0, false},
		"iat text":                       {claims{"iat": "1"}, 0, false},
		"nbf in leeway":                  {claims{"nbf": sec(time.Minute)}, 0, true},
		"nbf in the future":              {claims{"nbf": sec(time.Minute + time.Second)}, 0, false},
		"nbf text":                       {claims{"nbf": "1"}, 0, false},
		"nbf null":                       {claims{"nbf": json.RawMessage("null")}, 0, true},
		"iat null":                       {claims{"iat": json.RawMessage("null")}, 0, false},
		"auth_time null":                 {claims{"auth_time": json.RawMessage("null")}, 5 * time.Minute, false},
		"auth_time text, not asked for":  {claims{"auth_time": "1800000000"}, 0, true},
		"auth_time not asked for":        {claims{"auth_time": sec(-24 * time.Hour)}, 0, true},
		"auth_time recent":               {claims{"auth_time": sec(-5 * time.Minute)}, 5 * time.Minute, true},
		"auth_time at the end of leeway": {claims{"auth_time": sec(-6 * time.Minute)}, 5 * time.Minute, true},
		"auth_time too long ago":         {claims{"auth_time": sec(-6*time.Minute - time.Second)}, 5 * time.Minute, false},
		"auth_time missing":              {nil, 5 * time.Minute, false},
		"auth_time in the future":        {claims{"auth_time": sec(2 * time.Minute)}, 5 * time.Minute, false},
		"auth_time text":                 {claims{"auth_time": "1800000000"}, 5 * time.Minute, false},
		"auth_time very long ago":        {claims{"auth_time": json.RawMessage("-9007199254740992")}, 5 * time.Minute, false},
	} {
		b.want.maxAge = tt.maxAge
		if _, err := b.check(b.token(tt.change)); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestJ14_OtherTokensAreNoIDToken: what else is signed with a provider's keys does not sign anybody in.
func TestJ14_OtherTokensAreNoIDToken(t *testing.T) {
	b := newBench(t)
	payload := `{"iss":"https://id.example","sub":"1","aud":"app","iat":1800000000,"exp":1800003600,"nonce":"n0nce"}`
	for typ, ok := range map[string]bool{
		"": true, "JWT": true, "jwt": true,
		"at+jwt": false, "application/at+jwt": false, "logout+jwt": false, "dpop+jwt": false, "secevent+jwt": false, "oauth-authz-req+jwt": false, "refresh": false,
	} {
		if _, err := b.check(b.sign(typ, payload)); (err == nil) != ok {
			t.Errorf("typ %q: %v", typ, err)
		}
	}
	for name, payload := range map[string]string{
		"a list": `[]`, "text": `"x"`, "nothing": ``, "two": payload + payload, "aud twice": strings.Replace(payload, `"aud"`, `"aud":"other","aud"`, 1),
		"not UTF-8": strings.Replace(payload, "n0nce", "\xff", 1),
	} {
		if _, err := b.check(b.sign("JWT", payload)); err == nil {
			t.Errorf("payload is %s: accepted", name)
		}
	}
}

// TestIDToken_NamesKeepTheirCase: a claim of the provider's own, such as Email beside email, is another claim.
func TestIDToken_NamesKeepTheirCase(t *testing.T) {
	b := newBench(t)
	c, err := b.check(b.token(claims{"email": "a@example.com", "Email": "b@example.com", "AUD": "other", "Sub": "2", "NONCE": "x", "eXp": 1}))
	if err != nil || c.Email != "a@example.com" || c.Subject != "1" {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := b.check(b.token(claims{"aud": nil, "AUD": "app"})); err == nil {
		t.Error("AUD in place of aud is taken")
	}
}

func TestJ2_AlgorithmIsThatOfTheKey(t *testing.T) {
	b := newBench(t)
	good := b.token(nil)
	for name, change := range map[string]func(*expected){
		"not in the list":     func(e *expected) { e.algorithms = []keys.Algorithm{keys.RS256} },
		"no algorithm at all": func(e *expected) { e.algorithms = nil },
		"no nonce was sent":   func(e *expected) { e.nonce = "" },
	} {
		want := b.want
		change(&want)
		if _, err := checkIDToken(t.Context(), good, want); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	// An attempt without a nonce signs nobody in, whatever the nonce of the token.
	for _, nonce := range []any{"", nil, json.RawMessage("null"), "n0nce"} {
		want := b.want
		want.nonce = ""
		if _, err := checkIDToken(t.Context(), b.token(claims{"nonce": nonce}), want); err == nil {
			t.Errorf("no nonce was sent, nonce %v: accepted", nonce)
		}
	}
	// A key for ES256 does not verify a token that says otherwise, even where that is allowed.
	parts := strings.Split(good, ".")
	want := b.want
	want.algorithms = asymmetric()
	for _, alg := range []string{"RS256", "ES384", "EdDSA", "HS256", "none", "NONE", "es256", ""} {
		header, _ := json.Marshal(map[string]string{"alg": alg, "kid": b.key.Public().ID()})
		token := base64.RawURLEncoding.EncodeToString(header) + "." + parts[1] + "." + parts[2]
		if _, err := checkIDToken(t.Context(), token, want); err == nil {
			t.Errorf("alg %q: accepted", alg)
		}
	}
	if _, err := checkIDToken(t.Context(), parts[0]+"."+parts[1]+".", b.want); err == nil {
		t.Error("no signature: accepted")
	}
	other := newBench(t)
	want.keys = other.want.keys
	if _, err := checkIDToken(t.Context(), good, want); !errors.Is(err, keys.ErrUnknownKey) {
		t.Errorf("signed with a key that is not published: %v", err)
	}
}

// TestAtHash is the rule of Core section 3.1.3.6 for each length of hash.
func TestAtHash(t *testing.T) {
	const access = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
	sum384, sum512 := sha512.Sum384([]byte(access)), sha512.Sum512([]byte(access))
	for alg, want := range map[string]string{
		"RS256": "77QmUPtjPfzWtF2AnpK9RQ", // the example of Core appendix A.3
		"ES256": "77QmUPtjPfzWtF2AnpK9RQ",
		"PS256": "77QmUPtjPfzWtF2AnpK9RQ",
		"RS384": base64.RawURLEncoding.EncodeToString(sum384[:24]),
		"ES512": base64.RawURLEncoding.EncodeToString(sum512[:32]),
		"EdDSA": base64.RawURLEncoding.EncodeToString(sum512[:32]),
	} {
		c := &idClaims{hasAtHash: true, atHash: want}
		if err := c.checkAccessToken(alg, access); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		if err := c.checkAccessToken(alg, access+"x"); err == nil {
			t.Errorf("%s: another access token fits", alg)
		}
		c.atHash += "="
		if err := c.checkAccessToken(alg, access); err == nil {
			t.Errorf("%s: padding is taken", alg)
		}
	}
}

func TestIDTokenErrorsHoldNothingOfTheToken(t *testing.T) {
	b := newBench(t)
	const canary = "c4nary"
	for _, token := range []string{
		b.token(claims{"iss": canary}), b.token(claims{"sub": "\n" + canary}), b.token(claims{"aud": canary}), b.token(claims{"nonce": canary}),
		b.token(claims{"exp": canary}), b.sign(canary, "{}"), b.sign("", canary), canary, canary + "." + canary + "." + canary,
	} {
		if _, err := b.check(token); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%v", err)
		}
	}
	if err := refuseIDToken(keys.ErrUnavailable); !errors.Is(err, keys.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}

// FuzzIDToken: of all texts only what the provider signed passes, and only if its claims are right.
func FuzzIDToken(f *testing.F) {
	// The same key in every process of a run, or no seed would be a good token in another.
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{7}, 32))
	if err != nil {
		f.Fatal(err)
	}
	key, err := keys.NewSigningKey(private, keys.ES256, "k1")
	if err != nil {
		f.Fatal(err)
	}
	b := benchOf(f, key)
	signed := map[string]string{} // what was signed -> subject
	for _, sub := range []string{"1", "2"} {
		token := b.token(claims{"sub": sub, "email": "a@example.com", "email_verified": true, "at_hash": atHash("at")})
		signed[token[:strings.LastIndexByte(token, '.')]] = sub
		f.Add(token)
		if _, err := b.check(token); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(b.token(claims{"aud": []string{"app", "x"}}))
	f.Add(b.sign("at+jwt", "{}"))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		c, err := checkIDToken(t.Context(), token, b.want)
		if err != nil {
			if c != nil {
				t.Fatal("claims beside an error")
			}
			return
		}
		sub, known := signed[token[:strings.LastIndexByte(token, '.')]]
		if !known || c.Subject != sub || c.issuer != b.want.issuer {
			t.Fatalf("accepted %q", token)
		}
	})
}

func FuzzClaims(f *testing.F) {
	f.Add(`{"iss":"https://id.example","sub":"1","aud":["app","b"],"azp":"app","exp":1800003600,"iat":1800000000,"nonce":"n0nce","email":"A@b.example","email_verified":true}`)
	f.Add(`{"aud":"app","exp":1.8e9,"sub":"x","phone_number":"+12025550123","picture":"https://x/y"}`)
	want := expected{issuer: "https://id.example", client: "app", nonce: "n0nce", now: at, leeway: time.Minute}
	f.Fuzz(func(t *testing.T, payload string) {
		c, err := readClaims(payload, false)
		if err != nil || c.check(want) != nil {
			return
		}
		var plain struct {
			Iss, Sub, Nonce string
			Exp             float64
		}
		if err := json.Unmarshal([]byte(payload), &plain); err != nil {
			t.Fatalf("encoding/json refuses what was accepted: %v", err)
		}
		if plain.Iss != want.issuer || plain.Sub != c.Subject || plain.Nonce != want.nonce || plain.Exp < float64(at.Unix())-61 {
			t.Fatalf("accepted %s", payload)
		}
		id := c.Identity(c.issuer)
		for _, a := range id.Addresses {
			if a.Verified && !strings.Contains(payload, "true") || a.Value != strings.ToLower(a.Value) {
				t.Fatalf("%+v", a)
			}
		}
	})
}
