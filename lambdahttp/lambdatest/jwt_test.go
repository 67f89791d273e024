package lambdatest

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// An issuer publishes keys and signs tokens.
type issuer struct {
	*httptest.Server
	key *rsa.PrivateKey

	mu        sync.Mutex
	keys      []map[string]any
	discovery map[string]any
	fetched   map[string]int
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	is := &issuer{key: key, fetched: map[string]int{}}
	is.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		is.mu.Lock()
		defer is.mu.Unlock()
		is.fetched[r.URL.Path]++
		var doc any
		switch r.URL.Path {
		case "/t/.well-known/openid-configuration":
			doc = is.discovery
		case "/keys":
			doc = map[string]any{"keys": is.keys}
		default:
			http.NotFound(w, r)
			return
		}
		if err := json.NewEncoder(w).Encode(doc); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(is.Close)
	is.discovery = map[string]any{"issuer": is.iss(), "jwks_uri": is.URL + "/keys"}
	is.publish("k1")
	return is
}

func (is *issuer) iss() string { return is.URL + "/t" }

// publish replaces the key set: the one key under the given names, beside keys that are of no use here.
func (is *issuer) publish(kids ...string) {
	is.mu.Lock()
	defer is.mu.Unlock()
	b64 := base64.RawURLEncoding.EncodeToString
	n, e := b64(is.key.N.Bytes()), b64(big.NewInt(int64(is.key.E)).Bytes())
	is.keys = []map[string]any{{"kty": "EC", "kid": "ec"}, {"kty": "RSA", "kid": "enc", "use": "enc", "n": n, "e": e}, {"kty": "RSA", "kid": "bad", "n": "?", "e": e}}
	for _, kid := range kids {
		is.keys = append(is.keys, map[string]any{"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": n, "e": e})
	}
	is.keys = append(is.keys, map[string]any{"kty": "RSA", "kid": "any", "n": n, "e": e})
}

func (is *issuer) count(path string) int {
	is.mu.Lock()
	defer is.mu.Unlock()
	return is.fetched[path]
}

