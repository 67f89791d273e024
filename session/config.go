package session

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posternauth/postern/internal/clientip"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/store"
)

// The leeway allows for a difference between the clocks of issuer and verifier.
const (
	defaultLeeway = 30 * time.Second
	maxLeeway     = time.Minute
)

const (
	tokenType = "at+jwt" // RFC 9068 section 2.1

	// backdate is subtracted from iat. Gateways such as the JWT authorizer of Amazon's HTTP APIs allow no leeway.
	// Without it they would refuse a token from a clock that is ahead of theirs.
	backdate = 30 * time.Second

	// grace is how long a session does not rotate again after a rotation, so that two tabs get the same refresh token.
	grace = 30 * time.Second

	// skew is how far apart the clocks of two instances may be.
	skew = time.Minute
)

var errNoSecrets = fmt.Errorf("%w: refresh tokens need session.Config.Secrets; a keys.Ring has them", ErrNoSigner)

// Config configures the sessions of one issuer. Issuer, Audience and Keys are required.
type Config struct {
	// Issuer is the iss of every token, the URL under which [Sessions.Handler] is served, and the base of every link.
	// It is an absolute https URL without query, fragment or trailing slash, such as "https://api.example.com/auth". No
	// header of a request (Host, X-Forwarded-*) ever replaces it. http is allowed for localhost, 127.0.0.0/8, [::1] and
	// DevelopmentHosts only; cookies are then without Secure and without the __Host- prefix.
	Issuer string

	// Audience is the aud of every token: the API that the sessions are for.
	Audience string

	// ClientID is the client_id of tokens (RFC 9068 section 2.2). Applications may send no other client_id to authorize
	// and token, because nothing proves which application wrote a link.
	//
	// Defaults to Audience.
	ClientID string

	// Keys check tokens. A keys.Signer, such as a keys.Ring, issues them too.
	Keys keys.Verifier

	// Secrets make refresh tokens and protect authorization codes. Only the issuer reads these. A program needs Secrets
	// if it creates, refreshes or changes sessions of a kind that is not Stateless.
	//
	// Defaults to Keys, if that value is a keys.Secrets, as a keys.Ring is.
	Secrets keys.Secrets

	// Store keeps the sessions of every kind that is not Stateless, and authorization codes. A program needs a Store to
	// create, refresh, list and end sessions, and for [CheckStore] and [Kind.Code]. A program that only checks tokens
	// needs none.
	//
	// Defaults to none. Functions that need a Store then return ErrStoreRequired.
	Store store.Store

	// Leeway is how far apart the clocks of issuer and verifier may be: a token is accepted that much after exp, and
	// that much before iat and nbf. At most 60 seconds. A negative value means no leeway.
	//
	// Defaults to 30 seconds.
	Leeway time.Duration

	// Origins are the origins, besides the issuer's own, whose pages may send requests with cookies. Write each exactly
	// as a browser sends it, such as "https://app.example.com". [Sessions.CORS] allows them, and the cross-origin check
	// trusts them. If one is of another site, cookies become SameSite=None.
	//
	// Defaults to none.
	Origins []string

	// OriginAlso is for origins that cannot be listed, such as preview deployments on your own hosts: pages of an
	// origin for which it returns true may call and read answers, but without cookies. They send the access token as a
	// Bearer token, which they have by [Kind.Code]. It gets the origin with the path "/", and only https, with a host
	// in its one spelling, or http on one of DevelopmentHosts. It is called for each request of such an origin: it must
	// be fast and safe for concurrent use. What to compare, and what not to, is in postern.Config.RedirectAlso.
	//
	// Defaults to nil: only Origins.
	OriginAlso func(origin *url.URL) bool

	// DevelopmentHosts are hosts besides localhost that may be http, in Issuer, Origins and postern.Config.Redirects:
	// names of docker compose ("web"), or a machine as a phone on the same network sees it ("192.168.1.20"). They are
	// for development: New refuses them if Issuer is https, and refuses names and addresses that the Internet can have.
	// A name has no dot, or ends in .local, .test, .localhost, .internal or .home.arpa; an address is private (RFC
	// 1918, RFC 4193).
	//
	// Defaults to none.
	DevelopmentHosts []string

	// Site is the registered domain that the issuer and its front ends have in common: "example.com" for the issuer's
	// host api.example.com and an origin on app.example.com. Browsers treat these hosts as one site, so cookies stay
	// SameSite=Lax. Do not set a public suffix, such as co.uk or github.io: browsers treat the names below it as
	// separate sites and would withhold the cookies. New refuses a name without a dot, and cannot check more than that:
	// the list of public suffixes changes, and the standard library does not have it.
	//
	// Defaults to none. An origin is then of the same site if its host equals the issuer's host, or is above or below
	// it.
	Site string

	// NotBefore refuses every token and session that was issued earlier. For tokens it counts in whole seconds. Set it
	// after you restored a backup or lost a key.
	//
	// Defaults to the zero time, which refuses nothing.
	NotBefore time.Time

	// Now is the clock.
	//
	// Defaults to time.Now.
	Now func() time.Time

	// Rand is the source of randomness for identifiers and codes.
	//
	// Defaults to crypto/rand.
	Rand io.Reader

	// Logger receives refused requests (level debug), tokens of this issuer with unknown keys (level warn, one line in
	// ten minutes), and failures of keys and stores (level error). No line ever has a token, a code or a cookie.
	// slog.New(slog.DiscardHandler) turns it off.
	//
	// Defaults to slog.Default() at the time of New.
	Logger *slog.Logger

	// OnEvent receives each entry for an audit log, before the answer is sent. It must return quickly and be safe for
	// concurrent use.
	//
	// Defaults to none.
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

	twoParts bool // one Write of the store may change items of several Parts

	leeway    time.Duration
	notBefore time.Time
	now       func() time.Time
	rand      io.Reader
	log       *slog.Logger
	onEvent   func(context.Context, Event)

	origins map[string]bool // exact, without the issuer's own
	origin  string          // the issuer's own origin

	originAlso  func(*url.URL) bool
	development []string // Config.DevelopmentHosts
	cross       *http.CrossOriginProtection

	mu      sync.RWMutex
	kinds   map[string]*policy
	clients clientip.Resolver
	hidden  atomic.Bool  // the log line about a proxy that hides the clients
	forgery *forgery     // a pointer, so that no print of a Sessions shows a salt
	warned  atomic.Int64 // when unknown keys were last warned of, in Unix nanoseconds; 0: never
}

