package provision

import (
	"context"
	"time"
)

// SetSleep replaces the pauses of a.
func (a *Auth0) SetSleep(f func(context.Context, time.Duration) error) { a.sleep = f }
