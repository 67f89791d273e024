package postern_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/users"
)

// A page asks for the address first. The ways that follow are the same for every address.
func ExampleConfig_identifierFirst() {
	t := new(exampleT) // in a test: t *testing.T
	defer t.end()
	sessions := posterntest.Sessions(t, session.Config{Issuer: "https://shop.example/auth"})
	dir, err := users.New(users.Config{Sessions: sessions})
	if err != nil {
		t.Fatalf("users: %v", err)
	}
	kind := postern.NewKind(sessions, dir, session.KindConfig[Account]{Name: "user"}, func(p postern.Person) Account { return Account{Name: p.Name} })
	var mail posterntest.Mail
	auth, err := postern.New(postern.Config{
		Sessions: sessions, Session: kind, Mail: mail.Send, Redirects: []string{"/"},
		IdentifierFirst: true,
		Order:           []string{"password", "code"},
		Providers:       map[string]postern.Provider{"password": password.New(password.Config{}), "code": magic.Code(magic.Config{})},
	})
	if err != nil {
		t.Fatalf("postern: %v", err)
	}

	r := httptest.NewRequest(http.MethodPost, "https://shop.example/auth/authorize", strings.NewReader(url.Values{"identifier": {"ann@example.com"}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	w := httptest.NewRecorder()
	auth.ServeHTTP(w, r)
	var page struct {
		Step  string
		Args  struct{ Identifier string }
		Forms []struct{ Submit, Username string }
		Links []struct{ Text string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
		t.Fatalf("%v", err)
	}
	fmt.Println(page.Step, page.Args.Identifier)
	fmt.Println("form:", page.Forms[0].Submit, "as", page.Forms[0].Username)
	for _, l := range page.Links {
		fmt.Println("link:", l.Text)
	}
	// Output:
	// postern.ways ann@example.com
	// form: Sign in as ann@example.com
	// link: I forgot my password
	// link: Email me a code
}
