package postern_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

const challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636 appendix B

// byCode makes sign-ins end with Kind.Code.
func byCode(v *world, _ *session.Config, c *postern.Config) {
	c.OnSuccess = func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
		return v.users.Code(w, r, session.Grant[user]{Subject: in.Identity.Subject, Auth: in.Auth}, in.Return)
	}
}

// An application that left out PKCE and one that uses it, with and without RequirePKCE: the mistake is the application's,
// so it is a 400 and never a fault of the server.
func TestI4_PKCERequired(t *testing.T) {
	for name, c := range map[string]struct {
		require  bool
		query    string
		at, back int // status of authorize and of the callback
	}{
		"required, missing":     {true, "", 400, 0},
		"required, given":       {true, "?code_challenge_method=S256&code_challenge=" + challenge, 302, 303},
		"not required, missing": {false, "", 302, 400},
		"not required, given":   {false, "?code_challenge_method=S256&code_challenge=" + challenge, 302, 303},
	} {
		t.Run(name, func(t *testing.T) {
			v := newWorld(t, byCode, func(_ *world, _ *session.Config, cfg *postern.Config) { cfg.RequirePKCE = c.require })
			b := v.browser()
			w := b.get(issuer + "/door/authorize" + c.query)
			if w.Code != c.at {
				t.Fatalf("authorize: %d, want %d\n%s", w.Code, c.at, w.Body)
			}
			if c.at != http.StatusFound {
				if w.Header().Get("Location") != "" || !strings.Contains(w.Body.String(), "code_challenge") {
					t.Errorf("the refusal does not say what is missing, or leads away: %s", w.Body)
				}
				return
			}
			to, _ := url.Parse(w.Header().Get("Location"))
			w = b.get(callback("door", to.Query().Get("state")))
			if w.Code != c.back {
				t.Fatalf("callback: %d, want %d\n%s", w.Code, c.back, w.Body)
			}
			if got := v.outcomes(); c.back == http.StatusBadRequest && (len(got) != 1 || got[0] != "sign-in failed pkce_required") {
				t.Errorf("outcomes: %q", got)
			}
		})
	}
}

// When a person proved who they are is what the issuer says, and never later than now.
func TestDone_AuthTime(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct{ says, want time.Time }{
		"nothing":     {time.Time{}, now},
		"long ago":    {now.Add(-30 * 24 * time.Hour), now.Add(-30 * 24 * time.Hour)},
		"just now":    {now, now},
		"the future":  {now.Add(time.Minute), now},
		"a while ago": {now.Add(-time.Minute), now.Add(-time.Minute)},
	} {
		v := newWorld(t, func(_ *world, _ *session.Config, cfg *postern.Config) {
			cfg.Providers["old"] = door{identity: func(*http.Request) postern.Identity {
				return postern.Identity{Issuer: "https://door.example", Subject: "u1", AuthTime: c.says}
			}}
		})
		b := v.browser()
		to, _ := url.Parse(b.get(issuer + "/old/authorize").Header().Get("Location"))
		b.get(callback("old", to.Query().Get("state")))
		if got := v.finished(); len(got) != 1 || !got[0].Auth.Time.Equal(c.want) {
			t.Errorf("%s: %v, want one sign-in of %v", name, got, c.want)
		}
	}
}

// A provider that posts back works as a child too that its parent made for one request.
func TestChild_FormPost(t *testing.T) {
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.Providers["tenant"] = provider(func(f *postern.Flow) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				name, _, found := strings.Cut(f.Step(r), "/")
				if !found {
					name = r.Form.Get("tenant")
				}
				f.Child(name).Use(door{formPost: true}).ServeHTTP(w, r)
			})
		})
	})
	b := v.browser()
	to, _ := url.Parse(b.get(issuer + "/tenant/authorize?tenant=acme").Header().Get("Location"))
	form := url.Values{"state": {to.Query().Get("state")}, "code": {"c"}}
	b.header.Set("Sec-Fetch-Site", "cross-site")
	b.header.Set("Origin", "https://door.example")
	if w := b.post(issuer+"/tenant/other/callback", form); w.Code != http.StatusForbidden {
		t.Errorf("the callback of another child: %d", w.Code)
	}
	if w := b.post(issuer+"/tenant/acme/callback", form); w.Code != http.StatusSeeOther {
		t.Errorf("the callback: %d %s", w.Code, w.Body)
	}
}

// Whatever the method, a request below the issuer's path is answered here, also beside patterns of the application.
func TestMount_OtherMethods(t *testing.T) {
	v := newWorld(t)
	mux := http.NewServeMux()
	v.auth.Mount(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s went to the application", r.Method, r.URL.Path)
	})
	for _, method := range []string{"PUT", "PATCH", "DELETE"} {
		for _, path := range []string{"", "/", "/authorize", "/door/authorize", "/door/callback", "/token", "/signout", "/nobody/authorize"} {
			r := httptest.NewRequest(method, issuer+path, nil)
			r.Header.Set("Accept", "application/json")
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			if w.Code != http.StatusMethodNotAllowed && w.Code != http.StatusNotFound ||
				!strings.Contains(w.Body.String(), `"error":"method_not_allowed"`) && !strings.Contains(w.Body.String(), `"error":"not_found"`) {
				t.Errorf("%s %q: %d %s", method, path, w.Code, w.Body)
			}
			if w.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s %q: not hardened", method, path)
			}
		}
	}
}

// Endpoints of programs answer JSON, whatever is wrong and whatever they accept.
func TestX3_ProgramsGetJSON(t *testing.T) {
	v := newWorld(t)
	for _, path := range []string{"/token", "/signout", "/.well-known/jwks.json"} {
		r := httptest.NewRequest("POST", issuer+path, strings.NewReader(strings.Repeat("a", 70<<10)))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		v.auth.ServeHTTP(w, r)
		if w.Code != http.StatusRequestEntityTooLarge || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s %s", path, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
	}
}
