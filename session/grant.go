package session

import (
	"encoding/json"
	"fmt"
	"time"
)

// Auth says how and when a person proved who they are.
type Auth struct {
	Time    time.Time // auth_time; zero: not known, which meets no [Fresh]
	Methods []string  // amr, RFC 8176: "pwd", "otp", "mca"..., and Postern's "link", "code", "oidc", "oauth"
}

// A Grant is what a new session says.
type Grant[T any] struct {
	Subject    string   // who: the application's own id of the user; required, at most 255 bytes
	Properties T        // what the application wants to know about them on every request; readable by whoever holds the token
	Scopes     []string // what the session may do (RFC 6749 section 3.3)
	Roles      []string // what the user is
	Auth       Auth
}

// Tokens of a new session.
type Tokens struct {
	SessionID string
	Access    string    // a JWT (RFC 9068)
	Expires   time.Time // of Access
}

// A Session is a verified token.
type Session[T any] struct {
	ID         string // sid
	TokenID    string // jti
	Kind       string // "public" for the signed-out; of a Foreign session, its issuer
	Subject    string
	ClientID   string
	Properties T
	Scopes     []string
	Roles      []string
	Auth       Auth
	Issued     time.Time // up to 30 s earlier than it was, see Kind.Create
	Expires    time.Time
	Claims     json.RawMessage // of a Foreign session: the whole payload; nil otherwise
}

// A blank is a Grant without its type parameter: the properties are JSON already.
type blank struct {
	subject    string
	properties json.RawMessage
	scopes     []string
	roles      []string
	auth       Auth
}

// erase checks the parts of a grant that become claims and encodes its properties.
func erase[T any](g Grant[T]) (blank, error) {
	if err := checkText("Grant.Subject", g.Subject, 255); err != nil {
		return blank{}, fmt.Errorf("%w: %w", ErrGrant, err)
	}
	for _, list := range []struct {
		name   string
		values []string
	}{{"Scopes", g.Scopes}, {"Roles", g.Roles}, {"Auth.Methods", g.Auth.Methods}} {
		for _, v := range list.values {
			if !scopeToken(v) {
				return blank{}, fmt.Errorf("%w: Grant.%s: %q is not a name: visible ASCII without space, quote or backslash", ErrGrant, list.name, v)
			}
		}
	}
	properties, err := encodeProperties(g.Properties)
	if err != nil {
		return blank{}, err
	}
	return blank{g.Subject, properties, g.Scopes, g.Roles, g.Auth}, nil
}

// scopeToken is the rule of RFC 6749 section 3.3. Roles and methods keep it too: gateways hand lists on separated by
// spaces, where a role with a space in it would become two.
func scopeToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != "" && len(s) <= 255
}
