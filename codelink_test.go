package postern_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
)

// buttonOf presses the one button of the page of a link.
func (b *browser) buttonOf(path string, link *url.URL, w *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	b.v.t.Helper()
	form := url.Values{"token": {link.Query().Get("token")}}
	body := w.Body.String()
	if !strings.Contains(body, `action="`+issuer+path+`"`) || strings.Count(body, "<button") != 1 {
		b.v.t.Fatalf("not a page with one button for %s: %d\n%s", path, w.Code, body)
	}
	if strings.Contains(body, `name="state"`) {
		form.Set("state", state(b.v.t, w))
	}
	return b.post(issuer+path, form)
}

// mailedTo is where the last mail of a name went.
func (h *house) mailedTo(name string) string {
	for _, m := range slices.Backward(h.mails.All()) {
		if m.Name == name {
			return m.To
		}
	}
	return ""
}

// A linkCase is one of the mails that have a code and a link.
type linkCase struct {
	name  string // of the mail
	path  string // of the form that takes the code
	house *home
	begin func() *browser // asks for the mail
	ended func(b *browser) bool
}

func linkCases(t *testing.T) []linkCase {
	byMail := func(h *home, c *postern.Config) {
		c.Providers = map[string]postern.Provider{"door": door{identity: func(*http.Request) postern.Identity { return h.who }}}
	}
	signUp, stepUp, address := newHome(t), newHome(t, byMail), newHome(t)
	enrol := newFort(t, func(_ *home, c *postern.Config) { c.RequireFactor = always })
	waits := ""
	signedIn := func(h *home) *browser {
		b := h.browser()
		h.signIn(b, h.who)
		return b
	}
	return []linkCase{
		{"postern.verify-address", "/sign-up/code", signUp, func() *browser {
			b := signUp.browser()
			want(t, apply(b, "new@example.com"), http.StatusOK, "one-time-code")
			return b
		}, func(b *browser) bool { _, ok := signUp.session(b); return ok }},
		{"postern.step-up", "/step-up/code", stepUp, func() *browser {
			b := signedIn(stepUp)
			want(t, b.onward(b.get(issuer+"/step-up/code")), http.StatusOK, "one-time-code")
			return b
		}, func(b *browser) bool {
			s, ok := stepUp.session(b)
			return ok && strings.Contains(strings.Join(s.Authentication.Methods, " "), postern.MethodStepUp)
		}},
		{"postern.new-address", "/account/code", address, func() *browser {
			b := signedIn(address)
			address.stepUp(b, address.who)
			answered(t, b.json("POST", "/account/addresses", `{"address":"second@example.com"}`), http.StatusAccepted, "")
			return b
		}, func(b *browser) bool {
			return strings.Contains(b.json("GET", "/account", "").Body.String(), "second@example.com")
		}},
		{"postern.enroll", "/factors/code", enrol, func() *browser {
			enrol.signIn(enrol.browser(), enrol.who) // a sign-up enrols at once; this one has not
			b := enrol.browser()
			waits = enrol.signIn(b, enrol.who).Header().Get("Location")[len(issuer+"/factors?state="):]
			want(t, b.onward(b.post(issuer+"/factors/code", url.Values{"state": {waits}})), http.StatusOK, "Check your mail")
			return b
		}, func(b *browser) bool {
			return b.get(issuer+"/factors/chip/enroll?state="+waits).Code == http.StatusOK
		}},
	}
}

