package session_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// An sstWorld has a kind with users, whose older tokens are of SST Auth.
type sstWorld struct {
	*keeper
	old      keys.SigningKey // of SST
	ring     *keys.Ring      // has old as an imported key
	imported *session.Imported[User]
	config   session.ImportedConfig
	answer   error // of OnRefresh
	roles    []string
	renews   bool // sessions of the kind are refreshed, too
}

func newSSTWorld(t *testing.T, changes ...func(*session.ImportedConfig)) *sstWorld {
	w := &sstWorld{old: must(keys.Generate(keys.RS512))(t), roles: []string{"reader"}}
	w.keeper = newKeeper(t, pooled, func(c *session.KindConfig[User]) {
		c.OnRefresh = func(_ context.Context, id string, g *session.Grant[User]) error {
			if id != "" && !w.renews {
				t.Errorf("the hook got the session %q", id)
			}
			g.Properties, g.Roles, g.Scopes = User{UserID: g.Subject, TenantID: "t9"}, w.roles, []string{"feed"}
			return w.answer
		}
	})
	w.ring = must(keys.Open(t.Context(), keys.RingConfig{Vault: &keys.MemoryVault{}, Algorithm: keys.RS512, Now: w.Now}))(t)
	if err := w.ring.Import(t.Context(), w.old.Public(), w.Now().Add(90*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	w.config = session.ImportedConfig{
		Keys: w.ring.Imported(), Types: []string{"user"}, Subject: "properties.userID",
		Until: w.Now().Add(30 * 24 * time.Hour), MaxAge: 60 * 24 * time.Hour, CookieName: "auth-token",
	}
	for _, change := range changes {
		change(&w.config)
	}
	w.imported = must(w.member.Imported(w.config))(t)
	return w
}

// sstToken is a token as fast-jwt writes it in SST v2: no kid, and the claims type, properties and iat.
func sstToken(t testing.TB, key keys.SigningKey, header, payload string) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(header)) + "." + encode([]byte(payload))
	return input + "." + encode(must(key.Sign(t.Context(), []byte(input)))(t))
}

const sstHeader = `{"alg":"RS512","typ":"JWT"}`

func (w *sstWorld) claims() map[string]any {
	now := w.Now().Unix()
	return map[string]any{"type": "user", "properties": map[string]any{"userID": "u1"}, "iat": now - 86400, "exp": now + 86400}
}

func (w *sstWorld) token(changes map[string]any) string {
	w.t.Helper()
	c := w.claims()
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return sstToken(w.t, w.old, sstHeader, string(must(json.Marshal(c))(w.t)))
}

func TestImported(t *testing.T) {
	w := newSSTWorld(t)
	s := must(w.imported.Verify(t.Context(), w.token(nil)))(t)
	if s.ID != "" || s.Kind != "member" || s.Subject != "u1" || s.Properties != (User{"u1", "t9"}) || !slices.Equal(s.Roles, []string{"reader"}) ||
		!slices.Equal(s.Scopes, []string{"feed"}) || !s.Authentication.Time.IsZero() || s.Actor != "" || !s.Expires.Equal(w.Now().Add(24*time.Hour)) {
		t.Errorf("%+v", s)
	}
	claimed := w.token(map[string]any{"roles": []string{"owner"}, "scope": "all", "auth_time": w.Now().Unix(), "amr": []string{"mfa"}, "act": map[string]any{"sub": "x"}, "sub": "u2", "sid": "s1"})
	s = must(w.imported.Verify(t.Context(), claimed))(t)
	if s.ID != "" || s.Subject != "u1" || !slices.Equal(s.Roles, []string{"reader"}) || !slices.Equal(s.Scopes, []string{"feed"}) || !s.Authentication.Time.IsZero() || s.Actor != "" {
		t.Errorf("the token chose: %+v", s)
	}
	for name, c := range map[string]struct {
		need session.Need
		want int
	}{
		"role": {session.Role("reader"), 200}, "other role": {session.Role("owner"), 403}, "store": {session.CheckStore, 200}, "fresh": {session.Fresh(time.Hour), 401},
	} {
		if rec := serve(w.both().Require(w.whoami(), c.need), request("GET", "/", "Authorization", "Bearer "+w.token(nil))); rec.Code != c.want {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
}

// both is the guard of a program that also has the sessions of the kind.
func (w *sstWorld) both() session.Guard { return session.AnyOf(w.member, w.imported) }

// whoami answers with the subject of the session.
func (w *sstWorld) whoami() http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s, _ := w.member.From(r.Context())
		_, _ = rw.Write([]byte(s.Subject))
	})
}

