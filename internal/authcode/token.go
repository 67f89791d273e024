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
)

// How a client proves itself at the token endpoint (OpenID Connect Core section 9).
const (
	AuthBasic = "client_secret_basic"
	AuthPost  = "client_secret_post"
	AuthNone  = "none"
)

// exchange redeems the code (RFC 6749 section 4.1.3, RFC 7636 section 4.5). It is tried once: a code works once, and an
// answer that was lost is not brought back by asking again.
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
	if err := c.authenticate(ctx, server.AuthMethod, form, header); err != nil {
		return postern.Tokens{}, err
	}
	resp, err := fetch.PostForm(ctx, c.HTTP, server.TokenURL, form, header)
	if err != nil {
		return postern.Tokens{}, call(what, err)
	}
	if resp.Status >= 500 || resp.Status == http.StatusTooManyRequests {
		return postern.Tokens{}, Status(what, resp.Status)
	}
	a, err := readAnswer(resp.Body)
	switch {
	case err == nil && a.failure != "":
		return postern.Tokens{}, refused(a.failure)
	case resp.Status != http.StatusOK:
		return postern.Tokens{}, Status(what, resp.Status)
	case err != nil:
		return postern.Tokens{}, Broken(fmt.Errorf("%s: %w", what, err))
	}
	if c.CommaScopes {
		a.tokens.Scope = strings.ReplaceAll(a.tokens.Scope, ",", " ")
	}
	if a.life > 0 {
		a.tokens.Expires = now.Add(a.life)
	}
	return a.tokens, nil
}

func (c *Client) authenticate(ctx context.Context, method string, form url.Values, header http.Header) error {
	secret := ""
	if c.Secret != nil {
		var err error
		if secret, err = c.Secret(ctx); err != nil {
			return fmt.Errorf("client secret: %w", err)
		}
	}
	switch method {
	case AuthBasic:
		// RFC 6749 section 2.3.1: both are form-encoded before they are put together, or a colon would cut at the wrong place.
		pair := url.QueryEscape(c.ID) + ":" + url.QueryEscape(secret)
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	case AuthPost:
		form.Set("client_id", c.ID)
		form.Set("client_secret", secret)
	case AuthNone:
		form.Set("client_id", c.ID)
	default:
		return fmt.Errorf("no way for the client to prove itself: %q", method)
	}
	return nil
}

// refused is an error of the token endpoint (RFC 6749 section 5.2).
func refused(failure string) error {
	cause := fmt.Errorf("token request: the provider answered with error %q", label(failure))
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
	life    time.Duration // of the access token; 0: not said
	failure string
}

// maxToken bounds each token. Those of Microsoft, the longest known, have some 4 KiB.
const maxToken = 16 << 10

// maxLife keeps the sum with any time of this century within range.
const maxLife = 100 * 365 * 24 * time.Hour

// readAnswer reads a token answer (RFC 6749 sections 5.1 and 5.2): strict JSON, whatever the status, because GitHub
// reports errors with status 200. Members that are null count as absent; others than those named in the RFC and id_token
// are ignored.
func readAnswer(body string) (answer, error) {
	var a answer
	err := jose.Object(body, func(name, value string) (err error) {
		if value == "null" {
			return nil
		}
		switch name {
		case "access_token":
			a.tokens.Access, err = tokenOf(value)
		case "refresh_token":
			a.tokens.Refresh, err = tokenOf(value)
		case "id_token":
			a.tokens.ID, err = tokenOf(value)
		case "token_type":
			a.tokens.Type, err = jose.String(value)
		case "expires_in":
			a.life, err = lifeOf(value)
		case "scope":
			// A string by the RFC, a list at Twitch.
			var list []string
			list, err = jose.Strings(value)
			a.tokens.Scope = strings.Join(list, " ")
		case "error":
			a.failure, err = jose.String(value)
			if err == nil && a.failure == "" {
				err = errors.New("empty")
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
	switch {
	case err != nil:
		return answer{}, fmt.Errorf("token answer: %w", err)
	case a.failure != "":
		return answer{failure: a.failure}, nil
	case a.tokens.Access == "":
		return answer{}, errors.New("token answer: no access_token")
	case a.tokens.Type != "" && !strings.EqualFold(a.tokens.Type, "Bearer"):
		// RFC 6749 section 7.1: a client must not use a token whose type it does not understand.
		return answer{}, errors.New("token answer: token_type is not Bearer")
	case len(a.tokens.Scope) > maxToken:
		return answer{}, errors.New("token answer: scope is too long")
	}
	return a, nil
}

func tokenOf(value string) (string, error) {
	s, err := jose.String(value)
	if err == nil && (len(s) > maxToken || !visible(s)) {
		err = errors.New("too long, or not printable") // never the value itself
	}
	return s, err
}

// lifeOf reads expires_in: seconds, which some services write as a string.
func lifeOf(value string) (time.Duration, error) {
	if s, err := jose.String(value); err == nil {
		value = s
	}
	for _, c := range value {
		if c < '0' || c > '9' {
			return 0, errors.New("not a whole number of seconds")
		}
	}
	t, err := jose.NumericDate(value)
	if err != nil {
		return 0, err
	}
	return time.Duration(min(t.Unix(), int64(maxLife/time.Second))) * time.Second, nil
}
