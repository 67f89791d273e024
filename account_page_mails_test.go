package postern_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestAccountPage_Notices: the page says which mails about security there are and where they go, also to an address
// that was given up and still gets them, and offers no switch.
func TestAccountPage_Notices(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	h.signIn(b, h.who)
	body := pageShows(t, b.open("/account/security"), http.StatusOK, "<h2>Mails about security</h2>", "when a way to sign in is added, changed or removed",
		"These mails cannot be turned off.", "<dt>Sent to</dt>\n<dd>ada@example.com</dd>")
	if strings.Contains(body, "gave up") || strings.Contains(body, "no verified address") {
		t.Errorf("%s", body)
	}
	h.stepUp(b, h.who)
	b.press("/account/address", url.Values{"id": {h.addressID(b, "ada@example.com")}, "address": {"new@example.com"}})
	b.done("/account/code", url.Values{"code": {h.code("new@example.com")}}, "Your addresses were changed.")
	pageShows(t, b.open("/account/security"), http.StatusOK, "<dd>new@example.com</dd>", "<dd>ada@example.com</dd>\n<dd class=\"hint\">You gave up this address a few days ago.</dd>")
}

// TestAccountPage_Language: the language that a person chooses for the account is kept with the user, for mails, and
// in the browser, for pages. "As the browser says" takes both back.
func TestAccountPage_Language(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	h.signIn(b, h.who)
	h.stepUp(b, h.who)
	chosen := func() string { return b.Cookies["__Host-postern-language"] }
	kept := func() string { return decoded[account](t, b.json("GET", "/account", "")).Locale }
	pageShows(t, b.open("/account"), http.StatusOK, "<dt>Language</dt>", "For mails to you, and for these pages.")
	b.done("/account/profile", url.Values{"locale": {"de"}}, "<dd>Deutsch</dd>")
	if chosen() != "de" || kept() != "de" {
		t.Errorf("the browser has %q, the user %q", chosen(), kept())
	}
	b.done("/account/profile", url.Values{"name": {"Ada"}}, "<dd>Deutsch</dd>")
	if chosen() != "de" {
		t.Errorf("a form without a language changed it to %q", chosen())
	}
	b.done("/account/profile", url.Values{"locale": {""}}, "<dd>As the browser says</dd>")
	if chosen() != "" || kept() != "" {
		t.Errorf("the browser has %q, the user %q", chosen(), kept())
	}
}
