package keys

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/posternauth/postern/internal/discovery"
)

// RemoteConfig says where the keys of another issuer are published. Exactly one of Issuer and URL must be set, and nothing
// else must.
type RemoteConfig struct {
	// Issuer whose metadata (its own URL and /.well-known/openid-configuration; OpenID Connect Discovery 1.0 section 4) say
	// where the keys are, in jwks_uri. Write it as its tokens do, with the slash at the end if they have one: the document
	// must name the same issuer, character for character. It is read with the keys, and again when it is older than MaxAge;
	// while it cannot be read, the keys are fetched from where they were. jwks_uri may be on another host, by the same rules
	// as URL. https, without query, unless AllowInsecure.
	Issuer string

	// URL of the JWK Set. It comes from configuration, never from a token. https, unless AllowInsecure.
	URL string

	// Client makes the requests, and decides which addresses it calls. Default: a client of its own with timeouts, without
	// proxy or kept connections, that calls public addresses only: each is checked after the name was looked up. Redirects
	// are followed only within the scheme and host of the key set, whatever the client says, and never for the metadata.
	Client *http.Client

	// Algorithms that are accepted; keys for others are ignored. Default: all but those of a shared secret, which may not
	// be named here. An RSA key without alg is for the first RSA algorithm of the list, by default RS256.
	Algorithms []Algorithm

	Timeout  time.Duration // of one fetch as a whole; half of it for the metadata. Default 5 s
	MaxAge   time.Duration // when a fetched set is fetched again. Default 10 minutes
	MaxStale time.Duration // how long a set is used when it cannot be fetched again. Default 24 hours after the fetch
	Cooldown time.Duration // least time between fetches for unknown kids, or after a failed one. Default 30 s
	MaxBytes int64         // of a body. Default 512 KiB

	// AllowPrivate lets the default client call private networks (RFC 1918, RFC 4193, RFC 6598), for an issuer inside a
	// company. Link-local and metadata addresses stay refused. Default: public addresses only.
	AllowPrivate bool

	// AllowInsecure lets the default client call this machine, and URLs be http on localhost and loopback addresses: for
	// tests and development. Never http to other hosts.
	AllowInsecure bool

	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // told of fetches that failed and keys left out. Default: none
}

// Remote is a Verifier over a JWK Set that another issuer publishes, at a URL or where its metadata say.
//
// The set is fetched when it is first used, again when it is older than MaxAge, and for an unknown kid, but not twice
// within Cooldown; callers that need it at the same time share one fetch. While the publisher cannot be reached, known
// kids go on verifying. A member that is malformed, weak or for another algorithm is left out (RFC 7517 section 5); a
// set in which a kid is ambiguous, or that mixes in shared secrets, counts as a failed fetch.
//
// PublicKey answers ErrUnknownKey only after a good fetch that is younger than Cooldown or was made for this call, else
// ErrUnavailable. The error of Remote itself is about cfg.
func Remote(cfg RemoteConfig) (Verifier, error) {
	if err := cfg.checkPlace(); err != nil {
		return nil, err
	}
	if len(cfg.Algorithms) == 0 {
		cfg.Algorithms = []Algorithm{RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA}
	}
	if slices.ContainsFunc(cfg.Algorithms, Algorithm.symmetric) {
		return nil, errors.New("keys: RemoteConfig.Algorithms names one for shared secrets, which are never published")
	}
	cfg.Algorithms = slices.Clone(cfg.Algorithms)
	orDefault(&cfg.Timeout, 5*time.Second)
	orDefault(&cfg.MaxAge, 10*time.Minute)
	orDefault(&cfg.MaxStale, 24*time.Hour)
	orDefault(&cfg.Cooldown, 30*time.Second)
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 512 << 10
	}
	r := &remote{
		cfg: cfg, client: newFetchClient(cfg), now: wallClock(cfg.Now), log: logger(cfg.Logger),
		lock: make(chan struct{}, 1),
	}
	if cfg.Issuer != "" {
		r.source = newSource(cfg)
	}
	return r, nil
}

