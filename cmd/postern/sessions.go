package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

type sessionsGroup struct {
	List   sessionsList   `cmd:"" help:"List the live sessions of a person."`
	Show   sessionsShow   `cmd:"" help:"Show one session, alive or ended, and why."`
	Revoke sessionsRevoke `cmd:"" help:"End sessions: by id, or all of a person."`
}

// kindFlag names kinds of sessions: those of a person lie together by kind and subject.
type kindFlag struct {
	Kind []string `placeholder:"NAME" help:"The kind of session, as in KindConfig.Name; may be given several times. Default: user; with --config, those of people and of administrators."`
}

// kinds returns the kinds of the flag, or all that the configuration has: who ends the sessions of a person means those
// in the administration, too.
func (f kindFlag) kinds(at storePlace) []string {
	switch {
	case len(f.Kind) > 0:
		return f.Kind
	case at.config == nil:
		return []string{"user"}
	case at.config.Admin.Enabled:
		return []string{at.config.Session.Kind, at.config.Admin.Kind}
	}
	return []string{at.config.Session.Kind}
}

// nobody verifies nothing: these commands have a store and no keys.
type nobody struct{}

func (nobody) PublicKey(context.Context, string) (*keys.PublicKey, error) {
	return nil, keys.ErrUnknownKey
}

// adminFlags name the sessions or users that a command is about: those of one issuer in one store.
type adminFlags struct {
	storeFlag
	Issuer string `placeholder:"URL" env:"POSTERN_ISSUER" help:"Whose sessions and users: session.Config.Issuer of the program, such as https://api.example.com/auth. Default: that of the last postern dev with the data folder, if there is no --store; with --config, that of the configuration."`
}

// admin opens the sessions of an issuer in the store that place has returned.
func (f adminFlags) admin(ctx context.Context, w world, at storePlace, kinds []string) (*session.Sessions, func(), error) {
	if at.config != nil {
		if given(f.Issuer, "POSTERN_ISSUER") {
			return nil, nil, usagef("--config names the issuer: leave out --issuer")
		}
		f.Issuer = at.config.Issuer
	}
	st, done, err := openStore(ctx, w, at.flag, at.url)
	if err != nil {
		return nil, nil, err
	}
	if f.Issuer == "" && f.Store == "" {
		if f.Issuer, err = folder(f.Data).issuer(); err != nil {
			done()
			return nil, nil, err
		}
	}
	if f.Issuer == "" {
		done()
		return nil, nil, usagef("--issuer is missing: give session.Config.Issuer of the program, since a store may hold the sessions of several")
	}
	s, err := session.New(session.Config{Issuer: f.Issuer, Audience: "postern", Keys: nobody{}, Store: st, Now: w.now,
		DevelopmentHosts: at.developmentHosts(), Logger: slog.New(slog.DiscardHandler)}) // a command prints its error
	if err != nil {
		done()
		return nil, nil, err
	}
	for _, name := range kinds {
		if err := newKind(s, name, at.pool); err != nil {
			done()
			return nil, nil, err
		}
	}
	return s, done, nil
}

// newKind makes a kind of a name from the command line. Its sessions end when the store says so, hence the longest
// Idle.
func newKind(s *session.Sessions, name, pool string) (err error) {
	defer func() {
		if why := recover(); why != nil {
			err = usagef("--kind: %v", strings.TrimPrefix(fmt.Sprint(why), "session: "))
		}
	}()
	session.NewKindConfig(s, session.KindConfig[json.RawMessage]{Name: name, Pool: pool, Idle: 90 * 24 * time.Hour, Absolute: 400 * 24 * time.Hour})
	return nil
}

type sessionsList struct {
	adminFlags
	kindFlag
	JSON    bool   `name:"json" help:"Print JSON, one session a line."`
	Subject string `arg:"" help:"Whose: Grant.Subject, the application's id of the person."`
}

// Run lists sessions by kind, the newest first, page by page.
func (c sessionsList) Run(ctx context.Context, w world) error {
	at, err := c.place(ctx, w)
	if err != nil {
		return err
	}
	kinds := c.kinds(at)
	s, done, err := c.admin(ctx, w, at, kinds)
	if err != nil {
		return err
	}
	defer done()
	n, now := 0, w.now()
	for page := (session.ListPage{}); n == 0 || page.Next != ""; {
		if page, err = s.List(ctx, c.Subject, session.ListOptions{After: page.Next}); err != nil {
			return err
		}
		if err := c.print(w, page.Sessions, n == 0, now); err != nil {
			return err
		}
		if n += len(page.Sessions); n == 0 && page.Next == "" {
			break
		}
	}
	if n == 0 && !c.JSON {
		fmt.Fprintf(w.out, "No live session of %s (kind %s, issuer %s).\n", calm(c.Subject), strings.Join(kinds, ", "), s.Issuer())
	}
	return nil
}

func (c sessionsList) print(w world, list []session.Info, first bool, now time.Time) error {
	if c.JSON {
		for _, i := range list {
			if err := json.NewEncoder(w.out).Encode(i); err != nil {
				return err
			}
		}
		return nil
	}
	t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
	if first && len(list) > 0 {
		fmt.Fprintln(t, "SESSION\tKIND\tLAST USED\tSIGNED IN\tENDS\tADDRESS\tDEVICE")
	}
	for _, i := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", i.ID, calm(i.Kind), inWords(i.LastUsed, now), inWords(i.Created, now), inWords(i.IdleExpiresAt, now), orDash(i.Address), orDash(i.DeviceName()))
	}
	return t.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return calm(s)
}

