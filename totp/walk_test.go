package totp_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

// everybody needs a factor.
func everybody(o *options) {
	o.config = func(c *postern.Config) {
		c.RequireFactor = func(context.Context, postern.Person, session.Authentication) (postern.Requirement, error) {
			return postern.Requirement{Factor: true}, nil
		}
	}
}

// send posts the only form of a page that leads on, with more fields, as JSON.
func (b *browser) send(p page, fields map[string]string) *httptest.ResponseRecorder {
	b.w.t.Helper()
	if len(p.Forms) > 1 && p.Forms[0].Download {
		p.Forms = p.Forms[1:]
	}
	if len(p.Forms) != 1 {
		b.w.t.Fatalf("%d forms on %+v", len(p.Forms), p)
	}
	body := map[string]string{}
	for name, value := range p.Forms[0].Hidden {
		body[name] = value
	}
	for name, value := range fields {
		body[name] = value
	}
	data, err := json.Marshal(body)
	if err != nil {
		b.w.t.Fatal(err)
	}
	r := b.Request(http.MethodPost, p.Forms[0].URL, nil)
	r.Header.Set("Content-Type", "application/json")
	r.Body, r.ContentLength = readCloser{strings.NewReader(string(data))}, int64(len(data))
	return b.checked(b.Do(r))
}

// follow goes to a link of a page.
func (b *browser) follow(p page, name string) *httptest.ResponseRecorder {
	b.w.t.Helper()
	for _, l := range p.Links {
		if l.Name == name {
			return b.checked(b.Do(b.Request(http.MethodGet, l.URL, nil)))
		}
	}
	b.w.t.Fatalf("no link %q on %+v", name, p)
	return nil
}

// checked checks what every answer must have.
func (b *browser) checked(a *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	b.w.t.Helper()
	if got := a.Header().Get("Cache-Control"); !strings.Contains(got, "no-store") {
		b.w.t.Errorf("%d: Cache-Control %q", a.Code, got)
	}
	return a
}

func (b *browser) step(a *httptest.ResponseRecorder, status int, name string) page {
	b.w.t.Helper()
	p := read(b.w.t, a)
	if a.Code != status || p.Step != name {
		b.w.t.Fatalf("%d %q, want %d %q\n%s", a.Code, p.Step, status, name, a.Body)
	}
	return p
}

