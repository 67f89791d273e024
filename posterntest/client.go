package posterntest

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/loopback"
)

const (
	maxRedirects = 20
	maxPage      = 1 << 20
)

// Client is a browser without a screen: it keeps cookies and follows redirects. It goes to the server that the test
// asks, to the servers named by more, and to the providers on this machine that those send the person to. At a redirect
// to any other host it stops, so that no test depends on the internet or on what else runs here: the redirect is the
// answer, which the test can look at, and the log of the test has the host and the reason. A request of the test to a
// host that is not on this machine is an error.
//
// The client trusts every TLS server of package httptest. Requests end after 30 seconds.
func Client(t T, more ...string) *http.Client {
	t.Helper()
	stop := &places{t: t, known: map[string]bool{}}
	for _, text := range more {
		u, err := url.Parse(text)
		if err != nil || !loopback.Host(u.Hostname()) {
			t.Fatalf("posterntest.Client: %q is not the URL of a server on this machine; write it like http://127.0.0.1:3000", text)
		}
		stop.known[u.Host] = true
	}
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
	return &http.Client{Jar: jar, Transport: thisMachine{transport}, Timeout: 30 * time.Second, CheckRedirect: stop.check}
}

// thisMachine sends requests to this machine only.
type thisMachine struct{ http.RoundTripper }

func (m thisMachine) RoundTrip(r *http.Request) (*http.Response, error) {
	if !loopback.Host(r.URL.Hostname()) {
		return nil, fmt.Errorf("posterntest: the client goes to servers on this machine only, and %s is not: start the application with posterntest.Server", r.URL.Host)
	}
	return m.RoundTripper.RoundTrip(r)
}

// SignIn opens an authorize URL of the application and goes on until the sign-in has come to its end: a redirect at
// which the client stops (see [Client]), or a page. It follows a page that leads on by itself (a meta refresh), as
// browsers do; one that leads to another host is returned as the redirect it stands for, status 303 with a Location.
// It submits the page with which a provider answers by form_post. The body of the response has been read and can be
// read again; it need not be closed.
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
// returns the answer as SignIn does. It takes the first form that has a field or button for each of the values;
// without values, the first form.
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
	leads := ""
	if to, err := page.Location(); err == nil {
		leads = ": it is a redirect to " + place(to) + ", where the client does not go (see posterntest.Client)"
	}
	t.Fatalf("posterntest.Submit: none of the %d forms at %s (status %d) takes the fields %v%s", len(forms), place(page.Request.URL), page.StatusCode, names, leads)
	return nil
}

// do sends a request and reads the whole answer. Like a browser, it follows a page that leads on by itself, which is
// how package postern answers a form. A page that leads to a host where the client does not go is returned as the
// redirect it stands for.
func do(t T, client *http.Client, r *http.Request) *http.Response {
	t.Helper()
	for range maxRedirects {
		res, err := client.Do(r)
		if err != nil {
			t.Fatalf("posterntest: %s %s: %v", r.Method, place(r.URL), err)
		}
		next := refreshOf(t, res)
		if next == nil {
			return res
		}
		via := []*http.Request{r, res.Request}
		if r, err = http.NewRequest(http.MethodGet, next.String(), nil); err != nil {
			t.Fatalf("posterntest: %v", err)
		}
		if client.CheckRedirect != nil && client.CheckRedirect(r, via) != nil {
			res.StatusCode, res.Status = http.StatusSeeOther, "303 See Other"
			res.Header.Set("Location", next.String())
			return res
		}
		r.Header.Set("Accept", "text/html")
	}
	t.Fatalf("posterntest: the pages that lead on do not end: at %s", place(r.URL))
	return nil
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
