package accounts

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/session"
)

// A pathway ends where a session would begin without a second factor.
type pathway struct {
	name string
	walk func(f *fort, b *flowtest.Browser) page
	two  bool // it is two factors in itself
}

var pathways = []pathway{
	{"password", func(f *fort, b *flowtest.Browser) page { return f.firstStep(b) }, false},
	{"password, by code", func(f *fort, b *flowtest.Browser) page {
		return f.firstStep(b, "code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method", "S256")
	}, false},
	{"password, tokens", func(f *fort, b *flowtest.Browser) page { return f.firstStep(b, "client_id", "tool") }, false},
	{"code", func(f *fort, b *flowtest.Browser) page {
		p := f.json(b, "POST", "/code/authorize", "email", ada.Email)
		if p.Redirect != "" {
			p = f.json(b, "GET", p.Redirect)
		}
		return f.json(b, "POST", "/code/callback", "state", p.hidden(), "code", f.newest("code"))
	}, false},
	{"link", func(f *fort, b *flowtest.Browser) page {
		f.json(b, "POST", "/link/authorize", "email", ada.Email)
		p := f.json(b, "GET", f.newest("link"))
		return f.json(b, "POST", p.path(), p.fields()...)
	}, false},
	{"link in another browser", func(f *fort, b *flowtest.Browser) page {
		f.json(f.Browser(), "POST", "/link/authorize", "email", ada.Email)
		p := f.json(b, "GET", f.newest("link"))
		return f.json(b, "POST", p.path(), p.fields()...)
	}, false},
	{"one", provider("one"), false},
	{"two", provider("two"), false},
	{"github", provider("github"), false},
	{"passkey", func(f *fort, b *flowtest.Browser) page {
		p := f.json(b, "GET", "/passkey/authorize")
		return f.json(b, "POST", p.path(), append(p.fields(), "credential", f.key.show(f.TB, p.Forms[0].Data))...)
	}, true},
	{"reset, then the new password", func(f *fort, b *flowtest.Browser) page {
		f.json(b, "POST", "/password/forgot", "identifier", ada.Email)
		p := f.json(b, "GET", f.newest("link"))
		f.json(b, "POST", p.path(), append(p.fields(), "password", phrase+" neu")...)
		if f.who(b) != "" {
			f.Error("a reset signs in")
		}
		p = f.json(b, "GET", "/password/authorize")
		return f.json(b, "POST", "/password/callback", "state", p.hidden(), "identifier", ada.Email, "password", phrase+" neu")
	}, false},
	{"invitation", func(f *fort, b *flowtest.Browser) page {
		link, err := f.Auth.Invite(f.Context(), postern.Invitation{Address: ada.Email, By: f.user})
		if err != nil {
			f.Fatalf("%v", err)
		}
		u, err := url.Parse(link)
		if err != nil {
			f.Fatalf("%v", err)
		}
		return f.firstStep(b, "invitation", u.Query().Get("invitation"))
	}, false},
	{"sign-up with the address", func(f *fort, b *flowtest.Browser) page {
		p := f.json(b, "POST", "/sign-up", "email", ada.Email)
		return f.json(b, "POST", "/sign-up/code", "state", p.hidden(), "code", "00000000")
	}, false},
	{"Auth.SignIn", func(f *fort, b *flowtest.Browser) page {
		own := b.Clone()
		own.Browser.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Form, r.PostForm = url.Values{}, url.Values{}
			f.Auth.SignIn(w, r, postern.Identity{Issuer: postern.MailIssuer, Subject: ada.Email}, "pwd")
		})
		p := f.json(own, "GET", "/own")
		b.Browser.Cookies = own.Browser.Cookies
		return p
	}, false},
}

func provider(name string) func(f *fort, b *flowtest.Browser) page {
	return func(f *fort, b *flowtest.Browser) page {
		hint := ada.Subject
		if name == "github" {
			hint = ada.Login
		}
		return f.json(b, "GET", b.Agree(flowtest.As(b.Begin(name), hint)))
	}
}

// page0 is a page with one of its forms alone.
func page0(p page, path string) page {
	for _, form := range p.Forms {
		if strings.HasSuffix(form.URL, path) {
			p.Forms = append(p.Forms[:0:0], form)
			return p
		}
	}
	return p
}

// factorsOf answers each factor of a person.
var factorsOf = map[string]func(f *fort, b *flowtest.Browser, p page) page{
	"totp": func(f *fort, b *flowtest.Browser, p page) page {
		return f.json(b, "POST", p.path(), append(p.fields(), "code", f.code())...)
	},
	"recovery": func(f *fort, b *flowtest.Browser, p page) page {
		return f.json(b, "POST", p.path(), append(p.fields(), "code", f.codes[0])...)
	},
	"passkey": func(f *fort, b *flowtest.Browser, p page) page {
		return f.json(b, "POST", p.path(), append(p.fields(), "credential", f.key.show(f.TB, p.Forms[0].Data))...)
	},
}

