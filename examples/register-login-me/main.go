// Command register-login-me is the walk-through of serverless.com: people register with name, address and password, log
// in, and read about themselves. The same handler runs on net/http and on Lambda.
//
//	go run ./examples/register-login-me
//
// Its environment:
//
//	ORIGIN     where people reach it, such as https://api.example.com; without it http://localhost:8080
//	TABLE      the DynamoDB table for users, sessions and keys
//	VAULT_KEY  the secret that encrypts the keys in the table: 32 random bytes in base64
//	SMTP       the mail server, host:port, with SMTP_USER and SMTP_PASSWORD
//	ADMIN      a mail address: who registers with it may list the users
//	RAW_TOKEN  "yes": a token without the word Bearer is accepted too, as the walk-through sends it
//
// On http://localhost, TABLE, VAULT_KEY and SMTP can be left out: users and keys are then in memory, and mail is
// printed.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/lambdahttp"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/password/policy"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/smtpmail"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

func main() {
	s, err := settingsFromEnvironment()
	if err != nil {
		log.Fatal(err)
	}
	a, err := newApp(s)
	if err != nil {
		log.Fatal(err)
	}
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" {
		fmt.Println("listening on http://localhost:8080")
		log.Fatal(http.ListenAndServe("localhost:8080", a.routes()))
	}
	function, err := lambdahttp.New(a.routes(), lambdahttp.Config{AllowLocal: s.local()})
	if err != nil {
		log.Fatal(err)
	}
	function.Start()
}

type settings struct {
	origin    string
	store     store.Store
	vault     keys.Vault
	send      func(context.Context, postern.Mail) error
	admin     string
	rawToken  bool
	memoryMiB int // of the function; zero: the default of package hash
	queue     int // hashes that may wait; zero: the default of package hash
	now       func() time.Time
}

// Member is what a token holds about a person: nothing. What people read about themselves is in the directory.
type Member struct{}

type app struct {
	settings
	users     *users.Directory
	kind      *postern.Kind[Member]
	auth      *postern.Auth
	passwords *password.Service
	hasher    *hash.Hasher
	rules     *policy.Policy
}

func newApp(s settings) (*app, error) {
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: s.vault, Now: s.now})
	if err != nil {
		return nil, err
	}
	sessions, err := session.New(session.Config{
		Issuer: s.origin + "/auth", Audience: "members", Keys: ring, Store: s.store, Now: s.now,
	})
	if err != nil {
		return nil, err
	}
	a := &app{settings: s}
	a.users, err = users.New(users.Config{Sessions: sessions, Roles: users.Roles{"admin": {"users:read"}}})
	if err != nil {
		return nil, err
	}
	if a.hasher, err = hash.New(hash.Config{MemoryMiB: s.memoryMiB, Queue: s.queue}); err != nil {
		return nil, err
	}
	if a.rules, err = policy.New(policy.Config{Names: []string{"register-login-me"}}); err != nil {
		return nil, err
	}
	a.passwords, err = password.NewService(password.Config{Hasher: a.hasher, Policy: a.rules}, sessions, a.users.Pool())
	if err != nil {
		return nil, err
	}
	// A token works for a day, as in the original, and less if its session or its user ends: each request asks the
	// store.
	day := session.KindConfig[Member]{Name: "member", Access: 24 * time.Hour, Idle: 24 * time.Hour, Absolute: 24 * time.Hour, CheckStore: true}
	a.kind = postern.NewKind(sessions, a.users, day, func(postern.Person) Member { return Member{} })
	a.auth, err = postern.New(postern.Config{
		Sessions: sessions, Session: a.kind, Redirects: []string{"/me"}, Mail: s.send,
		Providers: map[string]postern.Provider{"members": a},
	})
	return a, err
}

func settingsFromEnvironment() (s settings, err error) {
	s.origin, s.admin = os.Getenv("ORIGIN"), strings.ToLower(os.Getenv("ADMIN"))
	if s.origin == "" {
		s.origin = "http://localhost:8080"
	}
	s.rawToken = os.Getenv("RAW_TOKEN") == "yes"
	s.memoryMiB, _ = strconv.Atoi(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")) // set by Lambda
	if s.send, err = s.sender(); err != nil {
		return s, err
	}
	table := os.Getenv("TABLE")
	switch {
	case !s.local() && (table == "" || os.Getenv("SMTP") == ""):
		err = errors.New("set TABLE, VAULT_KEY and SMTP: only on http://localhost something takes their place")
	case table != "":
		s.store, s.vault, err = openTable(table, os.Getenv("VAULT_KEY"))
	default:
		s.store, s.vault = &store.Memory{}, &keys.MemoryVault{}
	}
	return s, err
}

// sender returns the function that sends mails, or prints them.
func (s settings) sender() (func(context.Context, postern.Mail) error, error) {
	server := os.Getenv("SMTP")
	if server == "" {
		return func(_ context.Context, m postern.Mail) error {
			fmt.Printf("To: %s\n\n%s\n", m.To, m.Text)
			return nil
		}, nil
	}
	mails, err := smtpmail.New(smtpmail.Config{
		Addr: server, Username: os.Getenv("SMTP_USER"), Password: os.Getenv("SMTP_PASSWORD"),
		From: "no-reply@" + strings.TrimPrefix(s.origin, "https://"),
	})
	if err != nil {
		return nil, fmt.Errorf("SMTP: %w", err)
	}
	return mails.Send, nil
}
