package session

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/jose"
)

// claims are the claims of a token with a good signature. Strings are parts of the decoded payload. Values that are
// read later are JSON text.
type claims struct {
	issuer, audience string // wanted

	rightIssuer, rightAudience                       bool
	subject, tokenID, id, clientID, kind, azp, actor string
	times
	authTime                           time.Time
	haveExpires, haveAudience          bool
	properties, scope, scp, roles, amr string // JSON text
	facts                              string // JSON text of claims
	rights                             int64
}

// read reads the claims of a payload. The claims that decide must be of the right type. If strict is set, all others
// must be, too; otherwise a descriptive claim of another type is ignored, and grants nothing.
func (c *claims) read(payload string, strict bool) error {
	object := jose.Object
	if strict {
		object = jose.FoldedObject // the properties are decoded into a struct
	}
	err := object(payload, func(name, value string) (err error) {
		if value == "null" && !strict {
			return nil // some issuers write an absent claim so
		}
		required := true
		switch name {
		case "iss":
			var iss string
			iss, err = jose.String(value)
			c.rightIssuer = iss == c.issuer // whole and exact, OpenID Connect Core 3.1.3.7 (2)
		case "aud":
			c.rightAudience, err = jose.Has(value, c.audience) // an exact member, (3)
			c.haveAudience = true
		case "sub":
			c.subject, err = jose.String(value)
		case "exp":
			c.expires, err = jose.NumericDate(value)
			c.haveExpires = true
		case "nbf":
			c.notBefore, err = jose.NumericDate(value)
		case "iat":
			c.issued, err = jose.NumericDate(value)
		default:
			required = strict
			err = c.describe(name, value)
		}
		if err != nil && required {
			return refuse(errClaims, wrongClaim(name))
		}
		return nil
	})
	if err != nil && !errors.Is(err, errClaims) {
		return refuseFor(errMalformed, err)
	}
	return err
}

func (c *claims) describe(name, value string) (err error) {
	switch name {
	case "jti":
		c.tokenID, err = jose.String(value)
	case "sid":
		c.id, err = jose.String(value)
	case "client_id":
		c.clientID, err = jose.String(value)
	case "azp":
		c.azp, err = jose.String(value)
	case "type":
		c.kind, err = jose.String(value)
	case "properties":
		c.properties = value
	case "scope":
		c.scope = value
	case "scp":
		c.scp = value
	case "roles":
		c.roles = value
	case "amr":
		c.amr = value
	case "claims":
		c.facts = value
	case "act":
		c.actor, err = readActor(value)
	case "rights_version":
		c.rights, err = strconv.ParseInt(value, 10, 64)
	case "auth_time":
		c.authTime, err = jose.NumericDate(value)
	}
	return err
}

// wrongClaim returns a fixed text about a claim: no part of the token.
func wrongClaim(name string) string {
	switch name {
	case "iss", "aud", "sub", "jti", "sid", "client_id", "azp", "type":
		return name + " is not a string" // aud: or several
	case "exp", "nbf", "iat", "auth_time":
		return name + " is not a time"
	}
	return "of the wrong type"
}

// check checks the claims that every token has.
func (c *claims) check(now time.Time, leeway time.Duration) error {
	switch {
	case !c.rightIssuer:
		return errIssuer
	case !c.rightAudience:
		return errAudience
	case !c.haveExpires:
		return refuse(errClaims, "exp is missing")
	}
	return c.times.check(now, leeway)
}

// times are the claims that must be checked again on each use.
type times struct{ issued, expires, notBefore time.Time }

func (t *times) check(now time.Time, leeway time.Duration) error {
	switch {
	case !now.Before(t.expires.Add(leeway)): // RFC 7519 section 4.1.4: "on or after"
		return ErrExpired
	case now.Add(leeway).Before(t.notBefore):
		return refuse(errNotYetValid, "nbf is in the future")
	case now.Add(leeway).Before(t.issued):
		return refuse(errNotYetValid, "iat is in the future")
	}
	return nil
}

// tooOld reports whether a token was issued before Config.NotBefore.
func (t *times) tooOld(notBefore time.Time) bool {
	return !notBefore.IsZero() && t.issued.Add(backdate).Before(notBefore.Truncate(time.Second))
}

// fill copies claims into a session. names is room for the members of its lists.
func fill[T any](s *Session[T], c *claims, names []string) (err error) {
	s.ID, s.TokenID, s.Subject, s.Actor, s.ClientID = c.id, c.tokenID, c.subject, c.actor, c.clientID
	s.Issued, s.Expires, s.Authentication.Time = c.issued, c.expires, c.authTime
	if c.scope != "" {
		scope, err := jose.String(c.scope)
		if err != nil {
			return refuse(errClaims, wrongClaim("scope"))
		}
		for name := range strings.SplitSeq(scope, " ") {
			if name != "" {
				names = append(names, name)
			}
		}
		s.Scopes, names = names[:len(names):len(names)], names[len(names):]
	}
	if s.Roles, names, err = list(c.roles, names); err != nil {
		return refuse(errClaims, "roles is not a list of strings")
	}
	if s.Authentication.Methods, _, err = list(c.amr, names); err != nil {
		return refuse(errClaims, "amr is not a list of strings")
	}
	return nil
}

// list reads a JSON array of strings into names, and returns the list and the remaining room.
func list(value string, names []string) (out, rest []string, err error) {
	if value == "" {
		return nil, names, nil
	}
	err = jose.Array(value, func(element string) error {
		s, err := jose.String(element)
		names = append(names, s)
		return err
	})
	return names[:len(names):len(names)], names[len(names):], err
}
