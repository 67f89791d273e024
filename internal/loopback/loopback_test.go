package loopback

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestHost(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST": true, "LocalHost": true,
		"127.0.0.1": true, "127.0.0.2": true, "127.255.255.254": true, "::1": true, "0:0:0:0:0:0:0:1": true,

		"": false, "localhost.": false, "a.localhost": false, "localhost.example.com": false, "localhost6": false, "ip6-localhost": false,
		"127.0.0.1.example.com": false, "127.1": false, "2130706433": false, "0x7f.0.0.1": false, "0177.0.0.1": false, "127.0.0.01": false,
		"0.0.0.0": false, "::": false, "128.0.0.1": false, "126.255.255.255": false, "10.0.0.1": false, "169.254.169.254": false,
		"::2": false, "::ffff:127.0.0.1": false, "[::1]": false, "::1%lo": false, "127.0.0.1:80": false, " localhost": false,
		"locaLho\u017ft": false, // the letter ſ, which folds to s
	} {
		if got := Host(host); got != want {
			t.Errorf("Host(%q) = %v, want %v", host, got, want)
		}
	}
}

// TestOneRule keeps the question in this package. The places that are left ask something else: whether an address
// that a name was looked up to may be called, where a listener is bound, where a session came from, whether a peer is
// a proxy, and which name of this machine a page uses.
func TestOneRule(t *testing.T) {
	asks := regexp.MustCompile(`\.IsLoopback\(\)|[!=]= "localhost"|\{"localhost"|, "localhost"`)
	other := []string{
		"internal/clientip/clientip.go", "internal/fetch/address.go", "cmd/postern/dev.go", "cmd/postern/guardrail.go", "internal/loopback/loopback.go", "internal/serve/check.go",
	}
	root := filepath.Join("..", "..")
	found := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		source, err := os.ReadFile(path)
		found[filepath.ToSlash(name)] = asks.Match(source)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 200 {
		t.Fatalf("only %d files were read", len(found))
	}
	for name, asked := range found {
		if asked && !slices.Contains(other, name) {
			t.Errorf("%s decides whether a host is this machine: use Host", name)
		}
	}
	for _, name := range other {
		if !found[name] {
			t.Errorf("%s asks nothing any more: take it off the list", name)
		}
	}
}

func TestDevelopment(t *testing.T) {
	for _, host := range []string{"web", "api-1", "db", "macbook.local", "a.b.test", "x.localhost", "svc.internal", "printer.home.arpa", "192.168.1.20", "10.0.0.1", "172.16.3.4", "fd00::1"} {
		if !Development(host) {
			t.Errorf("%q is refused", host)
		}
	}
	for _, host := range []string{
		"", ".", "example.com", "evil.example", "1", "0x7f", "a.1", "web.", ".web", "WEB", "wéb", "we_b", "web:80", "web/x", "-web", "web-", "a..test", "evillocal.com", "xlocal.net", "home.arpa.evil.example",
		"192.0.2.1", "8.8.8.8", "172.32.0.1", "192.168.1.020", "192.168.257", "2001:db8::1", "::ffff:10.0.0.1", "fe80::1%eth0", "[fd00::1]", "FD00::1", "169.254.169.254", "0.0.0.0", "*", "*.test", "a b", "u@web", "x.lan",
	} {
		if Development(host) {
			t.Errorf("%q passes", host)
		}
	}
}
