package posterntest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/oauth"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/posterntest"
)

// A listener is a T that keeps what is logged.
type listener struct {
	*testing.T
	log []string
}

func (l *listener) Logf(format string, args ...any) {
	l.log = append(l.log, fmt.Sprintf(format, args...))
}

// TestClient_StopsAtForeignHosts: the client goes to the application and its providers, and stops at everything else,
// on this machine and off it. The log says where and why.
func TestClient_StopsAtForeignHosts(t *testing.T) {
	visited := false
	other := posterntest.Server(t, func(string) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visited = true })
	})
	app := posterntest.Server(t, func(string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if to := r.URL.Query().Get("to"); to != "" {
				http.Redirect(w, r, to, http.StatusFound)
			}
		})
	})
	here, asks := "redirect_uri="+url.QueryEscape(app.URL+"/callback"), "&client_id=x&response_type=code"
	for _, tc := range []struct{ to, why string }{
		{app.URL + "/me", ""},
		{"/me", ""},
		{other.URL + "/?secret=1", "neither the application nor a provider that it sent the person to. If it is a part of the application, name it: posterntest.Client(t, \"" + other.URL + "\")"},
		{other.URL + "/?client_id=x&redirect_uri=" + url.QueryEscape("https://example.com/"), "neither the application"},
		{"http://localhost:1/", "localhost:1 is neither"},
		{"https://example.com/?code=1", "not on this machine"},
		{"http://localhost.example.com/", "not on this machine"},
		{"http://192.0.2.1/", "not on this machine"},
		{"http://localhost@example.com/", "not on this machine"},
		{"com.example.app:/callback", "not on this machine"},
		{"https://accounts.google.com/o/oauth2/v2/auth?" + here + asks, "a real provider, and a test goes to none. Configure the application with Provider.Google"},
	} {
		l := &listener{T: t}
		res := posterntest.SignIn(l, posterntest.Client(l), app.URL+"/?to="+url.QueryEscape(tc.to))
		log := strings.Join(l.log, "\n")
		if tc.why == "" {
			if res.StatusCode != http.StatusOK || log != "" {
				t.Errorf("%s: %d %s", tc.to, res.StatusCode, log)
			}
			continue
		}
		if res.StatusCode != http.StatusFound || res.Header.Get("Location") != tc.to || !strings.Contains(log, tc.why) || strings.Contains(log, "secret") || strings.Contains(log, "code=1") {
			t.Errorf("%s: %d, log %q", tc.to, res.StatusCode, log)
		}
	}
	if visited {
		t.Error("the client went to a server that is not of the test's application")
	}

	to := app.URL + "/?to=" + url.QueryEscape(other.URL)
	for what, target := range map[string]string{"named": to, "provider": app.URL + "/?to=" + url.QueryEscape(other.URL+"/?"+here+asks)} {
		visited = false
		l := &listener{T: t}
		client := posterntest.Client(l)
		if what == "named" {
			client = posterntest.Client(l, other.URL)
		}
		if res := posterntest.SignIn(l, client, target); res.StatusCode != 200 || !visited || l.log != nil {
			t.Errorf("%s: %d %v", what, res.StatusCode, l.log)
		}
	}
	for _, bad := range []string{"https://example.com", "127.0.0.1:80", "://"} {
		if why := mustFail(t, func(f posterntest.T) { posterntest.Client(f, bad) }); !strings.Contains(why, "on this machine") {
			t.Errorf("%s: %s", bad, why)
		}
	}
	if why := mustFail(t, func(f posterntest.T) {
		client := posterntest.Client(f)
		posterntest.Submit(f, client, posterntest.SignIn(f, client, to), url.Values{"email": {"x"}})
	}); !strings.Contains(why, "it is a redirect to "+other.URL) {
		t.Errorf("Submit: %s", why)
	}
}

// TestSignIn_WithoutItsProvider: an application that a test forgot to give the stand-in goes to nobody.
func TestSignIn_WithoutItsProvider(t *testing.T) {
	a := startApp(t, func(string) map[string]postern.Provider {
		return map[string]postern.Provider{"github": oauth.GitHub(oauth.Config{ClientID: "x", ClientSecret: "y"})}
	})
	l := &listener{T: t}
	res := posterntest.SignIn(l, posterntest.Client(l), a.url+"/auth/github/authorize")
	if !strings.HasPrefix(res.Header.Get("Location"), "https://github.com/login/oauth/authorize?") || len(l.log) != 1 ||
		!strings.Contains(l.log[0], "https://github.com/login/oauth/authorize: this is a real provider") || strings.Contains(l.log[0], "state=") {
		t.Errorf("%d %s, log %q", res.StatusCode, res.Header.Get("Location"), l.log)
	}
}

// TestClient_BackFromALoginPage: after the login page of a provider, which the test submits, the client goes back to
// the application.
func TestClient_BackFromALoginPage(t *testing.T) {
	p := posterntest.NewProvider(t, posterntest.ProviderConfig{Page: true})
	a := startApp(t, func(base string) map[string]postern.Provider {
		p.Allow(base+"/auth/google/callback", base+"/auth/github/callback")
		return map[string]postern.Provider{"google": oidc.Google(p.Google()), "github": oauth.GitHub(p.GitHub())}
	})
	for name, subject := range map[string]string{"google": "10002", "github": ""} {
		client := posterntest.Client(t)
		page := posterntest.SignIn(t, client, a.url+"/auth/"+name+"/authorize")
		res := posterntest.Submit(t, client, page, url.Values{"user": {"10002"}})
		if body := text(t, res); res.StatusCode != 200 || !strings.HasPrefix(body, "hello "+subject) {
			t.Errorf("%s: %d %s", name, res.StatusCode, body)
		}
	}
}

// TestServer_EndsWithTheTest: also where making the handler fails it.
func TestServer_EndsWithTheTest(t *testing.T) {
	var address string
	t.Run("test", func(t *testing.T) {
		mustFail(t, func(f posterntest.T) {
			posterntest.Server(f, func(url string) http.Handler {
				address = url
				f.Fatalf("no handler")
				return nil
			})
		})
	})
	if res, err := http.Get(address); err == nil {
		res.Body.Close()
		t.Error("the server goes on")
	}
}

// A request of the test to another machine is an error that names the host. It is not sent.
func TestClient_RefusesRequestsToOtherMachines(t *testing.T) {
	browser := posterntest.Client(t)
	for _, address := range []string{"https://accounts.example.com/x", "http://192.0.2.1/", "http://127.0.0.1.example.com/"} {
		answer, err := browser.Get(address)
		if err == nil {
			answer.Body.Close()
			t.Fatalf("%s answered %s", address, answer.Status)
		}
		u, _ := url.Parse(address)
		if !strings.Contains(err.Error(), "servers on this machine only, and "+u.Host+" is not") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
