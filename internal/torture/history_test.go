package torture

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/posternauth/postern/store"
)

// A teller is one of those who live through a history: a process, or an office of this one.
type teller interface {
	tell(order)
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

func (l local) tell(o order) {
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
	rare                int // one in so many steps ends the session
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
			{Do: "revoke", Token: h.id}, {Do: "revoke all"}, refresh(max(0, last-2)),
		}[rand.N(3)]
	case n < 50:
		return refresh(last)
	case n < 53: // too old after a rotation on the same day
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
func (h *tale) live(a, b teller) {
	watch := stopwatch()
	for range days {
		pass := []time.Duration{5 * time.Second, 29 * time.Second, time.Minute, 91 * time.Second, 2 * time.Hour}[rand.N(5)]
		h.now = h.now.Add(pass)
		moment := watch()
		h.history = append(h.history, porcupine.Operation{Input: passed{pass.Milliseconds()}, Call: moment, Return: moment + 1})
		o := order{Now: h.now.UnixMilli(), Subject: h.subject, Faults: h.faults, Start: soon()}
		for _, each := range []teller{a, b} {
			o.Steps = h.plan()
			each.tell(o)
		}
		for i, each := range []teller{a, b} {
			for j, d := range each.results() {
				h.history = append(h.history, porcupine.Operation{
					ClientId: 1 + i*threads + j/perDay, Input: d.Step, Output: d, Call: d.Call, Return: d.Return,
				})
				if d.Outcome == "ok" && d.Step.Do == "refresh" && d.Number == int64(len(h.tokens)) {
					h.tokens = append(h.tokens, d.Refresh)
				}
			}
		}
	}
}

// verdict checks the history of a tale, and says why it is wrong.
func (h *tale) verdict() (bool, string) {
	result, info := porcupine.CheckOperationsVerbose(sequential, h.history, patience)
	if result == porcupine.Ok {
		return true, ""
	}
	text := string(result)
	for _, op := range h.history {
		text += fmt.Sprintf("\n  %d..%d  %s", op.Call-h.history[0].Call, op.Return-h.history[0].Call, sequential.DescribeOperation(op.Input, op.Output))
	}
	if f, err := os.CreateTemp("", "history-*.html"); err == nil {
		if porcupine.Visualize(sequential, info, f) == nil {
			text += "\ndrawn in " + f.Name()
		}
		f.Close()
	}
	return false, text
}

// TestT2_Linearizable_Processes: refreshing, ending, checking and changing one session, from two processes at a time,
// has the same results as if one had been done after the other. With faults, what is answered by 503 may have happened
// or not, and everything else is as exact as without.
func TestT2_Linearizable_Processes(t *testing.T) {
	each(t, func(t *testing.T, b backend, at *place) {
		one, two := startOffice(t, at.spec), startOffice(t, at.spec)
		began := time.Now()
		s := survey{}
		for i := range size(t, max(3, 60/b.slow)) {
			h := &tale{subject: fmt.Sprint("somebody", i), now: time.Now(), rare: 60, faults: i%2 == 1, counts: i%2 == 0}
			made := one.ask(order{Do: "create", Subject: h.subject, Now: h.now.UnixMilli()}).Results[0]
			h.born(made.Refresh, made.Access)
			h.live(one, two)
			if ok, why := h.verdict(); !ok {
				t.Fatalf("history %d: %s", i, why)
			}
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

func (s survey) complete(t *testing.T) {
	t.Helper()
	if s["histories"] < 20 {
		return // too few to have seen all
	}
	for _, what := range []string{"ok", "ended", "reuse", "unavailable", "refresh", "check", "revoke", "revoke all", "revoke others", "count"} {
		if s[what] == 0 {
			t.Errorf("no %q in any history: %v", what, s)
		}
	}
}

// tellLocally makes a history in this process, on one store and with two offices.
func tellLocally(t *testing.T, st store.Store, i int, faults bool) *tale {
	t.Helper()
	h := &tale{subject: fmt.Sprint("somebody", i), now: time.Now(), rare: 60, faults: faults, counts: !faults}
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
	sh.on.Store(faults)
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
			for i := range size(t, 100) {
				h := tellLocally(t, tt.of(new(store.Memory)), i, i%2 == 1)
				if ok, why := h.verdict(); !ok {
					t.Fatalf("history %d: %s", i, why)
				}
				s.add(h)
			}
			s.complete(t)
			t.Log(s)
		})
	}
}

// TestT2_BrokenStoresAreFound: the check of histories finds a store that loses updates, and one that reads old values.
func TestT2_BrokenStoresAreFound(t *testing.T) {
	for name, broken := range map[string]func() store.Store{
		"lost updates": func() store.Store { return forgetful{new(store.Memory)} },
		"stale reads":  func() store.Store { return &lagging{Store: new(store.Memory)} },
	} {
		t.Run(name, func(t *testing.T) {
			for i := range 500 {
				if ok, _ := tellLocally(t, broken(), i, false).verdict(); !ok {
					t.Logf("found in history %d", i)
					return
				}
			}
			t.Error("500 histories of a broken store, and nothing was found")
		})
	}
}
