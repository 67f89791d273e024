package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A roleTable is the roles of u1 in a database, beside the rights of the head that move with them.
type roleTable struct {
	version atomic.Int64
	loads   atomic.Int64
}

// kind sets the Pool, and loads the roles at each refresh: the role is "v" and the number of changes.
func (r *roleTable) kind(c *session.KindConfig[User]) {
	c.Pool = pool
	c.OnRefresh = func(_ context.Context, _ string, g *session.Grant[User]) error {
		r.loads.Add(1)
		g.Roles = []string{r.role()}
		return nil
	}
}

func (r *roleTable) role() string { return "v" + strconv.FormatInt(r.version.Load(), 10) }

// change changes the roles and then the head, as one write would.
func (r *roleTable) change(k *keeper) {
	k.t.Helper()
	r.version.Add(1)
	k.head(moveRights)
}

func (r *roleTable) create(k *keeper) session.Tokens {
	k.t.Helper()
	g := k.grant()
	g.Roles = []string{r.role()}
	return must(k.member.Create(k.t.Context(), g))(k.t)
}

func (k *keeper) wantRole(what, access, role string, needs ...session.Need) {
	k.t.Helper()
	s, err := k.member.Verify(k.t.Context(), access, needs...)
	if err != nil || len(s.Roles) != 1 || s.Roles[0] != role {
		k.t.Errorf("%s: %+v %v, want the role %s", what, s, err, role)
	}
}

// A changed role takes effect at the next refresh, whichever token the client sends, and no refresh token is traded
// for it within the grace.
func TestRights_NextRefresh(t *testing.T) {
	for state, make := range map[string]func(k *keeper, t session.Tokens) (sent, current session.Tokens){
		"new": func(_ *keeper, t session.Tokens) (_, _ session.Tokens) { return t, t },
		"current within the grace": func(k *keeper, t session.Tokens) (_, _ session.Tokens) {
			next := k.rotate(t.Refresh)
			return next, next
		},
		"retried predecessor": func(k *keeper, t session.Tokens) (_, _ session.Tokens) { return t, k.rotate(t.Refresh) },
		"late predecessor within the grace": func(k *keeper, t session.Tokens) (_, _ session.Tokens) {
			next := k.rotate(t.Refresh)
			k.Advance(80 * time.Second)
			return t, next
		},
	} {
		r := &roleTable{}
		k := newKeeper(t, r.kind)
		sent, current := make(k, r.create(k))
		for range 3 {
			r.change(k)
			k.told(true)
			loads := r.loads.Load()
			got := k.mustRefresh(sent.Refresh)
			k.wantRole(state, got.Access, r.role(), session.CheckStore)
			if got.Refresh != current.Refresh || r.loads.Load() != loads+1 {
				t.Errorf("%s: another refresh token, or %d loads", state, r.loads.Load()-loads)
			}
			if told := k.told(true); len(told) == 0 || told[0] != "session refreshed: rights" {
				t.Errorf("%s: events %q", state, told)
			}
			k.spy.calm()
			if got = k.mustRefresh(sent.Refresh); k.spy.writes() != 0 || k.spy.gets != 1 || r.loads.Load() != loads+1 {
				t.Errorf("%s: loaded again: %d reads, %d writes", state, k.spy.gets, k.spy.writes())
			}
		}
		if s := k.verify(k.rotate(current.Refresh).Access); s.Roles[0] != r.role() {
			t.Errorf("%s: after a rotation %q", state, s.Roles)
		}
		k.wantTold(map[bool][]string{true: {"refresh retried"}}[sent.Refresh != current.Refresh]...)
	}
}

