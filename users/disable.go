package users

import (
	"context"
	"time"

	"github.com/posternauth/postern/internal/head"
)

// Disable keeps a user from signing in and ends their sessions, until a time or, if until is zero, until Enable. why is
// for administrators. Disable of a disabled user replaces why and until. The error is a FieldError for a time that has
// passed.
func (d *Directory) Disable(ctx context.Context, userID, why string, until time.Time, x Extra) error {
	if len(why) > maxWhy {
		return &FieldError{"why", "A reason has at most 1,024 bytes."}
	}
	if !until.IsZero() && !until.After(d.now()) {
		return &FieldError{"until", "The time has passed already."}
	}
	err := d.change(ctx, userID, x, func(dr *draft) error {
		old := dr.rec.Disabled
		if old != nil && old.Why == why && old.Until.Equal(until) && dr.head.Gone == head.Disabled {
			return errUnchanged
		}
		dr.rec.Disabled = &disabled{At: dr.now.UTC(), Why: why, Until: until.UTC()}
		dr.head.Gone = head.Disabled
		dr.head = dr.head.Moved()
		return nil
	})
	if err != nil {
		return err
	}
	return d.endSessions(ctx, userID)
}

// Enable lets a disabled or frozen user sign in again, in every way that the user has.
func (d *Directory) Enable(ctx context.Context, userID string, x Extra) error {
	return d.change(ctx, userID, x, func(dr *draft) error {
		if dr.rec.Disabled == nil && dr.head.Gone != head.Disabled && !dr.head.Frozen {
			return errUnchanged
		}
		dr.head.Frozen = false
		dr.enable()
		return nil
	})
}

// endSessions ends the sessions of a user at once, where a guard asks the store. The number "sec" of the head ends them
// too, at their next refresh, so a failure here leaves nobody in for longer than an access token lives.
func (d *Directory) endSessions(ctx context.Context, userID string) error {
	if d.sessions.Store() == nil {
		return nil
	}
	return d.sessions.RevokeSubject(ctx, userID)
}
