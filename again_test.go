package postern_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

const (
	finishedText = "This sign-in is finished already."
	unknownText  = "This sign-in is finished already, was started too long ago, or was not started in this browser."
)

// A person who presses Back or reloads after a sign-in is led to its target again, with or without the attempt's
// cookie. Nothing happens a second time.
func TestBack_SignedIn(t *testing.T) {
	var hits atomic.Int64
	v := newWorld(t, counting(&hits), func(_ *world, _ *session.Config, c *postern.Config) {
		c.Providers["post"] = door{formPost: true, hits: func() { hits.Add(1) }}
	})
	for _, provider := range []string{"door", "post"} {
		hits.Store(0)
		b := v.browser()
		state := b.begin(provider, "redirect_uri=/welcome", "state=of-the-application")
		step := callback(provider, state)
		if provider == "post" {
			step = b.answered("post", state)
		}
		attempt := maps.Clone(b.Cookies)
		if w := b.get(step); w.Header().Get("Location") != "https://api.example.com/welcome?state=of-the-application" {
			t.Fatalf("%s: %d to %s", provider, w.Code, w.Header().Get("Location"))
		}
		v.Events.Take()
		signedIn := maps.Clone(b.Cookies)
		for range 3 {
			for name, also := range map[string]map[string]string{"attempt's cookie gone": nil, "attempt's cookie kept": attempt} {
				b.Cookies = maps.Clone(signedIn)
				maps.Copy(b.Cookies, also)
				w := b.get(step)
				if w.Code != 303 || w.Header().Get("Location") != "https://api.example.com/welcome" {
					t.Errorf("%s, %s: %d to %q\n%s", provider, name, w.Code, w.Header().Get("Location"), w.Body)
				}
				if !maps.Equal(b.Cookies, signedIn) {
					t.Errorf("%s, %s: the cookies changed", provider, name)
				}
			}
		}
		v.Advance(6 * time.Minute) // the access token has expired, the session has not
		if w := b.get(step); w.Code != 303 {
			t.Errorf("%s: after the access token: %d", provider, w.Code)
		}
		if hits.Load() != 1 || len(v.Events.All()) != 0 {
			t.Errorf("%s: %d codes spent, events %v", provider, hits.Load(), v.Events.All())
		}
		v.Advance(7 * time.Minute) // its target is forgotten
		if w := b.get(step); w.Code != 400 || strings.Contains(w.Body.String(), finishedText) {
			t.Errorf("%s: long after: %d %s", provider, w.Code, w.Body)
		}
	}
}

// Everyone else gets a page with the reason: people who signed out or came from another site, people whose session is
// in the application and not in a cookie, and programs.
func TestBack_Others(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	target := callback("door", b.begin("door"))
	attempt := maps.Clone(b.Cookies)
	b.get(target)
	signedIn := b.Cookies
	show := func(name string, cookies map[string]string, accept, code, text string) {
		t.Helper()
		other := v.browser()
		other.Cookies = maps.Clone(cookies)
		other.Header.Set("Accept", accept)
		w := other.get(target)
		refused(t, w, 400, code)
		gone := slices.DeleteFunc(w.Result().Cookies(), func(k *http.Cookie) bool { return attempt[k.Name] != "" && k.MaxAge < 0 })
		if !strings.Contains(w.Body.String(), text) || len(gone) != 0 || strings.Contains(w.Body.String(), "failed") {
			t.Errorf("%s: %v\n%s", name, gone, w.Body)
		}
	}
	show("signed out", nil, "text/html", "invalid_state", unknownText)
	show("signed out, with the attempt's cookie", attempt, "text/html", "used_state", finishedText)
	show("a program", signedIn, "application/json", "used_state", finishedText)
	junk := map[string]string{}
	for name := range signedIn {
		if !strings.HasSuffix(name, "-refresh") {
			junk[name] = "eyJhbGciOiJub25lIn0.e30."
		}
	}
	show("a cookie without a session", junk, "text/html", "invalid_state", unknownText)
	v.Advance(6 * time.Minute)
	for name := range junk {
		junk[name] = signedIn[name]
	}
	show("an access token that has expired, alone", junk, "text/html", "invalid_state", unknownText)

	byCode := newWorld(t, byCode)
	c := byCode.browser()
	target = callback("door", c.begin("door", "code_challenge_method=S256&code_challenge="+challenge))
	if w := c.get(target); w.Code != 303 {
		t.Fatal(w.Code)
	}
	v = byCode
	show("an application with a code", c.Cookies, "text/html", "invalid_state", unknownText)
}

