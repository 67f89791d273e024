package serve

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/posternauth/postern/session"
)

// A forwardAuth answers reverse proxies: at {base}/verify, and at {base}/verify/NAME for a program with other
// needs.
type forwardAuth struct {
	main http.Handler
	apps map[string]http.Handler // by the path below the issuer
}

// newForwardAuth returns the endpoints of a configuration. Guard lets in the sessions of people, and tokens of SST Auth
// where the configuration says so.
func newForwardAuth(c *Config, guard session.Guard) forwardAuth {
	f := forwardAuth{apps: map[string]http.Handler{}}
	if !c.ForwardAuth.Enabled {
		return f
	}
	one := func(a AppCheck) http.Handler {
		all := needs(a.CheckStore, a.Roles, a.Scopes)
		return verifier{guard, all, a.Rules, session.ForwardAuth(guard, all...)}
	}
	f.main = one(AppCheck{c.ForwardAuth.Roles, c.ForwardAuth.Scopes, c.ForwardAuth.CheckStore, c.ForwardAuth.Rules})
	for name, app := range c.ForwardAuth.Apps {
		f.apps["/verify/"+name] = one(app)
	}
	return f
}

// before serves {base}/verify/NAME, and next everything else. It stands before the mux: every method is answered.
func (f forwardAuth) before(issuer string, next http.Handler) http.Handler {
	u, err := url.Parse(issuer)
	if err != nil || len(f.apps) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if below, ok := strings.CutPrefix(r.URL.Path, u.Path); ok && r.URL.RawPath == "" {
			if app := f.apps[below]; app != nil {
				app.ServeHTTP(w, r)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// A verifier decides by the path of the original request, after session.ForwardAuth has refused every path that two
// programs can read differently. A rule only adds needs, so a rule that fits too much refuses too much and never lets
// anybody in.
type verifier struct {
	guard session.Guard
	needs []session.Need
	rules []ForwardRule
	plain http.Handler // without the needs of rules
}

func (v verifier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	all := slices.Clip(v.needs)
	if path, ok := session.ForwardPath(r); ok { // else session.ForwardAuth refuses the request
		for _, rule := range v.rules {
			if rule.fits(path) {
				all = append(all, needs(false, rule.Roles, rule.Scopes)...)
			}
		}
	}
	if len(all) == len(v.needs) {
		v.plain.ServeHTTP(w, r)
		return
	}
	session.ForwardAuth(v.guard, all...).ServeHTTP(w, r)
}

// fits reports whether the rule is for a path: its own, or one below it, in any letter case and in the spellings that
// programs route alike: a part may go on after `.`, `:`, `;` or white space (/admin.json, /admin::$DATA), and
// characters that do not print count for nothing.
func (r ForwardRule) fits(path string) bool {
	under, parts := segments(r.Path), segments(path)
	return path == "*" || len(parts) >= len(under) && slices.EqualFunc(parts[:len(under)], under, spells)
}

// spells reports whether a program may read part of a path as name.
func spells(part, name string) bool {
	p, n := printed(part), printed(name)
	if len(p) < len(n) || !strings.EqualFold(string(p[:len(n)]), string(n)) {
		return false
	}
	return len(p) == len(n) || strings.ContainsRune(".:;", p[len(n)]) || unicode.IsSpace(p[len(n)])
}

// printed returns the characters of text that print, and the white space that does not lead.
func printed(text string) (out []rune) {
	for _, r := range text {
		if space := unicode.IsSpace(r); space && len(out) > 0 || !space && unicode.IsGraphic(r) {
			out = append(out, r)
		}
	}
	return out
}

func segments(path string) []string {
	if path = strings.Trim(path, "/"); path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

func needs(store bool, roles, scopes []string) (all []session.Need) {
	if store {
		all = append(all, session.CheckStore)
	}
	if len(roles) > 0 {
		all = append(all, session.Role(roles...))
	}
	if len(scopes) > 0 {
		all = append(all, session.Scope(scopes...))
	}
	return all
}
