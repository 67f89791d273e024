package authcode

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/fetch"
	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/internal/text"
)

// The methods of client authentication at the token endpoint (OpenID Connect Core section 9).
const (
	AuthBasic = "client_secret_basic"
	AuthPost  = "client_secret_post"
	AuthKey   = "private_key_jwt"
	AuthNone  = "none"
)

// exchange redeems the code (RFC 6749 section 4.1.3, RFC 7636 section 4.5). There is no second try, because a code
// works only once.
func (c *Client) exchange(ctx context.Context, server Server, code, redirectURI, verifier string, now time.Time) (postern.Tokens, error) {
	const what = "token request"
	form := url.Values{
		"grant_type":   {"authorization_code"},
		"code":         {code},
		"redirect_uri": {redirectURI},
	}
	if !c.NoPKCE {
		form.Set("code_verifier", verifier)
	}
	header := http.Header{}
	secret, err := c.authenticate(ctx, server, form, header, now)
	if err != nil {
		return postern.Tokens{}, err
	}
	if c.Request != nil {
		c.Request(form, header)
	}
	resp, err := fetch.PostForm(ctx, c.HTTP, server.TokenURL, form, header)
	if err != nil {
		return postern.Tokens{}, call(what, err)
	}
	if resp.Status >= 500 || resp.Status == http.StatusTooManyRequests {
		return postern.Tokens{}, Status(what, resp.Status)
	}
	good := resp.Status/100 == 2 // some providers answer 201
	a, err := readAnswer(resp.Body, c.MaxIDToken)
	if a.failure != "" {
		return postern.Tokens{}, refused(a.failure, quote(a.words, code, verifier, secret, form.Get("client_assertion")))
	}
	if good && c.Answer != nil {
		a = answer{}
		a.tokens, err = c.Answer([]byte(resp.Body))
	}
	if good && err == nil {
		err = c.checkTokens(a.tokens)
	}
	switch {
	case !good:
		return postern.Tokens{}, Status(what, resp.Status)
	case err != nil:
		return postern.Tokens{}, asError(fmt.Errorf("token answer: %w", err))
	}
	if c.CommaScopes {
		a.tokens.Scope = strings.ReplaceAll(a.tokens.Scope, ",", " ")
	}
	if a.life > 0 {
		a.tokens.Expires = now.Add(a.life)
	}
	return a.tokens, nil
}

// checkTokens refuses tokens that cannot be used. With OpenID Connect the ID token signs the person in: the access
// token may be missing or have an unknown type (see BearerOnly).
func (c *Client) checkTokens(t postern.Tokens) error {
	switch {
	case len(t.Access) > maxToken || !text.Printable(t.Access):
		return errors.New("access_token is too long or not printable")
	case c.Nonce && t.ID != "":
		return nil
	case t.Access == "":
		return errors.New("no access_token")
	}
	return BearerOnly(t)
}

// BearerOnly refuses an access token that is not a bearer token. A client must not use a token of a type that it does
// not understand (RFC 6749 section 7.1).
func BearerOnly(t postern.Tokens) error {
	switch {
	case t.Type == "" || strings.EqualFold(t.Type, "Bearer"):
		return nil
	case strings.EqualFold(t.Type, "DPoP"):
		return errors.New("token_type is DPoP: the provider wants DPoP (RFC 9449), which is not supported")
	}
	return fmt.Errorf("token_type is %q and not Bearer", Label(t.Type))
}

