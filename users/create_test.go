package users_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// A user is made of what was verified, is found by it alone, and is read as it was made.
func TestCreate(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := signUp(account("g1", "Ada@Example.com"))
		s.Identity.Addresses = append(s.Identity.Addresses, postern.Address{Type: "email", Value: "note@example.com"}, postern.Address{Type: "phone", Value: "+41791234567", Verified: true})
		s.Identity.Name, s.Identity.Picture = "Ada \u202eLovelace\n", "https://example.com/ada.png"
		s.Locale, s.Roles, s.Fields = "de-CH", []string{"editor", "removed", "editor"}, map[string]string{"terms": "2026"}
		id := must(w.dir.Create(t.Context(), s))(t)
		u := w.user(id)
		if len(id) != 26 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz234567") != "" {
			t.Errorf("the id is %q", id)
		}
		if u.ID != id || u.Name != "Ada Lovelace" || u.Locale != "de-CH" || u.Picture != "https://example.com/ada.png" || string(u.Data) != `{"terms":"2026"}` {
			t.Errorf("the user is %+v", u)
		}
		if !slices.Equal(u.Roles, []string{"editor"}) || !slices.Equal(u.Scopes, []string{"posts:read", "posts:write"}) {
			t.Errorf("roles %q, scopes %q", u.Roles, u.Scopes)
		}
		want := []postern.Address{{Type: "email", Value: "ada@example.com", Verified: true}, {Type: "email", Value: "note@example.com"}, {Type: "phone", Value: "+41791234567"}}
		if !slices.Equal(u.Addresses, want) {
			t.Errorf("addresses %+v", u.Addresses)
		}
		if !u.Created.Equal(testworld.Start) || u.Disabled != nil || !u.LastSignIn.IsZero() || u.Version == "" {
			t.Errorf("the user is %+v", u)
		}
		for _, i := range []postern.Identity{account("g1"), mail("ada@example.com"), mail("ADA@EXAMPLE.COM")} {
			if got := w.found(i); got != id {
				t.Errorf("%s %s finds %q", i.Issuer, i.Subject, got)
			}
		}
		for _, i := range []postern.Identity{
			mail("note@example.com"), mail("+41791234567"), account("g2"), {Issuer: google + "/", Subject: "g1"}, {Issuer: google}, {Subject: "g1"}, {},
			{Issuer: google + "g", Subject: "1"}, username("ada"), username(id), mail(""), mail("ada@example.com\n"), {Issuer: postern.MailIssuer + "x", Subject: "ada@example.com"},
		} {
			if got := w.found(i); got != "" {
				t.Errorf("%q %q finds %q", i.Issuer, i.Subject, got)
			}
		}
		p := must(w.dir.Get(t.Context(), id))(t)
		if text(p) != text(u.Person()) || p.Disabled {
			t.Errorf("Get returned %+v", p)
		}
		w.sound(id)
	})
}

// The same sign-up gives the same user, and another one by the same person is refused.
func TestCreate_SameSignUp(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, id := range []postern.Identity{account("g1", "a@example.com"), mail("b@example.com"), username("ada_l")} {
			s := signUp(id)
			first := must(w.dir.Create(t.Context(), s))(t)
			w.Advance(48 * time.Hour)
			if second := must(w.dir.Create(t.Context(), s))(t); second != first {
				t.Errorf("the same sign-up made %s and %s", first, second)
			}
			_, err := w.dir.Create(t.Context(), signUp(id))
			w.want(err, postern.ErrTaken)
			other := s
			other.Identity = account("another", "c@example.com")
			_, err = w.dir.Create(t.Context(), other)
			w.want(err, postern.ErrTaken) // somebody else's proof never opens this user
			w.sound(first)
		}
		if n := len(w.all()); n != 3 {
			t.Errorf("%d users, want 3", n)
		}
	})
}

// A taken address refuses the whole sign-up: nothing of it is left behind.
func TestCreate_Taken(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.create(mail("ada@example.com"))
		_, err := w.dir.Create(t.Context(), signUp(account("g1", "free@example.com", "ada@example.com")))
		w.want(err, postern.ErrTaken)
		for _, i := range []postern.Identity{account("g1"), mail("free@example.com")} {
			if got := w.found(i); got != "" {
				t.Errorf("%s %s finds %q", i.Issuer, i.Subject, got)
			}
		}
		if n := len(w.all()); n != 1 {
			t.Errorf("%d users, want 1", n)
		}
	})
}

// The credential is in the write of the user: both exist, or neither does.
func TestCreateWith(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		row := func(userID string) store.Key { return store.Key{Part: head.Part(w.pool, userID), ID: "password"} }
		s := signUp(mail("ada@example.com"))
		s.Passwords, s.Passkeys = 1, 2
		id := must(w.dir.CreateWith(t.Context(), s, func(userID string) []store.Change {
			return []store.Change{store.Put(store.Item{Key: row(userID), Value: []byte(`"hash"`)})}
		}))(t)
		if items := must(w.store.Get(t.Context(), row(id)))(t); len(items) != 1 {
			t.Error("the credential was not written")
		}
		if h := w.head(id); h.Ways.Passwords != 1 || h.Ways.Passkeys != 2 || h.Ways.Addresses != 1 {
			t.Errorf("the head counts %+v", h.Ways)
		}
		conflict := store.Key{Part: "ticket", ID: w.pool}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond) // for its tries
		defer cancel()
		_, err := w.dir.CreateWith(ctx, signUp(mail("bob@example.com")), func(string) []store.Change {
			return []store.Change{store.Check(conflict, "a version it does not have")}
		})
		if err == nil || errors.Is(err, postern.ErrTaken) || errors.Is(err, postern.ErrNoUser) {
			t.Errorf("a change that always conflicts: %v", err)
		}
		if got := w.found(mail("bob@example.com")); got != "" {
			t.Error("the user was made without the credential")
		}
		w.sound(id)
	})
}

