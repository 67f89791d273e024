package faults

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
)

// Holes that the successors of SST Auth had before OpenAuth.

// The authorization code was a JWT that could be read, held the access token, and worked for five minutes, for anybody.
func TestFuture_F3_AuthorizationCodes(t *testing.T) {
	w := newWorld(t)
	h := newHouse(t, w, plans{})
	take := func() *browser {
		b := h.browser()
		begin("one", "?client_id=api&code_challenge="+challenge+"&code_challenge_method=S256")(b).must(t)
		callback(b).must(t)
		return b
	}
	b := take()
	if strings.Count(b.code, ".") != 1 || strings.HasPrefix(b.code, "eyJ") || len(b.code) != 60 {
		t.Errorf("the code is %q", b.code)
	}
	for name, change := range map[string]url.Values{
		"no verifier": {"code_verifier": nil}, "another verifier": {"code_verifier": {strings.Repeat("a", 43)}}, "the challenge": {"code_verifier": {challenge}},
		"another client": {"client_id": {"other"}}, "another address": {"redirect_uri": {"https://app.example/x"}}, "no address": {"redirect_uri": nil},
	} {
		form := b.redemption()
		for field, values := range change {
			form[field] = values
		}
		h.browser().post(issuer+"/token", form).want(t, http.StatusBadRequest, "invalid_grant", "invalid_request")
		if t.Failed() {
			t.Fatalf("with %s", name)
		}
	}
	redeem(b).must(t)
	redeem(b).want(t, http.StatusBadRequest, "invalid_grant")
	late := take()
	w.Advance(time.Minute)
	redeem(late).want(t, http.StatusBadRequest, "invalid_grant")
}

// The check of return addresses was the wrong way round: what an allowed address began with was allowed as well.
func TestFuture_F4_PrefixesAreNotAllowed(t *testing.T) {
	h := newHouse(t, newWorld(t), plans{postern: func(c *postern.Config) { c.Redirects = []string{"https://app.example.com/welcome"} }})
	const listed = "https://app.example.com/welcome"
	for i := 1; i < len(listed); i++ {
		h.browser().get(issuer+"/one/authorize?redirect_uri="+url.QueryEscape(listed[:i])).want(t, http.StatusBadRequest, "invalid_redirect_uri")
	}
	for _, more := range []string{"/", "x", ".evil.example", "@evil.example", "/../x", "?x", "#x", "%00"} {
		h.browser().get(issuer+"/one/authorize?redirect_uri="+url.QueryEscape(listed+more)).want(t, http.StatusBadRequest, "invalid_redirect_uri")
	}
	h.browser().get(issuer + "/one/authorize?redirect_uri=" + url.QueryEscape(listed)).must(t)
}

// A bad token could not be refused, because verifying never said no.
func TestFuture_F5_BadTokensAreRefused(t *testing.T) {
	h := newHouse(t, newWorld(t), plans{})
	b := h.browser()
	if a, _ := flows()[1].run(b, 0); !a.ok() {
		t.Fatal(a.body)
	}
	good := b.bearer
	for _, bad := range []string{
		good[1:], good[:len(good)-1], good + "A", strings.ToUpper(good), strings.Replace(good, ".", "..", 1), "undefined", "null", "eyJhbGciOiJub25lIn0.e30.",
		good[:strings.LastIndexByte(good, '.')+1], good[:strings.LastIndexByte(good, '.')] + ".AAAA",
	} {
		b.bearer = bad
		a := b.get(me)
		a.want(t, http.StatusUnauthorized, "invalid_token")
		if !strings.Contains(a.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
			t.Errorf("WWW-Authenticate %q", a.header.Get("WWW-Authenticate"))
		}
		if s, err := h.user.Verify(t.Context(), bad); err == nil || s != nil {
			t.Errorf("%.20q: %v, %v", bad, s, err)
		}
	}
}