// TestA10_RightsAtOnce: where a guard asks the store, a client that holds its tokens is sent to refresh, and a browser
// is refreshed before the handler runs, also with a token that is older than a refresh of another tab.
func TestA10_RightsAtOnce(t *testing.T) {
	r := &roleTable{}
	k := newKeeper(t, r.kind)
	tokens := r.create(k)
	roles := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := k.member.From(r.Context())
		_, _ = fmt.Fprint(w, s.Roles[0])
	})
	guard := k.member.Require(roles, session.CheckStore)
	ask := func(headers ...string) (int, string) {
		rec := serve(guard, request("GET", "/", headers...))
		return rec.Code, rec.Body.String()
	}
	if code, body := ask("Cookie", k.cookies(tokens)); code != 200 || body != "v0" {
		t.Fatalf("%d %s", code, body)
	}
	r.change(k)
	rec := serve(guard, request("GET", "/", "Authorization", "Bearer "+tokens.Access))
	if rec.Code != 401 || errorCode(t, rec) != "try_refresh" {
		t.Errorf("Bearer: %d %s", rec.Code, rec.Body)
	}
	if _, err := k.member.Verify(t.Context(), tokens.Access, session.CheckStore); !errors.Is(err, session.ErrExpired) || errors.Is(err, session.ErrEnded) {
		t.Errorf("Verify: %v", err)
	}
	k.wantRole("without CheckStore", tokens.Access, "v0") // until it expires
	rec = serve(guard, request("GET", "/", "Cookie", k.cookies(tokens)))
	if rec.Code != 200 || rec.Body.String() != "v1" || set(t, rec.Header(), k.access()) == "" || rec.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("cookies: %d %s %v", rec.Code, rec.Body, rec.Header())
	}
	// Another tab has refreshed; the old token still has the old roles in it.
	if code, body := ask("Authorization", "Bearer "+tokens.Access); code != 401 {
		t.Errorf("the old token: %d %s", code, body)
	}
	if code, body := ask("Cookie", k.cookies(tokens)); code != 200 || body != "v1" {
		t.Errorf("the old token as a cookie: %d %s", code, body)
	}
	next := k.mustRefresh(tokens.Refresh)
	if code, body := ask("Authorization", "Bearer "+next.Access); code != 200 || body != "v1" {
		t.Errorf("Bearer, refreshed: %d %s", code, body)
	}
	// A program that cannot refresh: 401 for cookies too.
	weak := k.twin(0, r.kind, func(c *session.Config) { c.Keys, c.Secrets = onlyVerifies{c.Keys}, nil })
	r.change(k)
	rec = serve(weak.member.Require(roles, session.CheckStore), request("GET", "/", "Cookie", k.cookies(next)))
	if rec.Code != 401 || errorCode(t, rec) != "try_refresh" || len(rec.Header()["Set-Cookie"]) != 0 {
		t.Errorf("a program that only verifies: %d %s", rec.Code, rec.Body)
	}
}

// A program without OnRefresh cannot load roles: it never records that they are fresh, and its refreshes go on.
func TestRights_WithoutOnRefresh(t *testing.T) {
	r := &roleTable{}
	k := newKeeper(t, r.kind)
	blind := k.twin(0, pooled)
	tokens := r.create(k)
	r.change(k)
	within := must(blind.refresh(tokens.Refresh))(t)
	k.Advance(time.Minute)
	next := must(blind.refresh(within.Refresh))(t)
	if next.Refresh == tokens.Refresh {
		t.Fatal("nothing was rotated")
	}
	for _, tokens := range []session.Tokens{within, next} {
		if _, err := k.member.Verify(t.Context(), tokens.Access, session.CheckStore); !errors.Is(err, session.ErrExpired) {
			t.Errorf("old roles pass CheckStore: %v", err)
		}
	}
	k.wantRole("refreshed by the other program", k.mustRefresh(next.Refresh).Access, "v1", session.CheckStore)
}

