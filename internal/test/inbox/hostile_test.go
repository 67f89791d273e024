package inbox_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/inbox"
)

// large is nearly the most that a mail may have.
const large = 4<<20 - 4<<10

// TestHostileMail_LinearTime: an HTML mail of 4 MiB is read in about the time that a plain one takes, also if it is
// written to make a scanner look at the same text again and again.
func TestHostileMail_LinearTime(t *testing.T) {
	box, addr, _ := serveSMTP(t)
	took := func(mail string) time.Duration {
		t.Helper()
		began := time.Now()
		if err := smtp.SendMail(addr, nil, "", []string{"ada@example.com"}, []byte(mail)); err != nil {
			t.Fatal(err)
		}
		return time.Since(began)
	}
	fill := func(text string) string { return strings.Repeat(text, large/len(text)) }
	plain := took("Content-Type: text/plain\r\n\r\n" + fill("Some words of a mail that is plain.\r\n"))
	for name, mail := range map[string]string{
		"scripts without an end":  fill("<script>"),
		"ends of another element": "<style>" + fill("</script>"),
		"tags without an end":     fill("<"),
		"comments":                fill("<!--"),
		"short comments":          fill("<!---->"),
		"entities":                fill("&amp"),
		"styles":                  fill("<style>x</style>"),
	} {
		if d := took("Content-Type: text/html\r\n\r\n" + mail); d > 10*plain+time.Second {
			t.Errorf("%s: %v, a plain mail took %v", name, d, plain)
		}
	}
	if d := took("Subject: " + fill("=?x?q?=") + "?=\r\n\r\nx"); d > 10*plain+time.Second {
		t.Errorf("words of a header: %v, a plain mail took %v", d, plain)
	}
	if len(box.Messages("")) == 0 {
		t.Error("nothing arrived")
	}
}

// TestHostileMail_TextOfHTML: codes and links are found in what a person sees of a page, and the page can be damaged.
func TestHostileMail_TextOfHTML(t *testing.T) {
	box, addr, _ := serveSMTP(t)
	for name, tc := range map[string]struct{ page, code string }{
		"style":                 {"<STYLE a=b>\n111111\n</STYLE >222222", "222222"},
		"script within":         {"<script>'</scripts>' 111111 </script>222222", "222222"},
		"no end":                {"<p>222222</p><script>\n111111", "222222"},
		"a tag of another name": {"<styles>222222", "222222"},
		"comment":               {"<!-- <b> 111111 --> 222222", "222222"},
		"comment without end":   {"222222 <!--\n111111", "222222"},
		"no end of a tag":       {"1 <2 222222", "222222"},
		"attribute":             {"<p id=111111>222222</p", "222222"},
		"entities":              {"&#50;22222", "222222"},
	} {
		if err := smtp.SendMail(addr, nil, "", []string{name}, []byte("Content-Type: text/html\r\n\r\n"+tc.page)); err != nil {
			t.Fatal(err)
		}
		if m := box.Messages(name)[0]; m.Code != tc.code {
			t.Errorf("%s: code %q", name, m.Code)
		}
	}
}

