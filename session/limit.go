package session

import (
	"errors"
	"net/http"
	"time"

	"github.com/posternauth/postern/internal/httperr"
	"github.com/posternauth/postern/internal/limit"
)

// How many forged codes and refresh tokens a client address may send to the endpoints of Handler, to guards, and to
// routes that call SignOut, SignOutEverywhere or ReplaceCookies. Wider networks get more, see clientip.Networks. Each
// forged token is counted, also beside a good one. Tokens that prove themselves are never counted and never refused by
// this limit, so a flood from one address does not sign out the people behind it.
const (
	forgedBurst = 100
	forgedEvery = 10 * time.Minute
)

// errForged is the cause of a refusal of a token that had the right form: there is no such code or session, or the tag
// is wrong. To find out costs a read of the store, except where forgery knows better.
var errForged = errors.New("the store has nothing that it proves")

// forgery is what this process remembers of forged tokens, to save reads of the store and events.
type forgery struct {
	// salts are those of sessions of which a forged refresh token came, by the session's id. The salt of a session
	// never changes. So a further forged token is found without a read, from any address, and a true one still passes.
	salts   limit.Recent[string, string]
	denials limit.Denials
	alarm   limit.Alarm
}

// countForged counts a forged code or token against the client's address. It returns a *limit.Error if there were too
// many, and another error if it could not be counted.
func (s *Sessions) countForged(r *http.Request) error {
	ctx, addr, now := r.Context(), s.clientAddr(r), s.now()
	rule := limit.Rule{Name: "session forged", Every: forgedEvery, Burst: forgedBurst}
	err := s.forgery.denials.TakeAll(ctx, s.store, now, limit.Client(rule, s.issuer, addr)...)
	switch {
	case errors.Is(err, limit.ErrLimited):
		if s.forgery.alarm.Due(now, addr, "", err) {
			s.Emit(s.withClient(r), Event{Name: "limited", Reason: "forged"})
		}
	case err != nil:
		_ = s.unavailable(ctx, "store", err) // logs it
	}
	return err
}

// answerLimit answers an error of countForged: 429 if there were too many, and 503 if the token could not be counted.
// It reports whether it answered; nil has no answer.
func answerLimit(w http.ResponseWriter, err error) bool {
	var denied *limit.Error
	switch {
	case err == nil:
		return false
	case errors.As(err, &denied):
		httperr.Limited(w, denied.RetryAfter, "too many wrong codes or tokens from this address, try again later")
	default:
		writeUnavailable(w, err, "the token could not be checked, try again")
	}
	return true
}

// A countedError is the refusal of a forged refresh token that was counted. limit is the error of countForged. Guards
// refuse the token as they refuse any other; endpoints answer the limit.
type countedError struct {
	error
	limit error
}

func (e *countedError) Unwrap() error { return e.error }

// limitOf returns the error of countForged in an error of renewCounted.
func limitOf(err error) error {
	var e *countedError
	if errors.As(err, &e) {
		return e.limit
	}
	return nil
}

// renewCounted is renewCookie, and counts a forged refresh token: the error is then a countedError.
func (p *policy) renewCounted(w http.ResponseWriter, r *http.Request) (t Tokens, found bool, err error) {
	t, found, err = p.renewCookie(w, r)
	if errors.Is(err, errForged) {
		err = &countedError{err, p.sessions.countForged(r)}
	}
	return t, found, err
}
