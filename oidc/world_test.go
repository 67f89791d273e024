package oidc_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/oidc"
)

var opKey = sync.OnceValue(func() keys.SigningKey {
	key, err := keys.Generate(keys.RS256)
	if err != nil {
		panic(err)
	}
	return key
})

// op is an OpenID provider whose every answer a test can write. at is the address of its endpoints.
type op struct {
	*flowtest.World
	t        testing.TB
	issuer   string
	at       string
	key      keys.SigningKey
	header   map[string]any
	claims   func(map[string]any)
	token    func(map[string]any)
	document func(map[string]any)
	userInfo http.HandlerFunc
	nonce    string

	status int
	asked  url.Values // of the last token request
	basic  bool       // it had an Authorization header
	calls  map[string]int
}

type object = map[string]any

// newOP makes a provider at address, whose issuer is issuer, and a client of it that change configures.
func newOP(t testing.TB, issuer, address string, change func(*oidc.Config)) *op {
	t.Helper()
	return newOPFor(t, issuer, address, oidc.New, change)
}

// newPreset is newOP for a preset and its issuer.
func newPreset(t testing.TB, issuer string, preset func(oidc.Config) *oidc.Provider) *op {
	t.Helper()
	return newOPFor(t, issuer, issuer, preset, nil)
}

func newOPFor(t testing.TB, issuer, address string, preset func(oidc.Config) *oidc.Provider, change func(*oidc.Config)) *op {
	t.Helper()
	o := &op{t: t, issuer: issuer, at: address, key: opKey(), status: 200, calls: map[string]int{}}
	o.header = object{"alg": string(o.key.Public().Algorithm()), "kid": o.key.Public().ID(), "typ": "JWT"}
	o.World = flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
		c := oidc.Config{Issuer: issuer, ClientID: "client-1", ClientSecret: "s3cret-canary", HTTPClient: w.HTTP}
		if change != nil {
			change(&c)
		}
		return map[string]postern.Provider{"one": preset(c)}
	})
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	handle := func(path string, h func(http.ResponseWriter, *http.Request)) {
		mux.HandleFunc(u.Path+path, func(w http.ResponseWriter, r *http.Request) { o.calls[path]++; h(w, r) })
	}
	handle("/.well-known/openid-configuration", o.serveDocument)
	handle("/jwks", func(w http.ResponseWriter, _ *http.Request) {
		set, err := keys.JWKS([]*keys.PublicKey{o.key.Public()})
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(set)
	})
	handle("/token", o.serveToken)
	handle("/userinfo", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer at-1" {
			t.Errorf("UserInfo with %q", r.Header.Get("Authorization"))
		}
		if o.userInfo == nil {
			http.NotFound(w, r)
			return
		}
		o.userInfo(w, r)
	})
	o.Serve(u.Host, mux)
	return o
}

func (o *op) serveDocument(w http.ResponseWriter, _ *http.Request) {
	d := object{"issuer": o.issuer, "authorization_endpoint": o.at + "/authorize", "token_endpoint": o.at + "/token",
		"jwks_uri": o.at + "/jwks", "userinfo_endpoint": o.at + "/userinfo"}
	if o.document != nil {
		o.document(d)
	}
	o.json(w, 200, d)
}

func (o *op) serveToken(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		o.t.Error(err)
	}
	_, _, o.basic = r.BasicAuth()
	o.asked = r.PostForm
	a := object{"access_token": "at-1", "token_type": "Bearer", "expires_in": 3600, "id_token": o.idToken()}
	if o.token != nil {
		o.token(a)
	}
	o.json(w, o.status, a)
}

func (o *op) json(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		o.t.Error(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func (o *op) idToken() string {
	now := o.Now().Unix()
	c := object{"iss": o.issuer, "sub": "u-1", "aud": "client-1", "iat": now, "exp": now + 600, "nonce": o.nonce,
		"email": "mara@example.net", "email_verified": true, "name": "Mara"}
	if o.claims != nil {
		o.claims(c)
	}
	return o.sign(c)
}

// sign makes a token of claims with the header of o.
func (o *op) sign(claims object) string {
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			o.t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	input := part(maps.Clone(o.header)) + "." + part(claims)
	sig, err := o.key.Sign(o.t.Context(), []byte(input))
	if err != nil {
		o.t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// signIn goes through the whole flow.
func (o *op) signIn() (*flowtest.Answer, *postern.Identity) {
	o.t.Helper()
	b, before := o.Browser(), len(o.SignIns())
	begun := b.Get(flowtest.Issuer + "/one/authorize")
	if begun.Location == "" {
		return begun, nil
	}
	u, err := url.Parse(begun.Location)
	if err != nil {
		o.t.Fatal(err)
	}
	o.nonce = u.Query().Get("nonce")
	a := b.Get(flowtest.Issuer + "/one/callback?code=c0de-canary&state=" + url.QueryEscape(u.Query().Get("state")))
	if done := o.SignIns(); len(done) > before {
		return a, &done[before].Identity
	}
	return a, nil
}

// in wants a sign-in, and returns who it was.
func (o *op) in(name string) *postern.Identity {
	o.t.Helper()
	a, id := o.signIn()
	if id == nil {
		o.t.Errorf("%s: not signed in: %d %s\n%s", name, a.Status, a.Code(), last(o.Log()))
		return &postern.Identity{}
	}
	return id
}

// out wants a refusal with a code, and the words of reason in the log.
func (o *op) out(name, code, reason string) {
	o.t.Helper()
	a, id := o.signIn()
	log := o.Log()
	if id != nil || a.Code() != code || !strings.Contains(last(log), reason) {
		o.t.Errorf("%s: %d %s, want %s and a log with %q\n%s", name, a.Status, a.Code(), code, reason, last(log))
	}
	if strings.Contains(log, "canary") {
		o.t.Errorf("%s: the log holds a secret\n%s", name, log)
	}
}

func last(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return lines[len(lines)-1]
}

const opIssuer = "https://op.example"

func plainOP(t testing.TB, change func(*oidc.Config)) *op {
	return newOP(t, opIssuer, opIssuer, change)
}
