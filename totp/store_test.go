package totp_test

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/totp"
	"github.com/posternauth/postern/users"
)

// TestM7_StolenStore: nothing that was ever written to the store is a seed or a code, in any form, and a row of another
// user does not open.
func TestM7_StolenStore(t *testing.T) {
	w := newWorld(t)
	b, eve := w.browser(), w.browser()
	app, evesApp := b.enroll("ada"), eve.enroll("eve")
	codes := b.codes()
	evesCodes := eve.codes()
	written := w.store.all()
	if !strings.Contains(written, "factor:totp") || !strings.Contains(written, "factor:recovery") {
		t.Fatal("what was written has no factors")
	}
	secrets := map[string]string{
		"raw": string(app.seed), "base32": base32.StdEncoding.EncodeToString(app.seed), "hex": hex.EncodeToString(app.seed),
		"base64": base64.RawStdEncoding.EncodeToString(app.seed)[:24], "base64url": base64.RawURLEncoding.EncodeToString(app.seed)[:24],
	}
	for i, code := range codes {
		plain := strings.ReplaceAll(code, "-", "")
		secrets[fmt.Sprintf("code %d", i)], secrets[fmt.Sprintf("code %d in groups", i)] = plain, code
		secrets[fmt.Sprintf("code %d in base64", i)] = base64.RawStdEncoding.EncodeToString([]byte(plain))
		secrets[fmt.Sprintf("code %d in hex", i)] = hex.EncodeToString([]byte(plain))
	}
	for name, secret := range secrets {
		if strings.Contains(strings.ToLower(written), strings.ToLower(secret)) {
			t.Errorf("the store has the secret as %s", name)
		}
	}
	// A thief who can write gives Ada Eve's rows.
	for _, factor := range []string{"totp", "recovery"} {
		items, err := w.store.Get(t.Context(), w.row("eve", factor), w.row("ada", factor))
		if err != nil || len(items) != 2 {
			t.Fatal(items, err)
		}
		forged := items[1]
		forged.Value = items[0].Value
		if err := w.store.Write(t.Context(), store.Put(forged)); err != nil {
			t.Fatal(err)
		}
	}
	c := w.browser()
	st := c.waits("ada")
	want(t, c.post("/factors/totp/verify", "state", st, "code", evesApp.code(w.Now())), http.StatusServiceUnavailable, "temporarily_unavailable")
	want(t, c.post("/factors/recovery/verify", "state", st, "code", evesCodes[0]), http.StatusBadRequest, "wrong_code")
	if c.session() != nil {
		t.Fatal("a session")
	}
}

// TestM7_RowOfAnotherFactor: the row of one factor does not open as that of another factor of the same user.
func TestM7_RowOfAnotherFactor(t *testing.T) {
	w := newWorld(t, func(o *options) {
		o.config = func(c *postern.Config) { c.Factors["office"] = totp.New(totp.Config{}) }
	})
	app := w.browser().enroll("ada")
	items, err := w.store.Get(t.Context(), w.row("ada", "totp"))
	if err != nil || len(items) != 1 {
		t.Fatal(items, err)
	}
	moved := items[0]
	moved.Key, moved.Version = w.row("ada", "office"), ""
	h := w.head("ada")
	h.Factors = h.Factors.With("office", 1)
	if err := w.store.Write(t.Context(), h.Put(), store.Put(moved)); err != nil {
		t.Fatal(err)
	}
	b := w.browser()
	st := part(t, stateOf, b.signIn("ada"))
	want(t, b.post("/factors/office/verify", "state", st, "code", app.code(w.Now())), http.StatusServiceUnavailable, "temporarily_unavailable")
	want(t, b.post("/factors/totp/verify", "state", st, "code", app.code(w.Now())), http.StatusSeeOther, "/continue")
}

// TestM7_RotatedSecrets: seeds and codes work after the master secret that was in use at the setup is gone.
func TestM7_RotatedSecrets(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	app := b.enroll("ada")
	code := b.codes()[0]
	away := w.browser().enroll("ben") // comes back after years
	rotate := func() {
		t.Helper()
		ring := w.sessions.Secrets().(*keys.Ring)
		if err := ring.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.Advance(4 * time.Hour)
	}
	for range 6 {
		rotate()
		c := w.browser()
		want(t, c.post("/factors/totp/verify", "state", c.waits("ada"), "code", app.code(w.Now())), http.StatusSeeOther, "/continue")
		w.Advance(60 * 24 * time.Hour)
	}
	c := w.browser()
	want(t, c.post("/factors/totp/verify", "state", c.waits("ben"), "code", away.code(w.Now())), http.StatusSeeOther, "/continue")
	c = w.browser()
	want(t, c.post("/factors/recovery/verify", "state", c.waits("ada"), "code", code), http.StatusSeeOther, "/continue")
}

// TestM7_ForgottenSecret: if nobody used a factor before the master secret was forgotten or revoked, the answer is 503,
// and a reset of the factors helps.
func TestM7_ForgottenSecret(t *testing.T) {
	for name, forget := range map[string]func(w *world, ring *keys.Ring){
		"forgotten": func(w *world, ring *keys.Ring) {
			w.Advance(4 * time.Hour)
			w.Advance(95 * 24 * time.Hour)
		},
		"revoked": func(w *world, ring *keys.Ring) {
			old, err := ring.MasterSecrets(w.t.Context())
			if err != nil || len(old) != 2 {
				w.t.Fatal(old, err)
			}
			w.Advance(4 * time.Hour)
			if err := ring.Revoke(w.t.Context(), old[0].ID); err != nil {
				w.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			app := w.browser().enroll("ada")
			ring := w.sessions.Secrets().(*keys.Ring)
			if err := ring.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
			forget(w, ring)
			b := w.browser()
			want(t, b.post("/factors/totp/verify", "state", b.waits("ada"), "code", app.code(w.Now())), http.StatusServiceUnavailable, "temporarily_unavailable")
			if b.session() != nil {
				t.Fatal("a session")
			}
			if err := w.dir.ResetFactors(t.Context(), w.user("ada"), users.Extra{}); err != nil {
				t.Fatal(err)
			}
			app = w.browser().enroll("ada")
			b = w.browser()
			want(t, b.post("/factors/totp/verify", "state", b.waits("ada"), "code", app.code(w.Now())), http.StatusSeeOther, "/continue")
		})
	}
}
