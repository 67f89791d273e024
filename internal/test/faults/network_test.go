package faults

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/keys"
)

type algorithm = keys.Algorithm

// A mishap is one way for one endpoint to go wrong.
type mishap struct {
	endpoint fakeidp.Endpoint
	name     string
	gitHub   bool
	do       func(*front)
	useless  bool // it answers, but with nothing that could be used
}

// bound is how long a person waits at most, with the timeouts that are the default.
const bound = 6 * time.Second

// malformed are answers with status 200 that are no JSON, or not in one way only.
var malformed = []string{
	"", "null", "[]", `""`, "{", `{"access_token":"a`, `{"a":1}x`, `{"a":1,"a":2}`, "\ufeff{}", "{\"a\":\"\xff\"}", `{'a':1}`, `{"keys":1,"issuer":1,"access_token":1}`,
	strings.Repeat(`{"a":`, 10000), `{"keys":[1],"sub":[],"id_token":"a.b.c","access_token":"a"}`, "<html></html>",
}

// at is for a trouble of the fake provider.
func at(e fakeidp.Endpoint, name string, f fakeidp.Faults) mishap {
	return mishap{endpoint: e, name: name, useless: true, do: func(p *front) { p.SetFaults(f) }}
}

// quick are the mishaps that show at once.
func quick(t testing.TB) (all []mishap) {
	nobody := closed(t)
	for _, e := range []fakeidp.Endpoint{fakeidp.Discovery, fakeidp.Token, fakeidp.JWKS, fakeidp.UserInfo} {
		for _, trouble := range []fakeidp.Trouble{fakeidp.Huge, fakeidp.GzipBomb, fakeidp.ServerError, fakeidp.Down, fakeidp.RedirectLoop, fakeidp.NotJSON} {
			m := at(e, string(trouble), fakeidp.Faults{Transport: map[fakeidp.Endpoint]fakeidp.Trouble{e: trouble}})
			m.useless = trouble == fakeidp.RedirectLoop || trouble == fakeidp.NotJSON
			all = append(all, m)
		}
		all = append(all, mishap{endpoint: e, name: "refused", do: func(p *front) {
			if e != fakeidp.Discovery {
				p.moved[memberOf[e]] = nobody
			} else {
				p.url = nobody
			}
		}})
		for _, body := range malformed {
			all = append(all, mishap{endpoint: e, name: "malformed", useless: true, do: func(p *front) { p.answers[pathOf[e]] = body }})
		}
	}
	return append(all,
		at(fakeidp.Discovery, "wrong issuer", fakeidp.Faults{WrongDiscoveryIssuer: true}),
		at(fakeidp.Token, "wrong issuer", fakeidp.Faults{WrongIssuer: true}),
		at(fakeidp.Token, "unknown key", fakeidp.Faults{UnknownKey: true}),
		at(fakeidp.UserInfo, "somebody else", fakeidp.Faults{OtherSubject: true}),
	)
}

// slow are those that only a timeout ends.
func slow(t testing.TB) (all []mishap) {
	mute, stutters := silent(t), stutter(t)
	for _, e := range []fakeidp.Endpoint{fakeidp.Discovery, fakeidp.Token, fakeidp.JWKS, fakeidp.UserInfo} {
		all = append(all,
			at(e, "stalled", fakeidp.Faults{Transport: map[fakeidp.Endpoint]fakeidp.Trouble{e: fakeidp.Slow}}),
			at(e, "a byte a second", fakeidp.Faults{Transport: map[fakeidp.Endpoint]fakeidp.Trouble{e: fakeidp.Drip}}))
		for name, url := range map[string]string{"silent": mute, "a header of a byte a second": stutters} {
			all = append(all, mishap{endpoint: e, name: name, do: func(p *front) {
				if e != fakeidp.Discovery {
					p.moved[memberOf[e]] = url
				} else {
					p.url = url
				}
			}})
		}
	}
	for i := range all {
		all[i].useless = false
	}
	return all
}

// ofGitHub are mishaps of an OAuth 2 service.
func ofGitHub(troubles ...fakeidp.Trouble) (all []mishap) {
	for _, e := range []fakeidp.Endpoint{fakeidp.Token, fakeidp.UserInfo, fakeidp.Emails} {
		for _, trouble := range troubles {
			m := at(e, string(trouble), fakeidp.Faults{Transport: map[fakeidp.Endpoint]fakeidp.Trouble{e: trouble}})
			m.gitHub, m.useless = true, trouble == fakeidp.RedirectLoop || trouble == fakeidp.NotJSON
			all = append(all, m)
		}
	}
	return all
}

// A scene is a house one of whose providers is in trouble.
type scene struct {
	mishap
	*house
	provider string
	other    *browser // somebody who is signed in
	victim   *browser
}

