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

	"github.com/posternauth/postern/internal/test/testneed"
	"github.com/posternauth/postern/session"
)

// nginxConf is the frame of a configuration, on a socket in a new directory. Its arguments are that directory and
// the lines of the server.
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
	large_client_header_buffers 8 128k;
	server {
		listen unix:%[1]s/socket;
		%[2]s
	}
}
`

// nginxSnippet is the snippet of docs/forward-auth.md with these upstreams.
func nginxSnippet(t *testing.T, backend, auth string) string {
	t.Helper()
	page := string(must(os.ReadFile(filepath.Join("..", "docs", "forward-auth.md")))(t))
	_, rest, _ := strings.Cut(page, "```nginx\n")
	snippet, _, found := strings.Cut(rest, "```")
	for _, upstream := range [][2]string{{"http://app:3000", backend}, {"http://auth:8080", auth}} {
		found = found && strings.Contains(snippet, upstream[0])
		snippet = strings.ReplaceAll(snippet, upstream[0], upstream[1])
	}
	if !found {
		t.Fatalf("docs/forward-auth.md has no snippet for nginx with its upstreams: %s", snippet)
	}
	return snippet
}

// startNginx runs nginx with a server until the test ends, and returns a client that asks it, whatever the host of
// the URL.
func startNginx(t *testing.T, server string) *http.Client {
	t.Helper()
	binary := testneed.Binary(t, "nginx", "Debian package nginx")
	dir, err := os.MkdirTemp("", "nginx") // that of the test may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	conf := filepath.Join(dir, "conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, server), 0o600); err != nil {
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
	client := startNginx(t, nginxSnippet(t, backend.URL, auth.URL))

	poor := w.create().Access
	refresh := w.create().Refresh
	for name, c := range map[string]struct {
		method  string
		headers []string
		code    int
		error   string
	}{
		"bearer":                 {"GET", []string{"Authorization", "Bearer " + w.token}, 200, ""},
		"POST by bearer":         {"POST", []string{"Authorization", "Bearer " + w.token, "Sec-Fetch-Site", "cross-site"}, 200, ""},
		"cookie":                 {"GET", []string{"Cookie", w.cookie, "Sec-Fetch-Site", "cross-site"}, 200, ""},
		"POST by cookie":         {"POST", []string{"Cookie", w.cookie, "Sec-Fetch-Site", "same-origin"}, 200, ""},
		"cross-site POST":        {"POST", []string{"Cookie", w.cookie, "Sec-Fetch-Site", "cross-site"}, 403, "cross_origin"},
		"and a lie":              {"POST", []string{"Cookie", w.cookie, "Sec-Fetch-Site", "cross-site", "X-Original-Method", "GET", "X-Forwarded-Method", "GET"}, 403, "cross_origin"},
		"cross-site DELETE":      {"DELETE", []string{"Cookie", w.cookie, "Origin", "https://evil.example"}, 403, "cross_origin"},
		"WebSocket":              {"GET", []string{"Cookie", w.cookie, "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version", "13", "Origin", "https://evil.example"}, 403, "cross_origin"},
		"none":                   {"GET", nil, 401, "unauthorized"},
		"rubbish":                {"GET", []string{"Authorization", "Bearer rubbish"}, 401, "invalid_token"},
		"two cookies":            {"GET", []string{"Cookie", w.cookie + "; " + w.cookie}, 401, "invalid_request"},
		"scope":                  {"GET", []string{"Authorization", "Bearer " + poor}, 403, "insufficient_scope"},
		"refresh cookie":         {"GET", []string{"Cookie", session.CookieNameOf(w.member) + "-refresh=" + refresh}, 401, "try_refresh"},
		"identity of the client": {"GET", []string{"X-Auth-Subject", "root"}, 401, "unauthorized"},
	} {
		t.Run(name, func(t *testing.T) {
			mu.Lock()
			passed = nil
			mu.Unlock()
			body := ""
			if c.method == "POST" {
				body = "hello"
			}
			r, err := http.NewRequestWithContext(t.Context(), c.method, "http://app.example.com/a%20b", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Auth-Roles", "admin")
			r.Header.Set("X-Auth-Scopes", "everything")
			r.Header["X_Auth_Roles"] = []string{"admin"}
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
			if len(passed) != 1 || string(got) != c.method+" /a b "+body {
				t.Fatalf("%d requests, the answer is %q", len(passed), got)
			}
			for name := range passed[0] {
				if name == "Cookie" || strings.Contains(name, "_") {
					t.Errorf("the backend reads %s: %q", name, passed[0][name])
				}
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
		client := startNginx(t, nginxSnippet(t, backend.URL, auth.URL))
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

// nginxWorld is a backend behind nginx, which asks auth.
func nginxWorld(t *testing.T, auth http.Handler, change func(server string) string) (client *http.Client, passed func() *http.Request) {
	t.Helper()
	var mu sync.Mutex
	var last *http.Request
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		last = r.Clone(context.Background())
	}))
	t.Cleanup(backend.Close)
	server := httptest.NewServer(auth)
	t.Cleanup(server.Close)
	client = startNginx(t, change(nginxSnippet(t, backend.URL, server.URL)))
	return client, func() *http.Request {
		mu.Lock()
		defer mu.Unlock()
		r := last
		last = nil
		return r
	}
}

// replaced is a change of one line, which must be there.
func replaced(t *testing.T, old, new string) func(string) string {
	return func(server string) string {
		t.Helper()
		if strings.Count(server, old) != 1 {
			t.Fatalf("%q is not in the snippet once", old)
		}
		return strings.Replace(server, old, new, 1)
	}
}

// TestTwoReadersOfOnePath: nginx guards /admin/ by another URL than the rest. No spelling of a path brings a person
// without the role to a backend that may read it as a path below /admin/.
func TestTwoReadersOfOnePath(t *testing.T) {
	w := newForwardWorld(t)
	mux := http.NewServeMux()
	mux.Handle("/auth/verify", session.ForwardAuth(w.member))
	mux.Handle("/auth/verify/staff", session.ForwardAuth(w.member, session.Role("staff")))
	client, passed := nginxWorld(t, mux, func(server string) string {
		open := server[strings.Index(server, "location / {"):]
		staff := strings.NewReplacer("location / {", "location /admin/ {", "/_auth", "/_auth_staff", "/auth/verify", "/auth/verify/staff").Replace(open)
		return server + staff
	})
	get := func(path string) (status int, reason string, reached *http.Request) {
		r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, "http://app.example.com/", nil))(t)
		r.URL.Opaque = "//app.example.com" + path
		r.Header.Set("Authorization", "Bearer "+w.token)
		res := must(client.Do(r))(t)
		_ = res.Body.Close()
		return res.StatusCode, res.Header.Get("X-Auth-Error"), passed()
	}
	for _, path := range []string{
		"/", "/a", "/a/", "/a/b.c/d", "/caf%C3%A9", "/a%20b", "/a:b@c", "/a+b,c=d!$&'()*", "/.well-known/x", "/a/..b", "/a?next=//../admin/%61", "/~me/-_.", "/100", "/a%40b", "/admins",
	} {
		if status, reason, reached := get(path); status != 200 || reached == nil || reached.RequestURI != path {
			t.Errorf("%s: %d %s, reached the backend: %v", path, status, reason, reached != nil)
		}
	}
	for _, path := range []string{
		"/admin/users", "/admin/", "/%61dmin/users", "/admi%6E/users", "/admin%2Fusers", "/admin%2fusers", "/%2561dmin/users", "/admin%252fusers", "//admin/users", "///admin/users", "/./admin/users", "/x/../admin/users",
		"/x/%2e%2e/admin/users", "/x/.%2E/admin/users", "/x/%2E%2e%2fadmin/users", "/x/..;/admin/users", "/x/..;a=b/admin/users", "/admin;x=y/users", "/x/..%3b/admin/users", "/x;/../admin/users", "/x/%252e%252e/admin/users",
		`/x/..\admin\users`, "/x/..%5cadmin%5cusers", "/%5cadmin/users", "/x%2f..%2fadmin/users", "/x/.../admin", "/%2fadmin/users", "/.%2fadmin/users", "/x//../admin/users", "/admin%c0%afusers", "/x/%c0%ae%c0%ae/admin/users",
		"/x%00/../admin/users", "/%0aadmin/users", "/admin/../admin/users", "/admin%3f", "/admin%3Fx", "/admin%23x", "/a%3Fb",
	} {
		status, reason, reached := get(path)
		if reached != nil || status != 403 && status != 400 { // 400: nginx itself refuses it
			t.Errorf("%s: %d %s, reached the backend: %v", path, status, reason, reached != nil)
		}
		if path[1] != 'a' && status == 403 && reason != "ambiguous_path" && reason != "insufficient_scope" {
			t.Errorf("%s: %s", path, reason)
		}
	}
}

// A line of the snippet that was forgotten opens nothing: without the path, nginx lets nobody in and names the reason.
func TestTwoReadersOfOnePath_ForgottenLine(t *testing.T) {
	w := newForwardWorld(t)
	for _, change := range []func(string) string{
		replaced(t, "\tproxy_set_header X-Original-URI $request_uri;\n", ""),
		replaced(t, "X-Original-URI $request_uri;", "X-Original-URI $request_url_of_nobody;"),
		replaced(t, "X-Original-URI $request_uri;", `X-Original-URI "";`),
	} {
		client, passed := nginxWorld(t, session.ForwardAuth(w.member), func(server string) string {
			return "set $request_url_of_nobody '';\n" + change(server)
		})
		for _, sent := range []string{"", "/a"} { // of the client
			r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, "http://app.example.com/a", nil))(t)
			r.Header.Set("Authorization", "Bearer "+w.token)
			if sent != "" {
				r.Header.Set("X-Forwarded-Uri", sent)
			}
			res := must(client.Do(r))(t)
			_ = res.Body.Close()
			if got := passed(); res.StatusCode != 403 || res.Header.Get("X-Auth-Error") != "missing_path" || got != nil {
				t.Errorf("%d %q, reached the backend: %v", res.StatusCode, res.Header.Get("X-Auth-Error"), got != nil)
			}
		}
	}
}

