package session_test

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// TestS5_Reuse: in a chain of four generations each token except the last two ends the whole family when it is replayed
// outside the grace, for good and with one event. The last but one ends it one use later. Other sessions live on.
func TestS5_Reuse(t *testing.T) {
	for replayed := range 4 {
		t.Run(fmt.Sprint("generation ", replayed), func(t *testing.T) {
			k := newKeeper(t)
			other := k.create()
			born := k.create()
			family := []string{born.Refresh}
			access := born.Access
			for range 3 {
				next := k.rotate(family[len(family)-1])
				family, access = append(family, next.Refresh), next.Access
			}
			k.told()
			k.Advance(91 * time.Second)
			got, err := k.refresh(family[replayed])
			if replayed == 2 {
				k.wantTold("lost answer")
				if err != nil {
					t.Fatalf("the last but one: %v", err)
				}
				family = append(family, got.Refresh)
				_, err = k.refresh(family[3]) // the owner, or the thief, who has the one that was skipped
			}
			if replayed == 3 {
				if err != nil {
					t.Fatalf("the good one: %v", err)
				}
				if _, err := k.refresh(family[3]); err != nil {
					t.Fatalf("the good one, just replaced: %v", err)
				}
				k.wantTold("refresh retried")
				return
			}
			if !errors.Is(err, session.ErrReuse) || !errors.Is(err, session.ErrEnded) || session.Reason(err) != "reuse" {
				t.Fatalf("replay: %v", err)
			}
			k.wantTold("session ended: reuse")
			for i, token := range family {
				if _, err := k.refresh(token); !errors.Is(err, session.ErrReuse) {
					t.Errorf("generation %d after the replay: %v", i, err)
				}
			}
			if _, err := k.member.Verify(t.Context(), access, session.CheckStore); !errors.Is(err, session.ErrEnded) {
				t.Errorf("CheckStore after the replay: %v", err)
			}
			k.wantTold()
			if in := must(k.sessions.Find(t.Context(), born.SessionID))(t); in.Ended != "reuse" {
				t.Errorf("found %+v", in)
			}
			k.Advance(6 * day) // the tombstone outlasts the idle end of what it was
			if _, err := k.refresh(family[3]); !errors.Is(err, session.ErrReuse) {
				t.Errorf("days later: %v", err)
			}
			k.Advance(day)
			if _, err := k.refresh(family[3]); !errors.Is(err, session.ErrReuse) {
				t.Errorf("past the idle end: %v", err)
			}
			k.Set(k.Now().Add(-7 * day))
			k.mustRefresh(other.Refresh)
		})
	}
	// Of two who use copies of one token in turn, each gets one answer; the third use ends the session.
	for _, pause := range []time.Duration{91 * time.Second, 5 * time.Minute, day} {
		k := newKeeper(t)
		token := k.create().Refresh
		two := [2]string{token, token}
		uses := 0
		for ; uses < 10; uses++ {
			k.Advance(pause)
			next, err := k.refresh(two[uses%2])
			if errors.Is(err, session.ErrReuse) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			two[uses%2] = next.Refresh
		}
		if uses != 2 {
			t.Errorf("a use every %v: found after %d uses", pause, uses)
		}
		for _, token := range two {
			if _, err := k.refresh(token); !errors.Is(err, session.ErrReuse) {
				t.Errorf("after the theft was found: %v", err)
			}
		}
	}
}

// The end of a session is not lost in what else happens to it: to be ended is decided anew until it is written.
func TestS5_EndIsWritten(t *testing.T) {
	lost := errors.New("connection lost")
	for name, c := range map[string]struct {
		write  func(int, []store.Change) (bool, error)
		want   error
		told   []string
		writes int
	}{
		"one conflict":         {once(false, store.ErrConflict), session.ErrReuse, []string{"session ended: reuse"}, 2},
		"not written once":     {once(false, lost), session.ErrReuse, []string{"session ended: reuse"}, 2},
		"written, answer lost": {fails(true, lost), session.ErrReuse, []string{"session ended: reuse"}, 1},
		// Each of six tries writes the end with the index, and then without it.
		"conflicts without end": {fails(false, store.ErrConflict), session.ErrUnavailable, nil, 12},
		"store away":            {fails(false, lost), session.ErrUnavailable, nil, 12},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t)
			old := k.create().Refresh
			good := k.rotate(k.rotate(old).Refresh).Refresh
			k.Advance(2 * time.Minute)
			k.told()
			k.spy.calm()
			k.spy.onWrite = c.write
			if _, err := k.refresh(old); !errors.Is(err, c.want) || k.spy.writes() != c.writes {
				t.Errorf("%v after %d writes", err, k.spy.writes())
			}
			k.wantTold(c.told...)
			k.spy.calm()
			if c.want == session.ErrReuse {
				if _, err := k.refresh(good); !errors.Is(err, session.ErrReuse) {
					t.Errorf("the good token: %v", err)
				}
				return
			}
			if _, err := k.refresh(old); !errors.Is(err, session.ErrReuse) {
				t.Errorf("the replay, with the store well: %v", err)
			}
			k.wantTold("session ended: reuse")
		})
	}
	// A hundred replays at once: one writes, and emits the event.
	k := newKeeper(t)
	old := k.create().Refresh
	k.rotate(k.rotate(old).Refresh)
	k.Advance(2 * time.Minute)
	k.told()
	var n sync.WaitGroup
	for range 100 {
		n.Go(func() {
			if _, err := k.refresh(old); !errors.Is(err, session.ErrReuse) {
				t.Errorf("replay: %v", err)
			}
		})
	}
	n.Wait()
	k.wantTold("session ended: reuse")
}

