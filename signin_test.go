package postern_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

func TestSignIn(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	state := b.begin("door", "redirect_uri=https://app.example.com/", "state=from+the+app", "client_id=api", "code_challenge="+challenge, "code_challenge_method=S256")
	if len(state) != 43 {
		t.Errorf("state %q has not the length of 256 bits", state)
	}
	w := b.get(callback("door", state))
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "https://app.example.com/?state=from+the+app" {
		t.Fatalf("callback: %d to %q\n%s", w.Code, w.Header().Get("Location"), w.Body)
	}
	all := v.finished()
	if len(all) != 1 {
		t.Fatalf("%d sign-ins, want 1", len(all))
	}
	in := all[0]
	if in.Identity.Provider != "door" || in.Identity.Issuer != "https://door.example" || in.Identity.Subject != "u1" {
		t.Errorf("identity %+v", in.Identity)
	}
	if !in.Authentication.Time.Equal(v.Now()) || len(in.Authentication.Methods) != 1 || in.Authentication.Methods[0] != "oauth" {
		t.Errorf("auth %+v", in.Authentication)
	}
	if r := in.Return; r.Target() != "https://app.example.com/" || r.State() != "from the app" || r.ClientID() != "api" || r.Challenge() != challenge {
		t.Errorf("return %+v", r)
	}
	if got := v.outcomes(); len(got) != 1 || got[0] != "sign-in" {
		t.Errorf("events %q", got)
	}
	// Only the cookies of the session are left, with the name of the provider, and a guarded handler accepts them.
	if len(b.Cookies) != 3 {
		t.Errorf("cookies left: %d, want the session's two and the provider's name", len(b.Cookies))
	}
	guarded := v.users.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := v.users.From(r.Context())
		_, _ = io.WriteString(w, s.Subject)
	}))
	r := httptest.NewRequest("GET", "https://api.example.com/me", nil)
	for name, value := range b.Cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	got := httptest.NewRecorder()
	if guarded.ServeHTTP(got, r); got.Body.String() != in.Identity.Key() {
		t.Errorf("behind Require: %d %s", got.Code, got.Body)
	}
}

func TestSignIn_FormPost(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	state := b.begin("post")
	step := b.answeredMarked("post", state)
	if len(v.finished()) != 0 {
		t.Error("signed in by the POST itself")
	}
	if to := b.landing(b.get(step)); to != "https://app.example.com/" || len(v.finished()) != 1 {
		t.Errorf("the second step leads to %s", to)
	}
}

// If a provider calls Done at authorize, the sign-in leads to the redirect_uri of that request; at another step, to the
// default.
func TestDone_WithoutResume(t *testing.T) {
	v := newWorld(t)
	for target, want := range map[string]string{
		"/desk/authorize?redirect_uri=/welcome&state=s": "https://api.example.com/welcome?state=s",
		"/desk/authorize": "https://app.example.com/",
		"/desk/elsewhere?redirect_uri=/welcome&state=s":     "https://app.example.com/",
		"/desk/elsewhere?redirect_uri=https://evil.example": "https://app.example.com/",
	} {
		b := v.browser()
		if got := b.landing(b.post(issuer+target, url.Values{"name": {"ann"}})); got != want {
			t.Errorf("POST %s leads to %q, want %q", target, got, want)
		}
	}
}

func TestOnSuccess(t *testing.T) {
	type answer = func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error
	for name, tc := range map[string]struct {
		answer   answer
		status   int
		body     string
		location string
		outcome  string
	}{
		"deny": {func(http.ResponseWriter, *http.Request, *postern.SignIn) error {
			return postern.Deny("not_invited", "Ask for an <invitation>.")
		}, 403, "Ask for an &lt;invitation&gt;.", "", "sign-in failed not_invited"},
		"wrapped": {func(http.ResponseWriter, *http.Request, *postern.SignIn) error {
			return errors.Join(errors.New("x"), postern.Deny("no", "No."))
		}, 403, "No.", "", "sign-in failed no"},
		"fault":   {func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return errors.New("password=hunter2") }, 500, "Reference: ", "", "sign-in failed internal_error"},
		"nothing": {func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return nil }, 303, "", "https://app.example.com/?state=a%26b", "sign-in"},
		"header alone": {func(w http.ResponseWriter, _ *http.Request, _ *postern.SignIn) error {
			w.Header().Set("X-App", "1")
			return nil
		}, 303, "", "https://app.example.com/?state=a%26b", "sign-in"},
		"own answer": {func(w http.ResponseWriter, _ *http.Request, _ *postern.SignIn) error {
			_, err := io.WriteString(w, "hello")
			return err
		}, 200, "hello", "", "sign-in"},
		"status alone": {func(w http.ResponseWriter, _ *http.Request, _ *postern.SignIn) error { w.WriteHeader(204); return nil }, 204, "", "", "sign-in"},
		"flushed": {func(w http.ResponseWriter, _ *http.Request, _ *postern.SignIn) error {
			return http.NewResponseController(w).Flush()
		}, 200, "", "", "sign-in"},
		"error after the answer": {func(w http.ResponseWriter, _ *http.Request, _ *postern.SignIn) error {
			w.WriteHeader(202)
			return errors.New("late")
		}, 202, "", "", "sign-in failed internal_error"},
		"keys down": {func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return keys.ErrUnavailable }, 503, "try again", "", "sign-in failed temporarily_unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) { c.OnSuccess = tc.answer })
			b := v.browser()
			w := b.get(callback("door", b.begin("door", "state=a%26b")))
			if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.body) || w.Header().Get("Location") != tc.location {
				t.Errorf("%d, Location %q, want %d %q\n%s", w.Code, w.Header().Get("Location"), tc.status, tc.location, w.Body)
			}
			if strings.Contains(w.Body.String(), "hunter2") {
				t.Error("the page shows the cause of a fault")
			}
			if got := v.outcomes(); len(got) != 1 || got[0] != tc.outcome {
				t.Errorf("events %q, want %q", got, tc.outcome)
			}
		})
	}
}

