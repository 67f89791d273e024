package gallery

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/store"
)

// A sweep posts every form of every scene in each way in which it must do nothing.
type sweep struct {
	testing.TB
	v       *world
	fixture *person // has an account with a password and a passkey
	steps   []*step // the pages of the scenes
	trails  [][]step
	all     []filled
	filled  map[string]filled // one of each signature
	asked   int               // requests
	earlier int               // of them at an earlier page
	done    map[string]bool   // signatures
	posted  map[string]int    // requests by scene and path of the form
	faults  []string
}

// A filled is a form that a person has filled in well.
type filled struct {
	form form
	path string
	good url.Values
}

// newSweep walks to the scenes, and remembers their pages and forms.
func newSweep(t testing.TB, only ...string) *sweep {
	t.Helper()
	w := &sweep{TB: t, filled: map[string]filled{}, done: map[string]bool{}, posted: map[string]int{}}
	var kept *tape
	w.v = newWorldOn(t, func(now func() time.Time) store.Store {
		kept = newTape(now)
		return kept
	})
	w.v.tape = kept
	w.fixture = w.v.person(t, "en").withPasskey("fixture@example.com")
	for _, sc := range scenes() {
		if len(only) > 0 && !slices.Contains(only, sc.name()) {
			continue
		}
		w.v.Set(testworld.Start)
		p := sc.walk(w.v.person(t, "en"))
		for i := range p.trail {
			p.trail[i].scene = sc.name()
		}
		s := &p.trail[len(p.trail)-1]
		w.steps, w.trails = append(w.steps, s), append(w.trails, p.trail)
		w.v.Set(s.now.Add(time.Minute)) // a code of an app is not good twice
		for _, f := range s.forms {
			one := filled{f, s.path(f), s.post(f, w.fixture, len(w.all))}
			w.all, w.filled[s.signature(f)] = append(w.all, one), one
		}
	}
	return w
}

// good fills in a form of a step.
func (w *sweep) good(s *step, f form) url.Values { return s.post(f, w.fixture, len(w.all)) }

func (w *sweep) fault(s *step, f form, p probe, text string) {
	w.faults = append(w.faults, fmt.Sprintf("%s, form %s, %s: %s", s.scene, s.path(f), p.name, text))
}

// run sweeps everything. The last scene comes first where it goes back in time.
func (w *sweep) run() {
	for i, s := range w.steps {
		for _, f := range s.forms {
			w.v.Set(s.now.Add(time.Minute))
			if f.get {
				w.search(s, f)
			} else {
				w.form(s, f)
			}
		}
		w.v.Set(s.now.Add(time.Minute))
		w.back(s, w.trails[i][:len(w.trails[i])-1])
	}
	seen := map[string]bool{}
	for _, trail := range slices.Backward(w.trails) {
		for i := len(trail) - 2; i >= 0; i-- {
			before, s := &trail[i], &trail[i+1]
			if pair := before.page + " " + s.page + " " + s.at.Path; before.page != s.page && !seen[pair] {
				seen[pair] = true
				w.early(trail[:i+1], s)
			}
		}
	}
}

// TestM14_EveryForm: no form of any page does anything if it is posted empty, with the fields of another step, altered,
// in another browser, too early, twice, after Back, after a sign-out, or in a way in which no browser posts it. What is
// posted comes from the forms of the pages, so a new page is swept as soon as it is a scene.
func TestM14_EveryForm(t *testing.T) {
	w := newSweep(t)
	w.run()
	for _, fault := range w.faults {
		t.Error(fault)
	}
	for _, s := range w.steps {
		if n := strings.Count(s.body, "<form"); n != len(s.forms) {
			t.Errorf("%s has %d forms, %d were found", s.scene, n, len(s.forms))
		}
		for _, f := range s.forms {
			if n := w.posted[s.scene+" "+s.path(f)]; n < 4 {
				t.Errorf("the form %s of %s was posted %d times", s.path(f), s.scene, n)
			}
		}
	}
	t.Logf("%d forms of %d kinds, %d requests, %d of them too early", len(w.all), len(w.filled), w.asked, w.earlier)
	if len(w.filled) < 80 || w.asked < 10_000 || w.earlier < 60 {
		t.Error("the sweep does not reach what it has reached before")
	}
}
