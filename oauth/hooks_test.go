package oauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/oauth"
)

// odd is a service that leaves RFC 6749 at its token endpoint.
func odd(t *testing.T, token http.HandlerFunc, change func(*oauth.Config)) *flowtest.World {
	t.Helper()
	w := flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
		c := oauth.Config{
			ClientID: "1", ClientSecret: "s3cret-canary", Issuer: "https://svc.example", HTTPClient: w.HTTP,
			Endpoint: oauth.Endpoint{AuthURL: "https://svc.example/auth", TokenURL: "https://svc.example/token"},
			Profile: func(_ context.Context, _ *http.Client, t postern.Tokens) (postern.Identity, error) {
				return postern.Identity{Subject: "of " + t.Access}, nil
			},
		}
		change(&c)
		return map[string]postern.Provider{"one": oauth.New(c)}
	})
	w.Serve("svc.example", token)
	return w
}

func signIn(t *testing.T, w *flowtest.World) *flowtest.Answer {
	t.Helper()
	b := w.Browser()
	state := b.Begin("one").Query().Get("state")
	return b.Get(flowtest.Issuer + "/one/callback?code=c0de-canary&state=" + url.QueryEscape(state))
}

func write(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); _, _ = io.WriteString(w, body) }
}

// TestTokenRequest: the hook has the last word on the request. TikTok wants client_key, others want a secret that is
// not form-encoded before it is put into the Authorization header.
func TestTokenRequest(t *testing.T) {
	w := odd(t, func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.PostForm.Get("client_key") != "1" || r.PostForm.Has("client_id") || r.PostForm.Get("code_verifier") == "" {
			write(400, `{"error":"invalid_request","error_description":"client_key is missing"}`)(w, r)
			return
		}
		write(200, `{"access_token":"x-`+r.Header.Get("X-Extra")+`"}`)(w, r)
	}, func(c *oauth.Config) {
		c.AuthMethod = "client_secret_post"
		c.TokenRequest = func(form url.Values, header http.Header) {
			form.Set("client_key", form.Get("client_id"))
			form.Del("client_id")
			header.Set("X-Extra", "y")
		}
	})
	if a := signIn(t, w); len(w.SignIns()) != 1 || w.SignIns()[0].Identity.Subject != "of x-y" {
		t.Fatalf("%d %s\n%s", a.Status, a.Body, w.Log())
	}
}

// TestTokenAnswer: the hook reads what a service answers in its own way; what it cannot read signs nobody in.
func TestTokenAnswer(t *testing.T) {
	read := func(body []byte) (postern.Tokens, error) {
		var a struct {
			User struct {
				Access string `json:"access_token"`
			} `json:"authed_user"`
		}
		if form, err := url.ParseQuery(string(body)); err == nil && form.Has("access_token") {
			return postern.Tokens{Access: form.Get("access_token")}, nil
		}
		if json.Unmarshal(body, &a) != nil {
			return postern.Tokens{}, errors.New("neither form nor JSON")
		}
		return postern.Tokens{Access: a.User.Access}, nil
	}
	for name, tt := range map[string]struct {
		status     int
		body, want string // the subject, or the code of the refusal
	}{
		"Slack":             {200, `{"ok":true,"authed_user":{"access_token":"xoxp","token_type":"user"}}`, "of xoxp"},
		"a form":            {200, "access_token=x&token_type=bearer", "of x"},
		"201":               {201, "access_token=x", "of x"},
		"an error with 200": {200, `{"ok":false,"error":"invalid_code"}`, "invalid_code"},
		"an error with 400": {400, `{"error":"invalid_grant"}`, "invalid_code"},
		"400 without words": {400, "access_token=x", "provider_error"},
		"no token":          {200, `{"ok":true}`, "provider_error"},
		"unreadable":        {200, `<html>c0de-canary`, "provider_error"},
		"a line break":      {200, "access_token=x%0d%0aX: y", "provider_error"},
		"500":               {500, "access_token=x", "provider_unavailable"},
	} {
		w := odd(t, write(tt.status, tt.body), func(c *oauth.Config) { c.TokenAnswer = read })
		a := signIn(t, w)
		got := a.Code()
		if done := w.SignIns(); len(done) == 1 {
			got = done[0].Identity.Subject
		}
		if got != tt.want {
			t.Errorf("%s: %d %s, want %s\n%s", name, a.Status, got, tt.want, w.Log())
		}
		if strings.Contains(w.Log(), "canary") {
			t.Errorf("%s: the log holds a secret\n%s", name, w.Log())
		}
	}
}

// TestTokenType: an access token of another type than Bearer is never sent to the profile endpoint.
func TestTokenType(t *testing.T) {
	for body, reason := range map[string]string{
		`{"access_token":"x","token_type":"DPoP"}`: "wants DPoP",
		`{"access_token":"x","token_type":"mac"}`:  "not Bearer",
		`{"error":"use_dpop_nonce"}`:               "wants DPoP",
	} {
		w := odd(t, write(200, body), func(*oauth.Config) {})
		if a := signIn(t, w); a.Code() != "provider_error" || len(w.SignIns()) != 0 || !strings.Contains(w.Log(), reason) {
			t.Errorf("%s: %d %s\n%s", body, a.Status, a.Code(), w.Log())
		}
	}
}