func TestImported_Refuses(t *testing.T) {
	w := newSSTWorld(t)
	now := w.Now().Unix()
	day := int64(86400)
	other := must(keys.Generate(keys.RS512))(t)
	payload := string(must(json.Marshal(w.claims()))(t))
	own := must(w.ring.SigningKey(t.Context(), time.Minute))(t) // RS512, too
	der := must(x509.MarshalPKIXPublicKey(w.old.Public().Public()))(t)
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	shared := func(secret []byte, alg string) string {
		encode := base64.RawURLEncoding.EncodeToString
		input := encode([]byte(`{"alg":"`+alg+`","typ":"JWT"}`)) + "." + encode([]byte(payload))
		mac := hmac.New(sha512.New, secret)
		mac.Write([]byte(input))
		return input + "." + encode(mac.Sum(nil))
	}
	rs256 := must(keys.Generate(keys.RS256))(t)
	properties := func(p any) string { return w.token(map[string]any{"properties": p}) }
	for name, c := range map[string]struct{ token, want string }{
		"good":                       {w.token(nil), ""},
		"no typ":                     {sstToken(t, w.old, `{"alg":"RS512"}`, payload), ""},
		"another typ":                {sstToken(t, w.old, `{"alg":"RS512","typ":"at+jwt"}`, payload), "typ"},
		"another RSA key":            {sstToken(t, other, sstHeader, payload), "signature"},
		"a key of the ring":          {sstToken(t, own, sstHeader, payload), "signature"},
		"a key of the ring, kid":     {sstToken(t, own, `{"alg":"RS512","kid":"`+own.Public().ID()+`"}`, payload), "unknown_key"},
		"HS512 with the public key":  {shared(public, "HS512"), "algorithm"},
		"HS512 with the DER":         {shared(der, "HS512"), "algorithm"},
		"HS512 called RS512":         {shared(public, "RS512"), "signature"},
		"RS256":                      {sstToken(t, rs256, `{"alg":"RS256"}`, payload), "algorithm"},
		"RS256 by name":              {sstToken(t, w.old, `{"alg":"RS256"}`, payload), "algorithm"},
		"none":                       {strings.TrimRight(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)), "=") + "." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".", "malformed"},
		"a session of here":          {w.create().Access, "algorithm"},
		"another type":               {w.token(map[string]any{"type": "admin"}), "kind"},
		"no type":                    {w.token(map[string]any{"type": nil}), "kind"},
		"type a list":                {w.token(map[string]any{"type": []string{"user"}}), "claims"},
		"iss":                        {w.token(map[string]any{"iss": "https://partner.example"}), "claims"},
		"our iss":                    {w.token(map[string]any{"iss": issuer}), "claims"},
		"aud":                        {w.token(map[string]any{"aud": audience}), "claims"},
		"no exp":                     {w.token(map[string]any{"exp": nil}), "claims"},
		"exp null":                   {sstToken(t, w.old, sstHeader, strings.Replace(payload, `"exp":`, `"exp":null,"x":`, 1)), "claims"},
		"expired":                    {w.token(map[string]any{"exp": now - 31}), "expired"},
		"no iat":                     {w.token(map[string]any{"iat": nil}), "claims"},
		"iat a text":                 {w.token(map[string]any{"iat": "now"}), "claims"},
		"iat to come":                {w.token(map[string]any{"iat": now + 31}), "not_yet_valid"},
		"nbf to come":                {w.token(map[string]any{"nbf": now + 31}), "not_yet_valid"},
		"nearly too old":             {w.token(map[string]any{"iat": now - 60*day + 1, "exp": now + 900*day}), ""},
		"too old":                    {w.token(map[string]any{"iat": now - 60*day, "exp": now + 900*day}), "too_old"},
		"id empty":                   {properties(map[string]any{"userID": ""}), "claims"},
		"id a number":                {properties(map[string]any{"userID": 1}), "claims"},
		"id null":                    {properties(map[string]any{"userID": nil}), "claims"},
		"id a list":                  {properties(map[string]any{"userID": []string{"u1"}}), "claims"},
		"id with a control":          {properties(map[string]any{"userID": "u1\n"}), "claims"},
		"id with NUL":                {properties(map[string]any{"userID": "u1\x00"}), "claims"},
		"id too long":                {properties(map[string]any{"userID": strings.Repeat("u", 256)}), "claims"},
		"no id":                      {properties(map[string]any{"id": "u1"}), "claims"},
		"id in other letters":        {properties(map[string]any{"userid": "u1"}), "claims"},
		"id twice":                   {sstToken(t, w.old, sstHeader, strings.Replace(payload, `{"userID":"u1"}`, `{"userID":"u1","userID":"u2"}`, 1)), "malformed"},
		"id twice in other letters":  {sstToken(t, w.old, sstHeader, strings.Replace(payload, `{"userID":"u1"}`, `{"userID":"u1","USERID":"u2"}`, 1)), "claims"},
		"properties twice":           {sstToken(t, w.old, sstHeader, strings.Replace(payload, `{"exp"`, `{"properties":{"userID":"u2"},"exp"`, 1)), "malformed"},
		"properties a text":          {properties("u1"), "claims"},
		"properties a JSON text":     {properties(`{"userID":"u1"}`), "claims"},
		"properties null":            {properties(nil), "claims"},
		"a link, its claims chosen":  {sstToken(t, w.old, sstHeader, `{"type":"user","properties":"x","userID":"u1","properties.userID":"u1","iat":`+jsonOf(now)+`,"exp":`+jsonOf(now+600)+`}`), "claims"},
		"an authorization code":      {sstToken(t, w.old, sstHeader, `{"client_id":"web","redirect_uri":"https://x.example/","token":"x","iat":`+jsonOf(now)+`,"exp":`+jsonOf(now+600)+`}`), "kind"},
		"no object":                  {sstToken(t, w.old, sstHeader, `[]`), "malformed"},
		"the signature of our token": {strings.Join(append(strings.Split(w.token(nil), ".")[:2], strings.Split(w.create().Access, ".")[2]), "."), "signature"},
	} {
		_, err := w.imported.Verify(t.Context(), c.token)
		if session.Reason(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		status := http.StatusOK
		if c.want != "" {
			status = http.StatusUnauthorized
		}
		for what, g := range map[string]session.Guard{"alone": w.imported, "beside the kind": w.both()} {
			byKind := name == "a session of here" && what != "alone"
			if rec := serve(g.Require(w.whoami()), request("GET", "/", "Authorization", "Bearer "+c.token)); rec.Code != status && !byKind {
				t.Errorf("%s, %s: %d %s, want %d", name, what, rec.Code, rec.Body, status)
			}
		}
	}
	if rec := serve(w.member.Require(w.whoami()), request("GET", "/", "Authorization", "Bearer "+w.token(nil))); rec.Code != 401 {
		t.Errorf("the kind alone let a token of SST in: %d", rec.Code)
	}
}

