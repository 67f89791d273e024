package discovery

import (
	"fmt"
	"slices"
	"strings"

	"github.com/posternauth/postern/internal/fetch"
	"github.com/posternauth/postern/internal/jose"
)

// Metadata has the members of a discovery document that Postern uses (OpenID Connect Discovery 1.0 section 3).
type Metadata struct {
	Issuer   string // as in the document
	AuthURL  string // authorization_endpoint
	TokenURL string // token_endpoint
	UserInfo string // userinfo_endpoint; empty if there is none
	JWKS     string // jwks_uri
	// IssParameter: the answer at the callback always has iss (RFC 9207 section 3).
	IssParameter bool
	// AuthMethods are the token_endpoint_auth_methods_supported; nil if the document has none.
	AuthMethods []string
	// RequirePAR: authorization requests must be pushed (RFC 9126 section 5).
	RequirePAR bool
	// RequireSigned: authorization requests must be signed (RFC 9101 section 10.5).
	RequireSigned bool
}

// Parse reads a discovery document. Its issuer must equal the configured one, character for character (Discovery
// section 4.3), or issuerOK must accept it if issuerOK is set. All endpoints must be https, or http on this machine if
// loopback is set. Other members are ignored, but the whole text must be strict JSON.
func Parse(doc, issuer string, issuerOK func(string) bool, loopback bool) (*Metadata, error) {
	return parse(doc, issuer, issuerOK, loopback, false)
}

// ParseKeys reads only the issuer and the address of its keys from a discovery document. Issuers without sign-in, such
// as build systems and clusters, have no other endpoints. The rules are those of Parse; only Issuer and JWKS are set.
func ParseKeys(doc, issuer string, loopback bool) (*Metadata, error) {
	return parse(doc, issuer, nil, loopback, true)
}

func parse(doc, issuer string, issuerOK func(string) bool, loopback, keysOnly bool) (*Metadata, error) {
	m := &Metadata{}
	err := jose.Object(doc, func(name, value string) (err error) {
		if value == "null" || keysOnly && name != "issuer" && name != "jwks_uri" { // null counts as absent
			return nil
		}
		switch name {
		case "issuer":
			m.Issuer, err = jose.String(value)
		case "authorization_endpoint":
			m.AuthURL, err = jose.String(value)
		case "token_endpoint":
			m.TokenURL, err = jose.String(value)
		case "jwks_uri":
			m.JWKS, err = jose.String(value)
		case "userinfo_endpoint":
			m.UserInfo, err = jose.String(value)
		case "authorization_response_iss_parameter_supported":
			m.IssParameter, err = jose.Bool(value)
		case "require_pushed_authorization_requests":
			m.RequirePAR, err = jose.Bool(value)
		case "require_signed_request_object":
			m.RequireSigned, err = jose.Bool(value)
		case "token_endpoint_auth_methods_supported":
			m.AuthMethods, err = jose.Strings(value)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMetadata, err)
	}
	if issuerOK == nil {
		issuerOK = func(got string) bool { return got == issuer }
	}
	if !issuerOK(m.Issuer) {
		return nil, fmt.Errorf("%w: the document names the issuer %q, configured is %q", ErrMetadata, clip(m.Issuer), issuer)
	}
	for _, e := range []struct{ name, url string }{
		{"authorization_endpoint", m.AuthURL}, {"token_endpoint", m.TokenURL}, {"jwks_uri", m.JWKS}, {"userinfo_endpoint", m.UserInfo},
	} {
		if e.url == "" && e.name == "userinfo_endpoint" || keysOnly && e.name != "jwks_uri" {
			continue
		}
		if err := fetch.CheckURL(e.url, loopback); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrMetadata, e.name, err)
		}
	}
	// Copies, because a substring would keep the whole document, up to a mebibyte, in memory.
	for _, s := range []*string{&m.Issuer, &m.AuthURL, &m.TokenURL, &m.UserInfo, &m.JWKS} {
		*s = strings.Clone(*s)
	}
	m.AuthMethods = slices.Clone(m.AuthMethods)
	for i := range m.AuthMethods {
		m.AuthMethods[i] = strings.Clone(m.AuthMethods[i])
	}
	return m, nil
}

// clip shortens a text of a document for an error.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}

// URL returns the address of the discovery document of an issuer (Discovery section 4.1).
func URL(issuer string) string {
	return strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
}
