package inbox_test

import (
	"context"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/inbox"
)

const base = "http://localhost:8080/auth"

// serveSMTP starts a server and returns its inbox and address. stop ends it and waits.
func serveSMTP(t *testing.T) (box *inbox.Inbox, addr string, stop func()) {
	t.Helper()
	return serveSMTPAt(t, func() time.Time { return time.Unix(1e9, 0) })
}

// serveSMTPAt is serveSMTP with a clock.
func serveSMTPAt(t *testing.T, now func() time.Time) (box *inbox.Inbox, addr string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	box = inbox.New()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- (&inbox.SMTP{Inbox: box, Base: base, Now: now}).Serve(ctx, l)
	}()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		ended <- nil
	}
	t.Cleanup(stop)
	return box, l.Addr().String(), stop
}

// alternative is a mail as mail libraries write it.
const alternative = "From: =?utf-8?q?Caf=C3=A9?= <shop@example.com>\r\nTo: ada@example.com\r\nSubject: =?utf-8?b?U2lnbiBpbiDinJM=?=\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\nContent-Type: multipart/alternative; boundary=\"in\"\r\n\r\n" +
	"--in\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
	"See https://example.com/help for help. Open http://localhost:8080/auth/link=\r\n/callback?token=3Dabc.\r\n\r\n    012345\r\n\r\n.. caf=C3=A9\r\n" +
	"--in\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+\r\naGVsbG88L2I+\r\n--in--\r\n--out--\r\n"

func TestSMTP_TakesMailOfPrograms(t *testing.T) {
	box, addr, _ := serveSMTP(t)
	host, _, _ := net.SplitHostPort(addr)
	for _, auth := range []smtp.Auth{nil, smtp.PlainAuth("", "any", "thing", host)} {
		if err := smtp.SendMail(addr, auth, "shop@example.com", []string{"ada@example.com", "élan@example.com"}, []byte(alternative)); err != nil {
			t.Fatal(err)
		}
	}
	all := box.Messages("")
	if len(all) != 4 || all[0].To != "élan@example.com" || all[1].To != "ada@example.com" {
		t.Fatalf("%+v", all)
	}
	m := all[1]
	if m.From != "Café <shop@example.com>" || m.Subject != "Sign in ✓" || m.HTML != "<b>hello</b>" || !strings.HasSuffix(m.Text, ".. café") || !m.Time.Equal(time.Unix(1e9, 0)) {
		t.Errorf("%+v", m)
	}
	if m.Link != base+"/link/callback?token=abc" || m.Code != "012345" {
		t.Errorf("link %q, code %q", m.Link, m.Code)
	}
}

// nested is a text inside of n multiparts.
func nested(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%dx\r\n\r\n--b%[1]dx\r\n", i)
	}
	return b.String() + "Content-Type: text/plain\r\n\r\n123456\r\n"
}

