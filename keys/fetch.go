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
// origin it is sent to: a redirect elsewhere would let the owner of that place choose the keys.
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

// newSource finds the keys of cfg.Issuer. Half of the time of a fetch is for that, so that the keys can still be
// fetched from where they were when the metadata are unavailable. Redirects are not followed at all: the document is
// at one place (OpenID Connect Discovery 1.0 section 4).
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

// parse takes from a published set what can be used. A member that cannot be used, or that cannot be distinguished
// from another, costs that member and not the set (RFC 7517 section 5).
func (r *remote) parse(ctx context.Context, body []byte) (*keySet, error) {
	var keys []*PublicKey
	err := eachJWK(string(body), func(i int, value string) error {
		k, err := parseJWK(value, nil, r.cfg.Algorithms)
		switch {
		case errors.Is(err, errUnusable):
			return nil
		case err == nil && k.alg.symmetric():
			err = errors.New("it is a shared secret, and everybody can read it here")
		case err == nil && slices.Contains(r.cfg.Algorithms, k.alg):
			keys = append(keys, k)
		}
		if err != nil {
			r.log.WarnContext(ctx, "keys: a published key is left out", "url", r.name(), "index", i, "error", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	keys, ambiguous := distinct(keys)
	if ambiguous > 0 {
		r.log.WarnContext(ctx, "keys: published keys are left out: they have no kid, or the kid and algorithm of another",
			"url", r.name(), "count", ambiguous)
	}
	return newKeySet(keys)
}
