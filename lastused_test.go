package postern_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/session"
)

// lastCookie is the cookie of an answer with the provider that was used; nil: the answer has none.
func lastCookie(w *httptest.ResponseRecorder) *http.Cookie {
	for _, k := range w.Result().Cookies() {
		if strings.HasPrefix(k.Name, "__Host-last-") {
			return k
		}
	}
	return nil
}

func isLast(cookie string) bool { return strings.HasPrefix(cookie, "__Host-last-") }

// lastUsedAt returns the names of the links with the note, as a client that wants JSON reads them.
func lastUsedAt(t *testing.T, b *browser) (names []string) {
	t.Helper()
	r := b.Request(http.MethodGet, issuer+"/authorize", nil)
	r.Header.Set("Accept", "application/json")
	var page struct {
		Links []struct{ Name, Note string }
		Forms []struct{ Note string }
	}
	if err := json.Unmarshal(b.do(r).Body.Bytes(), &page); err != nil {
		t.Fatal(err)
	}
	for _, l := range page.Links {
		if l.Note == "Last used" {
			names = append(names, l.Name)
		}
	}
	for _, f := range page.Forms {
		if f.Note == "Last used" {
			names = append(names, "form")
		}
	}
	return names
}

func TestLastUsed_OfThisBrowserAlone(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	if got := lastUsedAt(t, b); len(got) != 0 {
		t.Errorf("before any sign-in: %q", got)
	}
	w := h.signIn(b, h.who)
	want(t, w, http.StatusSeeOther, "https://app.example.com/")
	k := lastCookie(w)
	if k == nil || k.Value != "door" || !k.HttpOnly || !k.Secure || k.SameSite != http.SameSiteLaxMode || k.Path != "/" || k.Domain != "" || k.MaxAge != 31536000 {
		t.Fatalf("cookie %+v", k)
	}
	if got := strings.Join(lastUsedAt(t, b), " "); got != "provider:door" {
		t.Errorf("after a sign-in: %q", got)
	}
	if got := lastUsedAt(t, h.browser()); len(got) != 0 {
		t.Errorf("another browser of the same person: %q", got)
	}
}

// What the cookie says is looked up in the configuration: it never gets onto a page.
func TestLastUsed_ForgedCookie(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	name := lastCookie(h.signIn(b, h.who)).Name
	for _, value := range []string{"", "nobody", "door/child", "Door", "../door", "<b>door</b>", "account", strings.Repeat("door", 500)} {
		b := h.browser()
		b.Cookies[name] = value
		if got := lastUsedAt(t, b); len(got) != 0 {
			t.Errorf("%.20q: %q", value, got)
		}
		if value != "" && strings.Contains(b.get(issuer+"/authorize").Body.String(), "<b>") {
			t.Errorf("%.20q is on the page", value)
		}
	}
	two := h.browser().Request(http.MethodGet, issuer+"/authorize", nil)
	two.Header["Cookie"] = []string{name + "=door; " + name + "=other"}
	w := httptest.NewRecorder()
	h.auth.ServeHTTP(w, two)
	if strings.Contains(w.Body.String(), "Last used") {
		t.Error("two cookies of the name count")
	}
}

// A sign-in that fails, or waits for a second factor, is no use of a provider.
func TestLastUsed_FinishedSignInsOnly(t *testing.T) {
	h := newHouse(t)
	h.signIn(h.browser(), h.who)
	h.table.edit("user-1", func(p *postern.Person) { p.Disabled = true })
	w := h.signIn(h.browser(), h.who)
	if want(t, w, http.StatusForbidden, "account_disabled"); lastCookie(w) != nil {
		t.Error("a refused sign-in leaves a cookie")
	}

	f := newFort(t)
	f.enrolled(f.who, "chip", "sesame")
	b := f.browser()
	w = f.signIn(b, f.who)
	if lastCookie(w) != nil {
		t.Error("a sign-in that waits for a factor leaves a cookie")
	}
	_, state, _ := strings.Cut(w.Header().Get("Location"), "?state=")
	if w = b.answer("chip", state, "sesame"); lastCookie(w) == nil || lastCookie(w).Value != "door" {
		t.Errorf("after the factor: %d %v", w.Code, w.Header())
	}
}

func TestLastUsed_WithOnSuccess(t *testing.T) {
	fails := false
	v := newWorld(t, func(v *world, _ *session.Config, c *postern.Config) {
		c.Mail = func(context.Context, postern.Mail) error { return nil }
		c.Providers["link"] = magic.Link(magic.Config{})
		own := c.OnSuccess
		c.OnSuccess = func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			if fails {
				return errors.New("no")
			}
			return own(w, r, in)
		}
	})
	b := v.browser()
	w := b.get(callback("door", b.begin("door")))
	k := lastCookie(w)
	if k == nil || k.Value != "door" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	b.Cookies[k.Name] = "link"
	if got := strings.Join(lastUsedAt(t, b), " "); got != "form" {
		t.Errorf("the form of the last used provider: %q", got)
	}
	fails = true
	if w := b.get(callback("door", b.begin("door"))); w.Code != http.StatusInternalServerError || lastCookie(w) != nil {
		t.Errorf("a failed sign-in: %d, %v", w.Code, lastCookie(w))
	}
}
