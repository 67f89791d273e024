package doctor

import (
	"net/http"
	"regexp"
	"strings"
)

// signIn begins sign-ins, of which nothing comes, and looks at cookies and caches.
func (v *visit) signIn() {
	v.Ran("cookie-lost", "cookie-insecure", "cookie-script", "cookie-samesite", "cookie-prefix", "cookie-domain", "cached-cookie", "cache-hit", "cache-control")
	pages := []string{v.base.Path + "/authorize"}
	for _, name := range v.names() {
		pages = append(pages, v.base.Path+"/"+name+"/authorize")
	}
	for _, path := range pages[:min(len(pages), 21)] {
		first := v.get(path, "Accept", "text/html")
		if first == nil || first.status >= 500 {
			continue
		}
		second := v.get(path, "Accept", "text/html")
		if second == nil {
			continue
		}
		v.cached(path, first, second)
		if to := first.location(v.base); to != nil && to.Host != v.base.Host && to.Query().Get("state") != "" && len(cookies(first)) == 0 {
			v.find("cookie-lost", v.at(path), "it leads to %s with a state, and sets no cookie", to.Host)
		}
		if first.status == http.StatusOK && stateField.MatchString(first.body) && len(cookies(first)) == 0 {
			v.find("cookie-lost", v.at(path), "its form has a state, and it sets no cookie")
		}
		for _, c := range cookies(first) {
			v.cookie(path, c)
		}
	}
	for _, path := range []string{"/session", "/nothing-" + "here"} {
		if a := v.get(v.base.Path + path); a != nil {
			v.cacheable(v.base.Path+path, a)
		}
	}
}

// stateField matches the field by which a form goes on with the sign-in of a cookie.
var stateField = regexp.MustCompile(`<input[^>]*\sname=["']?state["'\s>]`)

func cookies(a *answer) []*http.Cookie {
	all := (&http.Response{Header: a.header}).Cookies()
	return all[:min(len(all), 50)]
}

// cached reports an answer for one person that another may get.
func (v *visit) cached(path string, first, second *answer) {
	values := map[string]bool{}
	for _, c := range cookies(first) {
		if c.MaxAge >= 0 && c.Value != "" {
			values[c.Name+"="+c.Value] = true
		}
	}
	for _, c := range cookies(second) {
		if values[c.Name+"="+c.Value] {
			v.find("cached-cookie", v.at(path), "two requests without cookies got the same cookie %s", c.Name)
		}
	}
	v.cacheable(path, second)
}

// cacheable reports an answer that came from a cache, or that a cache may keep.
func (v *visit) cacheable(path string, a *answer) {
	for _, name := range []string{"X-Cache", "CF-Cache-Status", "X-Cache-Status", "X-Proxy-Cache", "X-Vercel-Cache", "X-Varnish-Cache"} {
		if value := a.header.Get(name); strings.Contains(strings.ToLower(value), "hit") {
			v.find("cache-hit", v.at(path), "%s: %s", name, value)
		}
	}
	if age := a.header.Get("Age"); age != "" && strings.Trim(age, "0") != "" {
		v.find("cache-hit", v.at(path), "Age: %s", age)
	}
	if a.status < 500 && !a.has("Cache-Control", "no-store") {
		v.find("cache-control", v.at(path), "Cache-Control: %q", strings.Join(a.header.Values("Cache-Control"), ", "))
	}
}

func (v *visit) cookie(path string, c *http.Cookie) {
	where := v.at(path) + ": " + c.Name
	if c.Domain != "" {
		v.find("cookie-domain", where, "Domain=%s", c.Domain)
	}
	if !c.HttpOnly {
		v.find("cookie-script", where, "no HttpOnly")
	}
	if c.SameSite != http.SameSiteLaxMode && c.SameSite != http.SameSiteStrictMode && !(c.SameSite == http.SameSiteNoneMode && c.Secure) {
		v.find("cookie-samesite", where, "SameSite is missing or not understood")
	}
	if v.base.Scheme != "https" {
		return // a development server on this machine
	}
	if !c.Secure {
		v.find("cookie-insecure", where, "no Secure")
	}
	if !strings.HasPrefix(c.Name, "__Host-") && !strings.HasPrefix(c.Name, "__Secure-") {
		v.find("cookie-prefix", where, "the name has no prefix __Host-")
	}
}

// crossOrigin tries pages of other origins.
func (v *visit) crossOrigin() {
	v.Ran("cors-echo", "cors-credentials")
	for _, origin := range []string{foreign(), "null"} {
		for _, path := range []string{"/authorize", "/session", "/token"} {
			for _, method := range []string{http.MethodGet, http.MethodOptions} {
				header := []string{"Origin", origin}
				if method == http.MethodOptions {
					header = append(header, "Access-Control-Request-Method", "POST")
				}
				a := v.send(method, v.base.Path+path, "", header...)
				if a == nil {
					continue
				}
				allowed := a.header.Get("Access-Control-Allow-Origin")
				where := method + " " + v.at(v.base.Path+path)
				switch {
				case allowed == origin:
					v.find("cors-echo", where, "Access-Control-Allow-Origin: %s, which is in no list", shortOrigin(origin))
				case allowed == "*" && strings.EqualFold(a.header.Get("Access-Control-Allow-Credentials"), "true"):
					v.find("cors-credentials", where, `Access-Control-Allow-Origin: * with Access-Control-Allow-Credentials: true`)
				}
			}
		}
	}
	for _, origin := range v.Origins {
		if origin == v.base.Scheme+"://"+v.base.Host {
			continue // its pages need no permission
		}
		v.Ran("cors-listed")
		a := v.get(v.base.Path+"/authorize", "Origin", origin, "Accept", "application/json")
		if a != nil && (a.header.Get("Access-Control-Allow-Origin") != origin || a.header.Get("Access-Control-Allow-Credentials") != "true" || !a.has("Vary", "Origin")) {
			v.find("cors-listed", v.at(v.base.Path+"/authorize"), "for %s: Access-Control-Allow-Origin: %q, Access-Control-Allow-Credentials: %q, Vary: %q", origin,
				a.header.Get("Access-Control-Allow-Origin"), a.header.Get("Access-Control-Allow-Credentials"), strings.Join(a.header.Values("Vary"), ", "))
		}
	}
}

// shortOrigin is a random origin as findings repeat it, so that two runs find the same.
func shortOrigin(origin string) string {
	if origin == "null" {
		return origin
	}
	return "a random origin"
}
