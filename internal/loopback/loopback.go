// Package loopback decides whether a host is this machine. Everything that treats this machine differently, such as
// plain http for development, uses this one rule.
package loopback

import (
	"net/netip"
	"strings"
)

// Host reports whether host, a name or an address without a port as [net/url.URL.Hostname] returns it, is this
// machine: the name localhost in any letter case (RFC 6761 section 6.3), an address of 127.0.0.0/8, or ::1. Nothing
// is looked up.
//
// Names below localhost are not this machine, since a resolver may send them elsewhere. Neither are 0.0.0.0 and ::,
// which mean every address of the machine, nor addresses in another spelling, such as 127.1, which programs read
// differently.
func Host(host string) bool {
	if len(host) == len("localhost") && strings.EqualFold(host, "localhost") { // the length keeps out letters beyond ASCII
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() && !ip.Is4In6() && ip.Zone() == ""
}

// Development reports whether host can only be a machine of a developer's own network: a name without a dot, as docker
// compose gives them; a name below .local, .test, .localhost, .internal or home.arpa (RFC 6761, RFC 6762, RFC 8375),
// which the public DNS does not have; or a private address (RFC 1918, RFC 4193) in its usual spelling. host is in lower
// case, without a port. Nothing is looked up.
func Development(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsPrivate() && !ip.Is4In6() && ip.Zone() == "" && ip.String() == host
	}
	name := false
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
		// Browsers take a host that ends in a number for an address.
		name = strings.Trim(label, "0123456789") != "" && !strings.HasPrefix(label, "0x")
	}
	if !name || len(host) > 253 {
		return false
	}
	if !strings.Contains(host, ".") {
		return true
	}
	for _, zone := range [...]string{".local", ".test", ".localhost", ".internal", ".home.arpa"} {
		if strings.HasSuffix(host, zone) {
			return true
		}
	}
	return false
}
