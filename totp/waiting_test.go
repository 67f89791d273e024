package totp_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

// A recovery code is for a sign-in. At a step-up it is refused, and stays.
func TestRecovery_NoStepUp(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	app := b.enroll("ada")
	codes := b.codes()
	st := part(t, stateOf, b.get("/step-up/totp"))
	want(t, b.get("/step-up/recovery"), http.StatusNotFound, "")
	want(t, b.get("/factors/recovery/verify?state="+st), http.StatusForbidden, "other_factor")
	want(t, b.post("/factors/recovery/verify", "state", st, "code", codes[0]), http.StatusForbidden, "other_factor")
	if n := w.head("ada").Backups["recovery"]; n != 10 {
		t.Errorf("%d codes are left", n)
	}
	want(t, b.post("/factors/totp/verify", "state", st, "code", app.code(w.Now()), "remember", "yes"), http.StatusSeeOther, "/continue")
	if len(remembered(b.Cookies)) != 0 {
		t.Error("a step-up remembers the browser")
	}
}

// TestM12_TheOwnerHasTheMailFirst: who reads the mailbox can set up an app on the way to a session, and the notice is
// sent before it counts: without mail there is no app.
func TestM12_TheOwnerHasTheMailFirst(t *testing.T) {
	demanded, down := false, false
	var w *world
	w = newWorld(t, func(o *options) {
		o.config = func(c *postern.Config) {
			c.RequireFactor = func(context.Context, postern.Person, session.Authentication) (postern.Requirement, error) {
				return postern.Requirement{Factor: demanded}, nil
			}
			send := c.Mail
			c.Mail = func(ctx context.Context, m postern.Mail) error {
				if down {
					return errors.New("no mail")
				}
				if m.Name == "totp.added" && w.head("ada").Due() {
					t.Error("the app counts before the mail")
				}
				return send(ctx, m)
			}
		}
	})
	w.proof = []string{"link"}
	w.browser().signIn("ada")
	demanded = true
	b := w.browser()
	st := part(t, stateOf, b.signIn("ada"))
	a := b.get("/factors/totp/enroll?state=" + st)
	app, seed := appOf(t, a), part(t, seedOf, a)
	down = true
	want(t, b.post("/factors/totp/enroll", "state", st, "seed", seed, "code", app.code(w.Now())), http.StatusServiceUnavailable, "temporarily_unavailable")
	if w.head("ada").Due() || b.session() != nil {
		t.Fatal("an app without the mail")
	}
	down = false
	want(t, b.post("/factors/totp/enroll", "state", st, "seed", seed, "code", app.code(w.Now())), http.StatusOK, "is set up")
	mails := w.mails.All()
	if last := mails[len(mails)-1]; last.Name != "totp.added" || last.To != "ada@example.com" {
		t.Errorf("mail %+v", last)
	}
	want(t, b.post("/factors/continue", "state", st), http.StatusSeeOther, "")
	if s := b.session(); s == nil {
		t.Fatal("no session")
	} else {
		for _, m := range s.Authentication.Methods {
			if m == "mfa" {
				t.Error("a mailed proof and an app are called two factors")
			}
		}
	}
}
