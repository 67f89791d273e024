package postern_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// counting makes the world's doors count what would be token requests.
func counting(hits *atomic.Int64) func(*world, *session.Config, *postern.Config) {
	return func(_ *world, _ *session.Config, c *postern.Config) {
		for _, name := range []string{"door", "other"} {
			c.Providers[name] = door{hits: func() { hits.Add(1) }}
		}
	}
}

func TestC1_State(t *testing.T) {
	var hits atomic.Int64
	v := newWorld(t, counting(&hits))
	b := v.browser()
	state := b.begin("door")
	flip := func(i int) string {
		c := byte('A')
		if state[i] == c {
			c = 'B'
		}
		return state[:i] + string(c) + state[i+1:]
	}
	foreign := v.browser().begin("door")
	bad := map[string]string{
		"missing":              issuer + "/door/callback?code=c",
		"empty":                callback("door", ""),
		"another browser's":    callback("door", foreign),
		"of another provider":  callback("other", state),
		"first character":      callback("door", flip(0)),
		"last character":       callback("door", flip(42)),
		"cut":                  callback("door", state[:42]),
		"longer":               callback("door", state+"A"),
		"upper case":           callback("door", strings.ToUpper(state)),
		"padded":               callback("door", state+"="),
		"with a blank":         callback("door", state+" "),
		"not base64url":        callback("door", strings.Repeat("!", 43)),
		"43 bytes of UTF-8":    callback("door", strings.Repeat("é", 21)+"a"),
		"very long":            callback("door", strings.Repeat("A", 4000)),
		"of another parameter": issuer + "/door/callback?code=c&State=" + state,
	}
	for name, target := range bad {
		t.Run(name, func(t *testing.T) {
			refused(t, b.get(target), 400, "invalid_state")
		})
	}
	if hits.Load() != 0 || len(v.finished()) != 0 {
		t.Fatalf("%d token requests, %d sign-ins, want none", hits.Load(), len(v.finished()))
	}
	if v.store.writes != 0 {
		t.Errorf("%d writes for states that are nobody's", v.store.writes)
	}
	if w := b.get(callback("door", state)); w.Code != http.StatusSeeOther || hits.Load() != 1 {
		t.Fatalf("the state itself: %d\n%s", w.Code, w.Body)
	}
	w := b.get(callback("door", state))
	refused(t, w, 400, "invalid_state") // its cookie is gone
	if hits.Load() != 1 {
		t.Error("a second token request for one state")
	}
}

// The store refuses a used state even to a browser that kept the cookie.
func TestC1_Replay(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	b.header.Set("Accept", "application/json")
	state := b.begin("door")
	kept := maps.Clone(b.cookies)
	b.get(callback("door", state))
	b.cookies = kept
	refused(t, b.get(callback("door", state)), 400, "used_state")
	if len(v.finished()) != 1 {
		t.Errorf("%d sign-ins", len(v.finished()))
	}
	if got := v.outcomes(); !slices.Equal(got, []string{"sign-in", "sign-in failed used_state"}) {
		t.Errorf("events %q", got)
	}
}

func TestC1_Lifetime(t *testing.T) {
	for _, tc := range []struct {
		age    time.Duration
		status int
	}{{10*time.Minute - time.Second, 303}, {10 * time.Minute, 400}, {time.Hour, 400}, {-59 * time.Second, 303}, {-2 * time.Minute, 400}} {
		v := newWorld(t)
		b := v.browser()
		state := b.begin("door", "redirect_uri=/welcome", "state=s")
		v.advance(tc.age)
		w := b.get(callback("door", state))
		if w.Code != tc.status {
			t.Errorf("after %v: %d, want %d", tc.age, w.Code, tc.status)
		}
		if tc.age == time.Hour {
			// The page leads back to where the person was going.
			if !strings.Contains(w.Body.String(), "/auth/door/authorize?redirect_uri=https%3A%2F%2Fapi.example.com%2Fwelcome&amp;state=s") {
				t.Errorf("no way to start again on the page:\n%s", w.Body)
			}
			if len(b.cookies) != 0 {
				t.Error("the expired attempt kept its cookie")
			}
		}
	}
}

// A sealed cookie opens only as itself: not changed, cut, renamed, of another issuer, or twice.
func TestC1_Cookie(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	state := b.begin("door")
	var name, value string
	for name, value = range b.cookies {
	}
	try := func(header string) int {
		r := httptest.NewRequest("GET", callback("door", state), nil)
		r.Header.Set("Cookie", header)
		w := httptest.NewRecorder()
		v.auth.ServeHTTP(w, r)
		return w.Code
	}
	for i := range value {
		if try(name+"="+value[:i]) != 400 {
			t.Errorf("the first %d bytes of the cookie open", i)
		}
		c := byte('A')
		if value[i] == c {
			c = 'B'
		}
		if try(name+"="+value[:i]+string(c)+value[i+1:]) != 400 {
			t.Errorf("the cookie opens with byte %d changed", i)
		}
	}
	if try(name+"="+value+"; "+name+"="+value) != 400 {
		t.Error("two cookies of the name are taken")
	}
	second := v.browser()
	second.begin("door")
	for _, other := range second.cookies {
		if try(name+"="+other) != 400 {
			t.Error("the cookie of another attempt opens under this name")
		}
	}
	if strings.Contains(name+value, state) {
		t.Error("the cookie tells its state")
	}
	if try(name+"="+value) != 303 {
		t.Error("the cookie itself does not open")
	}
}

