package ui_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/ui"
)

// served returns a server with the pages, over a real connection, and the path of their style sheet. issuer is a path:
// "" is the root of the origin.
func served(t *testing.T, path string) (server *httptest.Server, sheet string) {
	t.Helper()
	pages := newPages(t, ui.Config{})
	var mail posterntest.Mail
	sessions := posterntest.Sessions(t, session.Config{Issuer: "https://app.example" + path})
	auth, err := postern.New(postern.Config{
		Sessions: sessions, Redirects: []string{"/"}, Mail: mail.Send, Render: pages.Render, Assets: pages,
		Providers: map[string]postern.Provider{"link": magic.Link(magic.Config{})},
		OnSuccess: func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r.Host = "app.example"
		auth.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	return server, path + "/assets/" + pages.Sheet()
}

// ask sends a request as it is: nothing is added and nothing is decoded.
func ask(t *testing.T, server *httptest.Server, method, path string, form url.Values, headers ...string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequest(method, server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, body
}

// TestFiles_Wire: a file comes by gzip to a client that takes it, and as it is to others; caches keep both, for a year,
// and a HEAD has the headers of its GET.
func TestFiles_Wire(t *testing.T) {
	for _, path := range []string{"/auth", ""} {
		server, sheet := served(t, path)
		_, whole := ask(t, server, "GET", sheet, nil)
		if len(whole) < 5000 || !bytes.Contains(whole, []byte(".card{")) {
			t.Fatalf("%s: %d bytes: %.80s", sheet, len(whole), whole)
		}
		for accept, want := range map[string]string{
			"": "", "identity": "", "br": "", "gzip": "gzip", "gzip, deflate, br, zstd": "gzip", "br;q=1.0, gzip;q=0.8": "gzip", "GZIP": "gzip",
			"gzip;q=0": "", "gzip; q=0.000": "", "br, gzip;q=0": "", "x-gzip-not": "", "*": "gzip", "*;q=0": "", "gzip;q=0, *": "",
		} {
			for _, method := range []string{"GET", "HEAD"} {
				answer, body := ask(t, server, method, sheet, nil, "Accept-Encoding", accept)
				h := answer.Header
				if answer.StatusCode != 200 || h.Get("Content-Encoding") != want || h.Get("Content-Type") != "text/css; charset=utf-8" ||
					h.Get("Cache-Control") != "public, max-age=31536000, immutable" || !strings.Contains(strings.Join(h.Values("Vary"), ","), "Accept-Encoding") || len(h.Values("Set-Cookie")) > 0 {
					t.Errorf("%s with %q: %d %v", method, accept, answer.StatusCode, h)
				}
				if method == "HEAD" {
					if len(body) != 0 || answer.ContentLength <= 0 {
						t.Errorf("HEAD with %q: %d bytes, length %d", accept, len(body), answer.ContentLength)
					}
					continue
				}
				if want == "gzip" {
					z, err := gzip.NewReader(bytes.NewReader(body))
					if err != nil {
						t.Fatalf("%q: %v", accept, err)
					}
					if len(body)*3 > len(whole) {
						t.Errorf("%d bytes by gzip of %d", len(body), len(whole))
					}
					if body, err = io.ReadAll(z); err != nil {
						t.Fatalf("%q: %v", accept, err)
					}
				}
				if !bytes.Equal(body, whole) {
					t.Errorf("%q: another file", accept)
				}
			}
		}
	}
}

// TestFiles_Again: the answer to a client that has the file is 304 by its tag, and one that asks for a part gets the
// file.
func TestFiles_Again(t *testing.T) {
	server, sheet := served(t, "/auth")
	plain, whole := ask(t, server, "GET", sheet, nil)
	packed, _ := ask(t, server, "GET", sheet, nil, "Accept-Encoding", "gzip")
	if plain.Header.Get("ETag") == "" || plain.Header.Get("ETag") == packed.Header.Get("ETag") {
		t.Errorf("the tags %q and %q, of two representations", plain.Header.Get("ETag"), packed.Header.Get("ETag"))
	}
	for tag, want := range map[string]int{
		plain.Header.Get("ETag"): 304, "W/" + plain.Header.Get("ETag"): 304, `"x", ` + plain.Header.Get("ETag"): 304, "*": 304, `"x"`: 200, packed.Header.Get("ETag"): 200, "": 200,
	} {
		answer, body := ask(t, server, "GET", sheet, nil, "If-None-Match", tag)
		if answer.StatusCode != want || want == 304 && (len(body) > 0 || answer.Header.Get("Cache-Control") == "" || answer.Header.Get("ETag") == "") {
			t.Errorf("If-None-Match %q: %d, %d bytes, %v", tag, answer.StatusCode, len(body), answer.Header)
		}
	}
	for _, part := range []string{"bytes=0-9", "bytes=-5", "bytes=999999-", "lines=1-2"} {
		answer, body := ask(t, server, "GET", sheet, nil, "Range", part)
		if answer.StatusCode != 200 || !bytes.Equal(body, whole) || answer.Header.Get("Content-Range") != "" { // RFC 9110 section 14.2 allows it
			t.Errorf("Range %q: %d, %d bytes", part, answer.StatusCode, len(body))
		}
	}
	if answer, _ := ask(t, server, "POST", sheet, url.Values{}); answer.StatusCode != 405 || answer.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", answer.StatusCode, answer.Header)
	}
	for _, name := range []string{"/auth/assets/page.css", "/auth/assets/page.0000000000000000.css", "/auth/assets/", sheet + "x"} {
		if answer, _ := ask(t, server, "GET", name, nil); answer.StatusCode != 404 || strings.Contains(answer.Header.Get("Cache-Control"), "max-age=3") {
			t.Errorf("%s: %d %q", name, answer.StatusCode, answer.Header.Get("Cache-Control"))
		}
	}
}

// TestRootIssuer: with an issuer that has no path, the pages name their files and their language form at the root.
func TestRootIssuer(t *testing.T) {
	server, sheet := served(t, "")
	answer, body := ask(t, server, "GET", "/link/authorize", nil, "Accept", "text/html")
	if answer.StatusCode != 200 || !strings.Contains(string(body), `<link rel="stylesheet" href="`+sheet+`">`) || !strings.Contains(string(body), `<form class="language" method="post" action="/language">`) ||
		!strings.Contains(answer.Header.Get("Content-Security-Policy"), "style-src https://app.example/assets/") {
		t.Fatalf("%d %v\n%s", answer.StatusCode, answer.Header, body)
	}
	answer, _ = ask(t, server, "POST", "/language", url.Values{"language": {"ar"}, "to": {"/link/authorize"}}, "Origin", "https://app.example", "Sec-Fetch-Site", "same-origin")
	cookie := answer.Header.Get("Set-Cookie")
	if to := answer.Header.Get("Location"); answer.StatusCode != 303 || !strings.HasPrefix(to, "https://app.example/link/authorize") || !strings.HasPrefix(cookie, "__Host-postern-language=ar;") {
		t.Fatalf("%d to %q, %q", answer.StatusCode, to, cookie)
	}
	name, _, _ := strings.Cut(cookie, ";")
	if _, body := ask(t, server, "GET", "/link/authorize", nil, "Accept", "text/html", "Cookie", name); !strings.Contains(string(body), `<html lang="ar" dir="rtl">`) {
		t.Errorf("%.200s", body)
	}
	for _, to := range []string{"//evil.example/", "/\\evil.example", "https://evil.example/", "", "evil"} {
		answer, _ := ask(t, server, "POST", "/language", url.Values{"language": {"ar"}, "to": {to}}, "Origin", "https://app.example", "Sec-Fetch-Site", "same-origin")
		if answer.StatusCode != 400 || answer.Header.Get("Location") != "" || answer.Header.Get("Set-Cookie") != "" {
			t.Errorf("to %q: %d to %q", to, answer.StatusCode, answer.Header.Get("Location"))
		}
	}
}
