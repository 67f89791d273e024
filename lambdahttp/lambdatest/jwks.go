package lambdatest

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	fetchTimeout = 1500 * time.Millisecond
	maxDocument  = 1 << 20
)

// A keySet has the keys of an issuer for a while, and their address for good.
type keySet struct {
	client    *http.Client
	issuer    string
	allowHTTP bool
	timeout   time.Duration // for each document
	now       func() time.Time
	keep      time.Duration
	refetch   bool // an unknown kid makes it ask again

	mu      sync.Mutex
	uri     string
	keys    map[string]publicKey // by kid
	expires time.Time
}

type publicKey struct {
	*rsa.PublicKey
	alg string // "" if the key does not say
}

func (k *keySet) flush() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.uri, k.keys = "", nil
}

// find returns a key. Requests wait for each other while it is fetched.
func (k *keySet) find(ctx context.Context, kid, alg string) (*rsa.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	fresh := false
	if k.keys == nil || !k.now().Before(k.expires) {
		if err := k.load(ctx); err != nil {
			return nil, err
		}
		fresh = true
	}
	key, ok := k.keys[kid]
	if !ok && k.refetch && !fresh {
		if err := k.load(ctx); err != nil {
			return nil, err
		}
		key, ok = k.keys[kid]
	}
	if !ok {
		return nil, tokenError("the kid of the token is not in the key set of the issuer")
	}
	if key.alg != "" && key.alg != alg {
		return nil, tokenError("the signing method of the token is not that of its key")
	}
	return key.PublicKey, nil
}

// load reads the discovery document, the first time, and the key set.
func (k *keySet) load(ctx context.Context) error {
	if k.uri == "" {
		var doc struct {
			Issuer  string `json:"issuer"`
			JWKSURI string `json:"jwks_uri"`
		}
		if err := k.get(ctx, k.issuer+"/.well-known/openid-configuration", &doc); err != nil {
			return fmt.Errorf("the discovery document of the issuer: %w", err)
		}
		if doc.Issuer != k.issuer {
			return fmt.Errorf("the discovery document names the issuer %q, not %q", doc.Issuer, k.issuer)
		}
		u, err := url.Parse(doc.JWKSURI)
		if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && k.allowHTTP) {
			return errors.New("the jwks_uri of the discovery document is not an https URL")
		}
		k.uri = doc.JWKSURI
	}
	var set struct {
		Keys []struct{ Kty, Kid, Use, Alg, N, E string }
	}
	if err := k.get(ctx, k.uri, &set); err != nil {
		return fmt.Errorf("the key set of the issuer: %w", err)
	}
	keys := map[string]publicKey{}
	for _, j := range set.Keys {
		if j.Kty != "RSA" || j.Kid == "" || j.Use != "" && j.Use != "sig" {
			continue // other kinds of keys may stand beside those that are of use here
		}
		n, err1 := base64.RawURLEncoding.DecodeString(j.N)
		e, err2 := base64.RawURLEncoding.DecodeString(j.E)
		exp := new(big.Int).SetBytes(e)
		if err1 != nil || err2 != nil || len(n) == 0 || !exp.IsInt64() || exp.Int64() > 1<<31-1 {
			continue
		}
		keys[j.Kid] = publicKey{&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exp.Int64())}, j.Alg}
	}
	k.keys, k.expires = keys, k.now().Add(k.keep)
	return nil
}

func (k *keySet) get(ctx context.Context, url string, into any) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	res, err := k.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, res.Status)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxDocument))
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}
