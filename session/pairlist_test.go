package session_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A list shows a pair as one, whichever half was used last, and in pages of any size none twice.
func TestPair_List(t *testing.T) {
	k := newKeeper(t)
	begun := k.Now()
	want := map[string]int{} // how many sessions each entry stands for, by the id of any of them
	var waiting *couple
	for i := range 30 {
		k.Advance(time.Second)
		if i%3 == 0 {
			want[k.create().SessionID] = 1
			continue
		}
		c := k.pairUp()
		if i%3 == 1 {
			k.create()
			app := c.redeemed(c.code)
			want[must(k.member.Verify(t.Context(), app.Access))(t).ID] = 2
			continue
		}
		waiting = c
	}
	k.Advance(time.Minute)
	entries := func(limit int, between func(n int)) (all []session.Info) {
		o := session.ListOptions{Limit: limit}
		for n := 1; ; n++ {
			page := must(k.sessions.List(t.Context(), "u1", o))(t)
			if len(page.Sessions) > limit {
				t.Errorf("limit %d: a page of %d", limit, len(page.Sessions))
			}
			all = append(all, page.Sessions...)
			if between != nil {
				between(n)
			}
			if o.After = page.Next; page.Next == "" {
				return all
			}
		}
	}
	whole := entries(100, nil)
	if len(whole) != 40 {
		t.Errorf("%d entries", len(whole))
	}
	for id, n := range want {
		i := slices.IndexFunc(whole, func(in session.Info) bool { return in.ID == id })
		if i < 0 || len(whole[i].Paired) != n-1 || whole[i].AtIssuer != (n == 2) {
			t.Errorf("%s of %d: entry %d", id, n, i)
		}
	}
	for _, limit := range []int{1, 2, 7} {
		if got := entries(limit, nil); !slices.EqualFunc(got, whole, func(a, b session.Info) bool { return a.ID == b.ID && slices.Equal(a.Paired, b.Paired) }) {
			t.Errorf("limit %d: another list, of %d", limit, len(got))
		}
	}
	// A code that is redeemed between two pages changes no place.
	fresh := k.pairUp()
	k.create()
	got := entries(1, func(n int) {
		if n == 1 {
			fresh.redeemed(fresh.code)
		}
	})
	if len(got) != 42 || len(got[1].Paired) != 1 {
		t.Errorf("%d entries, the second: %+v", len(got), got[1])
	}
	// Times are those of both: the sign-in of the first, the use of either.
	k.Advance(time.Hour)
	used := k.mustRefresh(refreshOf(fresh))
	i := slices.IndexFunc(k.list(), func(in session.Info) bool { return slices.Contains(in.Paired, used.SessionID) })
	if in := k.list()[i]; !in.LastUsed.Equal(k.Now()) || !in.Created.After(begun) || in.IdleExpiresAt.Before(k.Now().Add(7*24*time.Hour)) {
		t.Errorf("%+v", in)
	}
	if waiting == nil || !waiting.browserLives() {
		t.Error("a browser whose code was not redeemed has no session")
	}
}

// "All others" keeps both of the pair that asks, whichever of them asks, and ends everything else.
func TestPair_RevokeOthers(t *testing.T) {
	for name, kind := range map[string]func(*session.KindConfig[User]){"with a pool": pooled, "without": func(*session.KindConfig[User]) {}} {
		for _, who := range []string{"browser", "application"} {
			t.Run(name+"/"+who, func(t *testing.T) {
				eachStore(t, func(t *testing.T, changes ...any) {
					k := newKeeper(t, append(changes, kind)...)
					earlier := k.pairUp()
					old := earlier.redeemed(earlier.code)
					c := k.pairUp(earlier.cookies...) // of the same browser, another pair
					app := c.redeemed(c.code)
					other := k.pairUp()
					there, alone := other.redeemed(other.code), k.create()
					late := k.pairUp()
					k.told()
					rec := serve(k.sessions.Handler(), map[string]*http.Request{
						"browser":     c.browser("DELETE", issuer+"/sessions"),
						"application": request("DELETE", issuer+"/sessions", "Authorization", "Bearer "+app.Access),
					}[who])
					if rec.Code != http.StatusNoContent {
						t.Fatalf("%d %s", rec.Code, rec.Body)
					}
					k.wantTold("others revoked")
					if !c.browserLives() || !c.appLives(app) {
						t.Errorf("the pair that asked: browser %t, application %t", c.browserLives(), c.appLives(app))
					}
					if c.appLives(old) || other.browserLives() || c.appLives(there) || c.appLives(alone) || late.browserLives() || late.redeemed(late.code).Access != "" {
						t.Error("a session of another sign-in lives")
					}
					k.Advance(time.Hour)
					k.mustRefresh(app.Refresh)
					k.mustRefresh(refreshOf(c))
					if list := k.list(); len(list) != 1 || len(list[0].Paired) != 1 {
						t.Errorf("list %+v", list)
					}
				})
			})
		}
	}
}

