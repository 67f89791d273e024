package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/posternauth/postern/internal/test/testneed"
)

// TestDeployment_Hostile: nothing that a server answers makes a look at it fail, hang, or print control characters.
func TestDeployment_Hostile(t *testing.T) {
	junk := "\x1b]0;owned\x07\x1b[31m\u202e" + strings.Repeat("\x00A", 2000)
	document := func(w http.ResponseWriter, r *http.Request, keys string) {
		issuer := "http://" + r.Host + "/auth"
		switch r.URL.Path {
		case "/auth/.well-known/openid-configuration":
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, issuer, issuer+"/jwks")
		case "/auth/jwks":
			fmt.Fprint(w, keys)
		default:
			w.Header().Set("X-Cache", "hit "+strings.ReplaceAll(junk, "\x00", ""))
			w.Header().Set("Location", "https://\u202e.example/?state=1")
			for i := range 200 {
				http.SetCookie(w, &http.Cookie{Name: fmt.Sprint("c", i), Value: "v"})
			}
			w.WriteHeader(http.StatusFound)
			fmt.Fprint(w, junk, "panic: ", junk)
		}
	}
	for name, h := range map[string]http.HandlerFunc{
		"endless": func(w http.ResponseWriter, r *http.Request) {
			for n := 0; n < 200 && r.Context().Err() == nil; n++ {
				_, _ = w.Write([]byte(strings.Repeat("x", 1<<16)))
			}
		},
		"keys of any type": func(w http.ResponseWriter, r *http.Request) {
			document(w, r, `{"keys":[{"kid":7,"n":[],"kty":{},"d":null},{"kid":"`+strings.Repeat("k", 5000)+`","kty":"RSA","n":"!"},{}`+strings.Repeat(",{}", 20000)+`]}`)
		},
		"keys are a list": func(w http.ResponseWriter, r *http.Request) { document(w, r, `[[[[`) },
		"deep":            func(w http.ResponseWriter, r *http.Request) { document(w, r, strings.Repeat("[", 500_000)) },
		"closes": func(w http.ResponseWriter, _ *http.Request) {
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				conn.Close()
			}
		},
		"not HTTP": func(w http.ResponseWriter, _ *http.Request) {
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_, _ = conn.Write([]byte(junk))
				conn.Close()
			}
		},
		"junk": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, junk) },
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(h)
			defer server.Close()
			r := check(t, Deployment{Issuer: server.URL + "/auth"})
			if !r.Failed() || len(r.Findings) > maxFindings {
				t.Errorf("%d findings, failed: %t", len(r.Findings), r.Failed())
			}
			for _, f := range r.Findings {
				if text := f.Where + f.Seen; strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) }) || len(text) > 4000 {
					t.Errorf("%q", text)
				}
			}
		})
	}
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer slow.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var r Report
	if (Deployment{Issuer: slow.URL + "/auth"}).Check(ctx, &r); strings.Join(ids(&r), " ") != "unreachable" {
		t.Errorf("a server that does not answer: %+v", r.Findings)
	}
}