// TestSMTP_FindsLinkAndCode: what a person clicks or types is found in plain mails, HTML mails, and mails without it.
func TestSMTP_FindsLinkAndCode(t *testing.T) {
	box, addr, _ := serveSMTP(t)
	for name, tc := range map[string]struct{ mail, link, code string }{
		"no header":     {"Subject: x\r\n\r\nYour code is 123456.", "", "123456"},
		"HTML alone":    {"Content-Type: text/html\r\n\r\n<style>.a{width:654321px}</style><a href=\"" + base + "/x?a=1&amp;b=2\">go</a> <b>123456</b>", base + "/x?a=1&b=2", "123456"},
		"no code":       {"Subject: x\r\n\r\nhttp://example.com/123456 and 12345 and 1234567", "http://example.com/123456", ""},
		"ten digits":    {"Subject: x\r\n\r\n0123456789\r\n", "", "0123456789"},
		"two groups":    {"Subject: x\r\n\r\nTicket 111111:\r\n\r\n    8467 2751\r\n", "", "84672751"},
		"own line wins": {"Subject: x\r\n\r\nTicket 111111:\r\n\r\n    222222\r\n", "", "222222"},
		"script":        {"Content-Type: text/html\r\n\r\n<a href=\"javascript:alert(1)\">x</a>", "", ""},
		"bad charset":   {"Content-Type: text/plain; charset=iso-8859-1\r\n\r\n\xe4 123456", "", "123456"},
		"bad encoding":  {"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nMTIzNDU2%%%%", "", "123456"},
		"deep":          {nested(50), "", ""},
		"not so deep":   {nested(4), "", "123456"},
		"not a mail":    {"no header at all 123456", "", ""},
	} {
		if err := smtp.SendMail(addr, nil, "", []string{name}, []byte(tc.mail)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all := box.Messages(name)
		if len(all) != 1 {
			t.Fatalf("%s: %d messages", name, len(all))
		}
		if m := all[0]; m.Link != tc.link || m.Code != tc.code {
			t.Errorf("%s: link %q, code %q in %q", name, m.Link, m.Code, m.Text)
		}
	}
	if m := box.Messages("not a mail")[0]; !strings.Contains(m.Subject, "cannot be read") || !strings.Contains(m.Text, "no header at all") {
		t.Errorf("%+v", m)
	}
}

// TestSMTP_RefusesWhatIsNotMail: a browser that a page of the internet makes send a request, a client that never ends a
// line or a message, commands out of order.
func TestSMTP_RefusesWhatIsNotMail(t *testing.T) {
	box, addr, _ := serveSMTP(t)
	for name, tc := range map[string]struct{ send, want string }{
		"HTTP":             {"POST / HTTP/1.1\r\nHost: localhost:1025\r\n\r\nHELO x\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\nx\r\n.\r\n", "421"},
		"HTTP after HELO":  {"HELO x\r\nContent-Length: 5\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\nx\r\n.\r\n", "421"},
		"a long line":      {"EHLO " + strings.Repeat("x", 5000) + "\r\n", "500"},
		"a large message":  {"EHLO x\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n" + strings.Repeat(strings.Repeat("x", 998)+"\r\n", 4300) + ".\r\n", "552"},
		"no greeting":      {"MAIL FROM:<a>\r\nQUIT\r\n", "503"},
		"no recipient":     {"EHLO x\r\nMAIL FROM:<a>\r\nDATA\r\nQUIT\r\n", "503"},
		"no sender":        {"EHLO x\r\nRCPT TO:<b>\r\nQUIT\r\n", "503"},
		"no path":          {"EHLO x\r\nMAIL FROM:a\r\nQUIT\r\n", "501"},
		"mistakes":         {"EHLO x\r\n" + strings.Repeat("WHAT\r\n", 6) + "MAIL FROM:<a>\r\n", "421"},
		"another password": {"EHLO x\r\nAUTH CRAM-MD5\r\nQUIT\r\n", "504"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
			go fmt.Fprint(conn, tc.send) // the server may hang up before it is all read
			var answers []string
			for text := textproto.NewConn(conn); ; {
				line, err := text.ReadLine()
				if err != nil {
					break // the server has ended the connection, or the deadline has
				}
				answers = append(answers, line)
			}
			if !strings.Contains("\n"+strings.Join(answers, "\n"), "\n"+tc.want) {
				t.Errorf("no %s in %q", tc.want, answers)
			}
		})
	}
	if all := box.Messages(""); len(all) != 0 {
		t.Errorf("it took %+v", all)
	}
}

func TestSMTP_EndsWithItsContext(t *testing.T) {
	_, addr, stop := serveSMTP(t)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	text := textproto.NewConn(conn)
	if _, err := text.ReadLine(); err != nil {
		t.Fatal(err)
	}
	stop() // returns only when the connection has ended
	if _, err := text.ReadLine(); err == nil {
		t.Error("the connection goes on")
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("it still listens")
	}
}

// TestPage_RefreshesItself: the page asks for messages after the last that it shows; a restart of the server, which
// begins to count again, is noticed.
func TestPage_RefreshesItself(t *testing.T) {
	b := inbox.New()
	b.Add(inbox.Message{To: "ada@example.com"})
	b.Add(inbox.Message{To: "alan@example.com"})
	if page := get(b, "/x/inbox?to=ada@example.com").Body.String(); !strings.Contains(page, `data-page="/x/inbox.json?after=2&amp;to=ada%40example.com"`) {
		t.Errorf("page: %s", page)
	}
	for query, want := range map[string]int{"after=0": 2, "after=1": 1, "after=2": 0, "after=3": 2, "after=x": 2, "after=1&to=ada@example.com": 0} {
		if got := strings.Count(get(b, "/inbox.json?"+query).Body.String(), `"id"`); got != want {
			t.Errorf("%s: %d messages, want %d", query, got, want)
		}
	}
}
