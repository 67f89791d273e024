package posterntest_test

import (
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/oauth"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/posterntest"
)

// The presets sign in through the shapes that stand in for their originals.
func TestPresets(t *testing.T) {
	p := posterntest.NewProvider(t, posterntest.ProviderConfig{
		Users: []posterntest.User{{Subject: "7", GitHubID: 583231, Login: "octocat", Email: "mona@example.com", EmailVerified: true}},
	})
	a := startApp(t, func(base string) map[string]postern.Provider {
		for _, name := range []string{"google", "google-oauth", "github", "twitch"} {
			p.Allow(base + "/auth/" + name + "/callback")
		}
		atTwitch := p.Google()
		atTwitch.Issuer = p.URL("/oauth2")
		plain := p.GitHub()
		plain.Endpoint = oauth.Endpoint{AuthURL: p.URL("/authorize"), TokenURL: p.URL("/token"), UserInfoURL: p.URL("/userinfo"), Issuer: p.Issuer()}
		return map[string]postern.Provider{
			"google": oidc.Google(p.Google()), "google-oauth": oauth.Google(plain), "twitch": oidc.Twitch(atTwitch), "github": oauth.GitHub(p.GitHub()),
		}
	})
	for name, subject := range map[string]string{"google": "7", "google-oauth": "7", "github": "583231", "twitch": "7"} {
		res := posterntest.SignIn(t, posterntest.Client(t), a.url+"/auth/"+name+"/authorize")
		if body := text(t, res); body != "hello "+subject {
			t.Errorf("%s: %d %s", name, res.StatusCode, body)
		}
	}
	before := p.Calls(posterntest.AtToken)
	for name, faults := range map[string]posterntest.Faults{
		"nonce": {WrongNonce: true}, "audience": {WrongAudience: true}, "issuer": {WrongIssuer: true}, "no subject": {NoSubject: true}, "no iat": {NoIssuedAt: true},
		"expired": {Expired: true}, "alg none": {AlgNone: true}, "HMAC": {HMAC: true}, "signature": {BadSignature: true}, "kid": {UnknownKey: true},
		"other audience": {MoreAudiences: true}, "no nonce": {NoNonce: true}, "no ID token": {NoIDToken: true}, "token error": {TokenError: "invalid_grant"},
		"iss": {WrongIss: true}, "no iss": {NoIss: true}, "denied": {Deny: true}, "two codes": {DuplicateCode: true}, "state": {WrongState: true},
	} {
		p.SetFaults(faults)
		res := posterntest.SignIn(t, posterntest.Client(t), a.url+"/auth/google/authorize")
		if res.StatusCode < 400 || res.StatusCode >= 500 && res.StatusCode != 502 {
			t.Errorf("%s: %d %s", name, res.StatusCode, text(t, res))
		}
	}
	if p.Calls(posterntest.AtToken) == before {
		t.Error("no fault reached the token endpoint")
	}
}
