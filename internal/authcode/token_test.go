package authcode

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/fetch"
	"github.com/posternauth/postern/internal/text"
)

// oauthAnswer reads an answer for a client without OpenID Connect.
func oauthAnswer(body string) (answer, error) {
	a, err := readAnswer(body, 0)
	if err == nil && a.failure == "" {
		if err = (&Client{}).checkTokens(a.tokens); err != nil {
			return answer{}, err
		}
	}
	return a, err
}

func TestReadAnswer(t *testing.T) {
	for _, tt := range []struct {
		body string
		want postern.Tokens
		life time.Duration
	}{
		{`{"access_token":"a","token_type":"Bearer","expires_in":3600,"refresh_token":"r","id_token":"i","scope":"x y"}`,
			postern.Tokens{Access: "a", Refresh: "r", ID: "i", Type: "Bearer", Scope: "x y"}, time.Hour},
		{`{"access_token":"a","token_type":"bearer","scope":["openid","user:read:email"]}`, postern.Tokens{Access: "a", Type: "bearer", Scope: "openid user:read:email"}, 0},
		{`{"access_token":"a","token_type":"BEARER","expires_in":"60"}`, postern.Tokens{Access: "a", Type: "BEARER"}, time.Minute},
		{`{"access_token":"a"}`, postern.Tokens{Access: "a"}, 0},
		{`{"access_token":"a","refresh_token":null,"scope":null,"expires_in":null,"more":{"x":[1,2]}}`, postern.Tokens{Access: "a"}, 0},
		{`{"access_token":"a","expires_in":9007199254740992}`, postern.Tokens{Access: "a"}, maxLife},
		{`{"access_token":"a\u002fb"}`, postern.Tokens{Access: "a/b"}, 0},
		// An unreadable member that a sign-in does not need does not end the sign-in.
		{`{"access_token":"a","expires_in":3600.0}`, postern.Tokens{Access: "a"}, time.Hour},
		{`{"access_token":"a","expires_in":1.5}`, postern.Tokens{Access: "a"}, time.Second},
		{`{"access_token":"a","expires_in":1e3}`, postern.Tokens{Access: "a"}, 1000 * time.Second},
		{`{"access_token":"a","expires_in":-1}`, postern.Tokens{Access: "a"}, 0},
		{`{"access_token":"a","expires_in":true}`, postern.Tokens{Access: "a"}, 0},
		{`{"access_token":"a","expires_in":"soon"}`, postern.Tokens{Access: "a"}, 0},
		{`{"access_token":"a","expires_in":""}`, postern.Tokens{Access: "a"}, 0},
		{`{"access_token":"a","expires_in":[1]}`, postern.Tokens{Access: "a"}, 0},
		{`{"access_token":"a","expires_in":99999999999999999999}`, postern.Tokens{Access: "a"}, 0},
		{`{"access_token":"a","scope":1,"refresh_token":7}`, postern.Tokens{Access: "a"}, 0},
		{`{"access_token":"a","scope":[1],"refresh_token":""}`, postern.Tokens{Access: "a"}, 0},
		{`{"access_token":"a","error":"","error_description":7}`, postern.Tokens{Access: "a"}, 0},
		{`{"access_token":"a","Access_Token":"b"}`, postern.Tokens{Access: "a"}, 0},
	} {
		a, err := oauthAnswer(tt.body)
		if err != nil || a.tokens != tt.want || a.life != tt.life || a.failure != "" {
			t.Errorf("%s: %+v, %v", tt.body, a, err)
		}
	}
	for _, body := range []string{
		`{"error":"invalid_grant","error_description":"x"}`, `{"access_token":"a","error":"invalid_grant"}`,
	} {
		if a, err := oauthAnswer(body); err != nil || a.failure != "invalid_grant" || a.tokens != (postern.Tokens{}) {
			t.Errorf("%s: %+v, %v", body, a, err)
		}
	}
	for _, body := range []string{
		``, `null`, `[]`, `"a"`, `{}`, `{"access_token":""}`, `{"access_token":null}`, `{"access_token":1}`, `{"access_token":["a"]}`,
		`{"access_token":"a","access_token":"b"}`, `{"Access_Token":"a"}`, `{"access_token":"a","\u0061ccess_token":"b"}`,
		`{"access_token":"a"}x`, `{"access_token":"a"`, `{"access_token":"a",}`, "\ufeff" + `{"access_token":"a"}`,
		`{"access_token":"a","token_type":"mac"}`, `{"access_token":"a","token_type":"DPoP"}`, `{"access_token":"a","token_type":"Bearer x"}`,
		`{"access_token":"a\u0000"}`, `{"access_token":"a\r\nX: y"}`, `{"access_token":"ä"}`, `{"access_token":"` + strings.Repeat("x", maxToken+1) + `"}`,
		`{"error":""}`, `{"error":1}`, `access_token=a&token_type=bearer`, `<html>`,
	} {
		if a, err := oauthAnswer(body); err == nil {
			t.Errorf("%.80s: %+v", body, a)
		}
	}
}

