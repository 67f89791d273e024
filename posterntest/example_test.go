package posterntest_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/oauth"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/session"
)

// exampleT stands for the *testing.T of a test.
type exampleT struct{ cleanups []func() }

func (t *exampleT) Helper()                   {}
func (t *exampleT) Cleanup(f func())          { t.cleanups = append(t.cleanups, f) }
func (t *exampleT) Fatalf(s string, a ...any) { log.Panicf(s, a...) }

func (t *exampleT) end() {
	for _, f := range t.cleanups {
		f()
	}
}

type Customer struct {
	Plan string `json:"plan"`
}

// A handler of one's own, called with a session and without.
func ExampleToken() {
	t := new(exampleT) // in a test: t *testing.T
	defer t.end()

	sessions := posterntest.Sessions(t, session.Config{})
	customer := session.NewKind[Customer](sessions, "customer")
	plan := customer.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := customer.From(r.Context())
		fmt.Fprintf(w, "%s pays for %s", s.Subject, s.Properties.Plan)
	}))

	token := posterntest.Token(t, customer, session.Grant[Customer]{Subject: "c1", Properties: Customer{Plan: "basic"}})
	w := httptest.NewRecorder()
	plan.ServeHTTP(w, posterntest.Sign(httptest.NewRequest("GET", "/plan", nil), token))
	fmt.Println(w.Code, w.Body)

	w = httptest.NewRecorder()
	plan.ServeHTTP(w, httptest.NewRequest("GET", "/plan", nil))
	fmt.Println(w.Code)
	// Output:
	// 200 c1 pays for basic
	// 401
}

// What happens an hour later, at once.
func ExampleClock() {
	t := new(exampleT)
	defer t.end()

	clock := posterntest.NewClock(time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC))
	sessions := posterntest.Sessions(t, session.Config{Now: clock.Now})
	customer := session.NewKind[Customer](sessions, "customer")
	token := posterntest.Token(t, customer, session.Grant[Customer]{Subject: "c1"})

	_, err := customer.Verify(context.Background(), token)
	fmt.Println("at noon:", err)
	clock.Advance(25 * time.Hour)
	_, err = customer.Verify(context.Background(), token)
	fmt.Println("the day after:", err)
	// Output:
	// at noon: <nil>
	// the day after: session: token has expired
}

// A person asks for a link, opens the mail and presses the button.
func ExampleMail() {
	t := new(exampleT)
	defer t.end()

	var mail posterntest.Mail
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	sessions := posterntest.Sessions(t, session.Config{Issuer: server.URL + "/auth"})
	customer := session.NewKind[Customer](sessions, "customer")
	auth, err := postern.New(postern.Config{
		Sessions:  sessions,
		Redirects: []string{"https://example.com/"},
		Mail:      mail.Send,
		Providers: map[string]postern.Provider{"link": magic.Link(magic.Config{})},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			fmt.Println("signed in:", in.Identity.Subject)
			return customer.Cookie(w, r, session.Grant[Customer]{Subject: in.Identity.Key(), Authentication: in.Authentication}, in.Return)
		},
	})
	if err != nil {
		log.Panic(err)
	}
	auth.Mount(mux)

	client := posterntest.Client(t)
	form := posterntest.SignIn(t, client, server.URL+"/auth/link/authorize")
	posterntest.Submit(t, client, form, url.Values{"email": {"ada@example.com"}})

	page := posterntest.SignIn(t, client, mail.Last(t, "ada@example.com").Arg("link"))
	res := posterntest.Submit(t, client, page, nil)
	fmt.Println(res.StatusCode, res.Header.Get("Location"))
	// Output:
	// signed in: ada@example.com
	// 303 https://example.com/
}

