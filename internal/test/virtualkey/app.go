package virtualkey

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"time"
)

// AppCode is the code that an authenticator app shows at a time, once it has read the address of a key (RFC 6238).
func AppCode(address string, at time.Time) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	seed, err := base32.StdEncoding.DecodeString(u.Query().Get("secret"))
	if err != nil || len(seed) == 0 {
		return "", fmt.Errorf("%q has no key of an app: %w", address, err)
	}
	mac := hmac.New(sha1.New, seed)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(at.Unix()/30)))
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1_000_000), nil
}
