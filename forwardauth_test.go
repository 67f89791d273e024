package postern_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

// TestVerify_StatusesThatProxiesKnow: {base}/verify answers no status but those of its page, whatever the size of the
// request that the proxy asks about: nginx turns a 413, a 414 and a 431 into a 500.
func TestVerify_StatusesThatProxiesKnow(t *testing.T) {
	v := newWorld(t, func(v *world, _ *session.Config, c *postern.Config) {
		c.ForwardAuth = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { session.ForwardAuth(v.users).ServeHTTP(w, r) })
	})
	tokens, err := v.users.Create(t.Context(), session.Grant[user]{Subject: "u1"})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 20<<10)
	for name, c := range map[string]struct {
		target, body string
		header       [2]string
		want         int
	}{
		"plain":          {issuer + "/verify", "", [2]string{"X-A", "b"}, 200},
		"large header":   {issuer + "/verify", "", [2]string{"X-A", long}, 200},
		"large cookie":   {issuer + "/verify", "", [2]string{"Cookie", "a=" + long}, 200},
		"larger cookie":  {issuer + "/verify", "", [2]string{"Cookie", "a=" + strings.Repeat(long, 4)}, 200}, // the token is in the header
		"large body":     {issuer + "/verify", strings.Repeat(long, 10), [2]string{"X-A", "b"}, 200},
		"long query":     {issuer + "/verify?a=" + long, "", [2]string{"X-A", "b"}, 200},
		"no token":       {issuer + "/verify", "", [2]string{"Authorization", ""}, 401},
		"large token":    {issuer + "/verify", "", [2]string{"Authorization", "Bearer " + strings.Repeat(long, 4)}, 403},
		"ambiguous path": {issuer + "/verify", "", [2]string{"X-Original-URI", "/%61dmin"}, 403},
		"empty path":     {issuer + "/verify", "", [2]string{"X-Original-URI", ""}, 403},
		"two paths":      {issuer + "/verify", "", [2]string{"X-Forwarded-Uri", "/admin"}, 403},
	} {
		for _, method := range []string{"GET", "POST", "PUT", "OPTIONS"} {
			r := httptest.NewRequest(method, c.target, strings.NewReader(c.body))
			r.Header.Set("Authorization", "Bearer "+tokens.Access)
			r.Header.Set("X-Original-URI", "/")
			r.Header.Set(c.header[0], c.header[1])
			w := httptest.NewRecorder()
			v.auth.ServeHTTP(w, r)
			if w.Code != c.want || !slices.Contains([]int{200, 401, 403, 503}, w.Code) {
				t.Errorf("%s, %s: %d %s", name, method, w.Code, w.Body)
			}
		}
	}
}
