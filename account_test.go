package postern_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// home is a house whose users are in a Directory.
type home struct {
	*house
	dir *users.Directory
}

func newHome(t testing.TB, change ...func(h *home, c *postern.Config)) *home {
	t.Helper()
	return newHomeOf(t, users.Roles{"member": {"posts:read"}, "editor": {"posts:read", "posts:write"}}, change...)
}

func newHomeOf(t testing.TB, roles users.Roles, change ...func(h *home, c *postern.Config)) *home {
	t.Helper()
	h := &home{}
	h.house = newHouseOf(t, func(s *session.Sessions, _ store.Store) postern.Users {
		var err error
		h.dir, err = users.New(users.Config{Sessions: s, AllowUsernames: true, Roles: roles})
		if err != nil {
			t.Fatal(err)
		}
		return h.dir
	}, func(in *house, c *postern.Config) {
		h.house = in
		for _, f := range change {
			f(h, c)
		}
	})
	return h
}

// json sends a JSON request of a page of the issuer.
func (b *browser) json(method, path, body string) *httptest.ResponseRecorder {
	b.v.t.Helper()
	r := httptest.NewRequest(method, issuer+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	maps.Copy(r.Header, b.Header)
	return b.do(r)
}

// access returns the access token of the browser's session.
func (b *browser) access() string {
	for _, value := range b.Cookies {
		if strings.HasPrefix(value, "eyJ") && strings.Count(value, ".") == 2 {
			return value
		}
	}
	b.v.t.Fatal("the browser has no access token")
	return ""
}

func decoded[T any](t testing.TB, w *httptest.ResponseRecorder) (v T) {
	t.Helper()
	if ct := w.Header().Get("Content-Type"); ct != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d: Content-Type %q, Cache-Control %q", w.Code, ct, w.Header().Get("Cache-Control"))
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	return v
}

// answered fails unless an answer has a status and, for a refusal, a code.
func answered(t testing.TB, w *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	if w.Code != status {
		t.Fatalf("status %d, want %d %s: %s", w.Code, status, code, w.Body)
	}
	if code != "" {
		if got := decoded[struct{ Error string }](t, w); got.Error != code {
			t.Fatalf("code %q, want %q: %s", got.Error, code, w.Body)
		}
	}
}

// fresh signs a browser in, and gives it a session whose person has just proved who they are.
func (h *home) fresh(who postern.Identity) *browser {
	h.t.Helper()
	b := h.browser()
	h.signIn(b, who)
	h.stepUp(b, who)
	return b
}

func (h *home) stepUp(b *browser, who postern.Identity) {
	h.t.Helper()
	who.AuthTime = h.Now()
	want(h.t, h.through(b, who, issuer+"/step-up/door", "redirect_uri", "/welcome"), http.StatusSeeOther, "/welcome")
}

func (h *home) idOf(b *browser) string {
	h.t.Helper()
	s, ok := h.session(b)
	if !ok {
		h.t.Fatal("the browser is signed out")
	}
	return s.Subject
}

type account struct {
	ID, Name, Username, Locale, Picture string
	Profile                             json.RawMessage
	Addresses                           []struct {
		ID, Type, Value string
		Verified        bool
	}
	Roles, Scopes []string
	Ways          map[string]int
	Links         map[string]string
}

func TestAccount_Show(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	answered(t, b.json("GET", "/account", ""), http.StatusUnauthorized, "not_signed_in")
	h.signIn(b, h.who)
	id := h.idOf(b)
	if err := h.dir.SetRoles(t.Context(), id, []string{"editor"}, users.Extra{}); err != nil {
		t.Fatal(err)
	}
	w := b.json("GET", "/account", "")
	answered(t, w, http.StatusOK, "")
	me := decoded[account](t, w)
	if me.ID != id || me.Name != "ada" || len(me.Addresses) != 1 || me.Addresses[0].Value != "ada@example.com" || !me.Addresses[0].Verified ||
		strings.Join(me.Roles, " ") != "editor" || strings.Join(me.Scopes, " ") != "posts:read posts:write" ||
		me.Ways["identities"] != 1 || me.Ways["addresses"] != 1 || me.Ways["passwords"] != 0 || me.Links["step_up"] != issuer+"/step-up" {
		t.Errorf("%s", w.Body)
	}
	if head := b.json("HEAD", "/account", ""); head.Code != http.StatusOK {
		t.Errorf("HEAD: %d", head.Code)
	}
	w = b.json("PUT", "/account", "{}")
	answered(t, w, http.StatusMethodNotAllowed, "method_not_allowed")
	if !strings.Contains(w.Header().Get("Allow"), "PATCH") {
		t.Errorf("Allow: %q", w.Header().Get("Allow"))
	}
	for _, path := range []string{"/account/", "/account/nothing", "/account/a/b", "/account//"} {
		answered(t, b.json("GET", path, ""), http.StatusNotFound, "not_found")
	}
	answered(t, b.json("GET", "/account?a=1&a=2", ""), http.StatusBadRequest, "invalid_request")

	// A Bearer token opens it too; the token of nobody does not.
	for token, status := range map[string]int{b.access(): http.StatusOK, "x": http.StatusUnauthorized} {
		r := httptest.NewRequest("GET", issuer+"/account", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		if w := h.browser().do(r); w.Code != status {
			t.Errorf("Bearer: %d, want %d: %s", w.Code, status, w.Body)
		}
	}
}

func TestAccount_Edit(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	answered(t, b.json("PATCH", "/account", `{"name":"Ada L."}`), http.StatusUnauthorized, "not_signed_in")
	h.signIn(b, h.who)
	w := b.json("PATCH", "/account", `{"name":"Ada L."}`)
	answered(t, w, http.StatusUnauthorized, "insufficient_user_authentication")
	if up := decoded[map[string]string](t, w)["step_up"]; !strings.HasPrefix(up, issuer+"/step-up?") {
		t.Errorf("step_up: %q", up)
	}
	h.stepUp(b, h.who)
	w = b.json("PATCH", "/account", `{"name":"Ada L.","locale":"de-CH","picture":"https://example.com/a.png","profile":{"bio":"x"}}`)
	answered(t, w, http.StatusOK, "")
	if me := decoded[account](t, w); me.Name != "Ada L." || me.Locale != "de-CH" || me.Picture != "https://example.com/a.png" || string(me.Profile) != `{"bio":"x"}` {
		t.Errorf("%s", w.Body)
	}
	w = b.json("PATCH", "/account", `{"picture":null,"profile":null}`)
	if me := decoded[account](t, w); me.Name != "Ada L." || me.Picture != "" || me.Profile != nil {
		t.Errorf("%s", w.Body)
	}
	for body, code := range map[string]string{
		`{"picture":"http://example.com/a.png"}`:      "invalid_field",
		`{"picture":"javascript:alert(1)"}`:           "invalid_field",
		`{"name":"a\u0000b"}`:                         "invalid_field",
		`{"name":"` + strings.Repeat("x", 256) + `"}`: "invalid_field",
		`{"locale":"de CH"}`:                          "invalid_field",
		`{"name":7}`:                                  "invalid_request",
		`[]`:                                          "invalid_request",
		`{"name":"x"`:                                 "invalid_request",
		`{"profile":"` + strings.Repeat("x", 64<<10-20) + `"}`: "",
	} {
		w := b.json("PATCH", "/account", body)
		if code == "" {
			answered(t, w, http.StatusOK, "")
			continue
		}
		answered(t, w, http.StatusBadRequest, code)
	}
	answered(t, b.json("PATCH", "/account", `{"profile":"`+strings.Repeat("x", 64<<10)+`"}`), http.StatusRequestEntityTooLarge, "request_too_large")
	r := httptest.NewRequest("PATCH", issuer+"/account", strings.NewReader("name=x"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answered(t, b.do(r), http.StatusUnsupportedMediaType, "unsupported_media_type")
	h.Advance(20 * time.Minute)
	answered(t, b.json("PATCH", "/account", `{"name":"late"}`), http.StatusUnauthorized, "insufficient_user_authentication")
}

// TestR2_AccountSetsNoRights: no body of the account sets what only an administrator or a proof can set.
func TestR2_AccountSetsNoRights(t *testing.T) {
	h := newHome(t)
	b := h.fresh(h.who)
	id := h.idOf(b)
	before, err := h.dir.User(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{
		"verified": "true", "addresses": `[{"type":"email","value":"eve@example.com","verified":true}]`, "roles": `["editor"]`,
		"scopes": `["posts:write"]`, "disabled": "null", "identities": `[]`, "data": `{"plan":"gold"}`, "id": `"x"`, "version": `"1"`,
		"username": `"eve"`, "email": `"eve@example.com"`, "ways": `{"passwords":9}`, "created": `"2020-01-01T00:00:00Z"`,
	}
	for field, value := range values {
		title := strings.ToUpper(field[:1]) + field[1:]
		for _, body := range []string{
			`{"` + field + `":` + value + `}`,
			`{"` + title + `":` + value + `}`,
			`{"` + strings.ToUpper(field) + `":` + value + `}`,
			`{"name":"x","` + field + `":` + value + `}`,
			`{"` + field + `":` + value + `,"` + field + `":` + value + `}`,
			`{"name":{"` + field + `":` + value + `}}`,
			`{"` + field + `\u0000":` + value + `}`,
		} {
			w := b.json("PATCH", "/account", body)
			if w.Code != http.StatusBadRequest {
				t.Errorf("%s: %d %s", body, w.Code, w.Body)
			}
		}
	}
	for _, body := range []string{`{"Name":"x"}`, `{"NAME":"x"}`, `{"name":"x","name":"y"}`, `{"name":"x","Name":"y"}`, `{"profile":{"a":1,"A":2}}`} {
		if w := b.json("PATCH", "/account", body); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	after, err := h.dir.User(t.Context(), id)
	if err != nil || after.Version != before.Version {
		t.Errorf("the row changed: %+v %v", after, err)
	}
}

// TestX4_AccountOrigins: the pages of session.Config.Origins may use sessions, and not accounts.
func TestX4_AccountOrigins(t *testing.T) {
	h := newHome(t)
	b := h.fresh(h.who)
	for _, from := range []map[string]string{
		{"Origin": "https://app.example.com"},
		{"Origin": "https://app.example.com", "Sec-Fetch-Site": "same-site"},
		{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
		{"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
		{"Origin": "null"},
		{"Sec-Fetch-Site": "cross-site"},
		{"Sec-Fetch-Site": "same-site"},
	} {
		for _, route := range [][3]string{{"GET", "/account", ""}, {"PATCH", "/account", `{"name":"x"}`}} {
			r := httptest.NewRequest(route[0], issuer+route[1], strings.NewReader(route[2]))
			r.Header.Set("Content-Type", "application/json")
			for name, value := range from {
				r.Header.Set(name, value)
			}
			w := b.do(r)
			answered(t, w, http.StatusForbidden, "cross_origin")
			if w.Header().Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%v: allowed by CORS", from)
			}
		}
	}
}

// TestX4_AccountListedOrigin: a page of postern.Config.Origins may call every method, with a token; with the cookies
// it must be in session.Config.Origins too.
func TestX4_AccountListedOrigin(t *testing.T) {
	h := newHome(t, func(_ *home, c *postern.Config) { c.Origins = []string{"https://front.example.com"} })
	b := h.fresh(h.who)
	from := h.browser()
	from.Header.Set("Origin", "https://front.example.com")
	from.Header.Set("Sec-Fetch-Site", "same-site")
	r := from.Request("OPTIONS", issuer+"/account", nil)
	r.Header.Set("Access-Control-Request-Method", "PATCH")
	w := from.do(r)
	if methods := w.Header().Get("Access-Control-Allow-Methods"); w.Code >= 300 || !strings.Contains(methods, "PATCH") || !strings.Contains(methods, "DELETE") {
		t.Errorf("preflight: %d %q", w.Code, methods)
	}
	from.Header.Set("Authorization", "Bearer "+b.access())
	w = from.json("PATCH", "/account", `{"name":"x"}`)
	answered(t, w, http.StatusOK, "")
	if w.Header().Get("Access-Control-Allow-Origin") != "https://front.example.com" {
		t.Errorf("%v", w.Header())
	}
	b.Header = from.Header.Clone()
	b.Header.Del("Authorization")
	if w := b.json("PATCH", "/account", `{"name":"y"}`); w.Code != http.StatusForbidden && w.Code != http.StatusUnauthorized {
		t.Errorf("with cookies: %d %s", w.Code, w.Body)
	}
}

// TestAccount_StoreFails: each call of the store fails once. The answer is 503, and the next try does what was asked.
func TestAccount_StoreFails(t *testing.T) {
	h := newHome(t)
	b := h.fresh(h.who)
	for _, route := range [][3]string{{"GET", "/account", ""}, {"PATCH", "/account", `{"name":"Ada II"}`}} {
		h.eachFails(b, route[0], route[1], route[2])
	}
	if me := decoded[account](t, b.json("GET", "/account", "")); me.Name != "Ada II" {
		t.Errorf("%+v", me)
	}
}

// eachFails sends a request again and again: in the n-th try the n-th call of the store fails. It ends with the first
// try in which no call failed.
func (h *home) eachFails(b *browser, method, path, body string) *httptest.ResponseRecorder {
	h.t.Helper()
	for n := range 60 {
		failing := &failsOnce{Store: h.store.Store, at: n}
		inner := h.store.Store
		h.store.Store = failing
		w := b.json(method, path, body)
		h.store.Store = inner
		if failing.at >= 0 {
			if n == 0 {
				h.t.Errorf("%s %s called no store", method, path)
			}
			if w.Code >= 300 {
				h.t.Errorf("%s %s without a failure: %d %s", method, path, w.Code, w.Body)
			}
			return w
		}
		if w.Code != http.StatusServiceUnavailable && w.Code >= 300 {
			h.t.Errorf("%s %s, call %d failed: %d %s", method, path, n, w.Code, w.Body)
		}
	}
	h.t.Fatalf("%s %s: no end", method, path)
	return nil
}
