package e2e

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/session"
)

// broken is a provider that fails as a server does.
type broken struct{}

func (broken) Handler(f *postern.Flow) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.Fail(w, r, errors.New("a fault")) })
}

// mails keeps what was mailed.
type mails struct {
	mu   sync.Mutex
	sent []postern.Mail
}

func (m *mails) send(_ context.Context, msg postern.Mail) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent = append(m.sent, msg)
	return nil
}

func (m *mails) last(t *testing.T) postern.Mail {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.sent) == 0 {
		t.Fatal("no mail was sent")
	}
	return m.sent[len(m.sent)-1]
}

// serveShop serves an application with five ways to sign in, and returns the mails that it sends.
func serveShop(t *testing.T) (a *app, box *mails) {
	t.Helper()
	a, box = newApp(t, keys.ES256), &mails{}
	auth, err := postern.New(postern.Config{
		Sessions: a.sessions, Name: "Example Shop", Redirects: []string{a.url + "/me"},
		Order:  []string{"google", "github", "mail", "company"},
		Labels: map[string]string{"github": "GitHub", "company": "your company account"},
		Mail:   box.send,
		Providers: map[string]postern.Provider{
			"google": atOnce{}, "github": atOnce{}, "company": broken{}, "mail": magic.Both(magic.Config{PerAddress: 2}),
			"link": magic.Link(magic.Config{}),
		},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			if in.Identity.Provider == "github" {
				return postern.Deny("not_invited", "This account has not been invited yet. Ask the person who runs the shop.")
			}
			email, _ := in.Identity.Email()
			return a.member.Cookie(w, r, session.Grant[Member]{Subject: in.Identity.Key(), Properties: Member{Email: email}}, in.Return)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	auth.Mount(mux)
	mux.HandleFunc("GET /mail", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'") // it loads nothing
		_, _ = w.Write([]byte(box.last(t).HTML))
	})
	mux.Handle("GET /me", a.member.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := a.member.From(r.Context())
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("signed in: " + s.Properties.Email))
	})))
	a.serveHandler(t, mux)
	return a, box
}

// TestBrowser_Pages walks over all default pages as people do: each fits a window of 320 pixels, and each leads on.
func TestBrowser_Pages(t *testing.T) {
	browser := startBrowser(t)
	a, box := serveShop(t)
	const address = "ada.lovelace.of.a.rather.long.mailbox.name@mail.department.example.com"

	w := newWindow(t, browser)
	w.open(a.url + "/auth/authorize")
	w.shows("Sign in to Example Shop", "Continue with Google", "Continue with GitHub", "or", "Email address", "Email me a link and a code",
		"Continue with your company account", "Email me a link")
	w.picture("pages-1-choose")

	// An address that the browser takes and the server does not. The way back keeps the list.
	w.typeInto("email", "ada@localhost")
	w.press(`button`)
	w.shows("Sign in to Example Shop", "Other ways to sign in")
	w.picture("pages-2-wrong-address")
	w.link("Other ways to sign in")
	w.shows("Continue with Google")

	w.typeInto("email", address)
	w.press(`button`)
	w.shows("Example Shop", "Check your mail", address, "6-digit code", "use another address")
	w.picture("pages-3-code")
	right := box.last(t).Arg("code")
	w.typeInto("code", string('0'+(right[0]-'0'+1)%10)+right[1:])
	w.press(`button`)
	w.shows("This is not the code from the mail.", address)
	w.picture("pages-4-wrong-code")

	other := newWindow(t, browser)
	other.open(box.last(t).Arg("link"))
	other.shows("Sign in here as a…@mail.department.example.com?", "Cancel")
	other.picture("pages-5-link-elsewhere")
	w.open(box.last(t).Arg("link"))
	w.shows("Continue as a…@mail.department.example.com", "Cancel")
	w.picture("pages-6-link")
	w.link("Cancel")
	w.shows("Sign in to Example Shop")
	w.open(box.last(t).Arg("link"))
	w.press(`button`)
	w.shows("signed in: " + address)
	other.open(box.last(t).Arg("link"))
	other.shows("This link has been used already.", "Start again", "Other ways to sign in")
	other.picture("pages-7-used")
	other.link("Start again")
	other.shows("Email address")

	// No mail is sent any more.
	for range 6 {
		other.open(a.url + "/auth/mail/authorize")
		other.typeInto("email", address)
		other.press(`button`)
		if strings.Contains(other.text(), "No new mail was sent") {
			break
		}
	}
	other.shows("No new mail was sent", address, "use another address")
	other.picture("pages-8-held")

	other.open(a.url + "/auth/link/authorize")
	other.typeInto("email", "grace@example.com")
	other.press(`button`)
	other.shows("We sent a link to grace@example.com.", "use another address")
	other.picture("pages-9-sent")

	other.open(a.url + "/auth/authorize")
	other.link("Continue with GitHub")
	other.shows("Not allowed", "has not been invited", "Start again", "Other ways to sign in")
	other.picture("pages-10-denied")
	other.open(a.url + "/auth/company/authorize")
	other.shows("not available right now", "Reference:", "Other ways to sign in")
	other.picture("pages-11-fault")
	other.open(a.url + "/auth/nowhere")
	other.shows("Page not found", "Sign in")
	other.picture("pages-12-not-found")
	other.link("Sign in")
	other.shows("Continue with Google")
	other.open(a.url + "/auth/continue?ticket=x")
	other.shows("Nothing to continue", "Sign in")
	other.picture("pages-13-no-ticket")
	other.open(a.url + "/auth/mail/callback?state=x&token=y")
	other.shows("Sign-in failed", "Start again")
	other.picture("pages-14-failed")
}

