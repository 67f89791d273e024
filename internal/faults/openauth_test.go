package faults

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/fakeidp"
	"github.com/posternauth/postern/session"
)

// Holes that OpenAuth had: what it redirected to, and what it gave away.

const evil = "https://evil.example/"

// An error about an address was sent to that very address.
func TestOpenAuth_O1_ErrorsStayHere(t *testing.T) {
	w := newWorld(t)
	h := newHouse(t, w, plans{})
	refused := func(a *answer) {
		t.Helper()
		if a.status < 400 || a.location != nil || strings.Contains(a.body, "evil.example") {
			t.Errorf("%d, leads to %v: %s", a.status, a.location, a.body)
		}
	}
	for _, accept := range []string{"text/html", "application/json"} {
		b := h.browser()
		b.header.Set("Accept", accept)
		for _, query := range []string{
			"redirect_uri=" + evil, "redirect_uri=" + evil + "&response_type=token", "redirect_uri=" + evil + "&error=unauthorized_client", "redirect_uri=" + evil + "&state=a&state=b",
			"redirect_uri=" + app + "&response_type=token", "redirect_uri=" + app + "&code_challenge=x",
		} {
			for _, path := range []string{"/one/authorize?", "/authorize?provider=one&", "/authorize?provider=nobody&", "/nobody/authorize?", "/one/callback?", "/nowhere?", "/token?"} {
				a := b.do(http.MethodGet, issuer+path+query, nil)
				refused(a)
			}
		}
	}
	// Nor is what a provider says about a failed sign-in.
	b := h.browser()
	w.IdP.SetFaults(fakeidp.Faults{Error: "server_error", ErrorDescription: "go to " + evil})
	begin("one", "")(b).must(t)
	refused(b.get(b.back + "&redirect_uri=" + url.QueryEscape(evil)))
	w.IdP.SetFaults(fakeidp.Faults{})
}

// An address was allowed if its last two labels were those of this host: on shared domains, anybody's.
func TestOpenAuth_O2_NeighboursAreStrangers(t *testing.T) {
	h := newHouse(t, newWorld(t), plans{postern: func(c *postern.Config) { c.Redirects = []string{"https://mine.vercel.app/cb", "/here"} }})
	for _, uri := range []string{
		"https://attacker.vercel.app/cb", "https://vercel.app/cb", "https://x.mine.vercel.app/cb", "https://mine.vercel.app/", "https://mine.vercel.app:8443/cb", "http://mine.vercel.app/cb",
		"https://other.app.example/here", "http://localhost:3000/cb", "http://localhost/", "http://127.0.0.1:1/", "https://localhost:3000/here", "https://app.example:8443/here",
	} {
		h.browser().get(issuer+"/one/authorize?redirect_uri="+url.QueryEscape(uri)).want(t, http.StatusBadRequest, "invalid_redirect_uri")
	}
}

