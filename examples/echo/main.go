// Command echo serves an API with the framework echo: pages for everybody, for people who are signed in, and for
// administrators.
//
//	go run -C examples/echo .
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// User is what a session of this program knows about a person.
type User struct {
	Email string `json:"email"`
}

func main() {
	handler, err := newHandler("http://localhost:8080", func(_ context.Context, m postern.Mail) error {
		fmt.Printf("To: %s\n\n%s\n", m.To, m.Text)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("sign in at http://localhost:8080/auth/authorize")
	log.Fatal(http.ListenAndServe("localhost:8080", handler))
}

func newHandler(origin string, send func(context.Context, postern.Mail) error) (http.Handler, error) {
	auth, user, err := newAuth(origin, send)
	if err != nil {
		return nil, err
	}
	require := func(needs ...session.Need) echo.MiddlewareFunc {
		return echo.WrapMiddleware(session.Middleware(user, needs...))
	}
	optional := echo.WrapMiddleware(session.OptionalMiddleware(user))

	e := echo.New()
	// The handler reads the whole path, and echo leaves it as it is. The last route is the one that RFC 8414 puts
	// before the issuer's path.
	for _, path := range []string{"/auth", "/auth/*", "/.well-known/oauth-authorization-server/auth"} {
		e.Any(path, echo.WrapHandler(auth))
	}

	e.GET("/", func(c echo.Context) error {
		if s, ok := user.From(c.Request().Context()); ok {
			return c.String(http.StatusOK, "Hello, "+s.Properties.Email+".\n")
		}
		return c.String(http.StatusOK, "Hello, stranger.\n")
	}, optional)

	// A guard belongs on the group whose routes it guards: routes that are added later are guarded as well. HEAD needs
	// a separate route, which the group guards too.
	orders := e.Group("/orders", require())
	orders.Match([]string{"GET", "HEAD"}, "", func(c echo.Context) error {
		s, _ := user.From(c.Request().Context())
		return c.String(http.StatusOK, "Orders of "+s.Properties.Email+".\n")
	})
	orders.Match([]string{"GET", "HEAD"}, "/:id", func(c echo.Context) error {
		s, _ := user.From(c.Request().Context())
		return c.String(http.StatusOK, "Order "+c.Param("id")+" of "+s.Properties.Email+".\n")
	})
	admin := e.Group("/admin", require(session.Role("admin")))
	admin.Match([]string{"GET", "HEAD"}, "/users", func(c echo.Context) error {
		return c.String(http.StatusOK, "All users.\n")
	})
	return e, nil
}

// newAuth makes the sign-in handler. In this program everybody with an address at example.org is an administrator.
func newAuth(origin string, send func(context.Context, postern.Mail) error) (*postern.Auth, *session.Kind[User], error) {
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: &keys.MemoryVault{}})
	if err != nil {
		return nil, nil, err
	}
	sessions, err := session.New(session.Config{Issuer: origin + "/auth", Audience: "orders", Keys: ring, Store: &store.Memory{}})
	if err != nil {
		return nil, nil, err
	}
	user := session.NewKind[User](sessions, "user")
	auth, err := postern.New(postern.Config{
		Sessions:  sessions,
		Redirects: []string{"/"},
		Mail:      send,
		Providers: map[string]postern.Provider{"link": magic.Link(magic.Config{})},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			email, ok := in.Identity.Email()
			if !ok {
				return postern.Deny("no_email", "This account has no verified mail address.")
			}
			grant := session.Grant[User]{Subject: in.Identity.Key(), Properties: User{Email: email}, Authentication: in.Authentication}
			if strings.HasSuffix(email, "@example.org") {
				grant.Roles = []string{"admin"}
			}
			return user.Cookie(w, r, grant, in.Return)
		},
	})
	return auth, user, err
}