// The path arrives as ingress-nginx sends it, in a URL.
func TestTwoReadersOfOnePath_IngressNginx(t *testing.T) {
	w := newForwardWorld(t)
	client, passed := nginxWorld(t, session.ForwardAuth(w.member), func(server string) string {
		server = replaced(t, "proxy_set_header X-Original-URI $request_uri;", `proxy_set_header X-Original-URI "";`)(server)
		return replaced(t, "\tproxy_set_header X-Original-URL \"\";", "\tproxy_set_header X-Original-URL $scheme://$http_host$request_uri;")(server)
	})
	for _, c := range []struct {
		host, path, want string
	}{
		{"app.example.com", "/a/b?c=//", ""}, {"app.example.com:8443", "/a%20b", ""},
		{"app.example.com", "/x/..;/admin", "ambiguous_path"}, {"app.example.com", "//admin", "ambiguous_path"},
		{"app?.example.com", "/x/..;/admin", "ambiguous_path"}, {"app#.example.com", "/a", "ambiguous_path"},
	} {
		r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, "http://app.example.com/", nil))(t)
		r.Host, r.URL.Opaque = c.host, "//app.example.com"+c.path
		r.Header.Set("Authorization", "Bearer "+w.token)
		res := must(client.Do(r))(t)
		_ = res.Body.Close()
		got := passed()
		if c.want == "" && (res.StatusCode != 200 || got == nil) || c.want != "" && (got != nil || res.StatusCode != 400 && res.Header.Get("X-Auth-Error") != c.want) {
			t.Errorf("%s%s: %d %q, reached the backend: %v", c.host, c.path, res.StatusCode, res.Header.Get("X-Auth-Error"), got != nil)
		}
	}
}

