package hostile

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/session"
)

// A taker is somebody who takes values of one name.
type taker struct {
	name  string
	value string // what it is for
	takes func(string) bool
}

// open makes every value there is, each once, and everybody who takes one. Values of one house can be used once.
func (h *house) open(f *forge) (values map[string]string, takers []taker) {
	h.Helper()
	ctx := context.Background()

	// A sign-in that has ended: what the provider gave for it.
	sent, _ := h.begin("idp", nil)
	if !h.signedIn("GET", issuer+"/idp/callback?"+h.agree(sent).Encode(), nil) {
		h.Fatal("nobody is signed in by the provider")
	}
	ended := sent.Get("state")
	idToken, accessToken := h.answer["id_token"], h.answer["access_token"]

	// Attempts on their way, all in the same browser.
	sent, idpCookie := h.begin("idp", nil)
	back := h.agree(sent)
	otherSent, otherCookie := h.begin("other", nil)
	otherBack := h.agree(otherSent)
	linkSent, linkCookie := h.begin("link", url.Values{"email": {"ada@example.com"}})
	link := must(url.Parse(h.mail.Arg("link")))(h).Query()
	codeSent, codeCookie := h.begin("code", url.Values{"email": {"ada@example.com"}})
	device := ""
	for name := range h.browser.Cookies {
		if strings.HasPrefix(name, "__Host-postern-device-") {
			device = name
		}
	}
	user := must(h.user.Create(ctx, session.Grant[User]{Subject: "u1"}))(h)
	code := h.code()

	values = map[string]string{
		"access token of a user":               user.Access,
		"access token of an API key":           must(h.apikey.Create(ctx, session.Grant[User]{Subject: "u1"}))(h).Access,
		"access token of the partner":          f.token("eddsa", header("eddsa"), claims("iss", `"`+partnerURL+`"`)),
		"session id":                           user.SessionID,
		"authorization code":                   code,
		"verifier of the application":          appVerifier,
		"state at the provider":                sent.Get("state"),
		"state at the other provider":          otherSent.Get("state"),
		"state of an ended attempt":            ended,
		"state of a link":                      linkSent.Get("state"),
		"state of a mailed code":               codeSent.Get("state"),
		"nonce":                                sent.Get("nonce"),
		"challenge":                            sent.Get("code_challenge"),
		"provider's code":                      back.Get("code"),
		"provider's code for the other name":   otherBack.Get("code"),
		"flow cookie of the provider":          h.browser.Cookies[idpCookie],
		"flow cookie of the other provider":    h.browser.Cookies[otherCookie],
		"flow cookie of a link":                h.browser.Cookies[linkCookie],
		"flow cookie of a mailed code":         h.browser.Cookies[codeCookie],
		"link":                                 link.Get("token"),
		"mailed code":                          h.mail.Arg("code"),
		"device cookie":                        h.browser.Cookies[device],
		"ID token of an ended attempt":         idToken,
		"provider's access token":              accessToken,
		"logout token":                         f.token("es256", header("es256", "typ", `"logout+jwt"`), claims()),
		"DPoP proof":                           f.token("es256", header("es256", "typ", `"dpop+jwt"`), claims()),
		"ID token of this issuer":              f.token("es256", header("es256", "typ", `"JWT"`), claims("nonce", `"n"`)),
		"MAC":                                  must(seal.MAC(ctx, h.sessions.Secrets(), "magic/link", issuer, "link"))(h),
		"sealed under a purpose of nobody's":   must(seal.Seal(ctx, h.sessions.Secrets(), "nothing", []byte(`{"id":"x"}`), issuer, device))(h),
		"sealed state of the flow, other name": must(seal.Seal(ctx, h.sessions.Secrets(), "flow", []byte(`{"id":"`+sent.Get("state")+`","f":"idp"}`), issuer, "other"))(h),
		"nothing":                              "",
	}

	callback := func(provider, state, code string) bool {
		return h.signedIn("GET", issuer+"/"+provider+"/callback?"+url.Values{"state": {state}, "code": {code}, "iss": {idpURL}}.Encode(), nil)
	}
	press := func(provider, state, name, value string) bool {
		return h.signedIn("POST", issuer+"/"+provider+"/callback", url.Values{"state": {state}, name: {value}})
	}
	takers = []taker{
		{"the guard of users", "access token of a user", func(s string) bool { return guarded(h.user.Require, "Authorization", "Bearer "+s) }},
		{"the guard of users, by cookie", "access token of a user", func(s string) bool { return guarded(h.user.Require, "Cookie", "__Host-user="+s) }},
		{"the guard of API keys", "access token of an API key", func(s string) bool { return guarded(h.apikey.Require, "Authorization", "Bearer "+s) }},
		{"the guard of partners", "access token of the partner", func(s string) bool { return guarded(h.partner.Require, "Authorization", "Bearer "+s) }},
		{"the token endpoint", "authorization code", func(s string) bool { return h.redeem(s, appVerifier) }},
		{"the token endpoint, as verifier", "verifier of the application", func(s string) bool { return h.redeem(code, s) }},
		{"the callback, as state", "state at the provider", func(s string) bool { return callback("idp", s, back.Get("code")) }},
		{"the callback, as code", "provider's code", func(s string) bool { return callback("idp", sent.Get("state"), s) }},
		{"the callback, as flow cookie", "flow cookie of the provider", func(s string) bool {
			h.browser.Cookies[idpCookie] = s
			return callback("idp", sent.Get("state"), back.Get("code"))
		}},
		{"the callback of the other provider", "state at the other provider", func(s string) bool { return callback("other", s, otherBack.Get("code")) }},
		{"the provider's answer, as ID token", "", func(s string) bool {
			h.idToken = s
			return s != "" && callback("idp", sent.Get("state"), back.Get("code"))
		}},
		{"the page of a link", "link", func(s string) bool { return press("link", linkSent.Get("state"), "token", s) }},
		{"the page of a link, as state", "state of a link", func(s string) bool { return press("link", s, "token", link.Get("token")) }},
		{"the page of a link, as flow cookie", "flow cookie of a link", func(s string) bool {
			h.browser.Cookies[linkCookie] = s
			return press("link", linkSent.Get("state"), "token", link.Get("token"))
		}},
		{"the page of a code", "mailed code", func(s string) bool { return press("code", codeSent.Get("state"), "code", s) }},
		{"the page of a code, as state", "state of a mailed code", func(s string) bool { return press("code", s, "code", h.mail.Arg("code")) }},
		{"the page of a code, as flow cookie", "flow cookie of a mailed code", func(s string) bool {
			h.browser.Cookies[codeCookie] = s
			return press("code", codeSent.Get("state"), "code", h.mail.Arg("code"))
		}},
		{"the limits, as device cookie", "device cookie", func(s string) bool {
			_, err := seal.Open(ctx, h.sessions.Secrets(), "magic/device", s, issuer, device)
			return err == nil
		}},
	}
	return values, takers
}

