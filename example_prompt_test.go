package postern_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/users"
)

// A person who is signed in goes on to an application with one press. Without a page the application gets nothing.
func ExampleConfig_prompt() {
	t := new(exampleT) // in a test: t *testing.T
	defer t.end()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	idp := posterntest.NewProvider(t, posterntest.ProviderConfig{RedirectURIs: []string{server.URL + "/auth/company/callback"}})
	sessions := posterntest.Sessions(t, session.Config{Issuer: server.URL + "/auth"})
	dir, err := users.New(users.Config{Sessions: sessions})
	if err != nil {
		t.Fatalf("users: %v", err)
	}
	kind := postern.NewKind(sessions, dir, session.KindConfig[Account]{Name: "user"}, func(p postern.Person) Account { return Account{Name: p.Name} })
	auth, err := postern.New(postern.Config{
		Sessions: sessions, Session: kind, Redirects: []string{"/signed-in"},
		Providers: map[string]postern.Provider{
			"company": oidc.New(oidc.Config{Issuer: idp.Issuer(), ClientID: idp.ClientID, ClientSecret: idp.ClientSecret, HTTPClient: idp.Client()}),
		},
	})
	if err != nil {
		t.Fatalf("postern: %v", err)
	}
	auth.Mount(mux)
	mux.HandleFunc("GET /signed-in", func(http.ResponseWriter, *http.Request) {})

	browser := posterntest.Client(t)
	type page struct {
		Forms []struct {
			URL    string
			Hidden map[string]string
		}
		RedirectURI string `json:"redirect_uri"`
	}
	send := func(method, address string, form url.Values) (got page, location *url.URL) {
		r, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatalf("%v", err)
		}
		r.Header.Set("Accept", "application/json")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", server.URL)
		resp, err := browser.Do(r)
		if err != nil {
			t.Fatalf("%v", err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
			t.Fatalf("%v", err)
		}
		if location, err = url.Parse(got.RedirectURI); err != nil {
			t.Fatalf("%v", err)
		}
		return got, location
	}
	authorize := func(prompt string) string {
		q := url.Values{"prompt": {prompt}, "state": {"s1"}, "code_challenge": {pkceChallenge}, "code_challenge_method": {"S256"}}
		return server.URL + "/auth/authorize?" + q.Encode()
	}
	posterntest.SignIn(t, browser, server.URL+"/auth/company/authorize").Body.Close()
	_, to := send("GET", authorize("none"), nil)
	fmt.Println(to.Query().Get("error"))
	chooser, _ := send("GET", authorize("select_account"), nil)
	form := chooser.Forms[0]
	_, to = send("POST", form.URL, url.Values{"account": {form.Hidden["account"]}})
	fmt.Println(to.Query().Has("code"), to.Query().Get("state"))
	// Output:
	// login_required
	// true s1
}
