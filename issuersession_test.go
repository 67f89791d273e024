package postern_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/users"
)

const (
	pkceVerifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	pkceChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// byCode signs a browser in for an application, and returns the access and the refresh token of the application.
func (h *house) byCode(b *browser, who postern.Identity) (access, refresh string) {
	h.t.Helper()
	w := h.signIn(b, who, "code_challenge", pkceChallenge, "code_challenge_method", "S256")
	return h.redeem(w)
}

// redeem redeems the code of an answer, as the application does.
func (h *house) redeem(w *httptest.ResponseRecorder) (access, refresh string) {
	h.t.Helper()
	to, err := url.Parse(w.Header().Get("Location"))
	if err != nil || to.Query().Get("code") == "" {
		h.t.Fatalf("no code: %d to %q\n%s", w.Code, w.Header().Get("Location"), w.Body)
	}
	app := h.browser()
	a := app.post(issuer+"/token", url.Values{"grant_type": {"authorization_code"}, "code": {to.Query().Get("code")}, "code_verifier": {pkceVerifier}, "redirect_uri": {"https://app.example.com/"}})
	var body struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if len(app.Cookies) != 0 || json.Unmarshal(a.Body.Bytes(), &body) != nil {
		h.t.Fatalf("the application: %d, cookies %v\n%s", a.Code, app.Cookies, a.Body)
	}
	return body.Access, body.Refresh
}

func (h *house) bearer(access string) *httptest.ResponseRecorder {
	return h.asked(access, "GET", "/account")
}

// asked is a request with the token of an application alone.
func (h *house) asked(access, method, path string) *httptest.ResponseRecorder {
	b := h.browser()
	b.Header = http.Header{"Authorization": {"Bearer " + access}}
	return b.json(method, path, "")
}

type pairList struct {
	Sessions []struct {
		ID       string
		Current  bool
		AtIssuer bool `json:"at_issuer"`
	}
}

// A sign-in by code opens the account in this browser, and the list of sessions has both as one.
func TestIssuerSession_OpensTheAccount(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	access, _ := h.byCode(b, h.who)
	answered(t, b.json("GET", "/account", ""), http.StatusOK, "")
	answered(t, h.bearer(access), http.StatusOK, "")
	for name, w := range map[string]*httptest.ResponseRecorder{
		"browser": b.json("GET", "/account/sessions", ""), "application": h.asked(access, "GET", "/account/sessions"), "own": b.json("GET", "/sessions", ""),
	} {
		if list := decoded[pairList](t, w); len(list.Sessions) != 1 || !list.Sessions[0].AtIssuer || !list.Sessions[0].Current {
			t.Errorf("%s: sessions %+v", name, list.Sessions)
		}
	}
	if w := h.browser().json("GET", "/account", ""); w.Code != http.StatusUnauthorized {
		t.Errorf("another browser: %d", w.Code)
	}
}

func TestIssuerSession_SignOutEndsBoth(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	access, _ := h.byCode(b, h.who)
	b.json("POST", "/signout", "")
	if w := h.bearer(access); w.Code != http.StatusUnauthorized {
		t.Errorf("the application after a sign-out at the issuer: %d", w.Code)
	}
	access, refresh := h.byCode(b, h.who)
	h.browser().post(issuer+"/revoke", url.Values{"token": {refresh}})
	if w := b.json("GET", "/account", ""); w.Code != http.StatusUnauthorized {
		t.Errorf("the browser after a sign-out of the application: %d", w.Code)
	}
	if w := h.bearer(access); w.Code != http.StatusUnauthorized {
		t.Errorf("the application after its own sign-out: %d", w.Code)
	}
}

// "All other sessions" keeps both of this browser, whichever of them asks, in JSON and by the form of the page. The
// page shows both as this browser, and ends another pair as one.
func TestIssuerSession_EndingOthers(t *testing.T) {
	for name, end := range map[string]func(h *home, b *browser, access string) int{
		"browser, JSON": func(_ *home, b *browser, _ string) int { return b.json("DELETE", "/account/sessions", "").Code },
		"browser, page": func(_ *home, b *browser, _ string) int { return b.press("/account/end-sessions", url.Values{}).Code },
		"application, JSON": func(h *home, _ *browser, access string) int {
			return h.asked(access, "DELETE", "/account/sessions").Code
		},
		"own sessions": func(_ *home, b *browser, _ string) int { return b.json("DELETE", "/sessions", "").Code },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			b, other := h.browser(), h.browser()
			there, _ := h.byCode(other, h.who)
			h.byCode(b, h.who)
			h.stepUp(b, h.who)
			who := h.who
			who.AuthTime = h.Now()
			access, _ := h.redeem(h.through(b, who, issuer+"/step-up/door", "code_challenge", pkceChallenge, "code_challenge_method", "S256"))
			body := pageShows(t, b.open("/account/sessions"), http.StatusOK, "This browser")
			if here, others, _ := strings.Cut(body, "Other sessions"); strings.Count(here, "Last used") != 1 || strings.Count(others, "Last used") != 1 {
				t.Errorf("not one line for each browser:\n%s", body)
			}
			if status := end(h, b, access); status >= 400 {
				t.Fatalf("status %d", status)
			}
			answered(t, b.json("GET", "/account", ""), http.StatusOK, "")
			answered(t, h.bearer(access), http.StatusOK, "")
			if other.json("GET", "/account", "").Code != http.StatusUnauthorized || h.bearer(there).Code != http.StatusUnauthorized {
				t.Error("another browser, or its application, is still signed in")
			}
			pageShows(t, b.open("/account/sessions"), http.StatusOK, "You are signed in nowhere else")
			there, _ = h.byCode(other, h.who)
			list := decoded[pairList](t, b.json("GET", "/account/sessions", ""))
			if len(list.Sessions) != 2 || list.Sessions[0].Current {
				t.Fatalf("%+v", list)
			}
			want(t, b.press("/account/end-session", url.Values{"id": {list.Sessions[0].ID}}), http.StatusSeeOther, "")
			if other.json("GET", "/account", "").Code != http.StatusUnauthorized || h.bearer(there).Code != http.StatusUnauthorized {
				t.Error("ending one leaves its other half")
			}
		})
	}
}

