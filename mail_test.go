package postern_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/session"
)

// postman is a provider that mails whatever it is given.
type postman struct{ mail postern.Mail }

func (p *postman) Mails() bool { return true }

func (p *postman) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{"POST send": func(w http.ResponseWriter, r *http.Request) {
		if err := f.Mail(r.Context(), p.mail); err != nil {
			f.Fail(w, r, err)
			return
		}
		fmt.Fprint(w, f.MailReady())
	}})
}

func mailWorld(t *testing.T, p *postman, send func(context.Context, postern.Mail) error) *world {
	t.Helper()
	return newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) { c.Providers["postman"], c.Mail = p, send })
}

func TestMail_NeedsConfigMail(t *testing.T) {
	v := newWorld(t)
	for name, p := range map[string]postern.Provider{"link": magic.Link(magic.Config{}), "code": magic.Code(magic.Config{}), "own": &postman{}} {
		_, err := postern.New(postern.Config{
			Sessions: v.sessions, Redirects: []string{"/"}, Providers: map[string]postern.Provider{name: p},
			OnSuccess: func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return nil },
		})
		if err == nil || !strings.Contains(err.Error(), `provider "`+name+`" sends mail: set Config.Mail`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Only that no mail can be sent at all is shown. The event has the client's address and the masked one of the mail.
func TestMail_Errors(t *testing.T) {
	p := &postman{postern.Mail{To: "ada@example.com", Name: "postman.note", Subject: "Hello", Args: map[string]any{"code": "481516"}}}
	var failure error
	v := mailWorld(t, p, func(context.Context, postern.Mail) error { return failure })
	for _, tc := range []struct {
		err    error
		status int
		events string
	}{
		{nil, 200, "mail sent"},
		{errors.New("550 ada@example.com unknown, code 481516"), 200, "mail failed"},
		{fmt.Errorf("to ada@example.com with 481516: %w", postern.ErrMailUnavailable), 503, "mail failed,sign-in failed"},
	} {
		failure = tc.err
		v.Events.Take()
		w := v.browser().post(issuer+"/postman/send", nil)
		var names []string
		for _, e := range v.Events.Take() {
			names = append(names, e.Name)
			if strings.HasPrefix(e.Name, "mail") && (e.Subject != "a…@example.com" || e.Provider != "postman" || e.Addr == "") ||
				e.Err != nil && (strings.Contains(e.Err.Error(), "ada@") || strings.Contains(e.Err.Error(), "481516")) {
				t.Errorf("%v: event %+v", tc.err, e)
			}
		}
		if w.Code != tc.status || strings.Join(names, ",") != tc.events || (tc.status == 503) != (w.Header().Get("Retry-After") != "") {
			t.Errorf("%v: %d, events %q", tc.err, w.Code, names)
		}
	}
	if said := v.Log.String(); strings.Contains(said, "ada@example.com") || strings.Contains(said, "481516") || !strings.Contains(said, "550 a…@example.com unknown, code [code]") {
		t.Errorf("log: %s", said)
	}
}

// No mail leaves whose head another line could be added to.
func TestM6_MailHeadIsChecked(t *testing.T) {
	p := &postman{}
	sent := 0
	v := mailWorld(t, p, func(context.Context, postern.Mail) error { sent++; return nil })
	good := postern.Mail{To: "ada@example.com", Name: "postman.note", Subject: "Hello", Text: "x"}
	for name, change := range map[string]func(*postern.Mail){
		"to, CRLF":          func(m *postern.Mail) { m.To += "\r\nBcc: eve@evil.example" },
		"to, two":           func(m *postern.Mail) { m.To += ", eve@evil.example" },
		"to, a name":        func(m *postern.Mail) { m.To = "Ada <ada@example.com>" },
		"to, upper case":    func(m *postern.Mail) { m.To = "Ada@example.com" },
		"to, none":          func(m *postern.Mail) { m.To = "" },
		"subject, CRLF":     func(m *postern.Mail) { m.Subject += "\r\nBcc: eve@evil.example" },
		"subject, LF":       func(m *postern.Mail) { m.Subject += "\nBcc: eve@evil.example" },
		"subject, NEL":      func(m *postern.Mail) { m.Subject += "\u0085x" },
		"subject, no UTF-8": func(m *postern.Mail) { m.Subject += "\xff" },
		"subject, none":     func(m *postern.Mail) { m.Subject = "" },
		"subject, too long": func(m *postern.Mail) { m.Subject = strings.Repeat("x", 901) },
	} {
		p.mail = good
		change(&p.mail)
		if w := v.browser().post(issuer+"/postman/send", nil); w.Code != 500 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	if p.mail = good; v.browser().post(issuer+"/postman/send", nil).Code != 200 || sent != 1 {
		t.Errorf("%d mails were sent, want the good one alone", sent)
	}
}

// Mails repeat nothing that somebody else typed, and each header of theirs is one line: whatever the client calls
// itself, the languages it asks for, and the parameters it sends.
func TestL3_MailsHoldNoTextOfOthers(t *testing.T) {
	hostile := []string{
		"evil\r\nBcc: eve@evil.example", "evil\nBcc: eve@evil.example", "evil\rBcc: x", "evil\x00", "evil\x1b[31m", "evil\u0085x", "evil\u2028x", "\u202eevil", "evil\u200b",
		"<b>evil</b>", `"><script>evil()</script>`, "https://evil.example/", "www.evil.example", "eve@evil.example", "<a href=https://evil.example>Firefox/1</a>",
		"Your account is locked, call +1 555 evil", "=?utf-8?q?evil?=", "evil\r\n\r\nSecond body", "evil\r\n.\r\nMAIL FROM:<eve@evil.example>", "Chrome/1 evil Windows",
		"${evil}", "{{evil}}", "%0d%0aBcc:evil", "evil; q=1, de", "de-evil\r\nX: y", "evil\t\x0b\x0c", "\xffevil", strings.Repeat("evil", 500), "evil\u2066\u2069", "ＥＶＩＬ evil",
	}
	if len(hostile) != 30 {
		t.Fatalf("%d texts, want 30", len(hostile))
	}
	var mails []postern.Mail
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.Providers["mail"] = magic.Both(magic.Config{PerClient: 1000})
		c.Mail = func(_ context.Context, m postern.Mail) error { mails = append(mails, m); return nil }
	})
	for i, evil := range hostile {
		b := v.browser()
		for _, name := range []string{"User-Agent", "Accept-Language", "Referer", "X-Forwarded-For"} {
			b.Header[name] = []string{evil}
		}
		if w := b.post(issuer+"/mail/authorize?note="+url.QueryEscape(strings.ToValidUTF8(strings.Map(func(r rune) rune {
			if r < ' ' || r == '\u0085' {
				return -1
			}
			return r
		}, evil[:min(len(evil), 200)]), "")), url.Values{"email": {fmt.Sprintf("ada%d@example.com", i)}}); w.Code != 303 || len(mails) != i+1 {
			t.Fatalf("%q: %d, %d mails", evil, w.Code, len(mails))
		}
		m := mails[i]
		raw, err := m.MIME("no-reply@example.com", noon)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{m.Subject, m.Text, m.HTML, m.Language, m.To, m.Arg("device"), string(raw)} {
			if strings.Contains(strings.ToLower(text), "evil") {
				t.Errorf("%q is in the mail: %q", evil, text)
			}
		}
		head, _, _ := strings.Cut(string(raw), "\r\n\r\n")
		for _, name := range []string{"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Language", "Content-Type"} {
			if strings.Count("\r\n"+head, "\r\n"+name+": ") != 1 {
				t.Errorf("%q: %s is not one line of the head\n%s", evil, name, head)
			}
		}
		if strings.Count(head, "\r\n") != 8 {
			t.Errorf("%q: the head has other lines\n%s", evil, head)
		}
	}
}
