package audit

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/posternauth/postern/internal/fetch"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// WebhookConfig is the configuration of NewWebhook. URL, Secrets and Store are required.
type WebhookConfig struct {
	// URL gets a POST for each event. It is https, at a public address. Errors and logs contain its host alone.
	URL string

	// Secrets sign the messages: "whsec_" and base64 of 24 to 64 bytes. A message has a signature with each, so that a
	// secret can be changed without a pause. At most 5.
	Secrets []string

	// Store keeps the events until they are delivered. Events have personal data, such as addresses of clients.
	Store store.Store

	// Name is that of the queue in the Store: a to z, 0 to 9 and "-", at most 32 bytes. Two webhooks on one Store have
	// two names. Processes of one program have the same.
	//
	// Defaults to "audit".
	Name string

	// Send chooses the events to send.
	//
	// Defaults to all.
	Send func(e session.Event) bool

	// MaxQueue is how many events wait at most. Events beyond it are lost, see WebhookStats; the receiver sees the gap
	// in the sequence.
	//
	// Defaults to 10,000.
	MaxQueue int64

	// GiveUp is after how long an event is no longer sent.
	//
	// Defaults to 3 days.
	GiveUp time.Duration

	// OnEvent gets an event "webhook given up", with the number of events that were given up as its Reason. Pass it to
	// another sink.
	//
	// Defaults to the Logger alone.
	OnEvent func(ctx context.Context, e session.Event)

	// Timeout bounds a request. At most 20 seconds.
	//
	// Defaults to 10 seconds.
	Timeout time.Duration

	// AllowPrivate allows a URL in a private network. Link-local and metadata addresses stay refused.
	AllowPrivate bool

	// AllowInsecure allows http, and https with a loopback address, on this machine only: for development and tests.
	AllowInsecure bool

	// HTTPClient, if set, has the transport to use, for a proxy or for private certificates. Then network addresses are
	// not checked; all other rules stay.
	HTTPClient *http.Client

	// Logger gets failures (level error, at most one a minute). No line has a secret, a URL or an event.
	//
	// Defaults to slog.Default() at the time of NewWebhook.
	Logger *slog.Logger

	// Now is the clock. Set it in tests only.
	//
	// Defaults to time.Now.
	Now func() time.Time
}

// A Webhook posts each event to a URL, signed as Standard Webhooks defines it
// (https://github.com/standard-webhooks/standard-webhooks, version 1 with HMAC-SHA256). Event writes the event to the
// Store, which two round trips take, and Run or Deliver sends it, until an answer has a status of 2xx.
//
// A message comes at least once: after a crash, or if an answer is lost, it comes again with the same webhook-id. The
// body has a sequence without gaps, except where events were lost. Messages come in this order, as a rule: up to 8 are
// sent at the same time, and one that the receiver refuses comes later.
type Webhook struct {
	c      WebhookConfig
	client *http.Client
	keys   [][]byte
	part   string
	wake   chan struct{}

	mu     sync.Mutex
	low    int64 // all up to this number are delivered, as far as this process has read
	asked  time.Time
	stats  WebhookStats
	warned time.Time
}

// WebhookStats are the counts of this process.
type WebhookStats struct {
	Queued  int64 // events
	Lost    int64 // events that were not queued: the store failed, or the queue was full
	Sent    int64
	Failed  int64 // requests
	GivenUp int64
}

// NewWebhook returns a sink that posts events.
func NewWebhook(c WebhookConfig) (*Webhook, error) {
	w := &Webhook{c: c, wake: make(chan struct{}, 1)}
	if err := w.configure(); err != nil {
		return nil, fmt.Errorf("audit: WebhookConfig: %w", err)
	}
	w.part = "audit-webhook/" + w.c.Name
	w.client = fetch.Client(fetch.Options{
		AllowLoopback: c.AllowInsecure, AllowPrivate: c.AllowPrivate, Timeout: w.c.Timeout, HTTPClient: c.HTTPClient,
	})
	return w, nil
}

func (w *Webhook) configure() error {
	c := &w.c
	defaultTo(&c.Name, "audit")
	defaultTo(&c.MaxQueue, 10_000)
	defaultTo(&c.GiveUp, 3*24*time.Hour)
	defaultTo(&c.Timeout, 10*time.Second)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	bad := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }
	switch {
	case c.Store == nil:
		return errors.New("the field Store is required")
	case len(c.Name) > 32 || strings.ContainsFunc(c.Name, bad):
		return errors.New(`the field Name has a to z, 0 to 9 and "-", at most 32 bytes`)
	case c.MaxQueue < 1 || c.GiveUp < time.Minute:
		return errors.New("MaxQueue is at least 1, and GiveUp at least a minute")
	case c.Timeout < 0 || c.Timeout > 20*time.Second:
		return errors.New("the field Timeout is at most 20 seconds")
	case len(c.Secrets) == 0 || len(c.Secrets) > 5:
		return errors.New("set 1 to 5 Secrets")
	}
	if err := fetch.CheckURL(c.URL, c.AllowInsecure); err != nil {
		return fmt.Errorf("the field URL: %w", err)
	}
	for _, secret := range c.Secrets {
		encoded, ok := strings.CutPrefix(secret, "whsec_")
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(key) < 24 || len(key) > 64 { // err would contain a part of the secret
			return errors.New(`a secret is "whsec_" and base64 of 24 to 64 bytes: openssl rand -base64 32 makes what comes after it`)
		}
		w.keys = append(w.keys, key)
	}
	c.Secrets = nil
	return nil
}

