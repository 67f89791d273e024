package keys

import (
	"slices"
	"strings"
	"time"
)

// The ages of a ring. They are constants, not settings: instances with different ones would disagree about the state.
const (
	// activationAge is how old a key is before it signs. By then every instance has reloaded, and every verifier whose
	// cache lives 2 h (API Gateway's does) has fetched it.
	activationAge = 3 * time.Hour
	// retirementMargin is how long a key verifies beyond the death of the last token it can have signed.
	retirementMargin = 2 * time.Hour
	// firstLifetime is the lifetime a new key is ready for without writing the vault again.
	firstLifetime = time.Hour
	// forgetAge is how long a dead key is still listed.
	forgetAge = 30 * 24 * time.Hour
)

// An entry is a key or master secret as the vault keeps it.
type entry struct {
	ID        string        `json:"id"`
	Algorithm Algorithm     `json:"alg,omitempty"` // empty: a master secret
	Created   time.Time     `json:"created"`
	Revoked   time.Time     `json:"revoked,omitzero"`
	Longest   time.Duration `json:"longest"`           // longest life of anything made with it
	Private   []byte        `json:"private,omitempty"` // PKCS #8, or the 32 bytes of a secret; gone once it is dead

	rest rest
}

// A State is what a key of a Ring does now.
type State string

// The states of a key, in the order it goes through them. Pending, signing and passive keys verify and are published.
const (
	StatePending State = "pending" // published, not signing yet
	StateSigning State = "signing"
	StatePassive State = "passive" // a newer key signs
	StateRetired State = "retired" // nothing it signed is alive
	StateRevoked State = "revoked" // by Revoke
)

// status is what plan finds out about one entry.
type status struct {
	State     State
	Activates time.Time // when it began to sign, or will
	Retires   time.Time // when it stops verifying; zero while nothing is there to follow it
}

func (s status) verifies() bool {
	return s.State == StatePending || s.State == StateSigning || s.State == StatePassive
}

// plan is the rule of the ring: the states of all entries at now, which of them signs (-1: none), and the moment the
// first of these answers changes (zero: not by time alone). entries are in the order of sortEntries.
//
// The signer is the newest living entry aged activationAge or more, else the oldest living one. An entry retires
// retirementMargin and its longest lifetime after a newer one took over. It is a function of its arguments only, so all
// who see the same entries agree, up to their clocks: plan replays the history of the ring, so that an entry that
// signs again, because the newer one was revoked, begins to retire anew, and that one already retired stays so.
func plan(entries []entry, now time.Time) (states []status, signer int, until time.Time) {
	states = make([]status, len(entries))
	followed := make([]time.Time, len(entries)) // since when a newer entry signs
	// What other clocks stamped with a time to come has happened already.
	past := func(t time.Time) time.Time {
		if t.After(now) {
			return now
		}
		return t
	}
	moments := make([]time.Time, 0, 3*len(entries)+1)
	for _, e := range entries {
		moments = append(moments, past(e.Created), past(e.Created.Add(activationAge)))
		if !e.Revoked.IsZero() {
			moments = append(moments, past(e.Revoked))
		}
	}
	moments = append(moments, now)
	slices.SortFunc(moments, time.Time.Compare)

	retires := func(i int) time.Time { return followed[i].Add(entries[i].Longest + retirementMargin) }
	for _, t := range moments {
		signer = -1
		for i, e := range entries {
			dead := past(e.Created).After(t) ||
				!e.Revoked.IsZero() && !past(e.Revoked).After(t) ||
				!followed[i].IsZero() && !retires(i).After(t)
			if dead {
				continue
			}
			if signer < 0 || t.Sub(e.Created) >= activationAge {
				signer = i
			}
		}
		if signer < 0 {
			continue
		}
		for i := range signer {
			if followed[i].IsZero() {
				followed[i] = t
			}
		}
		followed[signer] = time.Time{}
		if states[signer].Activates.IsZero() {
			states[signer].Activates = t
		}
	}

	sooner := func(t time.Time) {
		if t.After(now) && (until.IsZero() || t.Before(until)) {
			until = t
		}
	}
	var successor time.Time // activation of the first pending entry after the signer
	for i, e := range entries {
		st := &states[i]
		switch {
		case !e.Revoked.IsZero():
			st.State = StateRevoked
		case i == signer:
			st.State = StateSigning
		case followed[i].IsZero():
			st.State, st.Activates = StatePending, e.Created.Add(activationAge)
			if successor.IsZero() {
				successor = st.Activates
			}
			sooner(st.Activates)
		default:
			st.State, st.Retires = StatePassive, retires(i)
			if !st.Retires.After(now) {
				st.State = StateRetired
			}
			sooner(st.Retires)
		}
	}
	if signer >= 0 && !successor.IsZero() {
		states[signer].Retires = successor.Add(entries[signer].Longest + retirementMargin)
	}
	return states, signer, until
}

// tidy takes the private part out of entries that will never be used again, and forgets the oldest of them. Only from
// the front: what plan says about an entry depends on the newer ones.
func tidy(entries []entry, now time.Time) []entry {
	states, _, _ := plan(entries, now)
	forget := 0
	for i, st := range states {
		if st.verifies() {
			continue
		}
		entries[i].Private = nil
		died := st.Retires
		if st.State == StateRevoked {
			died = entries[i].Revoked
		}
		if forget == i && now.Sub(died) >= forgetAge {
			forget++
		}
	}
	return entries[forget:]
}

func sortEntries(entries []entry) {
	slices.SortFunc(entries, func(a, b entry) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
}
