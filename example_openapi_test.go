package postern_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/users"
)

// The handler serves an OpenAPI document of its routes, for generators of clients.
func ExampleNew_openAPI() {
	t := new(exampleT) // in a test: t *testing.T
	defer t.end()
	sessions := posterntest.Sessions(t, session.Config{Issuer: "https://api.example.com/auth"})
	dir, err := users.New(users.Config{Sessions: sessions})
	if err != nil {
		t.Fatalf("users: %v", err)
	}
	kind := postern.NewKind(sessions, dir, session.KindConfig[Account]{Name: "user"}, func(p postern.Person) Account { return Account{Name: p.Name} })
	auth, err := postern.New(postern.Config{
		Sessions: sessions, Session: kind, Redirects: []string{"/"},
		Providers: map[string]postern.Provider{"company": oidc.New(oidc.Config{Issuer: "https://id.example.com", ClientID: "app"})},
	})
	if err != nil {
		t.Fatalf("postern: %v", err)
	}

	rec := httptest.NewRecorder()
	auth.ServeHTTP(rec, httptest.NewRequest("GET", "https://api.example.com/auth/openapi.json", nil))
	var document struct {
		OpenAPI string
		Servers []struct{ URL string }
	}
	err = json.Unmarshal(rec.Body.Bytes(), &document)
	fmt.Println(document.OpenAPI, document.Servers[0].URL, err)
	// Output: 3.1.0 https://api.example.com/auth <nil>
}
