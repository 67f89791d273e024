package postern_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A page of a refusal shows the same code as its JSON, so that a person can look it up or name it to support.
func TestFail_PageShowsItsCode(t *testing.T) {
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.OnSuccess = func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return errors.New("disk full") }
	})
	for target, tc := range map[string]struct {
		code      string
		reference bool
	}{
		issuer + "/authorize?redirect_uri=/nope":     {"invalid_redirect_uri", false},
		issuer + "/door/authorize?client_id=%3Cb%3E": {"invalid_client", false},
		issuer + "/door/callback?state=none&code=x":  {"invalid_state", false},
		issuer + "/nothing":                          {"not_found", false},
		"":                                           {"internal_error", true},
	} {
		b := v.browser()
		if target == "" {
			target = callback("door", b.begin("door"))
		}
		w := b.get(target)
		body := w.Body.String()
		if w.Code < 400 || strings.Count(body, `<p class="reference">Error code: <code>`+tc.code+"</code></p>") != 1 {
			t.Errorf("%s: %d, no code %s\n%s", target, w.Code, tc.code, body)
		}
		if strings.Contains(body, "Reference: <code>") != tc.reference {
			t.Errorf("%s: reference\n%s", target, body)
		}
	}
	// A page that is not a refusal has none.
	if w := v.browser().get(issuer + "/authorize"); w.Code != 200 || strings.Contains(w.Body.String(), "Error code") {
		t.Errorf("%d\n%s", w.Code, w.Body)
	}
}

// A person who cancels at the provider may be signed in already: the page names no offence and leads to the application
// too. An application that refuses a person says so.
func TestFail_CancelledAtTheProvider(t *testing.T) {
	const verifier = "&code_challenge_method=S256&code_challenge=" + challenge
	for name, tc := range map[string]struct {
		redirects []string
		pkce      bool
		query     string
		want      string
	}{
		"a page":       {[]string{"https://app.example.com/me", "/x"}, false, "state=s", `<a href="https://app.example.com/me">Go to app.example.com</a>`},
		"a path":       {[]string{"/welcome"}, false, "state=s", `<a href="https://api.example.com/welcome">Go to api.example.com</a>`},
		"a code":       {[]string{"https://app.example.com/cb"}, false, "state=s" + verifier, `<a href="https://app.example.com/">Go to app.example.com</a>`},
		"PKCE":         {[]string{"https://app.example.com/cb"}, true, "state=s" + verifier, `<a href="https://app.example.com/">Go to app.example.com</a>`},
		"a native app": {[]string{"com.example.app:/in", "https://app.example.com/x"}, false, "state=s", `<a href="https://app.example.com/">Go to app.example.com</a>`},
	} {
		v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
			c.Redirects, c.RequirePKCE = tc.redirects, tc.pkce
		})
		b := v.browser()
		w := b.get(callback("door", b.begin("door", tc.query)) + "&error=access_denied")
		body := w.Body.String()
		if w.Code != 403 || !strings.Contains(body, "<h1>Sign-in failed</h1>") || strings.Contains(body, "Not allowed") {
			t.Errorf("%s: %d\n%s", name, w.Code, body)
		}
		if again := strings.Index(body, ">Start again</a>"); again < 0 || strings.Index(body, tc.want) < again {
			t.Errorf("%s: no link %s after the one to start again\n%s", name, tc.want, body)
		}
	}
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.OnSuccess = func(http.ResponseWriter, *http.Request, *postern.SignIn) error {
			return postern.Deny("not_invited", "You have not been invited.")
		}
	})
	b := v.browser()
	if body := b.get(callback("door", b.begin("door"))).Body.String(); !strings.Contains(body, "<h1>Not allowed</h1>") || strings.Contains(body, "Go to ") {
		t.Errorf("refused by the application:\n%s", body)
	}
}

// Keys and stores of one process do not become shared ones: the page names the mistake and does not invite to try
// again, wherever the sign-in met it.
func TestFail_OneProcess(t *testing.T) {
	for name, c := range map[string]struct {
		err         error
		shown, hint string
	}{
		"keys":  {fmt.Errorf("%w: %w", keys.ErrUnavailable, keys.ErrLocal), "keys of this program are kept in one process", "keep the ring in a vault that all of them share"},
		"store": {store.ErrLocal, "data of this program are kept in one process", "store"},
	} {
		check := func(w *httptest.ResponseRecorder, log string) {
			t.Helper()
			body := w.Body.String()
			if w.Code != 503 || w.Header().Get("Retry-After") != "" || !strings.Contains(body, c.shown) || strings.Contains(body, "try again") {
				t.Errorf("%s: %d, Retry-After %q\n%s", name, w.Code, w.Header().Get("Retry-After"), body)
			}
			if !strings.Contains(log, c.hint) {
				t.Errorf("%s: the log does not name the remedy: %s", name, log)
			}
		}
		v := newWorld(t, func(_ *world, _ *session.Config, p *postern.Config) {
			p.OnSuccess = func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return c.err }
		})
		b := v.browser()
		check(b.get(callback("door", b.begin("door"))), v.Log.String())
		// The store of the attempt refuses.
		v = newWorld(t)
		b = v.browser()
		target := callback("door", b.begin("door"))
		v.store.setGet(c.err)
		v.store.set(c.err)
		check(b.get(target), v.Log.String())
	}
}
