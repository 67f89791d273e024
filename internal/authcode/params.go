package authcode

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/fetch"
)

// reserved are parameters of the authorization request that belong to the flow: each of them would undo a check.
func reserved(name string) bool {
	return slices.Contains([]string{
		"client_id", "client_secret", "client_assertion", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce",
		"code", "code_challenge", "code_challenge_method", "code_verifier", "request", "request_uri", "id_token_hint",
	}, name)
}

// CheckParams says whether params may be added to authorization requests and forward be passed on.
func CheckParams(params map[string]string, forward []string) error {
	for name := range params {
		if name == "" || reserved(name) {
			return fmt.Errorf("AuthParams names %q, which the flow itself sets", name)
		}
	}
	for _, name := range forward {
		if name == "" || reserved(name) {
			return fmt.Errorf("Forward names %q, which the flow itself sets", name)
		}
	}
	return nil
}

// CheckClient says whether id, secret, scopes and method can be used. An empty method means one is chosen.
func CheckClient(id, secret, method string, scopes []string) error {
	switch method {
	case "", AuthBasic, AuthPost, AuthNone:
	default:
		return fmt.Errorf("AuthMethod %q: use %q, %q or %q", method, AuthBasic, AuthPost, AuthNone)
	}
	switch {
	case id == "":
		return errors.New("ClientID is missing: the provider gives it when the application is registered")
	case (method == AuthBasic || method == AuthPost) && secret == "":
		return fmt.Errorf("AuthMethod %q needs a ClientSecret", method)
	case method == AuthNone && secret != "":
		return fmt.Errorf("AuthMethod %q has no use for a ClientSecret", method)
	case strings.TrimSpace(id) != id || strings.TrimSpace(secret) != secret:
		return errors.New("ClientID or ClientSecret begins or ends with white space: was it read from a file?")
	}
	for _, s := range scopes {
		if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '"' || r == '\\' || r >= 0x7f }) {
			return fmt.Errorf("Scopes holds %q: one scope an entry, without spaces and quotes (RFC 6749 section 3.3)", s)
		}
	}
	return nil
}

// DefaultMethod is how a client proves itself where nothing else is said.
func DefaultMethod(secret string) string {
	if secret == "" {
		return AuthNone
	}
	return AuthBasic
}

// Timeout is the bound for all calls of one request: d, or 5 s.
func Timeout(d time.Duration) time.Duration {
	if d <= 0 {
		return fetch.DefaultTimeout
	}
	return d
}