// The partner has ended, or is refreshed at the same moment: neither lives again, and neither is lost.
func TestPair_RevokeOthersWithAPartnerThatChanges(t *testing.T) {
	k := newKeeper(t)
	c := k.pairUp()
	app := c.redeemed(c.code)
	id := must(k.member.Verify(t.Context(), app.Access))(t).ID
	k.Advance(time.Minute)
	var next session.Tokens
	done := false
	k.spy.onWrite = func(int, []store.Change) (bool, error) {
		if !done {
			done = true
			next = k.mustRefresh(app.Refresh)
		}
		return true, nil
	}
	home := must(k.member.Verify(t.Context(), accessIn(c)))(t).ID
	if err := k.sessions.RevokeOthers(t.Context(), home); err != nil {
		t.Fatal(err)
	}
	k.spy.calm()
	if !c.appLives(next) || !c.browserLives() {
		t.Error("a refresh at the same moment loses the session")
	}
	k.rotate(k.rotate(next.Refresh).Refresh)
	if _, err := k.refresh(app.Refresh); !errors.Is(err, session.ErrReuse) {
		t.Fatal(err)
	}
	if err := k.sessions.RevokeOthers(t.Context(), home); err != nil {
		t.Fatal(err)
	}
	if in := must(k.sessions.Find(t.Context(), id))(t); in.Ended != "reuse" || !c.browserLives() {
		t.Errorf("ended %q, browser %t", in.Ended, c.browserLives())
	}
}

func accessIn(c *couple) string {
	i := slices.IndexFunc(c.cookies, func(k *http.Cookie) bool { return !strings.HasSuffix(k.Name, "-refresh") })
	return c.cookies[i].Value
}

// The person's own list marks the pair as the session of the request, and ending it by the id of the other half signs
// this browser out.
func TestPair_OwnSessions(t *testing.T) {
	k := newKeeper(t)
	other := k.pairUp()
	kept := other.redeemed(other.code)
	c := k.pairUp()
	app := c.redeemed(c.code)
	type entry struct {
		ID       string
		Current  bool
		AtIssuer bool `json:"at_issuer"`
		Paired   []string
	}
	var list struct{ Sessions []entry }
	for name, r := range map[string]*http.Request{
		"browser": c.browser("GET", issuer+"/sessions"), "application": request("GET", issuer+"/sessions", "Authorization", "Bearer "+app.Access),
	} {
		list.Sessions = nil
		if err := json.Unmarshal(serve(k.sessions.Handler(), r).Body.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		if len(list.Sessions) != 2 || !list.Sessions[0].Current || list.Sessions[1].Current || !list.Sessions[0].AtIssuer || len(list.Sessions[0].Paired) != 1 {
			t.Fatalf("%s: %+v", name, list.Sessions)
		}
	}
	rec := serve(k.sessions.Handler(), c.browser("DELETE", issuer+"/sessions/"+list.Sessions[1].ID))
	if rec.Code != http.StatusNoContent || len(rec.Result().Cookies()) != 0 || other.browserLives() || c.appLives(kept) || !c.browserLives() {
		t.Errorf("another pair: %d %v, lives %t %t, this browser %t", rec.Code, rec.Header(), other.browserLives(), c.appLives(kept), c.browserLives())
	}
	rec = serve(k.sessions.Handler(), c.browser("DELETE", issuer+"/sessions/"+list.Sessions[0].ID))
	if rec.Code != http.StatusNoContent || len(rec.Result().Cookies()) != 2 || c.browserLives() || c.appLives(app) {
		t.Errorf("its own: %d, %d cookies, lives %t %t", rec.Code, len(rec.Result().Cookies()), c.browserLives(), c.appLives(app))
	}
}
