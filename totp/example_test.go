package totp_test

import (
	"context"
	"fmt"
	"log"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/totp"
	"github.com/posternauth/postern/users"
)

// People sign in by password, and by a code of their app where they have set one up. Recovery codes are for people who
// have lost it.
func Example() {
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: &keys.MemoryVault{}})
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := session.New(session.Config{Issuer: "https://auth.example.com", Audience: "app", Keys: ring, Store: &store.Memory{}})
	if err != nil {
		log.Fatal(err)
	}
	people, err := users.New(users.Config{Sessions: sessions})
	if err != nil {
		log.Fatal(err)
	}
	type user struct{ Name string }
	kind := postern.NewKind(sessions, people, session.KindConfig[user]{Name: "user"}, func(p postern.Person) user { return user{p.Name} })
	auth, err := postern.New(postern.Config{
		Sessions: sessions, Session: kind, Name: "Example Shop",
		Redirects: []string{"https://app.example.com/"},
		Providers: map[string]postern.Provider{"password": password.New(password.Config{})},
		Factors: map[string]postern.Provider{
			"totp":     totp.New(totp.Config{}),
			"recovery": totp.Recovery(totp.Config{}),
		},
		Mail: func(_ context.Context, m postern.Mail) error { return nil },
	})
	fmt.Println(auth != nil, err)
	// Output: true <nil>
}

// The apps of people show another name than the pages do.
func ExampleNew() {
	factor := totp.New(totp.Config{Name: "Example Shop (staff)"})
	fmt.Println(factor.(interface{ Check() error }).Check())
	wrong := totp.New(totp.Config{Name: "two\nlines"})
	fmt.Println(wrong.(interface{ Check() error }).Check())
	// Output:
	// <nil>
	// totp: Config.Name: write one line of at most 64 characters
}

// The codes stand beside the app.
func ExampleRecovery() {
	factors := map[string]postern.Provider{
		"totp":     totp.New(totp.Config{}),
		"recovery": totp.Recovery(totp.Config{}),
	}
	fmt.Println(len(factors))
	// Output: 2
}
