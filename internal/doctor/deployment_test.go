package doctor

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/oauth"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

type person struct{ ID string }

const spa = "https://spa.example.com"

// newAuth makes the routes of an issuer with two providers.
func newAuth(t *testing.T, issuer string) http.Handler {
	t.Helper()
	ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: &keys.MemoryVault{}})
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := session.New(session.Config{Issuer: issuer, Audience: "api", Keys: ring, Store: &store.Memory{}, Origins: []string{spa}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	user := session.NewKind[person](sessions, "user")
	auth, err := postern.New(postern.Config{
		Sessions: sessions, Redirects: []string{"/me"}, Origins: []string{spa}, Logger: slog.New(slog.DiscardHandler),
		Mail: func(context.Context, postern.Mail) error { return nil },
		Providers: map[string]postern.Provider{
			"link":   magic.Link(magic.Config{Name: "Example"}),
			"github": oauth.GitHub(oauth.Config{ClientID: "id", ClientSecret: "secret"}),
		},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			return user.Cookie(w, r, session.Grant[person]{Subject: in.Identity.Key()}, in.Return)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	auth.Mount(mux)
	return mux
}

// deploy starts an issuer behind a fault, which may be nil, and returns what to check.
func deploy(t *testing.T, fault func(http.Handler) http.Handler) Deployment {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	handler := newAuth(t, server.URL+"/auth")
	if fault != nil {
		handler = fault(handler)
	}
	server.Config.Handler = handler
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return Deployment{Issuer: server.URL + "/auth", Origins: []string{spa, server.URL}, Roots: roots, Plain: "http://127.0.0.1:1/"}
}

// ids are the findings that are not notes, sorted, each once.
func ids(r *Report) []string {
	var all []string
	for _, f := range r.Findings {
		if f.Level != Note {
			all = append(all, f.ID)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func check(t *testing.T, d Deployment) *Report {
	t.Helper()
	var r Report
	d.Check(t.Context(), &r)
	r.Sort()
	return &r
}

// on changes the answers of one path, or of all if path is empty.
func on(path string, change func(http.Header)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if path != "" && r.URL.Path != path {
				next.ServeHTTP(w, r)
				return
			}
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			change(rec.Header())
			for name, values := range rec.Header() {
				w.Header()[name] = values
			}
			w.WriteHeader(rec.Code)
			_, _ = w.Write(rec.Body.Bytes())
		})
	}
}

// answering answers one path itself.
func answering(path string, h http.HandlerFunc) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == path {
				h(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

func textual(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); fmt.Fprint(w, body) }
}

func keySet(change func(map[string]any)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/auth/.well-known/jwks.json" {
				next.ServeHTTP(w, r)
				return
			}
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			var set struct {
				Keys []map[string]any `json:"keys"`
			}
			_ = json.Unmarshal(rec.Body.Bytes(), &set)
			change(set.Keys[0])
			_ = json.NewEncoder(w).Encode(set)
		})
	}
}

// replacing replaces text in the body of a path.
func replacing(path, old, replacement string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != path {
				next.ServeHTTP(w, r)
				return
			}
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			_, _ = w.Write(bytes.ReplaceAll(rec.Body.Bytes(), []byte(old), []byte(replacement)))
		})
	}
}

func cookieLine(change func(string) string) func(http.Handler) http.Handler {
	return on("/auth/github/authorize", func(h http.Header) {
		for i, line := range h["Set-Cookie"] {
			h["Set-Cookie"][i] = change(line)
		}
	})
}

func without(text string) func(http.Handler) http.Handler {
	return cookieLine(func(line string) string { return strings.Replace(line, text, "", 1) })
}

