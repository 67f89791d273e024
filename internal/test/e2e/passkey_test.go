package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/passkey"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/ui"
	"github.com/posternauth/postern/users"
)

// servePasskeys serves an application in which people sign up with a username and a passkey.
func servePasskeys(t *testing.T, more ...func(mux *http.ServeMux)) *app {
	t.Helper()
	return servePasskeysWith(t, func(*postern.Config) {}, more...)
}

// servePasskeysWith is servePasskeys with another configuration.
func servePasskeysWith(t *testing.T, change func(*postern.Config), more ...func(mux *http.ServeMux)) *app {
	t.Helper()
	a := newApp(t, keys.ES256)
	dir, err := users.New(users.Config{Sessions: a.sessions, AllowUsernames: true})
	if err != nil {
		t.Fatal(err)
	}
	kind := postern.NewKind(a.sessions, dir, session.KindConfig[Member]{Name: "user"}, func(p postern.Person) Member { return Member{UserID: p.ID, Email: p.Username} })
	c := postern.Config{
		Sessions: a.sessions, Session: kind, Name: "Example Shop", Redirects: []string{a.url + "/me"}, Admit: postern.Open, Usernames: true,
		Providers: map[string]postern.Provider{"passkey": passkey.New(passkey.Config{})},
	}
	change(&c)
	auth, err := postern.New(c)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	auth.Mount(mux)
	mux.Handle("GET /me", kind.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := kind.From(r.Context())
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("signed in: " + s.Properties.Email + " by " + strings.Join(s.Authentication.Methods, " ")))
	})))
	for _, add := range more {
		add(mux)
	}
	a.serveHandler(t, mux)
	return a
}

// authenticator adds a virtual authenticator to a window.
func (w *window) authenticator(o webauthn.VirtualAuthenticatorOptions) (id webauthn.AuthenticatorID) {
	w.t.Helper()
	o.Protocol, o.Ctap2version, o.AutomaticPresenceSimulation = webauthn.AuthenticatorProtocolCtap2, webauthn.Ctap2versionCtap21, true
	w.run(webauthn.Enable(), chromedp.ActionFunc(func(ctx context.Context) (err error) {
		id, err = webauthn.AddVirtualAuthenticator(&o).Do(ctx)
		return err
	}))
	return id
}

// phone keeps passkeys and verifies its person.
func phone() webauthn.VirtualAuthenticatorOptions {
	return webauthn.VirtualAuthenticatorOptions{Transport: webauthn.AuthenticatorTransportInternal, HasResidentKey: true, HasUserVerification: true, IsUserVerified: true,
		DefaultBackupEligibility: true, DefaultBackupState: true}
}

func (w *window) credentials(id webauthn.AuthenticatorID) (all []*webauthn.Credential) {
	w.t.Helper()
	w.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		all, err = webauthn.GetCredentials(id).Do(ctx)
		return err
	}))
	return all
}

// signUpPasskey goes through the pages of a sign-up, to the one on which the passkey is made.
func (w *window) signUpPasskey(a *app, name string) {
	w.t.Helper()
	w.open(a.url + "/auth/sign-up")
	w.typeInto("username", name)
	w.press("button")
	w.press(`form[action$="/passkey/sign-up"] button`)
	w.shows("Create a passkey", name)
}

// forget removes the cookies of the window.
func (w *window) forget() { w.t.Helper(); w.run(network.ClearBrowserCookies()) }

// waitFor waits until the page shows a text.
func (w *window) waitFor(text string) {
	w.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		if strings.Contains(w.text(), text) {
			return
		}
	}
	w.t.Fatalf("%s does not show %q:\n%s", w.url(), text, w.text())
}

// TestPasskeys_Browser: a person signs up and in with a passkey, adds a second one from another authenticator, and
// removes the first. The pages follow their Content-Security-Policy.
func TestPasskeys_Browser(t *testing.T) {
	browser := startBrowser(t)
	a := servePasskeys(t)
	w := newWindow(t, browser)
	first := w.authenticator(phone())
	w.signUpPasskey(a, "ada")
	w.picture("passkey-1-sign-up")
	w.press("button")
	w.shows("signed in: ada by swk user mfa")
	if all := w.credentials(first); len(all) != 1 || !all[0].IsResidentCredential || all[0].RpID != "localhost" || all[0].UserName != "ada" {
		t.Fatalf("credentials %+v", all)
	}
	w.cookieless()

	w.open(a.url + "/auth/passkey/enroll") // the device has one already
	w.run(chromedp.Click("button", chromedp.ByQuery))
	w.waitFor("This device has a passkey for this account already.")
	w.run(webauthn.SetUserVerified(first, false)) // so that the second one answers
	second := w.authenticator(webauthn.VirtualAuthenticatorOptions{Transport: webauthn.AuthenticatorTransportUsb, HasResidentKey: true, HasUserVerification: true, IsUserVerified: true})
	w.run(webauthn.RemoveVirtualAuthenticator(first))
	w.open(a.url + "/auth/passkey/enroll")
	w.press("button")
	w.shows("Your passkey was added.", "synced between devices", "on one device", "Ask me each time")
	w.picture("passkey-2-list")
	if all := w.credentials(second); len(all) != 1 {
		t.Fatalf("credentials %+v", all)
	}
	w.link("Rename or remove")
	w.picture("passkey-3-edit")
	w.press(`form[action$="/remove"] button`)
	w.shows("The passkey was removed.")

	w.forget()
	w.open(a.url + "/auth/passkey/authorize")
	w.press("button")
	w.shows("signed in: ada by hwk user mfa")
}

