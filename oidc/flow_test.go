package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/authcode"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/oidc"
)

// twoOfOne makes a World in which providers "one" and "two" are two clients of the same fake provider.
func twoOfOne(t *testing.T) *flowtest.World {
	t.Helper()
	return flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
		return map[string]postern.Provider{"one": oidc.New(config(w)), "two": oidc.New(config(w))}
	})
}

func TestC1_StateBeforeAnyTokenRequest(t *testing.T) {
	w := twoOfOne(t)
	b := w.Browser()
	good := b.To("one")
	foreign := w.Browser().To("one")
	other := b.To("two")
	u, _ := url.Parse(good)
	state := u.Query().Get("state")
	if len(state) < 22 {
		t.Fatalf("state %q", state)
	}
	flipped := "A" + state[1:]
	if state[0] == 'A' {
		flipped = "B" + state[1:]
	}
	for name, target := range map[string]string{
		"missing":           flowtest.With(good, "state", "-"),
		"empty":             flowtest.With(good, "state", ""),
		"changed":           flowtest.With(good, "state", flipped),
		"truncated":         flowtest.With(good, "state", state[:len(state)-1]),
		"of another person": foreign,
		"of another flow":   strings.Replace(other, "/two/", "/one/", 1),
		"twice":             good + "&state=" + state,
		"beside an error":   flowtest.With(good, "state", "-", "code", "-", "error", "access_denied"),
	} {
		if a := b.Clone().Get(target); a.Status != 400 {
			t.Errorf("state %s: %d %s", name, a.Status, a.Body)
		}
	}
	if a := w.Browser().Get(good); a.Status != 400 || a.Code() != "invalid_state" {
		t.Errorf("another browser: %d %s", a.Status, a.Body)
	}
	late := b.Clone()
	if n := w.IdP.Calls(fakeidp.Token); n != 0 || len(w.SignIns()) != 0 {
		t.Fatalf("%d token calls, %d sign-ins", n, len(w.SignIns()))
	}
	if a := b.Get(good); a.Status != 200 {
		t.Fatalf("the good one: %d %s", a.Status, a.Body)
	}
	for _, again := range []*flowtest.Browser{b, late} {
		if a := again.Get(good); a.Status != 400 {
			t.Errorf("a second use: %d %s", a.Status, a.Body)
		}
	}
	w.Advance(11 * time.Minute)
	if a := late.Get(other); a.Status != 400 {
		t.Errorf("after eleven minutes: %d %s", a.Status, a.Body)
	}
	if n := w.IdP.Calls(fakeidp.Token); n != 1 || len(w.SignIns()) != 1 {
		t.Errorf("%d token calls, %d sign-ins, want one", n, len(w.SignIns()))
	}
}

// TestC2_PKCEAlways: S256, and all of verifier, nonce and state fresh each time, over 10^4 flows (10^3 with -short).
func TestC2_PKCEAlways(t *testing.T) {
	w := one(t)
	n := 10_000
	if testing.Short() {
		n = 1000
	}
	seen := map[string]bool{}
	b := w.Browser()
	for range n {
		q := b.Begin("one").Query()
		if q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 || len(q.Get("nonce")) != 43 || q.Get("response_type") != "code" {
			t.Fatalf("%v", q)
		}
		for _, name := range []string{"code_challenge", "nonce", "state"} {
			if seen[q.Get(name)] {
				t.Fatalf("%s %q came twice", name, q.Get(name))
			}
			seen[q.Get(name)] = true
		}
	}
	var challenge, verifier string
	w.Observe(func(e fakeidp.Endpoint, v url.Values) {
		if e == fakeidp.Authorize {
			challenge = v.Get("code_challenge")
		} else {
			verifier = v.Get("code_verifier")
		}
	})
	accepted(t, w, "one")
	if len(verifier) != 43 || authcode.Challenge(verifier) != challenge {
		t.Errorf("verifier %q does not fit challenge %q", verifier, challenge)
	}
}

