// Command quickstart signs people in by a mailed link and greets them by name.
//
//	go run ./examples/quickstart
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// User is what a session of this program holds about a person.
type User struct {
	Email string `json:"email"`
}

func main() {
	handler, err := newHandler("http://localhost:8080", func(_ context.Context, m postern.Mail) error {
		fmt.Printf("To: %s\n\n%s\n", m.To, m.Text) // a real program passes it to its mail service
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("open http://localhost:8080/auth/link/authorize")
	log.Fatal(http.ListenAndServe("localhost:8080", handler))
}

func newHandler(origin string, send func(context.Context, postern.Mail) error) (http.Handler, error) {
	// These keys end with the program. keys.FileVault keeps them.
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: &keys.MemoryVault{}})
	if err != nil {
		return nil, err
	}
	sessions, err := session.New(session.Config{
		Issuer:   origin + "/auth",
		Audience: "quickstart",
		Keys:     ring,
		Store:    &store.Memory{},
	})
	if err != nil {
		return nil, err
	}
	user := session.NewKind[User](sessions, "user")

	auth, err := postern.New(postern.Config{
		Sessions:  sessions,
		Redirects: []string{"/me"},
		Mail:      send,
		Providers: map[string]postern.Provider{
			"link": magic.Link(magic.Config{Name: "Quick Start"}),
		},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			email, ok := in.Identity.Email() // a proven address, or ok is false
			if !ok {
				return postern.Deny("no_email", "This account has no verified mail address.")
			}
			// Here your program finds or creates the user, by in.Identity.Key().
			return user.Cookie(w, r, session.Grant[User]{
				Subject:        in.Identity.Key(),
				Properties:     User{Email: email},
				Authentication: in.Authentication,
			}, in.Return)
		},
	})
	if err != nil {
		return nil, err
	}

	mux := http.NewServeMux()
	auth.Mount(mux)
	mux.Handle("GET /me", user.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := user.From(r.Context()) // *session.Session[User]
		fmt.Fprintf(w, "Hello, %s.\n", s.Properties.Email)
	})))
	return mux, nil
}