// An identity without issuer or subject is a fault of the provider and starts no session.
func TestDone_IncompleteIdentity(t *testing.T) {
	for _, id := range []postern.Identity{{Issuer: "https://door.example"}, {Subject: "u1"}, {}} {
		v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
			c.Providers["door"] = door{identity: func(*http.Request) postern.Identity { return id }}
		})
		b := v.browser()
		if w := b.get(callback("door", b.begin("door"))); w.Code != 500 || len(v.finished()) != 0 {
			t.Errorf("%+v: %d, %d sign-ins", id, w.Code, len(v.finished()))
		}
		if !strings.Contains(v.Log.String(), "without Issuer or Subject") {
			t.Errorf("log does not say why: %s", v.Log.String())
		}
	}
}

func TestFail_JSON(t *testing.T) {
	v := newWorld(t)
	for accept, json := range map[string]bool{
		"application/json":                    true,
		"application/json, text/plain, */*":   true,
		"Application/JSON;q=0.9":              true,
		"":                                    false,
		"*/*":                                 false,
		"text/html,application/xhtml+xml,*/*": false,
		"application/xhtml+xml, application/json;q=0.5": false,
		"application/json;q=0.1, text/html;q=0.9":       false,
	} {
		b := v.browser()
		b.Header.Set("Accept", accept)
		w := b.get(issuer + "/door/callback")
		refused(t, w, 400, "invalid_state")
		if got := strings.HasPrefix(w.Header().Get("Content-Type"), "application/json"); got != json {
			t.Errorf("Accept %q: Content-Type %q", accept, w.Header().Get("Content-Type"))
		}
		if !slices.Contains(w.Header().Values("Vary"), "Accept") {
			t.Errorf("Accept %q: Vary %q", accept, w.Header().Values("Vary"))
		}
	}
}

func TestErrors(t *testing.T) {
	e := &postern.Error{Code: "x", Err: io.EOF}
	if !errors.Is(e, io.EOF) || e.Error() != "postern: x: EOF" || (&postern.Error{Code: "x"}).Error() != "postern: x" {
		t.Errorf("%v", e)
	}
	// An incomplete Error gets a default: 400 without a status, 500 without a code.
	for _, tc := range []struct {
		err    error
		status int
		retry  string
	}{
		{&postern.Error{Code: "odd", Text: "Odd."}, 400, ""},
		{&postern.Error{Status: 403}, 500, ""},
		{&postern.Error{Status: 200, Code: "odd"}, 500, ""},
		{&postern.Error{Status: 429, Code: "slow", RetryAfter: 1500 * time.Millisecond}, 429, "2"},
		{session.ErrUnavailable, 503, "5"},
		{&http.MaxBytesError{}, 413, ""},
	} {
		v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
			c.OnSuccess = func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return tc.err }
		})
		b := v.browser()
		w := b.get(callback("door", b.begin("door")))
		if w.Code != tc.status || w.Header().Get("Retry-After") != tc.retry {
			t.Errorf("%#v: %d, Retry-After %q, want %d %q", tc.err, w.Code, w.Header().Get("Retry-After"), tc.status, tc.retry)
		}
	}
}

func TestA2_UnprovenAddress(t *testing.T) {
	for _, tc := range []struct {
		addresses []postern.Address
		want      string
	}{
		{nil, ""},
		{[]postern.Address{{Type: "email", Value: "a@example.com"}}, ""},
		{[]postern.Address{{Type: "phone", Value: "+44", Verified: true}}, ""},
		{[]postern.Address{{Type: "email", Verified: true}}, ""},
		{[]postern.Address{{Type: "Email", Value: "a@example.com", Verified: true}}, ""},
		{[]postern.Address{{Type: "email", Value: "a@example.com"}, {Type: "email", Value: "b@example.com", Verified: true}}, "b@example.com"},
	} {
		if got, ok := (postern.Identity{Addresses: tc.addresses}).Email(); got != tc.want || ok != (tc.want != "") {
			t.Errorf("%+v: %q %v, want %q", tc.addresses, got, ok, tc.want)
		}
	}
	// Only a JSON boolean is accepted for Verified.
	for _, claim := range []string{`"true"`, `1`, `"1"`, `[true]`, `{}`} {
		var a postern.Address
		if err := json.Unmarshal([]byte(`{"Verified":`+claim+`}`), &a); err == nil || a.Verified {
			t.Errorf("Verified from %s", claim)
		}
	}
}

// The list of a person's sessions has the address and the browser of each sign-in.
func TestSignIn_PlaceAndDevice(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	r := httptest.NewRequest("GET", callback("door", b.begin("door", "redirect_uri=https://app.example.com/")), nil)
	r.RemoteAddr = "203.0.113.9:1234"
	r.Header.Set("User-Agent", "Browser/1\x00.0")
	if w := b.do(r); w.Code != http.StatusSeeOther {
		t.Fatalf("callback: %d %s", w.Code, w.Body)
	}
	page, err := v.sessions.List(t.Context(), v.finished()[0].Identity.Key(), session.ListOptions{})
	list := page.Sessions
	if err != nil || len(list) != 1 || list[0].Address != "203.0.113.9" || list[0].Device != "Browser/1.0" {
		t.Errorf("sessions %+v, %v", list, err)
	}
}
