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

	"github.com/posternauth/postern/internal/returnto"
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
		Recheck: -1, // Merge sets the new value; by default a refused value is fetched again when it is 10 s old
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

	// The page that confirms the address changes the session at once.
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

func ExampleIncludes() {
	user := session.NewKind[User](open(), "user")
	plans := session.NewClaim(user, session.ClaimConfig[User, []string]{
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
	}), session.IncludesAny(plans, "beta", "pro"), session.Excludes(plans, "suspended"))

	tokens, err := user.Create(context.Background(), session.Grant[User]{Subject: "u1"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(get(h, "/beta", tokens.Access).Body)
	// Output: [free beta]
}

// A second factor: a route asks for it, the answer to the client is a 401, and a session with it takes the place of the
// old one. The browser proves the old one by its refresh cookie.
func ExampleKind_ReplaceCookies() {
	user := session.NewKind[User](open(), "user")
	right := func(subject, code string) bool { return code == "123456" } // the application's check of a one-time password

	mux := http.NewServeMux()
	mux.Handle("GET /pay", user.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "paid")
	}), session.AuthMethod("otp"), session.Fresh(15*time.Minute)))
	mux.Handle("POST /second-factor", user.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := user.From(r.Context())
		if !right(s.Subject, r.PostFormValue("code")) { // and count what was tried, before comparing
			http.Error(w, "wrong code", http.StatusForbidden)
			return
		}
		err := user.ReplaceCookies(w, r, session.Grant[User]{
			Subject: s.Subject, Properties: s.Properties, Scopes: s.Scopes, Roles: s.Roles,
			Authentication: session.Authentication{Time: time.Now(), Methods: append(slices.Clone(s.Authentication.Methods), "otp")},
		})
		if err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
	})))

	// A sign-in by password, and a browser that keeps its cookies.
	w := httptest.NewRecorder()
	err := user.Cookie(w, httptest.NewRequest("GET", "/", nil), session.Grant[User]{
		Subject: "u1", Authentication: session.Authentication{Time: time.Now(), Methods: []string{"pwd"}},
	}, returnto.New("https://app.example.com/", "", "", ""))
	if err != nil {
		log.Fatal(err)
	}
	visit := func(method, path, form string) {
		r := httptest.NewRequest(method, path, strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, c := range w.Result().Cookies() {
			r.AddCookie(c)
		}
		next := httptest.NewRecorder()
		mux.ServeHTTP(next, r)
		if len(next.Result().Cookies()) > 0 {
			w = next
		}
		fmt.Println(strings.TrimSpace(fmt.Sprint(next.Code, " ", next.Body)))
	}
	visit("GET", "/pay", "")
	visit("POST", "/second-factor", "code=123456")
	visit("GET", "/pay", "")
	// Output:
	// 401 {"error":"insufficient_user_authentication","error_description":"a need of the route is not met: sign-in by otp","failed":[{"claim":"amr","message":"wrong value","includes_any":["otp"],"actual":["pwd"]}]}
	// 200
	// 200 paid
}
