package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/store"
)

// Leeways between the clocks of issuer and verifier.
const (
	defaultLeeway = 30 * time.Second
	maxLeeway     = time.Minute
)

// Config of the sessions of one issuer. Issuer, Audience and Keys are required.
type Config struct {
	// Issuer is the iss of every token and, being the URL under which [Sessions.Handler] is served, the base of every
	// link: an absolute https URL without query, fragment or trailing slash, such as "https://api.example.com/auth".
	// Nothing in a request (Host, X-Forwarded-*) ever takes its place. http is allowed for localhost, 127.0.0.1 and
	// [::1] only; cookies then lose Secure and their __Host- prefix.
	Issuer string

	// Audience is the aud of every token: the API that the sessions are for.
	Audience string

	// ClientID is the client_id of tokens (RFC 9068 section 2.2) when a sign-in names no client. Default: Audience.
	ClientID string

	// Keys check tokens. A keys.Signer, such as a keys.Ring, issues them too.
	Keys keys.Verifier

	// Secrets make refresh tokens and protect authorization codes, which only the issuer reads. Needed wherever sessions of
	// a kind that is not Stateless are created, refreshed or changed. Default: Keys, if it is a keys.Secrets, as a
	// keys.Ring is.
	Secrets keys.Secrets

	// Store keeps the sessions of every kind that is not Stateless, and authorization codes. Needed to create, refresh, list
	// and end them, for [CheckStore] and [Kind.Code]; what only checks tokens needs none. Default: none, and what needs
	// it says ErrStoreRequired.
	Store store.Store

	// Leeway is how far the clocks of issuer and verifier may be apart; it extends exp and anticipates iat and nbf.
	// Default 30 s, at most 60 s; negative: none.
	Leeway time.Duration

	// Origins of front ends other than the issuer's own that may call with cookies: exact, as a browser sends them,
	// "https://app.example.com". They are what [Sessions.CORS] answers to and what the cross-origin check trusts. With
	// an origin of another site, cookies become SameSite=None.
	Origins []string

	// NotBefore refuses every token issued earlier, to the second. Set it after a backup was restored or a key was
	// lost. Default: none are refused.
	NotBefore time.Time

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Rand is where identifiers and codes come from. Default: crypto/rand.
	Rand io.Reader

	// Logger hears of refused requests (debug) and of keys and stores that fail (error). No line ever carries a
	// token. Default: none.
	Logger *slog.Logger

	// OnEvent is told what an audit log wants to know, before the answer is sent. It must be quick and safe for
	// concurrent use. Default: nobody is told.
	OnEvent func(context.Context, Event)
}

// Sessions issues and checks the sessions of one issuer. It is safe for concurrent use.
type Sessions struct {
	issuer    string
	base      *url.URL
	secure    bool // https: cookies are Secure and carry the __Host- prefix
	crossSite bool // cookies are SameSite=None
	audience  string
	clientID  string

	keys    keys.Verifier
	signer  keys.Signer // nil: verify only
	secrets keys.Secrets
	store   store.Store

	leeway    time.Duration
	notBefore time.Time
	now       func() time.Time
	rand      io.Reader
	log       *slog.Logger
	onEvent   func(context.Context, Event)

	origins map[string]bool // exact, without the issuer's own
	origin  string          // the issuer's own origin
	cross   *http.CrossOriginProtection

	mu    sync.RWMutex
	kinds map[string]*policy
}

// New checks the configuration. It reads and writes nothing.
func New(c Config) (*Sessions, error) {
	base, err := parseIssuer(c.Issuer)
	if err != nil {
		return nil, err
	}
	s := &Sessions{
		issuer: c.Issuer, base: base, secure: base.Scheme == "https",
		audience: c.Audience, clientID: c.ClientID,
		keys: c.Keys, secrets: c.Secrets, store: c.Store,
		leeway: c.Leeway, notBefore: c.NotBefore, now: c.Now, rand: c.Rand, log: c.Logger, onEvent: c.OnEvent,
		origin: base.Scheme + "://" + base.Host, kinds: map[string]*policy{},
	}
	if err := checkText("Config.Audience", c.Audience, 255); err != nil {
		return nil, err
	}
	if s.clientID == "" {
		s.clientID = c.Audience
	}
	if err := checkText("Config.ClientID", s.clientID, 255); err != nil {
		return nil, err
	}
	if c.Keys == nil {
		return nil, errors.New("session: Config.Keys is missing: open a keys.Ring, or give keys that verify")
	}
	s.signer, _ = c.Keys.(keys.Signer)
	if s.secrets == nil {
		s.secrets, _ = c.Keys.(keys.Secrets)
	}
	switch {
	case c.Leeway > maxLeeway:
		return nil, fmt.Errorf("session: Config.Leeway is %v: at most %v, or expired tokens live on", c.Leeway, maxLeeway)
	case c.Leeway == 0:
		s.leeway = defaultLeeway
	case c.Leeway < 0:
		s.leeway = 0
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.rand == nil {
		s.rand = rand.Reader
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.trustOrigins(c.Origins); err != nil {
		return nil, err
	}
	return s, nil
}

// Issuer is the configured issuer, which is the base URL as well.
func (s *Sessions) Issuer() string { return s.issuer }

// Store is the configured store; nil if there is none.
func (s *Sessions) Store() store.Store { return s.store }

// Secrets are the master secrets; nil if there are none.
func (s *Sessions) Secrets() keys.Secrets { return s.secrets }

// Now is the time on the configured clock.
func (s *Sessions) Now() time.Time { return s.now() }
