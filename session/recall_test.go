package session_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
)

// Rich has every sort of part that two copies of it would share.
type Rich struct {
	Name   string            `json:"name"`
	Tags   []string          `json:"tags"`
	Labels map[string]string `json:"labels"`
	Owner  *User             `json:"owner"`
	Teams  []*User           `json:"teams"`
	Any    any               `json:"any"`
}

func richGrant() session.Grant[Rich] {
	return session.Grant[Rich]{
		Subject: "u1",
		Properties: Rich{
			Name: "n", Tags: []string{"a", "b"}, Labels: map[string]string{"k": "v"}, Owner: &User{UserID: "o"},
			Teams: []*User{{UserID: "t"}}, Any: map[string]any{"list": []any{"x"}},
		},
		Scopes: []string{"read", "write"}, Roles: []string{"owner", "editor"},
		Auth: session.Auth{Time: time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC), Methods: []string{"oidc", "otp"}},
	}
}

// spoil changes all that can be changed of a session.
func spoil(s *session.Session[Rich]) {
	for _, list := range [][]string{s.Roles, s.Scopes, s.Auth.Methods, s.Properties.Tags} {
		for i := range list {
			list[i] = "spoilt"
		}
		_ = append(list, "spoilt") // would reach into the list that lies behind
		_ = append(list[:0], "again")
	}
	s.Properties.Labels["k"] = "spoilt"
	s.Properties.Labels["new"] = "spoilt"
	s.Properties.Owner.UserID = "spoilt"
	s.Properties.Teams[0].UserID = "spoilt"
	s.Properties.Any.(map[string]any)["list"].([]any)[0] = "spoilt"
	s.Subject, s.Kind, s.Expires = "spoilt", "spoilt", time.Time{}
	s.Properties.Name = "spoilt"
}

// TestRecall_OnesOwn: what one caller does to its session, no other sees, neither of the first verification nor of a hit.
func TestRecall_OnesOwn(t *testing.T) {
	w := newWorld(t)
	kind := session.NewKind[Rich](w.sessions, "rich")
	token := must(kind.Create(t.Context(), richGrant()))(t).Access
	first := must(kind.Verify(t.Context(), token))(t)
	want := must(session.NewKind[Rich](newWorld(t, func(c *session.Config) { c.Keys = w.sessions.Verifier() }).sessions, "rich").Verify(t.Context(), token))(t)
	if !reflect.DeepEqual(first, want) || first.Properties.Owner.UserID != "o" || len(first.Roles) != 2 {
		t.Fatalf("read as %+v, want %+v", first, want)
	}
	spoil(first)
	for n := range 3 {
		s := must(kind.Verify(t.Context(), token))(t)
		if !reflect.DeepEqual(s, want) {
			t.Errorf("hit %d: %+v, want %+v", n, s, want)
		}
		spoil(s)
		var into session.Session[Rich]
		if err := kind.VerifyInto(t.Context(), token, &into); err != nil || !reflect.DeepEqual(&into, want) {
			t.Errorf("hit %d into: %+v, %v, want %+v", n, into, err, want)
		}
		spoil(&into)
	}
	if !session.Hits(t.Context(), kind, token) {
		t.Error("no hit: nothing was tested")
	}
}

// TestRecall_Into: VerifyInto writes into the lists it is given, and these belong to one session alone.
func TestRecall_Into(t *testing.T) {
	w := newWorld(t)
	g := w.grant()
	long := w.token()
	g.Roles, g.Scopes, g.Auth.Methods = nil, []string{"one"}, []string{"a", "b", "c"}
	short := must(w.user.Create(t.Context(), g))(t).Access
	wants := map[string]*session.Session[User]{}
	for _, token := range []string{long, short} {
		wants[token] = must(w.user.Verify(t.Context(), token))(t)
	}
	into := must(w.user.Verify(t.Context(), long))(t) // its lists lie side by side
	var other session.Session[User]
	for _, token := range []string{short, long, long, short, short, long} {
		for _, s := range []*session.Session[User]{into, &other} {
			if err := w.user.VerifyInto(t.Context(), token, s); err != nil {
				t.Fatal(err)
			}
			if got, want := lists(s), lists(wants[token]); got != want || s.TokenID != wants[token].TokenID {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		into.Scopes[0], into.Auth.Methods[0] = "spoilt", "spoilt"
		if got, want := lists(&other), lists(wants[token]); got != want {
			t.Errorf("another session has %s, want %s", got, want)
		}
	}
}

func lists[T any](s *session.Session[T]) string {
	return strings.Join(s.Scopes, " ") + "|" + strings.Join(s.Roles, " ") + "|" + strings.Join(s.Auth.Methods, " ")
}
