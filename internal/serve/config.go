package serve

import "time"

// Config is a configuration file after Parse. The tags of a field are its reference: `help` is the meaning, `default`
// the value of a file without the setting, `otherwise` the same in words, `example` a value, `need:"always"` marks a
// required setting, and `for` the types of providers that have it.
type Config struct {
	Issuer           string    `toml:"issuer" need:"always" example:"https://auth.example.com/auth" help:"The URL under which browsers reach this server: the start of every link, and iss of every token. https, without a trailing slash. http is for names of this machine only. Never change it later: tokens and users belong to it."`
	Audience         string    `toml:"audience" need:"always" example:"https://api.example.com" help:"The API that the sessions are for: aud of every token."`
	ClientID         string    `toml:"client_id" otherwise:"audience" example:"web" help:"client_id of tokens, and the only one that an application may send."`
	Name             string    `toml:"name" otherwise:"the host of issuer" example:"Example Shop" help:"The name of the application on pages and in mails."`
	Redirects        []string  `toml:"redirects" need:"always" example:"[\"https://app.example.com/\"]" help:"The addresses where a sign-in may lead, compared character for character; the first is for requests that name none. An https URL with a path, a path on the host of the issuer, http on this machine, or the scheme of a native app. There are no wildcards."`
	Origins          []string  `toml:"origins" otherwise:"the origin of issuer alone" example:"[\"https://app.example.com\"]" help:"Origins of your front ends, as a browser sends them. Their pages may call this server with cookies and begin a sign-in with JSON. List nothing else."`
	Site             string    `toml:"site" example:"example.com" help:"The registered domain that the issuer and all origins have in common. Cookies are then SameSite=Lax for hosts beside each other, such as auth.example.com and app.example.com. Common public suffixes such as co.uk and github.io are refused, but not all of publicsuffix.org: write a domain that you registered."`
	CrossSite        bool      `toml:"cross_site_cookies" default:"false" example:"true" help:"Accepts origins of another site than the issuer's. Cookies become SameSite=None, and browsers that block cookies of third parties do not send them."`
	RequirePKCE      bool      `toml:"require_pkce" default:"false" example:"true" help:"Refuses a sign-in without a PKCE challenge (RFC 7636), so that every session is delivered by a one-time code. Without it, a request with a challenge gets a code, and one without gets cookies."`
	TokenClients     []string  `toml:"token_clients" otherwise:"none" example:"[\"cli\"]" help:"Values of client_id whose sign-ins are answered with the tokens in the body: for clients that are not browsers."`
	Order            []string  `toml:"order" otherwise:"by name" example:"[\"google\", \"link\"]" help:"Names of providers that are shown first."`
	IdentifierFirst  bool      `toml:"identifier_first" default:"false" example:"true" help:"Asks for the address on a page before the ways to sign in."`
	NotBefore        time.Time `toml:"not_before" otherwise:"refuses nothing" example:"2026-11-30T00:00:00Z" help:"Refuses every token and session issued earlier. Set it after a backup was restored or a key was lost. A time in the future is refused."`
	DevelopmentHosts []string  `toml:"development_hosts" otherwise:"none" example:"[\"web\"]" help:"Names besides localhost that may be http, such as those of docker compose. Refused if issuer is https."`

	Server      Server              `toml:"server" help:"Listeners and proxies. A function has none: its platform brings them."`
	Secrets     Secrets             `toml:"secrets" help:"Where values written as secret:NAME are kept."`
	Store       Store               `toml:"store" help:"The database of sessions and users."`
	Keys        Keys                `toml:"keys" help:"The keys that sign tokens, and the master secrets."`
	Session     Session             `toml:"session" help:"The sessions of people."`
	Users       Users               `toml:"users" help:"The people, what they may do, and who may sign up."`
	Providers   map[string]Provider `toml:"providers" need:"always" help:"The ways to sign in. NAME is part of their URLs and of what is registered at a service, {issuer}/NAME/callback: do not change it later."`
	Factors     Factors             `toml:"factors" help:"What is asked for after a first proof. A passkey provider is a factor too."`
	Mail        Mail                `toml:"mail" help:"The mail server. Required where a provider or a second factor sends mail: magic, password, and every notice about an account."`
	Pages       Pages               `toml:"pages" help:"The design and the languages of pages and mails."`
	Admin       Admin               `toml:"admin" help:"The administration at {issuer}/admin: a console and a JSON API. Its administrators sign in like everybody, by another kind of session with another cookie, and prove again who they are before each change."`
	ForwardAuth ForwardAuth         `toml:"forward_auth" help:"An endpoint for reverse proxies that ask before they pass a request on: {issuer}/verify."`
	Audit       Audit               `toml:"audit" help:"Where the events of an audit log go. Several may be set."`
	Log         Log                 `toml:"log" help:"The log on standard error."`

	file      string
	lines     map[string]int // of the keys that the file has
	variables variables
	problems  problems // that Parse found
}

