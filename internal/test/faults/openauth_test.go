package faults

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/test/fakeidp"
)

// Holes that OpenAuth had: what it redirected to, and what it gave away.

const evil = "https://evil.example/"

// An error about an address was sent to that very address.
func TestOpenAuth_O1_ErrorsStayHere(t *testing.T) {
	w := newWorld(t)
	h := newHouse(t, w, plans{})
	refused := func(a *answer) {
		t.Helper()
		if a.status < 400 || a.location != nil || strings.Contains(a.body, "evil.example") {
			t.Errorf("%d, leads to %v: %s", a.status, a.location, a.body)
		}
	}
	for _, accept := range []string{"text/html", "application/json"} {
		b := h.browser()
		b.Header.Set("Accept", accept)
		for _, query := range []string{
			"redirect_uri=" + evil, "redirect_uri=" + evil + "&response_type=token", "redirect_uri=" + evil + "&error=unauthorized_client", "redirect_uri=" + evil + "&state=a&state=b",
			"redirect_uri=" + app + "&response_type=token", "redirect_uri=" + app + "&code_challenge=x",
		} {
			for _, path := range []string{"/one/authorize?", "/authorize?provider=one&", "/authorize?provider=nobody&", "/nobody/authorize?", "/one/callback?", "/nowhere?", "/token?"} {
				a := b.do(http.MethodGet, issuer+path+query, nil)
				refused(a)
			}
		}
	}
	// Nor is what a provider says about a failed sign-in.
	b := h.browser()
	w.IdP.SetFaults(fakeidp.Faults{Error: "server_error", ErrorDescription: "go to " + evil})
	begin("one", "")(b).must(t)
	refused(b.get(b.back + "&redirect_uri=" + url.QueryEscape(evil)))
	w.IdP.SetFaults(fakeidp.Faults{})
}

// A page that needed no sign-in led wherever its redirect_uri said.
func TestOpenAuth_O8_NoOpenRedirect(t *testing.T) {
	h := newHouse(t, newWorld(t), plans{})
	b := h.browser()
	if a, _ := flows()[0].run(b, 0); !a.ok() {
		t.Fatal(a.body)
	}
	for _, name := range []string{"redirect_uri", "return_to", "returnTo", "redirect", "next", "url", "continue", "target", "post_logout_redirect_uri"} {
		for _, path := range []string{"", "/authorize", "/signout", "/token", "/one/authorize", "/link/authorize", "/code/authorize", "/code/callback", "/password/change"} {
			for _, accept := range []string{"text/html", "application/json"} {
				c := b.clone()
				c.Header.Set("Accept", accept)
				q := url.Values{name: {evil}}
				for _, a := range []*answer{c.get(issuer + path + "?" + q.Encode()), c.post(issuer+path, q), c.post(issuer+path+"?"+q.Encode(), url.Values{})} {
					if a.location != nil && a.location.Host == "evil.example" || strings.Contains(a.body, `href="`+evil) || strings.Contains(a.body, `action="`+evil) {
						t.Errorf("%s of %s leads to %v", name, path, a.location)
					}
				}
			}
		}
	}
}