// TestC4_MixUp: two providers, one of them evil, in every combination that swaps answers.
func TestC4_MixUp(t *testing.T) {
	const evil = "https://evil.example"
	w := flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
		w.NewIdP(evil, "RS256")
		two := config(w)
		two.Issuer = evil
		return map[string]postern.Provider{"one": oidc.New(config(w)), "two": oidc.New(two)}
	})
	b := w.Browser()
	honest, wicked := b.To("one"), b.To("two")
	codeOf := func(target string) string {
		u, _ := url.Parse(target)
		return u.Query().Get("code")
	}
	for name, target := range map[string]string{
		"honest answer at the evil one's callback":  strings.Replace(honest, "/one/", "/two/", 1),
		"evil answer at the honest one's callback":  strings.Replace(wicked, "/two/", "/one/", 1),
		"honest code and iss with the evil state":   flowtest.With(wicked, "code", codeOf(honest), "iss", flowtest.IdP),
		"honest code with the evil state, no iss":   flowtest.With(b.To("two"), "code", codeOf(honest), "iss", "-"),
		"honest code with the evil state and iss":   flowtest.With(b.To("two"), "code", codeOf(honest)),
		"evil code with the honest state and iss":   flowtest.With(b.To("one"), "code", codeOf(wicked)),
		"evil code and iss with the honest state":   flowtest.With(b.To("one"), "code", codeOf(wicked), "iss", evil),
		"honest answer without the announced iss":   flowtest.With(b.To("one"), "iss", "-"),
		"honest answer with an iss of another case": flowtest.With(b.To("one"), "iss", "https://IDP.example"),
	} {
		if a := b.Clone().Get(target); a.Status != 400 || !strings.HasPrefix(a.Code(), "invalid_") {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
	if len(w.SignIns()) != 0 {
		t.Errorf("%d sign-ins", len(w.SignIns()))
	}
	w.IdP.SetFaults(fakeidp.Faults{WrongIss: true})
	if a := w.Browser().SignIn("one"); a.Code() != "invalid_issuer" {
		t.Errorf("wrong iss: %d %s", a.Status, a.Body)
	}
	w = one(t)
	w.IdP.SetFaults(fakeidp.Faults{NoIss: true, NoIssAnnounced: true})
	accepted(t, w, "one") // a provider without RFC 9207
}

// TestC8_CallbackErrorsAreInert: nothing of an error is shown unescaped, and nothing redirects.
func TestC8_CallbackErrorsAreInert(t *testing.T) {
	w := one(t)
	for _, payload := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'-alert(1)-'`, `javascript:alert(1)`, `</title><svg/onload=alert(1)>`,
		`&lt;script&gt;`, `{{7*7}}`, `https://evil.example/`, `//evil.example`, "\u2028<b>", `<a href=https://evil.example>`,
	} {
		for _, name := range []string{"error", "error_description", "error_uri", "iss", "code", "scope", "session_state", "redirect_uri", "url"} {
			b := w.Browser()
			b.HTML = true
			target := b.Agree(b.Begin("one"))
			if name != "iss" && name != "code" {
				target = flowtest.With(target, "code", "-", "error", "server_error")
			}
			a := b.Get(flowtest.With(target, name, payload))
			if a.Status < 400 || a.Status >= 500 || a.Location != "" {
				t.Errorf("%s=%s: %d, Location %q", name, payload, a.Status, a.Location)
			}
			if strings.Contains(a.Body, payload) && strings.ContainsAny(payload, "<{") || strings.Contains(a.Body, "evil.example") {
				t.Errorf("%s=%s is on the page:\n%s", name, payload, a.Body)
			}
			if csp := a.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
				t.Errorf("CSP %q", csp)
			}
		}
	}
	w.IdP.SetFaults(fakeidp.Faults{DuplicateCode: true})
	if a := w.Browser().SignIn("one"); a.Status != 400 || a.Code() != "invalid_request" {
		t.Errorf("code twice: %d %s", a.Status, a.Body)
	}
	w.IdP.SetFaults(fakeidp.Faults{Deny: true})
	if a := w.Browser().SignIn("one"); a.Status != 403 || a.Code() != "access_denied" {
		t.Errorf("denied: %d %s", a.Status, a.Body)
	}
	if n := w.IdP.Calls(fakeidp.Token); n > 11 || len(w.SignIns()) != 0 { // the hostile codes were redeemed, in vain
		t.Errorf("%d token calls, %d sign-ins", n, len(w.SignIns()))
	}
}

