// Package tenant says whose tokens are good, for the authorizer and the function behind it.
package tenant

import (
	"errors"
	"os"
	"strings"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// Claims are those of an access token of Auth0 that this program reads, beside the ones every session has.
type Claims struct {
	Permissions []string `json:"permissions"` // with RBAC and "Add Permissions in the Access Token"
}

// FromEnvironment trusts the tenant in ISSUER, such as https://example.eu.auth0.com/ with the slash at the end, for the
// API with the identifier AUDIENCE.
func FromEnvironment() (*session.External[Claims], error) {
	issuer, audience := os.Getenv("ISSUER"), os.Getenv("AUDIENCE")
	if issuer == "" || audience == "" {
		return nil, errors.New("set ISSUER to https://{your tenant}.auth0.com/ and AUDIENCE to the identifier of your API")
	}
	remote, err := keys.Remote(keys.RemoteConfig{
		URL:           strings.TrimSuffix(issuer, "/") + "/.well-known/jwks.json",
		Algorithms:    []keys.Algorithm{keys.RS256},
		AllowInsecure: strings.HasPrefix(issuer, "http://"), // a stand-in on this machine
	})
	if err != nil {
		return nil, err
	}
	return session.NewExternal[Claims](session.ExternalConfig{
		Issuer: issuer, Audience: audience, Algorithms: []keys.Algorithm{keys.RS256}, Keys: remote,
	})
}
