package postern_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern"
)

const byChallenge = "redirect_uri=https%3A%2F%2Fapp.example.com%2F&state=s1&code_challenge_method=S256&code_challenge=" + pkceChallenge

// ledTo returns where an answer of authorize leads, which must be the application.
func ledTo(t testing.TB, w *httptest.ResponseRecorder) url.Values {
	t.Helper()
	to, err := url.Parse(w.Header().Get("Location"))
	if err != nil || w.Code != http.StatusSeeOther || to.Scheme+"://"+to.Host+to.Path != "https://app.example.com/" || to.Query().Get("state") != "s1" {
		t.Fatalf("%d to %q\n%s", w.Code, w.Header().Get("Location"), w.Body)
	}
	return to.Query()
}

// A session of a browser gives nothing to an application that asks without a page: the answer is the same as for a
// browser in which nobody is signed in. It has no cookie, and the store is neither read nor written.
func TestPromptNone_DeliversNothing(t *testing.T) {
	const entries = "com.example.app:/cb http://127.0.0.1/cb"
	for name, prepare := range map[string]func(h *home, b *browser){
		"nobody":  func(*home, *browser) {},
		"code":    func(h *home, b *browser) { h.byCode(b, h.who) },
		"cookies": func(h *home, b *browser) { h.signIn(b, h.who) },
	} {
		h := newHome(t, func(_ *home, c *postern.Config) { c.Redirects = append(c.Redirects, strings.Fields(entries)...) })
		b := h.browser()
		prepare(h, b)
		before, reads, writes := len(h.Events.All()), h.store.gets, h.store.writes
		for _, to := range []string{"https://app.example.com/", "com.example.app:/cb", "http://127.0.0.1:49152/cb"} {
			query := "state=s1&code_challenge_method=S256&code_challenge=" + pkceChallenge + "&redirect_uri=" + url.QueryEscape(to)
			for _, path := range []string{"/authorize", "/door/authorize"} {
				for _, more := range []string{"", "&login_hint=ada%40example.com", "&login_hint=10002", "&max_age=60", "&acr_values=gold", "&provider=door"} {
					for kind, header := range askers {
						c := &browser{Browser: b.Clone(), v: b.v, secure: true}
						for k, v := range header {
							c.Header.Set(k, v)
						}
						w := c.get(issuer + path + "?" + query + more + "&prompt=none")
						want := to + "?" + url.Values{"error": {"login_required"}, "iss": {issuer}, "state": {"s1"}}.Encode()
						if w.Code != http.StatusSeeOther || w.Header().Get("Location") != want {
							t.Fatalf("%s, %s %s%s: %d to %q\n%s", name, kind, path, more, w.Code, w.Header().Get("Location"), w.Body)
						}
						if len(w.Result().Cookies()) != 0 || w.Body.Len() != 0 || w.Header().Get("Referrer-Policy") != "no-referrer" ||
							!strings.Contains(w.Header().Get("Cache-Control"), "no-store") {
							t.Errorf("%s, %s: %v %s", name, kind, w.Header(), w.Body)
						}
					}
				}
			}
		}
		if n := len(h.Events.All()); n != before {
			t.Errorf("%s: events %v", name, h.Events.All()[before:])
		}
		if h.store.gets != reads || h.store.writes != writes {
			t.Errorf("%s: %d reads and %d writes of the store", name, h.store.gets-reads, h.store.writes-writes)
		}
		if want := map[bool]int{true: http.StatusUnauthorized, false: http.StatusOK}[name == "nobody"]; b.json("GET", "/account", "").Code != want {
			t.Errorf("%s: the session changed", name)
		}
	}
}

