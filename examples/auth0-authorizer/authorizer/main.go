// Command authorizer is the Lambda authorizer in front of the private endpoints.
package main

import (
	"log"

	"github.com/posternauth/postern/examples/auth0-authorizer/tenant"
	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/session"
)

func main() {
	auth0, err := tenant.FromEnvironment()
	if err != nil {
		log.Fatal(err)
	}
	authorizer, err := gateway.New(gateway.Config{
		Guard: auth0,
		Routes: []gateway.Route{
			{Method: "GET", Path: "/api/private"},
			{Method: "GET", Path: "/api/orders", Needs: []session.Need{session.Scope("read:orders")}},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	authorizer.Start()
}
