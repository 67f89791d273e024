package passkey_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// table is a table of users of an application, with three methods.
type table struct {
	mu   sync.Mutex
	rows []postern.Person
	ids  map[string]string // of sign-ups
}

func (u *table) Find(_ context.Context, id postern.Identity) (string, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range u.rows {
		if id.Issuer == postern.NameIssuer && p.Username == id.Subject {
			return p.ID, nil
		}
	}
	return "", postern.ErrNoUser
}

func (u *table) Get(_ context.Context, userID string) (postern.Person, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range u.rows {
		if p.ID == userID {
			return p, nil
		}
	}
	return postern.Person{}, postern.ErrNoUser
}

func (u *table) Create(ctx context.Context, s postern.SignUp) (string, error) {
	if _, err := u.Find(ctx, s.Identity); err == nil && u.ids[s.ID] == "" {
		return "", postern.ErrTaken
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if id := u.ids[s.ID]; id != "" {
		return id, nil
	}
	u.ids[s.ID] = s.Identity.Subject + "-1"
	u.rows = append(u.rows, postern.Person{ID: u.ids[s.ID], Username: s.Identity.Subject})
	return u.ids[s.ID], nil
}

// TestOwnTable: passkeys need no table of the application: they lie in the store of Postern.
func TestOwnTable(t *testing.T) {
	people := &table{ids: map[string]string{}}
	w := newWorld(t, func(o *options) {
		o.users = func(*session.Sessions) postern.Users { return people }
	})
	b, d, second := w.browser(), newDevice(), newDevice()
	page := b.post("/passkey/sign-up", "state", b.apply("ada")).want(200, "passkey.sign-up")
	b.fill(page, d.make(t, page.form("").Data)).want(200, "https://app.example.com/")
	in := w.browser()
	in.signIn(d).want(200, "https://app.example.com/")
	if s := in.session(); s == nil || s.Subject != "ada-1" || in.amr() != "hwk user mfa" {
		t.Fatalf("session %+v", s)
	}
	in.enroll(second).want(200, "passkey.added")
	page = in.post("/passkey/ask", "ask", "on")
	in.fill(page, second.show(t, page.form("").Data)).want(200, "passkey.set")
	if h := w.head("ada-1"); h.Ways.Passkeys != 2 || !h.Due() {
		t.Errorf("head %+v", h)
	}
}

// TestDeletedUser: with a user go the passkeys and the claims of their credentials, and the passkey signs in nobody.
func TestDeletedUser(t *testing.T) {
	w := newWorld(t)
	b, d := w.browser(), newDevice()
	u := b.signUp("ada@example.com", d)
	b.enroll(newDevice()).want(200, "passkey.added")
	items, _, err := w.store.Store.List(t.Context(), head.Part(w.sessions.Issuer(), u), head.CredentialRow, 2)
	if err != nil || len(items) != 2 {
		t.Fatalf("%d rows, %v", len(items), err)
	}
	var claims []store.Key
	for _, item := range items {
		claims = append(claims, head.CredentialClaim(item.Key.ID[len(head.CredentialRow):]))
	}
	if found, err := w.store.Store.Get(t.Context(), claims...); err != nil || len(found) != 2 {
		t.Fatalf("%d claims, %v", len(found), err)
	}
	if err := w.dir.Delete(t.Context(), u, users.Extra{}); err != nil {
		t.Fatal(err)
	}
	if found, err := w.store.Store.Get(t.Context(), claims...); err != nil || len(found) != 0 {
		t.Errorf("%d claims are left, %v", len(found), err)
	}
	w.browser().signIn(d).want(400, "unknown_passkey")
	if b.session() != nil {
		t.Error("a session is left")
	}
}

// TestDisabledUser: a passkey of a disabled user is good, and signs in nobody.
func TestDisabledUser(t *testing.T) {
	w := newWorld(t)
	d := newDevice()
	u := w.browser().signUp("ada@example.com", d)
	if err := w.dir.Disable(t.Context(), u, "a test", time.Time{}, users.Extra{}); err != nil {
		t.Fatal(err)
	}
	w.Events.Take()
	b := w.browser()
	b.signIn(d).want(403, "account_disabled")
	if b.session() != nil || slices.Contains(w.events(), "sign-in") {
		t.Error("signed in")
	}
}
