package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// devServer runs the whole of `dev` in this process, at the URL it believes in.
func devServer(t *testing.T) string {
	t.Helper()
	listeners, url, err := listen(t.Context(), "127.0.0.1:0", "dev", "it is a test")
	if err != nil {
		t.Fatal(err)
	}
	d, err := openDev(t.Context(), folder(filepath.Join(t.TempDir(), "data")), url, world{nil, io.Discard, io.Discard, time.Now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, listeners, newServer(d.handler, io.Discard)) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		d.close()
	})
	return url
}

func TestDev_OnlyLocalhost(t *testing.T) {
	base := devServer(t)
	_, port, _ := strings.Cut(strings.TrimPrefix(base, "http://"), ":")
	c := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for _, tc := range []struct {
		host, path string
		status     int
		location   string
	}{
		{"localhost:" + port, "/", 200, ""},
		{"LOCALHOST:" + port, "/", 200, ""}, {"127.0.0.2:" + port, "/inbox", 200, ""}, {"127.1:" + port, "/", 421, ""},
		{"127.0.0.1:" + port, "/", 307, base + "/"},
		{"[::1]:" + port, "/auth/google/authorize?x=1", 307, base + "/auth/google/authorize?x=1"},
		{"127.0.0.1:" + port, "/inbox.json", 200, ""},
		{"127.0.0.1:" + port, "/auth", 200, ""},
		{"127.0.0.1:" + port, "/auth/.well-known/jwks.json", 200, ""},
		{"127.0.0.1:" + port, "/.well-known/oauth-authorization-server/auth", 200, ""},
		{"127.0.0.1:" + port, "/api/me", 401, ""},
		{"rebound.example.test:" + port, "/inbox.json", 421, ""},
		{"localhost.example.test", "/", 421, ""},
		{"localhost:" + port, "/nothing/here", 404, ""},
		{"rebound.example.test:" + port, "/token", 421, ""}, {"rebound.example.test:" + port, "/auth/account", 421, ""}, {"rebound.example.test:" + port, "/auth/admin", 421, ""},
		{"127.0.0.1:" + port, "/auth/account", 307, base + "/auth/account"},
		{"localhost:" + port, "/assets/", 404, ""},
	} {
		t.Run(tc.host+tc.path, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), "GET", base+tc.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = tc.host
			resp, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != tc.status || resp.Header.Get("Location") != tc.location {
				t.Errorf("%d %q, want %d %q", resp.StatusCode, resp.Header.Get("Location"), tc.status, tc.location)
			}
		})
	}
}

func TestX3_DevPages(t *testing.T) {
	base := devServer(t)
	c := browser(t)
	resp, err := c.Get(base + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	csp := resp.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(csp, "default-src 'none'; ") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Errorf("Content-Security-Policy: %s", csp)
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Cross-Origin-Opener-Policy": "same-origin", "Referrer-Policy": "same-origin",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if status, body := page(t, c, "POST", base+"/", url.Values{}); status != 405 && status != 404 {
		t.Errorf("POST to the page: %d %s", status, body)
	}
}

func TestRecoverPanics(t *testing.T) {
	var errs bytes.Buffer
	server := httptest.NewServer(recoverPanics(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			_, _ = io.WriteString(w, "begun")
			_ = http.NewResponseController(w).Flush()
		}
		panic("<boom>")
	}), &errs))
	defer server.Close()
	status, body := page(t, browser(t), "GET", server.URL+"/early", nil)
	if status != 500 || !strings.Contains(body, "Something went wrong") || strings.Contains(body, "boom") {
		t.Errorf("%d %s", status, body)
	}
	if !strings.Contains(errs.String(), "<boom>") || !strings.Contains(errs.String(), "goroutine") {
		t.Errorf("the terminal does not show the panic: %s", errs.String())
	}
	resp, err := http.Get(server.URL + "/late")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("an answer that broke off looks whole: %q", body)
	}
}

func TestD1_DevServerBounds(t *testing.T) {
	s := newServer(http.NotFoundHandler(), io.Discard)
	if s.ReadHeaderTimeout != 5*time.Second || s.ReadTimeout != 10*time.Second || s.IdleTimeout != time.Minute || s.MaxHeaderBytes != 16<<10 {
		t.Errorf("bounds: %v %v %v %d", s.ReadHeaderTimeout, s.ReadTimeout, s.IdleTimeout, s.MaxHeaderBytes)
	}
	base := devServer(t)
	req, err := http.NewRequestWithContext(t.Context(), "GET", base+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Long", strings.Repeat("x", 64<<10))
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("64 KiB of headers: %d", resp.StatusCode)
	}
}
