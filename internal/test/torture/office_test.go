package torture

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

const (
	issuer = "https://app.example/auth"
	pool   = "people"
)

type user struct {
	Name string `json:"name"`
}

// A clock shows what it is set to.
type clock struct{ ms atomic.Int64 }

func (c *clock) now() time.Time      { return time.UnixMilli(c.ms.Load()) }
func (c *clock) set(t time.Time)     { c.ms.Store(t.UnixMilli()) }
func (c *clock) add(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// An office is one program with sessions. All offices have the same keys.
type office struct {
	*clock
	sessions *session.Sessions
	user     *session.Kind[user]

	mu     sync.Mutex
	events map[string]int // name and reason
}

func newOffice(st store.Store, c *clock, changes ...func(*session.Config)) (*office, error) {
	o := &office{clock: c, events: map[string]int{}}
	signing, err := keys.NewSigningKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{5}, 32)), keys.EdDSA, "k1")
	if err != nil {
		return nil, err
	}
	signer, err := keys.StaticSigner(signing)
	if err != nil {
		return nil, err
	}
	secret, err := keys.NewSecret("s1", bytes.Repeat([]byte{7}, 32))
	if err != nil {
		return nil, err
	}
	secrets, err := keys.StaticSecrets(secret)
	if err != nil {
		return nil, err
	}
	config := session.Config{
		Issuer: issuer, Audience: "api", Keys: signer, Secrets: secrets, Store: st, Now: c.now, OnEvent: o.onEvent,
	}
	for _, change := range changes {
		change(&config)
	}
	if o.sessions, err = session.New(config); err != nil {
		return nil, err
	}
	// Tokens that live for a day: tests look at sessions, and let hours pass.
	o.user = session.NewKindConfig(o.sessions, session.KindConfig[user]{Name: "user", Access: 24 * time.Hour, Pool: pool})
	return o, nil
}

func (o *office) onEvent(_ context.Context, e session.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events[strings.TrimSpace(e.Name+" "+e.Reason)]++
}

// takeEvents returns what happened since it was last asked.
func (o *office) takeEvents() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.events
	o.events = map[string]int{}
	return e
}

func (o *office) create(ctx context.Context, subject string) (session.Tokens, error) {
	return o.user.Create(ctx, session.Grant[user]{Subject: subject, Properties: user{subject}})
}

// moveHead changes the head of a user as package users or password does, until it is written.
func (o *office) moveHead(ctx context.Context, subject string) error {
	for {
		h, err := head.Get(ctx, o.sessions.Store(), pool, subject)
		if err != nil {
			return asUnavailable(err)
		}
		err = o.sessions.Store().Write(ctx, h.Moved().Put())
		if err == nil || !errors.Is(err, store.ErrConflict) {
			return asUnavailable(err)
		}
	}
}

func asUnavailable(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", session.ErrUnavailable, err)
}

// outcome is the word for an error of a session that was asked for something.
func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, session.ErrUnavailable):
		return "unavailable"
	case errors.Is(err, session.ErrReuse):
		return "reuse"
	case errors.Is(err, session.ErrEnded):
		return "ended"
	}
	return "error: " + err.Error()
}

// splitTicket takes a refresh token apart: v2.kid.half.tail.user.n.tag. It returns the parts without user; what is not
// a refresh token has six empty parts.
func splitTicket(token string) []string {
	if parts := strings.Split(token, "."); len(parts) == 7 {
		return slices.Delete(parts, 4, 5)
	}
	return make([]string, 6)
}

// number is the n of a refresh token, -1 of what is none.
func number(token string) int64 {
	n, err := strconv.ParseInt(splitTicket(token)[4], 10, 64)
	if err != nil {
		return -1
	}
	return n
}
