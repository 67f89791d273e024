// Command api is the function behind the authorizer. It verifies nothing a second time.
package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/posternauth/postern/examples/lambda-authorizer/partner"
	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/lambdahttp"
)

func main() {
	key, err := partner.KeyFromEnvironment()
	if err != nil {
		log.Fatal(err)
	}
	handle := func(text string) http.Handler {
		return gateway.FromAuthorizer(key).Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, _ := key.From(r.Context()) // *session.Session[partner.Partner]
			fmt.Fprintf(w, text+"\n", s.Properties.Name)
		}))
	}
	mux := http.NewServeMux()
	mux.Handle("GET /orders", handle("the orders of %s"))
	mux.Handle("GET /orders/{id}", handle("an order of %s"))
	mux.Handle("POST /orders", handle("a new order of %s"))
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	lambdahttp.Start(mux)
}
