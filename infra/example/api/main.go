// Command api is the function of the examples behind the authorizer. It reads the session that API Gateway hands on,
// and verifies nothing again.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/lambdahttp"
	"github.com/posternauth/postern/session"
)

func main() {
	handler, err := newHandler(os.Getenv("POSTERN_ISSUER"), os.Getenv("POSTERN_AUDIENCE"))
	if err != nil {
		log.Fatal(err)
	}
	lambdahttp.Start(handler)
}

func newHandler(issuer, audience string) (http.Handler, error) {
	remote, err := keys.Remote(keys.RemoteConfig{URL: issuer + "/.well-known/jwks.json", AllowInsecure: strings.HasPrefix(issuer, "http:")}) // for tests
	if err != nil {
		return nil, fmt.Errorf("POSTERN_ISSUER: %w", err)
	}
	sessions, err := session.New(session.Config{Issuer: issuer, Audience: audience, Keys: remote})
	if err != nil {
		return nil, fmt.Errorf("POSTERN_ISSUER or POSTERN_AUDIENCE: %w", err)
	}
	user := session.NewKindConfig(sessions, session.KindConfig[json.RawMessage]{Name: "user", Stateless: true})
	mux := http.NewServeMux()
	mux.Handle("GET /me", gateway.FromAuthorizer(user).Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := user.From(r.Context())
		fmt.Fprintln(w, s.Subject)
	})))
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	return mux, nil
}
