package clientip_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/clientip"
)

func prefixes(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func request(peer string, headers ...string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = peer
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// serverOf is r as net/http received it at a local address.
func serverOf(r *http.Request, local net.Addr) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
}

func onSocket(headers ...string) *http.Request {
	return serverOf(request("@", headers...), &net.UnixAddr{Name: "/run/auth", Net: "unix"})
}

func eventOf(r *http.Request) *http.Request {
	return r.WithContext(clientip.WithAddr(r.Context(), netip.Addr{}))
}

const xff = "X-Forwarded-For"

func TestD3_Addr(t *testing.T) {
	direct := clientip.Resolver{}
	lb := clientip.Resolver{Trusted: prefixes("10.0.0.0/8", "fd00::/8"), Header: "x-forwarded-for"}
	local := clientip.Resolver{Trusted: prefixes("127.0.0.1/32"), Header: xff}
	fly := clientip.Resolver{Trusted: prefixes("172.16.0.0/12"), Header: "Fly-Client-IP"}
	for _, tc := range []struct {
		name string
		v    clientip.Resolver
		r    *http.Request
		want string
	}{
		{"peer", direct, request("203.0.113.7:4711"), "203.0.113.7"},
		{"peer IPv6", direct, request("[2001:db8::1]:4711"), "2001:db8::1"},
		{"peer mapped", direct, request("[::ffff:203.0.113.7]:1"), "203.0.113.7"},
		{"peer with zone", direct, request("[fe80::1%eth0]:1"), "fe80::1"},
		{"peer without port", direct, request("203.0.113.7"), "203.0.113.7"},
		{"forged, nothing configured", direct, request("203.0.113.7:1", xff, "198.51.100.9", "Fly-Client-IP", "198.51.100.9", "X-Real-Ip", "198.51.100.9"), "203.0.113.7"},
		{"forged, untrusted peer", lb, request("203.0.113.7:1", xff, "198.51.100.9"), "203.0.113.7"},
		{"unlisted header from a proxy", lb, request("10.0.0.1:1", "X-Real-Ip", "198.51.100.9", "Forwarded", "for=198.51.100.9"), "10.0.0.1"},
		{"one hop", lb, request("10.0.0.1:1", xff, "203.0.113.7"), "203.0.113.7"},
		{"mapped peer is trusted", lb, request("[::ffff:10.0.0.1]:1", xff, "203.0.113.7"), "203.0.113.7"},
		{"forged left of the truth", lb, request("10.0.0.1:1", xff, "198.51.100.9, 203.0.113.7"), "203.0.113.7"},
		{"rubbish left of the truth", lb, request("10.0.0.1:1", xff, "<script>, 203.0.113.7, 10.0.0.9"), "203.0.113.7"},
		{"two hops", lb, request("10.0.0.1:1", xff, "198.51.100.9,203.0.113.7,10.2.3.4"), "203.0.113.7"},
		{"hop over IPv6", lb, request("10.0.0.1:1", xff, "2001:db8::7, fd00::4"), "2001:db8::7"},
		{"two lines are one list", lb, request("10.0.0.1:1", xff, "198.51.100.9", xff, "203.0.113.7, 10.0.0.2"), "203.0.113.7"},
		{"forged first line", lb, request("10.0.0.1:1", xff, "198.51.100.9", xff, "203.0.113.7"), "203.0.113.7"},
		{"forged trusted entries", lb, request("10.0.0.1:1", xff, "198.51.100.9, 10.0.0.3, 203.0.113.7"), "203.0.113.7"},
		{"all trusted", lb, request("10.0.0.1:1", xff, "10.0.0.3, 10.0.0.2"), "10.0.0.3"},
		{"with a port", lb, request("10.0.0.1:1", xff, "203.0.113.7:52000"), "203.0.113.7"},
		{"IPv6 with a port", lb, request("10.0.0.1:1", xff, "[2001:db8::7]:52000"), "2001:db8::7"},
		{"absent", lb, request("10.0.0.1:1"), "10.0.0.1"},
		{"empty", lb, request("10.0.0.1:1", xff, ""), "10.0.0.1"},
		{"malformed", lb, request("10.0.0.1:1", xff, "unknown"), "10.0.0.1"},
		{"malformed behind a hop", lb, request("10.0.0.1:1", xff, "203.0.113.7, , 10.0.0.2"), "10.0.0.1"},
		{"leading zeros", lb, request("10.0.0.1:1", xff, "203.0.113.007"), "10.0.0.1"},
		{"single", fly, request("172.16.0.5:1", "Fly-Client-IP", " 203.0.113.7 "), "203.0.113.7"},
		{"single, list from a proxy", fly, request("172.16.0.5:1", "Fly-Client-IP", "198.51.100.9, 203.0.113.7"), "172.16.0.5"},
		{"single, doubled", fly, request("172.16.0.5:1", "Fly-Client-IP", "198.51.100.9", "Fly-Client-IP", "203.0.113.7"), "172.16.0.5"},
		{"single, X-Forwarded-For is unlisted", fly, request("172.16.0.5:1", xff, "198.51.100.9"), "172.16.0.5"},
		{"single, untrusted peer", fly, request("203.0.113.7:1", "Fly-Client-IP", "198.51.100.9"), "203.0.113.7"},
		{"mapped prefix", clientip.Resolver{Trusted: prefixes("::ffff:10.0.0.0/104"), Header: xff}, request("10.0.0.1:1", xff, "203.0.113.7"), "203.0.113.7"},
		{"zero prefix trusts nobody", clientip.Resolver{Trusted: make([]netip.Prefix, 1), Header: xff}, request("10.0.0.1:1", xff, "203.0.113.7"), "10.0.0.1"},
		{"unix socket", lb, onSocket(xff, "198.51.100.9"), "invalid IP"},
		{"unix socket, trusted", local, onSocket(xff, "198.51.100.9, 203.0.113.7"), "203.0.113.7"},
		{"unix socket, trusted by a wider network", clientip.Resolver{Trusted: prefixes("127.0.0.0/8"), Header: "X-Real-Ip"}, onSocket("X-Real-Ip", "203.0.113.7"), "203.0.113.7"},
		{"unix socket, trusted, no header", local, onSocket(), "invalid IP"},
		{"unix socket, trusted, malformed", local, onSocket(xff, "unknown"), "invalid IP"},
		{"no address, no socket", local, request("@", xff, "198.51.100.9"), "invalid IP"},
		{"no address over TCP", local, serverOf(request("", xff, "198.51.100.9"), &net.TCPAddr{}), "invalid IP"},
		{"event that names no source", local, eventOf(onSocket(xff, "198.51.100.9")), "invalid IP"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.v.Addr(tc.r).String(); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// A client that writes a new X-Forwarded-For each time stays in one bucket, with and without a proxy in between.
func TestD3_ForgedForwardedForKeepsTheBucket(t *testing.T) {
	for name, tc := range map[string]struct {
		v      clientip.Resolver
		peer   string
		append string // what the trusted proxy adds to the client's header
	}{
		"direct":        {v: clientip.Resolver{}, peer: "203.0.113.7:1"},
		"behind proxy":  {v: clientip.Resolver{Trusted: prefixes("10.0.0.0/8"), Header: xff}, peer: "10.0.0.1:1", append: ", 203.0.113.7"},
		"around proxy":  {v: clientip.Resolver{Trusted: prefixes("10.0.0.0/8"), Header: xff}, peer: "203.0.113.7:1"},
		"other trusted": {v: clientip.Resolver{Trusted: prefixes("10.0.0.0/8"), Header: "CF-Connecting-IP"}, peer: "203.0.113.7:1"},
	} {
		t.Run(name, func(t *testing.T) {
			buckets := map[string]bool{}
			for i := range 200 {
				forged := fmt.Sprintf("198.51.%d.9, 10.0.0.%d", i, i)
				buckets[clientip.Networks(tc.v.Addr(request(tc.peer, xff, forged+tc.append)))[0].Name] = true
			}
			if len(buckets) != 1 || !buckets["203.0.113.7"] {
				t.Errorf("200 forged headers made the buckets %v, want the client's alone", buckets)
			}
		})
	}
}

func TestD3_WithAddr(t *testing.T) {
	cdn := clientip.Resolver{Trusted: prefixes("10.0.0.0/8"), Header: xff}
	for _, tc := range []struct{ name, event, header, want string }{
		{"event names the source", "203.0.113.7", "", "203.0.113.7"},
		{"forged header", "203.0.113.7", "198.51.100.9", "203.0.113.7"},
		{"mapped", "::ffff:203.0.113.7", "", "203.0.113.7"},
		{"source is a trusted proxy", "10.0.0.1", "198.51.100.9, 203.0.113.8", "203.0.113.8"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := request("10.9.9.9:1")
			if tc.header != "" {
				r.Header.Set(xff, tc.header)
			}
			r = r.WithContext(clientip.WithAddr(r.Context(), netip.MustParseAddr(tc.event)))
			if got := cdn.Addr(r).String(); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestD3_Networks(t *testing.T) {
	for _, tc := range []struct{ addr, want string }{
		{"203.0.113.7", "203.0.113.7 x1, 203.0.113.0/24 x10"},
		{"::ffff:203.0.113.7", "203.0.113.7 x1, 203.0.113.0/24 x10"},
		{"2001:db8:1:234:3:4:5:6", "2001:db8:1:234::/64 x1, 2001:db8:1:200::/56 x2, 2001:db8:1::/48 x5"},
		{"2001:db8:1:2:ffff::", "2001:db8:1:2::/64 x1, 2001:db8:1::/56 x2, 2001:db8:1::/48 x5"},
		{"fe80::1%eth0", "fe80::/64 x1, fe80::/56 x2, fe80::/48 x5"},
		{"", "unknown x1"},
	} {
		addr, _ := netip.ParseAddr(tc.addr) // the zero address for none
		var got []string
		for _, n := range clientip.Networks(addr) {
			got = append(got, fmt.Sprintf("%s x%d", n.Name, n.Factor))
		}
		if list := strings.Join(got, ", "); list != tc.want {
			t.Errorf("Networks(%q) = %s, want %s", tc.addr, list, tc.want)
		}
	}
}

// A proxy that no setting names is noticed. A peer on the internet may write what it likes: that is not a proxy of
// ours.
func TestD3_Hidden(t *testing.T) {
	none := clientip.Resolver{}
	lb := clientip.Resolver{Trusted: prefixes("10.0.0.0/8"), Header: xff}
	local := clientip.Resolver{Trusted: prefixes("127.0.0.1/32"), Header: xff}
	for _, tc := range []struct {
		v    clientip.Resolver
		r    *http.Request
		want bool
	}{
		{none, request("10.0.0.1:1", xff, "203.0.113.7"), true},
		{none, request("127.0.0.1:1", xff, "203.0.113.7"), true},
		{none, request("[::1]:1", "Forwarded", "for=203.0.113.7"), true},
		{none, request("[fd00::1]:1", xff, "203.0.113.7"), true},
		{none, request("169.254.8.1:1", xff, "203.0.113.7"), true},
		{none, request("100.64.0.9:1", xff, "203.0.113.7"), true},
		{none, request("100.128.0.9:1", xff, "203.0.113.7"), false},
		{none, request("10.0.0.1:1"), false},
		{none, request("10.0.0.1:1", "Accept", "*/*", "Origin", "https://app.example.com"), false},
		{none, request("10.0.0.1:1", "X-Real-Ip", "203.0.113.7"), true},
		{none, request("10.0.0.1:1", "Via", "1.1 proxy"), true},
		{none, request("10.0.0.1:1", "X-Forwarded-Proto", "https"), true},
		{none, request("10.0.0.1:1", "CF-Connecting-IP", "203.0.113.7"), true},
		{none, request("10.0.0.1:1", "Fly-Client-IP", "203.0.113.7"), true},
		{none, request("10.0.0.1:1", "True-Client-IP", "203.0.113.7"), true},
		{none, request("198.51.100.9:1", xff, "203.0.113.7"), false},
		{none, request("198.51.100.9:1", "Via", "1.1 proxy", "X-Real-Ip", "203.0.113.7"), false},
		{none, request("@", xff, "203.0.113.7"), true},
		{none, onSocket(), true},
		{lb, onSocket(xff, "203.0.113.7"), true}, // the setting names other proxies
		{local, onSocket(xff, "203.0.113.7"), false},
		{local, onSocket(), false},
		{local, request("@", xff, "203.0.113.7"), true}, // nothing shows that it is a socket
		{lb, request("10.0.0.1:1", xff, "203.0.113.7"), false},
		{lb, request("192.168.0.1:1", xff, "203.0.113.7"), true}, // the setting names other proxies
	} {
		if got := tc.v.Hidden(tc.r); got != tc.want {
			t.Errorf("%+v, peer %s, headers %v: %v", tc.v, tc.r.RemoteAddr, tc.r.Header, got)
		}
	}
}

func FuzzAddr(f *testing.F) {
	f.Add("203.0.113.7")
	f.Add("198.51.100.9, 10.0.0.2")
	f.Add("[2001:db8::1]:80,fe80::1%x,,")
	f.Add(", , ,")
	v := clientip.Resolver{Trusted: prefixes("10.0.0.0/8"), Header: xff}
	f.Fuzz(func(t *testing.T, header string) {
		// Whatever a client writes to the left, what the trusted proxy appended wins.
		if got := v.Addr(request("10.0.0.1:1", xff, header+",203.0.113.7")); got.String() != "203.0.113.7" {
			t.Fatalf("%q hid the client: %s", header, got)
		}
		// The last entry alone decides, or, where it is malformed, the peer does.
		addr := v.Addr(request("10.0.0.1:1", xff, header))
		if !addr.IsValid() || addr.Is4In6() || addr.Zone() != "" {
			t.Fatalf("%q: %v is not a clean address", header, addr)
		}
		last := header[strings.LastIndexByte(header, ',')+1:]
		if !strings.Contains(header, "10.") && addr.String() != "10.0.0.1" && !strings.Contains(last, ".") && !strings.Contains(last, ":") {
			t.Fatalf("%q gave %v, which its last entry does not name", header, addr)
		}
	})
}
