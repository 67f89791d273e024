package session_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// weighed counts the bytes that are read from a store.
type weighed struct {
	store.Store
	read int
}

func (s *weighed) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	items, err := s.Store.Get(ctx, keys...)
	for _, item := range items {
		s.read += len(item.Value)
	}
	return items, err
}

// TestD4_BytesAtTheLimit: a sign-in reads no session while there is room, and two at the limit. A page of the list
// reads as many rows as it can show.
func TestD4_BytesAtTheLimit(t *testing.T) {
	const most, data, slack = 10, 60 << 10, 2 << 10
	s := &weighed{}
	k := newKeeper(t, few(most), func(c *session.Config) { s.Store, c.Store = c.Store, s })
	heavy := func() {
		t.Helper()
		err := k.sessions.EditData(t.Context(), k.create().SessionID, func(json.RawMessage) (json.RawMessage, error) {
			return json.RawMessage(`"` + strings.Repeat("x", data) + `"`), nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	reads := func(do func()) int {
		s.read = 0
		do()
		return s.read
	}
	for i := range most - 1 {
		heavy()
		if i < most-2 {
			if n := reads(func() { must(k.sessions.List(t.Context(), "u1", session.ListOptions{Limit: 1}))(t) }); n > data+slack {
				t.Errorf("a page of one session reads %d bytes", n)
			}
		}
	}
	if n := reads(func() { k.create() }); n > slack {
		t.Errorf("%d bytes are read while there is room", n)
	}
	if n := reads(func() { k.create() }); n < data || n > 2*(data+slack) {
		t.Errorf("%d bytes are read at the limit, want two sessions", n)
	}
	if n := reads(func() { must(k.sessions.List(t.Context(), "u1", session.ListOptions{Limit: 3}))(t) }); n > 3*data+3*slack {
		t.Errorf("a page of three sessions reads %d bytes", n)
	}
}
