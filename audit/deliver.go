package audit

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/posternauth/postern/internal/fetch"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

const (
	window     = 8               // messages under way at the same time
	page       = 5 * window      // rows of one List
	rejections = 5               // so many refused messages in a row are a fault of the receiver
	firstPause = 5 * time.Second // after the first failure; each next pause is four times as long
	longPause  = time.Hour       // the longest
	idle       = 5 * time.Second // how often Run looks for events of other processes
)

// A Delivery is what one call of Deliver did.
type Delivery struct {
	Sent    int // events that the receiver took
	Failed  int // requests that failed
	GivenUp int // events that are too old
	// Retry is how long the receiver is left alone after a failure; 0 if it is not.
	Retry time.Duration
}

// state is the row of a queue that one process at a time owns.
type state struct {
	Owner    string    `json:"owner,omitempty"`
	Until    time.Time `json:"until,omitzero"`     // of the lease
	Failures int       `json:"failures,omitempty"` // in a row
	Pause    time.Time `json:"pause,omitzero"`

	version string
}

// Run delivers events until ctx ends, and returns nil then. Call it in a goroutine. Several processes may run it:
// one of them delivers at a time.
func (w *Webhook) Run(ctx context.Context) error {
	for {
		d, err := w.Deliver(ctx)
		if err != nil && ctx.Err() == nil {
			w.warn(ctx, "audit: the queue of the webhook cannot be worked on", err)
		}
		wake := w.wake
		if err != nil || d.Retry > 0 {
			wake = nil // an event is no reason to ask again
		}
		timer := time.NewTimer(idle)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// Deliver sends what is due, and returns when nothing is or when the receiver fails. While another process delivers, it
// returns at once. It is for programs that are called on a schedule, such as a Lambda function. Errors are those of the
// Store, and of ctx; a receiver that fails is none.
func (w *Webhook) Deliver(ctx context.Context) (Delivery, error) {
	first, err := w.list(ctx, rowQueue)
	if err != nil || len(first) == 0 {
		return Delivery{}, err
	}
	s, err := w.readState(ctx)
	if err != nil {
		return Delivery{}, err
	}
	now := w.c.Now()
	switch {
	case s.Pause.After(now):
		return Delivery{Retry: s.Pause.Sub(now)}, nil
	case s.Until.After(now):
		return Delivery{}, nil
	}
	s.Owner = rand.Text()
	if err := w.keep(ctx, &s, now.Add(leaseTime)); err != nil {
		if errors.Is(err, store.ErrConflict) { // another process was faster
			err = nil
		}
		return Delivery{}, err
	}
	p := &pass{w: w, state: &s}
	if err = p.run(ctx, first); errors.Is(err, store.ErrConflict) {
		err = nil // this process was slower than its lease, and another one goes on
	}
	if p.GivenUp > 0 {
		p.reportGivenUp(ctx)
	}
	// The lease ends also if ctx has ended meanwhile.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), queueTime)
	defer cancel()
	if s.Owner != "" {
		if kept := w.keep(ending, &s, time.Time{}); err == nil && !errors.Is(kept, store.ErrConflict) {
			err = kept
		}
	}
	w.count(func(st *WebhookStats) {
		st.Sent, st.Failed, st.GivenUp = st.Sent+int64(p.Sent), st.Failed+int64(p.Failed), st.GivenUp+int64(p.GivenUp)
	})
	if p.last != nil {
		w.warn(ctx, "audit: the webhook fails; its events wait", p.last)
	}
	return p.Delivery, err
}

// list returns the rows of the queue after one of them.
func (w *Webhook) list(ctx context.Context, after string) ([]store.Item, error) {
	for {
		items, next, err := w.c.Store.List(ctx, w.part, after, page)
		if err != nil {
			return nil, fmt.Errorf("audit: reading the queue: %w", err)
		}
		if i := slices.IndexFunc(items, func(it store.Item) bool { return !strings.HasPrefix(it.Key.ID, rowQueue) }); i >= 0 {
			return items[:i], nil
		}
		if len(items) > 0 || next == "" {
			return items, nil
		}
		after = next
	}
}

func (w *Webhook) readState(ctx context.Context) (s state, err error) {
	items, err := w.c.Store.Get(ctx, store.Key{Part: w.part, ID: rowState})
	if err != nil {
		return state{}, fmt.Errorf("audit: reading the state of the webhook: %w", err)
	}
	if len(items) == 1 {
		s.version = items[0].Version
		if err := json.Unmarshal(items[0].Value, &s); err != nil {
			return state{}, fmt.Errorf("audit: the state of the webhook is damaged: %w", err)
		}
	}
	return s, nil
}

// keep writes the state if no other process did meanwhile. Without until the lease ends.
func (w *Webhook) keep(ctx context.Context, s *state, until time.Time) error {
	s.Until = until.UTC()
	value, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("audit: encoding the state of the webhook: %w", err)
	}
	put := store.Put(store.Item{Key: store.Key{Part: w.part, ID: rowState}, Value: value, Version: s.version})
	if err := w.c.Store.Write(ctx, put); err != nil {
		s.Owner = "" // perhaps it was applied; then it ends by itself
		return fmt.Errorf("audit: writing the state of the webhook: %w", err)
	}
	s.version = put.Item.Version
	return nil
}

// A pass is one delivery under a lease.
type pass struct {
	w     *Webhook
	state *state
	Delivery
	refused int   // in a row
	last    error // the newest failure
}

func (p *pass) run(ctx context.Context, rows []store.Item) error {
	for len(rows) > 0 {
		last := rows[len(rows)-1].Key.ID
		for some := range slices.Chunk(rows, window) {
			if err := p.some(ctx, some); err != nil || p.Retry > 0 {
				return err
			}
			if err := p.w.keep(ctx, p.state, p.w.c.Now().Add(leaseTime)); err != nil {
				return err
			}
		}
		var err error
		if rows, err = p.w.list(ctx, last); err != nil {
			return err
		}
	}
	return nil
}

// An attempt is a row and what came of sending it.
type attempt struct {
	row    store.Item
	queued queued
	answer answer
}

// some sends messages at the same time, and then writes what came of them.
func (p *pass) some(ctx context.Context, rows []store.Item) error {
	var attempts []*attempt
	now := p.w.c.Now()
	for _, row := range rows {
		a := &attempt{row: row}
		if err := json.Unmarshal(row.Value, &a.queued); err != nil {
			a.answer = answer{err: errors.New("the row is damaged"), old: true}
			attempts = append(attempts, a)
			continue
		}
		if !a.queued.Next.After(now) {
			attempts = append(attempts, a)
		}
	}
	var wg sync.WaitGroup
	for _, a := range attempts {
		a.answer.old = a.answer.old || now.Sub(a.queued.Made) >= p.w.c.GiveUp
		if a.answer.old && (a.queued.Attempts > 0 || p.state.Failures > 0 || a.answer.err != nil) {
			continue
		}
		wg.Go(func() {
			old := a.answer.old
			a.answer = p.w.send(ctx, a.queued)
			a.answer.old = old
		})
	}
	wg.Wait()
	// What the receiver took is removed also if ctx has ended meanwhile; what it did not is not its fault then.
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseTime/2)
	defer cancel()
	for _, a := range attempts {
		if !a.answer.ok && ctx.Err() != nil {
			continue
		}
		if err := p.settle(settling, a); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// settle writes what came of an attempt.
func (p *pass) settle(ctx context.Context, a *attempt) error {
	remove := store.Delete(a.row.Key, a.row.Version)
	if a.answer.ok {
		p.Sent++
		p.refused, p.state.Failures, p.state.Pause = 0, 0, time.Time{}
		return p.write(ctx, remove)
	}
	if a.answer.err != nil {
		p.last = a.answer.err
	}
	if a.answer.sent {
		p.Failed++
		p.refused++
	}
	if a.answer.down || p.refused >= rejections {
		if p.Retry == 0 {
			p.state.Failures++
			p.Retry = max(backoff(p.state.Failures), min(a.answer.after, longPause))
			p.state.Pause = p.w.c.Now().Add(p.Retry).UTC()
		}
	}
	if a.answer.old {
		p.GivenUp++
		return p.write(ctx, remove)
	}
	a.queued.Attempts++
	if !a.answer.down { // it is this message that the receiver refuses: others go before it
		a.queued.Next = p.w.c.Now().Add(backoff(a.queued.Attempts)).UTC()
	}
	value, err := json.Marshal(a.queued)
	if err != nil {
		return fmt.Errorf("audit: encoding an event: %w", err)
	}
	a.row.Value = value
	return p.write(ctx, store.Put(a.row))
}

// write changes a row. A conflict means that it is another process's now, or expired.
func (p *pass) write(ctx context.Context, change store.Change) error {
	if err := p.w.c.Store.Write(ctx, change); err != nil && !errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("audit: writing the queue: %w", err)
	}
	return nil
}

func (p *pass) reportGivenUp(ctx context.Context) {
	reason := fmt.Sprintf("%d events", p.GivenUp)
	p.w.c.Logger.ErrorContext(ctx, "audit: events are given up, because the webhook did not take them", "host", p.w.host(), "events", p.GivenUp, "cause", p.last)
	if p.w.c.OnEvent != nil {
		p.w.c.OnEvent(ctx, session.Event{Name: "webhook given up", Time: p.w.c.Now(), Reason: reason, Err: p.last})
	}
}

// backoff is the pause after n failures, with up to a fifth more, so that senders do not come together.
func backoff(n int) time.Duration {
	d := firstPause
	for range n - 1 {
		if d *= 4; d >= longPause {
			d = longPause
			break
		}
	}
	return d + mathrand.N(d/5)
}

// An answer is what came of a request.
type answer struct {
	ok    bool
	sent  bool
	down  bool          // the receiver fails, rather than refusing this message
	old   bool          // the event is too old to be kept
	after time.Duration // Retry-After
	err   error
}

// send makes a request (Standard Webhooks, "Signature scheme" and "Operational considerations").
func (w *Webhook) send(ctx context.Context, q queued) answer {
	timestamp := strconv.FormatInt(w.c.Now().Unix(), 10)
	var signatures []string
	for _, key := range w.keys {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(q.ID + "." + timestamp + "."))
		m.Write(q.Body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(m.Sum(nil)))
	}
	resp, err := fetch.PostJSON(ctx, w.client, w.c.URL, q.Body, http.Header{
		"User-Agent": {"Postern"}, "Webhook-Id": {q.ID}, "Webhook-Timestamp": {timestamp},
		"Webhook-Signature": {strings.Join(signatures, " ")},
	})
	switch {
	case err != nil:
		return answer{sent: true, down: true, err: err}
	case resp.Status >= 200 && resp.Status < 300:
		return answer{ok: true}
	}
	a := answer{sent: true, err: fmt.Errorf("the receiver answered %d", resp.Status)}
	switch {
	case resp.Status == http.StatusRequestTimeout, resp.Status == http.StatusTooManyRequests, resp.Status >= 500, resp.Status < 400:
		a.down = true
		if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n > 0 {
			a.after = time.Duration(n) * time.Second
		}
	}
	return a
}
