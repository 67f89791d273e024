package provision_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/posternauth/postern/provision"
	"github.com/posternauth/postern/provision/auth0test"
	"github.com/posternauth/postern/store"
)

// A billing service reports payments, signed as Stripe does. Who paid gets the role "course" in an Auth0 tenant.
func ExampleWebhook() {
	tenant := auth0test.New() // a program has the domain and the client of its tenant here
	defer tenant.Close()
	users, err := provision.NewAuth0(tenant.Config(map[string]string{"course": tenant.AddRole("Course")}))
	if err != nil {
		log.Fatal(err)
	}
	hook, err := provision.Webhook(provision.WebhookConfig{
		Name:    "stripe",
		Scheme:  provision.Stripe(),
		Secrets: []string{secret},
		Store:   &store.Memory{},
		Users:   users,
		Roles:   []string{"course"},
		Parse: func(e provision.Event) (provision.Grant, error) {
			var event struct {
				Type string
				Data struct {
					Object struct {
						Customer struct{ Email, Name string } `json:"customer_details"`
					}
				}
			}
			if err := e.JSON(&event); err != nil {
				return provision.Grant{}, err
			}
			if event.Type != "checkout.session.completed" {
				return provision.Grant{}, provision.ErrIgnored
			}
			c := event.Data.Object.Customer
			return provision.Grant{Email: c.Email, Name: c.Name, Roles: []string{"course"}}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /hooks/stripe", hook)

	body := `{"id":"evt_1","type":"checkout.session.completed","data":{"object":{"customer_details":{"email":"ada@example.com","name":"Ada"}}}}`
	for range 2 {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, delivery(body, secret))
		fmt.Print(w.Code, " ", w.Body)
	}
	for _, u := range tenant.Users() {
		fmt.Println(u.Email, len(u.Roles), "role")
	}
	// Output:
	// 200 {"status":"done"}
	// 200 {"status":"done"}
	// ada@example.com 1 role
}

// delivery is what Stripe sends.
func delivery(body, key string) *http.Request {
	r := stripeRequest(body, time.Now(), key)
	r.URL.Path = "/hooks/stripe"
	return r
}
