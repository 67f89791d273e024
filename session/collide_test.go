package session_test

import (
	"strings"
	"testing"

	"github.com/posternauth/postern/session"
)

// TestI14_NamesThatCollide: two things whose names some reader takes for one are refused where they are declared, not
// found out when tokens break.
func TestI14_NamesThatCollide(t *testing.T) {
	kind := func(w *world, name, cookie string) {
		session.NewKindConfig(w.sessions, session.KindConfig[User]{Name: name, CookieName: cookie})
	}
	claim := func(w *world, name string) {
		session.NewClaim(w.user, session.ClaimConfig[User, bool]{Name: name})
	}
	for name, c := range map[string]struct {
		first, second func(w *world)
		panics        string
	}{
		"cookie":               {func(w *world) { kind(w, "a", "c") }, func(w *world) { kind(w, "b", "c") }, "same cookie"},
		"cookie, refresh":      {func(w *world) { kind(w, "a", "c") }, func(w *world) { kind(w, "b", "c-refresh") }, "same cookie"},
		"refresh, cookie":      {func(w *world) { kind(w, "a", "c-refresh") }, func(w *world) { kind(w, "b", "c") }, "same cookie"},
		"refresh of a refresh": {func(w *world) { kind(w, "a", "c") }, func(w *world) { kind(w, "b", "c-refresh-refresh") }, ""},
		"claim":                {func(w *world) { claim(w, "plan") }, func(w *world) { claim(w, "plan") }, "letter case"},
		"claim, letter case":   {func(w *world) { claim(w, "plan") }, func(w *world) { claim(w, "Plan") }, "letter case"},
		"claim, one more":      {func(w *world) { claim(w, "plan") }, func(w *world) { claim(w, "plans") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.first(w)
			defer func() {
				text, _ := recover().(string)
				if (text != "") != (c.panics != "") || !strings.Contains(text, c.panics) {
					t.Errorf("panic %q, want %q", text, c.panics)
				}
			}()
			c.second(w)
		})
	}
}
