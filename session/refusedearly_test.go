package session_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/posternauth/postern/session"
)

// TestD5_WhatIsTakenCanBeRead: JSON of any depth, in each place an application can put it, is either refused at once or
// can be read for as long as the session lives: by guards, by CheckStore, by refreshes and by lists.
func TestD5_WhatIsTakenCanBeRead(t *testing.T) {
	k := newKeeper(t)
	bag := session.NewKind[json.RawMessage](k.sessions, "bag")
	claim := session.NewClaim(bag, session.ClaimConfig[json.RawMessage, json.RawMessage]{Name: "deep"})
	flat := session.Grant[json.RawMessage]{Subject: "u1", Properties: json.RawMessage(`1`)}
	taken := map[string]int{}
	for depth := range 45 {
		for _, shape := range []string{"[", `{"a":`} {
			end := map[string]string{"[": "]", `{"a":`: "}"}[shape]
			raw := json.RawMessage(strings.Repeat(shape, depth) + "1" + strings.Repeat(end, depth))
			deep := flat
			deep.Properties = raw
			for way, do := range map[string]func() (session.Tokens, error){
				"Create": func() (session.Tokens, error) { return bag.Create(t.Context(), deep) },
				"Claim": func() (session.Tokens, error) {
					g := flat
					if err := claim.Set(&g, raw); err != nil {
						return session.Tokens{}, err
					}
					return bag.Create(t.Context(), g)
				},
				"Edit": func() (session.Tokens, error) {
					made := must(bag.Create(t.Context(), flat))(t)
					return made, bag.Edit(t.Context(), made.SessionID, func(g *session.Grant[json.RawMessage]) error { g.Properties = raw; return nil })
				},
				"Merge": func() (session.Tokens, error) {
					made := must(bag.Create(t.Context(), flat))(t)
					got, err := bag.Merge(t.Context(), must(bag.Verify(t.Context(), made.Access))(t), func(g *session.Grant[json.RawMessage]) error { return claim.Set(g, raw) })
					got.Refresh = made.Refresh
					return got, err
				},
				"EditData": func() (session.Tokens, error) {
					made := must(bag.Create(t.Context(), flat))(t)
					return made, k.sessions.EditData(t.Context(), made.SessionID, func(json.RawMessage) (json.RawMessage, error) { return raw, nil })
				},
				"Replace": func() (session.Tokens, error) {
					made := must(bag.Create(t.Context(), flat))(t)
					return bag.Replace(t.Context(), made.Refresh, deep)
				},
			} {
				got, err := do()
				name := fmt.Sprintf("%s, %d of %s", way, depth, shape)
				if err != nil {
					if !errors.Is(err, session.ErrGrant) {
						t.Errorf("%s: %v", name, err)
					}
					continue
				}
				taken[way] = max(taken[way], depth)
				if _, err := bag.Verify(t.Context(), got.Access, session.CheckStore); err != nil {
					t.Errorf("%s: CheckStore: %v", name, err)
				}
				if next, err := k.refresh(got.Refresh); err != nil {
					t.Errorf("%s: Refresh: %v", name, err)
				} else if _, err := bag.Verify(t.Context(), next.Access); err != nil {
					t.Errorf("%s: Verify: %v", name, err)
				}
				if _, err := k.sessions.Data(t.Context(), got.SessionID); err != nil {
					t.Errorf("%s: Data: %v", name, err)
				}
			}
		}
		if _, err := k.sessions.List(t.Context(), "u1", session.ListOptions{}); err != nil {
			t.Fatalf("List: %v", err)
		}
	}
	for _, way := range []string{"Create", "Claim", "Edit", "Merge", "EditData", "Replace"} {
		if taken[way] != 28 {
			t.Errorf("%s takes a depth of %d, want 28 as everywhere", way, taken[way])
		}
	}
}
