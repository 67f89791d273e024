package torture

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posternauth/postern/session"
)

// A step is one thing that happens to the one session of a history.
type step struct {
	Do     string // "refresh", "revoke", "revoke all", "revoke others", "move head", "check", "count"
	Number int64  `json:",omitempty"` // of the refresh token
	Token  string `json:",omitempty"` // refresh or access token, or session id
}

// A done is a step with what came of it.
type done struct {
	Step    step
	Outcome string // as of outcome
	Number  int64  // of the refresh token that came back, or the count
	Refresh string
	Call    int64
	Return  int64
	Lost    bool // the store did a write of the step and its answer was lost
}

// stopwatch measures moments that compare across the processes of a machine: monotonic, and from the same start. The
// middle of many readings, since a process may be put aside between the two clocks of one.
var stopwatch = sync.OnceValue(func() func() int64 {
	start := time.Now()
	offsets := make([]int64, 201)
	for i := range offsets {
		t := time.Now()
		offsets[i] = t.UnixNano() - int64(t.Sub(start))
	}
	slices.Sort(offsets)
	zero := offsets[len(offsets)/2]
	return func() int64 { return zero + int64(time.Since(start)) }
})

// live takes the steps of each goroutine one after the other, all goroutines at once.
func (o *office) live(do order) []done {
	watch := stopwatch()
	all := make([][]done, len(do.Steps))
	var wg sync.WaitGroup
	for i, steps := range do.Steps {
		wg.Go(func() {
			<-time.After(time.Until(time.Unix(0, do.Start)))
			for _, s := range steps {
				d := done{Step: s, Call: watch()}
				o.take(s, do.Subject, &d)
				d.Return = watch()
				all[i] = append(all[i], d)
				if rand.N(3) == 0 {
					<-time.After(rand.N(2 * time.Millisecond))
				}
			}
		})
	}
	wg.Wait()
	return slices.Concat(all...)
}

func (o *office) take(s step, subject string, d *done) {
	lost := new(atomic.Bool)
	defer func() { d.Lost = lost.Load() }()
	ctx := context.WithValue(context.Background(), lostAnswer{}, lost)
	var err error
	switch s.Do {
	case "refresh":
		var t session.Tokens
		t, err = o.sessions.Refresh(ctx, s.Token)
		d.Refresh, d.Number = t.Refresh, number(t.Refresh)
	case "check":
		_, err = o.user.Verify(ctx, s.Token, checkStore)
	case "revoke":
		err = o.sessions.Revoke(ctx, s.Token)
	case "revoke all":
		err = o.sessions.RevokeSubject(ctx, subject)
	case "move head":
		err = o.moveHead(ctx, subject)
	case "revoke others":
		err = o.sessions.RevokeOthers(ctx, s.Token)
	case "count":
		err = o.sessions.EditData(ctx, s.Token, func(old json.RawMessage) (json.RawMessage, error) {
			d.Number = 0
			if len(old) > 0 {
				if err := json.Unmarshal(old, &d.Number); err != nil {
					return nil, err
				}
			}
			d.Number++
			return strconv.AppendInt(nil, d.Number, 10), nil
		})
	}
	d.Outcome = outcome(err)
}
