package passkey_test

import (
	"context"
	"fmt"
	"log"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/passkey"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// People sign up with a username or an address and a passkey, and sign in without a name.
func Example() {
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: &keys.MemoryVault{}})
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := session.New(session.Config{Issuer: "https://auth.example.com", Audience: "app", Keys: ring, Store: &store.Memory{}})
	if err != nil {
		log.Fatal(err)
	}
	people, err := users.New(users.Config{Sessions: sessions, AllowUsernames: true})
	if err != nil {
		log.Fatal(err)
	}
	type user struct{ Name string }
	kind := postern.NewKind(sessions, people, session.KindConfig[user]{Name: "user"}, func(p postern.Person) user { return user{p.Name} })
	auth, err := postern.New(postern.Config{
		Sessions: sessions, Session: kind, Name: "Example Shop",
		Redirects: []string{"https://app.example.com/"},
		Providers: map[string]postern.Provider{"passkey": passkey.New(passkey.Config{
			RPID:    "example.com", // so that passkeys work on app.example.com too
			Origins: []string{"https://auth.example.com", "https://app.example.com"},
		})},
		Admit: postern.Open, Usernames: true,
	})
	fmt.Println(auth != nil, err)
	// Output: true <nil>
}
