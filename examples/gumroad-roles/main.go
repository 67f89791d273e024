// Command gumroad-roles lets the buyers of a product on Gumroad read the lessons of a course.
//
//	go run ./examples/gumroad-roles
//
// It reads GUMROAD_HOOK_SECRET, GUMROAD_ACCESS_TOKEN and GUMROAD_PRODUCT from the environment. With AUTH0_DOMAIN, the
// buyers are users of an Auth0 tenant; else they are users of this program, who sign in by a mailed link.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/provision"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// User is what a session of this program holds about a person.
type User struct {
	Name string `json:"name"`
}

func main() {
	shop := gumroad{
		api: "https://api.gumroad.com", token: os.Getenv("GUMROAD_ACCESS_TOKEN"), product: os.Getenv("GUMROAD_PRODUCT"),
		client: http.DefaultClient,
	}
	var handler http.Handler
	var err error
	if domain := os.Getenv("AUTH0_DOMAIN"); domain != "" {
		handler, err = withAuth0(shop, os.Getenv("GUMROAD_HOOK_SECRET"), provision.Auth0Config{
			Domain: domain, ClientID: os.Getenv("AUTH0_CLIENT_ID"), ClientSecret: os.Getenv("AUTH0_CLIENT_SECRET"),
			Roles: map[string]string{"course": os.Getenv("AUTH0_ROLE")},
		})
	} else {
		handler, err = withDirectory(shop, os.Getenv("GUMROAD_HOOK_SECRET"), "http://localhost:8080", func(_ context.Context, m postern.Mail) error {
			fmt.Printf("To: %s\n\n%s\n", m.To, m.Text) // a real program passes it to its mail service
			return nil
		})
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("Gumroad posts to /hooks/gumroad/{secret}; people open http://localhost:8080/lessons")
	log.Fatal(http.ListenAndServe("localhost:8080", handler))
}

// withDirectory keeps the users in this program's store. A real program has a store that stays.
func withDirectory(shop gumroad, secret, origin string, send func(context.Context, postern.Mail) error) (http.Handler, error) {
	shared := &store.Memory{}
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: &keys.MemoryVault{}})
	if err != nil {
		return nil, err
	}
	sessions, err := session.New(session.Config{Issuer: origin + "/auth", Audience: "course", Keys: ring, Store: shared})
	if err != nil {
		return nil, err
	}
	// What a buyer paid for waits until somebody proves the address of the sale.
	pending, err := provision.NewPending(provision.PendingConfig{Store: shared})
	if err != nil {
		return nil, err
	}
	dir, err := users.New(users.Config{
		Sessions: sessions, Redeem: pending.Redeem, Roles: users.Roles{"course": {"lessons:read"}},
	})
	if err != nil {
		return nil, err
	}
	buyers, err := provision.NewDirectory(provision.DirectoryConfig{
		Users: dir, Pending: pending,
		AddRoles: func(ctx context.Context, userID string, roles []string) error {
			return dir.AddRolesWith(ctx, userID, roles, users.Extra{})
		},
	})
	if err != nil {
		return nil, err
	}
	hook, err := shop.webhook(secret, shared, buyers)
	if err != nil {
		return nil, err
	}
	user := postern.NewKind(sessions, dir, session.KindConfig[User]{Name: "user"}, func(p postern.Person) User {
		return User{Name: p.Name}
	})
	auth, err := postern.New(postern.Config{
		Sessions: sessions, Name: "Course", Session: user, Admit: postern.Open, Redirects: []string{"/lessons"}, Mail: send,
		Providers: map[string]postern.Provider{"link": magic.Link(magic.Config{})},
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	auth.Mount(mux)
	mux.Handle("POST /hooks/gumroad/{secret}", hook)
	mux.Handle("GET /lessons", user.Require(http.HandlerFunc(lessons), session.Scope("lessons:read")))
	return mux, nil
}

// withAuth0 gives the role in an Auth0 tenant, as the Serverless Handbook does. The lessons are elsewhere, behind
// tokens of that tenant: see examples/auth0-authorizer.
func withAuth0(shop gumroad, secret string, c provision.Auth0Config) (http.Handler, error) {
	tenant, err := provision.NewAuth0(c)
	if err != nil {
		return nil, err
	}
	hook, err := shop.webhook(secret, &store.Memory{}, tenant)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /hooks/gumroad/{secret}", hook)
	return mux, nil
}

func lessons(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "Lesson 1: …") }
