package postern_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

// chromiumKeeps reports whether Chromium would do what a Set-Cookie line asks, in the answer to a navigation of this
// origin: a cookie of the prefix __Host- needs Secure, Path=/ and no Domain, or the line is ignored.
func chromiumKeeps(k *http.Cookie, https bool) bool {
	if strings.HasPrefix(k.Name, "__Host-") && (!k.Secure || k.Path != "/" || k.Domain != "" || !https) {
		return false
	}
	return k.SameSite != http.SameSiteNoneMode || k.Secure
}

// TestS3_TooManyCookiesOnAnyPage: a browser that was made to begin too many sign-ins gets out by opening pages: a
// guarded page of the application, forward-auth, or the sign-in. Each answer removes attempts, and never another
// cookie. It removes few, because proxies bound the header of an answer. In the end the session is as it was.
func TestS3_TooManyCookiesOnAnyPage(t *testing.T) {
	for _, base := range []string{issuer, "http://localhost:8420/auth"} {
		https := strings.HasPrefix(base, "https")
		const access = "person" // the cookie of the access token
		var people *session.Kind[user]
		v := newWorld(t, func(_ *world, s *session.Config, c *postern.Config) {
			s.Issuer = base
			c.ForwardAuth = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { session.ForwardAuth(people).ServeHTTP(w, r) })
		})
		people = session.NewKindConfig(v.sessions, session.KindConfig[user]{Name: "person", CookieName: access})
		tokens, err := people.Create(t.Context(), session.Grant[user]{Subject: "u1"})
		if err != nil {
			t.Fatal(err)
		}
		begun := v.browser().get(base + "/door/authorize").Result().Cookies()
		if len(begun) != 1 {
			t.Fatalf("cookies %v", begun)
		}
		prefix := begun[0].Name[:len(begun[0].Name)-12]
		guarded := people.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
		for name, c := range map[string]struct {
			handler   http.Handler
			target    string
			full, yes int // status with too many cookies, and afterwards
		}{
			"guarded page": {guarded, strings.TrimSuffix(base, "/auth") + "/orders", 431, 204},
			"forward-auth": {v.auth, base + "/verify", 403, 200},
			"sessions":     {v.auth, base + "/sessions", 431, 200},
		} {
			jar := map[string]string{access: tokens.Access, "theme": "dark", prefix + "short": "of another program", "x" + prefix + strings.Repeat("a", 12): "of another program"}
			kept := len(jar)
			for i := range 160 {
				jar[fmt.Sprintf("%s%012d", prefix, i)] = strings.Repeat("x", 420)
			}
			answers := 0
			for ; answers < 10; answers++ {
				r := httptest.NewRequest("GET", c.target, nil)
				r.Header.Set("X-Forwarded-Method", "GET")
				r.Header.Set("X-Forwarded-Uri", "/orders")
				for name, value := range jar {
					r.AddCookie(&http.Cookie{Name: name, Value: value})
				}
				w := httptest.NewRecorder()
				c.handler.ServeHTTP(w, r)
				if w.Code == c.yes {
					break
				}
				if w.Code != c.full {
					t.Fatalf("%s, %s: %d %s", base, name, w.Code, w.Body)
				}
				cleared := w.Result().Cookies()
				if len(cleared) == 0 || c.target != base+"/sessions" && len(cleared) > 32 {
					t.Errorf("%s, %s: %d cookies are removed", base, name, len(cleared))
				}
				for _, k := range cleared {
					if !strings.HasPrefix(k.Name, prefix) || k.MaxAge >= 0 || k.Value != "" || k.Path != "/" || k.Secure != https || !chromiumKeeps(k, https) {
						t.Errorf("%s, %s: %s", base, name, k)
					}
					delete(jar, k.Name)
				}
			}
			if answers == 0 || answers == 10 || jar[access] != tokens.Access || jar["theme"] == "" || len(jar) < kept {
				t.Errorf("%s, %s: %d answers of %d, left: %d", base, name, answers, c.full, len(jar))
			}
		}

		// A header that is too large for another reason costs no attempt.
		r := httptest.NewRequest("GET", base, nil)
		r.Header.Set("Authorization", "Bearer "+strings.Repeat("x", 65<<10))
		r.AddCookie(begun[0])
		w := httptest.NewRecorder()
		guarded.ServeHTTP(w, r)
		if w.Code != 431 || len(w.Result().Cookies()) != 0 {
			t.Errorf("%s: %d, cookies %v", base, w.Code, w.Result().Cookies())
		}
	}
}
