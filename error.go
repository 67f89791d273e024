package postern

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// An Error is a refusal that people may see. [Flow.Fail] answers with a page, or with JSON if the client asks for it:
//
//	{"error":"invalid_state","error_description":"This sign-in is finished already, ..."}
//
// Codes of this package: invalid_request, invalid_redirect_uri, invalid_client, pkce_required, invalid_state,
// expired_state, used_state, invalid_ticket, unknown_provider, navigation_required, wrong_host, cross_origin,
// rate_limited, temporarily_unavailable, not_found, method_not_allowed, unsupported_media_type, request_too_large,
// internal_error; and with Config.Session: sign_up_closed, no_account, account_exists, account_disabled,
// account_frozen, address_taken, too_many, username_taken, identity_taken, invalid_address, invalid_username,
// missing_field, invalid_field, wrong_code, expired_code, invalid_invitation, not_signed_in,
// insufficient_user_authentication, no_proof, no_auth_time, too_old, other_person, other_session, unknown_member,
// invalid_cursor, confirm_required.
// users.Directory documents the codes of the administration in docs/administration.md.
// Sign-in packages document their own codes. [Deny] takes a code of your application.
type Error struct {
	Status     int            // 4xx, or 503 for a fault that passes; zero: 400
	Code       string         // stable, [a-z0-9_]: for programs, translations and metrics
	Text       string         // for people: what happened, and what to do next; a template, see Page
	Args       map[string]any // the values in Text, as Page.Args
	RetryAfter time.Duration  // of the Retry-After header; zero: no such header
	Err        error          // the cause, for the log; never shown, must hold no secret

	// Finished reports that the link, code or attempt was used before, so that the person may be signed in already. A
	// person who is signed in then goes on to where sign-ins lead, instead of seeing a page.
	//
	// Defaults to false.
	Finished bool

	onward string // a person who is signed in goes there instead of seeing a page
	stepUp string // the page where a person gives the proof that is missing
}

// Error returns the code and the cause, for logs. People see Text.
func (e *Error) Error() string {
	if e.Err != nil {
		return "postern: " + e.Code + ": " + e.Err.Error()
	}
	return "postern: " + e.Code
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Deny returns an error for Config.OnSuccess, to refuse a person. The answer is a page with status 403 that shows text.
// Events and JSON clients get code, such as "not_invited".
func Deny(code, text string) error {
	return &Error{Status: http.StatusForbidden, Code: code, Text: text}
}

func badRequest(code, text string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Text: text}
}

// with returns a copy of the refusal with a value of its text.
func (e *Error) with(name string, value any) *Error {
	c := *e
	c.Args = pen{args: e.Args}.with(map[string]any{name: value}).args
	return &c
}

func unavailable(err error) *Error {
	e := &Error{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Err: err}
	switch { // keys and stores of one process: no later request does better
	case errors.Is(err, keys.ErrLocal):
		e.Text = "Sign-in is not available: the keys of this program are kept in one process, and this platform starts many. " +
			"The program needs keys that all of them share."
	case errors.Is(err, store.ErrLocal):
		e.Text = "Sign-in is not available: the data of this program are kept in one process, and this platform starts many. " +
			"The program needs a store that all of them share."
	default:
		e.RetryAfter = 5 * time.Second
		e.Text = "Sign-in is not available at this moment. Please try again shortly."
	}
	return e
}

func internal(err error) *Error {
	return &Error{
		Status: http.StatusInternalServerError, Code: "internal_error",
		Text: "Something went wrong on our side. Please try again. If it happens again, send us the reference below.", Err: err,
	}
}

// refusal returns an error that can be shown, for any error. An unknown error is a fault of the server: 500, without
// details.
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
	case errors.Is(err, keys.ErrUnavailable), errors.Is(err, session.ErrUnavailable), errors.Is(err, store.ErrLocal),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return unavailable(err)
	case errors.As(err, &tooLarge):
		return errTooLarge()
	case errors.Is(err, session.ErrCode): // of Kind.Code: the application asked without PKCE
		return errPKCE(err)
	}
	return internal(err)
}
