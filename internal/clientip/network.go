package clientip

import "net/netip"

// A Network is a range of addresses that one client may hold, and how many times the takes of a single client it gets.
type Network struct {
	Name   string // "203.0.113.7", "203.0.113.0/24", "2001:db8:1::/48"; "unknown"
	Factor int
}

// Networks returns what a limit for a client address counts, the narrowest network first:
//
//	IPv4   the address ×1, its /24 ×10
//	IPv6   its /64 ×1, its /56 ×2, its /48 ×5
//
// One client commonly has a whole /64; a customer of a hoster or provider can have a /56 or a /48 (RFC 6177) and take
// each request from another /64. Neighbours in a /24 are different customers, but one attacker can rent many of them.
// Clients without a known address share the network "unknown".
func Networks(addr netip.Addr) []Network {
	addr = clean(addr)
	in := func(bits int) string { return netip.PrefixFrom(addr, bits).Masked().String() }
	switch {
	case !addr.IsValid():
		return []Network{{"unknown", 1}}
	case addr.Is4():
		return []Network{{addr.String(), 1}, {in(24), 10}}
	}
	return []Network{{in(64), 1}, {in(56), 2}, {in(48), 5}}
}
