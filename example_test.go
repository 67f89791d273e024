package postern_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
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

type Account struct {
	Name string `json:"name"`
}

// Sign in with an OpenID provider, then call a handler that knows who asks.
func Example() {
	t := new(exampleT) // in a test: t *testing.T
	defer t.end()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	idp := posterntest.NewProvider(t, posterntest.ProviderConfig{RedirectURIs: []string{server.URL + "/auth/company/callback"}})

	sessions := posterntest.Sessions(t, session.Config{Issuer: server.URL + "/auth"})
	account := session.NewKind[Account](sessions, "account")
	auth, err := postern.New(postern.Config{
		Sessions:  sessions,
		Redirects: []string{"/me"},
		Providers: map[string]postern.Provider{
			"company": oidc.New(oidc.Config{
				Issuer: idp.Issuer(), ClientID: idp.ClientID, ClientSecret: idp.ClientSecret, HTTPClient: idp.Client(),
			}),
		},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			// Find or create the user by in.Identity.Key() here.
			if _, proven := in.Identity.Email(); !proven {
				return postern.Deny("no_address", "Please confirm your address there first.")
			}
			return account.Cookie(w, r, session.Grant[Account]{
				Subject: in.Identity.Key(), Properties: Account{Name: in.Identity.Name}, Authentication: in.Authentication,
			}, in.Return)
		},
	})
	if err != nil {
		log.Panic(err)
	}
	auth.Mount(mux)
	mux.Handle("GET /me", account.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := account.From(r.Context())
		fmt.Fprintln(w, "hello", s.Properties.Name)
	})))

	page := posterntest.SignIn(t, posterntest.Client(t), server.URL+"/auth/company/authorize") // ends at /me
	body, err := io.ReadAll(page.Body)
	if err != nil {
		log.Panic(err)
	}
	fmt.Print(page.Request.URL.Path, ": ", string(body))
	// Output:
	// /me: hello Ada Lovelace
}

// guestbook is a provider of one's own: it asks for a name and believes it.
type guestbook struct{}

func (guestbook) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{
		"GET authorize": func(w http.ResponseWriter, r *http.Request) {
			id, err := f.Start(w, r, nil)
			if err != nil {
				f.Fail(w, r, err)
				return
			}
			f.Page(w, r, postern.Page{Name: "guestbook.ask", Title: "Who are you?", Forms: []postern.Form{{
				Action: f.URL("callback"),
				Hidden: map[string]string{"state": id},
				Fields: []postern.Field{{Name: "name", Label: "Your name", Autocomplete: "name", Required: true}},
			}}})
		},
		"POST callback": func(w http.ResponseWriter, r *http.Request) {
			if err := f.Resume(w, r, nil); err != nil {
				f.Fail(w, r, err)
				return
			}
			f.Done(w, r, postern.Identity{Issuer: f.URL(""), Subject: r.PostForm.Get("name")})
		},
	})
}

func ExampleProvider() {
	t := new(exampleT)
	defer t.end()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	auth, err := postern.New(postern.Config{
		Sessions:  posterntest.Sessions(t, session.Config{Issuer: server.URL + "/auth"}),
		Redirects: []string{"https://example.com/"},
		Providers: map[string]postern.Provider{"guests": guestbook{}},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			fmt.Println("signed in:", in.Identity.Subject)
			return nil // the answer is a redirect to in.Return
		},
	})
	if err != nil {
		log.Panic(err)
	}
	auth.Mount(mux)

	client := posterntest.Client(t)
	page := posterntest.SignIn(t, client, server.URL+"/auth/guests/authorize?state=xyz")
	res := posterntest.Submit(t, client, page, url.Values{"name": {"Ada"}})
	fmt.Println(res.StatusCode, res.Header.Get("Location"))
	// Output:
	// signed in: Ada
	// 303 https://example.com/?state=xyz
}

// byTenant signs people of one tenant in with their company's OpenID provider, and those of all others by a mailed
// link.
type byTenant struct {
	company, link postern.Provider
	usesCompany   func(ctx context.Context, tenant string) bool
}

func (p byTenant) Handler(f *postern.Flow) http.Handler {
	company := f.Child("company").Use(p.company)
	link := f.Child("link").Use(p.link)
	return f.Steps(map[string]http.HandlerFunc{
		"GET authorize": func(w http.ResponseWriter, r *http.Request) {
			if p.usesCompany(r.Context(), r.Form.Get("tenant")) {
				company.ServeHTTP(w, r) // its callback is {base}/tenant/company/callback and comes back to it
				return
			}
			link.ServeHTTP(w, r)
		},
	})
}

// A provider that chooses another for each tenant.
func ExampleFlow_Child() {
	t := new(exampleT)
	defer t.end()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	idp := posterntest.NewProvider(t, posterntest.ProviderConfig{RedirectURIs: []string{server.URL + "/auth/tenant/company/callback"}})
	var mail posterntest.Mail

	auth, err := postern.New(postern.Config{
		Sessions:  posterntest.Sessions(t, session.Config{Issuer: server.URL + "/auth"}),
		Redirects: []string{"https://example.com/"},
		Mail:      mail.Send,
		Providers: map[string]postern.Provider{"tenant": byTenant{
			company: oidc.Google(oidc.Config{
				Issuer: idp.Issuer(), ClientID: idp.ClientID, ClientSecret: idp.ClientSecret, HTTPClient: idp.Client(), // a test's: without Issuer it is Google
			}),
			link:        magic.Link(magic.Config{}),
			usesCompany: func(_ context.Context, tenant string) bool { return tenant == "acme" },
		}},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			fmt.Println("signed in by", in.Identity.Provider)
			return nil
		},
	})
	if err != nil {
		log.Panic(err)
	}
	auth.Mount(mux)

	posterntest.SignIn(t, posterntest.Client(t), server.URL+"/auth/tenant/authorize?tenant=acme")

	client := posterntest.Client(t)
	page := posterntest.SignIn(t, client, server.URL+"/auth/tenant/authorize?tenant=globex")
	posterntest.Submit(t, client, page, url.Values{"email": {"ada@globex.example"}})
	page = posterntest.SignIn(t, client, mail.Last(t, "ada@globex.example").Arg("link"))
	posterntest.Submit(t, client, page, nil)
	// Output:
	// signed in by tenant/company
	// signed in by tenant/link
}