func TestC9_CallbackWorksOnce(t *testing.T) {
	w := one(t)
	b := w.Browser()
	target := b.To("one")
	var wg sync.WaitGroup
	answers := make([]*flowtest.Answer, 100)
	for i := range answers {
		tab := b.Clone()
		wg.Go(func() { answers[i] = tab.Get(target) })
	}
	wg.Wait()
	in := 0
	for _, a := range answers {
		switch {
		case a.Status == 200:
			in++
		case a.Status != 400 || a.Code() != "used_state":
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	if in != 1 || len(w.SignIns()) != 1 || w.IdP.Calls(fakeidp.Token) != 1 {
		t.Errorf("%d answers, %d sign-ins, %d token calls: want one of each", in, len(w.SignIns()), w.IdP.Calls(fakeidp.Token))
	}
}

// TestSST_S6_LoginCSRF: a callback that this browser never began, with no cookie and no state, is no sign-in.
func TestSST_S6_LoginCSRF(t *testing.T) {
	w := one(t)
	attacker := w.Browser().To("one") // a good code of the attacker's account
	for _, target := range []string{attacker, flowtest.With(attacker, "state", "-"), flowtest.With(attacker, "state", "")} {
		if a := w.Browser().Get(target); a.Status != 400 || a.Code() != "invalid_state" {
			t.Errorf("%s: %d %s", target, a.Status, a.Body)
		}
	}
	if w.IdP.Calls(fakeidp.Token) != 0 || len(w.SignIns()) != 0 {
		t.Error("the code was exchanged")
	}
}

// TestSST_S11_NothingIsCalledAtStart: neither New nor the handler's start calls a provider, and the flow is not
// implicit.
func TestSST_S11_NothingIsCalledAtStart(t *testing.T) {
	w := one(t)
	if n := w.IdP.Calls(fakeidp.Discovery) + w.IdP.Calls(fakeidp.JWKS); n != 0 {
		t.Errorf("%d calls before the first sign-in", n)
	}
	q := w.Browser().Begin("one").Query()
	if q.Get("response_type") != "code" || q.Has("response_mode") {
		t.Errorf("%v", q)
	}
	if w.IdP.Calls(fakeidp.Discovery) != 1 || w.IdP.Calls(fakeidp.JWKS) != 0 {
		t.Errorf("%d discovery calls, %d for keys", w.IdP.Calls(fakeidp.Discovery), w.IdP.Calls(fakeidp.JWKS))
	}
	b := w.Browser()
	if a := b.Post(flowtest.Issuer+"/one/callback", url.Values{"id_token": {"a.b.c"}, "state": {"x"}}); a.Status < 400 || a.Status >= 500 {
		t.Errorf("an ID token by POST: %d %s", a.Status, a.Body)
	}
}

// TestOpenAuth_O10_StateAndIssuerAreCompared: a state that was sent is also checked, and so is iss of the ID token.
func TestOpenAuth_O10_StateAndIssuerAreCompared(t *testing.T) {
	w := one(t)
	w.IdP.SetFaults(fakeidp.Faults{WrongState: true})
	if a := w.Browser().SignIn("one"); a.Status != 400 || a.Code() != "invalid_state" || w.IdP.Calls(fakeidp.Token) != 0 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	refused(t, w, fakeidp.Faults{WrongIssuer: true}, 400, "invalid_id_token")
}

// tenants sends everybody to the provider of their tenant, by a flow below its own.
type tenants map[string]postern.Provider

func (p tenants) Handler(f *postern.Flow) http.Handler {
	of := map[string]http.Handler{}
	for name, provider := range p {
		of[name] = f.Child(name).Use(provider)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := of[r.Form.Get("tenant")]
		if h == nil {
			f.Fail(w, r, postern.Deny("unknown_tenant", "Nobody knows this tenant."))
			return
		}
		h.ServeHTTP(w, r)
	})
}

// TestChild: begun by way of the parent, the sign-in ends at the child, and at no other.
func TestChild(t *testing.T) {
	w := flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
		return map[string]postern.Provider{"tenant": tenants{"acme": oidc.New(config(w)), "other": oidc.New(config(w))}, "one": oidc.New(config(w))}
	})
	b := w.Browser()
	target := b.Agree(b.Begin("tenant", "tenant=acme"))
	if !strings.HasPrefix(target, flowtest.Issuer+"/tenant/acme/callback?") {
		t.Fatalf("callback %s", target)
	}
	for _, elsewhere := range []string{"/tenant/other/", "/one/", "/tenant/"} {
		if a := b.Clone().Get(strings.Replace(target, "/tenant/acme/", elsewhere, 1)); a.Status < 400 || a.Status >= 500 {
			t.Errorf("at %s: %d %s", elsewhere, a.Status, a.Body)
		}
	}
	if a := b.Get(target); a.Status != 200 || w.SignIns()[0].Identity.Provider != "tenant/acme" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}
