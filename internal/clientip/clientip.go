// Package clientip finds the address a request came from, for limits and for the audit log.
//
// The address is that of the peer, the other end of the connection. Only a peer that is a configured proxy may name
// another one, and only in the one configured header: every other header is whatever the client chose to write.
package clientip

import (
	"context"
	"net/http"
	"net/netip"
	"net/textproto"
	"strings"
)

// A Resolver says which proxies to believe, and in which header. Its zero value believes nobody: the address is the
// peer's.
type Resolver struct {
	// Trusted are the networks of the proxies in front of this server. Default none.
	Trusted []netip.Prefix

	// Header is the one header those proxies write. X-Forwarded-For is a list to which each proxy appends the address
	// it saw; any other name (Fly-Client-IP, CF-Connecting-IP, True-Client-IP, X-Real-IP) is taken to hold one address,
	// which the proxy overwrites. Default none. RFC 7239's Forwarded is not understood.
	Header string
}

// Addr returns the client's address: the peer, or, when the peer is a trusted proxy, what its header says. In a list
// that is the right-most entry that is no trusted proxy itself, since everything left of it may be made up; where all
// are trusted, the left-most. A header that is absent, doubled or malformed leaves the peer.
//
// IPv4 in IPv6 is unmapped and zones are dropped. The result is not valid when the peer is unknown (a Unix socket).
func (v Resolver) Addr(r *http.Request) netip.Addr {
	peer, ok := r.Context().Value(addrKey{}).(netip.Addr)
	if !ok {
		peer = parse(r.RemoteAddr)
	}
	if v.Header == "" || !v.trusts(peer) {
		return peer
	}
	lines := r.Header[textproto.CanonicalMIMEHeaderKey(v.Header)]
	if strings.EqualFold(v.Header, "X-Forwarded-For") {
		return v.forwarded(lines, peer)
	}
	if len(lines) != 1 {
		return peer
	}
	if addr := parse(lines[0]); addr.IsValid() {
		return addr
	}
	return peer
}

// forwarded walks the list from the right: the lines of a header in order are one list (RFC 9110 section 5.3).
func (v Resolver) forwarded(lines []string, peer netip.Addr) netip.Addr {
	client := peer
	for i := len(lines) - 1; i >= 0; i-- {
		rest, more := lines[i], true
		for more {
			entry := rest
			if comma := strings.LastIndexByte(rest, ','); comma >= 0 {
				rest, entry = rest[:comma], rest[comma+1:]
			} else {
				more = false
			}
			addr := parse(entry)
			if !addr.IsValid() {
				return peer
			}
			if !v.trusts(addr) {
				return addr
			}
			client = addr
		}
	}
	return client
}

func (v Resolver) trusts(addr netip.Addr) bool {
	for _, p := range v.Trusted {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// parse reads an address with or without a port: some proxies (Azure's Application Gateway) append the client's.
func parse(s string) netip.Addr {
	s = strings.Trim(s, " \t")
	addr, err := netip.ParseAddr(s)
	if err != nil {
		withPort, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}
		}
		addr = withPort.Addr()
	}
	return clean(addr)
}

func clean(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

type addrKey struct{}

// WithAddr tells Addr who the peer is, for platforms where a request comes as an event that names its source (API
// Gateway's sourceIp) and not over a connection. The address takes the place of RemoteAddr: where it is a trusted
// proxy (a CDN in front of the gateway), the configured header still counts.
func WithAddr(ctx context.Context, addr netip.Addr) context.Context {
	return context.WithValue(ctx, addrKey{}, clean(addr))
}

// Bucket names what a limit counts: an IPv4 address, or the /64 of an IPv6 address, of which one client commonly has
// all. Clients without a known address share the bucket "unknown".
func Bucket(addr netip.Addr) string {
	addr = clean(addr)
	switch {
	case !addr.IsValid():
		return "unknown"
	case addr.Is4():
		return addr.String()
	}
	return netip.PrefixFrom(addr, 64).Masked().String()
}
