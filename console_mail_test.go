package postern_test

import (
	"errors"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
)

// A loud composer writes mails in English, and in English of capital letters.
type loud struct{}

func (loud) Languages() []string { return []string{"en", "en-LOUD"} }

func (loud) Compose(m postern.Mail) (postern.Mail, error) {
	if m.ContentLanguage = "en"; m.Language == "en-LOUD" {
		m.Subject, m.Text, m.HTML, m.ContentLanguage = strings.ToUpper(m.Subject), strings.ToUpper(m.Text), "<!doctype html><p>"+html.EscapeString(strings.ToUpper(m.Text)), m.Language
	}
	return m, nil
}

var mailLink = regexp.MustCompile(`href="` + regexp.QuoteMeta(issuer) + `(/admin/mail/[a-z]+/[a-z0-9-]+)"`)

// TestConsole_Mails: each mail of the list has a preview in each language, and what is sent is what the preview shows.
// It goes to the administrator alone.
func TestConsole_Mails(t *testing.T) {
	h := newConsole(t, func(_ *home, c *postern.Config) { c.Composer = loud{} })
	_, boss := h.person("boss", "chief")
	list := boss.page("GET", "/admin/mail", nil)
	shows(t, list, http.StatusOK, "postern.way-removed-4", "An administrator has removed a password.", "Test mail of")
	all := mailLink.FindAllStringSubmatch(list.Body.String(), -1)
	if len(all) < 25 {
		t.Fatalf("%d mails: %s", len(all), list.Body)
	}
	for _, one := range all {
		for _, language := range []string{"en", "en-LOUD"} {
			h.Advance(13 * time.Minute) // five in an hour
			h.stepUp(boss, at("boss", "boss@example.com", true))
			query := "?language=" + language
			page := boss.page("GET", one[1]+query, nil)
			shows(t, page, http.StatusOK, "Send it to me", issuer+one[1]+"/text"+query, issuer+one[1]+"/html"+query)
			before := len(h.mails.All())
			leads(t, boss.page("POST", one[1]+"/test", url.Values{"language": {language}, "to": {"ada@example.com"}, "address": {"ada@example.com"}}),
				issuer+one[1]+"?done=test&language="+language)
			sent := h.mails.All()[before:]
			if len(sent) != 1 || sent[0].To != "boss@example.com" || sent[0].ContentLanguage != language {
				t.Fatalf("%s %s: %+v", one[1], language, sent)
			}
			shows(t, page, http.StatusOK, sent[0].Subject)
			part := func(name, kind, want string) {
				t.Helper()
				w := boss.page("GET", one[1]+"/"+name+query, nil)
				policy := w.Header().Get("Content-Security-Policy")
				if w.Code != http.StatusOK || w.Body.String() != want || w.Header().Get("Content-Type") != kind || w.Header().Get("Cache-Control") != "no-store" ||
					w.Header().Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(policy, "default-src 'none';") || !strings.HasSuffix(policy, "; sandbox") ||
					strings.Contains(policy, "script") {
					t.Errorf("%s %s: %d %v\n%s\nwant\n%s", one[1], name, w.Code, w.Header(), w.Body, want)
				}
			}
			part("text", "text/plain; charset=utf-8", sent[0].Text)
			part("html", "text/html; charset=utf-8", sent[0].HTML)
			for _, person := range []string{"boss", "@", "{"} {
				if strings.Contains(sent[0].Text, person) || strings.Contains(strings.ToLower(sent[0].Subject), person) {
					t.Errorf("%s has %q: %s", one[1], person, sent[0].Text)
				}
			}
		}
	}
}

