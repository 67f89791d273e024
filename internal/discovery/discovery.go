// Package discovery reads the metadata of OpenID providers. It reads them when they are first needed, so a program can
// start and use other providers while one provider is down.
package discovery

import (
	"cmp"
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
	// ErrUnavailable is the error for a document that cannot be read now. Try again later.
	ErrUnavailable = errors.New("discovery document unavailable")
	// ErrMetadata is the error for a document that does not match the configuration. Trying again will not help.
	ErrMetadata = errors.New("discovery document refused")
)

// Config is the configuration of a Source.
type Config struct {
	Issuer string
	// URL is the address of the document.
	// Defaults to the result of the function URL.
	URL string
	// IssuerOK, if set, checks the issuer in a document, for providers whose document has a template as issuer.
	// Defaults to a check that it equals Issuer.
	IssuerOK func(string) bool
	// KeysOnly reads and requires only issuer and jwks_uri; see ParseKeys. IssuerOK does not apply.
	KeysOnly bool
	// Client makes the calls. It is a client of package fetch.
	Client *http.Client
	// AllowLoopback allows http endpoints on this machine.
	AllowLoopback bool
	// MaxAge is the age at which a document is read again.
	// Defaults to 1 hour.
	MaxAge time.Duration
	// Cooldown is the time after a failure before the next try.
	// Defaults to 5 seconds.
	Cooldown time.Duration
	// Logger gets the failures of a fetch while an old document is used.
	// Defaults to no log.
	Logger *slog.Logger
}

// A Source keeps the metadata of one provider. It is safe for concurrent use.
type Source struct {
	config Config

	mu      sync.Mutex
	doc     *Metadata
	fetched time.Time
	err     error // of the last try, if it failed
	failed  time.Time
	flight  *flight
}

// A flight is one fetch that several callers wait for.
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
	c.URL = cmp.Or(c.URL, URL(c.Issuer))
	return &Source{config: c}
}

// Get returns the metadata. It fetches them if there are none or they are too old. If that fails, it returns the last
// good document: endpoints seldom change, and the provider may still sign people in. The error is ErrUnavailable or
// ErrMetadata.
func (s *Source) Get(ctx context.Context, now time.Time) (*Metadata, error) {
	s.mu.Lock()
	old := s.doc
	if old != nil && within(now.Sub(s.fetched), s.config.MaxAge) {
		s.mu.Unlock()
		return old, nil
	}
	if s.flight != nil && old != nil {
		s.mu.Unlock()
		return old, nil // a fetch is running already
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
		// The fetch goes on if this caller gives up, because others wait for it. The client's timeout ends it.
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

// within reports whether an age is below a limit. A negative age, after the clock was set back, is not.
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
	resp, err := fetch.Get(ctx, s.config.Client, s.config.URL, nil)
	switch {
	case errors.Is(err, fetch.ErrRefused):
		return nil, fmt.Errorf("%w: %w", ErrMetadata, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case resp.Status >= 500 || resp.Status == http.StatusTooManyRequests:
		return nil, fmt.Errorf("%w: status %d", ErrUnavailable, resp.Status)
	case resp.Status != http.StatusOK:
		return nil, fmt.Errorf("%w: status %d: check the issuer %s and the address of its document", ErrMetadata, resp.Status, s.config.Issuer)
	}
	if s.config.KeysOnly {
		return ParseKeys(resp.Body, s.config.Issuer, s.config.AllowLoopback)
	}
	return Parse(resp.Body, s.config.Issuer, s.config.IssuerOK, s.config.AllowLoopback)
}
