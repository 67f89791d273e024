package session_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/posternauth/postern/session"
)

// TestForwardAuth_NginxInherits: a location with a proxy_set_header inherits none of those of server, so without them
// it passes on what the client claims to be, and the cookies. With all of them again it does not.
func TestForwardAuth_NginxInherits(t *testing.T) {
	w := newForwardWorld(t)
	for _, repeated := range []bool{true, false} {
		client, passed := nginxWorld(t, session.ForwardAuth(w.member), func(server string) string {
			own := "proxy_set_header Host app.internal;\n"
			if head, _, _ := strings.Cut(server, "location / {"); repeated {
				own += strings.Join(regexp.MustCompile(`(?m)^proxy_set_header .*$`).FindAllString(head, -1), "\n")
			}
			return replaced(t, "location / {", "location / {\n"+own)(server)
		})
		r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, "http://app.example.com/", nil))(t)
		for name, value := range map[string]string{"Cookie": w.cookie, "X-Auth-Subject": "root", "X-Auth-Roles": "admin", "X-Original-URL": "/other"} {
			r.Header.Set(name, value)
		}
		res := must(client.Do(r))(t)
		_ = res.Body.Close()
		reached := passed()
		if res.StatusCode != 200 || reached == nil || reached.Host != "app.internal" {
			t.Fatalf("%d, reached the backend: %v", res.StatusCode, reached != nil)
		}
		if kept := reached.Header.Get("X-Auth-Subject") == "u1" && reached.Header.Get("X-Auth-Roles") == "owner" && reached.Header.Get("Cookie") == ""; kept != repeated {
			t.Errorf("with the headers of server again (%v), the backend reads %v", repeated, reached.Header)
		}
	}
}
