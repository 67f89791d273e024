package journeys

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/browser"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/passkey"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/totp"
	"github.com/posternauth/postern/ui"
	"github.com/posternauth/postern/users"
)

const (
	site    = "https://app.example"
	mailbox = "https://mail.example" // shows the mails

	good = "wolke sieben am fluss"
	icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><rect width="8" height="8"/></svg>`

	next = "elf graue elefanten im nebel"

	firstHeader = "Stage-Address-First"
	guarded     = "guarded." // an address that begins so must have a second factor
)

var roles = users.Roles{
	"owner": {"users:read", "users:write", "users:roles", "users:export", "users:delete", "users:impersonate", "users:credentials",
		"events:read", "mail:test", "keys:rotate", "sessions:read", "sessions:write", "settings:read", "posts:read"},
	"member": {"posts:read"},
}

type profile struct {
	Name string `json:"name"`
}

// hasher is one for all stages, as a process needs one.
var hasher = sync.OnceValue(func() *hash.Hasher {
	h, err := hash.New(hash.Config{MemoryMiB: 64, Queue: 1000})
	if err != nil {
		panic(err)
	}
	return h
})

// A stage is a server with everything, at its real host names, and a browser in front of it. Its clock stands still
// until a test moves it.
type stage struct {
	*flowtest.World
	t       testing.TB
	dir     *users.Directory
	user    *postern.Kind[profile]
	staff   *postern.Kind[profile]
	idp     *fakeidp.IdP
	app     http.Handler
	first   http.Handler // the application with Config.IdentifierFirst, for a browser that sends firstHeader
	browser context.Context

	refuses atomic.Bool // the provider sends people back with an error of hostile texts
}

func newStage(t testing.TB, change ...func(*postern.Config)) *stage {
	t.Helper()
	browser.Path(t) // before anything is made
	s := &stage{t: t}
	var config postern.Config
	s.World = flowtest.NewUsers(t, func(w *flowtest.World, c *postern.Config) {
		var err error
		s.idp, err = fakeidp.New(fakeidp.Config{Issuer: flowtest.IdP, Now: w.Now, Users: []fakeidp.User{},
			Clients: []fakeidp.Client{{ID: flowtest.ClientID, Secret: flowtest.Secret, Name: "Example Shop", RedirectURIs: []string{flowtest.Issuer + "/club/callback"}}}})
		if err != nil {
			t.Fatal(err)
		}
		w.Serve("idp.example", s.idp)
		if s.dir, err = users.New(users.Config{Sessions: w.Sessions, Roles: roles, AllowUsernames: true}); err != nil {
			t.Fatal(err)
		}
		say := func(p postern.Person) profile { return profile{p.Name} }
		s.staff = postern.NewKind(w.Sessions, s.dir, session.KindConfig[profile]{Name: "staff"}, say)
		s.user = postern.NewKind(w.Sessions, s.dir, session.KindConfig[profile]{Name: "user"}, say)
		c.Session, c.Name, c.Admit, c.Admin, c.Usernames = s.user, "Example Shop", postern.Open, s.dir.Admin(s.staff), true
		c.SignUpFields = []postern.Field{{Name: "company", Label: "Company", Autocomplete: "organization", MaxLength: 200}}
		c.Order = []string{"club", "passkey", "password", "mail"}
		c.Labels = map[string]string{"club": "Book Club", "mail": "a mail"}
		c.Factors = map[string]postern.Provider{"totp": totp.New(totp.Config{}), "recovery": totp.Recovery(totp.Config{})}
		c.RequireFactor = func(_ context.Context, p postern.Person, _ session.Authentication) (postern.Requirement, error) {
			address, _ := p.Email()
			return postern.Requirement{Factor: strings.HasPrefix(address, guarded)}, nil
		}
		c.Providers = map[string]postern.Provider{
			"club": oidc.New(oidc.Config{Issuer: flowtest.IdP, ClientID: flowtest.ClientID, ClientSecret: flowtest.Secret, HTTPClient: w.HTTP}),
			"mail": magic.Both(magic.Config{}), "passkey": passkey.New(passkey.Config{}), "password": password.New(password.Config{Hasher: hasher()}),
		}
		pages, err := ui.New(ui.Config{Languages: []string{"en", "de", "ar"}, Theme: ui.Theme{Favicon: []byte(icon)}})
		if err != nil {
			t.Fatal(err)
		}
		c.Render, c.Assets, c.Composer = pages.Render, pages, pages
		for _, set := range change {
			set(c)
		}
		config = *c
	})
	s.app = s.application(s.Auth)
	config.IdentifierFirst = true
	first, err := postern.New(config)
	if err != nil {
		t.Fatal(err)
	}
	s.first = s.application(first)
	server := httptest.NewUnstartedServer(s)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	spki := sha256.Sum256(server.Certificate().RawSubjectPublicKeyInfo)
	s.browser = browser.Start(t, []string{fmt.Sprintf("MAP *.example %s", server.Listener.Addr())},
		chromedp.Flag("ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(spki[:]))) // so that passkeys work
	return s
}

// application is what the sign-in is for.
func (s *stage) application(auth *postern.Auth) http.Handler {
	mux := http.NewServeMux()
	auth.Mount(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { answer(w, "Home", "") })
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(faulty))
	})
	mux.Handle("GET /private", s.user.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := s.user.From(r.Context())
		answer(w, "Private", "Methods: "+strings.Join(who.Authentication.Methods, " "))
	}), session.CheckStore))
	return mux
}

// answer writes a page of the application or of the mailbox.
func answer(w http.ResponseWriter, title, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; img-src 'self'")
	_, _ = fmt.Fprintf(w, `<!doctype html><html lang="en"><title>%s</title><h1>%[1]s</h1><p>%s</p>`, title, text)
}

// ServeHTTP is the network of the browser.
func (s *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/favicon.ico" { // of the pages that are not Postern's
		w.WriteHeader(http.StatusNoContent)
		return
	}
	switch r.Host {
	case "app.example":
		if r.Header.Get(firstHeader) != "" {
			s.first.ServeHTTP(w, r)
			return
		}
		s.app.ServeHTTP(w, r)
	case "idp.example":
		if q := r.URL.Query(); r.URL.Path == "/authorize" && s.refuses.Load() {
			http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"state": {q.Get("state")}, "iss": {flowtest.IdP}, "error": {hostile[:200]}, "error_description": {hostile},
				"error_uri": {"javascript:pwned()"}}.Encode(), http.StatusFound)
			return
		}
		s.idp.ServeHTTP(w, r)
	case "mail.example":
		all := s.Mails.All()
		n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		if err != nil || n < 0 || n >= len(all) {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'") // a mail loads nothing
		w.Header().Set("Referrer-Policy", "no-referrer")
		_, _ = w.Write([]byte(all[n].HTML))
	default:
		http.NotFound(w, r)
	}
}

// mailTo returns the last mail of a name to an address, and its place in the mailbox.
func (s *stage) mailTo(t testing.TB, address, name string) (postern.Mail, int) {
	t.Helper()
	all := s.Mails.All()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Name == name && all[i].To == address {
			return all[i], i
		}
	}
	names := make([]string, 0, len(all))
	for _, m := range all {
		names = append(names, m.To+" "+m.Name)
	}
	t.Fatalf("no mail %s to %s, but\n%s", name, address, strings.Join(names, "\n"))
	return postern.Mail{}, 0
}
