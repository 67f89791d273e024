package gallery

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/session"
)

// under returns the handler of the world with another configuration, over the same users, keys and store: as if it was
// started anew while people have pages open.
func (v *world) under(t testing.TB, change func(*postern.Config)) *postern.Auth {
	t.Helper()
	c := v.config
	c.Providers, c.Factors = maps.Clone(c.Providers), maps.Clone(c.Factors)
	change(&c)
	auth, err := postern.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return auth
}

// withoutProviders removes some.
func withoutProviders(names ...string) func(*postern.Config) {
	return func(c *postern.Config) {
		for _, name := range names {
			delete(c.Providers, name)
		}
		c.Labels = nil
		c.Order = nil
	}
}

// A forbidden thing of a policy: it reports whether the outcome of a form, since a mark, has it.
type forbidden func(w *sweep, s *step, f form, mark int, o outcome) bool

// makes is an item of a kind, by any form but those of administrators.
func makes(kind string) forbidden {
	return func(w *sweep, s *step, f form, mark int, _ outcome) bool {
		return w.v.tape.gained(mark)[kind] > 0 && !strings.HasPrefix(s.path(f), "/admin/")
	}
}

// answers is any answer but 404, below some paths.
func answers(prefixes ...string) forbidden {
	return func(_ *sweep, s *step, f form, _ int, o outcome) bool {
		below := slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(s.path(f), prefix) })
		return below && (o.rec.Code != http.StatusNotFound || o.code != "not_found")
	}
}

// oneFactor is a sign-in by one proof. A session that the person has already is looked at when it is refreshed.
func oneFactor(_ *sweep, s *step, _ form, _ int, o outcome) bool {
	if hasSession(s.browser) {
		return false
	}
	for _, name := range o.new {
		parts := strings.Split(o.browser.Cookies[name], ".")
		var claims struct {
			Methods []string `json:"amr"`
			Type    string   `json:"type"`
		}
		if raw, err := base64.RawURLEncoding.DecodeString(parts[min(1, len(parts)-1)]); err == nil && json.Unmarshal(raw, &claims) == nil &&
			claims.Type == "user" && !slices.Contains(claims.Methods, "mfa") {
			return true
		}
	}
	return false
}

func demanded(context.Context, postern.Person, session.Authentication) (postern.Requirement, error) {
	return postern.Requirement{Factor: true}, nil
}

// TestPolicy_EachRoute: what a switch of Config forbids is refused by each form that does it without the switch, as a
// form and as JSON, also to people who had the page open before: a switch does more than to hide a link.
func TestPolicy_EachRoute(t *testing.T) {
	w := newSweep(t)
	open, first := w.v.Auth, w.v.first
	bySignUp := func(w *sweep, s *step, f form, mark int, o outcome) bool {
		return strings.HasSuffix(s.path(f), "/sign-up") && makes("user/user")(w, s, f, mark, o)
	}
	for name, policy := range map[string]struct {
		change func(*postern.Config)
		does   forbidden
		least  int  // how many forms do it without the policy
		leads  bool // the person is led on to prove more, where others are refused
	}{
		"Admit: Closed":  {func(c *postern.Config) { c.Admit = postern.Closed }, makes("user/user"), 7, false},
		"Admit: Invited": {func(c *postern.Config) { c.Admit = postern.Invited }, makes("user/user"), 7, false},
		"Admit: Domains": {func(c *postern.Config) { c.Admit = postern.Domains("corp.example") }, makes("user/user"), 7, false},
		"Admit: nil":     {func(c *postern.Config) { c.Admit = nil }, bySignUp, 3, false},
		"Usernames: off": {func(c *postern.Config) { c.Usernames = false }, makes("name/claim"), 1, false},
		"RequireFactor":  {func(c *postern.Config) { c.RequireFactor = demanded }, oneFactor, 10, true},
		"no mail":        {withoutProviders("mail", "link"), answers("/mail/", "/link/"), 8, false},
		"no password":    {withoutProviders("password"), answers("/password/"), 10, false},
		"no passkey":     {withoutProviders("passkey"), answers("/passkey/"), 10, false},
		"no factors":     {func(c *postern.Config) { c.Factors = nil }, answers("/factors/totp/", "/factors/recovery/"), 6, false},
		"no Admin":       {func(c *postern.Config) { c.Admin = nil }, answers("/admin/"), 20, false},
	} {
		t.Run(name, func(t *testing.T) {
			strict, found := w.v.under(t, policy.change), 0
			strictFirst := w.v.under(t, func(c *postern.Config) { policy.change(c); c.IdentifierFirst = true })
			for _, s := range w.steps {
				for _, f := range s.forms {
					w.v.Set(s.now.Add(time.Minute))
					mark, good := w.v.tape.mark(), w.good(s, f)
					w.v.Auth, w.v.first = open, first
					usual := policy.does(w, s, f, mark, w.askForm(s, f, formProbe("", good)))
					w.v.tape.back(mark)
					if f.get || !usual {
						continue
					}
					found++
					w.v.Auth, w.v.first = strict, strictFirst
					for _, face := range faces(good) {
						o := w.askForm(s, f, face)
						if policy.does(w, s, f, mark, o) || o.rec.Code >= 500 || !o.failed() && !policy.leads || o.failed() && !known()[o.code] {
							t.Errorf("%s, form %s, %s: %s", s.scene, s.path(f), face.name, o)
						}
						w.v.tape.back(mark)
					}
				}
			}
			if found < policy.least {
				t.Errorf("%d forms do it without the policy, want %d", found, policy.least)
			}
		})
	}
}

