// Command lambda-http is one Lambda function with everything in it: sign-in by a mailed link, and an API for people who
// are signed in.
//
//	go run ./cmd/postern lambda ./examples/lambda-http --env ORIGIN=http://localhost:3000
//
// Its environment:
//
//	ORIGIN     where people reach it, such as https://app.example.com
//	TABLE      the DynamoDB table for sign-ins, sessions and keys
//	VAULT_KEY  what the keys in the table are sealed with: 32 random bytes in base64
//	SMTP       the mail server, host:port, with SMTP_USER and SMTP_PASSWORD
//
// On http://localhost what is missing is made up, in memory, and mail is printed.
package main

import (
	"fmt"
	"html"
	"log"
	"log/slog"
	"net/http"
	"os"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/lambdahttp"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/session"
)

// User is what a session knows about a person.
type User struct {
	Email string `json:"email"`
}

func main() {
	s := settingsFromEnvironment()
	handler, err := newHandler(s)
	if err != nil {
		log.Fatal(err)
	}
	function, err := lambdahttp.New(handler, lambdahttp.Config{Logger: slog.Default(), AllowLocal: s.local()})
	if err != nil {
		log.Fatal(err)
	}
	function.Start()
}

func newHandler(s settings) (http.Handler, error) {
	st, ring, err := s.parts()
	if err != nil {
		return nil, err
	}
	sessions, err := session.New(session.Config{
		Issuer:   s.origin + "/auth",
		Audience: "api",
		Keys:     ring,
		Store:    st,
		Logger:   slog.Default(),
	})
	if err != nil {
		return nil, err
	}
	user := session.NewKind[User](sessions, "user")
	send, err := s.sender()
	if err != nil {
		return nil, err
	}

	auth, err := postern.New(postern.Config{
		Sessions:  sessions,
		Redirects: []string{"/"},
		Mail:      send,
		Providers: map[string]postern.Provider{
			"link": magic.Link(magic.Config{Name: "Example", Logger: slog.Default()}),
		},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			email, ok := in.Identity.Email() // a proven address, or ok is false
			if !ok {
				return postern.Deny("no_email", "This account has no verified mail address.")
			}
			return user.Cookie(w, r, session.Grant[User]{
				Subject: in.Identity.Key(), Properties: User{Email: email}, Authentication: in.Authentication,
			}, in.Return)
		},
		Logger: slog.Default(),
	})
	if err != nil {
		return nil, err
	}

	mux := http.NewServeMux()
	auth.Mount(mux)
	mux.Handle("GET /{$}", user.Optional(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if s, ok := user.From(r.Context()); ok {
			fmt.Fprintf(w, `<p>Hello, %s.</p><form method="post" action="/auth/signout"><button>Sign out</button></form>`, html.EscapeString(s.Properties.Email))
			return
		}
		fmt.Fprint(w, `<p><a href="/auth/link/authorize">Sign in</a></p>`)
	})))
	mux.Handle("GET /api/me", user.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := user.From(r.Context()) // *session.Session[User]
		fmt.Fprintf(w, "%s, session %s\n", s.Properties.Email, s.ID)
	})))
	return mux, nil
}

func settingsFromEnvironment() settings {
	return settings{
		origin: os.Getenv("ORIGIN"), table: os.Getenv("TABLE"), vaultKey: os.Getenv("VAULT_KEY"),
		smtp: os.Getenv("SMTP"), smtpUser: os.Getenv("SMTP_USER"), smtpPassword: os.Getenv("SMTP_PASSWORD"),
	}
}
