package session_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A keeper is a world with a kind whose sessions are kept, in a store whose behaviour the test sets.
type keeper struct {
	*world
	member *session.Kind[User]
	spy    *script
	config session.Config
	made   map[string]session.Tokens // see once
}

// newKeeper takes changes of the Config and of the KindConfig[User].
func newKeeper(t testing.TB, changes ...any) *keeper {
	t.Helper()
	k := &keeper{spy: &script{}}
	memory := &store.Memory{}
	k.spy.Store = memory
	of := session.KindConfig[User]{Name: "member"}
	k.world = newWorld(t, func(c *session.Config) {
		c.Keys = must(keys.StaticSigner(must(keys.Generate(keys.EdDSA))(t)))(t)
		c.Store, memory.Now = k.spy, c.Now
		for _, change := range changes {
			switch change := change.(type) {
			case func(*session.Config):
				change(c)
			case func(*session.KindConfig[User]):
				change(&of)
			default:
				t.Fatalf("a change of type %T", change)
			}
		}
		k.config = *c
	})
	k.member = session.NewKindConfig(k.sessions, of)
	return k
}

// twin is another instance of the same program, on the same store, with another clock.
func (k *keeper) twin(ahead time.Duration, changes ...any) *keeper {
	k.t.Helper()
	as := func(c *session.Config) {
		c.Keys, c.Secrets, c.Store = k.config.Keys, k.config.Secrets, k.config.Store
		c.Now = func() time.Time { return k.Now().Add(ahead) }
	}
	other := newKeeper(k.t, append([]any{as}, changes...)...)
	other.Set(k.Now())
	other.spy = k.spy
	return other
}

// create makes a session of u1.
func (k *keeper) create() session.Tokens {
	k.t.Helper()
	return must(k.member.Create(k.t.Context(), k.grant()))(k.t)
}

// list returns the sessions of u1.
func (k *keeper) list() []session.Info {
	k.t.Helper()
	return must(k.sessions.List(k.t.Context(), "u1", session.ListOptions{}))(k.t).Sessions
}

func (k *keeper) refresh(token string) (session.Tokens, error) {
	return k.sessions.Refresh(k.t.Context(), token)
}

// once makes tokens the first time it is asked for them by that name.
func (k *keeper) once(name string, make func() session.Tokens) session.Tokens {
	if _, ok := k.made[name]; !ok {
		if k.made == nil {
			k.made = map[string]session.Tokens{}
		}
		k.made[name] = make()
	}
	return k.made[name]
}

// mustRefresh fails the test unless the token is good.
func (k *keeper) mustRefresh(token string) session.Tokens {
	k.t.Helper()
	return must(k.refresh(token))(k.t)
}

// rotate waits until the session rotates, and refreshes.
func (k *keeper) rotate(token string) session.Tokens {
	k.t.Helper()
	k.Advance(31 * time.Second)
	next := k.mustRefresh(token)
	if next.Refresh == token {
		k.t.Fatal("nothing was rotated")
	}
	return next
}

// told returns the events since the last call, each as its name, and its reason if it has one; refreshes and creations
// are left out unless all are asked for.
func (k *keeper) told(all ...bool) (out []string) {
	for _, e := range k.Events.Take() {
		if len(all) == 0 && (e.Name == "session created" || e.Name == "session refreshed") {
			continue
		}
		name := e.Name
		if e.Reason != "" {
			name += ": " + e.Reason
		}
		out = append(out, name)
	}
	return out
}

func (k *keeper) wantTold(want ...string) {
	k.t.Helper()
	if got := k.told(); !slices.Equal(got, want) {
		k.t.Errorf("events %q, want %q", got, want)
	}
}

func (k *keeper) access() string  { return session.CookieNameOf(k.member) }
func (k *keeper) renewal() string { return k.access() + "-refresh" }

// cookies is the Cookie header of a browser that has some tokens.
func (k *keeper) cookies(t session.Tokens) string {
	return k.access() + "=" + t.Access + "; " + k.renewal() + "=" + t.Refresh
}

