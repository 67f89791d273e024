package postern_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A fault of the application after a sign-in is not a failure of the person: when it is repaired, nobody waits.
func TestD3_FaultsOfTheServerAreNotCounted(t *testing.T) {
	fault := errors.New("a bug")
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		ok := c.OnSuccess
		c.OnSuccess = func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			if fault != nil {
				return fault
			}
			return ok(w, r, in)
		}
	})
	b := v.browser()
	for i := range 120 {
		if w := b.get(callback("door", b.begin("door"))); w.Code != 500 {
			t.Fatalf("sign-in %d: %d", i, w.Code)
		}
	}
	fault = nil
	if w := b.get(callback("door", b.begin("door"))); w.Code != 303 {
		t.Errorf("after the repair: %d", w.Code)
	}
}

// hasty is a provider that fails twice for one request, after it resumed the attempt.
type hasty struct{ resumed func() }

func (p hasty) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{
		"GET authorize": func(w http.ResponseWriter, r *http.Request) {
			id, err := f.Start(w, r, nil)
			if err != nil {
				f.Fail(w, r, err)
				return
			}
			_, _ = io.WriteString(w, id)
		},
		"GET callback": func(w http.ResponseWriter, r *http.Request) {
			if err := f.Resume(w, r, nil); err != nil {
				f.Fail(w, r, err)
				return
			}
			p.resumed()
			f.Fail(w, r, errors.New("the cause of the fault"))
			f.Fail(httptest.NewRecorder(), r, errors.New("once more"))
		},
	})
}

// One request is one failure, however often its provider calls Fail. If it cannot be counted, a fault is still answered
// and logged as the fault it is.
func TestD3_OneFailureOfARequest(t *testing.T) {
	var down error
	v := newWorld(t, func(v *world, _ *session.Config, c *postern.Config) {
		c.Providers["hasty"] = hasty{func() { v.store.set(down) }}
	})
	b := v.browser()
	try := func() int {
		defer v.store.set(nil)
		state := b.get(issuer + "/hasty/authorize").Body.String()
		return b.get(callback("hasty", state)).Code
	}
	for i := range 99 {
		if got := try(); got != 500 {
			t.Fatalf("failure %d: %d", i, got)
		}
	}
	down = errors.New("down")
	if got := try(); got != 500 || !strings.Contains(v.Log.String(), "the cause of the fault") {
		t.Errorf("without the store: %d", got)
	}
	down = nil
	if got := []int{try(), try()}; got[0] != 500 || got[1] != 429 {
		t.Errorf("the hundredth and the next one: %d", got)
	}
}

// racing is a store in which somebody else is faster at one Write.
type racing struct {
	store.Store
	before func()
}

func (s *racing) Write(ctx context.Context, changes ...store.Change) error {
	if f := s.before; f != nil && changes[0].Item.Key.ID == "used" {
		s.before = nil
		f()
	}
	return s.Store.Write(ctx, changes...)
}

// A second callback that comes between the read and the write of the first one finishes the sign-in, and the first is
// refused as used, not as a fault of the store.
func TestC9_SecondCallbackBetweenReadAndWrite(t *testing.T) {
	race := &racing{}
	v := newWorld(t, func(v *world, s *session.Config, _ *postern.Config) {
		race.Store = v.store
		s.Store = race
	})
	b := v.browser()
	target := callback("door", b.begin("door"))
	twin := &browser{Browser: b.Clone(), v: v, secure: b.secure}
	race.before = func() {
		if w := twin.get(target); w.Code != 303 {
			t.Errorf("the faster one: %d", w.Code)
		}
	}
	b.Header.Set("Accept", "application/json")
	refused(t, b.get(target), 400, "used_state")
}

