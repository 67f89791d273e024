package session_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
)

func TestNeeds(t *testing.T) {
	w := newWorld(t)
	isT1 := session.Where("tenant t1", func(s *session.Session[User]) bool { return s.Properties.TenantID == "t1" })
	isT2 := session.Where("tenant t2", func(s *session.Session[User]) bool { return s.Properties.TenantID == "t2" })
	for name, c := range map[string]struct {
		needs     []session.Need
		code      int
		error     string
		challenge string // a part of it
	}{
		"none":                {nil, 200, "", ""},
		"scope":               {[]session.Need{session.Scope("orders:read")}, 200, "", ""},
		"both scopes":         {[]session.Need{session.Scope("orders:read", "orders:write")}, 200, "", ""},
		"one scope too many":  {[]session.Need{session.Scope("orders:read", "pay")}, 403, "insufficient_scope", `scope="orders:read pay"`},
		"part of a scope":     {[]session.Need{session.Scope("orders")}, 403, "insufficient_scope", `scope="orders"`},
		"role":                {[]session.Need{session.Role("owner")}, 200, "", ""},
		"one role of two":     {[]session.Need{session.Role("admin", "owner")}, 200, "", ""},
		"no such role":        {[]session.Need{session.Role("admin", "Owner")}, 403, "insufficient_scope", `error_description="a need of the route is not met: role admin or Owner"`},
		"fresh":               {[]session.Need{session.Fresh(time.Minute)}, 200, "", ""},
		"not fresh":           {[]session.Need{session.Fresh(59 * time.Second)}, 401, "insufficient_user_authentication", `max_age="59"`},
		"the shorter of two":  {[]session.Need{session.Fresh(50 * time.Second), session.Fresh(5 * time.Second)}, 401, "insufficient_user_authentication", `max_age="5"`},
		"the other way round": {[]session.Need{session.Fresh(5 * time.Second), session.Fresh(50 * time.Second)}, 401, "insufficient_user_authentication", `max_age="5"`},
		"method":              {[]session.Need{session.AuthMethod("otp", "oidc")}, 200, "", ""},
		"no such method":      {[]session.Need{session.AuthMethod("otp")}, 401, "insufficient_user_authentication", `sign-in by otp`},
		"claim":               {[]session.Need{isT1}, 200, "", ""},
		"no such claim":       {[]session.Need{isT2}, 403, "insufficient_scope", `claim tenant t2`},
		"all are listed":      {[]session.Need{session.Scope("pay"), session.Role("admin"), isT2}, 403, "insufficient_scope", `scope pay; role admin; claim tenant t2"`},
		"rights before fresh": {[]session.Need{session.Fresh(time.Second), session.Scope("pay")}, 403, "insufficient_scope", `scope="pay"`},
	} {
		t.Run(name, func(t *testing.T) {
			for _, h := range []http.Handler{w.user.Require(w.whoami(), c.needs...), w.user.Optional(w.whoami(), c.needs...), w.user.With(c.needs...).Require(w.whoami()), session.AnyOf(w.apikey, w.user.With(c.needs...)).Require(w.whoami())} {
				for header, value := range map[string]string{"Authorization": "Bearer " + w.token(), "Cookie": w.cookieName() + "=" + w.token()} {
					rec := serve(h, request("GET", "/", header, value))
					if rec.Code != c.code {
						t.Fatalf("by %s: %d %s, want %d", header, rec.Code, rec.Body, c.code)
					}
					if c.code == 200 {
						continue
					}
					if got := errorCode(t, rec); got != c.error {
						t.Errorf("error = %q, want %q", got, c.error)
					}
					if challenge := rec.Header().Get("WWW-Authenticate"); !strings.Contains(challenge, c.challenge) || !strings.Contains(challenge, `error="`+c.error+`"`) {
						t.Errorf("WWW-Authenticate = %s, want %s in it", challenge, c.challenge)
					}
				}
			}
		})
	}
}

// A session without time and methods of its sign-in meets no need about them.
func TestNeeds_UnknownSignIn(t *testing.T) {
	w := newWorld(t)
	old := must(w.user.Create(t.Context(), session.Grant[User]{Subject: "u1"}))(t).Access
	future := w.grant()
	future.Authentication.Time = w.Now().Add(time.Hour)
	ahead := must(w.user.Create(t.Context(), future))(t).Access
	for name, token := range map[string]string{"unknown": old, "in the future": ahead} {
		if rec := serve(w.user.Require(w.whoami(), session.Fresh(24*time.Hour)), request("GET", "/", "Authorization", "Bearer "+token)); rec.Code != 401 {
			t.Errorf("%s: %d", name, rec.Code)
		}
	}
	if rec := serve(w.user.Require(w.whoami(), session.AuthMethod("oidc")), request("GET", "/", "Authorization", "Bearer "+old)); rec.Code != 401 {
		t.Errorf("method: %d", rec.Code)
	}
}

