package serve

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/secrets"
)

func (k *checker) checkSecrets() {
	s := k.Secrets
	if _, err := secrets.Open(secrets.Config{App: s.App, Stage: s.Stage, Protected: s.Protected, Sources: []secrets.Source{secrets.Environment{}}}); err != nil {
		key := "secrets.app"
		if strings.Contains(err.Error(), "stage") {
			key = "secrets.stage"
		}
		k.bad(key, packagePrefix.ReplaceAllString(err.Error(), ""), "write letters, digits, - and _")
	}
	if s.Prefix != "" {
		if err := secrets.CheckPrefix(s.Prefix); err != nil {
			k.bad("secrets.prefix", packagePrefix.ReplaceAllString(err.Error(), ""), "write it like /sst")
		}
	}
	for i, source := range s.Sources {
		key := fmt.Sprintf("secrets.sources[%d]", i)
		if slices.Contains(s.Sources[:i], source) {
			k.bad(key, fmt.Sprintf("%.60q is there twice", source), "remove one")
		}
		if folder, ok := strings.CutPrefix(source, "sealed:"); !ok || folder == "" {
			k.oneOf(key, source, "env", "ssm", "secretsmanager", "sealed:FOLDER")
		}
	}
}

// inMemory notes data that ends with the process, where people would lose their sessions.
func (k *checker) inMemory(key string) {
	if k.issuer != nil && !k.local {
		k.bad(key, "is in memory, and ends with the process: everybody would be signed out, and accounts lost", "name a database; memory is for an issuer on this machine")
	}
}

func (k *checker) checkStore() {
	u := k.Store.URL
	if u.IsZero() || !u.Secret.IsZero() {
		return
	}
	if u.url == memory {
		k.inMemory("store.url")
		return
	}
	scheme, rest, _ := strings.Cut(u.url, ":")
	next := "write sqlite:FILE, postgres://..., redis://..., rediss://... or dynamodb:TABLE"
	switch {
	case !slices.Contains([]string{"sqlite", "postgres", "postgresql", "redis", "rediss", "dynamodb"}, scheme):
		k.bad("store.url", "is no store that is known", next)
	case rest == "" || strings.HasPrefix(scheme, "postgres") && !strings.HasPrefix(rest, "//") || strings.HasPrefix(scheme, "redis") && !strings.HasPrefix(rest, "//"):
		k.bad("store.url", "names no database", next)
	case (scheme == "sqlite" || scheme == "dynamodb") && strings.HasPrefix(rest, "//"):
		k.bad("store.url", "is not how such a store is named", "write "+scheme+":"+strings.TrimLeft(rest, "/")+", without slashes before the name")
	}
}

var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

var keyARN = regexp.MustCompile(`^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$`)

func (k *checker) checkKeys() {
	c := k.Keys
	scheme, rest, hasRest := strings.Cut(c.Vault, ":")
	sealed, isSecret := strings.CutPrefix(c.Seal, secretPrefix)
	arn, isKMS := strings.CutPrefix(c.Seal, kmsPrefix)
	switch {
	case c.Vault == memory:
		k.inMemory("keys.vault")
	case c.Vault != "store" && (!hasRest || rest == "" || !slices.Contains([]string{"file", "ssm", "secrets-manager"}, scheme)):
		k.bad("keys.vault", fmt.Sprintf("%.100q is no vault that is known", c.Vault), "write store, file:PATH, ssm:PATH or secrets-manager:NAME")
	case (c.Vault == "store" || scheme == "file") && c.Seal == "":
		k.bad("keys.seal", "is missing: the private keys would stand in clear text in "+scheme, `make a key (openssl rand -base64 32), keep it as a secret, and write seal = "secret:POSTERN_VAULT_KEY"`)
	}
	switch {
	case c.Seal == "" || isSecret && secrets.CheckName(sealed) == nil:
	case isSecret:
		k.bad("keys.seal", "is no name of a secret", "write secret:NAME")
	case !isKMS:
		k.bad("keys.seal", "is neither secret:NAME nor kms:ARN: a key does not stand in the file", `keep it as a secret, and write seal = "secret:POSTERN_VAULT_KEY"`)
	case !keyARN.MatchString(arn):
		k.bad("keys.seal", "is not the ARN of a key: an alias can be moved to another key", "write kms:arn:aws:kms:REGION:ACCOUNT:key/ID")
	}
	k.oneOf("keys.algorithm", c.Algorithm, algorithms...)
	switch _, isFile := strings.CutPrefix(c.Vault, "file:"); {
	case scheme == "ssm" && rest != "" && secrets.CheckPrefix(rest) != nil:
		k.bad("keys.vault", fmt.Sprintf("%.100q is no path of SSM", rest), "write ssm: and a path that begins with /, such as ssm:/shop/prod/auth/keys")
	case isFile && c.Ring != "main":
		k.bad("keys.ring", "has no effect: a file has one ring", "remove it, or write vault = \"store\"")
	}
	if c.Ring == "" || len(c.Ring) > 64 || strings.ContainsFunc(c.Ring, unicode.IsControl) {
		k.bad("keys.ring", "is not a name of 1 to 64 bytes without control characters", "remove it, for main")
	}
	if c.Rotate != 0 {
		k.between("keys.rotate", c.Rotate, day, 400*day)
	}
	k.checkSigners()
}

