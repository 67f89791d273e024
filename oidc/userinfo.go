package oidc

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/authcode"
	"github.com/posternauth/postern/internal/discovery"
	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
)

// moreClaims fills in what the ID token lacks from the UserInfo endpoint, and returns its answer as JSON. It asks if
// Config.UserInfo is set; a failure then ends the sign-in. Otherwise it asks only for what is missing, and a failure is
// logged.
func (p *Provider) moreClaims(ctx context.Context, m *discovery.Metadata, from keys.Verifier, l authcode.Login, c *authcode.Claims) (string, error) {
	if !p.config.UserInfo && (m.UserInfo == "" || l.Tokens.Access == "" || !p.lacks(c)) {
		return "", nil
	}
	body, info, err := p.userInfo(ctx, m, from, l, c.Subject)
	switch {
	case err == nil:
		c.Fill(info)
		return body, nil
	case p.config.UserInfo:
		return "", err
	}
	p.config.Logger.WarnContext(ctx, "oidc: signing in without the claims of UserInfo", "issuer", m.Issuer, "error", err)
	return "", nil
}

// lacks is true if an address or a name was asked for and is not there.
func (p *Provider) lacks(c *authcode.Claims) bool {
	scopes := p.config.Scopes
	return slices.Contains(scopes, "email") && c.Email == "" || slices.Contains(scopes, "profile") && c.Name == "" && c.Username == ""
}

// userInfo asks the UserInfo endpoint (Core section 5.3). The answer is JSON, or a JWT for clients that are registered
// with userinfo_signed_response_alg.
func (p *Provider) userInfo(ctx context.Context, m *discovery.Metadata, from keys.Verifier, l authcode.Login, subject string) (string, authcode.Claims, error) {
	none := authcode.Claims{}
	if m.UserInfo == "" {
		return "", none, authcode.Broken(errors.New("the provider has no userinfo_endpoint: Config.UserInfo cannot be used"))
	}
	if err := authcode.BearerOnly(l.Tokens); err != nil {
		return "", none, authcode.Broken(fmt.Errorf("UserInfo cannot be asked: %w", err))
	}
	resp, err := authcode.Ask(ctx, p.client.HTTP, "UserInfo request", m.UserInfo, l.Tokens.Access, "application/json, application/jwt")
	if err != nil {
		return "", none, err
	}
	body := resp.Body
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind == "application/jwt" {
		body, err = p.openUserInfo(ctx, body, m.Issuer, from, l.Now)
		switch {
		case errors.Is(err, keys.ErrUnavailable):
			return "", none, authcode.Unavailable(err)
		case err != nil:
			return "", none, authcode.Broken(fmt.Errorf("UserInfo is a JWT: %w", err))
		}
	}
	info, err := readUserInfo(body, subject, p.quirks.textTrue)
	if err != nil {
		return "", none, authcode.Broken(err)
	}
	return body, info, nil
}

// openUserInfo checks a UserInfo answer that is a JWT and returns its payload. iss and aud are checked where they are
// there: Core section 5.3.2 recommends them and does not require them.
func (p *Provider) openUserInfo(ctx context.Context, token, issuer string, from keys.Verifier, now time.Time) (string, error) {
	if strings.Count(token, ".") == 4 {
		return "", errors.New("it is encrypted, which is not supported: register the client without userinfo_encrypted_response_alg")
	}
	t, err := jose.ParseLong(token, p.config.MaxIDToken)
	if err != nil {
		return "", err
	}
	if err := checkHeader(t, p.config.Algorithms); err != nil {
		return "", err
	}
	if _, err := keys.Verify(ctx, from, t.Kid, keys.Algorithm(t.Alg), t.Input, t.Signature); err != nil {
		return "", err
	}
	err = jose.Object(t.Payload, func(name, value string) error {
		if value == "null" {
			return nil
		}
		switch name {
		case "iss":
			if got, err := jose.String(value); err != nil || got != issuer {
				return errors.New("claim iss is not that of the provider")
			}
		case "aud":
			if ours, err := jose.Has(value, p.config.ClientID); err != nil || !ours {
				return errors.New("claim aud does not name this client")
			}
		case "exp":
			if end, err := jose.NumericDate(value); err != nil || !now.Before(end.Add(p.config.Leeway)) {
				return errors.New("claim exp has passed")
			}
		case "nonce":
			return errors.New("it has a nonce, as ID tokens have")
		}
		return nil
	})
	return t.Payload, err
}

// readUserInfo reads a UserInfo answer. Its sub must be that of the ID token, or the claims are about somebody else
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
