package accounts

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

const (
	base   = "https://app.example/auth"
	first  = "wolke sieben am fluss"
	second = "elf graue elefanten im nebel"
)

var villageRoles = users.Roles{
	"owner":  {"users:read", "users:write", "users:roles", "users:export", "users:delete", "users:impersonate", "sessions:read", "sessions:write", "posts:read"},
	"member": {"posts:read"},
	"keeper": {"users:credentials"},
}

// hasher is one for all tests, as a process needs one.
var hasher = sync.OnceValue(func() *hash.Hasher {
	h, err := hash.New(hash.Config{MemoryMiB: 64, Queue: 1000})
	if err != nil {
		panic(err)
	}
	return h
})

// A village is one or more handlers on one store, as processes are. Its providers are passwords, mailed links and
// codes, and "door" and "gate", at which everybody is whom the client says.
type village struct {
	*testworld.World
	testing.TB
	store store.Store
	ring  *keys.Ring
	mails testworld.List[postern.Mail]
	*house
}

// A house is one handler.
type house struct {
	auth *postern.Auth
	dir  *users.Directory
	kind *postern.Kind[user]
}

// newVillage makes a village of one handler on a store, which gets the clock; nil: one in memory.
func newVillage(t testing.TB, on func(now func() time.Time) store.Store) *village {
	t.Helper()
	v := &village{World: testworld.New(), TB: t}
	if on == nil {
		on = func(now func() time.Time) store.Store { return &store.Memory{Now: now} }
	}
	v.store = on(v.Now)
	v.ring = v.Ring(t, nil)
	v.house = v.open(v.store)
	return v
}

// open makes one more handler: another process, or the same one after its end.
func (v *village) open(s store.Store) *house {
	v.Helper()
	sc := v.Config(base)
	sc.Keys, sc.Store, sc.Logger = v.ring, s, nil
	sc.Origins = []string{"https://spa.example"}
	sessions, err := session.New(sc)
	if err != nil {
		v.Fatal(err)
	}
	h := &house{}
	if h.dir, err = users.New(users.Config{Sessions: sessions, Roles: villageRoles, AllowUsernames: true}); err != nil {
		v.Fatal(err)
	}
	h.kind = postern.NewKind(sessions, h.dir, session.KindConfig[user]{Name: "user"}, func(p postern.Person) user { return user{p.Name} })
	h.auth, err = postern.New(postern.Config{
		Sessions: sessions, Session: h.kind, Admit: postern.Open, Admin: h.dir.Admin(h.kind), Usernames: true,
		Redirects: []string{"https://app.example/"}, Logger: v.Logger(), Name: "Village", Origins: []string{"https://listed.example"},
		Providers: map[string]postern.Provider{"password": password.New(password.Config{Hasher: hasher()}), "link": magic.Link(magic.Config{}),
			"code": magic.Code(magic.Config{}), "door": door{v.Now}, "gate": door{v.Now}},
		Mail: func(_ context.Context, m postern.Mail) error {
			v.mails.Add(m)
			return nil
		},
	})
	if err != nil {
		v.Fatal(err)
	}
	return h
}

// A door is a provider whose people are whom the parameter "code" of the callback names.
type door struct{ now func() time.Time }

func (d door) Handler(f *postern.Flow) http.Handler {
	return doorSteps{f.Steps(map[string]http.HandlerFunc{
		"GET authorize": func(w http.ResponseWriter, r *http.Request) {
			state, err := f.Start(w, r, nil)
			if err != nil {
				f.Fail(w, r, err)
				return
			}
			w.Header().Set("Location", f.URL("callback")+"?"+url.Values{"state": {state}}.Encode())
			w.WriteHeader(http.StatusFound)
		},
		"GET callback": func(w http.ResponseWriter, r *http.Request) {
			if err := f.Resume(w, r, nil); err != nil {
				f.Fail(w, r, err)
				return
			}
			name, address, _ := strings.Cut(r.Form.Get("code"), " ")
			id := postern.Identity{Issuer: "https://" + f.Name() + ".example", Subject: name, Name: name, AuthTime: d.now()}
			if address != "" {
				id.Addresses = []postern.Address{{Type: "email", Value: address, Verified: true}}
			}
			f.Done(w, r, id, "oauth")
		},
	})}
}

