// Package httperr writes the JSON in which Postern refuses a request over HTTP:
//
//	{"error":"invalid_token","error_description":"token has expired"}
//
// The codes are those of RFC 6749 section 5.2, RFC 6750 section 3.1 and RFC 9470 where they have one.
package httperr

import (
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Write answers with status and the error as JSON. The answer is never cached and never sniffed.
func Write(w http.ResponseWriter, status int, code, description string) {
	// A struct of two strings always encodes.
	body, _ := json.Marshal(struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{code, Description(description)})
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)+1))
	h.Set("X-Content-Type-Options", "nosniff")
	NoStore(h)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that is gone needs no answer
}

// Method answers with 405 and lists the allowed methods.
func Method(w http.ResponseWriter, allow ...string) {
	w.Header().Set("Allow", strings.Join(allow, ", "))
	Write(w, http.StatusMethodNotAllowed, "method_not_allowed", "use "+strings.Join(allow, " or "))
}

// Unavailable answers with 503: the request is good and can be tried again after the given time.
func Unavailable(w http.ResponseWriter, after time.Duration, description string) {
	retryAfter(w, after)
	Write(w, http.StatusServiceUnavailable, "temporarily_unavailable", description)
}

// Limited answers with 429 (RFC 6585 section 4): the client made too many requests and can try again after the given
// time.
func Limited(w http.ResponseWriter, after time.Duration, description string) {
	retryAfter(w, after)
	Write(w, http.StatusTooManyRequests, "rate_limited", description)
}

// retryAfter sets the Retry-After header in whole seconds, rounded up (RFC 9110 section 10.2.3).
func retryAfter(w http.ResponseWriter, after time.Duration) {
	seconds := max(1, int64((after+time.Second-1)/time.Second))
	w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
}

// NoStore forbids every cache to keep the answer (RFC 9111 section 5.2.2.5).
func NoStore(h http.Header) {
	h.Set("Cache-Control", "no-store")
}

// Harden sets the security headers of an answer that is not a page: no scripts, no frames, no guess of the content
// type, no Referer. https is true if the configured URL is https; browsers ignore HSTS over http.
func Harden(h http.Header, https bool) {
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	if https {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// Description keeps the characters that RFC 6749 section 5.2 allows in an error_description, and replaces others by
// '_'.
func Description(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return '_'
		}
		return r
	}, s)
}

// Quote returns s as a quoted-string (RFC 9110) for a header, with '_' for characters that are not allowed.
func Quote(s string) string { return `"` + Description(s) + `"` }

// MediaType returns the media type of the request's body in lower case, without parameters. It is empty if the header
// is missing or cannot be read.
func MediaType(r *http.Request) string {
	values := r.Header.Values("Content-Type")
	if len(values) != 1 {
		return ""
	}
	t, _, err := mime.ParseMediaType(values[0])
	if err != nil {
		return ""
	}
	return t
}
