package postern_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestAccount_WithoutCookies: a program with tokens changes the account after a sign-in with a second factor. It cannot
// step up, because no browser has its session.
func TestAccount_WithoutCookies(t *testing.T) {
	h := newFort(t)
	patch := func(token string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPatch, issuer+"/account", strings.NewReader(`{"name":"Ada"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		return h.browser().do(r)
	}
	tokens := func(w *httptest.ResponseRecorder) (access, refresh string) {
		t.Helper()
		got := decoded[struct {
			Access  string `json:"access_token"`
			Refresh string `json:"refresh_token"`
		}](t, w)
		if w.Code != http.StatusOK || got.Access == "" {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return got.Access, got.Refresh
	}
	b := h.browser()
	token, _ := tokens(h.signIn(b, h.who, "client_id", "tool"))
	answered(t, patch(token), http.StatusUnauthorized, "insufficient_user_authentication")
	want(t, b.get(issuer+"/step-up?redirect_uri=/welcome"), http.StatusUnauthorized, "not_signed_in")
	h.signIn(b, h.who, "code_challenge", pkceChallenge, "code_challenge_method", "S256") // this browser has a session here too
	want(t, b.get(issuer+"/step-up?redirect_uri=/welcome"), http.StatusOK, "/step-up/door")

	// A session of somebody with a factor is fresh for ten minutes.
	h.enrolled(h.who, "chip", "sesame")
	c := h.browser()
	w := h.signIn(c, h.who, "client_id", "tool")
	want(t, w, http.StatusSeeOther, "/factors/chip/verify?state=")
	_, state, _ := strings.Cut(w.Header().Get("Location"), "?state=")
	w = c.answer("chip", state, "sesame")
	token, refresh := tokens(w)
	answered(t, patch(token), http.StatusOK, "")
	h.Advance(11 * time.Minute)
	token, _ = tokens(c.post(issuer+"/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}))
	answered(t, patch(token), http.StatusUnauthorized, "insufficient_user_authentication")
}