// TestMailLink: a mail with a code has a link too. Opening it changes nothing, however often; the button works once, in
// the browser that asked; every other browser is shown the code to type in the first one, and gets no form.
func TestMailLink(t *testing.T) {
	for _, c := range linkCases(t) {
		t.Run(c.name, func(t *testing.T) {
			h := c.house
			b := c.begin()
			link := h.lastLink(c.name)
			if link.Path != "/auth"+c.path+"/link" {
				t.Fatalf("leads to %s", link)
			}
			writes := h.store.writes
			for _, other := range []*browser{h.browser(), h.browser()} { // a scanner, a phone
				for _, method := range []string{"HEAD", "GET"} {
					if w := other.send(method, link.String(), nil); w.Code != http.StatusOK || method == "GET" && strings.Contains(w.Body.String(), "<form") {
						t.Errorf("%s elsewhere: %d\n%s", method, w.Code, w.Body)
					}
				}
				w := other.get(link.String())
				code := h.code(h.mailedTo(c.name))
				want(t, w, http.StatusOK, code[:4]+" "+code[4:])
				if strings.Contains(w.Body.String(), h.mailedTo(c.name)) {
					t.Errorf("the address is shown in full:\n%s", w.Body)
				}
				if len(other.Cookies) != 0 {
					t.Errorf("cookies %v", other.Cookies)
				}
			}
			if h.store.writes != writes {
				t.Errorf("opening it elsewhere wrote %d rows", h.store.writes-writes)
			}
			want(t, h.browser().post(link.String(), nil), http.StatusMethodNotAllowed, "")
			stranger := h.browser()
			h.signIn(stranger, at("eve", "eve@example.com", true))
			writes = h.store.writes
			if w := stranger.post(issuer+c.path, url.Values{"token": {link.Query().Get("token")}}); w.Code < 400 && !strings.Contains(w.Header().Get("Location"), "resume") {
				t.Errorf("the button elsewhere: %d to %s", w.Code, w.Header().Get("Location"))
			}
			var page *httptest.ResponseRecorder
			for range 3 {
				page = b.get(link.String())
				want(t, page, http.StatusOK, "You asked for this link in this browser")
			}
			if h.store.writes != writes || c.ended(b) {
				t.Fatalf("opening it wrote %d rows", h.store.writes-writes)
			}
			w := b.buttonOf(c.path, link, page)
			if w.Code != http.StatusSeeOther || !c.ended(b) {
				t.Fatalf("the button: %d\n%s", w.Code, w.Body)
			}
			for _, other := range []*browser{b, h.browser()} {
				want(t, other.get(link.String()), http.StatusBadRequest, "This link does not work any more")
			}
		})
	}
}

// TestMailLink_Dies: a link dies with its code: after ten minutes, after five wrong codes, and when a later mail has
// taken its place. The token of another link, of another step or of a stranger opens nothing.
func TestMailLink_Dies(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	dead := func(when string, link *url.URL, st string) {
		t.Helper()
		if w := b.get(link.String()); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "expired_code") {
			t.Errorf("%s: the page: %d\n%s", when, w.Code, w.Body)
		}
		if w := b.post(issuer+"/sign-up/code", url.Values{"state": {st}, "token": {link.Query().Get("token")}}); w.Code != http.StatusBadRequest {
			t.Errorf("%s: the button: %d", when, w.Code)
		}
	}
	first := state(t, apply(b, "ada@example.com"))
	early := h.lastLink("postern.verify-address")
	second := state(t, apply(b, "ada@example.com"))
	link := h.lastLink("postern.verify-address")
	if w := b.post(issuer+"/sign-up/code", url.Values{"state": {second}, "token": {early.Query().Get("token")}}); w.Code != http.StatusBadRequest {
		t.Errorf("the token of another attempt: %d", w.Code)
	}
	for _, path := range []string{"/step-up/code/link", "/factors/code/link", "/account/code/link"} {
		want(t, b.get(issuer+path+"?"+link.RawQuery), http.StatusBadRequest, "expired_code")
	}
	for _, query := range []string{"", "?token=", "?token=x", "?" + link.RawQuery[:len(link.RawQuery)-1], "?" + link.RawQuery + "A"} {
		want(t, b.get(issuer+"/sign-up/code/link"+query), http.StatusBadRequest, "expired_code")
	}
	wrong := []byte(h.code("ada@example.com"))
	wrong[0] = '0' + (wrong[0]-'0'+1)%10
	for range 5 {
		want(t, b.post(issuer+"/sign-up/code", url.Values{"state": {second}, "code": {string(wrong)}}), http.StatusBadRequest, "wrong_code")
	}
	dead("after five wrong codes", link, second)
	h.Advance(30 * time.Second)
	again := state(t, b.post(issuer+"/sign-up/code/again", url.Values{"state": {first}}))
	dead("after another mail", early, first)
	link = h.lastLink("postern.verify-address")
	want(t, b.get(link.String()), http.StatusOK, "You asked for this link")
	h.Advance(10 * time.Minute)
	dead("ten minutes later", link, again)
	if h.table.count() != 0 {
		t.Errorf("%d users", h.table.count())
	}
}
