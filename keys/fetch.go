package keys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/posternauth/postern/internal/discovery"
	"github.com/posternauth/postern/internal/fetch"
)

// newFetchClient copies the client of cfg, or makes one that calls only the addresses cfg allows, and holds it to the
// origin it is sent to: a redirect elsewhere would let whoever controls it choose the keys.
func newFetchClient(cfg RemoteConfig) *http.Client {
	var c http.Client
	if cfg.Client != nil {
		c = *cfg.Client
	} else {
		c.Transport = fetch.Transport(fetch.Options{
			AllowLoopback: cfg.AllowInsecure, AllowPrivate: cfg.AllowPrivate, Timeout: cfg.Timeout,
		})
	}
	c.Jar = nil
	also := c.CheckRedirect
	c.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if u := via[0].URL; req.URL.Scheme != u.Scheme || req.URL.Host != u.Host || len(via) > 3 {
			return errors.New("the publisher redirects to another host, or too often")
		}
		if also != nil {
			return also(req, via)
		}
		return nil
	}
	return &c
}

// newSource finds the keys of cfg.Issuer. Half of the time of a fetch is for that, so that the keys can still be fetched
// from where they were when the metadata cannot be had. Redirects are not followed at all: the document is at one place
// (OpenID Connect Discovery 1.0 section 4).
func newSource(cfg RemoteConfig) *discovery.Source {
	return discovery.New(discovery.Config{
		Issuer: cfg.Issuer, KeysOnly: true, AllowLoopback: cfg.AllowInsecure, MaxAge: cfg.MaxAge, Logger: cfg.Logger,
		Cooldown: time.Nanosecond, // that of the key set decides
		Client: fetch.Client(fetch.Options{
			AllowLoopback: cfg.AllowInsecure, AllowPrivate: cfg.AllowPrivate, Timeout: cfg.Timeout / 2, MaxBody: cfg.MaxBytes,
			HTTPClient: cfg.Client,
		}),
	})
}

// fetch gets the set from URL, or from where the metadata of Issuer say it is.
func (r *remote) fetch(ctx context.Context, now time.Time) (*keySet, error) {
	target := r.cfg.URL
	if r.source != nil {
		m, err := r.source.Get(ctx, now)
		if err != nil {
			return nil, explain(err)
		}
		target = m.JWKS
	}
	set, err := r.fetchSet(ctx, target)
	if err != nil && r.source != nil {
		return nil, fmt.Errorf("jwks_uri: %w", err)
	}
	return set, err
}

// explain names the setting that decides about addresses.
func explain(err error) error {
	if errors.Is(err, fetch.ErrRefused) {
		return fmt.Errorf("%w (RemoteConfig.AllowPrivate permits private networks)", err)
	}
	return err
}

func (r *remote) fetchSet(ctx context.Context, target string) (*keySet, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	req.Header.Set("Accept-Encoding", "identity") // so that what is counted is what is read
	res, err := r.client.Do(req)
	if err != nil {
		return nil, explain(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the publisher answered %d", res.StatusCode)
	}
	if enc := res.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return nil, errors.New("the publisher answered in a content encoding that was not asked for")
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, r.cfg.MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > r.cfg.MaxBytes {
		return nil, fmt.Errorf("the answer is longer than %d bytes", r.cfg.MaxBytes)
	}
	return r.parse(ctx, body)
}

// parse takes from a published set what can be used. One bad member does not take the others down, but a set that could
// be read in two ways is refused.
func (r *remote) parse(ctx context.Context, body []byte) (*keySet, error) {
	var keys []*PublicKey
	leftOut := func(i int, why error) {
		r.log.WarnContext(ctx, "keys: a published key is left out", "url", r.name(), "index", i, "error", why)
	}
	err := eachJWK(string(body), func(i int, value string) error {
		k, err := parseJWK(value, nil, r.cfg.Algorithms)
		switch {
		case errors.Is(err, errUnusable):
		case err != nil:
			leftOut(i, err)
		case k.alg.symmetric():
			return errors.New("the set publishes a shared secret")
		case slices.Contains(r.cfg.Algorithms, k.alg):
			keys = append(keys, k)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(keys) > 1 { // keys without kid can never be found among others
		keys = slices.DeleteFunc(keys, func(k *PublicKey) bool { return k.id == "" })
	}
	return newKeySet(keys)
}
