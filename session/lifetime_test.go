package session_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

const day = 24 * time.Hour

// TestS4_Lifetimes: idle and absolute ends are kept to the second, by our own clock, in a store that forgets nothing;
// refreshing moves the one and never the other.
func TestS4_Lifetimes(t *testing.T) {
	for name, c := range map[string]struct {
		kind   func(*session.KindConfig[User])
		idle   time.Duration
		absent time.Duration
	}{
		"default": {func(*session.KindConfig[User]) {}, 7 * day, 30 * day},
		"short": {func(c *session.KindConfig[User]) {
			c.Access, c.Idle, c.Absolute = 3*time.Minute, 10*time.Minute, time.Hour
		}, 10 * time.Minute, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t, c.kind)
			stopped := k.Now()
			k.spy.Store = &store.Memory{Now: func() time.Time { return stopped }} // expired rows are still there: T3
			born := k.Now()

			idle := k.create()
			k.Advance(c.idle - time.Second)
			second := k.mustRefresh(idle.Refresh)
			if !second.RefreshExpires.Equal(k.Now().Add(c.idle)) {
				t.Errorf("idle until %v", second.RefreshExpires)
			}
			k.Advance(c.idle)
			if _, err := k.refresh(second.Refresh); !errors.Is(err, session.ErrEnded) || errors.Is(err, session.ErrReuse) {
				t.Errorf("at the end of idleness: %v", err)
			}

			k.Set(born)
			token := k.create().Refresh
			for k.Now().Sub(born) < c.absent-c.idle {
				k.Advance(c.idle - time.Second)
				token = k.mustRefresh(token).Refresh
			}
			k.Set(born.Add(c.absent - time.Second))
			last := k.mustRefresh(token)
			if !last.RefreshExpires.Equal(born.Add(c.absent)) || last.Expires.After(born.Add(c.absent)) {
				t.Errorf("the last tokens expire %v and %v", last.Expires, last.RefreshExpires)
			}
			if _, err := k.member.Verify(t.Context(), last.Access, session.CheckStore); err != nil {
				t.Errorf("a second before the end: %v", err)
			}
			k.Set(born.Add(c.absent))
			if _, err := k.refresh(last.Refresh); !errors.Is(err, session.ErrEnded) {
				t.Errorf("at the absolute end: %v", err)
			}
			if _, err := k.member.Verify(t.Context(), last.Access, session.CheckStore); !errors.Is(err, session.ErrEnded) {
				t.Errorf("CheckStore at the absolute end: %v", err)
			}
			if list := k.list(); len(list) != 0 {
				t.Errorf("listed: %+v", list)
			}
			if in := must(k.sessions.Find(t.Context(), last.SessionID))(t); in.Ended != "expired" {
				t.Errorf("found: %+v", in)
			}
		})
	}
}