func newScene(t testing.TB, w *flowtest.World, m mishap) *scene {
	t.Helper()
	p := newFront(t, w)
	m.do(p)
	s := &scene{mishap: m, provider: "google"}
	providers := map[string]postern.Provider{s.provider: p.openID()}
	if m.gitHub {
		s.provider = "github"
		providers = map[string]postern.Provider{s.provider: p.gitHub()}
	}
	s.house = newHouse(t, w, plans{providers: providers})
	s.other, s.victim = s.browser(), s.browser()
	s.victim.waits = 30 * time.Second
	if a, _ := flows()[0].run(s.other, 0); !a.ok() {
		t.Fatal(a.body)
	}
	if m.endpoint != fakeidp.Discovery {
		begin(s.provider, "")(s.victim).must(t)
	}
	return s
}

// suffer makes the request that runs into the mishap, and says what is wrong with the answer.
func (s *scene) suffer(t testing.TB) {
	t.Helper()
	start := time.Now()
	var a *answer
	if s.endpoint == fakeidp.Discovery {
		a = begin(s.provider, "")(s.victim)
	} else {
		a = callback(s.victim)
	}
	took := time.Since(start)
	what := s.provider + ", " + string(s.endpoint) + " " + s.name
	switch {
	case a.status == http.StatusServiceUnavailable && a.code() == "provider_unavailable":
	case s.useless && (a.status == http.StatusBadGateway && a.code() == "provider_error" || a.status == http.StatusBadRequest && a.code() == "invalid_id_token"):
	default:
		t.Errorf("%s: %d %s", what, a.status, a.body)
	}
	if took > bound {
		t.Errorf("%s: took %v", what, took)
	}
	s.victim.get(me).want(t, http.StatusUnauthorized)
	s.silent()
}

// TestC7_EveryCallGoesWrong: every call that leaves the house, with everything that can become of it: a clear answer
// in six seconds, with the timeouts that are the default, while other providers and sessions don't notice.
func TestC7_EveryCallGoesWrong(t *testing.T) {
	t.Parallel() // with the other test that waits for timeouts
	w := newWorld(t)
	n := 0
	for _, m := range slices.Concat(quick(t), ofGitHub(fakeidp.Huge, fakeidp.GzipBomb, fakeidp.ServerError, fakeidp.Down, fakeidp.RedirectLoop, fakeidp.NotJSON)) {
		s := newScene(t, w, m)
		s.suffer(t)
		if !s.other.signedIn("10001") {
			t.Errorf("%s %s: somebody else's session is gone", m.endpoint, m.name)
		}
		n++
	}
	// Those that wait for a timeout wait for it together.
	var scenes []*scene
	for _, m := range append(slow(t), ofGitHub(fakeidp.Slow, fakeidp.Drip)...) {
		scenes = append(scenes, newScene(t, w, m))
	}
	var waiting sync.WaitGroup
	done := make(chan struct{})
	for _, s := range scenes {
		waiting.Go(func() { s.suffer(t) })
	}
	go func() { waiting.Wait(); close(done) }()
	for i, s := range scenes {
		if !s.other.signedIn("10001") {
			t.Errorf("%s %s: somebody else's session is gone", s.endpoint, s.name)
		}
		f, b := flows()[i%len(flows())], s.browser()
		if a, _ := f.run(b, 0); !a.ok() || !b.signedIn(f.subject) {
			t.Errorf("%s %s: meanwhile by %s: %d %s", s.endpoint, s.name, f.name, a.status, a.body)
		}
		select {
		case <-done:
			t.Error("the other sign-ins had to wait")
		default:
		}
		n++
	}
	<-done
	if n < 100 {
		t.Errorf("only %d mishaps", n)
	}
}

// TestC7_KeysRotateMidFlow: a provider that takes new keys between authorize and callback, with or without publishing
// the old ones on, still signs people in, as soon as its keys may be fetched again: twenty seconds after the last time.
func TestC7_KeysRotateMidFlow(t *testing.T) {
	for _, keepOld := range []bool{true, false} {
		w := newWorld(t)
		h := newHouse(t, w, plans{})
		for i := range 3 {
			b := h.browser()
			begin("one", "")(b).must(t)
			if i > 0 {
				if err := w.IdP.RotateKeys(keepOld); err != nil {
					t.Fatal(err)
				}
			}
			w.Advance(20 * time.Second)
			if a := callback(b); !a.ok() || !b.signedIn("10001") {
				t.Errorf("old keys published: %v, rotation %d: %d %s\n%s", keepOld, i, a.status, a.body, h.log.String())
			}
		}
		if n := w.IdP.Calls(fakeidp.JWKS); n > 3 {
			t.Errorf("%d fetches of keys", n)
		}
		// A token signed with a key that was taken back is refused, and no old set brings it back.
		b := h.browser()
		begin("one", "")(b).must(t)
		w.IdP.SetFaults(fakeidp.Faults{UnknownKey: true})
		callback(b).want(t, http.StatusBadRequest, "invalid_id_token")
		w.IdP.SetFaults(fakeidp.Faults{})
	}
}