// New checks the configuration. It reads and writes nothing.
func New(c Config) (*Sessions, error) {
	base, err := parseIssuer(c.Issuer, c.DevelopmentHosts)
	if err != nil {
		return nil, err
	}
	if err := checkDevelopment(base, c.DevelopmentHosts); err != nil {
		return nil, err
	}
	s := &Sessions{
		issuer: c.Issuer, base: base, secure: base.Scheme == "https",
		audience: c.Audience, clientID: c.ClientID,
		keys: c.Keys, secrets: c.Secrets, store: c.Store, twoParts: store.WritesTwoParts(c.Store),
		leeway: c.Leeway, notBefore: c.NotBefore, now: c.Now, rand: c.Rand, log: c.Logger, onEvent: c.OnEvent,
		originAlso: c.OriginAlso, development: slices.Clone(c.DevelopmentHosts), forgery: &forgery{},
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
		return nil, fmt.Errorf("session: Config.Leeway is %v; give at most %v, because expired tokens work for that long", c.Leeway, maxLeeway)
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
		s.log = slog.Default()
	}
	if err := s.trustOrigins(c.Origins, c.Site); err != nil {
		return nil, err
	}
	return s, nil
}

// Issuer returns the configured issuer, which is also the base URL.
func (s *Sessions) Issuer() string { return s.issuer }

// ClientID returns the configured client_id.
func (s *Sessions) ClientID() string { return s.clientID }

// Store returns the configured store, or nil if there is none.
func (s *Sessions) Store() store.Store { return s.store }

// Secrets returns the master secrets, or nil if there are none.
func (s *Sessions) Secrets() keys.Secrets { return s.secrets }

// Now returns the time of the configured clock.
func (s *Sessions) Now() time.Time { return s.now() }

// random returns n random bytes in base64url.
func (s *Sessions) random(n int) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(s.rand, b); err != nil {
		return "", fmt.Errorf("session: Config.Rand: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// unavailable wraps an error of keys or store. The request is not at fault, so the error is logged here.
func (s *Sessions) unavailable(ctx context.Context, what string, err error) error {
	if ctx.Err() == nil { // otherwise the client has left
		s.log.ErrorContext(ctx, "session: "+what+" unavailable", "error", err)
	}
	switch Reason(err) {
	case "other", "unavailable", "too_large":
	default: // a hook may return an error of this package; it must not look like the result of the token's check
		err = errors.New(err.Error())
	}
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, what, err)
}

// canEnd returns an error if the configuration cannot end and list sessions.
func (s *Sessions) canEnd() error {
	if s.store == nil {
		return fmt.Errorf("%w: sessions are ended in a store; set session.Config.Store", ErrStoreRequired)
	}
	return nil
}

// canKeep returns an error if the configuration cannot keep sessions in a store.
func (s *Sessions) canKeep() error {
	switch {
	case s.store == nil:
		return fmt.Errorf("%w: set session.Config.Store, or KindConfig.Stateless for sessions that can be neither refreshed nor ended", ErrStoreRequired)
	case s.secrets == nil:
		return errNoSecrets
	case s.signer == nil:
		return fmt.Errorf("%w: give session.Config.Keys a keys.Ring or another keys.Signer", ErrNoSigner)
	}
	return nil
}

// canRedeem returns an error if the configuration cannot redeem authorization codes.
func (s *Sessions) canRedeem() error {
	switch {
	case s.store == nil:
		return fmt.Errorf("%w: a code must work once; set session.Config.Store", ErrStoreRequired)
	case s.secrets == nil:
		return fmt.Errorf("%w: codes need session.Config.Secrets; a keys.Ring has them", ErrNoSigner)
	case s.signer == nil:
		return fmt.Errorf("%w: give session.Config.Keys a keys.Ring or another keys.Signer", ErrNoSigner)
	}
	return nil
}

// RotateKeys adds a signing key and a master secret to Config.Keys, if that is a keys.Ring: see [keys.Ring.Rotate]. The
// error is ErrNoSigner for keys that cannot be rotated, and else that of the ring.
func (s *Sessions) RotateKeys(ctx context.Context) error {
	ring, ok := s.keys.(interface {
		Rotate(ctx context.Context) error
	})
	if !ok {
		return ErrNoSigner
	}
	return ring.Rotate(ctx)
}
