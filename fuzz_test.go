package postern

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/posternauth/postern/internal/form"
	"github.com/posternauth/postern/internal/loopback"
	"github.com/posternauth/postern/internal/text"
)

const fuzzOrigin = "https://api.example.com"

// FuzzRedirects: what matches an entry of the allow-list is that entry, or differs from it in nothing but the port of a
// native app on this machine; and net/url reads the same host, scheme and path in both.
func FuzzRedirects(f *testing.F) {
	for _, s := range []string{
		"https://app.example.com/", "/welcome", "com.example.app:/in", "http://127.0.0.1/native", "http://[::1]:80/a?b", "http://localhost",
		"https://a@b.example/", "javascript:alert(1)", "//evil.example", "https://*.example.com/", "https://[::1]:8/x",
	} {
		for _, insert := range []string{"", ":9", "@evil.example", ".evil.example", "/..//", `\`} {
			f.Add(s, insert, uint8(len(s)/2), uint8(0))
		}
		f.Add(s, ":65535", uint8(16), uint8(0))
	}
	f.Fuzz(func(t *testing.T, entry, insert string, at, cut uint8) {
		list, err := newRedirects([]string{entry}, fuzzOrigin, func(string) bool { return false }, nil)
		if err != nil {
			if _, ok := list.match(entry); ok && entry != "" {
				t.Fatalf("%q is refused and matches all the same", entry)
			}
			return
		}
		home, err := url.Parse(list.first)
		if err != nil || !home.IsAbs() || home.User != nil || home.Fragment != "" || neverRedirect[home.Scheme] || !text.Visible(list.first) {
			t.Fatalf("%q is taken as %q: %v", entry, list.first, err)
		}
		if local := loopback.Host(home.Hostname()); home.Scheme == "http" && !local || home.Scheme == "https" && home.Hostname() == "" {
			t.Fatalf("%q is taken as %q", entry, list.first)
		}
		for _, base := range []string{entry, list.first} {
			i := min(int(at), len(base))
			uri := base[:i] + insert + base[min(i+int(cut), len(base)):]
			target, ok := list.match(uri)
			if !ok {
				continue
			}
			if uri == "" || uri == entry || uri == list.first {
				if target != list.first {
					t.Fatalf("%q leads to %q, not %q", uri, target, list.first)
				}
				continue
			}
			to, err := url.Parse(target)
			if err != nil || target != uri || home.Scheme != "http" || to.Scheme != "http" || to.User != nil ||
				to.Hostname() != home.Hostname() || to.Port() == "0" || strings.HasPrefix(to.Port(), "0") {
				t.Fatalf("%q passes for %q: %v", uri, entry, err)
			}
			if h, u := strings.Replace(list.first, home.Host, home.Hostname(), 1), strings.Replace(target, to.Host, to.Hostname(), 1); h != u {
				t.Fatalf("%q passes for %q", uri, entry)
			}
		}
	})
}

// FuzzReturnTo: an authorization request that is accepted leads to an address of the list, with its parameters as
// net/url reads them, each once.
func FuzzReturnTo(f *testing.F) {
	list, err := newRedirects([]string{"https://app.example.com/", "/welcome", "http://127.0.0.1/native", "com.example.app:/in"}, fuzzOrigin, func(string) bool { return false }, nil)
	if err != nil {
		f.Fatal(err)
	}
	a := &Auth{redirects: list, clientID: "web"}
	const challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636 appendix B
	for _, s := range []string{
		"", "redirect_uri=/welcome&state=s", "redirect_uri=http://127.0.0.1:99/native&client_id=web", "response_type=code&code_challenge_method=S256&code_challenge=" + challenge,
		"code_challenge=" + challenge, "redirect_uri=https://app.example.com/&redirect_uri=https://evil.example/", "redirect_uri=https%3A%2F%2Fapp.example.com%2F%23",
		"state=%00", "state=a;b", "redirect_uri=//evil.example", "redirect_uri=https://app.example.com%2f",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		values, err := form.Parse(raw, nil)
		if err != nil {
			err = badForm(err)
		} else {
			ret, refused := a.returnOf(values)
			if err = refused; err == nil {
				q, err := url.ParseQuery(raw)
				if err != nil {
					t.Fatalf("%q is no query and passes: %v", raw, err)
				}
				for name, values := range q {
					if len(values) != 1 || !plainText(name) || !plainText(values[0]) {
						t.Fatalf("%q passes with %q", raw, values)
					}
				}
				to, err := url.Parse(ret.Target())
				if err != nil || !slices.Contains([]string{"https://app.example.com/", fuzzOrigin + "/welcome", "com.example.app:/in"}, ret.Target()) &&
					(to.Scheme != "http" || to.Hostname() != "127.0.0.1" || to.RequestURI() != "/native" || to.Fragment != "" || to.User != nil) {
					t.Fatalf("%q leads to %q", raw, ret.Target())
				}
				if asked := q.Get("redirect_uri"); asked != "" && asked != ret.Target() && fuzzOrigin+asked != ret.Target() {
					t.Fatalf("%q leads to %q", raw, ret.Target())
				}
				if ret.State() != q.Get("state") || ret.ClientID() != q.Get("client_id") || ret.Challenge() != q.Get("code_challenge") ||
					(ret.Challenge() != "") != (q.Get("code_challenge_method") == "S256") {
					t.Fatalf("%q became %+v", raw, ret)
				}
				// What it asked for, asked again, is the same.
				again, err := a.returnOf(query(ret))
				if err != nil || again != ret {
					t.Fatalf("%q, asked again: %+v, %v", raw, again, err)
				}
				return
			}
		}
		var e *Error
		if !errors.As(err, &e) || e.Status != 400 || strings.ContainsAny(e.Error()+e.Text, "\r\n<>") {
			t.Fatalf("%q: %v", raw, err)
		}
	})
}

func plainText(s string) bool { return utf8.ValidString(s) && !text.HasControl(s) }
