package oidc

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/authcode"
	"github.com/posternauth/postern/keys"
)

// Config of a provider. Issuer, ClientID and, but for public clients, ClientSecret are needed; a preset knows the Issuer.
type Config struct {
	// Issuer is the URL of the provider, exactly as its ID tokens say it in iss. Its metadata are read from
	// {Issuer}/.well-known/openid-configuration and must say the same.
	Issuer string

	// ClientID and ClientSecret are what the provider gave when the application was registered. A public client has no secret.
	ClientID, ClientSecret string

	// Scopes asked for; "openid" must be among them. Default: openid, email, profile.
	Scopes []string

	// Prompt is sent as it is: "none", "login", "consent", "select_account". Default: not sent.
	Prompt string

	// MaxAge is how long ago, at most, the person may have signed in at the provider: it is asked for, and checked in
	// auth_time. Whole seconds. Default: not asked for. To have them sign in again, set Prompt to "login" as well.
	MaxAge time.Duration

	// AuthParams are further parameters of the authorization request, such as {"access_type": "offline"}. Those the flow
	// itself sets (state, nonce, scope, ...) are refused.
	AuthParams map[string]string

	// Forward names parameters of the request to {base}/{name}/authorize that are passed on to the provider, such as
	// "login_hint" or "ui_locales". Whoever writes the link chooses their values. Default: none.
	Forward []string

	// AuthMethod is how the client proves itself at the token endpoint: "client_secret_basic", "client_secret_post" or
	// "none". Default: the first of these that the metadata name; none without a ClientSecret.
	AuthMethod string

	// Algorithms an ID token may be signed with. Default: RS256, which every provider has (Core section 15.1).
	// HS256 is not possible: a secret that both sides know proves nothing about who signed.
	Algorithms []keys.Algorithm

	// UserInfo asks the UserInfo endpoint as well, for providers that put little into the ID token. Its sub must be that
	// of the ID token. Its claims fill in what the ID token lacks. Default: not asked, one call less.
	UserInfo bool

	// HostedDomain lets in accounts of one Google Workspace only, such as "example.com", or of any with "*". It is asked
	// for, and checked in the claim hd. Google only. Default: every account.
	HostedDomain string

	// Timeout bounds all calls for one request together. Default: 5 s.
	Timeout time.Duration

	// HTTPClient, if set, brings the transport of all calls, for a proxy or certificates of one's own. It then decides
	// which addresses may be reached; all other rules stay. Its cookie jar is not used. Default: public addresses only.
	HTTPClient *http.Client

	// AllowPrivate lets calls go to private networks, for a provider inside a company. Default: public addresses only.
	AllowPrivate bool

	// AllowInsecure lets the provider be on this machine, by http too. For development and tests.
	AllowInsecure bool

	// Logger hears when old metadata or keys serve because new ones cannot be had. Default: nothing is logged.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Scopes == nil {
		c.Scopes = []string{"openid", "email", "profile"}
	}
	if c.Algorithms == nil {
		c.Algorithms = []keys.Algorithm{keys.RS256}
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

func (c Config) check() error {
	check := authcode.Check{Package: "oidc"}
	check.URL("Issuer", c.Issuer, c.AllowInsecure)
	check.Add(strings.Contains(c.Issuer, "?"), "Issuer must not have a query")
	check.Client(c.ClientID, c.ClientSecret, c.AuthMethod, c.Scopes)
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
