package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/session"
)

// A claimWorld has a kind with two claims: whether an address is confirmed, which is fetched, and a list of plans.
type claimWorld struct {
	*world
	member   *session.Kind[User]
	verified *session.Claim[User, bool]
	plans    *session.Claim[User, []string]

	value   atomic.Bool // what Fetch finds
	fails   atomic.Bool // whether it finds anything
	fetches atomic.Int64
}

func newClaimWorld(t testing.TB, changes ...func(*session.Config)) *claimWorld {
	t.Helper()
	return newClaimWorldWith(t, session.KindConfig[User]{Name: "member"}, session.ClaimConfig[User, bool]{}, changes...)
}

func newClaimWorldWith(t testing.TB, k session.KindConfig[User], c session.ClaimConfig[User, bool], changes ...func(*session.Config)) *claimWorld {
	t.Helper()
	w := &claimWorld{world: newWorld(t, changes...)}
	w.member = session.NewKindConfig(w.sessions, k)
	c.Name = "email_verified"
	c.Fetch = func(_ context.Context, s *session.Session[User]) (bool, error) {
		w.fetches.Add(1)
		if s.Subject != "u1" || s.Properties.UserID != "u1" || s.Kind != "member" || s.ID == "" {
			t.Errorf("fetched for %+v", s)
		}
		if w.fails.Load() {
			return false, errors.New("the users are out of reach")
		}
		return w.value.Load(), nil
	}
	w.verified = session.NewClaim(w.member, c)
	w.plans = session.NewClaim(w.member, session.ClaimConfig[User, []string]{Name: "plans"})
	return w
}

func (w *claimWorld) create(set ...func(*session.Grant[User]) error) session.Tokens {
	w.t.Helper()
	g := session.Grant[User]{Subject: "u1", Properties: User{UserID: "u1"}, Scopes: []string{"post"}}
	for _, f := range set {
		if err := f(&g); err != nil {
			w.t.Fatal(err)
		}
	}
	return must(w.member.Create(w.t.Context(), g))(w.t)
}

// seen answers with the claim as the handler reads it.
func (w *claimWorld) seen() http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s, _ := w.member.From(r.Context())
		v, age, ok := w.verified.Value(s)
		_ = json.NewEncoder(rw).Encode([]any{v, age.Seconds(), ok})
	})
}

func (w *claimWorld) bearer(token string, needs ...session.Need) *httptest.ResponseRecorder {
	return serve(w.member.Require(w.seen(), needs...), request("GET", "/", "Authorization", "Bearer "+token))
}

func (w *claimWorld) byCookie(token string, needs ...session.Need) *httptest.ResponseRecorder {
	return serve(w.member.Require(w.seen(), needs...), request("GET", "/", "Cookie", session.CookieNameOf(w.member)+"="+token))
}

