package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/session"
)

// routes are the three routes of the handbook, and {origin}/auth with the public keys and the sign-out.
func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	a.auth.Mount(mux)
	mux.Handle("POST /login", a.step("login"))
	mux.Handle("POST /verify", a.step("verify"))
	mux.Handle("GET /private", a.kind.Optional(http.HandlerFunc(a.private)))
	return mux
}

// Handler makes app a provider of Postern: its steps get requests that are read and checked, and limits that all
// instances share.
func (a *app) Handler(f *postern.Flow) http.Handler {
	serve := func(step func(*postern.Flow, http.ResponseWriter, *http.Request) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var refused *postern.Error
			switch err := step(f, w, r); {
			case errors.As(err, &refused) && refused.Status < 500:
				if refused.RetryAfter > 0 {
					w.Header().Set("Retry-After", strconv.Itoa(int(refused.RetryAfter/time.Second)+1))
				}
				answer(w, refused.Status, map[string]string{"status": "error", "error": refused.Text})
			case err != nil:
				f.Fail(w, r, err)
			}
		}
	}
	return f.Steps(map[string]http.HandlerFunc{"POST login": serve(a.login), "POST verify": serve(a.verify)})
}

// step serves a step of the provider at a path of the application. Its clients are programs: errors are JSON.
func (a *app) step(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.URL.Path, r.URL.RawPath = "/auth/hello/"+name, ""
		r.Header.Set("Accept", "application/json")
		a.auth.ServeHTTP(w, r)
	})
}

// login answers a username and a password with the user and a token.
func (a *app) login(f *postern.Flow, w http.ResponseWriter, r *http.Request) error {
	name, typed := strings.ToLower(r.PostForm.Get("username")), r.PostForm.Get("password")
	if name == "" || typed == "" {
		return refuse(http.StatusBadRequest, "Please provide a username and password")
	}
	id := postern.Identity{Issuer: postern.NameIssuer, Subject: name}
	if err := f.LimitAddr(r, "login", time.Hour, 100); err != nil {
		return err
	}
	ctx := hash.WithShare(r.Context(), f.Addr(r).String())
	userID, err := a.users.Find(ctx, id)
	if errors.Is(err, postern.ErrNoUser) && a.firstLogin {
		userID, err = a.create(ctx, id, typed)
	}
	if err != nil && !errors.Is(err, postern.ErrNoUser) {
		return refusal(err)
	}
	if ctx, err = a.check(ctx, userID, name, typed); err != nil {
		return err
	}
	user, err := a.users.User(ctx, userID)
	if err != nil {
		return refusal(err)
	}
	token, err := a.kind.Create(ctx, session.Grant[User]{
		Subject: userID, Properties: User{Username: user.Username},
		Authentication: session.Authentication{Time: f.Sessions().Now(), Methods: []string{"pwd"}},
	})
	switch {
	case errors.Is(err, session.ErrEnded): // disabled
		return errWrong
	case err != nil:
		return refusal(err)
	}
	answer(w, http.StatusOK, map[string]any{
		"user":  map[string]any{"username": user.Username, "createdAt": user.Created},
		"token": token.Access,
	})
	return nil
}

// create makes the user of a first login, in one write with the password. Of several first logins at the same moment
// one makes the user. The others are logins like any other.
func (a *app) create(ctx context.Context, id postern.Identity, typed string) (string, error) {
	changes, err := a.hashed(ctx, typed, id.Subject)
	if err != nil {
		return "", err
	}
	userID, err := a.users.CreateWith(ctx, postern.SignUp{Identity: id, Passwords: 1}, changes)
	if errors.Is(err, postern.ErrTaken) {
		return a.users.Find(ctx, id)
	}
	return userID, err
}

// verify answers whether a token is valid now.
func (a *app) verify(_ *postern.Flow, w http.ResponseWriter, r *http.Request) error {
	token := r.PostForm.Get("token")
	if token == "" {
		return refuse(http.StatusBadRequest, "Please provide a token to verify")
	}
	switch _, err := a.kind.Verify(r.Context(), token); {
	case errors.Is(err, session.ErrUnavailable):
		return refusal(err)
	case err != nil:
		return refuse(http.StatusUnauthorized, "This token is not valid")
	}
	answer(w, http.StatusOK, map[string]string{"status": "valid"})
	return nil
}

// private greets. A request with a token that is not valid does not get here: the guard answers 401.
func (a *app) private(w http.ResponseWriter, r *http.Request) {
	s, ok := a.kind.From(r.Context())
	if !ok {
		w.Header().Set("WWW-Authenticate", "Bearer")
		answer(w, http.StatusUnauthorized, map[string]string{"status": "error", "error": "This is a private resource"})
		return
	}
	answer(w, http.StatusOK, map[string]string{"message": "Hello " + s.Properties.Username})
}

// errWrong is the one answer to a wrong password, an unknown username and a disabled user.
var errWrong = refuse(http.StatusUnauthorized, "Bad username/password combination")

func refuse(status int, text string) *postern.Error {
	return &postern.Error{Status: status, Code: "refused", Text: text}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that has gone needs no answer
}
