package journeys

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/posternauth/postern/internal/test/browser"
	"github.com/posternauth/postern/internal/test/virtualkey"
)

//go:embed testdata/page.js
var pageScript string

// A person has a window of the browser, with separate cookies.
type person struct {
	*stage
	testing.TB
	hands   hands
	ctx     context.Context
	profile cdp.BrowserContextID

	address  string
	refusals map[string]bool // URLs whose answer was a refusal, as the journey wants it

	anyStatus bool // every answer may be a refusal

	mu     sync.Mutex
	status int64 // of the last page
	at     string
	bad    []string    // what the browser complained about
	failed []log.Entry // answers that were refusals
}

// newPerson opens a window for somebody who has never been here.
func newPerson(t testing.TB, s *stage, h hands, address string) *person {
	t.Helper()
	p := &person{stage: s, TB: t, hands: h, address: address, refusals: map[string]bool{}}
	ctx, cancel, profile, err := browser.Open(s.browser, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(ctx, 6*time.Minute) // the machine may be busy
	p.ctx, p.profile = ctx, profile
	chromedp.ListenTarget(ctx, p.listen)
	t.Cleanup(func() {
		stop()
		cancel()
		p.complaints()
	})
	p.run(log.Enable(), network.Enable(), runtime.Enable(), emulation.SetDeviceMetricsOverride(1100, 800, 1, false),
		onEachPage(`addEventListener("securitypolicyviolation", (e) => console.error(e.violatedDirective + " " + e.blockedURI + " " + e.sample))`))
	if h.noScript {
		p.run(emulation.SetScriptExecutionDisabled(true))
	}
	return p
}

// onEachPage runs a script in every page before its own.
func onEachPage(script string) chromedp.Action {
	return chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := page.AddScriptToEvaluateOnNewDocument(script).Do(ctx)
		return err
	})
}

// elsewhere is the same person with another browser.
func (p *person) elsewhere() *person { return newPerson(p.TB, p.stage, p.hands, p.address) }

// listen keeps what the browser complains about: a broken Content-Security-Policy, a failed script, a message on the
// console, a dialog, a request to another site.
func (p *person) listen(event any) {
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Source == log.SourceNetwork && strings.Contains(e.Entry.Text, "responded with a status of 4") {
			p.mu.Lock()
			p.failed = append(p.failed, *e.Entry)
			p.mu.Unlock()
			return
		}
		p.complain(fmt.Sprintf("%s %s: %s (%s)", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL))
	case *runtime.EventExceptionThrown:
		p.complain(e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		said, _ := json.Marshal(e.Args)
		p.complain("a message on the console: " + string(said))
	case *page.EventJavascriptDialogOpening:
		p.complain("a dialog: " + e.Message)
		go func() { _ = chromedp.Run(p.ctx, page.HandleJavaScriptDialog(false)) }()
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(e.Request.URL)
		ours := err == nil && slices.Contains([]string{"app.example", "idp.example", "mail.example"}, u.Host)
		if !ours && !strings.HasPrefix(e.Request.URL, "data:") {
			p.complain("a request to " + e.Request.URL)
		}
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument {
			p.mu.Lock()
			p.status, p.at = e.Response.Status, e.Response.URL
			p.mu.Unlock()
		} else if e.Response.Status >= 400 {
			p.complain(fmt.Sprintf("%d for %s", e.Response.Status, e.Response.URL))
		}
	}
}

func (p *person) complain(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bad = append(p.bad, text)
}

// taken returns what the browser complained about since the last call. A refusal that the journey wants is none.
func (p *person) taken() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	bad := p.bad
	for _, e := range p.failed {
		if !p.refusals[e.URL] {
			bad = append(bad, e.Text+" at "+e.URL)
		}
	}
	p.bad, p.failed = nil, nil
	return bad
}

// complaints fails the test for each complaint of the browser.
func (p *person) complaints() {
	p.Helper()
	for _, text := range p.taken() {
		p.Errorf("the browser complains: %s", text)
	}
}

func (p *person) run(actions ...chromedp.Action) {
	p.Helper()
	if err := chromedp.Run(p.ctx, actions...); err != nil {
		p.Fatalf("%v\n%s", err, p.scene())
	}
}

// ask calls a function of testdata/page.js in the page.
func (p *person) ask(answer any, function string, args ...any) {
	p.Helper()
	if err := p.call(answer, function, args...); err != nil {
		p.Fatalf("%v\n%s", err, p.scene())
	}
}

func (p *person) call(answer any, function string, args ...any) error {
	list, err := json.Marshal(append([]any{}, args...))
	if err != nil {
		return err
	}
	return chromedp.Run(p.ctx, chromedp.Evaluate(pageScript+"."+function+"(..."+string(list)+")", answer))
}

// scene describes where the person is, for messages.
func (p *person) scene() string {
	var at, text string
	_ = chromedp.Run(p.ctx, chromedp.Location(&at)) // a window that is gone has none
	_ = p.call(&text, "text")
	return "at " + at + ":\n" + text
}

// open types an address, or a path below the issuer, into the address bar.
func (p *person) open(target string) *person { p.Helper(); return p.openRefused(target, 200) }

