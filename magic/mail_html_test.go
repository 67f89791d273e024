package magic

import (
	"html"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
)

// The HTML of a mail shows what the text shows, loads nothing, follows nobody, and escapes what others wrote.
func TestM6_HTMLMail(t *testing.T) {
	evil := `"><img src=//evil.example/x onerror=alert(1)><script>alert(1)</script>'&`
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for _, mail := range []content{
		{link: "https://auth.example.com/auth/link/callback?state=s&token=t"}, {code: "012345"},
		{link: "https://auth.example.com/auth/both/callback?state=s&token=t", code: "0123456789"},
	} {
		mail.to, mail.site, mail.life, mail.time = "ada@example.com", "auth.example.com", 10*time.Minute, noon
		mail.name, mail.device, mail.language, mail.claims = evil, postern.Phrase(evil), evil, map[string]string{evil: evil}
		m := written(mail)
		mail.name, mail.device, mail.claims = "Name", "Device", nil
		plain := written(mail)
		tags := regexp.MustCompile(`<[^>]*>`)
		if got, want := tags.FindAllString(m.HTML, -1), tags.FindAllString(plain.HTML, -1); strings.Join(got, "") != strings.Join(want, "") {
			t.Errorf("the tags change:\n%q\nwant\n%q", got, want)
		}
		if regexp.MustCompile(`(?i)<(img|script|link|iframe|object|form|input|video|audio|base)|url\(|@import|src=|background=|srcset|\son[a-z]+="`).MatchString(plain.HTML) {
			t.Errorf("it loads something:\n%s", plain.HTML)
		}
		for _, m := range regexp.MustCompile(`(?:href="|https?:)[^"<]*`).FindAllString(plain.HTML, -1) {
			if to := strings.TrimPrefix(m, `href="`); html.UnescapeString(to) != mail.link {
				t.Errorf("it leads to %s", to)
			}
		}
		visible := html.UnescapeString(tags.ReplaceAllString(regexp.MustCompile(`(?s)<head>.*</head>`).ReplaceAllString(plain.HTML, ""), " "))
		for _, want := range []string{mail.link, mail.code, "auth.example.com", "within the next 10 minutes", "If it was not you"} {
			if !strings.Contains(visible, want) || !strings.Contains(plain.Text, want) {
				t.Errorf("no %q in\n%s", want, visible)
			}
		}
	}
}
