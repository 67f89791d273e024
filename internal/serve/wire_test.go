package serve

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"database/sql"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // one of the stores

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
)

const wireFile = `issuer = "${ISSUER}"
audience = "https://api.example.com"
redirects = ["/done"]

[store]
url = "sqlite:test"

[keys]
seal = "secret:POSTERN_VAULT_KEY"
algorithm = "ES256"

[session]
claims = ["email"]

[users]
admit = "open"
default_roles = ["reader"]

[users.roles]
reader = ["posts:read"]
editor = ["posts:write"]

[providers.password]
type = "password"
memory_mib = 64

[providers.link]
type = "magic"

[factors]
totp = true

[mail]
url = "ses:"
from = "Example <no-reply@example.com>"

[forward_auth]
enabled = true

[[forward_auth.rules]]
path = "/Staff"
roles = ["editor"]

[forward_auth.apps.desk]
roles = ["editor"]
`

// wire is a House behind a listener.
type wire struct {
	t      *testing.T
	origin string
	clock  *posterntest.Clock
	mails  posterntest.Mail
	house  *House
	events []string
}

// onStores runs a test on a House over a store in memory and over SQLite.
func onStores(t *testing.T, test func(*wire)) {
	for _, engine := range []string{"memory", "sqlite"} {
		t.Run(engine, func(t *testing.T) { test(newWire(t, engine, wireFile)) })
	}
}

