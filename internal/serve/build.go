package serve

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/ui"
	"github.com/posternauth/postern/users"
)

// A builder makes a House. It goes on after a problem of the configuration where the rest does not need what is broken.
type builder struct {
	*Config
	Parts
	ctx   context.Context
	house *House
	found problems

	// dry builds without a network and without secrets, to check a configuration: the store and the keys are in memory,
	// and a secret is some text.
	dry    bool
	values map[string]string // of the secrets
	hasher *hash.Hasher
	made   map[string]postern.Provider
	emit   []func(context.Context, session.Event)
	at     string // the URL of the open store, without its user and password
	place  string // of the vault, so that a reload knows whether it is the same
}

// Check builds the House of a configuration without a network: it reads the files that the configuration names, and
// neither secrets nor the store. Its error is an *Invalid, which has what Parse found, too.
func Check(ctx context.Context, c Config, p Parts) error {
	p.OpenAudit, p.OnEvent, p.Memory = nil, nil, &Memory{}
	h := &House{config: c, now: p.Now, log: p.Logger}
	b := builder{Config: &c, Parts: p, house: h, ctx: ctx, dry: true, found: slices.Clone(c.problems)}
	if len(b.found) > 0 { // nothing is built of it, but the files can be looked at
		b.pages()
		b.signerKeys()
		b.past()
		return b.found.err(c.file)
	}
	if err := b.open(); err != nil {
		return err
	}
	return b.found.err(c.file)
}

// problem notes what is wrong with a key.
func (b *builder) problem(key, text, next string) {
	b.found.add(b.line(key), key, b.variables.hide(key, text), next)
}

// open builds. Its error is that of a service; mistakes of the configuration are in found.
func (b *builder) open() error {
	if !b.past() {
		return nil
	}
	secrets := func() error { return b.openSecrets(b.references()) }
	if err := b.steps(secrets, b.openStore, b.openKeys, b.openSigner, b.openAudit); err != nil || len(b.found) > 0 && !b.dry {
		return err
	}
	if !b.openSessions() || !b.openUsers() {
		return nil
	}
	pages := b.pages()
	providers := b.providers()
	send := b.mail()
	kind, staff := b.kinds()
	if len(b.found) > 0 {
		return nil
	}
	config := b.signIn(kind, providers)
	config.Mail = send
	config.Render, config.Assets, config.Composer = pages.Render, pages, pages
	if staff != nil {
		config.Admin = b.house.people.Admin(staff)
	}
	check := newForwardAuth(b.Config, b.migrating(kind))
	if b.ForwardAuth.Enabled {
		config.ForwardAuth = check.main
	}
	auth, err := postern.New(config)
	if err != nil {
		b.library(err, "")
		return nil
	}
	mux := http.NewServeMux()
	auth.Mount(mux)
	b.house.handler = check.before(b.Issuer, mux)
	return nil
}

// openRing opens the keys, and the store if they are kept there. Its error is as that of open.
func (b *builder) openRing() error {
	secrets := func() error { return b.openSecrets(b.ringReferences()) }
	if b.Keys.Vault == "store" {
		return b.steps(secrets, b.openStore, b.openKeys)
	}
	return b.steps(secrets, b.openKeys)
}

// ringReferences are the references that the keys need.
func (b *builder) ringReferences() map[string]string {
	names := b.references()
	maps.DeleteFunc(names, func(key, _ string) bool {
		return key != "keys.seal" && (key != "store.url" || b.Keys.Vault != "store")
	})
	return names
}

// storeReferences are the references that the store needs.
func (b *builder) storeReferences() map[string]string {
	names := b.references()
	maps.DeleteFunc(names, func(key, _ string) bool { return key != "store.url" })
	return names
}

// steps runs steps until one of them has an error or finds a problem. A dry run goes on after a problem, to find more.
func (b *builder) steps(all ...func() error) error {
	for _, step := range all {
		if err := step(); err != nil || len(b.found) > 0 && !b.dry {
			return err
		}
	}
	return nil
}

// past notes a not_before of the future, at which nobody could sign in.
func (b *builder) past() bool {
	now := time.Now
	if b.Now != nil {
		now = b.Now
	}
	if b.NotBefore.After(now()) {
		b.problem("not_before", "is in the future: every new session would be refused", "write the time of the event, or remove it")
		return false
	}
	return true
}

