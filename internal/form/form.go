// Package form reads the parameters of a query or of a form body, strictly: each comes once, and each is text.
package form

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/posternauth/postern/internal/text"
)

// The bounds of what is read.
const (
	MaxBody   = 64 << 10 // bytes of a body
	MaxFields = 100      // parameters
)

// What can be wrong with parameters. The texts fit an answer to the client.
var (
	ErrTooMany  = errors.New("more than 100 parameters")
	ErrEncoding = errors.New("a parameter is wrongly encoded")
	ErrTwice    = errors.New("a parameter is given more than once")
	ErrText     = errors.New("a parameter has characters that are not allowed")
)

// Parse reads a query or a form body. No parameter comes twice, also not once here and once in others, which may be nil
// (RFC 6749 sections 3.1 and 3.2). Names and values are UTF-8 without control characters. Parameters are counted before
// they are decoded.
func Parse(raw string, others url.Values) (url.Values, error) {
	if strings.Count(raw, "&") >= MaxFields {
		return nil, ErrTooMany
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, ErrEncoding // err would repeat a part of the input
	}
	if len(values)+len(others) > MaxFields {
		return nil, ErrTooMany
	}
	for name, list := range values {
		if len(list) != 1 || others.Has(name) {
			return nil, ErrTwice
		}
		if !isText(name) || !isText(list[0]) {
			return nil, ErrText
		}
	}
	return values, nil
}

func isText(s string) bool { return utf8.ValidString(s) && !text.HasControl(s) }

// Read reads the body of r and parses it. The error is one of this package, a *http.MaxBytesError if the body is larger
// than MaxBody, or that of a body which could not be read to its end.
func Read(w http.ResponseWriter, r *http.Request, others url.Values) (url.Values, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		return nil, err
	}
	return Parse(string(body), others)
}
