package keys

import (
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
)

// RemoteConfig says where the keys of another issuer are published. Only URL must be set.
type RemoteConfig struct {
	// URL of the JWK Set: jwks_uri of the issuer's metadata. It comes from configuration or metadata, never from a token.
	// https, unless AllowInsecure.
	URL string

	// Client makes the requests, and decides which addresses it calls. Default: a client of its own with timeouts, without
	// proxy or kept connections, that calls public addresses only: each is checked after the name was looked up. Redirects
	// are followed only within the scheme and host of URL, whatever the client says.
	Client *http.Client

	// Algorithms that are accepted; keys for others are ignored. Default: all but those of a shared secret, which may not
	// be named here. An RSA key without alg is for the first RSA algorithm of the list, by default RS256.
	Algorithms []Algorithm

	Timeout  time.Duration // of one fetch as a whole. Default 5 s
	MaxAge   time.Duration // when a fetched set is fetched again. Default 10 minutes
	MaxStale time.Duration // how long a set is used when it cannot be fetched again. Default 24 hours after the fetch
	Cooldown time.Duration // least time between fetches for unknown kids, or after a failed one. Default 30 s
	MaxBytes int64         // of the body. Default 512 KiB

	// AllowPrivate lets the default client call private networks (RFC 1918, RFC 4193, RFC 6598), for an issuer inside a
	// company. Link-local and metadata addresses stay refused. Default: public addresses only.
	AllowPrivate bool

	// AllowInsecure lets the default client call this machine, and URL be http on localhost and loopback addresses: for
	// tests and development. Never http to other hosts.
	AllowInsecure bool

	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // told of fetches that failed and keys left out. Default: none
}

// Remote is a Verifier over a JWK Set that another issuer publishes.
//
// The set is fetched when it is first used, again when it is older than MaxAge, and for an unknown kid, but not twice
// within Cooldown; callers that need it at the same time share one fetch. While the publisher cannot be reached, known
// kids go on verifying. A member that is malformed, weak or for another algorithm is left out (RFC 7517 section 5); a
// set in which a kid is ambiguous, or that mixes in shared secrets, counts as a failed fetch.
//
// PublicKey answers ErrUnknownKey only after a good fetch that is younger than Cooldown or was made for this call, else
// ErrUnavailable. The error of Remote itself is about cfg.
func Remote(cfg RemoteConfig) (Verifier, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return nil, errors.New("keys: RemoteConfig.URL must be an absolute https URL without user and fragment")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !cfg.AllowInsecure || !loopback(u.Hostname())) {
		return nil, fmt.Errorf("keys: RemoteConfig.URL %s is not https (AllowInsecure permits http to localhost only)", cfg.URL)
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
	return &remote{
		cfg: cfg, client: newFetchClient(cfg, u), now: wallClock(cfg.Now), log: logger(cfg.Logger),
		lock: make(chan struct{}, 1),
	}, nil
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
	set, err := r.fetch(fetchCtx)
	if err != nil {
		next.failed++
		next.err = fmt.Errorf("%w: fetching %s: %w", ErrUnavailable, r.cfg.URL, err)
		r.log.WarnContext(ctx, "keys: the published keys could not be fetched", "url", r.cfg.URL, "error", err)
	} else {
		next.set, next.fetched, next.failed = set, asked, 0
	}
	r.cur.Store(next)
	return next, nil
}