// TestG6_ForwardAuthKeepsCookies: a backend never reads the cookies of the session, also where it gets its own.
func TestG6_ForwardAuthKeepsCookies(t *testing.T) {
	w := newForwardWorld(t)
	for name, c := range map[string]struct {
		change func(string) string
		want   string
	}{
		"none":   {func(server string) string { return server }, ""},
		"listed": {replaced(t, `proxy_set_header Cookie "";`, `proxy_set_header Cookie "sid=$cookie_sid";`), "sid=s1"},
	} {
		client, passed := nginxWorld(t, session.ForwardAuth(w.member), c.change)
		for _, cookies := range []string{w.cookie + "; sid=s1", "sid=s1; " + w.cookie, "a=b; " + w.cookie + "; sid=s1"} {
			r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, "http://app.example.com/", nil))(t)
			refresh := session.CookieNameOf(w.member) + "-refresh=v1.secret"
			r.Header.Set("Cookie", refresh+"; "+cookies+"; "+refresh)
			res := must(client.Do(r))(t)
			_ = res.Body.Close()
			if got := passed(); res.StatusCode != 200 || got == nil || strings.Join(got.Header["Cookie"], "|") != c.want {
				t.Errorf("%s: %d, the backend was asked %+v", name, res.StatusCode, got)
			}
		}
	}
}

