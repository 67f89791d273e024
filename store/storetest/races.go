package storetest

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posternauth/postern/store"
)

var raceTests = []test{
	{"T2_OneCreator", raceCreate},
	{"T2_OneConsumer", raceConsume},
	{"T2_OneOverTheExpired", raceExpired},
	{"T2_NoLostUpdate", raceIncrement},
	{"T2_TransfersKeepTheSum", raceTransfer},
	{"T2_CheckHolds", raceCheck},
	{"T2_CounterIsExact", raceAdd},
	{"T2_AnsweredWritesAreSeen", raceSeen},
}

const racers = 100

// patience is how often a racer reads again after a conflict. Every conflict is another racer's success, or an engine's
// caution, so in a right store it ends far earlier.
const patience = 20 * racers

var errPatience = fmt.Errorf("%d conflicts in a row", patience)

// race runs f in 100 goroutines that start together, and returns how many got nil. Every other answer must be
// ErrConflict.
func (t *suite) race(f func(n int) error) int {
	t.Helper()
	var won atomic.Int64
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for n := range racers {
		wg.Go(func() {
			<-gate
			switch err := f(n); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, store.ErrConflict):
				t.Errorf("racer %d: %v, want nil or ErrConflict", n, err)
			}
		})
	}
	close(gate)
	wg.Wait()
	return int(won.Load())
}

func raceCreate(t *suite) {
	for round := range 5 {
		k := t.key("p", fmt.Sprint(round))
		var winner atomic.Int64
		if won := t.race(func(n int) error {
			err := t.s.Write(t.Context(), store.Put(store.Item{Key: k, Value: fmt.Append(nil, n)}))
			if err == nil {
				winner.Store(int64(n))
			}
			return err
		}); won != 1 {
			t.Fatalf("%d of %d racers created one item, want 1", won, racers)
		}
		t.want(k, fmt.Sprint(winner.Load()))
	}
}

// raceConsume is how a code, a link or a refresh is spent: the write that uses it up creates what it buys.
func raceConsume(t *suite) {
	for round := range 5 {
		code := t.create(t.together("code", fmt.Sprint(round)), "unused")
		if won := t.race(func(n int) error {
			use := code
			use.Value = []byte("used")
			return t.s.Write(t.Context(), store.Put(use), store.Put(store.Item{Key: t.together(fmt.Sprint("bought", round), fmt.Sprint(n))}))
		}); won != 1 {
			t.Fatalf("%d of %d racers spent one code, want 1", won, racers)
		}
		bought := 0
		for n := range racers {
			bought += len(t.get(t.together(fmt.Sprint("bought", round), fmt.Sprint(n))))
		}
		if bought != 1 {
			t.Fatalf("one code bought %d sessions", bought)
		}
		used := t.want(code.Key, "used")
		if won := t.race(func(int) error { return t.s.Write(t.Context(), store.Delete(used.Key, used.Version)) }); won != 1 {
			t.Fatalf("%d of %d racers deleted one item, want 1", won, racers)
		}
	}
}

func raceExpired(t *suite) {
	for round := range 3 {
		k := t.key("p", fmt.Sprint(round))
		t.createUntil(k, "old", t.clock.Now().Add(time.Minute))
		t.clock.Advance(time.Minute)
		if won := t.race(func(n int) error {
			return t.s.Write(t.Context(), store.Put(store.Item{Key: k, Value: fmt.Append(nil, n)}))
		}); won != 1 {
			t.Fatalf("%d of %d racers took the place of one expired item, want 1", won, racers)
		}
	}
}

func (t *suite) number(k store.Key) (store.Item, int, error) {
	items, err := t.s.Get(t.Context(), k)
	if err != nil {
		return store.Item{}, 0, err
	}
	if len(items) == 0 {
		return store.Item{Key: k}, 0, nil
	}
	n, err := strconv.Atoi(string(items[0].Value))
	return items[0], n, err
}

func raceIncrement(t *suite) {
	k := t.key("p", "n")
	won := t.race(func(int) error {
		for range patience {
			it, n, err := t.number(k)
			if err != nil {
				return err
			}
			it.Value = strconv.AppendInt(nil, int64(n+1), 10)
			if err := t.s.Write(t.Context(), store.Put(it)); !errors.Is(err, store.ErrConflict) {
				return err
			}
		}
		return errPatience
	})
	if _, n, err := t.number(k); err != nil || n != racers || won != racers {
		t.Fatalf("%d racers added one each, %d got no error: the sum is %d, %v", racers, won, n, err)
	}
}

