package magic_test

import (
	"testing"
)

// A store that fails at its n-th call, before or after doing what it was asked, leads to 503 or to the right answer: to
// no second sign-in, no free guess, and no 500.
func TestT3_StoreFailsAtEveryCall(t *testing.T) {
	for kind := range 4 {
		torn, one := kind&1 != 0, kind&2 != 0
		for _, method := range []string{"link", "code", "link elsewhere"} {
			for n := 1; ; n++ {
				w := newWorld(t, change{one: one})
				c := w.browser()
				state, m := c.mustAsk("both", ada, "")
				page := c.open(m.Arg("link")).page
				if method == "link elsewhere" {
					c = w.browser()
					page = c.open(m.Arg("link")).page
				}
				before := w.store.calls
				w.store.torn, w.store.failAt = torn, before+n
				spare := c.copy()
				act := func(c *client) answer {
					if method == "code" {
						return c.guess("both", state, m.Arg("code"))
					}
					return c.press(page)
				}
				a := act(c)
				if w.store.calls < w.store.failAt {
					if a.StatusCode != 303 || w.signInCount() != 1 || n < 4 {
						t.Errorf("%s: without a failure (call %d): %d, %d sign-ins", method, n, a.StatusCode, w.signInCount())
					}
					break
				}
				if a.StatusCode != 303 && a.StatusCode != 503 || (a.StatusCode == 303) != (w.signInCount() == 1) {
					t.Errorf("%s, call %d, torn %v, one part %v: %d, %d sign-ins\n%s", method, n, torn, one, a.StatusCode, w.signInCount(), a.body)
				}
				if a.StatusCode == 503 && a.Header.Get("Retry-After") == "" {
					t.Errorf("%s, call %d: no Retry-After", method, n)
				}
				// Once more, with the cookies of before: in all, one sign-in at most.
				act(spare)
				if w.signInCount() > 1 {
					t.Errorf("%s, call %d, torn %v, one part %v: %d sign-ins", method, n, torn, one, w.signInCount())
				}
			}
		}
	}
}

func TestT3_NoMailWithoutLimits(t *testing.T) {
	// One read, and one write: or one each for the client, the provider and the address.
	for one, calls := range map[bool]int{false: 2, true: 4} {
		sent := false
		for n := 1; !sent; n++ {
			w := newWorld(t, change{one: one})
			w.store.failAt = n
			a, _ := w.browser().ask("both", ada, "")
			sent = a.StatusCode == 303
			if !sent && (a.StatusCode != 503 || w.mailCount() != 0) {
				t.Errorf("one part %v, call %d fails: %d, %d mails", one, n, a.StatusCode, w.mailCount())
			}
			if sent && n != calls+1 {
				t.Errorf("one part %v: a mail was sent though call %d failed", one, n)
			}
		}
	}
}

// A guess that was not counted in the store is not compared, and the answer to a wrong one waits until it is counted at
// the provider.
func TestM5_NoAnswerToTheChargeIsNoGuess(t *testing.T) {
	// The calls: one read and the charge, which is a write for the client and one for the address if the store writes
	// to one Part at a time. Then, of a wrong code, a read and a write of the provider's.
	for one, charged := range map[bool]int{false: 2, true: 3} {
		for n := 1; n <= charged+3; n++ {
			w := newWorld(t, change{one: one})
			c := w.browser()
			state, m := c.mustAsk("code", ada, "")
			w.store.failAt = w.store.calls + n
			a := c.guess("code", state, wrong(m.Arg("code")))
			if n <= charged+2 && a.StatusCode != 503 {
				t.Errorf("one part %v, call %d fails: %d, want 503: a guess was answered that was not counted", one, n, a.StatusCode)
			}
			if n == charged+3 {
				a.want(t, 400, "invalid_code")
			}
		}
		for n := 1; n <= charged; n++ {
			w := newWorld(t, change{one: one})
			c := w.browser()
			state, m := c.mustAsk("code", ada, "")
			w.store.failAt = w.store.calls + n
			if a := c.guess("code", state, m.Arg("code")); a.StatusCode != 503 || w.signInCount() != 0 {
				t.Errorf("one part %v, call %d fails: %d, %d sign-ins, want 503: the right code was compared before it was counted",
					one, n, a.StatusCode, w.signInCount())
			}
		}
	}
}

func TestKeysUnavailable(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	state, m := c.mustAsk("both", ada, "")
	w.noSecrets.Store(true)
	for name, a := range map[string]answer{
		"asking": func() answer { a, _ := w.browser().ask("both", ada, ""); return a }(), "link": c.open(m.Arg("link")), "code": c.guess("both", state, m.Arg("code")),
	} {
		if a.StatusCode != 503 {
			t.Errorf("%s without keys: %d\n%s", name, a.StatusCode, a.body)
		}
	}
	w.noSecrets.Store(false)
	c.press(c.open(m.Arg("link")).page)
	w.signedIn()
}
