package session_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/posternauth/postern/session"
)

func TestHolds(t *testing.T) {
	k := newKeeper(t)
	mine, other := k.pairUp(), k.pairUp()
	r := mine.browser("GET", "/x")
	s := must(k.member.Verify(t.Context(), accessOf(mine)))(t)
	if err := k.member.Holds(r, s.ID); err != nil {
		t.Error(err)
	}
	if err := k.member.Holds(other.browser("GET", "/x"), s.ID); !errors.Is(err, session.ErrRefresh) {
		t.Errorf("the cookies of another session: %v", err)
	}
	if err := k.member.Holds(request("GET", "/x", "Authorization", "Bearer "+accessOf(mine)), s.ID); !errors.Is(err, session.ErrMissing) {
		t.Errorf("an access token alone: %v", err)
	}
	if err := k.sessions.Revoke(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	if err := k.member.Holds(r, s.ID); !errors.Is(err, session.ErrEnded) {
		t.Errorf("a session that has ended: %v", err)
	}
}

func accessOf(c *couple) string {
	for _, k := range c.cookies {
		if !strings.HasSuffix(k.Name, "refresh") {
			return k.Value
		}
	}
	return ""
}