func (k *checker) checkSession() {
	s := k.Session
	k.lifetimes("session", s.Kind, s.Access, s.Idle, s.Absolute)
	if s.MaxSessions < 1 || s.MaxSessions > 1000 {
		k.bad("session.max_sessions", "is out of range", "give 1 to 1000")
	}
	for i, name := range s.Claims {
		k.oneOf(fmt.Sprintf("session.claims[%d]", i), name, slices.Sorted(maps.Keys(claims))...)
	}
}

func (k *checker) lifetimes(table, kind string, access, idle, absolute time.Duration) {
	valid := len(kind) <= 32 && kind != "" && kind[0] >= 'a' && kind[0] <= 'z' && strings.Trim(kind, "abcdefghijklmnopqrstuvwxyz0123456789_-") == ""
	if !valid || kind == "public" {
		k.bad(table+".kind", fmt.Sprintf("%.60q is no name of a kind", kind), "write a lower-case letter, then up to 31 of a-z, 0-9, _ and -; public is taken")
	}
	k.between(table+".idle", idle, 3*time.Minute, 90*day)
	k.between(table+".absolute", absolute, 3*time.Minute, 400*day)
	k.between(table+".access", access, 3*time.Minute, min(idle, absolute))
	if _, written := k.lines[table+".idle"]; written && idle > absolute {
		k.bad(table+".idle", "has no effect: it is longer than absolute", "give at most "+short(absolute)+", or raise absolute")
	}
}

func (k *checker) checkUsers() {
	u := k.Users
	for name, scopes := range u.Roles {
		key := "users.roles." + name
		if len(name) > 64 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789._:-") != "" {
			k.bad(key, "is no name of a role", "use 1 to 64 of a to z, 0 to 9 and . _ : -")
		}
		for _, s := range scopes {
			if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
				k.bad(key, fmt.Sprintf("%.60q is no scope", s), "write visible ASCII without spaces, quotes and backslashes (RFC 6749 section 3.3)")
			}
		}
	}
	for i, role := range u.DefaultRoles {
		key := fmt.Sprintf("users.default_roles[%d]", i)
		k.role(key, role)
		if slices.ContainsFunc(u.Roles[role], administers) {
			k.bad(key, fmt.Sprintf("%s has scopes of the administration: everybody who signs up would have them", role), "give this role to people by hand")
		}
	}
	k.oneOf("users.admit", u.Admit, "providers", "open", "invited", "domains", "closed")
	switch {
	case u.Admit == "domains" && len(u.Domains) == 0:
		k.bad("users.domains", "is missing: admit is domains", `list them, such as ["example.com"]`)
	case u.Admit != "domains" && len(u.Domains) > 0:
		k.bad("users.domains", "has no effect: admit is "+u.Admit, `write admit = "domains", or remove it`)
	}
	for i, d := range u.Domains {
		if _, err := mailaddr.Parse("a@" + d); err != nil || !strings.Contains(d, ".") {
			k.bad(fmt.Sprintf("users.domains[%d]", i), fmt.Sprintf("%.100q is no domain of mail addresses", d), "write it like example.com, without @ and *")
		}
	}
	for i, f := range u.Fields {
		key := fmt.Sprintf("users.fields[%d]", i)
		if slices.ContainsFunc(u.Fields[:i], func(o Field) bool { return o.Name == f.Name }) {
			k.bad(key+".name", fmt.Sprintf("%.60q is there twice", f.Name), "remove one")
		}
		if f.Name != "" && strings.Trim(f.Name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			k.bad(key+".name", fmt.Sprintf("%.60q is no name of a field", f.Name), "use a to z, 0 to 9 and _")
		}
		k.oneOf(key+".type", f.Type, "text", "email", "tel", "url", "date", "textarea", "checkbox")
		switch {
		case f.Type == "checkbox" && f.Value == "":
			k.bad(key+".value", "is missing: it is what a ticked checkbox sends", `write value = "yes"`)
		case f.Type != "checkbox" && f.Value != "":
			k.bad(key+".value", "is for checkboxes", "remove it")
		case f.MaxLength < 1 || f.MaxLength > 1000:
			k.bad(key+".max_length", "is out of range", "give 1 to 1000")
		}
	}
}