// Server has the listeners of `postern serve`.
type Server struct {
	Listen         string        `toml:"listen" default:"127.0.0.1:8080" example:":8080" help:"The address of the public listener: HOST:PORT, unix:PATH, unix:PATH?mode=0600 (0660 without it), or systemd:NAME for a socket unit. TLS ends at the proxy in front."`
	LocalListen    string        `toml:"local_listen" default:"127.0.0.1:8081" example:"unix:/run/postern/local" help:"The address of the second listener, with health, metrics and profiles: of this machine, or unix:PATH. off: none."`
	LocalPublic    bool          `toml:"local_public" default:"false" example:"true" help:"Accepts a local_listen that other machines reach. Everybody who reaches it reads metrics and profiles, so a network of yours must guard it."`
	PProf          bool          `toml:"pprof" default:"false" example:"true" help:"Serves the profiles of net/http/pprof on the second listener."`
	TrustedProxies []string      `toml:"trusted_proxies" otherwise:"none: the address of the peer counts" example:"[\"10.0.0.0/8\"]" help:"Networks of the proxies in front of this server, /8 or longer for IPv4, and /16 or longer for IPv6 that is not private. Set it together with client_ip_header."`
	ClientIPHeader string        `toml:"client_ip_header" otherwise:"none" example:"X-Forwarded-For" help:"The header in which a trusted proxy sends the address of the client: X-Forwarded-For, or one that holds one address. Forwarded (RFC 7239) is not understood. Without it, all people behind a proxy share one limit."`
	Drain          time.Duration `toml:"drain" default:"0s" example:"10s" help:"How long new requests are still served after the signal to stop, while /readyz is 503, so that a balancer stops sending them. Set it behind Kubernetes or a balancer that asks /readyz: one interval of its checks times the failures it waits for, and some seconds. The grace period of the platform must be longer than drain and shutdown."`
	Shutdown       time.Duration `toml:"shutdown" default:"10s" example:"30s" help:"How long requests in progress may take when the server stops."`
}

// Secrets says where secrets are.
type Secrets struct {
	App       string   `toml:"app" default:"postern" example:"shop" help:"The application whose secrets these are."`
	Stage     string   `toml:"stage" default:"prod" example:"pr-7" help:"The stage. prod and production, and what goes on after a hyphen such as prod-eu, never use values of the fallback stage, and neither do keys.seal and audit.file_key in any stage."`
	Sources   []string `toml:"sources" default:"env" example:"[\"env\", \"ssm\"]" help:"Where a secret is looked up, in this order. env: the variable NAME, the file that NAME_FILE names, or the file NAME in $CREDENTIALS_DIRECTORY. ssm and secretsmanager: AWS. sealed:FOLDER: the file of postern secrets, for development."`
	Prefix    string   `toml:"prefix" otherwise:"that of the source" example:"/sst" help:"The first part of the paths in ssm and secretsmanager."`
	Plain     bool     `toml:"plain" default:"false" example:"true" help:"Accepts values in ssm and secretsmanager that Postern did not write, such as those of SST."`
	Protected []string `toml:"protected" otherwise:"prod and production" example:"[\"live\"]" help:"Stages, besides prod and production, that never use a value of the fallback stage."`
}

// Store is the database.
type Store struct {
	URL     Location `toml:"url" need:"always" example:"postgres://postern@db.internal/postern" help:"sqlite:FILE, postgres://..., redis://..., rediss://..., dynamodb:TABLE, or memory for tests on this machine. A password does not stand in the file: write secret:NAME, and the whole URL is the secret."`
	Migrate bool     `toml:"migrate" default:"false" example:"true" help:"Makes or upgrades the tables of a SQL store at the start. Without it, postern migrate does, and the user of the server needs no right to change tables."`
}