// A sign-in by code that is not finished does not keep the browser signed in.
func TestIssuerSession_SignInThatIsNotFinished(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	access, _ := h.byCode(b, h.who)
	h.signIn(b, h.who, "code_challenge", pkceChallenge, "code_challenge_method", "S256") // nobody redeems it
	answered(t, b.json("GET", "/account", ""), http.StatusOK, "")
	if w := h.asked(access, "POST", "/signout"); w.Code != http.StatusNoContent {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := b.json("GET", "/account", ""); w.Code != http.StatusUnauthorized {
		t.Errorf("the browser after a sign-out of the application: %d", w.Code)
	}
	// A sign-in for the pages of the issuer, and then a step-up that an application asks for.
	h.signIn(b, h.who)
	who := h.who
	who.AuthTime = h.Now()
	access, _ = h.redeem(h.through(b, who, issuer+"/step-up/door", "code_challenge", pkceChallenge, "code_challenge_method", "S256"))
	b.json("POST", "/signout", "")
	if w := h.bearer(access); w.Code != http.StatusUnauthorized {
		t.Errorf("the session of a step-up after a sign-out of the browser: %d", w.Code)
	}
}

// What ends all that a person has ends both sessions.
func TestIssuerSession_EventsEndBoth(t *testing.T) {
	for name, event := range map[string]func(h *home, id string, b *browser) error{
		"disabled": func(h *home, id string, _ *browser) error {
			return h.dir.Disable(t.Context(), id, "because", time.Time{}, users.Extra{})
		},
		"deleted": func(h *home, id string, _ *browser) error { return h.dir.Delete(t.Context(), id, users.Extra{}) },
		"ended":   func(h *home, id string, _ *browser) error { return h.auth.EndUser(t.Context(), id) },
		"everywhere": func(_ *home, _ string, b *browser) error {
			b.json("POST", "/signout/everywhere", "")
			return nil
		},
		"factors reset": func(h *home, id string, _ *browser) error { return h.dir.ResetFactors(t.Context(), id, users.Extra{}) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			b := h.browser()
			access, _ := h.byCode(b, h.who)
			if err := event(h, h.idOf(b), b); err != nil {
				t.Fatal(err)
			}
			if w := h.bearer(access); w.Code != http.StatusUnauthorized {
				t.Errorf("the application: %d", w.Code)
			}
			if w := b.json("GET", "/account", ""); w.Code != http.StatusUnauthorized {
				t.Errorf("the browser: %d", w.Code)
			}
		})
	}
}

