package postern_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// sessionCookies are the names of the cookies of the session that a browser has.
func sessionCookies(b *browser) (names []string) {
	for name := range b.Cookies {
		if !isLast(name) && !strings.Contains(name, "flow-") {
			names = append(names, name)
		}
	}
	return names
}

// A page on which somebody signs in takes the cookies of a session that has ended (oauth2-proxy CVE-2026-34454), and
// leaves those of a session that lives.
func TestEndedCookies_SignInPageTakesThem(t *testing.T) {
	for _, path := range []string{"/authorize", "/door/authorize", "/sign-up"} {
		h := newHome(t)
		b := h.browser()
		h.signIn(b, h.who)
		b.get(issuer + path)
		if len(sessionCookies(b)) != 2 {
			t.Errorf("%s: a session that lives has the cookies %q", path, sessionCookies(b))
		}
		h.Advance(10 * time.Minute) // the access token has expired: the refresh token alone counts
		b.get(issuer + path)
		if len(sessionCookies(b)) == 0 || b.json("GET", "/account", "").Code != http.StatusOK {
			t.Errorf("%s: a session that lives is lost", path)
		}
		if err := h.auth.EndUser(t.Context(), h.idOf(b)); err != nil {
			t.Fatal(err)
		}
		h.store.setGet(errAway)
		b.get(issuer + path)
		if h.store.setGet(nil); len(sessionCookies(b)) != 2 {
			t.Errorf("%s: cookies taken although the store is away", path)
		}
		b.get(issuer + path)
		if got := sessionCookies(b); len(got) != 0 {
			t.Errorf("%s: a session that has ended leaves %q", path, got)
		}
	}
}
