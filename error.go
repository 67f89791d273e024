package postern

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// An Error is a refusal that people may see. [Flow.Fail] makes a page of it, or JSON for a client that asks for it:
//
//	{"error":"invalid_state","error_description":"This sign-in was not started in this browser. ..."}
//
// Codes of this package: invalid_request, invalid_redirect_uri, invalid_state, expired_state, used_state,
// unknown_provider, cross_origin, rate_limited, temporarily_unavailable, not_found, method_not_allowed,
// unsupported_media_type, request_too_large, internal_error. Sign-in packages document theirs; Deny makes your own.
type Error struct {
	Status     int           // 4xx; 503 for what will pass. Zero: 400
	Code       string        // stable, [a-z0-9_]: programs, translations and metrics go by it
	Text       string        // for people: what happened, and what to do
	RetryAfter time.Duration // when it makes sense to come back; zero: not said
	Err        error         // for the log, never shown; it must hold no secret
}

// Error returns the code and the cause. It is for logs; people see Text.
func (e *Error) Error() string {
	if e.Err != nil {
		return "postern: " + e.Code + ": " + e.Err.Error()
	}
	return "postern: " + e.Code
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Deny is what Config.OnSuccess returns to refuse a person: a page with status 403 that shows text. code is stable and
// goes to events and JSON clients, such as "not_invited".
func Deny(code, text string) error {
	return &Error{Status: http.StatusForbidden, Code: code, Text: text}
}

func badRequest(code, text string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Text: text}
}

func unavailable(err error) *Error {
	return &Error{
		Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", RetryAfter: 5 * time.Second,
		Text: "Signing in is not possible at this moment. Please try again shortly.", Err: err,
	}
}

func internal(err error) *Error {
	return &Error{
		Status: http.StatusInternalServerError, Code: "internal_error",
		Text: "Something went wrong on our side. Please try again, and tell us the reference below if it happens again.", Err: err,
	}
}

// refusal turns any error into one that can be shown. What it does not know is a fault of the server: 500, no details.
func refusal(err error) *Error {
	var e *Error
	if errors.As(err, &e) && e != nil {
		if known := *e; known.Code != "" && known.Status == 0 {
			known.Status = http.StatusBadRequest
			return &known
		}
		if e.Code == "" || e.Status < 400 || e.Status > 599 {
			return internal(err)
		}
		return e
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, limit.ErrLimited):
		limited := &Error{
			Status: http.StatusTooManyRequests, Code: "rate_limited", RetryAfter: time.Minute, Err: err,
			Text: "That was tried too often. Please wait a while and try again.",
		}
		var detail *limit.Error
		if errors.As(err, &detail) {
			limited.RetryAfter = detail.RetryAfter
		}
		return limited
	case errors.Is(err, keys.ErrUnavailable), errors.Is(err, session.ErrUnavailable),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return unavailable(err)
	case errors.As(err, &tooLarge):
		return errTooLarge()
	case errors.Is(err, session.ErrCode): // of Kind.Code: how the application asked is no fault of the server
		return errPKCE(err)
	}
	return internal(err)
}