// TestDoctor_Document: the table of the document has every finding with its level, and no other; and each finding is
// in a test of this package.
func TestDoctor_Document(t *testing.T) {
	page, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| (error|warning|note) \\|").FindAllStringSubmatch(string(page), -1) {
		listed = append(listed, m[1])
		if rule, ok := rules[m[1]]; !ok || string(rule.level) != m[2] {
			t.Errorf("docs/doctor.md has %s as %s, the package as %q", m[1], m[2], rule.level)
		}
	}
	tests := ""
	for _, dir := range []string{".", "../../cmd/postern"} {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.HasSuffix(f.Name(), "_test.go") && (dir == "." || strings.HasPrefix(f.Name(), "doctor")) {
				text, err := os.ReadFile(dir + "/" + f.Name())
				if err != nil {
					t.Fatal(err)
				}
				tests += string(text)
			}
		}
	}
	for id, rule := range rules {
		if !slices.Contains(listed, id) {
			t.Errorf("docs/doctor.md does not have %s", id)
		}
		if !regexp.MustCompile(`["\s]` + id + `["\s]`).MatchString(tests) {
			t.Errorf("no test finds %s", id)
		}
		file, anchor, _ := strings.Cut(rule.doc, "#")
		doc, err := os.ReadFile("../../" + file)
		if err != nil {
			t.Errorf("%s: %v", id, err)
		}
		if anchor != "" && !strings.Contains(strings.ToLower(strings.NewReplacer("-", " ", ",", "", ".", "", ":", "", "`", "", "/", "").Replace(string(doc))), " "+strings.ReplaceAll(anchor, "-", " ")+"\n") {
			t.Errorf("%s: %s has no heading %s", id, file, anchor)
		}
		if rule.do == "" {
			t.Errorf("%s does not say what to do", id)
		}
	}
	if len(listed) != len(rules) {
		t.Errorf("docs/doctor.md lists %d findings, the package has %d", len(listed), len(rules))
	}
}

// behindNginx starts nginx with TLS left out, in front of an issuer on this machine whose URL is nginx's.
func behindNginx(t *testing.T, location string) Deployment {
	t.Helper()
	binary := testneed.Binary(t, "nginx", "Debian package nginx")
	backend := httptest.NewUnstartedServer(nil)
	backend.Start()
	t.Cleanup(backend.Close)
	front := startNginx(t, binary, strings.ReplaceAll(location, "BACKEND", backend.URL))
	backend.Config.Handler = newAuth(t, front+"/auth")
	return Deployment{Issuer: front + "/auth", Origins: []string{spa}}
}

// TestDeployment_BehindNginx: real proxies with the mistakes that people make, and one without.
func TestDeployment_BehindNginx(t *testing.T) {
	sound := "location / { proxy_pass BACKEND; proxy_set_header Host $host; }"
	for name, tc := range map[string]struct{ location, want string }{
		"sound":         {"server_tokens off; " + sound, ""},
		"version":       {sound, "server-version"},
		"cache":         {"server_tokens off; proxy_cache zone; proxy_cache_valid any 1m; proxy_ignore_headers Cache-Control Set-Cookie Vary; add_header X-Cache-Status $upstream_cache_status; " + sound, "cache-hit cached-cookie cors-listed"},
		"other host":    {"server_tokens off; if ($request_method = POST) { return 301 http://www.example.com$request_uri; } " + sound, "form-redirect"},
		"no RFC 8414":   {"server_tokens off; location /auth/ { proxy_pass BACKEND; } location = /auth { proxy_pass BACKEND; }", "discovery-address"},
		"prefix lost":   {"server_tokens off; location /auth/ { proxy_pass BACKEND/; }", "discovery-missing"},
		"login":         {"server_tokens off; auth_basic x; auth_basic_user_file /dev/null; " + sound, "discovery-auth"},
		"no Set-Cookie": {"server_tokens off; proxy_hide_header Set-Cookie; " + sound, "cookie-lost"},
		"no-store lost": {"server_tokens off; proxy_hide_header Cache-Control; " + sound, "cache-control"},
		"open CORS":     {"server_tokens off; proxy_hide_header Access-Control-Allow-Origin; add_header Access-Control-Allow-Origin $http_origin always; " + sound, "cors-echo"},
		"domain":        {"server_tokens off; proxy_cookie_flags ~ nohttponly; " + sound, "cookie-script"},
	} {
		t.Run(name, func(t *testing.T) {
			r := check(t, behindNginx(t, tc.location))
			if got := strings.Join(ids(r), " "); got != tc.want {
				t.Errorf("found %q, want %q", got, tc.want)
				for _, f := range r.Findings {
					t.Logf("%+v", f)
				}
			}
		})
	}
}