func TestNeeds_MistakesPanicEarly(t *testing.T) {
	w := newWorld(t)
	isKey := session.Where("key", func(*session.Session[APIKey]) bool { return true })
	for name, f := range map[string]func(){
		"empty scope":          func() { session.Scope() },
		"scope of nothing":     func() { session.Scope("") },
		"empty role":           func() { session.Role() },
		"empty method":         func() { session.AuthMethod() },
		"fresh of nothing":     func() { session.Fresh(0) },
		"claim without a name": func() { session.Where("", func(*session.Session[User]) bool { return true }) },
		"claim of no function": func() { session.Where[User]("a", nil) },
		"zero need":            func() { w.user.Require(w.whoami(), nil) },
		"claim of another":     func() { w.user.Require(w.whoami(), isKey) },
		"claim in AnyOf":       func() { session.AnyOf(w.user, w.apikey).Require(w.whoami(), isKey) },
		"nil handler":          func() { w.user.Require(nil) },
		"AnyOf of none":        func() { session.AnyOf() },
		"AnyOf of nil":         func() { session.AnyOf(w.user, nil) },
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
	session.AnyOf(w.user, w.apikey.With(isKey)) // where it belongs
}

func TestOptional(t *testing.T) {
	w := newWorld(t)
	h := w.user.Optional(w.whoami())
	expired, forged := w.sign(w.with("exp", 1)), newWorld(t).token()
	for name, c := range map[string]struct {
		headers []string
		code    int
		body    string
	}{
		"nothing":          {nil, 200, "public"},
		"good Bearer":      {[]string{"Authorization", "Bearer " + w.token()}, 200, "u1"},
		"good cookie":      {[]string{"Cookie", w.cookieName() + "=" + w.token()}, 200, "u1"},
		"expired cookie":   {[]string{"Cookie", w.cookieName() + "=" + expired}, 200, "public"},
		"forged cookie":    {[]string{"Cookie", w.cookieName() + "=" + forged}, 200, "public"},
		"garbage cookie":   {[]string{"Cookie", w.cookieName() + "=x"}, 200, "public"},
		"two cookies":      {[]string{"Cookie", w.cookieName() + "=x; " + w.cookieName() + "=x"}, 400, ""},
		"expired Bearer":   {[]string{"Authorization", "Bearer " + expired}, 401, ""},
		"forged Bearer":    {[]string{"Authorization", "Bearer " + forged}, 401, ""},
		"malformed Bearer": {[]string{"Authorization", "Bearer"}, 401, ""},
		"other scheme":     {[]string{"Authorization", "Basic YTpi"}, 200, "public"},
	} {
		rec := serve(h, request("GET", "/", c.headers...))
		if rec.Code != c.code || c.code == 200 && rec.Body.String() != c.body {
			t.Errorf("%s: %d %s, want %d %s", name, rec.Code, rec.Body, c.code, c.body)
		}
		if len(rec.Result().Cookies()) != 0 {
			t.Errorf("%s: a cookie is set", name)
		}
		if rec.Header().Get("Vary") != "Cookie" {
			t.Errorf("%s: Vary = %q", name, rec.Header().Get("Vary"))
		}
	}
}

func TestAnyOf(t *testing.T) {
	w := newWorld(t)
	userCookie, keyCookie := w.cookieName(), session.CookieNameOf(w.apikey)
	userToken := w.token()
	keyToken := must(w.apikey.Create(t.Context(), session.Grant[APIKey]{Subject: "k1", Scopes: []string{"feed"}}))(t).Access
	poorKey := must(w.apikey.Create(t.Context(), session.Grant[APIKey]{Subject: "k2"}))(t).Access
	third := session.NewKind[User](w.sessions, "third")
	thirdToken := must(third.Create(t.Context(), w.grant()))(t).Access
	who := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		u, isUser := w.user.From(r.Context())
		k, isKey := w.apikey.From(r.Context())
		if isUser == isKey && (isUser || u.Kind != "public" || k.Kind != "public") {
			t.Errorf("user %v %q, key %v %q", isUser, u.Kind, isKey, k.Kind)
		}
		_, _ = rw.Write([]byte(u.Subject + k.Subject))
	})
	g := session.AnyOf(w.user, w.apikey.With(session.Scope("feed")))
	for name, c := range map[string]struct {
		headers []string
		code    int
		want    string // body, or reason
	}{
		"user":                      {[]string{"Authorization", "Bearer " + userToken}, 200, "u1"},
		"key":                       {[]string{"Authorization", "Bearer " + keyToken}, 200, "k1"},
		"key without scope":         {[]string{"Authorization", "Bearer " + poorKey}, 403, "a need"},
		"a third kind":              {[]string{"Authorization", "Bearer " + thirdToken}, 401, "another kind"},
		"another issuer":            {[]string{"Authorization", "Bearer " + w.sign(w.with("iss", "https://x.example"))}, 401, "another issuer"},
		"expired user":              {[]string{"Authorization", "Bearer " + w.sign(w.with("exp", 1))}, 401, "expired"},
		"forged user":               {[]string{"Authorization", "Bearer " + newWorld(t).token()}, 401, "unknown key"},
		"no JSON":                   {[]string{"Authorization", "Bearer " + w.sign("{")}, 401, "malformed"},
		"iss a number":              {[]string{"Authorization", "Bearer " + w.sign(w.with("iss", 1))}, 401, "malformed"},
		"user's cookie":             {[]string{"Cookie", userCookie + "=" + userToken}, 200, "u1"},
		"key's cookie":              {[]string{"Cookie", keyCookie + "=" + keyToken}, 200, "k1"},
		"stale and good cookie":     {[]string{"Cookie", userCookie + "=x; " + keyCookie + "=" + keyToken}, 200, "k1"},
		"good and stale cookie":     {[]string{"Cookie", userCookie + "=" + userToken + "; " + keyCookie + "=x"}, 200, "u1"},
		"poor and stale cookie":     {[]string{"Cookie", keyCookie + "=" + poorKey + "; " + userCookie + "=x"}, 403, "a need"},
		"cookies changed for other": {[]string{"Cookie", userCookie + "=" + keyToken + "; " + keyCookie + "=" + userToken}, 401, "another kind"},
		"nothing":                   {nil, 401, "no token"},
	} {
		rec := serve(g.Require(who), request("GET", "/", c.headers...))
		if rec.Code != c.code || !strings.Contains(rec.Body.String(), c.want) {
			t.Errorf("%s: %d %s, want %d %s", name, rec.Code, rec.Body, c.code, c.want)
		}
	}
	if rec := serve(g.Optional(who), request("GET", "/")); rec.Code != 200 || rec.Body.String() != "" {
		t.Errorf("optional: %d %q", rec.Code, rec.Body)
	}
	if rec := serve(g.Require(who, session.Role("owner")), request("GET", "/", "Authorization", "Bearer "+keyToken)); rec.Code != 403 {
		t.Errorf("a need of the route: %d", rec.Code)
	}
	if rec := serve(session.AnyOf(g, third).Require(who), request("GET", "/", "Authorization", "Bearer "+thirdToken)); rec.Code != 200 {
		t.Errorf("AnyOf of AnyOf: %d", rec.Code)
	}
}

