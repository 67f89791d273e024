package session_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
)

// Rich has a field of each type that two copies would share.
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
		Authentication: session.Authentication{Time: time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC), Methods: []string{"oidc", "otp"}},
	}
}

// spoil changes all parts of a session.
func spoil(s *session.Session[Rich]) {
	for _, list := range [][]string{s.Roles, s.Scopes, s.Authentication.Methods, s.Properties.Tags} {
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

// TestRecall_SharesNothing: no caller sees what another does to its session, after the first verification or after a
// hit.
func TestRecall_SharesNothing(t *testing.T) {
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
	}
	if !session.Hits(t.Context(), kind, token) {
		t.Error("no hit: nothing was tested")
	}
}
