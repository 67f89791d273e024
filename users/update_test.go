package users_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

func TestUpdate(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		id := w.create(mail("ada@example.com"))
		u := w.user(id)
		name, picture, locale := "Ada", "https://example.com/a.png", "en"
		w.Advance(time.Hour)
		next := must(w.dir.Update(t.Context(), id, u.Version, users.Fields{Name: &name, Picture: &picture, Locale: &locale, Profile: json.RawMessage(`{"a": 1}`), Data: json.RawMessage(`[1, 2]`)}))(t)
		if next.Name != name || next.Picture != picture || next.Locale != locale || string(next.Profile) != `{"a":1}` || string(next.Data) != `[1,2]` || next.Version == u.Version {
			t.Errorf("the user is %+v", next)
		}
		if !next.Updated.Equal(testworld.Start.Add(time.Hour)) || !next.Created.Equal(testworld.Start) {
			t.Errorf("created %v, updated %v", next.Created, next.Updated)
		}
		_, err := w.dir.Update(t.Context(), id, u.Version, users.Fields{Name: &name})
		w.want(err, users.ErrVersion)
		other := "Grace"
		last := must(w.dir.Update(t.Context(), id, "", users.Fields{Name: &other, Profile: json.RawMessage("null")}))(t)
		if last.Name != other || last.Profile != nil || string(last.Data) != `[1,2]` {
			t.Errorf("the user is %+v", last)
		}
		if h := w.head(id); h.Sec != 0 || h.Rights != 0 {
			t.Errorf("a name moved the head: %+v", h)
		}
		_, err = w.dir.Update(t.Context(), "nobody", "", users.Fields{Name: &name})
		w.want(err, postern.ErrNoUser)
		w.sound(id)
	})
}

func TestUpdate_Refused(t *testing.T) {
	w := newWorld(t)
	id := w.create(mail("ada@example.com"))
	before := w.user(id)
	for field, bad := range map[string][]string{
		"name":    {"a\nb", "a\u202eb", strings.Repeat("x", 256), " a", "a\x00b", "\xff"},
		"picture": {"http://example.com/a.png", "javascript:alert(1)", "https://u:p@example.com/", "https://", "https://example.com/\"x", "//example.com/a", "data:image/png;base64,AA", "https://example.com/" + strings.Repeat("x", 2048)},
		"locale":  {"de_CH", "<b>", strings.Repeat("x", 36)},
		"profile": {"{", "{}{}", "\"\xff\"", `"` + strings.Repeat("x", 65<<10) + `"`},
		"data":    {"{", "[1,]"},
	} {
		for _, value := range bad {
			f := map[string]users.Fields{"name": {Name: &value}, "picture": {Picture: &value}, "locale": {Locale: &value}, "profile": {Profile: json.RawMessage(value)}, "data": {Data: json.RawMessage(value)}}[field]
			_, err := w.dir.Update(t.Context(), id, "", f)
			var refused *users.FieldError
			if !errors.As(err, &refused) || refused.Field != field || !strings.HasSuffix(refused.Text, ".") {
				t.Errorf("%s %.30q: %v", field, value, err)
			}
		}
	}
	if after := w.user(id); text(after) != text(before) {
		t.Errorf("something was written: %s", text(after))
	}
}

// A role of the configuration gives its scopes, and one that has left the configuration gives none.
func TestSetRoles(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		id := w.create(mail("ada@example.com"))
		w.ok(w.dir.SetRoles(t.Context(), id, []string{"reader", "editor", "reader"}, users.Extra{}))
		u := w.user(id)
		if !slices.Equal(u.Roles, []string{"editor", "reader"}) || !slices.Equal(u.Scopes, []string{"posts:read", "posts:write"}) {
			t.Errorf("roles %q, scopes %q", u.Roles, u.Scopes)
		}
		if h := w.head(id); h.Rights != 1 || h.Sec != 0 {
			t.Errorf("the head is %+v", h)
		}
		w.ok(w.dir.SetRoles(t.Context(), id, []string{"editor", "reader"}, users.Extra{}))
		if h := w.head(id); h.Rights != 1 {
			t.Error("the same roles moved the head")
		}
		w.want(w.dir.SetRoles(t.Context(), id, []string{"owner"}, users.Extra{}), users.ErrRole)
		fewer := must(users.New(users.Config{Sessions: w.sessions, Pool: w.pool, Roles: users.Roles{"reader": {"posts:read"}}}))(t)
		if p := must(fewer.Get(t.Context(), id))(t); !slices.Equal(p.Scopes, []string{"posts:read"}) {
			t.Errorf("scopes %q of a role that is no more", p.Scopes)
		}
		w.ok(w.dir.SetRoles(t.Context(), id, nil, users.Extra{}))
		if u := w.user(id); len(u.Roles)+len(u.Scopes) != 0 {
			t.Errorf("roles %q, scopes %q", u.Roles, u.Scopes)
		}
	})
}