// checkPlace says whether it is clear where the keys are, and that they come from there unchanged.
func (c *RemoteConfig) checkPlace() error {
	name, place := "URL", c.URL
	switch {
	case c.URL != "" && c.Issuer != "":
		return errors.New("keys: RemoteConfig has both Issuer and URL: one says where the keys are")
	case c.URL == "" && c.Issuer == "":
		return errors.New("keys: RemoteConfig needs Issuer, or URL of the key set")
	case c.URL == "":
		name, place = "Issuer", c.Issuer
	}
	u, err := url.Parse(place)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return fmt.Errorf("keys: RemoteConfig.%s must be an absolute https URL without user and fragment", name)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !c.AllowInsecure || !loopback(u.Hostname())) {
		return fmt.Errorf("keys: RemoteConfig.%s %s is not https (AllowInsecure permits http to localhost only)", name, place)
	}
	if c.Issuer != "" && strings.ContainsAny(place, "?#") {
		return errors.New("keys: RemoteConfig.Issuer must not have a query (OpenID Connect Discovery 1.0 section 3)")
	}
	return nil
}

func orDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

type remote struct {
	cfg    RemoteConfig
	source *discovery.Source // of where the set is; nil: at cfg.URL
	client *http.Client
	now    func() time.Time
	log    *slog.Logger
	cur    atomic.Pointer[remoteState]
	lock   chan struct{} // held while fetching
}

// A remoteState is what is known after a fetch. It is immutable.
type remoteState struct {
	set     *keySet   // of the last good fetch; nil if there was none
	fetched time.Time // of that fetch
	tried   time.Time // of the last fetch, good or not
	failed  int       // failed fetches since the last good one
	err     error     // of the last fetch
}

// name is what the key set is called in errors and logs.
func (r *remote) name() string { return cmp.Or(r.cfg.URL, r.cfg.Issuer) }

func (r *remote) PublicKey(ctx context.Context, kid string) (*PublicKey, error) {
	st, now := r.cur.Load(), r.now()
	k, known := r.find(st, kid, now)
	if known && now.Sub(st.fetched) < r.cfg.MaxAge {
		return k, nil
	}
	st, err := r.refresh(ctx, now, known)
	if err != nil {
		return nil, err
	}
	if k, ok := r.find(st, kid, now); ok {
		return k, nil
	}
	if st.err != nil {
		return nil, st.err
	}
	return nil, ErrUnknownKey
}

// find looks kid up in what st holds, if that is not too old at now to be used at all.
func (r *remote) find(st *remoteState, kid string, now time.Time) (*PublicKey, bool) {
	if st == nil || st.set == nil || now.Sub(st.fetched) >= r.cfg.MaxStale {
		return nil, false
	}
	return st.set.find(kid)
}

// mayFetch tells whether enough time has passed since the last fetch. Before there is any set, the wait is shorter: a
// publisher that was down for a moment should not shut everyone out for all of Cooldown.
func (r *remote) mayFetch(st *remoteState) bool {
	if st == nil {
		return true
	}
	wait := r.cfg.Cooldown
	if st.set == nil {
		wait = min(wait, time.Duration(st.failed)*wait/3)
	}
	age := r.now().Sub(st.tried)
	return age >= wait || age < 0 // a clock that was set back
}

// refresh fetches the set unless that was done a moment ago, by another caller perhaps while this one waited. A caller
// whose key is known does not wait for another's fetch. The error is that of ctx.
func (r *remote) refresh(ctx context.Context, asked time.Time, known bool) (*remoteState, error) {
	st := r.cur.Load()
	if !r.mayFetch(st) {
		return st, nil
	}
	select {
	case r.lock <- struct{}{}:
	default:
		if known {
			return st, nil
		}
		select {
		case r.lock <- struct{}{}:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
		}
	}
	defer func() { <-r.lock }()
	if st = r.cur.Load(); !r.mayFetch(st) {
		return st, nil
	}
	// Others wait for this fetch and must not fail because this caller went away: it ends by Timeout, not with ctx.
	fetchCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.Timeout)
	defer cancel()
	next := &remoteState{tried: asked}
	if st != nil {
		next.set, next.fetched, next.failed = st.set, st.fetched, st.failed
	}
	set, err := r.fetch(fetchCtx, asked)
	if err != nil {
		next.failed++
		next.err = fmt.Errorf("%w: fetching the keys of %s: %w", ErrUnavailable, r.name(), err)
		r.log.WarnContext(ctx, "keys: the published keys could not be fetched", "url", r.name(), "error", err)
	} else {
		next.set, next.fetched, next.failed = set, asked, 0
	}
	r.cur.Store(next)
	return next, nil
}
