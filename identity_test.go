package postern_test

import (
	"context"
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/oauth"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/session"
)

// as is a door at which everybody has the given issuer and subject.
func as(issuer, subject string) door {
	return door{identity: func(*http.Request) postern.Identity {
		return postern.Identity{Issuer: issuer, Subject: subject, Addresses: []postern.Address{{Type: "email", Value: "ann@example.com", Verified: true}}}
	}}
}

// Two providers return the same subject and address: two people. Neither can see or end a session of the other.
func TestA1_SameSubjectAtTwoProviders(t *testing.T) {
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.Providers = map[string]postern.Provider{"one": as("https://one.example", "1"), "two": as("https://two.example", "1")}
	})
	signIn := func(name string) *browser {
		b := v.browser()
		if w := b.get(callback(name, b.begin(name))); w.Code != http.StatusSeeOther {
			t.Fatalf("%s: %d\n%s", name, w.Code, w.Body)
		}
		return b
	}
	one, two, again := signIn("one"), signIn("two"), signIn("one")
	var keys []string
	for _, in := range v.finished() {
		keys = append(keys, in.Identity.Key())
	}
	if keys[0] == keys[1] || keys[0] != keys[2] {
		t.Fatalf("keys %q: want the first and the third to be equal, and no other", keys)
	}
	sessions := func(b *browser) int {
		var list struct {
			Sessions []json.RawMessage `json:"sessions"`
		}
		w := b.get(issuer + "/sessions")
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Code != 200 {
			t.Fatalf("sessions: %d %v %s", w.Code, err, w.Body)
		}
		return len(list.Sessions)
	}
	if n, m := sessions(one), sessions(two); n != 2 || m != 1 {
		t.Errorf("they see %d and %d sessions, want 2 and 1", n, m)
	}
	if w := two.post(issuer+"/signout/everywhere", url.Values{}); w.Code != 204 {
		t.Fatalf("sign-out everywhere: %d %s", w.Code, w.Body)
	}
	if n := sessions(one); n != 2 {
		t.Errorf("after the other person has signed out everywhere: %d sessions, want 2", n)
	}
	if err := v.sessions.RevokeSubject(t.Context(), keys[0]); err != nil {
		t.Fatal(err)
	}
	for _, b := range []*browser{one, again} {
		if w := b.get(issuer + "/sessions"); w.Code != 401 {
			t.Errorf("after RevokeSubject: %d", w.Code)
		}
	}
}

// A key stands for one pair of issuer and subject, and is a good subject of a session.
func TestIdentity_Key(t *testing.T) {
	// Fixed values, because applications keep keys in their databases.
	for want, id := range map[string]postern.Identity{
		"lfMUSxFirY35SWFbS4_WthalZVIlthtVjqI776EHOks": {Issuer: "https://accounts.google.com", Subject: "110169484474386276334"},
		"": {Issuer: "https://accounts.google.com"},
	} {
		if got := id.Key(); got != want {
			t.Errorf("%+v: %q, want %q", id, got, want)
		}
	}
	if (postern.Identity{Subject: "1"}).Key() != "" {
		t.Error("a key without an issuer")
	}
	texts := []string{"a", "b", "ab", "#", "a#", "#a", "/", "a/", "\x00", "a\x00", "\x00a", "https://a", "https://a/", strings.Repeat("a", 4096), "ä", "\xff", "|", "|a", " ", "a "}
	seen := map[string][2]string{}
	for _, iss := range texts {
		for _, sub := range texts {
			id := postern.Identity{Issuer: iss, Subject: sub, Name: "x", Provider: "y"}
			key := id.Key()
			if other, taken := seen[key]; taken {
				t.Errorf("%q and %q have one key", other, [2]string{iss, sub})
			}
			seen[key] = [2]string{iss, sub}
			if len(key) != 43 || strings.ContainsFunc(key, func(r rune) bool { return r > '~' || r <= ' ' }) || key != id.Key() {
				t.Errorf("%q: key %q", seen[key], key)
			}
		}
	}
	v := newWorld(t)
	for key := range seen {
		if _, err := v.users.Create(t.Context(), session.Grant[user]{Subject: key}); err != nil {
			t.Fatal(err)
		}
		break
	}
}

const nasty = "Ann\r\nBcc: x\x1b[31m\u202eevil\u2066\u200f\x00\u2028\ufeff\u0085<b>\"'"

