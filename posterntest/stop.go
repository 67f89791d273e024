package posterntest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"github.com/posternauth/postern/internal/loopback"
)

// places are where a client goes: the servers that the test asks, the further ones that it names, and the providers
// that those send the person to.
type places struct {
	t T

	mu    sync.Mutex
	known map[string]bool // host:port
}

// check is http.Client.CheckRedirect. The client stops at a redirect that leads elsewhere: the redirect is the answer.
func (p *places) check(r *http.Request, via []*http.Request) error {
	p.t.Helper()
	if len(via) >= maxRedirects {
		return errors.New("posterntest: the redirects do not end")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, earlier := range via {
		p.known[earlier.URL.Host] = true
	}
	why := p.stops(r.URL)
	if why == "" {
		p.known[r.URL.Host] = true
		return nil
	}
	if l, ok := p.t.(interface{ Logf(string, ...any) }); ok {
		l.Logf("posterntest: the client stops before %s: %s", place(r.URL), why)
	}
	return http.ErrUseLastResponse
}

// stops returns why the client does not go to an address, or "" if it goes.
func (p *places) stops(to *url.URL) string {
	query := to.Query()
	back, err := url.Parse(query.Get("redirect_uri"))
	asks := query.Has("client_id") && (query.Has("request_uri") || err == nil && p.known[back.Host])
	switch here := loopback.Host(to.Hostname()); {
	case here && (asks || p.known[to.Host]):
		return ""
	case asks && !here:
		return "this is a real provider, and a test goes to none. Configure the application with Provider.Google, Provider.GitHub or Provider.Issuer"
	case !here:
		return "it is not on this machine"
	}
	return fmt.Sprintf("%s is neither the application nor a provider that it sent the person to. If it is a part of the application, name it: posterntest.Client(t, %q)", to.Host, to.Scheme+"://"+to.Host)
}