// Keys of the issuer.
type Keys struct {
	Vault     string        `toml:"vault" default:"store" example:"ssm:/shop/prod/auth/keys" help:"Where the keys are kept: store (in the database), file:PATH, ssm:PATH, secrets-manager:NAME, or memory for tests on this machine."`
	Ring      string        `toml:"ring" default:"main" example:"main" help:"The name of the ring in the store. A file has one ring."`
	Seal      string        `toml:"seal" otherwise:"none: ssm and secrets-manager encrypt by themselves" example:"secret:POSTERN_VAULT_KEY" help:"What the keys are sealed with: secret:NAME (32 bytes in base64) or kms:ARN. Required for store and file."`
	Algorithm string        `toml:"algorithm" default:"RS256" example:"ES256" help:"The algorithm of new keys: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 or EdDSA. RS256 is what every gateway accepts."`
	Rotate    time.Duration `toml:"rotate" default:"30d" example:"90d" help:"How old the newest key may become before another one is made. 0: keys are rotated by postern keys rotate or by a schedule."`
	Signers   []Signer      `toml:"signers" otherwise:"none" help:"Keys of AWS KMS that sign the tokens, so that no process and no vault has their private keys; one [[keys.signers]] for each. The one with the latest from that has come signs, and all are published. The ring stays, with the master secrets. Before the first of them begins the ring signs; the keys of the ring verify until the last token that they signed is dead, and never where a key of KMS has no from."`
}

// Signer is a key of KMS.
type Signer struct {
	Key       string    `toml:"key" need:"always" example:"kms:arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab" help:"kms:ARN of an asymmetric key to sign and verify. An alias is refused, because it can be moved to another key."`
	PublicKey string    `toml:"public_key" need:"always" example:"signer.pem" help:"Its public key in PEM: a file beside the configuration, or the text itself. If KMS has another one under the ARN, the server does not start."`
	Algorithm string    `toml:"algorithm" otherwise:"RS256 for RSA; for a curve ES256, ES384 or ES512" example:"PS256" help:"The one algorithm of its tokens: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or ES512."`
	From      time.Time `toml:"from" otherwise:"from the beginning" example:"2026-12-01T06:00:00Z" help:"When it begins to sign. It is published before, so leave at least three hours after the start of all servers with this entry: caches of the public keys then have it. One entry may have none."`
}

// Session is the kind of session of people.
type Session struct {
	Kind        string        `toml:"kind" default:"user" example:"member" help:"The claim type of tokens: a lower-case letter, then up to 31 of a-z, 0-9, _ and -."`
	Access      time.Duration `toml:"access" default:"5m" example:"10m" help:"How long an access token lives. A session that has ended still works for that long where nothing asks the store."`
	Idle        time.Duration `toml:"idle" default:"7d" example:"30d" help:"How long a session lives after its last use, from 3m to 90d, and at most absolute."`
	Absolute    time.Duration `toml:"absolute" default:"30d" example:"90d" help:"The longest life of a session, from 3m to 400d."`
	MaxSessions int           `toml:"max_sessions" default:"100" example:"10" help:"How many sessions a person may have at the same time, from 1 to 1000. One more ends the one that was not used for longest."`
	CheckStore  bool          `toml:"check_store" default:"false" example:"true" help:"Asks the store at each request of this server's own routes, so that an ended session is refused at once."`
	Cookie      string        `toml:"cookie" otherwise:"__Host- and a hash of issuer and kind" example:"__Host-session" help:"The name of the cookie of the access token. That of the refresh token has -refresh behind it."`
	Claims      []string      `toml:"claims" otherwise:"none: sub, roles and scope are in every token" example:"[\"email\", \"name\"]" help:"What a token says of the person besides sub, roles and scope, in the claim properties: email (a verified address), name, username, locale, picture, data (what the application keeps of the user). A token may be read by everybody who holds it."`
}