func keyOf(id string) store.Key {
	half, tail, _ := strings.Cut(id, ".")
	return store.Key{Part: "session:" + half, ID: tail}
}

func epochOf(id string) store.Key { return store.Key{Part: keyOf(id).Part, ID: "!"} }

// item is what the store holds under a key; without a version: nothing.
func (k *keeper) item(key store.Key) store.Item {
	k.t.Helper()
	for _, item := range must(k.spy.Store.Get(k.t.Context(), key))(k.t) {
		return item
	}
	return store.Item{Key: key}
}

// edit changes a row of the store behind the program's back.
func (k *keeper) edit(id string, change func(row map[string]any)) {
	k.t.Helper()
	item := k.item(keyOf(id))
	row := map[string]any{}
	d := json.NewDecoder(bytes.NewReader(item.Value))
	d.UseNumber()
	if err := d.Decode(&row); err != nil {
		k.t.Fatal(err)
	}
	change(row)
	item.Value = must(json.Marshal(row))(k.t)
	k.write(item)
}

func (k *keeper) write(item store.Item) {
	k.t.Helper()
	if err := k.spy.Store.Write(k.t.Context(), store.Put(item)); err != nil {
		k.t.Fatal(err)
	}
}

// script is a store that counts its calls, and does with them what the test sets.
type script struct {
	store.Store
	mu      sync.Mutex
	gets    int
	lists   int
	written [][]store.Change
	onGet   func(n int) error                                           // of the n-th Get, from 1
	onWrite func(n int, changes []store.Change) (apply bool, err error) // whether it happens, and the answer
	onList  func(n int) error
	onKeys  func(keys []store.Key) // of each Get
}

func (s *script) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	s.mu.Lock()
	s.gets++
	n, on := s.gets, s.onGet
	if s.onKeys != nil {
		s.onKeys(keys)
	}
	s.mu.Unlock()
	if on != nil {
		if err := on(n); err != nil {
			return nil, err
		}
	}
	return s.Store.Get(ctx, keys...)
}

func (s *script) Write(ctx context.Context, changes ...store.Change) error {
	s.mu.Lock()
	s.written = append(s.written, changes)
	n, on := len(s.written), s.onWrite
	s.mu.Unlock()
	if on == nil {
		return s.Store.Write(ctx, changes...)
	}
	apply, answer := on(n, changes)
	if apply {
		if err := s.Store.Write(ctx, changes...); err != nil {
			return err
		}
	}
	return answer
}

func (s *script) List(ctx context.Context, part, after string, limit int) ([]store.Item, string, error) {
	s.mu.Lock()
	s.lists++
	n, on := s.lists, s.onList
	s.mu.Unlock()
	if on != nil {
		if err := on(n); err != nil {
			return nil, "", err
		}
	}
	return s.Store.List(ctx, part, after, limit)
}

// calm forgets the calls of the store and what it should do.
func (s *script) calm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gets, s.lists, s.written, s.onGet, s.onWrite, s.onList, s.onKeys = 0, 0, nil, nil, nil, nil, nil
}

func (s *script) writes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.written)
}

// set finds the Set-Cookie of a name; all of that name must be one.
func set(t testing.TB, h http.Header, name string) string {
	t.Helper()
	found := ""
	for _, line := range h["Set-Cookie"] {
		if strings.HasPrefix(line, name+"=") {
			if found != "" {
				t.Errorf("two cookies %s: %q", name, h["Set-Cookie"])
			}
			found = line
		}
	}
	return found
}

// value is that of a Set-Cookie.
func value(line string) string {
	_, rest, _ := strings.Cut(line, "=")
	v, _, _ := strings.Cut(rest, ";")
	return v
}

// handedTo is the Return of a client that redeems codes with proof.
func handedTo(client string) session.Return {
	return returnto.New(app, "", s256(proof), client)
}
