package session_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// TestD4_UsedLongestAgo: whatever happened to the sessions of a subject before, a new one ends none while there is
// room, and else exactly the one that was used longest ago.
func TestD4_UsedLongestAgo(t *testing.T) {
	const most = 6
	ended := 0
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		k := newKeeper(t, few(most), func(c *session.KindConfig[User]) { c.Idle, c.Absolute = 40*time.Hour, 100*time.Hour })
		tokens := map[string]session.Tokens{}
		for range 300 {
			k.Advance(time.Duration(rng.IntN(120)+1) * time.Minute)
			list := k.list()
			var one session.Info
			if len(list) > 0 {
				one = list[rng.IntN(len(list))]
			}
			switch n := rng.IntN(20); {
			case n < 8:
				made := k.create()
				tokens[made.SessionID] = made
				want := list
				if len(list) == most {
					slices.SortStableFunc(list, func(a, b session.Info) int { return a.LastUsed.Compare(b.LastUsed) })
					want = list[1:]
					if in := must(k.sessions.Find(t.Context(), list[0].ID))(t); in.Ended != "too many" {
						t.Fatalf("seed %d: the one used longest ago is %q", seed, in.Ended)
					}
					ended++
				}
				left := ids(k.list())
				for _, in := range want {
					if !slices.Contains(left, in.ID) {
						t.Fatalf("seed %d: a session ended, of %d", seed, len(list))
					}
				}
				if len(left) != len(want)+1 {
					t.Fatalf("seed %d: %d sessions after %d", seed, len(left), len(list))
				}
			case one.ID == "":
			case n < 14:
				tokens[one.ID] = k.mustRefresh(tokens[one.ID].Refresh)
			case n < 17:
				if err := k.sessions.Revoke(t.Context(), one.ID); err != nil {
					t.Fatal(err)
				}
			case n < 18:
				if err := k.sessions.RevokeOthers(t.Context(), one.ID); err != nil {
					t.Fatal(err)
				}
			case n < 19: // a program of an earlier version wrote the index
				k.forgetTimes(one.ID)
			default:
				k.Advance(50 * time.Hour)
			}
		}
	}
	if ended < 100 {
		t.Errorf("%d sessions ended because there were too many", ended)
	}
}

func ids(list []session.Info) (out []string) {
	for _, in := range list {
		out = append(out, in.ID)
	}
	return out
}

// forgetTimes leaves in the index of a session's subject what earlier versions wrote.
func (k *keeper) forgetTimes(id string) {
	k.t.Helper()
	item := k.item(store.Key{Part: keyOf(id).Part, ID: "*"})
	var old struct {
		Last     int64 `json:"last"`
		Sessions []struct {
			Number int64  `json:"n"`
			Tail   string `json:"id"`
			Pair   string `json:"pair,omitempty"`
		} `json:"sessions"`
	}
	if err := json.Unmarshal(item.Value, &old); err != nil {
		k.t.Fatal(err)
	}
	item.Value = must(json.Marshal(old))(k.t)
	k.write(item)
}

// TestD4_EndedLeavesTheIndex: a session that is ended takes no place in the index, also where another session begins at
// the same moment; then its end is written all the same.
func TestD4_EndedLeavesTheIndex(t *testing.T) {
	k := newKeeper(t)
	first, second := k.create(), k.create()
	indexed := func() int {
		var x struct{ Sessions []json.RawMessage }
		if err := json.Unmarshal(k.item(store.Key{Part: keyOf(first.SessionID).Part, ID: "*"}).Value, &x); err != nil {
			t.Fatal(err)
		}
		return len(x.Sessions)
	}
	if n := indexed(); n != 2 {
		t.Fatalf("%d sessions", n)
	}
	if err := k.sessions.Revoke(t.Context(), first.SessionID); err != nil || indexed() != 1 {
		t.Errorf("%v, %d sessions", err, indexed())
	}
	k.spy.onWrite = once(false, store.ErrConflict)
	if err := k.sessions.Revoke(t.Context(), second.SessionID); err != nil {
		t.Error(err)
	}
	if n := len(k.list()); n != 0 || k.spy.writes() == 0 {
		t.Errorf("%d sessions are left", n)
	}
}