// askers are the headers of a request that asks: of a page, of a frame, of a script, and of a page that is drawn ahead.
var askers = map[string]map[string]string{
	"none":  {},
	"page":  {"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site"},
	"frame": {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"},
	"fetch": {"Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "cross-site"},
	"ahead": {"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate", "Sec-Purpose": "prefetch;prerender"},
}

// A person stays signed in whatever another site asks, and however often.
func TestPromptNone_AskedOften(t *testing.T) {
	h := newHome(t)
	phone, b := h.browser(), h.browser()
	h.byCode(phone, h.who)
	h.signIn(b, h.who)
	for range 120 {
		if q := ledTo(t, b.get(issuer+"/authorize?"+byChallenge+"&prompt=none")); q.Get("error") != "login_required" || q.Has("code") {
			t.Fatal(q)
		}
	}
	for name, one := range map[string]*browser{"browser": b, "phone": phone} {
		answered(t, one.json("GET", "/account", ""), http.StatusOK, "")
		if got := decoded[pairList](t, one.json("GET", "/account/sessions", "")); len(got.Sessions) != 2 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	want(t, b.chosen(b.get(issuer+choosing)), http.StatusSeeOther, "/continue?ticket=") // nothing is used up
}

// A wrong request is never redirected.
func TestPromptNone_Refused(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	h.byCode(b, h.who)
	for name, query := range map[string]string{
		"another address": "redirect_uri=https%3A%2F%2Fevil.example%2F&state=s1&prompt=none",
		"a bad challenge": "code_challenge=x&code_challenge_method=S256&prompt=none",
		"plain":           "code_challenge=" + pkceChallenge + "&prompt=none",
		"another client":  "client_id=evil&prompt=none",
		"none and login":  "prompt=none%20login",
		"none and more":   "prompt=select_account%20none",
		"unknown":         "prompt=create",
		"another case":    "prompt=None",
		"twice":           "prompt=none&prompt=none",
	} {
		for _, path := range []string{"/authorize", "/door/authorize"} {
			if w := b.get(issuer + path + "?" + query); w.Code != http.StatusBadRequest || w.Header().Get("Location") != "" {
				t.Errorf("%s %s: %d to %q", name, path, w.Code, w.Header().Get("Location"))
			}
		}
	}
	// A form has a page, and the button of the chooser gives a code to a request that asks for the chooser.
	page := b.get(issuer + choosing)
	_, mark, _ := strings.Cut(page.Body.String(), `name="account" value="`)
	mark, _, _ = strings.Cut(mark, `"`)
	for _, path := range []string{"/authorize", "/door/authorize"} {
		w := b.post(issuer+path+"?"+byChallenge+"&prompt=none", url.Values{"account": {mark}})
		if w.Code != http.StatusBadRequest || w.Header().Get("Location") != "" {
			t.Errorf("%s: %d to %q", path, w.Code, w.Header().Get("Location"))
		}
	}
	// With RequirePKCE a request without a challenge is wrong.
	p := newHome(t, func(_ *home, c *postern.Config) { c.RequirePKCE = true })
	want(t, p.browser().get(issuer+"/authorize?state=s1&prompt=none"), http.StatusBadRequest, "pkce_required")
}

// With prompt=login the person is asked, also one who is signed in. The values that ask for nothing change nothing.
func TestPrompt_LoginAsks(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	h.byCode(b, h.who)
	for _, prompt := range []string{"login", "login%20select_account", "consent", "", "login%20consent"} {
		w := b.get(issuer + "/authorize?" + byChallenge + "&prompt=" + prompt)
		if want(t, w, http.StatusOK, "Continue with Door"); prompt != "" && !strings.Contains(hrefs(w.Body.String())[0], "prompt=") {
			t.Errorf("%s: the link lost it: %s", prompt, hrefs(w.Body.String())[0])
		}
		want(t, b.get(issuer+"/door/authorize?"+byChallenge+"&prompt="+prompt), http.StatusFound, "door.example")
	}
	// Without users there is no session that could go on: prompt is for nobody here.
	v := newWorld(t)
	want(t, v.browser().get(issuer+"/door/authorize?prompt=none"), http.StatusFound, "door.example")
}