// openRefused is open for a page that has another status.
func (p *person) openRefused(target string, status int64) *person {
	p.Helper()
	if strings.HasPrefix(target, "/") {
		target = site + "/auth" + target
	}
	p.leave(status, func() { p.run(chromedp.Navigate(target)) })
	return p
}

// leave does what leads to another page, and waits until that is there. It must have the status.
func (p *person) leave(status int64, do func()) {
	p.Helper()
	var left string
	p.ask(&left, "here")
	do()
	for end := time.Now().Add(40 * time.Second); ; time.Sleep(4 * time.Millisecond) {
		var there bool
		if err := p.call(&there, "arrived", left); err == nil && there { // an error: the page is being left
			break
		}
		if time.Now().After(end) {
			p.Fatalf("the person does not leave the page\n%s", p.scene())
		}
	}
	p.mu.Lock()
	got, at := p.status, p.at
	p.mu.Unlock()
	if got != status && !p.anyStatus {
		p.Fatalf("the page has the status %d, want %d\n%s", got, status, p.scene())
	}
	if got >= 400 {
		p.refusals[at] = true
	}
}

// shows fails unless the page shows all of the texts.
func (p *person) shows(texts ...string) *person {
	p.Helper()
	var got string
	p.ask(&got, "text")
	for _, want := range texts {
		if !strings.Contains(got, want) {
			p.Fatalf("the page does not show %q\n%s", want, p.scene())
		}
	}
	return p
}

// hides fails if the page shows one of the texts.
func (p *person) hides(texts ...string) *person {
	p.Helper()
	var got string
	p.ask(&got, "text")
	for _, text := range texts {
		if strings.Contains(got, text) {
			p.Fatalf("the page shows %q\n%s", text, p.scene())
		}
	}
	return p
}

// text returns what the page shows.
func (p *person) text() (text string) {
	p.Helper()
	p.ask(&text, "text")
	return text
}

// mail opens the last mail of a name to the person.
func (p *person) mail(name string) *person {
	p.Helper()
	_, n := p.mailTo(p.TB, p.address, name)
	return p.open(fmt.Sprintf("%s/%d", mailbox, n))
}

// code returns the code of the last mail of a name to the person.
func (p *person) code(name string) string {
	p.Helper()
	m, _ := p.mailTo(p.TB, p.address, name)
	if m.Arg("code") == "" {
		p.Fatalf("the mail %s has no code", name)
	}
	return m.Arg("code")
}

// appCode is the code of an app that has read the address of a key.
func (p *person) appCode(address string) string {
	p.Helper()
	code, err := virtualkey.AppCode(address, p.Now())
	if err != nil {
		p.Fatalf("%v\n%s", err, p.scene())
	}
	return code
}

// download follows a link to a file, and returns its name and what is in it.
func (p *person) download(link string) (name string, content []byte) {
	p.Helper()
	dir := p.TempDir()
	begun, ended := make(chan string, 1), make(chan error, 1)
	chromedp.ListenBrowser(p.ctx, func(event any) {
		switch e := event.(type) {
		case *cdpbrowser.EventDownloadWillBegin:
			begun <- e.SuggestedFilename
		case *cdpbrowser.EventDownloadProgress:
			switch e.State {
			case cdpbrowser.DownloadProgressStateCompleted:
				ended <- nil
			case cdpbrowser.DownloadProgressStateCanceled:
				ended <- errors.New("the download was cancelled")
			}
		}
	})
	p.run(chromedp.ActionFunc(func(ctx context.Context) error {
		return cdpbrowser.SetDownloadBehavior(cdpbrowser.SetDownloadBehaviorBehaviorAllow).WithBrowserContextID(p.profile).WithDownloadPath(dir).WithEventsEnabled(true).
			Do(cdp.WithExecutor(ctx, chromedp.FromContext(ctx).Browser))
	}))
	p.touch("link", link)
	select {
	case err := <-ended:
		name = <-begun
		if err != nil {
			p.Fatal(err)
		}
	case <-time.After(30 * time.Second):
		p.Fatalf("no file arrives\n%s", p.scene())
	}
	content, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		p.Fatal(err)
	}
	return name, content
}

// authenticator gives the window a device that keeps passkeys and verifies its person. The browser offers them only
// when a button is pressed: by itself it would choose at once.
func (p *person) authenticator() (id webauthn.AuthenticatorID) {
	p.Helper()
	p.run(webauthn.Enable(), onEachPage("PublicKeyCredential.isConditionalMediationAvailable = async () => false"), chromedp.ActionFunc(func(ctx context.Context) (err error) {
		id, err = webauthn.AddVirtualAuthenticator(&webauthn.VirtualAuthenticatorOptions{Protocol: webauthn.AuthenticatorProtocolCtap2, Ctap2version: webauthn.Ctap2versionCtap21,
			Transport: webauthn.AuthenticatorTransportInternal, HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true}).Do(ctx)
		return err
	}))
	return id
}

// credentials returns what a device keeps.
func (p *person) credentials(device webauthn.AuthenticatorID) (all []*webauthn.Credential) {
	p.Helper()
	p.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		all, err = webauthn.GetCredentials(device).Do(ctx)
		return err
	}))
	return all
}
