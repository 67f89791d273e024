package oidc

import (
	"cmp"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/authcode"
	"github.com/posternauth/postern/internal/discovery"
	"github.com/posternauth/postern/internal/text"
	"github.com/posternauth/postern/keys"
)

// Config of a provider. Issuer, ClientID and, for all but public clients, ClientSecret are needed; a preset knows the
// Issuer.
type Config struct {
	// Issuer is the URL of the provider, character for character as its ID tokens have it in iss. Its metadata must
	// name the same issuer (OpenID Connect Discovery section 4.3).
	Issuer string

	// MetadataURL is where the metadata are, for a provider whose issuer is not the address of its document: an issuer
	// with RFC 8414 metadata only, Azure AD B2C, Oracle IDCS, or a server that is called inside a cluster.
	// Defaults to {Issuer}/.well-known/openid-configuration.
	MetadataURL string

	// Endpoint has endpoints by hand, in place of those in the metadata. With AuthURL, TokenURL and JWKSURL set no
	// metadata are read.
	// Defaults to the endpoints in the metadata.
	Endpoint Endpoint

	// ClientID and ClientSecret come from the registration of the application at the provider. A public client has
	// neither a secret nor a ClientKey.
	ClientID, ClientSecret string

	// ClientKey proves the client by a signed assertion in place of a secret: private_key_jwt (Core section 9, RFC
	// 7523). Its public part, with its kid, is registered at the provider. Use a key for one provider only.
	ClientKey keys.SigningKey

	// ClientKeyAudience is aud of the assertion. Providers with a FAPI 2.0 profile want their issuer here.
	// Defaults to the token endpoint (Core section 9).
	ClientKeyAudience string

	// Scopes asked for; "openid" must be among them.
	// Defaults to openid, email, profile.
	Scopes []string

	// Prompt is sent as it is: "none", "login", "consent", "select_account".
	// By default it is not sent.
	Prompt string

	// MaxAge is how long ago, at most, the person may have signed in at the provider: it is asked for, and checked in
	// auth_time. Whole seconds. To have them sign in again, set Prompt to "login" as well.
	// By default it is not asked for.
	MaxAge time.Duration

	// AuthParams are further parameters of the authorization request, such as {"access_type": "offline"}. Parameters
	// that the flow itself sets (state, nonce, scope, ...) are refused.
	AuthParams map[string]string

	// Forward names parameters of the request to {base}/{name}/authorize that are passed on to the provider, such as
	// "login_hint" or "ui_locales". The writer of the link chooses their values.
	// Defaults to none.
	Forward []string

	// AuthMethod is how the client proves itself at the token endpoint: "client_secret_basic", "client_secret_post",
	// "private_key_jwt" or "none". A secret is not sent to a provider whose metadata name only methods that need a key.
	// Defaults to private_key_jwt with a ClientKey; with a ClientSecret to the first of client_secret_basic and
	// client_secret_post that the metadata name; else to none.
	AuthMethod string

	// Audiences are values that aud of an ID token may have besides ClientID. An ID token for an audience that the
	// client does not trust is refused (Core section 3.1.3.7, rule 3), unless azp names this client.
	// Defaults to none.
	Audiences []string

	// MaxIDToken is the largest size of an ID token, in bytes, at most 512 KiB. ID tokens of people in very many
	// groups are large.
	// Defaults to 64 KiB.
	MaxIDToken int

	// Leeway is how far the clocks of the provider and of this machine may differ, at most 5 minutes. Negative: not
	// at all.
	// Defaults to 1 minute.
	Leeway time.Duration

	// Algorithms an ID token may be signed with. HS256 is not possible: a secret that both sides know proves nothing
	// about who signed.
	// Defaults to RS256, which every provider has (Core section 15.1).
	Algorithms []keys.Algorithm

	// UserInfo asks the UserInfo endpoint at each sign-in, and a failure of it ends the sign-in. Its sub must be that
	// of the ID token; its claims fill in what the ID token lacks. The answer may be JSON, or a JWT that the provider
	// signs.
	// Defaults to asking only for an address ("email" in Scopes) or a name ("profile") that the ID token lacks, where
	// the metadata have the endpoint; a failure is then logged, and the sign-in goes on without.
	UserInfo bool

	// HostedDomain lets in accounts of one Google Workspace only, such as "example.com", or of any with "*". It is
	// asked for, and checked in the claim hd. Google only.
	// Defaults to every account.
	HostedDomain string

	// Mark names the picture of the service beside its link on pages, such as "google": lower-case letters, digits and
	// "-", at most 32. It is Link.Mark of the page. Drawings know the services of the presets.
	// Defaults to that of the preset; none for New.
	Mark string

	// Timeout bounds all calls for one request together.
	// Defaults to 5 s.
	Timeout time.Duration

	// HTTPClient, if set, brings the transport of all calls, for a proxy or certificates of one's own. It then
	// decides which addresses may be reached; all other rules stay. Its cookie jar is not used.
	// Defaults to public addresses only.
	HTTPClient *http.Client

	// AllowPrivate lets calls go to private networks, for a provider inside a company.
	// Defaults to public addresses only.
	AllowPrivate bool

	// AllowInsecure lets the provider be on this machine, by http too. For development and tests.
	AllowInsecure bool

	// Logger logs failed calls that end no sign-in: metadata and keys that cannot be read anew, keys that are left
	// out, and UserInfo that was not asked for by UserInfo.
	//
	// Defaults to slog.Default().
	Logger *slog.Logger
}

