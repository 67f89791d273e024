package serve

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// providerTypes are all types of providers.
func providerTypes() []string {
	all := []string{"magic", "passkey", "password"}
	all = slices.AppendSeq(all, maps.Keys(openidTypes))
	all = slices.AppendSeq(all, maps.Keys(oauthTypes))
	slices.Sort(all)
	return all
}

// groups are what the tag `for` may name for a type.
func groups(kind string) []string {
	all := []string{kind}
	if _, ok := openidTypes[kind]; ok {
		all = append(all, "openid", "service")
	}
	if _, ok := oauthTypes[kind]; ok {
		all = append(all, "service")
	}
	return all
}

// belongs reports whether a setting is for a type of provider.
func belongs(f reflect.StructField, kind string) bool {
	for _, g := range strings.Fields(f.Tag.Get("for")) {
		if slices.Contains(groups(kind), g) {
			return true
		}
	}
	return f.Tag.Get("for") == ""
}

// required are the settings that a type needs.
func required(kind string) []string {
	all := map[string][]string{
		"apple": {"team_id", "key_id", "private_key"}, "cognito": {"pool"}, "keycloak": {"server", "realm"}, "microsoft": {"tenant", "client_secret"},
		"oidc": {"issuer"}, "oauth": {"issuer", "auth_url", "token_url", "user_info_url"},
	}[kind]
	if slices.Contains(groups(kind), "service") {
		all = append([]string{"client_id"}, all...)
		if !slices.Contains([]string{"apple", "cognito", "keycloak", "oidc", "oauth", "microsoft"}, kind) {
			all = append(all, "client_secret")
		}
	}
	return all
}

func (k *checker) checkProvider(name string, p Provider) {
	at := "providers." + name
	key := func(setting string) string { return at + "." + setting }
	if bad := len(name) > 32 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.HasPrefix(name, "-"); bad {
		k.bad(at, "is no name of a provider", "use a lower-case letter or digit, then up to 31 of a-z, 0-9 and -")
	}
	if p.Type == "" || !k.oneOf(key("type"), p.Type, providerTypes()...) {
		return
	}
	v := reflect.ValueOf(p)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		setting := f.Tag.Get("toml")
		_, written := k.lines[key(setting)]
		if written && !belongs(f, p.Type) {
			k.bad(key(setting), "is no setting of the type "+p.Type, "remove it; it is for: "+f.Tag.Get("for"))
		}
		if v.Field(i).IsZero() && slices.Contains(required(p.Type), setting) {
			k.bad(key(setting), "is missing, and is required for the type "+p.Type, "set it, for example: "+setting+" = "+quoted(f.Type, f.Tag.Get("example")))
		}
	}
	local := p.AllowLocal && k.local
	if p.AllowLocal && !k.local {
		k.bad(key("allow_local"), "is for an issuer on this machine: a request could be led to services that only this machine reaches", "remove it")
	}
	for setting, value := range map[string]string{"issuer": p.Issuer, "server": p.Server, "metadata_url": p.MetadataURL, "auth_url": p.AuthURL, "token_url": p.TokenURL,
		"user_info_url": p.UserInfoURL, "jwks_url": p.JWKSURL} {
		k.httpsURL(key(setting), value, local)
	}
	k.oneOf(key("auth_method"), p.AuthMethod, "client_secret_basic", "client_secret_post", "none")
	k.oneOf(key("mode"), p.Mode, "link", "code", "both")
	for i, a := range p.Algorithms {
		k.oneOf(fmt.Sprintf("%s[%d]", key("algorithms"), i), a, algorithms...)
	}
	for i, h := range p.Hints {
		k.oneOf(fmt.Sprintf("%s[%d]", key("hints"), i), h, "client-device", "hybrid", "security-key")
	}
	k.between(key("life"), p.Life, time.Minute, 10*time.Minute)
	k.between(key("timeout"), p.Timeout, time.Second, 30*time.Second)
	for setting, n := range map[string]int{"per_address": p.PerAddress, "per_client": p.PerClient, "total": p.Total} {
		if n < 1 || n > 1_000_000 {
			k.bad(key(setting), "is out of range", "give 1 to 1000000")
		}
	}
	switch {
	case p.MinLength < 8 || p.MinLength > 256:
		k.bad(key("min_length"), "is out of range", "give 8 to 256, or remove it for 15")
	case p.MinLength < 15 && !slices.Contains(k.Factors.RequireForRoles, everybody):
		k.bad(key("min_length"), "less than 15 characters are too few for a password that stands alone (NIST SP 800-63B-4)",
			`remove it, or demand a second factor of everybody: factors.require_for_roles = ["*"]`)
	}
	if p.MemoryMiB < 64 || p.MemoryMiB > 1<<20 {
		k.bad(key("memory_mib"), "is out of range", "give the memory of the process in MiB, at least 64")
	}
	if p.Parallel < 0 || p.Parallel > 1024 {
		k.bad(key("parallel"), "is out of range", "give 1 to 1024, or remove it")
	}
}

// checkProviders checks what the providers are together.
func (k *checker) checkProviders() {
	names := slices.Sorted(maps.Keys(k.Providers))
	if len(names) == 0 {
		return // reported
	}
	single, issuers := map[string]string{}, map[string]string{}
	for _, name := range names {
		p := k.Providers[name]
		if p.Type == "password" || p.Type == "passkey" {
			if first, twice := single[p.Type]; twice {
				k.bad("providers."+name+".type", fmt.Sprintf("there is a provider of the type %s already: %s", p.Type, first), "remove one")
			}
			single[p.Type] = name
		}
		// Two services under one issuer would share accounts: a subject of one is another person at the other.
		if issuer := vouches(p); issuer != "" {
			if first, twice := issuers[issuer]; twice && (p.Type == "oauth" || k.Providers[first].Type == "oauth") {
				k.bad("providers."+name+".issuer", fmt.Sprintf("is the issuer of the provider %s: an account of one service would open that of somebody else", first), "give each service an issuer")
			}
			issuers[issuer] = name
		}
	}
	for i, name := range k.Order {
		key := fmt.Sprintf("order[%d]", i)
		if !k.hasProvider(name) {
			k.bad(key, fmt.Sprintf("there is no provider %.60q", name), "write one of: "+strings.Join(names, ", "))
		} else if slices.Contains(k.Order[:i], name) {
			k.bad(key, fmt.Sprintf("%.60q is there twice", name), "remove one")
		}
	}
	typed := k.has("password") || k.has("magic")
	if k.IdentifierFirst && !typed {
		k.bad("identifier_first", "asks for an address, and no provider takes one", "add a provider of the type password or magic, or remove it")
	}
	if k.Users.Usernames && !k.has("password") && !k.has("passkey") {
		k.bad("users.usernames", "needs a provider of the type password or passkey: a username alone proves nothing", "add one, or remove it")
	}
}

// vouches returns the issuer of the identities of a provider, where the file or the preset has one.
func vouches(p Provider) string {
	if p.Issuer != "" {
		return p.Issuer
	}
	return map[string]string{"google": "https://accounts.google.com", "google-oauth": "https://accounts.google.com", "github": "https://github.com", "gitlab": "https://gitlab.com",
		"apple": "https://appleid.apple.com", "linkedin": "https://www.linkedin.com/oauth", "slack": "https://slack.com", "discord": "https://discord.com",
		"facebook": "https://www.facebook.com", "twitch": "https://id.twitch.tv/oauth2", "yahoo": "https://api.login.yahoo.com", "spotify": "https://accounts.spotify.com", "x": "https://x.com"}[p.Type]
}