func TestC9_ParallelCallbacks(t *testing.T) {
	var hits atomic.Int64
	v := newWorld(t, counting(&hits))
	b := v.browser()
	state := b.begin("door")
	var wg sync.WaitGroup
	var ok, used atomic.Int64
	for range 100 {
		wg.Go(func() {
			r := httptest.NewRequest("GET", callback("door", state), nil)
			for name, value := range b.cookies {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
			w := httptest.NewRecorder()
			v.auth.ServeHTTP(w, r)
			switch w.Code {
			case 303:
				ok.Add(1)
			case 400:
				used.Add(1)
			}
		})
	}
	wg.Wait()
	if ok.Load() != 1 || used.Load() != 99 || hits.Load() != 1 || len(v.finished()) != 1 {
		t.Errorf("%d signed in, %d refused, %d token requests, %d sessions", ok.Load(), used.Load(), hits.Load(), len(v.finished()))
	}
}

// The store down: nobody passes, the answer is 503, and the attempt can be tried again.
func TestC9_StoreDown(t *testing.T) {
	var hits atomic.Int64
	v := newWorld(t, counting(&hits))
	b := v.browser()
	state := b.begin("door")
	v.store.set(errors.New("connection refused"))
	w := b.get(callback("door", state))
	refused(t, w, 503, "temporarily_unavailable")
	if w.Header().Get("Retry-After") == "" || hits.Load() != 0 {
		t.Errorf("Retry-After %q, %d token requests", w.Header().Get("Retry-After"), hits.Load())
	}
	v.store.set(nil)
	if w := b.get(callback("door", state)); w.Code != 303 {
		t.Errorf("after the store came back: %d", w.Code)
	}
}

func TestStart_SecretsDown(t *testing.T) {
	v := newWorld(t, func(_ *world, s *session.Config, _ *postern.Config) { s.Secrets = noSecrets{} })
	b := v.browser()
	refused(t, b.get(issuer+"/door/authorize"), 503, "temporarily_unavailable")
	refused(t, b.get(issuer+"/door/callback?state="+strings.Repeat("A", 43)), 400, "invalid_state")
}

// A HEAD request, as link checkers send it, leaves the attempt as it was.
func TestX2_HeadFinishesNothing(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	state := b.begin("door")
	if w := b.send(http.MethodHead, callback("door", state), nil); w.Code != 405 || w.Header().Get("Allow") == "" {
		t.Errorf("HEAD: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
	if w := b.get(callback("door", state)); w.Code != 303 {
		t.Errorf("GET after HEAD: %d", w.Code)
	}
}

// Attempts of several tabs don't disturb each other; the sixth takes the place of the oldest.
func TestS3_FiveAttempts(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	var states []string
	for range 8 {
		states = append(states, b.begin("door"))
		v.advance(time.Second)
		if len(b.cookies) > 5 {
			t.Fatalf("%d attempts at once", len(b.cookies))
		}
	}
	for i, state := range states {
		// A copy of the browser, as each success adds a session and removes a cookie.
		copied := v.browser()
		for name, value := range b.cookies {
			copied.cookies[name] = value
		}
		want := 303
		if i < 3 {
			want = 400
		}
		if w := copied.get(callback("door", state)); w.Code != want {
			t.Errorf("attempt %d: %d, want %d", i, w.Code, want)
		}
	}
}

// However long what applications ask for, the cookies of attempts stay small together, and junk among them goes.
func TestS3_AttemptBytes(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	for i := range 12 {
		b.begin("door", "state="+url.QueryEscape(strings.Repeat(`"`, 900)), fmt.Sprintf("client_id=%d", i))
		v.advance(time.Second)
		size := 0
		for name, value := range b.cookies {
			size += len(name) + len(value)
		}
		if size > 6<<10 {
			t.Fatalf("%d bytes of attempts", size)
		}
	}
	var prefix string
	for name := range b.cookies {
		prefix = name[:len(name)-12]
	}
	for i := range 40 {
		b.cookies[fmt.Sprintf("%sjunk%08d", prefix, i)] = "v1.x.junk"
	}
	state := b.begin("door")
	if len(b.cookies) > 5 {
		t.Errorf("%d cookies left of junk", len(b.cookies))
	}
	if w := b.get(callback("door", state)); w.Code != 303 {
		t.Errorf("among junk: %d", w.Code)
	}
}

type bulky struct{ size int }

func (p bulky) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{"GET authorize": func(w http.ResponseWriter, r *http.Request) {
		var state any = strings.Repeat("x", max(0, p.size))
		if p.size < 0 {
			state = func() {} // no JSON
		}
		if _, err := f.Start(w, r, state); err != nil {
			f.Fail(w, r, err)
		}
	}})
}

func TestStart_TooLarge(t *testing.T) {
	long := "state=" + url.QueryEscape(strings.Repeat(`"`, 1024))
	for _, tc := range []struct {
		size   int
		query  string
		status int
	}{{1000, "", 200}, {5000, "", 500}, {900, long, 400}, {-1, "", 500}} {
		v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) { c.Providers["bulky"] = bulky{tc.size} })
		if w := v.browser().get(issuer + "/bulky/authorize?" + tc.query); w.Code != tc.status {
			t.Errorf("%d bytes with %d of query: %d, want %d", tc.size, len(tc.query), w.Code, tc.status)
		}
	}
}

