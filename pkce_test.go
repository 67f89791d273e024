package postern_test

import (
	"encoding/json"
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

// byCode makes every sign-in end with Kind.Code.
func byCode(v *world, _ *session.Config, c *postern.Config) {
	c.OnSuccess = func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
		return v.users.Code(w, r, session.Grant[user]{Subject: in.Identity.Key(), Authentication: in.Authentication}, in.Return)
	}
}

// An application without PKCE and one with it, with and without RequirePKCE. A missing challenge is a mistake of the
// application: 400, never a fault of the server. In OpenAuth PKCE was optional, a challenge without a method was
// ignored, and the method plain was accepted (its finding O4): TestI2_ErrorsAreShown tries the methods.
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

// The time of authentication comes from the provider, and is never later than now.
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
		if got := v.finished(); len(got) != 1 || !got[0].Authentication.Time.Equal(c.want) {
			t.Errorf("%s: %v, want one sign-in of %v", name, got, c.want)
		}
	}
}

// A provider that answers by POST also works as a child that its parent makes for one request.
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
	b.Header.Set("Sec-Fetch-Site", "cross-site")
	b.Header.Set("Origin", "https://door.example")
	if w := b.post(issuer+"/tenant/other/callback", form); w.Code != http.StatusForbidden {
		t.Errorf("the callback of another child: %d", w.Code)
	}
	if w := b.post(issuer+"/tenant/acme/callback", form); w.Code != http.StatusSeeOther {
		t.Errorf("the callback: %d %s", w.Code, w.Body)
	}
}

// Requests of every method below the issuer's path reach the handler, also beside patterns of the application.
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

// Endpoints for programs answer every error with JSON, whatever the request accepts.
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

// The author of a link to authorize cannot choose the client_id of a signed token: an unknown id is refused at
// authorize and at token. Without an id the configured one is used.
func TestClientID_IsNotFreeText(t *testing.T) {
	v := newWorld(t, byCode, func(_ *world, s *session.Config, _ *postern.Config) { s.ClientID = "front" })
	pkce := "code_challenge_method=S256&code_challenge=" + challenge
	for _, id := range []string{"api", "admin-console", "Front", "front ", "fron"} {
		for _, path := range []string{"/door/authorize", "/desk/authorize", "/authorize"} {
			b := v.browser()
			b.Header.Set("Accept", "application/json")
			refused(t, b.get(issuer+path+"?"+pkce+"&client_id="+url.QueryEscape(id)), 400, "invalid_client")
			if len(b.Cookies) != 0 {
				t.Errorf("%s began an attempt for client %q", path, id)
			}
		}
	}
	for _, asked := range []string{pkce, pkce + "&client_id=front", pkce + "&client_id="} {
		for redeemedBy, status := range map[string]int{"": 200, "front": 200, "admin-console": 400} {
			b := v.browser()
			to, err := url.Parse(b.get(callback("door", b.begin("door", asked))).Header().Get("Location"))
			if err != nil || to.Query().Get("code") == "" {
				t.Fatalf("%q: no code: %v %v", asked, to, err)
			}
			form := url.Values{
				"grant_type": {"authorization_code"}, "code": {to.Query().Get("code")}, "redirect_uri": {"https://app.example.com/"},
				"code_verifier": {"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"},
			}
			if redeemedBy != "" {
				form.Set("client_id", redeemedBy)
			}
			w := b.post(issuer+"/token", form)
			var answer struct {
				Access string `json:"access_token"`
			}
			if w.Code != status || json.Unmarshal(w.Body.Bytes(), &answer) != nil {
				t.Fatalf("%q redeemed by %q: %d %s", asked, redeemedBy, w.Code, w.Body)
			}
			if status != 200 {
				continue
			}
			if s, err := v.users.Verify(t.Context(), answer.Access); err != nil || s.ClientID != "front" {
				t.Errorf("%q: token %+v, %v", asked, s, err)
			}
		}
	}
}
