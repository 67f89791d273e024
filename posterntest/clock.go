package posterntest

import (
	"time"

	"github.com/posternauth/postern/internal/test/testclock"
)

// A Clock stands still until it is advanced. Its Now fits session.Config.Now, store.Memory.Now and ProviderConfig.Now,
// which should share one clock in one test.
type Clock struct{ clock testclock.Clock }

// NewClock makes a clock that shows at; a zero time stands for the present second.
func NewClock(at time.Time) *Clock {
	if at.IsZero() {
		at = time.Now().Truncate(time.Second)
	}
	c := &Clock{}
	c.clock.Set(at)
	return c
}

// Now returns the time that the clock shows.
func (c *Clock) Now() time.Time { return c.clock.Now() }

// Advance moves the clock by d.
func (c *Clock) Advance(d time.Duration) { c.clock.Advance(d) }
