package session_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// What lies in the store opens nothing, and says nothing about anybody.
func TestCode_StolenStore(t *testing.T) {
	w := newWorld(t)
	spy := &spyStore{Store: w.store}
	w = newWorld(t, func(c *session.Config) { c.Store = spy })
	code := w.code(proof)
	if len(spy.writes) != 1 {
		t.Fatalf("%d writes", len(spy.writes))
	}
	dump, _ := json.Marshal(spy.writes[0])
	value := spy.writes[0].Item.Value
	for _, secret := range []string{code, "userID", "orders:read", app, s256(proof), proof} {
		if bytes.Contains(dump, []byte(secret)) || bytes.Contains(value, []byte(secret)) {
			t.Errorf("the store holds %q", secret)
		}
	}
	if !spy.writes[0].Item.Expires.Equal(w.Now().Add(time.Minute)) {
		t.Errorf("expires %v", spy.writes[0].Item.Expires)
	}
	// Who can write to the store cannot put the order of one code under another.
	other := w.code(proof)
	mine, yours := spy.writes[0].Item, spy.writes[1].Item
	items := must(spy.Get(t.Context(), yours.Key))(t)
	swapped := store.Item{Key: yours.Key, Value: mine.Value, Expires: yours.Expires, Version: items[0].Version}
	if err := spy.Write(t.Context(), store.Put(swapped)); err != nil {
		t.Fatal(err)
	}
	if rec := w.redeem(form(other)); rec.Code != 400 || errorCode(t, rec) != "invalid_grant" {
		t.Errorf("a foreign order: %d %s", rec.Code, rec.Body)
	}
	if rec := w.redeem(form(code)); rec.Code != 200 {
		t.Errorf("the code in its own place: %d %s", rec.Code, rec.Body)
	}
	// A used code keeps what a replay is checked with, and no longer the person.
	used := spy.writes[len(spy.writes)-1].Item
	if len(used.Value) > len(mine.Value)-100 || bytes.Contains(used.Value, []byte(s256(proof))) || !used.Expires.Equal(mine.Expires) {
		t.Errorf("tombstone %s until %v", used.Value, used.Expires)
	}
}

// spyStore keeps what is written, and fails as told.
type spyStore struct {
	store.Store
	mu      sync.Mutex
	writes  []store.Change
	getErr  error
	writeOn func(n int) (do bool, err error) // of the n-th write, from 1: whether it happens, and the answer
}

func (s *spyStore) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if s.getErr != nil {
		return nil, s.getErr
	}
	return s.Store.Get(ctx, keys...)
}

func (s *spyStore) Write(ctx context.Context, changes ...store.Change) error {
	s.mu.Lock()
	s.writes = append(s.writes, changes...)
	n, on := len(s.writes), s.writeOn
	s.mu.Unlock()
	if on == nil {
		return s.Store.Write(ctx, changes...)
	}
	do, answer := on(n)
	if do {
		if err := s.Store.Write(ctx, changes...); err != nil {
			return err
		}
	}
	return answer
}

// Whatever a store does, a code buys one session or none, and who got no answer may try again as long as it bought
// none.
func TestCode_StoreFails(t *testing.T) {
	lost := errors.New("connection lost")
	for name, c := range map[string]struct {
		on    func(n int) (bool, error)
		first int // answer
		again int // answer to the same, with the store well
	}{
		"applied, answer lost": {func(n int) (bool, error) { return true, lost }, 200, 400},
		"not applied":          {func(n int) (bool, error) { return false, lost }, 503, 200},
		"not applied, then all is well": {func(n int) (bool, error) {
			if n == 2 { // the first was that of Code
				return false, lost
			}
			return true, nil
		}, 200, 400},
		"conflicts without end": {func(n int) (bool, error) { return false, store.ErrConflict }, 503, 200},
	} {
		t.Run(name, func(t *testing.T) {
			spy := &spyStore{Store: &store.Memory{}}
			w := newWorld(t, func(c *session.Config) { c.Store = spy })
			w.Set(time.Now())
			code := w.code(proof)
			spy.writeOn = c.on
			if rec := w.redeem(form(code)); rec.Code != c.first || c.first == 503 && rec.Header().Get("Retry-After") == "" {
				t.Errorf("%d %s, want %d", rec.Code, rec.Body, c.first)
			}
			spy.writeOn = nil
			if rec := w.redeem(form(code)); rec.Code != c.again {
				t.Errorf("again: %d %s, want %d", rec.Code, rec.Body, c.again)
			}
		})
	}
	spy := &spyStore{Store: &store.Memory{}}
	w := newWorld(t, func(c *session.Config) { c.Store = spy })
	w.Set(time.Now())
	code := w.code(proof)
	spy.getErr = lost
	if rec := w.redeem(form(code)); rec.Code != 503 || errorCode(t, rec) != "temporarily_unavailable" {
		t.Errorf("store away: %d %s", rec.Code, rec.Body)
	}
	spy.writeOn = func(int) (bool, error) { return false, lost }
	if err := w.user.Code(recorder(), request("GET", "/"), w.grant(), returnto.New(app, "", s256(proof), "")); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Code with the store away: %v", err)
	}
}

// A signer that fails leaves the code whole.
func TestCode_SignerFails(t *testing.T) {
	w := newWorld(t)
	code := w.code(proof)
	away := newWorld(t, func(c *session.Config) { c.Store, c.Keys = w.store, brokenSigner{c.Keys.(keys.Signer)} })
	if rec := away.redeem(form(code)); rec.Code != 503 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if rec := w.redeem(form(code)); rec.Code != 200 {
		t.Errorf("after that: %d %s", rec.Code, rec.Body)
	}
	// A program that lacks the kind, or the secrets, sells nothing.
	third := session.NewKind[User](w.sessions, "third")
	rec := recorder()
	if err := third.Code(rec, request("GET", "/"), w.grant(), returnto.New(app, "", s256(proof), "")); err != nil {
		t.Fatal(err)
	}
	other := newWorld(t, func(c *session.Config) { c.Store = w.store })
	if rec := other.redeem(form(must(rec.Result().Location())(t).Query().Get("code"))); rec.Code != 400 || errorCode(t, rec) != "invalid_grant" {
		t.Errorf("a kind that is not there: %d %s", rec.Code, rec.Body)
	}
}
