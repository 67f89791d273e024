package postern_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/users"
)

// TestConsole_NamesNeedTheirScope: who may read sessions or events, and not users, finds a user by the id alone, and
// sees no name and no mail address on any page. The JSON of the API has none either.
func TestConsole_NamesNeedTheirScope(t *testing.T) {
	h := newConsole(t)
	id, _ := h.person("ada", "member")
	name := "Ada Lovelace"
	if _, err := h.dir.Update(t.Context(), id, "", users.Fields{Name: &name}); err != nil {
		t.Fatal(err)
	}
	_, all := h.person("boss", "chief")
	for scope, page := range map[string]string{"sessions:read": "sessions", "events:read": "history"} {
		_, b := h.person("only"+page, "only-"+scope)
		about := issuer + "/admin/users/" + id + "/" + page
		leads(t, b.page("GET", "/admin", nil), issuer+"/admin/"+page)
		shows(t, b.page("GET", "/admin/"+page, nil), http.StatusOK, "Id of the user")
		leads(t, b.page("GET", "/admin/"+page+"?identifier="+id, nil), about)
		w := b.page("GET", about, nil)
		shows(t, w, http.StatusOK, "of "+id, "Another user")
		body := w.Body.String() + b.json("GET", "/admin/users/"+id+"/"+page, "").Body.String()
		for _, secret := range []string{name, "ada@example.com", "Back to the user"} {
			if strings.Contains(body, secret) {
				t.Errorf("%s alone shows %q: %s", scope, secret, body)
			}
		}
		for _, whole := range []string{"ada@example.com", "nobody@example.com", "nobody"} { // one address is as another one
			shows(t, b.page("GET", "/admin/"+page+"?identifier="+url.QueryEscape(whole), nil), http.StatusOK, "No user was found.")
		}
		leads(t, all.page("GET", "/admin/"+page+"?identifier=ada@example.com", nil), about)
		shows(t, all.page("GET", about, nil), http.StatusOK, "of "+name, "Back to the user")
		shows(t, all.page("GET", "/admin/"+page+"?identifier=nobody", nil), http.StatusOK, "No user was found.")
	}
}

// TestConsole_SettingsNameNoHeader: the page says that a proxy is trusted, and not which header it sets.
func TestConsole_SettingsNameNoHeader(t *testing.T) {
	h := newConsole(t, func(_ *home, c *postern.Config) {
		c.TrustedProxies, c.ClientIPHeader = []netip.Prefix{netip.MustParsePrefix("10.9.8.0/24")}, "X-Our-Client"
	})
	_, boss := h.person("boss", "chief")
	w := boss.page("GET", "/admin/settings", nil)
	shows(t, w, http.StatusOK, "postern.Config.TrustedProxies", "postern.Config.ClientIPHeader", "postern.Config.Composer")
	for _, secret := range []string{"10.9.8", "X-Our-Client"} {
		if strings.Contains(w.Body.String(), secret) {
			t.Errorf("the page has %s", secret)
		}
	}
}

// TestConsole_MethodIsReserved: no provider and no factor gives the amr value of a session of the console.
func TestConsole_MethodIsReserved(t *testing.T) {
	var config postern.Config
	h := newHome(t, func(_ *home, c *postern.Config) {
		c.Providers["liar"] = liar{}
		config = *c
	})
	b := h.browser()
	shows(t, b.page("GET", "/liar/authorize", nil), http.StatusInternalServerError)
	if len(b.Cookies) > 0 {
		t.Errorf("a session began: %v", b.Cookies)
	}
	config.Factors = map[string]postern.Provider{"lie": liar{factor: true}}
	if _, err := postern.New(config); err == nil || !strings.Contains(err.Error(), `"console"`) {
		t.Errorf("a factor of this method: %v", err)
	}
}

// A liar says that its proof is a session of the console.
type liar struct{ factor bool }

func (l liar) Handler(f *postern.Flow) http.Handler {
	steps := f.Steps(map[string]http.HandlerFunc{"GET authorize": func(w http.ResponseWriter, r *http.Request) {
		f.Done(w, r, at("ada", "ada@example.com", true), "console")
	}})
	if l.factor {
		return chipHandler{steps, postern.FactorInfo{Label: "Lie", Methods: []string{"console"}}}
	}
	return steps
}
