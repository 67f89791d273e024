package journeys

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/xss"
	"github.com/posternauth/postern/session"
)

//go:embed testdata/strange.js
var strangeScript string

// hostile are all payloads in one line, for what has no short limit.
var hostile = xss.Lines(8000)[0]

// A reader opens pages and looks for what does not belong there.
type reader struct {
	*person
	seen map[string]bool
}

// newReader opens a window in which a script of a payload reports that it runs.
func newReader(t testing.TB, s *stage, address string) *reader {
	p := newPerson(t, s, mouse, address)
	p.anyStatus = true
	p.run(runtime.AddBinding("ran"), onEachPage(`globalThis.pwned = () => ran("")`))
	chromedp.ListenTarget(p.ctx, func(event any) {
		if e, ok := event.(*runtime.EventBindingCalled); ok && e.Name == "ran" {
			p.complain("a script of a payload runs")
		}
	})
	return &reader{p, map[string]bool{}}
}

// unprotected turns the Content-Security-Policy off and on: no page needs it to be safe.
func (r *reader) unprotected(is bool) { r.Helper(); r.run(page.SetBypassCSP(is)) }

// look fails for whatever does not come from the templates.
func (r *reader) look() {
	r.Helper()
	at := r.url()
	preview := strings.Contains(at, "/admin/mail/") && strings.Contains(at, "/html")
	mail := preview || strings.HasPrefix(at, mailbox)
	for _, what := range r.strange(mail) {
		r.Errorf("%s: %s", at, what)
	}
	for _, what := range r.taken() {
		if preview && strings.Contains(what, "Blocked script execution") {
			continue // the script of this test: a mail in the console is in a sandbox
		}
		r.Errorf("%s: the browser complains: %s", at, what)
	}
}

// strange lists what of the page does not come from the templates of pages, or of mails.
func (r *reader) strange(mail bool) (found []string) {
	r.Helper()
	elements, _ := json.Marshal(xss.Elements())
	attributes, _ := json.Marshal(xss.Attributes())
	r.run(chromedp.Evaluate(fmt.Sprintf("%s(%s, %s, %v)", strings.TrimSpace(strangeScript), elements, attributes, mail), &found))
	return found
}

// visit opens an address and looks at the page, whatever its status. It must show the texts.
func (r *reader) visit(target string, texts ...string) {
	r.Helper()
	r.open(target)
	r.look()
	r.shows(texts...)
}

// send posts a form from a page of the application, as its own forms do, and looks at the answer.
func (r *reader) send(path string, fields ...string) {
	r.Helper()
	values, _ := json.Marshal(fields)
	r.leave(0, func() {
		r.run(chromedp.Evaluate(fmt.Sprintf(`((action, pairs) => {
			const form = document.createElement("form");
			form.method = "post"; form.action = action;
			for (let i = 0; i < pairs.length; i += 2) {
				const field = document.createElement("input");
				field.type = "hidden"; field.name = pairs[i]; field.value = pairs[i + 1];
				form.append(field);
			}
			document.body.append(form);
			form.submit();
		})(%q, %s)`, site+"/auth"+path, values), nil))
	})
	r.look()
}

// crawl looks at a page and at all pages of the account and of the console that it leads to.
func (r *reader) crawl(start string) {
	r.Helper()
	mails := 0
	for todo := []string{site + "/auth" + start}; len(todo) > 0; {
		at := todo[0]
		todo = todo[1:]
		if r.seen[at] {
			continue
		}
		r.seen[at] = true
		r.visit(at)
		var links []string
		r.run(chromedp.Evaluate(`[...document.querySelectorAll("main a[href], nav a[href]")].map((e) => e.href)`, &links))
		for _, link := range links {
			u, err := url.Parse(link)
			if err != nil || u.Host != "app.example" || strings.HasSuffix(u.Path, "/export") || strings.HasSuffix(u.Path, "/text") {
				continue
			}
			if strings.Contains(u.Path, "/admin/mail/") {
				if mails++; mails > 12 { // all have one template
					continue
				}
			}
			for _, part := range []string{"/auth/account", "/auth/admin", "/auth/passkey/", "/auth/factors/", "/auth/password/"} {
				if strings.HasPrefix(u.Path, part) && !r.seen[link] {
					todo = append(todo, link)
				}
			}
		}
	}
}