type doorSteps struct{ http.Handler }

func (doorSteps) StepUp() string { return "provider" }

type object = map[string]any

// A person is a browser, whose pages are JSON.
type person struct {
	*testworld.Browser
	v *village
}

func (v *village) person() *person { return v.personAt(v.house) }

func (v *village) personAt(h *house) *person { return &person{testworld.NewBrowser(h.auth), v} }

// A reply is an answer with its JSON, if there is any.
type reply struct {
	*httptest.ResponseRecorder
	json object
}

func (a reply) text(name string) string {
	s, _ := a.json[name].(string)
	return s
}

// hidden returns a hidden field of the first form of a page.
func (a reply) hidden(name string) string {
	forms, _ := a.json["forms"].([]any)
	if len(forms) == 0 {
		return ""
	}
	hidden, _ := forms[0].(object)["hidden"].(object)
	s, _ := hidden[name].(string)
	return s
}

// do sends a request of a page of this site: body is a JSON value, a url.Values, or nil.
func (p *person) do(method, target string, body any) reply {
	p.v.Helper()
	text, media := "", ""
	switch body := body.(type) {
	case nil:
	case url.Values:
		text, media = body.Encode(), "application/x-www-form-urlencoded"
	default:
		encoded, err := json.Marshal(body)
		if err != nil {
			p.v.Fatalf("%v", err)
		}
		text, media = string(encoded), "application/json"
	}
	if strings.HasPrefix(target, "/") {
		target = base + target
	}
	r := httptest.NewRequest(method, target, strings.NewReader(text))
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if method == "GET" { // as a person opens it
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Dest", "document")
	}
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	maps.Copy(r.Header, p.Header.Clone())
	a := reply{ResponseRecorder: p.Do(r)}
	_ = json.Unmarshal(a.Body.Bytes(), &a.json)
	return a
}

// must is do for an answer with a status and, for a refusal, a code.
func (p *person) must(status int, code, method, target string, body any) reply {
	p.v.Helper()
	a := p.do(method, target, body)
	if a.Code != status || code != "" && a.text("error") != code {
		p.v.Fatalf("%s %s: %d, want %d %s: %s", method, target, a.Code, status, code, a.Body)
	}
	return a
}

// mailed returns the last mail of a name.
func (v *village) mailed(name string) postern.Mail {
	v.Helper()
	all := v.mails.All()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Name == name {
			return all[i]
		}
	}
	v.Fatalf("no mail %s among %d", name, len(all))
	return postern.Mail{}
}

// link returns the path of the link in a mail, and its parameters.
func (v *village) link(m postern.Mail) (string, url.Values) {
	v.Helper()
	u, err := url.Parse(m.Arg("link"))
	if err != nil || u.Path == "" {
		v.Fatalf("%s: %q %v", m.Name, m.Arg("link"), err)
	}
	return strings.TrimPrefix(u.Path, "/auth"), u.Query()
}

// at signs in at a provider as somebody: a name, or a name and a verified address.
func (p *person) at(provider, who string) reply {
	p.v.Helper()
	return p.back(p.do("GET", "/"+provider+"/authorize", nil), who)
}

func (p *person) back(a reply, who string) reply {
	p.v.Helper()
	to := a.text("redirect_uri")
	if to == "" {
		to = a.Header().Get("Location")
	}
	if to == "" {
		return a
	}
	return p.do("GET", to+"&"+url.Values{"code": {who}}.Encode(), nil)
}

