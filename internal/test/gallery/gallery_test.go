package gallery

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/cryptotest"

	"github.com/posternauth/postern/internal/test/testworld"
)

// salt is changed if the passkeys that are made by chance have a key that the virtual device writes wrongly.
const salt = 2

// A shot is an answer of the handler that is a page of the gallery, in one language.
type shot struct {
	scene
	status   int
	header   http.Header
	language string
	body     string
	bodies   map[string]string // by language
}

// in is the same page in another language.
func (s shot) in(language string) shot {
	s.language, s.body = language, s.bodies[language]
	return s
}

// walked are the shots of the walk through all scenes.
var walked struct {
	sync.Mutex
	shots []shot
}

// reached walks to every scene with a browser that asks for English, and draws the page that it finds in the other
// languages too. What is random is the same each time, so that pictures stay as they are. The first test of a process
// walks, the others get the same shots.
func reached(t *testing.T) []shot {
	t.Helper()
	walked.Lock()
	defer walked.Unlock()
	if walked.shots != nil {
		return walked.shots
	}
	var v *world
	t.Run("world", func(t *testing.T) {
		cryptotest.SetGlobalRandom(t, 1)
		v = newWorld(t)
	})
	var all []shot
	for _, s := range scenes() {
		t.Run(s.name(), func(t *testing.T) {
			sum := fnv.New64()
			fmt.Fprint(sum, s.name(), salt)
			cryptotest.SetGlobalRandom(t, sum.Sum64())
			v.Set(testworld.Start)
			v.TB = t
			p := s.walk(v.person(t, languages[0]))
			one := shot{s, p.status, p.header, languages[0], p.body, map[string]string{}}
			for _, language := range languages {
				one.bodies[language] = v.drawn.in(language)
			}
			if one.bodies[languages[0]] != p.body {
				t.Errorf("the page that was drawn last is another one: %s", v.drawn.page.Name)
			}
			all = append(all, one)
		})
	}
	if t.Failed() {
		t.FailNow()
	}
	walked.shots = all
	return all
}

// TestScenes: every scene is reached, and is a page.
func TestScenes(t *testing.T) {
	for _, s := range reached(t) {
		if refused := s.page == "postern.error" || slices.Contains([]string{"wrong", "weak", "failed"}, s.state); refused && s.status < 400 {
			t.Errorf("%s: %d\n%s", s.name(), s.status, s.body)
		}
		if s.header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %d %s", s.name(), s.status, s.header)
		}
		if name := s.header.Get(pageHeader); name != s.page {
			t.Errorf("%s leads to the page %s:\n%s", s.name(), name, s.body)
		}
	}
}
