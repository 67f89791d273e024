package returnto_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/returnto"
)

func TestURL(t *testing.T) {
	for _, c := range []struct{ target, state, want string }{
		{"https://example.com", "", "https://example.com?code=c"},
		{"https://example.com/a?b=c#d", "", "https://example.com/a?b=c&code=c#d"},
		{"https://example.com/a?b=c#d", "s&t=u #%", "https://example.com/a?b=c&code=c&state=s%26t%3Du+%23%25#d"},
		{"https://example.com/?", "s", "https://example.com/?code=c&state=s"},
		{"https://example.com/#/route?x=y", "s", "https://example.com/?code=c&state=s#/route?x=y"},
		{"https://example.com/?x=%7e&y=a+b", "", "https://example.com/?x=%7e&y=a+b&code=c"},
		{"https://example.com/?code=evil&x=1&%73tate=evil&token=evil&iss=evil", "s", "https://example.com/?x=1&code=c&state=s"},
		{"https://example.com/cb?state=fixed", "", "https://example.com/cb?code=c"},
		{"com.example.app:/callback", "s", "com.example.app:/callback?code=c&state=s"},
		{"http://127.0.0.1:5000/cb", "", "http://127.0.0.1:5000/cb?code=c"},
	} {
		got, err := returnto.URL(returnto.New(c.target, c.state, "", ""), "code", "c")
		if err != nil || got != c.want {
			t.Errorf("%s: %s, %v, want %s", c.target, got, err, c.want)
		}
	}
	for _, target := range []string{"", "/welcome", "//example.com/", "https://example.com/ä", "https://example.com/ x", "https://example.com/\n", "://"} {
		if got, err := returnto.URL(returnto.New(target, "s", "", "")); err == nil {
			t.Errorf("%q became %q", target, got)
		}
	}
}

// A URL leads to where the target leads, and has each of our parameters once.
func FuzzURL(f *testing.F) {
	for _, s := range []string{
		"https://example.com", "https://example.com/a?b=c#d", "https://example.com/?code=x&%63ode=y", "app:/cb", "https://e.example/#/r?code=x",
		"https://e.example/?a=%zz&code", "//x", "https://[::1]:80/?a;code=b",
	} {
		f.Add(s, "st")
	}
	f.Fuzz(func(t *testing.T, target, state string) {
		location, err := returnto.URL(returnto.New(target, state, "", ""), "code", "c0de", "iss", "https://i.example")
		if err != nil {
			return
		}
		from, err := url.Parse(target)
		if err != nil {
			t.Fatalf("%q is not a URL and was accepted", target)
		}
		to, err := url.Parse(location)
		if err != nil || strings.ContainsFunc(location, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Fatalf("%q became %q: %v", target, location, err)
		}
		if to.Scheme != from.Scheme || to.Host != from.Host || to.User.String() != from.User.String() || to.Path != from.Path || to.Fragment != from.Fragment {
			t.Errorf("%q became %q", target, location)
		}
		q := to.Query()
		if len(q["code"]) != 1 || q.Get("code") != "c0de" || len(q["iss"]) != 1 || q.Has("token") {
			t.Errorf("%q became %q", target, location)
		}
		if state == "" && q.Has("state") || state != "" && (len(q["state"]) != 1 || q.Get("state") != state) {
			t.Errorf("%q with state %q became %q", target, state, location)
		}
	})
}

// One spelling of a challenge and no other: a verifier is hashed and encoded, and the texts are compared.
func TestIsChallenge(t *testing.T) {
	good := "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636 appendix B
	if !returnto.IsChallenge(good) {
		t.Error("the challenge of the RFC is refused")
	}
	for _, s := range []string{
		"", good[:42], good + "A", good + "=", good[:42] + "N", good[:42] + "O", good[:42] + "P", strings.Repeat("a", 43),
		good[:20] + "\n" + good[20:], good[:20] + "\n" + good[21:], strings.Replace(good, "-", "+", 1), " " + good[1:], good[:42] + "\u212a",
	} {
		if returnto.IsChallenge(s) {
			t.Errorf("%q is accepted", s)
		}
	}
}
