package postern_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

// socketClient serves h on a Unix socket until the test ends, and returns a client of it.
func socketClient(t *testing.T, h http.Handler) *http.Client {
	t.Helper()
	dir, err := os.MkdirTemp("", "postern") // that of the test may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "socket")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(h)
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// TestD3_ProxyOnAUnixSocket: people behind a proxy on a Unix socket have separate limits if the setting names
// 127.0.0.1. Otherwise they share one, the header of a client counts for nothing, and the log has one warning.
func TestD3_ProxyOnAUnixSocket(t *testing.T) {
	for _, c := range []struct {
		trusted string
		shared  bool
	}{{"127.0.0.1/32", false}, {"10.0.0.0/8", true}, {"", true}} {
		v := newWorld(t, func(_ *world, _ *session.Config, p *postern.Config) {
			p.Providers["one"] = guarded{}
			if c.trusted != "" {
				p.TrustedProxies, p.ClientIPHeader = []netip.Prefix{netip.MustParsePrefix(c.trusted)}, "X-Forwarded-For"
			}
		})
		client := socketClient(t, v.auth)
		for i := range 6 {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, issuer+"/one/address", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.URL.Scheme = "http"
			r.Header.Set("X-Forwarded-For", fmt.Sprintf("198.51.100.%d", i))
			res, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			want := 200
			if c.shared && i >= 3 {
				want = 429
			}
			if res.StatusCode != want {
				t.Errorf("trusted %q, client %d: %d, want %d", c.trusted, i, res.StatusCode, want)
			}
		}
		if n := strings.Count(v.Log.String(), "proxy that is not configured"); n != map[bool]int{true: 1, false: 0}[c.shared] {
			t.Errorf("trusted %q: %d warnings:\n%s", c.trusted, n, v.Log.String())
		}
	}
}

// TestD3_TrustedProxiesReachTheSessions: the limits of the endpoints of package session go by the address that the
// configured proxy names, too.
func TestD3_TrustedProxiesReachTheSessions(t *testing.T) {
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.TrustedProxies, c.ClientIPHeader = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, "X-Forwarded-For"
	})
	tokens, err := v.users.Create(t.Context(), session.Grant[user]{Subject: "u1"})
	if err != nil {
		t.Fatal(err)
	}
	forged := tokens.Refresh[:len(tokens.Refresh)-4] + "AAAA"
	try := func(client string) int {
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {forged}, "client_id": {v.sessions.ClientID()}}
		r := httptest.NewRequest("POST", issuer+"/token", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", formType)
		r.RemoteAddr = "10.0.0.1:1"
		r.Header.Set("X-Forwarded-For", client)
		w := httptest.NewRecorder()
		v.auth.ServeHTTP(w, r)
		return w.Code
	}
	for i := range 101 {
		if got, want := try("198.51.100.1"), map[bool]int{true: 429, false: 400}[i == 100]; got != want {
			t.Fatalf("request %d: %d, want %d", i, got, want)
		}
	}
	if got := try("203.0.113.9"); got != 400 {
		t.Errorf("another person behind the proxy: %d", got)
	}
}
