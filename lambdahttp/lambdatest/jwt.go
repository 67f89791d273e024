package lambdatest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	_ "crypto/sha256" // the three hashes of RS256, RS384 and RS512
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A JWTAuthorizer checks tokens in the gateway itself, with the keys that the issuer publishes. It knows RSA signatures
// only: RS256, RS384 and RS512. The same pointer in several routes is one authorizer, with one cache of keys.
//
// HTTP APIs: a key set is kept for two hours, so a key must be published two hours before
// tokens are signed with it. Claims reach the function as strings.
//
// REST APIs: the key set is kept for an hour, an unknown kid makes the gateway fetch it again, and claims keep their
// JSON types. AWS has several algorithms; this simulator checks RSA alone. A missing scope is a 403, anything else a
// 401: AWS documents that for HTTP APIs, and here it is the same.
//
// Sources: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html,
// https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-jwt-authorizer.html and its pages on keys and
// claims.
type JWTAuthorizer struct {
	// Issuer is the exact iss, and the base of /.well-known/openid-configuration. Required, with https.
	Issuer string
	// Audience lists the values of which aud, or client_id where there is no aud, must name one. Required.
	Audience []string
	// IdentitySource is where the token is, with or without "Bearer".
	//
	// Defaults to the Authorization header, in the
	// notation of [LambdaAuthorizer].IdentitySource.
	IdentitySource string
	// HTTPClient fetches the discovery document and the keys.
	// Defaults to a new client that follows no redirects.
	HTTPClient *http.Client
	// FetchTimeout is how long each of the two may take. A test on a busy machine may need more.
	// Defaults to 1500 ms, as on AWS.
	FetchTimeout time.Duration
	// AllowHTTP allows http for Issuer and its key set, for a test server. API Gateway never does.
	AllowHTTP bool
}

type jwtGuard struct {
	g      *Gateway
	a      JWTAuthorizer
	source source
	keys   *keySet
}

func (a *JWTAuthorizer) compile(g *Gateway, _ *Route) (guard, error) {
	if g.websocket {
		return nil, errors.New("WebSocket APIs have no JWT authorizer")
	}
	j := &jwtGuard{g: g, a: *a}
	u, err := url.Parse(a.Issuer)
	switch {
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("JWTAuthorizer.Issuer must be an absolute URL without query and fragment")
	case u.Scheme != "https" && (u.Scheme != "http" || !a.AllowHTTP):
		return nil, errors.New("JWTAuthorizer.Issuer must be on https")
	case a.FetchTimeout < 0:
		return nil, errors.New("JWTAuthorizer.FetchTimeout must not be negative")
	case len(a.Audience) == 0:
		return nil, errors.New("JWTAuthorizer.Audience is empty: name the audiences you accept")
	}
	if j.a.IdentitySource == "" {
		j.a.IdentitySource = "$request.header.Authorization"
		if g.cfg.Type == REST {
			j.a.IdentitySource = "method.request.header.Authorization"
		}
	}
	if j.source, err = g.identitySource(j.a.IdentitySource); err != nil {
		return nil, fmt.Errorf("JWTAuthorizer: %w", err)
	}
	client := a.HTTPClient
	if client == nil {
		client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	j.keys = &keySet{client: client, issuer: a.Issuer, allowHTTP: a.AllowHTTP, timeout: a.FetchTimeout, now: g.cfg.Now, keep: 2 * time.Hour}
	setDefault(&j.keys.timeout, fetchTimeout)
	if g.cfg.Type == REST {
		j.keys.keep, j.keys.refetch = time.Hour, true
	}
	return j, nil
}

func (j *jwtGuard) flush() { j.keys.flush() }

// authorize checks in the order of the vendor's page: the token is there, it decodes, its algorithm and signature, its
// claims, the scopes of the route.
func (j *jwtGuard) authorize(ctx context.Context, c *call) (map[string]any, *refusal) {
	token := j.source(c)
	if scheme, rest, ok := strings.Cut(token, " "); ok && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(rest)
	}
	if token == "" {
		f := unauthorized("the identity source " + j.a.IdentitySource + " is missing")
		f.header = j.challenge("Bearer")
		return nil, f
	}
	claims, err := j.verify(ctx, token)
	if err != nil {
		f := unauthorized(err.Error())
		f.header = j.challenge(fmt.Sprintf(`Bearer scope="%s" error="invalid_token" error_description="%s"`, strings.Join(c.route.Scopes, " "), reason(err)))
		return nil, f
	}
	scopes := tokenScopes(claims)
	if len(c.route.Scopes) > 0 && !slices.ContainsFunc(c.route.Scopes, func(s string) bool { return slices.Contains(scopes, s) }) {
		f := &refusal{status: http.StatusForbidden, kind: "ACCESS_DENIED", message: "Forbidden", reason: "the token has none of the scopes of the route"}
		f.header = j.challenge(fmt.Sprintf(`Bearer scope="%s" error="insufficient_scope" error_description="the token does not have the required scope"`, strings.Join(c.route.Scopes, " ")))
		return nil, f
	}
	if len(c.route.Scopes) == 0 {
		scopes = nil
	}
	switch j.g.cfg.Type {
	case REST:
		return map[string]any{"claims": claims}, nil
	case HTTPAPIv1:
		return map[string]any{"claims": stringClaims(claims), "scopes": scopes}, nil
	}
	return map[string]any{"jwt": map[string]any{"claims": stringClaims(claims), "scopes": scopes}}, nil
}