// Step 4, each of its reasons, at every place that asks the store; none of them writes.
func TestRefresh_Verdicts(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(k *keeper, id string) error
		want error
	}{
		"revoked":            {func(k *keeper, id string) error { return k.sessions.Revoke(k.t.Context(), id) }, session.ErrEnded},
		"with all others":    {func(k *keeper, id string) error { return k.sessions.RevokeSubject(k.t.Context(), "u1") }, session.ErrEnded},
		"by another session": {func(k *keeper, id string) error { return k.sessions.RevokeOthers(k.t.Context(), k.create().SessionID) }, session.ErrEnded},
		"row is gone": {func(k *keeper, id string) error {
			return k.spy.Store.Write(k.t.Context(), store.Delete(keyOf(id), k.item(keyOf(id)).Version))
		}, session.ErrEnded},
		"idle":             {func(k *keeper, id string) error { k.edit(id, func(r map[string]any) { r["at"] = 1 }); return nil }, session.ErrEnded},
		"too old":          {func(k *keeper, id string) error { k.edit(id, func(r map[string]any) { r["absolute"] = 1 }); return nil }, session.ErrEnded},
		"before NotBefore": {func(k *keeper, id string) error { k.edit(id, func(r map[string]any) { r["created"] = 1 }); return nil }, session.ErrEnded},
		"of no kind here": {func(k *keeper, id string) error {
			k.edit(id, func(r map[string]any) { r["kind"] = "robot" })
			return nil
		}, session.ErrKind},
	} {
		t.Run(name, func(t *testing.T) {
			var opened time.Time
			k := newKeeper(t, func(c *session.Config) { opened = c.Now(); c.NotBefore = opened })
			tokens := k.create()
			if _, err := k.member.Verify(t.Context(), tokens.Access, session.CheckStore); err != nil {
				t.Fatalf("alive: %v", err)
			}
			if err := c.end(k, tokens.SessionID); err != nil {
				t.Fatal(err)
			}
			k.told()
			k.spy.calm()
			id := tokens.SessionID
			same := func(g *session.Grant[User]) error { t.Error("asked to change it"); return nil }
			for what, err := range map[string]error{
				"Refresh":      second(k.refresh(tokens.Refresh)),
				"CheckStore":   second(k.member.Verify(t.Context(), tokens.Access, session.CheckStore)),
				"Edit":         k.member.Edit(t.Context(), id, same),
				"Merge":        second(k.member.Merge(t.Context(), &session.Session[User]{ID: id, Subject: "u1", Expires: k.Now().Add(time.Minute)}, same)),
				"Replace":      second(k.member.Replace(t.Context(), tokens.Refresh, k.grant())),
				"Data":         second(k.sessions.Data(t.Context(), id)),
				"EditData":     k.sessions.EditData(t.Context(), id, func(json.RawMessage) (json.RawMessage, error) { t.Error("asked for data"); return nil, nil }),
				"RevokeOthers": k.sessions.RevokeOthers(t.Context(), id),
			} {
				if !errors.Is(err, c.want) || errors.Is(err, session.ErrReuse) {
					t.Errorf("%s: %v, want %v", what, err, c.want)
				}
			}
			if s, err := k.member.Verify(t.Context(), tokens.Access); err != nil || s.ID != id {
				t.Errorf("without the store: %v", err)
			}
			for _, in := range k.list() {
				if in.ID == id {
					t.Errorf("listed: %+v", in)
				}
			}
			if k.spy.writes() != 0 {
				t.Errorf("%d writes", k.spy.writes())
			}
			k.wantTold()
		})
	}
}

func second[T any](_ T, err error) error { return err }

// TestT3_Damaged: what the store got wrong is neither "alive" nor "ended", for nobody.
func TestT3_Damaged(t *testing.T) {
	for name, spoil := range map[string]func(k *keeper, id string){
		"row is no JSON":       func(k *keeper, id string) { it := k.item(keyOf(id)); it.Value = []byte("{"); k.write(it) },
		"row is null":          func(k *keeper, id string) { it := k.item(keyOf(id)); it.Value = []byte("null"); k.write(it) },
		"row is empty":         func(k *keeper, id string) { it := k.item(keyOf(id)); it.Value = []byte("{}"); k.write(it) },
		"row without grant":    func(k *keeper, id string) { k.edit(id, func(r map[string]any) { delete(r, "grant") }) },
		"row without kind":     func(k *keeper, id string) { k.edit(id, func(r map[string]any) { delete(r, "kind") }) },
		"row without salt":     func(k *keeper, id string) { k.edit(id, func(r map[string]any) { delete(r, "salt") }) },
		"row without end":      func(k *keeper, id string) { k.edit(id, func(r map[string]any) { delete(r, "absolute") }) },
		"a time is text":       func(k *keeper, id string) { k.edit(id, func(r map[string]any) { r["at"] = "1" }) },
		"epoch is no JSON":     func(k *keeper, id string) { k.write(store.Item{Key: epochOf(id), Value: []byte("x")}) },
		"epoch is empty":       func(k *keeper, id string) { k.write(store.Item{Key: epochOf(id), Value: []byte("{}")}) },
		"epoch starts anew":    func(k *keeper, id string) { k.write(store.Item{Key: epochOf(id), Value: []byte(`{"e":0}`)}) },
		"epoch is negative":    func(k *keeper, id string) { k.write(store.Item{Key: epochOf(id), Value: []byte(`{"e":-1}`)}) },
		"epoch of another day": func(k *keeper, id string) { k.write(store.Item{Key: epochOf(id), Value: []byte(`{"e":"1"}`)}) },
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t)
			tokens := k.create()
			k.told()
			spoil(k, tokens.SessionID)
			k.spy.calm()
			for what, err := range map[string]error{
				"Refresh":    second(k.refresh(tokens.Refresh)),
				"CheckStore": second(k.member.Verify(t.Context(), tokens.Access, session.CheckStore)),
				"List":       second(k.sessions.List(t.Context(), "u1", session.ListOptions{})),
				"Find":       second(k.sessions.Find(t.Context(), tokens.SessionID)),
			} {
				if !errors.Is(err, session.ErrUnavailable) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if k.spy.writes() != 0 {
				t.Errorf("%d writes", k.spy.writes())
			}
			k.wantTold()
		})
	}
}

