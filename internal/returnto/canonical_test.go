package returnto_test

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/returnto"
)

func TestCanonical(t *testing.T) {
	for _, uri := range []string{
		"https://a.example/", "https://pr-12.preview.example.com/signed-in", "https://a.example:8443/x/y/", "https://a.example/?a=b&c",
		"https://xn--bcher-kva.example/x", "https://a.example/x?next=//evil.example&y=%2F", "https://a.example/%C3%A4%20b", "http://web:3000/", "http://192.168.1.20:8080/cb",
		"https://192.0.2.1/", "https://[2001:db8::1]/x", "https://[2001:db8::1]:8443/x", "https://a.example/a;b,c=d@e:f", "https://1a.example/", "https://a.example/...",
	} {
		u, ok := returnto.Canonical(uri)
		if !ok || u.String() != uri {
			t.Errorf("%s is refused", uri)
		}
	}
	bad := []string{
		"", "/", "//a.example/", "https:a.example/", "https:/a.example/", "https:///a.example/", "https://", "https:///", "https://a.example", "https://a.example?x", "https://a.example#x",
		"HTTPS://a.example/", "Https://a.example/", "ftp://a.example/", "javascript://a.example/", "https://A.example/", "https://a.EXAMPLE/", "https://a.example./", "https://.a.example/",
		"https://a..example/", "https://-a.example/", "https://a-.example/", "https://a_b.example/", "https://a b.example/", "https://ä.example/", "https://a.example\u3002com/", "https://a%2eexample/",
		"https://a.example%00/", "https://a.example%0d%0a/", "https://u@a.example/", "https://u:p@a.example/", "https://@a.example/", "https://a.example@b.example/", "https://a.example:/",
		"https://a.example:0/", "https://a.example:443/", "http://web:80/", "https://a.example:0443/", "https://a.example:8443a/", "https://a.example:+1/", "https://a.example:65536/", "https://a.example:1:2/",
		`https://a.example\b/`, `https://a.example/\b`, `https:\\a.example\`, "https://a.example/#x", "https://a.example/x#", "https://a.example/.", "https://a.example/..", "https://a.example/./x",
		"https://a.example/x/../y", "https://a.example/%2e%2e/y", "https://a.example/%2E", "https://a.example//x", "https://a.example/x//", "https://a.example/%2f", "https://a.example/%2F", "https://a.example/%5C",
		"https://a.example/%41", "https://a.example/%c3%a4", "https://a.example/%", "https://a.example/%4", "https://a.example/%zz", "https://a.example/?%zz", "https://a.example/?%", "https://a.example/%00", "https://a.example/%0A",
		"https://a.example/%7F", "https://a.example/%2525", "https://a.example/x\ty", "https://a.example/x\n", " https://a.example/", "https://a.example/ ", "https://a.example/<", "https://a.example/\"", "https://a.example/\u202e",
		"https://127.1/", "https://0x7f.1/", "https://0x7f000001/", "https://2130706433/", "https://0177.0.0.1/", "https://1.2.3.4.5/", "https://a.1/", "https://a.0x1/", "https://192.0.2.01/", "https://[::ffff:192.0.2.1]/", "https://[2001:DB8::1]/",
		"https://[2001:db8:0::1]/", "https://[fe80::1%25eth0]/", "https://[::1/", "https://::1/", "https://[192.0.2.1]/", "https://" + strings.Repeat("a", 64) + ".example/", "https://" + strings.Repeat("a.", 127) + "example/",
		"https://a.example/" + strings.Repeat("x", 1024), "https://*.example/", "https://a.example:8443:/", "https://a.example/{x}", "https://a.example/`",
	}
	for _, uri := range bad {
		if _, ok := returnto.Canonical(uri); ok {
			t.Errorf("%q passes", uri)
		}
	}
	if len(bad) < 80 {
		t.Errorf("only %d spellings", len(bad))
	}
}

// Whatever passes is one spelling: it says itself what it is, without a parser.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"https://a.example/", "http://web:3000/x?y", "https://[2001:db8::1]:8443/x", "https://u@a.example/", `https://a.example\@b.example/`, "https://a.example/%2e%2e", "https://0x7f.1/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		u, ok := returnto.Canonical(uri)
		if !ok {
			return
		}
		scheme, rest, _ := strings.Cut(uri, "://")
		authority := rest[:strings.IndexByte(rest, '/')]
		if u.Scheme != scheme || u.Host != authority || u.User != nil || u.Fragment != "" || u.Opaque != "" || strings.ContainsAny(uri, "@\\#") && strings.ContainsAny(authority, "@\\#") {
			t.Fatalf("%q is read as %#v", uri, u)
		}
		if host := u.Hostname(); host == "" || host != strings.ToLower(host) || strings.HasSuffix(host, ".") {
			t.Fatalf("%q has the host %q", uri, host)
		} else if ip, err := netip.ParseAddr(host); err == nil && ip.String() != host {
			t.Fatalf("%q has the address %q", uri, host)
		}
		if clean := u.JoinPath(); clean.EscapedPath() != u.EscapedPath() || strings.Contains(u.Path, "//") {
			t.Fatalf("%q has the path %q, cleaned %q", uri, u.Path, clean.Path)
		}
		if again, err := url.Parse(u.String()); err != nil || again.String() != uri {
			t.Fatalf("%q is written again as %q", uri, u)
		}
	})
}
