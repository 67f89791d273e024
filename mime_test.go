package postern_test

import (
	"bytes"
	"context"
	"errors"
	"html"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/inbox"
)

const ada = "ada@example.com"

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// parts reads a mail as programs for mail do: its header, and the texts by media type in their order.
func parts(t *testing.T, raw []byte) (h mail.Header, kinds []string, texts map[string]string) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%s: %v", kind, err)
	}
	texts = map[string]string{}
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		part, err := r.NextPart() // decodes quoted-printable
		if errors.Is(err, io.EOF) {
			return m.Header, kinds, texts
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, part.Header.Get("Content-Type"))
		texts[strings.Split(part.Header.Get("Content-Type"), ";")[0]] = strings.ReplaceAll(string(body), "\r\n", "\n")
	}
}

// A mail that was asked for arrives by SMTP with both texts, the plain one first.
func TestMIME_ArrivesBySMTP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	box, done := inbox.New(), make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() { done <- (&inbox.SMTP{Inbox: box, Base: issuer}).Serve(ctx, listener) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	m := postern.Mail{
		To: ada, Name: "magic.sign-in", Subject: "Sign in to Größe & Söhne", HTML: "<p>Code: <b>012345</b></p>",
		Text: "Open this link:\n\n" + issuer + "/link/callback?token=abc\n\nOr type this code:\n\n    012345\n",
	}
	raw, err := m.MIME("Größe & Söhne <no-reply@example.com>", noon)
	if err != nil {
		t.Fatal(err)
	}
	if err := smtp.SendMail(listener.Addr().String(), nil, "no-reply@example.com", []string{m.To}, raw); err != nil {
		t.Fatal(err)
	}
	got := box.Messages(ada)
	if len(got) != 1 {
		t.Fatalf("%d mails arrived", len(got))
	}
	if a := got[0]; a.Subject != m.Subject || strings.TrimSpace(a.Text) != strings.TrimSpace(m.Text) || strings.TrimSpace(a.HTML) != strings.TrimSpace(m.HTML) ||
		a.Link != issuer+"/link/callback?token=abc" || a.Code != "012345" {
		t.Errorf("arrived: %+v\nsent: %+v", a, m)
	}
	h, kinds, texts := parts(t, raw)
	if len(kinds) != 2 || !strings.HasPrefix(kinds[0], "text/plain") || !strings.HasPrefix(kinds[1], "text/html") {
		t.Errorf("parts %q", kinds)
	}
	if texts["text/plain"] != m.Text || texts["text/html"] != m.HTML {
		t.Error("the texts changed on the way")
	}
	from, err := h.AddressList("From")
	if err != nil || len(from) != 1 || from[0].Name != "Größe & Söhne" || h.Get("Date") != "Mon, 02 Mar 2026 12:00:00 +0000" || h.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("header %v", h)
	}
	// Without HTML it is one text.
	m.HTML = ""
	raw, err = m.MIME("no-reply@example.com", noon)
	if err != nil {
		t.Fatal(err)
	}
	if err := smtp.SendMail(listener.Addr().String(), nil, "no-reply@example.com", []string{m.To}, raw); err != nil {
		t.Fatal(err)
	}
	if a := box.Messages(ada)[0]; strings.TrimSpace(a.Text) != strings.TrimSpace(m.Text) || a.HTML != "" || bytes.Contains(raw, []byte("multipart")) {
		t.Errorf("text alone: %+v\n%s", a, raw)
	}
}

// Every line of a mail ends in CRLF and has at most 998 bytes, whatever is in it (RFC 5322 section 2.1.1).
func TestMIME_Lines(t *testing.T) {
	for _, text := range []string{"short", strings.Repeat("x", 5000), strings.Repeat("ü", 3000), "a\rb\nc\r\nd", "\n.\n..\nFrom x\n", "=3D=\n", strings.Repeat("wide ", 900)} {
		m := postern.Mail{To: ada, Subject: strings.Repeat("ö", 400), Text: text, HTML: "<p>" + html.EscapeString(text) + "</p>"}
		raw, err := m.MIME(`"`+strings.Repeat("Ä", 40)+`" <no-reply@example.com>`, noon)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(string(raw), "\r\n") {
			if len(line) > 998 || strings.ContainsAny(line, "\r\n") {
				t.Errorf("a line of %d bytes: %.80q", len(line), line)
			}
		}
		h, _, texts := parts(t, raw)
		subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
		if err != nil || subject != m.Subject {
			t.Errorf("subject %q, %v", subject, err)
		}
		want := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
		if got := strings.ReplaceAll(texts["text/plain"], "\r", "\n"); got != want {
			t.Errorf("text %.60q, want %.60q", got, want)
		}
	}
}

