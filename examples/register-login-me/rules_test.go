package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/dynamostore"
	"github.com/posternauth/postern/users"
)

// TestRegister_Alike: without the code, nobody learns whether an address has an account, and a known one gets no code.
func TestRegister_Alike(t *testing.T) {
	w := newWorld(t)
	c := w.serve(t)
	c.register("Ada", "ada@example.com")
	known, _, first := c.call("POST", "/register", person("Eve", "ada@example.com", good), "")
	unknown, _, second := c.call("POST", "/register", person("Eve", "new@example.com", good), "")
	if known.StatusCode != unknown.StatusCode || first != second || len(known.Header) != len(unknown.Header) {
		t.Errorf("%d %s, %d %s", known.StatusCode, first, unknown.StatusCode, second)
	}
	if m := w.mails.Last(t, "ada@example.com"); m.Name != "members.have-account" || m.Arg("code") != "" {
		t.Errorf("%+v", m)
	}
	c.wants(400, "wrong_code", "POST", "/register", person("Eve", "ada@example.com", good, c.code("new@example.com")), "")
}

// TestRegister_Prepared: what somebody sends for the address of another person is not in the account of that person.
func TestRegister_Prepared(t *testing.T) {
	w := newWorld(t)
	c := w.serve(t)
	if res, _, _ := c.call("POST", "/register", person("Eve", "ada@example.com", "the password of eve"), ""); res.StatusCode != 202 {
		t.Fatal(res.StatusCode)
	}
	if _, err := w.users.Find(t.Context(), mailOf("ada@example.com")); err != postern.ErrNoUser {
		t.Errorf("a user before the proof: %v", err)
	}
	c.register("Ada", "ada@example.com")
	c.wants(401, "wrong_password", "POST", "/login", map[string]string{"email": "ada@example.com", "password": "the password of eve"}, "")
	c.login("ada@example.com", good)
}

// TestRegister_Races: a hundred requests at once, with three codes for one address, make one account.
func TestRegister_Races(t *testing.T) {
	w := newWorld(t, func(s *settings) { s.queue = 200 })
	c := w.serve(t)
	codes := make([]string, 3)
	for i := range codes {
		c.call("POST", "/register", person("Ada", "ada@example.com", good), "")
		codes[i] = c.code("ada@example.com")
	}
	routes := w.routes()
	answers := make([]*httptest.ResponseRecorder, 100)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			body, _ := json.Marshal(person("Ada", "ada@example.com", fmt.Sprintf("%s %d", good, i), codes[i%3]))
			r := httptest.NewRequest("POST", "/register", bytes.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			answers[i] = httptest.NewRecorder()
			routes.ServeHTTP(answers[i], r)
		})
	}
	wg.Wait()
	winner := -1
	for i, a := range answers {
		switch {
		case a.Code == 200 && winner < 0:
			winner = i
		case a.Code == 409 && strings.Contains(a.Body.String(), "address_taken"):
		default:
			t.Errorf("%d: %d %s", i, a.Code, a.Body)
		}
	}
	if page, err := w.users.Search(t.Context(), users.Query{}); err != nil || len(page.Users) != 1 {
		t.Fatalf("%d users, %v", len(page.Users), err)
	}
	c.login("ada@example.com", fmt.Sprintf("%s %d", good, winner))
}

// TestCode_Late: a code works for 15 minutes, and five mails an hour go to an address.
func TestCode_Late(t *testing.T) {
	w := newWorld(t)
	c := w.serve(t)
	for range 5 {
		if res, _, raw := c.call("POST", "/register", person("Ada", "ada@example.com", good), ""); res.StatusCode != 202 {
			t.Errorf("%d %s", res.StatusCode, raw)
		}
	}
	c.wants(429, "rate_limited", "POST", "/register", person("Ada", "ada@example.com", good), "")
	code := c.code("ada@example.com")
	w.clock.Advance(time.Hour)
	c.wants(400, "wrong_code", "POST", "/register", person("Ada", "ada@example.com", good, code), "")
}

