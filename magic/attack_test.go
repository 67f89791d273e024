package magic_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A day of guessing: 100,000 guesses from 1,000 addresses in 100 parallel streams, with as many codes as the limits on
// mails allow. The owner, whose browser has signed in before, still gets in.
func TestM5_ADayOfGuessing(t *testing.T) {
	const streams, guesses = 100, 100_000
	w := newWorld(t, change{})
	owner := w.browser()
	owner.Addr = "203.0.113.1:1"
	state, m := owner.mustAsk("code", ada, "")
	owner.guess("code", state, m.Arg("code"))
	w.signedIn()
	w.Advance(2 * time.Hour) // and nothing of that counts any more
	owned := w.charges()

	var mu sync.Mutex
	pool := map[string]*client{} // states of live attempts, and the browser of each: every stream guesses at all of them
	var made atomic.Int64
	attack := func(n int) {
		var wg sync.WaitGroup
		for s := range streams {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(n), uint64(s)))
				for range n / streams {
					i := made.Add(1)
					w.Advance(24 * time.Hour / guesses)
					c := w.browser()
					c.Addr = fmt.Sprintf("198.51.%d.%d:1", rng.IntN(10), rng.IntN(100))
					if i%50 == 0 {
						if _, state := c.ask("code", ada, ""); state != "" {
							mu.Lock()
							pool[state] = c
							mu.Unlock()
						}
					}
					mu.Lock()
					var state string
					for s, b := range pool {
						state, c.Cookies = s, b.copy().Cookies
						break
					}
					mu.Unlock()
					a := c.guess("code", state, fmt.Sprintf("%06d", rng.IntN(1_000_000)))
					switch a.page.Code {
					case "too_many_tries", "code_expired", "expired_state", "invalid_state":
						mu.Lock()
						delete(pool, state)
						mu.Unlock()
					}
				}
			})
		}
		wg.Wait()
	}
	for range 4 {
		attack(guesses / 4)
		before := w.signInCount()
		mine := w.charges()
		state, m := owner.mustAsk("code", ada, "")
		a := owner.guess("code", state, wrong(m.Arg("code")))
		a.want(t, 400, "invalid_code")
		a = owner.guess("code", state, m.Arg("code"))
		if a.StatusCode != 303 || w.signInCount() != before+1 {
			t.Fatalf("after %d guesses the owner is locked out: %d %s", made.Load(), a.StatusCode, a.body)
		}
		owned += w.charges() - mine
	}
	compared := w.charges() - owned
	t.Logf("%d guesses made, %d compared: the code is found with a probability of %.0e", made.Load(), compared, float64(compared)*1e-6)
	if made.Load() != guesses || compared > 80 {
		t.Errorf("%d of %d guesses were compared, want 80 at most", compared, made.Load())
	}
	// A guess that loses a race is counted and not compared, so some of the 80 are missing.
	if compared < 10 || w.reasons("limited")["guess"] == 0 {
		t.Errorf("%d guesses were compared: the attack does not press on the limit", compared)
	}
}

