package lambdahttp

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/posternauth/postern/internal/text"
)

var (
	errFinished = errors.New("lambdahttp: write after the handler has returned: the answer has been sent")
	errTooLarge = errors.New("lambdahttp: the answer is larger than Lambda can send")
)

// writer is the ResponseWriter: it keeps the answer until the handler has returned. Its methods may be called from
// several goroutines, and after the end, when they do nothing.
type writer struct {
	limit int // bytes of a body

	mu       sync.Mutex
	header   http.Header
	sent     fields // the header as it stood at WriteHeader
	typed    bool   // whether it said anything of Content-Type then
	status   int    // 0 until then
	body     []byte
	tooLarge bool
	done     bool
}

func newWriter(limit int) *writer { return &writer{limit: limit, header: make(http.Header, 8)} }

// Header returns the header to send. Changes after WriteHeader or the first Write have no effect; there are no
// trailers.
func (w *writer) Header() http.Header {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done {
		return http.Header{}
	}
	return w.header
}

// WriteHeader sets the status; the first one counts. Informational ones (1xx) can't be sent and are ignored.
func (w *writer) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %v", status)) // as net/http
	}
	if status == http.StatusSwitchingProtocols {
		panic("lambdahttp: WriteHeader(101): no connection can be taken over on Lambda")
	}
	if status < 200 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begin(status)
}

// begin fixes status and header. The lock is held.
func (w *writer) begin(status int) {
	if w.status != 0 {
		return
	}
	w.status = status
	n := 0
	for _, values := range w.header {
		n += len(values)
	}
	w.sent = make(fields, 0, n+2)
	_, w.typed = w.header["Content-Type"]
	for name, values := range w.header {
		if !text.Token(name) {
			continue
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		if hopByHop(name) {
			continue
		}
		for _, v := range values {
			w.sent = append(w.sent, field{name, clean(v)})
		}
	}
	slices.SortStableFunc(w.sent, func(a, b field) int { return strings.Compare(a.name, b.name) })
}

// hopByHop reports whether a header is about a connection (RFC 9110 section 7.6.1), and there is none. API Gateway
// refuses some of them.
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// clean makes a header value one line, as net/http does: a line break in it must not begin another header. JSON must be
// UTF-8.
func clean(v string) string {
	if !isValue(v) || !utf8.ValidString(v) {
		v = strings.Map(func(c rune) rune {
			if c < ' ' && c != '\t' || c == 0x7f {
				return ' '
			}
			return c
		}, v)
	}
	return strings.Trim(v, " \t")
}

// Write adds to the body.
func (w *writer) Write(p []byte) (int, error) { return write(w, p) }

// WriteString is Write without a copy of s.
func (w *writer) WriteString(s string) (int, error) { return write(w, s) }

func write[T string | []byte](w *writer, p T) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done {
		return 0, errFinished
	}
	w.begin(http.StatusOK)
	switch {
	case !hasBody(w.status):
		return 0, http.ErrBodyNotAllowed
	case len(w.body)+len(p) > w.limit:
		w.tooLarge = true
		return 0, errTooLarge
	}
	w.body = append(w.body, p...)
	return len(p), nil
}

// Flush implements http.Flusher. Nothing leaves before the handler returns; it only fixes the header, as it does
// elsewhere.
func (w *writer) Flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begin(http.StatusOK)
}

// finish ends the answer. What a goroutine of the handler writes later is refused.
func (w *writer) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begin(http.StatusOK)
	w.done = true
}

// hasBody reports whether an answer of this status may have a body (RFC 9110 section 6.4.1).
func hasBody(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}
