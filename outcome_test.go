package postern_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

// No secret that goes through the handler is in a log line (debug level), an event or an error page, whatever fails.
func TestL1_NoSecrets(t *testing.T) {
	canaries := []string{}
	canary := func(what string) string {
		c := fmt.Sprintf("canary-%s-%d", what, len(canaries))
		canaries = append(canaries, c)
		return c
	}
	tokens := &postern.Tokens{Access: canary("access"), Refresh: canary("refresh"), ID: canary("id")}
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.Providers["door"] = door{identity: func(*http.Request) postern.Identity {
			return postern.Identity{Issuer: "https://door.example", Subject: "u1", Tokens: tokens, Raw: json.RawMessage(`"` + tokens.Access + `"`)}
		}}
		deny := c.OnSuccess
		c.OnSuccess = func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			if in.Tokens != tokens {
				t.Error("OnSuccess did not get the provider's tokens")
			}
			switch in.Return.Target() {
			case "https://app.example.com/":
				return postern.Deny("no", "No.")
			case "https://api.example.com/welcome":
				return errors.New("database is down")
			}
			return deny(w, r, in)
		}
	})
	var pages strings.Builder
	for _, to := range []string{"http://127.0.0.1/native", "/welcome", "https://app.example.com/"} { // signed in, a fault, denied
		b := v.browser()
		b.Cookies["other"] = canary("cookie")
		b.Header.Set("Authorization", "Bearer "+canary("bearer"))
		b.Header.Set("Accept", "application/json")
		appState, challenge := canary("state"), strings.Repeat("z", 42)+"w"
		canaries = append(canaries, challenge)
		state := b.begin("door", "redirect_uri="+to, "state="+appState, "code_challenge="+challenge, "code_challenge_method=S256")
		canaries = append(canaries, state)
		for _, value := range b.Cookies {
			canaries = append(canaries, value)
		}
		for range 2 { // the second time it fails
			w := b.get(callback("door", state) + "&secret=" + canary("parameter"))
			if !strings.HasPrefix(w.Body.String(), `{"redirect_uri":`) { // the state belongs there
				pages.WriteString(w.Body.String())
			}
		}
		v.store.set(errors.New("store is down"))
		state = b.begin("door")
		canaries = append(canaries, state)
		pages.WriteString(b.get(callback("door", state)).Body.String())
		v.store.set(nil)
		pages.WriteString(b.get(issuer + "/door/callback?state=" + canary("bad-state") + "&code=" + canary("code")).Body.String())
		pages.WriteString(b.get(issuer + "/door/authorize?redirect_uri=" + canary("redirect")).Body.String())
		pages.WriteString(b.post(issuer+"/desk/authorize?state=x", url.Values{"name": {""}, "password": {canary("password")}}).Body.String())
	}
	all := v.Log.String() + pages.String() + fmt.Sprintf("%+v", v.Events.All())
	for _, e := range v.Events.All() {
		if e.Err != nil {
			all += e.Err.Error()
		}
	}
	if len(canaries) < 40 || len(v.Log.String()) == 0 || len(v.Events.All()) == 0 || pages.Len() == 0 {
		t.Fatalf("%d canaries, %d bytes of log, %d events", len(canaries), len(v.Log.String()), len(v.Events.All()))
	}
	for _, c := range canaries {
		if strings.Contains(all, c) {
			t.Errorf("%q came out", c)
		}
	}
}