// endpoint is a token endpoint that answers with status and body and keeps the request.
func endpoint(t *testing.T, status int, body string) (Server, *http.Client, func() (url.Values, http.Header)) {
	t.Helper()
	var form url.Values
	var header http.Header
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		form, _ = url.ParseQuery(string(text))
		header = r.Header
		if r.URL.RawQuery != "" || r.Method != http.MethodPost {
			t.Errorf("%s with query %q", r.Method, r.URL.RawQuery)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	return Server{TokenURL: srv.URL}, fetch.Client(fetch.Options{HTTPClient: srv.Client()}), func() (url.Values, http.Header) { return form, header }
}

const good = `{"access_token":"at","token_type":"Bearer","expires_in":60}`

func secret(s string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return s, nil }
}

func TestClientAuthentication(t *testing.T) {
	const id, pass = "my app:1", "s3c+ret/: %"
	now := time.Unix(1_800_000_000, 0)
	for method, check := range map[string]func(form url.Values, header http.Header) bool{
		AuthBasic: func(form url.Values, header http.Header) bool {
			r := &http.Request{Header: header}
			user, password, ok := r.BasicAuth()
			decodedUser, err1 := url.QueryUnescape(user)
			decodedPass, err2 := url.QueryUnescape(password)
			return ok && err1 == nil && err2 == nil && decodedUser == id && decodedPass == pass && !strings.Contains(user, ":") &&
				!form.Has("client_id") && !form.Has("client_secret")
		},
		AuthPost: func(form url.Values, header http.Header) bool {
			return form.Get("client_id") == id && form.Get("client_secret") == pass && header.Get("Authorization") == ""
		},
		AuthNone: func(form url.Values, header http.Header) bool {
			return form.Get("client_id") == id && !form.Has("client_secret") && header.Get("Authorization") == ""
		},
	} {
		server, hc, asked := endpoint(t, 200, good)
		server.AuthMethod = method
		c := &Client{ID: id, Secret: secret(pass), HTTP: hc}
		tokens, err := c.exchange(t.Context(), server, "the code", "https://app/cb?x=1", "the verifier", now)
		if err != nil || tokens.Access != "at" || !tokens.Expires.Equal(now.Add(time.Minute)) {
			t.Errorf("%s: %+v, %v", method, tokens, err)
		}
		form, header := asked()
		if !check(form, header) {
			t.Errorf("%s: form %v, header %v", method, form, header)
		}
		for name, want := range map[string]string{"grant_type": "authorization_code", "code": "the code", "redirect_uri": "https://app/cb?x=1", "code_verifier": "the verifier"} {
			if len(form[name]) != 1 || form.Get(name) != want {
				t.Errorf("%s: %s is %q", method, name, form[name])
			}
		}
	}
	c := &Client{ID: id, Secret: func(context.Context) (string, error) { return "", errors.New("no key") }}
	if _, err := c.exchange(t.Context(), Server{AuthMethod: AuthPost}, "c", "r", "v", now); err == nil || !strings.Contains(err.Error(), "no key") {
		t.Errorf("secret that cannot be made: %v", err)
	}
	if _, err := (&Client{ID: id}).exchange(t.Context(), Server{AuthMethod: "private_key_jwt"}, "c", "r", "v", now); err == nil {
		t.Error("an unknown method was taken")
	}
}

