package serve

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/loopback"
	"github.com/posternauth/postern/internal/serve/listen"
	"github.com/posternauth/postern/internal/text"
)

// A checker notes what is wrong with values that can be read.
type checker struct {
	*Config
	found  *problems
	issuer *url.URL // nil: not usable
	local  bool     // the issuer is on this machine, or on a host for development
}

func (k *checker) bad(key, what, next string) {
	k.found.add(k.line(key), key, k.variables.hide(key, what), next)
}

// check notes everything that is wrong and can be seen without opening anything.
func (c *Config) check(found *problems) {
	k := &checker{Config: c, found: found}
	k.checkIssuer()
	k.checkRedirects()
	k.checkOrigins()
	k.checkServer()
	k.checkSecrets()
	k.checkStore()
	k.checkKeys()
	k.checkSession()
	k.checkUsers()
	for _, name := range slices.Sorted(maps.Keys(c.Providers)) {
		k.checkProvider(name, c.Providers[name])
	}
	k.checkProviders()
	k.checkFactors()
	k.checkMail()
	k.checkAdmin()
	k.checkForwardAuth()
	k.checkRest()
}

// oneOf notes a value that is not in a list.
func (k *checker) oneOf(key, value string, all ...string) bool {
	if value == "" || slices.Contains(all, value) {
		return true
	}
	next := "write one of: " + strings.Join(all, ", ")
	known := map[string]bool{}
	for _, name := range all {
		known[name] = true
	}
	if near := nearest(value, known); near != "" {
		next = "write " + near
	}
	k.bad(key, fmt.Sprintf("%.60q is not known", value), next)
	return false
}

func (k *checker) between(key string, d, least, most time.Duration) {
	if d < least || d > most {
		k.bad(key, "is out of range", fmt.Sprintf("give %s to %s", short(least), short(most)))
	}
}

// short writes a duration as the file does.
func short(d time.Duration) string {
	if d >= day && d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = strings.TrimSuffix(s, zero[1:])
		}
	}
	return s
}

// httpsURL notes a value that is not an https URL. http is for this machine if local is set.
func (k *checker) httpsURL(key, value string, local bool) {
	if value == "" {
		return
	}
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "" || u.User != nil || u.Fragment != "":
		k.bad(key, fmt.Sprintf("%.100q is not a URL", value), "write an https URL")
	case u.Scheme == "http" && !(local && loopback.Host(u.Hostname())), u.Scheme != "http" && u.Scheme != "https":
		k.bad(key, fmt.Sprintf("%.100q is not https: everybody on the way could read and change what is sent", value), "write https://")
	}
}

func (k *checker) checkIssuer() {
	if k.Issuer == "" {
		return // reported
	}
	u, err := url.Parse(k.Issuer)
	bad := func(why, next string) { k.bad("issuer", fmt.Sprintf("%.200q %s", k.Issuer, why), next) }
	switch {
	case err != nil || !text.Visible(k.Issuer) || u.Host == "" || u.Opaque != "":
		bad("is not a URL", "write it like https://auth.example.com/auth")
		return
	case u.User != nil || strings.ContainsAny(k.Issuer, "?#"):
		bad("has a user, a query or a fragment", "leave it out")
		return
	case strings.HasSuffix(k.Issuer, "/"):
		bad("ends with a slash", "leave the slash out")
		return
	}
	k.local = u.Scheme == "http" && (loopback.Host(u.Hostname()) || slices.Contains(k.DevelopmentHosts, u.Hostname()))
	switch {
	case u.Scheme == "http" && !k.local:
		bad("is http: everybody on the way could read sessions and take them over", "write https://; a proxy in front of this server ends TLS")
		return
	case u.Scheme != "http" && u.Scheme != "https":
		bad("is not https", "write https://")
		return
	case u.Scheme == "https" && len(k.DevelopmentHosts) > 0:
		k.bad("development_hosts", "is for development, where issuer is http", "remove it")
	}
	k.issuer = u
	for i, host := range k.DevelopmentHosts {
		if !loopback.Development(host) {
			k.bad(fmt.Sprintf("development_hosts[%d]", i), fmt.Sprintf("%.100q could be a host of the Internet, which needs https", host), "remove it")
		}
	}
	for key, value := range map[string]string{"audience": k.Audience, "client_id": k.ClientID} {
		if !text.Printable(value) || len(value) > 255 {
			k.bad(key, "has characters that are not ASCII, or more than 255", "write a URL or a plain name")
		}
	}
}

