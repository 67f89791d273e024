package posterntest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// Keys makes a key ring in memory: ES256, which is quick to make, and secrets. It is what session.Config.Keys wants.
func Keys(t T) *keys.Ring {
	t.Helper()
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: &keys.MemoryVault{}, Algorithm: keys.ES256})
	if err != nil {
		t.Fatalf("posterntest.Keys: %v", err)
	}
	return ring
}

// Sessions fills in what c leaves out and makes sessions: the issuer "http://localhost/auth", the audience "test",
// Keys, and a store in memory with the clock of c.
func Sessions(t T, c session.Config) *session.Sessions {
	t.Helper()
	if c.Issuer == "" {
		c.Issuer = "http://localhost/auth"
	}
	if c.Audience == "" {
		c.Audience = "test"
	}
	if c.Keys == nil {
		c.Keys = Keys(t)
	}
	if c.Store == nil {
		c.Store = &store.Memory{Now: c.Now}
	}
	s, err := session.New(c)
	if err != nil {
		t.Fatalf("posterntest.Sessions: %v", err)
	}
	return s
}

// Token creates a session and returns its access token.
func Token[P any](t T, kind *session.Kind[P], g session.Grant[P]) string {
	t.Helper()
	tokens, err := kind.Create(context.Background(), g)
	if err != nil {
		t.Fatalf("posterntest.Token: %v", err)
	}
	return tokens.Access
}

// Sign puts a token on a request, as Authorization: Bearer, and returns the request.
func Sign(r *http.Request, token string) *http.Request {
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// SignedIn creates a session and gives its cookies to the client, as if the person had signed in at appURL, an address
// of the application. The client then goes through guards as a browser does: move the [Clock], and its session is
// refreshed; end it by its SessionID, and see how long it goes on. client is one of [Client], or has another Jar.
func SignedIn[P any](t T, client *http.Client, appURL string, kind *session.Kind[P], g session.Grant[P]) session.Tokens {
	t.Helper()
	tokens, err := kind.Create(context.Background(), g)
	if err != nil {
		t.Fatalf("posterntest.SignedIn: %v", err)
	}
	u, err := url.Parse(appURL)
	if err != nil || u.Host == "" {
		t.Fatalf("posterntest.SignedIn: %q is no address of an application; write it like http://127.0.0.1:8080/", appURL)
	}
	if client.Jar == nil {
		t.Fatalf("posterntest.SignedIn: the client keeps no cookies: use posterntest.Client, or set its Jar")
	}
	w := httptest.NewRecorder()
	kind.SetCookies(w, tokens)
	cookies := w.Result().Cookies()
	client.Jar.SetCookies(u, cookies)
	for _, c := range cookies {
		if !slices.ContainsFunc(client.Jar.Cookies(u), func(kept *http.Cookie) bool { return kept.Name == c.Name && kept.Value == c.Value }) {
			t.Fatalf("posterntest.SignedIn: the client would not send the cookies to %s: with an https issuer, the application must be on https (httptest.NewTLSServer)", place(u))
		}
	}
	return tokens
}
