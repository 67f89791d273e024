package doctor

import (
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxKeyCache is how long a key set may be kept: a ring publishes a key three hours before it signs.
const maxKeyCache = 3 * time.Hour

// private are the members of a JWK that are secret (RFC 7518 sections 6.2.2, 6.3.2 and 6.4).
var private = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// keys checks the key set.
func (v *visit) keys(address string) {
	v.Ran("keys-elsewhere")
	u, err := url.Parse(address)
	if err != nil || u.Scheme != v.base.Scheme || u.Host != v.base.Host || u.User != nil {
		v.find("keys-elsewhere", v.Issuer, "jwks_uri is %q", address)
		return // nor is it asked: a document could name any address
	}
	a := v.get(u.RequestURI())
	if a == nil {
		return
	}
	v.Ran("keys-missing", "keys-private", "keys-kid", "keys-weak", "keys-cache")
	var set struct {
		Keys []map[string]json.RawMessage `json:"keys"`
	}
	if a.status != http.StatusOK || a.cut || json.Unmarshal([]byte(a.body), &set) != nil || len(set.Keys) == 0 {
		v.find("keys-missing", address, "status %d, %d bytes, %d keys", a.status, len(a.body), len(set.Keys))
		return
	}
	seen := map[string]bool{}
	for i, key := range set.Keys[:min(len(set.Keys), 100)] {
		text := func(member string) (s string) {
			_ = json.Unmarshal(key[member], &s) // of another type: as if it were missing
			return s
		}
		kid := text("kid")
		if kid == "" || seen[kid] {
			v.find("keys-kid", address, "key %d has the kid %q, which is empty or that of an earlier key", i+1, kid)
		}
		seen[kid] = true
		for _, member := range private {
			if key[member] != nil {
				v.find("keys-private", address, "key %d (%s) has the member %s", i+1, kid, member)
			}
		}
		if n, err := base64.RawURLEncoding.DecodeString(text("n")); text("kty") == "RSA" && err == nil {
			if bits := new(big.Int).SetBytes(n).BitLen(); bits < 2048 {
				v.find("keys-weak", address, "key %d (%s) has %d bits", i+1, kid, bits)
			}
		}
	}
	if age := cachedFor(a.header); age > maxKeyCache {
		v.find("keys-cache", address, "Cache-Control %q and Age %q allow %s", a.header.Get("Cache-Control"), a.header.Get("Age"), age)
	}
}

// cachedFor returns how long caches may keep an answer, by max-age and s-maxage, or how long one has kept it.
func cachedFor(h http.Header) time.Duration {
	var most int
	for part := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if seconds, err := strconv.Atoi(strings.Trim(value, `"`)); err == nil && (strings.EqualFold(name, "max-age") || strings.EqualFold(name, "s-maxage")) {
			most = max(most, seconds)
		}
	}
	if seconds, err := strconv.Atoi(h.Get("Age")); err == nil {
		most = max(most, seconds)
	}
	return time.Duration(min(most, 1<<30)) * time.Second
}
