package torture

import (
	"bytes"
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/store"
)

// A paper is a diary in this process.
type paper struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *paper) write(line string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text.WriteString(line)
	return nil
}

// TestT4_ServerKilled kills the database under a program that signs people in and out, and starts it again on its data.
// What was acknowledged is there, and nothing that was ended is back. What was not answered may be either way.
func TestT4_ServerKilled(t *testing.T) {
	for _, b := range backends {
		if b.name != "Postgres" && b.name != "Redis" { // SQLite has no server, and moto keeps nothing
			continue
		}
		t.Run(b.name, func(t *testing.T) {
			at := b.start(t)
			r, kills, began, mishaps := newRegister(), size(t, 8), time.Now(), 0
			for range kills {
				mishaps += workUntilServerDies(t, at, r)
				if err := at.start(); err != nil {
					t.Fatal(err)
				}
				connected(t, at, func(st store.Store) { r.verify(t, st, false) })
			}
			var live, over int
			connected(t, at, func(st store.Store) { live, over = r.verify(t, st, true) })
			t.Logf("%d kills of the server in %v: of %d acknowledgements about %d sessions none lost, %d live and %d are over, %d calls without an answer; %s",
				kills, time.Since(began).Round(time.Millisecond), r.acks, len(r.lives), live, over, mishaps, bound(kills))
			if live == 0 || over == 0 || mishaps == 0 {
				t.Error("the work was too little to show anything")
			}
		})
	}
}

// connected calls f with a new connection: clients remember for a second or so that nobody answered.
func connected(t *testing.T, at *place, f func(store.Store)) {
	t.Helper()
	now := time.Now()
	st, closeAll, err := open(at.spec, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	f(st)
	if err := closeAll(); err != nil {
		t.Error(err)
	}
}

func workUntilServerDies(t *testing.T, at *place, r *register) (mishaps int) {
	t.Helper()
	base := time.Now()
	st, closeAll, err := open(at.spec, func() time.Time { return base })
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var p paper
	var mu sync.Mutex
	dead := make(chan struct{}, 2*workers)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			err := work(ctx, st, base, p.write, func(err error) {
				mu.Lock()
				defer mu.Unlock()
				mishaps++
				if outcome(err) != "unavailable" {
					t.Errorf("while the server dies: %v", err)
				}
				select {
				case dead <- struct{}{}:
				default:
				}
			})
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		})
	}
	<-time.After(10*time.Millisecond + rand.N(60*time.Millisecond))
	if err := at.kill(); err != nil {
		t.Error(err)
	}
	<-dead // somebody noticed
	stop()
	wg.Wait()
	for line := range strings.SplitAfterSeq(p.text.String(), "\n") {
		r.enter(t, line)
	}
	return mishaps
}
