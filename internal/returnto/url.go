package returnto

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"

	"github.com/posternauth/postern/internal/text"
)

// URL is the URL that r leads to: its target, then params, which are names and values in turn, then the state of the
// application (RFC 6749 section 4.1.2). The target's own query and fragment stay as they are, byte for byte. Only
// parameters with the names of answers are taken out of it: the target must not bring a code, token or state that did
// not come from this sign-in.
func URL(r Return, params ...string) (string, error) {
	if r.IsZero() {
		return "", errors.New("the Return is empty: pass on SignIn.Return as it came")
	}
	if u, err := url.Parse(r.target); err != nil || u.Scheme == "" || !text.Visible(r.target) {
		return "", errors.New("the target of the Return is not an absolute URL")
	}
	if r.state != "" {
		params = append(params[:len(params):len(params)], "state", r.state)
	}
	rest, fragment, hasFragment := strings.Cut(r.target, "#")
	location, query, _ := strings.Cut(rest, "?")
	var parts []string
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); part == "" || err == nil && isAnswer(plain) {
			continue
		}
		parts = append(parts, part)
	}
	for i := 0; i < len(params); i += 2 {
		parts = append(parts, params[i]+"="+url.QueryEscape(params[i+1]))
	}
	if len(parts) > 0 {
		location += "?" + strings.Join(parts, "&")
	}
	if hasFragment {
		location += "#" + fragment
	}
	return location, nil
}

// isAnswer reports whether an application takes a parameter of that name for the answer of a sign-in.
func isAnswer(name string) bool {
	switch name {
	case "code", "state", "iss", "token", "error", "error_description":
		return true
	}
	return false
}

// IsChallenge reports whether s is an S256 code challenge: base64url of 32 bytes, without padding and with the unused
// last two bits zero (RFC 7636 section 4.2, RFC 4648 section 3.5). No verifier fits another spelling.
func IsChallenge(s string) bool {
	sum, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(sum) == sha256.Size && len(s) == base64.RawURLEncoding.EncodedLen(sha256.Size)
}
