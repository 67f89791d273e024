// Package chat says who may connect, for the authorizer and the function behind it.
package chat

import (
	"errors"
	"os"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// Member is what a session knows about somebody.
type Member struct {
	Name string `json:"name"`
}

// Members is the kind of session that may connect. A browser can set no header for a WebSocket, so the token comes as a
// subprotocol: new WebSocket(url, ["chat", "bearer." + token]).
func Members(k keys.Verifier) (*session.Kind[Member], error) {
	sessions, err := session.New(session.Config{Issuer: "https://api.example.com", Audience: "chat", Keys: k})
	if err != nil {
		return nil, err
	}
	return session.NewKindConfig(sessions, session.KindConfig[Member]{Name: "member", Stateless: true, WebSocketProtocol: true}), nil
}

// MembersFromEnvironment checks with the public key in PUBLIC_KEY, in PEM.
func MembersFromEnvironment() (*session.Kind[Member], error) {
	text := os.Getenv("PUBLIC_KEY")
	if text == "" {
		return nil, errors.New("set PUBLIC_KEY to the public key of the issuer, in PEM")
	}
	public, err := keys.ParsePublicPEM([]byte(text), keys.EdDSA, "")
	if err != nil {
		return nil, err
	}
	verifier, err := keys.Static(public)
	if err != nil {
		return nil, err
	}
	return Members(verifier)
}
