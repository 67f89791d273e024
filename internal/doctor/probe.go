package doctor

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/fetch"
)

// Limits of a look at a deployment: a server that answers slowly, endlessly or not at all costs no more than this.
const (
	callTimeout = 10 * time.Second
	callMax     = 1 << 20 // bytes of a body
	totalMax    = 2 * time.Minute
)

// An answer is what a server returned, read up to callMax.
type answer struct {
	status    int
	header    http.Header
	body      string
	cut       bool // the body is longer
	tls       *tls.ConnectionState
	sent, got time.Time
}

// location returns where a redirect leads, absolute; nil if the answer is none.
func (a *answer) location(base *url.URL) *url.URL {
	if a.status < 300 || a.status > 399 || a.header.Get("Location") == "" {
		return nil
	}
	u, err := base.Parse(a.header.Get("Location"))
	if err != nil {
		return nil
	}
	return u
}

// has reports whether a header has a word in one of its comma-separated values, in any letter case.
func (a *answer) has(header, word string) bool {
	for _, line := range a.header.Values(header) {
		for part := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(part), word) {
				return true
			}
		}
	}
	return false
}

// prober calls one deployment.
type prober struct {
	client *http.Client
	now    func() time.Time
}

func newProber(roots *x509.CertPool, now func() time.Time) *prober {
	// A person names the deployment, and it may be on this machine or in a private network. Metadata services of clouds
	// stay refused.
	transport := fetch.Transport(fetch.Options{AllowLoopback: true, AllowPrivate: true, Timeout: callTimeout, Connect: callTimeout})
	transport.TLSClientConfig.RootCAs = roots
	transport.DisableKeepAlives = false // Check closes them
	return &prober{now: now, client: &http.Client{
		Transport: transport, Timeout: callTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// call makes a request. header has names and values in turn.
func (p *prober) call(ctx context.Context, method, target, body string, header ...string) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, target, reader)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "postern-doctor")
	r.Header.Set("Accept-Encoding", "identity")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if body != "" && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	a := &answer{sent: p.now()}
	resp, err := p.client.Do(r)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the URL, which a finding has
		}
		return nil, err
	}
	defer resp.Body.Close()
	a.got = p.now()
	data, err := io.ReadAll(io.LimitReader(resp.Body, callMax+1))
	if err != nil {
		return nil, err
	}
	if a.cut = len(data) > callMax; a.cut {
		data = data[:callMax]
	}
	a.status, a.header, a.body, a.tls = resp.StatusCode, resp.Header, string(data), resp.TLS
	return a, nil
}

// clientOver is a client over a transport.
func clientOver(t http.RoundTripper) *http.Client {
	return &http.Client{Transport: t, Timeout: callTimeout}
}

// bounded is a buffered reader of a conversation, which ends after 64 KiB.
func bounded(r io.Reader) *bufio.Reader { return bufio.NewReader(io.LimitReader(r, 64<<10)) }