func TestTokenEndpointErrors(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		want   int
		code   string
	}{
		{400, `{"error":"invalid_grant","error_description":"code c0de-canary expired"}`, 400, "invalid_code"},
		{200, `{"error":"bad_verification_code"}`, 400, "invalid_code"},
		{200, `{"error":"incorrect_client_credentials"}`, 502, "provider_error"},
		{401, `{"error":"invalid_client"}`, 502, "provider_error"},
		{400, `{"error":"temporarily_unavailable"}`, 503, "provider_unavailable"},
		{400, `{"error":"c0de-canary <b>"}`, 502, "provider_error"},
		{400, `<html>c0de-canary`, 502, "provider_error"},
		{403, ``, 502, "provider_error"},
		{302, ``, 502, "provider_error"},
		{500, good, 503, "provider_unavailable"},
		{503, ``, 503, "provider_unavailable"},
		{429, `{"error":"invalid_grant"}`, 503, "provider_unavailable"},
		{200, `<html>`, 502, "provider_error"},
		{200, ``, 502, "provider_error"},
		{200, strings.Repeat(" ", 2<<20), 503, "provider_unavailable"},
	} {
		server, hc, _ := endpoint(t, tt.status, tt.body)
		server.AuthMethod = AuthPost
		c := &Client{ID: "id", Secret: secret("s3cret-canary"), HTTP: hc}
		tokens, err := c.exchange(t.Context(), server, "c0de-canary", "https://app/cb", "v3rifier-canary", time.Now())
		var e *postern.Error
		if !errors.As(err, &e) || e.Status != tt.want || e.Code != tt.code || tokens != (postern.Tokens{}) {
			t.Errorf("%d %.60s: %v", tt.status, tt.body, err)
			continue
		}
		if e.Status == 503 && e.RetryAfter <= 0 {
			t.Errorf("%d %.60s: no RetryAfter", tt.status, tt.body)
		}
		if strings.Contains(e.Error()+e.Text, "canary") {
			t.Errorf("%d %.60s: the error holds a secret: %v", tt.status, tt.body, e)
		}
	}
	private := &Client{ID: "id", HTTP: fetch.Client(fetch.Options{})}
	_, err := private.exchange(t.Context(), Server{TokenURL: "https://169.254.169.254/token", AuthMethod: AuthNone}, "c", "r", "v", time.Now())
	var e *postern.Error
	if !errors.As(err, &e) || e.Status != 502 || !errors.Is(err, fetch.ErrRefused) {
		t.Errorf("private token endpoint: %v", err)
	}
}

func FuzzTokenAnswer(f *testing.F) {
	f.Add(good)
	f.Add(`{"access_token":"a","scope":["x","y"],"expires_in":"5","id_token":"a.b.c","refresh_token":null}`)
	f.Add(`{"error":"invalid_grant"}`)
	f.Fuzz(func(t *testing.T, body string) {
		a, err := oauthAnswer(body)
		switch {
		case err != nil || a.failure != "":
			if a.tokens != (postern.Tokens{}) {
				t.Fatalf("tokens beside a failure: %+v", a)
			}
		case a.tokens.Access == "" || a.life < 0 || a.life > maxLife:
			t.Fatalf("%+v", a)
		default:
			for _, s := range []string{a.tokens.Access, a.tokens.Refresh, a.tokens.ID} {
				if !text.Printable(s) || len(s) > maxToken {
					t.Fatalf("token %q", s)
				}
			}
		}
	})
}