// A program goes all the way by the links and forms of the answers: a setup on the way to a session, recovery codes,
// the code of the next sign-in, the status, new codes, and the removal.
func TestWalk_JSON(t *testing.T) {
	w := newWorld(t, everybody)
	b := w.program()
	p := b.step(b.checked(b.signIn("ada")), 200, "postern.enroll")
	p = b.step(b.follow(p, "factor:totp"), 200, "totp.enroll")
	uri, err := url.Parse(p.Args["uri"].(string))
	if err != nil || p.Lines[1].Value != uri.String() || strings.ReplaceAll(p.Args["key"].(string), " ", "") != uri.Query().Get("secret") {
		t.Errorf("the key and the address differ: %v %+v", err, p)
	}
	app := appOf(t, fake(p.Args["uri"].(string)))
	if strings.Contains(p.Forms[0].Hidden["seed"], uri.Query().Get("secret")) {
		t.Error("the seed is in a field in clear")
	}
	p = b.step(b.send(p, map[string]string{"code": "12 34"}), 400, "totp.enroll")
	p = b.step(b.send(p, map[string]string{"code": app.code(w.Now().Add(-time.Hour))}), 400, "totp.enroll")
	if p.Error != "wrong_code" || p.Args["uri"] != uri.String() {
		t.Errorf("the page after a wrong code: %+v", p)
	}
	p = b.step(b.send(p, map[string]string{"code": app.code(w.Now())}), 200, "totp.added")
	if b.session() != nil {
		t.Fatal("a session before the person went on")
	}
	q := b.step(b.follow(p, "factor:recovery"), 200, "recovery.status")
	q = b.step(b.send(q, nil), 200, "recovery.codes")
	var codes []string
	for _, l := range q.Lines {
		codes = append(codes, l.Value)
	}
	if len(codes) != 10 {
		t.Fatalf("codes %q", codes)
	}
	want(t, b.send(q, nil), 200, `"redirect_uri"`) // the form "continue" is on both pages
	if s := b.session(); s == nil || !slices.Contains(s.Authentication.Methods, "otp") {
		t.Fatalf("the session: %+v", s)
	}
	w.Advance(time.Minute)
	c := w.program()
	p = c.step(c.checked(c.signIn("ada")), 200, "totp.verify")
	p = c.step(c.send(p, map[string]string{"code": "000000"}), 400, "totp.verify")
	if p.Error != "wrong_code" {
		t.Errorf("error %q", p.Error)
	}
	q = c.step(c.follow(p, "factor:recovery"), 200, "recovery.verify")
	q = c.step(c.send(q, map[string]string{"code": "0000-0000-0000-0000"}), 400, "recovery.verify")
	p = c.step(c.follow(q, "factor:totp"), 200, "totp.verify")
	want(t, c.send(p, map[string]string{"code": app.code(w.Now()), "remember": "yes"}), 200, `"redirect_uri"`)
	p = c.step(c.checked(c.get("/factors/totp/status")), 200, "totp.status")
	since, err := time.Parse(time.RFC3339, p.Args["since"].(string))
	if err != nil || w.Now().Sub(since) != time.Minute {
		t.Errorf("since %v %v", since, err)
	}
	q = c.step(c.checked(c.get("/factors/recovery/status")), 200, "recovery.status")
	if q.Args["remaining"] != 10.0 || q.Args["made"] == nil {
		t.Errorf("status %+v", q)
	}
	c.step(c.send(q, nil), 200, "recovery.codes")
	c.step(c.send(p, nil), 200, "totp.removed")
	p = c.step(c.get("/factors/totp/status"), 200, "totp.status")
	if p.Args["since"] != nil {
		t.Errorf("status %+v", p)
	}
	c.step(c.follow(p, "enroll"), 200, "totp.enroll")
	want(t, w.program().get("/factors/totp/status"), 401, "not_signed_in")
}

func fake(body string) *httptest.ResponseRecorder {
	a := httptest.NewRecorder()
	_, _ = a.WriteString(body)
	return a
}

// A person goes the same way by pages. Nothing secret is in a URL, a log, an event or a mail.
func TestWalk_HTML(t *testing.T) {
	w := newWorld(t, everybody)
	b := w.browser()
	var urls []string
	keep := func(a *httptest.ResponseRecorder) *httptest.ResponseRecorder {
		urls = append(urls, a.Header().Get("Location"))
		return b.checked(a)
	}
	a := keep(b.signIn("ada"))
	st := part(t, stateOf, a)
	want(t, keep(b.get("/factors?state="+st)), 200, "/factors/totp/enroll?state="+st)
	a = keep(b.get("/factors/totp/enroll?state=" + st))
	want(t, a, 200, `<svg class="figure"`)
	app, seed := appOf(t, a), part(t, seedOf, a)
	key := app.text()
	for i := 0; i < len(key); i += 4 {
		if !strings.Contains(a.Body.String(), key[i:i+4]) {
			t.Errorf("the key is not on the page as text: %s", key[i:i+4])
		}
	}
	setup := app.code(w.Now())
	a = keep(b.post("/factors/totp/enroll", "state", st, "seed", seed, "code", setup))
	want(t, a, 200, "/factors/recovery/enroll?state="+st)
	want(t, a, 200, "/factors/continue")
	want(t, keep(b.get("/factors/recovery/enroll?state="+st)), 200, "Make recovery codes")
	a = keep(b.post("/factors/recovery/enroll", "state", st))
	codes := codeOf.FindAllString(a.Body.String(), -1)
	want(t, a, 200, "/factors/continue")
	want(t, keep(b.post("/factors/continue", "state", st)), 303, "")
	if b.session() == nil {
		t.Fatal("no session")
	}
	w.Advance(time.Minute)
	c := w.browser()
	st = part(t, stateOf, keep(c.signIn("ada")))
	code := app.code(w.Now())
	a = keep(c.get("/factors/totp/verify?state=" + st))
	want(t, a, 200, `autocomplete="one-time-code"`)
	want(t, a, 200, `name="remember"`)
	want(t, a, 200, "/factors/recovery/verify?state="+st)
	want(t, keep(c.get("/factors/recovery/verify?state="+st)), 200, "/factors/totp/verify?state="+st)
	want(t, keep(c.post("/factors/totp/verify", "state", st, "code", code, "remember", "yes")), 303, "/continue")
	again := c.clone()
	again.Cookies = remembered(c.Cookies)
	want(t, keep(again.signIn("ada")), 303, "app.example.com")
	d := w.browser()
	st = part(t, stateOf, keep(d.signIn("ada")))
	want(t, keep(d.post("/factors/recovery/verify", "state", st, "code", codes[3])), 303, "/continue")
	if again.session() != nil {
		t.Error("a session of before the recovery code lives")
	}
	want(t, keep(again.signIn("ada")), 303, "/factors/totp/verify") // and the browser is forgotten
	want(t, keep(d.post("/factors/totp/remove")), 200, "was removed")

	reported := w.Log.String() + strings.Join(urls, "\n")
	for _, e := range w.Events.All() {
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		reported += string(data)
	}
	for _, m := range w.mails.All() {
		reported += m.Subject + m.Text + m.HTML
	}
	if !strings.Contains(reported, "recovery code used") || !strings.Contains(reported, "9 recovery codes are left") {
		t.Fatal("nothing is reported")
	}
	for _, secret := range slices.Concat(codes, []string{key, seed, code, setup}) {
		whole := regexp.MustCompile(`\b(?:` + regexp.QuoteMeta(secret) + "|" + regexp.QuoteMeta(strings.ReplaceAll(secret, "-", "")) + `)\b`)
		if whole.MatchString(reported) {
			t.Errorf("%q is in a log, an event, a mail or a URL", secret)
		}
	}
}