// Peek reads what Resume will, any number of times.
func TestPeek(t *testing.T) {
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) { c.Providers["peek"] = peeker{} })
	b := v.browser()
	w := b.get(issuer + "/peek/authorize")
	state := w.Header().Get("X-State")
	for range 3 {
		if w := b.get(issuer + "/peek/look?state=" + state); w.Body.String() != "hello" {
			t.Errorf("Peek: %d %s", w.Code, w.Body)
		}
	}
	refused(t, v.browser().get(issuer+"/peek/look?state="+state), 400, "invalid_state")
	if v.store.writes != 0 {
		t.Errorf("Peek wrote %d times", v.store.writes)
	}
	// A state of another shape than the provider reads is the provider's fault.
	if w := b.get(issuer + "/peek/misread?state=" + state); w.Code != 500 {
		t.Errorf("misread: %d", w.Code)
	}
}

type peeker struct{}

func (peeker) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{
		"GET authorize": func(w http.ResponseWriter, r *http.Request) {
			id, err := f.Start(w, r, "hello")
			if err != nil {
				f.Fail(w, r, err)
				return
			}
			w.Header().Set("X-State", id)
		},
		"GET look": func(w http.ResponseWriter, r *http.Request) {
			var state string
			if err := f.Peek(r, &state); err != nil {
				f.Fail(w, r, err)
				return
			}
			fmt.Fprint(w, state)
		},
		"GET misread": func(w http.ResponseWriter, r *http.Request) {
			var state int
			f.Fail(w, r, f.Peek(r, &state))
		},
	})
}

func TestD3_UnfinishedStoresNothing(t *testing.T) {
	v := newWorld(t)
	for range 10_000 {
		v.browser().begin("door")
	}
	if v.store.writes != 0 {
		t.Errorf("%d writes for 10,000 sign-ins that nobody finished", v.store.writes)
	}
}

// SST Auth: a callback without cookies and without state was exchanged, which signs a victim into an attacker's account.
func TestSST_S6_LoginCSRF(t *testing.T) {
	var hits atomic.Int64
	v := newWorld(t, counting(&hits))
	attacker := v.browser()
	state := attacker.begin("door")
	for _, target := range []string{issuer + "/door/callback?code=attackers", callback("door", state)} {
		refused(t, v.browser().get(target), 400, "invalid_state")
	}
	if hits.Load() != 0 || len(v.finished()) != 0 {
		t.Errorf("%d token requests, %d sign-ins", hits.Load(), len(v.finished()))
	}
}

// SST Auth: flow cookies without Secure, SameSite and Path, for 30 seconds, never cleared.
func TestSST_S7_FlowCookies(t *testing.T) {
	v := newWorld(t)
	for provider, same := range map[string]http.SameSite{"door": http.SameSiteLaxMode, "post": http.SameSiteNoneMode} {
		w := v.browser().get(issuer + "/" + provider + "/authorize")
		k := w.Result().Cookies()
		if len(k) != 1 || k[0].SameSite != same || !k[0].Secure || !k[0].HttpOnly || k[0].Path != "/" || k[0].MaxAge != 600 || !strings.HasPrefix(k[0].Name, "__Host-") {
			t.Errorf("%s: %v", provider, w.Header()["Set-Cookie"])
		}
	}
	local := newWorld(t, func(_ *world, s *session.Config, _ *postern.Config) { s.Issuer = "http://localhost:8420/auth" })
	w := local.browser().get("http://localhost:8420/auth/door/authorize")
	if k := w.Result().Cookies(); len(k) != 1 || k[0].Secure || strings.HasPrefix(k[0].Name, "__Host-") {
		t.Errorf("on localhost: %v", w.Header()["Set-Cookie"])
	}
}

// SST Auth: what a provider refuses, an unknown provider and an unknown step were 500.
func TestSST_S9_NoServerErrors(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	for target, want := range map[string]int{
		callback("door", b.begin("door")) + "&error=access_denied": 403,
		issuer + "/nobody/authorize":                               404,
		issuer + "/door/nowhere":                                   404,
		issuer + "/door":                                           404,
		issuer + "/door/":                                          404,
		issuer + "/authorize?provider=nobody":                      400,
	} {
		if w := b.get(target); w.Code != want {
			t.Errorf("%s: %d, want %d", target, w.Code, want)
		}
	}
}

// noSecrets are secrets in a vault that does not answer.
type noSecrets struct{}

func (noSecrets) Secret(context.Context, string) (keys.Secret, error) {
	return keys.Secret{}, fmt.Errorf("vault: %w", keys.ErrUnavailable)
}