// Callbacks of a stranger, for which no attempt exists, cost no read of the store. Those of a browser with a session
// cost one each.
func TestBack_ReadsOfTheStore(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	b.get(callback("door", b.begin("door")))
	signedIn := maps.Clone(b.Cookies)
	random := func(provider string, i int) []string {
		state := fmt.Sprintf("%043d", i)
		return []string{callback(provider, state), issuer + "/" + provider + "/callback?posted=" + state}
	}
	for _, tc := range []struct {
		name    string
		cookies map[string]string
		accept  string
		each    int
	}{
		{"a stranger", nil, "text/html", 0},
		{"a stranger's program", nil, "application/json", 0},
		{"a stranger with cookies like ours", map[string]string{"__Host-user": "eyJhbGciOiJub25lIn0.e30.", "__Host-flow-x": "x"}, "text/html", 0},
		{"a person with a session", signedIn, "text/html", 1},
	} {
		before, sent := v.store.reads(), 0
		other := v.browser()
		other.Header.Set("Accept", tc.accept)
		for i := range 100 {
			for _, provider := range []string{"door", "post"} {
				for _, target := range random(provider, i) {
					other.Cookies = maps.Clone(tc.cookies)
					if other.Cookies == nil {
						other.Cookies = map[string]string{}
					}
					refused(t, other.get(target), 400, "invalid_state")
					sent++
				}
			}
		}
		if got := v.store.reads() - before; got > tc.each*sent {
			t.Errorf("%s: %d callbacks made %d reads of the store, want %d each", tc.name, sent, got, tc.each)
		}
	}
}

// The address of a finished callback is not an open redirect and signs nobody in. It leads a signed-in person to an
// allowed address, with their present session.
func TestBack_GivesNothing(t *testing.T) {
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.Providers["door"] = door{identity: func(r *http.Request) postern.Identity {
			return postern.Identity{Issuer: "https://door.example", Subject: r.Form.Get("who")}
		}}
	})
	attacker, victim := v.browser(), v.browser()
	state := attacker.begin("door", "redirect_uri=/welcome")
	lure := callback("door", state) + "&who=attacker"
	attacker.get(lure)
	// Signed out: nothing.
	refused(t, victim.get(lure), 400, "invalid_state")
	// Signed in: as before, and to an address of the list.
	victim.get(callback("door", victim.begin("door")) + "&who=victim")
	before := maps.Clone(victim.Cookies)
	w := victim.get(lure)
	if w.Code != 303 || w.Header().Get("Location") != "https://api.example.com/welcome" || !maps.Equal(before, victim.Cookies) || len(w.Result().Cookies()) != 0 {
		t.Errorf("%d to %s, cookies %v", w.Code, w.Header().Get("Location"), w.Result().Cookies())
	}
	if list := v.sessionsOf("victim"); len(list) != 1 {
		t.Errorf("sessions of the victim: %v", list)
	}
	// At another provider, or changed: nothing.
	for _, target := range []string{callback("desk", state), callback("post", state), callback("door", state+"A"), callback("door", strings.ToLower(state))} {
		if w := victim.get(target); w.Code < 400 || w.Header().Get("Location") != "" {
			t.Errorf("%s: %d to %s", target, w.Code, w.Header().Get("Location"))
		}
	}
	// An address that was removed from the list is not used.
	other := newWorld(t, func(_ *world, s *session.Config, c *postern.Config) {
		s.Keys, s.Secrets, s.Store, s.Now = v.ring, v.ring, v.store, v.Now
		c.Redirects = []string{"https://app.example.com/"}
	})
	r := httptest.NewRequest("GET", lure, nil)
	for name, value := range victim.Cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	shorter := httptest.NewRecorder()
	other.auth.ServeHTTP(shorter, r)
	refused(t, shorter, 400, "used_state")
	// A writer of the store cannot redirect a person.
	victim.Header.Set("Accept", "text/html")
	var key store.Key
	step := victim.answered("post", victim.begin("post"))
	to, _ := url.Parse(step)
	key = store.Key{Part: "flow:" + to.Query().Get("posted"), ID: "used"}
	if w := victim.get(step); w.Code != 303 {
		t.Fatal(w.Code)
	}
	for _, value := range []string{
		`{"f":"post","to":"https://evil.example/"}`, `{"f":"post","to":"//evil.example"}`, `{"flow":"post","to":"https://evil.example/"}`,
		`{"flow":"post","to":"javascript:alert(1)"}`, `{"flow":"post","to":""}`, `{"flow":"door","to":"https://app.example.com/"}`, `x`, `{}`,
	} {
		items, err := v.store.Get(context.Background(), key)
		if err != nil || len(items) != 1 {
			t.Fatal(items, err)
		}
		items[0].Value = []byte(value)
		if err := v.store.Write(context.Background(), store.Put(items[0])); err != nil {
			t.Fatal(err)
		}
		if w := victim.get(step); w.Code != 400 || w.Header().Get("Location") != "" {
			t.Errorf("%s: %d to %s", value, w.Code, w.Header().Get("Location"))
		}
	}
}

