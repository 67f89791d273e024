package posterntest

import (
	"sync"
	"time"
)

// A Clock stands still until it is advanced. Its Now fits session.Config.Now, store.Memory.Now and ProviderConfig.Now,
// which should share one clock in one test.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock makes a clock that shows at; a zero time stands for the present second.
func NewClock(at time.Time) *Clock {
	if at.IsZero() {
		at = time.Now().Truncate(time.Second)
	}
	return &Clock{now: at}
}

// Now is what the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock by d.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
