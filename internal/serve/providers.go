package serve

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"strings"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/oauth"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/passkey"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/password/common8"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/password/policy"
	"github.com/posternauth/postern/password/wordlist"
)

// The types of providers, by the package that has them.
var (
	openidTypes = map[string]func(b *builder, name string, p Provider, c oidc.Config) postern.Provider{
		"apple": func(b *builder, name string, p Provider, c oidc.Config) postern.Provider {
			key, err := b.appleKey(p)
			if err != nil {
				b.problem("providers."+name+".private_key", "the secret is not the key of Apple: "+packagePrefix.ReplaceAllString(err.Error(), ""),
					"keep the content of AuthKey_"+p.KeyID+".p8, with its first and last line")
				return nil
			}
			return oidc.Apple(p.TeamID, key, c)
		},
		"cognito": func(_ *builder, _ string, p Provider, c oidc.Config) postern.Provider { return oidc.Cognito(p.Pool, c) },
		"gitlab":  func(_ *builder, _ string, _ Provider, c oidc.Config) postern.Provider { return oidc.GitLab(c) },
		"google":  func(_ *builder, _ string, _ Provider, c oidc.Config) postern.Provider { return oidc.Google(c) },
		"keycloak": func(_ *builder, _ string, p Provider, c oidc.Config) postern.Provider {
			return oidc.Keycloak(p.Server, p.Realm, c)
		},
		"microsoft": func(_ *builder, _ string, p Provider, c oidc.Config) postern.Provider {
			return oidc.Microsoft(p.Tenant, c)
		},
		"oidc":   func(_ *builder, _ string, _ Provider, c oidc.Config) postern.Provider { return oidc.New(c) },
		"slack":  func(_ *builder, _ string, _ Provider, c oidc.Config) postern.Provider { return oidc.Slack(c) },
		"twitch": func(_ *builder, _ string, _ Provider, c oidc.Config) postern.Provider { return oidc.Twitch(c) },
		"yahoo":  func(_ *builder, _ string, _ Provider, c oidc.Config) postern.Provider { return oidc.Yahoo(c) },
	}
	oauthTypes = map[string]func(oauth.Config) *oauth.Provider{
		"discord": oauth.Discord, "facebook": oauth.Facebook, "github": oauth.GitHub, "google-oauth": oauth.Google,
		"linkedin": oauth.LinkedIn, "spotify": oauth.Spotify, "x": oauth.X, "oauth": oauth.New,
	}
)

// providers makes the ways to sign in.
func (b *builder) providers() map[string]postern.Provider {
	all := map[string]postern.Provider{}
	for name, p := range b.Providers {
		made := b.provider(name, p)
		if made == nil {
			continue
		}
		if c, ok := made.(interface{ Check() error }); ok {
			if err := c.Check(); err != nil {
				b.providerProblem(name, err)
				continue
			}
		}
		all[name] = made
	}
	b.made = all
	return all
}

func (b *builder) provider(name string, p Provider) postern.Provider {
	switch p.Type {
	case "magic":
		c := magic.Config{Life: p.Life, SameBrowserOnly: p.SameBrowserOnly, PerAddress: p.PerAddress, PerClient: p.PerClient, Total: p.Total, Logger: b.Logger}
		return map[string]func(magic.Config) postern.Provider{"link": magic.Link, "code": magic.Code, "both": magic.Both}[p.Mode](c)
	case "password":
		return b.password(name, p)
	case "passkey":
		return passkey.New(passkey.Config{RPID: p.RPID, Origins: p.Origins, Hints: p.Hints, Offer: p.OfferLater})
	}
	if make, ok := openidTypes[p.Type]; ok {
		return make(b, name, p, b.openid(p))
	}
	return oauthTypes[p.Type](b.oauth(p))
}

func (b *builder) openid(p Provider) oidc.Config {
	c := oidc.Config{
		Issuer: p.Issuer, MetadataURL: p.MetadataURL, ClientID: p.ClientID, ClientSecret: b.values[p.ClientSecret.Name],
		Endpoint: oidc.Endpoint{AuthURL: p.AuthURL, TokenURL: p.TokenURL, JWKSURL: p.JWKSURL, UserInfoURL: p.UserInfoURL},
		Scopes:   p.Scopes, Prompt: p.Prompt, MaxAge: p.MaxAge, AuthParams: p.Params, Forward: p.Forward, AuthMethod: p.AuthMethod,
		Audiences: p.Audiences, UserInfo: p.UserInfo, HostedDomain: p.HostedDomain, Mark: p.Mark, Timeout: p.Timeout,
		AllowPrivate: p.AllowPrivate, AllowInsecure: p.AllowLocal, Logger: b.Logger,
	}
	for _, a := range p.Algorithms {
		c.Algorithms = append(c.Algorithms, keys.Algorithm(a))
	}
	return c
}

