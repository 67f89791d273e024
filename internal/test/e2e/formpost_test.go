package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestS1_BrowserFormPost: a provider of another site answers by POST, as Apple does. Chromium sends no cookie of the
// session before with that POST, and yet that session ends. No address and no Referer holds the code or the state, and
// the address of the second step repeats nothing.
func TestS1_BrowserFormPost(t *testing.T) {
	s := newStreet(t)
	w := s.window()
	w.open(apiURL + "/auth/once/authorize")
	w.shows("hello ada")
	_, before := w.jar()
	w.open(apiURL + "/auth/post/authorize")
	attempts, _ := w.jar()
	var state string
	w.run(chromedp.Value(`input[name="state"]`, &state, chromedp.ByQuery))
	if len(attempts) != 1 || len(state) != 43 {
		t.Fatalf("%d attempts, state %q", len(attempts), state)
	}
	s.mu.Lock()
	s.seen = nil
	s.mu.Unlock()
	w.press("button")
	w.shows("hello grace")
	if w.url() != apiURL+"/page" {
		t.Errorf("the sign-in ends at %s", w.url())
	}
	ended := s.ended()
	if len(ended) != 1 || !strings.HasSuffix(ended[0], " replaced") {
		t.Errorf("sessions that ended: %q, want the one before", ended)
	}
	attempts, after := w.jar()
	for name, value := range before {
		if after[name] == value {
			t.Errorf("the cookie %s is as before", name)
		}
	}
	if len(attempts) != 0 {
		t.Errorf("%d attempts are left", len(attempts))
	}
	s.mu.Lock()
	seen := s.seen
	s.mu.Unlock()
	step := ""
	for _, line := range seen {
		method, rest, _ := strings.Cut(line, " ")
		target, referer, _ := strings.Cut(rest, " ")
		if strings.Contains(line, state) || strings.Contains(line, "grace") || strings.Contains(referer, "posted=") {
			t.Errorf("a log would show %s", line)
		}
		if method == "GET" && strings.Contains(target, "posted=") {
			step = apiURL + target
		}
	}
	if step == "" {
		t.Fatalf("no second step in %q", seen)
	}
	w.open(step)
	w.passOn()
	w.shows("hello grace")
	if again := s.ended(); len(again) != len(ended) {
		t.Errorf("sessions that ended in the meantime: %q", again)
	}
}

// TestBack_Browser: a callback that is opened again, as by Back or from the history, leads on to the page of who is
// signed in, and shows a signed-out person what happened.
func TestBack_Browser(t *testing.T) {
	s := newStreet(t)
	w := s.window()
	w.open(apiURL + "/auth/once/authorize")
	w.shows("hello ada")
	s.mu.Lock()
	callback := ""
	for _, line := range s.seen {
		if _, rest, _ := strings.Cut(line, " "); strings.HasPrefix(rest, "/auth/once/callback") {
			callback, _, _ = strings.Cut(rest, " ")
		}
	}
	s.mu.Unlock()
	w.open(apiURL + callback)
	if w.url() != apiURL+"/page" {
		t.Errorf("at %s", w.url())
	}
	w.shows("hello ada")
	stranger := s.window()
	stranger.open(apiURL + callback)
	stranger.shows("finished already", "Start again")
	stranger.link("Start again")
	stranger.shows("hello ada")
}
