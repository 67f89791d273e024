package postern_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern"
)

// TestPlace: the sessions, the history and the notices of a person have the place of an address behind it, as a text of
// at most 100 bytes on one line. An address whose place is unknown stands alone, and programs get addresses alone.
func TestPlace(t *testing.T) {
	for name, c := range map[string]struct{ place, shown string }{
		"a town":  {"Berlin, Germany", "203.0.113.7 (Berlin, Germany)"},
		"unknown": {"", "203.0.113.7"},
		"hostile": {"<img src=x>\r\nBcc: eve@evil.example\u202e", "203.0.113.7 (<img src=x> Bcc: eve@evil.example)"},
		"long":    {strings.Repeat("x", 5000), "203.0.113.7 (" + strings.Repeat("x", 100) + ")"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t, func(_ *home, config *postern.Config) {
				config.Place = func(a netip.Addr) string {
					if a != netip.MustParseAddr("203.0.113.7") {
						t.Errorf("asked for %v", a)
					}
					return c.place
				}
			})
			b := h.browser()
			b.Addr = "203.0.113.7:4711"
			h.signIn(b, h.who)
			for _, path := range []string{"/account/sessions", "/account/history"} {
				if w := b.open(path); strings.Contains(w.Body.String(), "<img") || strings.Contains(w.Body.String(), "\u202e") {
					t.Errorf("%s: %s", path, w.Body)
				}
			}
			pageShows(t, b.open("/account/sessions"), http.StatusOK, " from "+c.shown+".")
			pageShows(t, b.open("/account/history"), http.StatusOK, "<td>"+c.shown+"</td>")
			for _, path := range []string{"/account/sessions", "/account/history"} {
				if body := b.json("GET", path, "").Body.String(); !strings.Contains(body, `"address":"203.0.113.7"`) {
					t.Errorf("%s: %s", path, body)
				}
			}
			h.stepUp(b, h.who)
			b.press("/account/address", url.Values{"id": {h.addressID(b, "ada@example.com")}, "address": {"new@example.com"}})
			b.done("/account/code", url.Values{"code": {h.code("new@example.com")}}, "Your addresses were changed.")
			all := h.mails.All()
			at := slices.IndexFunc(all, func(m postern.Mail) bool { return m.Name == "postern.address-change" })
			if at < 0 {
				t.Fatalf("no notice in %q", h.names())
			}
			if m := all[at]; !strings.Contains(m.Text, "from the address "+c.shown+".") || strings.Contains(m.HTML, "<img") {
				t.Errorf("%s\n%s", m.Text, m.HTML)
			}
		})
	}
}