// TestX7_HostileTexts: people, administrators and a provider write texts that run a script wherever a page takes them
// for markup. Every page and mail that shows them is opened with the Content-Security-Policy, which is never broken,
// and without it. No script runs, and nothing is in the page that is not of the templates.
func TestX7_HostileTexts(t *testing.T) {
	t.Parallel()
	short := xss.Lines(200)
	s := newStage(t, func(c *postern.Config) {
		c.Name = short[0]
		c.Labels = map[string]string{"club": short[1], "mail": short[2]}
	})
	ada := newReader(t, s, "ada@example.com")
	id := s.resident(t, ada.address, "Ada", "member")
	s.hostileDevices(ada)
	s.hostileClub(newReader(t, s, "club@example.com"))
	s.hostilePasskeys(ada)
	s.hostileForms(ada)

	chief := newReader(t, s, "chief@example.com")
	s.staffSession(chief)
	s.hostileDeeds(chief, id)

	ada.signIn(good)
	names := xss.Lines(255)
	for _, off := range []bool{false, true} {
		ada.unprotected(off)
		chief.unprotected(off)
		clear(ada.seen)
		clear(chief.seen)
		s.hostileQueries(ada)
		for _, name := range names {
			if err := s.dir.EditAccount(t.Context(), id, postern.AccountEdit{Name: &name}); err != nil {
				t.Fatal(err)
			}
			ada.visit("/account", name)
			ada.visit("/account/profile")
		}
		ada.crawl("/account")
		chief.crawl("/admin")
		for name, n := range s.mailsByName() {
			ada.visit(fmt.Sprintf("%s/%d", mailbox, n), short[0])
			if t.Failed() {
				t.Fatalf("the mail is %s", name)
			}
		}
	}
	if chief.saw("/admin/users/") < 6 || ada.saw("/auth/account") < 8 {
		t.Errorf("%d pages of users and %d of the account were looked at", chief.saw("/admin/users/"), ada.saw("/auth/account"))
	}
}

// saw counts the pages at addresses with a part.
func (r *reader) saw(part string) (n int) {
	for at := range r.seen {
		if strings.Contains(at, part) {
			n++
		}
	}
	return n
}

// mailsByName returns the place of the last mail of each name.
func (s *stage) mailsByName() map[string]int {
	last := map[string]int{}
	for i, m := range s.Mails.All() {
		last[m.Name] = i
	}
	return last
}

// hostileDevices signs in with browsers whose names are payloads. They are in the list of sessions and in the history.
func (s *stage) hostileDevices(r *reader) {
	r.Helper()
	agents := xss.Lines(255)
	for _, agent := range agents {
		r.run(network.ClearBrowserCookies(), emulation.SetUserAgentOverride(agent))
		r.signIn(good)
	}
	r.visit("/account/sessions", agents...)
	r.visit("/account/history", agents...)
}

// hostileClub signs up people whom the provider describes by payloads, and lets it refuse with payloads.
func (s *stage) hostileClub(r *reader) {
	r.Helper()
	for i, text := range xss.Lines(250) {
		s.idp.SetUsers(fakeidp.User{Subject: text, Email: fmt.Sprintf("club%d@example.com", i), EmailVerified: true, Name: text, Login: text, Picture: "javascript:pwned()"})
		r.run(network.ClearBrowserCookies())
		r.open("/club/authorize").shows(text) // the page of the provider, which shows them too
		r.leave(0, func() { r.run(chromedp.Click("button.person", chromedp.ByQuery)) })
		r.visit("/account", text)
		r.visit("/account/security")
	}
	for _, off := range []bool{false, true} {
		r.unprotected(off)
		s.refuses.Store(true)
		r.visit("/club/authorize")
		s.refuses.Store(false)
		s.idp.SetUsers(fakeidp.User{Subject: xss.Lines(200)[0], Email: `"<img src=x onerror=pwned()>"@example.com`, EmailVerified: true, Name: hostile})
		r.run(network.ClearBrowserCookies())
		r.open("/club/authorize")
		r.leave(0, func() { r.run(chromedp.Click("button.person", chromedp.ByQuery)) })
		r.look()
	}
}

// hostilePasskeys names a passkey, once for each line.
func (s *stage) hostilePasskeys(r *reader) {
	r.Helper()
	r.authenticator()
	r.open("/passkey/enroll").press("Create a passkey")
	var edit string
	r.run(chromedp.Evaluate(`document.querySelector("a[href*='/passkey/edit']").href`, &edit))
	u, err := url.Parse(edit)
	if err != nil {
		r.Fatal(err)
	}
	for _, name := range xss.Lines(64) {
		r.send("/passkey/rename", "id", u.Query().Get("id"), "name", name)
		r.shows(name)
	}
	r.visit(edit)
}