// TestHostileMail_SmallAnswers: one mail of 4 MiB to 100 recipients, twice, does not make the list or its JSON large.
// The newest messages stay, and what a person clicks and types is found also behind the part that is kept.
func TestHostileMail_SmallAnswers(t *testing.T) {
	box, addr, _ := serveSMTP(t)
	var to []string
	for i := range 100 {
		to = append(to, fmt.Sprintf("r%d@example.com", i))
	}
	half := strings.Repeat("é words\r\n", large/2/10)
	mail := "Subject: " + strings.Repeat("s", 64<<10) + "\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n" + half +
		base + "/x\r\n123456\r\n--b\r\nContent-Type: text/html\r\n\r\n" + half + "\r\n--b--\r\n"
	for range 2 {
		if err := smtp.SendMail(addr, nil, "", to, []byte(mail)); err != nil {
			t.Fatal(err)
		}
	}
	all := box.Messages("")
	if len(all) < 10 || all[0].To != "r99@example.com" || all[0].ID != 200 {
		t.Fatalf("%d messages", len(all))
	}
	if m := all[0]; m.Link != base+"/x" || m.Code != "123456" || !strings.HasSuffix(m.Text, "…") || !strings.HasPrefix(m.HTML, "é words") {
		t.Errorf("link %q, code %q, %d bytes of text", m.Link, m.Code, len(m.Text))
	}
	for _, target := range []string{"/inbox", "/inbox.json"} {
		if n := get(box, target).Body.Len(); n > 6<<20 {
			t.Errorf("%s is %d bytes", target, n)
		}
	}
	var got []inbox.Message
	if err := json.Unmarshal(get(box, "/inbox.json?to=r99@example.com").Body.Bytes(), &got); err != nil || len(got) == 0 {
		t.Errorf("%d messages: %v", len(got), err)
	}
	// A program that adds messages itself is bounded too, and one message that is small pushes out no other.
	before := len(box.Messages(""))
	box.Add(inbox.Message{Subject: "small"})
	if after := box.Messages(""); len(after) < before || after[0].Subject != "small" {
		t.Errorf("%d messages, then %d", before, len(after))
	}
	box.Add(inbox.Message{Text: strings.Repeat("x", large), HTML: strings.Repeat("x", large), Link: "https://example.com/" + strings.Repeat("x", large)})
	if m := box.Messages("")[0]; len(m.Text) > 16<<10 || len(m.HTML) > 128<<10 || m.Link != "" {
		t.Errorf("%d bytes of text, %d of HTML, %d of a link", len(m.Text), len(m.HTML), len(m.Link))
	}
}

// TestHostileMail_LinkBelowBase: the link to click is one of the program's origin and path, not one that begins alike.
func TestHostileMail_LinkBelowBase(t *testing.T) {
	for _, tc := range []struct {
		base, link string
		below      bool
	}{
		{"http://localhost:18080", "http://localhost:18080.evil.com/x", false},
		{"http://localhost:18080", "http://localhost:180801/x", false},
		{"http://localhost:18080", "http://localhost:18080@evil.com/x", false},
		{"http://localhost:18080", "http://a@localhost:18080/x", false},
		{"http://localhost:18080", `http://localhost:18080\.evil.com/x`, false},
		{"http://localhost:18080", "https://localhost:18080/x", false},
		{"http://localhost:18080", "http://LOCALHOST:18080/x", true},
		{"http://localhost:18080", "http://localhost:18080?x=1", true},
		{"http://localhost:18080/", "http://localhost:18080/x", true},
		{"http://localhost", "http://localhost.evil.com/x", false},
		{"http://localhost", "http://localhost:80/x", true},
		{"https://localhost:443", "https://localhost/x", true},
		{"http://localhost:8080/auth", "http://localhost:8080/authority", false},
		{"http://localhost:8080/auth", "http://localhost:8080/auth/../evil", false},
		{"http://localhost:8080/auth", "http://localhost:8080/auth/%2e%2e/evil", false},
		{"http://localhost:8080/auth", "http://localhost:8080/auth", true},
		{"http://localhost:8080/auth", "http://localhost:8080/auth?token=1", true},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		box := inbox.New()
		go func() { _ = (&inbox.SMTP{Inbox: box, Base: tc.base}).Serve(t.Context(), l) }()
		// The link in question, and one that is below base for sure.
		sure := strings.TrimRight(tc.base, "/") + "/sure"
		if err := smtp.SendMail(l.Addr().String(), nil, "", []string{"a"}, []byte("Subject: x\r\n\r\n"+tc.link+" "+sure+"\r\n")); err != nil {
			t.Fatal(err)
		}
		want := sure
		if tc.below {
			want = tc.link
		}
		if got := box.Messages("")[0].Link; got != want {
			t.Errorf("below %s: %s, want %s", tc.base, got, want)
		}
	}
}

// TestSMTP_EndDoesNotWaitForAMessage: a message that is still being read does not keep the server from its end.
func TestSMTP_EndDoesNotWaitForAMessage(t *testing.T) {
	reading, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	box, addr, stop := serveSMTPAt(t, func() time.Time {
		close(reading)
		<-release
		return time.Unix(1e9, 0)
	})
	sent := make(chan error, 1)
	go func() { sent <- smtp.SendMail(addr, nil, "", []string{"a"}, []byte("Subject: x\r\n\r\nx")) }()
	<-reading
	stop()
	if err := <-sent; err == nil || len(box.Messages("")) != 0 {
		t.Errorf("the message was taken: %v", err)
	}
}