// Strangers who use up an address's mails and guesses do not lock out a browser that knows it; an unknown one waits.
func TestM5_KnownBrowserHasLimitsOfItsOwn(t *testing.T) {
	w := newWorld(t, change{})
	owner := w.browser()
	state, m := owner.mustAsk("code", ada, "")
	owner.guess("code", state, m.Arg("code"))
	w.signedIn()
	w.Advance(25 * time.Hour)

	guessed := 0
	for guessed < 80 {
		c := w.browser()
		c.Addr = fmt.Sprintf("198.51.%d.1:1", guessed) // one client alone has fewer guesses
		state, m := c.mustAsk("code", ada, "")
		for range 5 {
			c.guess("code", state, wrong(m.Arg("code")))
			guessed++
		}
		w.Advance(21 * time.Minute) // three mails an hour
	}
	w.Advance(time.Hour)
	stranger := w.browser()
	state, m = stranger.mustAsk("code", ada, "")
	a := stranger.guess("code", state, m.Arg("code"))
	if a.want(t, 429, "rate_limited"); a.Header.Get("Retry-After") == "" || w.signInCount() != 0 {
		t.Errorf("a stranger's 81st guess: Retry-After %q, %d sign-ins", a.Header.Get("Retry-After"), w.signInCount())
	}
	stranger.mustAsk("code", ada, "")
	stranger.mustAsk("code", ada, "")
	if !stranger.asksInVain("code", ada) {
		t.Error("a stranger's fourth mail was sent")
	}
	state, m = owner.mustAsk("code", ada, "")
	owner.guess("code", state, m.Arg("code"))
	w.signedIn()

	// The 20 guesses of known browsers end as well.
	compared := 0 // the right code was given back
	for range 30 {
		w.Advance(31 * time.Minute)
		b := owner.copy()
		a, state := b.ask("code", ada, "")
		if a.StatusCode != 303 {
			continue
		}
		code := w.mail().Arg("code")
		for range 5 {
			if a := b.guess("code", state, wrong(code)); a.StatusCode == 400 {
				compared++
			}
		}
		if compared >= 20 {
			break
		}
	}
	b := owner.copy()
	w.Advance(31 * time.Minute)
	if _, state := b.ask("code", ada, ""); state != "" {
		b.guess("code", state, w.mail().Arg("code")).want(t, 429, "rate_limited")
	}
	if compared != 20 {
		t.Errorf("known browsers had %d guesses, want 20", compared)
	}
}

func TestM6_OneAddressIsNotBombed(t *testing.T) {
	w := newWorld(t, change{})
	known := w.browser()
	state, m := known.mustAsk("code", ada, "")
	known.guess("code", state, m.Arg("code"))
	w.signedIn()
	w.Advance(2 * time.Hour)
	before := w.mailCount()
	for i := range 10_000 {
		c := w.browser()
		if i%10 == 0 {
			c = known
		}
		c.Addr = fmt.Sprintf("198.51.%d.%d:1", i%100, i%97)
		a, _ := c.ask([]string{"link", "code", "both"}[i%3], []string{ada, "ADA@example.com", "Ada@EXAMPLE.com"}[i%3], "")
		if a.StatusCode != 303 && a.StatusCode != 429 {
			t.Fatalf("request %d: %d", i, a.StatusCode)
		}
		w.Advance(350 * time.Millisecond) // 10,000 in less than an hour
	}
	if n := w.mailCount() - before; n != 3+2+3 {
		t.Errorf("%d mails in an hour, want 3, 2 for networks that have not asked today, and 3 for browsers that know the address", n)
	}
	if n := w.reasons("limited")["mail"]; n != 10_000-8 {
		t.Errorf("%d events of limits, want %d", n, 10_000-8)
	}
}

func TestM6_OneClientAddress(t *testing.T) {
	w := newWorld(t, change{})
	ask := func(addr string, i int) int {
		c := w.browser()
		c.Addr = addr
		c.Header.Set("X-Forwarded-For", fmt.Sprintf("10.0.%d.1", i)) // nobody believes it
		a, _ := c.ask("link", fmt.Sprintf("u%d@example.com", i), "")
		return a.StatusCode
	}
	for i := range 25 {
		want := 303
		if i >= 20 {
			want = 429
		}
		if got := ask("192.0.2.9:1", i); got != want {
			t.Errorf("mail %d of one client: %d, want %d", i+1, got, want)
		}
		if got := ask(fmt.Sprintf("[2001:db8:1:2::%x]:1", i+1), 100+i); got != want {
			t.Errorf("mail %d of one /64: %d, want %d", i+1, got, want)
		}
	}
	if got := ask("192.0.2.10:1", 200); got != 303 {
		t.Errorf("another client: %d", got)
	}
	w.Advance(62 * time.Minute)
	if got := ask("192.0.2.9:1", 201); got != 303 {
		t.Errorf("an hour later: %d", got)
	}
}
