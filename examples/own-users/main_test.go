package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/posterntest"
)

// TestOwnUsers: somebody signs up, signs in, loses the password and resets it. The table has no password at any time,
// and a second sign-up of the address makes no second row.
func TestOwnUsers(t *testing.T) {
	db, err := sql.Open("pgx", testserver.Postgres(t).DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	server := httptest.NewUnstartedServer(nil)
	origin := "http://" + server.Listener.Addr().String()
	var last postern.Mail
	handler, err := newHandler(t.Context(), origin, db, func(_ context.Context, m postern.Mail) error {
		last = m
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = handler
	server.Start()
	defer server.Close()

	type page struct {
		Error string
		To    string `json:"redirect_uri"`
		Forms []struct{ Hidden map[string]string }
	}
	send := func(browser *http.Client, path string, pairs ...string) (p page) {
		t.Helper()
		form := url.Values{}
		for i := 0; i+1 < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, origin+"/auth"+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		if len(pairs) == 0 {
			r.Method, r.Body = http.MethodGet, nil
		} else {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		r.Header.Set("Accept", "application/json")
		a, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		if err := json.NewDecoder(a.Body).Decode(&p); err != nil {
			t.Fatalf("%s: %d %v", path, a.StatusCode, err)
		}
		return p
	}
	me := func(browser *http.Client) string {
		t.Helper()
		a, err := browser.Get(origin + "/me")
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		body, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	signIn := func(password string) (*http.Client, page) {
		t.Helper()
		b := posterntest.Client(t)
		p := send(b, "/password/authorize")
		return b, send(b, "/password/callback", "state", p.Forms[0].Hidden["state"], "identifier", "ada@example.com", "password", password)
	}

	first := posterntest.Client(t)
	p := send(first, "/sign-up", "email", "Ada@example.com")
	p = send(first, "/sign-up/code", "state", p.Forms[0].Hidden["state"], "code", last.Arg("code"))
	send(first, "/password/sign-up", "state", p.Forms[0].Hidden["state"], "password", "wolke sieben am fluss")
	if got := me(first); got != "account 1, ada@example.com\n" {
		t.Fatalf("after the sign-up: %s", got)
	}
	if p = send(posterntest.Client(t), "/sign-up", "email", "ada@example.com"); p.Error != "" || last.Name != "postern.have-account" {
		t.Errorf("a second sign-up: %+v, mail %s", p, last.Name)
	}
	if b, p := signIn("elf graue elefanten im nebel"); p.Error != "wrong_password" || strings.Contains(me(b), "account") {
		t.Errorf("a wrong password: %+v", p)
	}
	second, _ := signIn("wolke sieben am fluss")
	if got := me(second); got != "account 1, ada@example.com\n" {
		t.Errorf("after the sign-in: %s", got)
	}

	other := posterntest.Client(t)
	send(other, "/password/forgot", "identifier", "ada@example.com")
	link, err := url.Parse(last.Arg("link"))
	if err != nil {
		t.Fatal(err)
	}
	if p = send(other, "/password/reset", "token", link.Query().Get("token"), "password", "elf graue elefanten im nebel"); p.Error != "" {
		t.Fatalf("reset: %+v", p)
	}
	if last.Name != "password.was-reset" || strings.Contains(me(first)+me(second), "account 1") {
		t.Error("sessions survive the reset")
	}
	if b, p := signIn("elf graue elefanten im nebel"); p.Error != "" || me(b) != "account 1, ada@example.com\n" {
		t.Errorf("with the new password: %+v", p)
	}
	var rows int
	if err := db.QueryRow(`SELECT count(*) FROM accounts`).Scan(&rows); err != nil || rows != 1 {
		t.Errorf("%d rows, %v", rows, err)
	}
	if _, err := db.Exec(`UPDATE accounts SET disabled = true`); err != nil {
		t.Fatal(err)
	}
	if _, p := signIn("elf graue elefanten im nebel"); p.Error != "account_disabled" {
		t.Errorf("a disabled account: %+v", p)
	}
}