// Three redemptions of one code at once brought three pairs of tokens.
func TestOpenAuth_O3_OneRedemptionWins(t *testing.T) {
	h := newHouse(t, newWorld(t), plans{})
	b := h.browser()
	begin("one", "?client_id=web&code_challenge="+challenge+"&code_challenge_method=S256")(b).must(t)
	callback(b).must(t)
	var crowd sync.WaitGroup
	var mu sync.Mutex
	won := 0
	gate := make(chan struct{})
	for range 100 {
		crowd.Go(func() {
			<-gate
			a := h.browser().post(issuer+"/token", b.redemption())
			mu.Lock()
			defer mu.Unlock()
			switch {
			case a.ok():
				won++
			case a.status == http.StatusBadRequest && a.code() == "invalid_grant", a.status == http.StatusServiceUnavailable:
			default:
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	close(gate)
	crowd.Wait()
	if tokens, _ := h.handedOut(); won != 1 || tokens != 1 {
		t.Errorf("%d redemptions won, %d tokens were handed out", won, tokens)
	}
}

// PKCE was optional; a challenge without a method was ignored, and the method plain accepted.
func TestOpenAuth_O4_PKCE(t *testing.T) {
	h := newHouse(t, newWorld(t), plans{})
	for query, code := range map[string]string{
		"code_challenge=" + challenge:                                    "invalid_request",
		"code_challenge=" + challenge + "&code_challenge_method=plain":   "invalid_request",
		"code_challenge=" + challenge + "&code_challenge_method=":        "invalid_request",
		"code_challenge=" + verifier[1:] + "&code_challenge_method=S256": "invalid_request",
	} {
		h.browser().get(issuer+"/one/authorize?"+query).want(t, http.StatusBadRequest, code)
	}
	// Without a challenge no code is given, whatever the application asks for.
	var refused error
	strict := newHouse(t, newWorld(t), plans{postern: func(c *postern.Config) {
		c.OnSuccess = func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			refused = h.user.Code(w, r, session.Grant[user]{Subject: "u1"}, in.Return)
			return refused
		}
	}})
	b := strict.browser()
	begin("one", "")(b).must(t)
	rec := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, b.back, nil)
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	strict.mux.ServeHTTP(rec, r)
	if !errors.Is(refused, session.ErrCode) || rec.Header().Get("Location") != "" {
		t.Errorf("%v, %d leads to %q", refused, rec.Code, rec.Header().Get("Location"))
	}
}

// The audience of a token was an option that nobody read.
func TestOpenAuth_O7_AudienceIsChecked(t *testing.T) {
	w := newWorld(t)
	h := newHouse(t, w, plans{})
	b := h.browser()
	if a, _ := flows()[1].run(b, 0); !a.ok() {
		t.Fatal(a.body)
	}
	for audience, want := range map[string]bool{"api": true, "other": false, "ap": false, "api ": false, "web": false} {
		sessions, err := session.New(session.Config{Issuer: issuer, Audience: audience, Keys: h.ring, Now: w.Now})
		if err != nil {
			t.Fatal(err)
		}
		_, err = session.NewKindConfig(sessions, session.KindConfig[user]{Name: "user", Stateless: true}).Verify(t.Context(), b.bearer)
		if (err == nil) != want {
			t.Errorf("audience %q: %v", audience, err)
		}
		trust, err := session.Trust[user](session.TrustConfig{Issuer: issuer, Audience: audience, Algorithms: []algorithm{"ES256"}, Keys: h.ring, Now: w.Now})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = trust.Verify(t.Context(), b.bearer); (err == nil) != want {
			t.Errorf("audience %q, trusted: %v", audience, err)
		}
	}
	if _, err := session.New(session.Config{Issuer: issuer, Keys: h.ring}); err == nil {
		t.Error("sessions without an audience")
	}
	if _, err := session.Trust[user](session.TrustConfig{Issuer: issuer, Algorithms: []algorithm{"ES256"}, Keys: h.ring}); err == nil {
		t.Error("trust without an audience")
	}
}

// A page that needed no sign-in led wherever its redirect_uri said.
func TestOpenAuth_O8_NoOpenRedirect(t *testing.T) {
	h := newHouse(t, newWorld(t), plans{})
	b := h.browser()
	if a, _ := flows()[0].run(b, 0); !a.ok() {
		t.Fatal(a.body)
	}
	for _, name := range []string{"redirect_uri", "return_to", "returnTo", "redirect", "next", "url", "continue", "target", "post_logout_redirect_uri"} {
		for _, path := range []string{"", "/authorize", "/signout", "/token", "/one/authorize", "/link/authorize", "/code/authorize", "/code/callback", "/password/change"} {
			for _, accept := range []string{"text/html", "application/json"} {
				c := b.clone()
				c.header.Set("Accept", accept)
				q := url.Values{name: {evil}}
				for _, a := range []*answer{c.get(issuer + path + "?" + q.Encode()), c.post(issuer+path, q), c.post(issuer+path+"?"+q.Encode(), url.Values{})} {
					if a.location != nil && a.location.Host == "evil.example" || strings.Contains(a.body, `href="`+evil) || strings.Contains(a.body, `action="`+evil) {
						t.Errorf("%s of %s leads to %v", name, path, a.location)
					}
				}
			}
		}
	}
}

// The issuer, and what was allowed, followed headers that a client can send.
func TestOpenAuth_O9_ForwardedHeaders(t *testing.T) {
	w := newWorld(t)
	lies := http.Header{
		"X-Forwarded-Host": {"evil.example"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Port": {"8080"}, "X-Forwarded-Prefix": {"/evil"},
		"Forwarded": {"host=evil.example;proto=http"}, "X-Original-Url": {"/evil"}, "X-Rewrite-Url": {"/evil"}, "X-Host": {"evil.example"}, "Host": {"evil.example"},
	}
	asked := make(chan url.Values, 100)
	w.Observe(func(e fakeidp.Endpoint, v url.Values) {
		if v.Has("redirect_uri") {
			asked <- v
		}
	})
	h := newHouse(t, w, plans{})
	b := h.browser()
	b.header = lies.Clone()
	b.header["Sec-Fetch-Site"] = []string{"same-origin"}
	if a, _ := flows()[1].run(b, 0); !a.ok() {
		t.Fatal(a.body)
	}
	close(asked)
	n := 0
	for v := range asked {
		n++
		if v.Get("redirect_uri") != issuer+"/one/callback" {
			t.Errorf("the provider was told %q", v.Get("redirect_uri"))
		}
	}
	if n < 2 {
		t.Errorf("%d requests were seen", n)
	}
	if _, claims := decoded(t, b.bearer); claims["iss"] != issuer {
		t.Errorf("iss %v", claims["iss"])
	}
	b.bearer = ""
	for _, path := range []string{"", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json", "/authorize", "/link/authorize"} {
		if a := b.get(issuer + path); !a.ok() || strings.Contains(a.body, "evil") || a.location != nil && strings.Contains(a.location.String(), "evil") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	b.get(issuer+"/one/authorize?redirect_uri="+evil).want(t, http.StatusBadRequest, "invalid_redirect_uri")
	ask("link", "")(b).must(t)
	if m := h.mail(); !strings.HasPrefix(m.Link, issuer+"/link/callback?") || strings.Contains(m.Text+m.HTML, "evil") {
		t.Errorf("the mail leads to %s", m.Link)
	}
}

// Attempts in two tabs, or at two providers, overwrote each other.
func TestOpenAuth_O11_Tabs(t *testing.T) {
	h := newHouse(t, newWorld(t), plans{})
	shared := h.browser()
	var tabs []*browser
	for i, provider := range []string{"one", "two", "one", "two"} {
		tab := *shared // cookies are shared, the rest is not
		begin(provider, "?state=tab"+string('0'+byte(i)))(&tab).must(t)
		tabs = append(tabs, &tab)
	}
	for _, i := range []int{2, 0, 3, 1} {
		a := callback(tabs[i])
		if a.must(t); a.location.Query().Get("state") != "tab"+string('0'+byte(i)) {
			t.Errorf("tab %d leads to %s", i, a.location)
		}
	}
	if _, signIns := h.handedOut(); signIns != 4 {
		t.Errorf("%d sign-ins in four tabs", signIns)
	}
}

// An error that was nobody's flow was answered with a text about the browser.
func TestOpenAuth_O13_ErrorsOfPrograms(t *testing.T) {
	h := newHouse(t, newWorld(t), plans{})
	for body, code := range map[string]string{
		"grant_type=password&username=a&password=b": "unsupported_grant_type", "grant_type=client_credentials": "unsupported_grant_type", "grant_type=": "invalid_request", "": "invalid_request",
		"grant_type=authorization_code": "invalid_request", "grant_type=authorization_code&grant_type=x": "invalid_request",
		"grant_type=authorization_code&code=x&redirect_uri=" + app + "&client_id=web&code_verifier=" + verifier: "invalid_grant",
	} {
		form, err := url.ParseQuery(body)
		if err != nil {
			t.Fatal(err)
		}
		a := h.browser().post(issuer+"/token", form)
		a.want(t, http.StatusBadRequest, code)
		var shape map[string]string
		if err := json.Unmarshal([]byte(a.body), &shape); err != nil || strings.Contains(shape["error_description"], "browser") || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s", body, a.body)
		}
	}
}
