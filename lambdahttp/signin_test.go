package lambdahttp_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/lambdahttp"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/session"
)

// gateway serves a function over HTTP by events of one shape.
func gateway(t *testing.T, shape string, f *lambdahttp.Function) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		s := sent{method: r.Method, path: r.URL.EscapedPath(), query: r.URL.RawQuery, body: string(body), header: []string{"Host", r.Host}}
		for name, values := range r.Header {
			if name == "Cookie" {
				s.cookies = strings.Split(strings.Join(values, "; "), "; ")
				continue
			}
			for _, v := range values {
				s.header = append(s.header, name, v)
			}
		}
		got := invoke(t, f, s.event(shape))
		for name, values := range got.header() {
			w.Header()[name] = values
		}
		w.WriteHeader(got.Status)
		io.WriteString(w, got.bytes(t))
	})
}

// TestSignIn: a whole sign-in, cookies, redirects and all, behind every kind of event.
func TestSignIn(t *testing.T) {
	type account struct {
		Name string `json:"name"`
	}
	eachShape(t, func(t *testing.T, shape string) {
		mux := http.NewServeMux()
		f := function(t, mux, lambdahttp.Config{AllowLocal: true})
		server := httptest.NewServer(gateway(t, shape, f))
		defer server.Close()
		idp := posterntest.NewProvider(t, posterntest.ProviderConfig{RedirectURIs: []string{server.URL + "/auth/company/callback"}})
		sessions := posterntest.Sessions(t, session.Config{Issuer: server.URL + "/auth"})
		kind := session.NewKind[account](sessions, "account")
		auth, err := postern.New(postern.Config{
			Sessions: sessions, Redirects: []string{"/me"},
			Providers: map[string]postern.Provider{"company": oidc.New(oidc.Config{
				Issuer: idp.Issuer(), ClientID: idp.ClientID, ClientSecret: idp.ClientSecret, HTTPClient: idp.Client(),
			})},
			OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
				return kind.Cookie(w, r, session.Grant[account]{Subject: "u1", Properties: account{in.Identity.Name}, Authentication: in.Authentication}, in.Return)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		auth.Mount(mux)
		mux.Handle("GET /me", kind.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, _ := kind.From(r.Context())
			fmt.Fprint(w, "hello ", s.Properties.Name)
		})))

		refused, err := http.Get(server.URL + "/me")
		if err != nil {
			t.Fatal(err)
		}
		refused.Body.Close()
		if refused.StatusCode != http.StatusUnauthorized || refused.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("without a session: %d, %v", refused.StatusCode, refused.Header)
		}
		page := posterntest.SignIn(t, posterntest.Client(t), server.URL+"/auth/company/authorize")
		defer page.Body.Close()
		body, err := io.ReadAll(page.Body)
		if err != nil || page.StatusCode != http.StatusOK || !strings.HasPrefix(string(body), "hello ") || len(body) < 8 {
			t.Errorf("%d %s, %v", page.StatusCode, body, err)
		}
	})
}

// TestSignIn_LocalStore: a sign-in that rests on a store of one process ends at its first step, as a fault of the
// server.
func TestSignIn_LocalStore(t *testing.T) {
	mux := http.NewServeMux()
	server := httptest.NewServer(gateway(t, "http-2.0", function(t, mux, lambdahttp.Config{})))
	defer server.Close()
	sessions := posterntest.Sessions(t, session.Config{Issuer: server.URL + "/auth"})
	auth, err := postern.New(postern.Config{
		Sessions: sessions, Redirects: []string{"/me"},
		Providers: map[string]postern.Provider{"link": magic.Link(magic.Config{})},
		Mail:      new(posterntest.Mail).Send,
		OnSuccess: func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	auth.Mount(mux)
	client := posterntest.Client(t)
	page, err := client.Get(server.URL + "/auth/link/authorize")
	if err != nil {
		t.Fatal(err)
	}
	if page.StatusCode == http.StatusOK {
		page = posterntest.Submit(t, client, page, url.Values{"email": {"ada@example.com"}})
	}
	defer page.Body.Close()
	if page.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d", page.StatusCode)
	}
}
