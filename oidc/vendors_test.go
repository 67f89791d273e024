package oidc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/oidc"
)

// A vendor is a preset at the fake provider, and what must come of it.
type vendor struct {
	preset   func(oidc.Config) *oidc.Provider
	issuer   string // Config.Issuer
	identity string // Identity.Issuer
	subject  string // of the fake's user 10001
	noPKCE   bool
	text     bool // "true" as text proves an address
}

const team, keyID = "TEAM123456", "ABC123DEFG"

// vendors are all presets. key is that of Apple.
func vendors(key keys.SigningKey) map[string]vendor {
	const idp = flowtest.IdP
	return map[string]vendor{
		"google":    {preset: oidc.Google, issuer: idp},
		"twitch":    {preset: oidc.Twitch, issuer: idp + "/oauth2"},
		"microsoft": {preset: func(c oidc.Config) *oidc.Provider { return oidc.Microsoft("common", c) }, issuer: idp + "/microsoft/common/v2.0", identity: idp + "/microsoft/" + fakeidp.HomeTenant + "/v2.0"},
		"apple": {preset: func(c oidc.Config) *oidc.Provider {
			c.ClientSecret = ""
			return oidc.Apple(team, key, c)
		}, issuer: idp + "/apple", text: true},
		"slack":    {preset: oidc.Slack, issuer: idp + "/slack", subject: fakeidp.SlackTeam + "/10001", noPKCE: true},
		"cognito":  {preset: func(c oidc.Config) *oidc.Provider { return oidc.Cognito(fakeidp.CognitoPool, c) }, issuer: idp + "/cognito/" + fakeidp.CognitoPool, text: true},
		"gitlab":   {preset: oidc.GitLab, issuer: idp + "/gitlab/", identity: idp + "/gitlab"},
		"keycloak": {preset: func(c oidc.Config) *oidc.Provider { return oidc.Keycloak(idp+"/keycloak/", fakeidp.KeycloakRealm, c) }, identity: idp + "/keycloak/realms/" + fakeidp.KeycloakRealm},
		"yahoo":    {preset: oidc.Yahoo, issuer: idp + "/yahoo"},
	}
}

func appleKey(t testing.TB) keys.SigningKey {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.NewSigningKey(private, keys.ES256, keyID)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// all makes a World with every preset, each under its name.
func all(t testing.TB, change ...func(*oidc.Config)) *flowtest.World {
	t.Helper()
	return flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
		key := appleKey(t)
		public, ok := key.Public().Public().(*ecdsa.PublicKey)
		if !ok {
			t.Fatal("not an ECDSA key")
		}
		client := fakeidp.Client{ID: flowtest.ClientID, Secret: flowtest.Secret, Apple: &fakeidp.AppleKey{TeamID: team, KeyID: keyID, Key: public}}
		providers := map[string]postern.Provider{}
		for name, v := range vendors(key) {
			client.RedirectURIs = append(client.RedirectURIs, flowtest.Issuer+"/"+name+"/callback")
			c := config(w)
			c.Issuer = v.issuer
			for _, f := range change {
				f(&c)
			}
			providers[name] = v.preset(c)
		}
		w.IdP.SetClient(client)
		return providers
	})
}