func (k *checker) checkRedirects() {
	for i, r := range k.Redirects {
		key := fmt.Sprintf("redirects[%d]", i)
		u, err := url.Parse(r)
		switch {
		case err != nil:
			k.bad(key, fmt.Sprintf("%.100q is not a URL", r), "write https://app.example.com/")
		case strings.Contains(r, "*"):
			k.bad(key, fmt.Sprintf("%.100q has a wildcard, and there are none: who chooses the address gets the session", r), "list each address")
		case strings.HasPrefix(r, "/") && !strings.HasPrefix(r, "//"), u.Scheme == "https" && u.Host != "" && u.Path != "":
		case u.Scheme == "https" && u.Host != "":
			k.bad(key, fmt.Sprintf("%.100q has no path", r), "write "+r+"/")
		case u.Scheme == "http" && u.Host != "" && !loopback.Host(u.Hostname()) && !slices.Contains(k.DevelopmentHosts, u.Hostname()):
			k.bad(key, fmt.Sprintf("%.100q is http: everybody on the way could take the session", r), "write https://")
		case u.Scheme == "http" || strings.Contains(u.Scheme, "."):
		default:
			k.bad(key, fmt.Sprintf("%.100q is no address where a sign-in can lead", r), "write an https URL, a path that begins with /, or a scheme with a dot: com.example.app:/signed-in")
		}
		if slices.Contains(k.Redirects[:i], r) {
			k.bad(key, fmt.Sprintf("%.100q is there twice", r), "remove one")
		}
	}
}

func (k *checker) checkOrigins() {
	if k.issuer == nil {
		return
	}
	host := k.issuer.Hostname()
	if k.Site != "" && (!strings.Contains(k.Site, ".") || k.Site != strings.ToLower(k.Site) || host != k.Site && !strings.HasSuffix(host, "."+k.Site)) {
		k.bad("site", fmt.Sprintf("%.100q is not the registered domain of %s", k.Site, host), "write the domain in lower case, such as example.com, or remove it")
	}
	if publicSuffix(k.Site) {
		k.bad("site", fmt.Sprintf("%.100q is a public suffix: strangers have domains below it", k.Site), "write the domain that you registered, such as example."+k.Site)
	}
	for i, o := range k.Origins {
		key := fmt.Sprintf("origins[%d]", i)
		u, err := url.Parse(o)
		switch {
		case strings.Contains(o, "*") || o == "null":
			k.bad(key, fmt.Sprintf("%.100q stands for pages of strangers", o), "list each origin")
		case err != nil || u.Host == "" || o != u.Scheme+"://"+u.Host:
			k.bad(key, fmt.Sprintf("%.100q is not an origin", o), "write it as a browser sends it: https://app.example.com, without a path")
		case u.Scheme == "http" && !(k.local && (loopback.Host(u.Hostname()) || slices.Contains(k.DevelopmentHosts, u.Hostname()))), u.Scheme != "http" && u.Scheme != "https":
			k.bad(key, fmt.Sprintf("%.100q is not https", o), "write https://")
		case !k.CrossSite && !k.sameSite(u):
			k.bad(key, fmt.Sprintf("%.100q is another site than issuer, so cookies would be SameSite=None, which some browsers never send", o),
				"set site to the domain that both have in common, or cross_site_cookies = true")
		}
	}
}

// sameSite reports whether browsers count an origin to the site of the issuer, as session.Config.Site explains.
func (k *checker) sameSite(u *url.URL) bool {
	a, b := k.issuer.Hostname(), u.Hostname()
	below := func(host, domain string) bool { return host == domain || strings.HasSuffix(host, "."+domain) }
	switch {
	case u.Scheme != k.issuer.Scheme:
		return false
	case a == b:
		return true
	case net.ParseIP(a) != nil || net.ParseIP(b) != nil:
		return false
	}
	return k.Site != "" && below(a, k.Site) && below(b, k.Site) || below(a, b) && strings.Contains(b, ".") || below(b, a) && strings.Contains(a, ".")
}

