// Command chi serves an API with the router chi: pages for everybody, for people who are signed in, and for
// administrators.
//
//	go run -C examples/chi .
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// User is what a session of this program knows about a person.
type User struct {
	Email string `json:"email"`
}

func main() {
	handler, err := newHandler("http://localhost:8080", func(_ context.Context, m postern.Mail) error {
		fmt.Printf("To: %s\n\n%s\n", m.To, m.Text)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("sign in at http://localhost:8080/auth/authorize")
	log.Fatal(http.ListenAndServe("localhost:8080", handler))
}

func newHandler(origin string, send func(context.Context, postern.Mail) error) (http.Handler, error) {
	auth, user, err := newAuth(origin, send)
	if err != nil {
		return nil, err
	}

	r := chi.NewRouter()
	r.Use(middleware.GetHead) // HEAD runs the GET routes, guards included; without it chi answers 405

	// The handler reads the whole path, and chi leaves it as it is. The second route is the one that RFC 8414 puts
	// before the issuer's path.
	r.Mount("/auth", auth)
	r.Handle("/.well-known/oauth-authorization-server/auth", auth)

	r.With(session.OptionalMiddleware(user)).Get("/", func(w http.ResponseWriter, r *http.Request) {
		if s, ok := user.From(r.Context()); ok {
			fmt.Fprintf(w, "Hello, %s.\n", s.Properties.Email)
			return
		}
		fmt.Fprintln(w, "Hello, stranger.")
	})

	// A guard belongs on the group whose routes it guards: routes that are added later are guarded as well.
	r.Route("/orders", func(r chi.Router) {
		r.Use(session.Middleware(user))
		r.Get("/", func(w http.ResponseWriter, r *http.Request) {
			s, _ := user.From(r.Context())
			fmt.Fprintf(w, "Orders of %s.\n", s.Properties.Email)
		})
		r.Get("/{id}", func(w http.ResponseWriter, r *http.Request) {
			s, _ := user.From(r.Context())
			fmt.Fprintf(w, "Order %s of %s.\n", chi.URLParam(r, "id"), s.Properties.Email)
		})
	})
	r.Route("/admin", func(r chi.Router) {
		r.Use(session.Middleware(user, session.Role("admin")))
		r.Get("/users", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "All users.") })
	})
	return r, nil
}

// newAuth makes the sign-in handler. In this program everybody with an address at example.org is an administrator.
func newAuth(origin string, send func(context.Context, postern.Mail) error) (*postern.Auth, *session.Kind[User], error) {
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: &keys.MemoryVault{}})
	if err != nil {
		return nil, nil, err
	}
	sessions, err := session.New(session.Config{Issuer: origin + "/auth", Audience: "orders", Keys: ring, Store: &store.Memory{}})
	if err != nil {
		return nil, nil, err
	}
	user := session.NewKind[User](sessions, "user")
	auth, err := postern.New(postern.Config{
		Sessions:  sessions,
		Redirects: []string{"/"},
		Mail:      send,
		Providers: map[string]postern.Provider{"link": magic.Link(magic.Config{})},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			email, ok := in.Identity.Email()
			if !ok {
				return postern.Deny("no_email", "This account has no verified mail address.")
			}
			grant := session.Grant[User]{Subject: in.Identity.Key(), Properties: User{Email: email}, Authentication: in.Authentication}
			if strings.HasSuffix(email, "@example.org") {
				grant.Roles = []string{"admin"}
			}
			return user.Cookie(w, r, grant, in.Return)
		},
	})
	return auth, user, err
}
