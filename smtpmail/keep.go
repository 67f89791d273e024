package smtpmail

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	mostKept    = 8           // connections without a mail, at once
	mostMails   = 100         // of one connection
	oldestInUse = time.Minute // of a connection that gets another mail, so that a change of its name counts soon
)

// kept are the connections of a Sender that wait for a next mail.
type kept struct {
	mu   sync.Mutex
	free []*conn // the one used last is the last
}

// take returns a connection that waits, or nil. Times are those of the wall clock: the process may have been frozen.
func (k *kept) take(ctx context.Context, life time.Duration) *conn {
	for {
		k.mu.Lock()
		n := len(k.free) - 1
		if n < 0 {
			k.mu.Unlock()
			return nil
		}
		c := k.free[n]
		k.free = slices.Delete(k.free, n, n+1)
		k.mu.Unlock()
		c.timer.Stop()
		now := time.Now().Round(0)
		if now.Sub(c.parked) < life && now.Sub(c.opened) < oldestInUse && c.text.R.Buffered() == 0 {
			c.begin(ctx)
			return c
		}
		_ = c.raw.Close() // what was sent was accepted
	}
}

// park keeps a connection whose mail was accepted. It reports false if there is no place for it, or if it has ended.
func (k *kept) park(c *conn, life time.Duration) bool {
	c.parked = time.Now().Round(0)
	if life <= 0 || c.mails >= mostMails || !c.stop() {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.free) >= mostKept {
		return false
	}
	k.free = append(k.free, c)
	c.timer = time.AfterFunc(life, func() { k.end(c) })
	return true
}

// end ends a connection that still waits.
func (k *kept) end(c *conn) {
	k.mu.Lock()
	i := slices.Index(k.free, c)
	if i >= 0 {
		k.free = slices.Delete(k.free, i, i+1)
	}
	k.mu.Unlock()
	if i >= 0 {
		c.quit()
		_ = c.raw.Close()
	}
}

// stale reports whether a mail that failed on a connection that was kept can be sent on a new one: the server ended the
// connection meanwhile, or wants no more mails on it, which a 421 says at any step (RFC 5321 section 3.8). Nothing of
// the mail's text was sent.
func (c *conn) stale(err error) bool {
	_, broken := errors.AsType[*networkError](err)
	reply, refused := errors.AsType[*replyError](err)
	return err != nil && !c.texted && (broken || !c.aboutMail || refused && reply.code == 421)
}
