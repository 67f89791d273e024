package serve

import "time"

// Provider is a way to sign in. Which settings it has depends on Type: `for` of a field has the types, or the groups
// openid (a provider of package oidc), oauth (one of package oauth) and service (both).
type Provider struct {
	Type  string `toml:"type" need:"always" example:"google" help:"An OpenID provider: apple, cognito, gitlab, google, keycloak, microsoft, slack, twitch, yahoo, or oidc for any other. An OAuth 2 service: discord, facebook, github, google-oauth, linkedin, spotify, x, or oauth for any other. Or magic, password, passkey."`
	Label string `toml:"label" otherwise:"the name, or the service's" example:"Company login" help:"The name of this way on pages."`

	ClientID     string            `toml:"client_id" for:"service" otherwise:"required" example:"1234.apps.example.com" help:"What the service gave when the application was registered."`
	ClientSecret Secret            `toml:"client_secret" for:"service" otherwise:"a public client" example:"secret:GOOGLE_CLIENT_SECRET" help:"The secret of the client. Required by all presets but apple, cognito and keycloak."`
	Issuer       string            `toml:"issuer" for:"oidc oauth gitlab github microsoft" otherwise:"that of the preset" example:"https://login.example.com" help:"The issuer of an OpenID provider, character for character as its tokens have it; the URL of your own GitLab or GitHub Enterprise Server; the name of an OAuth 2 service in the identities of people. It must never change."`
	Scopes       []string          `toml:"scopes" for:"service" otherwise:"those of the preset; openid, email, profile" example:"[\"openid\", \"email\"]" help:"The scopes that are asked for."`
	Prompt       string            `toml:"prompt" for:"service" otherwise:"not sent" example:"select_account" help:"The parameter prompt."`
	Params       map[string]string `toml:"params" for:"service" otherwise:"none" example:"access_type = \"offline\"" help:"More parameters of the authorization request."`
	Forward      []string          `toml:"forward" for:"service" otherwise:"none" example:"[\"login_hint\"]" help:"Parameters of a link to this provider that are passed on. The writer of the link chooses their values."`
	AuthMethod   string            `toml:"auth_method" for:"service" otherwise:"what the service asks for" example:"client_secret_post" help:"client_secret_basic, client_secret_post or none."`
	Mark         string            `toml:"mark" for:"oidc oauth" otherwise:"none" example:"google" help:"The picture beside the link, that of a preset."`
	Timeout      time.Duration     `toml:"timeout" for:"service" default:"5s" example:"10s" help:"The time for all calls of one request."`
	AllowPrivate bool              `toml:"allow_private" for:"service" default:"false" example:"true" help:"Lets calls go to private networks, for a service inside a company."`
	AllowLocal   bool              `toml:"allow_local" for:"service" default:"false" example:"true" help:"Lets the service be on this machine, by http too. Refused unless the issuer is on this machine."`

	MetadataURL  string        `toml:"metadata_url" for:"oidc" otherwise:"{issuer}/.well-known/openid-configuration" example:"https://login.example.com/.well-known/oauth-authorization-server" help:"Where the metadata of the provider are."`
	MaxAge       time.Duration `toml:"max_age" for:"openid" otherwise:"not asked for" example:"1h" help:"How long ago the person may have signed in at the provider."`
	Audiences    []string      `toml:"audiences" for:"openid" otherwise:"none" example:"[\"other-client\"]" help:"Values that aud of an ID token may have besides client_id."`
	Algorithms   []string      `toml:"algorithms" for:"openid" otherwise:"RS256, or that of the preset" example:"[\"ES256\"]" help:"The algorithms of ID tokens."`
	UserInfo     bool          `toml:"user_info" for:"openid" default:"false" example:"true" help:"Asks the UserInfo endpoint at each sign-in."`
	HostedDomain string        `toml:"hosted_domain" for:"google" otherwise:"every account" example:"example.com" help:"Lets in accounts of one Google Workspace, or of any with *."`

	Tenant     string `toml:"tenant" for:"microsoft" otherwise:"required" example:"organizations" help:"The id or a domain of a directory, organizations, consumers, or common."`
	Pool       string `toml:"pool" for:"cognito" otherwise:"required" example:"eu-central-1_AbCdEf123" help:"The id of the user pool."`
	Server     string `toml:"server" for:"keycloak" otherwise:"required" example:"https://login.example.com" help:"The URL of the server."`
	Realm      string `toml:"realm" for:"keycloak" otherwise:"required" example:"staff" help:"The realm."`
	TeamID     string `toml:"team_id" for:"apple" otherwise:"required" example:"TEAM123456" help:"The id of the team."`
	KeyID      string `toml:"key_id" for:"apple" otherwise:"required" example:"ABC123DEFG" help:"The id of the key for Sign in with Apple."`
	PrivateKey Secret `toml:"private_key" for:"apple" otherwise:"required" example:"secret:APPLE_KEY" help:"The content of AuthKey_{key_id}.p8."`

	AuthURL       string `toml:"auth_url" for:"oauth oidc github facebook" otherwise:"that of the preset or of the metadata" example:"https://music.example.com/authorize" help:"The authorization endpoint. Required for oauth."`
	TokenURL      string `toml:"token_url" for:"oauth oidc github facebook" otherwise:"that of the preset or of the metadata" example:"https://music.example.com/token" help:"The token endpoint. Required for oauth."`
	UserInfoURL   string `toml:"user_info_url" for:"oauth oidc github facebook" otherwise:"that of the preset or of the metadata" example:"https://music.example.com/me" help:"Where the profile of the person is. Required for oauth."`
	JWKSURL       string `toml:"jwks_url" for:"oidc" otherwise:"that of the metadata" example:"https://login.example.com/keys" help:"The keys of the provider."`
	Subject       string `toml:"subject" for:"oauth" default:"sub" example:"id" help:"The member of the profile that names the account for ever. user.id is the member id of the object user."`
	Email         string `toml:"email" for:"oauth" default:"email" example:"mail" help:"The member with the address."`
	EmailVerified string `toml:"email_verified" for:"oauth" otherwise:"no address is verified" example:"email_verified" help:"The member that is the boolean true if the service has verified the address. Name it only if the service documents that: a person with that address gets the account of the address."`
	FullName      string `toml:"full_name" for:"oauth" default:"name" example:"display_name" help:"The member with the name to show."`
	Picture       string `toml:"picture" for:"oauth" otherwise:"none" example:"avatar_url" help:"The member with the https URL of a picture."`

	Mode            string        `toml:"mode" for:"magic" default:"link" example:"both" help:"What a mail has: link, code, or both."`
	Life            time.Duration `toml:"life" for:"magic" default:"10m" example:"5m" help:"How long a link and a code work, from 1m to 10m."`
	SameBrowserOnly bool          `toml:"same_browser_only" for:"magic" default:"false" example:"true" help:"Refuses a link in another browser than the one that asked for it."`
	PerAddress      int           `toml:"per_address" for:"magic" default:"3" example:"5" help:"Mails to one address in an hour."`
	PerClient       int           `toml:"per_client" for:"magic" default:"20" example:"100" help:"Mails in an hour that one client address can ask for."`
	Total           int           `toml:"total" for:"magic" default:"1000" example:"5000" help:"Mails of this provider in an hour."`

	MinLength       int      `toml:"min_length" for:"password" default:"15" example:"20" help:"The least number of characters. Less than 15 is accepted only if factors.require_for_roles is [\"*\"], and 8 is the least."`
	MemoryMiB       int      `toml:"memory_mib" for:"password" default:"512" example:"1024" help:"The memory of the process in MiB, at least 64. An eighth of it is for hashes; it decides the cost of new ones (argon2id)."`
	Parallel        int      `toml:"parallel" for:"password" otherwise:"the number of processors" example:"2" help:"How many hashes run at the same time."`
	CommonPasswords []string `toml:"common_passwords" for:"password" otherwise:"the list that is built in" example:"[\"company.list\"]" help:"Files of more passwords that are refused, made by postern passwords."`
	RefusedWords    []string `toml:"refused_words" for:"password" otherwise:"name, and the host of issuer" example:"[\"example\"]" help:"Words that people would take for a password here."`

	RPID       string   `toml:"rp_id" for:"passkey" otherwise:"the host of issuer" example:"example.com" help:"The domain of the passkeys: that of the issuer or a parent. Never change it: the passkeys of people work for it alone."`
	Origins    []string `toml:"origins" for:"passkey" otherwise:"the origin of issuer" example:"[\"https://auth.example.com\"]" help:"The origins whose pages may use the passkeys."`
	Hints      []string `toml:"hints" for:"passkey" otherwise:"none" example:"[\"hybrid\"]" help:"What most people have: client-device, hybrid, security-key."`
	OfferLater bool     `toml:"offer" for:"passkey" default:"false" example:"true" help:"Offers a passkey once to people who signed in without one."`
}
