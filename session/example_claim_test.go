package session_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/session"
)

func ExampleNewClaim() {
	sessions := open()
	user := session.NewKind[User](sessions, "user")

	confirmed := map[string]bool{} // the application's database
	verified := session.NewClaim(user, session.ClaimConfig[User, bool]{
		Name: "email_verified",
		Fetch: func(_ context.Context, s *session.Session[User]) (bool, error) {
			return confirmed[s.Subject], nil
		},
		Recheck: -1, // here Merge tells the news; left out, a refused value is fetched again when it is 10 s old
	})

	mux := http.NewServeMux()
	post := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "posted") })
	mux.Handle("GET /post", user.Require(post, verified.Is(true)))
	mux.Handle("GET /pay", user.Require(post, verified.Is(true).Within(5*time.Minute)))

	ctx := context.Background()
	tokens, err := user.Create(ctx, session.Grant[User]{Subject: "u1"})
	if err != nil {
		log.Fatal(err)
	}
	w := get(mux, "/post", tokens.Access)
	fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))

	// Where the address is confirmed, the session at hand is told at once.
	confirmed["u1"] = true
	s, err := user.Verify(ctx, tokens.Access)
	if err != nil {
		log.Fatal(err)
	}
	tokens, err = user.Merge(ctx, s, func(g *session.Grant[User]) error { return verified.Set(g, true) })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(get(mux, "/post", tokens.Access).Body)
	// Output:
	// 403 {"error":"invalid_claims","error_description":"a need of the route is not met: claim email_verified: wrong value","failed":[{"claim":"email_verified","message":"wrong value","expected":true,"actual":false}]}
	// posted
}

func ExampleNewListClaim() {
	user := session.NewKind[User](open(), "user")
	plans := session.NewListClaim(user, session.ClaimConfig[User, []string]{
		Name: "plans",
		Fetch: func(ctx context.Context, s *session.Session[User]) ([]string, error) {
			return []string{"free", "beta"}, nil // ask the billing service
		},
		MaxAge: time.Hour,
	})
	h := user.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := user.From(r.Context())
		list, _, _ := plans.Value(s)
		fmt.Fprint(w, list)
	}), plans.IncludesAny("beta", "pro"), plans.Excludes("suspended"))

	tokens, err := user.Create(context.Background(), session.Grant[User]{Subject: "u1"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(get(h, "/beta", tokens.Access).Body)
	// Output: [free beta]
}

// A second factor: a route asks for it, the client is told by a 401, and a session that has it takes the place of the old one.
func ExampleKind_Replace() {
	user := session.NewKind[User](open(), "user")
	right := func(subject, code string) bool { return code == "123456" } // the application's check of a one-time password

	mux := http.NewServeMux()
	mux.Handle("GET /pay", user.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "paid")
	}), session.Method("otp"), session.Fresh(15*time.Minute)))
	mux.Handle("POST /second-factor", user.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := user.From(r.Context())
		if !right(s.Subject, r.PostFormValue("code")) { // and count what was tried, before comparing
			http.Error(w, "wrong code", http.StatusForbidden)
			return
		}
		tokens, err := user.Replace(r.Context(), s, session.Grant[User]{
			Subject: s.Subject, Properties: s.Properties, Scopes: s.Scopes, Roles: s.Roles,
			Auth: session.Auth{Time: time.Now(), Methods: append(slices.Clone(s.Auth.Methods), "otp")},
		})
		if err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		}
		user.SetCookies(w, tokens)
	})))

	tokens, err := user.Create(context.Background(), session.Grant[User]{
		Subject: "u1", Auth: session.Auth{Time: time.Now(), Methods: []string{"pwd"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	w := get(mux, "/pay", tokens.Access)
	fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))

	r := httptest.NewRequest("POST", "/second-factor", strings.NewReader("code=123456"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "Bearer "+tokens.Access)
	w = httptest.NewRecorder()
	mux.ServeHTTP(w, r)

	r = httptest.NewRequest("GET", "/pay", nil)
	for _, c := range w.Result().Cookies() {
		r.AddCookie(c)
	}
	w = httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output:
	// 401 {"error":"insufficient_user_authentication","error_description":"a need of the route is not met: sign-in by otp","failed":[{"claim":"amr","message":"wrong value","includes_any":["otp"]}]}
	// 200 paid
}
