package session_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
)

// TestEvents_HaveTheClient: every function and endpoint that takes a request and emits events gives each of them the
// address and the User-Agent of the request.
func TestEvents_HaveTheClient(t *testing.T) {
	const address, agent = "203.0.113.9", "Hand/1.0"
	type deed struct {
		want    string                                                  // an event that must come
		target  string                                                  // method and path of the request
		prepare func(k *keeper, r *http.Request, m session.Tokens)      // before the request is sent
		send    func(k *keeper, w http.ResponseWriter, r *http.Request) // nil: to the Handler
		form    func(k *keeper, m session.Tokens) url.Values
	}
	cookies := func(k *keeper, r *http.Request, m session.Tokens) { r.Header.Set("Cookie", k.cookies(m)) }
	bearer := func(_ *keeper, r *http.Request, m session.Tokens) { r.Header.Set("Authorization", "Bearer "+m.Access) }
	// copied lets a copy of the first refresh token come, long after.
	copied := func(k *keeper, r *http.Request, m session.Tokens) {
		k.rotate(k.rotate(m.Refresh).Refresh)
		k.Advance(time.Hour)
		cookies(k, r, m)
	}
	later := func(k *keeper, r *http.Request, m session.Tokens) { k.Advance(time.Hour); cookies(k, r, m) }
	calls := func(f func(*keeper, http.ResponseWriter, *http.Request) error) func(*keeper, http.ResponseWriter, *http.Request) {
		return func(k *keeper, w http.ResponseWriter, r *http.Request) {
			if err := f(k, w, r); err != nil && session.Reason(err) != "reuse" {
				k.t.Error(err)
			}
		}
	}
	cookie := calls(func(k *keeper, w http.ResponseWriter, r *http.Request) error {
		return k.member.Cookie(w, r, k.grant(), ret("https://api.example.com/home"))
	})
	replace := calls(func(k *keeper, w http.ResponseWriter, r *http.Request) error {
		return k.member.ReplaceCookies(w, r, k.grant())
	})
	out := calls(func(k *keeper, w http.ResponseWriter, r *http.Request) error { return k.sessions.SignOut(w, r) })
	everywhere := calls(func(k *keeper, w http.ResponseWriter, r *http.Request) error {
		return k.sessions.SignOutEverywhere(w, r)
	})
	codeForm := func(times int) func(*keeper, session.Tokens) url.Values {
		return func(k *keeper, _ session.Tokens) url.Values {
			f := form(k.memberCode(audience))
			f.Set("client_id", audience)
			for range times {
				k.ask("POST", "/token", f.Encode())
			}
			return f
		}
	}
	refreshForm := func(k *keeper, m session.Tokens) url.Values {
		return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {m.Refresh}}
	}
	for name, tc := range map[string]deed{
		"Cookie":                 {want: "session created", send: cookie},
		"Cookie, which replaces": {want: "session ended", send: cookie, prepare: cookies},
		"Parameter": {want: "session created", send: calls(func(k *keeper, w http.ResponseWriter, r *http.Request) error {
			return k.member.Parameter(w, r, k.grant(), ret("https://api.example.com/home"))
		})},
		"ReplaceCookies":              {want: "session ended", send: replace, prepare: cookies},
		"ReplaceCookies with a copy":  {want: "session ended", send: replace, prepare: copied},
		"SignOut by cookie":           {want: "session ended", send: out, prepare: cookies},
		"SignOut by Bearer":           {want: "session ended", send: out, prepare: bearer},
		"SignOut, stateless":          {want: "session ended", send: out, prepare: func(k *keeper, r *http.Request, _ session.Tokens) { r.Header.Set("Authorization", "Bearer "+k.token()) }},
		"SignOutEverywhere by cookie": {want: "subject revoked", send: everywhere, prepare: cookies},
		"SignOutEverywhere by Bearer": {want: "subject revoked", send: everywhere, prepare: bearer},
		"a guard that refreshes": {want: "session refreshed", prepare: later, send: func(k *keeper, w http.ResponseWriter, r *http.Request) {
			k.member.Require(k.whoami()).ServeHTTP(w, r)
		}},
		"a guard that meets a copy": {want: "session ended", prepare: copied, send: func(k *keeper, w http.ResponseWriter, r *http.Request) {
			k.member.Optional(k.whoami()).ServeHTTP(w, r)
		}},
		"refresh":            {want: "session refreshed", target: "POST /refresh", prepare: later},
		"refresh of a copy":  {want: "session ended", target: "POST /refresh", prepare: copied},
		"token, a refresh":   {want: "refresh retried", target: "POST /token", form: refreshForm, prepare: func(k *keeper, _ *http.Request, m session.Tokens) { k.rotate(m.Refresh) }},
		"token, lost":        {want: "lost answer", target: "POST /token", form: refreshForm, prepare: func(k *keeper, _ *http.Request, m session.Tokens) { k.rotate(m.Refresh); k.Advance(time.Hour) }},
		"token, a code":      {want: "session created", target: "POST /token", form: codeForm(0)},
		"token, used code":   {want: "code refused", target: "POST /token", form: codeForm(1)},
		"signout":            {want: "session ended", target: "POST /signout", prepare: cookies},
		"signout everywhere": {want: "subject revoked", target: "POST /signout/everywhere", prepare: cookies},
		"revoke":             {want: "session ended", target: "POST /revoke", form: func(_ *keeper, m session.Tokens) url.Values { return url.Values{"token": {m.Refresh}} }},
		"others":             {want: "others revoked", target: "DELETE /sessions", prepare: cookies},
		"one of the others": {want: "session ended", target: "DELETE /sessions", prepare: func(k *keeper, r *http.Request, m session.Tokens) {
			r.URL.Path += "/" + k.create().SessionID
			cookies(k, r, m)
		}},
		"too many forged": {want: "limited", target: "POST /refresh", prepare: func(k *keeper, r *http.Request, m session.Tokens) {
			r.Header.Set("Cookie", k.renewal()+"="+m.Refresh[:len(m.Refresh)-4]+"AAAA")
			for range 100 {
				serve(k.sessions.Handler(), r.Clone(k.t.Context()))
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t)
			k.t = t
			mine := k.create()
			body := ""
			if tc.form != nil {
				body = tc.form(k, mine).Encode()
			}
			method, path, _ := strings.Cut(tc.target, " ")
			r := httptest.NewRequest(method, issuer+path, strings.NewReader(body))
			if body != "" {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			r.RemoteAddr = address + ":1234"
			r.Header.Set("User-Agent", agent)
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			if tc.prepare != nil {
				tc.prepare(k, r, mine)
			}
			before := len(k.Events.All())
			w := httptest.NewRecorder()
			if tc.send != nil {
				tc.send(k, w, r)
			} else {
				k.sessions.Handler().ServeHTTP(w, r)
			}
			came := false
			for _, e := range k.Events.All()[before:] {
				came = came || e.Name == tc.want
				if e.Addr != address || e.Agent != agent {
					t.Errorf("the event %q has the address %q and the agent %q", e.Name, e.Addr, e.Agent)
				}
			}
			if !came {
				t.Errorf("there is no event %q; the answer is %d %s", tc.want, w.Code, w.Body)
			}
		})
	}
}
