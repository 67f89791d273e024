package postern_test

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/ui"
	"github.com/posternauth/postern/users"
)

// TestMails_Language: a mail to a person is in the language that is kept with them, also if an administrator causes it.
// Without one, what they do themselves has the language of their browser, and what an administrator does has none.
func TestMails_Language(t *testing.T) {
	roles := maps.Clone(office)
	roles["owner"] = append(slices.Clone(office["owner"]), users.ScopeCredentials, users.ScopeMail)
	var sent testworld.List[postern.Mail]
	h := newHomeOf(t, roles, func(h *home, c *postern.Config) {
		pages, err := ui.New(ui.Config{Languages: []string{"en", "de", "fr"}})
		if err != nil {
			t.Fatal(err)
		}
		send := c.Mail
		c.Composer = pages
		c.Mail = func(ctx context.Context, m postern.Mail) error {
			sent.Add(m)
			return send(ctx, m)
		}
		c.Providers["password"] = password.New(password.Config{})
		c.Admin = h.dir.Admin(h.kind)
	})
	_, boss := h.person("boss", "owner")
	id, ada := h.person("ada", "member")
	answered(t, ada.json("POST", "/password/set", `{"new_password":"wolke sieben am fluss"}`), http.StatusOK, "")
	boss.Header.Set("Accept-Language", "fr")
	ada.Header.Set("Accept-Language", "fr-CA")
	speaks := func(tag string) {
		t.Helper()
		if _, err := h.dir.Update(t.Context(), id, "", users.Fields{Locale: &tag}); err != nil {
			t.Fatal(err)
		}
	}
	// languages are those of the mails that a request causes, by the names of the mails.
	languages := func(b *browser, path, body string, status int) string {
		t.Helper()
		sent.Take()
		answered(t, b.json("POST", path, body), status, "")
		var list []string
		for _, m := range sent.Take() {
			list = append(list, strings.TrimPrefix(m.Name, "postern.")+" "+m.ContentLanguage)
		}
		slices.Sort(list)
		return strings.Join(list, ", ")
	}
	const add, invite = `{"address":"ada@new.example"}`, `{"address":"ada@example.com"}`
	user := "/admin/users/" + id
	for _, c := range []struct {
		speaks string
		by     *browser
		path   string
		body   string
		status int
		want   string
	}{
		{"de", boss, user + "/reset-mail", "", http.StatusNoContent, "password.reset-by-admin de"},
		{"de", boss, "/admin/users/invite", invite, http.StatusNoContent, "invitation de"},
		{"de", boss, "/admin/users/invite", invite, http.StatusNoContent, "invitation de"}, // once more
		{"de", boss, "/admin/users/invite", `{"address":"new@example.com"}`, http.StatusNoContent, "invitation en"},
		{"de", boss, user + "/addresses", add, http.StatusNoContent, "address-offered de, confirm-address de"},
		{"de", ada, "/account/addresses", add, http.StatusAccepted, "address-change de, new-address fr"},
		{"", boss, user + "/reset-mail", "", http.StatusNoContent, "password.reset-by-admin en"},
		{"", boss, "/admin/users/invite", invite, http.StatusNoContent, "invitation en"},
		{"", boss, user + "/addresses", add, http.StatusNoContent, "address-offered en, confirm-address en"},
		{"", ada, "/account/addresses", add, http.StatusAccepted, "address-change fr, new-address fr"},
		{"tlh", boss, user + "/reset-mail", "", http.StatusNoContent, "password.reset-by-admin en"}, // a language that there is not
		{"", boss, "/admin/mail/test", "", http.StatusNoContent, "test fr"},                         // the administrator's own
	} {
		speaks(c.speaks)
		if got := languages(c.by, c.path, c.body, c.status); got != c.want {
			t.Errorf("%q %s %s: %q, want %q", c.speaks, c.path, c.body, got, c.want)
		}
	}
}
