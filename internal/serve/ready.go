package serve

import (
	"context"
	"fmt"
	"time"

	"github.com/posternauth/postern/store"
)

const (
	// writesFor is how long a write that worked counts: each one costs something, and /readyz may be asked each second.
	writesFor = 10 * time.Second

	// writeAgain is how long one that failed counts.
	writeAgain = time.Second

	// writeLimit bounds a write whose caller has no deadline.
	writeLimit = 2 * time.Second

	// readyLife is the life of the row that is written. A server that ended leaves one until then.
	readyLife = time.Hour
)

// readyPart is the part of the store that readiness reads and writes.
const readyPart = "postern:ready"

// Ready returns nil if the store answers and takes writes, and the keys can sign. It takes as long as ctx lets it.
func (h *House) Ready(ctx context.Context) error {
	if err := h.StoreUp(ctx); err != nil {
		return err
	}
	if _, err := h.signer.SigningKey(ctx, h.config.Session.Access); err != nil {
		return fmt.Errorf("serve: the keys cannot sign: %w", err)
	}
	return nil
}

// StoreUp returns nil if the store answers, and took a write in the last ten seconds.
func (h *House) StoreUp(ctx context.Context) error {
	if _, err := h.store.Get(ctx, store.Key{Part: readyPart, ID: "ready"}); err != nil {
		return fmt.Errorf("serve: the store does not answer: %w", err)
	}
	return h.writes.ask(ctx, h.now, func(ctx context.Context) error {
		// All servers add to one counter, so there is one row, without a version that they would fight for.
		if _, err := h.store.Add(ctx, store.Key{Part: readyPart, ID: "writes"}, 1, h.now().Add(readyLife)); err != nil {
			return fmt.Errorf("serve: the store answers, but takes no writes: %w", err)
		}
		return nil
	})
}

// A writeProbe keeps the outcome of a write for a while, so that probes cost one write together.
type writeProbe struct {
	turn chan struct{} // of capacity 1: full while a write is under way
	at   time.Time     // of the last outcome; zero: none yet
	err  error
}

// ask returns the outcome of the last write, or of a new one if that is old. Callers that come together wait for one
// write. It goes on without the caller, whose connection may end, until the caller's deadline.
func (p *writeProbe) ask(ctx context.Context, now func() time.Time, write func(context.Context) error) error {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("serve: the store answers, but a write takes too long: %w", ctx.Err())
	}
	defer func() { <-p.turn }()
	life := writesFor
	if p.err != nil {
		life = writeAgain
	}
	if at := now(); !p.at.IsZero() && at.Sub(p.at).Abs() < life {
		return p.err
	}
	deadline, has := ctx.Deadline()
	if !has {
		deadline = time.Now().Add(writeLimit)
	}
	bounded, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	defer cancel()
	p.err = write(bounded)
	p.at = now()
	return p.err
}
