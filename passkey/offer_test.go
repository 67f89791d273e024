package passkey_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/passkey"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/totp"
)

// offering is a world that offers passkeys, with sign-in by mail and a factor.
func offering(o *options) {
	o.passkey = passkey.Config{Offer: true}
	o.config = func(c *postern.Config) {
		c.Providers["mail"] = magic.Code(magic.Config{})
		c.Factors = map[string]postern.Provider{"totp": totp.New(totp.Config{})}
	}
}

// navigate sends a form as a browser does, which follows to where the answer leads, up to the first page that is not a
// step on the way.
func (b *browser) navigate(path string, pairs ...string) (location string) {
	b.w.t.Helper()
	defer func(h http.Header) { b.Header = h }(b.Header.Clone())
	b.asPage()
	a := b.post(path, pairs...)
	location = a.Header().Get("Location")
	if a.Code == http.StatusOK {
		return "page"
	}
	if a.Code != http.StatusSeeOther {
		b.w.t.Fatalf("%s: %d %s", path, a.Code, a.Body)
	}
	if strings.HasPrefix(location, issuer+"/continue?") {
		_, rest, _ := strings.Cut(b.get(location).Body.String(), `http-equiv="refresh" content="0;url=`)
		location, _, _ = strings.Cut(rest, `"`)
		location = strings.ReplaceAll(location, "&amp;", "&")
	}
	return location
}

// asPage makes the next requests those of a person who opens pages.
func (b *browser) asPage() {
	for name, value := range map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"} {
		b.Header.Set(name, value)
	}
}

func flat(values url.Values) (pairs []string) {
	for name := range values {
		pairs = append(pairs, name, values.Get(name))
	}
	return pairs
}

// withPassword signs in by password, as a browser does.
func (b *browser) withPassword(name string, query ...string) string {
	b.w.t.Helper()
	page := b.get("/password/authorize?" + strings.Join(query, "&"))
	return b.navigate("/password/callback", "state", page.form("").Hidden["state"], "identifier", name, "password", phrase)
}

// withMail signs in by a mailed code.
func (b *browser) withMail(address string) string {
	b.w.t.Helper()
	page := b.post("/mail/authorize", "email", address)
	page = b.get(page.page.RedirectURI)
	f := page.form("")
	pairs := []string{"code", b.w.code(address)}
	for name, value := range f.Hidden {
		pairs = append(pairs, name, value)
	}
	return b.navigate(f.URL, pairs...)
}

func isOffer(location string) bool {
	return strings.HasPrefix(location, issuer+"/passkey/offer?state=")
}

// offered checks that a sign-in led to the offer, and opens it.
func (b *browser) offered(location string) *answer {
	b.w.t.Helper()
	if !isOffer(location) {
		b.w.t.Fatalf("no offer: %q", location)
	}
	return b.get(location).want(200, "passkey.offer")
}

const app = "https://app.example.com/"

// person signs up with a password, and signs out.
func (w *world) person(name string) string {
	w.t.Helper()
	return w.browser().signUpPassword(name)
}

// TestOffer_Create: after a sign-in by password the person is signed in, and is offered a passkey. It is added as in
// the account: with a notice and an event. Nobody who has one is offered another.
func TestOffer_Create(t *testing.T) {
	w := newWorld(t, offering)
	u, b, d := w.person("ada@example.com"), w.browser(), newDevice(synced)
	w.events()
	page := b.offered(b.withPassword("ada@example.com"))
	before := b.session()
	if before == nil || before.Subject != u {
		t.Fatal("the offer comes before the session")
	}
	if len(page.page.Forms) != 2 || page.page.Forms[1].Name != "later" || page.page.Forms[1].URL != issuer+"/factors/later" {
		t.Fatalf("forms %+v", page.page.Forms)
	}
	b.fill(page, "").want(400, "no_passkey") // without a script
	credential := d.make(t, page.form("").Data)
	added := b.fill(page, credential).want(200, "passkey.added")
	f := added.form("continue")
	if h := w.head(u); h.Ways.Passkeys != 1 || h.Sec != 0 || h.Due() {
		t.Errorf("head %+v", h)
	}
	b.fill(page, credential).want(200, "passkey.added") // a second click
	b.get("/passkey/offer?state="+f.Hidden["state"]).want(200, "passkey.added")
	if h := w.head(u); h.Ways.Passkeys != 1 {
		t.Errorf("after the second click %+v", h)
	}
	for range 2 {
		b.post(f.URL, "state", f.Hidden["state"]).want(200, app)
	}
	if s := b.session(); s == nil || s.ID != before.ID || b.amr() != "pwd" {
		t.Errorf("the session changed: %s", b.amr())
	}
	if n := w.notices("ada@example.com"); strings.Join(n, " ") != "passkey.added" {
		t.Errorf("notices %v", n)
	}
	if e := strings.Join(w.events(), " "); strings.Count(e, "passkey added") != 1 || strings.Count(e, "sign-in") != 1 {
		t.Errorf("events %s", e)
	}
	if got := b.get("/account/history").Body.String(); !strings.Contains(got, "passkey_added") {
		t.Errorf("history %s", got)
	}
	if to := w.browser().withPassword("ada@example.com"); to != app {
		t.Errorf("offered once more: %s", to)
	}
	w.browser().signIn(d).want(200, app)
}

