// Package httperr writes the one shape in which Postern refuses a request over HTTP:
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
	// Two strings in a struct cannot fail to encode.
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
	_, _ = w.Write(append(body, '\n')) // a client that has gone needs no answer
}

// Method answers 405 and names the methods that are served.
func Method(w http.ResponseWriter, allow ...string) {
	w.Header().Set("Allow", strings.Join(allow, ", "))
	Write(w, http.StatusMethodNotAllowed, "method_not_allowed", "use "+strings.Join(allow, " or "))
}

// Unavailable answers 503: nothing is wrong with the request, try again after the given time.
func Unavailable(w http.ResponseWriter, after time.Duration, description string) {
	seconds := max(1, int64((after+time.Second-1)/time.Second))
	w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
	Write(w, http.StatusServiceUnavailable, "temporarily_unavailable", description)
}

// NoStore marks an answer that no cache may keep (RFC 9111 section 5.2.2.5).
func NoStore(h http.Header) {
	h.Set("Cache-Control", "no-store")
}

// Harden sets what a browser should know about an answer that is no page: run nothing, frame nothing, guess nothing,
// tell no one where you came from. https says whether the configured URL is https; browsers ignore HSTS elsewhere.
func Harden(h http.Header, https bool) {
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	if https {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// Description keeps the characters RFC 6749 section 5.2 allows in an error_description and turns the others into '_'.
func Description(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return '_'
		}
		return r
	}, s)
}

// Quote makes an RFC 9110 quoted-string of s for a header; what cannot stand in one becomes '_'.
func Quote(s string) string { return `"` + Description(s) + `"` }

// MediaType returns the media type of the request's body in lower case, without parameters: empty if there is none or
// it cannot be read.
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
