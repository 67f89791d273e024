package keys

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/posternauth/postern/internal/discovery"
	"github.com/posternauth/postern/internal/loopback"
)

// RemoteConfig says where the keys of another issuer are published. Exactly one of Issuer and URL must be set, and
// nothing else must.
type RemoteConfig struct {
	// Issuer is the issuer of the keys. Its metadata are fetched from its URL and /.well-known/openid-configuration
	// (OpenID Connect Discovery 1.0 section 4), and name the URL of the keys in jwks_uri. Write it as its tokens do,
	// with the slash at the end if they have one: the document must name the same issuer, character for character. It
	// is read with the keys, and again when it is older than MaxAge; while it cannot be read, the keys are fetched from
	// where they were. jwks_uri may be on another host, by the same rules as URL. https, without query, unless
	// AllowInsecure.
	Issuer string

	// URL of the JWK Set. It comes from configuration, never from a token. https, unless AllowInsecure.
	URL string

	// Client makes the requests, and decides which addresses it calls. Redirects are followed only within the scheme
	// and host of the key set, whatever the client says, and never for the metadata.
	//
	// Defaults to a new client with timeouts, without proxy or kept connections, that calls public addresses
	// only: each is checked after the name was looked up.
	Client *http.Client

	// Algorithms that are accepted; keys for others are ignored. An RSA key without alg is for the first RSA
	// algorithm of the list, by default RS256.
	//
	// Defaults to all but those of a shared secret, which may not be named here.
	Algorithms []Algorithm

	// Timeout bounds one fetch as a whole. The metadata have half of it.
	//
	// Defaults to 5 s.
	Timeout time.Duration
	// MaxAge is the age at which a fetched set is fetched again.
	//
	// Defaults to 10 minutes.
	MaxAge time.Duration
	// MaxStale is how long after its fetch a set is used, while it cannot be fetched again.
	//
	// Defaults to 24 hours.
	MaxStale time.Duration
	// Cooldown is the least time between two fetches for unknown kids, and after a fetch that failed.
	//
	// Defaults to 30 s.
	Cooldown time.Duration
	// MaxBytes is the largest size of a body.
	//
	// Defaults to 512 KiB.
	MaxBytes int64

	// AllowPrivate lets the default client call private networks (RFC 1918, RFC 4193, RFC 6598), for an issuer inside
	// a company. Link-local and metadata addresses stay refused.
	//
	// Defaults to public addresses only.
	AllowPrivate bool

	// AllowInsecure is for tests and development: the default client may call this machine, and URLs of localhost and
	// of loopback addresses may be http. URLs of other hosts stay https.
	AllowInsecure bool

	// Now is the clock.
	//
	// Defaults to time.Now.
	Now func() time.Time

	// Logger gets fetches that failed and keys that are left out.
	//
	// Defaults to slog.Default().
	Logger *slog.Logger
}

// Remote is a Verifier over a JWK Set that another issuer publishes, at a URL or where its metadata say.
//
// The set is fetched when it is first used, again when it is older than MaxAge, and for an unknown kid, but not twice
// within Cooldown; callers that need it at the same time share one fetch. While the publisher cannot be reached, known
// kids go on verifying.
//
// A bad member is left out; the rest of the set is used (RFC 7517 section 5). Left out are members that are
// malformed, weak, for another algorithm, or a shared secret; two different keys with one kid and one algorithm; and
// keys without kid among several. A key that is there twice counts once. Keys for several algorithms may share a kid,
// see [Verify].
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
	if u.Scheme != "https" && (u.Scheme != "http" || !c.AllowInsecure || !loopback.Host(u.Hostname())) {
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
	return r.key(ctx, kid, "")
}

// key is PublicKey; where keys share a kid, it returns the one for alg.
func (r *remote) key(ctx context.Context, kid string, alg Algorithm) (*PublicKey, error) {
	st, now := r.cur.Load(), r.now()
	k, known := r.find(st, kid, alg, now)
	if known && now.Sub(st.fetched) < r.cfg.MaxAge {
		return k, nil
	}
	st, err := r.refresh(ctx, now, known)
	if err != nil {
		return nil, err
	}
	if k, ok := r.find(st, kid, alg, now); ok {
		return k, nil
	}
	if st.err != nil {
		return nil, st.err
	}
	return nil, ErrUnknownKey
}

// renewed fetches the set anew, if Cooldown permits, because a signature did not verify with the key old. It returns
// the key that the publisher has now in its place, or nil if that is not known or the same.
func (r *remote) renewed(ctx context.Context, kid string, alg Algorithm, old *PublicKey) *PublicKey {
	now := r.now()
	st, err := r.refresh(ctx, now, false)
	if err != nil {
		return nil
	}
	if k, ok := r.find(st, kid, alg, now); ok && !k.equal(old) {
		return k
	}
	return nil
}

// find looks kid up in what st holds, if that is not too old at now to be used at all.
func (r *remote) find(st *remoteState, kid string, alg Algorithm, now time.Time) (*PublicKey, bool) {
	if st == nil || st.set == nil || now.Sub(st.fetched) >= r.cfg.MaxStale {
		return nil, false
	}
	return st.set.find(kid, alg)
}

// mayFetch reports whether enough time has passed since the last fetch. Before there is any set, the wait is shorter: a
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
// whose key is known does not wait for another's fetch. Nobody waits longer than ctx allows; the error is that of ctx.
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
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
		}
	}
	if st = r.cur.Load(); !r.mayFetch(st) {
		<-r.lock
		return st, nil
	}
	// Others wait for this fetch and must not fail because this caller went away: it ends by Timeout, not with ctx.
	fetchCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.Timeout)
	done := make(chan struct{})
	go func() {
		defer cancel()
		r.cur.Store(r.fetched(fetchCtx, st, asked))
		<-r.lock
		close(done)
	}()
	select {
	case <-done:
		return r.cur.Load(), nil
	case <-ctx.Done():
		if known {
			return st, nil
		}
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
	}
}

// fetched makes a fetch and returns the state after it.
func (r *remote) fetched(ctx context.Context, st *remoteState, asked time.Time) *remoteState {
	next := &remoteState{tried: asked}
	if st != nil {
		next.set, next.fetched, next.failed = st.set, st.fetched, st.failed
	}
	set, err := r.fetch(ctx, asked)
	if err != nil {
		next.failed++
		next.err = fmt.Errorf("%w: fetching the keys of %s: %w", ErrUnavailable, r.name(), err)
		r.log.WarnContext(ctx, "keys: the published keys could not be fetched", "url", r.name(), "error", err)
	} else {
		next.set, next.fetched, next.failed = set, asked, 0
	}
	return next
}
