package password_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
)

func TestChange(t *testing.T) {
	w := newWorld(t)
	b, other := w.browser(), w.browser()
	user := b.signUp("ada@example.com", good)
	want(t, other.signIn("ada@example.com", good), http.StatusSeeOther, "/continue")
	before := b.session()
	want(t, w.browser().get("/password/change"), http.StatusUnauthorized, "not_signed_in")
	want(t, b.get("/password/change"), http.StatusOK, "Current password")
	w.Advance(time.Minute)
	token := w.browser().forgot("ada@example.com")
	w.mails.Take()
	want(t, b.post("/password/change", "password", better, "new_password", better), http.StatusBadRequest, "wrong_password")
	want(t, b.post("/password/change", "password", good, "new_password", "short"), http.StatusBadRequest, "password_too_short")
	want(t, b.post("/password/change", "password", good, "new_password", better), http.StatusOK, "Your password was changed")
	after := b.session()
	if after == nil || after.Subject != user || after.ID == before.ID {
		t.Errorf("this session: %+v", after)
	}
	if other.session() != nil {
		t.Error("the other session lives")
	}
	want(t, w.browser().post("/password/reset", "token", token, "password", good), http.StatusBadRequest, "expired_reset")
	want(t, w.browser().signIn("ada@example.com", good), http.StatusBadRequest, "wrong_password")
	want(t, w.browser().signIn("ada@example.com", better), http.StatusSeeOther, "/continue")
	if got := w.mailNames(); !slices.Equal(got, []string{"ada@example.com password.changed"}) {
		t.Errorf("mails %v", got)
	}
}

// TestA6_ChangesNeedAFreshProof: without the password of now, a change needs a step-up that is not older than ten
// minutes. So do a first password, and to remove it.
func TestA6_ChangesNeedAFreshProof(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signUp("ada@example.com", good)
	w.Advance(11 * time.Minute)
	b.post("/refresh")
	for _, step := range [][]string{{"/password/change", "new_password", better}, {"/password/set", "new_password", better}, {"/password/remove"}} {
		want(t, b.post(step[0], step[1:]...), http.StatusUnauthorized, "insufficient_user_authentication")
	}
	stepUp := func() {
		t.Helper()
		want(t, b.post("/password/callback", "state", state(t, b.get("/step-up/password")), "password", good), http.StatusSeeOther, "/continue")
	}
	stepUp()
	want(t, b.post("/password/set", "new_password", better), http.StatusConflict, "has_password")
	want(t, b.post("/password/remove"), http.StatusConflict, "last_way")
	proof := b.session().Authentication
	want(t, b.post("/password/change", "new_password", better), http.StatusOK, "Your password was changed")
	if s := b.session(); s == nil || !s.Authentication.Time.Equal(proof.Time) || !slices.Equal(s.Authentication.Methods, proof.Methods) {
		t.Errorf("a change without a proof made one: %+v, before %+v", s, proof)
	}
	want(t, w.browser().signIn("ada@example.com", better), http.StatusSeeOther, "/continue")
}

func TestSetAndRemove(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	user := b.signUp("ada@example.com", good)
	if err := w.dir.Link(t.Context(), user, postern.Identity{Issuer: w.who.Issuer, Subject: w.who.Subject, Provider: "door"}); err != nil {
		t.Fatal(err)
	}
	other := w.browser()
	want(t, other.get("/door/authorize"), http.StatusSeeOther, "app.example.com")
	w.mails.Take()
	want(t, b.post("/password/remove"), http.StatusOK, "removed")
	if h := w.head(user); h.Ways.Passwords != 0 || b.session() == nil || other.session() != nil {
		t.Errorf("after the removal: %+v, this session %v, the other %v", h, b.session(), other.session())
	}
	notices := w.mails.Take()
	if len(notices) != 1 || notices[0].Name != "password.removed" || notices[0].Arg("ways") != "Door" || !strings.Contains(notices[0].Text, "Door") {
		t.Errorf("notices %+v", notices)
	}
	want(t, w.browser().signIn("ada@example.com", good), http.StatusBadRequest, "wrong_password")
	if w.browser().forgot("ada@example.com") != "" {
		t.Error("a removed password comes back by mail")
	}
	sec := w.head(user).Sec
	want(t, b.post("/password/set", "new_password", better), http.StatusOK, "was set")
	if h := w.head(user); h.Ways.Passwords != 1 || h.Sec != sec || b.session() == nil {
		t.Errorf("after a first password: %+v", h)
	}
	want(t, w.browser().signIn("ada@example.com", better), http.StatusSeeOther, "/continue")
}

// A store that fails in the middle of a change leaves the old password and this session, or the new password and no
// other session. Nothing is half done.
func TestA6_ChangeAtEachFailure(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t)
		b, other := w.browser(), w.browser()
		b.signUp("ada@example.com", good)
		want(t, other.signIn("ada@example.com", good), http.StatusSeeOther, "/continue")
		reached := false
		w.store.failing(func(i int, _ bool) (before, after error) {
			if i < n {
				return nil, nil
			}
			reached = true
			return context.DeadlineExceeded, nil
		})
		a := b.post("/password/change", "password", good, "new_password", better)
		w.store.failing(nil)
		isNew := w.browser().signIn("ada@example.com", better).Code == http.StatusSeeOther
		isOld := w.browser().signIn("ada@example.com", good).Code == http.StatusSeeOther
		if isNew == isOld || isOld != (other.session() != nil) || a.Code == http.StatusOK && !isNew {
			t.Fatalf("call %d: %d, new %t, old %t, the other session %t", n, a.Code, isNew, isOld, other.session() != nil)
		}
		if !reached {
			if n < 8 || b.session() == nil {
				t.Fatalf("%d calls, this session %v", n, b.session())
			}
			break
		}
		if raced {
			n += 4
		}
	}
}
