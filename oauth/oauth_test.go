package oauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/oauth"
)

// service is any OAuth 2 service: the fake provider, and a profile of the test's.
func service(w *flowtest.World, profile func(context.Context, *http.Client, postern.Tokens) (postern.Identity, error)) oauth.Config {
	return oauth.Config{
		ClientID: flowtest.ClientID, ClientSecret: flowtest.Secret, Issuer: "https://music.example", HTTPClient: w.HTTP,
		Endpoint: oauth.Endpoint{AuthURL: flowtest.IdP + "/authorize?tenant=t1", TokenURL: flowtest.IdP + "/token"},
		Scopes:   []string{"openid", "profile"}, Profile: profile,
	}
}

func TestNew(t *testing.T) {
	w := flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
		c := service(w, func(ctx context.Context, hc *http.Client, tokens postern.Tokens) (postern.Identity, error) {
			raw, err := oauth.Get(ctx, hc, flowtest.IdP+"/userinfo", tokens)
			if err != nil {
				return postern.Identity{}, err
			}
			var me struct{ Sub string }
			if err := json.Unmarshal(raw, &me); err != nil {
				return postern.Identity{}, err
			}
			return postern.Identity{Subject: me.Sub, Raw: raw}, nil
		})
		c.Forward = []string{"login_hint", "ui_locales"}
		return map[string]postern.Provider{"one": oauth.New(c)}
	})
	b := w.Browser()
	to := b.Begin("one", "login_hint=10002", "hd=evil", "ui_locales=de%20fr")
	if q := to.Query(); q.Get("tenant") != "t1" || q.Get("login_hint") != "10002" || q.Has("hd") || q.Get("ui_locales") != "de fr" || q.Has("nonce") {
		t.Errorf("%v", q)
	}
	if a := b.Get(b.Agree(to)); a.Body != "signed in: https://music.example 10002" {
		t.Errorf("%d %s\n%s", a.Status, a.Body, w.Log())
	}
}

// TestProfileErrors: what a Profile answers becomes a clear page, and no sign-in.
func TestProfileErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		id     postern.Identity
		err    error
		status int
		code   string
	}{
		"own refusal": {postern.Identity{}, postern.Deny("not_invited", "You are not invited."), 403, "not_invited"},
		"wrapped":     {postern.Identity{}, fmt.Errorf("x: %w", postern.Deny("not_invited", "No.")), 403, "not_invited"},
		"any error":   {postern.Identity{}, errors.New("canary in a cause"), 502, "provider_error"},
		"deadline":    {postern.Identity{}, context.DeadlineExceeded, 503, "provider_unavailable"},
		"no subject":  {postern.Identity{Issuer: "https://x"}, nil, 502, "provider_error"},
	} {
		w := flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
			return map[string]postern.Provider{"one": oauth.New(service(w, func(context.Context, *http.Client, postern.Tokens) (postern.Identity, error) { return tt.id, tt.err }))}
		})
		a := w.Browser().SignIn("one")
		if a.Status != tt.status || a.Code() != tt.code || strings.Contains(a.Body, "canary") || len(w.SignIns()) != 0 {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
}

func TestGet(t *testing.T) {
	w := flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
		return map[string]postern.Provider{"github": oauth.GitHub(gitHub(w))}
	})
	w.Serve("api.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
			fmt.Fprintf(rw, `{"auth":%q}`, r.Header.Get("Authorization"))
		case "/twice":
			fmt.Fprint(rw, `{"id":1,"id":2}`)
		case "/away":
			http.Redirect(rw, r, "https://api.example/ok", http.StatusFound)
		default:
			rw.WriteHeader(http.StatusUnauthorized)
		}
	}))
	tokens := postern.Tokens{Access: "t0ken-canary"}
	raw, err := oauth.Get(t.Context(), w.HTTP, "https://api.example/ok", tokens)
	if err != nil || string(raw) != `{"auth":"Bearer t0ken-canary"}` {
		t.Errorf("%s, %v", raw, err)
	}
	for path, want := range map[string]string{"/twice": "provider_error", "/none?key=canary": "provider_error"} {
		_, err := oauth.Get(t.Context(), w.HTTP, "https://api.example"+path, tokens)
		var e *postern.Error
		if !errors.As(err, &e) || e.Code != want || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestConfig(t *testing.T) {
	good := oauth.Config{
		ClientID: "a", ClientSecret: "b", Issuer: "https://music.example", Endpoint: oauth.Endpoint{AuthURL: "https://music.example/a", TokenURL: "https://music.example/t"},
		Profile: func(context.Context, *http.Client, postern.Tokens) (postern.Identity, error) {
			return postern.Identity{}, nil
		},
	}
	if err := oauth.New(good).Check(); err != nil {
		t.Error(err)
	}
	for problem, change := range map[string]func(*oauth.Config){
		"ClientID is missing":     func(c *oauth.Config) { c.ClientID = "" },
		"Issuer is missing":       func(c *oauth.Config) { c.Issuer = "" },
		"Profile is missing":      func(c *oauth.Config) { c.Profile = nil },
		"Endpoint.AuthURL: ":      func(c *oauth.Config) { c.Endpoint.AuthURL = "" },
		"Endpoint.TokenURL: ":     func(c *oauth.Config) { c.Endpoint.TokenURL = "http://music.example/t" },
		"Endpoint.UserInfoURL: ":  func(c *oauth.Config) { c.Endpoint.UserInfoURL = "javascript:alert(1)" },
		"IssuerRequired needs":    func(c *oauth.Config) { c.Endpoint.IssuerRequired = true },
		"Prompt is set twice":     func(c *oauth.Config) { c.Prompt, c.AuthParams = "x", map[string]string{"prompt": "y"} },
		`"state"`:                 func(c *oauth.Config) { c.AuthParams = map[string]string{"state": "fixed"} },
		`"redirect_uri"`:          func(c *oauth.Config) { c.Forward = []string{"redirect_uri"} },
		"AuthMethod":              func(c *oauth.Config) { c.AuthMethod = "tls_client_auth" },
		"needs a ClientSecret":    func(c *oauth.Config) { c.AuthMethod, c.ClientSecret = "client_secret_post", "" },
		"one scope an entry":      func(c *oauth.Config) { c.Scopes = []string{"a,b c"} },
		"begins or ends with whi": func(c *oauth.Config) { c.ClientSecret = "b\n" },
	} {
		c := good
		change(&c)
		if err := oauth.New(c).Check(); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("want %q: %v", problem, err)
		}
	}
}