// The row never has newer rights than its roles: a change while OnRefresh runs, or between the load of the roles and
// the creation of the session, is found at the next refresh and by CheckStore.
func TestRights_NeverNewerThanRoles(t *testing.T) {
	r := &roleTable{}
	var during func()
	k := newKeeper(t, r.kind, func(c *session.KindConfig[User]) {
		load := c.OnRefresh
		c.OnRefresh = func(ctx context.Context, id string, g *session.Grant[User]) error {
			err := load(ctx, id, g)
			if during != nil {
				during()
			}
			return err
		}
	})
	tokens := r.create(k)
	for name, refresh := range map[string]func() session.Tokens{
		"rotation": func() session.Tokens { return k.rotate(tokens.Refresh) },
		"within the grace": func() session.Tokens {
			tokens = k.rotate(tokens.Refresh)
			r.change(k)
			return k.mustRefresh(tokens.Refresh)
		},
	} {
		during = func() { during = nil; r.change(k) }
		if name != "rotation" {
			during = nil
			tokens = k.rotate(tokens.Refresh)
			r.change(k)
			during = func() { during = nil; r.change(k) }
			refresh = func() session.Tokens { return k.mustRefresh(tokens.Refresh) }
		}
		tokens = refresh()
		if _, err := k.member.Verify(t.Context(), tokens.Access, session.CheckStore); !errors.Is(err, session.ErrExpired) {
			t.Errorf("%s: the roles of before pass CheckStore: %v", name, err)
		}
		tokens = k.mustRefresh(tokens.Refresh)
		k.wantRole(name, tokens.Access, r.role(), session.CheckStore)
	}
	// At birth: the roles were loaded, then they changed, then the session was created.
	g, rights := k.grant(), r.version.Load()
	g.Roles = []string{r.role()}
	r.change(k)
	ctx := head.Loaded(t.Context(), rights)
	code := memberCodeIn(ctx, k, g)
	for name, born := range map[string]session.Tokens{
		"Create":  must(k.member.Create(ctx, g))(t),
		"Replace": must(k.member.Replace(ctx, r.create(k).Refresh, g))(t),
		"code":    must(tokensOf(t, k.redeemCode(code, audience).Body.Bytes()))(t),
	} {
		if _, err := k.member.Verify(t.Context(), born.Access, session.CheckStore); !errors.Is(err, session.ErrExpired) {
			t.Errorf("%s: the roles of before pass CheckStore: %v", name, err)
		}
		k.wantRole(name, k.mustRefresh(born.Refresh).Access, r.role(), session.CheckStore)
	}
}

// onlyVerifies hides that keys can sign.
type onlyVerifies struct{ keys.Verifier }

// memberCodeIn is memberCode with a context and a grant.
func memberCodeIn(ctx context.Context, k *keeper, g session.Grant[User]) string {
	k.t.Helper()
	rec := recorder()
	if err := k.member.Code(rec, request("GET", "/").WithContext(ctx), g, handedTo(audience)); err != nil {
		k.t.Fatal(err)
	}
	return must(rec.Result().Location())(k.t).Query().Get("code")
}

func tokensOf(t *testing.T, body []byte) (tokens session.Tokens, err error) {
	t.Helper()
	return tokens, json.Unmarshal(body, &tokens)
}

// OnRefresh may end the session, or fail, in a refresh within the grace as in any other.
func TestRights_OnRefreshFails(t *testing.T) {
	var answer error
	k := newKeeper(t, pooled, func(c *session.KindConfig[User]) {
		c.OnRefresh = func(context.Context, string, *session.Grant[User]) error { return answer }
	})
	tokens := k.create()
	k.head(moveRights)
	answer = errors.New("database away")
	k.spy.calm()
	if rec := k.tokenGrant(tokens.Refresh); rec.Code != 503 || k.spy.writes() != 0 {
		t.Errorf("%d %s, %d writes", rec.Code, rec.Body, k.spy.writes())
	}
	answer = session.ErrEnded
	if rec := k.tokenGrant(tokens.Refresh); rec.Code != 400 || errorCode(t, rec) != "invalid_grant" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	k.wantTold("session ended: renew")
	answer = nil
	k.wantOver("ended by OnRefresh", tokens)
}

