package provision

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/httperr"
	"github.com/posternauth/postern/store"
)

// WebhookConfig is the configuration of Webhook. Name, Scheme, Secrets, Store, Users, Roles and Parse are required.
type WebhookConfig struct {
	// Name is that of the sender, such as "stripe". It is part of the keys of the store, so a new name forgets which
	// deliveries were applied. Use a to z, 0 to 9 and "-", at most 32 bytes.
	Name string

	// Scheme is how the sender proves that a delivery comes from it.
	Scheme Scheme

	// Secrets are those of the sender, at most 5. To rotate one, add the new secret, change it at the sender, and
	// remove the old one.
	Secrets []string

	// Store remembers which deliveries were applied.
	Store store.Store

	// Users is where the roles are given.
	Users Users

	// Roles are all that this webhook can give. A Grant with another role is refused, so that a mistake in Parse
	// cannot make administrators.
	Roles []string

	// Parse reads an event. It calls nothing outside, since it runs for deliveries that were applied already. It
	// returns ErrIgnored for an event that is not about a role. With any other error the delivery is refused for good.
	Parse func(e Event) (Grant, error)

	// Confirm asks the sender whether the event is true, for example by reading the sale by its id. It is required for
	// the scheme Token. It returns ErrRefused if the event is not true; any other error is answered with 503.
	//
	// Defaults to no confirmation.
	Confirm func(ctx context.Context, e Event, g Grant) error

	// ID returns the id of a delivery, which is the same when the sender sends it again, for example that of the sale.
	// An empty id means that of the scheme.
	//
	// Defaults to the id that the scheme signs, else to a hash of the body.
	ID func(e Event) string

	// Window is how old a delivery can be, if the sender signs the time.
	//
	// Defaults to 5 minutes.
	Window time.Duration

	// Skew is how far the sender's clock can be ahead.
	//
	// Defaults to 1 minute.
	Skew time.Duration

	// Keep is how long an applied delivery is remembered. It should be longer than the sender retries.
	//
	// Defaults to 30 days.
	Keep time.Duration

	// MaxBody is the largest body, in bytes.
	//
	// Defaults to 256 KiB.
	MaxBody int64

	// Timeout bounds Confirm and Users together. It should be shorter than the sender waits.
	//
	// Defaults to 10 seconds.
	Timeout time.Duration

	// Now is the clock. Set it in tests only.
	//
	// Defaults to time.Now.
	Now func() time.Time

	// Logger gets refused deliveries (level info) and failures (level error). No line has a secret, an address or a
	// body.
	//
	// Defaults to slog.Default() at the time of Webhook.
	Logger *slog.Logger
}

// webhook is the handler of one sender. It is safe for concurrent use.
type webhook struct {
	WebhookConfig
	keys [][]byte
}

// Webhook returns the handler to which a sender posts. It serves POST with a body of JSON or a form, and answers:
//
//	200  the event was applied, now or earlier, or is ignored
//	400  the body is not JSON and not a form
//	401  the signature is missing, wrong or too old
//	413  the body is too large
//	415  the body is of another type or compressed
//	422  Parse, Confirm or Users refused the event: sending it again changes nothing
//	503  the store, the sender or the users are unavailable: send it again
//
// A delivery is applied once. If two copies arrive at the same time, on any servers with the same Store, one of them is
// applied and the other waits for it and gets the same answer. After a crash the sender's next attempt applies the
// delivery again, which Users must be safe for.
func Webhook(c WebhookConfig) (http.Handler, error) {
	h := &webhook{WebhookConfig: c}
	h.Secrets, h.Roles = nil, slices.Clone(c.Roles)
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("provision: WebhookConfig: %w", err)
	}
	for _, secret := range c.Secrets {
		key, err := c.Scheme.Key(secret)
		if err != nil {
			return nil, fmt.Errorf("provision: WebhookConfig.Secrets: %w", err)
		}
		h.keys = append(h.keys, key)
	}
	h.Window = cmp.Or(c.Window, 5*time.Minute)
	h.Skew = cmp.Or(c.Skew, time.Minute)
	h.Keep = cmp.Or(c.Keep, 30*24*time.Hour)
	h.MaxBody = cmp.Or(c.MaxBody, 256<<10)
	h.Timeout = cmp.Or(c.Timeout, 10*time.Second)
	h.Logger = cmp.Or(c.Logger, slog.Default())
	if h.Now == nil {
		h.Now = time.Now
	}
	return h, nil
}