var input = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// answerOf reads the form that the provider makes the browser send.
func answerOf(w *flowtest.World, at *url.URL) url.Values {
	w.Helper()
	resp, err := w.HTTP.Transport.RoundTrip(httptest.NewRequest(http.MethodGet, at.String(), nil))
	if err != nil {
		w.Fatal(err)
	}
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	form := url.Values{}
	for _, m := range input.FindAllStringSubmatch(string(page), -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	return form
}

// signInAs goes the whole way at a preset, by POST where it must be.
func signInAs(w *flowtest.World, name, user string) *flowtest.Answer {
	w.Helper()
	b := w.Browser()
	to := flowtest.As(b.Begin(name), user)
	if to.Query().Get("response_mode") == "form_post" {
		return b.Post(flowtest.Issuer+"/"+name+"/callback", answerOf(w, to))
	}
	return b.Get(b.Agree(to))
}

// identityAt signs in and returns who it was.
func identityAt(t *testing.T, w *flowtest.World, name, user string) postern.Identity {
	t.Helper()
	before := len(w.SignIns())
	a := signInAs(w, name, user)
	done := w.SignIns()
	if a.Status != 200 || len(done) != before+1 {
		t.Fatalf("%s: not signed in: %d\n%s\nlog: %s", name, a.Status, a.Body, w.Log())
	}
	return done[before].Identity
}

// TestEveryPreset: two people are two, at an issuer that stays; a nameless one is nobody; what protects the flow is
// sent.
func TestEveryPreset(t *testing.T) {
	w := all(t)
	for name, v := range vendors(appleKey(t)) {
		q := w.Browser().Begin(name).Query()
		if len(q.Get("state")) != 43 || len(q.Get("nonce")) != 43 || q.Get("response_type") != "code" || q.Get("client_id") != flowtest.ClientID ||
			q.Get("redirect_uri") != flowtest.Issuer+"/"+name+"/callback" || !strings.Contains(q.Get("scope"), "openid") {
			t.Errorf("%s: %v", name, q)
		}
		if sent := len(q.Get("code_challenge")) == 43 && q.Get("code_challenge_method") == "S256"; sent == v.noPKCE || v.noPKCE && q.Has("code_challenge") {
			t.Errorf("%s: PKCE %v", name, q)
		}
		w.IdP.SetFaults(fakeidp.Faults{})
		ada, alan, again := identityAt(t, w, name, "10001"), identityAt(t, w, name, "10002"), identityAt(t, w, name, "10001")
		issuer, subject := v.identity, v.subject
		if issuer == "" {
			issuer = v.issuer
		}
		if subject == "" {
			subject = "10001"
		}
		if ada.Issuer != issuer || alan.Issuer != issuer || ada.Subject != subject || again.Issuer != issuer || again.Subject != subject || alan.Subject == subject {
			t.Errorf("%s: %s %s, %s %s, %s %s", name, ada.Issuer, ada.Subject, alan.Issuer, alan.Subject, again.Issuer, again.Subject)
		}
		if len(ada.Addresses) != 1 || ada.Addresses[0].Value != "ada@example.com" || ada.Tokens.ID == "" || len(ada.Raw) == 0 {
			t.Errorf("%s: %+v", name, ada)
		}
		for what, f := range map[string]fakeidp.Faults{
			"no sub": {NoSubject: true}, "empty sub": {IDToken: func(c map[string]any) { c["sub"] = "" }},
			"other nonce": {IDToken: func(c map[string]any) { c["nonce"] = "another" }}, "other iss": {WrongIssuer: true},
			"other aud": {WrongAudience: true}, "forged": {BadSignature: true}, "alg none": {AlgNone: true},
		} {
			w.IdP.SetFaults(f)
			before := len(w.SignIns())
			if a := signInAs(w, name, "10001"); a.Status != 400 || a.Code() != "invalid_id_token" || len(w.SignIns()) != before {
				t.Errorf("%s, %s: %d %s", name, what, a.Status, a.Body)
			}
		}
	}
}

// TestC3_NonceIsRequired: an ID token without one is refused, by any signer.
func TestC3_NonceIsRequired(t *testing.T) {
	w := all(t)
	w.IdP.SetFaults(fakeidp.Faults{NoNonce: true})
	for name := range vendors(appleKey(t)) {
		if a := signInAs(w, name, "10001"); a.Code() != "invalid_id_token" {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
}

// TestA2_EveryPreset: an address is proven by what the service is documented to say, and by nothing that looks like it.
func TestA2_EveryPreset(t *testing.T) {
	type absent struct{}
	w := all(t)
	for name, v := range vendors(appleKey(t)) {
		for _, tt := range []struct {
			claim  any
			proven bool
		}{
			{true, name != "microsoft"}, {"true", v.text}, {false, false}, {"false", false}, {absent{}, false}, {nil, false},
			{1, false}, {"1", false}, {"TRUE", false}, {" true", false}, {[]bool{true}, false}, {map[string]bool{"value": true}, false},
		} {
			w.IdP.SetFaults(fakeidp.Faults{IDToken: func(c map[string]any) {
				c["email_verified"] = tt.claim
				if tt.claim == any(absent{}) {
					delete(c, "email_verified")
				}
			}})
			id := identityAt(t, w, name, "10001")
			if mail, ok := id.Email(); ok != tt.proven || len(id.Addresses) != 1 {
				t.Errorf("%s, %#v: %q %v %+v", name, tt.claim, mail, ok, id.Addresses)
			}
		}
		// Without the claim email there is no address, whatever else looks like one; that UserInfo fails ends no
		// sign-in.
		w.IdP.SetFaults(fakeidp.Faults{Transport: map[fakeidp.Endpoint]fakeidp.Trouble{fakeidp.UserInfo: fakeidp.ServerError}, IDToken: func(c map[string]any) {
			delete(c, "email")
			c["email_verified"], c["xms_edov"], c["preferred_username"], c["upn"] = true, true, "ada@example.com", "ada@example.com"
		}})
		if id := identityAt(t, w, name, "10001"); len(id.Addresses) != 0 {
			t.Errorf("%s: %+v", name, id.Addresses)
		}
	}
}

// TestPresetsAtHome: an application with only an id and a secret asks the real services.
func TestPresetsAtHome(t *testing.T) {
	const uuid = "0f0f0f0f-1111-2222-3333-444444444444"
	for want, preset := range map[string]func(oidc.Config) *oidc.Provider{
		"https://login.microsoftonline.com/common/v2.0": func(c oidc.Config) *oidc.Provider { return oidc.Microsoft("common", c) },
		"https://login.microsoftonline.us/" + uuid + "/v2.0": func(c oidc.Config) *oidc.Provider {
			c.Issuer = "https://login.microsoftonline.us/" + uuid + "/v2.0"
			return oidc.Microsoft(uuid, c)
		},
		"https://slack.com": oidc.Slack,
		"https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Abc": func(c oidc.Config) *oidc.Provider { return oidc.Cognito("us-east-1_Abc", c) },
		"https://gitlab.com":                  oidc.GitLab,
		"https://id.example.com/realms/staff": func(c oidc.Config) *oidc.Provider { return oidc.Keycloak("https://id.example.com/", "staff", c) },
		"https://id.example.com/realms/a%20b": func(c oidc.Config) *oidc.Provider { return oidc.Keycloak("https://id.example.com", "a b", c) },
		"https://api.login.yahoo.com":         oidc.Yahoo,
	} {
		var asked []string
		w := flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
			p := preset(oidc.Config{ClientID: "a", ClientSecret: "b", HTTPClient: w.HTTP})
			if err := p.Check(); err != nil {
				t.Errorf("%s: %v", want, err)
			}
			return map[string]postern.Provider{"one": p}
		})
		u, err := url.Parse(want)
		if err != nil {
			t.Fatal(err)
		}
		w.Serve(u.Host, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			asked = append(asked, "https://"+r.Host+r.URL.EscapedPath())
			http.NotFound(rw, r)
		}))
		if a := w.Browser().Get(flowtest.Issuer + "/one/authorize"); a.Code() != "provider_error" || len(asked) != 1 || asked[0] != want+"/.well-known/openid-configuration" {
			t.Errorf("%s: %d %s, asked %v", want, a.Status, a.Body, asked)
		}
	}
	w := flowtest.New(t, func(*flowtest.World) map[string]postern.Provider {
		return map[string]postern.Provider{"one": oidc.Apple(team, appleKey(t), oidc.Config{ClientID: "com.example.web"})}
	})
	if to := w.Browser().Begin("one"); !strings.HasPrefix(to.String(), "https://appleid.apple.com/auth/authorize?") || to.Query().Get("scope") != "openid email name" {
		t.Errorf("%s", to)
	}
}
