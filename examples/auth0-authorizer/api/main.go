// Command api has a public endpoint, and private ones behind the authorizer.
package main

import (
	"encoding/json"
	"log"
	"net/http"

	"github.com/posternauth/postern/examples/auth0-authorizer/tenant"
	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/lambdahttp"
)

func main() {
	auth0, err := tenant.FromEnvironment() // fetches nothing: the authorizer has verified the token
	if err != nil {
		log.Fatal(err)
	}
	private := gateway.FromAuthorizer(auth0)
	who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := auth0.From(r.Context()) // *session.Session[tenant.Claims]
		answer(w, map[string]any{"subject": s.Subject, "scopes": s.Scopes, "permissions": s.Properties.Permissions})
	})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/public", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"message": "Hello, everybody."})
	})
	mux.Handle("GET /api/private", private.Require(who))
	mux.Handle("GET /api/orders", private.Require(who)) // the authorizer requires its scope
	lambdahttp.Start(mux)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
