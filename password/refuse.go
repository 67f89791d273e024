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
		return refusal(weakCode(weak.Code), weak.Error(), nil)
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

// weakCode is the stable code of a reason of the policy.
func weakCode(c policy.Code) string {
	switch c {
	case policy.TooLong:
		return "password_too_long"
	case policy.NotText:
		return "password_invalid_text"
	case policy.TooShort:
		return "password_too_short"
	case policy.Common:
		return "password_common"
	case policy.Name:
		return "password_contains_name"
	case policy.Repeated:
		return "password_repeated"
	case policy.Sequence:
		return "password_sequence"
	}
	return "password_refused"
}
