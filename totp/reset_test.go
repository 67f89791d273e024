package totp_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// TestM7_Reset: after an administrator has reset the factors of a user, nothing of before works, and the user can set
// up an app again.
func TestM7_Reset(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	app := b.enroll("ada")
	codes := b.codes()
	c := w.browser()
	st := c.waits("ada")
	want(t, c.get("/factors/totp/verify?state="+st), http.StatusOK, "Enter a code")
	remember := w.browser()
	want(t, remember.post("/factors/totp/verify", "state", remember.waits("ada"), "code", app.code(w.Now()), "remember", "yes"), http.StatusSeeOther, "/continue")
	w.Advance(time.Minute)
	for range 2 { // and once more does nothing
		if err := w.dir.ResetFactors(t.Context(), w.user("ada"), users.Extra{}); err != nil {
			t.Fatal(err)
		}
	}
	if h := w.head("ada"); h.Due() || len(h.Backups) != 0 || h.Sec == 0 {
		t.Errorf("head %+v", h)
	}
	items, err := w.store.Get(t.Context(), w.row("ada", "totp"), w.row("ada", "recovery"))
	if err != nil || len(items) != 0 {
		t.Errorf("%d rows are left, %v", len(items), err)
	}
	if b.session() != nil || remember.session() != nil {
		t.Error("a session lives")
	}
	want(t, c.post("/factors/totp/verify", "state", st, "code", app.code(w.Now())), http.StatusBadRequest, "expired_state")
	want(t, c.post("/factors/recovery/verify", "state", st, "code", codes[0]), http.StatusBadRequest, "expired_state")
	next := w.browser()
	want(t, next.signIn("ada"), http.StatusSeeOther, "app.example.com")
	app = next.enroll("ada")
	d := w.browser()
	want(t, d.post("/factors/totp/verify", "state", d.waits("ada"), "code", app.code(w.Now())), http.StatusSeeOther, "/continue")
	d = w.browser()
	d.Cookies = remembered(remember.Cookies)
	d.waits("ada") // is asked again
}

// A row that a reset left, because a list was behind, counts for nothing, and does not keep the user from a new app.
func TestReset_RowIsLeft(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.enroll("ada")
	old := b.codes()
	h := w.head("ada").Moved()
	h.Factors, h.Backups = nil, head.Counts{}
	if err := w.store.Write(t.Context(), h.Put()); err != nil {
		t.Fatal(err)
	}
	c := w.browser()
	want(t, c.signIn("ada"), http.StatusSeeOther, "app.example.com")
	want(t, c.get("/factors/totp/status"), http.StatusOK, "no authenticator app")
	app := c.enroll("ada")
	want(t, c.get("/factors/recovery/status"), http.StatusOK, "No recovery code is left")
	fresh := c.codes()
	if h := w.head("ada"); h.Factors["totp"] != 1 || h.Backups["recovery"] != 10 {
		t.Errorf("head %+v", h)
	}
	d := w.browser()
	st := d.waits("ada")
	want(t, d.post("/factors/recovery/verify", "state", st, "code", old[0]), http.StatusBadRequest, "wrong_code")
	want(t, d.post("/factors/totp/verify", "state", st, "code", app.code(w.Now())), http.StatusSeeOther, "/continue")
	d = w.browser()
	want(t, d.post("/factors/recovery/verify", "state", d.waits("ada"), "code", fresh[0]), http.StatusSeeOther, "/continue")
}

// An administrator resets the factors of a user, with a fresh proof and the scope; the owner gets a mail.
func TestReset_ByAnAdministrator(t *testing.T) {
	w := newWorld(t)
	b, boss := w.browser(), w.program()
	b.enroll("ada")
	b.codes()
	path := "/admin/users/" + w.user("ada") + "/reset-factors"
	want(t, b.post(path), http.StatusForbidden, "insufficient_scope")
	want(t, boss.post(path), http.StatusUnauthorized, "not_signed_in")
	boss.signIn("boss")
	if err := w.dir.SetRoles(t.Context(), w.user("boss"), []string{"owner"}, users.Extra{}); err != nil {
		t.Fatal(err)
	}
	boss.signIn("boss")
	want(t, boss.post("/admin/users/"+w.user("boss")+"/reset-factors"), http.StatusForbidden, "not_yourself")
	want(t, boss.post("/admin/users/nobody/reset-factors"), http.StatusNotFound, "not_found")
	shown := "/admin/users/" + w.user("ada")
	want(t, boss.get(shown), http.StatusOK, `"factors":{"recovery":10,"totp":1}`)
	w.mails.Take()
	want(t, boss.post(path), http.StatusNoContent, "")
	if a := boss.get(shown); a.Code != http.StatusOK || strings.Contains(a.Body.String(), `"factors"`) {
		t.Errorf("after the reset: %d %s", a.Code, a.Body)
	}
	if w.head("ada").Due() || b.session() != nil || w.events("factors reset") != 1 {
		t.Errorf("head %+v, session %v, %d events", w.head("ada"), b.session() != nil, w.events("factors reset"))
	}
	if mails := w.mails.Take(); len(mails) != 1 || mails[0].Name != "postern.way-removed" || mails[0].To != "ada@example.com" {
		t.Errorf("mails %+v", mails)
	}
	want(t, b.signIn("ada"), http.StatusSeeOther, "app.example.com")
	want(t, b.get("/account/history"), http.StatusOK, "factors_reset")
	w.Advance(11 * time.Minute)
	want(t, boss.post(path), http.StatusUnauthorized, "insufficient_user_authentication")
}

// A row that is lost keeps the factor due, refuses every code, and can be replaced in a session: the count stays right.
func TestReset_RowIsLost(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	app := b.enroll("ada")
	items, err := w.store.Get(t.Context(), w.row("ada", "totp"))
	if err != nil || len(items) != 1 {
		t.Fatal(items, err)
	}
	if err := w.store.Write(t.Context(), store.Delete(items[0].Key, items[0].Version)); err != nil {
		t.Fatal(err)
	}
	c := w.browser()
	want(t, c.post("/factors/totp/verify", "state", c.waits("ada"), "code", app.code(w.Now())), http.StatusConflict, "changed")
	want(t, b.get("/factors/totp/status"), http.StatusOK, "no authenticator app")
	a := b.get("/factors/totp/enroll")
	app = appOf(t, a)
	want(t, b.post("/factors/totp/enroll", "seed", part(t, seedOf, a), "code", app.code(w.Now())), http.StatusOK, "is set up")
	if n := w.head("ada").Factors["totp"]; n != 1 {
		t.Errorf("%d apps are counted", n)
	}
	w.Advance(time.Minute)
	want(t, c.post("/factors/totp/verify", "state", c.waits("ada"), "code", app.code(w.Now())), http.StatusSeeOther, "/continue")
}
