package authcode

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
)

// assertionLife is the lifetime of a client assertion. It is sent at once.
const assertionLife = time.Minute

// assert adds a client assertion to a token request: private_key_jwt (OpenID Connect Core section 9, RFC 7523 section
// 2.2).
func (c *Client) assert(ctx context.Context, tokenURL string, form url.Values, now time.Time) error {
	if c.Key == nil {
		return fmt.Errorf("client assertion: no key")
	}
	audience := tokenURL
	if c.KeyAudience != "" {
		audience = c.KeyAudience
	}
	signed, err := SignJWT(ctx, c.Key, "JWT", map[string]any{
		"iss": c.ID, "sub": c.ID, "aud": audience, "jti": random(), "iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	if err != nil {
		return fmt.Errorf("client assertion: %w", err)
	}
	form.Set("client_id", c.ID)
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", signed)
	return nil
}

// SignJWT returns claims as a signed token. An empty typ is left out.
func SignJWT(ctx context.Context, key keys.SigningKey, typ string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("claims: %w", err)
	}
	input := jose.SigningInput(string(key.Public().Algorithm()), key.Public().ID(), typ, payload)
	signature, err := key.Sign(ctx, input)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return jose.Compact(input, signature), nil
}
