// Command own-users signs people in by password or by passkey, and asks for a code of their app where they have set one
// up. The users are rows of the application's own table in Postgres, which has no passwords, passkeys or seeds: those
// are in Postern's store.
//
//	createdb app
//	DATABASE_URL=postgres:///app go run ./examples/own-users
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/passkey"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store/sqlstore"
	"github.com/posternauth/postern/totp"
)

const schema = `CREATE TABLE IF NOT EXISTS accounts (
	id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	email    text NOT NULL UNIQUE,          -- verified, in the form in which Postern gives it
	sign_up  text NOT NULL UNIQUE,          -- so that a lost answer does not make two rows
	disabled boolean NOT NULL DEFAULT false
)`

// Accounts is the table. Its three methods make it a postern.Users.
type Accounts struct{ DB *sql.DB }

// Find returns the account with a verified address.
func (t Accounts) Find(ctx context.Context, id postern.Identity) (string, error) {
	if id.Issuer != postern.MailIssuer { // no other providers here
		return "", postern.ErrNoUser
	}
	var n int64
	err := t.DB.QueryRowContext(ctx, `SELECT id FROM accounts WHERE email = $1`, id.Subject).Scan(&n)
	return strconv.FormatInt(n, 10), noUser(err)
}

// Get returns an account as sessions know it.
func (t Accounts) Get(ctx context.Context, userID string) (postern.Person, error) {
	p, address := postern.Person{ID: userID}, postern.Address{Type: "email", Verified: true}
	err := t.DB.QueryRowContext(ctx, `SELECT email, disabled FROM accounts WHERE id = $1`, userID).Scan(&address.Value, &p.Disabled)
	p.Addresses = []postern.Address{address}
	return p, noUser(err)
}

// Create makes an account. The table checks that the address is free, in the same statement.
func (t Accounts) Create(ctx context.Context, s postern.SignUp) (string, error) {
	var n int64
	err := t.DB.QueryRowContext(ctx, `INSERT INTO accounts (email, sign_up) VALUES ($1, $2)
		ON CONFLICT (sign_up) DO UPDATE SET sign_up = excluded.sign_up RETURNING id`, s.Identity.Subject, s.ID).Scan(&n)
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "23505" { // unique_violation
		return "", postern.ErrTaken
	}
	return strconv.FormatInt(n, 10), err
}

func noUser(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return postern.ErrNoUser
	}
	return err
}

// Account is what a session holds.
type Account struct {
	Email string `json:"email"`
}

type settings struct {
	origin string
	db     *sql.DB
	mail   func(context.Context, postern.Mail) error
	now    func() time.Time // nil: time.Now
}

func newHandler(ctx context.Context, s settings) (http.Handler, error) {
	if _, err := s.db.ExecContext(ctx, schema); err != nil {
		return nil, err
	}
	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: s.db, Dialect: sqlstore.Postgres, Now: s.now})
	if err != nil {
		return nil, err
	}
	ring, err := keys.Open(ctx, keys.RingConfig{Vault: &keys.MemoryVault{}, Now: s.now}) // these keys end with the program
	if err != nil {
		return nil, err
	}
	sessions, err := session.New(session.Config{Issuer: s.origin + "/auth", Audience: "own-users", Keys: ring, Store: store, Now: s.now})
	if err != nil {
		return nil, err
	}
	account := postern.NewKind(sessions, Accounts{s.db}, session.KindConfig[Account]{Name: "account"}, func(p postern.Person) Account {
		email, _ := p.Email()
		return Account{email}
	})
	auth, err := postern.New(postern.Config{
		Sessions: sessions, Session: account, Name: "Own users", Admit: postern.Open, Mail: s.mail,
		Redirects: []string{"/me"},
		Providers: map[string]postern.Provider{
			"password": password.New(password.Config{}),
			"passkey":  passkey.New(passkey.Config{}),
		},
		Factors: map[string]postern.Provider{
			"totp":     totp.New(totp.Config{}),
			"recovery": totp.Recovery(totp.Config{}),
		},
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	auth.Mount(mux)
	mux.Handle("GET /me", account.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, _ := account.From(r.Context())
		fmt.Fprintf(w, "account %s, %s, by %v\n", in.Subject, in.Properties.Email, in.Authentication.Methods)
	}), session.CheckStore))
	mux.Handle("POST /close", account.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, _ := account.From(r.Context())
		_, err := s.db.ExecContext(r.Context(), `UPDATE accounts SET disabled = true WHERE id = $1`, in.Subject)
		if err == nil {
			err = auth.EndUser(r.Context(), in.Subject) // the sessions end now
		}
		if err != nil {
			log.Printf("closing account %s: %v", in.Subject, err)
			http.Error(w, "Please try again.", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "The account is closed.")
	}), session.CheckStore, session.Fresh(10*time.Minute)))
	return mux, nil
}

func main() {
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	handler, err := newHandler(context.Background(), settings{
		origin: "http://localhost:8080", db: db,
		mail: func(_ context.Context, m postern.Mail) error {
			fmt.Printf("To: %s\n\n%s\n", m.To, m.Text)
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("open http://localhost:8080/auth/sign-up")
	log.Fatal(http.ListenAndServe("localhost:8080", handler))
}
