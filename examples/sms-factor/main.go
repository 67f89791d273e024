// Command sms-factor signs people in by password, and asks for a code by SMS from those who have given a phone number.
// The factor is the application's own: sms.go, enroll.go and row.go.
//
//	go run ./examples/sms-factor
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// User is what a session holds.
type User struct {
	Email string `json:"email"`
}

type settings struct {
	origin string
	sender Sender
	mail   func(context.Context, postern.Mail) error
	store  store.Store
	now    func() time.Time // nil: time.Now
	need   func(context.Context, postern.Person, session.Authentication) (postern.Requirement, error)
}

func newHandler(ctx context.Context, s settings) (http.Handler, error) {
	ring, err := keys.Open(ctx, keys.RingConfig{Vault: &keys.MemoryVault{}, Now: s.now}) // these keys end with the program
	if err != nil {
		return nil, err
	}
	master := make([]byte, 32)
	rand.Read(master) // a real program keeps it, beside its other secrets
	secret, err := keys.NewSecret("1", master)
	if err != nil {
		return nil, err
	}
	sessions, err := session.New(session.Config{Issuer: s.origin + "/auth", Audience: "sms-factor", Keys: ring, Store: s.store, Now: s.now})
	if err != nil {
		return nil, err
	}
	people, err := users.New(users.Config{Sessions: sessions})
	if err != nil {
		return nil, err
	}
	user := postern.NewKind(sessions, people, session.KindConfig[User]{Name: "user"}, func(p postern.Person) User {
		email, _ := p.Email()
		return User{email}
	})
	auth, err := postern.New(postern.Config{
		Sessions: sessions, Session: user, Name: "SMS factor", Admit: postern.Open, Mail: s.mail,
		Redirects:     []string{"/me"},
		Providers:     map[string]postern.Provider{"password": password.New(password.Config{})},
		Factors:       map[string]postern.Provider{"sms": SMS{Sender: s.sender, Secret: secret, Prefixes: []string{"+41", "+49"}}},
		RequireFactor: s.need,
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	auth.Mount(mux)
	mux.Handle("GET /me", user.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, _ := user.From(r.Context())
		fmt.Fprintf(w, "%s, by %v\n", in.Properties.Email, in.Authentication.Methods)
	}), session.CheckStore))
	return mux, nil
}

// printer prints what a real program passes to its SMS service.
type printer struct{}

func (printer) Send(_ context.Context, number, text string) error {
	log.Printf("SMS to %s: %s", number, text)
	return nil
}

func main() {
	handler, err := newHandler(context.Background(), settings{
		origin: "http://localhost:8080", sender: printer{}, store: &store.Memory{},
		mail: func(_ context.Context, m postern.Mail) error {
			fmt.Printf("To: %s\n\n%s\n", m.To, m.Text)
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("open http://localhost:8080/auth/sign-up, then http://localhost:8080/auth/factors/sms/enroll")
	log.Fatal(http.ListenAndServe("localhost:8080", handler))
}
