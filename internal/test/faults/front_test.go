package faults

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/oauth"
	"github.com/posternauth/postern/oidc"
)

// A front is a provider on a real network connection that can be made to answer anything.
type front struct {
	*fakeidp.IdP
	url     string
	answers map[string]string // path below the issuer -> body, with status 200
	moved   map[string]string // member of the metadata -> another value
}

// pathOf has the paths of the endpoints, and what the metadata call them.
var (
	pathOf = map[fakeidp.Endpoint]string{
		fakeidp.Discovery: "/.well-known/openid-configuration", fakeidp.Token: "/token", fakeidp.JWKS: "/jwks", fakeidp.UserInfo: "/userinfo",
	}
	memberOf = map[fakeidp.Endpoint]string{
		fakeidp.Token: "token_endpoint", fakeidp.JWKS: "jwks_uri", fakeidp.UserInfo: "userinfo_endpoint",
	}
)

func newFront(t testing.TB, w *flowtest.World) *front {
	t.Helper()
	f := &front{answers: map[string]string{}, moved: map[string]string{}}
	server := httptest.NewUnstartedServer(f)
	f.url = "http://" + server.Listener.Addr().String()
	f.IdP = w.NewIdP(f.url, "ES256")
	server.Start()
	t.Cleanup(server.Close)
	return f
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if body, ok := f.answers[r.URL.Path]; ok {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
		return
	}
	if len(f.moved) == 0 || r.URL.Path != pathOf[fakeidp.Discovery] {
		f.IdP.ServeHTTP(w, r)
		return
	}
	rec := httptest.NewRecorder()
	f.IdP.ServeHTTP(rec, r)
	var doc map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &doc); err != nil {
		panic(err)
	}
	for name, value := range f.moved {
		doc[name] = value
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(doc)
}

// openID is a client of the front, with the defaults, except that it may call this machine.
func (f *front) openID() postern.Provider { return oidc.New(f.config()) }

func (f *front) config() oidc.Config {
	return oidc.Config{
		Issuer: f.url, ClientID: flowtest.ClientID, ClientSecret: flowtest.Secret, UserInfo: true, AllowInsecure: true, Algorithms: []algorithm{"ES256"},
	}
}

func (f *front) gitHub() postern.Provider {
	return oauth.GitHub(oauth.Config{
		ClientID: flowtest.ClientID, ClientSecret: flowtest.Secret, AllowInsecure: true, Issuer: f.url,
		Endpoint: oauth.Endpoint{UserInfoURL: f.url + "/api/user"},
	})
}

// closed is the URL of a port where nobody listens.
func closed(t testing.TB) string {
	t.Helper()
	l := listen(t)
	_ = l.Close()
	return "http://" + l.Addr().String()
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// silent is the URL of a port where a connection is made and nothing is ever said.
func silent(t testing.TB) string { t.Helper(); return "http://" + listen(t).Addr().String() }

// stutter is the URL of a server whose header never ends, a byte a second.
func stutter(t testing.TB) string {
	t.Helper()
	l := listen(t)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				tick := time.NewTicker(time.Second)
				defer tick.Stop()
				text := "HTTP/1.1 200 OK\r\nX-" + strings.Repeat("a", 1000)
				for i := range text {
					if _, err := io.WriteString(c, text[i:i+1]); err != nil {
						return
					}
					<-tick.C
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}