// TestS6_RightsMoveWhileTabsRefresh: 100 tabs refresh with the present token and with the one before it, while the
// roles change many times within the grace. All get the same refresh token, nobody is signed out as a thief, and after
// the last change each refresh has the last roles.
func TestS6_RightsMoveWhileTabsRefresh(t *testing.T) {
	r := &roleTable{}
	k := newKeeper(t, r.kind)
	old := r.create(k)
	current := k.rotate(old.Refresh)
	k.told(true)
	var all sync.WaitGroup
	stop := make(chan struct{})
	var refreshes, tried atomic.Int64
	for i := range 100 {
		sent := current.Refresh
		if i%2 == 1 {
			sent = old.Refresh
		}
		all.Go(func() {
			for {
				got, err := k.refresh(sent)
				switch {
				case errors.Is(err, session.ErrUnavailable):
					tried.Add(1)
				case err != nil:
					t.Errorf("%v", err)
					return
				case got.Refresh != current.Refresh:
					t.Errorf("another refresh token: number %d", number(t, got.Refresh))
					return
				}
				refreshes.Add(1)
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for range 40 {
		r.change(k)
		for before := refreshes.Load(); refreshes.Load() < before+10 && !t.Failed(); {
			runtime.Gosched()
		}
	}
	close(stop)
	all.Wait()
	t.Logf("%d refreshes, %d to be tried again, %d loads", refreshes.Load(), tried.Load(), r.loads.Load())
	for _, sent := range []string{current.Refresh, old.Refresh} {
		k.wantRole("at the end", k.mustRefresh(sent).Access, r.role(), session.CheckStore)
	}
	for _, e := range k.told() {
		if e != "refresh retried" {
			t.Errorf("event %q", e)
		}
	}
	if n := len(k.list()); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// TestA10_Racers: 100 refreshes and CheckStores run while the head moves. After the move returned, no refresh that
// begins succeeds, and no token that an earlier one made does.
func TestA10_Racers(t *testing.T) {
	eachStore(t, func(t *testing.T, changes ...any) {
		for name, move := range map[string]func(k *keeper) error{
			"the head":      func(k *keeper) error { k.head(moveSec); return nil },
			"disabled":      func(k *keeper) error { k.head(disable); return nil },
			"RevokeSubject": func(k *keeper) error { return k.sessions.RevokeSubject(k.t.Context(), "u1") },
		} {
			for round := range 5 {
				r := &roleTable{}
				k := newKeeper(t, append(changes, r.kind)...)
				tokens := r.create(k)
				if round%2 == 1 {
					k.Advance(time.Minute) // all of them rotate
				}
				var moved atomic.Bool
				var all sync.WaitGroup
				var mu sync.Mutex
				made := []session.Tokens{tokens}
				begin := make(chan struct{})
				for range 100 {
					all.Go(func() {
						<-begin
						for range 3 {
							after := moved.Load()
							got, err := k.refresh(tokens.Refresh)
							if err == nil && after {
								t.Errorf("%s: a refresh that began after the move succeeded", name)
							}
							if errors.Is(err, session.ErrReuse) {
								t.Errorf("%s: %v", name, err)
							}
							if err == nil {
								mu.Lock()
								made = append(made, got)
								mu.Unlock()
							}
						}
					})
				}
				all.Go(func() {
					<-begin
					if err := move(k); err != nil {
						t.Error(err)
					}
					moved.Store(true)
				})
				close(begin)
				all.Wait()
				for _, tokens := range made[max(0, len(made)-10):] {
					k.wantOver(name, tokens)
				}
			}
		}
	})
}

// Each way costs the round trips that it costs without a Pool, and one key more.
func TestPool_RoundTrips(t *testing.T) {
	type call struct {
		gets, keys, writes int
	}
	measure := func(k *keeper, do func()) call {
		k.spy.calm()
		keys := 0
		k.spy.onKeys = func(asked []store.Key) { keys += len(asked) }
		do()
		c := call{k.spy.gets, keys, k.spy.writes()}
		k.spy.calm()
		return c
	}
	for _, with := range []bool{false, true} {
		k, more := newKeeper(t), 0
		if with {
			k, more = newKeeper(t, pooled), 1
		}
		var tokens session.Tokens
		code := k.memberCode(audience)
		for _, c := range []struct {
			name string
			do   func()
			want call
		}{
			{"Create", func() { tokens = k.create() }, call{1, 2 + more, 1}},
			{"refresh within the grace", func() { k.mustRefresh(tokens.Refresh) }, call{1, 2 + more, 0}},
			{"rotation", func() { tokens = k.rotate(tokens.Refresh) }, call{1, 2 + more, 1}},
			{"CheckStore", func() { k.verify(tokens.Access, session.CheckStore) }, call{1, 2 + more, 0}},
			{"Merge", func() {
				s := k.verify(tokens.Access)
				must(k.member.Merge(t.Context(), s, func(*session.Grant[User]) error { return nil }))(t)
			}, call{1, 2 + more, 1}},
			{"Revoke", func() { _ = k.sessions.Revoke(t.Context(), tokens.SessionID) }, call{1, 3, 1}},
			{"redemption", func() { k.redeemCode(code, audience) }, call{1 + more, 3 + more, 1}},
			{"RevokeSubject", func() { _ = k.sessions.RevokeSubject(t.Context(), "u1") }, call{1, 2 + more, 1}},
		} {
			if got := measure(k, c.do); got != c.want {
				t.Errorf("pool %v, %s: %+v, want %+v", with, c.name, got, c.want)
			}
		}
	}
}
