package session

import (
	"context"
	"time"
)

// An Event is something an audit log wants to know. It carries no secret.
//
// This package tells of
//
//	session created
//	session refreshed   a new refresh token was made
//	refresh retried     the refresh token before the last was answered within the grace: parallel requests, a lost answer
//	session ended       Reason: "sign-out", "revoked", "replaced", "renew" (KindConfig.Renew said so), "code replayed",
//	                    "reuse" (a refresh token was used again: a theft), "store rollback" (a refresh token is newer
//	                    than the store: a backup was restored, or a write was lost)
//	subject revoked     all sessions of the subject and kind
//	others revoked      all but SessionID
//	code refused        Reason says why; a code that comes a second time is "used"
//
// each once, by the program whose write did it. Package postern adds "sign-in", "sign-in failed" and its own.
type Event struct {
	Name      string
	Time      time.Time
	Kind      string // of session
	Subject   string
	SessionID string
	Provider  string
	Reason    string // a stable code
	Addr      string // client address, as limits see it
	Err       error
}

// Emit hands an event to Config.OnEvent, filling in the time.
func (s *Sessions) Emit(ctx context.Context, e Event) {
	if s.onEvent == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = s.now()
	}
	s.onEvent(ctx, e)
}
