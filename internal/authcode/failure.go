package authcode

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/fetch"
)

// The refusals of this flow. Texts say what a person can do; causes are for the log and hold no secret.

// Unavailable is a provider that does not answer: it will pass, and others work.
func Unavailable(cause error) *postern.Error {
	return &postern.Error{Status: http.StatusServiceUnavailable, Code: "provider_unavailable", RetryAfter: 10 * time.Second, Err: cause,
		Text: "The service you chose does not answer at this moment. Please try again shortly, or choose another way to sign in."}
}

// Broken is a provider that answers what makes no sense, or refuses this application.
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

// asError makes any error of Identify one to show.
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
