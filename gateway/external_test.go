package gateway_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/lambdahttp"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
	"github.com/posternauth/postern/session"
)

// anyClaims is the payload of somebody else's token.
type anyClaims map[string]any

// A vendor is an issuer of others: what its tokens look like, and how they are trusted.
type vendor struct {
	name   string
	trust  session.ExternalConfig
	typ    string
	claims map[string]any
	bad    []map[string]any // changes that must make it invalid
}

func vendors(now int64) []vendor {
	rs256 := []keys.Algorithm{keys.RS256}
	return []vendor{
		{"Auth0 access token", session.ExternalConfig{Issuer: "https://tenant.eu.auth0.com/", Audience: "https://api.example.com", Algorithms: rs256}, "JWT",
			map[string]any{"iss": "https://tenant.eu.auth0.com/", "sub": "auth0|507f1f77bcf86cd799439011", "aud": []string{"https://api.example.com", "https://tenant.eu.auth0.com/userinfo"},
				"iat": now, "exp": now + 86400, "azp": "my_client_id", "scope": "openid profile read:orders", "gty": "password", "permissions": []string{"read:orders"}},
			[]map[string]any{{"iss": "https://tenant.eu.auth0.com"}, {"aud": "https://tenant.eu.auth0.com/userinfo"}, {"aud": nil}, {"exp": nil}, {"sub": nil}}},
		{"Cognito access token", session.ExternalConfig{Issuer: "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI", Clients: []string{"1example23456789"}, Algorithms: rs256}, "",
			map[string]any{"iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI", "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "client_id": "1example23456789",
				"origin_jti": "o1", "event_id": "e1", "token_use": "access", "scope": "aws.cognito.signin.user.admin read:orders", "auth_time": now, "exp": now + 3600, "iat": now,
				"jti": "j1", "username": "bob", "version": 2, "cognito:groups": []string{"admins"}},
			[]map[string]any{{"client_id": "other"}, {"client_id": nil}, {"client_id": nil, "aud": "1example23456789", "token_use": "id"}, {"aud": "https://other-resource"}, {"client_id": []string{"1example23456789"}}}},
		{"Cognito ID token", session.ExternalConfig{Issuer: "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI", Audience: "1example23456789", Algorithms: rs256}, "",
			map[string]any{"iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI", "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "aud": "1example23456789",
				"token_use": "id", "auth_time": now, "exp": now + 3600, "iat": now, "jti": "j1", "cognito:username": "bob", "email": "bob@example.com", "email_verified": true,
				"identities": []map[string]any{{"providerName": "Google", "primary": "true"}}},
			[]map[string]any{{"aud": nil, "client_id": "1example23456789", "token_use": "access"}, {"aud": "other"}}},
		{"Clerk session token", session.ExternalConfig{Issuer: "https://clerk.example.com", Clients: []string{"https://app.example.com", "http://localhost:3000"}, Algorithms: rs256}, "JWT",
			map[string]any{"azp": "https://app.example.com", "exp": now + 60, "fva": []int{1, -1}, "iat": now, "iss": "https://clerk.example.com", "jti": "j1", "nbf": now - 10,
				"o": map[string]any{"id": "org_1", "rol": "admin", "slg": "acme"}, "role": "authenticated", "sid": "sess_1", "sts": "active", "sub": "user_1", "v": 2},
			[]map[string]any{{"azp": "https://evil.example"}, {"azp": nil}, {"exp": now - 60}, {"nbf": now + 90}, {"aud": "template"}}},
		{"Firebase ID token", session.ExternalConfig{Issuer: "https://securetoken.google.com/my-project", Audience: "my-project", Algorithms: rs256}, "JWT",
			map[string]any{"iss": "https://securetoken.google.com/my-project", "aud": "my-project", "auth_time": now, "user_id": "uid1", "sub": "uid1", "iat": now, "exp": now + 3600,
				"email": "bob@example.com", "email_verified": false, "firebase": map[string]any{"identities": map[string]any{"email": []string{"bob@example.com"}}, "sign_in_provider": "password"}},
			[]map[string]any{{"aud": "other-project"}, {"iss": "https://securetoken.google.com/other-project"}, {"sub": ""}}},
	}
}

