package magic_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/magic"
)

const challenge = "?code_challenge_method=S256&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

// homes are networks that one customer can hold: a client address in each, by a number.
var homes = map[string]func(i int) string{
	"IPv6 /56": func(i int) string { return fmt.Sprintf("[2001:db8:1:1%02x::1]:1", i%256) },
	"IPv6 /48": func(i int) string { return fmt.Sprintf("[2001:db8:1:%x::1]:1", i%65536) },
	"IPv4 /24": func(i int) string { return fmt.Sprintf("203.0.113.%d:1", i%256) },
}

// A stranger asks twice a minute for two days, each time with a new browser and another address of one network. An
// owner who asks once an hour, in a new browser on another network, gets a mail each time and signs in with it, also
// where links work in the asking browser alone.
func TestM6_OneNetworkCantHoldTheReserve(t *testing.T) {
	hours := 48
	if raced {
		hours = 5
	}
	for name, home := range homes {
		for _, provider := range []string{"code", "both"} {
			w := newWorld(t, change{pkce: true, config: magic.Config{PerClient: 1000}})
			asked, held := 0, 0
			for hour := range hours {
				for minute := range 60 {
					if minute == 7+hour%50 {
						owner := w.browser()
						owner.Addr = fmt.Sprintf("198.51.%d.9:1", hour)
						before := w.mailCount()
						_, state := owner.ask(provider, ada, challenge)
						if w.mailCount() == before {
							held++
						} else {
							owner.guess(provider, state, w.mail().Arg("code"))
							w.signedIn()
						}
					}
					for range 2 {
						stranger := w.browser()
						stranger.Addr = home(asked)
						stranger.ask(provider, ada, challenge)
						asked++
					}
					w.Advance(time.Minute)
				}
			}
			if held > 0 {
				t.Errorf("%s, %s: the owner got no mail in %d of %d tries, while one network asked %d times", name, provider, held, hours, asked)
			}
		}
	}
}

// guessesFrom asks for mails and guesses wrong, five times a mail, and returns how many guesses were compared.
func (w *world) guessesFrom(mails int, addr func(i int) string) (compared int) {
	w.t.Helper()
	for i := range mails {
		c := w.browser()
		c.Addr = addr(i)
		before := w.mailCount()
		_, state := c.ask("code", ada, "")
		if w.mailCount() > before {
			code := wrong(w.mail().Arg("code"))
			for range 5 {
				if c.guess("code", state, code).StatusCode == 400 {
					compared++
				}
			}
		}
		w.Advance(21 * time.Minute) // three mails an hour
	}
	return compared
}

// A stranger with one connection guesses at the codes of an address for hours. The right code of the owner, in a new
// browser on another network, still signs in. Strangers with many networks have 80 guesses together.
func TestM5_GuessesOfOneNetworkLeaveTheOwnersCode(t *testing.T) {
	for name, home := range homes {
		w := newWorld(t, change{})
		if n := w.guessesFrom(40, home); n != 10 {
			t.Errorf("%s: %d guesses compared, want 10", name, n)
		}
		w.Advance(time.Hour)
		owner := w.browser()
		owner.Addr = "198.51.100.9:1"
		state, m := owner.mustAsk("code", ada, "")
		owner.guess("code", state, wrong(m.Arg("code"))).want(t, 400, "invalid_code")
		if a := owner.guess("code", state, m.Arg("code")); a.StatusCode != 303 {
			t.Fatalf("%s: the owner's code: %d %s", name, a.StatusCode, a.body)
		}
		w.signedIn()
	}
	w := newWorld(t, change{})
	if n := w.guessesFrom(40, func(i int) string { return fmt.Sprintf("198.51.%d.1:1", i) }); n != 80 {
		t.Errorf("forty networks: %d guesses compared, want 80", n)
	}
}

// Right codes use up neither the guesses of the address nor those of a network at it.
func TestM5_RightCodesLeaveTheGuesses(t *testing.T) {
	w := newWorld(t, change{config: magic.Config{PerAddress: 1000, PerClient: 1000}})
	for i := range 100 {
		c := w.browser()
		state, m := c.mustAsk("code", ada, "")
		if i%20 == 0 {
			c.guess("code", state, wrong(m.Arg("code"))).want(t, 400, "invalid_code")
		}
		if a := c.guess("code", state, m.Arg("code")); a.StatusCode != 303 {
			t.Fatalf("right code %d of the day: %d %s", i+1, a.StatusCode, a.body)
		}
		w.signedIn()
		w.Advance(10 * time.Minute)
	}
}