// payload decodes the payload of a token.
func payload(t testing.TB, token string) map[string]any {
	t.Helper()
	tok := must(jose.Parse(token))(t)
	var out map[string]any
	if err := json.Unmarshal([]byte(tok.Payload), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// cookieToken is the access token that an answer sets.
func (w *claimWorld) cookieToken(rec *httptest.ResponseRecorder) string {
	w.t.Helper()
	token := ""
	for _, c := range rec.Result().Cookies() {
		if c.Name == session.CookieNameOf(w.member) {
			if token != "" {
				w.t.Error("the cookie is set twice")
			}
			token = c.Value
		}
	}
	return token
}

type failedClaim struct {
	Claim, Message     string
	Expected, Actual   any
	Includes, Excludes []string
	IncludesAny        []string `json:"includes_any"`
	Age                *int
	MaxAge             int `json:"max_age"`
}

func failedClaims(t testing.TB, rec *httptest.ResponseRecorder) (out []failedClaim) {
	t.Helper()
	var body struct{ Failed []failedClaim }
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
		t.Fatalf("%s: %v", rec.Body, err)
	}
	return body.Failed
}

func wantCode(t testing.TB, rec *httptest.ResponseRecorder, code int, body string) {
	t.Helper()
	if rec.Code != code || !strings.Contains(rec.Body.String(), body) {
		t.Fatalf("answer %d %s, want %d %s", rec.Code, rec.Body, code, body)
	}
}

// The first token has the value already, and it is not fetched again while it is good.
func TestClaim_CreateFetches(t *testing.T) {
	w := newClaimWorld(t)
	w.value.Store(true)
	token := w.create().Access
	got, _ := json.Marshal(payload(t, token)["claims"])
	if want := `{"email_verified":[true,1772366400]}`; string(got) != want {
		t.Errorf("claims = %s, want %s", got, want)
	}
	wantCode(t, w.bearer(token, w.verified.Is(true)), 200, `[true,0,true]`)
	if n := w.fetches.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
	// A value that was set is not fetched.
	token = w.create(func(g *session.Grant[User]) error { return w.verified.Set(g, false) }).Access
	wantCode(t, w.bearer(token, w.verified.Is(false)), 200, `[false,0,true]`)
	if n := w.fetches.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

// If a value cannot be fetched at sign-in, the sign-in succeeds, and a route that needs the value fetches it.
func TestClaim_FetchFails(t *testing.T) {
	w := newClaimWorld(t)
	w.fails.Store(true)
	token := w.create().Access
	if payload(t, token)["claims"] != nil {
		t.Error("a claim out of nowhere")
	}
	wantCode(t, w.bearer(token), 200, `[false,0,false]`)
	rec := w.bearer(token, w.verified.Is(true))
	if errorCode(t, rec) != "temporarily_unavailable" || rec.Code != 503 || strings.Contains(rec.Body.String(), "users") {
		t.Errorf("answer %d %s", rec.Code, rec.Body)
	}
	rec = serve(w.member.Optional(w.seen(), w.verified.Is(true)), request("GET", "/", "Authorization", "Bearer "+token))
	wantCode(t, rec, 503, "")
	w.fails.Store(false)
	w.value.Store(true)
	wantCode(t, w.bearer(token, w.verified.Is(true)), 200, `[true,0,true]`)
}

// A value that is too old is fetched again, written to the store, and set in a cookie with the expiry of the old one.
func TestClaim_RenewedByCookie(t *testing.T) {
	w := newClaimWorld(t)
	w.value.Store(true)
	first := w.create()
	w.Advance(2 * time.Minute)
	wantCode(t, w.byCookie(first.Access, w.verified.Is(true).Within(2*time.Minute)), 200, `[true,120,true]`)

	w.Advance(time.Second)
	rec := w.byCookie(first.Access, w.verified.Is(true).Within(2*time.Minute))
	wantCode(t, rec, 200, `[true,0,true]`)
	if rec.Header().Get("Cache-Control") != "no-store" {
		t.Error("an answer with a cookie may be cached")
	}
	second := w.cookieToken(rec)
	old, renewed := payload(t, first.Access), payload(t, second)
	for _, name := range []string{"exp", "sid", "sub", "type", "scope", "iss", "aud"} {
		if old[name] != renewed[name] {
			t.Errorf("%s was %v and is %v", name, old[name], renewed[name])
		}
	}
	if old["jti"] == renewed["jti"] {
		t.Error("two tokens have one jti")
	}
	// The new token needs no fetching, and the old one, which is remembered, finds the value in the store.
	for range 2 {
		wantCode(t, w.bearer(second, w.verified.Is(true).Within(2*time.Minute)), 200, `[true,0,true]`)
		wantCode(t, w.bearer(first.Access, w.verified.Is(true).Within(2*time.Minute)), 200, `[true,0,true]`)
		wantCode(t, w.bearer(first.Access), 200, `[true,121,true]`)
	}
	if n := w.fetches.Load(); n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}
	if got := w.eventNames(); len(got) != 1 {
		t.Errorf("events %v: a claim is no new session", got)
	}
}

// The new value decides, whether it lets the request in or not.
func TestClaim_FreshValueDecides(t *testing.T) {
	w := newClaimWorldWith(t, session.KindConfig[User]{Name: "member"}, session.ClaimConfig[User, bool]{MaxAge: time.Minute})
	w.value.Store(true)
	token := w.create().Access
	w.value.Store(false)
	w.Advance(time.Minute)
	wantCode(t, w.bearer(token, w.verified.Is(true)), 200, "")
	w.Advance(time.Second)
	rec := w.byCookie(token, w.verified.Is(true))
	wantCode(t, rec, 403, "")
	if errorCode(t, rec) != "invalid_claims" {
		t.Error(rec.Body)
	}
	if failed := failedClaims(t, rec); len(failed) != 1 || failed[0].Message != "wrong value" || failed[0].Expected != true || failed[0].Actual != false {
		t.Errorf("failed = %+v", failed)
	}
	if next := w.cookieToken(rec); next == "" || rec.Header().Get("Cache-Control") != "no-store" {
		t.Error("the renewed value is not handed on with the refusal")
	}

	// Wrong and just fetched: not fetched again for 10 s, for everybody who asks.
	w.value.Store(true)
	for range 3 {
		wantCode(t, w.bearer(token, w.verified.Is(true)), 403, "")
	}
	if n := w.fetches.Load(); n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}
	w.Advance(10 * time.Second)
	wantCode(t, w.bearer(token, w.verified.Is(true)), 403, "")
	w.Advance(time.Second)
	wantCode(t, w.bearer(token, w.verified.Is(true)), 200, `[true,0,true]`)
}

