package postern

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/posternauth/postern/internal/httperr"
	"github.com/posternauth/postern/session"
)

// What a request may be before anything is done for it.
const (
	maxBody   = 64 << 10
	maxQuery  = 8 << 10
	maxHeader = 16 << 10
	maxPath   = 512
	maxFields = 100
)

// An exchange is what the handler remembers of one request on its way through a provider. It lives in the request's
// context, never in a Flow or a Provider: those are shared by everybody.
type exchange struct {
	ret      session.Return // asked for at authorize, or carried by the attempt
	asked    bool           // ret was set
	again    session.Return // where an error page leads that offers to start again
	attempt  *attempt       // after Resume
	finished bool           // Done was called
	reported bool           // the outcome is in the audit log
}

type exchangeKey struct{}

func exchangeOf(r *http.Request) *exchange {
	x, _ := r.Context().Value(exchangeKey{}).(*exchange)
	return x
}

// bounded refuses what is too large or ambiguous by its outside alone. It reads no body.
func bounded(r *http.Request) error {
	size := 0
	for name, values := range r.Header {
		for _, v := range values {
			size += len(name) + len(v) + 4
		}
	}
	switch {
	case size > maxHeader:
		return &Error{Status: http.StatusRequestHeaderFieldsTooLarge, Code: "request_too_large",
			Text: "The request carries too many cookies or other headers. Clearing the cookies of this site may help."}
	case len(r.URL.RawQuery) > maxQuery, len(r.URL.Path) > maxPath:
		return &Error{Status: http.StatusRequestURITooLong, Code: "request_too_large", Text: "The address is too long."}
	case r.ContentLength > maxBody:
		return errTooLarge()
	}
	return nil
}

func errTooLarge() *Error {
	return &Error{Status: http.StatusRequestEntityTooLarge, Code: "request_too_large", Text: "The request is too large."}
}

// admit reads the parameters of a request into r.Form and r.PostForm and gives it an exchange. Bodies are forms or
// JSON; JSON is left to be read, up to the same size.
func admit(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, &exchange{}))
	form, err := fields(r.URL.RawQuery, url.Values{})
	if err != nil {
		return r, err
	}
	post := url.Values{}
	if r.Method == http.MethodPost {
		body := http.MaxBytesReader(w, r.Body, maxBody)
		r.Body = body
		switch t := httperr.MediaType(r); {
		case t == "application/x-www-form-urlencoded":
			text, err := io.ReadAll(body)
			if err != nil {
				return r, err
			}
			if post, err = fields(string(text), form); err != nil {
				return r, err
			}
		case t == "application/json":
		case t == "" && r.ContentLength == 0 && len(r.Header.Values("Content-Type")) == 0:
		default:
			return r, &Error{Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type",
				Text: "Send a form (application/x-www-form-urlencoded) or JSON (application/json)."}
		}
	}
	for name, values := range post {
		form[name] = values
	}
	r.Form, r.PostForm = form, post
	return r, nil
}

// fields parses a query or a form, strictly: a parameter comes once (RFC 6749 section 3.1), in the query or in the form,
// and is text. Fields are counted before they are parsed.
func fields(raw string, others url.Values) (url.Values, error) {
	if strings.Count(raw, "&") >= maxFields {
		return nil, badRequest("invalid_request", "The request has too many parameters.")
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, badRequest("invalid_request", "The request has a parameter that is wrongly encoded.")
	}
	if len(values)+len(others) > maxFields {
		return nil, badRequest("invalid_request", "The request has too many parameters.")
	}
	for name, list := range values {
		if len(list) != 1 || others.Has(name) {
			return nil, badRequest("invalid_request", "The request has a parameter more than once.")
		}
		if !text(name) || !text(list[0]) {
			return nil, badRequest("invalid_request", "The request has a parameter with characters that are not allowed.")
		}
	}
	return values, nil
}

// text is UTF-8 without control characters: neither NUL nor a line break belongs into any parameter.
func text(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 })
}

// ours is the same-origin proof of a request that changes something: the browser says so (Sec-Fetch-Site), or names the
// origin. It decides as http.CrossOriginProtection does, but by the configured URL, scheme included, and not by Host,
// which a proxy may have rewritten. A request with neither header comes from no browser, and carries nobody's cookies.
func (a *Auth) ours(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
		origin := r.Header.Values("Origin")
		return len(origin) == 0 || len(origin) == 1 && origin[0] == a.origin
	}
	return false
}
