package magic_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/posternauth/postern/magic"
)

// Limits hold until their hour or day is over, not only in the moment of the takes.
func TestM6_LimitsHoldUntilTheyEnd(t *testing.T) {
	n := 0
	ask := func(w *world, provider, addr string) int {
		n++
		c := w.browser()
		c.Addr = addr
		a, _ := c.ask(provider, fmt.Sprintf("u%d@example.com", n), "")
		return a.StatusCode
	}
	for name, tc := range map[string]struct {
		config magic.Config
		addr   func(i int) string
	}{
		"mails of a client":   {magic.Config{PerClient: 2}, func(int) string { return "192.0.2.9:1" }},
		"mails of a provider": {magic.Config{Total: 2}, func(i int) string { return fmt.Sprintf("198.51.%d.1:1", i) }},
	} {
		w := newWorld(t, change{config: tc.config})
		for i, step := range []struct {
			after time.Duration
			want  int
		}{{0, 303}, {0, 303}, {0, 429}, {30 * time.Minute, 429}, {28 * time.Minute, 429}, {4 * time.Minute, 303}} {
			w.Advance(step.after)
			if got := ask(w, "link", tc.addr(i)); got != step.want {
				t.Errorf("%s, request %d after %v: %d, want %d", name, i, step.after, got, step.want)
			}
		}
	}
}

// A browser that knows the address has three more mails an hour. Strangers use up the others each hour.
func TestM6_MailsOfKnownBrowsersHoldUntilTheyEnd(t *testing.T) {
	w := newWorld(t, change{})
	known := w.browser()
	state, m := known.mustAsk("code", ada, "")
	known.guess("code", state, m.Arg("code"))
	w.signedIn()
	w.Advance(2 * time.Hour)
	strangers := func() {
		for i := range 12 {
			c := w.browser()
			c.Addr = fmt.Sprintf("198.51.%d.1:1", i)
			c.ask("code", ada, "")
		}
	}
	strangers()
	w.Advance(20 * time.Minute)
	for range 3 {
		known.mustAsk("code", ada, "")
	}
	for _, step := range []struct {
		after time.Duration
		sent  bool
	}{{0, false}, {30 * time.Minute, false}, {25 * time.Minute, false}, {8 * time.Minute, true}} {
		w.Advance(step.after)
		strangers()
		if sent := !known.asksInVain("code", ada); sent != step.sent {
			t.Errorf("%v later: sent %v, want %v", step.after, sent, step.sent)
		}
	}
}

// Wrong codes count for a day: those of a client address, and those of a provider, whose mails then carry links alone.
func TestM5_WrongCodesCountForADay(t *testing.T) {
	w := newWorld(t, change{config: magic.Config{PerClient: 1}}) // so two wrong codes a day
	for i, step := range []struct {
		after time.Duration
		want  int
	}{{0, 400}, {0, 400}, {0, 429}, {12 * time.Hour, 429}, {11 * time.Hour, 429}, {2 * time.Hour, 400}} {
		w.Advance(step.after)
		c := w.browser()
		c.Addr = fmt.Sprintf("198.51.%d.1:1", i)
		state, m := c.mustAsk("code", fmt.Sprintf("u%d@example.com", i), "")
		c.Addr = "203.0.113.7:1"
		if a := c.guess("code", state, wrong(m.Arg("code"))); a.StatusCode != step.want {
			t.Errorf("guess %d after %v: %d, want %d", i, step.after, a.StatusCode, step.want)
		}
	}

	w = newWorld(t, change{config: magic.Config{WrongCodes: 1}})
	c := w.browser()
	state, m := c.mustAsk("both", ada, "")
	c.guess("both", state, wrong(m.Arg("code"))).want(t, 400, "invalid_code")
	for i, step := range []struct {
		after  time.Duration
		digits int
	}{{0, 0}, {12 * time.Hour, 0}, {11 * time.Hour, 0}, {2 * time.Hour, 6}} {
		w.Advance(step.after)
		if _, m := w.browser().mustAsk("both", fmt.Sprintf("v%d@example.com", i), ""); len(m.Arg("code")) != step.digits {
			t.Errorf("%v later: a code of %d digits, want %d", step.after, len(m.Arg("code")), step.digits)
		}
	}
}

