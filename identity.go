package postern

import (
	"encoding/json"
	"time"

	"github.com/posternauth/postern/session"
)

// An Identity is who the provider says this is.
//
// The key of an identity is (Issuer, Subject), and nothing else is: two identities with the same address are two
// people until the person proves otherwise, and the same Subject at another Issuer is somebody else. An application
// that wants to link accounts by address does so only when the address is Verified here and was proven on its own side
// as well (see [Identity.Email]).
type Identity struct {
	Provider  string            // name in Config.Providers; set by [Flow.Done]
	Issuer    string            // who vouches: an OpenID issuer, "https://github.com", ...; never empty
	Subject   string            // the person's stable id at the issuer; never empty, never reused, never an address at OAuth providers
	AuthTime  time.Time         // when the person proved to the issuer who they are, if it says so; zero: now
	Name      string            // to show; the person may have chosen it
	Picture   string            // URL to show; the person may have chosen it
	Addresses []Address         // with what is known of their proof
	Claims    map[string]string // what the client asked a link or code to carry; anybody can write them, so they grant nothing
	Raw       json.RawMessage   // ID token claims, or the profile, as the provider sent them
	UserInfo  json.RawMessage   // answer of the UserInfo endpoint, if it was asked
	Tokens    *Tokens           // of the provider; nil for mail
}

// An Address is a mail address or telephone number of a person.
type Address struct {
	Type  string // "email" or "phone"
	Value string // canonical

	// Verified says that the provider itself proved the address: a boolean true of its own in its answer. A claim
	// that is absent, false, or the text "true" proves nothing (OpenID Connect Core 5.1 makes email_verified a boolean),
	// but for the few services whose presets say that they write it so.
	Verified bool
}

// Tokens are the provider's own, to call its API with. They are as secret as a password: Postern neither stores nor logs them.
type Tokens struct {
	Access, Refresh, ID, Type string
	Scope                     string
	Expires                   time.Time // of Access; zero: not said
}

// Email returns the first mail address that the provider has proven. Without one it returns false, whatever unproven
// addresses there are.
func (i Identity) Email() (string, bool) {
	for _, a := range i.Addresses {
		if a.Type == "email" && a.Verified && a.Value != "" {
			return a.Value, true
		}
	}
	return "", false
}

// A SignIn is a finished sign-in, handed to Config.OnSuccess.
type SignIn struct {
	Identity Identity
	Auth     session.Auth   // for session.Grant: when and by what methods
	Tokens   *Tokens        // of the provider: Identity.Tokens
	Return   session.Return // for Kind.Cookie, Code or Parameter: where the person came from, checked against Config.Redirects
}
