package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/logging"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/posternauth/postern/internal/doctor"
	"github.com/posternauth/postern/internal/loopback"
	server "github.com/posternauth/postern/internal/serve"
	serving "github.com/posternauth/postern/internal/serve/run"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/dynamostore"
	"github.com/posternauth/postern/store/redisstore"
	"github.com/posternauth/postern/store/sqlstore"
)

// settingsCheck looks at what a configuration file leads to.
type settingsCheck struct {
	w      world
	report *doctor.Report
	file   string
	config server.Config
	parts  server.Parts
}

// checkConfig adds the findings about a configuration file. It returns the configuration if it can be used.
func checkConfig(ctx context.Context, w world, file string, data []byte, report *doctor.Report) (server.Config, bool) {
	k := &settingsCheck{w: w, report: report, file: file}
	report.Ran("config-invalid")
	var err error
	if k.config, err = server.Parse(file, data, os.LookupEnv); err != nil {
		k.invalid("config-invalid", err)
		return k.config, false
	}
	k.parts = serveParts(w, k.config, serving.Tools{}, &auditSinks{})
	if err := server.Check(ctx, k.config, k.parts); err != nil {
		k.invalid("config-invalid", err)
		return k.config, false
	}
	report.Ran("secret-missing")
	look, err := server.Examine(ctx, k.config, k.parts)
	if err != nil {
		k.invalid("secret-missing", err)
		look.StoreURL = "" // nothing is there to open
	} else {
		st, done := k.store(ctx, look.StoreURL)
		defer done()
		k.vault(ctx, look.Vault, st)
		k.signers(ctx, look.Signers)
	}
	k.surrounding(look).Check(ctx, report)
	for name, p := range k.config.Providers {
		if p.ClientID != "" {
			report.Found("callback", k.config.Issuer, fmt.Sprintf("%s: %s/%[1]s/callback", name, k.config.Issuer))
		}
	}
	report.Ran("callback")
	return k.config, true
}

// invalid adds the problems of an error, each with what to do.
func (k *settingsCheck) invalid(id string, err error) {
	var all *server.Invalid
	if !errors.As(err, &all) {
		k.report.Found(id, k.file, err.Error())
		return
	}
	for _, p := range all.Problems {
		where := p.File
		if p.Line > 0 {
			where = fmt.Sprintf("%s:%d", p.File, p.Line)
		}
		if p.Key != "" {
			where += ": " + p.Key
		}
		k.report.FoundDo(id, where, p.Text, p.Next)
	}
}

const doctorPatience = 15 * time.Second // for a store or a vault

// store opens the store and looks at its settings. It returns nil if there is none to go on with.
func (k *settingsCheck) store(ctx context.Context, where string) (store.Store, func()) {
	none := func() {}
	if where == "" {
		return nil, none
	}
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	k.report.Ran("store-unreachable", "store-settings")
	scheme, rest, _ := strings.Cut(where, ":")
	at := "store.url"
	if checkStoreURL("", where) == nil { // else the scheme is a piece of a secret
		at += " (" + scheme + ")"
	}
	if scheme == "dynamodb" && !k.table(ctx, at, rest) {
		return nil, none
	}
	if scheme == "postgres" || scheme == "postgresql" {
		k.postgres(ctx, at, where)
	}
	st, done, err := openStore(ctx, k.w, "store.url", where)
	var notThere error
	if err == nil {
		_, notThere = st.Get(ctx, store.Key{Part: "postern-doctor", ID: "absent"})
	}
	switch {
	case errors.Is(err, sqlstore.ErrSchema) || err != nil && strings.Contains(err.Error(), "no tables of Postern") || err != nil && strings.Contains(err.Error(), "there is no database"):
		k.report.Ran("store-tables", "store-foreign")
		switch {
		case errors.Is(err, sqlstore.ErrForeignTables):
			k.report.Found("store-foreign", at, err.Error())
		case errors.Is(err, sqlstore.ErrSchema) && !strings.Contains(err.Error(), "postern migrate"): // the tables are newer
			k.report.FoundDo("store-tables", at, err.Error(), "Upgrade the program: the tables need a newer one.")
		case !k.config.Store.Migrate: // with migrate, serve makes and upgrades tables
			k.report.Found("store-tables", at, err.Error())
		}
		return nil, none
	case err != nil:
		k.report.Found("store-unreachable", at, err.Error())
		return nil, none
	case notThere != nil:
		done()
		k.report.Found("store-unreachable", at, notThere.Error())
		return nil, none
	}
	k.report.Ran("store-tables", "store-foreign")
	if r, ok := st.(*redisstore.Store); ok {
		if servers, err := r.Check(ctx); err == nil {
			for _, s := range servers {
				for _, problem := range s.Problems() {
					k.report.Found("store-settings", at+" "+s.Addr, problem)
				}
			}
		}
	}
	return st, done
}

