package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/posternauth/postern/internal/test/testneed"
)

// TestTutorial does docs/tutorial.md from its first line to its last: it writes each file, runs each command in one
// shell, and does in Chromium what a section asks for. Only the version of Postern is this one instead of a released
// one, and the ports are free ones.
func TestTutorial(t *testing.T) {
	all := t
	testneed.Binary(t, "bash", "Debian package bash")
	testneed.Binary(t, "openssl", "Debian package openssl")
	l := newLesson(t, "tutorial.md", "8080", "8420", "3000", "1025")
	browser := startBrowser(t)
	for _, section := range strings.Split(l.page, "\n## ")[1:] {
		title, text, _ := strings.Cut(section, "\n")
		t.Run(title, func(t *testing.T) {
			l.t = t
			for _, b := range blocks(text) {
				l.do(b)
			}
			switch title {
			case "Sign in on this machine":
				l.google(newWindow(t, browser), "localhost:8080")
				l.mail(newWindow(t, browser), "localhost:8080")
				l.stop()
			case "Three processes, as on Lambda":
				l.window = newWindow(all, browser) // the next section goes on in it
				l.window.t = t
				l.google(l.window, "localhost:3000")
				l.nine(l.window)
			case "End a leaked key":
				l.afterTheKey()
				l.stop()
			}
		})
		if t.Failed() {
			return // each section goes on from the one before
		}
	}
	if l.window == nil || len(l.ran) < 15 {
		t.Fatalf("%d commands: the page has another form than this test expects", len(l.ran))
	}
}

// google signs in by the page's button and the stand-in for Google.
func (l *lesson) google(w *window, host string) {
	l.t.Helper()
	w.open("http://" + l.host(host) + "/")
	for range 2 {
		w.comes("You are signed out.")
		w.press("#signin")
		w.link("Google")
		w.shows("ada@example.com")
		w.button("Ada Lovelace")
		w.comes("Orders of ada@example.com: a lamp, two chairs.")
		w.click("#signout")
	}
	w.comes("You are signed out.")
	w.press("#signin")
	w.link("Google")
	w.button("Ada Lovelace")
	w.comes("Orders of ada@example.com")
}

func (l *lesson) host(host string) string {
	name, port, _ := strings.Cut(host, ":")
	return name + ":" + l.ports[port]
}

// button presses a button by its text and waits for the page that follows.
func (w *window) button(text string) {
	w.t.Helper()
	if _, err := chromedp.RunResponse(w.ctx, chromedp.Click(fmt.Sprintf(`//button[contains(., %q)]`, text), chromedp.BySearch, chromedp.NodeVisible)); err != nil {
		w.t.Fatalf("pressing %q: %v\nat %s:\n%s", text, err, w.url(), w.text())
	}
}

// comes waits until the page shows a text, which a script may write.
func (w *window) comes(text string) {
	w.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if strings.Contains(w.text(), text) {
			return
		}
	}
	w.shows(text)
}

// mail signs in by a mailed link, which it finds in the inbox.
func (l *lesson) mail(w *window, host string) {
	l.t.Helper()
	w.open("http://" + l.host(host) + "/")
	w.comes("You are signed out.")
	w.press("#signin")
	w.typeInto("email", "grace@example.com")
	w.button("Email me a link")
	w.open("http://" + l.host("localhost:8420") + "/inbox")
	var link string
	w.run(chromedp.WaitReady(`a[href*="/auth/link/"]`, chromedp.ByQuery), chromedp.Evaluate(`document.querySelector('a[href*="/auth/link/"]').href`, &link))
	w.open(link)
	w.press("form button")
	w.comes("Orders of grace@example.com")
}

var nineOf = regexp.MustCompile(`9 of 9 answers, by (\d+) processes\.`)

// nine presses "Ask nine times at once" until several processes have answered, all of them rightly every time.
func (l *lesson) nine(w *window) {
	l.t.Helper()
	for range 10 {
		w.click("#many")
		w.comes("of 9 answers")
		m := nineOf.FindStringSubmatch(w.text())
		if m == nil {
			l.t.Fatalf("the page shows\n%s", w.text())
		}
		if n, _ := strconv.Atoi(m[1]); n > 1 {
			return
		}
		w.open(w.url())
		w.comes("Orders of")
	}
	l.t.Fatal("one process answered all: the section shows nothing")
}

// afterTheKey starts the function again. A copy of the old token is refused, and the browser goes on.
func (l *lesson) afterTheKey() {
	l.t.Helper()
	w, api := l.window, "http://"+l.host("localhost:3000")
	w.t = l.t
	access, _ := w.cookies(api)
	if access == nil {
		l.t.Fatal("no session")
	}
	ask := func() int {
		r, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, api+"/api/orders", nil)
		if err != nil {
			l.t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+access.Value)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			l.t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	if status := ask(); status != http.StatusOK {
		l.t.Fatalf("the copy of the token got %d before the key was known to be revoked: the section shows nothing", status)
	}
	standIns, function := l.serve[0].line, l.serve[1].line
	l.stop()
	l.start(standIns)
	l.start(function)
	if status := ask(); status != http.StatusUnauthorized {
		l.t.Errorf("a token signed with the revoked key got %d", status)
	}
	w.open(api + "/")
	w.comes("Orders of ada@example.com")
	l.nine(w)
	if now, _ := w.cookies(api); now == nil || now.Value == access.Value {
		l.t.Error("the browser has the token that was signed with the revoked key")
	}
}
