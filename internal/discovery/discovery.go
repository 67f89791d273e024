// Package discovery reads the metadata of OpenID providers, when they are first needed and no earlier: a program
// starts, and signs people in elsewhere, while a provider is down.
package discovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/posternauth/postern/internal/fetch"
)

var (
	// ErrUnavailable says that the document could not be had: try again later.
	ErrUnavailable = errors.New("discovery document unavailable")
	// ErrMetadata says that the document is not what the configuration expects. Trying again will not help.
	ErrMetadata = errors.New("discovery document refused")
)

// Config of a Source.
type Config struct {
	Issuer string
	// IssuerOK, if set, decides about the issuer a document names, for providers whose document names a template.
	// Default: it must equal Issuer.
	IssuerOK func(string) bool
	// KeysOnly: only issuer and jwks_uri are read and required; see ParseKeys. IssuerOK does not apply.
	KeysOnly bool
	// Client makes the calls: one of package fetch.
	Client *http.Client
	// AllowLoopback allows http endpoints on this machine.
	AllowLoopback bool
	// MaxAge is how long a document is believed. Default: 1 hour.
	MaxAge time.Duration
	// Cooldown is how long a failure is believed. Default: 5 s.
	Cooldown time.Duration
	// Logger hears of failures hidden by an old document. Default: nobody.
	Logger *slog.Logger
}

// A Source keeps the metadata of one provider. It is safe for concurrent use.
type Source struct {
	config Config

	mu      sync.Mutex
	doc     *Metadata
	fetched time.Time
	err     error // of the last try, if that failed
	failed  time.Time
	flight  *flight
}

// A flight is one fetch that all callers of its time share.
type flight struct {
	done chan struct{} // closed when the fields below are set
	doc  *Metadata
	err  error
}

// New returns a Source. It makes no call.
func New(c Config) *Source {
	if c.MaxAge <= 0 {
		c.MaxAge = time.Hour
	}
	if c.Cooldown <= 0 {
		c.Cooldown = 5 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Source{config: c}
}

// Get returns the metadata, fetching them if there are none or they are too old. A document that was good once is used
// until there is a newer one: endpoints seldom move, and a provider whose discovery fails may well sign people in. The
// error is ErrUnavailable or ErrMetadata.
func (s *Source) Get(ctx context.Context, now time.Time) (*Metadata, error) {
	s.mu.Lock()
	old := s.doc
	if old != nil && within(now.Sub(s.fetched), s.config.MaxAge) {
		s.mu.Unlock()
		return old, nil
	}
	if s.flight != nil && old != nil {
		s.mu.Unlock()
		return old, nil // somebody is fetching already
	}
	if s.flight == nil {
		if s.err != nil && within(now.Sub(s.failed), s.config.Cooldown) {
			err := s.err
			s.mu.Unlock()
			if old != nil {
				return old, nil
			}
			return nil, err
		}
		s.flight = &flight{done: make(chan struct{})}
		// The fetch outlives a caller who gives up, because others wait for it too; the client's timeout ends it.
		go s.fetch(context.WithoutCancel(ctx), s.flight, now)
	}
	f := s.flight
	s.mu.Unlock()

	select {
	case <-f.done:
		return f.doc, f.err
	case <-ctx.Done():
		if old != nil {
			return old, nil
		}
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
	}
}

// within tells whether an age is below a limit; a clock that was set back does not make anything young.
func within(age, limit time.Duration) bool { return 0 <= age && age < limit }

func (s *Source) fetch(ctx context.Context, f *flight, now time.Time) {
	doc, err := s.load(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err = err; err != nil {
		s.failed = now
		if s.doc != nil {
			s.config.Logger.WarnContext(ctx, "using old provider metadata", "issuer", s.config.Issuer, "error", err)
			doc, err = s.doc, nil
		}
	} else {
		s.doc, s.fetched = doc, now
	}
	f.doc, f.err = doc, err
	s.flight = nil
	close(f.done)
}

func (s *Source) load(ctx context.Context) (*Metadata, error) {
	resp, err := fetch.Get(ctx, s.config.Client, URL(s.config.Issuer), nil)
	switch {
	case errors.Is(err, fetch.ErrRefused):
		return nil, fmt.Errorf("%w: %w", ErrMetadata, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case resp.Status >= 500 || resp.Status == http.StatusTooManyRequests:
		return nil, fmt.Errorf("%w: status %d", ErrUnavailable, resp.Status)
	case resp.Status != http.StatusOK:
		return nil, fmt.Errorf("%w: status %d: is %s the issuer?", ErrMetadata, resp.Status, s.config.Issuer)
	}
	if s.config.KeysOnly {
		return ParseKeys(resp.Body, s.config.Issuer, s.config.AllowLoopback)
	}
	return Parse(resp.Body, s.config.Issuer, s.config.IssuerOK, s.config.AllowLoopback)
}
