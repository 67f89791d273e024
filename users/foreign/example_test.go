package foreign_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/posternauth/postern/users/foreign"
)

func ExampleRead() {
	export := strings.NewReader(`{"user_id":"auth0|1","email":"ada@example.com","email_verified":true,"name":"Ada","identities":[{"provider":"github","connection":"github","user_id":"583231"}]}
{"user_id":"auth0|2","email":"eve@example.com","blocked":"perhaps"}
{"user_id":"waad|3","email":"bob@example.com","identities":[{"provider":"waad","connection":"acme","user_id":"x"}]}
`)
	for r, err := range foreign.Read(context.Background(), foreign.Auth0, export, foreign.Options{}) {
		if errors.As(err, new(*foreign.RecordError)) {
			fmt.Println("not read:", err)
			continue
		} else if err != nil {
			log.Fatal(err) // the rest cannot be read
		}
		fmt.Println(r.ID, r.Addresses, r.Identities, len(r.Notes), "notes")
	}
	// Output:
	// auth0|1 [{email ada@example.com true}] [{https://github.com 583231 }] 0 notes
	// not read: record 2, line 2: foreign: the record cannot be read: it is not the JSON of this format
	// waad|3 [{email bob@example.com false}] [] 1 notes
}
