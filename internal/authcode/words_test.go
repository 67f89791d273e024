package authcode

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
)

// TestWords_OfAProviderAreFitForALog: they are escaped, limited in length, and contain no secret.
func TestWords_OfAProviderAreFitForALog(t *testing.T) {
	for _, tt := range []struct{ words, want string }{
		{"", ""},
		{"client_key is missing", `"client_key is missing"`},
		{"line\nbreak \x1b[31m \u2028 é", `"line\nbreak \x1b[31m \u2028 \u00e9"`},
		{"quote \" and \\", `"quote \" and \\"`},
		{"the code c0de-canary has expired", "(left out: it repeats a secret)"},
		{"wrong: s%2B%2F%3D+canary", "(left out: it repeats a secret)"},
	} {
		if got := quote(tt.words, "", "c0de-canary", "s+/= canary"); got != tt.want {
			t.Errorf("quote(%q) = %s, want %s", tt.words, got, tt.want)
		}
	}
	long := quote(strings.Repeat("é", 10000))
	if len(long) > 6*maxWords+8 || !strings.HasSuffix(long, `..."`) {
		t.Errorf("%d bytes: %.40s", len(long), long)
	}
}

// TestExchange_SaysWhatTheProviderSaid: the cause of a refusal has the error description of the token endpoint, and no
// secret.
func TestExchange_SaysWhatTheProviderSaid(t *testing.T) {
	for body, want := range map[string]string{
		`{"error":"invalid_request","error_description":"client_key is missing"}`:            `"invalid_request": "client_key is missing"`,
		`{"error":"invalid_grant","error_description":"code the-code was used"}`:             `"invalid_grant": (left out`,
		`{"error":"invalid_client","error_description":"the secret s3cret-canary is wrong"}`: `"invalid_client": (left out`,
		`{"error":"invalid_grant","error_description":"the-verifier does not fit"}`:          `"invalid_grant": (left out`,
		`{"error":"use_dpop_nonce"}`: "wants DPoP",
	} {
		server, client, _ := endpoint(t, 400, body)
		server.AuthMethod = AuthPost
		_, err := clientOf(client, "s3cret-canary").exchange(t.Context(), server, "the-code", "https://app.example/cb", "the-verifier", time.Now())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", body, err)
			continue
		}
		for _, secret := range []string{"the-code", "the-verifier", "canary"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error holds a secret: %v", body, err)
			}
		}
	}
}

// TestCallback_WordsOfTheProvider: the words at the callback reach the log, and the state does not.
func TestCallback_WordsOfTheProvider(t *testing.T) {
	for words, want := range map[string]string{
		"AADSTS50105: no role": `"access_denied": "AADSTS50105: no role"`, "st4te-canary is old": `"access_denied": (left out`, "": `error "access_denied"`,
	} {
		back, err := readCallback(url.Values{"error": {"access_denied"}, "state": {"st4te-canary"}, "error_description": {words}})
		if err != nil {
			t.Fatal(err)
		}
		if got := back.check(Server{}, "").Error(); !strings.Contains(got, want) || strings.Contains(got, "canary") {
			t.Errorf("%q: %s", words, got)
		}
	}
}

// TestExchange_CommaScopes: GitHub separates scopes by commas.
func TestExchange_CommaScopes(t *testing.T) {
	for comma, want := range map[bool]string{true: "user:email read:org", false: "user:email,read:org"} {
		server, client, _ := endpoint(t, 200, `{"access_token":"a","scope":"user:email,read:org"}`)
		server.AuthMethod = AuthPost
		c := clientOf(client, "s")
		c.CommaScopes = comma
		if got, err := c.exchange(t.Context(), server, "c", "https://app.example/cb", "v", time.Now()); err != nil || got.Scope != want {
			t.Errorf("%q, %v", got.Scope, err)
		}
	}
}

// TestExchange_Any2xx: some token endpoints answer 201.
func TestExchange_Any2xx(t *testing.T) {
	for status, ok := range map[int]bool{200: true, 201: true, 203: true, 302: false, 400: false, 404: false} {
		server, client, _ := endpoint(t, status, `{"access_token":"a"}`)
		server.AuthMethod = AuthPost
		got, err := clientOf(client, "s").exchange(t.Context(), server, "c", "https://app.example/cb", "v", time.Now())
		if (err == nil) != ok || ok && got.Access != "a" {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// TestTokenTypes: an access token of an unknown type is never sent, but a sign-in by ID token succeeds.
func TestTokenTypes(t *testing.T) {
	for typ, bearer := range map[string]bool{"": true, "Bearer": true, "bearer": true, "DPoP": false, "jwt-bearer": false, "mac": false, "N_A\n": false} {
		tokens := postern.Tokens{Access: "a", ID: "i", Type: typ}
		if err := BearerOnly(tokens); (err == nil) != bearer || err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", typ, err)
		}
		if err := (&Client{}).checkTokens(tokens); (err == nil) != bearer {
			t.Errorf("%q without OpenID Connect: %v", typ, err)
		}
		if err := (&Client{Nonce: true}).checkTokens(tokens); err != nil {
			t.Errorf("%q with an ID token: %v", typ, err)
		}
	}
	if err := (&Client{Nonce: true}).checkTokens(postern.Tokens{}); err == nil {
		t.Error("neither token")
	}
}

func clientOf(c *http.Client, s string) *Client {
	return &Client{ID: "id", Secret: secret(s), HTTP: c}
}