// TestOffer_Later: "Not now" leads on, and is remembered in this browser for this person.
func TestOffer_Later(t *testing.T) {
	w := newWorld(t, offering)
	u := w.person("ada@example.com")
	w.person("eve@example.com")
	b := w.browser()
	later := b.offered(b.withPassword("ada@example.com", "state=xyz")).form("later")
	if later.Hidden["later"] != "yes" {
		t.Fatalf("%+v", later)
	}
	var cookie *http.Cookie
	for range 2 { // the second click
		a := b.post(later.URL, "state", later.Hidden["state"], "later", "yes").want(200, app+"?state=xyz")
		for _, k := range a.Result().Cookies() {
			if strings.HasPrefix(k.Name, "__Host-offer-") {
				cookie = k
			}
		}
	}
	if cookie == nil || cookie.MaxAge != 180*24*60*60 || !cookie.HttpOnly || !cookie.Secure || strings.Contains(cookie.Value, u) || strings.Contains(cookie.Value, "~") {
		t.Fatalf("cookie %v", cookie)
	}
	// Back: the offer is over, and the person goes on.
	b.get("/passkey/offer?state="+later.Hidden["state"]).want(200, app+"?state=xyz")
	if to := b.withPassword("ada@example.com"); to != app {
		t.Errorf("asked again: %s", to)
	}
	b.offered(b.withPassword("eve@example.com"))
	c := w.browser()
	c.offered(c.withPassword("ada@example.com"))

	// A cookie of somebody else, or of an attacker, only means an offer.
	for _, value := range []string{"v1.x.y", strings.Repeat("~", 100), strings.Repeat("x", 3000), cookie.Value + "x"} {
		c := w.browser()
		c.Cookies[cookie.Name] = value
		later := c.offered(c.withPassword("ada@example.com")).form("later")
		c.post(later.URL, "state", later.Hidden["state"], "later", "yes").want(200, app)
		if got := c.Cookies[cookie.Name]; len(got) > 1000 {
			t.Errorf("the cookie grows: %d bytes", len(got))
		}
	}
}

// TestOffer_Over: after "Not now", after ten minutes, for another person and after a change of the security nothing is
// added, and nobody is left at the offer.
func TestOffer_Over(t *testing.T) {
	for name, end := range map[string]func(w *world, b *browser, later form){
		"not now": func(w *world, b *browser, later form) {
			b.post(later.URL, "state", later.Hidden["state"], "later", "yes").want(200, app)
		},
		"ten minutes": func(w *world, b *browser, later form) { w.Advance(10 * time.Minute) },
		"security": func(w *world, b *browser, later form) {
			if err := w.auth.EndUser(w.t.Context(), w.user("ada@example.com")); err != nil {
				t.Fatal(err)
			}
		},
		"another person": func(w *world, b *browser, later form) { b.withPassword("eve@example.com") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, offering)
			u := w.person("ada@example.com")
			w.person("eve@example.com")
			b := w.browser()
			page := b.offered(b.withPassword("ada@example.com"))
			end(w, b, page.form("later"))
			b.fill(page, newDevice().make(t, page.form("").Data)).want(200, app)
			b.post("/factors/later", "state", page.form("later").Hidden["state"], "later", "yes").want(200, app)
			for _, who := range []string{u, w.user("eve@example.com")} {
				if h := w.head(who); h.Ways.Passkeys != 0 {
					t.Errorf("added: %+v", h)
				}
			}
		})
	}
	t.Run("another browser", func(t *testing.T) {
		w := newWorld(t, offering)
		w.person("ada@example.com")
		b, thief := w.browser(), w.browser()
		page := b.offered(b.withPassword("ada@example.com"))
		thief.fill(page, newDevice().make(t, page.form("").Data)).want(400, "invalid_state")
		thief.post("/factors/later", "state", page.form("later").Hidden["state"]).want(400, "invalid_state")
		thief.post("/passkey/enroll", "state", page.form("later").Hidden["state"]).want(401, "not_signed_in")
		b.post("/passkey/verify", "state", page.form("later").Hidden["state"]).want(400, "invalid_state")
		b.post("/factors/continue", "state", page.form("later").Hidden["state"]).want(400, "invalid_state")
		b.Header.Set("Sec-Fetch-Site", "cross-site")
		b.post("/factors/later", "state", page.form("later").Hidden["state"]).want(403, "cross_origin")
	})
}