// TestG6_ForwardAuthBesideBearerOfTheApplication: with the line of the docs, a Bearer token of the application goes
// past the endpoint and arrives, while the cookie decides. Without it such a request is refused.
func TestG6_ForwardAuthBesideBearerOfTheApplication(t *testing.T) {
	w := newForwardWorld(t)
	page := string(must(os.ReadFile(filepath.Join("..", "docs", "forward-auth.md")))(t))
	const line = `proxy_set_header Authorization "";`
	if !strings.Contains(page, "`"+line+"`") {
		t.Fatalf("docs/forward-auth.md does not name %s", line)
	}
	for want, change := range map[int]func(string) string{
		200: replaced(t, "\tinternal;\n", "\tinternal;\n\t"+line+"\n"),
		401: func(server string) string { return server },
	} {
		client, passed := nginxWorld(t, session.ForwardAuth(w.member), change)
		r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, "http://app.example.com/", nil))(t)
		r.Header.Set("Cookie", w.cookie)
		r.Header.Set("Authorization", "Bearer of-the-application")
		res := must(client.Do(r))(t)
		_ = res.Body.Close()
		got := passed()
		if res.StatusCode != want || want == 200 && (got == nil || got.Header.Get("Authorization") != "Bearer of-the-application" || got.Header.Get("X-Auth-Subject") != "u1") {
			t.Errorf("%d, want %d; the backend was asked %+v", res.StatusCode, want, got)
		}
	}
}

// TestTooLargeBehindNginx: nginx turns statuses it does not know into a 500. The answer to too large a header is not
// one.
func TestTooLargeBehindNginx(t *testing.T) {
	w := newForwardWorld(t)
	client, passed := nginxWorld(t, session.ForwardAuth(w.member), func(server string) string { return server })
	r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, "http://app.example.com/", nil))(t)
	r.Header.Set("Cookie", w.cookie+"; bomb="+strings.Repeat("x", 70<<10))
	res := must(client.Do(r))(t)
	_ = res.Body.Close()
	if res.StatusCode != 403 || res.Header.Get("X-Auth-Error") != "request_too_large" || passed() != nil {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}