func (k *checker) checkServer() {
	s := k.Server
	if _, err := listen.Parse(s.Listen); err != nil {
		k.bad("server.listen", err.Error(), "postern config docs explains the setting")
	}
	if s.LocalListen != "off" {
		local, err := listen.Parse(s.LocalListen)
		if err == nil && !s.LocalPublic {
			err = local.CheckLocal()
		}
		if err != nil {
			k.bad("server.local_listen", err.Error(), "postern config docs explains the setting")
		}
	}
	if s.LocalListen == "off" && s.PProf {
		k.bad("server.pprof", "has no effect: local_listen is off", "remove it, or give local_listen an address")
	}
	if overlap(s.Listen, s.LocalListen) {
		k.bad("server.local_listen", "is the address of the public listener: metrics and profiles would be public", "write another port")
	}
	k.between("server.drain", s.Drain, 0, 10*time.Minute)
	k.between("server.shutdown", s.Shutdown, time.Second, 10*time.Minute)
	k.checkProxies()
}

func (k *checker) checkProxies() {
	s := k.Server
	switch {
	case strings.EqualFold(s.ClientIPHeader, "Forwarded"):
		k.bad("server.client_ip_header", "Forwarded (RFC 7239) is not understood", "let the proxy send X-Forwarded-For, or a header with the address alone")
	case s.ClientIPHeader != "" && !text.Token(s.ClientIPHeader):
		k.bad("server.client_ip_header", fmt.Sprintf("%.60q is no name of a header", s.ClientIPHeader), "write a name such as X-Forwarded-For")
	case len(s.TrustedProxies) > 0 && s.ClientIPHeader == "":
		k.bad("server.trusted_proxies", "is set without client_ip_header", "set client_ip_header to the header in which the proxy sends the address, such as X-Forwarded-For")
	case len(s.TrustedProxies) == 0 && s.ClientIPHeader != "":
		k.bad("server.client_ip_header", "is set without trusted_proxies: any client could send it", "set trusted_proxies to the networks of your proxies")
	}
	for i, entry := range s.TrustedProxies {
		key := fmt.Sprintf("server.trusted_proxies[%d]", i)
		p, err := Network(entry)
		switch {
		case err != nil:
			k.bad(key, fmt.Sprintf("%.60q is not a network", entry), "write it like 10.0.0.0/8, or one address")
		case tooWide(p):
			k.bad(key, fmt.Sprintf("%.60q is a large piece of the Internet: any client there could write its own address", entry),
				"name the networks of your proxies: /8 or longer for IPv4, /16 or longer for IPv6, except fc00::/7 and fe80::/10")
		}
	}
}

// tooWide reports whether a network is more than proxies of one operator have. fc00::/7 and fe80::/10 are private.
func tooWide(p netip.Prefix) bool {
	switch a := p.Addr(); {
	case a.Is4():
		return p.Bits() < 8
	case a.Is4In6():
		return p.Bits() < 96+8
	case a.IsPrivate():
		return p.Bits() < 7
	case a.IsLinkLocalUnicast():
		return p.Bits() < 10
	}
	return p.Bits() < 16
}

// overlap reports whether two listeners want the same port.
func overlap(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if strings.HasPrefix(a, "unix:") || strings.HasPrefix(b, "unix:") || errA != nil || errB != nil {
		return a == b
	}
	if portA != portB || portA == "0" { // 0 is any free port
		return false
	}
	everywhere := func(host string) bool { return slices.Contains([]string{"", "0.0.0.0", "::"}, host) }
	here := func(a, b string) bool { // localhost can be any address of this machine
		ip := net.ParseIP(b)
		return strings.EqualFold(a, "localhost") && (strings.EqualFold(b, "localhost") || ip != nil && ip.IsLoopback())
	}
	return cmp.Or(hostA, "0.0.0.0") == cmp.Or(hostB, "0.0.0.0") || everywhere(hostA) || everywhere(hostB) || here(hostA, hostB) || here(hostB, hostA)
}
