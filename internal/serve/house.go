package serve

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// A House is everything that a configuration asks for, open and ready to serve. It is safe for concurrent use.
type House struct {
	config   Config
	handler  http.Handler
	store    store.Store
	ring     *keys.Ring
	signer   keys.Signer // the ring, or keys of KMS
	sessions *session.Sessions
	people   *users.Directory
	now      func() time.Time
	log      *slog.Logger
	closers  []func() error
	writes   writeProbe
}

// Open builds the House of a configuration that Parse returned. It reads the secrets, opens the store, and makes the
// first keys if there are none. Providers are not called. Errors of the configuration are an *Invalid; another error
// means that a service did not answer. No error has a piece of a secret.
func Open(ctx context.Context, c Config, p Parts) (*House, error) {
	return openWith(ctx, c, p, (*builder).open)
}

// OpenRing opens the keys of a configuration that Parse returned, for a program that rotates them, and makes the first
// ones if there are none. It reads the secret that seals them, if one does, and opens the store only if they are kept
// there: the program needs no right on other secrets, on the store or on mail. closeRing closes what was opened. Errors
// are those of Open.
func OpenRing(ctx context.Context, c Config, p Parts) (ring *keys.Ring, closeRing func() error, err error) {
	h, err := openWith(ctx, c, p, (*builder).openRing)
	if err != nil {
		return nil, nil, err
	}
	return h.ring, h.Close, nil
}

// openWith opens what open opens of a configuration, or nothing.
func openWith(ctx context.Context, c Config, p Parts, open func(*builder) error) (*House, error) {
	if p.LookupEnv == nil || p.ReadFile == nil {
		return nil, errors.New("serve: Parts.LookupEnv and Parts.ReadFile are required")
	}
	if err := c.problems.err(c.file); err != nil {
		return nil, err
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	if p.Logger == nil {
		p.Logger = slog.Default()
	}
	if p.Memory == nil {
		p.Memory = &Memory{}
	}
	h := &House{config: c, now: p.Now, log: p.Logger}
	b := builder{Config: &c, Parts: p, house: h, ctx: ctx}
	err := open(&b)
	if err == nil {
		err = b.found.err(c.file)
	}
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	p.Memory.keep(b.place, h.ring)
	return h, nil
}

// Handler serves the public routes: all below the issuer, and the addresses of its metadata at the root of the host.
// Everything else is 404. Health, metrics and profiles are not among them.
func (h *House) Handler() http.Handler { return h.handler }

// Config returns the configuration of the House.
func (h *House) Config() Config { return h.config }

// Issuer returns the URL of the issuer.
func (h *House) Issuer() string { return h.config.Issuer }

// Ring returns the keys.
func (h *House) Ring() *keys.Ring { return h.ring }

// Sessions returns the sessions of the issuer.
func (h *House) Sessions() *session.Sessions { return h.sessions }

// Store returns the store.
func (h *House) Store() store.Store { return h.store }

// Users returns the directory of the users.
func (h *House) Users() *users.Directory { return h.people }

// KeyCreated returns when the newest key that is not revoked was made.
func (h *House) KeyCreated(ctx context.Context) (newest time.Time, err error) {
	all, err := h.ring.Keys(ctx)
	for _, k := range all {
		if k.Revoked.IsZero() && k.Created.After(newest) {
			newest = k.Created
		}
	}
	return newest, err
}

// Close closes what Open opened, the last first. Requests should have ended before.
func (h *House) Close() error {
	h.writes.close()
	var errs []error
	for i := len(h.closers) - 1; i >= 0; i-- {
		errs = append(errs, h.closers[i]())
	}
	h.closers = nil
	return errors.Join(errs...)
}
