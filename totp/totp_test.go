package totp_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// A person sets up an app, is asked for its code at the next sign-in, and removes it.
func TestApp(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	app := b.enroll("ada")
	if h := w.head("ada"); h.Factors["totp"] != 1 || !h.Due() || h.Sec != 0 {
		t.Errorf("head %+v", h)
	}
	if s := b.session(); s == nil || !slices.Contains(s.Authentication.Methods, "otp") || !slices.Contains(s.Authentication.Methods, "mfa") {
		t.Errorf("the session of the setup: %+v", s)
	}
	c := w.browser()
	st := c.waits("ada")
	a := c.get("/factors/totp/verify?state=" + st)
	want(t, a, http.StatusOK, "Enter a code from your app")
	if c.session() != nil {
		t.Fatal("a session without the code")
	}
	want(t, c.post("/factors/totp/verify", "state", st, "code", "000000"), http.StatusBadRequest, "wrong_code")
	want(t, c.post("/factors/totp/verify", "state", st, "code", app.code(w.Now())), http.StatusSeeOther, "/continue")
	if s := c.session(); s == nil || strings.Join(s.Authentication.Methods, " ") != "pwd otp mfa" {
		t.Fatalf("the session: %+v", s)
	}
	want(t, c.get("/factors/totp/status"), http.StatusOK, "In use since")
	want(t, c.post("/factors/totp/remove"), http.StatusOK, "was removed")
	if h := w.head("ada"); h.Due() || h.Sec != 1 {
		t.Errorf("head %+v", h)
	}
	if b.session() != nil || c.session() == nil {
		t.Error("after a removal this session goes on, and no other")
	}
	want(t, w.browser().signIn("ada"), http.StatusSeeOther, "app.example.com")
	for _, name := range []string{"totp added", "totp removed"} {
		if w.events(name) != 1 {
			t.Errorf("%d events %q", w.events(name), name)
		}
	}
	var mails []string
	for _, m := range w.mails.All() {
		mails = append(mails, m.Name)
	}
	if !slices.Contains(mails, "totp.added") || !slices.Contains(mails, "totp.removed") {
		t.Errorf("mails %q", mails)
	}
}

// Two apps of one person are not possible: the second is refused until the first was removed.
func TestApp_OneForEachPerson(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn("ada")
	first, second := b.get("/factors/totp/enroll"), b.get("/factors/totp/enroll")
	if appOf(t, first).code(w.Now()) == appOf(t, second).code(w.Now()) {
		t.Fatal("the same seed twice")
	}
	want(t, b.post("/factors/totp/enroll", "seed", part(t, seedOf, first), "code", appOf(t, second).code(w.Now())), http.StatusBadRequest, "wrong_code")
	want(t, b.post("/factors/totp/enroll", "seed", part(t, seedOf, first), "code", appOf(t, first).code(w.Now())), http.StatusOK, "is set up")
	want(t, b.post("/factors/totp/enroll", "seed", part(t, seedOf, second), "code", appOf(t, second).code(w.Now())), http.StatusConflict, "has_factor")
	want(t, b.get("/factors/totp/enroll"), http.StatusConflict, "has_factor")
	if n := w.head("ada").Factors["totp"]; n != 1 {
		t.Errorf("%d apps", n)
	}
}

// A seed that was shown counts for fifteen minutes and for its person alone.
func TestApp_SeedOfThePage(t *testing.T) {
	w := newWorld(t)
	b, eve := w.browser(), w.browser()
	b.signIn("ada")
	eve.signIn("eve")
	a := b.get("/factors/totp/enroll")
	app, seed := appOf(t, a), part(t, seedOf, a)
	want(t, eve.post("/factors/totp/enroll", "seed", seed, "code", app.code(w.Now())), http.StatusBadRequest, "expired_setup")
	want(t, b.post("/factors/totp/enroll", "code", app.code(w.Now())), http.StatusBadRequest, "expired_setup")
	want(t, b.post("/factors/totp/enroll", "seed", seed+"A", "code", app.code(w.Now())), http.StatusBadRequest, "expired_setup")
	w.Advance(9*time.Minute + 50*time.Second)
	want(t, b.post("/factors/totp/enroll", "seed", seed, "code", "1234"), http.StatusBadRequest, "invalid_code")
	w.Advance(6 * time.Minute)
	b.signIn("ada")
	want(t, b.post("/factors/totp/enroll", "seed", seed, "code", app.code(w.Now())), http.StatusBadRequest, "expired_setup")
	if w.head("ada").Due() || w.head("eve").Due() {
		t.Error("a factor counts")
	}
}