// Nothing that stands in a mail adds a header or a recipient.
func TestM6_MIMEHeaderInjection(t *testing.T) {
	good := postern.Mail{To: ada, Subject: "Sign in", Text: "x", HTML: "<p>x</p>"}
	const sender = "no-reply@example.com"
	for name, tc := range map[string]struct {
		from   string
		change func(*postern.Mail)
	}{
		"sender, CRLF":      {sender + "\r\nBcc: eve@evil.example", func(*postern.Mail) {}},
		"sender, name":      {"\"a\r\nBcc: eve@evil.example\" <" + sender + ">", func(*postern.Mail) {}},
		"sender, two":       {sender + ", eve@evil.example", func(*postern.Mail) {}},
		"sender, none":      {"", func(*postern.Mail) {}},
		"to, CRLF":          {sender, func(m *postern.Mail) { m.To = ada + "\r\nBcc: eve@evil.example" }},
		"to, LF":            {sender, func(m *postern.Mail) { m.To = ada + "\nBcc: eve@evil.example" }},
		"to, two":           {sender, func(m *postern.Mail) { m.To = ada + ", eve@evil.example" }},
		"to, a name":        {sender, func(m *postern.Mail) { m.To = "Eve <" + ada + ">" }},
		"to, none":          {sender, func(m *postern.Mail) { m.To = "" }},
		"subject, CRLF":     {sender, func(m *postern.Mail) { m.Subject = "x\r\nBcc: eve@evil.example" }},
		"subject, LF":       {sender, func(m *postern.Mail) { m.Subject = "x\nBcc: eve@evil.example" }},
		"subject, CR":       {sender, func(m *postern.Mail) { m.Subject = "x\rBcc: eve@evil.example" }},
		"subject, NUL":      {sender, func(m *postern.Mail) { m.Subject = "x\x00" }},
		"subject, NEL":      {sender, func(m *postern.Mail) { m.Subject = "x\u0085Bcc: eve@evil.example" }},
		"subject, no UTF-8": {sender, func(m *postern.Mail) { m.Subject = "x\xff" }},
		"subject, too long": {sender, func(m *postern.Mail) { m.Subject = strings.Repeat("x", 901) }},
	} {
		m := good
		tc.change(&m)
		if raw, err := m.MIME(tc.from, noon); err == nil || raw != nil {
			t.Errorf("%s:\n%s", name, raw)
		}
	}
	// In the texts it stays text, the boundary included.
	evil := "\r\n.\r\nMAIL FROM:<eve@evil.example>\r\n--boundary\r\nBcc: eve@evil.example\r\n\r\nx"
	m := good
	m.Text, m.HTML = evil, evil
	raw, err := m.MIME(sender, noon)
	if err != nil {
		t.Fatal(err)
	}
	h, kinds, texts := parts(t, raw)
	if len(kinds) != 2 || h.Get("Bcc") != "" || texts["text/plain"] != strings.ReplaceAll(evil, "\r\n", "\n") {
		t.Errorf("%q %v %q", kinds, h, texts)
	}
}

func ExampleMail_MIME() {
	// As Config.Mail gets it:
	m := postern.Mail{To: "ada@example.com", Subject: "Sign in to Example Shop", Text: "Open this link: ...", HTML: "<p>...</p>"}
	raw, err := m.MIME("Example Shop <no-reply@example.com>", time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC))
	if err != nil {
		panic(err)
	}
	// smtp.SendMail("mail.example.com:587", auth, "no-reply@example.com", []string{m.To}, raw)
	_, _ = io.Copy(io.Discard, bytes.NewReader(raw))
}
