package posterntest

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestParseForms(t *testing.T) {
	forms, err := parseForms([]byte(`<!DOCTYPE html>
<html><head><style>a < b {}</style><title>A &amp; B &copy;</title></head><body>
<script>if (a<b && c) { document.write("<form><input name=no>") }</script>
<!-- <form><input name="no"></form> -->
<p>unclosed <br> <input name="outside">
<form method="post" action="/a?x=1&amp;y=2"><input type="hidden" name="state" value="&quot;&lt;s&gt;"><input name=email value='a@b' required>
<textarea name="t"></textarea><select name="s"></select><input type="checkbox" name="c" value="1"><input value="nameless"><button name="go" value="1">Go</button></FORM>
<form><input type="hidden" name="state" value="s"><INPUT TYPE="HIDDEN" NAME="code"><input type="submit" name="send"></form></body>`))
	if err != nil || len(forms) != 2 {
		t.Fatalf("%d forms, %v", len(forms), err)
	}
	a, b := forms[0], forms[1]
	if a.action != "/a?x=1&y=2" || a.method != "POST" || a.values.Encode() != "email=a%40b&s=&state=%22%3Cs%3E&t=" || a.isAnswer() {
		t.Errorf("%+v", a)
	}
	if !a.takes(nil) || !a.takes(url.Values{"go": {"1"}, "c": {"1"}}) || a.takes(url.Values{"outside": {""}}) || a.takes(url.Values{"no": {""}}) {
		t.Errorf("%+v", a.names)
	}
	if b.method != "" || !b.isAnswer() || b.takes(url.Values{"email": {""}}) || b.values.Has("send") {
		t.Errorf("%+v", b)
	}
}

func TestOriginAndSite(t *testing.T) {
	at := func(s string) *url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	for _, test := range []struct{ from, to, want string }{
		{"http://localhost:1/a", "http://localhost:1/b", "same-origin"},
		{"http://localhost:1/a", "http://localhost:2/a", "same-site"},
		{"http://localhost:1/a", "https://localhost:1/a", "cross-site"},
		{"http://localhost/a", "http://127.0.0.1/a", "cross-site"},
	} {
		if got := site(at(test.from), at(test.to)); got != test.want {
			t.Errorf("%s to %s: %s", test.from, test.to, got)
		}
	}
	for _, test := range []struct{ policy, from, to, want string }{
		{"", "http://localhost:1/a?b", "https://example.com/", "http://localhost:1"},
		{"", "https://localhost:1/", "http://example.com/", "null"},
		{"strict-origin", "https://localhost:1/", "http://example.com/", "null"},
		{"origin", "https://localhost:1/", "http://example.com/", "https://localhost:1"},
		{"No-Referrer", "http://localhost/", "http://localhost/", "null"},
		{"same-origin", "http://localhost/", "http://localhost/x", "http://localhost"},
		{"same-origin", "http://localhost/", "http://localhost:2/", "null"},
	} {
		page := &http.Response{Request: &http.Request{URL: at(test.from)}, Header: http.Header{"Referrer-Policy": {test.policy}}}
		if got := origin(page, at(test.to)); got != test.want {
			t.Errorf("%s: from %s to %s: %s", test.policy, test.from, test.to, got)
		}
	}
}

// Whatever a page holds, its forms are read or refused, and every field that is sent is one of the form's.
func FuzzParseForms(f *testing.F) {
	for _, s := range []string{"", "<form>", `<form action="/x" method=post><input name=a value=b></form>`, "<style><form>", "<script></script><form><button name=x>", "<!doctype html><p>&nbsp;<br>", "\xab<style\xf4</STYLE><form>"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, page []byte) {
		forms, err := parseForms(page)
		if err != nil {
			return
		}
		if n := strings.Count(strings.ToLower(string(page)), "<form"); len(forms) > n {
			t.Fatalf("%d forms from %d tags", len(forms), n)
		}
		for _, form := range forms {
			for name := range form.values {
				if !form.names[name] || name == "" {
					t.Errorf("field %q is none of the form's", name)
				}
			}
		}
	})
}
