package postern_test

import (
	"context"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/users"
)

const (
	strangers = "nobody@example.com"
	asked     = "redirect_uri=%2Fwelcome&state=s1"
)

// A front is a home that asks for an address first, and Ann, who has a password.
type front struct {
	*home
	id string
}

func newFront(t testing.TB, change ...func(h *home, c *postern.Config)) *front {
	t.Helper()
	f := &front{home: newHome(t, append([]func(*home, *postern.Config){func(_ *home, c *postern.Config) {
		c.IdentifierFirst = true
		c.Order = []string{"door", "password", "code", "other"}
		c.Providers["password"], c.Providers["code"] = password.New(password.Config{Hasher: hasher()}), magic.Code(magic.Config{})
	}}, change...)...)}
	b := f.browser()
	w := b.post(issuer+"/sign-up", url.Values{"email": {anns}})
	w = b.post(issuer+"/sign-up/code", url.Values{"state": {state(t, w)}, "code": {f.code(anns)}})
	want(t, b.post(issuer+"/password/sign-up", url.Values{"state": {state(t, w)}, "password": {first}}), http.StatusSeeOther, "")
	f.id = f.idOf(b)
	return f
}

// types types an identifier, and returns the page after it.
func (b *browser) types(identifier, query string) *httptest.ResponseRecorder {
	b.v.t.Helper()
	w := b.post(issuer+"/authorize?"+query, url.Values{"identifier": {identifier}})
	if w.Code != http.StatusSeeOther || strings.Contains(w.Header().Get("Location"), "example.com%") || strings.Contains(w.Header().Get("Location"), "%40") {
		b.v.t.Fatalf("%d to %q\n%s", w.Code, w.Header().Get("Location"), w.Body)
	}
	return b.get(unmarked(b.v.t, w.Header().Get("Location")))
}

func mailless(context.Context, postern.Mail) error { return nil }

func hintsOf(b *browser) (n int) {
	for name := range b.Cookies {
		if strings.HasPrefix(name, "__Host-hint-") {
			n++
		}
	}
	return n
}

// The first page asks for an address, and has the ways that need none around it, in their order.
func TestIdentifierFirst_Choose(t *testing.T) {
	f := newFront(t)
	b := f.browser()
	w := b.get(issuer + "/authorize?" + asked + "&login_hint=ada%40example.com")
	page := w.Body.String()
	if got, want := texts(page), []string{"Continue with Door", "or", "Email address", "Continue", "Continue with Other", "Create an account"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if !strings.Contains(page, `type="email" name="identifier" value="ada@example.com" autocomplete="username" inputmode="email" maxlength="254"`) ||
		!strings.Contains(page, `action="`+issuer+`/authorize?redirect_uri=%2Fwelcome&amp;state=s1"`) {
		t.Errorf("the form:\n%s", page)
	}
	if to := hrefs(page)[0]; to != issuer+"/door/authorize?login_hint=ada%40example.com&"+asked {
		t.Errorf("the provider's link leads to %s", to)
	}
	if len(w.Result().Cookies()) != 0 {
		t.Errorf("the page alone sets cookies: %v", w.Result().Cookies())
	}
	for hint, want := range map[string]string{
		"": "", "ada": "", "<b>@example.com": "", strings.Repeat("a", 250) + "@example.com": "", "a@b@example.com": "", " ": "",
		"Ada@Example.COM": "Ada@Example.COM",
	} {
		page := b.get(issuer + "/authorize?" + url.Values{"login_hint": {hint}}.Encode()).Body.String()
		if got := strings.Contains(page, `name="identifier" value=`); got != (want != "") || !strings.Contains(page, `value="`+want) && want != "" {
			t.Errorf("login_hint %.40q: a value %v", hint, got)
		}
	}
	// With one provider there is nothing to choose, and mail alone has addresses and no names.
	one := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.IdentifierFirst, c.Mail = true, mailless
		c.Providers = map[string]postern.Provider{"code": magic.Code(magic.Config{})}
	})
	want(t, one.browser().get(issuer+"/authorize?"+asked), http.StatusFound, "/code/authorize?"+asked)
	two := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.IdentifierFirst, c.Mail = true, mailless
		c.Providers["code"] = magic.Code(magic.Config{})
	})
	want(t, two.browser().get(issuer+"/authorize"), http.StatusOK, `name="identifier" autocomplete="email" inputmode="email"`)
}

