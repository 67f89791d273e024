package torture

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// A state is all there is to know of a session, in the words of its specification: see [session.Sessions.Refresh].
type state struct {
	now    int64  // milliseconds, on the clock that everybody shares
	number int64  // of the refresh token that is good
	at     int64  // when it was made
	over   string // what whoever asks is told; empty: it lives
	all    bool   // it is over with all others, and its own row does not say so yet
	count  int64  // what the server keeps for it
}

// passed is the input of the one operation that is not of sessions: time goes on, while nobody does anything.
type passed struct{ ms int64 }

// sequential is what a session does when one thing happens after another. A history of things that happened at the same
// time is right if some order of them, that fits to when they began and ended, is one of these.
var sequential = (&porcupine.NondeterministicModel{
	Init: func() []any { return []any{state{}} },
	Step: func(s, in, out any) []any {
		before := s.(state)
		if p, ok := in.(passed); ok {
			before.now += p.ms
			return []any{before}
		}
		d := out.(done)
		after, want, n := before.take(in.(step))
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
		case "revoke all":
			return s, "ok", n
		}
		return s, s.over, n
	}
	switch do.Do {
	case "revoke", "revoke all":
		s.over, s.all = "ended", do.Do == "revoke all"
	case "check", "revoke others":
	case "count":
		s.count++
		n = s.count
	case "refresh":
		age := s.now - s.at
		switch {
		case do.Number == s.number && age > refreshGrace.Milliseconds():
			s.number, s.at = s.number+1, s.now
			n = s.number
		case do.Number == s.number, do.Number == s.number-1 && age <= (refreshGrace+clockSkew).Milliseconds():
			n = s.number
		default:
			s.over = "reuse"
			return s, "reuse", n
		}
	}
	return s, "ok", n
}

// catch is the one thing in which a session that is over may change: somebody uses a copy at the moment at which all
// sessions of the person are ended. Whoever finds the copy looks before that and writes after it, so that the session,
// which was over, is over because of the copy from then on.
func (s state) catch(do step) (after state, copied bool) {
	if !s.all || do.Do != "refresh" {
		return s, false
	}
	alive := s
	alive.over, alive.all = "", false
	after, outcome, _ := alive.take(do)
	return after, outcome == "reuse"
}