// TestBrowser_Mail looks at the HTML of a mail: it fits a window of 320 pixels, its button leads to the page of the
// link, and the code can be selected as text.
func TestBrowser_Mail(t *testing.T) {
	browser := startBrowser(t)
	a, box := serveShop(t)
	w := newWindow(t, browser)
	for provider, texts := range map[string][]string{
		"mail": {"Sign in to Example Shop", "localhost:", "Chrome on Linux"}, "link": {"Sign in to Example Shop", "localhost:"},
	} {
		w.open(a.url + "/auth/" + provider + "/authorize")
		w.enter("ada@example.com")
		w.open(a.url + "/mail")
		m := box.last(t)
		w.shows(append(texts, m.Arg("link"), m.Arg("code"))...)
		w.picture("mail-" + provider)
		if m.Arg("code") != "" {
			var selected string
			w.run(chromedp.Evaluate(`getSelection().selectAllChildren(document.querySelector(".code")), getSelection().toString().trim()`, &selected))
			if selected != m.Arg("code") {
				t.Errorf("selected as text: %q, want %q", selected, m.Arg("code"))
			}
		}
		w.link("Sign in to Example Shop")
		w.shows("Continue as a…@example.com")
	}
}

// TestBrowser_PagesByKeyboard signs in with a keyboard alone: every link and field is reached by Tab, in the order of
// the page, and shows that it has the focus.
func TestBrowser_PagesByKeyboard(t *testing.T) {
	browser := startBrowser(t)
	a, box := serveShop(t)
	w := newWindow(t, browser)
	w.open(a.url + "/auth/authorize")
	focus := `(() => { const e = document.activeElement; return (e.name || e.innerText) + "|" + getComputedStyle(e).outlineStyle })()`
	for _, want := range []string{"Continue with Google", "Continue with GitHub", "email", "Email me a link and a code", "Continue with your company account", "Email me a link"} {
		var got string
		w.run(chromedp.KeyEvent(kb.Tab), chromedp.Evaluate(focus, &got))
		if got != want+"|solid" {
			t.Errorf("Tab leads to %q, want %q with an outline", got, want)
		}
	}
	w.open(a.url + "/auth/mail/authorize")
	w.enter("ada@example.com") // the field has the focus
	w.shows("Check your mail")
	w.enter(box.last(t).Arg("code"))
	w.shows("signed in: ada@example.com")
}

// enter types a text where the focus is, presses Enter and waits for the page that follows.
func (w *window) enter(text string) {
	w.t.Helper()
	w.run(chromedp.WaitVisible("input:focus", chromedp.ByQuery)) // keys that come before the focus are lost
	if _, err := chromedp.RunResponse(w.ctx, chromedp.KeyEvent(text+kb.Enter)); err != nil {
		w.t.Fatalf("%v\nat %s:\n%s", err, w.url(), w.text())
	}
	w.passOn()
}
