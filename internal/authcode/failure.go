package authcode

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/fetch"
)

// The refusals of this flow. The text is for the person and has the next step; the cause is for the log and contains no
// secret.

// Unavailable is the error for a provider that does not answer now.
func Unavailable(cause error) *postern.Error {
	return &postern.Error{Status: http.StatusServiceUnavailable, Code: "provider_unavailable", RetryAfter: 10 * time.Second, Err: cause,
		Text: "The service you chose does not answer at this moment. Please try again shortly, or choose another way to sign in."}
}

// Broken is the error for a provider whose answer cannot be used, or that refuses this application.
func Broken(cause error) *postern.Error {
	return &postern.Error{Status: http.StatusBadGateway, Code: "provider_error", Err: cause,
		Text: "The service you chose gave an answer that cannot be used. Please try again, or choose another way to sign in."}
}

func malformed(cause error) *postern.Error {
	return &postern.Error{Status: http.StatusBadRequest, Code: "invalid_request", Err: cause,
		Text: "This is not an answer of the service you chose. Please start again."}
}

// call classifies an error of package fetch.
func call(what string, err error) *postern.Error {
	err = fmt.Errorf("%s: %w", what, err)
	if errors.Is(err, fetch.ErrRefused) {
		return Broken(err)
	}
	return Unavailable(err)
}

// Status classifies an answer of a provider that is not 200.
func Status(what string, status int) *postern.Error {
	err := fmt.Errorf("%s: status %d", what, status)
	if status >= 500 || status == http.StatusTooManyRequests {
		return Unavailable(err)
	}
	return Broken(err)
}

// maxLabel and maxWords are the largest sizes of texts of a provider in a log.
const (
	maxLabel = 64
	maxWords = 200
)

// Label returns a short word of a provider, such as an error code or the name of an algorithm, in a form safe for a
// log.
func Label(word string) string {
	if len(word) > maxLabel || strings.ContainsFunc(word, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.'
	}) {
		return "(unprintable)"
	}
	return word
}

// quote returns a sentence of a provider in a form safe for a log: in quotes, in ASCII, of limited length. A sentence
// that repeats one of the secrets, plain or form-encoded, is left out.
func quote(words string, secrets ...string) string {
	if words == "" {
		return ""
	}
	for _, s := range secrets {
		if s != "" && (strings.Contains(words, s) || strings.Contains(words, url.QueryEscape(s))) {
			return "(left out: it repeats a secret)"
		}
	}
	words = strings.TrimSpace(strings.ToValidUTF8(words, "\ufffd"))
	if len(words) > maxWords {
		words = strings.ToValidUTF8(words[:maxWords], "") + "..."
	}
	return strconv.QuoteToASCII(words)
}

// saidBy joins the error code of a provider and its description, which is already quoted.
func saidBy(code, words string) string {
	said := strconv.Quote(Label(code))
	if words != "" {
		said += ": " + words
	}
	switch code {
	case "use_dpop_nonce", "invalid_dpop_proof":
		said += " (the provider wants DPoP, RFC 9449, which is not supported)"
	}
	return said
}

// asError returns err as an error for a page.
func asError(err error) error {
	var e *postern.Error
	switch {
	case errors.As(err, &e):
		return err
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return Unavailable(err)
	}
	return Broken(err)
}
