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
	"github.com/posternauth/postern/internal/test/devpage"
	"github.com/posternauth/postern/internal/test/inbox"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store/sqlstore"
	"github.com/posternauth/postern/users"
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
	dir     *users.Directory
	hasher  *hash.Hasher
	people  []resident // who are there from the beginning
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
	d.db.SetMaxOpenConns(fileConnections)
	d.db.SetMaxIdleConns(fileConnections)
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
	idps, err := standInsOf(url, w.now)
	if err != nil {
		return nil, err
	}
	d.dir, err = users.New(users.Config{Sessions: sessions, Roles: roles, AllowUsernames: true, Ways: &users.Ways{
		Password: true, Passkey: true, Mail: true,
		Issuer: func(issuer string) bool {
			return issuer == idps["google"].Issuer() || issuer == idps["github"].Issuer()
		},
	}})
	if err != nil {
		return nil, err
	}
	d.hasher, err = hash.New(hash.Config{MemoryMiB: 64}) // one hash at a time, of 7 MiB
	if err != nil {
		return nil, err
	}
	if d.people, err = settle(ctx, d.dir, d.hasher, w.now()); err != nil {
		return nil, err
	}
	kind := postern.NewKind(sessions, d.dir, session.KindConfig[person]{Name: "user"}, personOf)
	staff := postern.NewKind(sessions, d.dir, session.KindConfig[person]{Name: "staff"}, personOf)
	pages, err := newPages()
	if err != nil {
		return nil, err
	}
	page, err := newSite(appName, issuerOf(url)+"/assets/"+pages.Sheet(), devpage.Link{Text: "Demo", URL: "/"}, devpage.Link{Text: "Inbox", URL: "/inbox"},
		devpage.Link{Text: "Token inspector", URL: "/token"}, devpage.Link{Text: "Account", URL: "/auth/account"}, devpage.Link{Text: "Administration", URL: "/auth/admin"})
	if err != nil {
		return nil, err
	}
	mail := inbox.New()
	mail.Site, mail.Hint = page.Site, "All mail of the demo arrives here, whatever the address."
	app := &demo{site: page, sessions: sessions, user: kind, url: url, people: d.people}
	for has := range authSettings(len(app.handlers)) {
		auth, err := postern.New(d.signIn(sessions, kind, staff, idps, catchMail(mail, w.now), pages, url, logger, has, func() bool {
			return authSettings(app.settings.Load()).demand() // at each sign-in and refresh, whatever the handler
		}))
		if err != nil {
			return nil, err
		}
		app.handlers[has] = http.NewServeMux()
		auth.Mount(app.handlers[has])
	}

	mux := http.NewServeMux()
	app.routes(mux)
	tokens := newInspector(page, checker{keys: ring, issuer: sessions.Issuer(), audience: audience}, w.now)
	tokens.own = func(r *http.Request) string {
		token, _ := app.token(r)
		return token
	}
	tokens.routes(mux)
	for name, idp := range idps {
		mux.Handle("/idp/"+name+"/", idp)
	}
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