// TestM8_NoWayRound: each pathway, for a person without a second factor and for one with it. With it there is no
// session before the factor, whatever the pathway, and after each factor that the person has there is one.
func TestM8_NoWayRound(t *testing.T) {
	for _, s := range []state{
		{name: "none"}, {name: "totp", totp: true}, {name: "totp and recovery", totp: true, recovery: true},
		{name: "recovery alone", recovery: true}, {name: "passkey each time", always: true},
	} {
		for _, way := range pathways {
			t.Run(s.name+"/"+way.name, func(t *testing.T) { noWayRound(t, s, way) })
		}
	}
}

func noWayRound(t *testing.T, s state, way pathway) {
	f := newFort(t, s)
	b := f.Browser()
	p := way.walk(f, b)
	if strings.HasPrefix(way.name, "sign-up") { // it never signs in to an account that exists
		if got := f.who(b); got != "" || p.status < 400 {
			t.Errorf("%d %s, user %q", p.status, p.raw, got)
		}
		return
	}
	delivered := func(p page) bool {
		return f.who(b) == f.user || strings.Contains(p.Redirect, "code=") || p.Access != ""
	}
	if !s.due() || way.two {
		if !delivered(p) {
			t.Fatalf("no session: %d %s", p.status, p.raw)
		}
		return
	}
	for name, answer := range factorsOf {
		if name == "totp" && !s.totp || name == "recovery" && !s.recovery {
			continue
		}
		b = f.Browser()
		f.Advance(time.Minute) // to the next code of the app
		if p = way.walk(f, b); delivered(p) || strings.Contains(p.raw, f.user) {
			t.Fatalf("a session without the factor: %d %s", p.status, p.raw)
		}
		if !strings.HasPrefix(p.Step, name+".") {
			for _, l := range p.Links {
				if l.Name == "factor:"+name {
					p = f.json(b, "GET", l.URL)
				}
			}
		}
		if p.Step == "" || len(p.Forms) == 0 {
			t.Fatalf("%s is not asked: %d %s", name, p.status, p.raw)
		}
		if p = answer(f, b, p); !delivered(p) {
			t.Errorf("no session after %s: %d %s", name, p.status, p.raw)
		}
	}
}

// TestM8_OldSessions: what was there before the factor opens nothing after it.
func TestM8_OldSessions(t *testing.T) {
	f := newFort(t, state{totp: true})
	if got := f.who(f.old); got != "" {
		t.Errorf("the store says that the session of %s lives", got)
	}
	if got := f.who(f.home); got != f.user {
		t.Error("the session that set up the factor ended")
	}
	f.Advance(11 * time.Minute)
	for _, path := range []string{"/step-up/password", "/step-up/one", "/step-up/code"} {
		if p := f.json(f.home, "GET", path+"?redirect_uri=/welcome"); p.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, p.status, p.raw)
		}
	}
	// The password in the form is no fresh proof of a person who has a factor.
	if p := f.json(f.home, "POST", "/password/change", "password", phrase, "new_password", phrase+" neu"); p.status != http.StatusUnauthorized || p.Error != "insufficient_user_authentication" {
		t.Errorf("%d %s", p.status, p.raw)
	}
	for _, path := range []string{"/password/remove", "/factors/totp/remove", "/factors/recovery/enroll"} {
		if p := f.json(f.home, "POST", path); p.status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", path, p.status, p.raw)
		}
	}
	p := f.json(f.home, "GET", "/step-up/totp?redirect_uri=/welcome")
	f.json(f.home, "POST", p.path(), append(p.fields(), "code", f.code())...)
	if p := f.json(f.home, "POST", "/factors/totp/remove"); p.status != http.StatusOK {
		t.Errorf("after the step-up: %d %s", p.status, p.raw)
	}
	b := f.Browser()
	if f.firstStep(b); f.who(b) != f.user {
		t.Error("no session after the factor is gone")
	}
}

// TestM8_ByAPIs: the token of a session without the factor is refused at its refresh, and by a route that asks the
// store.
func TestM8_ByAPIs(t *testing.T) {
	f := newFort(t, state{})
	p := f.firstStep(f.Browser(), "client_id", "tool")
	var tokens struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal([]byte(p.raw), &tokens); err != nil || tokens.Refresh == "" {
		t.Fatalf("%v %s", err, p.raw)
	}
	page := f.json(f.home, "GET", "/factors/totp/enroll")
	f.seed = seedIn(t, page.raw)
	if p := f.json(f.home, "POST", page.path(), append(page.fields(), "code", f.code())...); p.status != http.StatusOK {
		t.Fatalf("%d %s", p.status, p.raw)
	}
	if _, err := f.kind.Verify(t.Context(), tokens.Access, session.CheckStore); err == nil {
		t.Error("a route that asks the store lets it pass")
	}
	if _, err := f.Sessions.Refresh(t.Context(), tokens.Refresh); err == nil {
		t.Error("it is refreshed")
	}
}