// raceTransfer moves amounts between two items of different parts in both directions.
func raceTransfer(t *suite) {
	accounts := []store.Key{t.together("left", "account"), t.together("right", "account")}
	t.create(accounts[0], "1000")
	t.create(accounts[1], "1000")
	t.race(func(racer int) error {
		from, to := accounts[racer%2], accounts[1-racer%2]
		for range patience {
			a, n, err := t.number(from)
			if err != nil {
				return err
			}
			b, m, err := t.number(to)
			if err != nil {
				return err
			}
			a.Value, b.Value = strconv.AppendInt(nil, int64(n-racer), 10), strconv.AppendInt(nil, int64(m+racer), 10)
			if err := t.s.Write(t.Context(), store.Put(a), store.Put(b)); !errors.Is(err, store.ErrConflict) {
				return err
			}
		}
		return errPatience
	})
	// Odd racers moved 1+3+...+99 = 2500 to the left, even ones 0+2+...+98 = 2450 to the right.
	t.want(accounts[0], "1050")
	t.want(accounts[1], "950")
}

// raceCheck creates sessions under an epoch while the epoch is raised: none may be born after it was.
func raceCheck(t *suite) {
	for round := range 5 {
		epoch := t.create(t.together("epoch", fmt.Sprint(round)), "0")
		var raised atomic.Bool
		t.race(func(n int) error {
			if n == racers/2 {
				err := t.s.Write(t.Context(), store.Put(epoch))
				raised.Store(err == nil)
				return err
			}
			late := raised.Load()
			err := t.s.Write(t.Context(), store.Check(epoch.Key, epoch.Version), store.Put(store.Item{Key: t.together("session", fmt.Sprint(round, "-", n))}))
			if late && err == nil {
				t.Errorf("racer %d was let through by a Check that started after the item had changed", n)
			}
			return err
		})
		if !raised.Load() {
			t.Fatal("the one Put on the item did not succeed: a Check by others is no change")
		}
		t.conflict("a Check after the race", store.Check(epoch.Key, epoch.Version))
	}
}

func raceAdd(t *suite) {
	k := t.key("p", "n")
	var seen sync.Map
	expires := t.clock.Now().Add(time.Hour)
	t.race(func(n int) error {
		for range 3 {
			sum, err := t.s.Add(t.Context(), k, 2, expires)
			if err != nil {
				return err
			}
			if _, twice := seen.LoadOrStore(sum, n); twice {
				t.Errorf("two racers got the sum %d", sum)
			}
		}
		return nil
	})
	t.add(k, 0, time.Time{}, racers*3*2)
}

// raceSeen reads while one writer writes: what was answered before the read began must be seen.
func raceSeen(t *suite) {
	const readers = 4
	a, b := t.together("left", "a"), t.together("right", "b")
	itemA, itemB := t.create(a, "0"), t.create(b, "0")
	var answered, reads atomic.Int64
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range readers {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				floor := int(answered.Load())
				items, err := t.s.Get(t.Context(), a, b)
				if err != nil || len(items) != 2 {
					t.Errorf("Get while another writes: %v, %v", items, err)
					return
				}
				for _, it := range items {
					n, err := strconv.Atoi(string(it.Value))
					if err != nil || n < floor {
						t.Errorf("Get found %q, %v; %d was answered before", it.Value, err, floor)
						return
					}
				}
				reads.Add(1)
				runtime.Gosched() // a machine of one processor would give each reader its whole time slice
			}
		})
	}
	for i := 1; i <= 100 && !t.Failed(); i++ {
		itemA.Value, itemB.Value = strconv.AppendInt(nil, int64(i), 10), strconv.AppendInt(nil, int64(i), 10)
		first, second := store.Put(itemA), store.Put(itemB)
		if err := t.s.Write(t.Context(), first, second); err != nil {
			t.Errorf("Write: %v", err)
			break
		}
		answered.Store(int64(i))
		itemA, itemB = first.Item, second.Item
		// After every other write the writer rests until a read has begun and ended: the reads that were under way are
		// at most one for each reader. After the rest of them it goes on, so that reads meet writes.
		for enough := reads.Load() + readers + 1; i%2 == 0 && reads.Load() < enough && !t.Failed(); {
			runtime.Gosched()
		}
	}
	close(done)
	wg.Wait()
}
