package oauth

import (
	"cmp"
	"net/url"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/authcode"
)

// or fills in what a preset knows.
func (c Config) or(preset Config) Config {
	c.Issuer = cmp.Or(c.Issuer, preset.Issuer)
	c.Endpoint.AuthURL = cmp.Or(c.Endpoint.AuthURL, preset.Endpoint.AuthURL)
	c.Endpoint.TokenURL = cmp.Or(c.Endpoint.TokenURL, preset.Endpoint.TokenURL)
	c.Endpoint.UserInfoURL = cmp.Or(c.Endpoint.UserInfoURL, preset.Endpoint.UserInfoURL)
	if c.AuthMethod == "" && c.ClientSecret != "" {
		c.AuthMethod = preset.AuthMethod
	}
	if c.Scopes == nil {
		c.Scopes = preset.Scopes
	}
	return c
}

// mail is the one address of a profile, if it has a canonical form.
func mail(address string, verified bool) []postern.Address {
	if a, ok := authcode.Email(address, verified); ok {
		return []postern.Address{a}
	}
	return nil
}

// withQuery adds parameters to a URL that may have some.
func withQuery(target string, q url.Values) string {
	u, err := url.Parse(target)
	if err != nil {
		return target // refused by check
	}
	all := u.Query()
	for name, values := range q {
		all[name] = values
	}
	u.RawQuery = all.Encode()
	return u.String()
}
