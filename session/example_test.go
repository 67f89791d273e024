package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// open makes the sessions of the examples. A server keeps its keys in a vault that lasts, and its store in a database.
func open() *session.Sessions {
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: new(keys.MemoryVault), Algorithm: keys.EdDSA})
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := session.New(session.Config{
		Issuer:   "https://api.example.com/auth",
		Audience: "api",
		Keys:     ring,
		Store:    new(store.Memory),
	})
	if err != nil {
		log.Fatal(err)
	}
	return sessions
}

func get(h http.Handler, path, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func ExampleKind() {
	sessions := open()
	user := session.NewKind[User](sessions, "user")
	robot := session.NewKind[APIKey](sessions, "robot")

	ctx := context.Background()
	tokens, err := user.Create(ctx, session.Grant[User]{
		Subject:    "u1",
		Properties: User{UserID: "u1", TenantID: "acme"},
		Scopes:     []string{"orders:read"},
	})
	if err != nil {
		log.Fatal(err)
	}

	s, err := user.Verify(ctx, tokens.Access)
	fmt.Println(s.Kind, s.Subject, s.Properties.TenantID, s.Scopes, err)

	_, err = robot.Verify(ctx, tokens.Access)
	fmt.Println(err, errors.Is(err, session.ErrKind))
	// Output:
	// user u1 acme [orders:read] <nil>
	// session: token or session is of another kind true
}

func ExampleKind_Require() {
	sessions := open()
	user := session.NewKind[User](sessions, "user")

	mux := http.NewServeMux()
	mux.Handle("GET /me", user.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := user.From(r.Context())
		fmt.Fprintf(w, "you are %s of %s", s.Properties.UserID, s.Properties.TenantID)
	})))
	mux.Handle("GET /refund", user.Require(http.NotFoundHandler(),
		session.Scope("orders:refund"), session.Fresh(5*time.Minute)))

	tokens, err := user.Create(context.Background(), session.Grant[User]{
		Subject:        "u1",
		Properties:     User{UserID: "u1", TenantID: "acme"},
		Authentication: session.Authentication{Time: time.Now(), Methods: []string{"oidc"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, w := range []*httptest.ResponseRecorder{get(mux, "/me", tokens.Access), get(mux, "/me", ""), get(mux, "/refund", tokens.Access)} {
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// 200 you are u1 of acme
	// 401 {"error":"unauthorized","error_description":"no token in the request"}
	// 403 {"error":"insufficient_scope","error_description":"a need of the route is not met: scope orders:refund","failed":[{"claim":"scope","message":"wrong value","includes":["orders:refund"],"actual":[]}]}
}

func ExampleKind_Optional() {
	user := session.NewKind[User](open(), "user")
	home := user.Optional(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, ok := user.From(r.Context())
		if !ok {
			fmt.Fprint(w, "welcome, stranger: ", s.Kind)
			return
		}
		fmt.Fprint(w, "welcome back, ", s.Subject)
	}))
	tokens, err := user.Create(context.Background(), session.Grant[User]{Subject: "u1"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(get(home, "/", "").Body)
	fmt.Println(get(home, "/", tokens.Access).Body)
	// Output:
	// welcome, stranger: public
	// welcome back, u1
}

func ExampleAnyOf() {
	sessions := open()
	user := session.NewKind[User](sessions, "user")
	robot := session.NewKind[APIKey](sessions, "robot")

	// People may read the feed; robots need a scope for it.
	feed := session.AnyOf(user, robot.With(session.Scope("feed"))).Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s, ok := user.From(r.Context()); ok {
			fmt.Fprint(w, "feed for the person ", s.Subject)
		}
		if s, ok := robot.From(r.Context()); ok {
			fmt.Fprint(w, "feed for the robot ", s.Properties.Name)
		}
	}))

	ctx := context.Background()
	person, _ := user.Create(ctx, session.Grant[User]{Subject: "u1"})
	reader, _ := robot.Create(ctx, session.Grant[APIKey]{Subject: "r1", Properties: APIKey{Name: "reader"}, Scopes: []string{"feed"}})
	other, _ := robot.Create(ctx, session.Grant[APIKey]{Subject: "r2"})
	for _, t := range []session.Tokens{person, reader, other} {
		w := get(feed, "/feed", t.Access)
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// 200 feed for the person u1
	// 200 feed for the robot reader
	// 403 {"error":"insufficient_scope","error_description":"a need of the route is not met: scope feed","failed":[{"claim":"scope","message":"wrong value","includes":["feed"],"actual":[]}]}
}

func ExampleNewExternal() {
	// The other issuer. A program gets its keys from keys.Remote and the URL of the JWKS.
	key, err := keys.Generate(keys.ES256)
	if err != nil {
		log.Fatal(err)
	}
	public, err := keys.Static(key.Public())
	if err != nil {
		log.Fatal(err)
	}

	type Claims struct {
		Email string `json:"email"`
	}
	partner, err := session.NewExternal[Claims](session.ExternalConfig{
		Issuer:     "https://partner.example.net/",
		Audience:   "https://api.example.com",
		Algorithms: []keys.Algorithm{keys.ES256},
		Keys:       public,
	})
	if err != nil {
		log.Fatal(err)
	}
	hello := partner.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := partner.From(r.Context())
		fmt.Fprintf(w, "hello %s, from %s", s.Properties.Email, s.Kind)
	}))

	token := partnerToken(key, map[string]any{
		"iss": "https://partner.example.net/", "aud": "https://api.example.com", "sub": "7",
		"exp": time.Now().Add(time.Hour).Unix(), "email": "ann@example.net",
	})
	fmt.Println(get(hello, "/", token).Body)
	// Output: hello ann@example.net, from https://partner.example.net/
}

func ExampleKind_Code() {
	sessions := open()
	user := session.NewKind[User](sessions, "user")

	// OnSuccess of postern.Config: the person is known, and in.Return is where the sign-in leads.
	onSuccess := func(w http.ResponseWriter, r *http.Request, ret session.Return) error {
		return user.Code(w, r, session.Grant[User]{Subject: "u1", Scopes: []string{"orders:read"}}, ret)
	}

	// The application began the sign-in with the challenge of a verifier that it keeps.
	verifier := "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	ret := returnto.New("https://app.example.com/callback", "af0ifjsldkj", s256(verifier), "api")
	w := httptest.NewRecorder()
	if err := onSuccess(w, httptest.NewRequest("GET", "/auth/google/callback", nil), ret); err != nil {
		log.Fatal(err)
	}
	back, _ := url.Parse(w.Header().Get("Location"))
	fmt.Println(w.Code, back.Host+back.Path, back.Query().Get("state"), back.Query().Get("iss"))

	// It redeems the code at the token endpoint.
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "code_verifier": {verifier},
		"redirect_uri": {"https://app.example.com/callback"}, "client_id": {"api"},
	}
	for range 2 {
		r := httptest.NewRequest("POST", "https://api.example.com/auth/token", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		sessions.Handler().ServeHTTP(w, r)
		var answer map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			log.Fatal(err)
		}
		fmt.Println(w.Code, answer["token_type"], answer["scope"], answer["error"], answer["error_description"])
	}
	// Output:
	// 303 app.example.com/callback af0ifjsldkj https://api.example.com/auth
	// 200 Bearer orders:read <nil> <nil>
	// 400 <nil> <nil> invalid_grant authorization code refused: used before
}
