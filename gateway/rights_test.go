package gateway_test

import (
	"testing"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/session"
)

// TestTrusted_RightsVersion: behind each authorizer, CheckStore compares the roles of the token with the user's, as it
// does without one.
func TestTrusted_RightsVersion(t *testing.T) {
	w, jwt := newIssuer(t)
	staff := session.NewKindConfig(w.sessions, session.KindConfig[User]{Name: "staff", Pool: "people"})
	move := func() {
		h := must(head.Get(t.Context(), w.sessions.Store(), "people", "u1"))(t)
		h.Rights++
		if err := w.sessions.Store().Write(t.Context(), h.Put()); err != nil {
			t.Fatal(err)
		}
	}
	move()
	for name, front := range w.fronts(jwt, staff) {
		g := front(w.behind(staff, session.CheckStore))
		key, value := bearer(w.token(staff, "u1"))
		if rec := call(g, "GET", "/a", key, value); rec.Code != 200 {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
		move()
		if rec := call(g, "GET", "/a", key, value); rec.Code != 401 {
			t.Errorf("%s, the roles have changed: %d %s", name, rec.Code, rec.Body)
		}
	}
}
