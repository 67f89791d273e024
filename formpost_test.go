package postern_test

import (
	"context"
	"errors"
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
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// An earlier session ends at a sign-in, also if the provider answers by POST, which comes without the session cookies.
func TestS1_EveryCallbackEndsTheSessionBefore(t *testing.T) {
	for _, provider := range []string{"door", "post"} {
		v := newWorld(t)
		b := v.browser()
		b.get(callback("door", b.begin("door")))
		before := v.sessionsOf("u1")
		if len(before) != 1 {
			t.Fatal(before)
		}
		planted := maps.Clone(b.Cookies)
		step := callback(provider, b.begin(provider))
		if provider == "post" {
			to, _ := url.Parse(step)
			step = b.answeredMarked("post", to.Query().Get("state"))
		}
		if w := b.get(step); w.Code != 303 {
			t.Fatalf("%s: %d %s", provider, w.Code, w.Body)
		}
		after := v.sessionsOf("u1")
		if len(after) != 1 || after[0].ID == before[0].ID {
			t.Errorf("%s: sessions %+v: the one before lives on", provider, after)
		}
		for name, value := range planted {
			if b.Cookies[name] == value && !strings.Contains(name, "flow-") && !isLast(name) {
				t.Errorf("%s: the cookie %s is as before", provider, name)
			}
		}
	}
}

// A reader of the address of the second step (log, Referer) or of the store (backup) cannot use what they read.
func TestL1_PostedFormsAreNotInTheOpen(t *testing.T) {
	memory := &store.Memory{}
	v := newWorld(t, func(v *world, s *session.Config, _ *postern.Config) {
		memory.Now = v.Now
		s.Store = &flaky{Store: memory}
	})
	b := v.browser()
	state := b.begin("post", "state=the-applications-state")
	secrets := []string{state, "the-code-of-the-provider", "the-name-of-a-person", "the-applications-state"}
	for _, value := range b.Cookies {
		secrets = append(secrets, value)
	}
	step := b.answered("post", state, "code", secrets[1], "user", secrets[2])
	dump := step
	to, _ := url.Parse(step)
	for _, id := range []string{"posted", "used"} {
		items, err := memory.Get(t.Context(), store.Key{Part: "flow:" + to.Query().Get("posted"), ID: id})
		if err != nil || (len(items) == 1) != (id == "posted") {
			t.Fatalf("%s: %v %v", id, items, err)
		}
		for _, item := range items {
			dump += item.Key.Part + string(item.Value)
		}
	}
	for _, secret := range secrets {
		if strings.Contains(dump, secret) || strings.Contains(dump, url.QueryEscape(secret)) {
			t.Errorf("%q can be read in %s", secret, dump)
		}
	}
	// Another browser with the address is refused, and the sign-in in this browser still works.
	stranger := v.browser()
	refused(t, stranger.get(step), 400, "invalid_state")
	stranger.begin("post")
	refused(t, stranger.get(step), 400, "invalid_state")
	if w := b.get(step); w.Code != 303 || len(v.finished()) != 1 || v.finished()[0].Return.State() != "the-applications-state" {
		t.Errorf("%d, %d sign-ins", w.Code, len(v.finished()))
	}
}

// Back, reload and double clicks repeat nothing: only the first posted code is exchanged, once.
func TestC9_PostedOnce(t *testing.T) {
	var hits atomic.Int64
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.Providers["post"] = door{formPost: true, hits: func() { hits.Add(1) }, identity: func(r *http.Request) postern.Identity {
			return postern.Identity{Issuer: "https://door.example", Subject: r.PostForm.Get("code")}
		}}
	})
	b := v.browser()
	state := b.begin("post")
	step := b.answered("post", state, "code", "first")
	if again := b.answered("post", state, "code", "second"); again != step {
		t.Errorf("the second POST leads to %s, not to %s", again, step)
	}
	kept := maps.Clone(b.Cookies)
	var wg sync.WaitGroup
	var ok, used atomic.Int64
	for range 100 {
		wg.Go(func() {
			r := httptest.NewRequest("GET", step, nil)
			for name, value := range kept {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
			w := httptest.NewRecorder()
			v.auth.ServeHTTP(w, r)
			switch {
			case w.Code == 303 && w.Header().Get("Location") == "https://app.example.com/":
				ok.Add(1)
			case w.Code == 400:
				used.Add(1)
			}
		})
	}
	wg.Wait()
	if ok.Load() != 1 || used.Load() != 99 || hits.Load() != 1 || v.finished()[0].Identity.Subject != "first" {
		t.Errorf("%d signed in, %d refused, %d codes spent: %+v", ok.Load(), used.Load(), hits.Load(), v.finished())
	}
	b.Cookies = kept
	b.Header.Set("Accept", "application/json")
	b.answered("post", state, "code", "third")
	refused(t, b.get(step), 400, "used_state")
	if hits.Load() != 1 {
		t.Error("a code was spent again")
	}
}