// The session cookie lived for ten years.
func TestFuture_F6_NoCookieOutlivesWhatIsInIt(t *testing.T) {
	w := newWorld(t)
	sessions := 0
	for _, f := range flows() {
		h := newHouse(t, w, plans{})
		b := h.browser()
		for _, step := range f.steps {
			a := step(b).must(t)
			for _, k := range (&http.Response{Header: a.header}).Cookies() {
				life := time.Duration(k.MaxAge) * time.Second
				if k.MaxAge == 0 || life > 400*24*time.Hour {
					t.Errorf("%s: cookie %s lives for %v", f.name, k.Name, life)
				}
				if s, err := h.user.Verify(t.Context(), k.Value); err == nil {
					sessions++
					if end := w.Now().Add(life); end.After(s.Expires) {
						t.Errorf("%s: the cookie of a session ends %v after it", f.name, end.Sub(s.Expires))
					}
				}
				if strings.Contains(k.Name, "flow-") && life > 10*time.Minute {
					t.Errorf("%s: an attempt lives for %v", f.name, life)
				}
			}
		}
	}
	if sessions == 0 {
		t.Error("no session came in a cookie")
	}
}

// The check of the client was declared, and never called: any address got the token.
func TestFuture_F7_TheCheckIsCalled(t *testing.T) {
	h := newHouse(t, newWorld(t), plans{})
	evil := "?redirect_uri=" + url.QueryEscape("https://evil.example/")
	for _, provider := range []string{"one", "door", "link", "code"} {
		b := h.browser()
		for _, step := range []string{"/authorize", "/connect"} {
			b.get(issuer+"/"+provider+step+evil).want(t, http.StatusBadRequest, "invalid_redirect_uri")
			b.post(issuer+"/"+provider+step+evil, url.Values{"email": {"ada@example.com"}}).want(t, http.StatusBadRequest, "invalid_redirect_uri")
			b.post(issuer+"/"+provider+step, url.Values{"email": {"ada@example.com"}, "redirect_uri": {"https://evil.example/"}}).want(t, http.StatusBadRequest, "invalid_redirect_uri")
		}
		if len(b.Cookies) != 0 {
			t.Errorf("%s: an attempt was begun", provider)
		}
	}
	h.browser().get(issuer+"/authorize"+evil+"&provider=one").want(t, http.StatusBadRequest, "invalid_redirect_uri")
	if len(h.mail.Messages()) != 0 {
		t.Error("a mail was sent")
	}
	// Nor can the way back be changed later on.
	b := h.browser()
	begin("one", "")(b).must(t)
	a := b.get(b.back + "&" + evil[1:])
	if a.location == nil || a.location.String() != app {
		t.Errorf("%d, leads to %v", a.status, a.location)
	}
}

// The holder of the public key could make values that the server opened; and any JWT signed by it was taken for any
// other.
func TestFuture_F8_PublicKeysSealNothing(t *testing.T) {
	w := newWorld(t)
	h := newHouse(t, w, plans{})
	b := h.browser()
	begin("one", "")(b).must(t)
	published := h.browser().get(issuer + "/.well-known/jwks.json").must(t)
	set, err := keys.ParseJWKS([]byte(published.body))
	if err != nil || len(set) == 0 {
		t.Fatalf("%s: %v", published.body, err)
	}
	thief, err := keys.Generate(keys.ES256)
	if err != nil {
		t.Fatal(err)
	}
	for name := range b.Cookies {
		for _, kid := range []string{set[0].ID(), "", "a1"} {
			input := jose.SigningInput("ES256", kid, "", []byte(`{"id":"x","f":"one","at":1}`))
			signature, err := thief.Sign(t.Context(), input)
			if err != nil {
				t.Fatal(err)
			}
			for _, forged := range []string{
				jose.Compact(input, signature), "v1." + kid + "." + base64.RawURLEncoding.EncodeToString(append(make([]byte, 24), published.body[:64]...)),
				base64.RawURLEncoding.EncodeToString([]byte(`{"id":"x"}`)),
			} {
				c := b.clone()
				c.Cookies[name] = forged
				c.get(b.back).want(t, http.StatusBadRequest, "invalid_state")
			}
		}
	}
	// And no code reaches a log.
	c := h.browser()
	ask("code", "")(c).must(t)
	wrong := *c
	wrong.code = "000000"
	if c.code == wrong.code {
		wrong.code = "000001"
	}
	typeCode(&wrong).want(t, http.StatusBadRequest, "invalid_code")
	typeCode(c).must(t)
	h.silent()
}
