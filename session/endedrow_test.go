package session_test

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
)

// TestEnd_RowsForgetThePerson: the row of an ended session stays until the session would have expired, so that a
// replay is recognised. It keeps nothing of the person except the subject.
func TestEnd_RowsForgetThePerson(t *testing.T) {
	secrets := []string{"pocket-phone", "192.0.2.77", "tenant-99", "orders:spy", "chief", "otp-method", "cart-5"}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t)
			mine := must(k.member.Create(t.Context(), session.Grant[User]{Subject: "u1", Properties: User{UserID: "tenant-99"},
				Device: "pocket-phone", Address: "192.0.2.77", Scopes: []string{"orders:spy"}, Roles: []string{"chief"},
				Authentication: session.Authentication{Time: k.Now(), Methods: []string{"otp-method"}}}))(t)
			cart := func(json.RawMessage) (json.RawMessage, error) { return json.RawMessage(`"cart-5"`), nil }
			if err := k.sessions.EditData(t.Context(), mine.SessionID, cart); err != nil {
				t.Fatal(err)
			}
			for _, secret := range secrets {
				if value := string(k.item(keyOf(mine.SessionID)).Value); !strings.Contains(value, secret) {
					t.Fatalf("the living row lacks %q: %s", secret, value)
				}
			}
			end(k, mine)
			value := string(k.item(keyOf(mine.SessionID)).Value)
			if !strings.Contains(value, `"ended":`) {
				t.Fatalf("not ended: %s", value)
			}
			if i := slices.IndexFunc(secrets, func(s string) bool { return strings.Contains(value, s) }); i >= 0 {
				t.Errorf("the ended row keeps %q: %s", secrets[i], value)
			}
		})
	}
}

// ends are the ways in which the row of a session ends.
var ends = map[string]func(*keeper, session.Tokens){
	"Revoke": func(k *keeper, mine session.Tokens) {
		if err := k.sessions.Revoke(k.t.Context(), mine.SessionID); err != nil {
			k.t.Fatal(err)
		}
	},
	"SignOut": func(k *keeper, mine session.Tokens) {
		r := httptest.NewRequest("POST", "https://api.example.com/bye", nil)
		r.Header.Set("Authorization", "Bearer "+mine.Access)
		if err := k.sessions.SignOut(httptest.NewRecorder(), r); err != nil {
			k.t.Fatal(err)
		}
	},
	"reuse": func(k *keeper, mine session.Tokens) {
		token := mine.Refresh
		for range 2 {
			token = k.rotate(token).Refresh
		}
		k.Advance(2 * time.Minute)
		if _, err := k.refresh(mine.Refresh); !errors.Is(err, session.ErrReuse) {
			k.t.Fatal(err)
		}
	},
	"Replace": func(k *keeper, mine session.Tokens) {
		if _, err := k.member.Replace(k.t.Context(), mine.Refresh, session.Grant[User]{Subject: "u1"}); err != nil {
			k.t.Fatal(err)
		}
	},
}

// TestEnd_RowsGoWithIdle: the row of an ended session stays as long as a token of it could be accepted if the session
// lived, and no longer. Until then a token is refused for the reason of the end, later as one of a session that
// expired. The row of a theft stays until Absolute, for an owner who comes back late.
func TestEnd_RowsGoWithIdle(t *testing.T) {
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t)
			mine := k.create()
			k.Advance(time.Hour)
			mine = k.rotate(mine.Refresh)
			k.Advance(3 * time.Minute)
			end(k, mine)
			gone := k.item(keyOf(mine.SessionID)).Expires
			info := must(k.sessions.Find(t.Context(), mine.SessionID))(t)
			want := info.LastUsed.Add(7 * day)
			if name == "reuse" {
				want = info.ExpiresAt
			}
			if !gone.Equal(want) || info.Ended == "" {
				t.Fatalf("the row goes at %v, want %v; Absolute is %v", gone, want, info.ExpiresAt)
			}
			_, before := k.refresh(mine.Refresh)
			k.Advance(gone.Sub(k.Now()) - time.Second)
			if _, err := k.refresh(mine.Refresh); !errors.Is(err, session.ErrEnded) || session.Reason(err) != session.Reason(before) {
				t.Errorf("a second before the row goes: %v, at the end: %v", err, before)
			}
			k.Advance(2 * time.Second)
			if _, err := k.refresh(mine.Refresh); !errors.Is(err, session.ErrEnded) {
				t.Errorf("after the row has gone: %v", err)
			}
			if _, err := k.sessions.Find(t.Context(), mine.SessionID); !errors.Is(err, session.ErrEnded) {
				t.Errorf("Find: %v", err)
			}
			if items := must(k.spy.Store.Get(t.Context(), keyOf(mine.SessionID)))(t); len(items) != 0 {
				t.Errorf("the row is still there: %s", items[0].Value)
			}
		})
	}
}

// TestEnd_NeverShortensARow: a program with a shorter Idle, or one that does not have the kind, ends a session. The row
// stays as long as the program that wrote it wanted.
func TestEnd_NeverShortensARow(t *testing.T) {
	k := newKeeper(t)
	short := k.twin(0, func(c *session.KindConfig[User]) { c.Idle = 4 * time.Hour })
	stranger := must(session.New(k.config))(t)
	for name, s := range map[string]*session.Sessions{"a shorter Idle": short.sessions, "no such kind": stranger} {
		mine := k.create()
		before := k.item(keyOf(mine.SessionID)).Expires
		if err := s.Revoke(t.Context(), mine.SessionID); err != nil {
			t.Fatal(err)
		}
		if after := k.item(keyOf(mine.SessionID)).Expires; !after.Equal(before) {
			t.Errorf("%s: the row goes at %v, before the end at %v", name, after, before)
		}
	}
}
