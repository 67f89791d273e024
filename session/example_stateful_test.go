package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/session"
)

// A browser sends its cookies and needs no code for this; other clients refresh by themselves.
func ExampleSessions_Refresh() {
	sessions := open()
	user := session.NewKind[User](sessions, "user")
	ctx := context.Background()

	tokens, err := user.Create(ctx, session.Grant[User]{Subject: "u1"})
	if err != nil {
		log.Fatal(err)
	}
	next, err := sessions.Refresh(ctx, tokens.Refresh)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(next.SessionID == tokens.SessionID, next.Access == tokens.Access)

	err = sessions.Revoke(ctx, tokens.SessionID)
	fmt.Println(err)
	_, err = sessions.Refresh(ctx, next.Refresh)
	fmt.Println(err, errors.Is(err, session.ErrEnded))
	// Output:
	// true false
	// <nil>
	// session: the session has ended true
}

// A route that must not serve a session which was ended a moment ago.
func ExampleCheckStore() {
	sessions := open()
	user := session.NewKind[User](sessions, "user")
	ctx := context.Background()
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") })

	mux := http.NewServeMux()
	mux.Handle("GET /feed", user.Require(hello))
	mux.Handle("GET /payout", user.Require(hello, session.CheckStore))

	tokens, err := user.Create(ctx, session.Grant[User]{Subject: "u1"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(get(mux, "/feed", tokens.Access).Code, get(mux, "/payout", tokens.Access).Code)
	if err := sessions.RevokeSubject(ctx, "u1"); err != nil {
		log.Fatal(err)
	}
	// The token itself lives five minutes; only the store knows.
	fmt.Println(get(mux, "/feed", tokens.Access).Code, get(mux, "/payout", tokens.Access).Code)
	// Output:
	// 200 200
	// 200 401
}

// The page "where you are signed in", and its button "sign out all others".
func ExampleSessions_List() {
	sessions := open()
	user := session.NewKind[User](sessions, "user")
	ctx := context.Background()

	var mine session.Tokens
	for _, device := range []string{"Firefox on Linux", "phone", "tablet"} {
		t, err := user.Create(ctx, session.Grant[User]{Subject: "u1", Device: device})
		if err != nil {
			log.Fatal(err)
		}
		if device == "phone" {
			mine = t
		}
	}
	list, err := sessions.List(ctx, "u1", session.ListOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(list.Sessions), "sessions")

	if err := sessions.RevokeOthers(ctx, mine.SessionID); err != nil {
		log.Fatal(err)
	}
	if list, err = sessions.List(ctx, "u1", session.ListOptions{}); err != nil {
		log.Fatal(err)
	}
	for _, in := range list.Sessions {
		fmt.Println(in.Device, in.ExpiresAt.Sub(in.Created))
	}
	// Output:
	// 3 sessions
	// phone 720h0m0s
}

// A handler that changes what the session of its request knows, at once.
func ExampleKind_Merge() {
	sessions := open()
	user := session.NewKind[User](sessions, "user")

	h := user.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := user.From(r.Context())
		tokens, err := user.Merge(r.Context(), s, func(g *session.Grant[User]) error {
			g.Properties.TenantID = "acme"
			return nil
		})
		if err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		}
		user.SetCookies(w, tokens)
	}))

	// A sign-in, and a request with its cookies.
	in := httptest.NewRecorder()
	ret := returnto.New("https://app.example.com/", "", "", "")
	if err := user.Cookie(in, httptest.NewRequest("GET", "/", nil), session.Grant[User]{Subject: "u1"}, ret); err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/tenant", nil)
	for _, c := range in.Result().Cookies() {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)

	for _, c := range w.Result().Cookies() {
		if s, err := user.Verify(context.Background(), c.Value); err == nil {
			fmt.Println(w.Code, s.Subject, s.Properties.TenantID)
		}
	}
	// Output:
	// 200 u1 acme
}

// What the server keeps for a session, and no client sees.
func ExampleSessions_EditData() {
	sessions := open()
	user := session.NewKind[User](sessions, "user")
	ctx := context.Background()
	tokens, err := user.Create(ctx, session.Grant[User]{Subject: "u1"})
	if err != nil {
		log.Fatal(err)
	}
	for _, item := range []string{"tea", "milk"} {
		err := sessions.EditData(ctx, tokens.SessionID, func(old json.RawMessage) (json.RawMessage, error) {
			var cart []string
			if old != nil {
				if err := json.Unmarshal(old, &cart); err != nil {
					return nil, err
				}
			}
			return json.Marshal(append(cart, item))
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	data, err := sessions.Data(ctx, tokens.SessionID)
	fmt.Println(string(data), err)
	// Output:
	// ["tea","milk"] <nil>
}

// Roles that are as new as the last refresh, and people who are locked out.
func ExampleKindConfig() {
	sessions := open()
	roles := map[string][]string{"u1": {"admin"}} // the application's own table

	user := session.NewKindConfig(sessions, session.KindConfig[User]{
		Name: "user", Access: 10 * time.Minute, Idle: 24 * time.Hour, Absolute: 7 * 24 * time.Hour,
		OnRefresh: func(ctx context.Context, sessionID string, g *session.Grant[User]) error {
			now, ok := roles[g.Subject]
			if !ok {
				return session.ErrEnded
			}
			g.Roles = now
			return nil
		},
	})
	tokens, err := user.Create(context.Background(), session.Grant[User]{Subject: "u1", Roles: roles["u1"]})
	if err != nil {
		log.Fatal(err)
	}
	s, err := user.Verify(context.Background(), tokens.Access)
	fmt.Println(strings.Join(s.Roles, " "), err)
	// Output:
	// admin <nil>
}
