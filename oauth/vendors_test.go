package oauth_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/oauth"
)

// A vendor is a preset at the fake provider, and what must come of it.
type vendor struct {
	preset   func(oauth.Config) *oauth.Provider
	endpoint oauth.Endpoint
	issuer   string // Config.Issuer, if the preset has no other
	scope    string
	subject  string // of the fake's user 10001; empty: that
	proof    string // the member that proves the address; empty: nothing does
}

// vendors are all presets.
func vendors() map[string]vendor {
	const idp = flowtest.IdP
	under := func(name, auth, token, info string) oauth.Endpoint {
		return oauth.Endpoint{AuthURL: idp + "/" + name + auth, TokenURL: idp + "/" + name + token, UserInfoURL: idp + "/" + name + info}
	}
	return map[string]vendor{
		"google":   {preset: oauth.Google, endpoint: oauth.Endpoint{AuthURL: idp + "/authorize", TokenURL: idp + "/token", UserInfoURL: idp + "/userinfo"}, issuer: idp, scope: "openid email profile"},
		"github":   {preset: oauth.GitHub, endpoint: oauth.Endpoint{UserInfoURL: idp + "/api/user"}, issuer: idp, scope: "user:email", subject: "*"},
		"facebook": {preset: oauth.Facebook, endpoint: under("facebook", "/dialog/oauth", "/oauth/access_token", "/me"), issuer: "https://www.facebook.com", scope: "public_profile email"},
		"spotify":  {preset: oauth.Spotify, endpoint: under("spotify", "/authorize", "/api/token", "/v1/me"), issuer: "https://accounts.spotify.com", scope: "user-read-email"},
		"discord":  {preset: oauth.Discord, endpoint: under("discord", "/oauth2/authorize", "/api/v10/oauth2/token", "/api/v10/users/@me"), issuer: "https://discord.com", scope: "identify email", proof: "verified"},
		"linkedin": {preset: oauth.LinkedIn, endpoint: under("linkedin", "/oauth/v2/authorization", "/oauth/v2/accessToken", "/v2/userinfo"), issuer: "https://www.linkedin.com/oauth", scope: "openid profile email", proof: "email_verified"},
		"x":        {preset: oauth.X, endpoint: under("x", "/i/oauth2/authorize", "/2/oauth2/token", "/2/users/me"), issuer: "https://x.com", scope: "users.read tweet.read"},
	}
}

// all makes a World with every preset, each under its name, and "mail": X with its addresses.
func all(t testing.TB) *flowtest.World {
	t.Helper()
	return flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
		client := fakeidp.Client{ID: flowtest.ClientID, Secret: flowtest.Secret, RedirectURIs: []string{flowtest.Issuer + "/mail/callback"}}
		providers := map[string]postern.Provider{}
		for name, v := range vendors() {
			client.RedirectURIs = append(client.RedirectURIs, flowtest.Issuer+"/"+name+"/callback")
			c := oauth.Config{ClientID: flowtest.ClientID, ClientSecret: flowtest.Secret, HTTPClient: w.HTTP, Endpoint: v.endpoint}
			if v.issuer == flowtest.IdP {
				c.Issuer = v.issuer
			}
			providers[name] = v.preset(c)
			if name == "x" {
				c.Scopes = []string{"users.read", "tweet.read", "users.email"}
				providers["mail"] = oauth.X(c)
			}
		}
		w.IdP.SetClient(client)
		return providers
	})
}

// signInAs goes the whole way.
func signInAs(w *flowtest.World, name, user string) *flowtest.Answer {
	w.Helper()
	b := w.Browser()
	return b.Get(b.Agree(flowtest.As(b.Begin(name), user)))
}

// at signs in as 10001 and returns who it was, or the code of a refusal.
func at(w *flowtest.World, name string) (postern.Identity, string) {
	w.Helper()
	before := len(w.SignIns())
	a := signInAs(w, name, "10001")
	if done := w.SignIns(); len(done) == before+1 {
		return done[before].Identity, ""
	}
	return postern.Identity{}, a.Code()
}

