package torture

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/posternauth/postern/store"
)

// A sender is one of those who live through a history: a process, or an office of this one.
type sender interface {
	send(order)
	results() []done
}

func (c *child) results() (all []done) {
	c.t.Helper()
	c.hear(&all)
	return all
}

// local is an office of this process.
type local struct {
	*office
	all chan []done
}

func (l local) send(o order) {
	l.ms.Store(o.Now)
	go func() { l.all <- l.live(o) }()
}

func (l local) results() []done { return <-l.all }

const (
	days     = 6 // of a history, between which time passes
	threads  = 3 // of each process
	perDay   = 2 // steps of a thread
	patience = 30 * time.Second
)

// A tale is a history being made: of one session, from its birth to its end or to the end of the days.
type tale struct {
	subject, id, access string
	tokens              []string // by number
	now                 time.Time
	history             []porcupine.Operation
	counts, faults      bool
	close               bool // most steps write the row that the others write
	rare                int  // one in so many steps ends the session
}

// plan makes the steps of one process for a day.
func (h *tale) plan() [][]step {
	all := make([][]step, threads)
	for i := range all {
		for range perDay {
			all[i] = append(all[i], h.step())
		}
	}
	return all
}

func (h *tale) step() step {
	last := len(h.tokens) - 1
	refresh := func(n int) step { return step{Do: "refresh", Number: int64(n), Token: h.tokens[n]} }
	switch n := rand.N(100); {
	case rand.N(h.rare) == 0:
		return []step{
			{Do: "revoke", Token: h.id}, {Do: "revoke all"}, {Do: "move head"}, refresh(max(0, last-2)),
		}[rand.N(4)]
	case h.close && n < 50:
		return step{Do: "count", Token: h.id}
	case n < 50, h.close && n < 80:
		return refresh(last)
	case n < 53: // the one before: retried, lost, or too old after a rotation on the same day
		return refresh(max(0, last-1))
	case n < 80:
		return step{Do: "check", Token: h.access}
	case n < 90 && h.counts:
		return step{Do: "count", Token: h.id}
	default:
		return step{Do: "revoke others", Token: h.id}
	}
}

// live lets the days go by.
func (h *tale) live(a, b sender) {
	watch := stopwatch()
	for range days {
		pass := []time.Duration{5 * time.Second, 29 * time.Second, time.Minute, 91 * time.Second, 2 * time.Hour}[rand.N(5)]
		h.now = h.now.Add(pass)
		moment := watch()
		h.history = append(h.history, porcupine.Operation{Input: passed{pass.Milliseconds()}, Call: moment, Return: moment + 1})
		o := order{Now: h.now.UnixMilli(), Subject: h.subject, Faults: h.faults, Start: soon()}
		for _, each := range []sender{a, b} {
			o.Steps = h.plan()
			each.send(o)
		}
		for i, each := range []sender{a, b} {
			for j, d := range each.results() {
				h.record(1+i*threads+j/perDay, d)
				if d.Outcome == "ok" && d.Step.Do == "refresh" && d.Number == int64(len(h.tokens)) {
					h.tokens = append(h.tokens, d.Refresh)
				}
			}
		}
	}
}

// record adds what a client did to the history.
func (h *tale) record(client int, d done) {
	if first, two := d.halves(); two {
		h.record(client+2*threads, first)
	}
	h.history = append(h.history, porcupine.Operation{ClientId: client, Input: d.Step, Output: d, Call: d.Call, Return: d.Return})
}

// verdict checks the history of a tale.
func (h *tale) verdict() (porcupine.CheckResult, porcupine.LinearizationInfo) {
	return porcupine.CheckOperationsVerbose(sequential, h.history, patience)
}

// mustBeRight fails the test unless the history is linearizable. The failure has the whole history, and the name of a
// file in which it is drawn: it may take thousands of histories to see it again.
func (h *tale) mustBeRight(t *testing.T, number int) {
	t.Helper()
	result, info := h.verdict()
	if result == porcupine.Ok {
		return
	}
	word := "is not linearizable"
	if result == porcupine.Unknown {
		word = fmt.Sprint("was not decided within ", patience, ", so that nothing is known of it")
	}
	t.Fatalf("history %d %s%s\n%s", number, word, h.text(), draw(info))
}