// TestT6_RestoredBackup: a store set back to an older state gives nobody a session they had lost. The sessions that
// went on since show it; those that were ended since are what NotBefore is for.
func TestT6_RestoredBackup(t *testing.T) {
	k := newKeeper(t)
	moved, ended, idle := k.create(), k.create(), k.create()
	snapshot := map[store.Key]store.Item{}
	for _, id := range []string{moved.SessionID, ended.SessionID, idle.SessionID} {
		snapshot[keyOf(id)] = k.item(keyOf(id))
	}
	next := k.rotate(k.rotate(moved.Refresh).Refresh)
	if err := k.sessions.Revoke(t.Context(), ended.SessionID); err != nil {
		t.Fatal(err)
	}
	if err := k.sessions.RevokeSubject(t.Context(), "u1"); err != nil {
		t.Fatal(err)
	}
	restored := &store.Memory{Now: k.Now}
	k.spy.Store = restored
	restore := func(items ...store.Item) {
		for _, item := range items {
			item.Version = ""
			k.write(item)
		}
	}
	// Rows without the epoch that ended them is what a restore of everything looks like.
	for _, item := range snapshot {
		restore(item)
	}
	k.told(true)
	if _, err := k.refresh(next.Refresh); !errors.Is(err, session.ErrEnded) || errors.Is(err, session.ErrReuse) {
		t.Errorf("a token that is newer than the store: %v", err)
	}
	k.wantTold("session ended: store rollback")
	if _, err := k.refresh(next.Refresh); !errors.Is(err, session.ErrEnded) || errors.Is(err, session.ErrReuse) {
		t.Errorf("again: %v", err)
	}
	k.wantTold()
	if _, err := k.refresh(idle.Refresh); err != nil {
		t.Errorf("this one is as it was: %v", err)
	}
	opened := k.Now().Truncate(time.Second).Add(time.Second)
	k.Advance(time.Second)
	set := k.twin(0, func(c *session.Config) { c.NotBefore = opened })
	for name, token := range map[string]string{"ended": ended.Refresh, "idle": idle.Refresh, "moved": moved.Refresh} {
		if _, err := set.refresh(token); !errors.Is(err, session.ErrEnded) {
			t.Errorf("%s, with NotBefore: %v", name, err)
		}
	}
	if born := set.create(); set.mustRefresh(born.Refresh).SessionID != born.SessionID {
		t.Error("a session of after the restore is refused")
	}

	// A restore of single rows beside an epoch that stayed: the epoch refuses.
	k = newKeeper(t)
	old := k.create()
	item := k.item(keyOf(old.SessionID))
	if err := k.sessions.RevokeSubject(t.Context(), "u1"); err != nil {
		t.Fatal(err)
	}
	if err := k.sessions.Revoke(t.Context(), old.SessionID); err != nil {
		t.Fatal(err)
	}
	item.Version = k.item(item.Key).Version
	k.write(item)
	if _, err := k.refresh(old.Refresh); !errors.Is(err, session.ErrEnded) {
		t.Errorf("a row that came back: %v", err)
	}
}

