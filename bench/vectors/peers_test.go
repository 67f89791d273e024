package vectors

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	gojose "github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwk"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/posternauth/postern/internal/test/hostile"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// A verifier reports whether it accepts a token of the corpus.
type verifier func(token string) bool

// The verifiers below are set up as their documentation recommends: algorithms pinned, issuer, audience and expiry
// required, the key found by kid in the JWKS, strict decoding where there is such a thing.
var libraries = []struct {
	name string
	make func(t *testing.T, c *hostile.Corpus, jwks []byte, leeway time.Duration) verifier
}{
	{"postern", postern}, {"golang-jwt", golangJWT}, {"go-jose", goJose}, {"jwx", jwx},
}

func postern(t *testing.T, c *hostile.Corpus, jwks []byte, leeway time.Duration) verifier {
	list, err := keys.ParseJWKS(jwks)
	if err != nil {
		t.Fatal(err)
	}
	set, err := keys.Static(list...)
	if err != nil {
		t.Fatal(err)
	}
	s, err := session.New(session.Config{Issuer: c.Issuer, Audience: c.Audience, Keys: set, Leeway: leeway, Now: func() time.Time { return c.Time }})
	if err != nil {
		t.Fatal(err)
	}
	life, err := time.ParseDuration(c.Access)
	if err != nil {
		t.Fatal(err)
	}
	type user struct {
		UserID string `json:"userID"`
	}
	kind := session.NewKindConfig(s, session.KindConfig[user]{Name: c.Kind, Stateless: true, Access: life})
	return func(token string) bool {
		_, err := kind.Verify(t.Context(), token)
		return err == nil
	}
}

var names = []string{"RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA", "HS256"}

func golangJWT(t *testing.T, c *hostile.Corpus, jwks []byte, leeway time.Duration) verifier {
	set := joseSet(t, jwks)
	parser := jwt.NewParser(jwt.WithValidMethods(names), jwt.WithIssuer(c.Issuer), jwt.WithAudience(c.Audience), jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(), jwt.WithLeeway(leeway), jwt.WithStrictDecoding(), jwt.WithTimeFunc(func() time.Time { return c.Time }))
	return func(token string) bool {
		_, err := parser.ParseWithClaims(token, &jwt.RegisteredClaims{}, func(tok *jwt.Token) (any, error) {
			kid, named := tok.Header["kid"].(string)
			for _, k := range set.Keys {
				if k.KeyID == kid || !named && len(set.Keys) == 1 {
					if k.Algorithm != tok.Method.Alg() {
						return nil, errors.New("algorithm")
					}
					return k.Key, nil
				}
			}
			return nil, errors.New("kid")
		})
		return err == nil
	}
}

func joseSet(t *testing.T, jwks []byte) (set gojose.JSONWebKeySet) {
	t.Helper()
	if err := json.Unmarshal(jwks, &set); err != nil {
		t.Fatal(err)
	}
	return set
}

func goJose(t *testing.T, c *hostile.Corpus, jwks []byte, leeway time.Duration) verifier {
	set := joseSet(t, jwks)
	var algs []gojose.SignatureAlgorithm
	for _, name := range names {
		algs = append(algs, gojose.SignatureAlgorithm(name))
	}
	return func(token string) bool {
		tok, err := josejwt.ParseSigned(token, algs)
		if err != nil || len(tok.Headers) != 1 {
			return false
		}
		h := tok.Headers[0]
		for _, k := range set.Keys {
			if k.KeyID == h.KeyID || h.KeyID == "" && len(set.Keys) == 1 {
				var claims josejwt.Claims
				return k.Algorithm == h.Algorithm && tok.Claims(k.Key, &claims) == nil && claims.Expiry != nil &&
					claims.ValidateWithLeeway(josejwt.Expected{Issuer: c.Issuer, AnyAudience: josejwt.Audience{c.Audience}, Time: c.Time}, leeway) == nil
			}
		}
		return false
	}
}

func jwx(t *testing.T, c *hostile.Corpus, jwks []byte, leeway time.Duration) verifier {
	set, err := jwk.Parse(jwks)
	if err != nil {
		t.Fatal(err)
	}
	return func(token string) (accepted bool) {
		_, err := jwxjwt.Parse([]byte(token), jwxjwt.WithKeySet(set), jwxjwt.WithIssuer(c.Issuer), jwxjwt.WithAudience(c.Audience),
			jwxjwt.WithRequiredClaim("exp"), jwxjwt.WithAcceptableSkew(leeway), jwxjwt.WithClock(jwxjwt.ClockFunc(func() time.Time { return c.Time })))
		return err == nil
	}
}

// TestJ10_CorpusPeers shows the corpus of hostile tokens to Postern and to others. What Postern accepts, one of the
// others accepts too, so its strictness is not a private idea of what a token is. -v prints who accepts how many
// hostile tokens, by the layer that has to notice: those of the profile, and of header typ, are the application's own
// business there.
func TestJ10_CorpusPeers(t *testing.T) {
	c, err := hostile.Load()
	if err != nil {
		t.Fatal(err)
	}
	leeway, err := time.ParseDuration(c.Leeway)
	if err != nil {
		t.Fatal(err)
	}
	legal := map[string]int{} // by case: how many others accept it
	accepted, refusedLegal := map[string]map[string]int{}, map[string]int{}
	total := map[string]int{}
	for _, lib := range libraries {
		sets := map[string]verifier{}
		for name, jwks := range c.JWKS {
			sets[name] = lib.make(t, c, jwks, leeway)
		}
		accepted[lib.name] = map[string]int{}
		for _, one := range c.Cases {
			layer := string(one.Layer)
			if one.Group == "kind" {
				layer = string(hostile.Profile)
			}
			if one.Group == "dos" && len(one.Text()) > 1<<20 {
				continue // minutes, for some
			}
			ok := sets[one.Keys](one.Text())
			name := one.Group + ": " + one.Name
			switch {
			case one.Accept && lib.name == "postern":
				if !ok {
					t.Errorf("%s is refused", name)
				}
				legal[name] += 0
			case one.Accept && ok:
				legal[name]++
			case one.Accept:
				refusedLegal[lib.name]++
			case ok:
				accepted[lib.name][layer]++
			}
			if !one.Accept && lib.name == "postern" {
				total[layer]++
			}
		}
	}
	for name, n := range legal {
		if n == 0 {
			t.Errorf("%s: no other library accepts it", name)
		}
	}
	for _, n := range accepted["postern"] {
		t.Errorf("postern accepts %d hostile tokens", n)
	}
	out := fmt.Sprintf("\n%-12s %10s %10s %10s %10s %15s", "", "signature", "json", "claims", "profile", "legal refused")
	out += fmt.Sprintf("\n%-12s %10d %10d %10d %10d %15d", "of", total["signature"], total["json"], total["claims"], total["profile"], len(legal))
	for _, lib := range libraries {
		a := accepted[lib.name]
		out += fmt.Sprintf("\n%-12s %10d %10d %10d %10d %15d", lib.name, a["signature"], a["json"], a["claims"], a["profile"], refusedLegal[lib.name])
		if lib.name != "postern" && a["signature"] > total["signature"]/2 {
			t.Errorf("%s accepts half of everything: it is not set up right", lib.name)
		}
	}
	t.Log(out)
}