func TestContext(t *testing.T) {
	w := newWorld(t)
	if s, ok := w.user.From(t.Context()); ok || s == nil || s.Kind != "public" || s.Subject != "" {
		t.Errorf("empty context: %+v %v", s, ok)
	}
	ctx := w.user.NewContext(t.Context(), &session.Session[User]{Subject: "u1"})
	ctx = w.apikey.NewContext(ctx, &session.Session[APIKey]{Subject: "k1", Kind: "apikey"})
	u, isUser := w.user.From(ctx)
	k, isKey := w.apikey.From(ctx)
	if !isUser || !isKey || u.Subject != "u1" || u.Kind != "user" || k.Subject != "k1" || k.Kind != "apikey" {
		t.Errorf("%+v %v, %+v %v", u, isUser, k, isKey)
	}
	if s, ok := w.user.From(w.user.NewContext(ctx, nil)); ok || s.Kind != "public" {
		t.Errorf("signed out again: %+v %v", s, ok)
	}
	if _, ok := w.user.From(w.user.NewContext(ctx, &session.Session[User]{Kind: "public"})); ok {
		t.Error("the public session counts as signed in")
	}
	// The same kind of another Sessions is another kind.
	if _, ok := newWorld(t).user.From(ctx); ok {
		t.Error("a session is found by a kind it is not of")
	}
	if _, ok := w.user.From(context.Background()); ok {
		t.Error("a session out of nothing")
	}
}