func defaultTo[T comparable](field *T, value T) {
	if *field == *new(T) {
		*field = value
	}
}

const (
	rowQueue  = "q" // before the number of an event, so that List returns the oldest first
	rowState  = "state"
	rowNumber = "seq"            // the counter
	queueTime = 2 * time.Second  // how long an answer of the handler waits for the queue at most
	spare     = 24 * time.Hour   // how long a row outlives GiveUp, if nobody delivers
	leaseTime = 90 * time.Second // how long another process waits for one that died while it delivered
)

// A queued event is a row of the queue.
type queued struct {
	ID       string          `json:"id"`
	Made     time.Time       `json:"made"`
	Body     json.RawMessage `json:"body"`
	Attempts int             `json:"attempts,omitempty"`
	Next     time.Time       `json:"next,omitzero"`
}

// A message is the body of a request.
type message struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      data      `json:"data"`
}

type data struct {
	Sequence int64 `json:"sequence"`
	entry
}

// typeOf is the name of an event in the letters that Standard Webhooks recommends.
func typeOf(name string) string {
	return "postern." + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, name)
}

// Event queues an event. It takes at most 2 seconds, also if the request that caused the event was cancelled. An event
// that cannot be queued is counted as lost and reported to the Logger.
func (w *Webhook) Event(ctx context.Context, e session.Event) {
	if w.c.Send != nil && !w.c.Send(e) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), queueTime)
	defer cancel()
	if err := w.queue(ctx, entryOf(e)); err != nil {
		w.count(func(s *WebhookStats) { s.Lost++ })
		w.warn(ctx, "audit: an event cannot be queued for the webhook, and is lost", err)
		return
	}
	w.count(func(s *WebhookStats) { s.Queued++ })
	select {
	case w.wake <- struct{}{}:
	default: // Run has been called already
	}
}

func (w *Webhook) queue(ctx context.Context, n entry) error {
	number, err := w.c.Store.Add(ctx, store.Key{Part: w.part, ID: rowNumber}, 1, time.Time{})
	if err != nil {
		return fmt.Errorf("audit: numbering an event: %w", err)
	}
	if err := w.room(ctx, number); err != nil {
		return err
	}
	body, err := json.Marshal(message{typeOf(n.Event), n.Time, data{number, n}})
	if err != nil {
		return fmt.Errorf("audit: encoding an event: %w", err)
	}
	now := w.c.Now().UTC()
	value, err := json.Marshal(queued{ID: "msg_" + rand.Text(), Made: now, Body: body})
	if err != nil {
		return fmt.Errorf("audit: encoding an event: %w", err)
	}
	key := store.Key{Part: w.part, ID: fmt.Sprintf("%s%016x", rowQueue, number)}
	put := store.Put(store.Item{Key: key, Value: value, Expires: now.Add(w.c.GiveUp + spare)})
	err = w.c.Store.Write(ctx, put)
	if err != nil && !errors.Is(err, store.ErrConflict) {
		if err = w.c.Store.Write(ctx, put); errors.Is(err, store.ErrConflict) {
			return nil // the first was applied, and its answer was lost
		}
	}
	if err != nil {
		return fmt.Errorf("audit: queueing an event: %w", err)
	}
	return nil
}

var errFull = errors.New("audit: the queue of the webhook is full: the receiver does not answer, or nobody calls Run or Deliver")

// room returns errFull if too many events wait before this number. As a rule it reads nothing: this process remembers
// up to where events are delivered, and reads that again when they seem too many, at most once a second.
func (w *Webhook) room(ctx context.Context, number int64) error {
	w.mu.Lock()
	low, now := w.low, w.c.Now()
	ask := number-low > w.c.MaxQueue && now.Sub(w.asked).Abs() >= time.Second
	if ask {
		w.asked = now
	}
	w.mu.Unlock()
	if ask {
		items, _, err := w.c.Store.List(ctx, w.part, rowQueue, 1)
		if err != nil {
			return fmt.Errorf("audit: reading the queue: %w", err)
		}
		low = number - 1 // it is empty
		if len(items) == 1 && strings.HasPrefix(items[0].Key.ID, rowQueue) {
			low = numberOf(items[0].Key.ID) - 1
		}
		w.mu.Lock()
		w.low = low
		w.mu.Unlock()
	}
	if number-low > w.c.MaxQueue {
		return errFull
	}
	return nil
}

func numberOf(id string) (n int64) {
	_, _ = fmt.Sscanf(id, rowQueue+"%x", &n) // Event wrote it
	return n
}

func (w *Webhook) count(f func(*WebhookStats)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.stats)
}

// Stats returns the counts.
func (w *Webhook) Stats() WebhookStats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stats
}

// warn reports a failure, at most once a minute.
func (w *Webhook) warn(ctx context.Context, text string, err error) {
	w.mu.Lock()
	now := w.c.Now()
	due := w.warned.IsZero() || now.Sub(w.warned).Abs() >= time.Minute
	if due {
		w.warned = now
	}
	s := w.stats
	w.mu.Unlock()
	if due {
		w.c.Logger.ErrorContext(ctx, text, "host", w.host(), "lost", s.Lost, "failed", s.Failed, "givenUp", s.GivenUp, "cause", err)
	}
}

func (w *Webhook) host() string {
	u, err := url.Parse(w.c.URL)
	if err != nil { // it was parsed by NewWebhook
		return ""
	}
	return u.Host
}

// Close does nothing: what is queued stays in the Store.
func (w *Webhook) Close() error { return nil }
