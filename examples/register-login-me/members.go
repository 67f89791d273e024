package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/users"
)

// routes are the four routes of the walk-through, and {origin}/auth with the public keys and the sign-out.
func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	a.auth.Mount(mux)
	mux.Handle("POST /register", a.step("register"))
	mux.Handle("POST /login", a.step("login"))
	mux.Handle("GET /me", a.kind.Require(http.HandlerFunc(a.me)))
	mux.Handle("GET /users", a.kind.Require(http.HandlerFunc(a.list), session.Scope("users:read")))
	if a.rawToken {
		return bearer(mux)
	}
	return mux
}

// bearer accepts a token that is the whole header Authorization.
func bearer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if v := r.Header.Values("Authorization"); len(v) == 1 && v[0] != "" && !strings.Contains(v[0], " ") {
			r = r.Clone(r.Context())
			r.Header.Set("Authorization", "Bearer "+v[0])
		}
		next.ServeHTTP(w, r)
	})
}

// Handler makes app a provider of Postern: its steps get requests that are read and checked, limits that all instances
// share, and answers in JSON for errors.
func (a *app) Handler(f *postern.Flow) http.Handler {
	serve := func(step func(*postern.Flow, http.ResponseWriter, *http.Request) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if err := step(f, w, r); err != nil {
				f.Fail(w, r, err)
			}
		}
	}
	return f.Steps(map[string]http.HandlerFunc{"POST register": serve(a.register), "POST login": serve(a.login)})
}

// Mails makes postern.New require Config.Mail.
func (a *app) Mails() bool { return true }

// step serves a step of the provider at a path of the application. Its clients are programs: errors are JSON.
func (a *app) step(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.URL.Path, r.URL.RawPath = "/auth/members/"+name, ""
		r.Header.Set("Accept", "application/json")
		a.auth.ServeHTTP(w, r)
	})
}

// login answers an address and a password with a token.
func (a *app) login(f *postern.Flow, w http.ResponseWriter, r *http.Request) error {
	address, typed := strings.ToLower(strings.TrimSpace(r.PostForm.Get("email"))), r.PostForm.Get("password")
	if address == "" || typed == "" {
		return refuse(http.StatusBadRequest, "missing_field", "Please send email and password.")
	}
	if err := f.LimitAddr(r, "login", time.Hour, 100); err != nil {
		return err
	}
	ctx := hash.WithShare(r.Context(), f.Addr(r).String())
	userID, err := a.users.Find(ctx, postern.Identity{Issuer: postern.MailIssuer, Subject: address})
	switch {
	case errors.Is(err, postern.ErrNoUser): // takes the same time
		err = a.passwords.CheckNobody(ctx, address, typed)
	case err == nil:
		ctx, err = a.passwords.Check(ctx, userID, typed)
	}
	if err != nil {
		return refusal(err)
	}
	return a.signIn(f, w, r.WithContext(ctx), userID)
}

// signIn answers with a token, for a person who has just proved who they are.
func (a *app) signIn(f *postern.Flow, w http.ResponseWriter, r *http.Request, userID string) error {
	p, err := a.users.Get(r.Context(), userID)
	if err != nil {
		return refusal(err)
	}
	token, err := a.kind.Create(r.Context(), session.Grant[Member]{
		Subject: userID, Roles: p.Roles, Scopes: p.Scopes,
		Authentication: session.Authentication{Time: f.Sessions().Now(), Methods: []string{"pwd"}},
	})
	switch {
	case errors.Is(err, session.ErrEnded): // disabled
		return errWrong
	case err != nil:
		return refusal(err)
	}
	answer(w, http.StatusOK, map[string]any{"auth": true, "token": token.Access})
	return nil
}

// A view is what the API shows of a user.
type view struct {
	ID    string `json:"_id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

func viewOf(id, name string, email func() (string, bool)) view {
	address, _ := email()
	return view{id, name, address}
}

// me answers with the user of the token.
func (a *app) me(w http.ResponseWriter, r *http.Request) {
	s, _ := a.kind.From(r.Context())
	p, err := a.users.Get(r.Context(), s.Subject)
	if err != nil {
		unavailable(w)
		return
	}
	answer(w, http.StatusOK, viewOf(p.ID, p.Name, p.Email))
}

// list answers with a page of the users. The header Link has the next page (RFC 8288).
func (a *app) list(w http.ResponseWriter, r *http.Request) {
	s, _ := a.kind.From(r.Context())
	page, err := a.users.Search(r.Context(), users.Query{Actor: s.Subject, Cursor: r.URL.Query().Get("cursor")})
	switch {
	case errors.Is(err, users.ErrCursor):
		answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_cursor", "error_description": "This is not the cursor of a page."})
		return
	case err != nil:
		unavailable(w)
		return
	}
	all := []view{}
	for _, u := range page.Users {
		all = append(all, viewOf(u.ID, u.Name, u.Email))
	}
	if page.Next != "" {
		w.Header().Set("Link", "</users?cursor="+url.QueryEscape(page.Next)+`>; rel="next"`)
	}
	answer(w, http.StatusOK, all)
}

func unavailable(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	answer(w, http.StatusServiceUnavailable, map[string]string{"error": "temporarily_unavailable", "error_description": "Please try again shortly."})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that has gone needs no answer
}
