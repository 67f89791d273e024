package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	_ "modernc.org/sqlite" // the database of dev

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/fakeidp"
	"github.com/posternauth/postern/internal/inbox"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/oauth"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store/sqlstore"
)

// audience is the API that sessions of the demo are for.
const audience = "demo"

// devHouse is everything `dev` serves: the library put together as a program would, with stand-ins for the world.
type devHouse struct {
	handler http.Handler
	db      *sql.DB
	store   *sqlstore.Store
}

func (d *devHouse) close() {
	d.store.Close()
	d.db.Close()
}

// openDev opens the data folder and builds the handler of a server that people reach at url.
func openDev(ctx context.Context, f folder, url string, w world) (_ *devHouse, err error) {
	if err := f.create(); err != nil {
		return nil, err
	}
	database, err := os.OpenFile(f.file(databaseFile), os.O_CREATE, 0o600) // SQLite would let others read it
	if err != nil {
		return nil, err
	}
	database.Close()
	d := &devHouse{}
	d.db, err = sql.Open("sqlite", sqlstore.DSN(f.file(databaseFile)))
	if err != nil {
		return nil, err
	}
	d.store, err = sqlstore.Open(ctx, sqlstore.Config{DB: d.db, Dialect: sqlstore.SQLite, Now: w.now})
	if err != nil {
		d.db.Close()
		return nil, fmt.Errorf("opening the database %s: %w", f.file(databaseFile), err)
	}
	d.handler, err = d.build(ctx, f, url, w)
	if err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (d *devHouse) build(ctx context.Context, f folder, url string, w world) (http.Handler, error) {
	logger := slog.New(slog.NewTextHandler(w.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	ring, err := f.ring(ctx, keys.RingConfig{Now: w.now, Logger: logger})
	if err != nil {
		return nil, err
	}
	sessions, err := session.New(session.Config{
		Issuer: url + "/auth", Audience: audience, Keys: ring, Store: d.store, Now: w.now, Logger: logger,
		OnEvent: func(_ context.Context, e session.Event) { printEvent(w, e) },
	})
	if err != nil {
		return nil, err
	}
	app := &demo{sessions: sessions, user: session.NewKind[person](sessions, "user"), url: url}

	const secret = "not-a-secret: the provider is on this machine"
	client := func(name string) fakeidp.Config {
		return fakeidp.Config{
			Issuer: url + "/idp/" + name, Now: w.now,
			Clients: []fakeidp.Client{{ID: "demo", Secret: secret, RedirectURIs: []string{url + "/auth/" + name + "/callback"}}},
		}
	}
	google, err := fakeidp.New(client("google"))
	if err != nil {
		return nil, err
	}
	github, err := fakeidp.New(client("github"))
	if err != nil {
		return nil, err
	}
	mail := inbox.New()
	mail.Home = "/"
	send := magic.Config{Name: "the Postern demo", Send: catchMail(mail, w.now), Logger: logger}

	auth, err := postern.New(postern.Config{
		Sessions:  sessions,
		Redirects: []string{url + "/"},
		Providers: map[string]postern.Provider{
			"google": oidc.Google(oidc.Config{
				Issuer: google.Issuer(), ClientID: "demo", ClientSecret: secret, AllowInsecure: true, Logger: logger,
			}),
			"github": oauth.GitHub(oauth.Config{
				Issuer: github.Issuer(), Endpoint: oauth.Endpoint{UserInfoURL: github.Issuer() + "/api/user"},
				ClientID: "demo", ClientSecret: secret, AllowInsecure: true,
			}),
			"link": magic.Link(send),
			"code": magic.Code(send),
		},
		Labels:    map[string]string{"google": "Google", "github": "GitHub", "link": "a mailed link", "code": "a mailed code"},
		OnSuccess: app.onSuccess,
		Logger:    logger,
	})
	if err != nil {
		return nil, err
	}

	mux := http.NewServeMux()
	auth.Mount(mux)
	app.routes(mux)
	mux.Handle("/idp/google/", google)
	mux.Handle("/idp/github/", github)
	mux.Handle("/inbox", mail)
	mux.Handle("/inbox.json", mail)
	mux.Handle("/inbox/", mail)
	return recoverPanics(onlyLocalhost(mux, url), w.err), nil
}

// catchMail puts what would be sent into the inbox.
func catchMail(mail *inbox.Inbox, now func() time.Time) func(context.Context, magic.Message) error {
	return func(_ context.Context, m magic.Message) error {
		mail.Add(inbox.Message{To: m.To, Subject: m.Subject, Text: m.Text, HTML: m.HTML, Link: m.Link, Code: m.Code, Time: now()})
		return nil
	}
}

// onSuccess is step two of a sign-in, which is the application's own: find the user or make one. The key is issuer and
// subject, never an address. The demo has no table of users; it makes the id from the key.
func (d *demo) onSuccess(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
	sum := sha256.Sum256([]byte(in.Identity.Issuer + "\n" + in.Identity.Subject))
	id := "user_" + hex.EncodeToString(sum[:8])
	email, _ := in.Identity.Email()
	return d.user.Cookie(w, r, session.Grant[person]{
		Subject:    id,
		Properties: person{UserID: id, Provider: in.Identity.Provider, Name: in.Identity.Name, Email: email},
		Auth:       in.Auth,
	}, in.Return)
}

// printEvent shows in the terminal what an audit log would get.
func printEvent(w world, e session.Event) {
	line := e.Time.Local().Format("15:04:05") + "  " + e.Name
	for _, detail := range []string{e.Provider, e.Subject, e.Reason} {
		if detail != "" {
			line += "  " + detail
		}
	}
	fmt.Fprintln(w.out, calm(line))
}