// authenticate adds the client authentication by the method of server, and returns the secret it used.
func (c *Client) authenticate(ctx context.Context, server Server, form url.Values, header http.Header, now time.Time) (secret string, err error) {
	if c.Secret != nil {
		if secret, err = c.Secret(ctx); err != nil {
			return "", fmt.Errorf("client secret: %w", err)
		}
	}
	switch server.AuthMethod {
	case AuthBasic:
		// RFC 6749 section 2.3.1: both are form-encoded before they are joined, because they may contain a colon.
		pair := url.QueryEscape(c.ID) + ":" + url.QueryEscape(secret)
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	case AuthPost:
		form.Set("client_id", c.ID)
		form.Set("client_secret", secret)
	case AuthKey:
		return secret, c.assert(ctx, server.TokenURL, form, now)
	case AuthNone:
		form.Set("client_id", c.ID)
	default:
		return "", fmt.Errorf("client authentication %q is not supported", server.AuthMethod)
	}
	return secret, nil
}

// refused returns the page for an error of the token endpoint (RFC 6749 section 5.2). words is already quoted.
func refused(failure, words string) error {
	cause := fmt.Errorf("token request: the provider answered with error %s", saidBy(failure, words))
	switch failure {
	case "invalid_grant", "bad_verification_code", "invalid_code", "code_already_used": // the latter: GitHub, Slack
		return &postern.Error{Status: http.StatusBadRequest, Code: "invalid_code", Err: cause,
			Text: "The service you chose no longer accepts this sign-in. Please start again."}
	case "temporarily_unavailable", "slow_down":
		return Unavailable(cause)
	}
	return Broken(cause)
}

// An answer of a token endpoint: tokens, or an error code.
type answer struct {
	tokens  postern.Tokens
	life    time.Duration // of the access token; 0: not known
	failure string        // error
	words   string        // error_description
}

// maxToken is the largest size of a token, in bytes. Access tokens of Microsoft, the longest known, have about 4 KiB.
// For ID tokens see Client.MaxIDToken.
const maxToken = 16 << 10

// maxLife is the longest lifetime, so that now plus a lifetime stays in range.
const maxLife = 100 * 365 * 24 * time.Hour

// readAnswer reads a token answer (RFC 6749 sections 5.1 and 5.2) as strict JSON, with any status, because GitHub
// reports errors with status 200. A null member counts as absent. So does expires_in, scope or refresh_token in an
// unreadable form, because a sign-in does not need it. Unknown members are ignored.
func readAnswer(body string, maxID int) (answer, error) {
	var a answer
	err := jose.Object(body, func(name, value string) (err error) {
		if value == "null" {
			return nil
		}
		switch name {
		case "access_token":
			a.tokens.Access, err = tokenOf(value, maxToken)
		case "refresh_token":
			a.tokens.Refresh, _ = tokenOf(value, maxToken)
		case "id_token":
			a.tokens.ID, err = tokenOf(value, max(maxID, maxToken))
		case "token_type":
			a.tokens.Type, err = jose.String(value)
		case "expires_in":
			a.life = lifeOf(value)
		case "scope":
			// The RFC has a string, Twitch sends a list.
			if list, err := jose.Strings(value); err == nil && len(value) <= maxToken {
				a.tokens.Scope = strings.Join(list, " ")
			}
		case "error":
			a.failure, err = jose.String(value)
		case "error_description":
			a.words, _ = jose.String(value)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
	if err != nil || a.failure != "" {
		return answer{failure: a.failure, words: a.words}, err
	}
	return a, nil
}

func tokenOf(value string, limit int) (string, error) {
	s, err := jose.String(value)
	switch { // the error must not contain the value
	case err != nil:
		return "", err
	case len(s) > limit:
		return "", fmt.Errorf("longer than %d bytes", limit)
	case !text.Printable(s):
		return "", errors.New("not printable")
	}
	return s, nil
}

// lifeOf reads expires_in: whole seconds in the RFC; some services send a fraction or text. A value that cannot be read
// counts as absent.
func lifeOf(value string) time.Duration {
	if s, err := jose.String(value); err == nil {
		value = s
	}
	if jose.Valid(value) != nil {
		return 0
	}
	t, err := jose.NumericDate(value)
	if err != nil || t.Unix() <= 0 {
		return 0
	}
	return time.Duration(min(t.Unix(), int64(maxLife/time.Second))) * time.Second
}
