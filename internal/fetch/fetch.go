// Package fetch makes the one HTTP client Postern calls providers with: discovery documents, token and profile
// endpoints, key sets.
//
// The addresses called come from configuration and from documents of providers, and some of those are chosen by a
// tenant's administrator. So the client trusts none of them: https only, no redirects, no proxy from the environment,
// no cookies, no compressed answers, a bound on time and on bytes, and a check of the network address at the moment of
// connecting, when no name can change its meaning any more.
//
//	c := fetch.Client(fetch.Options{})
//	resp, err := fetch.Get(ctx, c, "https://id.example.com/.well-known/openid-configuration", nil)
package fetch

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

// What the zero Options give.
const (
	DefaultTimeout = 5 * time.Second
	DefaultConnect = 2 * time.Second
	DefaultMaxBody = 1 << 20
)

var (
	// ErrRefused says that the URL or the address behind it may not be called. No connection was made.
	ErrRefused = errors.New("address refused")
	// ErrTooLarge says that the answer is longer than allowed.
	ErrTooLarge = errors.New("answer too large")
	// ErrEncoded says that the answer is compressed although the request forbade it.
	ErrEncoded = errors.New("compressed answer")
)

// Options of a client. The zero value is the strictest.
type Options struct {
	// AllowLoopback lets the client call this machine, and use http for it: for development and tests.
	AllowLoopback bool
	// AllowPrivate lets the client call private networks (RFC 1918, RFC 4193, RFC 6598): for a provider inside a
	// company. Link-local and metadata addresses stay refused.
	AllowPrivate bool
	// Timeout bounds a call from the name lookup to the last byte of the answer. Default: 5 s.
	Timeout time.Duration
	// Connect bounds name lookup and connecting. Default: 2 s.
	Connect time.Duration
	// MaxBody is how many bytes of an answer are read. Default: 1 MiB.
	MaxBody int64
	// Resolver looks up names. Default: net.DefaultResolver.
	Resolver *net.Resolver
	// HTTPClient, if set, gives the transport, for callers who need a proxy or certificates of their own. Which
	// addresses it may reach is then its business; all other rules stay.
	HTTPClient *http.Client
}

func (o *Options) defaults() {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Connect <= 0 {
		o.Connect = DefaultConnect
	}
	if o.MaxBody <= 0 {
		o.MaxBody = DefaultMaxBody
	}
}

// Client returns a client that keeps the rules of this package, whoever uses it. It follows no redirect: a redirect
// is an answer with its status. It keeps no connection open between calls: signing in is rare, nothing is left running,
// and a function that was frozen does not post a code into a dead connection.
func Client(o Options) *http.Client {
	o.defaults()
	timeout := o.Timeout
	var base http.RoundTripper
	if own := o.HTTPClient; own != nil {
		base = own.Transport
		if base == nil {
			base = http.DefaultTransport
		}
		if own.Timeout > 0 {
			timeout = min(timeout, own.Timeout)
		}
	} else {
		base = Transport(o)
	}
	return &http.Client{
		Transport:     &guard{base: base, loopback: o.AllowLoopback, maxBody: o.MaxBody},
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Transport is what Client connects with: it calls no address that the options forbid. Alone it bounds neither the time
// of a call nor the bytes of an answer, and takes any URL: it is for callers with bounds of their own. Of the options,
// it heeds AllowLoopback, AllowPrivate, Timeout, Connect and Resolver.
func Transport(o Options) *http.Transport {
	o.defaults()
	dialer := &net.Dialer{
		Timeout:  o.Connect,
		Resolver: o.Resolver,
		// Control runs for each address after the name was looked up and before anything is sent to it, so there is no
		// time between check and use in which a name could point elsewhere (DNS rebinding).
		Control: func(network, address string, _ syscall.RawConn) error {
			return checkAddress(network, address, o.AllowLoopback, o.AllowPrivate)
		},
	}
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    o.Timeout,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// guard keeps the rules that do not depend on the transport.
type guard struct {
	base     http.RoundTripper
	loopback bool
	maxBody  int64
}

func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := checkURL(req.URL, g.loopback); err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // a RoundTripper must close it, also on errors
		}
		return nil, err
	}
	req = req.Clone(req.Context())
	// Naming an encoding keeps any transport from asking for gzip and unpacking it on its own, uncounted.
	req.Header.Set("Accept-Encoding", "identity")
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "postern") // GitHub refuses calls without one
	}
	resp, err := g.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if enc := resp.Header.Get("Content-Encoding"); resp.Uncompressed || enc != "" && enc != "identity" {
		_ = resp.Body.Close() // the answer is thrown away
		return nil, ErrEncoded
	}
	if resp.ContentLength > g.maxBody {
		_ = resp.Body.Close() // the answer is thrown away
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, g.maxBody)
	}
	// A redirect is an answer with its status. Where it leads must not even be read: net/http would repeat a Location that it
	// cannot parse in its error, with whatever a server put into it.
	resp.Header.Del("Location")
	resp.Body = &bounded{body: resp.Body, left: g.maxBody, max: g.maxBody}
	return resp, nil
}

// bounded fails instead of ending quietly where the bytes run out, so that no half answer is taken for a whole one.
type bounded struct {
	body io.ReadCloser
	left int64
	max  int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.body.Read(p)
	if int64(n) > b.left {
		n = int(b.left)
		b.left = 0
		return n, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, b.max)
	}
	b.left -= int64(n)
	return n, err
}

func (b *bounded) Close() error { return b.body.Close() }
