package password

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/posternauth/postern/internal/clientip"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// The limits of guesses. What succeeds is given back. Each is charged before the work, and for a name that nobody has
// as for one that somebody has: the name first, and then its user, who may have several names.
var (
	ruleClient  = limit.Rule{Name: "password client", Every: time.Hour, Burst: 100} // for a client address, see Flow.LimitAddr
	ruleName    = limit.Rule{Name: "password name", Every: 15 * time.Minute, Burst: 10}
	ruleNameDay = limit.Rule{Name: "password name day", Every: 24 * time.Hour, Burst: 50}
	ruleUser    = limit.Rule{Name: "password user", Every: 15 * time.Minute, Burst: 10}
	ruleUserDay = limit.Rule{Name: "password user day", Every: 24 * time.Hour, Burst: 50}
	ruleBrowser = limit.Rule{Name: "password browser", Every: time.Hour, Burst: 100}     // for a browser with a sealed cookie
	ruleKnown   = limit.Rule{Name: "password known", Every: 15 * time.Minute, Burst: 20} // for a user and a known browser
)

const (
	// maxFailures is how many wrong passwords in a row are compared. Then the password is refused until its owner has
	// proved in another way who they are (NIST SP 800-63B-4 section 3.2.2).
	maxFailures = 100

	// lockLife ends that for a user without a mailbox, who has no other way.
	lockLife = 24 * time.Hour

	// triesLife is how long wrong passwords are counted together.
	triesLife = 90 * 24 * time.Hour
)

// tries counts the passwords that were compared since the last right one, from browsers that are not known.
type tries struct {
	N    int       `json:"n"`
	Lock bool      `json:"lock,omitempty"` // of a name that nobody has; that of a user is in the head
	Mail bool      `json:"mail,omitempty"` // the user was found by an address
	At   time.Time `json:"at"`             // when the password was locked
}

// An effort is one password that somebody typed.
type effort struct {
	identifier string // the name, with its kind; empty if the user is known from elsewhere
	mail       bool   // the name is an address
	unnamed    bool   // the program found the user, and did not say by what
	user       string // empty: nobody
	client     netip.Addr
	browser    *browser // nil: without a sealed cookie

	known   bool // the browser has signed in to this user before
	began   time.Time
	buckets []limit.Bucket // charged so far
}

// chargeName charges what can be charged before it is known whether the name is anybody's. A browser with a sealed
// cookie has a limit apart, so that its owner gets through while others use up the limits of the client's network and
// of the name.
func (k *keeper) chargeName(ctx context.Context, e *effort) error {
	e.began = k.now()
	if e.browser != nil {
		return k.take(ctx, e, limit.For(ruleBrowser, k.scope()+"\x00"+e.browser.ID))
	}
	buckets := limit.Client(ruleClient, k.scope(), e.client)
	if e.identifier != "" {
		buckets = append(buckets, k.nameBuckets(e)...)
	}
	return k.take(ctx, e, buckets...)
}

func (k *keeper) scope() string { return "password\x00" + k.pool }

func (k *keeper) nameBuckets(e *effort) []limit.Bucket {
	part := "password:" + head.Hash("name", k.pool, e.identifier)
	return []limit.Bucket{{Rule: ruleName, Key: store.Key{Part: part, ID: "name"}}, {Rule: ruleNameDay, Key: store.Key{Part: part, ID: "name day"}}}
}

func (k *keeper) take(ctx context.Context, e *effort, buckets ...limit.Bucket) error {
	if err := limit.TakeAll(ctx, k.store, e.began, buckets...); err != nil {
		return err
	}
	e.buckets = append(e.buckets, buckets...)
	return nil
}

