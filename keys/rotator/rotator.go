// Package rotator rotates a ring of package keys when its newest key is old enough. It is for a function on a schedule,
// a cron job, or a program that calls [Run] now and then.
//
//	report, err := rotator.Run(ctx, rotator.Config{Ring: ring})
//
// Any number of rotators may run at once: the ring checks the age in the step that saves, so one of them rotates. Where
// none runs, the newest key goes on signing, and nothing but its age changes: put an alarm on that.
package rotator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/posternauth/postern/keys"
)

// Config of a run. Ring is required.
type Config struct {
	// Ring to rotate.
	Ring *keys.Ring

	// Every is how old the newest key becomes before another one is made. At least a day, so that a mistake does not
	// fill the ring.
	//
	// Defaults to 30 days.
	Every time.Duration

	// Now is the clock.
	//
	// Defaults to time.Now.
	Now func() time.Time
}

const (
	defaultEvery = 30 * 24 * time.Hour
	minEvery     = 24 * time.Hour
)

// A Report is what a run found and did, for logs and metrics. It names no secret.
type Report struct {
	Rotated    bool      `json:"rotated"`             // a key was made
	Newest     string    `json:"newest"`              // kid of the newest key, after the run
	Age        Seconds   `json:"key_age_seconds"`     // of that key
	Signing    string    `json:"signing"`             // kid of the key that signs
	SigningAge Seconds   `json:"signing_age_seconds"` // of that key
	Takeover   time.Time `json:"takeover,omitzero"`   // when the next key begins to sign; zero: none waits
	Due        time.Time `json:"due"`                 // when the newest key is old enough for another
	Keys       int       `json:"keys"`                // keys that verify
}

// Seconds is a duration that is written to JSON as a number of seconds.
type Seconds time.Duration

// MarshalJSON writes whole seconds.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%d", time.Duration(s)/time.Second), nil
}

// Run rotates the ring if it is due, and reports. If the vault is unavailable the error is keys.ErrUnavailable: nothing
// is lost, and the next run tries again.
func Run(ctx context.Context, c Config) (Report, error) {
	if c.Every == 0 {
		c.Every = defaultEvery
	}
	switch {
	case c.Ring == nil:
		return Report{}, errors.New("rotator: Config.Ring is missing")
	case c.Every < minEvery:
		return Report{}, fmt.Errorf("rotator: Config.Every is %v: use %v at least", c.Every, minEvery)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	rotated, err := c.Ring.RotateOlder(ctx, c.Every)
	if err != nil {
		return Report{}, fmt.Errorf("rotator: %w", err)
	}
	report, err := Look(ctx, c)
	report.Rotated = rotated
	return report, err
}

// ErrNoSigningKey is the error of Look where every key of the ring is revoked or retired. The next Run makes one.
var ErrNoSigningKey = errors.New("rotator: no key of the ring signs: add one with Run, Ring.Rotate or postern keys rotate")

// Look reports on the ring, and rotates nothing. The error is ErrNoSigningKey if no key signs: an age of 0 would look
// like a new key. If the vault is unavailable it is keys.ErrUnavailable.
func Look(ctx context.Context, c Config) (Report, error) {
	if c.Every == 0 {
		c.Every = defaultEvery
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	list, err := c.Ring.Keys(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("rotator: %w", err)
	}
	now := c.Now()
	var r Report
	for _, k := range list { // the oldest first
		age := Seconds(max(now.Sub(k.Created), 0))
		switch k.State {
		case keys.StateSigning:
			r.Signing, r.SigningAge = k.ID, age
		case keys.StatePending:
			if r.Takeover.IsZero() {
				r.Takeover = k.Activates.UTC()
			}
		case keys.StatePassive:
		default:
			continue
		}
		r.Keys++
		r.Newest, r.Age, r.Due = k.ID, age, k.Created.Add(c.Every).UTC()
	}
	if r.Signing == "" {
		return Report{}, ErrNoSigningKey
	}
	return r, nil
}
