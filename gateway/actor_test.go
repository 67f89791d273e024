package gateway_test

import (
	"strings"
	"testing"

	"github.com/posternauth/postern/session"
)

// TestR4_ActorBehindAuthorizers: behind each authorizer the function knows who acts.
func TestR4_ActorBehindAuthorizers(t *testing.T) {
	w, jwt := newIssuer(t)
	member := session.NewKind[User](w.sessions, "member")
	staff := session.NewKind[User](w.sessions, "staff")
	by := must(staff.Create(t.Context(), session.Grant[User]{Subject: "boss"}))(t)
	made := must(member.Create(t.Context(), session.Grant[User]{Subject: "u1", ActorSession: by.SessionID}))(t)
	for name, front := range w.fronts(jwt, member) {
		key, value := bearer(made.Access)
		rec := call(front(w.behind(member)), "GET", "/a", key, value)
		if rec.Code != 200 || !strings.Contains(rec.Body.String(), `"Subject":"u1","Actor":"boss"`) {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
}
