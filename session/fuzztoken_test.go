package session_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// fuzzWorld has the same key in every process of a fuzz run.
func fuzzWorld(t testing.TB) *world {
	key := must(keys.NewSigningKey(ed25519.NewKeyFromSeed([]byte("a seed that is known to everybody")[:32]), keys.EdDSA, "k1"))(t)
	w := newWorld(t, func(c *session.Config) {
		c.Keys = must(keys.StaticSigner(key))(t)
	})
	w.key = key
	return w
}

// FuzzToken: of all texts only the tokens that were signed pass, whether they are verified or sent in a header.
func FuzzToken(f *testing.F) {
	w := fuzzWorld(f)
	signed := map[string]string{}
	for _, sub := range []string{"u1", "u2"} {
		signed[w.sign(w.with("sub", sub))] = sub
	}
	for token := range signed {
		f.Add(token)
		f.Add(strings.Replace(token, ".", ".=", 1))
	}
	f.Add(w.signAs(w.key, "JWT", w.claims()))
	f.Add(w.sign(w.with("type", "apikey")))
	f.Add(w.sign(w.with("exp", 1)))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	h := w.user.Require(w.whoami())
	f.Fuzz(func(t *testing.T, token string) {
		sub, ok := signed[token]
		s, err := w.user.Verify(t.Context(), token)
		if (err == nil) != ok || ok && s.Subject != sub || !ok && s != nil {
			t.Fatalf("%q: %+v, %v", token, s, err)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Authorization"] = []string{"Bearer " + token}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		// More space between scheme and credential is allowed; the credential is the same.
		if sub, ok := signed[strings.TrimLeft(token, " ")]; (rec.Code == http.StatusOK) != ok || ok && rec.Body.String() != sub {
			t.Fatalf("%q as a header: %d", token, rec.Code)
		}
		if rec.Code >= 500 {
			t.Fatalf("%q as a header: %d", token, rec.Code)
		}
	})
}

// FuzzSigned: of tokens that the right key signed only those pass whose header and claims, to encoding/json as well,
// are those of a living session of this issuer, audience and kind.
func FuzzSigned(f *testing.F) {
	w := fuzzWorld(f)
	header := `{"alg":"EdDSA","kid":"k1","typ":"at+jwt"}`
	good := string(must(json.Marshal(w.claims()))(f))
	f.Add(header, good)
	f.Add(`{"typ":"application/AT+JWT","kid":"k1","alg":"EdDSA","x":[{"crit":1}]}`, strings.Replace(good, `"aud":"api"`, `"aud":["b","api"]`, 1))
	f.Add(`{"alg":"EdDSA","kid":"k1","typ":"at+jwt","crit":["x"]}`, good)
	f.Add(`{"alg":"EdDSA","kid":"k1","typ":"at+jwt","alg":"none"}`, strings.Replace(good, `{`, `{"iss":"x",`, 1))
	f.Add(`{"alg":"EdDSA","kid":"k1","typ":"JWT"}`, strings.Replace(good, `"properties":{`, `"properties":{"userID":"x","UserID":"y",`, 1))
	now := float64(w.Now().Unix())
	f.Fuzz(func(t *testing.T, header, payload string) {
		input := []byte(base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload)))
		token := jose.Compact(input, must(w.key.Sign(t.Context(), input))(t))
		s, err := w.user.Verify(t.Context(), token)
		if err != nil {
			return
		}
		h, err := session.Unmarshal(header)
		if err != nil {
			t.Fatalf("header %q: %v", header, err)
		}
		c, err := session.Unmarshal(payload)
		if err != nil {
			t.Fatalf("payload %q: %v", payload, err)
		}
		typ, _ := h["typ"].(string)
		typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
		if kid, named := h["kid"]; h["alg"] != "EdDSA" || named && kid != "k1" && kid != "" || typ != "at+jwt" || h["crit"] != nil || h["jwk"] != nil || h["jku"] != nil {
			t.Fatalf("header %s passes", header)
		}
		audience, _ := c["aud"].([]any)
		if one, ok := c["aud"].(string); ok {
			audience = []any{one}
		}
		exp, iat := session.Number(c["exp"]), session.Number(c["iat"])
		if c["iss"] != issuer || !slices.Contains(audience, any("api")) || c["type"] != "user" || exp+30 < now || iat-31 > now || exp-iat > 3632 {
			t.Fatalf("claims %s pass", payload)
		}
		if s.Subject != c["sub"] || s.Subject == "" || s.ID != c["sid"] || s.TokenID != c["jti"] || s.ClientID != c["client_id"] ||
			math.Abs(float64(s.Expires.Unix())-exp) > 1 || s.Expires.Sub(w.Now()) > time.Hour+time.Minute {
			t.Fatalf("claims %s are read as %+v", payload, s)
		}
		var p struct {
			Properties User `json:"properties"`
		}
		if err := json.Unmarshal([]byte(payload), &p); err != nil || p.Properties != s.Properties {
			t.Fatalf("properties of %s are read as %+v: %v", payload, s.Properties, err)
		}
	})
}
