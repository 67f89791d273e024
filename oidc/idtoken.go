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

// leeway is how far the clocks of the provider and of this machine may be apart.
const leeway = time.Minute

// expected is what an ID token must fit.
type expected struct {
	issuer     string
	client     string
	algorithms []keys.Algorithm
	keys       keys.Verifier
	nonce      string
	access     string        // the access token it came with
	maxAge     time.Duration // 0: auth_time is not looked at
	now        time.Time
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

// checkIDToken says what an ID token claims, if everything about it is right (Core section 3.1.3.7). An error that is not
// keys.ErrUnavailable is about the token. No part of the token is in an error.
func checkIDToken(ctx context.Context, token string, want expected) (*idClaims, error) {
	t, err := jose.Parse(token)
	if err != nil {
		return nil, err
	}
	// An ID token has no typ or the general one. Access, logout and other tokens say what they are (RFC 8725 section 3.11).
	if t.Typ != "" && !strings.EqualFold(t.Typ, "JWT") {
		return nil, errors.New("typ is that of another kind of token")
	}
	if !slices.Contains(want.algorithms, keys.Algorithm(t.Alg)) {
		return nil, errors.New("alg is not one of Config.Algorithms")
	}
	key, err := want.keys.PublicKey(ctx, t.Kid)
	if err != nil {
		return nil, err
	}
	if string(key.Algorithm()) != t.Alg {
		return nil, errors.New("alg is not that of the key")
	}
	if err := key.Verify(t.Input, t.Signature); err != nil {
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

func readClaims(payload string, textTrue bool) (*idClaims, error) {
	c := &idClaims{raw: payload}
	c.TextTrue = textTrue
	err := jose.Object(payload, func(name, value string) (err error) {
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
			c.authTime, err = jose.NumericDate(value)
		case "nonce":
			c.nonce, err = jose.String(value)
		case "at_hash":
			c.hasAtHash = true
			c.atHash, err = jose.String(value)
		case "hd":
			c.hostedDomain, err = jose.String(value)
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
	switch {
	case c.issuer != want.issuer:
		return fmt.Errorf("claim iss is not %q", want.issuer)
	case c.Subject == "":
		return errors.New("claim sub is missing")
	case !slices.Contains(c.audience, want.client):
		return errors.New("claim aud does not name this client")
	case len(c.audience) > 1 && !c.hasAZP:
		return errors.New("claim aud names others too, and claim azp is missing")
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

// checkAccessToken binds the access token to the ID token, where the provider does (Core section 3.1.3.8).
func (c *idClaims) checkAccessToken(alg, access string) error {
	if !c.hasAtHash {
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

// readUserInfo reads a UserInfo answer. Its sub must be that of the ID token, or the claims are somebody else's
// (Core section 5.3.2).
func readUserInfo(body, subject string, textTrue bool) (authcode.Claims, error) {
	info := authcode.Claims{TextTrue: textTrue}
	if err := jose.Object(body, info.Read); err != nil {
		return authcode.Claims{}, fmt.Errorf("UserInfo: %w", err)
	}
	if info.Subject == "" || info.Subject != subject {
		return authcode.Claims{}, errors.New("UserInfo: sub is not that of the ID token")
	}
	return info, nil
}

func refuseIDToken(err error) error {
	if errors.Is(err, keys.ErrUnavailable) {
		return authcode.Unavailable(err)
	}
	return &postern.Error{Status: http.StatusBadRequest, Code: "invalid_id_token", Err: fmt.Errorf("ID token: %w", err),
		Text: "What the service you chose says about you could not be verified. Please start again."}
}
