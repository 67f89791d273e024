// Command ownprogram is a program as a user writes it: it signs people in by Google, GitHub and a mailed link, and
// reads everything it needs from its environment. It serves on the port that is its argument.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/smtp"
	"os"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/oauth"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

type user struct {
	Email string `json:"email"`
}

func main() {
	origin := "http://localhost:" + os.Args[1]
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: &keys.MemoryVault{}})
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := session.New(session.Config{Issuer: origin + "/auth", Audience: "own", Keys: ring, Store: &store.Memory{}})
	if err != nil {
		log.Fatal(err)
	}
	kind := session.NewKind[user](sessions, "user")
	auth, err := postern.New(postern.Config{
		Sessions:  sessions,
		Redirects: []string{"/me"},
		Mail:      send,
		Providers: map[string]postern.Provider{
			"google": oidc.Google(oidc.Config{
				ClientID:      os.Getenv("GOOGLE_CLIENT_ID"),
				ClientSecret:  os.Getenv("GOOGLE_CLIENT_SECRET"),
				Issuer:        os.Getenv("GOOGLE_ISSUER"), // empty: Google itself
				AllowInsecure: os.Getenv("GOOGLE_ISSUER") != "",
			}),
			"github": oauth.GitHub(oauth.Config{
				ClientID:      os.Getenv("GITHUB_CLIENT_ID"),
				ClientSecret:  os.Getenv("GITHUB_CLIENT_SECRET"),
				Issuer:        os.Getenv("GITHUB_ISSUER"), // empty: GitHub itself
				AllowInsecure: os.Getenv("GITHUB_ISSUER") != "",
			}),
			"link": magic.Link(magic.Config{Name: "Own program"}),
		},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			email, _ := in.Identity.Email()
			return kind.Cookie(w, r, session.Grant[user]{Subject: in.Identity.Key(), Properties: user{email}, Authentication: in.Authentication}, in.Return)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	auth.Mount(mux)
	mux.Handle("GET /me", kind.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := kind.From(r.Context())
		fmt.Fprintf(w, "Hello, %s.\n", s.Properties.Email)
	})))
	log.Fatal(http.ListenAndServe("localhost:"+os.Args[1], mux))
}

// send sends a mail, as plain text.
func send(_ context.Context, m postern.Mail) error {
	text := "From: own@example.com\r\nTo: " + m.To + "\r\nSubject: " + m.Subject + "\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + m.Text
	return smtp.SendMail(os.Getenv("SMTP"), nil, "own@example.com", []string{m.To}, []byte(text))
}
