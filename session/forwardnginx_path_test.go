package session_test

import (
	"net/http"
	"testing"

	"github.com/posternauth/postern/session"
)

// TestTwoReadersOfOnePath_Headers: some programs take the path of a request from a header, which a client can send
// (CVE-2018-14773). Beside nginx such a header does not arrive, or the request is refused.
func TestTwoReadersOfOnePath_Headers(t *testing.T) {
	w := newForwardWorld(t)
	client, passed := nginxWorld(t, session.ForwardAuth(w.member), func(server string) string { return server })
	names := []string{"X-Original-URL", "X-Rewrite-URL", "X-Original-URI", "X-Forwarded-Uri"}
	for _, name := range names {
		for _, path := range []string{"/admin", "/admin?a=b", "http://app.example.com/admin", "//admin", "admin", "\\admin"} {
			r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, "http://app.example.com/open", nil))(t)
			r.Header.Set("Authorization", "Bearer "+w.token)
			r.Header.Set(name, path)
			res := must(client.Do(r))(t)
			_ = res.Body.Close()
			reached := passed()
			switch {
			case reached == nil && res.StatusCode == 403 && res.Header.Get("X-Auth-Error") == "ambiguous_path":
			case reached != nil && res.StatusCode == 200 && len(reached.Header.Values(name)) == 0:
			default:
				t.Errorf("%s: %s: %d %s, reached the backend: %v", name, path, res.StatusCode, res.Header.Get("X-Auth-Error"), reached != nil)
			}
		}
	}
}