// While the store does not answer, nobody signs in and nothing is lost: the person can reload.
func TestC9_PostedWhileTheStoreIsDown(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	state := b.begin("post")
	form := url.Values{"state": {state}, "code": {"c"}}
	v.store.set(errors.New("down"))
	b.Header.Set("Sec-Fetch-Site", "cross-site")
	refused(t, b.post(issuer+"/post/callback", form), 503, "temporarily_unavailable")
	v.store.set(nil)
	step := b.answered("post", state)
	v.store.set(errors.New("down"))
	refused(t, b.get(step), 503, "temporarily_unavailable")
	v.store.set(nil)
	v.store.setGet(errors.New("down"))
	refused(t, b.get(step), 503, "temporarily_unavailable")
	v.store.setGet(nil)
	if w := b.get(step); w.Code != 303 {
		t.Errorf("after the store came back: %d %s", w.Code, w.Body)
	}
}

// A request that is not the second step of this attempt is refused, and the attempt can still be finished.
func TestC1_PostedAddress(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	b.Header.Set("Accept", "application/json") // to see the codes
	state := b.begin("post")
	other := v.browser()
	foreign := other.answered("post", other.begin("post"))
	early := issuer + "/post/callback?posted=" + strings.Repeat("A", 43)
	refused(t, b.get(early), 400, "invalid_state")
	step := b.answered("post", state)
	place := step[strings.Index(step, "=")+1:]
	flip := func(i int) string {
		c := byte('A')
		if place[i] == c {
			c = 'B'
		}
		return place[:i] + string(c) + place[i+1:]
	}
	for _, target := range []string{
		foreign, early, step + "A", step[:len(step)-1], issuer + "/post/callback?posted=", issuer + "/post/callback?posted=" + flip(0),
		issuer + "/post/callback?posted=" + flip(20), issuer + "/post/callback?posted=" + flip(42), issuer + "/door/callback?posted=" + place,
		step + "&state=" + state, callback("post", state), callback("door", state),
	} {
		refused(t, b.get(target), 400, "invalid_state")
	}
	if w := b.send(http.MethodHead, step, nil); w.Code != 405 {
		t.Errorf("HEAD: %d", w.Code)
	}
	b.Header.Del("Accept")
	if w := b.get(step); w.Code != 303 || len(v.finished()) != 1 {
		t.Errorf("the step itself: %d", w.Code)
	}
}

// A late form is refused at both steps, and the page has a link that starts again with the same return address.
func TestC1_PostedLate(t *testing.T) {
	for _, age := range []time.Duration{10 * time.Minute, 11 * time.Minute, time.Hour} {
		for _, first := range []bool{true, false} {
			v := newWorld(t)
			b := v.browser()
			state := b.begin("post", "redirect_uri=/welcome")
			kept := maps.Clone(b.Cookies)
			var w *httptest.ResponseRecorder
			if first {
				v.Advance(age)
				b.Header.Set("Sec-Fetch-Site", "cross-site")
				w = b.post(issuer+"/post/callback", url.Values{"state": {state}, "code": {"c"}})
			} else {
				step := b.answered("post", state)
				v.Advance(age)
				w = b.get(step)
			}
			refused(t, w, 400, "expired_state")
			if got := v.outcomes(); !slices.Equal(got, []string{"sign-in failed expired_state"}) || len(b.Cookies) != 0 || len(kept) != 1 {
				t.Errorf("%v, first step %v: %q, %d cookies", age, first, got, len(b.Cookies))
			}
			if !strings.Contains(w.Body.String(), "redirect_uri=https%3A%2F%2Fapi.example.com%2Fwelcome") {
				t.Errorf("%v, first step %v: no way to start again:\n%s", age, first, w.Body)
			}
		}
	}
}

// A form larger than any answer of a provider is refused; a long answer is accepted.
func TestD1_PostedSize(t *testing.T) {
	v := newWorld(t)
	for size, status := range map[int]int{2 << 10: 303, 4000: 303, 5 << 10: 413, 17 << 10: 413, 70 << 10: 413} {
		for _, letter := range []string{"c", `"`, "<", "é", "\u2028"} {
			b := v.browser()
			state := b.begin("post")
			b.Header.Set("Sec-Fetch-Site", "cross-site")
			w := b.post(issuer+"/post/callback", url.Values{"state": {state}, "code": {strings.Repeat(letter, size/len(letter))}})
			if w.Code != status {
				t.Errorf("%d bytes of %q: %d, want %d", size, letter, w.Code, status)
			}
			if status == 303 {
				if w := b.get(w.Header().Get("Location")); w.Code != 303 {
					t.Errorf("%d bytes of %q, second step: %d", size, letter, w.Code)
				}
			}
		}
	}
}

// A damaged row is a fault of the server. The page has no details.
func TestPosted_DamagedRow(t *testing.T) {
	for _, value := range []string{`{}`, `{"sealed":"x"}`, `[]`} {
		v := newWorld(t)
		b := v.browser()
		step := b.answered("post", b.begin("post"))
		to, _ := url.Parse(step)
		key := store.Key{Part: "flow:" + to.Query().Get("posted"), ID: "posted"}
		items, err := v.store.Get(context.Background(), key)
		if err != nil || len(items) != 1 {
			t.Fatal(items, err)
		}
		items[0].Value = []byte(value)
		if err := v.store.Write(context.Background(), store.Put(items[0])); err != nil {
			t.Fatal(err)
		}
		if w := b.get(step); w.Code != 500 || len(v.finished()) != 0 {
			t.Errorf("%s: %d", value, w.Code)
		}
		if got := v.outcomes(); !slices.Equal(got, []string{"sign-in failed internal_error"}) {
			t.Errorf("%s: events %q", value, got)
		}
	}
}