// Extra.Also is part of the write, sees the number sec, and can refuse.
func TestExtra_Also(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		id := w.create(mail("ada@example.com"))
		ticket := store.Key{Part: "ticket-" + w.pool, ID: "t"}
		refused := fmt.Errorf("refused")
		deeds := map[string]func(context.Context, users.Extra) error{
			"SetRoles": func(ctx context.Context, x users.Extra) error { return w.dir.SetRoles(ctx, id, []string{"reader"}, x) },
			"LinkWith": func(ctx context.Context, x users.Extra) error { return w.dir.LinkWith(ctx, id, account("g1"), x) },
			"ReplaceAddress": func(ctx context.Context, x users.Extra) error {
				return w.dir.ReplaceAddress(ctx, id, "ada@example.com", "new@example.com", x)
			},
			"Delete": func(ctx context.Context, x users.Extra) error { return w.dir.Delete(ctx, id, x) },
		}
		for name, deed := range deeds {
			w.want(deed(t.Context(), users.Extra{Also: func(sec int64) ([]store.Change, error) {
				if sec != 0 {
					t.Errorf("%s: sec is %d", name, sec)
				}
				return nil, refused
			}}), refused)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond) // for its tries
			err := deed(ctx, users.Extra{Also: func(int64) ([]store.Change, error) { return []store.Change{store.Check(ticket, "old")}, nil }})
			if cancel(); err == nil {
				t.Errorf("%s: was done although the change beside it conflicted", name)
			}
		}
		if u := w.user(id); len(u.Roles)+len(u.Identities)+len(u.Former) != 0 {
			t.Errorf("something was written: %+v", u)
		}
		w.ok(deeds["SetRoles"](t.Context(), users.Extra{Also: func(int64) ([]store.Change, error) {
			return []store.Change{store.Put(store.Item{Key: ticket, Value: []byte("used")})}, nil
		}}))
		if items := must(w.store.Get(t.Context(), ticket))(t); len(items) != 1 {
			t.Error("the ticket was not written")
		}
		w.sound(id)
	})
}

// A new name replaces the old one, which others may then have. Only the loss of a name ends sessions.
func TestSetUsername(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		ada, bob := w.create(mail("ada@example.com")), w.create(mail("bob@example.com"))
		w.ok(w.dir.SetUsername(ctx, ada, "Ada_L", users.Extra{}))
		w.ok(w.dir.SetUsername(ctx, ada, "ada_l", users.Extra{}))
		if h := w.head(ada); h.Sec != 0 || h.Seq != 2 || h.Ways.Usernames != 1 || w.user(ada).Username != "ada_l" {
			t.Errorf("the head is %+v", h)
		}
		w.want(w.dir.SetUsername(ctx, bob, "ADA_L", users.Extra{}), postern.ErrTaken)
		for _, name := range []string{"root", "a", "bob@example.com", "b\u043eb"} {
			w.want(w.dir.SetUsername(ctx, bob, name, users.Extra{}), users.ErrField)
		}
		w.ok(w.dir.SetUsername(ctx, ada, "countess", users.Extra{}))
		if h := w.head(ada); h.Sec != 1 {
			t.Errorf("the head after a change is %+v", h)
		}
		w.ok(w.dir.SetUsername(ctx, bob, "ada_l", users.Extra{}))
		w.ok(w.dir.SetUsername(ctx, ada, "", users.Extra{}))
		if got := w.found(username("countess")); got != "" {
			t.Errorf("a name that was given up finds %s", got)
		}
		w.sound(ada)
		w.sound(bob)
	})
}
