package doctor

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// leaks are signs of the inside of a program in an error page.
var leaks = regexp.MustCompile(`goroutine \d+ \[|runtime error:|panic:|\w+\.go:\d+|Traceback \(most recent call last\)|at [\w.$]+\([\w.]+\.(?:js|java|py):\d+|SQLSTATE|(?:pq|ERROR): .*(?:relation|column) "|sqlstore:|dynamostore:|arn:aws`)

// versions are servers that name their version.
var versions = regexp.MustCompile(`(?i)(nginx|apache|caddy|haproxy|openresty|php|express|iis|envoy)/\d`)

// answers looks at errors, on purpose, and at what answers have in common.
func (v *visit) answers() {
	v.Ran("challenge", "error-leak", "server-version", "headers", "hsts", "body-limit", "form-redirect")
	base := v.base.Path
	if a := v.get(base + "/session"); a != nil {
		v.challenge(base+"/session", a)
	}
	long := strings.Repeat("a", 6<<10)
	for _, wrong := range []struct{ method, path, body string }{
		{"GET", base + "/session", ""},
		{"GET", base + "/nothing-here", ""},
		{"GET", base + "/authorize?provider=nothing&redirect=" + url.QueryEscape("https://evil.example/"), ""},
		{"GET", base + "/authorize?client_id=%FF%00%1b[31m&state=" + long, ""},
		{"GET", base + "/%2e%2e/%00", ""},
		{"POST", base + "/token", "grant_type=%ZZ"},
		{"POST", base + "/token", "{\"grant_type\":"},
		{"PUT", base + "/authorize", "x"},
	} {
		a := v.send(wrong.method, wrong.path, wrong.body, "Accept", "text/html")
		if a == nil {
			continue
		}
		where := wrong.method + " " + v.at(wrong.path[:min(len(wrong.path), 80)])
		if found := leaks.FindString(a.body); found != "" {
			v.find("error-leak", where, "status %d with %q", a.status, found)
		}
		for _, name := range []string{"Server", "X-Powered-By"} {
			if found := versions.FindString(a.header.Get(name) + " "); found != "" || name == "X-Powered-By" && a.header.Get(name) != "" {
				v.find("server-version", where, "%s: %s", name, a.header.Get(name))
			}
		}
	}
	v.headers()
	v.body()
	v.forms()
}

// challenge checks the header by which clients learn how to sign in (RFC 9110 section 11.6.1, RFC 9728 section 5.1).
func (v *visit) challenge(path string, a *answer) {
	if a.status != http.StatusUnauthorized {
		v.find("challenge", v.at(path), "status %d without a token, want 401", a.status)
		return
	}
	value := strings.Join(a.header.Values("WWW-Authenticate"), ", ")
	if !strings.Contains(strings.ToLower(value), "bearer") {
		v.find("challenge", v.at(path), "WWW-Authenticate: %q", value)
	}
	for _, m := range regexp.MustCompile(`(?i)(resource_metadata|realm)="([^"]*)"`).FindAllStringSubmatch(value, -1) {
		if u, err := url.Parse(m[2]); strings.EqualFold(m[1], "resource_metadata") && (err != nil || !u.IsAbs()) || strings.HasPrefix(m[2], "/") {
			v.find("challenge", v.at(path), "WWW-Authenticate: %q, where %s is not absolute", value, m[1])
		}
	}
}

func (v *visit) headers() {
	path := v.base.Path + "/nothing-here"
	a := v.get(path, "Accept", "text/html")
	if a == nil {
		return
	}
	for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "X-Frame-Options"} {
		if a.header.Get(name) == "" {
			v.find("headers", v.at(path), "%s is missing", name)
		} else if len(a.header.Values(name)) > 1 {
			v.find("headers", v.at(path), "%s comes %d times", name, len(a.header.Values(name)))
		}
	}
	if v.base.Scheme == "https" && a.header.Get("Strict-Transport-Security") == "" {
		v.find("hsts", v.at(path), "Strict-Transport-Security is missing")
	}
}

// body sends more than any form of a sign-in has.
func (v *visit) body() {
	path := v.base.Path + "/token"
	a, err := v.call(v.ctx, http.MethodPost, v.at(path), "x="+strings.Repeat("a", 2<<20))
	if err != nil {
		return // the server closed the connection, which is a limit
	}
	if a.status < 300 || a.status >= 500 {
		v.find("body-limit", v.at(path), "status %d for 2 MiB, want 413", a.status)
	}
}

// forms posts a form as a page does. A redirect of something in front ends it: Chromium applies form-action to every
// hop, and other browsers turn the POST into a GET.
func (v *visit) forms() {
	for _, path := range []string{"/token", "/authorize"} {
		a := v.send(http.MethodPost, v.base.Path+path, "doctor=1", "Origin", v.at(""), "Sec-Fetch-Site", "same-origin")
		if a == nil {
			continue
		}
		if to := a.location(v.base); to != nil {
			v.find("form-redirect", "POST "+v.at(v.base.Path+path), "status %d to %s", a.status, to.Redacted())
		}
	}
}

