package torture

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// A state is all there is to know of a session, in the words of its specification: see [session.Sessions.Refresh].
type state struct {
	now    int64  // milliseconds, on the clock that everybody shares
	number int64  // of the refresh token that is good
	prev   int64  // of the one that was traded for it
	at     int64  // when it was made
	over   string // the outcome of every use; empty: it lives
	all    bool   // it is over with all others, and its own row does not say so yet
	count  int64  // what the server keeps for it
}

// written is the outcome of the first half of a refresh that has two: its write was done, the answer of the store was
// lost, and before the refresh looked again somebody else ended the session. The write counts, at one moment, and the
// refresh is refused, at a later one. Nothing else takes effect at a moment at which it does not get its result.
const written = "written"

// halves returns the first half of such a refresh.
func (d done) halves() (first done, two bool) {
	if !d.Lost || d.Step.Do != "refresh" || d.Outcome != "reuse" && d.Outcome != "ended" {
		return done{}, false
	}
	return done{Step: d.Step, Outcome: written, Number: -1, Call: d.Call, Return: d.Return}, true
}

// passed is the input of the one operation that is not of sessions: time goes on, while nobody does anything.
type passed struct{ ms int64 }

// sequential is what a session does when one thing happens after another. A history of things that happened at the same
// time is right if some order of them, that fits to when they began and ended, is one of these.
var sequential = (&porcupine.NondeterministicModel{
	Init: func() []any { return []any{state{prev: -1}} },
	Step: func(s, in, out any) []any {
		before := s.(state)
		if p, ok := in.(passed); ok {
			before.now += p.ms
			return []any{before}
		}
		d := out.(done)
		after, want, n := before.take(in.(step))
		if d.Outcome == written {
			return []any{before, after}
		}
		caught, copied := before.catch(in.(step))
		switch {
		case copied && d.Outcome == "unavailable":
			return []any{before, caught}
		case copied && d.Outcome == "reuse":
			return []any{caught}
		case d.Outcome == "unavailable": // it may have happened or not
			return []any{before, after}
		case d.Outcome != want, want == "ok" && n >= 0 && d.Number != n:
			return nil
		}
		return []any{after}
	},
	DescribeOperation: func(in, out any) string {
		s, ok := in.(step)
		if !ok {
			return fmt.Sprint(in.(passed).ms, " ms pass")
		}
		d := out.(done)
		return fmt.Sprintf("%s %d: %s %d", s.Do, s.Number, d.Outcome, d.Number)
	},
	DescribeState: func(s any) string { return fmt.Sprintf("%+v", s) },
}).ToModel()

// take returns what is left after a step, how it ends, and the number it brings (-1: none).
func (s state) take(do step) (after state, outcome string, n int64) {
	n = -1
	if s.over != "" {
		switch do.Do {
		case "revoke": // no error, although there is nothing to end
			s.all = false
			return s, "ok", n
		case "revoke all", "move head":
			return s, "ok", n
		}
		return s, s.over, n
	}
	switch do.Do {
	case "revoke", "revoke all", "move head":
		s.over, s.all = "ended", do.Do != "revoke"
	case "check", "revoke others":
	case "count":
		s.count++
		n = s.count
	case "refresh":
		age := s.now - s.at
		switch {
		case do.Number == s.number && age <= refreshGrace.Milliseconds(), do.Number == s.prev && age <= (refreshGrace+clockSkew).Milliseconds():
			n = s.number
		case do.Number == s.number, do.Number == s.prev: // the present one; or the one before it, whose answer was lost
			s.number, s.prev, s.at = s.number+1, do.Number, s.now
			n = s.number
		default:
			s.over = "reuse"
			return s, "reuse", n
		}
	}
	return s, "ok", n
}

// catch is the one thing in which a session that is over may change: somebody uses a copy at the moment at which all
// sessions of the person are ended. The request that finds the copy looks before that and writes after it, so that the
// session, which was over, is over because of the copy from then on.
func (s state) catch(do step) (after state, copied bool) {
	if !s.all || do.Do != "refresh" {
		return s, false
	}
	alive := s
	alive.over, alive.all = "", false
	after, outcome, _ := alive.take(do)
	return after, outcome == "reuse"
}
