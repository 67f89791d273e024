package magic

import (
	"net/url"
	"unicode/utf8"
)

const (
	maxClaims    = 20
	maxClaimName = 64  // bytes
	maxClaim     = 256 // bytes
)

// reserved reports whether a query parameter of authorize has a meaning to Postern, or is one that OAuth 2 and OpenID
// Connect clients send out of habit. Such a parameter does not become a claim.
func reserved(name string) bool {
	switch name {
	case "provider", "email", "redirect_uri", "state", "client_id", "response_type", "code_challenge", "code_challenge_method",
		"response_mode", "scope", "nonce", "prompt", "display", "max_age", "ui_locales", "id_token_hint", "login_hint",
		"acr_values", "resource", "request", "request_uri", "invitation", "postern_hint", "postern_account":
		return true
	}
	return false
}

// claims returns the other parameters of the query of authorize, as they are. The mail carries them.
func claims(query url.Values) (map[string]string, error) {
	var found map[string]string
	for name, values := range query {
		if name == "" || reserved(name) || len(values) == 0 {
			continue
		}
		value := values[0]
		if len(values) > 1 || len(found) == maxClaims || len(name) > maxClaimName || len(value) > maxClaim ||
			!utf8.ValidString(name) || !utf8.ValidString(value) {
			return nil, refusal("invalid_request", "The address of this page carries too many or too long parameters.", nil)
		}
		if found == nil {
			found = map[string]string{}
		}
		found[name] = value
	}
	return found, nil
}