func (b *builder) openStore() error {
	scheme := b.Store.URL.Scheme()
	if b.dry && scheme != memory && b.Store.URL.Secret.IsZero() {
		offline(b, b.Offline.Store, b.Store.URL.url, "store.url", "postern config docs explains the setting")
	}
	switch {
	case b.dry || scheme == memory:
		b.house.store, _ = b.Memory.open(b.Now)
		return nil
	case b.OpenStore == nil:
		b.problem("store.url", "this program has no database", "write memory, or use another program")
		return nil
	}
	where := b.Store.URL.url
	if name := b.Store.URL.Name; name != "" {
		where = placed(b.Config.file, b.values[name])
	}
	st, done, err := b.OpenStore(b.ctx, where)
	if err != nil {
		return fmt.Errorf("store.url: %w", err)
	}
	b.house.store, b.at = st, where
	if u, err := url.Parse(where); err == nil && u.User != nil { // a new password does not make another store
		u.User = nil
		b.at = u.String()
	}
	b.house.closers = append(b.house.closers, func() error { done(); return nil })
	return nil
}

const memory = "memory"

func (b *builder) openKeys() error {
	ring := keys.RingConfig{Algorithm: keys.Algorithm(b.Keys.Algorithm), Now: b.Now, Logger: b.Logger}
	request := VaultRequest{URL: b.Keys.Vault, Ring: b.Keys.Ring, Store: b.house.store}
	name, sealed := strings.CutPrefix(b.Keys.Seal, secretPrefix)
	if sealed && !b.dry {
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(b.values[name]))
		if err != nil || len(key) != 32 {
			b.problem("keys.seal", "the secret "+name+" is not 32 bytes in base64", "make one with: openssl rand -base64 32")
			return nil
		}
		request.Key = key
	}
	request.KMS, _ = strings.CutPrefix(b.Keys.Seal, kmsPrefix)
	if sealed {
		request.KMS = ""
	}
	path, inFile := strings.CutPrefix(b.Keys.Vault, "file:")
	switch {
	case b.dry:
		if sealed {
			request.Key = make([]byte, 32)
		}
		if b.Keys.Vault != memory {
			offline(b, b.Offline.Vault, request, "keys.vault", "postern config docs explains the setting")
		}
		ring.Vault, ring.Algorithm = &keys.MemoryVault{}, keys.ES256
	case b.Keys.Vault == memory:
		_, ring.Vault = b.Memory.open(b.Now)
	case b.Keys.Vault == "store" && sealed:
		ring.Vault = keys.StoreVault{Store: b.house.store, Sealer: keys.MasterKey(request.Key), Name: b.Keys.Ring}
	case inFile && sealed:
		ring.Vault = keys.FileVault{Path: path, Sealer: keys.MasterKey(request.Key)}
	case b.OpenVault == nil:
		b.problem("keys.vault", "this program does not open such a vault", "use store or file:PATH with seal = \"secret:NAME\", or another program")
		return nil
	default:
		vault, err := b.OpenVault(b.ctx, request)
		if err != nil {
			return fmt.Errorf("keys.vault: %w", err)
		}
		ring.Vault = vault
	}
	b.place = b.Keys.Vault + "\n" + b.Keys.Ring
	if b.Keys.Vault == "store" {
		b.place += "\n" + b.at
	}
	ring.Replaces = b.Memory.before(b.place)
	var err error
	if b.house.ring, err = keys.Open(b.ctx, ring); err != nil {
		return fmt.Errorf("keys.vault: %w", err)
	}
	return nil
}

const kmsPrefix = "kms:"

func (b *builder) openSessions() bool {
	c := session.Config{
		Issuer: b.Issuer, Audience: b.Audience, ClientID: b.ClientID, Keys: b.house.signer, Secrets: b.house.ring, Store: b.house.store,
		Origins: b.Origins, Site: b.Site, NotBefore: b.NotBefore, DevelopmentHosts: b.DevelopmentHosts,
		Now: b.Now, Logger: b.Logger,
	}
	if len(b.emit) > 0 {
		emit := b.emit
		c.OnEvent = func(ctx context.Context, e session.Event) {
			for _, f := range emit {
				f(ctx, e)
			}
		}
	}
	var err error
	if b.house.sessions, err = session.New(c); err != nil {
		b.library(err, "issuer")
	}
	return err == nil
}

