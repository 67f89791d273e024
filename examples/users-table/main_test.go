package main

import (
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/posterntest"
)

func database(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", testserver.Postgres(t).DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func count(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRow("SELECT count(*) FROM people").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSignIn: the first sign-in creates the row, a later one with a new address finds it, the same subject at another
// provider is another person, and a blocked person is out at once and stays out.
func TestSignIn(t *testing.T) {
	db := database(t)
	one := posterntest.NewProvider(t, posterntest.ProviderConfig{})
	two := posterntest.NewProvider(t, posterntest.ProviderConfig{})
	server := httptest.NewUnstartedServer(nil)
	origin := "http://" + server.Listener.Addr().String()
	handler, err := newHandler(t.Context(), origin, db, map[string]postern.Provider{
		"one": oidc.New(oidc.Config{Issuer: one.Issuer(), ClientID: "test-client", ClientSecret: "test-secret", HTTPClient: one.Client()}),
		"two": oidc.New(oidc.Config{Issuer: two.Issuer(), ClientID: "test-client", ClientSecret: "test-secret", HTTPClient: two.Client()}),
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = handler
	server.Start()
	defer server.Close()
	one.Allow(origin + "/auth/one/callback")
	two.Allow(origin + "/auth/two/callback")
	browser := posterntest.Client(t)
	signIn := func(provider, email string) string {
		t.Helper()
		user := posterntest.User{Subject: "1", Email: email, EmailVerified: true, Name: "Ada"}
		one.SetUser(user)
		two.SetUser(user)
		page := posterntest.SignIn(t, browser, origin+"/auth/"+provider+"/authorize")
		body, err := io.ReadAll(page.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d %s", page.StatusCode, body)
	}

	if got := signIn("one", "ada@example.com"); got != "200 person 1, ada@example.com\n" {
		t.Errorf("first sign-in: %s", got)
	}
	if got := signIn("one", "ada@example.org"); got != "200 person 1, ada@example.org\n" {
		t.Errorf("sign-in with a new address: %s", got)
	}
	if got := signIn("two", "ada@example.com"); got == "200 person 1, ada@example.com\n" || count(t, db) != 2 {
		t.Errorf("the same subject and address at another provider: %s, %d rows", got, count(t, db))
	}

	signIn("one", "ada@example.com")
	answer, err := browser.Post(origin+"/block", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		t.Fatalf("block: %d", answer.StatusCode)
	}
	if answer, err = browser.Get(origin + "/me"); err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("a blocked person's session: %d", answer.StatusCode)
	}
	page := posterntest.SignIn(t, browser, origin+"/auth/one/authorize")
	if page.StatusCode != http.StatusForbidden {
		t.Errorf("a blocked person signs in: %d", page.StatusCode)
	}
}

// TestBlock_DuringSignIn: a sign-in reads the row, then the person is blocked and all sessions end, then the sign-in
// makes its session. That session is refused.
func TestBlock_DuringSignIn(t *testing.T) {
	db := database(t)
	provider := posterntest.NewProvider(t, posterntest.ProviderConfig{})
	server := httptest.NewUnstartedServer(nil)
	origin := "http://" + server.Listener.Addr().String()
	handler, err := newHandler(t.Context(), origin, db, map[string]postern.Provider{
		"one": oidc.New(oidc.Config{Issuer: provider.Issuer(), ClientID: "test-client", ClientSecret: "test-secret", HTTPClient: provider.Client()}),
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = handler
	server.Start()
	defer server.Close()
	provider.Allow(origin + "/auth/one/callback")
	provider.SetUser(posterntest.User{Subject: "1", Email: "ada@example.com", EmailVerified: true})
	browser := posterntest.Client(t)
	if page := posterntest.SignIn(t, browser, origin+"/auth/one/authorize"); page.StatusCode != http.StatusOK {
		t.Fatalf("sign-in: %d", page.StatusCode)
	}
	// The session is newer than the RevokeSubject of the block, so only the row knows of the block.
	if err := (Table{DB: db}).Block(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	answer, err := browser.Get(origin + "/me")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusForbidden || strings.Contains(string(body), "ada@") {
		t.Errorf("a blocked person's session: %d %s, %v", answer.StatusCode, body, err)
	}
}

// TestFindOrCreate_Races: a hundred first sign-ins at once make one row, and all return it.
func TestFindOrCreate_Races(t *testing.T) {
	db := database(t)
	db.SetMaxOpenConns(20)
	people := Table{DB: db}
	if err := people.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	ids := make([]int64, 100)
	for i := range ids {
		wg.Go(func() {
			p, err := people.FindOrCreate(t.Context(), postern.Identity{Issuer: "https://issuer.example", Subject: "1"})
			if err != nil {
				t.Error(err)
			}
			ids[i] = p.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] || id == 0 {
			t.Fatalf("two rows of one person: %v", ids)
		}
	}
	if n := count(t, db); n != 1 {
		t.Errorf("%d rows", n)
	}
	if err := people.Create(t.Context()); err != nil { // a second start of the program
		t.Fatal(err)
	}
	if n := count(t, db); n != 1 {
		t.Errorf("%d rows after a second start", n)
	}
}
