package serve

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/secrets"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// Parts are what a program brings to a House: the engines and services that it links. A configuration that names one
// that the program does not have is refused.
type Parts struct {
	// LookupEnv reads a variable of the environment, for the source "env" of secrets. Required.
	LookupEnv func(name string) (string, bool)

	// ReadFile reads a file that the configuration names, such as a logo. Required.
	ReadFile func(name string) ([]byte, error)

	// OpenStore opens the store of a URL: sqlite:FILE, postgres://..., redis://..., rediss://... or dynamodb:TABLE. An
	// error must have no piece of the URL, which may hold a password. "memory" never comes here.
	//
	// Defaults to nil: the program has no engine but memory.
	OpenStore func(ctx context.Context, url string) (st store.Store, closeStore func(), err error)

	// Memory is the store and the vault of "memory". Houses with the same one share their sessions and keys, as a house
	// and the next one after a reload do. It also has what the house before saw of its vault, of whatever sort: one
	// that was emptied or set back since is an error of Open.
	//
	// Defaults to nil: each house has one for itself.
	Memory *Memory

	// OpenVault opens what the table keys names. A vault that needs no SDK never comes here: memory, and store and file
	// sealed with a secret.
	//
	// Defaults to nil: there are no others.
	OpenVault func(ctx context.Context, v VaultRequest) (keys.Vault, error)

	// OpenSigner opens the keys of KMS of the list keys.signers. Its error is keys.ErrUnavailable if KMS does not
	// answer; any other one says that a key is not the one of the configuration.
	//
	// Defaults to nil: there are none, and a configuration that has some is refused.
	OpenSigner func(ctx context.Context, s SignerRequest) (keys.Signer, error)

	// OpenSecrets opens a source of secrets besides env.
	//
	// Defaults to nil: there are no others.
	OpenSecrets func(ctx context.Context, s SourceRequest) (secrets.Source, error)

	// OpenMail opens the sender of "ses:".
	//
	// Defaults to nil: mails go by SMTP alone.
	OpenMail func(ctx context.Context, m Mail) (func(context.Context, postern.Mail) error, error)

	// OpenAudit opens the sinks of the table audit. emit gets each event before the answer is sent.
	//
	// Defaults to nil: the program has no sinks. A file or a webhook in the configuration is then refused.
	OpenAudit func(ctx context.Context, a AuditRequest) (emit func(context.Context, session.Event), closeSinks func() error, err error)

	// OnEvent gets each event too, for metrics.
	//
	// Defaults to nil.
	OnEvent func(context.Context, session.Event)

	// Offline has the rules of what the functions above open, for Check.
	//
	// Defaults to none: Check looks at the form of these settings alone.
	Offline Offline

	// Now is the clock.
	//
	// Defaults to time.Now.
	Now func() time.Time

	// Logger gets what the library logs.
	//
	// Defaults to slog.Default() at the time of Open.
	Logger *slog.Logger
}

// A Memory is a store and a vault in memory, and the ring of the last house. Its zero value is empty. The first house
// to use it sets the clock.
type Memory struct {
	once  sync.Once
	store store.Memory
	vault keys.MemoryVault

	mu    sync.Mutex
	place string // of the vault of ring
	ring  *keys.Ring
}

// before returns the ring of the last house that opened, if its vault is the one of place, and keep notes one.
func (m *Memory) before(place string) *keys.Ring {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.place != place {
		return nil
	}
	return m.ring
}

func (m *Memory) keep(place string, ring *keys.Ring) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.place, m.ring = place, ring
}

// open returns the store, with the clock of the first call, and the vault.
func (m *Memory) open(now func() time.Time) (*store.Memory, *keys.MemoryVault) {
	m.once.Do(func() { m.store.Now = now })
	return &m.store, &m.vault
}

// A VaultRequest is a vault that a program opens.
type VaultRequest struct {
	URL   string      // keys.vault: store, file:PATH, ssm:PATH or secrets-manager:NAME
	Ring  string      // keys.ring, for store
	Store store.Store // the open store, for store
	Key   []byte      // 32 bytes that seal the document; nil: no seal, or KMS
	KMS   string      // the ARN of the KMS key that seals the document; empty: none
}

// A SourceRequest is a source of secrets that a program opens.
type SourceRequest struct {
	Name   string // of secrets.sources: ssm, secretsmanager or sealed:FOLDER
	Prefix string // secrets.prefix; empty: that of the source
	Plain  bool   // secrets.plain
}

// An AuditRequest has the sinks that a program opens.
type AuditRequest struct {
	Audit
	Key     string      // audit.file_key, in hex; empty: none
	Secrets []string    // those of the webhook, each of the form whsec_...
	Store   store.Store // where a webhook keeps what it could not send yet
}

// An Offline has the rules of the engines and services that a program links. Each function returns an error for values
// with which it could never open anything, and calls nobody. Errors have no piece of a URL.
type Offline struct {
	Store   func(url string) error
	Vault   func(v VaultRequest) error
	Secrets func(s SourceRequest) error
	Mail    func(m Mail) error
}

// offline notes what a rule of Offline refuses, in a dry run.
func offline[T any](b *builder, rule func(T) error, value T, key, next string) {
	if rule == nil {
		return
	}
	if err := rule(value); err != nil {
		b.problem(key, packagePrefix.ReplaceAllString(err.Error(), ""), next)
	}
}
