package seal

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/posternauth/postern/keys"
)

// MAC returns the HMAC-SHA256 of parts under the current secret of s, as "v1.kid.tag". A store keeps it in place of a
// value that works once. Errors come from s.
func MAC(ctx context.Context, s keys.Secrets, purpose string, parts ...string) (string, error) {
	secret, err := s.Secret(ctx, "")
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	tag := tag(secret, purpose, parts)
	return version + "." + secret.ID + "." + base64.RawURLEncoding.EncodeToString(tag), nil
}

// CheckMAC returns nil if MAC made mac with the same purpose and parts, and else ErrOpen. It compares in constant time.
// Other errors are those of Open.
func CheckMAC(ctx context.Context, s keys.Secrets, purpose, mac string, parts ...string) error {
	kid, text, ok := cut(mac)
	if !ok {
		return ErrOpen
	}
	return CheckTag(ctx, s, kid, purpose, text, parts...)
}

func tag(secret keys.Secret, purpose string, parts []string) []byte {
	h := hmac.New(sha256.New, secret.Derive("mac/"+purpose))
	h.Write(bind(secret.ID, purpose, parts))
	return h.Sum(nil)
}