// TestS7_OnlyThePredecessor: the grace is for the token before the present one, not for those before it.
func TestS7_OnlyThePredecessor(t *testing.T) {
	k := newKeeper(t)
	first := k.create().Refresh
	second := k.rotate(first).Refresh
	third := k.rotate(second).Refresh // 31 s after the second: the first was good a minute ago
	if got := k.mustRefresh(second); got.Refresh != third {
		t.Error("the predecessor is answered otherwise")
	}
	k.told()
	if _, err := k.refresh(first); !errors.Is(err, session.ErrReuse) {
		t.Errorf("the one before it: %v", err)
	}
	k.wantTold("session ended: reuse")
	if _, err := k.refresh(third); !errors.Is(err, session.ErrReuse) {
		t.Errorf("the last: %v", err)
	}
}

// TestS8_LostAnswers: a client that loses every other answer, and asks again at once or days later, is never taken for
// a thief. Within the grace it gets the same successor, later the next one.
func TestS8_LostAnswers(t *testing.T) {
	rounds := 100_000
	if testing.Short() || raced {
		rounds = 2_000
	}
	if n, err := strconv.Atoi(os.Getenv("POSTERN_TEST_LONG")); err == nil && n > 1 {
		rounds *= n
	}
	k := newKeeper(t, func(c *session.Config) { // the signature is not what is tested
		hmac := must(keys.NewHMAC("h1", []byte(strings.Repeat("h", 32))))(t)
		c.Logger, c.Keys = nil, must(keys.StaticSigner(hmac))(t)
	})
	token, lates := "", 0
	count := func() {
		for _, told := range k.told() {
			switch told {
			case "lost answer":
				lates--
			case "refresh retried":
			default:
				t.Fatalf("event %q", told)
			}
		}
		if lates != 0 {
			t.Fatalf("%d events of a lost answer are missing", lates)
		}
	}
	for i := range rounds {
		if i%50 == 0 { // the absolute end
			count()
			token = k.create().Refresh
		}
		k.Advance(time.Duration(31+i%300) * time.Second)
		lost, err := k.refresh(token)
		if err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		pause := time.Duration(i%91) * time.Second
		late := i%7 == 0
		if late {
			pause = 91*time.Second + time.Duration(i%600)*time.Minute
		}
		k.Advance(pause)
		again, err := k.refresh(token)
		if err != nil || (again.Refresh == lost.Refresh) == late || again.Refresh == token {
			t.Fatalf("round %d: the same token after %v: %v", i, pause, err)
		}
		if late {
			lates++
		}
		token = again.Refresh
	}
	count()
}

// TestS6_Parallel: a hundred refreshes of one token at once, by two instances, end in one chain and alarm nobody; and
// the one chain is the whole of it: its last token is the only one that goes on.
func TestS6_Parallel(t *testing.T) {
	k := newKeeper(t, func(c *session.Config) { c.Logger = nil })
	two := []*keeper{k, k.twin(0, func(c *session.Config) { c.Logger = nil })}
	token := k.create().Refresh
	for round := range 50 {
		k.Advance(2 * time.Minute)
		k.told(true)
		two[1].told(true)
		var mu sync.Mutex
		answers := map[string]int{}
		var start, done sync.WaitGroup
		start.Add(1)
		for i := range 100 {
			done.Go(func() {
				start.Wait()
				got, err := two[i%2].refresh(token)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Errorf("round %d: %v", round, err)
				}
				answers[got.Refresh]++
			})
		}
		start.Done()
		done.Wait()
		if len(answers) != 1 || answers[token] != 0 {
			t.Fatalf("round %d: %d different answers to one token", round, len(answers))
		}
		rotated := 0
		for _, name := range append(k.told(true), two[1].told(true)...) {
			switch name {
			case "session refreshed":
				rotated++
			case "refresh retried":
			default:
				t.Errorf("round %d: event %q", round, name)
			}
		}
		if rotated != 1 {
			t.Errorf("round %d: %d rotations", round, rotated)
		}
		for next := range answers {
			token = next
		}
	}
	if list := k.list(); len(list) != 1 {
		t.Errorf("%d sessions of one sign-in", len(list))
	}
}

