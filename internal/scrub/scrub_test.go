package scrub

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"mime/quotedprintable"
	"net/url"
	"strings"
	"testing"
)

func quotedPrintable(s string) string {
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(s)) // to memory
	_ = w.Close()
	return b.String()
}

// spellings are ways in which a mail server or client repeats a text.
func spellings() map[string]func(string) string {
	wrap := func(s string, n int) string {
		var lines []string
		for len(s) > n {
			lines, s = append(lines, s[:n]), s[n:]
		}
		return strings.Join(append(lines, s), "\r\n")
	}
	entities := func(s string) (out string) {
		for _, r := range s {
			out += fmt.Sprintf("&#%d;", r)
		}
		return out
	}
	percent := func(s string) (out string) {
		for _, c := range []byte(s) {
			out += fmt.Sprintf("%%%02x", c)
		}
		return out
	}
	return map[string]func(string) string{
		"as it is":                 func(s string) string { return s },
		"upper case":               strings.ToUpper,
		"lower case":               strings.ToLower,
		"quoted-printable":         func(s string) string { return quotedPrintable(strings.Repeat("x", 60) + " " + s) },
		"quoted-printable, quoted": func(s string) string { return fmt.Sprintf("%q", quotedPrintable(strings.Repeat("x", 60)+" "+s)) },
		"quoted-printable, all":    func(s string) string { return strings.ReplaceAll(percent(s), "%", "=") },
		"base64":                   func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"base64 of a mail": func(s string) string {
			return wrap(base64.StdEncoding.EncodeToString([]byte("Hello,\r\n\r\n"+s+"\r\n")), 76)
		},
		"base64 of a mail, shifted": func(s string) string {
			return wrap(base64.StdEncoding.EncodeToString([]byte("Hello you,\r\n"+s+"\r\n")), 76)
		},
		"base64, cut at the front": func(s string) string { return base64.StdEncoding.EncodeToString([]byte("Hello you,\r\n" + s))[3:] },
		"base64url":                func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("Hello, " + s)) },
		"base64 twice": func(s string) string {
			return base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte(s))))
		},
		"hex":                   func(s string) string { return hex.EncodeToString([]byte(s)) },
		"hex, cut at the front": func(s string) string { return hex.EncodeToString([]byte("x" + s))[1:] },
		"query escape":          url.QueryEscape,
		"every byte escaped":    percent,
		"escaped twice":         func(s string) string { return url.QueryEscape(percent(s)) },
		"HTML":                  html.EscapeString,
		"HTML entities":         entities,
		"quoted by Go":          func(s string) string { return fmt.Sprintf("%+q", "\n"+s+"\u202e") },
		"JSON escapes": func(s string) string {
			return strings.NewReplacer("&", `\u0026`, "=", `\u003D`, "@", `\u0040`, "/", `\/`).Replace(s)
		},
		"spaced":                      func(s string) string { return strings.Join(strings.Split(s, ""), " ") },
		"broken into lines":           func(s string) string { return wrap(s, 20) },
		"base64 of quoted-printable":  func(s string) string { return base64.StdEncoding.EncodeToString([]byte(quotedPrintable(s + "="))) },
		"a mail in HTML, as %q":       func(s string) string { return fmt.Sprintf("%q", `<a href="`+html.EscapeString(s)+`">`) },
		"quoted-printable, upper URL": func(s string) string { return quotedPrintable(strings.ToUpper(url.QueryEscape(s)) + "=") },
	}
}