// TestEveryPreset: two people are two, at an issuer that stays; a nameless one is nobody; what protects the flow is
// sent.
func TestEveryPreset(t *testing.T) {
	w := all(t)
	for name, v := range vendors() {
		q := w.Browser().Begin(name).Query()
		pkce := len(q.Get("code_challenge")) == 43 && q.Get("code_challenge_method") == "S256"
		if len(q.Get("state")) != 43 || pkce == (name == "linkedin") || name == "linkedin" && q.Has("code_challenge") || q.Get("response_type") != "code" ||
			q.Get("client_id") != flowtest.ClientID || q.Get("redirect_uri") != flowtest.Issuer+"/"+name+"/callback" || q.Get("scope") != v.scope {
			t.Errorf("%s: %v", name, q)
		}
		for _, user := range []string{"10001", "10002", "10001"} {
			if a := signInAs(w, name, user); a.Status != 200 {
				t.Fatalf("%s: %d %s\n%s", name, a.Status, a.Body, w.Log())
			}
		}
		done := w.SignIns()
		ada, alan, again := done[len(done)-3].Identity, done[len(done)-2].Identity, done[len(done)-1].Identity
		if ada.Issuer != v.issuer || alan.Issuer != v.issuer || again.Issuer != v.issuer || ada.Subject == "" || ada.Subject == alan.Subject || again.Subject != ada.Subject {
			t.Errorf("%s: %s %s, %s %s, %s %s", name, ada.Issuer, ada.Subject, alan.Issuer, alan.Subject, again.Issuer, again.Subject)
		}
		if v.subject == "" && ada.Subject != "10001" || ada.Name != "Ada Lovelace" || len(ada.Raw) == 0 || ada.Tokens.Access == "" {
			t.Errorf("%s: %+v", name, ada)
		}
		if addresses := fmt.Sprint(ada.Addresses); name != "x" && addresses != fmt.Sprint([]postern.Address{{Type: "email", Value: "ada@example.com", Verified: v.proof != "" || name == "google" || name == "github"}}) || name == "x" && addresses != "[]" {
			t.Errorf("%s: %s", name, addresses)
		}
	}
}

// TestEmptySubject: a profile without an id, or with one that is none, signs nobody in.
func TestEmptySubject(t *testing.T) {
	w := all(t)
	for name, v := range vendors() {
		if v.issuer == flowtest.IdP {
			continue // TestGitHub_Profiles and the checks of package authcode
		}
		member := "id"
		if name == "linkedin" {
			member = "sub"
		}
		for _, id := range []any{"", nil, 1, []string{"1"}, map[string]string{}} {
			w.IdP.SetProfile(func(m map[string]any) { m[member] = id })
			if got, code := at(w, name); code != "provider_error" {
				t.Errorf("%s, %v: %q %+v", name, id, code, got)
			}
		}
		w.IdP.SetProfile(func(m map[string]any) { delete(m, member) })
		if got, code := at(w, name); code != "provider_error" {
			t.Errorf("%s, none: %q %+v", name, code, got)
		}
		for _, id := range []string{"12a", "../1", "1 ", "ada"} {
			w.IdP.SetProfile(func(m map[string]any) { m[member] = id })
			if got, code := at(w, name); (code == "provider_error") != (name == "discord" || name == "x") {
				t.Errorf("%s, %q: %q %+v", name, id, code, got)
			}
		}
	}
}

// TestA2_EveryOAuthPreset: an address is proven by what the service is documented to say, and by nothing that looks
// like it.
func TestA2_EveryOAuthPreset(t *testing.T) {
	type absent struct{}
	w := all(t)
	for name, v := range vendors() {
		if v.issuer == flowtest.IdP {
			continue // TestA2_GitHubAddresses and TestGoogle
		}
		for _, member := range []string{"verified", "email_verified", "confirmed", "is_verified"} {
			for _, shape := range []any{true, "true", false, "false", absent{}, nil, 1, "1", "TRUE", " true", []bool{true}, map[string]bool{"value": true}} {
				w.IdP.SetProfile(func(m map[string]any) {
					delete(m, "verified")
					delete(m, "email_verified")
					m["email"], m[member] = "ada@example.com", shape
					if shape == any(absent{}) {
						delete(m, member)
					}
				})
				id, code := at(w, name)
				mail, ok := id.Email()
				if want := v.proof == member && shape == any(true); code != "" || ok != want || len(id.Addresses) != 1 && name != "x" {
					t.Errorf("%s, %s %#v: %q %q %v %+v", name, member, shape, code, mail, ok, id.Addresses)
				}
			}
		}
		for _, address := range []any{"", nil, "ada", "a b@example.com", "ada@example.com\u0000", "Ada <ada@example.com>"} {
			w.IdP.SetProfile(func(m map[string]any) { m["email"], m["verified"], m["email_verified"] = address, true, true })
			if id, code := at(w, name); code != "" || len(id.Addresses) != 0 {
				t.Errorf("%s, %q: %q %+v", name, address, code, id.Addresses)
			}
		}
	}
}

