package seal

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
)

// Tag returns the HMAC-SHA256 of parts under the secret named kid, in base64url. It is the same at every call. The
// error is ErrOpen if there is no such secret; other errors come from s.
func Tag(ctx context.Context, s keys.Secrets, kid, purpose string, parts ...string) (string, error) {
	secret, err := find(ctx, s, kid)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(tag(secret, purpose, parts)), nil
}

// CheckTag returns nil if text is the Tag of the same kid, purpose and parts, and else ErrOpen. It compares in constant
// time. Other errors come from s.
func CheckTag(ctx context.Context, s keys.Secrets, kid, purpose, text string, parts ...string) error {
	if len(text) != base64.RawURLEncoding.EncodedLen(sha256.Size) {
		return ErrOpen
	}
	got, ok := jose.DecodeBase64(make([]byte, 0, sha256.Size), text)
	if !ok {
		return ErrOpen
	}
	secret, err := find(ctx, s, kid)
	if err != nil {
		return err
	}
	if !hmac.Equal(tag(secret, purpose, parts), got) {
		return ErrOpen
	}
	return nil
}