// byCode signs in by a mailed code.
func (p *person) byCode(address string) reply {
	p.v.Helper()
	a := p.do("POST", "/code/authorize", object{"email": address})
	if a.Code != http.StatusOK {
		return a
	}
	to, _ := url.Parse(a.text("redirect_uri"))
	return p.do("POST", "/code/callback", object{"state": to.Query().Get("state"), "code": p.v.mailed("magic.sign-in").Arg("code")})
}

// byLink signs in by a mailed link, in the browser that asked for it.
func (p *person) byLink(address string) reply {
	p.v.Helper()
	if a := p.do("POST", "/link/authorize", object{"email": address}); a.Code != http.StatusOK {
		return a
	}
	_, q := p.v.link(p.v.mailed("magic.sign-in"))
	return p.do("POST", "/link/callback", q)
}

func (p *person) byPassword(identifier, password string) reply {
	p.v.Helper()
	a := p.do("GET", "/password/authorize", nil)
	return p.do("POST", "/password/callback", object{"state": a.hidden("state"), "identifier": identifier, "password": password})
}

// signUp makes a user with a password.
func (p *person) signUp(address, password string) reply {
	p.v.Helper()
	a := p.do("POST", "/sign-up", object{"email": address})
	if a.Code != http.StatusOK {
		return a
	}
	a = p.do("POST", "/sign-up/code", object{"state": a.hidden("state"), "code": p.v.mailed("postern.verify-address").Arg("code")})
	if a.Code != http.StatusOK || password == "" {
		return a
	}
	return p.do("POST", "/password/sign-up", object{"state": a.hidden("state"), "password": password})
}

// prove gives a fresh proof: by the door as somebody, or by a mailed code for an empty who.
func (p *person) prove(who string) {
	p.v.Helper()
	if who != "" {
		if a := p.back(p.do("GET", "/step-up/door", nil), who); a.Code != http.StatusOK {
			p.v.Fatalf("step-up: %d %s", a.Code, a.Body)
		}
		return
	}
	a := p.must(200, "", "GET", "/step-up/code", nil)
	p.must(200, "", "POST", "/step-up/code", object{"state": a.hidden("state"), "code": p.v.mailed("postern.step-up").Arg("code")})
}

// id returns the user whose session the browser has; empty for a signed-out one.
func (p *person) id() string {
	p.v.Helper()
	a := p.do("GET", "/account", nil)
	switch a.Code {
	case http.StatusOK:
		return a.text("id")
	case http.StatusUnauthorized:
		return ""
	}
	p.v.Fatalf("GET /account: %d %s", a.Code, a.Body)
	return ""
}

// addressID returns the id of an address in the account.
func (p *person) addressID(value string) string {
	p.v.Helper()
	list, _ := p.must(200, "", "GET", "/account", nil).json["addresses"].([]any)
	for _, one := range list {
		if a := one.(object); a["value"] == value {
			return a["id"].(string)
		}
	}
	p.v.Fatalf("no address %s in %v", value, list)
	return ""
}

// replace puts an address in the place of another one, over the mailed code.
func (p *person) replace(old, address string) {
	p.v.Helper()
	p.must(202, "", "POST", "/account/addresses", object{"address": address, "replace": p.addressID(old)})
	p.must(204, "", "POST", "/account/addresses/confirm", object{"code": p.v.mailed("postern.new-address").Arg("code")})
}

// add adds an address, over the mailed code.
func (p *person) add(address string) {
	p.v.Helper()
	p.must(202, "", "POST", "/account/addresses", object{"address": address})
	p.must(204, "", "POST", "/account/addresses/confirm", object{"code": p.v.mailed("postern.new-address").Arg("code")})
}

// roles gives roles to a user.
func (v *village) roles(id string, roles ...string) {
	v.Helper()
	if err := v.dir.SetRoles(v.Context(), id, roles, users.Extra{}); err != nil {
		v.Fatal(err)
	}
}
