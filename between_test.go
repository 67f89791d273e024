package postern_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// meanwhile calls f before the first Get of a row with an id.
type meanwhile struct {
	store.Store
	id string
	f  func()
}

func (s *meanwhile) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	for _, key := range keys {
		if f := s.f; f != nil && key.ID == s.id {
			s.f = nil
			f()
		}
	}
	return s.Store.Get(ctx, keys...)
}

// resetAt resets Ann's password at the next look at her row "user", which comes after the looks at the session and at
// the head, or at the head alone, which comes between these two.
func (f *flat) resetAt(row string) {
	token, owner := f.reset(), f.browser()
	reset := func() {
		want(f.t, owner.post(issuer+"/password/reset", url.Values{"token": {token}, "password": {next}}), http.StatusSeeOther, "")
	}
	if row == head.ID {
		f.store.Store = &headHook{Store: f.store.Store, f: reset}
		return
	}
	f.store.Store = &meanwhile{Store: f.store.Store, id: row, f: reset}
}

// TestA10_ADeedDuringAReset: the session of a thief is good when the request comes, and ends before the deed is
// written. Then nothing is written.
func TestA10_ADeedDuringAReset(t *testing.T) {
	t.Run("link", func(t *testing.T) {
		f := newFlat(t)
		thief := f.enter()
		st := state(t, thief.get(f.abroad(thief, at("mallory", "", false))))
		f.resetAt("user")
		want(t, thief.post(issuer+"/link", url.Values{"state": {st}, "choice": {"add"}}), http.StatusBadRequest, "expired_state")
		if id, err := f.dir.Find(t.Context(), at("mallory", "", false)); err == nil {
			t.Errorf("mallory signs in as %s", id)
		}
	})
	t.Run("join", func(t *testing.T) {
		f := newFlat(t)
		thief := f.browser()
		f.signIn(thief, at("mallory", anns, true))
		st := state(t, f.enterIn(thief))
		f.resetAt("user")
		want(t, thief.post(issuer+"/join", url.Values{"state": {st}, "choice": {"add"}}), http.StatusBadRequest, "expired_state")
		if id, err := f.dir.Find(t.Context(), at("mallory", "", false)); err == nil {
			t.Errorf("mallory signs in as %s", id)
		}
	})
	for _, route := range [][4]string{
		{"DELETE", "/account/identities/", "", "user"}, {"DELETE", "/account/addresses/", "", "user"}, {"DELETE", "/account?confirm=", "", "user"}, {"PATCH", "/account", `{"name":"Mallory"}`, "user"},
		{"DELETE", "/account/identities/", "", head.ID}, {"DELETE", "/account/addresses/", "", head.ID}, {"DELETE", "/account?confirm=", "", head.ID}, {"PATCH", "/account", `{"name":"Mallory"}`, head.ID},
	} {
		t.Run(route[0]+route[1]+" "+route[3], func(t *testing.T) {
			f := newFlat(t)
			path := route[1]
			switch {
			case strings.HasSuffix(path, "identities/"):
				path += f.identities(f.owner).Identities[0].ID
			case strings.HasSuffix(path, "addresses/"):
				path += f.addressID(f.owner, "ann2@example.com")
			case strings.HasSuffix(path, "="):
				path += f.id
			}
			before, err := f.dir.User(t.Context(), f.id)
			if err != nil {
				t.Fatal(err)
			}
			thief := f.enter()
			f.resetAt(route[3])
			if w := thief.json(route[0], path, route[2]); w.Code < 400 || w.Code >= 500 {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if u, err := f.dir.User(t.Context(), f.id); err != nil || u.Version != before.Version {
				t.Errorf("%+v, %v", u, err)
			}
		})
	}
}

// slow is a body whose first byte comes after f.
type slow struct {
	io.Reader
	f func()
}

func (b *slow) Read(p []byte) (int, error) {
	if f := b.f; f != nil {
		b.f = nil
		f()
	}
	return b.Reader.Read(p)
}

// TestR1_LoweredWhileTheBodyArrives: an administrator sends a request slowly, and is lowered before its body is there.
func TestR1_LoweredWhileTheBodyArrives(t *testing.T) {
	h := newOffice(t)
	clerk, by := h.person("clerk", "owner")
	id, _ := h.person("ada", "member")
	for _, route := range adminRoutes(id, "x") {
		if route[2] == "" {
			continue
		}
		if err := h.dir.SetRoles(t.Context(), clerk, []string{"owner"}, users.Extra{}); err != nil {
			t.Fatal(err)
		}
		who := at("clerk", "clerk@example.com", true)
		h.signIn(by, who)
		h.stepUp(by, who)
		mails := len(h.mails.All())
		r := by.Request(route[0], issuer+route[1], nil)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Body, r.ContentLength = io.NopCloser(&slow{strings.NewReader(route[2]), func() {
			if err := h.dir.SetRoles(context.Background(), clerk, []string{"member"}, users.Extra{}); err != nil {
				t.Error(err)
			}
		}}), -1
		answered(t, by.do(r), http.StatusForbidden, "rights_changed")
		if n := len(h.mails.All()) - mails; n != 0 {
			t.Errorf("%s %s: %d mails", route[0], route[1], n)
		}
	}
}