// A person signs in at "Google" and at "GitHub" and comes back with their proven address; a forged ID token signs
// nobody in.
func ExampleNewProvider() {
	t := new(exampleT)
	defer t.end()

	p := posterntest.NewProvider(t, posterntest.ProviderConfig{
		Users: []posterntest.User{{Subject: "110169484474386276334", GitHubID: 583231, Email: "ada@example.com", EmailVerified: true}},
	})
	app := posterntest.Server(t, func(url string) http.Handler {
		p.Allow(url+"/auth/google/callback", url+"/auth/github/callback")
		sessions := posterntest.Sessions(t, session.Config{Issuer: url + "/auth"})
		customer := session.NewKind[Customer](sessions, "customer")
		auth, err := postern.New(postern.Config{
			Sessions:  sessions,
			Redirects: []string{"https://example.com/"},
			Providers: map[string]postern.Provider{
				"google": oidc.Google(p.Google()),
				"github": oauth.GitHub(p.GitHub()),
			},
			OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
				email, proven := in.Identity.Email()
				fmt.Println(in.Identity.Subject, email, proven)
				return customer.Cookie(w, r, session.Grant[Customer]{Subject: in.Identity.Key(), Authentication: in.Authentication}, in.Return)
			},
		})
		if err != nil {
			log.Panic(err)
		}
		mux := http.NewServeMux()
		auth.Mount(mux)
		return mux
	})

	for _, provider := range []string{"google", "github"} {
		res := posterntest.SignIn(t, posterntest.Client(t), app.URL+"/auth/"+provider+"/authorize")
		fmt.Println(res.StatusCode, res.Header.Get("Location"))
	}
	p.SetFaults(posterntest.Faults{BadSignature: true})
	res := posterntest.SignIn(t, posterntest.Client(t), app.URL+"/auth/google/authorize")
	fmt.Println(res.StatusCode, res.Header.Get("Location"))
	// Output:
	// 110169484474386276334 ada@example.com true
	// 303 https://example.com/
	// 583231 ada@example.com true
	// 303 https://example.com/
	// 400
}

// The issuer of an application is its own URL, which Server knows before the handler exists.
func ExampleServer() {
	t := new(exampleT)
	defer t.end()

	app := posterntest.Server(t, func(url string) http.Handler {
		sessions := posterntest.Sessions(t, session.Config{Issuer: url + "/auth"})
		fmt.Println(sessions.Issuer() == url+"/auth")
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") })
	})
	res := posterntest.SignIn(t, posterntest.Client(t), app.URL)
	body, err := io.ReadAll(res.Body)
	fmt.Println(res.StatusCode, string(body), err)
	// Output:
	// true
	// 200 hello <nil>
}

// The provider is as strict as the real ones: a redirect URI that is not registered ends on a page of the provider.
func ExampleProvider_Allow() {
	t := new(exampleT)
	defer t.end()

	p := posterntest.NewProvider(t, posterntest.ProviderConfig{RedirectURIs: []string{"https://app.example.com/auth/google/callback"}})
	query := url.Values{
		"client_id": {p.ClientID}, "redirect_uri": {"https://app.example.com/auth/office/callback"}, "response_type": {"code"}, "scope": {"openid"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}
	res := posterntest.SignIn(t, posterntest.Client(t), p.URL("/authorize?"+query.Encode()))
	fmt.Println(res.StatusCode)

	p.Allow("https://app.example.com/auth/office/callback")
	res = posterntest.SignIn(t, posterntest.Client(t), p.URL("/authorize?"+query.Encode()))
	fmt.Println(res.StatusCode)
	// Output:
	// 400
	// 303
}

// Faults end when the zero Faults are set.
func ExampleProvider_SetFaults() {
	t := new(exampleT)
	defer t.end()

	p := posterntest.NewProvider(t, posterntest.ProviderConfig{Algorithm: "ES256"})
	metadata := func() {
		res, err := p.Client().Get(p.URL("/.well-known/openid-configuration"))
		if err != nil {
			fmt.Println("no answer")
			return
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		fmt.Println(res.StatusCode, len(body) > 100, err)
	}
	p.SetFaults(posterntest.Faults{Transport: map[posterntest.Endpoint]posterntest.Trouble{posterntest.AtDiscovery: posterntest.Down}})
	metadata()
	p.SetFaults(posterntest.Faults{})
	metadata()
	fmt.Println(p.Calls(posterntest.AtDiscovery) >= 2)
	// Output:
	// no answer
	// 200 true <nil>
	// true
}
