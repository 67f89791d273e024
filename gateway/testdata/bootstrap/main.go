// Bootstrap is an authorizer as it is deployed: its keys come from the environment, as a JWK Set.
package main

import (
	"log"
	"os"
	"time"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

type User struct {
	UserID string `json:"userID"`
}

func main() {
	public, err := keys.ParseJWKS([]byte(os.Getenv("JWKS")), keys.ES256)
	if err != nil {
		log.Fatal(err)
	}
	static, err := keys.Static(public...)
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := session.New(session.Config{Issuer: os.Getenv("ISSUER"), Audience: os.Getenv("AUDIENCE"), Keys: static})
	if err != nil {
		log.Fatal(err)
	}
	user := session.NewKindConfig(sessions, session.KindConfig[User]{Name: "user", Stateless: true, Access: time.Hour})
	authorizer, err := gateway.New(gateway.Config{Guard: user})
	if err != nil {
		log.Fatal(err)
	}
	authorizer.Start()
}
