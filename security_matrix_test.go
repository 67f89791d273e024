package postern_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/users"
)

const (
	anns  = "ann@example.com"
	first = "wolke sieben am fluss"
	next  = "regen auf dem dach"
)

// hasher is one for all tests, as a process needs one.
var hasher = sync.OnceValue(func() *hash.Hasher {
	h, err := hash.New(hash.Config{Queue: 1000})
	if err != nil {
		panic(err)
	}
	return h
})

// A flat is an office with passwords, and with Ann: she has a password, an identity at the door, and two addresses.
type flat struct {
	*home
	id    string
	owner *browser // her own, with a fresh session
}

func newFlat(t testing.TB) *flat {
	t.Helper()
	f := &flat{home: newOffice(t, func(_ *home, c *postern.Config) {
		c.Providers["password"], c.Providers["code"] = password.New(password.Config{Hasher: hasher()}), magic.Code(magic.Config{})
	})}
	b := f.browser()
	w := b.post(issuer+"/sign-up", url.Values{"email": {anns}})
	w = b.post(issuer+"/sign-up/code", url.Values{"state": {state(t, w)}, "code": {f.code(anns)}})
	want(t, b.post(issuer+"/password/sign-up", url.Values{"state": {state(t, w)}, "password": {first}}), http.StatusSeeOther, "")
	f.id = f.idOf(b)
	err := f.dir.Link(t.Context(), f.id, postern.Identity{Issuer: "https://door.example", Subject: "ann", Provider: "door"})
	if err == nil {
		err = f.dir.AddAddress(t.Context(), f.id, "ann2@example.com", users.Extra{})
	}
	if err != nil {
		t.Fatal(err)
	}
	f.owner = f.enter()
	return f
}

// enter returns a browser in which somebody has signed in with Ann's password.
func (f *flat) enter() *browser {
	b := f.browser()
	want(f.t, f.enterIn(b), http.StatusSeeOther, "")
	return b
}

func (f *flat) enterIn(b *browser) *httptest.ResponseRecorder {
	st := state(f.t, b.get(issuer+"/password/authorize"))
	return b.post(issuer+"/password/callback", url.Values{"state": {st}, "identifier": {anns}, "password": {first}})
}

// reset returns the token of a mailed link.
func (f *flat) reset() string {
	f.browser().post(issuer+"/password/forgot", url.Values{"identifier": {anns}})
	all := f.mails.All()
	link, err := url.Parse(all[len(all)-1].Arg("link"))
	if err != nil || link.Query().Get("token") == "" {
		f.t.Fatal("no link")
	}
	return link.Query().Get("token")
}

// abroad begins to add an identity at another site, and returns the address with which that site answers.
func (f *flat) abroad(b *browser, who postern.Identity) string {
	f.who = who
	to, err := url.Parse(b.landing(b.submit("/account/identities/other")))
	if err != nil {
		f.t.Fatal(err)
	}
	return to.Query().Get("redirect_uri") + "?" + url.Values{"state": {to.Query().Get("state")}, "code": {"c0de"}}.Encode()
}

// securityEvents are what changes the security of a user, each by the door through which it comes.
var securityEvents = map[string]func(f *flat) *httptest.ResponseRecorder{
	"password changed": func(f *flat) *httptest.ResponseRecorder {
		return f.owner.post(issuer+"/password/change", url.Values{"password": {first}, "new_password": {next}})
	},
	"password reset": func(f *flat) *httptest.ResponseRecorder {
		return f.browser().post(issuer+"/password/reset", url.Values{"token": {f.reset()}, "password": {next}})
	},
	"password removed": func(f *flat) *httptest.ResponseRecorder {
		return f.owner.post(issuer+"/password/remove", url.Values{})
	},
	"identity removed": func(f *flat) *httptest.ResponseRecorder {
		return f.owner.json("DELETE", "/account/identities/"+f.identities(f.owner).Identities[0].ID, "")
	},
	"address removed": func(f *flat) *httptest.ResponseRecorder {
		return f.owner.json("DELETE", "/account/addresses/"+f.addressID(f.owner, "ann2@example.com"), "")
	},
	"address replaced": func(f *flat) *httptest.ResponseRecorder {
		f.owner.json("POST", "/account/addresses", `{"address":"new@example.com","replace":"`+f.addressID(f.owner, "ann2@example.com")+`"}`)
		return f.owner.json("POST", "/account/addresses/confirm", `{"code":"`+f.code("new@example.com")+`"}`)
	},
	"other sessions ended": func(f *flat) *httptest.ResponseRecorder { return f.owner.json("DELETE", "/account/sessions", "") },
	"signed out everywhere": func(f *flat) *httptest.ResponseRecorder {
		return f.owner.json("POST", "/signout/everywhere", "")
	},
	"disabled and enabled": func(f *flat) *httptest.ResponseRecorder {
		_, boss := f.person("boss", "owner")
		answered(f.t, boss.json("POST", "/admin/users/"+f.id+"/disable", `{"reason":"x"}`), http.StatusNoContent, "")
		return boss.json("POST", "/admin/users/"+f.id+"/enable", "")
	},
	"ended by an administrator": func(f *flat) *httptest.ResponseRecorder {
		_, boss := f.person("boss", "owner")
		return boss.json("DELETE", "/admin/users/"+f.id+"/sessions", "")
	},
	"deleted": func(f *flat) *httptest.ResponseRecorder { return f.owner.json("DELETE", "/account?confirm="+f.id, "") },
}