// TestTokens: a token ends after a day, and at once if its user is disabled. Without the setting it needs the word
// Bearer.
func TestTokens(t *testing.T) {
	w := newWorld(t, func(s *settings) { s.rawToken = false })
	c := w.serve(t)
	token := c.register("Ada", "ada@example.com")
	status := func(header string) int {
		t.Helper()
		res, _, _ := c.call("GET", "/me", nil, header)
		return res.StatusCode
	}
	if status(token) != 401 || status("Bearer "+token) != 200 {
		t.Error("the word Bearer")
	}
	w.clock.Advance(23 * time.Hour)
	if got := status("Bearer " + token); got != 200 {
		t.Errorf("after 23 hours: %d", got)
	}
	w.clock.Advance(30 * time.Hour)
	if got := status("Bearer " + token); got != 401 {
		t.Errorf("after two days: %d", got)
	}
	token = c.login("ada@example.com", good)
	id, err := w.users.Find(t.Context(), mailOf("ada@example.com"))
	if err == nil {
		err = w.users.Disable(t.Context(), id, "spam", time.Time{}, users.Extra{})
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := status("Bearer " + token); got != 401 {
		t.Errorf("a disabled user: %d", got)
	}
	c.wants(401, "wrong_password", "POST", "/login", map[string]string{"email": "ada@example.com", "password": good}, "")
}

// TestGuesses: an eleventh guess is refused, whether or not somebody has the address.
func TestGuesses(t *testing.T) {
	w := newWorld(t)
	c := w.serve(t)
	c.register("Ada", "ada@example.com")
	for _, address := range []string{"ada@example.com", "nobody@example.com"} {
		for range 10 {
			c.wants(401, "wrong_password", "POST", "/login", map[string]string{"email": address, "password": "a wrong password"}, "")
		}
		c.wants(429, "rate_limited", "POST", "/login", map[string]string{"email": address, "password": good}, "")
	}
}

// TestSettings: only on a developer's machine something takes the place of the table and the mail server.
func TestSettings(t *testing.T) {
	for _, env := range []map[string]string{
		{"ORIGIN": "https://api.example.com"},
		{"ORIGIN": "https://api.example.com", "TABLE": "users", "VAULT_KEY": strings.Repeat("A", 43) + "="},
		{"ORIGIN": "https://api.example.com", "TABLE": "users", "VAULT_KEY": "c2hvcnQ=", "SMTP": "mail:587"},
		{"ORIGIN": "https://api.example.com", "SMTP": "mail:587"},
		{"ORIGIN": "http://localhost.example.com"},
	} {
		for _, name := range []string{"ORIGIN", "TABLE", "VAULT_KEY", "SMTP"} {
			t.Setenv(name, env[name])
		}
		if _, err := settingsFromEnvironment(); err == nil {
			t.Errorf("%v is accepted", env)
		}
	}
}

func mailOf(address string) postern.Identity {
	return postern.Identity{Issuer: postern.MailIssuer, Subject: address}
}

// failing is a store that fails its writes, or everything.
type failing struct {
	store.Store
	mu            sync.Mutex
	reads, writes bool
}

func (f *failing) set(reads, writes bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads, f.writes = reads, writes
}

func (f *failing) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.reads {
		return nil, errors.New("the table is gone")
	}
	return f.Store.Get(ctx, keys...)
}

func (f *failing) Write(ctx context.Context, changes ...store.Change) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.writes {
		return errors.New("the table is read-only")
	}
	return f.Store.Write(ctx, changes...)
}

// TestStoreFails: each route answers 503, and nothing is half done: the same code works afterwards.
func TestStoreFails(t *testing.T) {
	var db *failing
	w := newWorld(t, func(s *settings) {
		db = &failing{Store: s.store}
		s.store = db
	})
	c := w.serve(t)
	token := c.register("Ada", "ada@example.com")
	c.call("POST", "/register", person("Bob", "bob@example.com", good), "")
	code := c.code("bob@example.com")
	for _, reads := range []bool{true, false} {
		db.set(reads, true)
		c.wants(503, "temporarily_unavailable", "POST", "/register", person("Eve", "eve@example.com", good), "")
		c.wants(503, "temporarily_unavailable", "POST", "/register", person("Bob", "bob@example.com", good, code), "")
		c.wants(503, "temporarily_unavailable", "POST", "/login", map[string]string{"email": "ada@example.com", "password": good}, "")
		if reads {
			c.wants(503, "temporarily_unavailable", "GET", "/me", nil, "Bearer "+token)
		}
	}
	db.set(false, false)
	if _, err := w.users.Find(t.Context(), mailOf("bob@example.com")); !errors.Is(err, postern.ErrNoUser) {
		t.Errorf("half a user: %v", err)
	}
	c.token(c.call("POST", "/register", person("Bob", "bob@example.com", good, code), ""))
	c.login("bob@example.com", good)
}

// TestTable: two instances of the function share users, sessions and keys in a table of DynamoDB. Of twenty requests
// with one code to both of them, one makes the account.
func TestTable(t *testing.T) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	env := map[string]string{
		"ORIGIN": "https://api.example.com", "TABLE": "auth", "VAULT_KEY": base64.StdEncoding.EncodeToString(secret), "SMTP": "mail:587",
		"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": testserver.Moto(t).URL(),
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
	if err := dynamostore.CreateTable(t.Context(), newDynamoDB(), "auth"); err != nil {
		t.Fatal(err)
	}
	var mails posterntest.Mail
	instance := func() *app {
		t.Helper()
		s, err := settingsFromEnvironment()
		if err != nil {
			t.Fatal(err)
		}
		s.send, s.admin, s.rawToken = mails.Send, "root@example.com", true
		a, err := newApp(s)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	apps := []*app{instance(), instance()}
	clients := make([]client, 2)
	for i, a := range apps {
		server := httptest.NewServer(a.routes())
		defer server.Close()
		clients[i] = client{t, server.URL, func(address string) string { return mails.Last(t, address).Arg("code") }}
	}
	walk(clients[0])
	token := clients[0].login("ada@example.com", good)
	if res, _, raw := clients[1].call("GET", "/me", nil, "Bearer "+token); res.StatusCode != 200 {
		t.Errorf("at the other instance: %d %s", res.StatusCode, raw)
	}

	clients[0].call("POST", "/register", person("Bob", "bob@example.com", good), "")
	code := clients[0].code("bob@example.com")
	statuses := make([]int, 20)
	var wg sync.WaitGroup
	for i := range statuses {
		wg.Go(func() {
			res, _, _ := clients[i%2].call("POST", "/register", person("Bob", "bob@example.com", good, code), "")
			statuses[i] = res.StatusCode
		})
	}
	wg.Wait()
	slices.Sort(statuses)
	if statuses[0] != 200 || statuses[1] != 409 || statuses[19] != 409 {
		t.Errorf("%v", statuses)
	}
	clients[1].login("bob@example.com", good)
}