// front tries what a proxy in front has to do.
func (v *visit) front() {
	v.plain()
	v.Ran("forwarded-host")
	evil := strings.TrimPrefix(foreign(), "https://")
	for _, header := range [][]string{
		{"X-Forwarded-Host", evil}, {"Forwarded", "host=" + evil + ";proto=http"}, {"X-Original-Host", evil}, {"X-Forwarded-Proto", "http"}, {"X-Forwarded-Prefix", "/" + evil},
		{"X-Original-URL", "/" + evil}, {"X-Rewrite-URL", "/" + evil},
	} {
		for _, path := range []string{oidcPath, "/authorize"} {
			a := v.get(v.base.Path+path, append([]string{"Accept", "text/html", "Cache-Control", "no-cache"}, header...)...)
			if a == nil {
				continue
			}
			if strings.Contains(a.body, evil) || strings.Contains(a.header.Get("Location"), evil) || header[0] == "X-Forwarded-Proto" && a.location(v.base) != nil && a.location(v.base).Scheme == "http" ||
				path == oidcPath && a.status != http.StatusOK {
				v.find("forwarded-host", v.at(v.base.Path+path), "%s changes the answer (status %d)", header[0], a.status)
			}
		}
	}
}

// plain asks by plain http.
func (v *visit) plain() {
	where := v.Plain
	if where == "" && v.base.Scheme == "https" && v.base.Port() == "" {
		where = "http://" + v.base.Host + v.base.Path + "/authorize"
	}
	if where == "" {
		return
	}
	v.Ran("http-open", "http-redirect")
	a, err := v.call(v.ctx, http.MethodGet, where, "", "Accept", "text/html")
	if err != nil {
		return // nothing listens, which is safe
	}
	to := a.location(v.base)
	switch {
	case a.status < 300 || len(cookies(a)) > 0:
		v.find("http-open", where, "status %d, %d cookies", a.status, len(cookies(a)))
	case to != nil && (to.Scheme != "https" || to.Hostname() != v.base.Hostname()):
		v.find("http-redirect", where, "status %d to %s", a.status, to.Redacted())
	}
}

// open tries what only the inside may reach. Each has a mark of what it is, as an application may answer any path.
func (v *visit) open() {
	v.Ran("route-open", "admin-open")
	for path, mark := range map[string]string{
		"/metrics": "# TYPE ", "/debug/pprof/": "goroutine", "/debug/pprof/cmdline": "postern", "/debug/vars": `"memstats"`, "/inbox.json": "[",
		"/idp/": "issuer", "/.env": "=", "/postern.toml": "issuer", "/.git/config": "[core]",
	} {
		for _, base := range []string{"", v.base.Path} {
			a := v.get(base + path)
			if a != nil && a.status == http.StatusOK && strings.Contains(a.body, mark) && !strings.Contains(strings.ToLower(a.body[:min(len(a.body), 200)]), "<!doctype") {
				v.find("route-open", v.at(base+path), "status 200 with %q", mark)
			}
			if v.base.Path == "" {
				break
			}
		}
	}
	for _, path := range []string{"/admin", "/admin/users"} {
		if a := v.get(v.base.Path+path, "Accept", "application/json"); a != nil && a.status == http.StatusOK {
			v.find("admin-open", v.at(v.base.Path+path), "status 200 without a sign-in")
		}
	}
}

// limits sends codes that nobody issued until the address of this machine is refused, and tries then to be another
// address. The codes have the right form, since others cost nothing and are not counted.
func (v *visit) limits() {
	path := v.base.Path + "/token"
	wrong := func(header ...string) int {
		code := strings.Repeat("d", 16) + "." + rand.Text() + strings.Repeat("d", 17)
		form := url.Values{
			"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {strings.Repeat("d", 43)}, "redirect_uri": {"https://doctor.example/"},
		}
		a := v.send(http.MethodPost, path, form.Encode(), header...)
		if a == nil {
			return 0
		}
		return a.status
	}
	v.Ran("limits", "forwarded-for")
	for n := 1; wrong() != http.StatusTooManyRequests; n++ {
		if n == 150 || v.ctx.Err() != nil {
			v.find("limits", v.at(path), "%d wrong codes from one address were all answered", n)
			return
		}
	}
	for _, name := range []string{"X-Forwarded-For", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP", "Fly-Client-IP", "X-Client-IP", "Forwarded"} {
		value := "198.51.100.7"
		if name == "Forwarded" {
			value = "for=" + value
		}
		if status := wrong(name, value); status != http.StatusTooManyRequests && status != 0 {
			v.find("forwarded-for", v.Issuer, "with %s: %s, an address that had been refused got status %d", name, value, status)
		}
	}
}
