package lambdahttp

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

// form is the shape of an answer.
type form int

const (
	joined form = iota // payload 2.0: headers of one line each, cookies
	multi              // REST, payload 1.0: multiValueHeaders
	elb                // load balancer: multiValueHeaders, or headers of one value each
	elbMulti
)

func formOf(e *wire, k Format) form {
	switch {
	case k == ALB && e.MultiHeaders != nil:
		return elbMulti
	case k == ALB:
		return elb
	case k == REST || k == HTTP1:
		return multi
	}
	return joined
}

// size is how many bytes an answer of this form may have. Lambda sends 6 MiB and load balancers take 1 MiB
// (docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html,
// …/elasticloadbalancing/latest/application/lambda-functions.html).
func (f form) size() int {
	if f == elb || f == elbMulti {
		return 1 << 20
	}
	return 6 << 20
}

// answer returns the handler's answer in the form that the sender of the event expects. The writer is finished.
func (w *writer) answer(f form, method string) []byte {
	body := w.body
	w.complete(method == http.MethodHead)
	if method == http.MethodHead {
		body = nil
	}
	// Text is sent as text, whatever its type: an encoded answer is decoded again by a REST API only if its type is
	// listed under binaryMediaTypes. What is not UTF-8 can't be JSON, and what is compressed must not be taken for
	// text.
	binary := !utf8.Valid(body) || w.encoded()

	out := make([]byte, 0, w.estimate(len(body), binary))
	out = append(out, `{"statusCode":`...)
	out = strconv.AppendInt(out, int64(w.status), 10)
	switch f {
	case elb, elbMulti:
		out = append(out, `,"statusDescription":`...)
		out = appendText(out, strings.TrimSpace(strconv.Itoa(w.status)+" "+http.StatusText(w.status)))
	}
	switch f {
	case joined:
		out = w.appendJoined(out)
	case elb:
		out = w.appendSingle(out)
	default:
		out = w.appendMulti(out)
	}
	out = append(out, `,"body":`...)
	if binary {
		out = append(out, '"')
		out = base64.StdEncoding.AppendEncode(out, body)
		out = append(out, `","isBase64Encoded":true}`...)
	} else {
		out = appendText(out, body)
		out = append(out, `,"isBase64Encoded":false}`...)
	}
	return out
}

// complete adds the headers net/http would have added, and drops those it would have dropped. The gateway writes
// Content-Length; a handler's own stays only where there is no body to count, in the answer to a HEAD.
func (w *writer) complete(head bool) {
	typed, counted := w.typed, false
	kept := w.sent[:0]
	for _, h := range w.sent {
		switch h.name {
		case "Content-Type":
			if w.status == http.StatusNotModified {
				continue
			}
			typed = true
		case "Content-Length":
			if !head || !hasBody(w.status) {
				continue
			}
			counted = true
		}
		kept = append(kept, h)
	}
	w.sent = kept
	if len(w.body) == 0 {
		return
	}
	// As with net/http, an entry without a value asks for no Content-Type at all.
	if !typed && !w.encoded() {
		w.sent = append(w.sent, field{"Content-Type", http.DetectContentType(w.body)})
	}
	if head && !counted {
		w.sent = append(w.sent, field{"Content-Length", strconv.Itoa(len(w.body))})
	}
}

// encoded reports whether the handler has compressed the body.
func (w *writer) encoded() bool {
	for _, h := range w.sent {
		if h.name == "Content-Encoding" && h.value != "" && !strings.EqualFold(h.value, "identity") {
			return true
		}
	}
	return false
}

func (w *writer) estimate(body int, binary bool) int {
	n := 128
	for _, h := range w.sent {
		n += len(h.name) + len(h.value) + 16
	}
	if binary {
		return n + base64.StdEncoding.EncodedLen(body)
	}
	return n + body + body/8
}

// groups calls do with each name and its values. The fields are sorted.
func (w *writer) groups(do func(name string, values fields)) {
	for i := 0; i < len(w.sent); {
		j := i + 1
		for j < len(w.sent) && w.sent[j].name == w.sent[i].name {
			j++
		}
		do(w.sent[i].name, w.sent[i:j])
		i = j
	}
}

// appendJoined writes headers and cookies of payload 2.0, where each header has one line.
func (w *writer) appendJoined(out []byte) []byte {
	var cookies fields
	out = append(out, `,"headers":{`...)
	comma := ""
	w.groups(func(name string, values fields) {
		if name == "Set-Cookie" {
			cookies = values
			return
		}
		out = append(out, comma...)
		comma = ","
		out = appendLine(out, name, values)
	})
	out = append(out, '}')
	if len(cookies) > 0 {
		out = append(out, `,"cookies":`...)
		out = appendList(out, cookies)
	}
	return out
}

func (w *writer) appendMulti(out []byte) []byte {
	out = append(out, `,"multiValueHeaders":{`...)
	comma := ""
	w.groups(func(name string, values fields) {
		out = append(out, comma...)
		comma = ","
		out = appendText(out, name)
		out = append(out, ':')
		out = appendList(out, values)
	})
	return append(out, '}')
}

// appendSingle writes the headers for a load balancer that takes one value of a name. Names that differ in letter case
// are different names to it and the same name to a browser, so several cookies get through. AWS does not document that,
// but adapters in other languages have relied on it for years. The function logs a warning.
func (w *writer) appendSingle(out []byte) []byte {
	out = append(out, `,"headers":{`...)
	comma := ""
	w.groups(func(name string, values fields) {
		if name != "Set-Cookie" {
			out = append(out, comma...)
			comma = ","
			out = appendLine(out, name, values)
			return
		}
		for i := range values {
			out = append(out, comma...)
			comma = ","
			out = appendLine(out, spelling(i), values[i:i+1])
		}
	})
	return append(out, '}')
}

// spellings is how many ways there are to write Set-Cookie.
const spellings = 1 << 9

// spelling returns the i-th way to write Set-Cookie: each bit of i turns the case of one letter.
func spelling(i int) string {
	name := []byte("Set-Cookie")
	for j := range name {
		if name[j] == '-' {
			continue
		}
		if i&1 == 1 {
			name[j] ^= 0x20
		}
		i >>= 1
	}
	return string(name)
}

// cookies counts the Set-Cookie lines.
func (w *writer) cookies() (n int) {
	for _, h := range w.sent {
		if h.name == "Set-Cookie" {
			n++
		}
	}
	return n
}

// appendLine writes one header, its values as one line (RFC 9110 section 5.3).
func appendLine(out []byte, name string, values fields) []byte {
	out = appendText(out, name)
	out = append(out, `:"`...)
	for i, v := range values {
		if i > 0 {
			out = append(out, ", "...)
		}
		out = appendEscaped(out, v.value)
	}
	return append(out, '"')
}

func appendList(out []byte, values fields) []byte {
	out = append(out, '[')
	for i, v := range values {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendText(out, v.value)
	}
	return append(out, ']')
}

// appendText writes a JSON string.
func appendText[T string | []byte](out []byte, s T) []byte {
	out = append(out, '"')
	out = appendEscaped(out, s)
	return append(out, '"')
}

// appendEscaped writes s, which is UTF-8, as the inside of a JSON string.
func appendEscaped[T string | []byte](out []byte, s T) []byte {
	const hex = "0123456789abcdef"
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		out = append(out, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\n':
			out = append(out, '\\', 'n')
		case '\r':
			out = append(out, '\\', 'r')
		case '\t':
			out = append(out, '\\', 't')
		default:
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(out, s[start:]...)
}
