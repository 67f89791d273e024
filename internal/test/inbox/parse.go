package inbox

import (
	"bytes"
	"encoding/base64"
	"html"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"regexp"
	"strings"
)

// maxDepth is how deep multiparts may be nested. Those of real mail are two or three.
const maxDepth = 5

// parseMail reads a message as it was sent (RFC 5322 and MIME). One that cannot be read is shown as it is: that is what
// its author wants to see.
func parseMail(raw []byte, base string) Message {
	parsed, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		m := Message{Subject: "(a message that cannot be read: " + err.Error() + ")", Text: valid(raw)}
		m.bound()
		return m
	}
	m := Message{From: header(parsed.Header.Get("From")), Subject: header(parsed.Header.Get("Subject"))}
	m.addPart(parsed.Header.Get("Content-Type"), parsed.Header.Get("Content-Transfer-Encoding"), parsed.Body, maxDepth)
	text := m.Text
	if strings.TrimSpace(text) == "" {
		text = plain(m.HTML)
	}
	m.Link, m.Code = findLink(text, base), findCode(text)
	if m.Link == "" {
		m.Link = findLink(html.UnescapeString(m.HTML), base)
	}
	m.bound() // here, so that the messages to many recipients share one copy
	return m
}

// header decodes the words of a header (RFC 2047). It is cut first: the decoder takes quadratic time for some headers.
func header(value string) string {
	value = cut(value, maxHeader)
	if decoded, err := new(mime.WordDecoder).DecodeHeader(value); err == nil {
		return decoded
	}
	return value
}

// addPart keeps the first text and the first HTML of a message, as mail programs do.
func (m *Message) addPart(contentType, encoding string, body io.Reader, depth int) {
	kind, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind = "text/plain" // RFC 2045 section 5.2
	}
	if strings.HasPrefix(kind, "multipart/") && depth > 0 {
		parts := multipart.NewReader(body, parameters["boundary"])
		for {
			part, err := parts.NextRawPart()
			if err != nil {
				return
			}
			m.addPart(part.Header.Get("Content-Type"), part.Header.Get("Content-Transfer-Encoding"), part, depth-1)
		}
	}
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	text, _ := io.ReadAll(body) // what can be read of a part is shown
	switch {
	case kind == "text/html" && m.HTML == "":
		m.HTML = valid(text)
	case strings.HasPrefix(kind, "text/") && kind != "text/html" && m.Text == "":
		m.Text = valid(text)
	}
}

// valid makes text of bytes: UTF-8, which every charset of today is.
func valid(text []byte) string {
	return strings.ReplaceAll(strings.ToValidUTF8(string(text), "\uFFFD"), "\r\n", "\n")
}

var (
	address  = regexp.MustCompile(`https?://[^\s<>"']+`)
	codeLine = regexp.MustCompile(`(?m)^[ \t]*(\d{6}|\d{8}|\d{10}|\d{3} \d{3}|\d{4} \d{4}|\d{5} \d{5})[ \t]*$`)
	codeWord = regexp.MustCompile(`\b(\d{6}|\d{10})\b`)
)

// findCode returns a code: digits alone on a line, in one group or two, or else the first that are a word and no part
// of a link.
func findCode(text string) string {
	text = address.ReplaceAllString(text, "")
	for _, form := range []*regexp.Regexp{codeLine, codeWord} {
		if found := form.FindStringSubmatch(text); found != nil {
			return strings.ReplaceAll(found[1], " ", "")
		}
	}
	return ""
}
