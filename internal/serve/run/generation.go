package run

import (
	"net/http"
	"sync"

	"github.com/posternauth/postern/internal/serve/metrics"
)

// A generation is a house that serves, from its load to the end of its last request.
type generation struct {
	house    House
	plan     Plan
	handler  http.Handler
	routes   *metrics.Routes
	requests sync.WaitGroup
}

// generations hold the one that serves now.
type generations struct {
	mu  sync.RWMutex
	now *generation
}

// enter returns the generation that serves, for one request. The caller calls requests.Done on it once.
func (g *generations) enter() *generation {
	g.mu.RLock()
	defer g.mu.RUnlock()
	g.now.requests.Add(1) // under the lock: nobody waits for a generation that is current
	return g.now
}

// current returns the generation that serves.
func (g *generations) current() *generation {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.now
}

// replace makes next the one that serves and returns the one before.
func (g *generations) replace(next *generation) (old *generation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	old, g.now = g.now, next
	return old
}
