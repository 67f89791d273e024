package torture

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A fleet is two instances of one program on one store in memory. The clock of the second is ahead of the first's.
type fleet struct {
	clock *clock
	ahead time.Duration
	both  [2]*session.Sessions
	kind  *session.Kind[user]
}

const accessLife = 5 * time.Minute

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{clock: new(clock)}
	f.clock.set(time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC))
	st := &store.Memory{Now: f.clock.now}
	key, err := keys.NewHMAC("h1", bytes.Repeat([]byte{5}, 32)) // the signature is not what is tested
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.both {
		o, err := newOffice(st, f.clock, func(c *session.Config) {
			if c.Keys, err = keys.StaticSigner(key); err != nil {
				t.Fatal(err)
			}
			c.OnEvent = nil
			if i == 1 {
				c.Now = func() time.Time { return f.clock.now().Add(f.ahead) }
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		f.both[i], f.kind = o.sessions, o.user
	}
	return f
}

func (f *fleet) create(t *testing.T) string {
	t.Helper()
	made, err := f.kind.Create(context.Background(), session.Grant[user]{Subject: "somebody"})
	if err != nil {
		t.Fatal(err)
	}
	return made.Refresh
}

// An answer is a refresh token on its way to a browser.
type answer struct {
	arrives time.Duration
	order   int
	refresh string
	expires time.Duration // of the access token that comes with it
}

type answers []answer

func (a answers) Len() int      { return len(a) }
func (a answers) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a answers) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(a[i].arrives, a[j].arrives), cmp.Compare(a[i].order, a[j].order)) < 0
}
func (a *answers) Push(x any) { *a = append(*a, x.(answer)) }
func (a *answers) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// A weather is what happens to answers on their way.
type weather struct {
	name     string
	apart    bool          // the clocks are up to 60 s apart
	lost     float64       // share of the answers
	usual    time.Duration // most answers come within it
	late     float64       // share of the answers that come within a longest of
	longest  time.Duration
	signouts float64 // the share of the browsers that is signed out, as in docs/torture.md
}

// day lets an honest browser live through a day, and reports whether it was signed out, and how often it refreshed. It
// refreshes when its access token has run out, often from several tabs at once, and keeps whatever answer comes last.
func (f *fleet) day(t *testing.T, random *rand.Rand, w weather) (signedOut bool, refreshes int) {
	t.Helper()
	start := f.clock.now()
	if f.ahead = 0; w.apart {
		f.ahead = time.Duration((2*random.Float64() - 1) * float64(clockSkew))
	}
	jar, expires := f.create(t), accessLife
	var way answers
	pauses := []float64{0.01, 0.1, 1, 5, 40, 100, 400, 1000}
	for now := time.Duration(0); now < 24*time.Hour; {
		now += time.Duration(pauses[random.IntN(len(pauses))] * random.Float64() * float64(time.Second))
		f.clock.set(start.Add(now))
		for len(way) > 0 && way[0].arrives <= now {
			a := heap.Pop(&way).(answer)
			jar, expires = a.refresh, max(expires, a.expires)
		}
		if now < expires {
			continue
		}
		for range []int{1, 1, 1, 2, 5}[random.IntN(5)] {
			got, err := f.both[random.IntN(2)].Refresh(context.Background(), jar)
			refreshes++
			if err != nil {
				if outcome(err) != "reuse" {
					t.Fatalf("an honest refresh: %v", err)
				}
				return true, refreshes
			}
			if random.Float64() < w.lost {
				continue
			}
			longest := w.usual
			if random.Float64() < w.late {
				longest = w.longest
			}
			heap.Push(&way, answer{now + time.Duration(random.Float64()*float64(longest)), refreshes, got.Refresh, now + accessLife})
		}
	}
	return false, refreshes
}

// between returns the least and the most browsers of n that may be signed out: the share of docs/torture.md, three
// standard deviations of a sample of n to either side.
func (w weather) between(n int) (least, most float64) {
	mean := w.signouts * float64(n)
	sigma := math.Sqrt(mean * (1 - w.signouts))
	return mean - 3*sigma, mean + 3*sigma
}

