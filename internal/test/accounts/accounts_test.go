// Package accounts tests the whole of it: users.Directory, the stations of package postern, and real providers before
// them.
package accounts

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/oauth"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/users"
)

type user struct {
	Name string `json:"name"`
}

// A town is a handler with a directory of users. Its providers "one" and "two" are OpenID providers with people of
// their own, "github" is the third, and "link" and "code" mail.
type town struct {
	*flowtest.World
	dir  *users.Directory
	kind *postern.Kind[user]
	two  *fakeidp.IdP
}

// At the providers: ada has proved her address, mallory has not proved ada's.
var (
	ada     = fakeidp.User{Subject: "10001", Email: "ada@example.com", EmailVerified: true, Name: "Ada", Login: "ada"}
	mallory = fakeidp.User{Subject: "666", Email: "ada@example.com", EmailVerified: false, Name: "Mallory", Login: "mallory"}
)

func newTown(t testing.TB) *town {
	t.Helper()
	return newTownWith(t, func(*flowtest.World, *postern.Config) {})
}

func newTownWith(t testing.TB, change func(*flowtest.World, *postern.Config)) *town {
	t.Helper()
	v := &town{}
	v.World = flowtest.NewUsers(t, func(w *flowtest.World, c *postern.Config) {
		var err error
		if v.dir, err = users.New(users.Config{Sessions: w.Sessions, Roles: users.Roles{"editor": {"posts:write"}}}); err != nil {
			t.Fatal(err)
		}
		v.kind = postern.NewKind(w.Sessions, v.dir, session.KindConfig[user]{Name: "user"}, func(p postern.Person) user { return user{p.Name} })
		v.two = w.NewIdP("https://two.example", "ES256")
		one := oidc.Config{Issuer: flowtest.IdP, ClientID: flowtest.ClientID, ClientSecret: flowtest.Secret, HTTPClient: w.HTTP}
		two := one
		two.Issuer, two.Algorithms = v.two.Issuer(), []keys.Algorithm{"ES256"}
		hub := oauth.Config{ClientID: flowtest.ClientID, ClientSecret: flowtest.Secret, HTTPClient: w.HTTP, Issuer: flowtest.IdP + "/hub",
			Endpoint: oauth.Endpoint{AuthURL: flowtest.IdP + "/login/oauth/authorize", TokenURL: flowtest.IdP + "/login/oauth/access_token", UserInfoURL: flowtest.IdP + "/api/user"}}
		c.Session, c.Admit = v.kind, postern.Open
		c.Providers = map[string]postern.Provider{
			"one": oidc.New(one), "two": oidc.New(two), "github": oauth.GitHub(hub), "link": magic.Link(magic.Config{}), "code": magic.Code(magic.Config{}),
		}
		change(w, c)
	})
	v.IdP.SetUsers(ada, mallory)
	v.two.SetUsers(ada, mallory)
	return v
}

var providers = []string{"one", "two", "github"}

// signIn signs a browser in at a provider as one of its people.
func (v *town) signIn(b *flowtest.Browser, provider string, who fakeidp.User) *flowtest.Answer {
	hint := who.Subject
	if provider == "github" {
		hint = who.Login
	}
	return b.Get(b.Agree(flowtest.As(b.Begin(provider), hint)))
}

// who returns the user whose session a browser has; empty for a signed-out one.
func (v *town) who(b *flowtest.Browser) string {
	v.Helper()
	id := ""
	one := b.Clone()
	one.Handler = v.kind.Optional(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if s, ok := v.kind.From(r.Context()); ok && s.Kind == "user" {
			id = s.Subject
		}
	}), session.CheckStore)
	one.Get("https://app.example/x")
	return id
}

var (
	stateOf = regexp.MustCompile(`name="state" value="([^"]+)"|"state": ?"([^"]+)"|[?&]state=([\w-]+)`)
)

func (v *town) state(a *flowtest.Answer) string {
	v.Helper()
	m := stateOf.FindStringSubmatch(a.Body)
	if m == nil {
		v.Fatalf("no state in %d\n%s", a.Status, a.Body)
	}
	return m[1] + m[2] + m[3]
}

// form sends a form of a page of this site.
func form(b *flowtest.Browser, target string, values url.Values) *flowtest.Answer {
	r := b.Browser.Request(http.MethodPost, target, values)
	r.Header.Set("Accept", "application/json")
	rec := b.Do(r)
	return &flowtest.Answer{Status: rec.Code, Header: rec.Result().Header, Body: rec.Body.String(), Location: rec.Header().Get("Location")}
}