func TestC1_GitHubStateBeforeAnyTokenRequest(t *testing.T) {
	w := world(t)
	b := w.Browser()
	good, other := b.To("github"), b.To("google")
	for name, target := range map[string]string{
		"missing":         flowtest.With(good, "state", "-"),
		"of another flow": strings.Replace(other, "/google/", "/github/", 1),
		"somebody else's": w.Browser().To("github"),
		"twice":           good + "&state=x",
	} {
		if a := b.Clone().Get(target); a.Status != 400 {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
	if w.IdP.Calls(fakeidp.Token) != 0 {
		t.Error("a code was exchanged")
	}
	if a := b.Get(good); a.Status != 200 {
		t.Errorf("the good one: %d %s", a.Status, a.Body)
	}
}

// TestC7_GitHubInTrouble: a clear page, in time.
func TestC7_GitHubInTrouble(t *testing.T) {
	for _, endpoint := range []fakeidp.Endpoint{fakeidp.Token, fakeidp.UserInfo, fakeidp.Emails} {
		for trouble, want := range map[fakeidp.Trouble]string{
			fakeidp.Down: "provider_unavailable", fakeidp.ServerError: "provider_unavailable", fakeidp.NotJSON: "provider_error", fakeidp.RedirectLoop: "provider_error",
		} {
			w := world(t)
			w.IdP.SetFaults(fakeidp.Faults{Transport: map[fakeidp.Endpoint]fakeidp.Trouble{endpoint: trouble}})
			if a := w.Browser().SignIn("github"); a.Code() != want || len(w.SignIns()) != 0 {
				t.Errorf("%s %s: %d %s", endpoint, trouble, a.Status, a.Body)
			}
			w.IdP.SetFaults(fakeidp.Faults{})
			accepted(t, w, "github")
		}
	}
	w := world(t)
	w.IdP.SetFaults(fakeidp.Faults{TokenError: "bad_verification_code"}) // with status 200
	if a := w.Browser().SignIn("github"); a.Status != 400 || a.Code() != "invalid_code" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	w.IdP.SetFaults(fakeidp.Faults{Deny: true})
	if a := w.Browser().SignIn("github"); a.Status != 403 || a.Code() != "access_denied" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// TestL1_NothingSecretIsLogged: through sign-ins that work and fail, neither log nor page holds a token, code or
// secret.
func TestL1_NothingSecretIsLogged(t *testing.T) {
	w := world(t)
	var mu sync.Mutex
	secrets := []string{flowtest.Secret}
	w.Observe(func(_ fakeidp.Endpoint, v url.Values) {
		mu.Lock()
		defer mu.Unlock()
		for _, name := range []string{"code", "code_verifier", "code_challenge", "state"} {
			secrets = append(secrets, v[name]...)
		}
	})
	var pages strings.Builder
	for _, f := range []fakeidp.Faults{
		{}, {Deny: true}, {TokenError: "invalid_grant"}, {TokenError: "invalid_client"}, {OtherSubject: true}, {NoEmail: true}, {DuplicateCode: true}, {WrongState: true},
		{Transport: map[fakeidp.Endpoint]fakeidp.Trouble{"": fakeidp.Down}}, {Transport: map[fakeidp.Endpoint]fakeidp.Trouble{fakeidp.UserInfo: fakeidp.NotJSON}},
	} {
		for _, name := range []string{"github", "google"} {
			w.IdP.SetFaults(f)
			b := w.Browser()
			pages.WriteString(b.Get(b.To(name)).Body)
		}
	}
	for _, in := range w.SignIns() {
		secrets = append(secrets, in.Tokens.Access)
	}
	if len(secrets) < 40 || len(w.SignIns()) < 3 || w.Log() == "" {
		t.Fatalf("%d secrets, %d sign-ins", len(secrets), len(w.SignIns()))
	}
	for _, s := range secrets {
		if strings.Contains(w.Log(), s) || strings.Contains(pages.String(), s) {
			t.Errorf("%q is in the log or on a page", s)
		}
	}
}