// A stranger asks for links, and a program that scans the owner's mail presses the button of each. Five a day are
// signed in. The browser that asked still can, and the next day so can another.
func TestM1_ElsewhereIsCounted(t *testing.T) {
	w := newWorld(t, change{config: magic.Config{PerAddress: 1000, PerClient: 1000}})
	var early answer // a page that was opened before
	for i := range 20 {
		stranger, scanner := w.browser(), w.browser()
		_, m := stranger.mustAsk("both", ada, "")
		a := scanner.open(m.Arg("link"))
		if i < 5 {
			if a = scanner.press(a.page); a.StatusCode != 303 {
				t.Fatalf("link %d: %d %s", i+1, a.StatusCode, a.body)
			}
			_, m := stranger.mustAsk("both", ada, "")
			early = scanner.open(m.Arg("link"))
			continue
		}
		if len(early.page.Forms) > 0 && i == 5 {
			scanner.press(early.page)
		}
		if a.want(t, 400, "other_browser"); !strings.Contains(a.page.Error, "Open this link in the browser in which you asked for it, or type the code") {
			t.Errorf("page %+v", a.page)
		}
		w.Advance(10 * time.Minute)
	}
	if n := w.signInCount(); n != 5 {
		t.Errorf("the scanning program is signed in %d times, want 5", n)
	}
	if n := w.reasons("limited")["elsewhere"]; n != 16 {
		t.Errorf("%d events, want 16", n)
	}
	w.signIns.Take()
	owner := w.browser()
	_, m := owner.mustAsk("both", ada, "")
	w.browser().open(m.Arg("link")[:len(m.Arg("link"))-1]).want(t, 400, "invalid_link") // a wrong token learns nothing of it
	owner.press(owner.open(m.Arg("link")).page)
	w.signedIn()
	w.Advance(25 * time.Hour)
	owner.mustAsk("link", ada, "")
	other := w.browser()
	other.press(other.open(w.mail().Arg("link")).page)
	w.signedIn()
}

// Three links race for the last place of the day: one gets it.
func TestM1_ElsewhereIsCountedUnderRace(t *testing.T) {
	for range 20 {
		w := newWorld(t, change{config: magic.Config{PerAddress: 1000, PerClient: 1000}})
		link := func() string {
			w.Advance(time.Second)
			_, m := w.browser().mustAsk("link", ada, "")
			return m.Arg("link")
		}
		for range 4 {
			c := w.browser()
			c.press(c.open(link()).page)
			w.signedIn()
		}
		pages := make(chan answer, 3)
		for range 3 {
			pages <- w.browser().open(link())
		}
		w.store.gather(3)
		counts := race(3, func() answer { return w.browser().press((<-pages).page) })
		if n := w.signInCount(); n != 1 || counts[303] != 1 || counts[400] != 2 {
			t.Fatalf("%d sign-ins, answers %v", n, counts)
		}
	}
}

// The page at the limit of mails does not name a link that would be refused.
func TestM6_NoLinkIsNamedThatWorksNowhereElse(t *testing.T) {
	w := newWorld(t, change{config: magic.Config{PerAddress: 6}})
	for i := range 6 {
		c := w.browser()
		c.Addr = fmt.Sprintf("198.51.%d.1:1", i)
		_, m := c.mustAsk("link", ada, "")
		if i < 5 {
			scanner := w.browser()
			scanner.press(scanner.open(m.Arg("link")).page)
			w.signedIn()
		}
		w.Advance(time.Second)
	}
	for i := range 2 { // the reserve
		c := w.browser()
		c.Addr = fmt.Sprintf("203.0.%d.1:1", i)
		c.mustAsk("link", ada, "")
	}
	if text := w.browser().held("link", ada); !strings.Contains(text, "enough have been sent") || strings.Contains(text, "this browser too") {
		t.Errorf("no link works in other browsers today: %q", text)
	}
}
