package session_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/posternauth/postern/session"
)

func ExampleForwardAuth() {
	sessions := open()
	user := session.NewKind[User](sessions, "user")

	mux := http.NewServeMux()
	mux.Handle("/auth/", sessions.Handler())
	// The proxy asks one URL before it lets people into the site, and another before the part that is for staff.
	mux.Handle("GET /auth/verify", session.ForwardAuth(user))
	mux.Handle("GET /auth/verify/staff", session.ForwardAuth(user, session.Role("staff")))

	tokens, err := user.Create(context.Background(), session.Grant[User]{Subject: "u1", Scopes: []string{"orders:read"}})
	if err != nil {
		log.Fatal(err)
	}
	for _, path := range []string{"/auth/verify", "/auth/verify/staff"} {
		r := httptest.NewRequest("GET", path, nil) // the request of the proxy
		r.Header.Set("X-Original-Method", "POST")
		r.Header.Set("X-Original-URI", "/orders")
		r.Header.Set("Authorization", "Bearer "+tokens.Access)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Printf("%d subject=%q error=%q\n", w.Code, w.Header().Get("X-Auth-Subject"), w.Header().Get("X-Auth-Error"))
	}
	// Output:
	// 200 subject="u1" error=""
	// 403 subject="" error="insufficient_scope"
}

// Where one URL is asked for all paths, ambiguous ones may pass.
func ExampleAnyPath() {
	user := session.NewKind[User](open(), "user")
	tokens, err := user.Create(context.Background(), session.Grant[User]{Subject: "u1"})
	if err != nil {
		log.Fatal(err)
	}
	for _, h := range []http.Handler{session.ForwardAuth(user), session.ForwardAuth(user, session.AnyPath)} {
		r := httptest.NewRequest("GET", "/verify", nil)
		r.Header.Set("X-Original-Method", "GET")
		r.Header.Set("X-Original-URI", "/packages/@scope%2Fname")
		r.Header.Set("Authorization", "Bearer "+tokens.Access)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("X-Auth-Error"))
	}
	// Output:
	// 403 ambiguous_path
	// 200
}
