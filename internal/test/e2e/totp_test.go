package e2e

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/browser"
	"github.com/posternauth/postern/internal/test/testclock"
	"github.com/posternauth/postern/internal/test/virtualkey"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/totp"
	"github.com/posternauth/postern/users"
)

// gate is a provider that knows everybody as Ada.
type gate struct{}

func (gate) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{"GET authorize": func(w http.ResponseWriter, r *http.Request) {
		f.Done(w, r, postern.Identity{Issuer: "https://gate.example", Subject: "ada",
			Addresses: []postern.Address{{Type: "email", Value: "ada@example.com", Verified: true}}}, "pwd")
	}})
}

// serveVault serves an application that demands a second factor of everybody. Its clock is returned.
func serveVault(t *testing.T) (*app, *testclock.Clock) {
	t.Helper()
	a := newApp(t, keys.ES256)
	clock := testclock.New(time.Now())
	ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: &keys.MemoryVault{}, Algorithm: keys.ES256, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := session.New(session.Config{Issuer: a.url + "/auth", Audience: "api", Keys: ring, Store: &store.Memory{Now: clock.Now}, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := users.New(users.Config{Sessions: sessions})
	if err != nil {
		t.Fatal(err)
	}
	kind := postern.NewKind(sessions, dir, session.KindConfig[Member]{Name: "user"}, func(p postern.Person) Member { return Member{UserID: p.ID} })
	auth, err := postern.New(postern.Config{
		Sessions: sessions, Session: kind, Name: "Example Vault", Redirects: []string{a.url + "/me"},
		Providers: map[string]postern.Provider{"gate": gate{}},
		Factors:   map[string]postern.Provider{"totp": totp.New(totp.Config{}), "recovery": totp.Recovery(totp.Config{})},
		RequireFactor: func(context.Context, postern.Person, session.Authentication) (postern.Requirement, error) {
			return postern.Requirement{Factor: true}, nil
		},
		Mail: func(context.Context, postern.Mail) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	auth.Mount(mux)
	mux.Handle("GET /me", kind.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := kind.From(r.Context())
		fmt.Fprintf(w, "signed in by %s", strings.Join(s.Authentication.Methods, " "))
	}), session.CheckStore))
	a.serveHandler(t, mux)
	return a, clock
}

// appCode is the code of an app that has read the address of a key.
func appCode(t *testing.T, address string, at time.Time) string {
	t.Helper()
	code, err := virtualkey.AppCode(address, at)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// TestM7_AppInABrowser: a person sets up an app by the picture as Chromium draws it, on a light and on a dark page, and
// signs in by a code and by a recovery code.
func TestM7_AppInABrowser(t *testing.T) {
	a, clock := serveVault(t)
	running := startBrowser(t)
	w := newWindow(t, running)
	w.open(a.url + "/auth/gate/authorize")
	w.shows("Set up a second step")
	w.link("Set up a code from your app")
	w.shows("Set up an authenticator app")
	w.picture("totp-enroll")
	var shown string
	for _, scheme := range []string{"light", "dark"} {
		w.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
		if got := browser.ReadQR(t, w.ctx, "svg.figure"); shown != "" && got != shown {
			t.Errorf("on a %s page %q, before %q", scheme, got, shown)
		} else {
			shown = got
		}
	}
	w.run(emulation.SetEmulatedMedia())
	w.shows(shown) // as text, byte for byte
	w.typeInto("code", "000000")
	w.button("Confirm")
	w.shows("That code is not right.", shown)
	w.typeInto("code", appCode(t, shown, clock.Now()))
	w.button("Confirm")
	w.shows("Your app is set up")
	w.picture("totp-added")
	w.link("Set up recovery codes")
	w.button("Make recovery codes")
	w.shows("Your recovery codes")
	w.picture("recovery-codes")
	codes := regexp.MustCompile(`\b[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}\b`).FindAllString(w.text(), -1)
	if len(codes) != 10 {
		t.Fatalf("%d codes on\n%s", len(codes), w.text())
	}
	w.button("Continue")
	w.passOn()
	w.comes("signed in by pwd otp mfa")

	clock.Advance(time.Minute)
	w = newWindow(t, running)
	w.open(a.url + "/auth/gate/authorize")
	w.shows("Enter a code from your app")
	w.picture("totp-verify")
	w.typeInto("code", appCode(t, shown, clock.Now()))
	w.button("Continue")
	w.passOn()
	w.comes("signed in by pwd otp mfa")

	w = newWindow(t, running)
	w.open(a.url + "/auth/gate/authorize")
	w.link("Use a recovery code")
	w.picture("recovery-verify")
	w.typeInto("code", strings.ToLower(codes[6]))
	w.button("Continue")
	w.passOn()
	w.comes("signed in by pwd recovery mfa")
	w.open(a.url + "/auth/factors/totp/status")
	w.picture("totp-status")
	w.button("Remove the app")
	w.shows("The app was removed.")
}