// Two issuers on one store share no count: what fails, or is put aside, at one of them limits nobody at the other.
func TestD3_IssuersCountApart(t *testing.T) {
	var shared *flaky
	at := func(iss string) *world {
		return newWorld(t, func(v *world, s *session.Config, _ *postern.Config) {
			if shared == nil {
				shared = v.store
			}
			s.Issuer, s.Store = iss, shared
		})
	}
	v, other := at(issuer), at("https://other.example/auth")
	put := func(v *world, want int) {
		t.Helper()
		b := v.browser()
		form := url.Values{"state": {b.begin("post")}, "code": {"c0de"}}
		b.Header.Set("Sec-Fetch-Site", "cross-site")
		if w := b.post(v.sessions.Issuer()+"/post/callback", form); w.Code != want {
			t.Fatalf("%s, a form: %d, want %d", v.sessions.Issuer(), w.Code, want)
		}
	}
	fail := func(v *world, want int) {
		t.Helper()
		b := v.browser()
		if w := b.get(v.sessions.Issuer() + "/door/callback?error=no&state=" + b.begin("door")); w.Code != want {
			t.Fatalf("%s, a failure: %d, want %d", v.sessions.Issuer(), w.Code, want)
		}
	}
	for range 256 {
		put(v, 303)
	}
	put(v, 429)
	put(other, 303)
	for range 100 {
		fail(v, 403)
	}
	fail(v, 429)
	fail(other, 403)
}

// The clock of the store may be ahead of this server's: a used ticket is remembered for as long as it opens here.
func TestX5_UsedTicketWhileTheStoresClockIsAhead(t *testing.T) {
	v := newWorld(t, func(v *world, s *session.Config, _ *postern.Config) {
		s.Store = &store.Memory{Now: func() time.Time { return v.Now().Add(time.Minute) }}
	})
	b := v.browser()
	ticket := b.post(issuer+"/desk/authorize", url.Values{"name": {"ann"}}).Header().Get("Location")
	cookies := maps.Clone(b.Cookies)
	b.refresh(b.get(ticket))
	for _, age := range []time.Duration{time.Second, 58 * time.Second} { // it opens for a minute
		v.Advance(age)
		b.Cookies = maps.Clone(cookies)
		if w := b.get(ticket); w.Code != 400 {
			t.Errorf("a used ticket opens again: %d", w.Code)
		}
	}
}

// The proxies of this handler are those of its sessions as well: every event names the client, not the proxy.
func TestL2_EventsNameTheClientBehindTheProxy(t *testing.T) {
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.TrustedProxies, c.ClientIPHeader = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, "X-Forwarded-For"
	})
	b := v.browser()
	b.Addr = "10.0.0.1:1"
	b.Header.Set("X-Forwarded-For", "198.51.100.9")
	b.get(callback("door", b.begin("door")))
	b.get(issuer + "/session")
	b.post(issuer+"/signout", url.Values{})
	names := map[string]bool{}
	for _, e := range v.Events.All() {
		if names[e.Name] = true; e.Addr != "198.51.100.9" {
			t.Errorf("event %q of %q", e.Name, e.Addr)
		}
	}
	if len(names) < 2 {
		t.Errorf("only the events %v: none of the sessions", names)
	}
}

// Answers of status 1xx that OnSuccess sends are not its answer: the sign-in still leads on.
func TestOnSuccess_EarlyHints(t *testing.T) {
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.OnSuccess = func(w http.ResponseWriter, _ *http.Request, _ *postern.SignIn) error {
			w.WriteHeader(http.StatusEarlyHints)
			return nil
		}
	})
	b := v.browser()
	target := callback("door", b.begin("door"))
	server := httptest.NewServer(v.auth)
	defer server.Close()
	r, err := http.NewRequest("GET", server.URL+strings.TrimPrefix(target, "https://api.example.com"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range b.Cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 303 || res.Header.Get("Location") != "https://app.example.com/" {
		t.Errorf("%d to %q", res.StatusCode, res.Header.Get("Location"))
	}
}

// Two issuers on one host share its cookies. Each leaves the attempts and tickets of the other alone.
func TestS3_TwoIssuersOnOneHost(t *testing.T) {
	v := newWorld(t)
	other := newWorld(t, func(_ *world, s *session.Config, _ *postern.Config) { s.Issuer = "https://api.example.com/tenant" })
	b := v.browser()
	there := other.browser()
	there.Cookies = b.Cookies
	state := b.begin("door")
	ticket := b.post(issuer+"/desk/authorize", url.Values{"name": {"ann"}})
	there.begin("door")
	there.landing(there.post("https://api.example.com/tenant/desk/authorize", url.Values{"name": {"ann"}}))
	if got := b.landing(ticket); got != "https://app.example.com/" {
		t.Errorf("the ticket leads to %q", got)
	}
	if w := b.get(callback("door", state)); w.Code != 303 {
		t.Errorf("the attempt: %d", w.Code)
	}
}