// remembered keeps the cookie of a remembered browser alone.
func remembered(all map[string]string) map[string]string {
	out := map[string]string{}
	for name, value := range all {
		if strings.Contains(name, "remembered") {
			out[name] = value
		}
	}
	return out
}

// On the way to a session, recovery codes alone are no factor.
func TestWalk_CodesAreNoFactor(t *testing.T) {
	w := newWorld(t, everybody)
	b := w.browser()
	st := part(t, stateOf, b.signIn("ada"))
	want(t, b.post("/factors/recovery/enroll", "state", st), http.StatusConflict, "no_factor")
	want(t, b.get("/factors/recovery/enroll?state="+st), http.StatusConflict, "no_factor")
	if w.head("ada").Backups["recovery"] != 0 {
		t.Error("codes were made")
	}
}

// Each link of each refusal of a factor leads somewhere.
func TestWalk_NoDeadEnd(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	app := b.enroll("ada")
	c := w.browser()
	st := c.waits("ada")
	used := w.browser()
	want(t, used.post("/factors/totp/verify", "state", used.waits("ada"), "code", app.code(w.Now())), http.StatusSeeOther, "/continue")
	refused := []*httptest.ResponseRecorder{
		c.get("/factors/totp/verify?state=x"), c.get("/factors/totp/verify"), c.get("/factors/recovery/verify?state=" + st), c.get("/factors/totp/status"),
		c.get("/factors/totp/none"), b.get("/factors/totp/enroll"), c.post("/factors/totp/verify", "state", st, "code", "1"),
	}
	w.Advance(11 * time.Minute)
	refused = append(refused, c.post("/factors/totp/verify", "state", st, "code", app.code(w.Now())), b.post("/factors/totp/remove"), b.get("/factors/recovery/enroll"))
	links := regexp.MustCompile(`<a href="([^"]+)"`)
	seen := 0
	for i, a := range refused {
		if a.Code < 400 || a.Code >= 500 {
			t.Errorf("refusal %d: %d", i, a.Code)
		}
		for _, m := range links.FindAllStringSubmatch(a.Body.String(), -1) {
			seen++
			target := strings.ReplaceAll(m[1], "&amp;", "&")
			if !strings.HasPrefix(target, issuer) {
				continue
			}
			if to := b.clone().Do(b.Request(http.MethodGet, target, nil)); to.Code == http.StatusNotFound || to.Code >= 500 {
				t.Errorf("refusal %d (%d) links to %s: %d", i, a.Code, target, to.Code)
			}
		}
	}
	if seen < 6 {
		t.Errorf("only %d links", seen)
	}
}
