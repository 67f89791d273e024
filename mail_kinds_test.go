package postern_test

import (
	"html"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/words"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/passkey"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/totp"
)

// lists keeps the flow of a provider, which lists the mails of the program.
type lists struct{ flow **postern.Flow }

func (l lists) Handler(f *postern.Flow) http.Handler {
	*l.flow = f
	return http.NotFoundHandler()
}

var htmlTag = regexp.MustCompile(`(?s)<head>.*</head>|<[^>]*>`)

// holds lists what a mail has, in the text and in the HTML alike.
func holds(t *testing.T, m postern.Mail) string {
	t.Helper()
	m = m.Translate(func(text string, args map[string]any) string { return words.Fill(text, args, words.English{}) })
	visible := html.UnescapeString(htmlTag.ReplaceAllString(m.HTML, " "))
	both := func(s string) bool {
		if in := strings.Contains(m.Text, s); in != strings.Contains(strings.Join(strings.Fields(visible), " "), strings.Join(strings.Fields(s), " ")) {
			t.Errorf("%s: %q is in one of text and HTML alone:\n%s\n%s", m.Name, s, m.Text, m.HTML)
		} else if in {
			return true
		}
		return false
	}
	has := map[string]bool{}
	for _, p := range m.Parts {
		if p.Link != "" {
			name := "link"
			if p.Text == "This was not me" {
				name = "not-me"
			}
			has[name] = both(p.Link) && strings.Contains(m.HTML, `href="`+html.EscapeString(p.Link)+`"`)
		}
		if p.Code != "" {
			has["code"] = both(p.Code)
		}
	}
	for _, value := range []string{"time", "device", "life"} {
		if v, ok := m.Args[value]; ok {
			has[value] = both(words.Fill("{v}", map[string]any{"v": v}, words.English{}))
		}
	}
	var list []string
	for _, name := range []string{"link", "code", "time", "device", "life", "not-me"} {
		if has[name] {
			list = append(list, name)
		}
	}
	return strings.Join(list, " ")
}

// mailKinds is what each mail has.
var mailKinds = map[string]string{
	// They prove a mailbox.
	"magic.sign-in":          "link code time device life",
	"postern.enroll":         "link code time device life",
	"postern.new-address":    "link code time device life",
	"postern.step-up":        "link code time device life",
	"postern.verify-address": "link code time device life",

	// Notices about the security of an account.
	"passkey.added":             "time device life not-me",
	"passkey.asked":             "time device life not-me",
	"passkey.cloned":            "time device life not-me",
	"passkey.not-asked":         "time device life not-me",
	"passkey.removed":           "time device life not-me",
	"password.added":            "time device life not-me",
	"password.changed":          "time device life not-me",
	"password.removed":          "time device life not-me",
	"password.was-reset":        "time device life not-me",
	"postern.account-unfrozen":  "time device life not-me",
	"postern.address-added":     "time life not-me",
	"postern.address-changed":   "time device life not-me",
	"postern.address-removed":   "time device life not-me",
	"postern.factor-guessed":    "time device life not-me",
	"postern.identity-linked":   "time device life not-me",
	"postern.identity-unlinked": "time device life not-me",
	"recovery.made":             "time device life not-me",
	"recovery.used":             "time device life not-me",
	"totp.added":                "time device life not-me",
	"totp.removed":              "time device life not-me",

	// Notices that have a link or an end for themselves, or are about something that nothing can stop any more.
	"postern.account-deleted":       "time device",
	"postern.account-stopped":       "time device",
	"postern.address-change-undone": "time device",
	"postern.address-change":        "link time device",
	"postern.address-undo":          "link time device life",

	// Answers to a form, and what an administrator asks for.
	"password.disabled":       "device",
	"password.first-by-admin": "link life",
	"password.first":          "link device life",
	"password.frozen":         "device",
	"password.no-account":     "device",
	"password.no-password":    "device",
	"password.reset-by-admin": "link life",
	"password.reset":          "link device life",
	"postern.confirm-address": "link life",
	"postern.have-account":    "link device",
	"postern.invitation":      "link life",
	"postern.test":            "",
}

// TestMailSamples_Hold: what each mail of the program has. One that proves a mailbox has a code, a link, how long they
// work, and which device asked. One about the security of an account says when, and with which device, and has the link
// "This was not me", except where it is about to be sent to somebody who may not stop it, or nothing is left to stop.
func TestMailSamples_Hold(t *testing.T) {
	var flow *postern.Flow
	unseen := maps.Clone(mailKinds)
	h := newConsole(t, func(_ *home, c *postern.Config) {
		c.Providers["lists"] = lists{&flow}
		c.Providers["mail"] = magic.Both(magic.Config{})
		c.Providers["password"], c.Providers["passkey"] = password.New(password.Config{}), passkey.New(passkey.Config{})
		c.Factors = map[string]postern.Provider{"totp": totp.New(totp.Config{}), "recovery": totp.Recovery(totp.Config{})}
	})
	for _, s := range flow.MailSamples() {
		kind, ok := mailKinds[s.Mail.Name]
		if got := holds(t, s.Mail); !ok || got != kind {
			t.Errorf("%s has %q, want %q", s.Mail.Name, got, kind)
		}
		delete(unseen, s.Mail.Name)
	}
	if len(unseen) > 0 {
		t.Errorf("no sample of %v", unseen)
	}
	// The rest is those of the console alone, which are about a deed of an administrator.
	_, boss := h.person("boss", "chief")
	for _, key := range []string{"address-offered", "way-removed", "way-removed-2", "way-removed-3", "way-removed-4"} {
		text := boss.page("GET", "/admin/mail/postern/"+key+"/text", nil)
		want(t, text, http.StatusOK, "It happened on ")
		want(t, text, http.StatusOK, "This was not me")
		if body := text.Body.String(); strings.Contains(body, ", with ") || strings.Contains(body, "from the address") {
			t.Errorf("%s shows the device of an administrator:\n%s", key, body)
		}
	}
}
