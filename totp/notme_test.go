package totp_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Each notice about apps and recovery codes has a link that ends all sessions. It takes no second step from an account:
// who reads the mailbox does not get around the app.
func TestNotMe_Factors(t *testing.T) {
	for name, deed := range map[string]func(w *world, b *browser, app authenticator){
		"totp.added":    func(*world, *browser, authenticator) {},
		"recovery.made": func(_ *world, b *browser, _ authenticator) { b.codes() },
		"totp.removed": func(w *world, b *browser, _ authenticator) {
			want(w.t, b.post("/factors/totp/remove"), http.StatusOK, "was removed")
		},
		"recovery.used": func(w *world, b *browser, _ authenticator) {
			code := b.codes()[0]
			w.Advance(time.Minute)
			c := w.browser()
			want(w.t, c.post("/factors/recovery/verify", "state", c.waits("ada"), "code", code), http.StatusSeeOther, "/continue")
		},
		"postern.factor-guessed": func(w *world, _ *browser, _ authenticator) {
			for range 12 {
				c := w.browser()
				st := c.waits("ada")
				for range 4 {
					c.post("/factors/totp/verify", "state", st, "code", "000000")
				}
				w.Advance(20 * time.Minute)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.browser()
			app := b.enroll("ada")
			deed(w, b, app)
			link := ""
			for _, m := range w.mails.All() {
				if m.Name != name {
					continue
				}
				link = m.Arg("link")
				if !strings.Contains(m.Text, "It happened on ") || m.Arg("device") == "" || m.Arg("address") == "" || strings.HasPrefix(m.Subject, "A change of your account") {
					t.Errorf("%q\n%s", m.Subject, m.Text)
				}
			}
			to, err := url.Parse(link)
			if err != nil || link == "" {
				t.Fatalf("no link: %v", err)
			}
			sec := w.head("ada").Sec
			q := to.Query()
			want(t, w.browser().get("/account/undo?"+q.Encode()), http.StatusOK, "This was not me")
			if w.head("ada").Sec != sec {
				t.Error("the page changed something")
			}
			want(t, w.browser().post("/account/undo", "user", q.Get("user"), "token", q.Get("token")), http.StatusOK, "Everybody is signed out")
			want(t, w.browser().post("/account/undo", "user", q.Get("user"), "token", q.Get("token")), http.StatusBadRequest, "expired_code")
			if h := w.head("ada"); h.Sec == sec || b.session() != nil || h.Due() == (name == "totp.removed") {
				t.Errorf("head %+v, session %v", h, b.session() != nil)
			}
		})
	}
}
