package fetch

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/posternauth/postern/internal/loopback"
)

// CheckURL returns an error unless raw can be an endpoint of a provider: an absolute https URL with a host, without
// credentials, fragment, white space or control characters. http is allowed for this machine if local is set.
func CheckURL(raw string, local bool) error {
	if raw == "" {
		return fmt.Errorf("%w: no URL", ErrRefused)
	}
	for i := range len(raw) {
		if raw[i] <= ' ' || raw[i] >= 0x7f || raw[i] == '\\' || raw[i] == '#' {
			return fmt.Errorf("%w: the URL holds a character that must be escaped, or a fragment", ErrRefused)
		}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return fmt.Errorf("%w: not a URL", ErrRefused) // err would contain the URL with its query
	}
	return checkURL(u, local)
}

func checkURL(u *url.URL, local bool) error {
	host := u.Hostname()
	switch {
	case u.Opaque != "" || host == "":
		return fmt.Errorf("%w: the URL has no host", ErrRefused)
	case u.User != nil:
		return fmt.Errorf("%w: the URL holds credentials", ErrRefused)
	case u.Scheme == "http" && !(local && loopback.Host(host)):
		return fmt.Errorf("%w: http://%s is not https", ErrRefused, u.Host)
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%w: the URL is not https", ErrRefused)
	case strings.Contains(host, "%") || oddNumber(host):
		return fmt.Errorf("%w: the host %q is not a name and not a plain address", ErrRefused, host)
	}
	return nil
}

// oddNumber reports whether a host ends in a number but is not a dotted IPv4 address: 2130706433, 0x7f.1, 0177.0.0.1.
// Some resolvers (that of the C library) read these as addresses, others as names. The rule is that of the WHATWG URL
// standard, section 3.5 ("ends in a number").
func oddNumber(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	last := strings.TrimSuffix(host, ".")
	last = last[strings.LastIndexByte(last, '.')+1:]
	if hex, ok := strings.CutPrefix(strings.ToLower(last), "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

func checkAddress(network, address string, loopback, private bool) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%w: network %s", ErrRefused, network)
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: not an address", ErrRefused)
	}
	if !allowed(ap.Addr(), loopback, private) {
		return fmt.Errorf("%w: %s is not a public address", ErrRefused, ap.Addr())
	}
	return nil
}

// allowed reports whether an address may be called, after the name lookup. It allows unicast addresses of the public
// Internet (IANA special-purpose address registries, RFC 6890), and those that the options add.
func allowed(ip netip.Addr, loopback, private bool) bool {
	if ip.Zone() != "" {
		return false
	}
	ip = ip.Unmap()
	if nat64.Contains(ip) {
		// An IPv6-only network reaches IPv4 through this prefix (RFC 6052): the IPv4 address inside is checked.
		b := ip.As16()
		return allowed(netip.AddrFrom4([4]byte(b[12:])), false, private)
	}
	if ip.IsLoopback() {
		return loopback
	}
	if within(ip, metadata) {
		return false
	}
	if ip.IsPrivate() || sharedSpace.Contains(ip) {
		return private
	}
	if ip.Is6() && !globalUnicast6.Contains(ip) {
		return false
	}
	return ip.IsGlobalUnicast() && !within(ip, special)
}

func within(ip netip.Addr, list []netip.Prefix) bool {
	for _, p := range list {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// These lists are used as constants: no code changes them.
var (
	nat64          = netip.MustParsePrefix("64:ff9b::/96")
	sharedSpace    = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598, carrier-grade NAT
	globalUnicast6 = netip.MustParsePrefix("2000::/3")

	// The metadata services of clouds. They are refused even if private networks are allowed.
	metadata = prefixes(
		"169.254.0.0/16",     // AWS, Google, Azure and all of link-local
		"fe80::/10",          // link-local
		"fd00:ec2::/32",      // AWS over IPv6
		"fd20:ce::254/128",   // Google over IPv6
		"100.100.100.200/32", // Alibaba
		"192.0.0.192/32",     // Oracle
		"168.63.129.16/32",   // Azure's wire server
	)
	special = prefixes(
		"0.0.0.0/8",       // this network
		"192.0.0.0/24",    // protocol assignments
		"192.0.2.0/24",    // documentation
		"192.88.99.0/24",  // 6to4 relays
		"198.18.0.0/15",   // benchmarks
		"198.51.100.0/24", // documentation
		"203.0.113.0/24",  // documentation
		"240.0.0.0/4",     // reserved, broadcast
		"2001::/23",       // protocol assignments, Teredo among them
		"2001:db8::/32",   // documentation
		"2002::/16",       // 6to4 carries an IPv4 address
		"3fff::/20",       // documentation
	)
)