func (b *builder) oauth(p Provider) oauth.Config {
	c := oauth.Config{
		Issuer: p.Issuer, ClientID: p.ClientID, ClientSecret: b.values[p.ClientSecret.Name],
		Endpoint: oauth.Endpoint{AuthURL: p.AuthURL, TokenURL: p.TokenURL, UserInfoURL: p.UserInfoURL},
		Scopes:   p.Scopes, Prompt: p.Prompt, AuthParams: p.Params, Forward: p.Forward, AuthMethod: p.AuthMethod,
		Mark: p.Mark, Timeout: p.Timeout, AllowPrivate: p.AllowPrivate, AllowInsecure: p.AllowLocal,
	}
	if p.Type == "oauth" {
		c.Profile = profile(p)
	}
	return c
}

// appleKey returns the key that signs for Apple. A dry run makes one with the id of the configuration.
func (b *builder) appleKey(p Provider) (keys.SigningKey, error) {
	if b.dry {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		return keys.NewSigningKey(key, keys.ES256, p.KeyID)
	}
	return keys.ParsePrivatePEM([]byte(b.values[p.PrivateKey.Name]), keys.ES256, p.KeyID)
}

func (b *builder) password(name string, p Provider) postern.Provider {
	at := "providers." + name
	if b.hasher == nil {
		var err error
		if b.hasher, err = hash.New(hash.Config{MemoryMiB: p.MemoryMiB, Parallel: p.Parallel}); err != nil {
			b.problem(at+".memory_mib", packagePrefix.ReplaceAllString(err.Error(), ""), "give the memory of the process in MiB, at least 64")
			return nil
		}
	}
	rules := policy.Config{MinLength: p.MinLength, Names: p.RefusedWords}
	if len(rules.Names) == 0 {
		rules.Names = append(rules.Names, b.Name, b.host())
	}
	for i, file := range p.CommonPasswords {
		key := at + ".common_passwords"
		data := b.file(key, file)
		if data == nil {
			return nil
		}
		list, err := wordlist.Parse(string(data))
		if err != nil {
			b.problem(key, p.CommonPasswords[i]+" is not a list of passwords, or damaged", "make it with: postern passwords build --out "+file+" words.txt")
			return nil
		}
		rules.Lists = append(rules.Lists, list)
	}
	if p.MinLength < policy.DefaultLength {
		short, err := common8.List()
		if err != nil {
			b.problem(at+".min_length", "the list of common passwords is damaged: "+err.Error(), "install the program again")
			return nil
		}
		rules.Lists = append(rules.Lists, short)
	}
	made, err := policy.New(rules)
	if err != nil {
		b.problem(at+".min_length", packagePrefix.ReplaceAllString(err.Error(), ""), "leave it out for 15")
		return nil
	}
	return password.New(password.Config{Hasher: b.hasher, Policy: made})
}

// providerFields are the settings of the fields that errors of sign-in packages name.
var providerFields = []struct{ word, key string }{
	{"ClientSecret", "client_secret"}, {"ClientID", "client_id"}, {"MetadataURL", "metadata_url"}, {"JWKSURL", "jwks_url"}, {"UserInfoURL", "user_info_url"},
	{"AuthURL", "auth_url"}, {"TokenURL", "token_url"}, {"AuthParams", "params"}, {"AuthMethod", "auth_method"}, {"HostedDomain", "hosted_domain"},
	{"Audiences", "audiences"}, {"Algorithms", "algorithms"}, {"Scopes", "scopes"}, {"Forward", "forward"}, {"Prompt", "prompt"}, {"MaxAge", "max_age"},
	{"Mark", "mark"}, {"Timeout", "timeout"}, {"RPID", "rp_id"}, {"Origins", "origins"}, {"Hints", "hints"}, {"Life", "life"}, {"tenant", "tenant"}, {"realm", "realm"},
	{"pool", "pool"}, {"team", "team_id"}, {"Issuer", "issuer"},
}

// providerProblem notes the errors of a provider at the setting that each names.
func (b *builder) providerProblem(name string, err error) {
	for _, err := range split(err) {
		text := err.Error()
		b.problem(settingOfProvider(name, text), packagePrefix.ReplaceAllString(text, ""), "postern config docs explains the setting")
	}
}

// settingOfProvider is the setting that an error names, or the provider.
func settingOfProvider(name, text string) string {
	for _, f := range providerFields {
		if strings.Contains(text, f.word) {
			return "providers." + name + "." + f.key
		}
	}
	return "providers." + name
}

// issues reports whether a provider vouches for people with an issuer.
func (b *builder) issues(issuer string) bool {
	for name, p := range b.made {
		if v, ok := p.(interface{ Issues(string) bool }); ok && v.Issues(issuer) {
			return true
		}
		// Each directory of Microsoft has an issuer of its name.
		if b.Providers[name].Type == "microsoft" && strings.HasPrefix(issuer, "https://login.microsoftonline.") {
			return true
		}
	}
	return false
}
