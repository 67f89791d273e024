package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/posterntest"
)

// world is the program, with a mailbox and a clock.
type world struct {
	t      *testing.T
	origin string
	db     *sql.DB
	mails  posterntest.Mail
	clock  *posterntest.Clock
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clock: posterntest.NewClock(time.Time{})}
	var err error
	if w.db, err = sql.Open("pgx", testserver.Postgres(t).DSN()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.db.Close() })
	server := httptest.NewUnstartedServer(nil)
	w.origin = "http://localhost:" + port(server.Listener.Addr()) // no passkey belongs to an IP address
	server.Config.Handler, err = newHandler(t.Context(), settings{origin: w.origin, db: w.db, mail: w.mails.Send, now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(server.Close)
	return w
}

func port(a net.Addr) string {
	_, port, _ := net.SplitHostPort(a.String())
	return port
}

// page is what a program gets of a step.
type page struct {
	Step, Error string
	Args        map[string]any
	To          string `json:"redirect_uri"`
	Lines       []struct{ Label, Value string }
	Links       []struct{ Name, URL string }
	Forms       []struct {
		URL    string
		Hidden map[string]string
		Data   json.RawMessage
	}
}

// browser is a person's program.
type browser struct {
	*http.Client
	*world
}

func (w *world) browser() browser { return browser{posterntest.Client(w.t), w} }

// send posts fields to a step, by its path below /auth or by its URL. Without fields it gets the step.
func (b browser) send(step string, pairs ...string) (p page) {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	if !strings.HasPrefix(step, b.origin) {
		step = b.origin + "/auth" + step
	}
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, step, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if len(pairs) == 0 {
		r.Method, r.Body = http.MethodGet, nil
	} else {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Accept", "application/json")
	a, err := b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer a.Body.Close()
	if err := json.NewDecoder(a.Body).Decode(&p); err != nil {
		b.t.Fatalf("%s: %d %v", step, a.StatusCode, err)
	}
	return p
}

// fill posts the first form of a page, with fields.
func (b browser) fill(p page, pairs ...string) page {
	b.t.Helper()
	if len(p.Forms) == 0 {
		b.t.Fatalf("no form: %+v", p)
	}
	for name, value := range p.Forms[0].Hidden {
		pairs = append([]string{name, value}, pairs...)
	}
	return b.send(p.Forms[0].URL, pairs...)
}

func (b browser) me() string {
	b.t.Helper()
	a, err := b.Get(b.origin + "/me")
	if err != nil {
		b.t.Fatal(err)
	}
	return text(b.t, a)
}

func text(t *testing.T, a *http.Response) string {
	t.Helper()
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

const (
	ada   = "ada@example.com"
	first = "wolke sieben am fluss"
	other = "elf graue elefanten im nebel"
)

// signUp makes an account with a password.
func (b browser) signUp(address string) {
	b.t.Helper()
	p := b.send("/sign-up", "email", address)
	p = b.fill(p, "code", b.mails.Last(b.t, strings.ToLower(address)).Arg("code"))
	b.send("/password/sign-up", "state", p.Forms[0].Hidden["state"], "password", first)
}

func (b browser) signIn(password string) page {
	b.t.Helper()
	return b.fill(b.send("/password/authorize"), "identifier", ada, "password", password)
}

// TestOwnUsers: somebody signs up, signs in, loses the password and resets it. The table has no password at any time,
// and a second sign-up of the address makes no second row.
func TestOwnUsers(t *testing.T) {
	w := newWorld(t)
	const me = "account 1, ada@example.com, by [pwd]\n"
	one, two := w.browser(), w.browser()
	one.signUp("Ada@example.com")
	if got := one.me(); got != me {
		t.Fatalf("after the sign-up: %s", got)
	}
	if p := w.browser().send("/sign-up", "email", ada); p.Error != "" || w.mails.Last(t, ada).Name != "postern.have-account" {
		t.Errorf("a second sign-up: %+v", p)
	}
	if b := w.browser(); b.signIn(other).Error != "wrong_password" || strings.Contains(b.me(), "account 1") {
		t.Error("a wrong password")
	}
	two.signIn(first)
	if got := two.me(); got != me {
		t.Errorf("after the sign-in: %s", got)
	}

	three := w.browser()
	three.send("/password/forgot", "identifier", ada)
	link, err := url.Parse(w.mails.Last(t, ada).Arg("link"))
	if err != nil {
		t.Fatal(err)
	}
	if p := three.send("/password/reset", "token", link.Query().Get("token"), "password", other); p.Error != "" {
		t.Fatalf("reset: %+v", p)
	}
	if w.mails.Last(t, ada).Name != "password.was-reset" || strings.Contains(one.me()+two.me(), "account 1") {
		t.Error("sessions survive the reset")
	}
	if p := two.signIn(other); p.Error != "" || two.me() != me {
		t.Errorf("with the new password: %+v", p)
	}
	var rows int
	if err := w.db.QueryRow(`SELECT count(*) FROM accounts`).Scan(&rows); err != nil || rows != 1 {
		t.Errorf("%d rows, %v", rows, err)
	}
}

// TestAccounts is the contract of postern.Users.
func TestAccounts(t *testing.T) {
	table := Accounts{newWorld(t).db}
	mailbox := postern.Identity{Issuer: postern.MailIssuer, Subject: ada}
	if _, err := table.Find(t.Context(), mailbox); !errors.Is(err, postern.ErrNoUser) {
		t.Errorf("Find: %v", err)
	}
	if _, err := table.Get(t.Context(), "1"); !errors.Is(err, postern.ErrNoUser) {
		t.Errorf("Get: %v", err)
	}
	for range 2 { // the answer of the first one was lost
		if id, err := table.Create(t.Context(), postern.SignUp{ID: "one", Identity: mailbox}); id != "1" || err != nil {
			t.Errorf("Create: %s %v", id, err)
		}
	}
	if _, err := table.Create(t.Context(), postern.SignUp{ID: "two", Identity: mailbox}); !errors.Is(err, postern.ErrTaken) {
		t.Errorf("a second Create: %v", err)
	}
	if id, err := table.Find(t.Context(), mailbox); id != "1" || err != nil {
		t.Errorf("Find: %s %v", id, err)
	}
}
