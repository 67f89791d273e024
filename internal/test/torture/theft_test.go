package torture

import (
	"fmt"
	"testing"
	"time"
)

// TestS5_EveryReplayEndsTheFamily: a token older than the last but one ends the session, by the first who uses it and
// in whichever process. The last but one, after its time, is traded once more; then the last one ends the session. All
// tokens that ever were of the session are dead then, and no other session of the person is touched.
func TestS5_EveryReplayEndsTheFamily(t *testing.T) {
	const length = 5
	type theft struct {
		stolen int           // generation of the copy
		used   int           // generation that was the latest when the copy came
		later  time.Duration // than the latest was made
	}
	var thefts []theft
	for used := 1; used < length; used++ {
		for stolen := range used {
			if stolen < used-1 { // at once, within the grace
				thefts = append(thefts, theft{stolen, used, 0}, theft{stolen, used, 29 * time.Second})
			}
			thefts = append(thefts, theft{stolen, used, 91 * time.Second}, theft{stolen, used, 6 * 24 * time.Hour})
		}
	}
	each(t, func(t *testing.T, b backend, at *place) {
		p := startPair(t, at)
		families := 0
		for range size(t, max(1, 5/b.slow)) {
			for i, th := range thefts {
				families++
				now := time.Now()
				made := p.either(now, order{Do: "create", Subject: fmt.Sprint("owner", i), Copies: 2}).Results
				chain, other := []string{made[0].Refresh}, made[1].Refresh
				for len(chain) <= th.used {
					now = now.Add(time.Minute)
					r := p.either(now, order{Do: "refresh", Tokens: chain[len(chain)-1:]}).Results[0]
					if r.Outcome != "ok" || number(r.Refresh) != int64(len(chain)) {
						t.Fatalf("the owner's refresh: %q, generation %d", r.Outcome, number(r.Refresh))
					}
					chain = append(chain, r.Refresh)
				}
				replay := chain[th.stolen]
				if th.stolen == th.used-1 {
					a := p.either(now.Add(th.later), order{Do: "refresh", Tokens: []string{replay}})
					if r := a.Results[0]; r.Outcome != "ok" || number(r.Refresh) != int64(th.used+1) || a.Events["lost answer"] != 1 {
						t.Fatalf("%+v: %q, events %v", th, r.Outcome, a.Events)
					}
					chain, replay = append(chain, a.Results[0].Refresh), chain[th.used]
				}
				a := p.either(now.Add(th.later), order{Do: "refresh", Tokens: []string{replay}})
				if a.Results[0].Outcome != "reuse" || a.Events["session ended reuse"] != 1 || a.Results[0].Refresh != "" {
					t.Fatalf("%+v: %q, events %v", th, a.Results[0].Outcome, a.Events)
				}
				for _, c := range []*child{p.first, p.second} {
					for _, r := range c.ask(order{Do: "refresh", Tokens: chain, Now: now.Add(th.later).UnixMilli()}).Results {
						if r.Outcome != "reuse" || r.Refresh != "" || r.Access != "" {
							t.Fatalf("%+v: a branch lives: %q", th, r.Outcome)
						}
					}
				}
				if r := p.either(now.Add(th.later), order{Do: "refresh", Tokens: []string{other}}).Results[0]; r.Outcome != "ok" {
					t.Fatalf("%+v: the other session of the person: %q", th, r.Outcome)
				}
			}
		}
		t.Logf("%d families, %d ways to steal", families, len(thefts))
	})
}
