package faults

import (
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"
)

// TestT3_EveryStoreCallOfASignIn: whatever becomes of any one call of the store, or of all from one on, the answer is
// right or 4xx or 503, in time; what works once brings one session at most; and the next person signs in as if nothing
// had been.
func TestT3_EveryStoreCallOfASignIn(t *testing.T) {
	w := newWorld(t)
	for _, f := range flows() {
		for _, l := range misfortunes {
			calls := 0
			for n := 1; ; n++ {
				struck := false
				synctest.Test(t, func(t *testing.T) { struck = sweep(t, newHouse(t, w, plans{}), f, l, n) })
				if !struck {
					break
				}
				calls = n
			}
			if calls < len(f.steps)-1 || calls > 60 {
				t.Errorf("%s, a store that %s: %d calls were tried", f.name, l.name, calls)
			}
		}
	}
}

// sweep signs in with bad luck at call n. It reports whether there was such a call.
func sweep(t *testing.T, h *house, f flow, l luck, n int) (struck bool) {
	wrong := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%s, a store that %s at call %d: "+format, append([]any{f.name, l.name, n}, args...)...)
	}
	other := h.browser()
	if a, _ := flows()[0].run(other, 0); !a.ok() {
		t.Fatalf("a first sign-in: %d %s", a.status, a.body)
	}
	tokens, signIns := h.handedOut()

	h.store.plan(n, l)
	b := h.browser()
	var tabs []*browser // the browser before each step
	var last *answer
	good := 0
	for good = 0; good < len(f.steps); good++ {
		tabs = append(tabs, b.clone())
		start := time.Now()
		last = f.steps[good](b)
		if took := time.Since(start); took > patience+6*time.Second {
			wrong("step %d took %v", good, took)
		}
		if !last.ok() {
			break
		}
	}
	struck = h.store.hasStruck()
	if !other.signedIn("10001") {
		wrong("somebody else's session is gone")
	}
	if done := good == len(f.steps); done != b.signedIn(f.subject) {
		wrong("done is %v, signed in is %v", done, !done)
	}
	if !struck && good != len(f.steps) {
		wrong("refused without bad luck: %d %s", last.status, last.body)
	}
	// Press again, and go back and forth in the browser.
	for i := range tabs {
		if i >= f.once {
			tab := tabs[i]
			f.run(tab.clone(), i)
			f.run(tab, i)
		}
	}
	h.store.plan(0, luck{})
	for i := range tabs {
		if i >= f.once {
			f.run(tabs[i], i)
		}
	}
	nowTokens, nowSignIns := h.handedOut()
	if nowTokens-tokens > 1 || nowSignIns-signIns > 1 {
		wrong("%d sessions of %d sign-ins", nowTokens-tokens, nowSignIns-signIns)
	}
	fresh := h.browser()
	if a, _ := f.run(fresh, 0); !a.ok() || !fresh.signedIn(f.subject) {
		wrong("afterwards: %d %s", a.status, a.body)
	}
	h.silent()
	return struck
}

// TestT3_BadLuckOpensNoDoor: a request that would be refused is refused too while the store fails, at whichever call.
func TestT3_BadLuckOpensNoDoor(t *testing.T) {
	w := newWorld(t)
	pkce := "?client_id=api&code_challenge=" + challenge + "&code_challenge_method=S256"
	wrongCode := func(b *browser) *answer {
		wrong := string('0'+(b.code[0]-'0'+1)%10) + b.code[1:]
		return b.post(issuer+"/code/callback", url.Values{"state": {b.state}, "code": {wrong}})
	}
	attacks := []struct {
		name   string
		before []func(*browser) *answer // nothing fails yet
		attack func(*browser) *answer
		replay bool // the attack is the last step again
	}{
		{"a wrong code", []func(*browser) *answer{ask("code", "")}, wrongCode, false},
		{"a code in another browser", []func(*browser) *answer{ask("code", "")}, func(b *browser) *answer {
			return b.house.browser().post(issuer+"/code/callback", url.Values{"state": {b.state}, "code": {b.code}})
		}, false},
		{"a link cut short", []func(*browser) *answer{ask("link", "")}, func(b *browser) *answer {
			q := b.linkParts()
			q.Set("token", q.Get("token")[:40]+"AAAAAAAAAAAAAAAAAAAAAAAA")
			return b.post(issuer+"/link/callback", q)
		}, false},
		{"a link used before", []func(*browser) *answer{ask("link", ""), pressLink}, pressLink, true},
		{"a callback without its cookie", []func(*browser) *answer{begin("one", "")}, func(b *browser) *answer { return b.house.browser().get(b.back) }, false},
		{"a door used before", []func(*browser) *answer{knock, callback}, callback, true},
		{"a callback used before", []func(*browser) *answer{begin("one", ""), callback}, callback, true},
		{"a code without its verifier", []func(*browser) *answer{begin("one", pkce), callback}, func(b *browser) *answer {
			form := b.redemption()
			form.Set("code_verifier", verifier[1:]+"x")
			return b.house.browser().post(issuer+"/token", form)
		}, false},
		{"a code of another client", []func(*browser) *answer{begin("one", pkce), callback}, func(b *browser) *answer {
			form := b.redemption()
			form.Set("client_id", "other")
			return b.house.browser().post(issuer+"/token", form)
		}, false},
		{"a code used before", []func(*browser) *answer{begin("one", pkce), callback, redeem}, redeem, true},
	}
	for _, tt := range attacks {
		for _, l := range misfortunes {
			for n := 1; ; n++ {
				struck := false
				synctest.Test(t, func(t *testing.T) {
					h := newHouse(t, w, plans{})
					b := h.browser()
					attacker := b
					for _, step := range tt.before {
						if tt.replay { // with the cookies of before the step
							attacker = b.clone()
						}
						step(b).must(t)
					}
					tokens, signIns := h.handedOut()
					h.store.plan(n, l)
					for range 3 {
						if a := tt.attack(attacker); a.ok() {
							t.Errorf("%s, a store that %s at call %d: %d", tt.name, l.name, n, a.status)
						}
					}
					struck = h.store.hasStruck()
					h.store.plan(0, luck{})
					if nowTokens, nowSignIns := h.handedOut(); nowTokens != tokens || nowSignIns != signIns {
						t.Errorf("%s, a store that %s at call %d: a session", tt.name, l.name, n)
					}
					h.silent()
				})
				if !struck || n > 40 {
					break
				}
			}
		}
	}
}

// TestT3_SessionsNeedNoStore: who is signed in stays so while the store is gone, and so does signing out.
func TestT3_SessionsNeedNoStore(t *testing.T) {
	h := newHouse(t, newWorld(t), plans{})
	b := h.browser()
	if a, _ := flows()[0].run(b, 0); !a.ok() {
		t.Fatal(a.body)
	}
	h.store.plan(1, luck{before: true, lasting: true})
	for range 10 {
		if !b.signedIn("10001") {
			t.Fatal("a session needs the store")
		}
	}
	for _, path := range []string{"", "/authorize", "/one/authorize", "/link/authorize", "/.well-known/jwks.json", "/.well-known/openid-configuration"} {
		if a := b.get(issuer + path); !a.ok() {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	h.browser().get(me).want(t, http.StatusUnauthorized)
	b.post(issuer+"/signout", url.Values{}).must(t)
	b.get(me).want(t, http.StatusUnauthorized)
}