// TestDeployment_Faults: each fault is found, by its id alone, and the same deployment without it has no finding.
func TestDeployment_Faults(t *testing.T) {
	wellKnown := "/auth/.well-known/openid-configuration"
	redirect := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://www.example.com"+r.URL.Path, http.StatusMovedPermanently)
	}
	if r := check(t, deploy(t, nil)); len(ids(r)) > 0 || r.Failed() || r.Count(Note) != 2 {
		t.Fatalf("a sound deployment has findings: %+v", r.Findings)
	}
	if r := check(t, deploy(t, nil)); !slices.ContainsFunc(r.Findings, func(f Finding) bool {
		return f.ID == "callback" && strings.HasSuffix(f.Seen, "/auth/github/callback")
	}) {
		t.Errorf("the callback URLs are not listed: %+v", r.Findings)
	}
	for name, tc := range map[string]struct {
		fault func(http.Handler) http.Handler
		want  string // ids, separated by spaces
	}{
		"not routed":             {answering(wellKnown, http.NotFound), "discovery-missing"},
		"global auth":            {answering(wellKnown, textual(401, "")), "discovery-auth"},
		"redirected":             {answering(wellKnown, redirect), "discovery-redirect"},
		"HTML":                   {answering(wellKnown, textual(200, "<html>")), "discovery-missing"},
		"other document":         {answering("/.well-known/oauth-authorization-server/auth", textual(200, "{}")), "discovery-differs"},
		"other broken":           {answering("/auth/.well-known/oauth-authorization-server", textual(502, "")), "discovery-differs"},
		"inserted differs":       {answering("/.well-known/openid-configuration/auth", textual(200, "{}")), "discovery-differs"},
		"not at RFC 8414":        {answering("/.well-known/oauth-authorization-server/auth", http.NotFound), "discovery-address"},
		"keys missing":           {answering("/auth/.well-known/jwks.json", textual(200, `{"keys":[]}`)), "keys-missing"},
		"keys kept":              {on("/auth/.well-known/jwks.json", func(h http.Header) { h.Set("Cache-Control", "public, s-maxage=86400") }), "keys-cache"},
		"keys stale":             {on("/auth/.well-known/jwks.json", func(h http.Header) { h.Set("Age", "20000") }), "keys-cache"},
		"secret key":             {keySet(func(k map[string]any) { k["d"] = "AQAB" }), "keys-private"},
		"no kid":                 {keySet(func(k map[string]any) { delete(k, "kid") }), "keys-kid"},
		"weak":                   {keySet(func(k map[string]any) { k["n"] = strings.Repeat("A", 10) + strings.Repeat("z", 160) }), "keys-weak"},
		"keys elsewhere":         {replacing(wellKnown, `"jwks_uri":"https://`, `"jwks_uri":"https://evil.example/`), "discovery-differs discovery-head keys-elsewhere"},
		"issuer":                 {replacing(wellKnown, `/auth",`, `/auth/",`), "discovery-differs discovery-head discovery-issuer"},
		"no cookie":              {on("/auth/github/authorize", func(h http.Header) { h.Del("Set-Cookie") }), "cookie-lost"},
		"no cookie of a form":    {answering("/auth/link/authorize", form), "cookie-lost"},
		"Domain":                 {cookieLine(func(l string) string { return l + "; Domain=example.com" }), "cookie-domain"},
		"no Secure":              {without("; Secure"), "cookie-insecure"},
		"no HttpOnly":            {without("; HttpOnly"), "cookie-script"},
		"no SameSite":            {without("; SameSite=Lax"), "cookie-samesite"},
		"no prefix":              {without("__Host-"), "cookie-prefix"},
		"hit":                    {on("/auth/github/authorize", func(h http.Header) { h.Set("X-Cache", "Hit from cloudfront") }), "cache-hit"},
		"age":                    {on("/auth/link/authorize", func(h http.Header) { h.Set("Age", "7") }), "cache-hit"},
		"Cache-Control":          {on("/auth/link/authorize", func(h http.Header) { h.Set("Cache-Control", "max-age=60") }), "cache-control"},
		"no challenge":           {on("/auth/session", func(h http.Header) { h.Del("WWW-Authenticate") }), "challenge"},
		"relative":               {on("/auth/session", func(h http.Header) { h.Set("WWW-Authenticate", `Bearer resource_metadata="/x"`) }), "challenge"},
		"stack":                  {answering("/auth/nothing-here", textual(500, "goroutine 7 [running]:")), "error-leak headers hsts"},
		"version":                {on("", func(h http.Header) { h.Set("Server", "nginx/1.18.0") }), "server-version"},
		"powered":                {on("", func(h http.Header) { h.Set("X-Powered-By", "PHP/8") }), "server-version"},
		"no HSTS":                {on("", func(h http.Header) { h.Del("Strict-Transport-Security") }), "hsts"},
		"no CSP":                 {on("", func(h http.Header) { h.Del("Content-Security-Policy") }), "headers"},
		"frame options twice":    {on("", func(h http.Header) { h.Add("X-Frame-Options", "SAMEORIGIN") }), "headers"},
		"origin not passed":      {on("/auth/authorize", func(h http.Header) { h.Del("Access-Control-Allow-Origin") }), "cors-listed"},
		"Vary lost":              {on("/auth/authorize", func(h http.Header) { h.Del("Vary") }), "cors-listed"},
		"metrics":                {answering("/metrics", textual(200, "# TYPE up gauge")), "route-open"},
		"pprof below":            {answering("/auth/debug/pprof/", textual(200, "goroutine")), "route-open"},
		"admin":                  {answering("/auth/admin", textual(200, "{}")), "admin-open"},
		"form redirected":        {onPost(redirect), "form-redirect"},
		"no body limit":          {onPost(textual(200, "")), "body-limit"},
		"HEAD refused":           {onMethod(http.MethodHead, textual(405, "")), "discovery-head"},
		"origin echoed":          {echo(func(o string) (string, bool) { return o, true }), "cors-echo"},
		"star":                   {echo(func(string) (string, bool) { return "*", true }), "cors-credentials cors-listed"},
		"X-Forwarded-Host":       {forwarded("X-Forwarded-Host"), "forwarded-host"},
		"X-Forwarded-Proto":      {forwarded("X-Forwarded-Proto"), "forwarded-host"},
		"cached":                 {caching(), "cached-cookie"},
		"clock":                  {on("", func(h http.Header) { h.Set("Date", time.Now().Add(-2*time.Minute).UTC().Format(http.TimeFormat)) }), "clock"},
		"one stale Date is none": {on(wellKnown, func(h http.Header) { h.Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)) }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := check(t, deploy(t, tc.fault))
			if got := strings.Join(ids(r), " "); got != tc.want {
				t.Errorf("found %q, want %q", got, tc.want)
				for _, f := range r.Findings {
					t.Logf("%+v", f)
				}
			}
		})
	}
}

