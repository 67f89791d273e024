package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/authcode"
	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
)

// expected is what an ID token must fit.
type expected struct {
	issuer     string
	client     string
	audiences  []string // others that aud may name
	algorithms []keys.Algorithm
	keys       keys.Verifier
	nonce      string
	access     string        // the access token it came with
	maxAge     time.Duration // 0: auth_time is not looked at
	now        time.Time
	leeway     time.Duration
	limit      int // bytes of the token
	quirks     quirks
}

// idClaims are the claims of an ID token (Core section 2) that are looked at.
type idClaims struct {
	authcode.Claims
	issuer       string
	audience     []string
	azp          string
	hasAZP       bool
	expires      time.Time
	issued       time.Time
	notBefore    time.Time
	authTime     time.Time
	nonce        string
	atHash       string
	hasAtHash    bool
	hostedDomain string
	raw          string
}

// checkIDToken says what an ID token claims, if everything about it is right (Core section 3.1.3.7). An error that is
// not keys.ErrUnavailable is about the token. No part of the token is in an error.
func checkIDToken(ctx context.Context, token string, want expected) (*idClaims, error) {
	t, err := jose.ParseLong(token, want.limit)
	if err != nil {
		return nil, err
	}
	if err := checkHeader(t, want.algorithms); err != nil {
		return nil, err
	}
	if _, err := keys.Verify(ctx, want.keys, t.Kid, keys.Algorithm(t.Alg), t.Input, t.Signature); err != nil {
		return nil, err
	}
	c, err := readClaims(t.Payload, want.quirks.textTrue)
	if err != nil {
		return nil, err
	}
	if want.quirks.issuer != nil {
		if want.issuer, err = want.quirks.issuer(want.issuer, c); err != nil {
			return nil, err
		}
	}
	if err := c.check(want); err != nil {
		return nil, err
	}
	if err := c.checkAccessToken(t.Alg, want.access); err != nil {
		return nil, err
	}
	return c, nil
}

// checkHeader checks that a token is no other kind of token, and that its algorithm is allowed. Access, logout and
// other tokens name their type; an ID token has no typ, or the general one (RFC 8725 section 3.11).
func checkHeader(t jose.Token, allowed []keys.Algorithm) error {
	if t.Typ != "" && !jose.HasType(t.Typ, "JWT") {
		return errors.New("typ is that of another kind of token")
	}
	if !slices.Contains(allowed, keys.Algorithm(t.Alg)) {
		return fmt.Errorf("alg is %s, and Config.Algorithms allows %v", authcode.Label(t.Alg), allowed)
	}
	return nil
}

func readClaims(payload string, textTrue bool) (*idClaims, error) {
	c := &idClaims{raw: payload}
	c.TextTrue = textTrue
	err := jose.Object(payload, func(name, value string) (err error) {
		if value == "null" { // absent
			return nil
		}
		switch name {
		case "iss":
			c.issuer, err = jose.String(value)
		case "aud":
			c.audience, err = jose.Strings(value)
		case "azp":
			c.hasAZP = true
			c.azp, err = jose.String(value)
		case "exp":
			c.expires, err = jose.NumericDate(value)
		case "iat":
			c.issued, err = jose.NumericDate(value)
		case "nbf":
			c.notBefore, err = jose.NumericDate(value)
		case "auth_time":
			c.authTime, _ = jose.NumericDate(value) // needed with MaxAge only, and then missing
		case "nonce":
			c.nonce, err = jose.String(value)
		case "at_hash":
			c.hasAtHash = true
			c.atHash, err = jose.String(value)
		case "hd":
			c.hostedDomain, _ = jose.String(value) // needed with HostedDomain only, and then missing
		default:
			err = c.Read(name, value)
		}
		if err != nil {
			return fmt.Errorf("claim %s: %w", name, err)
		}
		return nil
	})
	return c, err
}

func (c *idClaims) check(want expected) error {
	if want.quirks.bareIssuer && "https://"+c.issuer == want.issuer {
		c.issuer = want.issuer
	}
	leeway := want.leeway
	switch {
	case c.issuer != want.issuer:
		return fmt.Errorf("claim iss is not %q", want.issuer)
	case c.Subject == "":
		return errors.New("claim sub is missing")
	case !slices.Contains(c.audience, want.client):
		return errors.New("claim aud does not name this client")
	case !c.hasAZP && slices.ContainsFunc(c.audience, want.distrusts):
		return errors.New("claim aud names others too: list them in Config.Audiences if they may read what this client reads")
	case c.hasAZP && c.azp != want.client:
		return errors.New("claim azp names another client")
	case c.expires.IsZero():
		return errors.New("claim exp is missing")
	case !want.now.Before(c.expires.Add(leeway)):
		return errors.New("claim exp has passed")
	case c.issued.IsZero():
		return errors.New("claim iat is missing")
	case c.issued.After(want.now.Add(leeway)):
		return errors.New("claim iat is in the future: is the clock of this machine right?")
	case c.notBefore.After(want.now.Add(leeway)):
		return errors.New("claim nbf is in the future: is the clock of this machine right?")
	case want.nonce == "" || subtle.ConstantTimeCompare([]byte(c.nonce), []byte(want.nonce)) != 1:
		return errors.New("claim nonce is not that of this attempt")
	}
	if want.maxAge > 0 {
		switch {
		case c.authTime.IsZero():
			return errors.New("claim auth_time is missing although max_age was asked for")
		case c.authTime.After(want.now.Add(leeway)):
			return errors.New("claim auth_time is in the future")
		case want.now.Sub(c.authTime) > want.maxAge+leeway:
			return errors.New("claim auth_time is longer ago than MaxAge")
		}
	}
	return nil
}

// distrusts is true for a member of aud that is neither this client nor one of Config.Audiences.
func (e expected) distrusts(audience string) bool {
	return audience != e.client && !slices.Contains(e.audiences, audience)
}

// checkAccessToken binds the access token, if there is one, to the ID token, where the provider does (Core section
// 3.1.3.8).
func (c *idClaims) checkAccessToken(alg, access string) error {
	if !c.hasAtHash || access == "" {
		return nil
	}
	var half []byte // of the hash that belongs to alg
	switch {
	case strings.HasSuffix(alg, "384"):
		sum := sha512.Sum384([]byte(access))
		half = sum[:len(sum)/2]
	case strings.HasSuffix(alg, "512"), alg == string(keys.EdDSA): // Ed25519 signs with SHA-512
		sum := sha512.Sum512([]byte(access))
		half = sum[:len(sum)/2]
	default:
		sum := sha256.Sum256([]byte(access))
		half = sum[:len(sum)/2]
	}
	if c.atHash != base64.RawURLEncoding.EncodeToString(half) {
		return errors.New("claim at_hash does not fit the access token")
	}
	return nil
}

func refuseIDToken(err error) error {
	if errors.Is(err, keys.ErrUnavailable) {
		return authcode.Unavailable(err)
	}
	return &postern.Error{Status: http.StatusBadRequest, Code: "invalid_id_token", Err: fmt.Errorf("ID token: %w", err),
		Text: "What the service you chose says about you could not be verified. Please start again."}
}