// Users are the people.
type Users struct {
	Roles         map[string][]string `toml:"roles" otherwise:"none" example:"editor = [\"posts:read\", \"posts:write\"]" help:"Roles and the scopes of each. Tokens have the roles and the scopes of the person."`
	DefaultRoles  []string            `toml:"default_roles" otherwise:"none" example:"[\"reader\"]" help:"Roles of everybody who signs up, besides those of their invitation."`
	Admit         string              `toml:"admit" default:"providers" example:"invited" help:"Who may sign up. open: everybody. invited: with an invitation. domains: with a verified address at one of domains, or an invitation. closed: nobody. providers: whom a provider such as Google names, or an invitation; forms open no account."`
	Domains       []string            `toml:"domains" otherwise:"none" example:"[\"example.com\"]" help:"The domains of admit = \"domains\". A domain does not include those below it."`
	Usernames     bool                `toml:"usernames" default:"false" example:"true" help:"Lets people have a username, and sign up with one and without a mail address. Nobody can reset their password."`
	ReservedNames []string            `toml:"reserved_names" otherwise:"admin, support, root and the like" example:"[\"example\"]" help:"More usernames that nobody may take."`
	Fields        []Field             `toml:"fields" otherwise:"none" help:"What is asked for at a sign-up besides the address, one [[users.fields]] for each."`
}

// Field of the sign-up.
type Field struct {
	Name         string `toml:"name" need:"always" example:"company" help:"The name under which the answer is kept. name is the name of the person."`
	Label        string `toml:"label" need:"always" example:"Company" help:"The text beside the field."`
	Type         string `toml:"type" default:"text" example:"checkbox" help:"text, email, tel, url, date, textarea or checkbox."`
	Value        string `toml:"value" otherwise:"none" example:"2026-11" help:"What a ticked checkbox sends."`
	Hint         string `toml:"hint" otherwise:"none" example:"As on your invoices." help:"A text below the field."`
	Autocomplete string `toml:"autocomplete" otherwise:"none" example:"organization" help:"The autofill token of HTML."`
	MaxLength    int    `toml:"max_length" default:"200" example:"80" help:"The most characters, at most 1000."`
	Required     bool   `toml:"required" default:"false" example:"true" help:"Refuses a sign-up without an answer."`
}

// Factors after a first proof.
type Factors struct {
	TOTP            bool          `toml:"totp" default:"false" example:"true" help:"Codes of an authenticator app (RFC 6238)."`
	TOTPName        string        `toml:"totp_name" otherwise:"name" example:"Example" help:"The name of the application in authenticator apps."`
	Recovery        bool          `toml:"recovery" default:"true" example:"false" help:"Ten recovery codes for people with another factor."`
	RequireForRoles []string      `toml:"require_for_roles" empty:"refused" otherwise:"none: a factor is asked for where a person has one" example:"[\"editor\"]" help:"Roles whose people must show a second factor. \"*\": everybody."`
	Remember        time.Duration `toml:"remember" default:"30d" example:"0" help:"How long a browser can stand in for the second factor, if the person asks for it. 0: never."`
}

// Mail is the mail server.
type Mail struct {
	URL              string        `toml:"url" otherwise:"no mail" example:"smtp://smtp.example.com:587" help:"smtp://HOST:PORT (STARTTLS), smtps://HOST:PORT (TLS from the beginning), or ses: for the API of Amazon SES."`
	From             string        `toml:"from" otherwise:"required with url" example:"Example Shop <no-reply@example.com>" help:"The sender, one address with or without a name."`
	Username         string        `toml:"username" otherwise:"no sign-in" example:"apikey" help:"The name for the mail server. Set it together with password."`
	Password         Secret        `toml:"password" otherwise:"no sign-in" example:"secret:SMTP_PASSWORD" help:"The password for the mail server."`
	AllowPlaintext   bool          `toml:"allow_plaintext" default:"false" example:"true" help:"Sends to a server without TLS. Everybody on the way can read the links and sign in with them."`
	ConfigurationSet string        `toml:"configuration_set" otherwise:"none" example:"auth" help:"The configuration set of Amazon SES."`
	Timeout          time.Duration `toml:"timeout" default:"10s" example:"20s" help:"How long one mail may take."`
}

