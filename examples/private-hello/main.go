// Command private-hello is the login of the Serverless Handbook: a username and a password give a token, and the token
// gives a greeting. The same handler runs on net/http and on Lambda.
//
//	go run ./examples/private-hello
//	go run ./examples/private-hello import users.jsonl
//
// Its environment:
//
//	ORIGIN                 where people reach it, such as https://api.example.com; without it http://localhost:8080
//	TABLE                  the DynamoDB table for users, sessions and keys
//	VAULT_KEY              the secret that encrypts the keys in the table: 32 random bytes in base64
//	CREATE_ON_FIRST_LOGIN  "yes": the first login of an unknown username makes the user
//	SALT                   of the passwords that import reads
//
// On http://localhost, TABLE and VAULT_KEY can be left out: users and keys are then in memory.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/lambdahttp"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/password/policy"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

func main() {
	s, err := settingsFromEnvironment()
	if err != nil {
		log.Fatal(err)
	}
	a, err := newApp(s)
	switch {
	case err != nil:
		log.Fatal(err)
	case len(os.Args) == 3 && os.Args[1] == "import":
		report, err := a.importFile(context.Background(), os.Args[2], os.Getenv("SALT"))
		fmt.Printf("%d created, %d skipped, %d refused\n", report.Created, report.Skipped, report.Refused)
		if err != nil {
			log.Fatal(err)
		}
	case os.Getenv("AWS_LAMBDA_RUNTIME_API") != "":
		function, err := lambdahttp.New(a.routes(), lambdahttp.Config{AllowLocal: s.local()})
		if err != nil {
			log.Fatal(err)
		}
		function.Start()
	default:
		fmt.Println("listening on http://localhost:8080")
		log.Fatal(http.ListenAndServe("localhost:8080", a.routes()))
	}
}

type settings struct {
	origin     string
	store      store.Store
	vault      keys.Vault
	memoryMiB  int  // of the function; zero: the default of package hash
	firstLogin bool // the first login of a username makes the user
	now        func() time.Time
}

// User is what a token holds about a person.
type User struct {
	Username string `json:"username"`
}

type app struct {
	users      *users.Directory
	kind       *postern.Kind[User]
	auth       *postern.Auth
	passwords  *password.Service
	hasher     *hash.Hasher
	rules      *policy.Policy
	firstLogin bool
}

func newApp(s settings) (*app, error) {
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: s.vault, Now: s.now})
	if err != nil {
		return nil, err
	}
	sessions, err := session.New(session.Config{
		Issuer: s.origin + "/auth", Audience: "private-hello", Keys: ring, Store: s.store, Now: s.now,
	})
	if err != nil {
		return nil, err
	}
	a := &app{firstLogin: s.firstLogin}
	if a.users, err = users.New(users.Config{Sessions: sessions, AllowUsernames: true}); err != nil {
		return nil, err
	}
	if a.hasher, err = hash.New(hash.Config{MemoryMiB: s.memoryMiB}); err != nil {
		return nil, err
	}
	if a.rules, err = policy.New(policy.Config{Names: []string{"private-hello"}}); err != nil {
		return nil, err
	}
	a.passwords, err = password.NewService(password.Config{Hasher: a.hasher, Policy: a.rules}, sessions, a.users.Pool())
	if err != nil {
		return nil, err
	}
	// A token works for an hour, and less if its session or its user ends: each request asks the store.
	life := session.KindConfig[User]{Name: "user", Access: time.Hour, Idle: time.Hour, Absolute: time.Hour, CheckStore: true}
	a.kind = postern.NewKind(sessions, a.users, life, func(p postern.Person) User { return User{Username: p.Username} })
	a.auth, err = postern.New(postern.Config{
		Sessions: sessions, Session: a.kind, Redirects: []string{"/private"},
		Providers: map[string]postern.Provider{"hello": a},
	})
	return a, err
}

func settingsFromEnvironment() (s settings, err error) {
	s.origin = os.Getenv("ORIGIN")
	if s.origin == "" {
		s.origin = "http://localhost:8080"
	}
	s.firstLogin = os.Getenv("CREATE_ON_FIRST_LOGIN") == "yes"
	s.memoryMiB, _ = strconv.Atoi(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")) // set by Lambda
	switch table := os.Getenv("TABLE"); {
	case table != "":
		s.store, s.vault, err = openTable(table, os.Getenv("VAULT_KEY"))
	case s.local():
		s.store, s.vault = &store.Memory{}, &keys.MemoryVault{}
	default:
		err = errors.New("set TABLE and VAULT_KEY: only on http://localhost users and keys can be in memory")
	}
	return s, err
}
