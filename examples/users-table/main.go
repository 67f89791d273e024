// Command users-table keeps people in a table of the application, on Postgres, beside Postern's own tables.
//
//	createdb app
//	DATABASE_URL=postgres:///app go run ./examples/users-table
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store/sqlstore"
)

// Member is what a session holds about a person: what most requests need. The rest stays in the table.
type Member struct {
	Name string `json:"name"`
}

func main() {
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	link := magic.Link(magic.Config{Name: "Users table"})
	handler, err := newHandler(context.Background(), "http://localhost:8080", db, map[string]postern.Provider{"link": link})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("open http://localhost:8080/auth/link/authorize")
	log.Fatal(http.ListenAndServe("localhost:8080", handler))
}

func newHandler(ctx context.Context, origin string, db *sql.DB, providers map[string]postern.Provider) (http.Handler, error) {
	people := Table{DB: db}
	if err := people.Create(ctx); err != nil {
		return nil, err
	}
	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db, Dialect: sqlstore.Postgres})
	if err != nil {
		return nil, err
	}
	// These keys end with the program. A vault keeps them.
	ring, err := keys.Open(ctx, keys.RingConfig{Vault: &keys.MemoryVault{}})
	if err != nil {
		return nil, err
	}
	sessions, err := session.New(session.Config{Issuer: origin + "/auth", Audience: "users-table", Keys: ring, Store: store})
	if err != nil {
		return nil, err
	}
	member := session.NewKind[Member](sessions, "member")

	auth, err := postern.New(postern.Config{
		Sessions:  sessions,
		Redirects: []string{"/me"},
		Providers: providers,
		Mail: func(_ context.Context, m postern.Mail) error {
			fmt.Printf("To: %s\n\n%s\n", m.To, m.Text)
			return nil
		},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			p, err := people.FindOrCreate(r.Context(), in.Identity)
			if err != nil {
				return err // 500: the log has the reason, the page has a reference to it
			}
			if p.Blocked {
				return errBlocked()
			}
			grant := session.Grant[Member]{Subject: p.Subject(), Properties: Member{Name: p.Name}, Authentication: in.Authentication}
			return member.Cookie(w, r, grant, in.Return)
		},
	})
	if err != nil {
		return nil, err
	}

	mux := http.NewServeMux()
	auth.Mount(mux)
	mux.Handle("GET /me", member.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := member.From(r.Context()) // *session.Session[Member]
		p, err := people.Get(r.Context(), s.Subject)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			http.Error(w, "this account was deleted", http.StatusGone)
		case err != nil:
			log.Print(err)
			http.Error(w, "please try again", http.StatusServiceUnavailable)
		case p.Blocked: // the session was made while the person was being blocked
			http.Error(w, "this account is blocked", http.StatusForbidden)
		default:
			fmt.Fprintf(w, "person %d, %s\n", p.ID, p.Email)
		}
	}), session.CheckStore)) // a blocked person is out at once; without CheckStore, within five minutes
	// A route for administrators makes the same two calls, Block and RevokeSubject. Here people block themselves.
	mux.Handle("POST /block", member.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := member.From(r.Context())
		p, err := people.Get(r.Context(), s.Subject)
		if err == nil {
			err = people.Block(r.Context(), p.ID)
		}
		if err == nil {
			err = sessions.RevokeSubject(r.Context(), s.Subject)
		}
		if err != nil {
			log.Print(err)
			http.Error(w, "please try again", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})))
	return mux, nil
}
