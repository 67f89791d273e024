package postern_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
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

// counting makes the doors count their token requests.
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
		t.Errorf("%d writes for states that belong to no attempt", v.store.writes)
	}
	if w := b.get(callback("door", state)); w.Code != http.StatusSeeOther || hits.Load() != 1 {
		t.Fatalf("the state itself: %d\n%s", w.Code, w.Body)
	}
	b.Header.Set("Accept", "application/json")
	refused(t, b.get(callback("door", state)), 400, "used_state") // its cookie is gone
	if hits.Load() != 1 {
		t.Error("a second token request for one state")
	}
}

// The store refuses a used state even to a browser that kept the cookie.
func TestC1_Replay(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	b.Header.Set("Accept", "application/json")
	state := b.begin("door")
	kept := maps.Clone(b.Cookies)
	b.get(callback("door", state))
	b.Cookies = kept
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
		v.Advance(tc.age)
		w := b.get(callback("door", state))
		if w.Code != tc.status {
			t.Errorf("after %v: %d, want %d", tc.age, w.Code, tc.status)
		}
		if tc.age == time.Hour {
			// The page has a link that starts again with the same return address.
			if !strings.Contains(w.Body.String(), "/auth/door/authorize?redirect_uri=https%3A%2F%2Fapi.example.com%2Fwelcome&amp;state=s") {
				t.Errorf("no way to start again on the page:\n%s", w.Body)
			}
			if len(b.Cookies) != 0 {
				t.Error("the expired attempt kept its cookie")
			}
		}
	}
}

// A sealed cookie opens only unchanged and under its own name: not cut, renamed or moved to another attempt.
func TestC1_Cookie(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	state := b.begin("door")
	var name, value string
	for name, value = range b.Cookies {
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
	second := v.browser()
	second.begin("door")
	for _, other := range second.Cookies {
		if try(name+"="+other) != 400 {
			t.Error("the cookie of another attempt opens under this name")
		}
	}
	if strings.Contains(name+value, state) {
		t.Error("the cookie shows its state")
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
			for name, value := range b.Cookies {
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

// While the store is down nobody signs in, the answer is 503, and the attempt can be tried again.
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

// A HEAD request, as link checkers send, does not change the attempt.
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

// Peek reads the same data as Resume, any number of times.
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
	// A state that does not fit the provider's variable is a fault of the provider: 500.
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
		t.Errorf("%d writes for 10,000 unfinished sign-ins", v.store.writes)
	}
}

// SST Auth accepted a callback without cookies and state, which signs a victim in to an attacker's account.
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

// SST Auth answered 500 to a refusal of the provider, an unknown provider and an unknown step.
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

// The state is 256 bits, all from Config.Rand.
func TestC1_256Bits(t *testing.T) {
	random := make([]byte, 32)
	for i := range random {
		random[i] = byte(200 + i)
	}
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) { c.Rand = bytes.NewReader(random) })
	state, err := base64.RawURLEncoding.DecodeString(v.browser().begin("door"))
	if err != nil || !bytes.Equal(state, random) {
		t.Errorf("the state is %x, %v", state, err)
	}
	// With too few random bytes no attempt begins.
	short := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) { c.Rand = bytes.NewReader(random[:31]) })
	b := short.browser()
	if w := b.get(issuer + "/door/authorize"); w.Code != 500 || len(b.Cookies) != 0 {
		t.Errorf("31 bytes of randomness: %d, %d cookies", w.Code, len(b.Cookies))
	}
}

// Two issuers share a store. Even with the same state, the end of one attempt does not use up the other.
func TestC1_IssuersOnOneStore(t *testing.T) {
	random := bytes.Repeat([]byte{7}, 32)
	var shared *flaky
	for _, iss := range []string{issuer, "https://other.example/auth"} {
		v := newWorld(t, func(v *world, s *session.Config, c *postern.Config) {
			if shared == nil {
				shared = v.store
			}
			s.Issuer, s.Store, c.Rand = iss, shared, bytes.NewReader(random)
		})
		b := v.browser()
		if w := b.get(iss + "/door/callback?code=c&state=" + b.begin("door")); w.Code != 303 {
			t.Errorf("%s: %d %s", iss, w.Code, w.Body)
		}
	}
}

// failing are secrets whose vault goes down.
type failing struct {
	keys.Secrets
	down atomic.Bool
}

func (f *failing) Secret(ctx context.Context, kid string) (keys.Secret, error) {
	if f.down.Load() {
		return keys.Secret{}, fmt.Errorf("vault: %w", keys.ErrUnavailable)
	}
	return f.Secrets.Secret(ctx, kid)
}

// If the secrets do not answer, the attempt may be good: the callback is answered with 503 and can be tried again.
func TestC9_SecretsDown(t *testing.T) {
	f := new(failing)
	v := newWorld(t, func(v *world, s *session.Config, _ *postern.Config) {
		f.Secrets = v.ring
		s.Secrets = f
	})
	for _, provider := range []string{"door", "post"} {
		b := v.browser()
		state := b.begin(provider)
		step := callback(provider, state)
		if provider == "post" {
			step = b.answered("post", state)
		}
		f.down.Store(true)
		refused(t, b.get(step), 503, "temporarily_unavailable")
		f.down.Store(false)
		if w := b.get(step); w.Code != 303 {
			t.Errorf("%s: after the secrets came back: %d", provider, w.Code)
		}
	}
}