// table looks at a table of DynamoDB, where the role of this machine may.
func (k *settingsCheck) table(ctx context.Context, at, name string) (usable bool) {
	loaded, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}))
	if err != nil {
		k.report.Found("store-unreachable", at, err.Error())
		return false
	}
	found, err := dynamostore.Check(ctx, dynamodb.NewFromConfig(loaded), name)
	if err != nil {
		return true // the program need not have the permission; the read below shows whether it reaches the table
	}
	if why := found.Unusable(); why != "" {
		k.report.Found("store-unreachable", at, why)
		return false
	}
	for _, problem := range found.Problems() {
		k.report.Found("store-settings", at, problem)
	}
	return true
}

// postgres looks at the server and at the rights of the user.
func (k *settingsCheck) postgres(ctx context.Context, at, where string) {
	parsed, err := postgresConfig("store.url", where)
	if err != nil {
		return // reported by openStore
	}
	db := stdlib.OpenDB(*parsed)
	defer db.Close()
	var version int
	var encoding, commit string
	var replica bool
	err = db.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), current_setting('synchronous_commit'), pg_is_in_recovery()`).
		Scan(&version, &encoding, &commit, &replica)
	if err != nil {
		return
	}
	for text, wrong := range map[string]bool{
		fmt.Sprintf("Postgres %d: want 12 or newer", version/10000):                          version < 120000,
		"the encoding of the database is " + encoding + ": want UTF8":                        encoding != "UTF8",
		"synchronous_commit is off: a crash of the server loses acknowledged writes":         commit == "off",
		"this server is a replica: connect to the primary (target_session_attrs=read-write)": replica,
	} {
		if wrong {
			k.report.Found("store-settings", at, text)
		}
	}
	k.report.Ran("store-rights")
	for _, need := range []struct{ table, right string }{
		{"postern_schema", "SELECT"}, {"postern_items", "SELECT"}, {"postern_items", "INSERT"}, {"postern_items", "UPDATE"}, {"postern_items", "DELETE"},
		{"postern_counters", "SELECT"}, {"postern_counters", "INSERT"}, {"postern_counters", "UPDATE"}, {"postern_counters", "DELETE"},
	} {
		var has *bool // NULL: there is no such table, which is another finding
		if err := db.QueryRowContext(ctx, "SELECT has_table_privilege(to_regclass($1)::oid, $2)", need.table, need.right).Scan(&has); err == nil && has != nil && !*has {
			k.report.Found("store-rights", at, fmt.Sprintf("the user %s has no right to %s on %s", parsed.User, need.right, need.table))
		}
	}
}

// vault opens the ring, if it is there, and looks at its ages. It makes none.
func (k *settingsCheck) vault(ctx context.Context, v server.VaultRequest, st store.Store) {
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	path, inFile := strings.CutPrefix(v.URL, "file:")
	var vault keys.Vault
	switch {
	case v.URL == "memory", v.URL == "store" && st == nil:
		return
	case v.URL == "store" && v.Key != nil:
		vault = keys.StoreVault{Store: st, Sealer: keys.MasterKey(v.Key), Name: v.Ring}
	case inFile && v.Key != nil:
		vault = keys.FileVault{Path: path, Sealer: keys.MasterKey(v.Key)}
	case k.parts.OpenVault == nil:
		return // Check has reported it
	default:
		v.Store = st
		var err error
		if vault, err = k.parts.OpenVault(ctx, v); err != nil {
			k.report.Found("vault-unreadable", "keys.vault", err.Error())
			return
		}
	}
	k.report.Ran("vault-unreadable", "keys-none", "key-old")
	ring, has, err := namedVault{Vault: vault}.ring(ctx, keys.RingConfig{Now: k.w.now}, false)
	if err != nil || !has {
		if err != nil {
			k.report.Found("vault-unreadable", "keys.vault", err.Error())
		} else {
			k.report.Found("keys-none", "keys.vault", "the vault is empty")
		}
		return
	}
	all, err := ring.Keys(ctx)
	if err != nil {
		k.report.Found("vault-unreadable", "keys.vault", err.Error())
		return
	}
	k.imported(ctx, ring)
	var newest keys.KeyInfo
	for _, key := range all {
		if key.Revoked.IsZero() && key.Created.After(newest.Created) {
			newest = key
		}
	}
	// Twice the interval: a rotation that was missed once can have a reason.
	limit := 2 * k.config.Keys.Rotate
	if limit == 0 {
		limit = 400 * 24 * time.Hour
	}
	if age := k.w.now().Sub(newest.Created); !newest.Created.IsZero() && age > limit {
		k.report.Found("key-old", "keys.vault", fmt.Sprintf("the newest key, %s, is %s old", newest.ID, spanInWords(age)))
	}
}

// imported looks whether the ring has the one key that tokens of SST need.
func (k *settingsCheck) imported(ctx context.Context, ring *keys.Ring) {
	sst := k.config.ForwardAuth.SST
	if !sst.Enabled || !k.w.now().Before(sst.Until) {
		return
	}
	k.report.Ran("sst-key")
	list, err := ring.ImportedKeys(ctx)
	if err != nil {
		k.report.Found("vault-unreadable", "keys.vault", err.Error())
	} else if len(list) != 1 || list[0].Algorithm != keys.RS512 {
		var have []string
		for _, key := range list {
			have = append(have, key.ID+" for "+string(key.Algorithm))
		}
		k.report.Found("sst-key", "forward_auth.sst", "imported keys: "+cmp.Or(strings.Join(have, ", "), "none"))
	}
}

// signers asks each key of KMS that signs, or will, for a signature.
func (k *settingsCheck) signers(ctx context.Context, list []server.SignerKey) {
	if len(list) == 0 || k.parts.OpenSigner == nil { // Check has reported the latter
		return
	}
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	k.report.Ran("signer-unusable")
	if err := (kmsKeys{list, k.parts.OpenSigner}).check(ctx, k.w.now()); err != nil {
		k.report.Found("signer-unusable", "keys.signers", err.Error())
	}
}

// surrounding is what the configuration needs from others.
func (k *settingsCheck) surrounding(look server.Look) doctor.Surrounding {
	c := k.config
	s := doctor.Surrounding{
		MailAddr: look.MailAddr, MailTLS: look.MailTLS, MailAuth: c.Mail.Username != "",
		Proxies: c.Server.TrustedProxies, Providers: map[string]doctor.OpenID{},
	}
	if host, _, err := net.SplitHostPort(look.MailAddr); err == nil { // as smtpmail, which sends a password over TLS alone
		s.MailPlain = !s.MailAuth && (c.Mail.AllowPlaintext || loopback.Host(host))
	}
	if from, err := mail.ParseAddress(c.Mail.From); err == nil {
		_, s.From, _ = strings.Cut(from.Address, "@")
	}
	for name, p := range c.Providers {
		if found, ok := openIDOf(p); ok {
			s.Providers[name] = found
			s.Private = s.Private || p.AllowPrivate || p.AllowLocal
		}
	}
	return s
}

// openIDOf returns what is read of a provider before somebody can sign in with it. ok is false for one without
// metadata.
func openIDOf(p server.Provider) (found doctor.OpenID, ok bool) {
	if p.AuthURL != "" && p.TokenURL != "" && p.JWKSURL != "" {
		return doctor.OpenID{}, false
	}
	found = doctor.OpenID{Issuer: p.Issuer, URL: p.MetadataURL}
	preset := ""
	switch p.Type {
	case "apple":
		preset = "https://appleid.apple.com"
	case "cognito":
		region, _, _ := strings.Cut(p.Pool, "_")
		preset = "https://cognito-idp." + region + ".amazonaws.com/" + p.Pool
	case "gitlab":
		preset = "https://gitlab.com"
	case "google":
		preset = "https://accounts.google.com"
	case "keycloak":
		preset = strings.TrimSuffix(p.Server, "/") + "/realms/" + url.PathEscape(p.Realm)
	case "microsoft":
		preset = "https://login.microsoftonline.com/" + p.Tenant + "/v2.0"
		// The metadata of several directories name a template, those of a domain the id of its directory.
		cloud := strings.TrimSuffix(cmp.Or(p.Issuer, preset), p.Tenant+"/v2.0")
		found.IssuerOK = func(issuer string) bool {
			return strings.HasPrefix(issuer, cloud) && strings.HasSuffix(issuer, "/v2.0")
		}
	case "oidc":
	case "slack":
		preset = "https://slack.com"
	case "twitch":
		preset = "https://id.twitch.tv/oauth2"
	case "yahoo":
		preset = "https://api.login.yahoo.com"
	default:
		return doctor.OpenID{}, false
	}
	found.Issuer = cmp.Or(found.Issuer, preset)
	return found, true
}
