package oidc

import (
	"context"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/authcode"
	"github.com/posternauth/postern/internal/discovery"
	"github.com/posternauth/postern/internal/jose"
)

// quirks are where a service leaves OpenID Connect: what a preset needs beyond a Config. The zero value is a provider
// that keeps to the standard.
type quirks struct {
	// err is what is wrong with the arguments of the preset.
	err error
	// metadata are fixed, for a service whose discovery document is of no use.
	metadata *discovery.Metadata
	// issuerOK decides about the issuer that the discovery document names, in place of Config.Issuer.
	issuerOK func(string) bool
	// issuer is what iss of an ID token must be: that of the discovery document if nil. The claims are not checked yet,
	// but their signature is.
	issuer func(documented string, c *idClaims) (string, error)
	// bareIssuer: iss of an ID token may lack the "https://" of the issuer (Core section 15.6.2).
	bareIssuer bool
	// secret makes the client secret anew for each exchange. It is sent in the body.
	secret func(ctx context.Context, now time.Time) (string, error)
	// formPost: the answer comes by POST.
	formPost bool
	// noPKCE: the token endpoint refuses a code_verifier.
	noPKCE bool
	// textTrue: email_verified may be the text "true".
	textTrue bool
	// noAuthTime: the service does not state auth_time, or only after a setting of its console, so it proves nothing in
	// a step-up.
	noAuthTime bool

	// noLogin: the service does not list prompt=login. Google: none, consent and select_account.
	// https://developers.google.com/identity/openid-connect/openid-connect#authenticationuriparameters
	noLogin bool
	// finish has the last word about an identity. An error refuses the ID token.
	finish func(l authcode.Login, c *idClaims, id *postern.Identity) error
}

// claim returns a further claim as JSON, as it stands in the ID token; empty if there is none.
func (c *idClaims) claim(name string) string {
	found := ""
	_ = jose.Object(c.raw, func(n, value string) error { // was read before
		if n == name {
			found = value
		}
		return nil
	})
	return found
}

// text returns a further claim that is a string; empty if it is none.
func (c *idClaims) text(name string) string {
	s, err := jose.String(c.claim(name))
	if err != nil {
		return ""
	}
	return s
}