// artefacts are what was minted for a user. Each returns a use of it, which succeeds without a security event.
var artefacts = map[string]func(f *flat) func() *httptest.ResponseRecorder{
	"session": func(f *flat) func() *httptest.ResponseRecorder {
		b := f.enter()
		return func() *httptest.ResponseRecorder { return b.json("GET", "/account", "") }
	},
	"refresh": func(f *flat) func() *httptest.ResponseRecorder {
		b := f.enter()
		return func() *httptest.ResponseRecorder { return b.json("POST", "/refresh", "") }
	},
	"access token": func(f *flat) func() *httptest.ResponseRecorder {
		b := f.browser()
		b.Header.Set("Authorization", "Bearer "+f.enter().access())
		return func() *httptest.ResponseRecorder { return b.json("GET", "/account", "") }
	},
	"authorization code": func(f *flat) func() *httptest.ResponseRecorder {
		const challenge, verifier = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
		to, _ := url.Parse(f.signIn(f.browser(), at("ann", "", false), "code_challenge", challenge, "code_challenge_method", "S256").Header().Get("Location"))
		form := url.Values{"grant_type": {"authorization_code"}, "code": {to.Query().Get("code")}, "code_verifier": {verifier}, "client_id": {"api"}, "redirect_uri": {"https://app.example.com/"}}
		return func() *httptest.ResponseRecorder { return f.browser().post(issuer+"/token", form) }
	},
	"session at the issuer, of a sign-in by code": func(f *flat) func() *httptest.ResponseRecorder {
		b := f.browser()
		f.byCode(b, at("ann", "", false))
		return func() *httptest.ResponseRecorder { return b.json("GET", "/account", "") }
	},
	"session of an application": func(f *flat) func() *httptest.ResponseRecorder {
		access, _ := f.byCode(f.browser(), at("ann", "", false))
		return func() *httptest.ResponseRecorder { return f.bearer(access) }
	},
	"waiting sign-in": func(f *flat) func() *httptest.ResponseRecorder {
		b := f.browser()
		f.signIn(b, at("stranger", anns, true))
		st := state(f.t, f.enterIn(b))
		return func() *httptest.ResponseRecorder {
			return b.post(issuer+"/join", url.Values{"state": {st}, "choice": {"add"}})
		}
	},
	"answer of another site": func(f *flat) func() *httptest.ResponseRecorder {
		b, who := f.enter(), at("mallory", "", false)
		to := f.abroad(b, who)
		return func() *httptest.ResponseRecorder { f.who = who; return b.get(to) }
	},
	"page of a link": func(f *flat) func() *httptest.ResponseRecorder {
		b := f.enter()
		st := state(f.t, b.get(f.abroad(b, at("eve", "", false))))
		return func() *httptest.ResponseRecorder {
			return b.post(issuer+"/link", url.Values{"state": {st}, "choice": {"add"}})
		}
	},
	"step-up": func(f *flat) func() *httptest.ResponseRecorder {
		b := f.enter()
		st := state(f.t, b.get(issuer+"/step-up/password?redirect_uri=%2Fwelcome"))
		return func() *httptest.ResponseRecorder {
			return b.post(issuer+"/password/callback", url.Values{"state": {st}, "password": {first}})
		}
	},
	"reset link": func(f *flat) func() *httptest.ResponseRecorder {
		token := f.reset()
		return func() *httptest.ResponseRecorder {
			return f.browser().post(issuer+"/password/reset", url.Values{"token": {token}, "password": {next + " zwei"}})
		}
	},
	"address that waits": func(f *flat) func() *httptest.ResponseRecorder {
		b := f.enter()
		answered(f.t, b.json("POST", "/account/addresses", `{"address":"mallory@example.com"}`), http.StatusAccepted, "")
		code := f.code("mallory@example.com")
		return func() *httptest.ResponseRecorder {
			return b.json("POST", "/account/addresses/confirm", `{"code":"`+code+`"}`)
		}
	},
	"form to change the password": func(f *flat) func() *httptest.ResponseRecorder {
		b := f.enter()
		return func() *httptest.ResponseRecorder {
			return b.post(issuer+"/password/change", url.Values{"password": {first}, "new_password": {next + " drei"}})
		}
	},
	"invitation": func(f *flat) func() *httptest.ResponseRecorder {
		link, err := f.auth.Invite(f.t.Context(), postern.Invitation{Address: "bob@example.com", Roles: []string{"member"}, By: f.id})
		if err != nil {
			f.t.Fatal(err)
		}
		to, _ := url.Parse(link)
		return func() *httptest.ResponseRecorder {
			return f.signIn(f.browser(), at("bob", "bob@example.com", true), "invitation", to.Query().Get("invitation"))
		}
	},
}

// TestA10_EveryEventEndsEveryArtefact: what was minted for a user is refused after each event that changes the user's
// security, and works without one.
func TestA10_EveryEventEndsEveryArtefact(t *testing.T) {
	for name, mint := range artefacts {
		f := newFlat(t)
		if w := mint(f)(); w.Code >= 400 {
			t.Errorf("%s, without an event: %d %s", name, w.Code, w.Body)
		}
	}
	for name, event := range securityEvents {
		t.Run(name, func(t *testing.T) {
			f := newFlat(t)
			uses := map[string]func() *httptest.ResponseRecorder{}
			for what, mint := range artefacts {
				uses[what] = mint(f)
			}
			if w := event(f); w.Code >= 400 {
				t.Fatalf("the event: %d %s", w.Code, w.Body)
			}
			for what, use := range uses {
				if w := use(); w.Code < 400 || w.Code >= 500 {
					t.Errorf("%s: %d to %q\n%s", what, w.Code, w.Header().Get("Location"), w.Body)
				}
			}
			for _, who := range []string{"mallory", "eve", "stranger"} {
				if id, err := f.dir.Find(t.Context(), at(who, "", false)); err == nil && id == f.id {
					t.Errorf("%s signs in as Ann", who)
				}
			}
		})
	}
}
