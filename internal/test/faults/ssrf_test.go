package faults

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/fetch"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/oidc"
)

// inside are hosts that no provider may send this server to. Names below rebind.test have a private address whenever
// somebody connects.
var inside = []string{
	"127.0.0.1", "127.1.2.3", "localhost", "LOCALHOST", "[::1]", "[0:0:0:0:0:0:0:1]", "0.0.0.0", "[::]",
	"2130706433", "0x7f000001", "017700000001", "0x7f.0.0.1", "0177.0.0.1", "127.1", "127.0.1", "127.0.0.1.", "0",
	"[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]",
	"169.254.169.254", "[fe80::1]", "[fe80::1%25lo]", "[fd00:ec2::254]", "100.100.100.200", "168.63.129.16", "192.0.0.192",
	"10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "[fd12:3456::1]", "224.0.0.1", "255.255.255.255", "198.18.0.1",
	"user@127.0.0.1", "user:pass@localhost", "idp.example@127.0.0.1", "127.0.0.1\\@idp.example", "127.0.0.1#@idp.example", "127.0.0.1%2eidp.example",
	"loopback.rebind.test", "private.rebind.test", "metadata.rebind.test", "six.rebind.test",
}

var rebound = map[string]netip.Addr{
	"loopback.rebind.test.": netip.MustParseAddr("127.0.0.1"), "private.rebind.test.": netip.MustParseAddr("192.168.1.1"),
	"metadata.rebind.test.": netip.MustParseAddr("169.254.169.254"), "six.rebind.test.": netip.MustParseAddr("::1"),
}

// A trap counts who comes to this machine.
type trap struct {
	port    string
	visits  atomic.Int32
	lookups atomic.Int32
}

func newTrap(t *testing.T) *trap {
	t.Helper()
	p := &trap{}
	l := listen(t)
	_, p.port, _ = strings.Cut(l.Addr().String(), ":")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.visits.Add(1)
			_ = c.Close()
		}
	}()
	return p
}

// network reaches the world's provider in memory, and everything else as the strict client does.
type network struct{ world, strict http.RoundTripper }

func (n network) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == "idp.example" {
		return n.world.RoundTrip(r)
	}
	return n.strict.RoundTrip(r)
}

// lead makes the provider's metadata, or redirects of its endpoints, lead to target.
func lead(w *flowtest.World, e fakeidp.Endpoint, redirect bool, target string) {
	w.Serve("idp.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if redirect && r.URL.Path == pathOf[e] {
			rw.Header().Set("Location", target)
			rw.WriteHeader(http.StatusTemporaryRedirect)
			return
		}
		if redirect || r.URL.Path != pathOf[fakeidp.Discovery] {
			w.IdP.ServeHTTP(rw, r)
			return
		}
		rec := httptest.NewRecorder()
		w.IdP.ServeHTTP(rec, r)
		var doc map[string]any
		if err := json.Unmarshal(rec.Body.Bytes(), &doc); err != nil {
			w.Error(err)
		}
		doc[memberOf[e]] = target
		_ = json.NewEncoder(rw).Encode(doc)
	}))
}

// TestC6_HostileMetadata: a provider whose metadata or redirects lead into this network makes no connection there.
func TestC6_HostileMetadata(t *testing.T) {
	if len(inside) < 40 {
		t.Fatalf("only %d shapes", len(inside))
	}
	p := newTrap(t)
	w := newWorld(t)
	strict := fetch.Client(fetch.Options{Timeout: 2 * time.Second, Resolver: nameserver(func(name string) netip.Addr {
		p.lookups.Add(1)
		return rebound[name]
	})})
	c := client(w)
	c.UserInfo = true
	c.HTTPClient = &http.Client{Transport: network{w.HTTP.Transport, strict.Transport}}
	n := 0
	for _, host := range inside {
		for _, e := range []fakeidp.Endpoint{fakeidp.Discovery, fakeidp.Token, fakeidp.JWKS, fakeidp.UserInfo} {
			for _, redirect := range []bool{false, true} {
				if e == fakeidp.Discovery && !redirect {
					continue
				}
				for _, scheme := range []string{"https", "http"} {
					target := scheme + "://" + host + ":" + p.port + "/x"
					lead(w, e, redirect, target)
					h := newHouse(t, w, plans{providers: map[string]postern.Provider{"google": oidc.New(c)}})
					b := h.browser()
					before := p.lookups.Load()
					a := begin("google", "")(b)
					if a.ok() {
						a = callback(b)
					}
					// Without the set of keys the answer is "try again": the token may be good.
					if a.code() != "provider_error" && (e != fakeidp.JWKS || a.code() != "provider_unavailable") {
						t.Errorf("%s at %s, redirect %v: %d %s\n%s", e, target, redirect, a.status, a.body, h.log.String())
					}
					if tokens, _ := h.handedOut(); tokens != 0 {
						t.Errorf("%s at %s, redirect %v: signed in", e, target, redirect)
					}
					if asked := p.lookups.Load() - before; asked > 2 || redirect && asked > 0 {
						t.Errorf("%s at %s, redirect %v: %d questions to the name server", e, target, redirect, asked)
					}
					n++
				}
			}
		}
	}
	if v := p.visits.Load(); v != 0 {
		t.Errorf("%d connections in %d sign-ins", v, n)
	}
	if p.lookups.Load() == 0 {
		t.Error("no name was looked up: nothing was rebound")
	}
}

// TestC6_HostileIssuer: the strict client is the default, for the issuer itself as well.
func TestC6_HostileIssuer(t *testing.T) {
	p := newTrap(t)
	w := newWorld(t)
	for _, host := range inside {
		c := oidc.Config{Issuer: "https://" + host + ":" + p.port, ClientID: "app", ClientSecret: "s"}
		provider := oidc.New(c)
		if provider.Check() != nil || strings.HasSuffix(host, ".test") {
			continue // refused before anybody calls; names are for the test above
		}
		h := newHouse(t, w, plans{providers: map[string]postern.Provider{"google": provider}})
		if a := begin("google", "")(h.browser()); a.code() != "provider_error" {
			t.Errorf("%s: %d %s", host, a.status, a.body)
		}
	}
	if v := p.visits.Load(); v != 0 {
		t.Errorf("%d connections", v)
	}
}