// A client that reads JSON, and a client of TokenClients, get no cookie.
func TestIssuerSession_ProgramsGetNone(t *testing.T) {
	h := newHome(t)
	for name, query := range map[string][]string{"code": {"code_challenge", pkceChallenge, "code_challenge_method", "S256"}, "tokens": {"client_id", "tool"}} {
		b := h.browser()
		state := b.begin("door", url.Values{query[0]: {query[1]}}.Encode()+map[string]string{"code": "&code_challenge_method=S256"}[name])
		b.Header = http.Header{"Accept": {"application/json"}}
		if w := b.get(callback("door", state)); w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", name, w.Code, w.Body)
		}
		for k := range b.Cookies {
			if !isLast(k) && !strings.Contains(k, "flow-") {
				t.Errorf("%s: the cookie %s", name, k)
			}
		}
		b.Header = nil
		if w := b.json("GET", "/account", ""); w.Code != http.StatusUnauthorized {
			t.Errorf("%s: the account is open: %d", name, w.Code)
		}
	}
}

// No fixation: the session that somebody planted in the browser is not the one of the person, and has ended.
func TestIssuerSession_PlantedSessionEnds(t *testing.T) {
	h := newHome(t)
	attacker := h.browser()
	h.byCode(attacker, at("eve", "eve@example.com", true))
	victim := h.browser()
	for name, value := range attacker.Cookies {
		victim.Cookies[name] = value
	}
	h.byCode(victim, h.who)
	if h.idOf(victim) == "" || attacker.json("GET", "/account", "").Code != http.StatusUnauthorized {
		t.Error("the planted session lives")
	}
	for name, value := range attacker.Cookies {
		if !isLast(name) && victim.Cookies[name] == value {
			t.Errorf("the cookie %s is as before", name)
		}
	}
}

// A step-up that an application asks for with a challenge ends with a code for a new session; its old one is over.
func TestIssuerSession_StepUpByAnApplication(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	old, _ := h.byCode(b, h.who)
	who := h.who
	who.AuthTime = h.Now()
	w := h.through(b, who, issuer+"/step-up/door", "code_challenge", pkceChallenge, "code_challenge_method", "S256", "state", "s1")
	access, _ := h.redeem(w)
	s, err := h.kind.Verify(t.Context(), access)
	if err != nil || !strings.Contains(strings.Join(s.Authentication.Methods, " "), postern.MethodStepUp) {
		t.Errorf("%v %+v", err, s)
	}
	if !strings.Contains(w.Header().Get("Location"), "state=s1") {
		t.Errorf("to %s", w.Header().Get("Location"))
	}
	if w := h.bearer(old); w.Code != http.StatusUnauthorized {
		t.Errorf("the old session of the application: %d", w.Code)
	}
	answered(t, b.json("GET", "/account/export", ""), http.StatusOK, "") // needs a fresh proof
	// A browser without a session begins none by it.
	if w := h.browser().get(issuer + "/step-up/door?code_challenge=" + pkceChallenge + "&code_challenge_method=S256"); w.Code != http.StatusUnauthorized {
		t.Errorf("without a session: %d", w.Code)
	}
	// The proof of somebody else changes nothing.
	eve := at("eve", "eve@example.com", true)
	eve.AuthTime = h.Now()
	w = h.through(b, eve, issuer+"/step-up/door", "code_challenge", pkceChallenge, "code_challenge_method", "S256")
	if want(t, w, http.StatusForbidden, "other_person"); w.Header().Get("Location") != "" {
		t.Errorf("to %s", w.Header().Get("Location"))
	}
	if w := h.bearer(access); w.Code != http.StatusOK {
		t.Errorf("after a refused step-up: %d", w.Code)
	}
}