// keySets are ways in which the keys of an issuer come: a JWK Set with others in it, a PEM key, a certificate.
func keySets(t *testing.T, key *rsa.PrivateKey) map[string]keys.Verifier {
	t.Helper()
	public := must(keys.NewPublicKey(&key.PublicKey, keys.RS256, "k1"))(t)
	old := must(keys.Generate(keys.RS256))(t)
	set := must(keys.JWKS([]*keys.PublicKey{old.Public(), public}))(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tenant.eu.auth0.com"}, NotAfter: time.Now().Add(time.Hour)}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))(t)
	spki := must(x509.MarshalPKIXPublicKey(&key.PublicKey))(t)
	return map[string]keys.Verifier{
		"JWKS":        must(keys.Static(must(keys.ParseJWKS(set, keys.RS256))(t)...))(t),
		"PEM":         must(keys.Static(must(keys.ParsePublicPEM(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}), keys.RS256, ""))(t)))(t),
		"certificate": must(keys.Static(must(keys.ParsePublicPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), keys.RS256, ""))(t)))(t),
	}
}

// TestExternal_Vendors: tokens as the large issuers shape them, through authorizers of each kind.
func TestExternal_Vendors(t *testing.T) {
	w := newWorld(t)
	private := must(rsa.GenerateKey(rand.Reader, 2048))(t)
	key := must(keys.NewSigningKey(private, keys.RS256, "k1"))(t)
	ec := must(keys.NewSigningKey(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t), keys.ES256, "k1"))(t)
	sets := keySets(t, private)
	for _, v := range vendors(w.Now().Unix()) {
		for how, set := range sets {
			t.Run(v.name+", "+how, func(t *testing.T) {
				c := v.trust
				c.Keys, c.Now = set, w.Now
				foreign := must(session.NewExternal[anyClaims](c))(t)
				with := func(change map[string]any) map[string]any {
					claims := map[string]any{}
					for _, m := range []map[string]any{v.claims, change} {
						for name, value := range m {
							claims[name] = value
							if value == nil {
								delete(claims, name)
							}
						}
					}
					return claims
				}
				good := w.sign(key, v.typ, v.claims)
				for _, kind := range kinds {
					got, out := w.asks(kind, "Bearer "+good, gateway.Config{Guard: session.AnyOf(w.user, foreign)})
					if got != "allow" {
						t.Errorf("%s: %s", kind, got)
					} else {
						checkAnswer(t, out)
					}
					if got, _ := w.asks(kind, "Bearer "+w.sign(ec, v.typ, v.claims), gateway.Config{Guard: foreign}); got != refused(kind) {
						t.Errorf("%s, another algorithm: %s", kind, got)
					}
				}
				for _, change := range v.bad {
					if got, out := w.asks("REST", "Bearer "+w.sign(key, v.typ, with(change)), gateway.Config{Guard: foreign}); got != "401" {
						t.Errorf("%v: %s %s", change, got, out)
					}
				}
				// The function behind has all of the payload.
				_, out := w.asks("2.0", "Bearer "+good, gateway.Config{Guard: foreign})
				var answer struct{ Context map[string]any }
				if err := json.Unmarshal(out, &answer); err != nil {
					t.Fatal(err)
				}
				event := must(json.Marshal(map[string]any{"version": "2.0", "requestContext": map[string]any{"apiId": "x", "authorizer": map[string]any{"lambda": answer.Context}}}))(t)
				s, err := gateway.Read(t.Context(), foreign, event)
				if err != nil || s.Subject != v.claims["sub"] || len(s.Properties) != len(v.claims) {
					t.Errorf("behind the authorizer: %+v, %v", s, err)
				}
			})
		}
	}
}

// TestExternal_JWTAuthorizer: the token of another issuer, checked by a JWT authorizer, as a typed session.
func TestExternal_JWTAuthorizer(t *testing.T) {
	w, jwt := newIssuer(t)
	foreign := must(session.NewExternal[struct {
		Email string `json:"email"`
	}](session.ExternalConfig{Issuer: jwt.Issuer, Audience: audience, Algorithms: []keys.Algorithm{keys.RS256}, Keys: downKeys{}, Now: w.Now}))(t)
	h := gateway.FromAuthorizer(foreign).Require(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s, _ := foreign.From(r.Context())
		_, _ = rw.Write([]byte(s.Subject + " " + s.Properties.Email))
	}), session.Scope("read"))
	f := lambdatest.Func(must(lambdahttp.New(h, lambdahttp.Config{}))(t).Invoke)
	g := must(lambdatest.New(lambdatest.Config{Type: lambdatest.HTTPAPI, Stage: "prod", Now: w.Now, Routes: []lambdatest.Route{{Path: "/a", Function: f, Authorizer: jwt}}}))(t)
	token := w.sign(w.key, "JWT", map[string]any{"iss": jwt.Issuer, "aud": audience, "sub": "u9", "exp": w.Now().Unix() + 60, "scope": "read write", "email": "bob@example.com", "amr": []string{"pwd"}, "null": nil})
	name, value := bearer(token)
	if rec := call(g, "GET", "/a", name, value); rec.Code != 200 || rec.Body.String() != "u9 bob@example.com" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}