// A write that somebody else was faster at is tried again, and counts once: a mail against its client, and a wrong code
// against the client that typed it.
func TestT2_LostRacesCountOnce(t *testing.T) {
	for one, calls := range map[bool]struct{ mail, guess []int }{
		// After a read: all of it. Of a wrong code, after another read: the provider's sum.
		false: {mail: []int{2}, guess: []int{2, 4}},
		// After a read: the client's limit, then the provider's and the mail, or the charge; the provider's sum as
		// above.
		true: {mail: []int{2, 3, 4}, guess: []int{2, 3, 5}},
	} {
		for _, n := range calls.mail {
			w := newWorld(t, change{config: magic.Config{PerClient: 2}, one: one})
			w.store.lost, w.store.failAt = true, n
			for i, want := range []int{303, 303, 429} {
				if a, _ := w.browser().ask("link", fmt.Sprintf("u%d@example.com", i), ""); a.StatusCode != want {
					t.Errorf("one part %v, call %d lost, mail %d: %d, want %d", one, n, i, a.StatusCode, want)
				}
			}
		}
		for _, n := range calls.guess {
			w := newWorld(t, change{config: magic.Config{PerClient: 1}, one: one})
			c := w.browser()
			state, m := c.mustAsk("code", ada, "")
			w.store.lost, w.store.failAt = true, w.store.calls+n
			for i, want := range []int{400, 400, 429} {
				if a := c.guess("code", state, wrong(m.Arg("code"))); a.StatusCode != want {
					t.Errorf("one part %v, call %d lost, guess %d: %d, want %d", one, n, i, a.StatusCode, want)
				}
			}
		}
	}
}

// TestT2_CrowdsCountStepByStep: a mail, a guess and a right code get through, and count once, though others keep
// writing one of the items that they count in.
func TestT2_CrowdsCountStepByStep(t *testing.T) {
	for lost := range 4 { // writes in a row that somebody else was faster at
		w := newWorld(t, change{config: magic.Config{PerClient: 1}})
		lose := func() { w.store.lose(lost) }
		c := w.browser()
		lose()
		state, m := c.mustAsk("code", ada, "")
		if a, _ := w.browser().ask("code", "bob@example.com", ""); a.StatusCode != 429 {
			t.Errorf("%d lost, a second mail of the client: %d", lost, a.StatusCode)
		}
		lose()
		c.copy().guess("code", state, wrong(m.Arg("code"))).want(t, 400, "invalid_code")
		lose()
		if a := c.guess("code", state, m.Arg("code")); a.StatusCode != 303 {
			t.Errorf("%d lost, the right code: %d", lost, a.StatusCode)
		}
		w.signedIn()
		if n := w.charges(); n != 2 {
			t.Errorf("%d lost: %d tries charged, want 2", lost, n)
		}
		// The right code was given back: one of the two wrong ones of a client's day is left.
		c = w.browser()
		c.Addr = "198.51.100.9:1"
		state, m = c.mustAsk("code", ada, "")
		c.Addr = w.browser().Addr
		c.guess("code", state, wrong(m.Arg("code"))).want(t, 400, "invalid_code")
		c.guess("code", state, wrong(m.Arg("code"))).want(t, 429, "rate_limited")
	}
}

// TestM5_ARightCodeGivesBackWhatItTook: one that only the limit of known browsers counted gives back no wrong code of
// others at its client's address.
func TestM5_ARightCodeGivesBackWhatItTook(t *testing.T) {
	for _, one := range []bool{false, true} {
		w := newWorld(t, change{config: magic.Config{PerClient: 1}, one: one}) // so two wrong codes a day
		known := w.browser()
		here := known.Addr
		state, m := known.mustAsk("code", ada, "")
		known.guess("code", state, m.Arg("code"))
		w.signedIn()
		n := 0
		wrongOne := func(want int) {
			t.Helper()
			n++
			c := w.browser()
			c.Addr = fmt.Sprintf("198.51.%d.1:1", n)
			state, m := c.mustAsk("code", fmt.Sprintf("u%d@example.com", n), "")
			c.Addr = here
			if a := c.guess("code", state, wrong(m.Arg("code"))); a.StatusCode != want {
				t.Errorf("one part %v, wrong code %d: %d, want %d", one, n, a.StatusCode, want)
			}
		}
		wrongOne(400)
		wrongOne(400)
		wrongOne(429)
		known.Addr = "203.0.114.7:1"
		state, m = known.mustAsk("code", ada, "")
		known.Addr = here
		if a := known.guess("code", state, m.Arg("code")); a.StatusCode != 303 {
			t.Errorf("one part %v, the right code of a known browser: %d", one, a.StatusCode)
		}
		w.signedIn()
		wrongOne(429)
	}
}
