package gallery

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/oauth"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/passkey"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/totp"
	"github.com/posternauth/postern/users"
)

const (
	base = "/auth"
	good = "wolke sieben am fluss"
	next = "elf graue elefanten im nebel"

	// Addresses that begin with guarded must have a second factor.
	guarded = "guard"

	// A browser that sends firstHeader is asked for the address first.
	firstHeader = "Gallery-Identifier-First"
)

var roles = users.Roles{
	"owner": {"users:read", "users:write", "users:roles", "users:export", "users:delete", "users:impersonate", "users:credentials",
		"events:read", "mail:test", "keys:rotate", "sessions:read", "sessions:write", "settings:read", "posts:read"},
	"member": {"posts:read"},
}

type profile struct {
	Name string `json:"name"`
}

// hasher is one for all worlds, as a process needs one.
var hasher = sync.OnceValue(func() *hash.Hasher {
	h, err := hash.New(hash.Config{MemoryMiB: 64, Queue: 1000})
	if err != nil {
		panic(err)
	}
	return h
})

// A world is a handler with everything: its pages are those of the gallery.
type world struct {
	*flowtest.World
	dir   *users.Directory
	staff *postern.Kind[profile]
	first *postern.Auth // the same, with Config.IdentifierFirst

	people int     // who had an address of the network, for limits
	down   bool    // the directory does not answer
	drawn  drawing // the page that was drawn last

	user   *postern.Kind[profile]
	config postern.Config

	planted func(w http.ResponseWriter, r *http.Request, next http.Handler) // a fault in front of the handler; nil: none

	tape *tape // where the store goes back to earlier states; nil: it does not
}

func newWorld(t testing.TB, change ...func(*postern.Config)) *world {
	t.Helper()
	return newWorldOn(t, nil, change...)
}

// newWorldOn is newWorld on a store.
func newWorldOn(t testing.TB, engine func(now func() time.Time) store.Store, change ...func(*postern.Config)) *world {
	t.Helper()
	v := &world{}
	var config postern.Config
	v.World = flowtest.NewUsersOn(t, engine, func(w *flowtest.World, c *postern.Config) {
		var err error
		if v.dir, err = users.New(users.Config{Sessions: w.Sessions, Roles: roles, AllowUsernames: true}); err != nil {
			t.Fatal(err)
		}
		say := func(p postern.Person) profile { return profile{p.Name} }
		v.staff = postern.NewKind(w.Sessions, v.dir, session.KindConfig[profile]{Name: "staff"}, say)
		v.user = postern.NewKind(w.Sessions, v.dir, session.KindConfig[profile]{Name: "user"}, say)
		c.Session = v.user
		c.Name, c.Admit, c.Admin, c.Usernames = "Example Shop", postern.Open, v.dir.Admin(v.staff), true
		c.SignUpFields = []postern.Field{{Name: "name", Label: "Your name", Autocomplete: "name", MaxLength: 80}}
		c.Order = []string{"google", "github", "passkey", "password", "mail"}
		c.Labels = map[string]string{"github": "GitHub", "mail": "a mail"}
		c.Factors = map[string]postern.Provider{"totp": totp.New(totp.Config{}), "recovery": totp.Recovery(totp.Config{})}
		c.RequireFactor = v.demand
		c.Redirects = []string{"/home", "https://app.example/", "https://other.example/cb"}
		provider := oidc.Config{Issuer: flowtest.IdP, ClientID: flowtest.ClientID, ClientSecret: flowtest.Secret, HTTPClient: w.HTTP}
		c.Providers = map[string]postern.Provider{
			"google": oidc.Google(provider),
			"github": oauth.GitHub(oauth.Config{Issuer: flowtest.IdP, ClientID: flowtest.ClientID, ClientSecret: flowtest.Secret, HTTPClient: w.HTTP}),
			"mail":   magic.Both(magic.Config{PerAddress: 2}), "link": magic.Link(magic.Config{}),
			"passkey": passkey.New(passkey.Config{Offer: true}), "password": password.New(password.Config{Hasher: hasher()}),
		}
		pages := newPages(t)
		c.Render, c.Assets, c.Composer = v.render(pages), pages, pages
		for _, set := range change {
			set(c)
		}
		config, v.config = *c, *c
	})
	config.IdentifierFirst = true
	var err error
	if v.first, err = postern.New(config); err != nil {
		t.Fatal(err)
	}
	v.IdP.SetUsers(fakeidp.User{Subject: "10001", Email: "ada@example.com", EmailVerified: true, Name: "Ada Lovelace", Login: "ada"})
	return v
}

func (v *world) demand(_ context.Context, p postern.Person, _ session.Authentication) (postern.Requirement, error) {
	if v.down {
		return postern.Requirement{}, errors.New("the directory does not answer")
	}
	address, _ := p.Email()
	return postern.Requirement{Factor: strings.HasPrefix(address, guarded)}, nil
}

// at makes the provider know one person.
func (v *world) at(address, name string) {
	login, _, _ := strings.Cut(address, "@")
	v.IdP.SetUsers(fakeidp.User{Subject: "10-" + login, Email: address, EmailVerified: true, Name: name, Login: login})
}

// mailed returns a value of the last mail of a name.
func (v *world) mailed(name, value string) string {
	v.Helper()
	all := v.Mails.All()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Name == name {
			return all[i].Arg(value)
		}
	}
	v.Fatalf("no mail %s", name)
	return ""
}

// ServeHTTP is the network of a browser: the application with its home page, and the provider.
func (v *world) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Host == "idp.example":
		v.IdP.ServeHTTP(w, r)
	case r.Header.Get(firstHeader) != "":
		v.first.ServeHTTP(w, r)
	case strings.HasPrefix(r.URL.Path, base+"/") || r.URL.Path == base || strings.HasPrefix(r.URL.Path, "/.well-known/"):
		if v.planted != nil {
			v.planted(w, r, v.Auth)
			return
		}
		v.Auth.ServeHTTP(w, r)
	default:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><html lang="en"><title>Home</title><h1>Home</h1>`))
	}
}
