package authcode_test

import (
	"context"
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/authcode"
	"github.com/posternauth/postern/internal/fetch"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/flowtest"
)

// poster is a provider that answers by POST, as Apple does, with a new client secret for each exchange.
type poster struct{ client authcode.Client }

func (p *poster) Handler(f *postern.Flow) http.Handler { return p.client.Handler(f) }

func postWorld(t *testing.T, secret func(context.Context) (string, error), server func() authcode.Server) *flowtest.World {
	t.Helper()
	return flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
		p := &poster{authcode.Client{
			ID: flowtest.ClientID, Secret: secret, Scopes: []string{"openid"}, FormPost: true, Method: "oidc",
			HTTP: fetch.Client(fetch.Options{HTTPClient: w.HTTP}), Timeout: 5 * time.Second,
			Server: func(context.Context, time.Time) (authcode.Server, error) { return server(), nil },
			Identify: func(_ context.Context, l authcode.Login) (postern.Identity, error) {
				return postern.Identity{Issuer: flowtest.IdP, Subject: "1", Name: l.Form.Get("user")}, nil
			},
		}}
		return map[string]postern.Provider{"post": p}
	})
}

func idp() authcode.Server {
	return authcode.Server{
		AuthURL: flowtest.IdP + "/authorize", TokenURL: flowtest.IdP + "/token", Issuer: flowtest.IdP, IssParameter: true, AuthMethod: authcode.AuthPost,
	}
}

var input = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// answer returns the form that the browser posts for the provider.
func answer(w *flowtest.World, at *url.URL) url.Values {
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

func TestFormPost(t *testing.T) {
	made := 0
	w := postWorld(t, func(context.Context) (string, error) { made++; return flowtest.Secret, nil }, idp)
	b := w.Browser()
	to := b.Begin("post")
	if q := to.Query(); q.Get("response_mode") != "form_post" || q.Has("nonce") {
		t.Errorf("%v", q)
	}
	form := answer(w, to)
	form.Set("user", "Ada") // only the first POST has it
	callback := flowtest.Issuer + "/post/callback"

	if a := b.Clone().Get(callback + "?" + form.Encode()); a.Status != 400 || a.Code() != "invalid_state" {
		t.Errorf("by GET: %d %s", a.Status, a.Body)
	}
	if a := w.Browser().Post(callback, form); a.Status != 403 {
		t.Errorf("by another browser: %d %s", a.Status, a.Body)
	}
	if w.IdP.Calls(fakeidp.Token) != 0 || made != 0 {
		t.Error("the code was exchanged")
	}
	twin := b.Clone()
	if a := b.Post(callback, form); a.Status != 200 || made != 1 {
		t.Fatalf("%d %s\n%s", a.Status, a.Body, w.Log())
	}
	if id := w.SignIns()[0].Identity; id.Name != "Ada" {
		t.Errorf("%+v", id)
	}
	if a := twin.Post(callback, form); a.Status != 400 || a.Code() != "used_state" {
		t.Errorf("again: %d %s", a.Status, a.Body)
	}
	form.Set("iss", "https://other.example")
	form.Set("state", b.Begin("post").Query().Get("state"))
	if a := b.Post(callback, form); a.Code() != "invalid_issuer" {
		t.Errorf("other iss: %d %s", a.Status, a.Body)
	}
}

// TestSecretThatCannotBeMade: it is a fault of this server, not of the person or the provider.
func TestSecretThatCannotBeMade(t *testing.T) {
	w := postWorld(t, func(context.Context) (string, error) { return "", errors.New("the key is gone") }, idp)
	b := w.Browser()
	a := b.Post(flowtest.Issuer+"/post/callback", answer(w, b.Begin("post")))
	if a.Status != 500 || w.IdP.Calls(fakeidp.Token) != 0 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// TestC4_ServerChangedOnTheWay: an attempt that was begun at one issuer does not end at another.
func TestC4_ServerChangedOnTheWay(t *testing.T) {
	server := idp()
	w := postWorld(t, func(context.Context) (string, error) { return flowtest.Secret, nil }, func() authcode.Server { return server })
	b := w.Browser()
	form := answer(w, b.Begin("post"))
	server.Issuer = "https://evil.example"
	form.Set("iss", server.Issuer)
	if a := b.Post(flowtest.Issuer+"/post/callback", form); a.Status != 400 || a.Code() != "invalid_issuer" || w.IdP.Calls(fakeidp.Token) != 0 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// TestC1_EndpointQuery: parameters in the query of an authorization endpoint do not replace those of the flow; others
// stay.
func TestC1_EndpointQuery(t *testing.T) {
	w := postWorld(t, func(context.Context) (string, error) { return flowtest.Secret, nil }, func() authcode.Server {
		s := idp()
		s.AuthURL += "?state=fixed&client_id=other&redirect_uri=https://evil.example/&response_type=token&scope=all&code_challenge=x" +
			"&code_challenge_method=plain&response_mode=query&tenant=acme"
		return s
	})
	q := w.Browser().Begin("post").Query()
	for name, want := range map[string]string{
		"client_id": flowtest.ClientID, "redirect_uri": flowtest.Issuer + "/post/callback", "response_type": "code", "scope": "openid",
		"code_challenge_method": "S256", "response_mode": "form_post", "tenant": "acme",
	} {
		if len(q[name]) != 1 || q.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, q[name], want)
		}
	}
	for _, name := range []string{"state", "code_challenge"} {
		if len(q[name]) != 1 || len(q.Get(name)) != 43 {
			t.Errorf("%s is %q", name, q[name])
		}
	}
}