// Pages are the design.
type Pages struct {
	Scheme         string   `toml:"scheme" otherwise:"both, the browser chooses" example:"light" help:"light or dark, for pages that have one theme alone."`
	Accent         string   `toml:"accent" otherwise:"a blue" example:"#0b6e4f" help:"The colour of buttons and links, as #rgb or #rrggbb."`
	Background     string   `toml:"background" otherwise:"a light grey" example:"#f6f6f4" help:"The colour behind everything."`
	Surface        string   `toml:"surface" otherwise:"white" example:"#ffffff" help:"The colour of the card."`
	Text           string   `toml:"text" otherwise:"nearly black" example:"#1a1a1a" help:"The colour of text."`
	DarkAccent     string   `toml:"dark_accent" otherwise:"accent, made lighter" example:"#7fd1b0" help:"accent of the dark theme."`
	DarkBackground string   `toml:"dark_background" otherwise:"a dark grey" example:"#101312" help:"background of the dark theme."`
	DarkSurface    string   `toml:"dark_surface" otherwise:"a dark grey" example:"#191d1c" help:"surface of the dark theme."`
	DarkText       string   `toml:"dark_text" otherwise:"nearly white" example:"#f0f0f0" help:"text of the dark theme."`
	Radius         int      `toml:"radius" default:"8" example:"0" help:"How round corners are, in pixels, from 0 to 24."`
	Font           string   `toml:"font" otherwise:"that of the system" example:"\\\"Inter\\\", sans-serif" help:"A list of fonts that devices have, as in CSS. None is loaded."`
	Logo           string   `toml:"logo" otherwise:"the first letter of name" example:"logo.svg" help:"A file beside the configuration: an SVG or a PNG of at most 64 KiB."`
	LogoDark       string   `toml:"logo_dark" otherwise:"logo" example:"logo-dark.svg" help:"The logo of the dark theme."`
	Favicon        string   `toml:"favicon" otherwise:"none" example:"favicon.svg" help:"The picture of the browser's tab: an SVG, a PNG or an ICO."`
	Terms          string   `toml:"terms" otherwise:"none" example:"https://example.com/terms" help:"The page with the terms, linked below each page."`
	Privacy        string   `toml:"privacy" otherwise:"none" example:"https://example.com/privacy" help:"The page about privacy, linked below each page."`
	Support        string   `toml:"support" otherwise:"none" example:"mailto:help@example.com" help:"The page or the address of the support, linked below each page."`
	Languages      []string `toml:"languages" otherwise:"all, English first" example:"[\"en\", \"de\"]" help:"The languages that people can choose. The first is for people with none of them."`
	Texts          string   `toml:"texts" otherwise:"none" example:"texts.json" help:"A JSON file with texts of yours, by language and key: {\"en\": {\"postern.choose.title\": \"Welcome back\"}}."`
}

// Admin is the administration.
type Admin struct {
	Enabled       bool          `toml:"enabled" default:"false" example:"true" help:"Serves the administration."`
	Kind          string        `toml:"kind" default:"staff" example:"staff" help:"The kind of session of administrators. Not that of people."`
	Access        time.Duration `toml:"access" default:"5m" example:"3m" help:"How long an access token of an administrator lives."`
	Idle          time.Duration `toml:"idle" default:"8h" example:"1h" help:"How long the session of an administrator lives after its last use."`
	Absolute      time.Duration `toml:"absolute" default:"12h" example:"8h" help:"The longest life of the session of an administrator."`
	RequireFactor bool          `toml:"require_factor" default:"true" example:"true" help:"Demands a second factor of everybody whose roles reach into the administration. Only an issuer on this machine may leave it out."`
}

// ForwardAuth is the endpoint for reverse proxies.
type ForwardAuth struct {
	Enabled    bool                `toml:"enabled" default:"false" example:"true" help:"Serves {issuer}/verify."`
	Roles      []string            `toml:"roles" empty:"refused" otherwise:"none" example:"[\"staff\"]" help:"Roles of which the person must have one."`
	Scopes     []string            `toml:"scopes" empty:"refused" otherwise:"none" example:"[\"wiki:read\"]" help:"Scopes that the session must have, all of them."`
	CheckStore bool                `toml:"check_store" default:"true" example:"false" help:"Asks the store each time, so that an ended session is refused at once."`
	Rules      []ForwardRule       `toml:"rules" otherwise:"none" help:"More needs below a path, one [[forward_auth.rules]] for each. All rules that fit a request count; no rule takes a need away, and none lets a request in without a session."`
	Apps       map[string]AppCheck `toml:"apps" otherwise:"none" help:"Programs with other needs, asked at {issuer}/verify/NAME. The proxy chooses by the address that it asks, so no header of a client decides which program is meant."`
	SST        SST                 `toml:"sst" help:"Session tokens of SST Auth that are accepted at {issuer}/verify and {issuer}/verify/NAME during a migration, and nowhere else. Their key is that of postern keys import; revoking it ends all of this. The user of a token must be in the directory, with the same id; roles and scopes are those of the directory. docs/from-sst.md explains what ends such a token."`
}

