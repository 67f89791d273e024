package e2e

import (
	"bufio"
	"bytes"
	"net"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/oidc"
)

// TestBrowser_OIDCProvider signs in through npm oidc-provider, its own login and consent pages, and ends at a handler
// that reads who came.
func TestBrowser_OIDCProvider(t *testing.T) {
	dir := scripts(t)
	browser := startBrowser(t)
	a := newApp(t, keys.RS256)
	issuer := nodeServer(t, dir, "provider.mjs", a.url+"/auth/op/callback")
	a.serve(t, "op", oidc.New(oidc.Config{
		Issuer: issuer, ClientID: "postern", ClientSecret: "a-secret-of-the-test", AllowInsecure: true,
	}), a.member.Cookie)

	w := newWindow(t, browser)
	w.open(a.url + "/me")
	w.shows(`{"error":"unauthorized"`) // 401: there is no session yet

	w.open(a.url + "/auth/op/authorize")
	if !strings.HasPrefix(w.url(), issuer+"/interaction/") {
		t.Fatalf("the provider asks at %s:\n%s", w.url(), w.text())
	}
	w.typeInto("login", "ada")
	w.typeInto("password", "any")
	w.press(`button[type="submit"]`)
	w.shows("scopes", "email", "profile")
	w.press(`button[type="submit"]`)

	if w.url() != a.url+"/me" {
		t.Fatalf("the sign-in ends at %s:\n%s", w.url(), w.text())
	}
	w.shows(`{"userID":"` + issuer + `#ada","email":"ada@example.com"}`)
	w.cookieless()

	// Somebody else's browser is not signed in by it.
	stranger := newWindow(t, browser)
	stranger.open(a.url + "/me")
	stranger.shows(`"error"`)

	t.Run("refused", func(t *testing.T) {
		w := newWindow(t, browser)
		w.open(a.url + "/auth/op/authorize")
		w.link("Cancel")
		w.shows("Sign-in failed", "Start again", "Go to ")
		if !strings.HasPrefix(w.url(), a.url+"/auth/op/callback?") || strings.Contains(w.text(), "ada") {
			t.Errorf("at %s:\n%s", w.url(), w.text())
		}
		w.picture("refused")
	})
}

// dev runs the real binary and returns its URL.
func dev(t *testing.T, args ...string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "postern")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/posternauth/postern/cmd/postern").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.Command(binary, append([]string{"dev", "--addr", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "data")}, args...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(stdout)
	line, err := reader.ReadString('\n')
	go func() { _, _ = reader.WriteTo(new(bytes.Buffer)) }() // ends with the process
	t.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("postern dev ends with %v", err)
		}
		if errs.Len() > 0 {
			t.Errorf("postern dev complained: %s", errs.String())
		}
	})
	if err != nil {
		t.Fatalf("no URL: %v", err)
	}
	return strings.TrimSpace(line)
}

// TestBrowser_DevFor: the page shows what a program needs, and a mail that the program sends appears in an open inbox
// by itself.
func TestBrowser_DevFor(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	post := l.Addr().String()
	l.Close() // its port is free for the inbox now
	w := newWindow(t, startBrowser(t))
	home := dev(t, "--for", "http://localhost:8080/auth", "--smtp", post)
	w.open(home)
	w.shows("http://localhost:8080/auth", "export GOOGLE_ISSUER="+home+"/idp/google", "export SMTP="+post, "oauth.GitHub(")
	w.picture("for")
	w.open(home + "/inbox")
	w.shows("Nothing here yet")
	mail := "Subject: Sign in\r\n\r\nYour code is\r\n\r\n    012345\r\n" + strings.Repeat("x", 400)
	if err := smtp.SendMail(post, nil, "shop@example.com", []string{strings.Repeat("a", 60) + "@example.com"}, []byte(mail)); err != nil {
		t.Fatal(err)
	}
	// Not chromedp.WaitVisible, which does not survive a page that loads itself again.
	for shown := ""; !strings.Contains(shown, "012345"); {
		if err := chromedp.Run(w.ctx, chromedp.Sleep(50*time.Millisecond), chromedp.Evaluate("String(document.body?.innerText)", &shown)); w.ctx.Err() != nil {
			t.Fatalf("the mail does not appear: %v", err)
		}
	}
	w.shows("012345")
	w.picture("for-inbox")
}

