package password

import (
	"errors"
	"net/http"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/password/policy"
)

func refusal(code, text string, err error) *postern.Error {
	return &postern.Error{Status: http.StatusBadRequest, Code: code, Text: text, Err: err}
}

// general is the refusal for an error of a limit, of the policy, of the queue of hashes, or of a store or keys that do
// not answer.
func general(err error) *postern.Error {
	var refused *postern.Error
	var limited *limit.Error
	var full *hash.BusyError
	var weak *policy.Error
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.As(err, &weak):
		return refuseWeak(weak)
	case errors.As(err, &full):
		return busy(full)
	case errors.As(err, &limited):
		return &postern.Error{Status: http.StatusTooManyRequests, Code: "rate_limited", RetryAfter: limited.RetryAfter, Err: err,
			Text: "That was tried too often. Please wait a while and try again."}
	case errors.Is(err, limit.ErrLimited):
		return &postern.Error{Status: http.StatusTooManyRequests, Code: "rate_limited", RetryAfter: time.Second, Err: err,
			Text: "That was tried too often at once. Please try again."}
	}
	return &postern.Error{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", RetryAfter: 5 * time.Second, Err: err,
		Text: "This is not possible at this moment. Please try again shortly."}
}

// refuseWeak is the refusal for a password that the policy refuses.
func refuseWeak(e *policy.Error) *postern.Error {
	switch e.Code {
	case policy.TooLong:
		r := refusal("password_too_long", "This password is longer than {max} bytes. Choose a shorter one.", nil)
		r.Args = map[string]any{"max": policy.MaxBytes}
		return r
	case policy.NotText:
		return refusal("password_invalid_text", "This password is not valid text. Type it again.", nil)
	case policy.TooShort:
		r := refusal("password_too_short", "A password needs at least {min} characters. A few words in a row are easy to remember.", nil)
		r.Args = map[string]any{"min": e.Min}
		return r
	case policy.Common:
		return refusal("password_common", "Many people use this password, so it is tried first. Choose another one.", nil)
	case policy.Name:
		return refusal("password_contains_name", "This password is a name that others can guess. Choose another one.", nil)
	case policy.Repeated:
		return refusal("password_repeated", "This password repeats a short piece. Choose another one.", nil)
	case policy.Sequence:
		return refusal("password_sequence", "This password follows the keyboard or the alphabet. Choose another one.", nil)
	}
	return refusal("password_refused", "This password cannot be used. Choose another one.", nil)
}