// hostileForms sends payloads in every field. What is refused is shown again. A page without a form sends
// none, so it does this without the Content-Security-Policy.
func (s *stage) hostileForms(r *reader) {
	r.Helper()
	r.unprotected(true)
	r.open("/account")
	for path, fields := range map[string][]string{
		"/sign-up": {"email", hostile, "company", hostile}, "/account/profile": {"name", hostile, "picture", hostile, "locale", hostile},
		"/account/address": {"address", hostile}, "/account/delete": {"confirm", hostile}, "/account/code": {"code", hostile}, "/account/link": {"provider", hostile},
		"/password/forgot": {"identifier", hostile}, "/password/change": {"password", hostile, "new_password", "x"}, "/password/reset": {"token", hostile, "password", hostile},
		"/mail/authorize": {"email", hostile}, "/language": {"language", hostile, "to", hostile}, "/passkey/callback": {"state", hostile, "credential", hostile},
		"/factors/totp/enroll": {"seed", hostile, "code", hostile},
	} {
		r.send(path, fields...)
	}
	r.send("/sign-up", "username", hostile)
	r.send("/sign-up", "email", "new@example.com", "company", xss.Lines(200)[0])
}

// hostileQueries opens addresses with payloads in every part.
func (s *stage) hostileQueries(r *reader) {
	r.Helper()
	q := url.QueryEscape(hostile)
	for _, target := range []string{
		"/authorize?redirect_uri=" + q, "/authorize?state=" + q + "&ui_locales=" + q, "/authorize?client_id=" + q, "/authorize?invitation=" + q, "/authorize?redirect_uri=javascript:pwned()",
		"/password/authorize?login_hint=" + url.QueryEscape(xss.Lines(250)[0]), "/password/authorize?done=" + q, "/mail/authorize?login_hint=" + url.QueryEscape(xss.Lines(250)[0]),
		"/club/callback?error=" + q + "&error_description=" + q + "&state=" + q, "/mail/callback?state=" + q + "&token=" + q, "/password/reset?token=" + q, "/continue?ticket=" + q,
		"/account?done=" + q, "/account/history?page=" + q, "/account/address?id=" + q, "/account/link?provider=" + q, "/account/confirm?token=" + q, "/account/stop?user=" + q + "&token=" + q,
		"/step-up?redirect_uri=" + q + "&max_age=" + q, "/factors?state=" + q, "/passkey/edit?id=" + q, "/sign-up?redirect_uri=" + q, "/" + url.PathEscape(hostile[:400]), "/session/end?" + q,
	} {
		r.visit(target)
	}
}

// staffSession gives the window a session of the administration, and none of the application.
func (s *stage) staffSession(r *reader) {
	r.Helper()
	id := s.resident(r, r.address, xss.Lines(250)[0], "owner")
	who, err := s.dir.Get(s.Context(), id)
	if err != nil {
		r.Fatal(err)
	}
	tokens, err := s.staff.Create(s.Context(), session.Grant[profile]{Subject: id, Roles: who.Roles, Scopes: who.Scopes, Device: xss.Lines(250)[0],
		Authentication: session.Authentication{Time: s.Now(), Methods: []string{"pwd"}}})
	if err != nil {
		r.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.staff.SetCookies(w, tokens)
	for _, k := range w.Result().Cookies() {
		r.run(network.SetCookie(k.Name, k.Value).WithURL(site + "/auth/admin").WithPath(k.Path).WithSecure(true).WithHTTPOnly(true))
	}
}

// hostileDeeds is what an administrator types about a user.
func (s *stage) hostileDeeds(r *reader, id string) {
	r.Helper()
	user := "/admin/users/" + id
	r.unprotected(true)
	r.visit("/admin/users?identifier=" + url.QueryEscape(hostile))
	for _, query := range []string{"cursor", "done", "user", "name"} {
		r.visit("/admin/users?" + query + "=" + url.QueryEscape(hostile))
	}
	r.send("/admin/users", "address", hostile, "name", hostile, "username", hostile)
	r.send("/admin/users/invite", "address", hostile)
	r.send(user+"/edit", "name", hostile, "locale", hostile)
	r.send(user+"/disable", "reason", hostile)
	r.send(user+"/addresses", "address", hostile)
	r.send(user+"/impersonate", "reason", hostile)
	r.has("Act as this user > Reason", hostile)
	r.send(user+"/delete", "confirm", hostile)
	r.has("Data > Type ada@example.com to confirm", hostile)
	for _, why := range xss.Lines(1000) {
		r.send(user+"/disable", "reason", why)
		r.visit(user, why)
	}
	r.send(user+"/enable", "x", "y")
	r.send("/admin/users/invite", "address", "guest@example.com")
	r.send("/admin/mail/test", "x", "y")
	r.send(user+"/impersonate", "reason", xss.Lines(450)[0])
	r.shows("Home")
	r.visit("/account")
	r.press("Stop acting as this person")
}
