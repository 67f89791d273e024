// Command jwt-authorizer is an issuer of tokens, and an API behind a JWT authorizer of API Gateway, which checks the
// tokens by itself: below /api nothing is verified a second time.
//
//	go run ./cmd/postern lambda ./examples/jwt-authorizer --jwt http://localhost:3000/auth --audience api \
//		--open /auth --open '/auth/{proxy+}' --env ORIGIN=http://localhost:3000
//
// Keys and links are kept in memory here. ../lambda-http has what takes its place on AWS.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/lambdahttp"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// User is what a token says about a person.
type User struct {
	Email string `json:"email"`
}

func main() {
	handler, err := newHandler(os.Getenv("ORIGIN"))
	if err != nil {
		log.Fatal(err)
	}
	function, err := lambdahttp.New(handler, lambdahttp.Config{AllowLocal: true})
	if err != nil {
		log.Fatal(err)
	}
	function.Start()
}

func newHandler(origin string) (http.Handler, error) {
	// RS256, which the ring signs with by default, is what JWT authorizers of HTTP APIs know.
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: &keys.MemoryVault{}})
	if err != nil {
		return nil, err
	}
	sessions, err := session.New(session.Config{
		Issuer:   origin + "/auth", // the authorizer's issuer
		Audience: "api",            // and its audience
		Keys:     ring,
		Store:    &store.Memory{},
	})
	if err != nil {
		return nil, err
	}
	user := session.NewKind[User](sessions, "user")
	auth, err := postern.New(postern.Config{
		Sessions:  sessions,
		Redirects: []string{"/auth"},
		Mail:      printMail,
		Providers: map[string]postern.Provider{"link": magic.Link(magic.Config{})},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			email, ok := in.Identity.Email()
			if !ok {
				return postern.Deny("no_email", "This account has no verified mail address.")
			}
			grant := session.Grant[User]{Subject: in.Identity.Key(), Properties: User{Email: email}, Scopes: []string{"orders:read"}, Authentication: in.Authentication}
			tokens, err := user.Create(r.Context(), grant)
			if err != nil {
				return err
			}
			// For a terminal. A front end in a browser gets its tokens by user.Code, with PKCE.
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Header().Set("Cache-Control", "no-store")
			fmt.Fprintf(w, "curl -H 'Authorization: Bearer %s' %s/api/orders\n", tokens.Access, origin)
			return nil
		},
	})
	if err != nil {
		return nil, err
	}

	mux := http.NewServeMux()
	auth.Mount(mux)
	behind := gateway.FromAuthorizer(user) // believes the authorizer; the needs of a route are still its own
	mux.Handle("GET /api/me", behind.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := user.From(r.Context()) // *session.Session[User], of the claims that API Gateway passes on
		fmt.Fprintf(w, "%s, %v\n", s.Properties.Email, s.Scopes)
	})))
	mux.Handle("GET /api/orders", behind.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := user.From(r.Context())
		fmt.Fprintf(w, "the orders of %s\n", s.Properties.Email)
	}), session.Scope("orders:read")))
	mux.Handle("DELETE /api/orders", behind.Require(http.NotFoundHandler(), session.Scope("orders:write")))
	return mux, nil
}

func printMail(_ context.Context, m postern.Mail) error {
	fmt.Printf("To: %s\n\n%s\n", m.To, m.Text)
	return nil
}