type sessionsShow struct {
	adminFlags
	JSON bool   `name:"json" help:"Print JSON."`
	ID   string `arg:"" help:"The id of the session: sid in its tokens, SESSION in the list."`
}

// Run shows one session.
func (c sessionsShow) Run(ctx context.Context, w world) error {
	at, err := c.place(ctx, w)
	if err != nil {
		return err
	}
	s, done, err := c.admin(ctx, w, at, nil)
	if err != nil {
		return err
	}
	defer done()
	i, err := s.Find(ctx, c.ID)
	switch {
	case errors.Is(err, session.ErrEnded):
		return fmt.Errorf("there is no session %s of %s, or no longer", calm(c.ID), s.Issuer())
	case err != nil:
		return err
	case c.JSON:
		return json.NewEncoder(w.out).Encode(i)
	}
	now := w.now()
	state := "alive"
	if i.Ended != "" {
		state = "ended: " + calm(i.Ended)
	}
	t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
	line := func(name, value string) { fmt.Fprintf(t, "%s\t%s\n", name, value) }
	when := func(name string, at time.Time) { line(name, inWords(at, now)+" ("+stamp(at)+")") }
	line("Session", i.ID)
	line("State", state)
	line("Kind", calm(i.Kind))
	line("Subject", calm(i.Subject))
	line("Client", orDash(i.ClientID))
	line("Device", orDash(i.Device))
	line("Address", orDash(i.Address))
	line("Proven by", orDash(strings.Join(i.Authentication.Methods, ", ")))
	line("Scopes", orDash(strings.Join(i.Scopes, " ")))
	line("Roles", orDash(strings.Join(i.Roles, " ")))
	when("Signed in", i.Created)
	when("Last used", i.LastUsed)
	if i.Ended == "" {
		when("Ends unused", i.IdleExpiresAt)
		when("Ends anyway", i.ExpiresAt)
	}
	return t.Flush()
}

type sessionsRevoke struct {
	adminFlags
	kindFlag
	Subject string   `placeholder:"WHO" help:"End all sessions of this person, of the given kinds."`
	ID      []string `arg:"" optional:"" help:"Ids of sessions."`
}

// Help is shown below the usage line.
func (sessionsRevoke) Help() string {
	return `Refresh tokens are dead at once. Access tokens that are out live until they expire (5 minutes, unless KindConfig.Access says otherwise), but where the program asks the store (session.CheckStore).

With --config and --subject, all sessions of the person end, and what else was begun for them, such as a sign-in that waits for its second step. With --kind those of the kind alone end.

With --subject it says how many live sessions were found. Where there was none, which may be a slip in the name, the kind or the store, the exit status is 1. The mark that ends the sessions of the person is set in the store all the same: it also ends a session that is being made at that moment, and codes that were not redeemed yet.`
}

// Run ends sessions.
func (c sessionsRevoke) Run(ctx context.Context, w world) error {
	if (c.Subject == "") == (len(c.ID) == 0) {
		return usagef("sessions revoke: name ids of sessions, or a person with --subject")
	}
	at, err := c.place(ctx, w)
	if err != nil {
		return err
	}
	if len(c.Kind) > 0 {
		at.pool = "" // with it, the sessions of all kinds would end
	}
	kinds := c.kinds(at)
	s, done, err := c.admin(ctx, w, at, kinds)
	if err != nil {
		return err
	}
	defer done()
	if c.Subject != "" {
		return c.all(ctx, w, s, kinds)
	}
	for _, id := range c.ID {
		if _, err := s.Find(ctx, id); errors.Is(err, session.ErrEnded) {
			return fmt.Errorf("there is no session %s of %s, or no longer", calm(id), s.Issuer())
		} else if err != nil {
			return err
		}
		if err := s.Revoke(ctx, id); err != nil {
			return err
		}
		fmt.Fprintf(w.out, "%s has ended.\n", id)
	}
	return nil
}

// all ends the sessions of a person. Those found are only counted: it is the mark in the store that ends them, so it is
// set whether they can be listed or not, and where there is none too: one may be in the making, or a code wait for it.
func (c sessionsRevoke) all(ctx context.Context, w world, s *session.Sessions, kinds []string) error {
	found, unlisted := countSessions(ctx, s, c.Subject)
	if err := s.RevokeSubject(ctx, c.Subject); err != nil {
		return err
	}
	whose := fmt.Sprintf("%s (kind %s)", calm(c.Subject), strings.Join(kinds, ", "))
	switch {
	case unlisted != nil:
		return fmt.Errorf("what sessions there were of %s have ended, but they could not be counted: %w", whose, unlisted)
	case found == 0:
		return fmt.Errorf("no live session of %s was found: check the subject, --kind, and --config or --issuer and --store. Codes that were not redeemed yet have ended", whose)
	}
	fmt.Fprintf(w.out, "All sessions of %s have ended (%s found).\n", whose, count(found, "live session"))
	return nil
}

// countSessions counts the live sessions of a person.
func countSessions(ctx context.Context, s *session.Sessions, subject string) (n int64, err error) {
	for o := (session.ListOptions{}); ; {
		page, err := s.List(ctx, subject, o)
		if err != nil {
			return 0, err
		}
		n += int64(len(page.Sessions))
		if o.After = page.Next; o.After == "" {
			return n, nil
		}
	}
}
