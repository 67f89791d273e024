package session_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

func TestClaimNeeds(t *testing.T) {
	w := newClaimWorld(t)
	w.value.Store(true)
	token := w.create(func(g *session.Grant[User]) error { return w.plans.Set(g, []string{"pro", "beta"}) }).Access
	bare := w.create().Access // without plans
	list := func(names ...any) any { return names }
	for name, c := range map[string]struct {
		token string
		need  session.Need
		want  *failedClaim // nil: it is met
	}{
		"is":              {token, w.verified.Is(true), nil},
		"is not":          {token, w.verified.Is(false), &failedClaim{Message: "wrong value", Expected: false, Actual: true}},
		"where":           {token, w.verified.Where(func(v bool) bool { return v }), nil},
		"where not":       {token, w.verified.Where(func(v bool) bool { return !v }), &failedClaim{Message: "wrong value", Actual: true}},
		"includes":        {token, session.Includes(w.plans, "beta", "pro"), nil},
		"includes half":   {token, session.Includes(w.plans, "beta", "max"), &failedClaim{Message: "wrong value", Includes: []string{"beta", "max"}, Actual: list("pro", "beta")}},
		"includes any":    {token, session.IncludesAny(w.plans, "beta", "max"), nil},
		"includes none":   {token, session.IncludesAny(w.plans, "max", "bet"), &failedClaim{Message: "wrong value", IncludesAny: []string{"max", "bet"}, Actual: list("pro", "beta")}},
		"excludes":        {token, session.Excludes(w.plans, "max"), nil},
		"excludes not":    {token, session.Excludes(w.plans, "max", "pro"), &failedClaim{Message: "wrong value", Excludes: []string{"max", "pro"}, Actual: list("pro", "beta")}},
		"equal":           {token, w.plans.Is([]string{"pro", "beta"}), nil},
		"other order":     {token, w.plans.Is([]string{"beta", "pro"}), &failedClaim{Message: "wrong value", Expected: list("beta", "pro"), Actual: list("pro", "beta")}},
		"missing":         {bare, session.Includes(w.plans, "pro"), &failedClaim{Message: "missing", Includes: []string{"pro"}}},
		"missing, within": {bare, session.Includes(w.plans, "pro").Within(time.Minute), &failedClaim{Message: "missing", Includes: []string{"pro"}}},
		"none excludes":   {bare, session.Excludes(w.plans, "pro"), &failedClaim{Message: "missing", Excludes: []string{"pro"}}}, // nothing known is not known to be absent
	} {
		t.Run(name, func(t *testing.T) {
			for _, h := range []http.Handler{w.member.Require(w.seen(), c.need), w.member.Optional(w.seen(), c.need), session.AnyOf(w.apikey, w.member.With(c.need)).Require(w.seen())} {
				for header, value := range map[string]string{"Authorization": "Bearer " + c.token, "Cookie": session.CookieNameOf(w.member) + "=" + c.token} {
					rec := serve(h, request("GET", "/", header, value))
					if c.want == nil {
						wantCode(t, rec, 200, "")
						continue
					}
					if rec.Code != 403 || errorCode(t, rec) != "invalid_claims" || !strings.Contains(rec.Header().Get("WWW-Authenticate"), `error="insufficient_scope"`) {
						t.Fatalf("by %s: %d %s %s", header, rec.Code, rec.Body, rec.Header())
					}
					want := *c.want
					if want.Claim = "plans"; strings.HasPrefix(name, "is") || strings.HasPrefix(name, "where") {
						want.Claim = "email_verified"
					}
					if failed := failedClaims(t, rec); len(failed) != 1 || !reflect.DeepEqual(failed[0], want) {
						t.Errorf("by %s: %s, want %+v", header, rec.Body, want)
					}
				}
			}
		})
	}
}

