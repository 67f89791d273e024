package session_test

import (
	"fmt"
	"log"
	"net/http"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
)

func TestCheckAuth(t *testing.T) {
	k := newKeeper(t)
	mine := k.create()
	byToken := request("GET", "https://api.example.com/x", "Authorization", "Bearer "+mine.Access)
	byCookie := request("GET", "https://api.example.com/x", "Cookie", k.cookies(mine), "Sec-Fetch-Site", "same-origin")
	for name, r := range map[string]*http.Request{"token": byToken, "cookie": byCookie} {
		s, ok := k.member.CheckAuth(r)
		if !ok || s.ID != mine.SessionID {
			t.Errorf("%s: %+v %v", name, s, ok)
		}
		if _, ok := k.member.CheckAuth(r, session.CheckStore); !ok {
			t.Errorf("%s: refused with CheckStore", name)
		}
		if s, ok := k.member.CheckAuth(r, session.Role("nobody has it")); ok || s != nil {
			t.Errorf("%s: passed a need: %+v", name, s)
		}
	}
	for name, headers := range map[string][]string{
		"nothing":        nil,
		"no token":       {"Authorization", "Bearer x"},
		"another origin": {"Cookie", k.cookies(mine), "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
		"two cookies":    {"Cookie", k.cookies(mine) + "; " + k.cookies(mine)},
	} {
		if s, ok := k.member.CheckAuth(request("POST", "https://api.example.com/x", headers...)); ok || s != nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
	// A session that has ended passes until the token expires, and not where the store is asked.
	if err := k.sessions.Revoke(t.Context(), mine.SessionID); err != nil {
		t.Fatal(err)
	}
	if _, ok := k.member.CheckAuth(byToken); !ok {
		t.Error("an access token that has not expired was refused")
	}
	if _, ok := k.member.CheckAuth(byToken, session.CheckStore); ok {
		t.Error("the store was not asked")
	}
	// It refreshes nothing: Require lets the second session in by its refresh cookie, CheckAuth does not.
	late := k.create()
	k.Advance(time.Hour)
	if _, ok := k.member.CheckAuth(request("GET", "https://api.example.com/x", "Cookie", k.cookies(late), "Sec-Fetch-Site", "same-origin")); ok {
		t.Error("an expired token passed")
	}
	if _, err := k.refresh(late.Refresh); err != nil {
		t.Errorf("the refresh token was used: %v", err)
	}
}

func ExampleKind_CheckAuth() {
	user := session.NewKind[User](open(), "user")
	hello := func(r *http.Request) string {
		if s, ok := user.CheckAuth(r); ok {
			return "Hello " + s.Subject
		}
		return "Hello stranger"
	}

	r, _ := http.NewRequest("GET", "https://api.example.com/", nil)
	fmt.Println(hello(r))
	tokens, err := user.Create(r.Context(), session.Grant[User]{Subject: "u1"})
	if err != nil {
		log.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+tokens.Access)
	fmt.Println(hello(r))
	// Output:
	// Hello stranger
	// Hello u1
}