// faces are a form as a page sends it, and as a program does.
func faces(good url.Values) []probe {
	return []probe{formProbe("as a form", good), {name: "as JSON", body: object(good), kind: jsonType, header: http.Header{"Accept": {jsonType}}}}
}

// operations are the paths of openapi.json that begin with a prefix, with their methods. Parameters have a value.
func operations(t testing.TB, prefixes ...string) (all []probe) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "openapi.json"))
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	for path, methods := range document.Paths {
		if !slices.ContainsFunc(prefixes, func(prefix string) bool { return path == prefix || strings.HasPrefix(path, prefix+"/") }) {
			continue
		}
		path = strings.NewReplacer("{id}", "x", "{sid}", "x", "{provider}", "google", "{factor}", "totp").Replace(path)
		for method := range methods {
			if method = strings.ToUpper(method); slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, method) {
				all = append(all, probe{name: path, method: method, body: "{}", kind: jsonType, header: http.Header{"Accept": {jsonType}, "Sec-Fetch-Site": {"same-origin"}}},
					probe{name: path, method: method, body: "x=1", kind: formType, header: http.Header{"Sec-Fetch-Site": {"same-origin"}}})
			}
		}
	}
	return all
}

// TestPolicy_RoomsThatAreClosed: without Config.Admin there is no administration, and without Config.Session there is
// no account, no sign-up and no step-up: for nobody, as a page and as JSON.
func TestPolicy_RoomsThatAreClosed(t *testing.T) {
	w := newSweep(t, "admin.user")
	s := w.steps[0] // of somebody with every right
	for name, room := range map[string]struct {
		change func(*postern.Config)
		paths  []string
		least  int
	}{
		"no Admin": {func(c *postern.Config) { c.Admin = nil }, []string{"/admin"}, 50},
		"no Session": {func(c *postern.Config) {
			withoutProviders("password", "passkey")(c)
			c.Session, c.Admin, c.Factors, c.RequireFactor, c.Usernames, c.SignUpFields, c.Admit = nil, nil, nil, nil, false, nil, nil
			c.OnSuccess = func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return nil }
			c.Sessions = w.v.Sessions
		}, []string{"/admin", "/account", "/sign-up", "/step-up", "/factors", "/link", "/join", "/session/end"}, 100},
	} {
		t.Run(name, func(t *testing.T) {
			open := w.v.Auth
			defer func() { w.v.Auth = open }()
			w.v.Auth = w.v.under(t, room.change)
			all := operations(t, room.paths...)
			if len(all) < room.least {
				t.Errorf("%d operations", len(all))
			}
			for _, p := range all {
				mark := w.v.tape.mark()
				to, err := url.Parse(flowtest.Issuer + p.name)
				if err != nil {
					t.Fatal(err)
				}
				o := w.ask(s, to, p)
				if o.rec.Code != http.StatusNotFound && o.rec.Code != http.StatusMethodNotAllowed || len(o.changed) > 0 || o.mails > 0 || o.new != nil {
					t.Errorf("%s %s with %s: %s\n%.200s", p.method, p.name, p.kind, o, o.rec.Body)
				}
				w.v.tape.back(mark)
			}
		})
	}
}