// TestPasskeys_BrowserConditional: the browser offers the passkey in the field, without a button.
func TestPasskeys_BrowserConditional(t *testing.T) {
	browser := startBrowser(t)
	a := servePasskeys(t)
	w := newWindow(t, browser)
	w.authenticator(phone())
	w.signUpPasskey(a, "ada")
	w.press("button")
	w.forget()
	w.open(a.url + "/auth/passkey/authorize")
	w.waitFor("signed in: ada")
}

// TestPasskeys_BrowserUnfit: a device that verifies nobody, or keeps no passkey, cannot make one, and the page says so.
// One that is not verified later does not sign in, whatever the page asks of it.
func TestPasskeys_BrowserUnfit(t *testing.T) {
	browser := startBrowser(t)
	a := servePasskeys(t)
	for name, o := range map[string]webauthn.VirtualAuthenticatorOptions{
		"no user verification": {Transport: webauthn.AuthenticatorTransportInternal, HasResidentKey: true},
		"not resident":         {Transport: webauthn.AuthenticatorTransportInternal, HasUserVerification: true, IsUserVerified: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWindow(t, browser)
			w.authenticator(o)
			w.signUpPasskey(a, "bob-"+strings.ReplaceAll(name, " ", "-"))
			w.run(chromedp.Click("button", chromedp.ByQuery))
			w.run(chromedp.WaitVisible("#error", chromedp.ByQuery))
			w.shows("No passkey was used. Please try again, or use another way.")
		})
	}
	t.Run("not verified at the sign-in", func(t *testing.T) {
		w := newWindow(t, browser)
		id := w.authenticator(phone())
		w.signUpPasskey(a, "carl")
		w.press("button")
		w.forget()
		w.run(webauthn.SetUserVerified(id, false), webauthn.SetAutomaticPresenceSimulation(id, true))
		w.open(a.url + "/auth/passkey/authorize")
		w.run(chromedp.Click("button", chromedp.ByQuery))
		w.waitFor("No passkey was used.")
		// A page that asks for less gets an answer of the device, and the server refuses it.
		if _, err := chromedp.RunResponse(w.ctx, chromedp.Evaluate(`(async () => {
			const form = document.querySelector("form[data-options]");
			const options = JSON.parse(form.dataset.options).publicKey;
			options.userVerification = "discouraged";
			const got = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
			form.elements.namedItem("credential").value = JSON.stringify(got.toJSON());
			HTMLFormElement.prototype.submit.call(form);
		})()`, nil)); err != nil {
			t.Fatal(err)
		}
		w.shows("The passkey did not verify that it is you", "passkey_unverified")
	})
}

// TestPasskeys_BrowserGone: a passkey that was removed from the account is refused, and the browser asks the device to
// forget it.
func TestPasskeys_BrowserGone(t *testing.T) {
	browser := startBrowser(t)
	a := servePasskeys(t)
	w := newWindow(t, browser)
	first := w.authenticator(phone())
	w.signUpPasskey(a, "ada")
	w.press("button")
	kept := w.credentials(first)
	w.run(webauthn.RemoveVirtualAuthenticator(first))
	w.authenticator(phone())
	w.open(a.url + "/auth/passkey/enroll")
	w.press("button")
	w.shows("Your passkey was added.")
	w.link("Rename or remove") // the first
	w.press(`form[action$="/remove"] button`)
	w.shows("The passkey was removed.")
	w.forget()

	w = newWindow(t, browser)
	old := w.authenticator(phone())
	w.run(webauthn.AddCredential(old, kept[0]))
	w.open(a.url + "/auth/passkey/authorize")
	w.waitFor("This passkey is not known here any more.")
	for end := time.Now().Add(30 * time.Second); len(w.credentials(old)) > 0; {
		if time.Now().After(end) {
			t.Fatal("the device has not forgotten the passkey")
		}
	}
}

// TestPasskeys_BrowserWithout: without JavaScript, and without WebAuthn, the page says what to do.
func TestPasskeys_BrowserWithout(t *testing.T) {
	browser := startBrowser(t)
	a := servePasskeys(t)
	t.Run("JavaScript", func(t *testing.T) {
		w := newWindow(t, browser)
		w.run(emulation.SetScriptExecutionDisabled(true))
		w.open(a.url + "/auth/passkey/authorize")
		w.run(chromedp.Click("button", chromedp.ByQuery), chromedp.WaitVisible("#error", chromedp.ByQuery), emulation.SetScriptExecutionDisabled(false))
		w.shows("Your browser sent no passkey.", "JavaScript")
	})
	t.Run("WebAuthn", func(t *testing.T) {
		w := newWindow(t, browser)
		w.run(chromedp.ActionFunc(func(ctx context.Context) error {
			_, err := page.AddScriptToEvaluateOnNewDocument("delete globalThis.PublicKeyCredential").Do(ctx)
			return err
		}))
		w.open(a.url + "/auth/passkey/authorize")
		w.shows("This browser does not know passkeys")
		var disabled bool
		w.run(chromedp.Evaluate(`document.querySelector("button").disabled`, &disabled))
		if !disabled {
			t.Error("the button can be pressed")
		}
	})
}