// The page of the ways has what was typed, the form of the first way, and links that keep both.
func TestIdentifierFirst_Ways(t *testing.T) {
	f := newFront(t)
	b := f.browser()
	w := b.types("  Ann@EXAMPLE.com ", asked+"&ui_locales=de&acr_values=urn%3Ax&custom=1&invitation=abc")
	page := w.Body.String()
	if got, want := texts(page), []string{"Continue with Door", "or", "Password", "Sign in", "I forgot my password", "Email me a code",
		"Continue with Other", "Create an account"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for _, part := range []string{`<dt id="line-1">You sign in as</dt>` + "\n" + `<dd id="line-1-value">ann@example.com</dd>`, `>Not you? Change</a>`, `autocomplete="username" hidden readonly value="ann@example.com"`,
		`name="identifier" value="ann@example.com"`, `type="password" name="password" autocomplete="current-password"`} {
		if !strings.Contains(page, part) {
			t.Errorf("no %s on\n%s", part, page)
		}
	}
	for i, link := range hrefs(page) {
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if strings.Contains(link, "/forgot") {
			continue
		}
		kept := q.Get("redirect_uri") == "/welcome" && q.Get("state") == "s1" && q.Get("invitation") == "abc"
		if !strings.Contains(link, "/sign-up") {
			kept = kept && q.Get("ui_locales") == "de" && q.Get("acr_values") == "urn:x" && q.Get("custom") == "1"
		}
		if !kept || q.Has("postern_hint") != (i > 0) || q.Has("identifier") || q.Has("login_hint") {
			t.Errorf("link %d leads to %s", i, link)
		}
	}
	if k := w.Result().Cookies(); len(k) != 1 || !strings.Contains(k[0].Name, "flow-") {
		t.Errorf("cookies %v", k)
	}
}

// Reload and Back repeat no POST, and the address is not lost. Two tabs with two people do not disturb each other.
func TestIdentifierFirst_ReloadAndTabs(t *testing.T) {
	f := newFront(t)
	b := f.browser()
	at := unmarked(t, b.post(issuer+"/authorize?"+asked, url.Values{"identifier": {anns}}).Header().Get("Location"))
	other := unmarked(t, b.post(issuer+"/authorize?"+asked, url.Values{"identifier": {strangers}}).Header().Get("Location"))
	for range 3 {
		want(t, b.get(at), http.StatusOK, `-value">`+anns+"</dd>")
		want(t, b.get(other), http.StatusOK, `-value">`+strangers+"</dd>")
	}
	// Elsewhere, or forged, the page asks again, and nothing of it leads on with the name of the cookie.
	for name, open := range map[string]func() *httptest.ResponseRecorder{
		"another browser": func() *httptest.ResponseRecorder { return f.browser().get(at) },
		"a forged name": func() *httptest.ResponseRecorder {
			return b.get(issuer + "/authorize?" + asked + "&postern_hint=AAAAAAAAAAAA")
		},
		"not a name": func() *httptest.ResponseRecorder {
			return b.get(issuer + "/authorize?" + asked + "&postern_hint=..%2F..%2Fx%20%22")
		},
		"another's value": func() *httptest.ResponseRecorder {
			c := f.browser()
			for name, value := range b.Cookies {
				c.Cookies[name[:len(name)-12]+"BBBBBBBBBBBB"] = value
			}
			return c.get(issuer + "/authorize?" + asked + "&postern_hint=BBBBBBBBBBBB")
		},
	} {
		w := open()
		if want(t, w, http.StatusOK, `name="identifier"`); strings.Contains(w.Body.String(), "postern_hint") || strings.Contains(w.Body.String(), anns) {
			t.Errorf("%s:\n%s", name, w.Body)
		}
	}
	f.Advance(10*time.Minute - time.Second)
	want(t, b.get(at), http.StatusOK, `-value">`+anns+"</dd>")
	f.Advance(time.Second)
	want(t, b.get(at), http.StatusOK, `name="identifier"`)
}

// The cookies of what was typed have a bound, and their life ends with the sign-in.
func TestIdentifierFirst_Cookies(t *testing.T) {
	f := newFront(t)
	b := f.browser()
	var w *httptest.ResponseRecorder
	for range 6 {
		w = b.types(anns, asked)
	}
	if n := hintsOf(b); n != 3 {
		t.Errorf("%d cookies", n)
	}
	var k *http.Cookie
	for _, c := range b.post(issuer+"/authorize", url.Values{"identifier": {anns}}).Result().Cookies() {
		if strings.HasPrefix(c.Name, "__Host-hint-") && c.MaxAge > 0 {
			k = c
		}
	}
	if k == nil || k.MaxAge != 600 || !k.HttpOnly || !k.Secure || k.SameSite != http.SameSiteLaxMode || k.Path != "/" || strings.Contains(k.Value, "ann") {
		t.Errorf("cookie %+v", k)
	}
	wrong := b.post(issuer+"/password/callback", url.Values{"state": {state(t, w)}, "identifier": {anns}, "password": {next}})
	if want(t, wrong, http.StatusBadRequest, "wrong_password"); hintsOf(b) != 3 {
		t.Error("a refused sign-in forgets the address")
	}
	want(t, b.post(issuer+"/password/callback", url.Values{"state": {state(t, w)}, "identifier": {anns}, "password": {first}}), http.StatusSeeOther, "")
	if n := hintsOf(b); n != 0 {
		t.Errorf("after the sign-in: %d cookies", n)
	}
	// A sign-in that fails after all keeps it.
	b.types(anns, asked)
	if err := f.dir.Disable(t.Context(), f.id, "because", time.Time{}, users.Extra{}); err != nil {
		t.Fatal(err)
	}
	want(t, f.signIn(b, at("ann", anns, true)), http.StatusForbidden, "")
	if n := hintsOf(b); n != 1 {
		t.Errorf("after a failed sign-in: %d cookies", n)
	}
}

// What is shown depends on no account: not on whether there is one, what it has, or whether it is disabled. The store
// is not asked, so the time is the same too.
func TestIdentifierFirst_TellsNothing(t *testing.T) {
	f := newFront(t)
	disabled := f.signUpAt("dan@example.com")
	if err := f.dir.Disable(t.Context(), disabled, "because", time.Time{}, users.Extra{}); err != nil {
		t.Fatal(err)
	}
	secret := regexp.MustCompile(`[A-Za-z0-9_-]{43}|postern_hint=[A-Za-z0-9_-]{12}|-[A-Za-z0-9_-]{12}=[A-Za-z0-9_.-]{60,}`)
	answers := map[string]string{}
	for _, who := range []string{"ann", "dan", "eve"} {
		b := f.browser()
		gets, writes := f.store.reads(), f.store.writes
		var all strings.Builder
		w := b.post(issuer+"/authorize?"+asked, url.Values{"identifier": {who + "@example.com"}})
		page := b.get(unmarked(t, w.Header().Get("Location")))
		for _, a := range []*httptest.ResponseRecorder{w, page} {
			h := a.Header().Clone()
			h.Del("Set-Cookie")
			for _, k := range a.Result().Cookies() {
				all.WriteString(k.Name[:len(k.Name)-12] + " " + string(rune(len(k.Value))) + "\n")
			}
			if to := h.Get("Location"); to != "" {
				h.Set("Location", unmarked(t, to))
			}
			_ = h.Write(&all)
			all.WriteString(a.Body.String())
		}
		if f.store.reads() != gets || f.store.writes != writes {
			t.Errorf("%s: the store was asked", who)
		}
		answers[who] = secret.ReplaceAllString(strings.ReplaceAll(all.String(), who+"@", "x@"), "*")
	}
	if answers["ann"] != answers["eve"] || answers["dan"] != answers["eve"] || len(answers["ann"]) < 1000 {
		t.Errorf("known:\n%s\nunknown:\n%s\ndisabled:\n%s", answers["ann"], answers["eve"], answers["dan"])
	}
}

func (f *front) signUpAt(address string) string {
	b := f.browser()
	want(f.t, f.signIn(b, at(address, address, true)), http.StatusSeeOther, "")
	return f.idOf(b)
}

// A browser that used a way last gets that way first.
func TestIdentifierFirst_LastUsed(t *testing.T) {
	f := newFront(t)
	b := f.browser()
	w := b.types(anns, asked)
	want(t, b.post(issuer+"/code/authorize?"+asked, url.Values{"email": {anns}}), http.StatusSeeOther, "/code/callback?state=")
	want(t, b.post(issuer+"/password/callback", url.Values{"state": {state(t, w)}, "identifier": {anns}, "password": {first}}), http.StatusSeeOther, "")
	var last string
	for name := range b.Cookies {
		if isLast(name) {
			last = name
		}
	}
	for value, want := range map[string][]string{
		"password": {"Password", "Sign in", "I forgot my password", "Continue with Door", "Email me a code"},
		"code":     {"Email me a code", "Continue with Door", "Continue with a password"},
		"other":    {"Continue with Other", "Continue with Door", "or", "Password"},
		"forged":   {"Continue with Door", "or", "Password"},
	} {
		b.Cookies[last] = value
		page := b.types(anns, asked).Body.String()
		if got := texts(page)[:len(want)]; !slices.Equal(got, want) || strings.Contains(page, "Last used") != (value != "forged") {
			t.Errorf("%s: %q, want %q", value, got, want)
		}
	}
	b.Cookies[last] = "other"
	want(t, b.get(issuer+"/authorize"), http.StatusOK, `Continue with Other</a> <span class="hint">Last used</span>`)
	b.Cookies[last] = "password"
	want(t, b.get(issuer+"/authorize"), http.StatusOK, `<p class="hint">Last used</p>`)
}

// Every way ends the sign-in that was asked for: with its address, state and challenge.
func TestIdentifierFirst_EachWayEnds(t *testing.T) {
	f := newFront(t)
	const query = asked + "&code_challenge_method=S256&code_challenge=" + pkceChallenge
	b := f.browser()
	w := b.types(anns, query)
	w = b.post(issuer+"/password/callback", url.Values{"state": {state(t, w)}, "identifier": {anns}, "password": {first}})
	if to := b.landing(w); !strings.HasPrefix(to, "https://api.example.com/welcome?") || !strings.Contains(to, "state=s1") || !strings.Contains(to, "code=") {
		t.Errorf("by password to %s", to)
	}
	b = f.browser()
	links := hrefs(b.types(anns, query).Body.String())
	code := links[slices.IndexFunc(links, func(l string) bool { return strings.Contains(l, "/code/authorize") })]
	page := b.get(code).Body.String()
	if !strings.Contains(page, `name="email" value="`+anns+`"`) {
		t.Errorf("the page of mail:\n%s", page)
	}
	w = b.post(actionOf(page), url.Values{"email": {anns}})
	w = b.get(unmarked(t, w.Header().Get("Location")))
	if to := b.landing(b.post(issuer+"/code/callback", url.Values{"state": {state(t, w)}, "code": {f.code(anns)}})); !strings.Contains(to, "state=s1") || !strings.Contains(to, "code=") {
		t.Errorf("by mail to %s", to)
	}
	// The form of mail itself, where it is the first.
	g := newFront(t, func(_ *home, c *postern.Config) { c.Order = []string{"code", "password"} })
	b = g.browser()
	page = b.types(strangers, query).Body.String()
	if !strings.Contains(page, `name="email" value="`+strangers+`"`) || strings.Contains(page, `type="email"`) {
		t.Errorf("the form of mail:\n%s", page)
	}
	w = b.post(actionOf(page), url.Values{"email": {strangers}})
	want(t, w, http.StatusSeeOther, "/code/callback?state=")
	if all := g.mails.All(); all[len(all)-1].To != strangers {
		t.Errorf("the mail goes to %s", all[len(all)-1].To)
	}
	// The reset of the password and the sign-up have the address too.
	links = hrefs(b.types(anns, query).Body.String())
	for _, link := range links {
		if strings.Contains(link, "/forgot") || strings.Contains(link, "/sign-up") || strings.Contains(link, "/password/authorize") {
			want(t, b.get(link), http.StatusOK, `value="`+anns+`"`)
		}
	}
}

func actionOf(page string) string {
	m := regexp.MustCompile(`<form method="post" action="([^"]*)"`).FindStringSubmatch(page)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}
