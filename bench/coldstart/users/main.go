// Command users is a function with a directory of users in DynamoDB, sign-in by a mailed link, and an API. What a
// package adds to the size and to the start is measured by tags: passkey for passkeys, pages for the design and the
// languages of package ui, ses for mails by the API of Amazon SES.
package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/lambdahttp"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store/dynamostore"
	"github.com/posternauth/postern/users"
)

type user struct {
	Email string `json:"email"`
}

// providers are the ways to sign in. The file with the tag passkey adds one.
var providers = map[string]postern.Provider{"link": magic.Link(magic.Config{})}

// change is what the files with the tags pages and ses do to the configuration.
var change []func(*postern.Config) error

func main() {
	handler, err := newHandler(os.Getenv("ORIGIN"))
	if err != nil {
		log.Fatal(err)
	}
	function, err := lambdahttp.New(handler, lambdahttp.Config{Logger: slog.Default()})
	if err != nil {
		log.Fatal(err)
	}
	function.Start()
}

func newHandler(origin string) (http.Handler, error) {
	endpoint := os.Getenv("AWS_ENDPOINT_URL")
	table, err := dynamostore.New(dynamostore.Config{Table: os.Getenv("TABLE"), Client: dynamodb.New(dynamodb.Options{
		Region: os.Getenv("AWS_REGION"), BaseEndpoint: &endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
	})})
	if err != nil {
		return nil, err
	}
	sealing, err := base64.StdEncoding.DecodeString(os.Getenv("VAULT_KEY"))
	if err != nil {
		return nil, err
	}
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: keys.StoreVault{Store: table, Sealer: keys.MasterKey(sealing)}})
	if err != nil {
		return nil, err
	}
	sessions, err := session.New(session.Config{Issuer: origin + "/auth", Audience: "api", Keys: ring, Store: table, Logger: slog.Default()})
	if err != nil {
		return nil, err
	}
	people, err := users.New(users.Config{Sessions: sessions})
	if err != nil {
		return nil, err
	}
	kind := postern.NewKind(sessions, people, session.KindConfig[user]{Name: "user"}, func(p postern.Person) user {
		email, _ := p.Email()
		return user{email}
	})
	config := postern.Config{
		Sessions: sessions, Session: kind, Redirects: []string{"/"}, Providers: providers, Admit: postern.Open, Logger: slog.Default(),
		Mail: func(context.Context, postern.Mail) error { return postern.ErrMailUnavailable },
	}
	for _, f := range change {
		if err := f(&config); err != nil {
			return nil, err
		}
	}
	auth, err := postern.New(config)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	auth.Mount(mux)
	mux.Handle("GET /api/me", kind.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := kind.From(r.Context())
		fmt.Fprintln(w, s.Properties.Email)
	})))
	return mux, nil
}
