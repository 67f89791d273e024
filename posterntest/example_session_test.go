package posterntest_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/session"
)

// An application's session ten minutes later, after it was ended, and where the store is asked.
func ExampleSignedIn() {
	t := new(exampleT) // in a test: t *testing.T
	defer t.end()

	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	clock := posterntest.NewClock(time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC))
	sessions := posterntest.Sessions(t, session.Config{Issuer: server.URL + "/auth", Now: clock.Now})
	customer := session.NewKind[Customer](sessions, "customer")
	plan := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := customer.From(r.Context())
		fmt.Fprint(w, s.Properties.Plan)
	})
	mux.Handle("GET /plan", customer.Require(plan))
	mux.Handle("GET /invoices", customer.Require(plan, session.CheckStore))

	client := posterntest.Client(t)
	tokens := posterntest.SignedIn(t, client, server.URL, customer, session.Grant[Customer]{Subject: "c1", Properties: Customer{Plan: "basic"}})
	get := func(when string) {
		for _, path := range []string{"/plan", "/invoices"} {
			res, err := client.Get(server.URL + path)
			if err != nil {
				log.Panic(err)
			}
			res.Body.Close()
			fmt.Println(when, path, res.StatusCode)
		}
	}
	get("signed in")
	clock.Advance(10 * time.Minute)
	get("refreshed")
	if err := sessions.Revoke(context.Background(), tokens.SessionID); err != nil {
		log.Panic(err)
	}
	get("just ended")
	clock.Advance(10 * time.Minute)
	get("later")
	// Output:
	// signed in /plan 200
	// signed in /invoices 200
	// refreshed /plan 200
	// refreshed /invoices 200
	// just ended /plan 200
	// just ended /invoices 401
	// later /plan 401
	// later /invoices 401
}
