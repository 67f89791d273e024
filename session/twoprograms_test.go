package session_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
)

// TestD4_IndexOutlivesAShorterProgram: of two programs with one kind, the one with the shorter Absolute creates the
// last session. The older sessions of the other stay in the list and count for the limit as long as they live.
func TestD4_IndexOutlivesAShorterProgram(t *testing.T) {
	const day = 24 * time.Hour
	k := newKeeper(t, few(3))
	short := k.twin(0, few(3), func(c *session.KindConfig[User]) { c.Absolute, c.Idle = 2*day, day })
	old := []session.Tokens{k.create(), k.create()}
	must(short.member.Create(t.Context(), k.grant()))(t)
	for range 3 { // until the index would be gone
		k.Advance(day)
		for i := range old {
			old[i] = k.mustRefresh(old[i].Refresh)
		}
	}
	listed := func() (ids []string) {
		for _, in := range k.list() {
			ids = append(ids, in.ID)
		}
		return ids
	}
	for _, tokens := range old {
		if !slices.Contains(listed(), tokens.SessionID) {
			t.Errorf("a session that lives is not listed: %v", listed())
		}
	}
	k.told()
	last := []session.Tokens{k.create(), k.create()}
	k.wantTold("session ended: too many")
	if n := len(listed()); n != 3 || !slices.Contains(listed(), last[1].SessionID) {
		t.Errorf("%d sessions, want three", n)
	}
}

// TestT6_RowsOfOthersInTheIndex: a row that names another issuer, kind or subject is not a session of this one,
// wherever it lies: it is not listed, and does not count for the limit.
func TestT6_RowsOfOthersInTheIndex(t *testing.T) {
	for _, field := range []string{"iss", "kind", "sub"} {
		k := newKeeper(t, few(2))
		strange, mine := k.create(), k.create()
		k.mustRefresh(mine.Refresh)
		item := k.item(keyOf(strange.SessionID))
		var row map[string]any
		if err := json.Unmarshal(item.Value, &row); err != nil {
			t.Fatal(err)
		}
		row[field] = row[field].(string) + "x"
		item.Value = must(json.Marshal(row))(t)
		k.write(item)
		if list := k.list(); len(list) != 1 || list[0].ID != mine.SessionID {
			t.Errorf("%s: listed %+v", field, list)
		}
		before := k.item(keyOf(strange.SessionID))
		k.told()
		k.create()
		k.wantTold()
		if after := k.item(keyOf(strange.SessionID)); after.Version != before.Version {
			t.Errorf("%s: a row of others was ended", field)
		}
		k.mustRefresh(mine.Refresh)
	}
}
