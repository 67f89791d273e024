package postern_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/users"
)

// A directory keeps the users. A first sign-in makes the user, and the session says what the user may do now.
func ExampleNewKind() {
	t := new(exampleT) // in a test: t *testing.T
	defer t.end()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	idp := posterntest.NewProvider(t, posterntest.ProviderConfig{RedirectURIs: []string{server.URL + "/auth/company/callback"}})

	sessions := posterntest.Sessions(t, session.Config{Issuer: server.URL + "/auth"})
	dir, err := users.New(users.Config{Sessions: sessions, Roles: users.Roles{"editor": {"posts:write"}}})
	if err != nil {
		t.Fatalf("users: %v", err)
	}
	kind := postern.NewKind(sessions, dir, session.KindConfig[Account]{Name: "user"}, func(p postern.Person) Account { return Account{Name: p.Name} })
	auth, err := postern.New(postern.Config{
		Sessions:  sessions,
		Session:   kind,
		Redirects: []string{"/me"},
		Providers: map[string]postern.Provider{
			"company": oidc.New(oidc.Config{Issuer: idp.Issuer(), ClientID: idp.ClientID, ClientSecret: idp.ClientSecret, HTTPClient: idp.Client()}),
		},
	})
	if err != nil {
		t.Fatalf("postern: %v", err)
	}
	auth.Mount(mux)
	mux.Handle("GET /me", kind.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := kind.From(r.Context())
		p, err := dir.Get(r.Context(), s.Subject)
		fmt.Fprintln(w, s.Properties.Name, p.Addresses[0].Value, err)
	})))

	resp := posterntest.SignIn(t, posterntest.Client(t), server.URL+"/auth/company/authorize")
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	fmt.Print(string(body))
	// Output: Ada Lovelace ada@example.com <nil>
}

// An invitation lets the owner of an address in, and gives roles.
func ExampleAuth_Invite() {
	t := new(exampleT)
	defer t.end()
	sessions := posterntest.Sessions(t, session.Config{Issuer: "https://api.example.com/auth"})
	dir, err := users.New(users.Config{Sessions: sessions, Roles: users.Roles{"editor": {"posts:write"}}})
	if err != nil {
		t.Fatalf("users: %v", err)
	}
	kind := postern.NewKind(sessions, dir, session.KindConfig[Account]{Name: "user"}, func(p postern.Person) Account { return Account{Name: p.Name} })
	var mail posterntest.Mail
	auth, err := postern.New(postern.Config{
		Sessions: sessions, Session: kind, Admit: postern.Invited, Mail: mail.Send, Name: "Example",
		Redirects: []string{"/"},
		Providers: map[string]postern.Provider{"company": oidc.New(oidc.Config{Issuer: "https://id.example.com", ClientID: "app"})},
	})
	if err != nil {
		t.Fatalf("postern: %v", err)
	}
	_, err = auth.Invite(context.Background(), postern.Invitation{Address: "ada@example.com", Roles: []string{"editor"}})
	fmt.Println(err, mail.Last(t, "ada@example.com").Subject)
	// Output: <nil> You are invited to Example
}