// One event for each outcome, and none for a request that is not a sign-in.
func TestL2_OneEventPerOutcome(t *testing.T) {
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.Providers["talkative"] = provider(func(f *postern.Flow) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				f.Emit(r.Context(), r, postern.Event{Name: "mail sent"})
				f.Emit(r.Context(), r, postern.Event{Name: "sign-in failed", Reason: "told already"})
				f.Fail(w, r, postern.Deny("x", "X."))
			})
		})
		c.Providers["twice"] = provider(func(f *postern.Flow) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				f.Done(w, r, postern.Identity{Issuer: "i", Subject: "s"})
				f.Done(w, r, postern.Identity{Issuer: "i", Subject: "s"})
			})
		})
	})
	for _, tc := range []struct {
		name string
		do   func(b *browser)
		want string
	}{
		{"sign-in", func(b *browser) { b.get(callback("door", b.begin("door"))) }, "sign-in"},
		{"begun only", func(b *browser) { b.begin("door") }, ""},
		{"bad state", func(b *browser) { b.get(callback("door", "")) }, "sign-in failed invalid_state"},
		{"provider refused", func(b *browser) { b.get(callback("door", b.begin("door")) + "&error=x") }, "sign-in failed access_denied"},
		{"bad redirect", func(b *browser) { b.get(issuer + "/door/authorize?redirect_uri=x") }, "sign-in failed invalid_redirect_uri"},
		{"cross-origin", func(b *browser) {
			b.Header.Set("Sec-Fetch-Site", "cross-site")
			b.post(issuer+"/desk/authorize", url.Values{})
		}, "sign-in failed cross_origin"},
		{"no such page", func(b *browser) { b.get(issuer + "/door/nothing") }, ""},
		{"wrong method", func(b *browser) { b.send("DELETE", issuer+"/door/callback", nil) }, ""},
		{"too large", func(b *browser) { b.get(issuer + "/door/callback?" + strings.Repeat("a", 9000)) }, ""},
		{"told by the provider", func(b *browser) { b.get(issuer + "/talkative/callback") }, "sign-in failed told already"},
		{"done twice", func(b *browser) { b.get(issuer + "/twice/callback") }, "sign-in"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v.Events.Take()
			before := len(v.finished())
			tc.do(v.browser())
			if n := len(v.finished()) - before; n > 1 || (n == 1) != (tc.want == "sign-in") {
				t.Errorf("OnSuccess was called %d times", n)
			}
			if got := strings.Join(v.outcomes(), ", "); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
			for _, e := range v.Events.All() {
				if strings.HasPrefix(e.Name, "sign-in") && (e.Addr != "192.0.2.1" || e.Provider == "" || !e.Time.Equal(v.Now())) {
					t.Errorf("event %+v", e)
				}
			}
		})
	}
}

// The data of a client cannot add a line to the log, or an event.
func TestL2_ForgedLines(t *testing.T) {
	v := newWorld(t)
	for i := range 1000 {
		evil := fmt.Sprintf("x\r\n{\"msg\":\"forged %d\"}\n\x1b[31m\u2028\x00", i)
		r := httptest.NewRequest("GET", issuer+"/door/callback?error="+url.QueryEscape(evil), nil)
		r.Header["User-Agent"] = []string{evil}
		r.Header["Referer"] = []string{evil}
		r.Header["Accept"] = []string{evil}
		v.browser().do(r)
	}
	lines := 0
	for s := bufio.NewScanner(strings.NewReader(v.Log.String())); s.Scan(); lines++ {
		var line map[string]any
		if err := json.Unmarshal(s.Bytes(), &line); err != nil || line["msg"] != "postern: request refused" {
			t.Fatalf("line %q", s.Text())
		}
	}
	if lines != 1000 || len(v.outcomes()) != 1000 {
		t.Errorf("%d lines and %d events for 1000 requests", lines, len(v.outcomes()))
	}
}

// The reference on the page of a fault is in the log.
func TestFail_Reference(t *testing.T) {
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.OnSuccess = func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return errors.New("disk full") }
	})
	b := v.browser()
	body := b.get(callback("door", b.begin("door"))).Body.String()
	_, rest, _ := strings.Cut(body, "Reference: <code>")
	reference, _, _ := strings.Cut(rest, "<")
	if len(reference) != 10 || !strings.Contains(v.Log.String(), `"cause":"disk full","reference":"`+reference+`"`) {
		t.Errorf("reference %q, log %s", reference, v.Log.String())
	}
}

// Without Config.Logger the log of slog.Default has the cause of a fault, with the reference of the page.
func TestFail_ReferenceIsLoggedByDefault(t *testing.T) {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	for name, tc := range map[string]struct {
		logger *slog.Logger
		logged bool
	}{"no logger": {nil, true}, "silenced": {slog.New(slog.DiscardHandler), false}} {
		var log strings.Builder
		slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil)))
		v := newWorld(t, func(_ *world, s *session.Config, c *postern.Config) {
			s.Logger, c.Logger = tc.logger, tc.logger
			c.OnSuccess = func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return errors.New("disk full") }
		})
		b := v.browser()
		body := b.get(callback("door", b.begin("door"))).Body.String()
		_, rest, _ := strings.Cut(body, "Reference: <code>")
		reference, _, _ := strings.Cut(rest, "<")
		if len(reference) != 10 || strings.Contains(log.String(), `"cause":"disk full","reference":"`+reference+`"`) != tc.logged {
			t.Errorf("%s: reference %q, log %s", name, reference, log.String())
		}
	}
}
