package password_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

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
		Admit:     postern.Open, // everybody may sign up
		Mail:      func(_ context.Context, m postern.Mail) error { return nil },
	})
	fmt.Println(auth != nil, err)
	// Output: true <nil>
}

// A program with its own pages sets and checks passwords. The users are in its table.
func ExampleService() {
	ctx := context.Background()
	ring, err := keys.Open(ctx, keys.RingConfig{Vault: &keys.MemoryVault{}})
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := session.New(session.Config{Issuer: "https://auth.example.com", Audience: "app", Keys: ring, Store: &store.Memory{}})
	if err != nil {
		log.Fatal(err)
	}
	passwords, err := password.NewService(password.Config{}, sessions, sessions.Issuer())
	if err != nil {
		log.Fatal(err)
	}
	if err := passwords.Set(ctx, "user-7", "wolke sieben am fluss", "ada@example.com"); err != nil {
		log.Fatal(err)
	}
	proved, err := passwords.Check(ctx, "user-7", "wolke sieben am fluss")
	fmt.Println(proved != nil, err) // proved is for Kind.Create
	_, err = passwords.Check(ctx, "user-7", "wolke acht am fluss")
	fmt.Println(errors.Is(err, password.ErrWrong))
	fmt.Println(errors.Is(passwords.CheckNobody(ctx, "nobody@example.com", "wolke sieben am fluss"), password.ErrWrong))
	// Output:
	// true <nil>
	// true
	// true
}

// An import writes the row of the password together with the user.
func ExampleRow() {
	encoded, err := hash.ImportBcrypt("$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy")
	if err != nil {
		log.Fatal(err)
	}
	change, err := password.Row("https://auth.example.com", "user-7", encoded)
	fmt.Println(change.Item.Key.ID, err)
	_, err = password.Row("https://auth.example.com", "user-7", "a password in clear")
	fmt.Println(errors.Is(err, hash.ErrEncoded))
	// Output:
	// password <nil>
	// true
}
