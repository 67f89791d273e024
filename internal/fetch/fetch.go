// Package fetch makes the HTTP client for all calls to providers: discovery documents, token and profile endpoints, key
// sets.
//
// The addresses come from the configuration and from documents of providers; some are chosen by the administrator of a
// tenant. So the client trusts none of them: https only, no redirects, no proxy from the environment, no cookies, no
// compressed answers, and limits of time and bytes. It checks the network address when it connects, after the name
// lookup.
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

// The defaults of Options.
const (
	DefaultTimeout = 5 * time.Second
	DefaultConnect = 2 * time.Second
	DefaultMaxBody = 1 << 20
)

var (
	// ErrRefused is the error for a URL or a network address that must not be called. No connection was made.
	ErrRefused = errors.New("address refused")
	// ErrTooLarge is the error for an answer that is too long.
	ErrTooLarge = errors.New("answer too large")
	// ErrEncoded is the error for a compressed answer; the request forbids compression.
	ErrEncoded = errors.New("compressed answer")
)

// Options of a client. The zero value is the strictest.
type Options struct {
	// AllowLoopback lets the client call this machine, and use http for it: for development and tests.
	AllowLoopback bool
	// AllowPrivate lets the client call private networks (RFC 1918, RFC 4193, RFC 6598): for a provider inside a
	// company. Link-local and metadata addresses stay refused.
	AllowPrivate bool
	// Timeout is the time of a call, from the name lookup to the last byte of the answer.
	// Defaults to 5 seconds.
	Timeout time.Duration
	// Connect is the time of name lookup and connecting.
	// Defaults to 2 seconds.
	Connect time.Duration
	// MaxBody is the largest size of an answer, in bytes.
	// Defaults to 1 MiB.
	MaxBody int64
	// Resolver looks up names.
	// Defaults to net.DefaultResolver.
	Resolver *net.Resolver
	// HTTPClient, if set, has the transport to use, for a proxy or for private certificates. Then network addresses are
	// not checked; all other rules stay.
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

// Client returns a client with the rules of this package. It follows no redirect: a redirect is an answer with its
// status. It keeps no connection open between calls, because sign-ins are rare, no goroutine should be left behind, and
// a frozen function must not send a code over a dead connection.
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

// Transport returns the transport of Client: it calls no address that the options forbid. It limits neither the time of
// a call nor the bytes of an answer, and accepts any URL, so the caller must have its own limits. It uses the options
// AllowLoopback, AllowPrivate, Timeout, Connect and Resolver.
func Transport(o Options) *http.Transport {
	o.defaults()
	dialer := &net.Dialer{
		Timeout:  o.Connect,
		Resolver: o.Resolver,
		// Control runs for each address after the name lookup and before the first byte is sent. Between check and use
		// the name cannot change its address (DNS rebinding).
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

// guard applies the rules that do not depend on the transport.
type guard struct {
	base     http.RoundTripper
	loopback bool
	maxBody  int64
}

func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := checkURL(req.URL, g.loopback); err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // a RoundTripper must close the body, also on errors
		}
		return nil, err
	}
	req = req.Clone(req.Context())
	// With an explicit encoding no transport asks for gzip and unpacks it uncounted.
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
	// A redirect is an answer with its status. Its Location is removed, because an error of net/http would repeat a
	// Location that it cannot parse.
	resp.Header.Del("Location")
	resp.Body = &bounded{body: resp.Body, left: g.maxBody, max: g.maxBody}
	return resp, nil
}

// bounded returns an error after the allowed bytes, not an end, so that half an answer does not look complete.
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
