package users_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

const google = "https://accounts.google.com"

var roles = users.Roles{"editor": {"posts:write", "posts:read"}, "reader": {"posts:read"}, "admin": {"users:write"}}

// A world is a directory with a new pool, on a clock that stands still.
type world struct {
	*testworld.World
	t        testing.TB
	spec     string
	pool     string
	store    store.Store
	sessions *session.Sessions
	dir      *users.Directory
}

func newWorld(t testing.TB) *world { return newWorldOn(t, "memory") }

func newWorldOn(t testing.TB, spec string) *world {
	t.Helper()
	w := &world{World: testworld.New(), t: t, spec: spec, pool: "pool-" + rand.Text()}
	st, shut, err := open(spec, w.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shut(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	w.store = st
	w.dir = w.on(st)
	return w
}

// on returns a directory with the pool of the world on another store.
func (w *world) on(st store.Store) *users.Directory {
	w.t.Helper()
	c := w.Config("https://api.example.com/auth")
	c.Store = st
	testworld.Static(w.t, &c, must(keys.Generate(keys.ES256))(w.t))
	w.sessions = must(session.New(c))(w.t)
	return must(users.New(users.Config{Sessions: w.sessions, Pool: w.pool, Roles: roles, AllowUsernames: true}))(w.t)
}

// racers is a number of callers at once. moto answers one request at a time, in Python, so there are fewer there unless
// POSTERN_TEST_LONG is set.
func (w *world) racers() int {
	if strings.HasPrefix(w.spec, "dynamodb") && os.Getenv("POSTERN_TEST_LONG") == "" {
		return 15
	}
	return 100
}

// must returns the value or ends the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// want fails unless err matches target.
func (w *world) want(err, target error) {
	w.t.Helper()
	if !errors.Is(err, target) {
		w.t.Fatalf("the error is %v, want %v", err, target)
	}
}

func mail(address string) postern.Identity {
	return postern.Identity{Issuer: postern.MailIssuer, Subject: address, Addresses: []postern.Address{{Type: "email", Value: address, Verified: true}}}
}

func username(name string) postern.Identity {
	return postern.Identity{Issuer: postern.NameIssuer, Subject: name}
}

// account is an identity at Google, with addresses that are verified.
func account(subject string, addresses ...string) postern.Identity {
	id := postern.Identity{Provider: "google", Issuer: google, Subject: subject}
	for _, a := range addresses {
		id.Addresses = append(id.Addresses, postern.Address{Type: "email", Value: a, Verified: true})
	}
	return id
}

func signUp(id postern.Identity) postern.SignUp {
	return postern.SignUp{ID: rand.Text(), Identity: id, Time: testworld.Start}
}

// create makes a user.
func (w *world) create(id postern.Identity) string {
	w.t.Helper()
	return must(w.dir.Create(w.t.Context(), signUp(id)))(w.t)
}

func (w *world) user(id string) users.User {
	w.t.Helper()
	return must(w.dir.User(w.t.Context(), id))(w.t)
}

func (w *world) head(id string) head.Head {
	w.t.Helper()
	return must(head.Get(w.t.Context(), w.store, w.pool, id))(w.t)
}

// found returns the user with an identity, or nothing.
func (w *world) found(id postern.Identity) string {
	w.t.Helper()
	userID, err := w.dir.Find(w.t.Context(), id)
	if err != nil && !errors.Is(err, postern.ErrNoUser) {
		w.t.Fatal(err)
	}
	return userID
}

// sound fails unless everything that is stored of a user agrees: head, record and claims.
func (w *world) sound(id string) {
	w.t.Helper()
	u, h := w.user(id), w.head(id)
	var want head.Ways
	for _, a := range u.Addresses {
		if a.Verified && a.Type == "email" {
			want.Addresses++
			if got := w.found(mail(a.Value)); got != id {
				w.t.Errorf("the verified address of %s finds %q", id, got)
			}
		}
	}
	for _, i := range u.Identities {
		want.Identities++
		if got := w.found(postern.Identity{Issuer: i.Issuer, Subject: i.Subject}); got != id {
			w.t.Errorf("the identity of %s finds %q", id, got)
		}
	}
	if u.Username != "" {
		want.Usernames = 1
		if got := w.found(username(u.Username)); got != id {
			w.t.Errorf("the username of %s finds %q", id, got)
		}
	}
	want.Passwords, want.Passkeys = h.Ways.Passwords, h.Ways.Passkeys
	if h.Ways != want {
		w.t.Errorf("the head counts %+v, there are %+v", h.Ways, want)
	}
}

// all returns the ids of all users, as they are listed.
func (w *world) all() (ids []string) {
	w.t.Helper()
	for u, err := range w.dir.All(w.t.Context()) {
		w.ok(err)
		ids = append(ids, u.ID)
	}
	return ids
}

func verified(u users.User) (out []string) {
	for _, a := range u.Addresses {
		if a.Verified {
			out = append(out, a.Value)
		}
	}
	slices.Sort(out)
	return out
}

func text(v any) string {
	out, _ := json.Marshal(v)
	return string(out)
}

var background = context.Background()
