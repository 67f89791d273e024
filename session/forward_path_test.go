package session

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestPlainPath has one spelling of each kind; the test beside nginx has them on the wire.
func TestPlainPath(t *testing.T) {
	for target, want := range map[string]bool{
		"*": true, "/": true, "/a/b": true, "/a/b/": true, "/a?b=//..": true, "/a.b/..c": true, "/%C3%A4": true, "/ä": true, "/a%20b": true,
		"https://app.example.com": true, "https://app.example.com/a": true, "HTTP://app.example.com/a": true, "/~a/!$&'()*+,=:@": true,

		"a": false, "a/b": false, "?": false, "//": false, "//a": false, "/a//": false, "/a//b": false, "/.": false, "/..": false, "/...": false, "/a/./b": false, "/a/../b": false,
		"/%2e": false, "/a/%2e%2E/b": false, "/a/..%2fb": false, "/a%2Fb": false, "/a%5cb": false, `/a\b`: false, "/a;b": false, "/a%3bb": false, "/%2561": false,
		"/%61": false, "/%7E": false, "/%5f": false, "/%00": false, "/a%0a": false, "/a%7f": false, "/a\x01": false, "/a%": false, "/a%4": false, "/a%zz": false, "/%c0%af": false, "/\xff": false, "/a#b": false,
		"/(S(x))/a": false, "/a/(A(x)F(y))": false, "/%28s%28x%29%29/a": false, "/(x)/a": true, "/f(g(x))": true, "/(1(x))": true,
		"/admin%3f": false, "/admin%3Fx": false, "/a%23b": false,
		"https://app.example.com//a": false, "ftp://app.example.com/a": false, "": false,
		"https://app.example.com:8443/a?b": true, "https://[::1]:80/a": true, "https://": false, "https:///a": false, "https://app?.example.com/x/..;/admin": false, "https://app#.example.com/admin": false,
		"https://app@example.com/a": false, `https://app\example.com/a`: false, "https://app.example.com?a": false, "https://äpp.example.com/a": false,
	} {
		if _, got := plainPath(target); got != want {
			t.Errorf("%q: %v, want %v", target, got, want)
		}
	}
}

// TestPlainPath_EveryPlace: one ambiguous path refuses the request, wherever it stands; AnyPath lets all through.
func TestPlainPath_EveryPlace(t *testing.T) {
	ask := func(target string, headers ...string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, target, nil)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Add(headers[i], headers[i+1])
		}
		return r
	}
	strict, lax := guard{{}}, guard{{}}.with([]Need{AnyPath})
	for name, c := range map[string]struct {
		r    *http.Request
		want error
	}{
		"plain":          {ask("/verify", "X-Forwarded-Uri", "/a", "X-Original-Uri", "/a?b"), nil},
		"three ways":     {ask("/verify", "X-Forwarded-Uri", "/a%20%C3%A4?b", "X-Original-Uri", "/a%20ä", "X-Original-Url", "https://app.example.com/a%20%c3%a4"), nil},
		"of the request": {ask("/%61dmin", "X-Original-Uri", "/a"), errAmbiguousPath},
		"forwarded":      {ask("/verify", "X-Forwarded-Uri", "/%61dmin", "X-Original-Uri", "/a"), errAmbiguousPath},
		"original":       {ask("/verify", "X-Forwarded-Uri", "/a", "X-Original-Uri", "//admin"), errAmbiguousPath},
		"second value":   {ask("/verify", "X-Original-Uri", "/a", "X-Original-Uri", "/a/../b"), errAmbiguousPath},
		"of a URL":       {ask("/verify", "X-Original-Url", "https://app.example.com/x/..;/admin"), errAmbiguousPath},
		"two paths":      {ask("/verify", "X-Forwarded-Uri", "/a", "X-Original-Uri", "/admin"), errTwoPaths},
		"two of a name":  {ask("/verify", "X-Original-Uri", "/a", "X-Original-Uri", "/admin"), errTwoPaths},
		"two with a URL": {ask("/verify", "X-Original-Uri", "/a", "X-Original-Url", "https://app.example.com/admin"), errTwoPaths},
		"letter case":    {ask("/verify", "X-Forwarded-Uri", "/a", "X-Original-Uri", "/A"), errTwoPaths},
		"rewritten":      {ask("/verify", "X-Original-Uri", "/a", "X-Rewrite-Url", "/admin"), errTwoPaths},
		"rewritten, odd": {ask("/verify", "X-Original-Uri", "/a", "X-Rewrite-Url", "//admin"), errAmbiguousPath},
		"rewritten, two": {ask("/verify", "X-Original-Uri", "/a", "X-Rewrite-Url", "/a", "X-Rewrite-Url", "/b"), errTwoPaths},
		"of a rewriter":  {ask("/verify", "X-Original-Uri", "/a", "X-Rewrite-Url", "/a?b"), nil},
		"that alone":     {ask("/verify", "X-Rewrite-Url", "/a"), errMissingPath},
		"a slash":        {ask("/verify", "X-Forwarded-Uri", "/a", "X-Original-Uri", "/a/"), errTwoPaths},
		"none":           {ask("/verify"), errMissingPath},
		"the own alone":  {ask("/admin/users"), errMissingPath},
		"empty":          {ask("/verify", "X-Forwarded-Uri", ""), errMissingPath},
		"empty URI":      {ask("/verify", "X-Original-Uri", ""), errMissingPath},
		"empty URL":      {ask("/verify", "X-Original-Url", ""), errMissingPath},
		"one is empty":   {ask("/verify", "X-Forwarded-Uri", "", "X-Original-Uri", "/a"), errMissingPath},
	} {
		if got := strict.checkPath(c.r); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		if got := lax.checkPath(c.r); got != nil {
			t.Errorf("%s with AnyPath: %v", name, got)
		}
	}
}

// FuzzPlainPath: what passes means the same before and after the ways in which programs read a path.
func FuzzPlainPath(f *testing.F) {
	for _, s := range []string{"/a/b?c", "/%61", "/a/../b", "//a", "/a%20b", "/%C3%A4", "/a;b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		if target == "" || target[0] != '/' || target == "*" {
			return
		}
		decoded, plain := plainPath(target)
		if !plain {
			return
		}
		r, err := http.NewRequest(http.MethodGet, "http://app.example.com", nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.URL, err = r.URL.Parse(target); err != nil {
			return // no server takes it
		}
		clean, err := r.URL.Parse(r.URL.JoinPath().EscapedPath())
		if err != nil || clean.Path != r.URL.Path {
			t.Errorf("%q is read as %q and, cleaned, as %q", target, r.URL.Path, clean.Path)
		}
		if r.URL.Path != decoded {
			t.Errorf("%q is read as %q and as %q", target, decoded, r.URL.Path)
		}
		if _, again := plainPath(r.URL.Path); r.URL.RawQuery == "" && !again && r.URL.EscapedPath() == r.URL.Path {
			t.Errorf("%q passes, and what it is decoded to does not", target)
		}
	})
}
