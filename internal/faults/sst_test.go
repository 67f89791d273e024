package faults

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
)

// Holes that SST Auth had, as far as it takes the whole house to try them. Others are tried in the package that closes them.

// decoded is what a token says to whoever reads it.
func decoded(t testing.TB, token string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	for i, into := range []*map[string]any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

// A session never ended, could not be told apart, and named neither issuer, audience nor key.
func TestSST_S1_NothingIsForEver(t *testing.T) {
	w := newWorld(t)
	h := newHouse(t, w, plans{})
	b := h.browser()
	if a, _ := flows()[1].run(b, 0); !a.ok() {
		t.Fatal(a.body)
	}
	header, claims := decoded(t, b.bearer)
	for _, name := range []string{"iss", "aud", "sub", "client_id", "iat", "exp", "jti", "sid", "type"} {
		if claims[name] == nil || claims[name] == "" {
			t.Errorf("no claim %s", name)
		}
	}
	if header["kid"] == nil || header["typ"] != "at+jwt" {
		t.Errorf("header %v", header)
	}
	life := time.Unix(int64(claims["exp"].(float64)), 0).Sub(w.Now())
	if life <= 0 || life > time.Hour {
		t.Errorf("it lives for %v by default", life)
	}
	if !b.signedIn("10001") {
		t.Fatal("not signed in")
	}
	w.Advance(life + 30*time.Second)
	if b.signedIn("10001") {
		t.Error("it lives on")
	}
	// Not even by configuration.
	for _, life := range []time.Duration{-1, time.Millisecond, 401 * 24 * time.Hour} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a kind that lives for %v was made", life)
				}
			}()
			session.NewKindConfig(h.sessions, session.KindConfig[user]{Name: "long", Access: life})
		}()
	}
}

// The token came in the query of a URL, by gluing strings.
func TestSST_S2_NoTokenInAURL(t *testing.T) {
	w := newWorld(t)
	for _, f := range flows() {
		b := newHouse(t, w, plans{}).browser()
		for _, step := range f.steps {
			a := step(b).must(t)
			if a.location == nil {
				continue
			}
			for _, part := range append(strings.Split(a.location.String(), "."), a.location.Query()["token"]...) {
				if strings.HasPrefix(part, "eyJ") {
					t.Errorf("%s: a token in %s", f.name, a.location)
				}
			}
			q := a.location.Query()
			if strings.HasPrefix(a.location.String(), app) && (len(q["code"]) > 1 || len(q["state"]) > 1 || q.Has("token")) {
				t.Errorf("%s: leads to %s", f.name, a.location)
			}
			if a.header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("%s: Referrer-Policy %q", f.name, a.header.Get("Referrer-Policy"))
			}
		}
	}
}

// The session cookie was SameSite=None, and nothing else stood against forged requests.
func TestSST_S8_ForgedRequests(t *testing.T) {
	h := newHouse(t, newWorld(t), plans{})
	b := h.browser()
	begin("one", "")(b).must(t)
	a := callback(b).must(t)
	found := false
	for _, k := range (&http.Response{Header: a.header}).Cookies() {
		if k.MaxAge > 0 {
			found = true
			if k.SameSite != http.SameSiteLaxMode || !k.Secure || !k.HttpOnly || k.Path != "/" || k.Domain != "" || !strings.HasPrefix(k.Name, "__Host-") {
				t.Errorf("%s", k.Name)
			}
		}
	}
	if !found {
		t.Fatal("no cookie")
	}
	for _, header := range []http.Header{
		{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}},
		{"Sec-Fetch-Site": {}, "Origin": {"https://evil.example"}}, {"Sec-Fetch-Site": {}, "Origin": {"null"}},
	} {
		b.header = header
		b.post(me, url.Values{}).want(t, http.StatusForbidden, "cross_origin")
	}
	b.header = http.Header{"Origin": {"https://app.example"}}
	b.post(me, url.Values{}).must(t)
}

// Keys never changed, and changing them signed everybody out.
func TestSST_S10_Rotation(t *testing.T) {
	w := newWorld(t)
	h := newHouse(t, w, plans{})
	old := h.browser()
	if a, _ := flows()[1].run(old, 0); !a.ok() {
		t.Fatal(a.body)
	}
	before, _ := decoded(t, old.bearer)
	if err := h.ring.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	midway := h.browser()
	begin("one", "")(midway).must(t)
	w.Advance(30 * time.Minute)
	if !old.signedIn("10001") {
		t.Error("rotation signs people out")
	}
	w.Advance(3 * time.Hour)
	fresh := h.browser()
	if a, _ := flows()[1].run(fresh, 0); !a.ok() || !fresh.signedIn("10001") {
		t.Fatalf("after rotation: %s", a.body)
	}
	if after, _ := decoded(t, fresh.bearer); after["kid"] == before["kid"] {
		t.Error("the key never changes")
	}
	callback(midway).want(t, http.StatusBadRequest, "expired_state")
}

// What was called encrypted was only signed. Here tokens are said to be readable, and what is sealed is unreadable.
func TestSST_S12_SealedIsSealed(t *testing.T) {
	h := newHouse(t, newWorld(t), plans{})
	b := h.browser()
	begin("one", "?state=a-state-of-mine")(b).must(t)
	ask("code", "?plan=a-plan-of-mine")(b).must(t)
	names := 0
	for name, value := range b.cookies {
		names++
		for part := range strings.SplitSeq(value, ".") {
			plain, err := base64.RawURLEncoding.DecodeString(part)
			if err != nil {
				plain = []byte(part)
			}
			for _, inside := range []string{"a-state-of-mine", "a-plan-of-mine", "ada@example.com", app, b.code, `"f":`, "one"} {
				if len(inside) > 3 && bytes.Contains(plain, []byte(inside)) {
					t.Errorf("cookie %s shows %q", name, inside)
				}
			}
		}
	}
	if names < 2 {
		t.Errorf("%d cookies", names)
	}
}