// role notes a role that users.roles does not have.
func (k *checker) role(key, role string) {
	if _, ok := k.Users.Roles[role]; !ok {
		k.bad(key, fmt.Sprintf("there is no role %.60q", role), "add it to [users.roles], or correct it")
	}
}

func (k *checker) checkFactors() {
	f := k.Factors
	for i, role := range f.RequireForRoles {
		if role != everybody {
			k.role(fmt.Sprintf("factors.require_for_roles[%d]", i), role)
		}
	}
	if len(f.RequireForRoles) > 0 && !f.TOTP && !k.has("passkey") {
		k.bad("factors.require_for_roles", "demands a second factor, and there is none: nobody could sign in", "set totp = true, or add a provider of the type passkey")
	}
	if f.Remember != 0 {
		k.between("factors.remember", f.Remember, time.Minute, 400*day)
	}
	if f.TOTPName != "" && !f.TOTP {
		k.bad("factors.totp_name", "has no effect: totp is off", "set totp = true, or remove it")
	}
}

func (k *checker) checkMail() {
	m := k.Mail
	if m.URL == "" {
		for _, name := range slices.Sorted(maps.Keys(k.Providers)) {
			if kind := k.Providers[name].Type; kind == "magic" || kind == "password" {
				k.bad("mail.url", fmt.Sprintf("is missing: the provider %s (%s) sends mail", name, kind), `write url = "smtps://smtp.example.com", and from`)
			}
		}
		for key, set := range map[string]bool{"mail.from": m.From != "", "mail.username": m.Username != "", "mail.password": !m.Password.IsZero()} {
			if set {
				k.bad(key, "has no effect without url", "set url, or remove it")
			}
		}
		return
	}
	if _, _, err := mailServer(m.URL); err != nil && m.URL != "ses:" {
		if u, parseErr := url.Parse(m.URL); parseErr == nil && u.User != nil {
			k.bad("mail.url", "has a name or a password in it", `write username = "..." and password = "secret:SMTP_PASSWORD"`)
		} else {
			k.bad("mail.url", "is no mail server: "+err.Error(), "write smtps://smtp.example.com")
		}
	}
	if m.From == "" {
		k.bad("mail.from", "is missing, and is required with url", `write from = "Example <no-reply@example.com>"`)
	}
	switch {
	case m.URL == "ses:" && (m.Username != "" || !m.Password.IsZero() || m.AllowPlaintext):
		for key, set := range map[string]bool{"mail.username": m.Username != "", "mail.password": !m.Password.IsZero(), "mail.allow_plaintext": m.AllowPlaintext} {
			if set {
				k.bad(key, "has no effect: ses: is called with credentials of AWS, by HTTPS", "remove it")
			}
		}
	case m.Username != "" && m.Password.IsZero():
		k.bad("mail.password", "is missing: username is set", `write password = "secret:SMTP_PASSWORD"`)
	case m.Username == "" && !m.Password.IsZero():
		k.bad("mail.username", "is missing: password is set", "set it")
	case m.ConfigurationSet != "" && m.URL != "ses:":
		k.bad("mail.configuration_set", `is for url = "ses:"`, "remove it")
	}
	k.between("mail.timeout", m.Timeout, time.Second, time.Minute)
}

func (k *checker) checkAdmin() {
	a := k.Admin
	if !a.Enabled {
		return
	}
	k.lifetimes("admin", a.Kind, a.Access, a.Idle, a.Absolute)
	if a.Kind == k.Session.Kind {
		k.bad("admin.kind", "is the kind of session.kind: a session of the application would open the administration", "write another name, such as staff")
	}
	if !a.RequireFactor && !k.local {
		k.bad("admin.require_factor", "is false: a stolen mailbox or password would open the administration", "remove it")
	}
	if a.RequireFactor && !k.Factors.TOTP && !k.has("passkey") {
		k.bad("admin.enabled", "there is no second factor with which administrators prove who they are", "set factors.totp = true, or add a provider of the type passkey")
	}
	manages := false
	for _, scopes := range k.Users.Roles {
		manages = manages || slices.Contains(scopes, "users:roles")
	}
	if !manages {
		k.bad("admin.enabled", "no role has the scope users:roles: nobody could be an administrator", `add one to [users.roles], such as admin = ["users:read", "users:write", "users:roles"]`)
	}
}