func TestCreate_Refused(t *testing.T) {
	w := newWorld(t)
	for _, id := range []postern.Identity{
		{}, {Issuer: google}, {Subject: "x"}, {Issuer: google, Subject: strings.Repeat("x", 1025)}, {Issuer: google, Subject: "\xff"},
		mail("no address"), username("ab"), username("admin"), username("Postmaster"), username("a@b.example"), username("..."), username("-ada"),
		username(strings.Repeat("x", 33)), username("ad\u0430"), username(""),
	} {
		_, err := w.dir.Create(t.Context(), signUp(id))
		if !errors.Is(err, users.ErrField) {
			t.Errorf("%q %q: %v", id.Issuer, id.Subject, err)
		}
	}
	s := signUp(mail("ada@example.com"))
	s.ID = "short"
	if _, err := w.dir.Create(t.Context(), s); err == nil {
		t.Error("a sign-up with an id that can be guessed made a user")
	}
	if n := len(w.all()); n != 0 {
		t.Errorf("%d users", n)
	}
	without := must(users.New(users.Config{Sessions: w.sessions, Pool: w.pool}))(t)
	if _, err := without.Create(t.Context(), signUp(username("ada_l"))); !errors.Is(err, users.ErrField) {
		t.Errorf("a username where there are none: %v", err)
	}
}

func TestNew(t *testing.T) {
	w := newWorld(t)
	c := w.Config("https://api.example.com/auth")
	for name, c := range map[string]users.Config{
		"no sessions":       {},
		"a role's name":     {Sessions: w.sessions, Roles: users.Roles{"Big Boss": {"x"}}},
		"a scope":           {Sessions: w.sessions, Roles: users.Roles{"editor": {"posts read"}}},
		"an empty scope":    {Sessions: w.sessions, Roles: users.Roles{"editor": {""}}},
		"writes to one":     {Sessions: w.sessions, Store: onePart{w.store}},
		"sessions of no db": {Sessions: storeless(t, c)},
	} {
		if _, err := users.New(c); err == nil {
			t.Errorf("%s: New accepted it", name)
		}
	}
	d := must(users.New(users.Config{Sessions: w.sessions}))(t)
	if d.Pool() != "https://api.example.com/auth" {
		t.Errorf("the pool is %q", d.Pool())
	}
}

type onePart struct{ store.Store }

func (onePart) OnePart() bool { return true }

func storeless(t *testing.T, c session.Config) *session.Sessions {
	c.Store = nil
	c.Keys = newWorld(t).Ring(t, nil)
	return must(session.New(c))(t)
}

// Users of one pool do not exist in another one on the same store.
func TestPools(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		other := must(users.New(users.Config{Sessions: w.sessions, Pool: w.pool + "2", AllowUsernames: true}))(t)
		s := signUp(mail("ada@example.com"))
		id := must(w.dir.Create(t.Context(), s))(t)
		if _, err := other.Find(t.Context(), mail("ada@example.com")); !errors.Is(err, postern.ErrNoUser) {
			t.Errorf("found in another pool: %v", err)
		}
		if _, err := other.Get(t.Context(), id); !errors.Is(err, postern.ErrNoUser) {
			t.Errorf("read in another pool: %v", err)
		}
		if second := must(other.Create(t.Context(), s))(t); second == id {
			t.Error("two pools share an id")
		}
	})
}

// Get never answers with somebody else, whatever id it gets.
func TestGet_HostileIDs(t *testing.T) {
	w := newWorld(t)
	w.create(mail("ada@example.com"))
	for _, id := range []string{"", "!", "user", "c_abc", "\x00", "\xff", "a b", strings.Repeat("x", 129), "../x", "ä"} {
		_, err := w.dir.Get(t.Context(), id)
		w.want(err, postern.ErrNoUser)
	}
}

// A user row whose head is gone is damage, not a user without protection.
func TestGet_HeadMissing(t *testing.T) {
	w := newWorld(t)
	id := w.create(mail("ada@example.com"))
	items := must(w.store.Get(t.Context(), head.Key(w.pool, id)))(t)
	w.ok(w.store.Write(t.Context(), store.Delete(items[0].Key, items[0].Version)))
	for what, err := range map[string]error{
		"Get":  second(w.dir.Get(t.Context(), id)),
		"Find": second(w.dir.Find(t.Context(), mail("ada@example.com"))),
		"Link": w.dir.Link(t.Context(), id, account("g1")),
	} {
		if err == nil || errors.Is(err, postern.ErrNoUser) || errors.Is(err, postern.ErrTaken) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