func (c *WebhookConfig) check() error {
	bad := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }
	switch {
	case c.Name == "" || len(c.Name) > 32 || strings.ContainsFunc(c.Name, bad):
		return errors.New(`set Name, of a to z, 0 to 9 and "-", at most 32 bytes`)
	case c.Scheme == nil, c.Store == nil, c.Users == nil, c.Parse == nil:
		return errors.New("the fields Scheme, Store, Users and Parse are required")
	case len(c.Secrets) == 0 || len(c.Secrets) > 5:
		return errors.New("set 1 to 5 Secrets")
	case c.Window < 0 || c.Skew < 0 || c.Keep < 0 || c.MaxBody < 0 || c.Timeout < 0:
		return errors.New("a limit is negative")
	}
	if t, ok := c.Scheme.(token); ok {
		if c.Confirm == nil {
			return errors.New("with the scheme Token, Confirm is required: the sender signs nothing, so ask it whether an event is true")
		}
		if t.from == nil {
			return errors.New("the scheme Token needs a function that reads the secret")
		}
	}
	if err := checkRoles(c.Roles); err != nil {
		return fmt.Errorf("field Roles: %w", err)
	}
	return nil
}

// ServeHTTP verifies a delivery before it reads anything of it.
func (h *webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		httperr.Method(w, http.MethodPost)
		return
	}
	mediaType := httperr.MediaType(r)
	form := mediaType == "application/x-www-form-urlencoded"
	if !form && mediaType != "application/json" || r.Header.Get("Content-Encoding") != "" {
		httperr.Write(w, http.StatusUnsupportedMediaType, "unsupported_media_type", "send JSON or a form, uncompressed")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.MaxBody))
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			httperr.Write(w, http.StatusRequestEntityTooLarge, "request_too_large", "the delivery is too large")
			return
		}
		httperr.Write(w, http.StatusBadRequest, "invalid_request", "the body did not arrive completely")
		return
	}
	proof, err := h.Scheme.Verify(r, body, h.keys)
	if err != nil {
		h.refuse(w, http.StatusUnauthorized, "invalid_signature", "the signature is missing or wrong", err)
		return
	}
	if now := h.Now(); !proof.Time.IsZero() && (now.Sub(proof.Time) > h.Window || proof.Time.Sub(now) > h.Skew) {
		h.refuse(w, http.StatusUnauthorized, "invalid_signature", "the delivery is too old, or a clock is wrong", nil)
		return
	}
	e := Event{Time: proof.Time, Header: r.Header, Body: body}
	if form {
		e.Form, err = url.ParseQuery(string(body))
	}
	if err != nil || !form && !json.Valid(body) {
		h.refuse(w, http.StatusBadRequest, "invalid_request", "the body is not JSON and not a form", nil)
		return
	}
	e.ID = h.id(proof, e)
	h.serve(r.Context(), w, e)
}

func (h *webhook) id(proof Proof, e Event) string {
	id := proof.ID
	if h.ID != nil {
		id = cmp.Or(h.ID(e), id)
	}
	if id == "" {
		sum := sha256.Sum256(e.Body)
		id = "sha256:" + hex.EncodeToString(sum[:])
	}
	return id
}

// serve applies a delivery that was verified.
func (h *webhook) serve(ctx context.Context, w http.ResponseWriter, e Event) {
	g, err := h.Parse(e)
	if errors.Is(err, ErrIgnored) {
		answer(w, "ignored")
		return
	}
	if err == nil {
		g, err = clean(g, h.Roles)
	}
	if err != nil {
		h.refuse(w, http.StatusUnprocessableEntity, "event_refused", "the event cannot be applied", err)
		return
	}
	g.ID = e.ID
	if g.Time.IsZero() {
		g.Time = e.Time
	}
	switch err := h.once(ctx, e, g); {
	case err == nil:
		answer(w, "done")
	case errors.Is(err, ErrRefused):
		h.refuse(w, http.StatusUnprocessableEntity, "event_refused", "the event cannot be applied", err)
	default:
		h.Logger.Error("webhook: a delivery was not applied", "webhook", h.Name, "err", err)
		httperr.Unavailable(w, retryAfter(err), "the event could not be applied now: send it again")
	}
}

func (h *webhook) refuse(w http.ResponseWriter, status int, code, description string, err error) {
	h.Logger.Info("webhook: a delivery was refused", "webhook", h.Name, "status", status, "code", code, "err", err)
	httperr.Write(w, status, code, description)
}

func answer(w http.ResponseWriter, status string) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	httperr.NoStore(h)
	_, _ = io.WriteString(w, `{"status":"`+status+`"}`+"\n") // a sender that is gone sends it again
}

// retryAfter is when the sender should send again: as long as a service asked us to wait.
func retryAfter(err error) time.Duration {
	if busy := (*busyError)(nil); errors.As(err, &busy) {
		return busy.after
	}
	return 30 * time.Second
}