// TestS8_HonestBrowsers lets browsers live through a day of lost and late answers. However many answers are lost,
// nobody is signed out by it; nor by answers that are late by less than the grace, less the difference of the clocks.
// What is left is a late answer that overwrites a newer one.
func TestS8_HonestBrowsers(t *testing.T) {
	for i, w := range []weather{
		{"every second answer lost, none late, clocks agree", false, 0.5, 0, 0, 0, 0},
		{"none lost, up to 60 s late, clocks agree", false, 0, time.Minute, 0, 0, 0},
		{"none lost, up to 29 s late, clocks apart", true, 0, 29 * time.Second, 0, 0, 0},
		{"1 % lost, up to 20 s late, clocks agree", false, 0.01, 20 * time.Second, 0, 0, 0.001},
		// None of 1,000. It is the accident of the row above, so the test leaves it the same room.
		{"10 % lost, up to 20 s late, clocks agree", false, 0.1, 20 * time.Second, 0, 0, 0.001},
		{"1 % lost, up to 20 s late, clocks apart", true, 0.01, 20 * time.Second, 0, 0, 0.004},
		{"10 % lost, up to 20 s late, clocks apart", true, 0.1, 20 * time.Second, 0, 0, 0.045},
		{"1 % lost, 1 % of the rest up to 10 min late, clocks apart", true, 0.01, 5 * time.Second, 0.01, 10 * time.Minute, 0.107},
		{"10 % lost, 1 % of the rest up to 10 min late, clocks apart", true, 0.1, 5 * time.Second, 0.01, 10 * time.Minute, 0.129},
		{"1 % lost, all up to 10 min late, clocks apart", true, 0.01, 10 * time.Minute, 0, 0, 1},
	} {
		t.Run(w.name, func(t *testing.T) {
			browsers, out, refreshes := size(t, max(20, 100/raced)), 0, 0
			f := newFleet(t)
			for n := range browsers {
				signedOut, some := f.day(t, rand.New(rand.NewPCG(uint64(i), uint64(n))), w)
				refreshes += some
				if signedOut {
					out++
				}
			}
			if least, most := w.between(browsers); float64(out) < least || float64(out) > most {
				t.Errorf("%d of %d honest browsers were signed out, want %.1f to %.1f", out, browsers, max(0, least), most)
			}
			if refreshes < 20*browsers {
				t.Errorf("%d refreshes of %d browsers: too few to show anything", refreshes, browsers)
			}
			t.Logf("%d browsers, %d refreshes: %d signed out (%.1f %%)", browsers, refreshes, out, 100*float64(out)/float64(browsers))
		})
	}
}

// theft has an hour go by, then somebody copies the refresh token, and uses it about every so often. It returns the
// time from the theft to the end of the session, and how often the thief got an answer.
func (f *fleet) theft(t *testing.T, random *rand.Rand, every time.Duration) (found time.Duration, uses int) {
	t.Helper()
	start := f.clock.now()
	f.ahead = time.Duration((2*random.Float64() - 1) * float64(clockSkew))
	owner, thief := f.create(t), ""
	next, strike := time.Duration(0), time.Duration(-1)
	const stolen = time.Hour
	for {
		now := next
		if strike >= 0 && strike < next {
			now = strike
		}
		if now > 24*24*time.Hour { // the absolute end is near
			t.Fatalf("a thief who comes every %v is not found", every)
		}
		if now > stolen && thief == "" {
			thief, strike = owner, now+time.Duration(random.Float64()*float64(every))
		}
		f.clock.set(start.Add(now))
		mine := now == next
		token := owner
		if !mine {
			token = thief
		}
		got, err := f.both[random.IntN(2)].Refresh(context.Background(), token)
		switch {
		case err != nil && outcome(err) == "reuse" && thief != "":
			for _, token := range []string{owner, thief} {
				if _, err := f.both[0].Refresh(context.Background(), token); outcome(err) != "reuse" {
					t.Fatalf("after the theft was found: %v", err)
				}
			}
			return now - stolen, uses
		case err != nil:
			t.Fatalf("a refresh: %v", err)
		case mine:
			owner = got.Refresh
			next = now + accessLife + time.Duration(random.ExpFloat64()*float64(200*time.Second))
		default:
			thief = got.Refresh
			uses++
			strike = now + time.Duration((0.5+random.Float64())*float64(every))
		}
	}
}

// TestS5_ThievesAreFound: a thief who copies a refresh token and uses it beside its owner is found, and the session
// ends for both.
func TestS5_ThievesAreFound(t *testing.T) {
	for i, every := range []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour} {
		t.Run(every.String(), func(t *testing.T) {
			thefts := size(t, max(20, 100/raced))
			f := newFleet(t)
			var times []time.Duration
			most := 0
			for n := range thefts {
				found, uses := f.theft(t, rand.New(rand.NewPCG(uint64(i), uint64(n))), every)
				times, most = append(times, found), max(most, uses)
			}
			slices.Sort(times)
			t.Logf("%d thefts, all found: after %v (median), %v (99 of 100); the thief got at most %d answers",
				thefts, times[len(times)/2].Round(time.Second), times[len(times)*99/100].Round(time.Second), most)
			if median := times[len(times)/2]; median > 3*every+30*time.Minute {
				t.Errorf("half of the thefts took longer than %v to be found", median)
			}
		})
	}
}