// challenge is the header that HTTP APIs send; what REST APIs send is not documented.
func (j *jwtGuard) challenge(value string) map[string]string {
	if j.g.cfg.Type == REST {
		return nil
	}
	return map[string]string{"Www-Authenticate": value}
}

// reason returns the part of an error that the client gets: no token, no key.
func reason(err error) string {
	var t tokenError
	if errors.As(err, &t) {
		return string(t)
	}
	return "unable to verify the token"
}

// A tokenError is what is wrong with a token, in words that may stand in a header.
type tokenError string

func (e tokenError) Error() string { return string(e) }

func (j *jwtGuard) verify(ctx context.Context, token string) (map[string]any, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, tokenError("the token is not a JWT")
	}
	var header struct{ Alg, Kid string }
	payload := map[string]any{}
	if err := decodePart(parts[0], &header); err != nil {
		return nil, err
	}
	if err := decodePart(parts[1], &payload); err != nil {
		return nil, err
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, tokenError("the token is not a JWT")
	}
	hash, ok := map[string]crypto.Hash{"RS256": crypto.SHA256, "RS384": crypto.SHA384, "RS512": crypto.SHA512}[header.Alg]
	if !ok {
		return nil, tokenError("the signing method of the token is not supported")
	}
	if header.Kid == "" {
		return nil, tokenError("the token has no kid")
	}
	key, err := j.keys.find(ctx, header.Kid, header.Alg)
	if err != nil {
		return nil, err
	}
	h := hash.New()
	_, _ = h.Write([]byte(parts[0] + "." + parts[1])) // never fails
	if rsa.VerifyPKCS1v15(key, hash, h.Sum(nil), sig) != nil {
		return nil, tokenError("the signature of the token is not valid")
	}
	return payload, j.checkClaims(payload)
}

func decodePart(part string, into any) error {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return tokenError("the token is not a JWT")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(into); err != nil || dec.More() {
		return tokenError("the token is not a JWT")
	}
	return nil
}

// checkClaims checks iss, aud or client_id, exp, nbf and iat, in this order. AWS documents no leeway, so there is none.
func (j *jwtGuard) checkClaims(claims map[string]any) error {
	if iss, _ := claims["iss"].(string); iss != j.a.Issuer {
		return tokenError("the token does not have a valid issuer")
	}
	aud, present := claims["aud"]
	if !present { // client_id counts only where there is no aud
		aud = claims["client_id"]
	}
	if !slices.ContainsFunc(texts(aud), func(a string) bool { return slices.Contains(j.a.Audience, a) }) {
		return tokenError("the token does not have a valid audience")
	}
	now := float64(j.g.cfg.Now().UnixNano()) / 1e9
	exp, ok := numericDate(claims["exp"])
	if !ok || exp <= now {
		return tokenError("the token has expired")
	}
	if nbf, present := claims["nbf"]; present {
		if t, ok := numericDate(nbf); !ok || t > now {
			return tokenError("the token is not valid yet")
		}
	}
	if iat, present := claims["iat"]; present {
		if t, ok := numericDate(iat); !ok || t > now {
			return tokenError("the token was issued in the future")
		}
	}
	return nil
}

func numericDate(v any) (float64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	return f, err == nil
}

// texts returns a claim that is a string or a list of strings.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// tokenScopes reads scope, else scp: a string with spaces, or a list.
func tokenScopes(claims map[string]any) []string {
	v, ok := claims["scope"]
	if !ok {
		v = claims["scp"]
	}
	if s, ok := v.(string); ok {
		return strings.Fields(s)
	}
	return texts(v)
}

// stringClaims renders claims as an HTTP API passes them on: all are strings, a list is "[a b]" without quotes or
// commas, null is left out, an object is JSON text.
func stringClaims(claims map[string]any) map[string]string {
	out := map[string]string{}
	for k, v := range claims {
		if v != nil {
			out[k] = stringClaim(v)
		}
	}
	return out
}

func stringClaim(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = stringClaim(e)
		}
		return "[" + strings.Join(parts, " ") + "]"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "" // what came from JSON marshals
	}
	return string(b)
}