// A token that is good only by the leeway is not replaced by one that has expired already.
func TestClaim_TokenJustExpired(t *testing.T) {
	w := newClaimWorld(t)
	w.value.Store(true)
	first := w.create()
	w.Advance(5*time.Minute + 10*time.Second)
	rec := w.byCookie(first.Access, w.verified.Is(true).Within(time.Minute))
	wantCode(t, rec, 200, `[true,0,true]`)
	if w.cookieToken(rec) != "" {
		t.Error("a token was made that has expired")
	}
}

func TestClaim_NegativeRecheck(t *testing.T) {
	w := newClaimWorldWith(t, session.KindConfig[User]{Name: "member"}, session.ClaimConfig[User, bool]{Recheck: -1})
	token := w.create().Access
	w.value.Store(true)
	w.Advance(4 * time.Minute)
	wantCode(t, w.bearer(token, w.verified.Is(true)), 403, "")
	wantCode(t, w.bearer(token, w.verified.Is(true).Within(time.Minute)), 200, "")
}

// Refresh keeps claims, and fetches those that are past their MaxAge.
func TestClaim_Refresh(t *testing.T) {
	w := newClaimWorldWith(t, session.KindConfig[User]{Name: "member"}, session.ClaimConfig[User, bool]{MaxAge: 10 * time.Minute})
	pro := func(g *session.Grant[User]) error { return w.plans.Set(g, []string{"pro"}) }
	tokens := w.create(pro)
	w.value.Store(true)
	for i, want := range []struct {
		wait    time.Duration
		value   bool
		fails   bool
		fetches int64
	}{{5 * time.Minute, false, false, 1}, {5*time.Minute + time.Second, true, false, 2}, {11 * time.Minute, true, true, 3}, {time.Minute, true, true, 4}} {
		w.Advance(want.wait)
		w.fails.Store(want.fails)
		tokens = must(w.sessions.Refresh(t.Context(), tokens.Refresh))(t)
		s := must(w.member.Verify(t.Context(), tokens.Access, session.Includes(w.plans, "pro")))(t)
		if v, _, ok := w.verified.Value(s); v != want.value || !ok || w.fetches.Load() != want.fetches {
			t.Errorf("refresh %d: %v %v after %d fetches, want %v and %d", i, v, ok, w.fetches.Load(), want.value, want.fetches)
		}
	}
}

// A change of a session keeps its claims, except those it changes.
func TestClaim_EditMergeReplace(t *testing.T) {
	w := newClaimWorld(t)
	w.value.Store(true)
	ctx := t.Context()
	first := w.create(func(g *session.Grant[User]) error { return w.plans.Set(g, []string{"free"}) })
	s := must(w.member.Verify(ctx, first.Access))(t)
	both := []session.Need{w.verified.Is(true), w.plans.Is([]string{"free"})}

	merged := must(w.member.Merge(ctx, s, func(g *session.Grant[User]) error { g.Roles = []string{"x"}; return nil }))(t)
	must(w.member.Verify(ctx, merged.Access, append(both, session.Role("x"))...))(t)

	step := session.Grant[User]{Subject: "u1", Properties: User{UserID: "u1"}}
	replaced := must(w.member.Replace(ctx, first.Refresh, step))(t)
	s = must(w.member.Verify(ctx, replaced.Access, both...))(t)
	if n := w.fetches.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}

	if err := w.member.Edit(ctx, s.ID, func(g *session.Grant[User]) error {
		w.verified.Clear(g)
		return w.plans.Set(g, []string{"pro", "beta"})
	}); err != nil {
		t.Fatal(err)
	}
	w.value.Store(false)
	w.Advance(11 * time.Second)
	// The token still has the old plan; a route that needs the new one asks the store.
	must(w.member.Verify(ctx, replaced.Access, session.Includes(w.plans, "beta", "pro")))(t)
	must(w.member.Verify(ctx, replaced.Access, w.verified.Is(false)))(t)
	if n := w.fetches.Load(); n != 2 {
		t.Errorf("%d fetches, want 2: what was cleared is fetched", n)
	}

	w.verified.Clear(&step)
	last := must(w.member.Replace(ctx, replaced.Refresh, step))(t)
	must(w.member.Verify(ctx, last.Access, w.verified.Is(false), session.Includes(w.plans, "pro")))(t)
	if n := w.fetches.Load(); n != 3 {
		t.Errorf("%d fetches, want 3", n)
	}
}

func TestClaim_CopyOfAGrant(t *testing.T) {
	w := newClaimWorld(t)
	var a session.Grant[User]
	if err := w.plans.Set(&a, []string{"free"}); err != nil {
		t.Fatal(err)
	}
	b := a
	if err := w.plans.Set(&b, []string{"pro"}); err != nil {
		t.Fatal(err)
	}
	a.Subject, a.Properties = "u1", User{UserID: "u1"}
	token := must(w.member.Create(t.Context(), a))(t).Access
	must(w.member.Verify(t.Context(), token, w.plans.Is([]string{"free"})))(t)
}
