package posterntest

import (
	"bytes"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"
)

const (
	maxRedirects = 20
	maxPage      = 1 << 20
)

// Client is a browser without a screen: it keeps cookies and follows redirects, but none away from this machine. A
// sign-in that leads to https://example.com/ ends with that redirect, which the test can look at. It trusts every TLS
// server of package httptest. Requests end after 30 seconds.
func Client(t T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatalf("posterntest.Client: %v", err)
	}
	// All httptest servers share one certificate.
	server := httptest.NewTLSServer(nil)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	server.Close()

	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.TLSClientConfig.RootCAs = pool
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: transport, Timeout: 30 * time.Second, CheckRedirect: stayHere}
}

func stayHere(r *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return errors.New("posterntest: the redirects do not end")
	}
	host := r.URL.Hostname()
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return http.ErrUseLastResponse
}

// SignIn opens an authorize URL of the application and goes on until the sign-in has come to its end: a redirect away
// from this machine, or a page. It submits the page with which a provider answers by form_post. The body of the response
// has been read and can be read again; it need not be closed.
//
// A login page (ProviderConfig.Page) is where it stops: use [Submit].
func SignIn(t T, client *http.Client, authorizeURL string) *http.Response {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, authorizeURL, nil)
	if err != nil {
		t.Fatalf("posterntest.SignIn: %v", err)
	}
	r.Header.Set("Accept", "text/html")
	res := do(t, client, r)
	for _, f := range formsOf(t, res) {
		if f.isAnswer() {
			return f.send(t, client, res, nil)
		}
	}
	return res
}

// Submit sends a form of a page as a browser would, with the values given and what the page itself puts into it, and
// returns the answer as SignIn does. It takes the first form that has a field or button for each of the values; without
// values, the first form.
func Submit(t T, client *http.Client, page *http.Response, values url.Values) *http.Response {
	t.Helper()
	forms := formsOf(t, page)
	for _, f := range forms {
		if f.takes(values) {
			return f.send(t, client, page, values)
		}
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	t.Fatalf("posterntest.Submit: none of the %d forms at %s (status %d) takes the fields %v", len(forms), place(page.Request.URL), page.StatusCode, names)
	return nil
}

// do sends a request and reads the whole answer.
func do(t T, client *http.Client, r *http.Request) *http.Response {
	t.Helper()
	res, err := client.Do(r)
	if err != nil {
		t.Fatalf("posterntest: %s %s: %v", r.Method, place(r.URL), err)
	}
	readAll(t, res)
	return res
}

// readAll puts the body into memory, so that it can be read more than once.
func readAll(t T, res *http.Response) []byte {
	t.Helper()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxPage+1))
	if err == nil {
		err = res.Body.Close()
	}
	switch {
	case err != nil:
		t.Fatalf("posterntest: read the answer of %s: %v", place(res.Request.URL), err)
	case len(body) > maxPage:
		t.Fatalf("posterntest: the answer of %s is larger than 1 MiB", place(res.Request.URL))
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return body
}

// place is a URL without its query, which may hold a code.
func place(u *url.URL) string { return u.Scheme + "://" + u.Host + u.Path }

// origin is what a browser sends as Origin with a form of the page (Fetch standard, "append a request Origin header").
func origin(page *http.Response, to *url.URL) string {
	from := page.Request.URL
	switch strings.ToLower(page.Header.Get("Referrer-Policy")) {
	case "no-referrer":
		return "null"
	case "same-origin":
		if site(from, to) != "same-origin" {
			return "null"
		}
	case "", "no-referrer-when-downgrade", "strict-origin", "strict-origin-when-cross-origin":
		if from.Scheme == "https" && to.Scheme == "http" {
			return "null"
		}
	}
	return from.Scheme + "://" + from.Host
}

// site is what a browser sends as Sec-Fetch-Site: the port is no part of a site.
func site(from, to *url.URL) string {
	switch {
	case from.Scheme == to.Scheme && from.Host == to.Host:
		return "same-origin"
	case from.Scheme == to.Scheme && from.Hostname() == to.Hostname():
		return "same-site"
	}
	return "cross-site"
}
