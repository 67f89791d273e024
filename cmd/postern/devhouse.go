package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	_ "modernc.org/sqlite" // the database of dev

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/inbox"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/oauth"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store/sqlstore"
)

// appName is the name of the demo on every page.
const appName = "Postern demo"

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
	if err == nil {
		err = f.keepIssuer(issuerOf(url))
	}
	if err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// issuerOf is the issuer of the sessions of a server that people reach at url.
func issuerOf(url string) string { return url + "/auth" }

func (d *devHouse) build(ctx context.Context, f folder, url string, w world) (http.Handler, error) {
	logger := slog.New(slog.NewTextHandler(w.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	ring, err := f.ring(ctx, keys.RingConfig{Now: w.now, Logger: logger})
	if err != nil {
		return nil, err
	}
	sessions, err := session.New(session.Config{
		Issuer: issuerOf(url), Audience: audience, Keys: ring, Store: d.store, Now: w.now, Logger: logger,
		OnEvent: func(_ context.Context, e session.Event) { printEvent(w, e) },
	})
	if err != nil {
		return nil, err
	}
	app := &demo{sessions: sessions, user: session.NewKind[person](sessions, "user"), url: url}

	const secret = "not-a-secret: the provider is on this machine"
	client := func(name, label string) fakeidp.Config {
		return fakeidp.Config{
			Issuer: url + "/idp/" + name, Name: label, Now: w.now,
			Clients: []fakeidp.Client{{ID: "demo", Secret: secret, Name: appName, RedirectURIs: []string{url + "/auth/" + name + "/callback"}}},
		}
	}
	google, err := fakeidp.New(client("google", "Google"))
	if err != nil {
		return nil, err
	}
	github, err := fakeidp.New(client("github", "GitHub"))
	if err != nil {
		return nil, err
	}
	mail := inbox.New()
	mail.Home = "/"
	config := magic.Config{Logger: logger}

	auth, err := postern.New(postern.Config{
		Sessions:  sessions,
		Redirects: []string{url + "/"},
		Mail:      catchMail(mail, w.now),
		Providers: map[string]postern.Provider{
			"google": oidc.Google(oidc.Config{
				Issuer: google.Issuer(), ClientID: "demo", ClientSecret: secret, AllowInsecure: true, Logger: logger,
			}),
			"github": oauth.GitHub(oauth.Config{
				Issuer: github.Issuer(), Endpoint: oauth.Endpoint{UserInfoURL: github.Issuer() + "/api/user"},
				ClientID: "demo", ClientSecret: secret, AllowInsecure: true,
			}),
			"link": magic.Link(config),
			"code": magic.Code(config),
		},
		Name:      appName,
		Order:     []string{"google", "github", "link", "code"},
		Labels:    map[string]string{"github": "GitHub"},
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
	return recoverPanics(onlyLocalhost(mux, url, needsCookie), w.err), nil
}

// catchMail puts what would be sent into the inbox.
func catchMail(mail *inbox.Inbox, now func() time.Time) func(context.Context, postern.Mail) error {
	return func(_ context.Context, m postern.Mail) error {
		mail.Add(inbox.Message{To: m.To, Subject: m.Subject, Text: m.Text, HTML: m.HTML, Link: m.Arg("link"), Code: m.Arg("code"), Time: now()})
		return nil
	}
}

// onSuccess is what an application does at a sign-in: find the user or create one, by Identity.Key. The demo has no
// table of users, so the key is the id.
func (d *demo) onSuccess(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
	id := in.Identity.Key()
	email, _ := in.Identity.Email()
	return d.user.Cookie(w, r, session.Grant[person]{
		Subject:        id,
		Properties:     person{UserID: id, Provider: in.Identity.Provider, Name: in.Identity.Name, Email: email},
		Authentication: in.Authentication,
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
