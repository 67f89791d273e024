package users_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/users"
)

// A session ends, at once where a guard asks the store and at its refresh elsewhere, with each change that takes
// something away from the user. An addition ends none.
func TestSessionsEndWithTheUser(t *testing.T) {
	for name, c := range map[string]struct {
		ends bool
		do   func(ctx context.Context, d *users.Directory, id string) error
	}{
		"Disable": {true, func(ctx context.Context, d *users.Directory, id string) error {
			return d.Disable(ctx, id, "", time.Time{}, users.Extra{})
		}},
		"Delete": {true, func(ctx context.Context, d *users.Directory, id string) error {
			return d.Delete(ctx, id, users.Extra{})
		}},
		"ReplaceAddress": {true, func(ctx context.Context, d *users.Directory, id string) error {
			return d.ReplaceAddress(ctx, id, "ada@example.com", "new@example.com", users.Extra{})
		}},
		"RemoveAddress": {true, func(ctx context.Context, d *users.Directory, id string) error {
			return d.RemoveAddress(ctx, id, "ada@example.com", users.Extra{})
		}},
		"Unlink": {true, func(ctx context.Context, d *users.Directory, id string) error {
			return d.Unlink(ctx, id, account("g1"))
		}},
		"AddAddress": {false, func(ctx context.Context, d *users.Directory, id string) error {
			return d.AddAddress(ctx, id, "more@example.com", users.Extra{})
		}},
		"AddNote": {false, func(ctx context.Context, d *users.Directory, id string) error {
			return d.AddNote(ctx, id, "more@example.com", users.Extra{})
		}},
		"Link":            {false, func(ctx context.Context, d *users.Directory, id string) error { return d.Link(ctx, id, account("g2")) }},
		"TouchLastSignIn": {false, func(ctx context.Context, d *users.Directory, id string) error { return d.TouchLastSignIn(ctx, id) }},
		"Update": {false, func(ctx context.Context, d *users.Directory, id string) error {
			name := "Ada"
			_, err := d.Update(ctx, id, "", users.Fields{Name: &name})
			return err
		}},
	} {
		w := newWorld(t)
		ctx := t.Context()
		kind := session.NewKindConfig(w.sessions, session.KindConfig[string]{Name: "user", Pool: w.dir.Pool()})
		id := w.create(account("g1", "ada@example.com"))
		bystander := w.create(mail("bob@example.com"))
		tokens := must(kind.Create(ctx, session.Grant[string]{Subject: id}))(t)
		others := must(kind.Create(ctx, session.Grant[string]{Subject: bystander}))(t)
		w.ok(c.do(ctx, w.dir, id))
		w.Advance(time.Minute)
		_, err := kind.Verify(ctx, tokens.Access, session.CheckStore)
		if ended := errors.Is(err, session.ErrEnded); ended != c.ends || err != nil && !ended {
			t.Errorf("%s: CheckStore: %v", name, err)
		}
		_, err = w.sessions.Refresh(ctx, tokens.Refresh)
		if refused := err != nil; refused != c.ends {
			t.Errorf("%s: the refresh: %v", name, err)
		}
		if _, err := kind.Verify(ctx, others.Access, session.CheckStore); err != nil {
			t.Errorf("%s: the session of somebody else: %v", name, err)
		}
	}
}