// TestBrowser_Dev walks through all that `postern dev` offers, as a newcomer would.
func TestBrowser_Dev(t *testing.T) {
	browser := startBrowser(t)
	home := dev(t)

	signOut := func(w *window) {
		t.Helper()
		w.press(`form[action="/auth/signout"] button`)
		w.shows("Continue with Google")
		w.open(home + "/api/me")
		w.shows("error")
	}
	t.Run("home", func(t *testing.T) {
		w := newWindow(t, browser)
		w.open(home)
		w.shows("Sign in", "Continue with Google", "Continue with GitHub", "Email me a link", "Email me a code", "kim@example.com", "only-for-development")
		w.picture("home")
		w.open(home + "/nowhere")
		w.shows("Nothing here")
		w.open(home + "/auth/authorize")
		w.shows("Google", "GitHub")
		w.picture("providers")
	})
	t.Run("link", func(t *testing.T) {
		w := newWindow(t, browser)
		w.open(home)
		w.link("Email me a link")
		w.picture("link-1-ask")
		w.typeInto("email", "grace@example.com")
		w.press(`button`)
		w.shows("Check your mail")
		w.picture("link-2-sent")
		w.open(home + "/inbox")
		w.shows("grace@example.com")
		w.picture("inbox")
		w.link("Open the link")
		w.shows("Continue as")
		w.picture("link-3-confirm")
		w.press(`button`)
		w.shows("You are signed in", "grace@example.com", "link")
		w.cookieless()
		signOut(w)
		w.open(home + "/inbox")
		w.link("Open the link")
		w.shows("This link has been used already.")
		w.picture("link-4-used")
	})
	t.Run("link in another browser", func(t *testing.T) {
		asked, opened := newWindow(t, browser), newWindow(t, browser)
		asked.open(home)
		asked.link("Email me a link")
		asked.typeInto("email", "joan@example.com")
		asked.press(`button`)
		opened.open(home + "/inbox")
		opened.link("Open the link")
		opened.shows("another browser")
		opened.picture("link-other-browser")
		opened.press(`button`)
		opened.shows("You are signed in", "joan@example.com")
		asked.open(home)
		asked.shows("Continue with Google") // the browser that asked is not signed in by it
	})
	t.Run("code", func(t *testing.T) {
		w, mail := newWindow(t, browser), newWindow(t, browser)
		w.open(home)
		w.link("Email me a code")
		w.typeInto("email", "katherine@example.com")
		w.press(`button`)
		w.picture("code-1-ask")
		mail.open(home + "/inbox?to=katherine@example.com")
		code := regexp.MustCompile(`\b\d{6}\b`).FindString(mail.text())
		if code == "" {
			t.Fatalf("no code in the inbox:\n%s", mail.text())
		}
		wrong := "000000"
		if code == wrong {
			wrong = "111111"
		}
		w.typeInto("code", wrong)
		w.press(`button`)
		w.shows("This is not the code from the mail.")
		w.picture("code-2-wrong")
		w.typeInto("code", code[:3]+" "+code[3:])
		w.press(`button`)
		w.shows("You are signed in", "katherine@example.com")
		w.picture("signed-in")
		signOut(w)
	})
	t.Run("passkey", func(t *testing.T) {
		w := newWindow(t, browser)
		w.authenticator(phone())
		w.open(home)
		w.link("Password")
		w.typeInto("identifier", "kim@example.com")
		w.typeInto("password", "only-for-development")
		w.press(`form button:not([type=button])`)
		w.shows("You are signed in", "Kim Reader")
		w.link("Add a passkey")
		w.press(`form button`)
		w.shows("Your passkey was added.")
		w.forget()
		w.open(home + "/auth/passkey/authorize")
		w.waitFor("You are signed in")
		w.shows("Kim Reader", "by swk, user, mfa")
	})
	t.Run("token", func(t *testing.T) {
		w := newWindow(t, browser)
		w.open(home + "/token")
		w.run(chromedp.SendKeys("textarea", "Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1MSJ9.AAAA", chromedp.ByQuery))
		w.press(`form button`)
		w.shows("This token is not valid.", "u1")
		w.picture("token")
	})
	for name, who := range map[string]struct{ button, name, address string }{
		"Google": {`button[name="user"][value="10001"]`, "Ada Lovelace", "ada@example.com"},
		"GitHub": {`button[name="user"][value="10002"]`, "Alan Turing", "alan@example.org"}, // ada's address is taken by now
	} {
		t.Run(name, func(t *testing.T) {
			w := newWindow(t, browser)
			w.open(home)
			w.link("Continue with " + name)
			w.shows("Who are you?", "Ada Lovelace")
			w.picture("provider-" + name)
			w.press(who.button)
			w.shows("You are signed in", who.name)
			w.open(home + "/api/me")
			w.shows(`"email":"` + who.address + `"`)
			w.open(home)
			signOut(w)

			w.open(home)
			w.link("Continue with " + name)
			w.press(`button[name="deny"]`)
			w.picture("denied-" + name)
			w.open(home)
			w.shows("Continue with Google")
		})
	}
}