// TestX_Address: only with the scope, and only the confirmed one.
func TestX_Address(t *testing.T) {
	w := all(t)
	id, _ := at(w, "mail")
	if mail, ok := id.Email(); !ok || mail != "ada@example.com" || id.Subject != "10001" || id.Issuer != "https://x.com" {
		t.Errorf("%+v", id)
	}
	w.IdP.SetProfile(func(m map[string]any) {
		delete(m, "confirmed_email")
		m["email"] = "ada@example.com"
		m["verified"] = true
	})
	if id, code := at(w, "mail"); code != "" || len(id.Addresses) != 0 {
		t.Errorf("%q %+v", code, id)
	}
}

// TestFacebook_Proof: calls prove that they come from the app; without its secret there is no proof.
func TestFacebook_Proof(t *testing.T) {
	// HMAC-SHA256 of "token" with the key "secret".
	const want = "e941110e3d2bfe82621f0e3e1434730d7305d106c5f68c87165d0b27a4611a4a"
	var asked url.Values
	for secret, proof := range map[string]string{"secret": want, "": ""} {
		w := flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
			return map[string]postern.Provider{"one": oauth.Facebook(oauth.Config{
				ClientID: "1", ClientSecret: secret, HTTPClient: w.HTTP,
				Endpoint: oauth.Endpoint{TokenURL: "https://graph.example/token", UserInfoURL: "https://graph.example/v23.0/me?locale=de"},
			})}
		})
		w.Serve("graph.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/token" {
				fmt.Fprint(rw, `{"access_token":"token","token_type":"bearer","expires_in":5183944}`)
				return
			}
			asked = r.URL.Query()
			fmt.Fprint(rw, `{"id":"1","name":"Ada","picture":{"data":{"url":"https://example.com/a.png"}}}`)
		}))
		b := w.Browser()
		a := b.Get(flowtest.Issuer + "/one/callback?code=c&state=" + b.Begin("one").Query().Get("state"))
		if a.Status != 200 || asked.Get("fields") != "id,name,email,picture" || asked.Get("locale") != "de" || asked.Get("appsecret_proof") != proof {
			t.Errorf("%d %s %v\n%s", a.Status, a.Body, asked, w.Log())
		}
		if id := w.SignIns()[0].Identity; id.Picture != "https://example.com/a.png" || len(id.Addresses) != 0 {
			t.Errorf("%+v", id)
		}
		if strings.Contains(w.Log(), want) {
			t.Error("the proof is in the log")
		}
	}
}

// TestProfileDetails: pictures, and names where there are none.
func TestProfileDetails(t *testing.T) {
	w := all(t)
	w.IdP.SetUsers(fakeidp.User{Subject: "10001", Login: "ada", Picture: "https://example.com/a.png"})
	for name, want := range map[string]string{
		"facebook": " https://example.com/a.png", "spotify": " https://example.com/a.png",
		"discord": "ada https://cdn.discordapp.com/avatars/10001/a1b2c3.png", "x": "ada ",
	} {
		id, code := at(w, name)
		if got := id.Name + " " + id.Picture; got != want || code != "" || len(id.Addresses) != 0 {
			t.Errorf("%s: %q %q %+v", name, got, code, id.Addresses)
		}
	}
	for name, profile := range map[string]func(map[string]any){
		"facebook": func(m map[string]any) {
			m["picture"] = map[string]any{"data": map[string]any{"url": "javascript:alert(1)"}}
		},
		"spotify": func(m map[string]any) { m["images"] = []any{} },
		"discord": func(m map[string]any) { m["avatar"] = nil },
		"x":       func(m map[string]any) { m["profile_image_url"] = "data:text/html,x" },
	} {
		w.IdP.SetProfile(profile)
		if id, code := at(w, name); code != "" || id.Picture != "" {
			t.Errorf("%s: %q %q", name, code, id.Picture)
		}
	}
	w.IdP.SetProfile(func(m map[string]any) { m["avatar"] = "../../x?y" })
	if id, _ := at(w, "discord"); id.Picture != "https://cdn.discordapp.com/avatars/10001/..%2F..%2Fx%3Fy.png" {
		t.Errorf("%q", id.Picture)
	}
}

