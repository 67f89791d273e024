package session_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/testneed"
	"github.com/posternauth/postern/session"
)

// nginxConf is the snippet of docs/forward-auth.md, on a socket in a directory of its own. Its arguments are that
// directory, the backend and the one that is asked.
const nginxConf = `
daemon off;
master_process off;
pid %[1]s/pid;
error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	server {
		listen unix:%[1]s/socket;
		location / {
			auth_request /_auth;
			auth_request_set $auth_subject $upstream_http_x_auth_subject;
			auth_request_set $auth_kind $upstream_http_x_auth_kind;
			auth_request_set $auth_session $upstream_http_x_auth_session;
			auth_request_set $auth_scopes $upstream_http_x_auth_scopes;
			auth_request_set $auth_roles $upstream_http_x_auth_roles;
			auth_request_set $auth_error $upstream_http_x_auth_error;
			add_header X-Auth-Error $auth_error always;
			proxy_set_header X-Auth-Subject $auth_subject;
			proxy_set_header X-Auth-Kind $auth_kind;
			proxy_set_header X-Auth-Session $auth_session;
			proxy_set_header X-Auth-Scopes $auth_scopes;
			proxy_set_header X-Auth-Roles $auth_roles;
			proxy_pass %[2]s;
		}
		location = /_auth {
			internal;
			proxy_pass %[3]s/auth/verify;
			proxy_pass_request_body off;
			proxy_set_header Content-Length "";
			proxy_set_header X-Original-Method $request_method;
			proxy_set_header X-Forwarded-Method "";
		}
	}
}
`

// startNginx runs nginx until the test ends, and returns a client that asks it, whatever the host of the URL.
func startNginx(t *testing.T, backend, auth string) *http.Client {
	t.Helper()
	binary := testneed.Binary(t, "nginx", "Debian package nginx")
	dir, err := os.MkdirTemp("", "nginx") // that of the test may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	conf := filepath.Join(dir, "conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, backend, auth), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, binary, "-p", dir, "-c", conf, "-e", "stderr")
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		stop()
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed
		close(ended)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		if t.Failed() {
			t.Logf("nginx: %s", log.String())
		}
	})
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "socket"))
	}
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if conn, err := dial(ctx, "", ""); err == nil {
			_ = conn.Close()
			break
		}
		select {
		case <-tick.C:
		case <-ended:
			t.Fatalf("nginx has ended: %s", log.String())
		case <-deadline:
			t.Fatal("nginx does not answer")
		}
	}
	transport := &http.Transport{DialContext: dial}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

