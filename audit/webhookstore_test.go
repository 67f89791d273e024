package audit_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern/audit"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A faultyStore fails the writes that fail chooses, before or after they are applied.
type faultyStore struct {
	store.Store
	fail func(changes []store.Change) (applied, fails bool)
}

func (f *faultyStore) Write(ctx context.Context, changes ...store.Change) error {
	if f.fail != nil {
		if applied, fails := f.fail(changes); fails {
			if applied {
				if err := f.Store.Write(ctx, changes...); err != nil {
					return err
				}
			}
			return errStore
		}
	}
	return f.Store.Write(ctx, changes...)
}

func (f *faultyStore) Unwrap() store.Store { return f.Store }

// TestWebhook_StoreFails: an event that the store does not take is counted and reported; one whose answer was lost is
// queued once.
func TestWebhook_StoreFails(t *testing.T) {
	faulty := &faultyStore{}
	s := newSender(t, func(c *audit.WebhookConfig) { faulty.Store, c.Store = c.Store, faulty })
	faulty.fail = func([]store.Change) (bool, bool) { return false, true }
	s.events(3)
	if st := s.Stats(); st.Lost != 3 || st.Queued != 0 || !strings.Contains(s.log.String(), "store: down") {
		t.Fatalf("%+v %s", st, s.log.String())
	}
	answers := 0
	faulty.fail = func([]store.Change) (bool, bool) { answers++; return true, answers == 1 }
	s.events(1)
	faulty.fail = nil
	if d := s.deliver(); d.Sent != 1 || s.Stats().Queued != 1 {
		t.Fatalf("%+v %+v", d, s.Stats())
	}
	// The receiver took the message, and then the store failed: the message comes again with its id.
	faulty.fail = func(c []store.Change) (bool, bool) { return false, c[0].Op == store.OpDelete }
	s.events(1)
	if _, err := s.Deliver(t.Context()); err == nil {
		t.Error("the failure of the store is hidden")
	}
	faulty.fail = nil
	if d := s.deliver(); d.Sent != 1 {
		t.Errorf("%+v", d)
	}
	all := s.rec.all()
	if len(all) != 3 || all[1].id != all[2].id {
		t.Errorf("got %d messages", len(all))
	}
}

// TestWebhook_ManyProcesses: of many processes that deliver at the same time, one sends each message.
func TestWebhook_ManyProcesses(t *testing.T) {
	const processes, events = 8, 400
	s := newSender(t, nil)
	all := make([]*audit.Webhook, processes)
	for i := range all {
		s.restart()
		all[i] = s.Webhook
	}
	var wg sync.WaitGroup
	for _, w := range all {
		wg.Go(func() {
			for i := range events / processes {
				w.Event(context.Background(), session.Event{Name: "sign-in", Time: start, UserID: fmt.Sprint(i)})
			}
		})
		wg.Go(func() {
			for s.received() < events {
				if _, err := w.Deliver(context.Background()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	ids, numbers := map[string]bool{}, map[int64]bool{}
	for _, d := range s.rec.all() {
		ids[d.id], numbers[d.data.Sequence] = true, true
	}
	if len(s.rec.all()) != events || len(ids) != events || len(numbers) != events || !numbers[1] || !numbers[events] {
		t.Errorf("%d requests, %d ids, %d numbers", len(s.rec.all()), len(ids), len(numbers))
	}
}

func (s *sender) received() int { return len(s.rec.all()) }

// TestWebhook_DeadProcess: the events of a process that died while it delivered wait for the end of its lease.
func TestWebhook_DeadProcess(t *testing.T) {
	faulty := &faultyStore{}
	s := newSender(t, func(c *audit.WebhookConfig) { faulty.Store, c.Store = c.Store, faulty })
	s.events(1)
	var dead atomic.Bool
	s.rec.answer = func(delivery, http.ResponseWriter) { dead.Store(true) } // it dies before it writes what came of it
	faulty.fail = func([]store.Change) (bool, bool) { return false, dead.Load() }
	if _, err := s.Deliver(t.Context()); err == nil {
		t.Fatal("no error")
	}
	faulty.fail = nil
	s.restart()
	if d := s.deliver(); d != (audit.Delivery{}) {
		t.Fatalf("the lease is ignored: %+v", d)
	}
	s.clock.Advance(91 * time.Second)
	if d := s.deliver(); d.Sent != 1 {
		t.Errorf("%+v", d)
	}
}

// TestWebhook_Stopped: a delivery that is stopped counts nothing against the receiver; the next one goes on at once.
func TestWebhook_Stopped(t *testing.T) {
	s := newSender(t, nil)
	s.events(1)
	ctx, stop := context.WithCancel(t.Context())
	s.rec.answer = func(_ delivery, w http.ResponseWriter) { stop(); w.WriteHeader(http.StatusInternalServerError) }
	if d, err := s.Deliver(ctx); err == nil || d.Failed != 0 {
		t.Fatalf("%+v, %v", d, err)
	}
	s.rec.answers(0)
	if d := s.deliver(); d.Sent != 1 {
		t.Errorf("%+v", d)
	}
}

func BenchmarkWebhook(b *testing.B) {
	w, err := audit.NewWebhook(audit.WebhookConfig{
		URL: "https://siem.example.com/", Secrets: []string{secretNew}, Store: &store.Memory{}, MaxQueue: 1 << 40,
	})
	if err != nil {
		b.Fatal(err)
	}
	e := event("u")
	for b.Loop() {
		w.Event(context.Background(), e)
	}
}
