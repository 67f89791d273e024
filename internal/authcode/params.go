package authcode

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/fetch"
)

// reserved reports whether the flow itself sets the parameter of the authorization request. A change would undo a
// check.
func reserved(name string) bool {
	return slices.Contains([]string{
		"client_id", "client_secret", "client_assertion", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce",
		"code", "code_challenge", "code_challenge_method", "code_verifier", "request", "request_uri", "id_token_hint",
	}, name)
}

// A Check collects the problems of a Config.
type Check struct {
	Package string
	errs    []error
}

// Add notes a problem if wrong is true. The text begins with the name of a field.
func (c *Check) Add(wrong bool, format string, args ...any) {
	if wrong {
		c.errs = append(c.errs, fmt.Errorf("%s: Config.%w", c.Package, fmt.Errorf(format, args...)))
	}
}

// Err returns all problems in one error; nil if there are none.
func (c *Check) Err() error { return errors.Join(c.errs...) }

// URL notes an endpoint that cannot be called.
func (c *Check) URL(field, url string, loopback bool) {
	err := fetch.CheckURL(url, loopback)
	c.Add(err != nil, "%s: %w", field, err)
}

// Params notes parameters that must not be added to authorization requests or passed on to them.
func (c *Check) Params(params map[string]string, forward []string) {
	for name := range params {
		c.Add(name == "" || reserved(name), "AuthParams names %q, which the flow itself sets", name)
	}
	for _, name := range forward {
		c.Add(name == "" || reserved(name), "Forward names %q, which the flow itself sets", name)
	}
}

// Client notes an id, secret, method or scope that cannot be used. key is true if there is a ClientKey. With an empty
// method Postern chooses one.
func (c *Check) Client(id, secret string, key bool, method string, scopes []string) {
	c.Add(id == "", "ClientID is missing: the provider gives it when the application is registered")
	c.Add(strings.TrimSpace(id) != id, "ClientID begins or ends with white space: was it read from a file?")
	c.Add(strings.TrimSpace(secret) != secret, "ClientSecret begins or ends with white space: was it read from a file?")
	c.Add(secret != "" && key, "ClientSecret and ClientKey are both set: one proves the client")
	switch method {
	case "":
	case AuthKey:
		c.Add(!key, "AuthMethod %q needs a ClientKey", method)
	case AuthBasic, AuthPost:
		c.Add(secret == "", "AuthMethod %q needs a ClientSecret", method)
	case AuthNone:
		c.Add(secret != "" || key, "AuthMethod %q has no use for a ClientSecret or ClientKey", method)
	default:
		c.Add(true, "AuthMethod %q is not supported: use %q, %q, %q or %q", method, AuthBasic, AuthPost, AuthKey, AuthNone)
	}
	for _, s := range scopes {
		c.Add(s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '"' || r == '\\' || r >= 0x7f }),
			"Scopes holds %q: one scope an entry, without spaces and quotes (RFC 6749 section 3.3)", s)
	}
}

// DefaultMethod returns the client authentication if neither the Config nor the metadata names one.
func DefaultMethod(secret string) string {
	if secret == "" {
		return AuthNone
	}
	return AuthBasic
}

// Timeout returns the time for all calls of one request: d, or 5 seconds if d is not positive.
func Timeout(d time.Duration) time.Duration {
	if d <= 0 {
		return fetch.DefaultTimeout
	}
	return d
}