func TestForwardAuth_Nginx(t *testing.T) {
	w := newForwardWorld(t)
	shaky := &faulty{}
	stored := newForwardWorld(t, func(c *session.Config) { shaky.Store = c.Store; c.Store = shaky })

	var mu sync.Mutex
	var passed []http.Header // what the backend was asked
	backend := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		passed = append(passed, r.Header.Clone())
		mu.Unlock()
		_, _ = fmt.Fprintf(rw, "%s %s %s", r.Method, r.URL.Path, body)
	}))
	defer backend.Close()
	mux := http.NewServeMux()
	mux.Handle("GET /auth/verify", session.ForwardAuth(session.AnyOf(w.member.With(session.Scope("orders:read")), w.apikey)))
	auth := httptest.NewServer(mux)
	defer auth.Close()
	client := startNginx(t, backend.URL, auth.URL)

	poor := w.create().Access
	refresh := w.create().Refresh
	for name, c := range map[string]struct {
		method  string
		headers []string
		code    int
		error   string
	}{
		"bearer":              {"GET", []string{"Authorization", "Bearer " + w.token}, 200, ""},
		"POST by bearer":      {"POST", []string{"Authorization", "Bearer " + w.token, "Sec-Fetch-Site", "cross-site"}, 200, ""},
		"cookie":              {"GET", []string{"Cookie", w.cookie, "Sec-Fetch-Site", "cross-site"}, 200, ""},
		"POST by cookie":      {"POST", []string{"Cookie", w.cookie, "Sec-Fetch-Site", "same-origin"}, 200, ""},
		"cross-site POST":     {"POST", []string{"Cookie", w.cookie, "Sec-Fetch-Site", "cross-site"}, 403, "cross_origin"},
		"and a lie":           {"POST", []string{"Cookie", w.cookie, "Sec-Fetch-Site", "cross-site", "X-Original-Method", "GET", "X-Forwarded-Method", "GET"}, 403, "cross_origin"},
		"cross-site DELETE":   {"DELETE", []string{"Cookie", w.cookie, "Origin", "https://evil.example"}, 403, "cross_origin"},
		"WebSocket":           {"GET", []string{"Cookie", w.cookie, "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version", "13", "Origin", "https://evil.example"}, 403, "cross_origin"},
		"none":                {"GET", nil, 401, "unauthorized"},
		"rubbish":             {"GET", []string{"Authorization", "Bearer rubbish"}, 401, "invalid_token"},
		"two cookies":         {"GET", []string{"Cookie", w.cookie + "; " + w.cookie}, 401, "invalid_request"},
		"scope":               {"GET", []string{"Authorization", "Bearer " + poor}, 403, "insufficient_scope"},
		"refresh cookie":      {"GET", []string{"Cookie", session.CookieNameOf(w.member) + "-refresh=" + refresh}, 401, "try_refresh"},
		"identity of its own": {"GET", []string{"X-Auth-Subject", "root"}, 401, "unauthorized"},
	} {
		t.Run(name, func(t *testing.T) {
			mu.Lock()
			passed = nil
			mu.Unlock()
			body := ""
			if c.method == "POST" {
				body = "hello"
			}
			r, err := http.NewRequestWithContext(t.Context(), c.method, "http://app.example.com/a%2Fb", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Auth-Roles", "admin")
			r.Header.Set("X-Auth-Scopes", "everything")
			for i := 0; i < len(c.headers); i += 2 {
				r.Header.Add(c.headers[i], c.headers[i+1])
			}
			res, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if res.StatusCode != c.code || res.Header.Get("X-Auth-Error") != c.error {
				t.Errorf("%d %q, want %d %q", res.StatusCode, res.Header.Get("X-Auth-Error"), c.code, c.error)
			}
			if challenge := res.Header.Get("WWW-Authenticate"); c.code == 401 && !strings.HasPrefix(challenge, "Bearer realm=") {
				t.Errorf("WWW-Authenticate = %q", challenge)
			}
			mu.Lock()
			defer mu.Unlock()
			if c.code != 200 {
				if len(passed) > 0 {
					t.Error("it was let through")
				}
				return
			}
			if len(passed) != 1 || string(got) != c.method+" /a/b "+body {
				t.Fatalf("%d requests, the answer is %q", len(passed), got)
			}
			for name, want := range map[string]string{"X-Auth-Subject": "u1", "X-Auth-Kind": "member", "X-Auth-Scopes": "orders:read orders:write", "X-Auth-Roles": "owner"} {
				if values := passed[0].Values(name); len(values) != 1 || values[0] != want {
					t.Errorf("the backend reads %s = %q, want %q", name, values, want)
				}
			}
		})
	}

	t.Run("an API key has no roles", func(t *testing.T) {
		key := must(w.apikey.Create(t.Context(), session.Grant[APIKey]{Subject: "k 1"}))(t).Access
		r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://app.example.com/", nil)
		r.Header.Set("X-Auth-Roles", "admin")
		r.Header.Set("Authorization", "Bearer "+key)
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		mu.Lock()
		defer mu.Unlock()
		last := passed[len(passed)-1]
		if res.StatusCode != 200 || len(last.Values("X-Auth-Roles")) > 0 || last.Get("X-Auth-Subject") != "k%201" {
			t.Errorf("%d, the backend reads %v", res.StatusCode, last)
		}
	})

	t.Run("the store is down", func(t *testing.T) {
		auth := httptest.NewServer(session.ForwardAuth(stored.member, session.CheckStore))
		defer auth.Close()
		client := startNginx(t, backend.URL, auth.URL)
		shaky.calls, shaky.at = 0, 1
		r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://app.example.com/", nil)
		r.Header.Set("Authorization", "Bearer "+stored.token)
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != 500 || res.Header.Get("X-Auth-Error") != "temporarily_unavailable" {
			t.Errorf("%d %v", res.StatusCode, res.Header)
		}
	})
}
