package passkey_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/users"
)

// account calls a route of the account.
func (b *browser) account(method, path string, v any) *httptest.ResponseRecorder {
	b.w.t.Helper()
	rec := b.Do(b.Request(method, issuer+"/account"+path, nil))
	if v != nil {
		if err := json.Unmarshal(rec.Body.Bytes(), v); err != nil || rec.Code != http.StatusOK {
			b.w.t.Fatalf("%s %s: %d %s", method, path, rec.Code, rec.Body)
		}
	}
	return rec
}

// TestA15_APasskeyAloneIsNotEnough: a person with passkeys keeps a verified address, a username or an account at
// another site.
func TestA15_APasskeyAloneIsNotEnough(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	u := b.signUp("ada@example.com", newDevice())
	var me struct{ Addresses []struct{ ID string } }
	b.account("GET", "", &me)
	if rec := b.account("DELETE", "/addresses/"+me.Addresses[0].ID, nil); rec.Code != http.StatusConflict || !strings.Contains(rec.Body.String(), "Beside passkeys") || w.head(u).Ways.Addresses != 1 {
		t.Errorf("%d %s, head %+v", rec.Code, rec.Body, w.head(u))
	}
	if err := w.dir.Link(t.Context(), u, w.who); err != nil {
		t.Fatal(err)
	}
	if rec := b.account("DELETE", "/addresses/"+me.Addresses[0].ID, nil); rec.Code != http.StatusNoContent || w.head(u).Ways.Addresses != 0 {
		t.Errorf("with an account at another site: %d %s", rec.Code, rec.Body)
	}
}

// TestFlow_History: the owner finds each change of the passkeys in the history of the account.
func TestFlow_History(t *testing.T) {
	w := newWorld(t)
	b, first, second := w.browser(), newDevice(), newDevice()
	b.signUp("ada@example.com", first)
	b.enroll(second).want(200, "passkey.added")
	page := b.post("/passkey/ask", "ask", "on")
	b.fill(page, second.show(t, page.form("").Data)).want(200, "passkey.set")
	b.post("/passkey/ask", "ask", "off").want(200, "passkey.set")
	_, id, _ := strings.Cut(b.get("/passkey/list").page.Lines[0].Link.URL, "id=")
	b.post("/passkey/rename", "id", id, "name", "Phone").want(200, "passkey.renamed")
	b.post("/passkey/remove", "id", id).want(200, "passkey.removed")
	var history struct{ Events []struct{ Event string } }
	b.account("GET", "/history", &history)
	var names []string
	for _, e := range history.Events {
		names = append(names, e.Event)
	}
	for _, name := range []string{"passkey_added", "passkey_asked", "passkey_not_asked", "passkey_renamed", "passkey_removed"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not in the history: %v", name, names)
		}
	}
}

// TestFlow_Lost: where a factor is demanded of everyone, a person who has lost the passkeys cannot sign in, until they
// are removed. The last way stays.
func TestFlow_Lost(t *testing.T) {
	w := newWorld(t, func(o *options) {
		o.config = func(c *postern.Config) { c.RequireFactor = postern.AAL2 }
	})
	lost := newDevice()
	u := w.browser().signUp("ada@example.com", lost)
	old := w.browser()
	old.signIn(lost)
	if err := w.dir.RemovePasskeys(t.Context(), u, users.Extra{Ways: &users.Ways{Passkey: true, Issuer: func(string) bool { return true }}}); !errors.Is(err, users.ErrLastWay) {
		t.Fatal(err)
	}
	if err := w.dir.Link(t.Context(), u, w.who); err != nil {
		t.Fatal(err)
	}
	b := w.browser()
	b.get("/door/authorize").want(200, "passkey.verify")
	if err := w.dir.ResetFactors(t.Context(), u, users.Extra{}); err != nil {
		t.Fatal(err)
	}
	b.get("/door/authorize").want(200, "passkey.verify")
	for range 2 { // and once more does nothing
		if err := w.dir.RemovePasskeys(t.Context(), u, users.Extra{}); err != nil {
			t.Fatal(err)
		}
	}
	if h := w.head(u); h.Ways.Passkeys != 0 || old.session() != nil {
		t.Errorf("head %+v, session %v", h, old.session() != nil)
	}
	b = w.browser()
	page := b.get("/passkey/authorize")
	b.fill(page, lost.show(t, page.form("").Data)).want(400, "unknown_passkey")
	b.get("/door/authorize").want(200, "postern.enroll-code") // by a code to the mailbox
}

// TestM14_AskNeedsAnAnswer: an empty form does not end that a passkey is asked for.
func TestM14_AskNeedsAnAnswer(t *testing.T) {
	w := newWorld(t)
	b, d := w.browser(), newDevice()
	b.signUp("ada@example.com", d)
	page := b.post("/passkey/ask", "ask", "on")
	b.fill(page, d.show(t, page.form("").Data)).want(200, "passkey.set")
	for _, form := range [][]string{{}, {"ask", ""}, {"ask", "OFF"}, {"ask", "x"}, {"ceremony", "x"}} {
		if a := b.post("/passkey/ask", form...); a.Code != 400 || a.page.Error != "invalid_request" {
			t.Errorf("%q: %d %s", form, a.Code, a.Body)
		}
	}
	b.get("/passkey/list").want(200, "passkey.list")
	if page := b.get("/passkey/list"); page.form("ask").Hidden["ask"] != "off" {
		t.Errorf("it is not asked for any more: %s", page.Body)
	}
}
