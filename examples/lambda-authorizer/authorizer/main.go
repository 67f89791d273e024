// Command authorizer is the Lambda authorizer in front of the API: who may call what.
package main

import (
	"log"

	"github.com/posternauth/postern/examples/lambda-authorizer/partner"
	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/session"
)

func main() {
	key, err := partner.KeyFromEnvironment()
	if err != nil {
		log.Fatal(err)
	}
	authorizer, err := gateway.New(gateway.Config{
		Guard: key,
		Routes: []gateway.Route{
			{Method: "GET", Path: "/orders", Needs: []session.Need{session.Scope("orders:read")}},
			{Method: "GET", Path: "/orders/*", Needs: []session.Need{session.Scope("orders:read")}},
			{Method: "POST", Path: "/orders", Needs: []session.Need{session.Scope("orders:write")}},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	authorizer.Start()
}
