package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/password/policy"
	"github.com/posternauth/postern/store"
)

// check compares a password. userID is empty if nobody has the name: that takes the same time. The context that it
// returns is for the session.
func (a *app) check(ctx context.Context, userID, name, typed string) (context.Context, error) {
	if userID == "" {
		return ctx, refusal(a.passwords.CheckNobody(ctx, name, typed))
	}
	ctx, err := a.passwords.Check(ctx, userID, typed)
	return ctx, refusal(err)
}

// hashed returns the row of a new password.
func (a *app) hashed(ctx context.Context, typed string, about ...string) (func(userID string) []store.Change, error) {
	if err := a.rules.Check(typed, about...); err != nil {
		return nil, refusal(err)
	}
	encoded, err := a.hasher.Hash(ctx, typed)
	if err != nil {
		return nil, refusal(err)
	}
	return a.row(encoded), nil
}

// row returns the row of a password that is hashed already, for the write that makes the user.
func (a *app) row(encoded string) func(userID string) []store.Change {
	return func(userID string) []store.Change {
		change, err := password.Row(a.users.Pool(), userID, encoded)
		if err != nil {
			panic(err) // encoded is a string of the hasher
		}
		return []store.Change{change}
	}
}

// refusal is the answer for an error of users, passwords or sessions. It is 503 if the store does not answer.
func refusal(err error) error {
	var refused *postern.Error
	var weak *policy.Error
	var full *hash.BusyError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, password.ErrWrong):
		return errWrong
	case errors.As(err, &weak):
		return refuse(http.StatusBadRequest, weak.Error())
	case errors.Is(err, password.ErrLimited):
		return &postern.Error{Status: http.StatusTooManyRequests, Code: "rate_limited", RetryAfter: 15 * time.Minute, Err: err,
			Text: "That was tried too often. Please wait a while and try again."}
	}
	wait := 5 * time.Second
	if errors.As(err, &full) {
		wait = full.RetryAfter
	}
	return &postern.Error{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", RetryAfter: wait, Err: err,
		Text: "This is not possible at this moment. Please try again shortly."}
}