// TestS9_EndBeatsRefresh: whichever way a session is ended, and however many refreshes of it are under way, nothing of
// it is left when the end has been acknowledged.
func TestS9_EndBeatsRefresh(t *testing.T) {
	quiet := func(c *session.Config) { c.Logger = nil }
	ways := []struct {
		name string
		end  func(k *keeper, tokens session.Tokens) error
	}{
		{"Revoke", func(k *keeper, tokens session.Tokens) error {
			return k.sessions.Revoke(k.t.Context(), tokens.SessionID)
		}},
		{"RevokeSubject", func(k *keeper, tokens session.Tokens) error { return k.sessions.RevokeSubject(k.t.Context(), "u1") }},
		{"SignOut", func(k *keeper, tokens session.Tokens) error {
			return k.sessions.SignOut(recorder(), request("POST", issuer+"/signout", "Cookie", k.cookies(tokens)))
		}},
		{"SignOutEverywhere", func(k *keeper, tokens session.Tokens) error {
			return k.sessions.SignOutEverywhere(recorder(), request("POST", issuer+"/signout/everywhere", "Cookie", k.cookies(tokens)))
		}},
	}
	const races = 250 // of each way
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			k := newKeeper(t, quiet)
			two := k.twin(0, quiet)
			survivors, refreshed := 0, atomic.Int64{}
			for race := range races {
				tokens := k.create()
				k.Advance(time.Minute)
				var mu sync.Mutex
				all := []session.Tokens{tokens}
				var start, done sync.WaitGroup
				start.Add(1)
				one, first := make(chan struct{}), sync.Once{}
				end := func() {
					start.Wait()
					if race%4 == 0 { // whatever the scheduler likes best: now and then a refresh is first
						<-one
					}
					if err := way.end(k, tokens); err != nil {
						t.Errorf("end: %v", err)
						return
					}
					if _, err := two.refresh(tokens.Refresh); !errors.Is(err, session.ErrEnded) { // acknowledged: from now on
						t.Errorf("a refresh that began after the end: %v", err)
					}
				}
				if race%2 == 0 { // the last to wait is often the first to run
					done.Go(end)
				}
				for _, in := range []*keeper{k, two, two} {
					done.Go(func() {
						start.Wait()
						got, err := in.refresh(tokens.Refresh)
						first.Do(func() { close(one) })
						if err != nil && !errors.Is(err, session.ErrEnded) {
							t.Errorf("refresh: %v", err)
						}
						if err == nil {
							refreshed.Add(1)
							mu.Lock()
							all = append(all, got)
							mu.Unlock()
						}
					})
				}
				if race%2 == 1 {
					done.Go(end)
				}
				start.Done()
				done.Wait()
				for _, got := range all {
					for range 2 {
						if _, err := k.refresh(got.Refresh); !errors.Is(err, session.ErrEnded) || errors.Is(err, session.ErrReuse) {
							survivors++
							t.Errorf("a refresh token survives: %v", err)
						}
						if _, err := two.member.Verify(t.Context(), got.Access, session.CheckStore); !errors.Is(err, session.ErrEnded) {
							survivors++
							t.Errorf("an access token survives CheckStore: %v", err)
						}
						k.Advance(31 * time.Second)
					}
				}
				k.told()
			}
			if refreshed.Load() == 0 {
				t.Error("no refresh ever came first: this raced nothing")
			}
		})
	}
}

// A session that is born while all of its subject are ended is ended with them, or born after.
func TestS9_BirthDuringRevocation(t *testing.T) {
	k := newKeeper(t)
	k.spy.calm()
	k.spy.onWrite = func(n int, changes []store.Change) (bool, error) {
		if n == 1 { // between reading the epoch and writing the session
			if err := k.twin(0).sessions.RevokeSubject(t.Context(), "u1"); err != nil {
				t.Error(err)
			}
		}
		return true, nil
	}
	born := k.create()
	if k.spy.writes() != 3 || k.mustRefresh(born.Refresh).SessionID != born.SessionID {
		t.Errorf("%d writes: the first, the revocation, and one more", k.spy.writes())
	}
	if list := k.list(); len(list) != 1 || list[0].ID != born.SessionID {
		t.Errorf("sessions %+v", list)
	}
}
