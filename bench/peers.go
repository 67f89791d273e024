package main

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	golang "github.com/golang-jwt/jwt/v5"
	"github.com/kataras/jwt"
	"github.com/lestrrat-go/jwx/v3/jwa"
	jwx "github.com/lestrrat-go/jwx/v3/jwt"
	"github.com/posternauth/postern/keys"
)

// A peer is a library under test, set up as its documentation has it: keys and parsers are made once, and issuer,
// audience and expiry are checked. verify reads the token into typed values; sign makes a token of the same content.
// Either is nil if the library does not do it for the algorithm.
type peer struct {
	name   string
	verify func(token string) error
	sign   func() (string, error)
}

// goPeers are the contenders in this process, ours first.
func goPeers() []func(*material) (peer, error) {
	return []func(*material) (peer, error){ours, golangJWT, goJOSE, jwxPeer, kataras, goOIDC, superTokens}
}

func golangJWT(m *material) (peer, error) {
	type claims struct {
		golang.RegisteredClaims
		Claims
	}
	alg := string(m.alg)
	parser := golang.NewParser(golang.WithValidMethods([]string{alg}), golang.WithIssuer(issuer), golang.WithAudience(audience),
		golang.WithExpirationRequired(), golang.WithIssuedAt())
	find := func(t *golang.Token) (any, error) {
		if t.Header["kid"] != kid {
			return nil, errors.New("unknown key")
		}
		return m.keyFor(), nil
	}
	return peer{"golang-jwt", func(token string) error {
		var c claims
		if _, err := parser.ParseWithClaims(token, &c, find); err != nil {
			return err
		}
		return right(c.Type, c.Properties, c.Roles)
	}, func() (string, error) {
		now := time.Now()
		t := golang.NewWithClaims(golang.GetSigningMethod(alg), claims{golang.RegisteredClaims{
			Issuer: issuer, Audience: golang.ClaimStrings{audience}, Subject: alice.UserID, ID: "0123456789abcdef",
			IssuedAt: golang.NewNumericDate(now), ExpiresAt: golang.NewNumericDate(now.Add(time.Hour)),
		}, Claims{"user", alice, roles}})
		t.Header["kid"] = kid
		return t.SignedString(m.keyToSign())
	}}, nil
}

func goJOSE(m *material) (peer, error) {
	type claims struct {
		josejwt.Claims
		Mine Claims `json:"-"`
	}
	algs := []jose.SignatureAlgorithm{jose.SignatureAlgorithm(m.alg)}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algs[0], Key: jose.JSONWebKey{Key: m.keyToSign(), KeyID: kid}},
		(&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		return peer{}, err
	}
	return peer{"go-jose", func(token string) error {
		t, err := josejwt.ParseSigned(token, algs)
		if err != nil {
			return err
		}
		var c claims
		if err := t.Claims(m.keyFor(), &c.Claims, &c.Mine); err != nil {
			return err
		}
		if err := c.Validate(josejwt.Expected{Issuer: issuer, AnyAudience: josejwt.Audience{audience}, Time: time.Now()}); err != nil {
			return err
		}
		return right(c.Mine.Type, c.Mine.Properties, c.Mine.Roles)
	}, func() (string, error) {
		now := time.Now()
		return josejwt.Signed(signer).Claims(josejwt.Claims{
			Issuer: issuer, Audience: josejwt.Audience{audience}, Subject: alice.UserID, ID: "0123456789abcdef",
			IssuedAt: josejwt.NewNumericDate(now), Expiry: josejwt.NewNumericDate(now.Add(time.Hour)),
		}).Claims(Claims{"user", alice, roles}).Serialize()
	}}, nil
}

func jwxPeer(m *material) (peer, error) {
	alg, ok := jwa.LookupSignatureAlgorithm(string(m.alg))
	if !ok {
		return peer{}, fmt.Errorf("jwx does not know %s", m.alg)
	}
	options := []jwx.ParseOption{
		jwx.WithKey(alg, m.keyFor()), jwx.WithIssuer(issuer), jwx.WithAudience(audience),
		jwx.WithTypedClaim("properties", User{}), jwx.WithTypedClaim("roles", []string{}),
	}
	return peer{"jwx", func(token string) error {
		t, err := jwx.ParseString(token, options...)
		if err != nil {
			return err
		}
		var c Claims
		if err := errors.Join(t.Get("type", &c.Type), t.Get("properties", &c.Properties), t.Get("roles", &c.Roles)); err != nil {
			return err
		}
		return right(c.Type, c.Properties, c.Roles)
	}, func() (string, error) {
		now := time.Now()
		t, err := jwx.NewBuilder().Issuer(issuer).Audience([]string{audience}).Subject(alice.UserID).JwtID("0123456789abcdef").
			IssuedAt(now).Expiration(now.Add(time.Hour)).Claim("type", "user").Claim("properties", alice).Claim("roles", roles).Build()
		if err != nil {
			return "", err
		}
		b, err := jwx.Sign(t, jwx.WithKey(alg, m.keyToSign()))
		return string(b), err
	}}, nil
}

func kataras(m *material) (peer, error) {
	alg := map[keys.Algorithm]jwt.Alg{keys.RS256: jwt.RS256, keys.ES256: jwt.ES256, keys.EdDSA: jwt.EdDSA, keys.HS256: jwt.HS256}[m.alg]
	// Its own check of the header compares it with the one text that it writes itself, without kid.
	header := func(name string, data []byte) (jwt.Alg, jwt.PublicKey, jwt.InjectFunc, error) {
		var h struct{ Alg, Kid string }
		if err := json.Unmarshal(data, &h); err != nil {
			return nil, nil, nil, err
		}
		if h.Alg != name || h.Kid != kid {
			return nil, nil, nil, errors.New("unknown key")
		}
		return nil, nil, nil, nil
	}
	expected := jwt.Expected{Issuer: issuer, Audience: jwt.Audience{audience}}
	return peer{"kataras/jwt", func(token string) error {
		t, err := jwt.VerifyWithHeaderValidator(alg, m.keyFor(), []byte(token), header, expected)
		if err != nil {
			return err
		}
		var c Claims
		if err := t.Claims(&c); err != nil {
			return err
		}
		return right(c.Type, c.Properties, c.Roles)
	}, func() (string, error) {
		now := time.Now()
		b, err := jwt.Sign(alg, m.keyToSign(), Claims{"user", alice, roles}, jwt.Claims{
			Issuer: issuer, Audience: jwt.Audience{audience}, Subject: alice.UserID, ID: "0123456789abcdef",
			IssuedAt: now.Unix(), Expiry: now.Add(time.Hour).Unix(),
		})
		return string(b), err
	}}, nil
}

func goOIDC(m *material) (peer, error) {
	if m.secret != nil {
		return peer{name: "go-oidc"}, nil
	}
	verifier := oidc.NewVerifier(issuer, &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{m.public}},
		&oidc.Config{ClientID: audience, SupportedSigningAlgs: []string{string(m.alg)}})
	return peer{name: "go-oidc", verify: func(token string) error {
		t, err := verifier.Verify(context.Background(), token)
		if err != nil {
			return err
		}
		var c Claims
		if err := t.Claims(&c); err != nil {
			return err
		}
		return right(c.Type, c.Properties, c.Roles)
	}}, nil
}
