package torture

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
)

const checkStore = session.CheckStore

// What sessions promise of the time after a rotation: see [session.Sessions.Refresh].
const (
	refreshGrace = 30 * time.Second
	clockSkew    = time.Minute
)

// A pair is two processes on one store, and how far the clock of the second is from that of the first.
type pair struct {
	first, second *child
	apart         time.Duration
}

func startPair(t *testing.T, at *place) *pair {
	p := &pair{first: startOffice(t, at.spec), second: startOffice(t, at.spec)}
	p.both(time.Now(), order{Do: "check"}) // both are up: tables made, connections to come
	return p
}

// both has both do the same at the same time.
func (p *pair) both(now time.Time, o order) (a, b account) {
	o.Start = soon()
	o.Now = now.UnixMilli()
	p.first.send(o)
	o.Now = now.Add(p.apart).UnixMilli()
	p.second.send(o)
	return p.first.account(), p.second.account()
}

// either has one of them do it.
func (p *pair) either(now time.Time, o order) account {
	c := p.first
	if rand.N(2) == 0 {
		c, now = p.second, now.Add(p.apart)
	}
	o.Now = now.UnixMilli()
	return c.ask(o)
}

const (
	racers      = 50 // refreshes at once in each process
	generations = 10 // of one session, before somebody steals it
)

// TestS6_TwoProcesses lets 100 refreshes of one token race in two processes, round after round. All get the same
// successor, nobody is signed out, and one rotation was written. In the end an old token comes back, and the session is
// over for everybody.
func TestS6_TwoProcesses(t *testing.T) {
	each(t, func(t *testing.T, b backend, at *place) {
		p := startPair(t, at)
		rounds := size(t, max(generations+2, 1000/b.slow/raced))
		now, began := time.Now(), time.Now()
		retryable, ended := 0, 0
		var chain []string
		var access string
		for round := range rounds {
			if len(chain) == 0 {
				p.apart = []time.Duration{0, clockSkew, -clockSkew, 7 * time.Second}[rand.N(4)]
				r := p.either(now, order{Do: "create", Subject: fmt.Sprint("racer", round)}).Results[0]
				chain = []string{r.Refresh}
			}
			now = now.Add(2*time.Minute + rand.N(time.Minute))
			one, two := p.both(now, order{Do: "refresh", Tokens: chain[len(chain)-1:], Copies: racers})
			next := ""
			for _, r := range append(one.Results, two.Results...) {
				switch {
				case r.Outcome == "unavailable":
					retryable += r.Times
				case r.Outcome != "ok":
					t.Fatalf("round %d: %d refreshes ended in %q", round, r.Times, r.Outcome)
				case next == "":
					next, access = r.Refresh, r.Access
				case next != r.Refresh:
					t.Fatalf("round %d: two successors, %d and %d", round, number(next), number(r.Refresh))
				}
			}
			if number(next) != int64(len(chain)) {
				t.Fatalf("round %d: generation %d after %d", round, number(next), len(chain)-1)
			}
			if n := one.Events["session refreshed"] + two.Events["session refreshed"]; n != 1 {
				t.Fatalf("round %d: %d rotations", round, n)
			}
			chain = append(chain, next)
			if len(chain) > generations {
				p.replayed(t, now, chain, access)
				chain, ended = nil, ended+1
			}
		}
		t.Logf("%d rounds of %d refreshes in %v: %d to be tried again, %d families ended by a replay",
			rounds, 2*racers, time.Since(began).Round(time.Millisecond), retryable, ended)
	})
}