// mailed signs a browser in by a mailed code, as the owner of the mailbox.
func (v *town) mailed(b *flowtest.Browser, address string) *flowtest.Answer {
	v.Helper()
	a := form(b, flowtest.Issuer+"/code/authorize", url.Values{"email": {address}})
	st := v.state(a)
	mails := v.Mails.All()
	if len(mails) == 0 || mails[len(mails)-1].To != address {
		v.Fatalf("no mail to %s: %d\n%s", address, a.Status, a.Body)
	}
	code := mails[len(mails)-1].Arg("code")
	return form(b, flowtest.Issuer+"/code/callback", url.Values{"state": {st}, "code": {code}})
}

// The classes of account pre-hijacking (Sudhodanan and Paverd, 2022) for every provider: the attacker acts first, the
// owner of the address comes later, and the attacker ends with nothing of the owner's account.
func TestA3_PreHijacking(t *testing.T) {
	for _, p := range providers {
		t.Run("classic-federated merge/"+p, func(t *testing.T) {
			v := newTown(t)
			attacker, owner := v.Browser(), v.Browser()
			// The attacker asks for an account with the owner's address, and cannot prove it.
			form(attacker, flowtest.Issuer+"/sign-up", url.Values{"email": {"ada@example.com"}})
			v.signIn(owner, p, ada)
			if v.who(owner) == "" || v.who(attacker) != "" {
				t.Errorf("owner %q, attacker %q", v.who(owner), v.who(attacker))
			}
		})
		t.Run("non-verifying provider/"+p, func(t *testing.T) {
			v := newTown(t)
			attacker, owner := v.Browser(), v.Browser()
			v.signIn(attacker, p, mallory) // the provider says ada's address, not verified
			first := v.who(attacker)
			if a := v.mailed(owner, "ada@example.com"); a.Status >= 400 {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			if own := v.who(owner); own == "" || own == first {
				t.Errorf("owner %q, attacker %q", own, first)
			}
			for _, q := range providers { // and by every provider that has proved it
				next := v.Browser()
				v.signIn(next, q, ada)
				if u := v.who(next); u != "" && u == first {
					t.Errorf("%s leads the owner to the attacker's account", q)
				}
			}
			v.signIn(attacker, p, mallory)
			if again := v.who(attacker); again != first {
				t.Errorf("the attacker is %q, was %q", again, first)
			}
			if got, err := v.dir.Get(t.Context(), first); err != nil || slices.ContainsFunc(got.Addresses, func(a postern.Address) bool { return a.Verified }) {
				t.Errorf("the attacker has %+v, %v", got.Addresses, err)
			}
		})
		t.Run("unexpired session/"+p, func(t *testing.T) {
			v := newTown(t)
			attacker, owner := v.Browser(), v.Browser()
			v.signIn(attacker, p, mallory)
			v.signIn(owner, p, ada)
			if a, o := v.who(attacker), v.who(owner); a == o || o == "" {
				t.Errorf("owner %q, attacker %q", o, a)
			}
		})
		t.Run("trojan identifier/"+p, func(t *testing.T) {
			v := newTown(t)
			attacker, owner := v.Browser(), v.Browser()
			v.mailed(attacker, "mallory@example.com")
			// The attacker's account would take the owner's identity only with the owner's sign-in in the attacker's
			// browser. Without a fresh session the attempt does not even begin.
			if a := form(attacker, flowtest.Issuer+"/account/identities/"+p, url.Values{}); a.Status < 400 {
				t.Errorf("began: %d %s", a.Status, a.Location)
			}
			v.signIn(owner, p, ada)
			if a, o := v.who(attacker), v.who(owner); a == o || o == "" || a == "" {
				t.Errorf("owner %q, attacker %q", o, a)
			}
		})
	}
}

// One identity is one user whatever the order of providers and proofs; a second provider with the same verified address
// is joined after a sign-in on both sides alone.
func TestA2_SameAddressAtTwoProviders(t *testing.T) {
	v := newTown(t)
	first, second := v.Browser(), v.Browser()
	v.signIn(first, "one", ada)
	a := v.signIn(second, "two", ada)
	if a.Status != http.StatusConflict || v.who(second) != "" {
		t.Fatalf("%d %s, session of %q", a.Status, a.Body, v.who(second))
	}
	a = v.signIn(second, "one", ada)
	if a.Status != http.StatusOK || v.who(second) != "" {
		t.Fatalf("%d, session of %q", a.Status, v.who(second))
	}
	if a = form(second, flowtest.Issuer+"/join", url.Values{"state": {v.state(a)}, "choice": {"add"}}); a.Status >= 400 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	third := v.Browser()
	v.signIn(third, "two", ada)
	if one := v.who(first); one == "" || v.who(second) != one || v.who(third) != one {
		t.Errorf("users %q, %q, %q", v.who(first), v.who(second), v.who(third))
	}
	u, err := v.dir.User(t.Context(), v.who(first))
	if err != nil || len(u.Identities) != 2 || u.LastSignIn.IsZero() {
		t.Errorf("%+v %v", u, err)
	}
}

// The mailbox signs in to the account that has its address verified, whatever made the account.
func TestA14_MailIsReadFromTheClaim(t *testing.T) {
	v := newTown(t)
	b := v.Browser()
	v.signIn(b, "one", ada)
	id := v.who(b)
	m := v.Browser()
	v.mailed(m, "ada@example.com")
	if v.who(m) != id {
		t.Fatalf("by mail %q, by provider %q", v.who(m), id)
	}
	if err := v.dir.ReplaceAddress(t.Context(), id, "ada@example.com", "new@example.com", users.Extra{}); err != nil {
		t.Fatal(err)
	}
	late := v.Browser()
	if a := v.mailed(late, "ada@example.com"); v.who(late) != "" || a.Status < 400 {
		t.Errorf("the old address signs in: %d %q", a.Status, v.who(late))
	}
	next := v.Browser()
	v.mailed(next, "new@example.com")
	if v.who(next) != id {
		t.Errorf("the new address is %q, want %q", v.who(next), id)
	}
	if v.who(m) != "" || v.who(b) != "" {
		t.Error("sessions from before the change live")
	}
}

func TestS11_StepUpAsksTheProviderForANewSignIn(t *testing.T) {
	v := newTown(t)
	b := v.Browser()
	v.signIn(b, "one", ada)
	id := v.who(b)
	a := b.Get(flowtest.Issuer + "/step-up/one?max_age=300")
	to, err := url.Parse(a.Location)
	if err != nil || to.Query().Get("prompt") != "login" || to.Query().Get("max_age") != "300" {
		t.Fatalf("%d %s", a.Status, a.Location)
	}
	if a = b.Get(b.Agree(flowtest.As(to, ada.Subject))); a.Status != http.StatusSeeOther || v.who(b) != id {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	// GitHub states no time of the sign-in, so it is not offered.
	if a = b.Get(flowtest.Issuer + "/step-up/github"); a.Status != http.StatusNotFound {
		t.Errorf("github: %d", a.Status)
	}
	if a = b.Get(flowtest.Issuer + "/step-up"); a.Status != http.StatusOK || strings.Contains(a.Body, "/step-up/github") || strings.Contains(a.Body, "/step-up/code") {
		t.Errorf("the page: %d %s", a.Status, a.Body)
	}
}

// A role that changes has its effect at the next refresh, and at once where the guard asks the store.
func TestRoles_TakeEffect(t *testing.T) {
	v := newTown(t)
	b := v.Browser()
	v.signIn(b, "one", ada)
	id := v.who(b)
	route := v.kind.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }),
		session.Scope("posts:write"), session.CheckStore)
	ask := func() int {
		one := b.Clone()
		one.Handler = route
		a := one.Get("https://app.example/posts")
		b.Browser.Cookies = one.Browser.Cookies
		return a.Status
	}
	if s := ask(); s != http.StatusForbidden {
		t.Fatalf("before: %d", s)
	}
	if err := v.dir.SetRoles(t.Context(), id, []string{"editor"}, users.Extra{}); err != nil {
		t.Fatal(err)
	}
	if s := ask(); s != http.StatusNoContent {
		t.Errorf("with the role: %d", s)
	}
	if err := v.dir.SetRoles(t.Context(), id, nil, users.Extra{}); err != nil {
		t.Fatal(err)
	}
	if s := ask(); s != http.StatusForbidden {
		t.Errorf("after it was taken: %d", s)
	}
}
