package clientip

import (
	"context"
	"net/http"
	"net/netip"
)

type peerKey struct{}

// WithAddr sets the address of the peer, for platforms where a request comes as an event that names its source (API
// Gateway's sourceIp) and not over a connection. It takes the place of RemoteAddr: if it is that of a trusted proxy (a
// CDN in front of the gateway), the configured header still counts.
func WithAddr(ctx context.Context, addr netip.Addr) context.Context {
	return context.WithValue(ctx, peerKey{}, clean(addr))
}

// Peer returns the address of the other end of the connection, or the one set by WithAddr. It is not valid if the peer
// is unknown.
func Peer(r *http.Request) netip.Addr {
	if addr, ok := r.Context().Value(peerKey{}).(netip.Addr); ok {
		return addr
	}
	return parse(r.RemoteAddr)
}