// The answer lists all unmet needs, and nothing is fetched for a request that another need refuses.
func TestClaimNeeds_AllAreListed(t *testing.T) {
	w := newClaimWorldWith(t, session.KindConfig[User]{Name: "member"}, session.ClaimConfig[User, bool]{MaxAge: time.Minute})
	token := w.create().Access
	w.Advance(2 * time.Minute)
	rec := w.bearer(token, session.Scope("pay"), session.Role("admin", "owner"), session.Fresh(time.Minute), session.AuthMethod("otp"),
		session.Where("tenant", func(*session.Session[User]) bool { return false }), w.verified.Is(true), session.Includes(w.plans, "pro"))
	wantCode(t, rec, 403, "")
	if errorCode(t, rec) != "insufficient_scope" {
		t.Error(rec.Body)
	}
	age := 120
	want := []failedClaim{
		{Claim: "scope", Message: "wrong value", Includes: []string{"pay"}, Actual: []any{"post"}},
		{Claim: "roles", Message: "wrong value", IncludesAny: []string{"admin", "owner"}, Actual: []any{}},
		{Claim: "auth_time", Message: "too old", MaxAge: 60},
		{Claim: "amr", Message: "wrong value", IncludesAny: []string{"otp"}, Actual: []any{}},
		{Claim: "tenant", Message: "wrong value"},
		{Claim: "email_verified", Message: "too old", Expected: true, Age: &age, MaxAge: 60},
		{Claim: "plans", Message: "missing", Includes: []string{"pro"}},
	}
	if got := failedClaims(t, rec); !reflect.DeepEqual(got, want) {
		t.Errorf("failed = %s", rec.Body)
	}
	if n := w.fetches.Load(); n != 1 {
		t.Errorf("%d fetches, want the one of Create", n)
	}
	// If a new sign-in alone is needed, the answer is a 401; it has the list as well.
	rec = w.bearer(token, session.Fresh(time.Minute))
	if rec.Code != 401 || errorCode(t, rec) != "insufficient_user_authentication" || len(failedClaims(t, rec)) != 1 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// A stateless kind has the token alone.
func TestClaimNeeds_Stateless(t *testing.T) {
	w := newClaimWorldWith(t, session.KindConfig[User]{Name: "member", Stateless: true}, session.ClaimConfig[User, bool]{})
	w.value.Store(true)
	token := w.create().Access
	wantCode(t, w.byCookie(token, w.verified.Is(true)), 200, "[true,0,true]")
	w.Advance(10 * time.Minute)
	wantCode(t, w.byCookie(token, w.verified.Is(true)), 200, "[true,600,true]")
	for _, need := range []session.Need{w.verified.Is(true).Within(time.Minute), w.verified.Is(false), session.Excludes(w.plans, "pro")} {
		rec := w.byCookie(token, need)
		if rec.Code != 403 || errorCode(t, rec) != "invalid_claims" || len(rec.Result().Cookies()) > 0 {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	}
	if n := w.fetches.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

// A program that only verifies has the token alone. If a refresh could bring a newer value it answers try_refresh,
// but not for a token that is as new as a refresh would make it.
func TestClaimNeeds_VerifyOnly(t *testing.T) {
	w := newClaimWorld(t)
	w.value.Store(true)
	public := must(keys.Static(w.key.Public()))(t)
	far := newClaimWorld(t, func(c *session.Config) { c.Keys, c.Secrets, c.Store, c.Now = public, nil, nil, w.Now })
	fetched := far.verified.Is(true)
	plan := session.Includes(far.plans, "pro")

	token := w.create().Access
	w.Advance(2 * time.Second)
	for i, c := range []struct {
		need       session.Need
		young, old string // the errors
	}{
		{fetched, "", ""},
		{far.verified.Is(false), "invalid_claims", "invalid_claims"},
		{fetched.Within(time.Second), "invalid_claims", "try_refresh"},
		{plan, "invalid_claims", "try_refresh"},
	} {
		far.wantError(far.byCookie(token, c.need), c.young)
		older := w.create().Access
		w.Advance(31 * time.Second)
		rec := far.byCookie(older, c.need)
		far.wantError(rec, c.old)
		if c.old == "try_refresh" {
			if rec.Code != 401 || !strings.Contains(rec.Header().Get("WWW-Authenticate"), `error="invalid_token"`) || len(failedClaims(t, rec)) != 1 {
				t.Errorf("%d: %d %s", i, rec.Code, rec.Body)
			}
			// An unmet need does not make the person a signed-out one.
			rec = serve(far.member.Optional(far.seen(), c.need), request("GET", "/", "Cookie", session.CookieNameOf(far.member)+"="+older))
			far.wantError(rec, "try_refresh")
		}
		token = w.create().Access
		w.Advance(2 * time.Second)
	}
	if n := far.fetches.Load(); n != 0 {
		t.Errorf("%d fetches where nothing can be kept", n)
	}
}

func (w *claimWorld) wantError(rec *httptest.ResponseRecorder, code string) {
	w.t.Helper()
	switch {
	case code == "" && rec.Code != 200:
		w.t.Errorf("refused: %d %s", rec.Code, rec.Body)
	case code != "" && (rec.Code < 400 || errorCode(w.t, rec) != code):
		w.t.Errorf("answer %d %s, want %s", rec.Code, rec.Body, code)
	}
}

// A claim that must be renewed does not let in a session that has ended.
func TestS9_ClaimOfAnEndedSession(t *testing.T) {
	w := newClaimWorld(t)
	w.value.Store(true)
	tokens := w.create()
	w.Advance(time.Minute)
	if err := w.sessions.Revoke(t.Context(), tokens.SessionID); err != nil {
		t.Fatal(err)
	}
	rec := w.byCookie(tokens.Access, w.verified.Is(true).Within(time.Second))
	if rec.Code != 401 || errorCode(t, rec) != "session_ended" || w.cookieToken(rec) != "" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if n := w.fetches.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

// For a WebSocket the new value decides, and no cookie is set, which its answer would lose.
func TestClaimNeeds_WebSocket(t *testing.T) {
	w := newClaimWorld(t)
	w.value.Store(true)
	token := w.create().Access
	w.Advance(time.Minute)
	rec := serve(w.member.Require(w.seen(), w.verified.Is(true).Within(time.Second)), request("GET", "/",
		"Cookie", session.CookieNameOf(w.member)+"="+token, "Upgrade", "websocket", "Origin", "https://api.example.com"))
	wantCode(t, rec, 200, "[true,0,true]")
	if len(rec.Result().Cookies()) > 0 {
		t.Errorf("cookies %v", rec.Result().Cookies())
	}
}

// M9: a member of the token outside of "claims" is not a claim of the kind, whatever its name.
func TestM9_ClaimsOfOtherPlaces(t *testing.T) {
	w := newClaimWorldWith(t, session.KindConfig[User]{Name: "member", Stateless: true}, session.ClaimConfig[User, bool]{})
	good := []any{true, w.Now().Unix()}
	for name, claims := range map[string]any{
		"none": nil, "null": nil, "a value alone": map[string]any{"email_verified": true},
		"no time": map[string]any{"email_verified": []any{true}}, "three": map[string]any{"email_verified": append(good, 1)},
		"text for a time":  map[string]any{"email_verified": []any{true, "1"}},
		"nested":           map[string]any{"claims": map[string]any{"email_verified": good}},
		"other case":       map[string]any{"Email_Verified": good},
		"text for a value": map[string]any{"email_verified": []any{"true", w.Now().Unix()}},
		"a list":           []any{"email_verified", good}, "text": "email_verified",
	} {
		payload := w.with("type", "member")
		payload["email_verified"] = true
		payload["properties"] = map[string]any{"userID": "u1", "email_verified": true, "claims": map[string]any{"email_verified": good}}
		if claims != nil {
			payload["claims"] = claims
		}
		if rec := w.bearer(w.sign(payload), w.verified.Is(true)); rec.Code != 403 {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
	payload := w.with("type", "member")
	payload["claims"] = map[string]any{"email_verified": good, "later": map[string]any{"kind": "of claim"}}
	wantCode(t, w.bearer(w.sign(payload), w.verified.Is(true)), 200, "")
}

func TestClaim_MistakesPanicEarly(t *testing.T) {
	w := newClaimWorld(t)
	partner := must(session.NewExternal[User](session.ExternalConfig{Issuer: "https://partner.example", Audience: audience,
		Algorithms: []keys.Algorithm{keys.ES256}, Keys: must(keys.Static(w.key.Public()))(t)}))(t)
	declare := func(name string, age time.Duration) func() {
		return func() { session.NewClaim(w.member, session.ClaimConfig[User, int]{Name: name, MaxAge: age}) }
	}
	for name, f := range map[string]func(){
		"no kind":         func() { session.NewClaim(nil, session.ClaimConfig[User, int]{Name: "a"}) },
		"no name":         declare("", 0),
		"space":           declare("a b", 0),
		"quote":           declare(`a"b`, 0),
		"long name":       declare(strings.Repeat("a", 65), 0),
		"twice":           declare("email_verified", 0),
		"short age":       declare("a", time.Millisecond),
		"negative age":    declare("a", -time.Hour),
		"within nothing":  func() { w.verified.Is(true).Within(0) },
		"where nothing":   func() { w.verified.Where(nil) },
		"includes none":   func() { session.Includes(w.plans) },
		"excludes empty":  func() { session.Excludes(w.plans, "a", "") },
		"zero need":       func() { w.member.Require(w.seen(), session.ClaimNeed{}) },
		"of another kind": func() { w.user.Require(w.seen(), w.verified.Is(true)) },
		"of another, any": func() { session.AnyOf(w.member, w.apikey).Require(w.seen(), w.verified.Is(true)) },
		"of a stranger":   func() { partner.Require(w.seen(), w.verified.Is(true)) },
		"no JSON": func() {
			session.NewClaim(w.member, session.ClaimConfig[User, func()]{Name: "f"}).Is(func() {})
		},
	} {
		func() {
			defer func() {
				if text, _ := recover().(string); !strings.HasPrefix(text, "session: ") {
					t.Errorf("%s: panic = %q", name, text)
				}
			}()
			f()
		}()
	}
	session.AnyOf(w.apikey, w.member.With(w.verified.Is(true))) // where it belongs
}

// A claim that would not fit into a cookie is written neither at a route nor by a refresh.
func TestClaim_TooLarge(t *testing.T) {
	w := newWorld(t)
	k := session.NewKindConfig(w.sessions, session.KindConfig[User]{Name: "member"})
	size := 10
	c := session.NewClaim(k, session.ClaimConfig[User, string]{Name: "text", MaxAge: time.Minute,
		Fetch: func(context.Context, *session.Session[User]) (string, error) { return strings.Repeat("x", size), nil }})
	tokens := must(k.Create(t.Context(), session.Grant[User]{Subject: "u1"}))(t)
	size = 5000
	w.Advance(2 * time.Minute)
	h := k.Require(w.whoami(), c.Where(func(s string) bool { return s != "" }))
	rec := serve(h, request("GET", "/", "Authorization", "Bearer "+tokens.Access))
	if rec.Code != 503 || errorCode(t, rec) != "temporarily_unavailable" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	tokens = must(w.sessions.Refresh(t.Context(), tokens.Refresh))(t)
	s := must(k.Verify(t.Context(), tokens.Access))(t)
	if v, age, ok := c.Value(s); len(v) != 10 || age != 2*time.Minute || !ok {
		t.Errorf("value of %d bytes, %v old, %v", len(v), age, ok)
	}
	if _, err := k.Create(t.Context(), session.Grant[User]{Subject: "u2"}); err == nil {
		t.Error("a session was made of what does not fit")
	}
}

// A program that does not declare a claim accepts tokens with it, and a refresh keeps it.
func TestClaim_UnknownToOthers(t *testing.T) {
	w := newClaimWorld(t)
	w.value.Store(true)
	tokens := w.create()
	other := newWorld(t, func(config *session.Config) {
		config.Keys, config.Store, config.Now = must(keys.StaticSigner(w.key))(t), w.store, w.Now
	})
	plain := session.NewKindConfig(other.sessions, session.KindConfig[User]{Name: "member"})
	s := must(plain.Verify(t.Context(), tokens.Access))(t)
	if s.Properties.UserID != "u1" || s.Claims != nil {
		t.Errorf("%+v", s)
	}
	w.Advance(time.Minute)
	tokens = must(other.sessions.Refresh(t.Context(), tokens.Refresh))(t)
	s = must(w.member.Verify(t.Context(), tokens.Access))(t)
	if v, age, ok := w.verified.Value(s); !v || age != time.Minute || !ok {
		t.Errorf("%v, %v old, %v", v, age, ok)
	}
}
