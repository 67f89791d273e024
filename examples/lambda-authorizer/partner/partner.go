// Package partner says what the keys of this API are, for the programs that make, check and read them.
package partner

import (
	"errors"
	"os"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// Partner is who a key was given to.
type Partner struct {
	Name string `json:"name"`
}

// Key is the kind of session that a key of the API is: a signed token of a year, kept nowhere.
func Key(k keys.Verifier) (*session.Kind[Partner], error) {
	sessions, err := session.New(session.Config{Issuer: "https://api.example.com", Audience: "orders", Keys: k})
	if err != nil {
		return nil, err
	}
	return session.NewKindConfig(sessions, session.KindConfig[Partner]{Name: "apikey", Stateless: true, Access: 365 * 24 * time.Hour}), nil
}

// KeyFromEnvironment checks with the public key in PUBLIC_KEY, in PEM.
func KeyFromEnvironment() (*session.Kind[Partner], error) {
	text := os.Getenv("PUBLIC_KEY")
	if text == "" {
		return nil, errors.New("set PUBLIC_KEY to what `token -public` prints")
	}
	public, err := keys.ParsePublicPEM([]byte(text), keys.EdDSA, "")
	if err != nil {
		return nil, err
	}
	verifier, err := keys.Static(public)
	if err != nil {
		return nil, err
	}
	return Key(verifier)
}
