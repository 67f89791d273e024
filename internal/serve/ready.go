package serve

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/posternauth/postern/store"
)

const (
	// writesFor is how long a write that worked counts: each one costs something, and /readyz may be asked each second.
	writesFor = 10 * time.Second

	// writeAgain is how long one that failed counts.
	writeAgain = time.Second

	// writeLimit bounds a write, if the store heeds contexts: SQLite waits longer for a lock.
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
	mu     sync.Mutex
	at     time.Time // of the last outcome; zero: none yet
	err    error
	done   chan struct{} // closed at the end of the write under way; nil: there is none
	cancel context.CancelFunc
	closed bool
}

// ask returns the outcome of the last write, or of a new one if that is old. Callers that come together wait for one
// write, each as long as its ctx. The write goes on without them.
func (p *writeProbe) ask(ctx context.Context, now func() time.Time, write func(context.Context) error) error {
	done, err := p.begin(ctx, now, write)
	if done == nil {
		return err
	}
	select {
	case <-done:
	case <-ctx.Done():
		return fmt.Errorf("serve: the store answers, but a write takes too long: %w", ctx.Err())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// begin returns what is closed at the end of a write, or nil and the outcome of the last one.
func (p *writeProbe) begin(ctx context.Context, now func() time.Time, write func(context.Context) error) (<-chan struct{}, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	life := writesFor
	if p.err != nil {
		life = writeAgain
	}
	switch at := now(); {
	case p.closed:
		return nil, errors.New("serve: the server has closed its store")
	case p.done != nil:
		return p.done, nil
	case !p.at.IsZero() && at.Sub(p.at).Abs() < life:
		return nil, p.err
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
	done := make(chan struct{})
	p.done, p.cancel = done, cancel
	go func() {
		defer cancel()
		err := write(bounded)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.err, p.at, p.done = err, now(), nil
		close(done)
	}()
	return done, nil
}

// close ends the write under way, and waits for its end.
func (p *writeProbe) close() {
	p.mu.Lock()
	p.closed = true
	done := p.done
	if done != nil {
		p.cancel()
	}
	p.mu.Unlock()
	if done != nil {
		<-done
	}
}