// The reload of a failed sign-in does not look like a success, even if the person was signed in before.
func TestBack_AfterAFailure(t *testing.T) {
	deny := atomic.Bool{}
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		ok := c.OnSuccess
		c.OnSuccess = func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			if deny.Load() {
				return postern.Deny("not_invited", "Ask for an invitation.")
			}
			return ok(w, r, in)
		}
	})
	b := v.browser()
	b.get(callback("door", b.begin("door")))
	deny.Store(true)
	for _, more := range []string{"", "&error=access_denied"} {
		target := callback("door", b.begin("door")) + more
		refused(t, b.get(target), 403, "not_invited")
		for range 2 {
			w := b.get(target)
			refused(t, w, 400, "used_state")
			if !strings.Contains(w.Body.String(), finishedText) || !strings.Contains(w.Body.String(), "Start again") {
				t.Errorf("%s", w.Body)
			}
		}
	}
	if len(v.finished()) != 1 {
		t.Errorf("%d sign-ins", len(v.finished()))
	}
}

// Tabs that begin together, at one provider or at two, and finish in another order do not disturb each other. In
// OpenAuth they overwrote each other (its finding O11).
func TestTabs_AnyOrder(t *testing.T) {
	v := newWorld(t, counting(new(atomic.Int64)))
	b := v.browser()
	providers := []string{"door", "other", "door", "other"}
	var states []string
	for i, provider := range providers {
		states = append(states, b.begin(provider, fmt.Sprintf("state=tab%d", i)))
	}
	for _, i := range []int{2, 0, 3, 1} {
		w := b.get(callback(providers[i], states[i]))
		to, err := w.Result().Location()
		if w.Code != 303 || err != nil || to.Query().Get("state") != fmt.Sprintf("tab%d", i) {
			t.Errorf("tab %d: %d to %v\n%s", i, w.Code, to, w.Body)
		}
	}
	if got := v.outcomes(); !slices.Equal(got, []string{"sign-in", "sign-in", "sign-in", "sign-in"}) {
		t.Errorf("events %q", got)
	}
}

// A used attempt stays used as long as an instance with the slowest clock could accept its cookie.
func TestC1_ReplayLate(t *testing.T) {
	for _, age := range []time.Duration{0, time.Minute, 9 * time.Minute, 10*time.Minute - time.Second, 10*time.Minute + 59*time.Second} {
		var hits atomic.Int64
		v := newWorld(t, counting(&hits))
		b := v.browser()
		b.Header.Set("Accept", "application/json")
		target := callback("door", b.begin("door"))
		kept := maps.Clone(b.Cookies)
		b.get(target)
		v.Advance(age)
		late := func(now time.Time) *httptest.ResponseRecorder {
			v.Set(now)
			b.Cookies = maps.Clone(kept)
			return b.get(target)
		}
		now := v.Now()
		want := "used_state"
		if age >= 10*time.Minute {
			want = "expired_state"
		}
		refused(t, late(now), 400, want)
		// The clock of the store is right, the clock of this instance is a minute slow.
		if age >= 10*time.Minute {
			slow := newSlow(t, v, -time.Minute)
			r := httptest.NewRequest("GET", target, nil)
			r.Header.Set("Accept", "application/json")
			for name, value := range kept {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
			w := httptest.NewRecorder()
			slow.ServeHTTP(w, r)
			refused(t, w, 400, "used_state")
		}
		if hits.Load() != 1 {
			t.Errorf("after %v: %d codes spent", age, hits.Load())
		}
	}
}

// newSlow returns another instance of the same application with a wrong clock.
func newSlow(t *testing.T, v *world, off time.Duration) http.Handler {
	t.Helper()
	slow := newWorld(t, func(_ *world, s *session.Config, _ *postern.Config) {
		s.Keys, s.Secrets, s.Store = v.ring, v.ring, v.store
		s.Now = func() time.Time { return v.Now().Add(off) }
	})
	return slow.auth
}