// TestConsole_MailsHostile: a mail, a part or a language that is none, too many tests, and somebody without an address.
func TestConsole_MailsHostile(t *testing.T) {
	h := newConsole(t, func(_ *home, c *postern.Config) { c.Composer = loud{} })
	_, boss := h.person("boss", "chief")
	for _, path := range []string{"/admin/mail/postern", "/admin/mail/postern/nothing", "/admin/mail/postern/test/x", "/admin/mail//test", "/admin/mail/postern/test-2/html", "/admin/mail/postern/test/html/x"} {
		shows(t, boss.page("GET", path, nil), http.StatusNotFound, "There is nothing at this address.")
	}
	shows(t, boss.page("GET", "/admin/mail/postern/test?language="+url.QueryEscape(`"><script>`), nil), http.StatusOK, "Test mail of")
	mails := len(h.mails.All())
	page := boss.page("POST", "/admin/mail/postern/test/test", url.Values{"language": {`"><script>alert(1)`}})
	shows(t, page, http.StatusBadRequest, "Mails are not written in that language here.")
	harmless(t, "a language", page.Body.String())
	answered(t, boss.json("POST", "/admin/mail/test", `{"mail":"postern.nothing"}`), http.StatusBadRequest, "invalid_request")
	answered(t, boss.json("POST", "/admin/mail/test", `{"to":"eve@example.com"}`), http.StatusBadRequest, "unknown_member")
	if len(h.mails.All()) != mails {
		t.Error("a refused test was mailed")
	}
	for range 5 {
		answered(t, boss.json("POST", "/admin/mail/test", `{"mail":"postern.invitation","language":"en-LOUD"}`), http.StatusNoContent, "")
	}
	shows(t, boss.page("POST", "/admin/mail/postern/test/test", nil), http.StatusTooManyRequests, "Send it to me")
	answered(t, boss.json("POST", "/admin/mail/test", ""), http.StatusTooManyRequests, "")
	if got := len(h.mails.All()) - mails; got != 5 {
		t.Errorf("%d mails, want 5", got)
	}
}

// A parcel is a provider that sends another mail.
type parcel struct{}

func (parcel) Handler(f *postern.Flow) http.Handler {
	return parcelHandler{f.Steps(map[string]http.HandlerFunc{"GET authorize": func(w http.ResponseWriter, r *http.Request) { f.Fail(w, r, errors.New("closed")) }}), f}
}

type parcelHandler struct {
	http.Handler
	flow *postern.Flow
}

func (h parcelHandler) MailSamples() []postern.MailSample {
	return []postern.MailSample{{Mail: h.flow.NoticeMail(postern.Notice{Name: "shop.parcel <b>", Text: "A parcel for {who} is on its way.", Args: map[string]any{"who": "<script>"}}), When: "A parcel was sent."}}
}

// TestConsole_MailsOfOthers: the mails of a provider of the application are in the list, whatever their name is.
func TestConsole_MailsOfOthers(t *testing.T) {
	h := newConsole(t, func(_ *home, c *postern.Config) { c.Providers["parcel"] = parcel{} })
	_, boss := h.person("boss", "chief")
	page := boss.page("GET", "/admin/mail", nil)
	shows(t, page, http.StatusOK, "shop.parcel <b>", "A parcel was sent.")
	harmless(t, "the list", page.Body.String())
	next := hrefOf(t, page.Body.String(), "shop.parcel &lt;b&gt;")
	one := boss.page("GET", next, nil)
	shows(t, one, http.StatusOK, "Send it to me", "A change of your account at")
	harmless(t, "the preview", one.Body.String())
	part := boss.page("GET", next+"/html", nil)
	shows(t, part, http.StatusOK, "A parcel for &lt;script&gt; is on its way.")
	harmless(t, "the mail", part.Body.String())
	mails := len(h.mails.All())
	if w := boss.page("POST", next+"/test", nil); w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), next) {
		t.Errorf("%d to %s", w.Code, w.Header().Get("Location"))
	}
	if sent := h.mails.All()[mails:]; len(sent) != 1 || sent[0].Name != "shop.parcel <b>" || sent[0].To != "boss@example.com" {
		t.Errorf("%+v", sent)
	}
}
