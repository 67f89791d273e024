package torture

import (
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
)

// TestD4_CapOfTwoPrograms: two programs, each with its connections, sign one person in 100 times at once. No sign-in
// fails, and in the end there are as many sessions as MaxSessions allows. All of these live, and every other one ended
// with an event.
func TestD4_CapOfTwoPrograms(t *testing.T) {
	const most = 10
	each(t, func(t *testing.T, b backend, at *place) {
		signIns := 100
		if b.slow > 1 {
			signIns = 30
		}
		c := new(clock)
		c.set(time.Now())
		var programs [2]*office
		var kinds [2]*session.Kind[user]
		for i := range programs {
			st, closeAll, err := open(at.spec, c.now)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := closeAll(); err != nil {
					t.Error(err)
				}
			})
			if programs[i], err = newOffice(st, c); err != nil {
				t.Fatal(err)
			}
			kinds[i] = session.NewKindConfig(programs[i].sessions, session.KindConfig[user]{Name: "capped", MaxSessions: most})
		}
		began := time.Now()
		made := make([]session.Tokens, signIns)
		begin := make(chan struct{})
		var wg sync.WaitGroup
		for i := range made {
			wg.Go(func() {
				<-begin
				var err error
				if made[i], err = kinds[i%2].Create(t.Context(), session.Grant[user]{Subject: "somebody"}); err != nil {
					t.Errorf("sign-in %d: %v", i, err)
				}
			})
		}
		close(begin)
		wg.Wait()
		took := time.Since(began)
		page, err := programs[0].sessions.List(t.Context(), "somebody", session.ListOptions{})
		if err != nil || len(page.Sessions) != most || page.Next != "" {
			t.Errorf("%d sessions are listed, want %d; %v", len(page.Sessions), most, err)
		}
		lives := map[string]bool{}
		for _, i := range page.Sessions {
			lives[i.ID] = true
		}
		for i, tokens := range made {
			_, err := programs[(i+1)%2].sessions.Refresh(t.Context(), tokens.Refresh)
			if want := map[bool]string{true: "ok", false: "ended"}[lives[tokens.SessionID]]; outcome(err) != want {
				t.Errorf("sign-in %d: its session is %q, want %q", i, outcome(err), want)
			}
		}
		events := programs[0].takeEvents()
		for name, n := range programs[1].takeEvents() {
			events[name] += n
		}
		if events["session created"] != signIns || events["session ended too many"] != signIns-most {
			t.Errorf("the events are %v", events)
		}
		t.Logf("%d sign-ins in %v", signIns, took.Round(time.Millisecond))
	})
}