// sign makes a token; a nil value leaves a claim out.
func (is *issuer) sign(t testing.TB, header, claims map[string]any) string {
	t.Helper()
	part := func(m map[string]any) string {
		out := map[string]any{}
		for k, v := range m {
			if v != nil {
				out[k] = v
			}
		}
		b, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	hash := map[any]crypto.Hash{"RS384": crypto.SHA384, "RS512": crypto.SHA512}[header["alg"]]
	if hash == 0 {
		hash = crypto.SHA256
	}
	input := part(header) + "." + part(claims)
	h := hash.New()
	h.Write([]byte(input))
	sig, err := rsa.SignPKCS1v15(rand.Reader, is.key, hash, h.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func with(base map[string]any, pairs ...any) map[string]any {
	out := map[string]any{}
	for k, v := range base {
		out[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i].(string)] = pairs[i+1]
	}
	return out
}

// TestJWTAuthorizer: what is let in, and what the refusals say.
//
// Sources: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html,
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-jwt.html
func TestJWTAuthorizer(t *testing.T) {
	is, c := newIssuer(t), newClock()
	now := c.Now().Unix()
	header := map[string]any{"alg": "RS256", "kid": "k1", "typ": "at+jwt"}
	claims := map[string]any{"iss": is.iss(), "aud": "api", "sub": "u1", "iat": now, "exp": now + 60, "scope": "read write"}
	good := is.sign(t, header, claims)
	flip := func(token string, part int) string {
		parts := strings.Split(token, ".")
		b := []byte(parts[part])
		b[10] = map[bool]byte{true: 'B', false: 'A'}[b[10] == 'A']
		parts[part] = string(b)
		return strings.Join(parts, ".")
	}
	invalid := func(why string) string {
		return `Bearer scope="" error="invalid_token" error_description="` + why + `"`
	}
	tests := []struct {
		name, token, scope string // the scope the route asks for
		status             int
		challenge          string
	}{
		{"good", "Bearer " + good, "", 200, ""},
		{"bare", good, "", 200, ""},
		{"scheme in lower case", "bearer " + good, "", 200, ""},
		{"none", "", "", 401, "Bearer"},
		{"only the scheme", "Bearer ", "", 401, invalid("the token is not a JWT")},
		{"other scheme", "Basic " + good, "", 401, invalid("the token is not a JWT")},
		{"not a JWT", "Bearer a.b", "", 401, invalid("the token is not a JWT")},
		{"RS384", is.sign(t, with(header, "alg", "RS384", "kid", "any"), claims), "", 200, ""},
		{"RS512", is.sign(t, with(header, "alg", "RS512", "kid", "any"), claims), "", 200, ""},
		{"RS384, key is for RS256", is.sign(t, with(header, "alg", "RS384"), claims), "", 401, invalid("the signing method of the token is not that of its key")},
		{"ES256", is.sign(t, with(header, "alg", "ES256"), claims), "", 401, invalid("the signing method of the token is not supported")},
		{"PS256", is.sign(t, with(header, "alg", "PS256"), claims), "", 401, invalid("the signing method of the token is not supported")},
		{"none as algorithm", is.sign(t, with(header, "alg", "none"), claims), "", 401, invalid("the signing method of the token is not supported")},
		{"no kid", is.sign(t, with(header, "kid", nil), claims), "", 401, invalid("the token has no kid")},
		{"unknown kid", is.sign(t, with(header, "kid", "k2"), claims), "", 401, invalid("the kid of the token is not in the key set of the issuer")},
		{"key for encryption", is.sign(t, with(header, "kid", "enc"), claims), "", 401, invalid("the kid of the token is not in the key set of the issuer")},
		{"claims changed", flip(good, 1), "", 401, ""},
		{"signature changed", flip(good, 2), "", 401, invalid("the signature of the token is not valid")},
		{"issuer", is.sign(t, header, with(claims, "iss", is.iss()+"/")), "", 401, invalid("the token does not have a valid issuer")},
		{"audience", is.sign(t, header, with(claims, "aud", "other")), "", 401, invalid("the token does not have a valid audience")},
		{"one of several audiences", is.sign(t, header, with(claims, "aud", []string{"other", "web"})), "", 200, ""},
		{"client_id", is.sign(t, header, with(claims, "aud", nil, "client_id", "api")), "", 200, ""},
		{"client_id beside a wrong aud", is.sign(t, header, with(claims, "aud", "other", "client_id", "api")), "", 401, invalid("the token does not have a valid audience")},
		{"neither", is.sign(t, header, with(claims, "aud", nil)), "", 401, invalid("the token does not have a valid audience")},
		{"expires now", is.sign(t, header, with(claims, "exp", now)), "", 401, invalid("the token has expired")},
		{"no exp", is.sign(t, header, with(claims, "exp", nil)), "", 401, invalid("the token has expired")},
		{"exp is text", is.sign(t, header, with(claims, "exp", fmt.Sprint(now+60))), "", 401, invalid("the token has expired")},
		{"nbf now", is.sign(t, header, with(claims, "nbf", now)), "", 200, ""},
		{"nbf in a second", is.sign(t, header, with(claims, "nbf", now+1)), "", 401, invalid("the token is not valid yet")},
		{"iat in a second", is.sign(t, header, with(claims, "iat", now+1)), "", 401, invalid("the token was issued in the future")},
		{"no iat", is.sign(t, header, with(claims, "iat", nil)), "", 200, ""},
		{"scope", good, "write", 200, ""},
		{"one of the scopes", good, "admin write", 200, ""},
		{"no such scope", good, "admin", 403, `Bearer scope="admin" error="insufficient_scope" error_description="the token does not have the required scope"`},
		{"scp", is.sign(t, header, with(claims, "scope", nil, "scp", []string{"read"})), "read", 200, ""},
		{"no scopes at all", is.sign(t, header, with(claims, "scope", nil)), "read", 403, `Bearer scope="read" error="insufficient_scope" error_description="the token does not have the required scope"`},
		{"bad token for a scope", "x", "read", 401, `Bearer scope="read" error="invalid_token" error_description="the token is not a JWT"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := &JWTAuthorizer{Issuer: is.iss(), Audience: []string{"api", "web"}, HTTPClient: is.Client(), FetchTimeout: time.Minute}
			f := ok()
			g := mustNew(t, Config{Now: c.Now, Routes: []Route{{Path: "/a", Function: f, Authorizer: a, Scopes: strings.Fields(tt.scope)}}})
			var headers []string
			if tt.token != "" {
				headers = []string{"Authorization: " + tt.token}
			}
			res := serve(g, request("GET", "/a", "", headers...))
			want := map[int]string{200: "ok", 401: `{"message":"Unauthorized"}`, 403: `{"message":"Forbidden"}`}[tt.status]
			if body := bodyOf(t, res); res.StatusCode != tt.status || body != want {
				t.Errorf("got %d %s %s, want %d", res.StatusCode, body, res.Header.Get("Www-Authenticate"), tt.status)
			}
			if got := res.Header.Get("Www-Authenticate"); tt.challenge != "" && got != tt.challenge {
				t.Errorf("www-authenticate: got %s, want %s", got, tt.challenge)
			}
			if (f.calls() == 1) != (tt.status == 200) {
				t.Errorf("%d calls", f.calls())
			}
		})
	}
}

// TestJWTAuthorizer_Shown: claims in the event: text for HTTP APIs, JSON for REST APIs.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-jwt-authorizer-claims.html
func TestJWTAuthorizer_Shown(t *testing.T) {
	is, c := newIssuer(t), newClock()
	now := c.Now().Unix()
	token := is.sign(t, map[string]any{"alg": "RS256", "kid": "k1"}, map[string]any{
		"iss": is.iss(), "aud": []string{"api", "web"}, "exp": now + 60, "scope": "read write", "mfa": true, "n": 1.5,
		"roles": []any{"a", 1, []string{"b"}}, "address": map[string]any{"city": "Oslo"}, "gone": json.RawMessage("null"),
	})
	exp, text := fmt.Sprint(now+60), func(s string) string { return asJSON(t, s) }
	stringly := `{"address":` + text(`{"city":"Oslo"}`) + `,"aud":"[api web]","exp":"` + exp + `","iss":"` + is.iss() + `","mfa":"true","n":"1.5","roles":"[a 1 [b]]","scope":"read write"}`
	typed := `{"address":{"city":"Oslo"},"aud":["api","web"],"exp":` + exp + `,"gone":null,"iss":"` + is.iss() + `","mfa":true,"n":1.5,"roles":["a",1,["b"]],"scope":"read write"}`
	tests := []struct {
		kind   APIType
		scopes []string
		want   string
	}{
		{HTTPAPI, nil, `{"jwt":{"claims":` + stringly + `,"scopes":null}}`},
		{HTTPAPI, []string{"read"}, `{"jwt":{"claims":` + stringly + `,"scopes":["read","write"]}}`},
		{HTTPAPIv1, nil, `{"claims":` + stringly + `,"scopes":null}`},
		{REST, []string{"read"}, `{"claims":` + typed + `}`},
	}
	for _, tt := range tests {
		t.Run(tt.kind.String(), func(t *testing.T) {
			f := ok()
			a := &JWTAuthorizer{Issuer: is.iss(), Audience: []string{"web"}, HTTPClient: is.Client(), FetchTimeout: time.Minute}
			g := mustNew(t, Config{Type: tt.kind, Stage: "s", Now: c.Now, Routes: []Route{{Path: "/a", Function: f, Authorizer: a, Scopes: tt.scopes}}})
			if res := serve(g, request("GET", "/s/a", "", "Authorization: "+token)); res.StatusCode != 200 {
				t.Fatalf("status %d", res.StatusCode)
			}
			if got := asJSON(t, at(f.last(t), "requestContext.authorizer")); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestJWTAuthorizer_Keys: how long keys are kept, and what a new kid does.
//
// Sources: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html,
// https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-jwt-authorizer-keys.html
func TestJWTAuthorizer_Keys(t *testing.T) {
	tests := []struct {
		kind    APIType
		keep    time.Duration
		rotated int // status of a token under a key that was published a moment ago
	}{
		{HTTPAPI, 2 * time.Hour, 401},
		{REST, time.Hour, 200},
	}
	for _, tt := range tests {
		t.Run(tt.kind.String(), func(t *testing.T) {
			is, c := newIssuer(t), newClock()
			a := &JWTAuthorizer{Issuer: is.iss(), Audience: []string{"api"}, HTTPClient: is.Client(), FetchTimeout: time.Minute}
			g := mustNew(t, Config{Type: tt.kind, Stage: "s", Now: c.Now, Routes: []Route{{Path: "/a", Function: ok(), Authorizer: a}}})
			try := func(kid string) int {
				token := is.sign(t, map[string]any{"alg": "RS256", "kid": kid}, map[string]any{"iss": is.iss(), "aud": "api", "exp": c.Now().Unix() + 60})
				return serve(g, request("GET", "/s/a", "", "Authorization: "+token)).StatusCode
			}
			if got := try("k1"); got != 200 {
				t.Fatalf("first key: %d", got)
			}
			is.publish("k2")
			if got := try("k2"); got != tt.rotated {
				t.Errorf("new key: got %d, want %d", got, tt.rotated)
			}
			is.publish("k3")
			c.Advance(tt.keep - time.Second)
			before := is.count("/keys")
			if got := try(map[int]string{401: "k1", 200: "k2"}[tt.rotated]); got != 200 || is.count("/keys") != before {
				t.Errorf("withdrawn, but remembered key: got %d", got)
			}
			c.Advance(time.Second)
			if got := try("k1"); got != 401 {
				t.Errorf("withdrawn key: got %d", got)
			}
			if got := try("k3"); got != 200 {
				t.Errorf("key after the time is over: got %d", got)
			}
			if n := is.count("/t/.well-known/openid-configuration"); n != 1 {
				t.Errorf("the discovery document was read %d times", n)
			}
			is.publish("k4")
			g.FlushAuthorizers()
			if got := try("k4"); got != 200 {
				t.Errorf("after a flush: got %d", got)
			}
		})
	}
}

// An issuer that can't be asked lets nobody in.
func TestJWTAuthorizer_IssuerFails(t *testing.T) {
	tests := map[string]func(is *issuer){
		"other issuer":    func(is *issuer) { is.discovery["issuer"] = is.URL },
		"no key set":      func(is *issuer) { delete(is.discovery, "jwks_uri") },
		"keys on http":    func(is *issuer) { is.discovery["jwks_uri"] = "http" + strings.TrimPrefix(is.URL, "https") + "/keys" },
		"keys not found":  func(is *issuer) { is.discovery["jwks_uri"] = is.URL + "/nothing" },
		"keys are no set": func(is *issuer) { is.discovery["jwks_uri"] = is.iss() + "/.well-known/openid-configuration" },
		"down":            func(is *issuer) { is.Close() },
	}
	for name, breakIt := range tests {
		t.Run(name, func(t *testing.T) {
			is := newIssuer(t)
			token := is.sign(t, map[string]any{"alg": "RS256", "kid": "k1"}, map[string]any{"iss": is.iss(), "aud": "api", "exp": time.Now().Unix() + 60})
			breakIt(is)
			a := &JWTAuthorizer{Issuer: is.iss(), Audience: []string{"api"}, HTTPClient: is.Client(), FetchTimeout: time.Minute}
			g := mustNew(t, Config{Routes: []Route{{Path: "/a", Function: ok(), Authorizer: a}}})
			res := serve(g, request("GET", "/a", "", "Authorization: "+token))
			if h := res.Header.Get("Www-Authenticate"); res.StatusCode != 401 || strings.Contains(h, token) || strings.Contains(h, is.URL) {
				t.Errorf("got %d, %s", res.StatusCode, h)
			}
		})
	}
}

// FuzzJWT: no token without a signature by the key is let in.
func FuzzJWT(f *testing.F) {
	is, c := newIssuer(f), newClock()
	good := is.sign(f, map[string]any{"alg": "RS256", "kid": "k1"}, map[string]any{"iss": is.iss(), "aud": "api", "exp": c.Now().Unix() + 60})
	f.Add([]byte(good))
	f.Add([]byte(strings.Replace(good, ".", ".e30.", 1)))
	f.Add([]byte("eyJhbGciOiJub25lIn0.e30."))
	f.Add([]byte(".."))
	a := &JWTAuthorizer{Issuer: is.iss(), Audience: []string{"api"}, HTTPClient: is.Client(), FetchTimeout: time.Minute}
	g := mustNew(f, Config{Now: c.Now, Routes: []Route{{Path: "/a", Function: ok(), Authorizer: a}}})
	f.Fuzz(func(t *testing.T, token []byte) {
		if bytes.ContainsAny(token, "\r\n") || len(token) > 4096 {
			return
		}
		r := request("GET", "/a", "")
		r.Header.Set("Authorization", string(token))
		res := serve(g, r)
		bare := strings.TrimSpace(string(token))
		if scheme, rest, ok := strings.Cut(bare, " "); ok && strings.EqualFold(scheme, "Bearer") {
			bare = strings.TrimSpace(rest)
		}
		if res.StatusCode == 200 && bare != good && !sameBytes(bare, good) {
			t.Errorf("%q is let in", token)
		}
		if res.StatusCode != 200 && res.StatusCode != 401 {
			t.Errorf("%q: status %d", token, res.StatusCode)
		}
	})
}

// sameBytes reports whether two tokens hold the same parts once they are decoded: the unused bits of the last character
// of a signature may differ.
func sameBytes(a, b string) bool {
	pa, pb := strings.Split(a, "."), strings.Split(b, ".")
	if len(pa) != 3 || pa[0] != pb[0] || pa[1] != pb[1] {
		return false
	}
	x, err1 := base64.RawURLEncoding.DecodeString(pa[2])
	y, err2 := base64.RawURLEncoding.DecodeString(pb[2])
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}

// An issuer that is slower than AWS waits for lets nobody in.
func TestJWTAuthorizer_SlowIssuer(t *testing.T) {
	hold := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(hold)
	is := newIssuer(t)
	token := is.sign(t, map[string]any{"alg": "RS256", "kid": "k1"}, map[string]any{"iss": server.URL})
	a := &JWTAuthorizer{Issuer: server.URL, AllowHTTP: true, Audience: []string{"api"}, FetchTimeout: 20 * time.Millisecond}
	g := mustNew(t, Config{Routes: []Route{{Path: "/a", Function: ok(), Authorizer: a}}})
	if res := serve(g, request("GET", "/a", "", "Authorization: "+token)); res.StatusCode != 401 {
		t.Errorf("got %d", res.StatusCode)
	}
}