// chargeUser reads the state of a user and charges one guess, in the same write for all counts.
func (k *keeper) chargeUser(ctx context.Context, e *effort) (s *state, err error) {
	part := head.Part(k.pool, e.user)
	if e.user == "" {
		part = k.nobody(e.identifier)
	}
	bucket := func(r limit.Rule, id string) limit.Bucket {
		return limit.Bucket{Rule: r, Key: store.Key{Part: part, ID: id}}
	}
	common := []limit.Bucket{bucket(ruleUser, "password takes"), bucket(ruleUserDay, "password takes day")}
	own := []limit.Bucket{}
	more := []string{common[0].Key.ID, common[1].Key.ID}
	if e.browser != nil {
		own = append(own, bucket(ruleKnown, "password takes "+head.Hash(e.browser.ID)[:22]))
		more = append(more, own[0].Key.ID)
	}
	var charged []limit.Bucket
	err = limit.Retry(ctx, ruleUser.Name, func() (bool, error) {
		if s, err = k.load(ctx, e.user, e.identifier, more...); err != nil {
			return false, err
		}
		e.known = e.browser.knows(k.mark(e.user), s.head.Sec, e.began) && s.user != ""
		charged = common
		if e.known {
			charged = own
		}
		items := make([]store.Item, 0, len(s.more))
		for _, item := range s.more {
			if item.Version != "" {
				items = append(items, item)
			}
		}
		state, err := limit.Decode(items, charged...)
		if err != nil {
			return false, err
		}
		changes, err := state.Take(e.began)
		if err != nil {
			return false, err
		}
		if !e.known {
			changes = append(changes, k.count(s, e)...)
		}
		switch err := k.store.Write(ctx, changes...); {
		case errors.Is(err, store.ErrConflict):
			return false, nil
		case err != nil:
			return false, fmt.Errorf("password: writing the store: %w", err)
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	e.buckets = append(e.buckets, charged...)
	if e.browser != nil && !e.known { // a cookie of somebody else's account is worth nothing here
		rest := limit.Client(ruleClient, k.scope(), e.client)
		if e.identifier != "" {
			rest = append(rest, k.nameBuckets(e)...)
		}
		if err := k.take(ctx, e, rest...); err != nil {
			k.spared(ctx, e, s) // it is not compared, so it does not count towards the lock
			return nil, err
		}
	}
	return s, nil
}

// count counts a guess from a browser that is not known. At maxFailures it locks the password. It changes s to what is
// written.
func (k *keeper) count(s *state, e *effort) []store.Change {
	if e.unnamed { // a table of the program is not counted in the head: it has a mailbox, unless there is a username alone
		e.mail = s.head.Ways.Usernames == 0
	}
	mailbox := s.tries.Mail || s.head.Ways.Addresses > 0
	if s.locked() && !mailbox && !e.mail && e.began.Sub(s.tries.At) >= lockLife && !s.tries.At.IsZero() {
		s.head.Lock, s.tries = "", tries{N: 1}
		changes := []store.Change{s.putTries(e)}
		if s.user != "" {
			changes = append(changes, s.head.Put())
		}
		return changes
	}
	if s.locked() {
		return nil
	}
	s.tries.N++
	s.tries.Mail = s.tries.Mail || e.mail
	if s.tries.N > maxFailures {
		return k.lock(s, e)
	}
	return []store.Change{s.putTries(e)}
}

// lock refuses the password from now on.
func (k *keeper) lock(s *state, e *effort) []store.Change {
	s.tries.N, s.tries.At, s.tries.Lock = 0, e.began.UTC(), s.user == ""
	if s.user == "" {
		return []store.Change{s.putTries(e)}
	}
	s.head.Lock = head.LockPassword
	return []store.Change{s.putTries(e), s.head.Put()}
}

func (s *state) putTries(e *effort) store.Change {
	item := s.triesItem
	item.Value, _ = json.Marshal(s.tries) // numbers, texts and a time always encode
	item.Expires = e.began.Add(triesLife)
	return store.Put(item)
}

// compare verifies the password, in the same time whether there is one. The caller has charged the guess.
func (k *keeper) compare(ctx context.Context, e *effort, s *state, password string) (hash.Result, error) {
	if networks := clientip.Networks(e.client); len(networks) > 0 {
		ctx = hash.WithShare(ctx, networks[len(networks)-1].Name)
	}
	if e.known {
		ctx = hash.WithKnown(ctx)
	}
	var found hash.Result
	var err error
	if s.has() {
		found, err = k.hasher.Verify(ctx, s.row.Hash, password)
	} else {
		err = k.hasher.VerifyNone(ctx, cmp.Or(e.identifier, e.user), password)
	}
	switch {
	case errors.Is(err, hash.ErrEmpty), errors.Is(err, hash.ErrTooLong), errors.Is(err, hash.ErrText):
		return hash.Result{}, nil
	case err != nil:
		return hash.Result{}, err
	case s.locked() && !e.known:
		return hash.Result{}, nil
	}
	return found, nil
}

// succeeded ends the count of wrong passwords, and gives back what was charged. Best effort: without it the owner has
// fewer guesses for a while.
func (k *keeper) succeeded(ctx context.Context, e *effort, s *state) {
	k.forgive(ctx, s)
	_ = limit.GiveBack(ctx, k.store, e.began, nil, e.buckets...)
}

// forgive ends the count of wrong passwords. Best effort.
func (k *keeper) forgive(ctx context.Context, s *state) {
	_ = limit.Retry(ctx, ruleUser.Name, func() (bool, error) {
		items, err := k.store.Get(ctx, s.triesItem.Key)
		if err != nil || len(items) == 0 {
			return true, err
		}
		var now tries
		if err := json.Unmarshal(items[0].Value, &now); err != nil || now.N == 0 {
			return true, err // of a lock, which a right password does not lift
		}
		return written(k.store.Write(ctx, store.Delete(items[0].Key, items[0].Version)))
	})
}

// spared takes back a guess that was charged and not compared, because too many passwords were being hashed. Best
// effort.
func (k *keeper) spared(ctx context.Context, e *effort, s *state) {
	_ = limit.Retry(ctx, ruleUser.Name, func() (bool, error) {
		if e.known || s.tries.N == 0 {
			return true, nil
		}
		now, err := k.load(ctx, e.user, e.identifier)
		if err != nil || now.tries.N == 0 {
			return true, err
		}
		now.tries.N--
		return written(k.store.Write(ctx, now.putTries(e)))
	})
	_ = limit.GiveBack(ctx, k.store, e.began, nil, e.buckets...)
}

// written is the answer to limit.Retry after a write: a conflict is tried again.
func written(err error) (done bool, _ error) {
	if errors.Is(err, store.ErrConflict) {
		return false, nil
	}
	return true, err
}

// failed locks the password after the last wrong one that is compared. Best effort: the next one locks it too.
func (k *keeper) failed(ctx context.Context, e *effort, s *state) {
	if e.known || s.locked() || s.tries.N < maxFailures {
		return
	}
	_ = limit.Retry(ctx, ruleUser.Name, func() (bool, error) {
		now, err := k.load(ctx, e.user, e.identifier)
		if err != nil || now.locked() || now.tries.N < maxFailures {
			return true, err
		}
		err = k.store.Write(ctx, k.lock(now, e)...)
		if err == nil {
			k.sessions.Emit(ctx, session.Event{Name: "password locked", UserID: e.user})
		}
		return written(err)
	})
}