// No spelling of a secret of a mail is left in an error, alone or in a longer text, whole or in part.
func TestL1_ErrorsOfMailHoldNoSecret(t *testing.T) {
	const (
		state = "Zk3fHq8vT1u5bXcR0aYsWd7eLmNpOiJgQwErTyUi4Ko"
		token = "AIVi5n7CNnHOjScemR2QzdxbkTgNVWdlALS2NIqKsqgahGgS4Rwo8sb1LZHyL2us"
	)
	m := Mail{To: "ada.lovelace@example.com", Code: "481516",
		Link: "https://auth.example.com/auth/both/callback?state=" + state + "&token=" + token}
	secrets := map[string]string{"address": m.To, "link": m.Link, "code": m.Code, "state": state, "token": token, "half a token": token[30:], "cut state": state[:20]}
	for spelling, spell := range spellings() {
		for name, secret := range secrets {
			if spelling == "spaced" && name == "half a token" {
				continue // covered by the whole token
			}
			for _, around := range []string{"%s", "550 5.7.1 refused: <%s> line 3", "smtp: server said %s, giving up"} {
				said := Error(fmt.Errorf(around, spell(secret)), m).Error()
				if holdsSecret(said, m) {
					t.Errorf("%s, %s: the check finds it in %q", name, spelling, said)
				}
				// Not by the code under test: what is left must not have the spelling of it.
				if flat := strings.ToLower(joined(said)); strings.Contains(flat, strings.ToLower(joined(spell(secret)))) {
					t.Errorf("%s, %s: %q", name, spelling, said)
				}
			}
		}
	}
}

// An error that repeats no secret, or only as it was sent, keeps its words; a huge one is left out.
func TestL1_ErrorsOfMailKeepTheirWords(t *testing.T) {
	m := Mail{To: "ada@example.com", Masked: "a…@example.com", Code: "481516", Link: "https://a.example/callback?state=" + strings.Repeat("s", 43) + "&token=" + strings.Repeat("t", 64)}
	for text, want := range map[string]string{
		"550 5.1.1 <ada@example.com> unknown":                 "550 5.1.1 <a…@example.com> unknown",
		"550 ADA@EXAMPLE.COM unknown":                         "550 a…@example.com unknown",
		"dial tcp 192.0.2.1:25: connect: connection refused":  "dial tcp 192.0.2.1:25: connect: connection refused",
		"454 4.7.0 try later (queue id 4F2E8C1A9B3D, 120 s)":  "454 4.7.0 try later (queue id 4F2E8C1A9B3D, 120 s)",
		"refused " + m.Link + " with 481516":                  "refused [link] with [code]",
		"x509: certificate signed by unknown authority\n\tat": "x509: certificate signed by unknown authority\n\tat",
		"the code is NDgxNTE2":                                "the text of the error (*errors.errorString) is left out, because it repeats the mail",
		strings.Repeat("a b ", 8<<10):                         "the text of the error (*errors.errorString) is left out, because it repeats the mail",
	} {
		if got := Error(errors.New(text), m).Error(); got != want {
			t.Errorf("%.60q: %q, want %q", text, got, want)
		}
	}
	if got := Error(errors.New("refused"), Mail{To: m.To}).Error(); got != "refused" {
		t.Errorf("a mail without link and code: %q", got)
	}
}

func FuzzScrub(f *testing.F) {
	f.Add("550 5.1.1 <ada@example.com> unknown")
	f.Add("=3D=\r\n%41&#65;\\u0041 YWRhQGV4YW1wbGUuY29t")
	m := Mail{To: "ada@example.com", Masked: "a…@example.com", Code: "481516", Link: "https://a.example/callback?state=Zk3fHq8vT1u5bXcR0aYsWd7eLmNpOiJgQwErTyUi4Ko&token=AIVi5n7CNnHOjScemR2Qzdxb"}
	f.Fuzz(func(t *testing.T, text string) {
		for _, secret := range []string{"", m.To, m.Code, "AIVi5n7CNnHOjScemR2Qzdxb", base64.StdEncoding.EncodeToString([]byte(m.Link))} {
			said := Error(errors.New(text+" "+secret+" "+text), m).Error()
			if secret != "" && strings.Contains(said, secret) || holdsSecret(said, m) {
				t.Fatalf("%q is left in %q", secret, said)
			}
		}
	})
}