// SST is the acceptance of tokens of SST Auth.
type SST struct {
	Enabled    bool          `toml:"enabled" default:"false" example:"true" help:"Accepts the tokens. They are RS512; the imported key checks nothing else, and no other key checks them."`
	Types      []string      `toml:"types" empty:"refused" otherwise:"required with enabled" example:"[\"user\"]" help:"The session types that are accepted: the claim type."`
	Subject    string        `toml:"subject" otherwise:"required with enabled" example:"properties.userID" help:"Where a token has the id of the user: a path that begins with properties. A token is refused where the id is not text, is empty or has control characters."`
	Until      time.Time     `toml:"until" otherwise:"required with enabled" example:"2027-01-31T00:00:00Z" help:"When the migration ends, at most 400 days ahead. From then on every token of SST is refused."`
	MaxAge     time.Duration `toml:"max_age" default:"30d" example:"90d" help:"How long a token is accepted after it was issued (iat), from 1m to 400d."`
	AllowNoExp bool          `toml:"allow_no_exp" default:"false" example:"true" help:"Accepts tokens without exp, which then end max_age after iat. SST writes exp only where the program has set expiresIn."`
	Cookie     string        `toml:"cookie" otherwise:"none: the Authorization header alone is read" example:"auth-token" help:"The cookie that may have the token: auth-token in SST. A request that changes something must then come from an origin of this server."`
}

// AppCheck is the endpoint of one program behind the proxy.
type AppCheck struct {
	Roles      []string      `toml:"roles" empty:"refused" otherwise:"none" example:"[\"staff\"]" help:"Roles of which the person must have one."`
	Scopes     []string      `toml:"scopes" empty:"refused" otherwise:"none" example:"[\"wiki:read\"]" help:"Scopes that the session must have, all of them."`
	CheckStore bool          `toml:"check_store" default:"true" example:"false" help:"Asks the store each time."`
	Rules      []ForwardRule `toml:"rules" otherwise:"none" help:"More needs below a path."`
}

// ForwardRule adds needs below a path.
type ForwardRule struct {
	Path   string   `toml:"path" need:"always" example:"/admin" help:"The path, and everything below it, in any letter case, and spellings that programs may route alike: /admin also fits /admin.json and /admin followed by a colon, a semicolon or white space. A request whose path can be read in two ways is refused before the rules are asked."`
	Roles  []string `toml:"roles" empty:"refused" otherwise:"none" example:"[\"admin\"]" help:"Roles of which the person must have one."`
	Scopes []string `toml:"scopes" empty:"refused" otherwise:"none" example:"[\"wiki:write\"]" help:"Scopes that the session must have, all of them."`
}

// Audit has the sinks of events.
type Audit struct {
	Log           bool   `toml:"log" default:"true" example:"false" help:"Writes each event into the log."`
	File          string `toml:"file" otherwise:"none" example:"/var/lib/postern/audit.log" help:"A file in which each line carries a hash of the one before: postern audit verify checks it."`
	FileKey       Secret `toml:"file_key" otherwise:"none" example:"secret:AUDIT_KEY" help:"The key of the hashes in the file, in hex, as openssl rand -hex 32 prints one. Without it, everybody who can write the file can make its hashes anew. A file keeps its key."`
	Webhook       string `toml:"webhook" otherwise:"none" example:"https://events.example.com/postern" help:"An https URL that gets each event, signed, and again until it is accepted."`
	WebhookSecret Secret `toml:"webhook_secret" otherwise:"required with webhook" example:"secret:WEBHOOK_SECRET" help:"The secret that signs what the webhook gets: whsec_ and base64 of 24 to 64 bytes, where openssl rand -base64 32 makes what comes after whsec_. To change it, write the new one and the old one with a space between for a while: a message then has a signature of each."`
}

// Log of the server.
type Log struct {
	Format string `toml:"format" default:"json" example:"text" help:"json or text."`
	Level  string `toml:"level" default:"info" example:"debug" help:"debug, info, warn or error."`
}
