package magic_test

import (
	"strings"
	"testing"

	"github.com/posternauth/postern/magic"
)

// A program that scans mail opens the link, fills in the form of each page and presses its button, with no cookies and
// then with those it got. The person still signs in, by the link and by the code, in the browser that asked.
func TestM1_ScannerThatPressesButtons(t *testing.T) {
	for _, same := range []bool{false, true} {
		for _, by := range []string{"link", "code"} {
			w := newWorld(t, change{config: magic.Config{SameBrowserOnly: same}})
			person := w.browser()
			state, m := person.mustAsk("both", ada, "")
			scanner := w.browser()
			scanner.Addr = "198.51.100.7:1"
			for _, method := range []string{"HEAD", "GET", "HEAD"} {
				scanner.do(scanner.Request(method, m.Arg("link"), nil))
			}
			a := scanner.open(m.Arg("link"))
			for range 4 {
				if len(a.page.Forms) == 0 {
					break
				}
				a = scanner.press(a.page)
			}
			if got := w.signInCount(); same && got != 0 || !same && got != 1 {
				t.Errorf("SameBrowserOnly %v: the scanner is signed in %d times", same, got)
			}
			w.signIns.Take()
			if by == "link" {
				person.press(person.open(m.Arg("link")).page)
			} else {
				person.guess("both", state, m.Arg("code"))
			}
			if in := w.signedIn(); in.Authentication.Methods[0] != by || in.Identity.Subject != ada {
				t.Errorf("SameBrowserOnly %v: signed in %+v", same, in)
			}
			// Now the mail is spent everywhere.
			scanner.open(m.Arg("link")).want(t, 400, "link_used")
			person.open(m.Arg("link")).want(t, 400, "link_used")
		}
	}
}

// After another browser has used the link, a third one is refused, with the way that is left.
func TestM1_LinkWorksOnceElsewhere(t *testing.T) {
	w := newWorld(t, change{})
	asking := w.browser()
	state, m := asking.mustAsk("both", ada, "")
	scanner, phone := w.browser(), w.browser()
	onPhone := phone.open(m.Arg("link")).page
	if !strings.Contains(onPhone.Text, "type the code from the mail there") {
		t.Errorf("page of another browser: %+v", onPhone)
	}
	scanner.press(scanner.open(m.Arg("link")).page)
	w.signedIn()
	a := phone.press(onPhone)
	a.want(t, 400, "link_used")
	if !strings.Contains(a.page.Error, "still works in the browser in which you asked for it, or type the code from the mail there.") {
		t.Errorf("page %+v", a.page)
	}
	phone.open(m.Arg("link")).want(t, 400, "link_used")
	// A token that is wrong learns nothing of it.
	phone.open(m.Arg("link")+"x").want(t, 400, "invalid_link")
	phone.open(flipLast(m.Arg("link"))).want(t, 400, "invalid_link")
	asking.guess("both", state, m.Arg("code"))
	w.signedIn()
}

func flipLast(link string) string { return flip(link, len(link)-1) }

// Where the link works only in the browser that asked, the refusal names the code of the mail, if it has one.
func TestSameBrowserOnly_NamesTheCode(t *testing.T) {
	w := newWorld(t, change{config: magic.Config{SameBrowserOnly: true}})
	for provider, want := range map[string]bool{"both": true, "link": false} {
		c := w.browser()
		_, m := c.mustAsk(provider, ada, "")
		a := w.browser().open(m.Arg("link"))
		a.want(t, 400, "other_browser")
		if got := strings.Contains(a.page.Error, "type the code from the mail there"); got != want {
			t.Errorf("%s: %q", provider, a.page.Error)
		}
	}
}