// TestTroubleAtVendors: refusals of the services, in their own words, become clear pages that hold none of them.
func TestTroubleAtVendors(t *testing.T) {
	w := all(t)
	for name, v := range vendors() {
		if v.issuer == flowtest.IdP {
			continue
		}
		for what, tt := range map[string]struct {
			faults fakeidp.Faults
			code   string
		}{
			"no":            {fakeidp.Faults{Deny: true}, "access_denied"},
			"wrong secret":  {fakeidp.Faults{TokenError: "invalid_client"}, "provider_error"},
			"profile down":  {fakeidp.Faults{Transport: map[fakeidp.Endpoint]fakeidp.Trouble{fakeidp.UserInfo: fakeidp.Down}}, "provider_unavailable"},
			"profile HTML":  {fakeidp.Faults{Transport: map[fakeidp.Endpoint]fakeidp.Trouble{fakeidp.UserInfo: fakeidp.NotJSON}}, "provider_error"},
			"profile error": {fakeidp.Faults{Transport: map[fakeidp.Endpoint]fakeidp.Trouble{fakeidp.UserInfo: fakeidp.ServerError}}, "provider_unavailable"},
		} {
			w.IdP.SetFaults(tt.faults)
			if _, code := at(w, name); code != tt.code {
				t.Errorf("%s, %s: %q", name, what, code)
			}
		}
		w.IdP.SetFaults(fakeidp.Faults{TokenError: "invalid_grant"})
		if _, code := at(w, name); code != "invalid_code" && (code != "provider_error" || name != "facebook") {
			t.Errorf("%s, code used: %q", name, code)
		}
		w.IdP.SetFaults(fakeidp.Faults{})
	}
}

// TestVendorsAtHome: an application with only an id and a secret asks the real services.
func TestVendorsAtHome(t *testing.T) {
	for want, preset := range map[string]func(oauth.Config) *oauth.Provider{
		"https://www.facebook.com/dialog/oauth?":           oauth.Facebook,
		"https://accounts.spotify.com/authorize?":          oauth.Spotify,
		"https://discord.com/oauth2/authorize?":            oauth.Discord,
		"https://x.com/i/oauth2/authorize?":                oauth.X,
		"https://www.linkedin.com/oauth/v2/authorization?": oauth.LinkedIn,
	} {
		w := flowtest.New(t, func(*flowtest.World) map[string]postern.Provider {
			return map[string]postern.Provider{"one": preset(oauth.Config{ClientID: "a", ClientSecret: "b"})}
		})
		if to := w.Browser().Begin("one").String(); !strings.HasPrefix(to, want) {
			t.Errorf("%s: %s", want, to)
		}
		if err := preset(oauth.Config{ClientID: "public"}).Check(); err != nil {
			t.Errorf("%s without a secret: %v", want, err)
		}
	}
}

// TestFacebook_Fragment: the browser comes back with #_=_. The redirect to the application has its own fragment, or
// browsers would carry that one on; also when the callback comes again by Back or a reload. Other services bring none,
// and get none.
func TestFacebook_Fragment(t *testing.T) {
	for _, cookies := range []bool{false, true} {
		w := all(t)
		w.Silent, w.Cookies = !cookies, cookies
		for name := range vendors() {
			want := "https://app.example/"
			if name == "facebook" {
				want += "#"
			}
			b := w.Browser()
			b.HTML = true
			callback := b.Agree(flowtest.As(b.Begin(name), "10001"))
			if a := b.Get(callback); a.Status != 303 || a.Location != want {
				t.Errorf("%s: %d to %q, want %q", name, a.Status, a.Location, want)
			}
			if !cookies {
				continue
			}
			if a := b.Get(callback); a.Status != 303 || a.Location != want {
				t.Errorf("%s, again: %d to %q, want %q", name, a.Status, a.Location, want)
			}
		}
	}
}
