// Package clientip finds the address a request came from, for limits and for the audit log.
//
// The address is that of the peer, the other end of the connection. Only a peer that is a configured proxy may name
// another address, and only in the one configured header: a client can write anything into every other header.
package clientip

import (
	"net"
	"net/http"
	"net/netip"
	"net/textproto"
	"strings"
)

// A Resolver names the proxies to believe, and their header. Its zero value believes no proxy: the address is the
// peer's.
type Resolver struct {
	// Trusted are the networks of the proxies in front of this server. 127.0.0.1 includes a peer on a Unix socket.
	//
	// Defaults to none.
	Trusted []netip.Prefix

	// Header is the one header those proxies write. X-Forwarded-For is a list to which each proxy appends the address
	// it saw. Any other header (Fly-Client-IP, CF-Connecting-IP, True-Client-IP, X-Real-IP) holds one address, which
	// the proxy overwrites. RFC 7239's Forwarded is not understood. Default none.
	Header string
}

// Addr returns the client's address: the peer's, or, if the peer is a trusted proxy, the one in its header. In a list
// that is the right-most entry that is not a trusted proxy itself, since a client can invent everything left of it; if
// all are trusted, the left-most. If the header is absent, doubled or malformed, the address is the peer's.
//
// IPv4 in IPv6 is unmapped and zones are dropped. The result is not valid if the peer is unknown, such as on a Unix
// socket, and no header counts.
func (v Resolver) Addr(r *http.Request) netip.Addr {
	peer := Peer(r)
	if v.Header == "" || !v.trustsPeer(r, peer) {
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

// proxyHeaders are what proxies commonly add to a request, and browsers do not.
var proxyHeaders = [...]string{
	"X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Server",
	"Cf-Connecting-Ip", "Fly-Client-Ip", "True-Client-Ip", "Fastly-Client-Ip", "X-Client-Ip", "X-Cluster-Client-Ip",
	"X-Azure-Clientip", "X-Azure-Socketip", "X-Envoy-External-Address", "X-Original-Forwarded-For", "X-Appengine-User-Ip",
}

// Hidden reports whether the request seems to come through a proxy that is not trusted, so that all clients behind it
// share one address: the peer has no address, or it has a private one and the request has a header of proxies. A proxy
// with a public address is not noticed, because any client may send these headers; neither is one that adds no header.
func (v Resolver) Hidden(r *http.Request) bool {
	peer := Peer(r)
	if v.trustsPeer(r, peer) {
		return false
	}
	if !peer.IsValid() {
		return true
	}
	shared := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10) // between carriers and their customers (RFC 6598)
	if !peer.IsPrivate() && !peer.IsLoopback() && !peer.IsLinkLocalUnicast() && !shared.Contains(peer) {
		return false
	}
	for _, name := range proxyHeaders {
		if len(r.Header[name]) > 0 {
			return true
		}
	}
	return false
}

// FromProxy reports whether a trusted proxy sent the request, so that the headers which that proxy sets are its own.
func (v Resolver) FromProxy(r *http.Request) bool { return v.trustsPeer(r, Peer(r)) }

// trustsPeer reports whether the other end of the connection is a trusted proxy. One on a Unix socket counts as
// 127.0.0.1: only programs of this machine reach it.
func (v Resolver) trustsPeer(r *http.Request, peer netip.Addr) bool {
	if !peer.IsValid() && onUnixSocket(r) {
		peer = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return peer.IsValid() && v.trusts(peer)
}

// onUnixSocket reports whether net/http received the request on a Unix socket. A peer without an address alone does not
// show that: other servers may not name the peer.
func onUnixSocket(r *http.Request) bool {
	if _, event := r.Context().Value(peerKey{}).(netip.Addr); event {
		return false
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return local != nil && local.Network() == "unix"
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
