package session

import (
	"context"
	"time"
)

// An Event is something an audit log wants to know. It carries no secret.
//
// This package tells of "session created", "sign-out", and "code refused" (Reason says why; a code that comes a second
// time is "used"). Package postern adds "sign-in", "sign-in failed" and its own.
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