// text is the history in the order in which its operations began, in microseconds.
func (h *tale) text() string {
	ops := slices.SortedStableFunc(slices.Values(h.history), func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	var b strings.Builder
	for _, op := range ops {
		fmt.Fprintf(&b, "\n  client %2d  %9d..%9d  %s", op.ClientId, (op.Call-ops[0].Call)/1000, (op.Return-ops[0].Call)/1000,
			sequential.DescribeOperation(op.Input, op.Output))
		if d, ok := op.Output.(done); ok && d.Lost {
			b.WriteString(" (the answer of a write was lost)")
		}
	}
	return b.String()
}

// draw draws a history into a file that stays after the test.
func draw(info porcupine.LinearizationInfo) string {
	f, err := os.CreateTemp("", "postern-history-*.html")
	if err == nil {
		err = errors.Join(porcupine.Visualize(sequential, info, f), f.Close())
	}
	if err != nil {
		return "not drawn: " + err.Error()
	}
	return "drawn in " + f.Name()
}

// TestT2_Linearizable_Processes: refreshing, ending, checking and changing one session, from two processes at a time,
// has the same results as if one had been done after the other. With faults, what is answered by 503 may have happened
// or not, and everything else is as exact as without.
func TestT2_Linearizable_Processes(t *testing.T) {
	each(t, func(t *testing.T, b backend, at *place) {
		one, two := startOffice(t, at.spec), startOffice(t, at.spec)
		began := time.Now()
		s := survey{}
		for i := 0; s.more(i, size(t, max(3, 60/b.slow))); i++ {
			h := &tale{subject: fmt.Sprint("somebody", i), now: time.Now(), rare: 60, faults: i%2 == 1, counts: i%2 == 0}
			made := one.ask(order{Do: "create", Subject: h.subject, Now: h.now.UnixMilli()}).Results[0]
			h.born(made.Refresh, made.Access)
			h.live(one, two)
			h.mustBeRight(t, i)
			s.add(h)
		}
		s.complete(t)
		t.Logf("%v in %v", s, time.Since(began).Round(time.Millisecond))
	})
}

func (h *tale) born(refresh, access string) {
	h.tokens, h.access = []string{refresh}, access
	h.id = idOf(refresh)
}

// idOf is the session id of a refresh token.
func idOf(refresh string) string {
	t := splitTicket(refresh)
	return t[2] + "." + t[3]
}

// A survey counts what came about, so that a test that has seen nothing does not pass.
type survey map[string]int

func (s survey) add(h *tale) {
	s["histories"]++
	for _, op := range h.history {
		if d, ok := op.Output.(done); ok {
			s[d.Outcome]++
			if d.Outcome == "ok" {
				s[d.Step.Do]++
			}
		}
	}
}

// missing is what every survey must have seen and this one has not.
func (s survey) missing() []string {
	var missing []string
	for _, what := range []string{
		"ok", "refresh", "check", "revoke others", "ended", "reuse", "unavailable", "revoke", "revoke all", "move head", "count",
	} {
		if s[what] == 0 {
			missing = append(missing, what)
		}
	}
	return missing
}

// more reports whether a test that has made i histories goes on: up to n, and beyond that, within bounds, until nothing
// is missing, so that a small sample does not pass for want of rare outcomes.
func (s survey) more(i, n int) bool { return i < n || i < n+100 && len(s.missing()) > 0 }

func (s survey) complete(t *testing.T) {
	t.Helper()
	if missing := s.missing(); len(missing) > 0 {
		t.Errorf("no %q in any history: %v", missing, s)
	}
}

// tellLocally makes a history in this process, on one store and with two offices.
func tellLocally(t *testing.T, st store.Store, i int, h *tale) *tale {
	t.Helper()
	h.subject, h.now, h.counts = fmt.Sprint("somebody", i), time.Now(), !h.faults
	sh := &shaky{Store: st}
	var both [2]local
	for j := range both {
		c := new(clock)
		c.set(h.now)
		o, err := newOffice(sh, c)
		if err != nil {
			t.Fatal(err)
		}
		both[j] = local{o, make(chan []done)}
	}
	made, err := both[0].create(t.Context(), h.subject)
	if err != nil {
		t.Fatal(err)
	}
	h.born(made.Refresh, made.Access)
	sh.on.Store(h.faults)
	h.live(both[0], both[1])
	return h
}

// TestT2_Linearizable_Memory is the same within one process, also on a store whose Get does not see one moment, as
// DynamoDB's of several items does not.
func TestT2_Linearizable_Memory(t *testing.T) {
	for _, tt := range []struct {
		name string
		of   func(*store.Memory) store.Store
	}{
		{"Memory", func(m *store.Memory) store.Store { return m }},
		{"torn reads", func(m *store.Memory) store.Store { return torn{m} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := survey{}
			for i := 0; s.more(i, size(t, 100)); i++ {
				h := tellLocally(t, tt.of(new(store.Memory)), i, &tale{rare: 60, faults: i%2 == 1})
				h.mustBeRight(t, i)
				s.add(h)
			}
			s.complete(t)
			t.Log(s)
		})
	}
}

// TestT2_BrokenStoresAreFound: the check of histories finds a store that loses updates, and one that reads old values,
// within 30 histories: each of them finds the first nearly always, and the second every other time.
func TestT2_BrokenStoresAreFound(t *testing.T) {
	for _, tt := range []struct {
		name   string
		broken func() store.Store
		tale   tale
	}{
		{"lost updates", func() store.Store { return forgetful{new(store.Memory)} }, tale{rare: 60, close: true}},
		{"stale reads", func() store.Store { return &lagging{Store: new(store.Memory)} }, tale{rare: 12}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i := range 30 {
				h := tt.tale
				if result, _ := tellLocally(t, tt.broken(), i, &h).verdict(); result == porcupine.Illegal {
					t.Logf("found in history %d", i+1)
					return
				}
			}
			t.Error("30 histories of a broken store, and nothing was found")
		})
	}
}
