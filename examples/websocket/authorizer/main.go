// Command authorizer is the Lambda authorizer of $connect.
package main

import (
	"log"

	"github.com/posternauth/postern/examples/websocket/chat"
	"github.com/posternauth/postern/gateway"
)

func main() {
	members, err := chat.MembersFromEnvironment()
	if err != nil {
		log.Fatal(err)
	}
	authorizer, err := gateway.New(gateway.Config{Guard: members})
	if err != nil {
		log.Fatal(err)
	}
	authorizer.Start()
}