// replayed uses an old token of a chain, and checks that this was the end of all of it.
func (p *pair) replayed(t *testing.T, now time.Time, chain []string, access string) {
	t.Helper()
	last := len(chain) - 1
	if r := p.either(now, order{Do: "check", Tokens: []string{access}}).Results[0]; r.Outcome != "ok" {
		t.Fatalf("a session that lives: %q", r.Outcome)
	}
	stale := rand.N(last)
	if stale == last-1 { // within the grace it is answered, later it is traded once more; then the present one is a copy
		now = now.Add(refreshGrace + 2*clockSkew + time.Second)
		r := p.either(now, order{Do: "refresh", Tokens: chain[stale : stale+1]}).Results[0]
		if r.Outcome != "ok" || number(r.Refresh) != int64(last+1) {
			t.Fatalf("generation %d of %d, long after: %q, generation %d", stale, last, r.Outcome, number(r.Refresh))
		}
		chain, access, stale = append(chain, r.Refresh), r.Access, last
	}
	if r := p.either(now, order{Do: "refresh", Tokens: chain[stale : stale+1]}).Results[0]; r.Outcome != "reuse" {
		t.Fatalf("generation %d of %d once more: %q", stale, last, r.Outcome)
	}
	for i, c := range []*child{p.first, p.second} {
		at := now.Add(time.Duration(i) * p.apart).UnixMilli()
		for _, r := range c.ask(order{Do: "refresh", Tokens: chain, Now: at}).Results {
			if r.Outcome != "reuse" {
				t.Fatalf("after the end of the family: %q", r.Outcome)
			}
		}
		if r := c.ask(order{Do: "check", Tokens: []string{access}, Now: at}).Results[0]; r.Outcome != "reuse" {
			t.Fatalf("the access token after the end of the family: %q", r.Outcome)
		}
	}
}

// TestS8_LostAnswers uses tokens whose answers were lost once more in the other process: within the grace each gets the
// successor that was made, hours later the one after it. No session ends.
func TestS8_LostAnswers(t *testing.T) {
	const sessions = 100
	each(t, func(t *testing.T, b backend, at *place) {
		p := startPair(t, at)
		now, began := time.Now(), time.Now()
		made := p.first.ask(order{Do: "create", Subject: "unlucky", Copies: sessions, Now: now.UnixMilli()}).Results
		tokens := make([]string, sessions)
		for i, r := range made {
			tokens[i] = r.Refresh
		}
		retries, retryable, again, late := 0, 0, 0, 0
		for round := range size(t, max(2, 10_000/sessions/b.slow/raced)) {
			now = now.Add(2 * time.Minute)
			here, there := p.first, p.second
			if rand.N(2) == 0 {
				here, there = there, here
			}
			lost := here.ask(order{Do: "refresh", Tokens: tokens, Now: now.UnixMilli()})
			later, successor, event := now.Add(rand.N(refreshGrace+clockSkew)), int64(1), "refresh retried"
			if round%2 == 1 {
				later, successor, event = now.Add(refreshGrace+clockSkew+time.Millisecond+rand.N(4*time.Hour)), 2, "lost answer"
				late += sessions
			}
			got := there.ask(order{Do: "refresh", Tokens: tokens, Now: later.UnixMilli()})
			for i := range tokens {
				first, second := lost.Results[i], got.Results[i]
				retries++
				switch {
				case first.Outcome == "unavailable" || second.Outcome == "unavailable":
					retryable++
					continue
				case first.Outcome != "ok" || second.Outcome != "ok":
					t.Fatalf("round %d: %q, and a moment later %q", round, first.Outcome, second.Outcome)
				case (first.Refresh == second.Refresh) != (successor == 1) || number(first.Refresh) != number(tokens[i])+1 || number(second.Refresh) != number(tokens[i])+successor:
					t.Fatalf("round %d: generation %d became %d, and a moment later %d",
						round, number(tokens[i]), number(first.Refresh), number(second.Refresh))
				}
				tokens[i] = second.Refresh
			}
			again += got.Events[event]
			now = later
		}
		if again < retries-retryable {
			t.Errorf("%d retries, but %d events that say so", retries, again)
		}
		t.Logf("%d lost answers (%d of them asked for again after the grace) in %v: 0 false alarms, %d to be tried again",
			retries, late, time.Since(began).Round(time.Millisecond), retryable)
	})
}
