package postern_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// TestR1_LoweredWhileTheRequestIsRead: an administrator whose roles are lowered between the look at the session and the
// look at the head does nothing.
func TestR1_LoweredWhileTheRequestIsRead(t *testing.T) {
	h := newOffice(t)
	clerk, by := h.person("clerk", "clerk")
	ada, _ := h.person("ada", "member")
	// The guard reads session, epoch and head in one Get; then Actor reads the head alone.
	hook := &headHook{Store: h.store.Store, f: func() {
		if err := h.dir.SetRoles(context.Background(), clerk, []string{"member"}, users.Extra{}); err != nil {
			t.Error(err)
		}
	}}
	h.store.Store = hook
	answered(t, by.json("POST", "/admin/users/"+ada+"/disable", `{"reason":"x"}`), http.StatusForbidden, "rights_changed")
	if u, err := h.dir.User(t.Context(), ada); err != nil || u.Disabled != nil || hook.f != nil {
		t.Errorf("%+v, %v", u, err)
	}
}

// headHook calls f before the first Get of one head alone.
type headHook struct {
	store.Store
	f func()
}

func (s *headHook) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if f := s.f; f != nil && len(keys) == 1 && keys[0].ID == "!" {
		s.f = nil
		f()
	}
	return s.Store.Get(ctx, keys...)
}
