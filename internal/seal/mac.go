package seal

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/posternauth/postern/keys"
)

// MAC fingerprints parts (HMAC-SHA256) under the secret that s gives for new values, as "v1.kid.tag". It is what a store
// keeps of a value that works once, instead of the value. Errors are those of s.
func MAC(ctx context.Context, s keys.Secrets, purpose string, parts ...string) (string, error) {
	secret, err := s.Secret(ctx, "")
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	tag := tag(secret, purpose, parts)
	return version + "." + secret.ID + "." + base64.RawURLEncoding.EncodeToString(tag), nil
}

// CheckMAC tells, in constant time, whether mac was made by MAC of the same purpose and parts: nil, or ErrOpen. Other
// errors as Open.
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
