package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	Kind []string `default:"user" placeholder:"NAME" help:"The kind of session, as in KindConfig.Name; may be given several times. Default: user"`
}

// nobody verifies nothing: these commands have a store and no keys.
type nobody struct{}

func (nobody) PublicKey(context.Context, string) (*keys.PublicKey, error) {
	return nil, keys.ErrUnknownKey
}

// admin opens the sessions of a store.
func (f storeFlag) admin(ctx context.Context, w world, kinds []string) (*session.Sessions, func(), error) {
	st, done, err := f.open(ctx, w)
	if err != nil {
		return nil, nil, err
	}
	s, err := session.New(session.Config{Issuer: "https://localhost", Audience: "postern", Keys: nobody{}, Store: st, Now: w.now})
	if err != nil {
		done()
		return nil, nil, err
	}
	for _, name := range kinds {
		if err := newKind(s, name); err != nil {
			done()
			return nil, nil, err
		}
	}
	return s, done, nil
}

// newKind makes a kind of a name from the command line. Its sessions end when the store says so, hence the longest Idle.
func newKind(s *session.Sessions, name string) (err error) {
	defer func() {
		if why := recover(); why != nil {
			err = usagef("--kind: %v", strings.TrimPrefix(fmt.Sprint(why), "session: "))
		}
	}()
	session.NewKindConfig(s, session.KindConfig[json.RawMessage]{Name: name, Idle: 90 * 24 * time.Hour, Absolute: 400 * 24 * time.Hour})
	return nil
}

type sessionsList struct {
	storeFlag
	kindFlag
	JSON    bool   `name:"json" help:"Print JSON, one session a line."`
	Subject string `arg:"" help:"Whose: Grant.Subject, the application's id of the person."`
}

// Run lists sessions, the one used last first.
func (c sessionsList) Run(ctx context.Context, w world) error {
	s, done, err := c.admin(ctx, w, c.Kind)
	if err != nil {
		return err
	}
	defer done()
	list, err := s.List(ctx, c.Subject)
	if err != nil {
		return err
	}
	if c.JSON {
		for _, i := range list {
			if err := json.NewEncoder(w.out).Encode(asJSON(i)); err != nil {
				return err
			}
		}
		return nil
	}
	if len(list) == 0 {
		fmt.Fprintf(w.out, "No live session of %s (kind %s).\n", calm(c.Subject), strings.Join(c.Kind, ", "))
		return nil
	}
	now := w.now()
	t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SESSION\tKIND\tLAST SEEN\tSIGNED IN\tENDS\tPLACE\tDEVICE")
	for _, i := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", i.ID, calm(i.Kind), inWords(i.Seen, now), inWords(i.Created, now), inWords(i.Expires, now), orDash(i.Place), orDash(i.Device))
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
	storeFlag
	JSON bool   `name:"json" help:"Print JSON."`
	ID   string `arg:"" help:"The id of the session: sid in its tokens, SESSION in the list."`
}

// Run shows one session.
func (c sessionsShow) Run(ctx context.Context, w world) error {
	s, done, err := c.admin(ctx, w, nil)
	if err != nil {
		return err
	}
	defer done()
	i, err := s.Find(ctx, c.ID)
	switch {
	case errors.Is(err, session.ErrEnded):
		return fmt.Errorf("there is no session %s, or no longer", calm(c.ID))
	case err != nil:
		return err
	case c.JSON:
		return json.NewEncoder(w.out).Encode(asJSON(i))
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
	line("Place", orDash(i.Place))
	line("Proven by", orDash(strings.Join(i.Auth.Methods, ", ")))
	line("Scopes", orDash(strings.Join(i.Scopes, " ")))
	line("Roles", orDash(strings.Join(i.Roles, " ")))
	when("Signed in", i.Created)
	when("Last seen", i.Seen)
	if i.Ended == "" {
		when("Ends unused", i.Expires)
		when("Ends anyway", i.Absolute)
	}
	return t.Flush()
}

type sessionsRevoke struct {
	storeFlag
	kindFlag
	Subject string   `placeholder:"WHO" help:"End all sessions of this person, of the given kinds."`
	ID      []string `arg:"" optional:"" help:"Ids of sessions."`
}

// Help is shown below the usage line.
func (sessionsRevoke) Help() string {
	return `Refresh tokens are dead at once. Access tokens that are out live until they expire (5 minutes, unless KindConfig.Access says otherwise), but where the program asks the store (session.CheckStore).

With --subject it says how many live sessions were found. Where there was none, which may be a slip in the name, the kind or the store, the exit status is 1. The mark that ends the sessions of the person is set in the store all the same: it also ends a session that is being made at that moment, and codes that were not redeemed yet.`
}

// Run ends sessions.
func (c sessionsRevoke) Run(ctx context.Context, w world) error {
	if (c.Subject == "") == (len(c.ID) == 0) {
		return usagef("sessions revoke: name ids of sessions, or a person with --subject")
	}
	s, done, err := c.admin(ctx, w, c.Kind)
	if err != nil {
		return err
	}
	defer done()
	if c.Subject != "" {
		return c.all(ctx, w, s)
	}
	for _, id := range c.ID {
		if _, err := s.Find(ctx, id); errors.Is(err, session.ErrEnded) {
			return fmt.Errorf("there is no session %s, or no longer", calm(id))
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
func (c sessionsRevoke) all(ctx context.Context, w world, s *session.Sessions) error {
	list, unlisted := s.List(ctx, c.Subject)
	if err := s.RevokeSubject(ctx, c.Subject); err != nil {
		return err
	}
	whose := fmt.Sprintf("%s (kind %s)", calm(c.Subject), strings.Join(c.Kind, ", "))
	switch {
	case unlisted != nil:
		return fmt.Errorf("what sessions there were of %s have ended, but they could not be counted: %w", whose, unlisted)
	case len(list) == 0:
		return fmt.Errorf("no live session of %s was found: check the subject, --kind and --store. Codes that were not redeemed yet have ended", whose)
	}
	fmt.Fprintf(w.out, "All sessions of %s have ended (%s found).\n", whose, count(int64(len(list)), "live session"))
	return nil
}

// asJSON is a session for programs. Times are those of RFC 3339.
func asJSON(i session.Info) any {
	return struct {
		ID       string    `json:"id"`
		Kind     string    `json:"kind"`
		Subject  string    `json:"sub"`
		ClientID string    `json:"client_id,omitempty"`
		Device   string    `json:"device,omitempty"`
		Place    string    `json:"place,omitempty"`
		Created  time.Time `json:"created_at"`
		Seen     time.Time `json:"last_seen_at"`
		Expires  time.Time `json:"expires_at"`
		Absolute time.Time `json:"absolute_end"`
		Methods  []string  `json:"amr,omitempty"`
		Scopes   []string  `json:"scopes,omitempty"`
		Roles    []string  `json:"roles,omitempty"`
		Ended    string    `json:"ended,omitempty"`
	}{i.ID, i.Kind, i.Subject, i.ClientID, i.Device, i.Place, i.Created.UTC(), i.Seen.UTC(), i.Expires.UTC(), i.Absolute.UTC(), i.Auth.Methods, i.Scopes, i.Roles, i.Ended}
}