func (k *checker) checkForwardAuth() {
	f := k.ForwardAuth
	if !f.Enabled && (len(f.Apps) > 0 || len(f.Rules) > 0 || len(f.Roles) > 0 || len(f.Scopes) > 0) {
		k.bad("forward_auth.enabled", "is false, so nothing else of forward_auth has an effect", "set it to true")
	}
	k.checkSST()
	k.needs("forward_auth", f.Roles, f.Scopes, f.Rules)
	for _, name := range slices.Sorted(maps.Keys(f.Apps)) {
		key, app := "forward_auth.apps."+name, f.Apps[name]
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || len(name) > 32 {
			k.bad(key, "is no name of a program", "use up to 32 of a to z, 0 to 9 and -")
		}
		k.needs(key, app.Roles, app.Scopes, app.Rules)
	}
}

func (k *checker) needs(key string, roles, scopes []string, rules []ForwardRule) {
	for i, role := range roles {
		k.role(fmt.Sprintf("%s.roles[%d]", key, i), role)
	}
	for i, scope := range scopes {
		granted := false
		for _, all := range k.Users.Roles {
			granted = granted || slices.Contains(all, scope)
		}
		if !granted {
			k.bad(fmt.Sprintf("%s.scopes[%d]", key, i), fmt.Sprintf("no role has the scope %.60q", scope), "add it to a role of [users.roles], or correct it")
		}
	}
	for i, r := range rules {
		at := fmt.Sprintf("%s.rules[%d]", key, i)
		if r.Path != "" && !plainRule(r.Path) {
			k.bad(at+".path", fmt.Sprintf("%.100q is no plain path", r.Path), "write it decoded, in printable ASCII, beginning with / and without dots, empty parts and wildcards: /admin")
		}
		if len(r.Roles) == 0 && len(r.Scopes) == 0 {
			k.bad(at, "has no effect: it needs nothing", "set roles or scopes")
		}
		k.needs(at, r.Roles, r.Scopes, nil)
	}
}

// plainRule reports whether a rule can fit a path as its author reads it: letters that look like ASCII, and white space
// that no request has, would make a rule that protects nothing.
func plainRule(path string) bool {
	for i := range len(path) {
		if path[i] < ' ' || path[i] > '~' {
			return false
		}
	}
	for part := range strings.SplitSeq(path, "/") {
		if part != strings.TrimSpace(part) || part == "." || part == ".." {
			return false
		}
	}
	return strings.HasPrefix(path, "/") && !strings.ContainsAny(path, `%;\#?*`) && !strings.Contains(path, "//")
}

func (k *checker) checkRest() {
	k.oneOf("log.format", k.Log.Format, "json", "text")
	k.oneOf("log.level", k.Log.Level, "debug", "info", "warn", "error")
	k.oneOf("pages.scheme", k.Pages.Scheme, "light", "dark")
	if k.Pages.Radius < 0 || k.Pages.Radius > 24 {
		k.bad("pages.radius", "is out of range", "give 0 to 24")
	}
	k.httpsURL("audit.webhook", k.Audit.Webhook, false)
	if k.Audit.Webhook != "" {
		if err := webhook(k.Audit.Webhook, "whsec_"+strings.Repeat("A", 32)); err != nil { // with a secret of the right form
			k.bad("audit.webhook", packagePrefix.ReplaceAllString(err.Error(), ""), "write an https URL at a public address")
		}
	}
	if k.Audit.File == "" && !k.Audit.FileKey.IsZero() {
		k.bad("audit.file_key", "has no effect without file", "remove it, or name a file")
	}
	switch {
	case k.Audit.Webhook != "" && k.Audit.WebhookSecret.IsZero():
		k.bad("audit.webhook_secret", "is missing: the receiver could not check who sends", `write webhook_secret = "secret:WEBHOOK_SECRET"`)
	case k.Audit.Webhook == "" && !k.Audit.WebhookSecret.IsZero():
		k.bad("audit.webhook_secret", "has no effect without webhook", "remove it")
	}
}
