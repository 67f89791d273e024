package session_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// signedIn is a request of a browser that has just signed in, and the session it has.
func signedIn(user *session.Kind[User], method, path string) (*http.Request, *session.Session[User]) {
	in := httptest.NewRecorder()
	ret := returnto.New("https://app.example.com/", "", "", "")
	if err := user.Cookie(in, httptest.NewRequest("GET", "/", nil), session.Grant[User]{Subject: "u1"}, ret); err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest(method, path, nil)
	var s *session.Session[User]
	for _, c := range in.Result().Cookies() {
		r.AddCookie(c)
		if found, err := user.Verify(context.Background(), c.Value); err == nil {
			s = found
		}
	}
	return r, s
}

// A sign-out of the application's own, which does something else as well. POST {base}/signout is there without it.
func ExampleSessions_SignOut() {
	sessions := open()
	user := session.NewKind[User](sessions, "user")

	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := sessions.SignOut(w, r); err != nil {
			http.Error(w, "you are still signed in, try again", http.StatusServiceUnavailable)
			return
		}
		http.Redirect(w, r, "/goodbye", http.StatusSeeOther)
	})
	r, s := signedIn(user, "POST", "/leave")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)

	in, err := sessions.Find(context.Background(), s.ID)
	fmt.Println(w.Code, len(w.Result().Cookies()), "cookies cleared;", in.Ended, err)
	// Output:
	// 303 2 cookies cleared; sign-out <nil>
}

// "Sign out on all devices", after a password was changed, say.
func ExampleSessions_SignOutEverywhere() {
	sessions := open()
	user := session.NewKind[User](sessions, "user")
	if _, err := user.Create(context.Background(), session.Grant[User]{Subject: "u1", Device: "phone"}); err != nil {
		log.Fatal(err)
	}
	r, _ := signedIn(user, "POST", "/leave")
	w := httptest.NewRecorder()
	err := sessions.SignOutEverywhere(w, r)
	list, _ := sessions.List(context.Background(), "u1", session.ListOptions{})
	fmt.Println(err, len(list.Sessions), "sessions left")

	err = sessions.SignOutEverywhere(w, r) // only who is signed in can say so
	fmt.Println(errors.Is(err, session.ErrEnded))
	// Output:
	// <nil> 0 sessions left
	// true
}

// An administrator moves a person to another tenant. Their tokens say so when they are next refreshed.
func ExampleKind_Edit() {
	sessions := open()
	user := session.NewKind[User](sessions, "user")
	ctx := context.Background()
	tokens, err := user.Create(ctx, session.Grant[User]{Subject: "u1", Properties: User{TenantID: "old"}})
	if err != nil {
		log.Fatal(err)
	}
	err = user.Edit(ctx, tokens.SessionID, func(g *session.Grant[User]) error {
		g.Properties.TenantID = "acme"
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	next, err := sessions.Refresh(ctx, tokens.Refresh)
	if err != nil {
		log.Fatal(err)
	}
	for _, token := range []string{tokens.Access, next.Access} {
		s, err := user.Verify(ctx, token)
		fmt.Println(s.Properties.TenantID, err)
	}
	// Output:
	// old <nil>
	// acme <nil>
}

// An API that pages of one other origin may call with cookies.
func ExampleSessions_CORS() {
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: new(keys.MemoryVault)})
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := session.New(session.Config{
		Issuer: "https://api.example.com/auth", Audience: "api", Keys: ring, Store: new(store.Memory),
		Origins: []string{"https://app.example.com"},
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /orders/{id}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "done") })
	h := sessions.CORS(mux)

	for _, origin := range []string{"https://app.example.com", "https://evil.example"} {
		r := httptest.NewRequest("OPTIONS", "/orders/1", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "PUT")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		fmt.Printf("%d %q\n", w.Code, w.Header().Get("Access-Control-Allow-Origin"))
	}
	// Output:
	// 204 "https://app.example.com"
	// 403 ""
}

// An administrator acts as a user: the session names both, and ends with that of the administrator.
func ExampleGrant_actorSession() {
	ctx := context.Background()
	sessions := open()
	user := session.NewKind[User](sessions, "user")
	staff := session.NewKind[User](sessions, "staff")
	admin, err := staff.Create(ctx, session.Grant[User]{Subject: "boss"})
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := user.Create(ctx, session.Grant[User]{Subject: "ada", ActorSession: admin.SessionID})
	if err != nil {
		log.Fatal(err)
	}
	s, err := user.Verify(ctx, tokens.Access, session.CheckStore)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Actor, "acts as", s.Subject)

	if err := sessions.Revoke(ctx, admin.SessionID); err != nil {
		log.Fatal(err)
	}
	_, err = user.Verify(ctx, tokens.Access, session.CheckStore)
	fmt.Println(errors.Is(err, session.ErrEnded))
	// Output:
	// boss acts as ada
	// true
}