// newWire opens a House. change changes its parts and the variables of its file.
func newWire(t *testing.T, engine, file string, change ...func(*Parts, environment)) *wire {
	t.Helper()
	w := &wire{t: t, clock: posterntest.NewClock(time.Time{})}
	server := httptest.NewUnstartedServer(nil)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	w.origin = "http://localhost:" + port
	env := environment{"ISSUER": w.origin + "/auth", "POSTERN_VAULT_KEY": vaultKey()}
	p := Parts{
		LookupEnv: env.lookup, ReadFile: os.ReadFile, Now: w.clock.Now, Logger: slog.New(slog.DiscardHandler),
		OnEvent: func(_ context.Context, e session.Event) { w.events = append(w.events, e.Name) },
		OpenStore: func(ctx context.Context, url string) (store.Store, func(), error) {
			if engine == "memory" {
				return &store.Memory{Now: w.clock.Now}, func() {}, nil
			}
			db, err := sql.Open("sqlite", sqlstore.DSN(t.TempDir()+"/postern.db"))
			if err != nil {
				return nil, nil, err
			}
			st, err := sqlstore.Open(ctx, sqlstore.Config{DB: db, Dialect: sqlstore.SQLite, Now: w.clock.Now})
			return st, func() { st.Close(); db.Close() }, err
		},
		OpenMail: func(context.Context, Mail) (func(context.Context, postern.Mail) error, error) {
			return w.mails.Send, nil
		},
	}
	for _, f := range change {
		f(&p, env)
	}
	c, err := Parse("postern.toml", []byte(file), env.lookup)
	if err != nil {
		t.Fatal(err)
	}
	if w.house, err = Open(t.Context(), c, p); err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = w.house.Handler()
	server.Start()
	t.Cleanup(func() {
		server.Close()
		if err := w.house.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// A page is the JSON of a step.
type page struct {
	Step, Error string
	Args        map[string]any
	To          string `json:"redirect_uri"`
	Forms       []struct {
		URL    string
		Hidden map[string]string
	}
}

type browser struct {
	*http.Client
	*wire
}

func (w *wire) browser() browser { return browser{posterntest.Client(w.t), w} }

// ask sends a request and returns status, header and body.
func (b browser) ask(method, target string, form url.Values, header ...string) (int, http.Header, []byte) {
	b.t.Helper()
	if !strings.HasPrefix(target, b.origin) {
		target = b.origin + target
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Origin", b.origin)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	a, err := b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return a.StatusCode, a.Header, body
}

// send posts fields to a step. Without fields it gets the step.
func (b browser) send(step string, pairs ...string) (p page) {
	b.t.Helper()
	method, form := http.MethodGet, url.Values(nil)
	if len(pairs) > 0 {
		method, form = http.MethodPost, url.Values{}
		for i := 0; i+1 < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
	}
	status, _, body := b.ask(method, step, form)
	if err := json.Unmarshal(body, &p); err != nil {
		b.t.Fatalf("%s: %d %s", step, status, body)
	}
	return p
}

// fill posts the first form of a page.
func (b browser) fill(p page, pairs ...string) page {
	b.t.Helper()
	if len(p.Forms) == 0 {
		b.t.Fatalf("no form: %+v", p)
	}
	for name, value := range p.Forms[0].Hidden {
		pairs = append(pairs, name, value)
	}
	return b.send(p.Forms[0].URL, pairs...)
}

// verify asks as a reverse proxy does, for a path of the program behind it.
func (b browser) verify(endpoint, path string) (int, http.Header) {
	b.t.Helper()
	status, h, _ := b.ask(http.MethodGet, endpoint, nil, "X-Original-Method", "GET", "X-Original-Uri", path)
	return status, h
}

func (b browser) signUp(address, password string) page {
	b.t.Helper()
	p := b.send("/auth/sign-up", "email", address)
	p = b.fill(p, "code", b.mails.Last(b.t, address).Arg("code"))
	if len(p.Forms) == 0 {
		b.t.Fatalf("sign-up: %+v", p)
	}
	return b.send("/auth/password/sign-up", "state", p.Forms[0].Hidden["state"], "password", password)
}

const ada, secretPhrase = "ada@example.com", "wolke sieben am fluss"

// TestHouse_People: sign-up by password, sign-in by link, a second factor, refresh and sign-out, and what a proxy sees.
func TestHouse_People(t *testing.T) {
	onStores(t, func(w *wire) {
		one := w.browser()
		one.signUp(ada, secretPhrase)
		status, h := one.verify("/auth/verify", "/wiki/page")
		if status != http.StatusOK || h.Get("X-Auth-Roles") != "reader" || h.Get("X-Auth-Scopes") != "posts:read" || h.Get("X-Auth-Kind") != "user" {
			w.t.Fatalf("after the sign-up: %d %v", status, h)
		}
		for path, want := range map[string]int{"/staff": 403, "/STAFF/list": 403, "/staffroom": 200, "/x/..;/staff": 403, "/%73taff": 403, "//staff": 403, "": 403} {
			if got, h := one.verify("/auth/verify", path); got != want {
				w.t.Errorf("%q: %d %s, want %d", path, got, h.Get("X-Auth-Error"), want)
			}
		}
		if got, _ := one.verify("/auth/verify/desk", "/"); got != http.StatusForbidden {
			w.t.Errorf("the program for editors: %d", got)
		}
		if got, _ := one.verify("/auth/verify/other", "/"); got != http.StatusNotFound {
			w.t.Errorf("a program that is not there: %d", got)
		}
		if got, _ := w.browser().verify("/auth/verify", "/wiki/page"); got != http.StatusUnauthorized {
			w.t.Errorf("a stranger: %d", got)
		}

		user, err := w.house.Users().Find(w.t.Context(), postern.Identity{Issuer: postern.MailIssuer, Subject: ada})
		if err != nil {
			w.t.Fatal(err)
		}
		if err := w.house.Users().AddRoles(w.t.Context(), user, "editor"); err != nil {
			w.t.Fatal(err)
		}
		w.clock.Advance(6 * time.Minute)
		if got, h := one.verify("/auth/verify", "/staff"); got != http.StatusUnauthorized || h.Get("X-Auth-Error") != "try_refresh" {
			w.t.Errorf("an old token: %d %v", got, h)
		}
		if got, _, body := one.ask(http.MethodPost, "/auth/refresh", url.Values{}); got >= 300 {
			w.t.Fatalf("refresh: %d %s", got, body)
		}
		if got, h := one.verify("/auth/verify/desk", "/"); got != http.StatusOK || h.Get("X-Auth-Roles") != "reader editor" && h.Get("X-Auth-Roles") != "editor reader" {
			w.t.Errorf("after a refresh: %d %v", got, h)
		}

		two := w.browser()
		two.fill(two.send("/auth/link/authorize"), "email", ada)
		link := two.mails.Last(w.t, ada).Arg("link")
		two.fill(two.send(link))
		if got, _ := two.verify("/auth/verify", "/"); got != http.StatusOK {
			w.t.Errorf("after the link: %d", got)
		}

		fresh := w.browser() // setting up a factor wants a fresh proof
		fresh.fill(fresh.send("/auth/password/authorize"), "identifier", ada, "password", secretPhrase)
		p := fresh.send("/auth/factors/totp/enroll")
		seed := fmt.Sprint(p.Args["key"])
		if p = fresh.fill(p, "code", w.appCode(seed)); p.Step != "totp.added" {
			w.t.Fatalf("setting up an app: %+v", p)
		}
		w.clock.Advance(time.Minute) // a code works once
		three := w.browser()
		p = three.fill(three.send("/auth/password/authorize"), "identifier", ada, "password", secretPhrase)
		if got, _ := three.verify("/auth/verify", "/"); p.Step != "totp.verify" || got != http.StatusUnauthorized {
			w.t.Fatalf("after the password alone: %d %+v", got, p)
		}
		three.fill(p, "code", w.appCode(seed))
		if got, _ := three.verify("/auth/verify", "/"); got != http.StatusOK {
			w.t.Errorf("after the code: %d", got)
		}
		if got, _, body := three.ask(http.MethodPost, "/auth/signout/everywhere", url.Values{}); got >= 300 {
			w.t.Errorf("sign-out everywhere: %d %s", got, body)
		}
		for i, b := range []browser{two, three} {
			if got, _ := b.verify("/auth/verify", "/"); got != http.StatusUnauthorized {
				w.t.Errorf("browser %d after sign-out everywhere: %d", i, got)
			}
		}
		if len(w.events) == 0 {
			w.t.Error("no events")
		}
	})
}

// appCode is what an authenticator app shows (RFC 6238).
func (w *wire) appCode(key string) string {
	w.t.Helper()
	seed, err := base32.StdEncoding.DecodeString(strings.ReplaceAll(key, " ", ""))
	if err != nil {
		w.t.Fatal(err)
	}
	mac := hmac.New(sha1.New, seed)
	_ = binary.Write(mac, binary.BigEndian, uint64(w.clock.Now().Unix()/30)) // a hash takes everything
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&(1<<31-1)%1e6)
}

// TestHouse_Discovery: metadata at every address have the issuer, and the keys are those of the ring.
func TestHouse_Discovery(t *testing.T) {
	w := newWire(t, "memory", wireFile)
	b := w.browser()
	for _, path := range []string{"/.well-known/oauth-authorization-server/auth", "/auth/.well-known/openid-configuration"} {
		status, _, body := b.ask(http.MethodGet, path, nil)
		var m struct{ Issuer, JWKS string }
		if err := json.Unmarshal(body, &m); err != nil || status != http.StatusOK || m.Issuer != w.origin+"/auth" {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	status, _, body := b.ask(http.MethodGet, "/auth/.well-known/jwks.json", nil)
	if status != http.StatusOK || !bytes.Contains(body, []byte(`"ES256"`)) || bytes.Contains(body, []byte(`"d"`)) {
		t.Errorf("keys: %d %s", status, body)
	}
}

// TestE6_NothingElseIsPublic: the console is off, and neither health, metrics and profiles nor anything of dev is
// behind the public handler.
func TestE6_NothingElseIsPublic(t *testing.T) {
	w := newWire(t, "memory", wireFile)
	b := w.browser()
	for _, path := range []string{"/", "/auth/admin", "/auth/admin/", "/auth/admin/users", "/metrics", "/auth/metrics", "/healthz", "/readyz", "/auth/healthz", "/debug/pprof/", "/auth/debug/pprof/",
		"/inbox", "/inbox.json", "/token", "/idp/google/authorize", "/auth/inbox", "/settings", "/demo", "/auth/idp/google/authorize"} {
		if status, _, body := b.ask(http.MethodGet, path, nil); status != http.StatusNotFound {
			t.Errorf("%s: %d %.100s", path, status, body)
		}
	}
}