func plain(t *testing.T, provider string, id postern.Identity) {
	t.Helper()
	if id.Name != strings.TrimSpace(id.Name) || len(id.Name) > 255 || strings.ContainsFunc(id.Name, func(r rune) bool {
		return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
	}) {
		t.Errorf("%s: Name %q", provider, id.Name)
	}
	if id.Picture != "" && !strings.HasPrefix(id.Picture, "https://") && !strings.HasPrefix(id.Picture, "http://") || strings.ContainsAny(id.Picture, "\"'<>`\r\n\x00 ") {
		t.Errorf("%s: Picture %q", provider, id.Picture)
	}
	for _, a := range id.Addresses {
		if strings.ContainsAny(a.Value, "\r\n\x00\x1b \u202e") {
			t.Errorf("%s: address %q", provider, a.Value)
		}
	}
}

// Done makes names and pictures safe to show, from every provider.
func TestA19_TextIsClean(t *testing.T) {
	for _, tc := range []struct{ name, want string }{
		{"Ada Lovelace", "Ada Lovelace"},
		{"  Ada\tLovelace\n", "Ada Lovelace"},
		{"Ann\r\nBcc: x@example.com", "Ann Bcc: x@example.com"},
		{"Ann\x1b[31mred\x07", "Ann[31mred"},
		{"\u202egnirts\u202c", "gnirts"},
		{"a\u2066b\u2069c\u200ed\u061ce", "abcde"},
		{"a\u2028b\u2029c\u0085d", "a b c d"},
		{"zero\u200bwidth\ufeff", "zerowidth"},
		{"\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"}, // Persian needs the joiner
		{"\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\u200d\U0001f469\u200d\U0001f467"},
		{"O'Brien <x> & \"Sons\"", "O'Brien <x> & \"Sons\""}, // the application escapes it
		{"bad\xffbytes", "badbytes"},
		{"\x00\u202e", ""},
		{"a\ue000\U000f0000b", "ab"}, // for private use: each font shows another thing
		{strings.Repeat("a", 254) + " b", strings.Repeat("a", 254)},
		{strings.Repeat("\u00e4", 200), strings.Repeat("\u00e4", 127)},
	} {
		if got := through(t, postern.Identity{Name: tc.name}).Name; got != tc.want {
			t.Errorf("%q became %q, want %q", tc.name, got, tc.want)
		}
	}
	for picture, want := range map[string]string{
		"https://img.example/a.png?s=1&t=2#x":              "https://img.example/a.png?s=1&t=2#x",
		"http://img.example/a.png":                         "http://img.example/a.png",
		"https://img.example/o'brien.png":                  "https://img.example/o%27brien.png",
		"https://img.example/\u00e4.png":                   "https://img.example/%C3%A4.png",
		"javascript:alert(1)":                              "",
		"JavaScript://img.example/%0aalert(1)":             "",
		"data:image/svg+xml,<svg onload=x>":                "",
		"//img.example/a.png":                              "",
		"/a.png":                                           "",
		"https://":                                         "",
		"https://user:pass@img.example/":                   "",
		"https://img.example/\" onerror=\"alert(1)":        "",
		"https://img.example/a b":                          "",
		"https://img.example/\r\nX: y":                     "",
		"https://img.example/\\x":                          "",
		"https://img.example/<script>":                     "",
		"https://\u00e4.example/":                          "",
		"https://img.example/" + strings.Repeat("a", 2048): "",
	} {
		if got := through(t, postern.Identity{Picture: picture}).Picture; got != want {
			t.Errorf("picture %q became %q, want %q", picture, got, want)
		}
	}
	good := []postern.Address{{Type: "email", Value: "ann@example.com"}, {Type: "phone", Value: "+441632960961", Verified: true}, {Type: "email", Value: "\u00e4@b\u00fccher.example"}}
	bad := []postern.Address{
		{Type: "email", Value: "ann@example.com\r\nBcc: x"}, {Type: "email", Value: "a\u202enn@example.com", Verified: true}, {Type: "email", Value: "a b@example.com"},
		{Type: "email", Value: "a\u2028b@example.com"}, {Type: "email", Value: "a\u2029b@example.com"}, {Type: "email", Value: "\ue000@example.com"},
		{Type: "email", Value: "\xff@example.com"}, {Type: "email", Value: ""}, {Type: "email", Value: strings.Repeat("a", 400) + "@example.com"},
	}
	if got := through(t, postern.Identity{Addresses: slices.Concat(bad[:3], good, bad[3:])}).Addresses; !slices.Equal(got, good) {
		t.Errorf("addresses %+v", got)
	}
	odd := "sub\tject \u202e"
	if got := through(t, postern.Identity{Subject: odd}); got.Subject != odd {
		t.Errorf("Subject %q was changed", got.Subject)
	}
}