// TestS10_Clocks: instances whose clocks are 60 seconds apart see no theft where there is none, end nothing early and
// keep nothing alive; an instance that was frozen decides by the time at which it goes on.
func TestS10_Clocks(t *testing.T) {
	for _, ahead := range []time.Duration{-time.Minute, time.Minute} {
		k := newKeeper(t)
		other := k.twin(ahead)
		k.told(true)
		born := k.create()
		token, before := born.Refresh, born.Refresh
		for i := range 40 { // turn about, each rotation by one, the retry of a lost answer by the other
			one, two := k, other
			if i%2 == 1 {
				one, two = other, k
			}
			k.Advance(2*time.Minute + time.Second)
			next := must(one.refresh(token))(t)
			if got := must(two.refresh(token))(t); got.Refresh != next.Refresh {
				t.Fatalf("clock %v, round %d: two answers to one token", ahead, i)
			}
			k.Advance(20 * time.Second)
			if got, err := two.refresh(token); err != nil || got.Refresh != next.Refresh {
				t.Fatalf("clock %v, round %d: a lost answer, retried elsewhere after 20 s: %v", ahead, i, err)
			}
			for _, in := range []*keeper{k, other} {
				if s, err := in.member.Verify(t.Context(), next.Access, session.CheckStore); err != nil || s.ID != born.SessionID {
					t.Fatalf("clock %v, round %d: a new access token elsewhere: %v", ahead, i, err)
				}
			}
			before, token = token, next.Refresh
		}
		for _, in := range []*keeper{k, other} {
			for _, name := range in.told() {
				if name != "refresh retried" {
					t.Errorf("clock %v: event %q", ahead, name)
				}
			}
		}
		// The verdicts that count stay: a copy is found, what ended stays ended.
		k.Advance(2*time.Minute + 31*time.Second)
		last := must(other.refresh(before))(t).Refresh
		if _, err := k.refresh(token); !errors.Is(err, session.ErrReuse) {
			t.Errorf("clock %v: the token that was skipped: %v", ahead, err)
		}
		if _, err := other.refresh(last); !errors.Is(err, session.ErrReuse) {
			t.Errorf("clock %v: after the replay: %v", ahead, err)
		}
	}
	// Frozen for an hour between reading and writing: the write is refused, and all is decided anew.
	k := newKeeper(t)
	born := k.create()
	k.Advance(time.Minute)
	k.spy.calm()
	thawed := k.twin(0)
	k.spy.onWrite = func(n int, changes []store.Change) (bool, error) {
		if n == 1 {
			k.mustRefresh(born.Refresh) // elsewhere, in the meantime
			k.Advance(time.Hour)
		}
		return true, nil
	}
	if got, err := thawed.refresh(born.Refresh); err != nil || number(t, got.Refresh) != 2 {
		t.Errorf("a token that was replaced an hour ago: %v", err)
	}
	k = newKeeper(t)
	stopped := k.Now()
	k.spy.Store = &store.Memory{Now: func() time.Time { return stopped }}
	born = k.create()
	k.Advance(time.Minute)
	k.spy.calm()
	k.spy.onGet = func(n int) error {
		if n == 1 {
			k.Advance(8 * day)
		}
		return nil
	}
	if _, err := k.refresh(born.Refresh); !errors.Is(err, session.ErrEnded) {
		t.Errorf("read before, decided a week later: %v", err)
	}
}