// withOthers adds a password and a mail beside the passkeys, drawn by package ui in English that is easy to know.
func withOthers(t *testing.T) func(c *postern.Config) {
	pages, err := ui.New(ui.Config{Languages: []string{"en", "en-XA"}})
	if err != nil {
		t.Fatal(err)
	}
	hasher, err := hash.New(hash.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return func(c *postern.Config) {
		c.Providers = map[string]postern.Provider{
			"passkey": passkey.New(passkey.Config{Offer: true}), "password": password.New(password.Config{Hasher: hasher}), "mail": magic.Code(magic.Config{}),
		}
		c.Order = []string{"mail", "password", "passkey"}
		c.Mail = func(context.Context, postern.Mail) error { return nil }
		c.Render, c.Assets = pages.Render, pages
	}
}

// TestPasskeys_BrowserAutofill: the browser offers the passkey in the field of a mail address and in that of a password
// form, and the person signs in without a button.
func TestPasskeys_BrowserAutofill(t *testing.T) {
	browser := startBrowser(t)
	a := servePasskeysWith(t, withOthers(t))
	w := newWindow(t, browser)
	w.authenticator(phone())
	w.open(a.url + "/auth/sign-up")
	w.typeInto("username", "ada")
	w.press(`form:has([name=username]) button`)
	w.press(`form[action$="/passkey/sign-up"] button`)
	w.press("form[data-options] button")
	w.shows("signed in: ada")
	for _, path := range []string{"/auth/authorize", "/auth/password/authorize", "/auth/mail/authorize"} {
		w.forget()
		w.open(a.url + path)
		w.waitFor("signed in: ada by swk user mfa")
	}
}

// TestPasskeys_BrowserOffer: after a sign-up with a password the person makes the passkey that is offered, and signs in
// with it. Without WebAuthn the page leads on by itself, and without JavaScript by its button.
func TestPasskeys_BrowserOffer(t *testing.T) {
	browser := startBrowser(t)
	a := servePasskeysWith(t, withOthers(t))
	signUp := func(t *testing.T, w *window, name string) {
		t.Helper()
		w.open(a.url + "/auth/sign-up")
		w.typeInto("username", name)
		w.press(`form:has([name=username]) button`)
		w.typeInto("password", "wolke sieben am fluss")
		w.press(`form[action$="/password/sign-up"] button:not([type=button])`)
	}
	t.Run("create", func(t *testing.T) {
		w := newWindow(t, browser)
		id := w.authenticator(phone())
		signUp(t, w, "bob")
		w.shows("Sign in faster next time", "You are signed in.", "Not now")
		w.press("form[data-options] button")
		w.shows("Your passkey was added.")
		w.press(`form[action$="/factors/later"] button`)
		w.waitFor("signed in: bob by pwd")
		if all := w.credentials(id); len(all) != 1 || all[0].UserName != "bob" {
			t.Errorf("credentials %+v", all)
		}
		w.forget()
		w.open(a.url + "/auth/passkey/authorize")
		w.waitFor("signed in: bob by swk user mfa")
	})
	t.Run("JavaScript", func(t *testing.T) {
		w := newWindow(t, browser)
		w.run(emulation.SetScriptExecutionDisabled(true))
		signUp(t, w, "carl")
		w.run(chromedp.Click(`form[action$="/factors/later"] button`, chromedp.ByQuery), emulation.SetScriptExecutionDisabled(false))
		w.waitFor("signed in: carl by pwd")
	})
	t.Run("WebAuthn", func(t *testing.T) {
		w := newWindow(t, browser)
		w.run(chromedp.ActionFunc(func(ctx context.Context) error {
			_, err := page.AddScriptToEvaluateOnNewDocument("delete globalThis.PublicKeyCredential").Do(ctx)
			return err
		}))
		signUp(t, w, "dora")
		w.waitFor("signed in: dora by pwd")
	})
}

// TestPasskeys_BrowserLanguage: what the script says is in the language of the page.
func TestPasskeys_BrowserLanguage(t *testing.T) {
	browser := startBrowser(t)
	a := servePasskeysWith(t, withOthers(t))
	w := newWindow(t, browser)
	w.run(chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := page.AddScriptToEvaluateOnNewDocument("delete globalThis.PublicKeyCredential").Do(ctx)
		return err
	}))
	w.open(a.url + "/auth/passkey/authorize?ui_locales=en-XA")
	w.waitFor("Ţĥîš")
	if strings.Contains(w.text(), "This browser") {
		t.Errorf("English in another language:\n%s", w.text())
	}
}
