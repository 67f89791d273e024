package magic_test

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

const (
	issuer = "https://auth.example.com/auth"
	home   = "https://app.example.com/"
	deep   = "https://app.example.com/orders/7"
	ada    = "ada@example.com"
)

// A world is a whole sign-in handler with a clock that only the test moves. It has the providers link, code and both.
type world struct {
	*testworld.World
	t       testing.TB
	ring    *keys.Ring
	store   *witness
	auth    *postern.Auth
	mails   testworld.List[postern.Mail]
	signIns testworld.List[*postern.SignIn]

	noSecrets atomic.Bool              // the master secrets cannot be read
	sendErr   func(postern.Mail) error // set before mails are sent
}

// change lets a test alter what a world is made of.
type change struct {
	issuer string
	config magic.Config
	on     *world // share its store and keys
	pkce   bool   // postern.Config.RequirePKCE
	one    bool   // the store writes to one Part at a time

	defaultPages bool // HTML instead of the JSON that tests read
}

func newWorld(t testing.TB, c change) *world {
	t.Helper()
	w := &world{World: testworld.New(), t: t}
	w.Set(time.Date(2026, 3, 2, 14, 5, 0, 0, time.UTC))
	if c.on != nil {
		w.ring, w.store = c.on.ring, c.on.store
		w.Set(c.on.Now())
	} else {
		w.ring, w.store = w.Ring(t, nil), &witness{Store: &store.Memory{Now: w.Now}, one: c.one}
	}
	sc := w.Config(cmp.Or(c.issuer, issuer))
	sc.Keys, sc.Secrets, sc.Store = w.ring, secrets{w}, w.store
	sessions, err := session.New(sc)
	if err != nil {
		t.Fatal(err)
	}
	c.config.Logger = sc.Logger
	var render func(http.ResponseWriter, *http.Request, postern.Page)
	if !c.defaultPages {
		render = func(rw http.ResponseWriter, _ *http.Request, p postern.Page) {
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(p.Status)
			if err := json.NewEncoder(rw).Encode(p); err != nil {
				t.Error(err)
			}
		}
	}
	w.auth, err = postern.New(postern.Config{
		Sessions: sessions, Redirects: []string{home, deep}, Mail: w.send, Logger: sc.Logger, Render: render, RequirePKCE: c.pkce,
		Providers: map[string]postern.Provider{
			"link": magic.Link(c.config), "code": magic.Code(c.config), "both": magic.Both(c.config),
			"tenant": tenant{magic.Link(c.config)},
		},
		OnSuccess: func(rw http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			w.signIns.Add(in)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// secrets are those of the ring, unless they cannot be read.
type secrets struct{ w *world }

func (s secrets) Secret(ctx context.Context, kid string) (keys.Secret, error) {
	if s.w.noSecrets.Load() {
		return keys.Secret{}, keys.ErrUnavailable
	}
	return s.w.ring.Secret(ctx, kid)
}

func (w *world) send(_ context.Context, m postern.Mail) error {
	if w.sendErr != nil {
		if err := w.sendErr(m); err != nil {
			return err
		}
	}
	w.mails.Add(m)
	return nil
}

func (w *world) mailCount() int { return len(w.mails.All()) }

func (w *world) mail() postern.Mail {
	w.t.Helper()
	all := w.mails.All()
	if len(all) == 0 {
		w.t.Fatal("no mail was sent")
	}
	return all[len(all)-1]
}

func (w *world) signInCount() int { return len(w.signIns.All()) }

// signedIn returns the one sign-in there was since the last call.
func (w *world) signedIn() *postern.SignIn {
	w.t.Helper()
	all := w.signIns.Take()
	if len(all) != 1 {
		w.t.Fatalf("%d sign-ins, want 1", len(all))
	}
	return all[0]
}

// reasons counts the events of a name by reason.
func (w *world) reasons(name string) map[string]int {
	n := map[string]int{}
	for _, e := range w.Events.All() {
		if e.Name == name {
			n[e.Reason]++
		}
	}
	return n
}