func jsonOf(n int64) string { b, _ := json.Marshal(n); return string(b) }

// TestImported_NoExpiry: without exp a token ends by its age, and never after Until.
func TestImported_NoExpiry(t *testing.T) {
	w := newSSTWorld(t, func(c *session.ImportedConfig) { c.AllowNoExpiry, c.MaxAge = true, 10*24*time.Hour })
	token := w.token(map[string]any{"exp": nil})
	if s := must(w.imported.Verify(t.Context(), token))(t); !s.Expires.Equal(w.Now().Add(9 * 24 * time.Hour)) {
		t.Errorf("it ends %v", s.Expires)
	}
	w.Set(w.Now().Add(9*24*time.Hour - time.Second))
	must(w.imported.Verify(t.Context(), token))(t)
	w.Set(w.Now().Add(time.Second))
	if _, err := w.imported.Verify(t.Context(), token); session.Reason(err) != "too_old" {
		t.Errorf("after its age: %v", err)
	}
	if s := must(w.imported.Verify(t.Context(), w.token(map[string]any{"exp": w.Now().Unix() + 9e8, "iat": w.Now().Unix()})))(t); !s.Expires.Equal(w.Now().Add(10 * 24 * time.Hour)) {
		t.Errorf("with a far exp it ends %v", s.Expires)
	}
}