func (b *builder) openUsers() bool {
	ways := users.Ways{}
	for _, p := range b.Providers {
		ways.Password = ways.Password || p.Type == "password"
		ways.Passkey = ways.Passkey || p.Type == "passkey"
		ways.Mail = ways.Mail || p.Type == "magic"
	}
	ways.Issuer = func(issuer string) bool { return b.issues(issuer) }
	var err error
	b.house.people, err = users.New(users.Config{
		Sessions: b.house.sessions, Roles: users.Roles(b.Users.Roles), DefaultRoles: b.Users.DefaultRoles,
		AllowUsernames: b.Users.Usernames, Reserved: b.Users.ReservedNames, Ways: &ways,
	})
	if err != nil {
		b.library(err, "users.roles")
	}
	return err == nil
}

// signIn is the configuration of the handler, without what Open opens.
func (b *builder) signIn(kind *postern.Kind[Properties], providers map[string]postern.Provider) postern.Config {
	c := postern.Config{
		Sessions: b.house.sessions, Session: kind, Name: b.Name, Redirects: b.Redirects, Origins: b.Origins,
		Providers: providers, Order: b.Order, Labels: map[string]string{}, IdentifierFirst: b.IdentifierFirst,
		RequirePKCE: b.RequirePKCE, TokenClients: b.TokenClients, Usernames: b.Users.Usernames,
		Admit: b.admit(), Factors: b.factors(), RequireFactor: b.policy(), Remember: b.Factors.Remember,
		ClientIPHeader: b.Server.ClientIPHeader, Logger: b.Logger,
	}
	for name, p := range b.Providers {
		if p.Label != "" {
			c.Labels[name] = p.Label
		}
	}
	if c.Remember == 0 {
		c.Remember = -1 // 0 is a default there
	}
	for _, f := range b.Users.Fields {
		c.SignUpFields = append(c.SignUpFields, postern.Field{Name: f.Name, Label: f.Label, Type: f.Type, Value: f.Value, Hint: f.Hint,
			Autocomplete: f.Autocomplete, MaxLength: f.MaxLength, Required: f.Required})
	}
	for _, text := range b.Server.TrustedProxies {
		if p, err := Network(text); err == nil { // checked by Parse
			c.TrustedProxies = append(c.TrustedProxies, p)
		}
	}
	return c
}

// Network reads a network or one address.
func Network(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}

func (b *builder) admit() postern.Admit {
	switch b.Users.Admit {
	case "open":
		return postern.Open
	case "invited":
		return postern.Invited
	case "domains":
		return postern.Domains(b.Users.Domains...)
	case "closed":
		return postern.Closed
	}
	return nil // providers
}

func (b *builder) pages() *ui.Pages {
	p := b.Config.Pages
	c := ui.Config{Languages: p.Languages, Theme: ui.Theme{
		Light:  ui.Colors{Accent: p.Accent, Background: p.Background, Surface: p.Surface, Text: p.Text},
		Dark:   ui.Colors{Accent: p.DarkAccent, Background: p.DarkBackground, Surface: p.DarkSurface, Text: p.DarkText},
		Scheme: p.Scheme, Radius: p.Radius, Font: p.Font, Terms: p.Terms, Privacy: p.Privacy, Support: p.Support,
		Logo: b.file("pages.logo", p.Logo), LogoDark: b.file("pages.logo_dark", p.LogoDark), Favicon: b.file("pages.favicon", p.Favicon),
	}}
	if p.Radius == 0 {
		c.Theme.Radius = -1 // 0 is a default there
	}
	if data := b.file("pages.texts", p.Texts); data != nil {
		if err := readTexts(data, &c.Texts); err != nil {
			b.problem("pages.texts", err.Error(), `write {"en": {"postern.choose.title": "Welcome back"}}`)
		}
	}
	pages, err := ui.New(c)
	if err != nil {
		b.library(err, "pages")
	}
	return pages
}

// file reads a file that stands beside the configuration. It returns nil for none.
func (b *builder) file(key, name string) []byte {
	if name == "" {
		return nil
	}
	data, err := b.ReadFile(beside(b.Config.file, name))
	if err != nil {
		b.problem(key, "the file cannot be read: "+plainError(err), "name a file; a relative name is looked up beside the configuration")
	}
	return data
}

// host returns the host of the issuer without its port.
func (c *Config) host() string {
	u, err := url.Parse(c.Issuer)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// plainError leaves out the operation and the name of the file.
func plainError(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}
