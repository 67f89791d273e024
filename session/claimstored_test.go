package session_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
)

// Where the store is asked, a claim that was taken back is gone at once, whatever the token has, with one question.
func TestClaim_CheckStore(t *testing.T) {
	spy := &script{}
	newIt := func(config session.KindConfig[User]) *claimWorld {
		config.Name = "member"
		w := newClaimWorldWith(t, config, session.ClaimConfig[User, bool]{}, func(c *session.Config) { spy.Store, c.Store = c.Store, spy })
		w.value.Store(true)
		return w
	}
	pro := func(w *claimWorld) func(*session.Grant[User]) error {
		return func(g *session.Grant[User]) error { return w.plans.Set(g, []string{"pro"}) }
	}
	edit := func(w *claimWorld, id string, change func(*session.Grant[User]) error) {
		t.Helper()
		if err := w.member.Edit(t.Context(), id, change); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("need", func(t *testing.T) {
		w := newIt(session.KindConfig[User]{})
		tokens := w.create(pro(w))
		for name, c := range map[string]struct {
			change func(*session.Grant[User]) error
			want   string // message of what is wrong; empty: nothing
			body   string
		}{
			"as it was": {pro(w), "", ""},
			"changed":   {func(g *session.Grant[User]) error { return w.plans.Set(g, []string{"free"}) }, "wrong value", ""},
			"cleared":   {func(g *session.Grant[User]) error { w.plans.Clear(g); return nil }, "missing", ""},
		} {
			edit(w, tokens.SessionID, c.change)
			for how, ask := range map[string]func(string, ...session.Need) int{
				"Bearer": func(token string, n ...session.Need) int {
					rec := w.bearer(token, n...)
					if c.want != "" {
						if failed := failedClaims(t, rec); len(failed) != 1 || failed[0].Claim != "plans" || failed[0].Message != c.want {
							t.Errorf("%s: %s", name, rec.Body)
						}
					}
					return rec.Code
				},
				"cookie": func(token string, n ...session.Need) int { return w.byCookie(token, n...).Code },
				"AnyOf": func(token string, n ...session.Need) int {
					return serve(session.AnyOf(w.apikey, w.member.With(n...)).Require(w.seen()), request("GET", "/", "Authorization", "Bearer "+token)).Code
				},
				"Verify": func(token string, n ...session.Need) int {
					if _, err := w.member.Verify(t.Context(), token, n...); errors.Is(err, session.ErrNeed) {
						return 403
					} else if err != nil {
						t.Errorf("%s: %v", name, err)
					}
					return 200
				},
			} {
				want := map[bool]int{true: 200, false: 403}[c.want == ""]
				spy.calm()
				if code := ask(tokens.Access, session.Includes(w.plans, "pro"), session.CheckStore); code != want || spy.gets != 1 || spy.writes() != 0 {
					t.Errorf("%s, %s: %d after %d reads and %d writes", name, how, code, spy.gets, spy.writes())
				}
			}
		}
		// Where the store is not asked, the token decides.
		if rec := w.bearer(tokens.Access, session.Includes(w.plans, "pro")); rec.Code != 200 {
			t.Errorf("without CheckStore: %d %s", rec.Code, rec.Body)
		}
		// A value that was added counts at once as well.
		edit(w, tokens.SessionID, func(g *session.Grant[User]) error { return w.plans.Set(g, []string{"max"}) })
		if rec := w.bearer(tokens.Access, session.Includes(w.plans, "max"), session.CheckStore); rec.Code != 200 {
			t.Errorf("given: %d %s", rec.Code, rec.Body)
		}
	})
	t.Run("policy", func(t *testing.T) {
		w := newIt(session.KindConfig[User]{CheckStore: true})
		tokens := w.create(pro(w))
		edit(w, tokens.SessionID, func(g *session.Grant[User]) error { return w.plans.Set(g, []string{"free"}) })
		if rec := w.bearer(tokens.Access, session.Includes(w.plans, "pro")); rec.Code != 403 {
			t.Errorf("guard: %d %s", rec.Code, rec.Body)
		}
		accepted, err := w.member.FromVerifiedClaims(t.Context(), must(json.Marshal(payload(t, tokens.Access)))(t))
		if err != nil {
			t.Fatal(err)
		}
		for name, s := range map[string]*session.Session[User]{
			"Verify": must(w.member.Verify(t.Context(), tokens.Access))(t), "again": must(w.member.Verify(t.Context(), tokens.Access))(t),
			"FromVerifiedClaims": accepted,
		} {
			if plans, _, ok := w.plans.Value(s); !ok || len(plans) != 1 || plans[0] != "free" {
				t.Errorf("%s: %q, %v", name, plans, ok)
			}
		}
		inspect := session.Inspect(w.member, []session.Need{session.Includes(w.plans, "pro")}, []session.Need{session.Includes(w.plans, "free")})
		v, err := inspect.Token(t.Context(), tokens.Access)
		if err != nil || v.Unmet[0] == nil || v.Unmet[1] != nil {
			t.Errorf("inspected: %+v, %v", v, err)
		}
	})
	t.Run("fetched", func(t *testing.T) {
		w := newIt(session.KindConfig[User]{})
		tokens := w.create()
		edit(w, tokens.SessionID, func(g *session.Grant[User]) error { return w.verified.Set(g, false) })
		w.fetches.Store(0)
		if rec := w.bearer(tokens.Access, w.verified.Is(true), session.CheckStore); rec.Code != 403 || w.fetches.Load() != 0 {
			t.Errorf("just written: %d, %d fetches", rec.Code, w.fetches.Load())
		}
		w.Advance(time.Minute)
		rec := w.byCookie(tokens.Access, w.verified.Is(true), session.CheckStore)
		if rec.Code != http.StatusOK || w.fetches.Load() != 1 || w.cookieToken(rec) == "" {
			t.Errorf("older than Recheck: %d, %d fetches", rec.Code, w.fetches.Load())
		}
	})
}