// The verifier and its challenge of RFC 7636 appendix B.
const (
	offerVerifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	offerChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// TestOffer_Code: an application that gets a code gets it after the offer, also at a second click.
func TestOffer_Code(t *testing.T) {
	w := newWorld(t, offering)
	w.person("ada@example.com")
	b := w.browser()
	later := b.offered(b.withPassword("ada@example.com", "code_challenge="+offerChallenge, "code_challenge_method=S256", "state=xyz")).form("later")
	for range 2 {
		a := b.post(later.URL, "state", later.Hidden["state"]).want(200, app+"?")
		u, err := url.Parse(a.page.RedirectURI)
		if err != nil || u.Query().Get("state") != "xyz" || u.Query().Get("code") == "" {
			t.Fatalf("leads to %s", a.page.RedirectURI)
		}
		program := w.browser()
		got := program.post("/token", "grant_type", "authorization_code", "code", u.Query().Get("code"), "code_verifier", offerVerifier, "redirect_uri", app)
		if got.Code != 200 || !strings.Contains(got.Body.String(), "access_token") {
			t.Fatalf("token: %d %s", got.Code, got.Body)
		}
	}
	if b.session() == nil {
		t.Error("the browser is signed out")
	}
	b.Cookies = map[string]string{}
	b.post(later.URL, "state", later.Hidden["state"]).want(400, "invalid_state")
}

// TestOffer_Not: who is not offered a passkey.
func TestOffer_Not(t *testing.T) {
	w := newWorld(t, offering, func(o *options) {
		config := o.config
		o.config = func(c *postern.Config) { config(c); c.TokenClients = []string{"tool"} }
	})
	w.person("ada@example.com")
	w.browser().signInPassword("ada@example.com").want(200, app) // a program
	b := w.browser()
	page := b.get("/password/authorize?client_id=tool")
	b.asPage()
	if a := b.post("/password/callback", "state", page.form("").Hidden["state"], "identifier", "ada@example.com", "password", phrase); a.Code != 200 || !strings.Contains(a.Body.String(), "access_token") {
		t.Errorf("token client: %d %s", a.Code, a.Body)
	}
	b = w.browser() // a script of the site
	page = b.get("/password/authorize")
	b.Header.Set("Accept", "text/html")
	b.Header.Set("Sec-Fetch-Mode", "cors")
	if a := b.post("/password/callback", "state", page.form("").Hidden["state"], "identifier", "ada@example.com", "password", phrase); a.Header().Get("Location") != app {
		t.Errorf("a script: %d %s", a.Code, a.Header())
	}

	b = w.browser() // another way than a password and a mail
	b.asPage()
	if a := b.get("/door/authorize"); isOffer(a.Header().Get("Location")) {
		t.Error("offered after a provider")
	}

	b = w.browser()
	d := newDevice()
	b.signUp("eve@example.com", d)
	page = b.get("/passkey/authorize")
	f := page.form("")
	if to := b.navigate(f.URL, flat(filled(f, d.show(t, f.Data)))...); to != app {
		t.Errorf("offered after a passkey: %s", to)
	}

	b = w.browser() // a step-up
	later := b.offered(b.withPassword("ada@example.com")).form("later")
	b.post(later.URL, "state", later.Hidden["state"])
	w.Advance(11 * time.Minute)
	page = b.get("/step-up/password")
	if to := b.navigate("/password/callback", "state", page.form("").Hidden["state"], "password", phrase); to != app {
		t.Errorf("offered at a step-up: %s", to)
	}

	for name, change := range map[string]func(*options){
		"off": func(o *options) { o.passkey.Offer = false },
		"required": func(o *options) {
			c := o.config
			o.config = func(p *postern.Config) { c(p); p.RequireFactor = requireAll }
		},
	} {
		w := newWorld(t, offering, change)
		if name == "off" {
			w.person("ada@example.com")
			if to := w.browser().withPassword("ada@example.com"); to != app {
				t.Errorf("%s: %s", name, to)
			}
			continue
		}
		b := w.browser()
		if to := b.navigate("/password/sign-up", "state", b.apply("ada@example.com"), "password", phrase); !strings.HasPrefix(to, issuer+"/factors?state=") {
			t.Errorf("%s: %s", name, to)
		}
	}
}

// TestOffer_SignUp: the first session, after a sign-up, has the offer too.
func TestOffer_SignUp(t *testing.T) {
	w := newWorld(t, offering)
	b := w.browser()
	page := b.offered(b.navigate("/password/sign-up", "state", b.apply("ada@example.com"), "password", phrase))
	b.fill(page, newDevice().make(t, page.form("").Data)).want(200, "passkey.added")
}

// TestOffer_Page: the page works without a script: "Not now" is a plain form, and the texts and the policy are there.
func TestOffer_Page(t *testing.T) {
	w := newWorld(t, offering)
	w.person("ada@example.com")
	b := w.browser()
	to := b.withPassword("ada@example.com")
	b.Header.Set("Accept", "text/html")
	a := b.get(to)
	for _, part := range []string{"You are signed in.", ">Create a passkey</button>", ">Not now</button>", `action="` + issuer + `/factors/later"`, `name="later" value="yes"`} {
		if !strings.Contains(a.Body.String(), part) {
			t.Errorf("no %s in\n%s", part, a.Body)
		}
	}
	b.get("/factors/later?state=x").want(405, "")
}

// TestOffer_LaterTwiceAtOnce: a browser drops the answer to the first of two presses, and sends the second with the
// cookies that it has. The person stays signed in, and goes on with a code.
func TestOffer_LaterTwiceAtOnce(t *testing.T) {
	w := newWorld(t, offering)
	w.person("ada@example.com")
	b := w.browser()
	later := b.offered(b.withPassword("ada@example.com", "code_challenge="+offerChallenge, "code_challenge_method=S256", "state=xyz")).form("later")
	id := b.session().ID
	lost := b.clone()
	lost.post(later.URL, "state", later.Hidden["state"], "later", "yes").want(200, app+"?code=")
	a := b.post(later.URL, "state", later.Hidden["state"], "later", "yes").want(200, app+"?code=")
	if s := b.session(); s == nil || s.ID != id {
		t.Error("the session of the browser was replaced")
	}
	u, err := url.Parse(a.page.RedirectURI)
	if err != nil {
		t.Fatal(err)
	}
	got := w.browser().post("/token", "grant_type", "authorization_code", "code", u.Query().Get("code"), "code_verifier", offerVerifier, "redirect_uri", app)
	if got.Code != 200 || !strings.Contains(got.Body.String(), "access_token") {
		t.Fatalf("token: %d %s", got.Code, got.Body)
	}
	if list := b.get("/account/sessions").Body.String(); strings.Count(list, `"at_issuer":true`) != 1 || strings.Count(list, `"id":`) != 2 {
		t.Errorf("the sessions of the browser and of the application are no pair: %s", list) // the other one is of the sign-up
	}
	var tokens struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(got.Body.Bytes(), &tokens); err != nil {
		t.Fatal(err)
	}
	if _, err := w.kind.Verify(t.Context(), tokens.Access, session.CheckStore); err != nil {
		t.Error(err)
	}
	b.post("/signout")
	if _, err := w.kind.Verify(t.Context(), tokens.Access, session.CheckStore); !errors.Is(err, session.ErrEnded) {
		t.Errorf("after the sign-out: %v", err)
	}
}

// TestOffer_LaterHasNoCode: after ten minutes the attempt of an offer gives no code, however often it is sent: a copy
// of its cookie makes no sessions without end.
func TestOffer_LaterHasNoCode(t *testing.T) {
	w := newWorld(t, offering)
	w.person("ada@example.com")
	b := w.browser()
	later := b.offered(b.withPassword("ada@example.com", "code_challenge="+offerChallenge, "code_challenge_method=S256", "state=xyz")).form("later")
	w.Advance(10*time.Minute - time.Second)
	b.post(later.URL, "state", later.Hidden["state"]).want(200, app+"?code=")
	id := b.session().ID
	w.Advance(time.Second)
	for range 4 { // the session lives for a week without use, and is used
		if a := b.post(later.URL, "state", later.Hidden["state"]).want(200, app); a.page.RedirectURI != app {
			t.Fatalf("leads to %s", a.page.RedirectURI)
		}
		if s := b.session(); s == nil || s.ID != id {
			t.Fatal("the session of the browser was replaced, or ended")
		}
		w.Advance(6 * 24 * time.Hour)
	}
	w.Advance(6 * 24 * time.Hour)
	b.post(later.URL, "state", later.Hidden["state"]).want(200, app)
	if s := b.session(); s != nil {
		t.Errorf("signed in after 30 days: %s", s.ID)
	}
}