// through returns the identity that OnSuccess gets.
func through(t *testing.T, id postern.Identity) postern.Identity {
	t.Helper()
	id.Issuer = "https://door.example"
	if id.Subject == "" {
		id.Subject = "u1"
	}
	v := newWorld(t, func(v *world, _ *session.Config, c *postern.Config) {
		c.Providers["door"] = door{identity: func(*http.Request) postern.Identity { return id }}
		c.OnSuccess = func(_ http.ResponseWriter, _ *http.Request, in *postern.SignIn) error {
			v.signins.Add(in)
			return nil
		}
	})
	b := v.browser()
	b.get(callback("door", b.begin("door")))
	if len(v.finished()) != 1 {
		t.Fatalf("%+v: %d sign-ins", id, len(v.finished()))
	}
	return v.finished()[0].Identity
}

// The same for each kind of provider, from the answer of the service to OnSuccess.
func TestA19_TextIsCleanByEveryProvider(t *testing.T) {
	idp := posterntest.NewProvider(t, posterntest.ProviderConfig{Users: []posterntest.User{{
		Subject: "7", Name: nasty, Picture: "https://img.example/\" onerror=\"alert(1)", Email: "ann@example.com", EmailVerified: true, Login: "ann", GitHubID: 7,
	}}})
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	for _, name := range []string{"oidc", "plain", "github", "own"} {
		idp.Allow(server.URL + "/auth/" + name + "/callback")
	}
	at := oauth.Config{ClientID: idp.ClientID, ClientSecret: idp.ClientSecret, HTTPClient: idp.Client()}
	plainOAuth, atGitHub, own := at, at, at
	plainOAuth.Endpoint = oauth.Endpoint{AuthURL: idp.URL("/authorize"), TokenURL: idp.URL("/token"), UserInfoURL: idp.URL("/userinfo"), Issuer: idp.Issuer()}
	atGitHub.Endpoint = oauth.Endpoint{AuthURL: idp.URL("/login/oauth/authorize"), TokenURL: idp.URL("/login/oauth/access_token"), UserInfoURL: idp.URL("/api/user")}
	own.Issuer, own.Endpoint = "https://own.example", plainOAuth.Endpoint
	own.Profile = func(context.Context, *http.Client, postern.Tokens) (postern.Identity, error) {
		return postern.Identity{Subject: "7", Name: nasty, Picture: "javascript:alert(1)", Addresses: []postern.Address{{Type: "email", Value: nasty}}}, nil
	}
	var mail postern.Mail
	got := map[string]postern.Identity{}
	auth, err := postern.New(postern.Config{
		Sessions:  posterntest.Sessions(t, session.Config{Issuer: server.URL + "/auth"}),
		Redirects: []string{"https://example.com/"},
		Providers: map[string]postern.Provider{
			"oidc":  oidc.New(oidc.Config{Issuer: idp.Issuer(), ClientID: idp.ClientID, ClientSecret: idp.ClientSecret, HTTPClient: idp.Client()}),
			"plain": oauth.Google(plainOAuth), "github": oauth.GitHub(atGitHub), "own": oauth.New(own),
			"code": magic.Code(magic.Config{}),
		},
		Mail: func(_ context.Context, m postern.Mail) error { mail = m; return nil },
		OnSuccess: func(_ http.ResponseWriter, _ *http.Request, in *postern.SignIn) error {
			got[in.Identity.Provider] = in.Identity
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	auth.Mount(mux)
	for _, name := range []string{"oidc", "plain", "github", "own"} {
		posterntest.SignIn(t, posterntest.Client(t), server.URL+"/auth/"+name+"/authorize")
	}
	client := posterntest.Client(t)
	page := posterntest.SignIn(t, client, server.URL+"/auth/code/authorize?name="+url.QueryEscape(html.EscapeString("<b>")))
	page = posterntest.Submit(t, client, page, url.Values{"email": {"ann@example.com"}})
	posterntest.Submit(t, client, page, url.Values{"code": {mail.Arg("code")}})
	for _, name := range []string{"oidc", "plain", "github", "own", "code"} {
		id, ok := got[name]
		if !ok {
			t.Errorf("%s: no sign-in", name)
			continue
		}
		plain(t, name, id)
		if name != "code" && !strings.HasPrefix(id.Name, "Ann Bcc: x") {
			t.Errorf("%s: Name %q", name, id.Name)
		}
	}
}