// TestImported_Ends: the end of the migration, of the key, of the user, and of all sessions of the user.
func TestImported_Ends(t *testing.T) {
	for name, c := range map[string]struct {
		end        func(*sstWorld)
		want, code string
	}{
		"until": {func(w *sstWorld) { w.Set(w.config.Until) }, "too_old", "invalid_token"},
		"the key's time": {func(w *sstWorld) {
			if err := w.ring.Import(t.Context(), w.old.Public(), w.Now().Add(time.Second)); err != nil {
				t.Fatal(err)
			}
			w.Set(w.Now().Add(time.Second))
		}, "unknown_key", "try_refresh"},
		"the key revoked": {func(w *sstWorld) {
			if err := w.ring.Revoke(t.Context(), must(keys.Thumbprint(w.old.Public().Public()))(t)); err != nil {
				t.Fatal(err)
			}
		}, "unknown_key", "try_refresh"},
		"disabled":           {func(w *sstWorld) { w.head(disable) }, "ended", "session_ended"},
		"deleted":            {func(w *sstWorld) { w.head(gone) }, "ended", "session_ended"},
		"security":           {func(w *sstWorld) { w.head(moveSec) }, "ended", "session_ended"},
		"all sessions ended": {func(w *sstWorld) { _ = w.sessions.RevokeSubject(t.Context(), "u1") }, "ended", "session_ended"},
		"the others ended":   {func(w *sstWorld) { _ = w.sessions.RevokeOthers(t.Context(), w.create().SessionID) }, "ended", "session_ended"},
		"the hook":           {func(w *sstWorld) { w.answer = session.ErrEnded }, "ended", "session_ended"},
		"the hook fails":     {func(w *sstWorld) { w.answer = errors.New("no directory") }, "unavailable", "temporarily_unavailable"},
		"the hook says kind": {func(w *sstWorld) { w.answer = session.ErrKind }, "unavailable", "temporarily_unavailable"},
		"a role of two":      {func(w *sstWorld) { w.roles = []string{"reader owner"} }, "unavailable", "temporarily_unavailable"},
		"rights": {func(w *sstWorld) {
			w.head(moveRights)
			w.roles = []string{"owner"}
		}, "", ""},
		"another user": {func(w *sstWorld) { _ = w.sessions.RevokeSubject(t.Context(), "u2") }, "", ""},
	} {
		w := newSSTWorld(t)
		token := w.token(map[string]any{"exp": w.Now().Unix() + 9e6})
		must(w.imported.Verify(t.Context(), token))(t)
		c.end(w)
		_, err := w.imported.Verify(t.Context(), token)
		if session.Reason(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		rec := serve(w.both().Require(w.whoami(), session.Scope("feed")), request("GET", "/", "Authorization", "Bearer "+token))
		if c.want == "" && rec.Code != 200 || c.want != "" && errorCode(t, rec) != c.code {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
	w := newSSTWorld(t)
	late := newKeeper(t, pooled, func(c *session.Config) { c.NotBefore, c.Now = w.Now().Add(-time.Hour), w.Now },
		func(c *session.KindConfig[User]) {
			c.OnRefresh = func(context.Context, string, *session.Grant[User]) error { return nil }
		})
	imported := must(late.member.Imported(w.config))(t)
	for ago, want := range map[int64]string{3601: "too_old", 3600: ""} {
		if _, err := imported.Verify(t.Context(), w.token(map[string]any{"iat": w.Now().Unix() - ago})); session.Reason(err) != want {
			t.Errorf("issued %d seconds ago, an hour before NotBefore: %v", ago, err)
		}
	}
}

// TestImported_TwoKeys: a token without kid chooses none of several imported keys.
func TestImported_TwoKeys(t *testing.T) {
	w := newSSTWorld(t)
	second := must(keys.Generate(keys.RS512))(t)
	if err := w.ring.Import(t.Context(), second.Public(), w.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.imported.Verify(t.Context(), w.token(nil)); session.Reason(err) != "unknown_key" {
		t.Errorf("%v", err)
	}
	// One that names a key is not of SST: who has the private key of another system must not choose its key.
	for _, key := range []keys.SigningKey{w.old, second} {
		kid := must(keys.Thumbprint(key.Public().Public()))(t)
		token := sstToken(t, key, `{"alg":"RS512","typ":"JWT","kid":"`+kid+`"}`, string(must(json.Marshal(w.claims()))(t)))
		if _, err := w.imported.Verify(t.Context(), token); session.Reason(err) != "unknown_key" {
			t.Errorf("a token that names a key: %v", err)
		}
	}
}

// TestImported_Cookie: the cookie of SST counts where it is named, and only from trusted pages.
func TestImported_Cookie(t *testing.T) {
	w := newSSTWorld(t)
	plain := must(w.member.Imported(func() session.ImportedConfig { c := w.config; c.CookieName = ""; return c }()))(t)
	cookie := "auth-token=" + w.token(nil)
	good := w.create()
	ask := func(g session.Guard, headers ...string) *httptest.ResponseRecorder {
		return serve(g.Require(w.whoami()), request("POST", "/", headers...))
	}
	for name, c := range map[string]struct {
		g       session.Guard
		headers []string
		want    int
	}{
		"same origin":      {w.both(), []string{"Cookie", cookie, "Sec-Fetch-Site", "same-origin"}, 200},
		"alone":            {w.imported, []string{"Cookie", cookie, "Sec-Fetch-Site", "same-origin"}, 200},
		"another site":     {w.both(), []string{"Cookie", cookie, "Sec-Fetch-Site", "cross-site"}, 403},
		"twice":            {w.both(), []string{"Cookie", cookie + "; " + cookie, "Sec-Fetch-Site", "same-origin"}, 400},
		"not configured":   {session.AnyOf(w.member, plain), []string{"Cookie", cookie, "Sec-Fetch-Site", "same-origin"}, 401},
		"a bad one":        {w.both(), []string{"Cookie", "auth-token=x.y.z", "Sec-Fetch-Site", "same-origin"}, 401},
		"a Bearer counts":  {w.both(), []string{"Cookie", cookie, "Authorization", "Bearer x.y.z", "Sec-Fetch-Site", "same-origin"}, 401},
		"the kind's first": {w.both(), []string{"Cookie", cookie + "; " + w.cookies(good), "Sec-Fetch-Site", "same-origin"}, 200},
	} {
		if rec := ask(c.g, c.headers...); rec.Code != c.want {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
}

// TestImported_OtherPersonsCookie: a person who has signed in here stays that person when the access token expires,
// also where the browser has an old cookie of somebody else.
func TestImported_OtherPersonsCookie(t *testing.T) {
	w := newSSTWorld(t)
	w.renews = true
	old := "auth-token=" + w.token(map[string]any{"properties": map[string]any{"userID": "u2"}})
	mine := w.cookies(w.create())
	both := session.AnyOf(w.member, w.imported)
	reversed := session.AnyOf(w.imported, w.member)
	ask := func(g session.Guard, cookies string, needs ...session.Need) *httptest.ResponseRecorder {
		return serve(session.ForwardAuth(g, append(needs, session.AnyPath)...), request("GET", "/", "Cookie", cookies, "Sec-Fetch-Site", "same-origin"))
	}
	for name, g := range map[string]session.Guard{"the kind first": both, "the kind last": reversed} {
		if rec := ask(g, old+"; "+mine); rec.Code != 200 || rec.Header().Get("X-Auth-Subject") != "u1" {
			t.Errorf("%s: %d %v", name, rec.Code, rec.Header())
		}
		if rec := ask(g, old); rec.Code != 200 || rec.Header().Get("X-Auth-Subject") != "u2" {
			t.Errorf("%s, the old cookie alone: %d %v", name, rec.Code, rec.Header())
		}
		w.roles = []string{"clerk"} // of u2, by the directory
		if rec := ask(g, old+"; "+mine, session.Role("clerk")); rec.Code != 403 {
			t.Errorf("%s, with a role of the other: %d %v", name, rec.Code, rec.Header())
		}
	}
	w.Set(w.Now().Add(6 * time.Minute))
	for name, g := range map[string]session.Guard{"the kind first": both, "the kind last": reversed} {
		if rec := ask(g, old+"; "+mine); rec.Code != 401 || rec.Header().Get("X-Auth-Error") != "try_refresh" {
			t.Errorf("%s, expired: %d %v", name, rec.Code, rec.Header())
		}
		rec := serve(g.Require(w.whoami()), request("GET", "/", "Cookie", old+"; "+mine, "Sec-Fetch-Site", "same-origin"))
		if rec.Code != 200 || rec.Body.String() != "u1" {
			t.Errorf("%s, refreshed: %d %s", name, rec.Code, rec.Body)
		}
	}
}

// TestImported_Gateway: a Lambda authorizer in Go that has the store decides alike.
func TestImported_Gateway(t *testing.T) {
	w := newSSTWorld(t)
	authorizer := must(gateway.New(gateway.Config{Guard: w.both(), Now: w.Now}))(t)
	ask := func() string {
		event := must(json.Marshal(map[string]any{"type": "TOKEN", "authorizationToken": "Bearer " + w.token(nil), "methodArn": "arn:aws:execute-api:eu-central-1:123456789012:abc/prod/GET/orders"}))(t)
		answer, err := authorizer.Invoke(t.Context(), event)
		if err != nil {
			return err.Error()
		}
		return string(answer)
	}
	if answer := ask(); !strings.Contains(answer, `"principalId":"u1"`) || !strings.Contains(answer, `"Allow"`) {
		t.Errorf("%s", answer)
	}
	w.head(disable)
	if answer := ask(); answer != gateway.ErrUnauthorized.Error() {
		t.Errorf("of a disabled user: %s", answer)
	}
}

func TestImported_Config(t *testing.T) {
	w := newSSTWorld(t)
	for want, change := range map[string]func(*session.ImportedConfig){
		"Keys is missing":    func(c *session.ImportedConfig) { c.Keys = nil },
		"Types is missing":   func(c *session.ImportedConfig) { c.Types = nil },
		`Types has "public"`: func(c *session.ImportedConfig) { c.Types = []string{"public"} },
		`Types has ""`:       func(c *session.ImportedConfig) { c.Types = []string{"user", ""} },
		`Subject is ""`:      func(c *session.ImportedConfig) { c.Subject = "" },
		`Subject is "user`:   func(c *session.ImportedConfig) { c.Subject = "userID" },
		`Subject is "sub"`:   func(c *session.ImportedConfig) { c.Subject = "sub" },
		`Subject is "prop`:   func(c *session.ImportedConfig) { c.Subject = "properties." },
		`Subject is "properties.a..b"`: func(c *session.ImportedConfig) {
			c.Subject = "properties.a..b"
		},
		"Until is missing":        func(c *session.ImportedConfig) { c.Until = time.Time{} },
		"Until is more than":      func(c *session.ImportedConfig) { c.Until = w.Now().Add(401 * 24 * time.Hour) },
		"MaxAge is 0s":            func(c *session.ImportedConfig) { c.MaxAge = 0 },
		"MaxAge is 9624h0m0s":     func(c *session.ImportedConfig) { c.MaxAge = 401 * 24 * time.Hour },
		`CookieName is "a b"`:     func(c *session.ImportedConfig) { c.CookieName = "a b" },
		"MaxAge is 1m0.000000005": func(c *session.ImportedConfig) { c.MaxAge = time.Minute + 5 },
	} {
		c := w.config
		change(&c)
		if _, err := w.member.Imported(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	past := w.config
	past.Until = w.Now().Add(-time.Hour) // a restart after the end is not a mistake
	must(w.member.Imported(past))(t)
	if _, err := w.apikey.Imported(w.config); err == nil || !strings.Contains(err.Error(), "OnRefresh") {
		t.Errorf("a kind without OnRefresh: %v", err)
	}
	fact := session.NewClaim(w.member, session.ClaimConfig[User, bool]{Name: "paid"})
	defer func() {
		if text, _ := recover().(string); !strings.Contains(text, "paid") {
			t.Errorf("a claim as a need: %q", text)
		}
	}()
	w.imported.With(fact.Is(true))
	t.Error("no panic")
}