// form is the page of a sign-in that has begun, as that of a password, without its cookie.
func form(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprint(w, `<form method="post"><input type="hidden" name="state" value="x"></form>`)
}

func onMethod(method string, h http.HandlerFunc) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == method {
				h(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

func onPost(h http.HandlerFunc) func(http.Handler) http.Handler { return onMethod(http.MethodPost, h) }

// echo is a CORS rule of a gateway that answers every origin.
func echo(rule func(origin string) (string, bool)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			origin := r.Header.Get("Origin")
			on("", func(h http.Header) {
				if allowed, credentials := rule(origin); origin != "" {
					h.Set("Access-Control-Allow-Origin", allowed)
					h.Set("Access-Control-Allow-Credentials", fmt.Sprint(credentials))
				}
			})(next).ServeHTTP(w, r)
		})
	}
}

// forwarded is a proxy that believes a header about the host or the scheme.
func forwarded(header string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if value := r.Header.Get(header); value != "" {
				if header == "X-Forwarded-Host" {
					value = "https://" + value
				} else {
					value += "://" + r.Host
				}
				http.Redirect(w, r, value+r.URL.Path, http.StatusFound)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// caching is a cache that keeps an answer with its Set-Cookie, and gives no sign of it.
func caching() func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		kept := make(chan *httptest.ResponseRecorder, 1)
		return answering("/auth/github/authorize", func(w http.ResponseWriter, r *http.Request) {
			var rec *httptest.ResponseRecorder
			select {
			case rec = <-kept:
			default:
				rec = httptest.NewRecorder()
				next.ServeHTTP(rec, r)
			}
			kept <- rec
			for name, values := range rec.Header() {
				w.Header()[name] = values
			}
			w.WriteHeader(rec.Code)
		})(next)
	}
}

// TestDeployment_Edge: the address, the certificate, plain http and the limits.
func TestDeployment_Edge(t *testing.T) {
	for issuer, want := range map[string]string{
		"http://api.example.com/auth": "issuer-url", "https://api.example.com/auth/": "issuer-url", "api.example.com": "issuer-url",
		"https://u:p@api.example.com/auth": "issuer-url", "https://127.0.0.1:1/auth": "unreachable", "https://169.254.169.254/auth": "unreachable",
	} {
		if r := check(t, Deployment{Issuer: issuer}); strings.Join(ids(r), " ") != want || !r.Failed() {
			t.Errorf("%s: %+v, want %s", issuer, r.Findings, want)
		}
	}
	untrusted := deploy(t, nil)
	untrusted.Roots = nil
	if r := check(t, untrusted); strings.Join(ids(r), " ") != "unreachable" {
		t.Errorf("a certificate of a stranger: %+v", r.Findings)
	}
	for name, tc := range map[string]struct {
		h    http.HandlerFunc
		want string
	}{
		"page": {textual(200, "hello"), "http-open"},
		"cookie": {func(w http.ResponseWriter, _ *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
			w.WriteHeader(404)
		}, "http-open"},
		"other host": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://www.example.com/", http.StatusMovedPermanently)
		}, "http-redirect"},
		"to http": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1/x", http.StatusMovedPermanently)
		}, "http-redirect"},
		"to https": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://127.0.0.1/x", http.StatusMovedPermanently)
		}, ""},
		"404": {http.NotFound, ""},
	} {
		plain := httptest.NewServer(tc.h)
		d := deploy(t, nil)
		d.Plain = plain.URL
		if r := check(t, d); strings.Join(ids(r), " ") != tc.want {
			t.Errorf("plain http, %s: %+v", name, r.Findings)
		}
		plain.Close()
	}
	for name, tc := range map[string]struct {
		fault func(http.Handler) http.Handler
		want  string
	}{
		"sound": {nil, ""},
		"believed": {func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if addr := r.Header.Get("X-Forwarded-For"); net.ParseIP(addr) != nil {
					r.RemoteAddr = addr + ":1"
				}
				next.ServeHTTP(w, r)
			})
		}, "forwarded-for"},
		"none": {answering("/auth/token", textual(400, "")), "limits"},
	} {
		d := deploy(t, tc.fault)
		d.Limits = true
		if r := check(t, d); strings.Join(ids(r), " ") != tc.want {
			t.Errorf("limits, %s: %+v", name, r.Findings)
		}
	}
	soon := deploy(t, nil)
	soon.Now = func() time.Time { return time.Date(2084, 1, 20, 0, 0, 0, 0, time.UTC) } // that of httptest ends on 2084-01-29
	if r := check(t, soon); strings.Join(ids(r), " ") != "certificate clock" {
		t.Errorf("a certificate near its end: %+v", r.Findings)
	}
}
