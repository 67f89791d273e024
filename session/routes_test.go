package session_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// TestRoutesShareNothing: many routes are made from guards with one, two, three and more needs, in every order, and
// each keeps its own. A slice that two routes append to would give one the needs of the other, silently.
func TestRoutesShareNothing(t *testing.T) {
	w := newClaimWorld(t)
	names := []string{"s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"}
	plans := session.NewClaim(w.member, session.ClaimConfig[User, []string]{Name: "routes"})
	needs := func(kind, name string) session.Need {
		if kind == "scope" {
			return session.Scope(name)
		}
		return session.Includes(plans, name)
	}
	for _, kind := range []string{"scope", "claim"} {
		for depth := range 6 { // the needs that the routes have in common
			var common []string
			var shared []session.Need
			for i := range depth {
				common = append(common, fmt.Sprint("c", i))
				shared = append(shared, needs(kind, common[i]))
			}
			guard := w.member.With(shared...)
			routes := map[string]http.Handler{}
			for _, name := range names { // all are built before the first is asked
				routes[name] = guard.Require(w.whoami(), needs(kind, name), needs(kind, name+"x"))
			}
			inspector := session.Inspect(guard, []session.Need{needs(kind, "s0")}, []session.Need{needs(kind, "s1")})
			for _, name := range names {
				granted := append([]string{name, name + "x"}, common...)
				token := w.create(func(g *session.Grant[User]) error {
					g.Scopes = granted
					return plans.Set(g, granted)
				}).Access
				for other, h := range routes {
					want := 403
					if other == name {
						want = 200
					}
					if rec := serve(h, request("GET", "/", "Authorization", "Bearer "+token)); rec.Code != want {
						t.Errorf("%s, %d in common: the rights of %s on the route of %s: %d, want %d", kind, depth, name, other, rec.Code, want)
					}
				}
				v, err := inspector.Token(t.Context(), token)
				if err != nil || (v.Unmet[0] == nil) != (name == "s0") || (v.Unmet[1] == nil) != (name == "s1") {
					t.Errorf("%s, %d in common: inspected with the rights of %s: %+v, %v", kind, depth, name, v, err)
				}
			}
		}
	}
}

// TestActualIsInTheAnswer: an answer says what the session has, beside what the route needs: the caller's own, and no
// more.
func TestActualIsInTheAnswer(t *testing.T) {
	w := newWorld(t)
	signedIn := w.Now().Add(-90 * time.Second)
	token := must(w.user.Create(t.Context(), session.Grant[User]{
		Subject: "u1", Scopes: []string{"a", "b"}, Roles: []string{"editor"}, Authentication: session.Authentication{Time: signedIn, Methods: []string{"link"}},
	}))(t).Access
	empty := must(w.user.Create(t.Context(), session.Grant[User]{Subject: "u1"}))(t).Access
	key := must(keys.Generate(keys.ES256))(t)
	other := w.trust(t, key)
	claims := w.partnerClaims()
	claims["scope"], claims["roles"] = `x "y`, []string{"ä\n"}
	foreign := w.signAs(key, "", claims)
	for name, c := range map[string]struct {
		guard session.Guard
		token string
		need  session.Need
		want  string
	}{
		"scope":          {w.user, token, session.Scope("a", "c"), `{"claim":"scope","message":"wrong value","includes":["a","c"],"actual":["a","b"]}`},
		"no scope":       {w.user, empty, session.Scope("a"), `{"claim":"scope","message":"wrong value","includes":["a"],"actual":[]}`},
		"role":           {w.user, token, session.Role("admin"), `{"claim":"roles","message":"wrong value","includes_any":["admin"],"actual":["editor"]}`},
		"method":         {w.user, token, session.AuthMethod("otp"), `{"claim":"amr","message":"wrong value","includes_any":["otp"],"actual":["link"]}`},
		"no method":      {w.user, empty, session.AuthMethod("otp"), `{"claim":"amr","message":"wrong value","includes_any":["otp"],"actual":[]}`},
		"fresh":          {w.user, token, session.Fresh(time.Minute), `{"claim":"auth_time","message":"too old","age":90,"max_age":60}`},
		"never signed":   {w.user, empty, session.Fresh(time.Minute), `{"claim":"auth_time","message":"too old","max_age":60}`},
		"where":          {w.user, token, session.Where("tenant", func(*session.Session[User]) bool { return false }), `{"claim":"tenant","message":"wrong value"}`},
		"foreign scopes": {other, foreign, session.Scope("z"), `{"claim":"scope","message":"wrong value","includes":["z"],"actual":["x","\"y"]}`},
		"foreign roles":  {other, foreign, session.Role("z"), `{"claim":"roles","message":"wrong value","includes_any":["z"],"actual":["ä\u000a"]}`},
	} {
		rec := serve(c.guard.Require(w.whoami(), c.need), request("GET", "/", "Authorization", "Bearer "+c.token))
		var body struct{ Failed []json.RawMessage }
		if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil || len(body.Failed) != 1 || string(body.Failed[0]) != c.want {
			t.Errorf("%s: %d %s, want %s", name, rec.Code, rec.Body, c.want)
		}
	}
	// A need is shared by all requests of a route: what one session has must not stay in it.
	h := w.user.Require(w.whoami(), session.Scope("c"))
	first := serve(h, request("GET", "/", "Authorization", "Bearer "+token)).Body.String()
	second := serve(h, request("GET", "/", "Authorization", "Bearer "+empty)).Body.String()
	if first == second {
		t.Errorf("both are answered %s", first)
	}
}