// A change of the factors needs a proof that is at most ten minutes old.
func TestFactors_ChangesNeedAFreshProof(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn("ada")
	w.Advance(11 * time.Minute)
	for _, path := range []string{"/factors/totp/enroll", "/factors/recovery/enroll"} {
		want(t, b.get(path), http.StatusUnauthorized, "/step-up?max_age=600")
		want(t, b.post(path), http.StatusUnauthorized, "insufficient_user_authentication")
	}
	b = w.browser()
	b.enroll("ada")
	w.Advance(11 * time.Minute)
	want(t, b.post("/factors/totp/remove"), http.StatusUnauthorized, "insufficient_user_authentication")
	want(t, b.get("/factors/totp/status"), http.StatusOK, "In use since")
	want(t, w.browser().get("/factors/totp/status"), http.StatusUnauthorized, "not_signed_in")
	if w.head("ada").Factors["totp"] != 1 {
		t.Error("the app is gone")
	}
}

// Recovery codes sign in once each, end what was signed in, and are counted down.
func TestRecovery(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn("ada")
	want(t, b.post("/factors/recovery/enroll"), http.StatusConflict, "no_factor")
	app := b.enroll("ada")
	codes := b.codes()
	if h := w.head("ada"); h.Backups["recovery"] != 10 || h.Factors["recovery"] != 0 {
		t.Fatalf("head %+v", h)
	}
	for i, code := range codes {
		w.Advance(24 * time.Hour)
		c := w.browser()
		st := c.waits("ada")
		typed := []string{code, strings.ToLower(code), strings.ReplaceAll(code, "-", " "), strings.NewReplacer("0", "o", "1", "l", "-", "").Replace(code)}[i%4]
		want(t, c.post("/factors/recovery/verify", "state", st, "code", typed, "remember", "yes"), http.StatusSeeOther, "/continue")
		s := c.session()
		if s == nil || !slices.Contains(s.Authentication.Methods, "recovery") {
			t.Fatalf("code %d: %+v", i, s)
		}
		if b.session() != nil {
			t.Fatalf("code %d: the session of before lives", i)
		}
		b = c
		h := w.head("ada")
		if h.Backups["recovery"] != 9-i {
			t.Errorf("code %d: %d are left", i, h.Backups["recovery"])
		}
		mails := w.mails.Take()
		last := mails[len(mails)-1]
		if low := strings.Contains(last.Text, "Make new ones"); last.Name != "recovery.used" || low != (9-i <= 3) {
			t.Errorf("code %d: mail %q %q", i, last.Name, last.Text)
		}
		p := read(t, (&browser{w.program().Browser, w}).as(c).get("/factors/recovery/status"))
		if p.Args["remaining"] != float64(9-i) || strings.Contains(p.Text, "Make new ones") != (9-i <= 3) {
			t.Errorf("status after %d: %+v", i+1, p)
		}
		if i < 9 { // and not once more
			again := w.browser()
			want(t, again.post("/factors/recovery/verify", "state", again.waits("ada"), "code", code), http.StatusBadRequest, "wrong_code")
		}
	}
	// None is left: the way is not offered, and the app works still.
	c := w.browser()
	st := c.waits("ada")
	want(t, c.post("/factors/recovery/verify", "state", st, "code", codes[0]), http.StatusForbidden, "other_factor")
	want(t, c.post("/factors/totp/verify", "state", st, "code", app.code(w.Now())), http.StatusSeeOther, "/continue")
}

// as gives a program the cookies of a browser.
func (b *browser) as(c *browser) *browser {
	b.Cookies = c.Cookies
	return b
}

// New codes replace all old ones, and the count is that of the new ones.
func TestRecovery_NewOnesReplace(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.enroll("ada")
	old := b.codes()
	c := w.browser()
	want(t, c.post("/factors/recovery/verify", "state", c.waits("ada"), "code", old[4]), http.StatusSeeOther, "/continue")
	fresh := c.codes() // a recovery code is a proof: the person can put their factors in order
	if n := w.head("ada").Backups["recovery"]; n != 10 {
		t.Errorf("%d codes", n)
	}
	c = w.browser()
	st := c.waits("ada")
	want(t, c.post("/factors/recovery/verify", "state", st, "code", old[0]), http.StatusBadRequest, "wrong_code")
	want(t, c.post("/factors/recovery/verify", "state", st, "code", fresh[0]), http.StatusSeeOther, "/continue")
}

// Who has lost the app signs in with a recovery code, removes the app and sets up another one.
func TestRecovery_LostApp(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.enroll("ada")
	code := b.codes()[7]
	c := w.browser()
	want(t, c.post("/factors/recovery/verify", "state", c.waits("ada"), "code", code), http.StatusSeeOther, "/continue")
	want(t, c.post("/factors/totp/remove"), http.StatusOK, "was removed")
	app := c.enroll("ada")
	d := w.browser()
	want(t, d.post("/factors/totp/verify", "state", d.waits("ada"), "code", app.code(w.Now())), http.StatusSeeOther, "/continue")
}
