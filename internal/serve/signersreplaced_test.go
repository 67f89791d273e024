package serve

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/posternauth/postern/store"
)

// TestE4_SignersReplaced: the entry of a key that may be known to others is replaced by that of another, without from,
// and the configuration is read again. At once the new key signs, and servers refuse what the old one signed; a gateway
// with the published keys from before accepts it. Sessions go on with tokens of the new key, unless not_before is set.
// Then the old key can be disabled.
func TestE4_SignersReplaced(t *testing.T) {
	c := newCloud(t)
	old, oldPEM := c.key(types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify)
	next, nextPEM := c.key(types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify)
	file := "#BEFORE\n" + wireFile + "\n[[keys.signers]]\nkey = \"kms:${ARN}\"\npublic_key = \"${PUBLIC}\"\n"
	var parts Parts
	var env environment
	w := newWire(t, "memory", file, func(p *Parts, e environment) {
		shared := &store.Memory{Now: p.Now}
		p.OpenStore = func(context.Context, string) (store.Store, func(), error) { return shared, func() {}, nil }
		e["ARN"], e["PUBLIC"], p.OpenSigner = old, oldPEM, c.open
		parts, env = *p, e
	})
	b := w.browser()
	b.signUp(ada, secretPhrase)
	leaked := b.token()
	gateway, kids := b.published()
	w.clock.Advance(time.Minute)

	env["ARN"], env["PUBLIC"] = next, nextPEM
	reload := func(before string) (ask func(method, path string, header ...string) *httptest.ResponseRecorder) {
		t.Helper()
		config, err := Parse("postern.toml", []byte(strings.Replace(file, "#BEFORE", before, 1)), env.lookup)
		if err != nil {
			t.Fatal(err)
		}
		h, err := Open(t.Context(), config, parts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		})
		return func(method, path string, header ...string) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(t.Context(), method, w.origin+path, nil)
			for i := 0; i+1 < len(header); i += 2 {
				r.Header.Add(header[i], header[i+1])
			}
			answer := httptest.NewRecorder()
			h.Handler().ServeHTTP(answer, r)
			return answer
		}
	}
	ask := reload("")
	verify := []string{"X-Original-Method", "GET", "X-Original-Uri", "/wiki", "Authorization", "Bearer " + leaked}
	if status, _ := b.verify("/auth/verify", "/wiki"); status != http.StatusOK {
		t.Fatalf("a server that was not reloaded: %d", status)
	}
	if a := ask(http.MethodGet, "/auth/verify", verify...); a.Code != http.StatusUnauthorized {
		t.Errorf("a token of the old key: %d %s", a.Code, a.Body)
	}
	if _, _, err := check(t, gateway, leaked); err != nil {
		t.Errorf("a gateway with the keys from before: %v", err)
	}
	if a := ask(http.MethodGet, "/auth/.well-known/jwks.json"); strings.Contains(a.Body.String(), kids[0]) {
		t.Errorf("the old key is published: %s", a.Body)
	}
	id := old[strings.LastIndexByte(old, '/')+1:] // the stand-in knows no ARN here
	if _, err := c.api.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &id}); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(w.origin + "/auth/refresh")
	if err != nil {
		t.Fatal(err)
	}
	refresh := []string{"Origin", w.origin}
	for _, cookie := range b.Jar.Cookies(u) {
		refresh = append(refresh, "Cookie", cookie.Name+"="+cookie.Value)
	}
	w.clock.Advance(time.Minute)
	ended := reload("not_before = " + w.clock.Now().Format(time.RFC3339))
	if a := ended(http.MethodPost, "/auth/refresh", refresh...); a.Code != http.StatusUnauthorized {
		t.Errorf("a session from before not_before: %d %s", a.Code, a.Body)
	}
	a := ask(http.MethodPost, "/auth/refresh", refresh...)
	fresh := ""
	for _, cookie := range a.Result().Cookies() {
		if strings.HasPrefix(cookie.Value, "eyJ") {
			fresh = cookie.Value
		}
	}
	if a.Code >= 300 || fresh == "" {
		t.Fatalf("a refresh: %d %s", a.Code, a.Body)
	}
	verify[5] = "Bearer " + fresh
	if a := ask(http.MethodGet, "/auth/verify", verify...); a.Code != http.StatusOK {
		t.Errorf("a token of the new key: %d %s", a.Code, a.Body)
	}
}
