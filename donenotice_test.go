package postern_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestX4_NoticeOfAForeignLink: a link of another site cannot say that something of the account was changed. Only the
// browser that sent the form shows it, once, on the page to which the form leads, for a minute.
func TestX4_NoticeOfAForeignLink(t *testing.T) {
	h := newHome(t)
	b := h.fresh(h.who)
	notice := "Your profile was changed."
	shown := func(b *browser, path string) bool {
		t.Helper()
		return strings.Contains(pageShows(t, b.open(path), http.StatusOK), notice)
	}
	for _, path := range []string{"/account?done=profile", "/account/security?done=unlinked", "/account/sessions?done=sessions", "/account/history?done=profile"} {
		if body := pageShows(t, b.open(path), http.StatusOK); strings.Contains(body, `role="status"`) {
			t.Errorf("%s: a link shows a notice", path)
		}
	}
	sent := func() {
		t.Helper()
		want(t, b.press("/account/profile", url.Values{"name": {"Ada L."}}), http.StatusSeeOther, "/account?done=profile")
	}
	sent()
	if shown(b, "/account") || shown(b, "/account?done=address") {
		t.Error("the cookie alone shows a notice")
	}
	if b.Cookies[doneCookie(b)] != "profile" {
		t.Errorf("cookies %v", b.Cookies)
	}
	other := h.fresh(h.who)
	if shown(other, "/account?done=profile") {
		t.Error("another browser shows it")
	}
	if !shown(b, "/account?done=profile") || shown(b, "/account?done=profile") || doneCookie(b) != "" {
		t.Error("it is not shown once")
	}
	sent()
	for _, value := range []string{"", "profile2", "profile profile", strings.Repeat("x", 65), `<script>`} {
		b.Cookies[doneCookie(b)] = value
		if shown(b, "/account?done=profile") || shown(b, "/account?done="+url.QueryEscape(value)) {
			t.Errorf("the value %q shows a notice", value)
		}
		sent()
	}
	if !shown(b, "/account?done=profile") {
		t.Error("it is not shown")
	}
}

// doneCookie is the name of the cookie of a notice that waits in a browser.
func doneCookie(b *browser) string {
	for name := range b.Cookies {
		if strings.HasPrefix(name, "__Host-done-") {
			return name
		}
	}
	return ""
}
