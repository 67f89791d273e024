package postern_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/oauth"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/session"
)

// marked is a door that names a picture.
type marked struct {
	door
	mark string
}

func (m marked) Mark() string { return m.mark }

// The link to a provider has the picture that the provider names, and none where it names none.
func TestMark_OnTheChoosePage(t *testing.T) {
	var page postern.Page
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.Render = func(_ http.ResponseWriter, _ *http.Request, p postern.Page) { page = p }
		c.Providers["google"] = oidc.Google(oidc.Config{ClientID: "id", ClientSecret: "secret"})
		c.Providers["github"] = oauth.GitHub(oauth.Config{ClientID: "id", ClientSecret: "secret"})
		c.Providers["work"] = oidc.New(oidc.Config{Issuer: "https://idp.example", ClientID: "id", ClientSecret: "secret", Mark: "okta"})
		c.Providers["other"] = marked{mark: ""}
	})
	v.browser().send(http.MethodGet, issuer+"/authorize", nil)
	got := map[string]string{}
	for _, l := range page.Ways {
		got[l.Name] = l.Mark
	}
	for name, want := range map[string]string{"google": "google", "github": "github", "work": "okta", "other": "", "door": ""} {
		if mark, ok := got["provider:"+name]; !ok || mark != want {
			t.Errorf("%s: mark %q, want %q", name, mark, want)
		}
	}
	if magic.Link(magic.Config{}).(interface{ Mark() string }).Mark() != "mail" {
		t.Error("a provider that mails has no mark")
	}
}

// A mark is a name: what could be a path or markup is refused when the program starts.
func TestMark_Refused(t *testing.T) {
	for _, bad := range []string{"../x", "Google", "a b", `"><svg`, strings.Repeat("a", 33)} {
		if _, err := tryMark(t, bad); err == nil || !strings.Contains(err.Error(), "the mark") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := tryMark(t, "my-service2"); err != nil {
		t.Error(err)
	}
}

func tryMark(t *testing.T, mark string) (*postern.Auth, error) {
	t.Helper()
	v := newWorld(t)
	return postern.New(postern.Config{
		Sessions: v.sessions, Redirects: []string{"/"}, Providers: map[string]postern.Provider{"door": marked{mark: mark}},
		OnSuccess: func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return nil },
	})
}
