// Package scrub takes the secrets of a mail out of the error that sending it returned.
package scrub

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// A Mail is what must not be in a log, and Masked is what stands there in place of To.
type Mail struct{ To, Masked, Link, Code string }

// Error returns an error of sending m without what belongs into no log. Mail servers and clients repeat the message in
// their answers: the address, the link, the code. What stands there as it was sent is replaced. If a secret is still in
// the text in another spelling (letter case, quoted-printable, base64, hex, escapes of URLs, HTML or Go), or in part,
// the text is left out.
func Error(err error, m Mail) error {
	text := err.Error()
	for _, pair := range [][2]string{{m.Link, "[link]"}, {m.Code, "[code]"}, {m.To, m.Masked}} {
		text = replaceFold(text, pair[0], pair[1])
	}
	for _, secret := range secretsOf(m) {
		text = replaceFold(text, secret, "[secret]")
	}
	if holdsSecret(text, m) {
		return fmt.Errorf("the text of the error (%T) is left out, because it repeats the mail", err)
	}
	return errors.New(text)
}

// secretsOf are the parts of a mail, besides its address and code, that open something.
func secretsOf(m Mail) (secrets []string) {
	u, err := url.Parse(m.Link)
	if err != nil {
		return nil
	}
	for _, name := range []string{"token", "state"} {
		if v := u.Query().Get(name); v != "" {
			secrets = append(secrets, v)
		}
	}
	return secrets
}

func replaceFold(text, old, with string) string {
	if old == "" {
		return text
	}
	return regexp.MustCompile(`(?i)`+regexp.QuoteMeta(old)).ReplaceAllLiteralString(text, with)
}

const (
	maxErrorText = 8 << 10   // bytes; a longer text is left out
	maxReadings  = 128 << 10 // bytes of all ways to read a text; one with more is left out
)

// partLen is how many characters of a token or state in a row count as a secret: a line that was cut shows a part.
const partLen = 12

// holdsSecret reports whether a secret of the mail can be read out of the text, through up to three layers of encoding.
func holdsSecret(text string, m Mail) bool {
	if len(text) > maxErrorText {
		return true
	}
	views, size := []string{text}, 0
	for range 4 {
		var next []string
		for _, view := range views {
			if shows(view, m) {
				return true
			}
			for _, reading := range decodings(view) {
				if size += len(reading) + 16; size > maxReadings {
					return true
				}
				next = append(next, reading)
			}
		}
		views = next
	}
	return false
}

// shows reports whether the text has a secret in it, in any letter case and with white space anywhere.
func shows(text string, m Mail) bool {
	lower := strings.ToLower(joined(text))
	if strings.Contains(lower, strings.ToLower(m.To)) {
		return true
	}
	for _, secret := range secretsOf(m) {
		secret = strings.ToLower(secret)
		for i := 0; i+partLen <= len(secret); i++ {
			if strings.Contains(lower, secret[i:i+partLen]) {
				return true
			}
		}
	}
	return m.Code != "" && strings.Contains(strings.NewReplacer("-", "", ".", "", "\u00a0", "").Replace(lower), m.Code)
}

// decodings are the text as it reads if it was encoded in each of several ways; none that leave it as it is.
func decodings(text string) (all []string) {
	add := func(s string) {
		if s != text && s != "" {
			all = append(all, s)
		}
	}
	add(html.UnescapeString(text))
	add(decodeRuns(text, `(?i)%[0-9a-f]{2}`, func(s string) string { return unhex(s[1:]) }))
	add(decodeRuns(withoutSoftBreaks(text), `(?i)=[0-9a-f]{2}`, func(s string) string { return unhex(s[1:]) }))
	add(decodeRuns(text, `(?i)\\(x[0-9a-f]{2}|u[0-9a-f]{4}|[0-7]{3}|["\\/nrt])`, func(s string) string {
		if strings.ToLower(s[:2]) == `\u` {
			n, _ := strconv.ParseUint(s[2:], 16, 32) // four hex digits always parse
			return string(rune(n))
		}
		out, err := strconv.Unquote(`"` + strings.Replace(strings.ToLower(s), `\/`, `/`, 1) + `"`)
		if err != nil {
			return s
		}
		return out
	}))
	// Base64 and hex are long runs of their characters; a run that was cut begins anywhere in a group.
	flat := joined(text)
	for _, run := range regexp.MustCompile(`[A-Za-z0-9+/_-]{8,}`).FindAllString(flat, -1) {
		run = strings.NewReplacer("-", "+", "_", "/").Replace(run)
		for cut := range 4 {
			part := run[cut:]
			if len(part)%4 == 1 { // no encoding ends so
				part = part[:len(part)-1]
			}
			raw, _ := base64.RawStdEncoding.DecodeString(part) // all of it is of the alphabet
			add(string(raw))
		}
	}
	for _, run := range regexp.MustCompile(`[0-9A-Fa-f]{12,}`).FindAllString(flat, -1) {
		for cut := range 2 {
			raw, _ := hex.DecodeString(run[cut : cut+(len(run)-cut)/2*2])
			add(string(raw))
		}
	}
	return all
}

func decodeRuns(text, pattern string, decode func(string) string) string {
	return regexp.MustCompile(pattern).ReplaceAllStringFunc(text, decode)
}

func unhex(s string) string {
	raw, err := hex.DecodeString(s)
	if err != nil {
		return s
	}
	return string(raw)
}

// joined returns the text without white space: encodings break lines anywhere.
func joined(text string) string {
	return strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "").Replace(text)
}

// withoutSoftBreaks undoes the line breaks of quoted-printable (RFC 2045 section 6.7), also as %q writes them.
func withoutSoftBreaks(text string) string {
	return strings.NewReplacer("=\r\n", "", "=\n", "", `=\r\n`, "", `=\n`, "").Replace(text)
}
