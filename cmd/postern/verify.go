package main

import (
	"context"
	"errors"
	"time"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
)

// A refusal says why a token is not valid: a code that stays the same from version to version, and a sentence.
type refusal struct {
	code string
	text string
	err  error // more about it, if there is more
}

func (r *refusal) Error() string {
	if r.err != nil {
		return r.text + ": " + r.err.Error()
	}
	return r.text
}

func refuse(code, text string) *refusal { return &refusal{code: code, text: text} }

// The reasons for which a token is refused. Help lists them.
const (
	reasonTooLarge    = "too_large"
	reasonMalformed   = "malformed"
	reasonAlgorithm   = "algorithm"
	reasonUnknownKey  = "unknown_key"
	reasonKeys        = "keys_unavailable"
	reasonSignature   = "signature"
	reasonType        = "type"
	reasonClaims      = "claims"
	reasonIssuer      = "issuer"
	reasonAudience    = "audience"
	reasonExpired     = "expired"
	reasonNotYetValid = "not_yet_valid"
	reasonLifetime    = "lifetime"
)

// checker checks tokens. An empty or zero field is not checked; signature, expiry and form always are.
type checker struct {
	keys        keys.Verifier
	issuer      string
	audience    string
	typ         string
	leeway      time.Duration
	maxLifetime time.Duration
	now         func() time.Time
}

// check returns the claims of a valid token as JSON.
func (c *checker) check(ctx context.Context, token string) (claims string, err *refusal) {
	if len(token) > jose.MaxToken {
		return "", refuse(reasonTooLarge, "the token is longer than 16 KiB")
	}
	tok, perr := jose.Parse(token)
	if perr != nil {
		return "", &refusal{reasonMalformed, "this is not a signed token in the strict compact form", perr}
	}
	if err := c.signature(ctx, tok); err != nil {
		return "", err
	}
	if c.typ != "" && !jose.HasType(tok.Typ, c.typ) {
		return "", refuse(reasonType, "the header typ is another one")
	}
	if err := c.claims(tok.Payload); err != nil {
		return "", err
	}
	return tok.Payload, nil
}

// signature checks that a key of the set made the token. The header names key and algorithm and chooses neither: the
// algorithm is the key's (RFC 8725 section 3.1).
func (c *checker) signature(ctx context.Context, tok jose.Token) *refusal {
	_, err := keys.Verify(ctx, c.keys, tok.Kid, keys.Algorithm(tok.Alg), tok.Input, tok.Signature)
	switch {
	case errors.Is(err, keys.ErrUnknownKey):
		return refuse(reasonUnknownKey, "the JWKS has no key with this kid")
	case errors.Is(err, keys.ErrAlgorithm):
		return refuse(reasonAlgorithm, "the token is signed with another algorithm than its key is for")
	case errors.Is(err, keys.ErrSignature):
		return refuse(reasonSignature, "the signature does not fit the token and the key")
	case err != nil:
		return &refusal{reasonKeys, "the JWKS could not be read, so nothing is known about the token", err}
	}
	return nil
}

// claims checks the payload: types of all registered claims (RFC 7519 section 4.1), a subject, an expiry, and what was
// asked for.
func (c *checker) claims(payload string) *refusal {
	var (
		iss, sub      string
		exp, iat, nbf time.Time
		audience      bool
	)
	err := jose.FoldedObject(payload, func(name, value string) (err error) {
		switch name {
		case "iss":
			iss, err = jose.String(value)
		case "sub":
			sub, err = jose.String(value)
		case "aud":
			audience, err = jose.Has(value, c.audience)
		case "exp":
			exp, err = jose.NumericDate(value)
		case "iat":
			iat, err = jose.NumericDate(value)
		case "nbf":
			nbf, err = jose.NumericDate(value)
		case "jti", "client_id", "scope":
			_, err = jose.String(value)
		}
		if err != nil {
			return &claimError{name, err}
		}
		return nil
	})
	var claim *claimError
	switch {
	case errors.As(err, &claim):
		return &refusal{reasonClaims, "a claim is of the wrong type", claim}
	case err != nil:
		return &refusal{reasonMalformed, "the payload is no strict JSON object", err}
	case sub == "":
		return refuse(reasonClaims, "the claim sub is missing: the token says nothing about anybody")
	case exp.IsZero():
		return refuse(reasonClaims, "the claim exp is missing: the token would be valid for ever")
	case c.issuer != "" && iss != c.issuer:
		return refuse(reasonIssuer, "the token is of another issuer")
	case c.audience != "" && !audience:
		return refuse(reasonAudience, "the token is for another audience")
	}
	return c.times(exp, iat, nbf)
}

type claimError struct {
	name string
	err  error
}

func (e *claimError) Error() string { return e.name + ": " + e.err.Error() }

func (c *checker) times(exp, iat, nbf time.Time) *refusal {
	now := c.now()
	switch {
	case !now.Before(exp.Add(c.leeway)): // RFC 7519 section 4.1.4: "on or after"
		return refuse(reasonExpired, "the token expired "+inWords(exp, now)+" ("+stamp(exp)+")")
	case !nbf.IsZero() && now.Before(nbf.Add(-c.leeway)):
		return refuse(reasonNotYetValid, "the token becomes valid "+inWords(nbf, now)+" ("+stamp(nbf)+")")
	case !iat.IsZero() && now.Before(iat.Add(-c.leeway)):
		return refuse(reasonNotYetValid, "the token is from the future: issued "+inWords(iat, now)+" ("+stamp(iat)+")")
	case !iat.IsZero() && exp.Before(iat):
		return refuse(reasonClaims, "the token expired before it was issued")
	case c.maxLifetime > 0 && iat.IsZero():
		return refuse(reasonClaims, "the claim iat is missing: how long the token lives is not known")
	case c.maxLifetime > 0 && exp.Sub(iat) > c.maxLifetime:
		return refuse(reasonLifetime, "the token lives for "+spanInWords(exp.Sub(iat))+", longer than allowed")
	}
	return nil
}
