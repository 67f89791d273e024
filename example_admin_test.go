package postern_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/users"
)

// A directory has an administration: what its scopes allow, administrators do at {base}/admin.
func ExampleAdministration() {
	t := new(exampleT) // in a test: t *testing.T
	defer t.end()
	sessions := posterntest.Sessions(t, session.Config{Issuer: "https://api.example.com/auth"})
	dir, err := users.New(users.Config{Sessions: sessions, AllowUsernames: true, Roles: users.Roles{
		"support": {users.ScopeRead, users.ScopeSessionsRead, users.ScopeSessionsWrite},
		"owner": {users.ScopeRead, users.ScopeWrite, users.ScopeRoles, users.ScopeExport, users.ScopeDelete,
			users.ScopeSessionsRead, users.ScopeSessionsWrite},
	}})
	if err != nil {
		t.Fatalf("users: %v", err)
	}
	kind := postern.NewKind(sessions, dir, session.KindConfig[Account]{Name: "user"}, func(p postern.Person) Account { return Account{Name: p.Name} })
	auth, err := postern.New(postern.Config{
		Sessions:  sessions,
		Session:   kind,
		Admin:     dir.Admin(kind),
		Providers: map[string]postern.Provider{"mail": magic.Link(magic.Config{})},
		Mail:      func(context.Context, postern.Mail) error { return nil },
		Redirects: []string{"https://app.example.com/"},
	})
	if err != nil {
		t.Fatalf("postern: %v", err)
	}

	ctx := context.Background()
	grace, err := dir.Create(ctx, postern.SignUp{Identity: postern.Identity{Issuer: postern.NameIssuer, Subject: "grace"}, Roles: []string{"support"}})
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	tokens, err := kind.Create(ctx, session.Grant[Account]{Subject: grace, Scopes: dir.Scopes([]string{"support"})})
	if err != nil {
		t.Fatalf("session: %v", err)
	}
	ask := func(method, path string) {
		r := httptest.NewRequest(method, "https://api.example.com/auth/admin/"+path, http.NoBody)
		r.Header.Set("Authorization", "Bearer "+tokens.Access)
		w := httptest.NewRecorder()
		auth.ServeHTTP(w, r)
		body, _ := io.ReadAll(io.LimitReader(w.Result().Body, 50))
		fmt.Printf("%d %s...\n", w.Code, body)
	}
	ask("GET", "users?identifier=nobody@example.com")
	ask("DELETE", "users/"+grace)
	// Output:
	// 200 {"users":[]}
	// ...
	// 401 {"error":"insufficient_user_authentication","error...
}