// Endpoint has the endpoints of a provider. The URLs are https.
type Endpoint struct {
	AuthURL     string // authorization_endpoint: the browser is sent here
	TokenURL    string // token_endpoint: the code is exchanged here
	JWKSURL     string // jwks_uri: the keys that sign ID tokens
	UserInfoURL string // userinfo_endpoint
}

// byHand is true if no metadata are needed.
func (e Endpoint) byHand() bool { return e.AuthURL != "" && e.TokenURL != "" && e.JWKSURL != "" }

// over returns m with the endpoints of e where they are set.
func (e Endpoint) over(m discovery.Metadata) *discovery.Metadata {
	m.AuthURL, m.TokenURL = cmp.Or(e.AuthURL, m.AuthURL), cmp.Or(e.TokenURL, m.TokenURL)
	m.JWKS, m.UserInfo = cmp.Or(e.JWKSURL, m.JWKS), cmp.Or(e.UserInfoURL, m.UserInfo)
	return &m
}

// Bounds and defaults of a Config.
const (
	defaultLeeway  = time.Minute
	maxLeeway      = 5 * time.Minute
	defaultIDToken = 64 << 10
	maxIDToken     = 512 << 10 // of an answer of a mebibyte
	maxIssuer      = 2048
)

func (c Config) withDefaults() Config {
	if c.Scopes == nil {
		c.Scopes = []string{"openid", "email", "profile"}
	}
	if c.Algorithms == nil {
		c.Algorithms = []keys.Algorithm{keys.RS256}
	}
	if c.MaxIDToken == 0 {
		c.MaxIDToken = defaultIDToken
	}
	switch {
	case c.Leeway == 0:
		c.Leeway = defaultLeeway
	case c.Leeway < 0:
		c.Leeway = 0
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Timeout = authcode.Timeout(c.Timeout)
	return c
}

// asymmetric are the algorithms an ID token can be signed with here.
func asymmetric() []keys.Algorithm {
	return []keys.Algorithm{
		keys.RS256, keys.RS384, keys.RS512, keys.PS256, keys.PS384, keys.PS512, keys.ES256, keys.ES384, keys.ES512, keys.EdDSA,
	}
}

func algorithmOf(k keys.SigningKey) keys.Algorithm {
	if k == nil {
		return ""
	}
	return k.Public().Algorithm()
}

func (c Config) check() error {
	check := authcode.Check{Package: "oidc"}
	if c.MetadataURL == "" && !c.Endpoint.byHand() {
		check.URL("Issuer", c.Issuer, c.AllowInsecure)
		check.Add(strings.Contains(c.Issuer, "?"), "Issuer must not have a query")
	}
	// With MetadataURL or Endpoint, Issuer is compared as a name and not called.
	check.Add(c.Issuer == "" || len(c.Issuer) > maxIssuer || !text.Visible(c.Issuer), "Issuer must be 1 to %d visible characters", maxIssuer)
	for _, e := range []struct{ field, url string }{
		{"MetadataURL", c.MetadataURL}, {"Endpoint.AuthURL", c.Endpoint.AuthURL}, {"Endpoint.TokenURL", c.Endpoint.TokenURL},
		{"Endpoint.JWKSURL", c.Endpoint.JWKSURL}, {"Endpoint.UserInfoURL", c.Endpoint.UserInfoURL},
	} {
		if e.url != "" {
			check.URL(e.field, e.url, c.AllowInsecure)
		}
	}
	check.Add(c.MetadataURL != "" && c.Endpoint.byHand(), "MetadataURL is of no use: Endpoint has all that is needed")
	check.Client(c.ClientID, c.ClientSecret, c.ClientKey != nil, c.AuthMethod, c.Scopes)
	check.Add(c.ClientKey != nil && !slices.Contains(asymmetric(), algorithmOf(c.ClientKey)), "ClientKey must be a private key, not a shared secret")
	check.Add(c.ClientKeyAudience != "" && c.ClientKey == nil, "ClientKeyAudience needs a ClientKey")
	check.Add(slices.Contains(c.Audiences, ""), "Audiences has an empty value")
	check.Add(c.MaxIDToken < 0 || c.MaxIDToken > maxIDToken, "MaxIDToken must be at most %d bytes", maxIDToken)
	check.Add(c.Leeway > maxLeeway, "Leeway must be at most %v", maxLeeway)
	check.Add(!slices.Contains(c.Scopes, "openid"), `Scopes must hold "openid": without it there is no ID token`)
	check.Add(c.MaxAge < 0 || c.MaxAge%time.Second != 0, "MaxAge must be whole seconds")
	check.Add(len(c.Algorithms) == 0, "Algorithms is empty: leave it nil for RS256")
	for _, a := range c.Algorithms {
		check.Add(!slices.Contains(asymmetric(), a), "Algorithms: %q cannot be used for ID tokens", a)
	}
	check.Params(c.AuthParams, c.Forward)
	for _, own := range []struct {
		field, name string
		set         bool
	}{{"Prompt", "prompt", c.Prompt != ""}, {"MaxAge", "max_age", c.MaxAge > 0}, {"HostedDomain", "hd", c.HostedDomain != ""}} {
		_, twice := c.AuthParams[own.name]
		check.Add(own.set && twice, "%s is set twice, in AuthParams as well", own.field)
		// A rule that the writer of a link could lift would be none.
		check.Add(own.set && slices.Contains(c.Forward, own.name), "%s is set, so Forward must not name %s", own.field, own.name)
	}
	return check.Err()
}