// redeem shows a code to the token endpoint.
func (h *house) redeem(code, verifier string) bool {
	return h.browse("POST", issuer+"/token", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier},
		"redirect_uri": {home}, "client_id": {audience}}).StatusCode == http.StatusOK
}

// TestJ14_Matrix shows every value that Postern makes, and those of a provider, a partner and an application, to
// everybody who takes one: each is taken by the one it is for, and by nobody else.
func TestJ14_Matrix(t *testing.T) {
	f := newForge(t)
	values, takers := newHouse(t, f).open(f)
	taken := map[string]bool{}
	for value := range values {
		for i, who := range takers {
			h := newHouse(t, f)
			fresh, again := h.open(f)
			if got := again[i].takes(fresh[value]); got != (value == who.value) {
				t.Errorf("%s, shown to %s: taken = %v", value, who.name, got)
			}
			if value == who.value {
				taken[who.name] = true
			}
		}
	}
	for _, who := range takers {
		if !taken[who.name] && who.value != "" {
			t.Errorf("nothing was for %s", who.name)
		}
	}
	if len(values) < 20 || len(takers) < 12 {
		t.Errorf("%d values and %d takers are too few", len(values), len(takers))
	}
	t.Logf("%d values, %d takers, %d pairs", len(values), len(takers), len(values)*len(takers))
}

// TestJ14_MatrixIDToken: the provider's answer takes no value of the matrix as an ID token; it does take its own.
func TestJ14_MatrixIDToken(t *testing.T) {
	f := newForge(t)
	h := newHouse(t, f)
	_, takers := h.open(f)
	answer := takers[slices.IndexFunc(takers, func(w taker) bool { return w.value == "" })]
	if answer.takes("x") {
		t.Error("any text is taken as an ID token")
	}
	sent, _ := h.begin("idp", nil)
	h.idToken = "" // as the provider made it
	if !h.signedIn("GET", issuer+"/idp/callback?"+h.agree(sent).Encode(), nil) {
		t.Error("the ID token of the attempt is not taken")
	}
}
