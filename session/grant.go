package session

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
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

	// Device and Place are shown in the list of a person's sessions, so that they know which is which; cut at 255 bytes.
	// Kind.Cookie and its like take them, if empty, from the User-Agent header and the client address of the sign-in.
	Device, Place string

	claims claimed // see KindClaim.Set; a copy of a grant shares them, so they are never changed in place
}

// Tokens of a session.
type Tokens struct {
	SessionID      string
	Access         string    // a JWT (RFC 9068)
	Expires        time.Time // of Access
	Refresh        string    // for Sessions.Refresh; empty if the kind is stateless
	RefreshExpires time.Time // of Refresh, if it is not used before
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

	claims string // JSON, of a Kind's session: see KindClaim.Value
}

// A blank is a Grant without its type parameter: the properties are JSON already.
type blank struct {
	subject       string
	properties    json.RawMessage
	scopes        []string
	roles         []string
	auth          Auth
	device, place string
	claims        claimed
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
	return blank{g.Subject, properties, g.Scopes, g.Roles, g.Auth, display(g.Device), display(g.Place), g.claims}, nil
}

// display makes a label that is fit to be shown of what came from a header.
func display(s string) string {
	s = strings.Map(func(r rune) rune {
		if control(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	for len(s) > 255 {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}

// saved is the part of a blank that its row keeps.
func (b blank) saved(clientID string) *savedGrant {
	g := &savedGrant{Properties: b.properties, Scopes: b.scopes, Roles: b.roles, Methods: b.auth.Methods, ClientID: clientID, Claims: b.claims.with(nil, false)}
	if !b.auth.Time.IsZero() {
		g.AuthTime = b.auth.Time.Unix()
	}
	return g
}

// blank is the grant of a row.
func (g *savedGrant) blank(r *row) blank {
	b := blank{r.Subject, g.Properties, g.Scopes, g.Roles, Auth{Methods: g.Methods}, r.Device, r.Place, g.Claims}
	if g.AuthTime != 0 {
		b.auth.Time = time.Unix(g.AuthTime, 0)
	}
	return b
}

// grant is a row's grant with its type.
func (k *Kind[T]) grant(r *row) (Grant[T], error) {
	b := r.Grant.blank(r)
	g := Grant[T]{Subject: b.subject, Scopes: slices.Clone(b.scopes), Roles: slices.Clone(b.roles), Auth: b.auth, Device: b.device, Place: b.place, claims: b.claims}
	if err := decodeProperties(k.layout, string(b.properties), &g.Properties); err != nil {
		return g, fmt.Errorf("session: stored properties are not those of the kind: %w", err)
	}
	return g, nil
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
