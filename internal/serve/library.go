package serve

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// settingOf are the settings of the fields that errors of the library name.
var settingOf = map[string]string{
	"Issuer": "issuer", "Audience": "audience", "ClientID": "client_id", "Origins": "origins", "Site": "site", "DevelopmentHosts": "development_hosts",
	"Redirects": "redirects", "Providers": "providers", "Order": "order", "Name": "name", "TokenClients": "token_clients", "IdentifierFirst": "identifier_first",
	"Usernames": "users.usernames", "SignUpFields": "users.fields", "TrustedProxies": "server.trusted_proxies", "ClientIPHeader": "server.client_ip_header",
	"Mail": "mail.url", "Factors": "factors", "RequireFactor": "factors.require_for_roles", "Admin": "admin.enabled", "Texts": "pages.texts", "Languages": "pages.languages",
	"Roles": "users.roles", "DefaultRoles": "users.default_roles", "Reserved": "users.reserved_names",
	"Types": "forward_auth.sst.types", "Subject": "forward_auth.sst.subject", "Until": "forward_auth.sst.until", "MaxAge": "forward_auth.sst.max_age",
	"CookieName": "forward_auth.sst.cookie",
}

var (
	namedField    = regexp.MustCompile(`Config\.([A-Z][A-Za-z]*)`)
	namedProvider = regexp.MustCompile(`provider (?:name )?"([^"]*)"`)
	packagePrefix = regexp.MustCompile(`^(?:[a-z]+: )+`)
)

// library notes the errors of a constructor of the library. key is the setting of an error that names none.
func (b *builder) library(err error, key string) {
	for _, err := range split(err) {
		text := err.Error()
		at := key
		if m := namedProvider.FindStringSubmatch(text); m != nil && b.Config.hasProvider(m[1]) {
			at = settingOfProvider(m[1], text)
		} else if m := namedField.FindStringSubmatch(text); m != nil {
			at = cmp.Or(settingOf[m[1]], key)
		}
		b.problem(cmp.Or(at, "issuer"), packagePrefix.ReplaceAllString(text, ""), "postern config docs explains the setting")
	}
}

func (c *Config) hasProvider(name string) bool {
	_, ok := c.Providers[name]
	return ok
}

// split returns the errors that errors.Join joined.
func split(err error) []error {
	var joined interface{ Unwrap() []error }
	if _, single := err.(interface{ Unwrap() error }); single || !errors.As(err, &joined) {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, split(e)...)
	}
	return all
}

// caught runs f and returns what it panicked with: constructors of kinds do that for a mistake.
func caught(f func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			text, ok := p.(string)
			if !ok {
				panic(p)
			}
			err = errors.New(text)
		}
	}()
	f()
	return nil
}

// beside returns the name of a file as seen from the configuration.
func beside(config, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(config), name)
}

// readTexts reads pages.texts.
func readTexts(data []byte, into *map[string]map[string]string) error {
	d := json.NewDecoder(strings.NewReader(string(data)))
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("the file is not JSON of texts by language and key: %v", err)
	}
	if d.More() {
		return errors.New("the file goes on after the JSON")
	}
	return nil
}
