package faults

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/session"
)

// TestK2_FloodOfStrangeKeys: a hundred thousand requests with tokens of keys that nobody published, over a hundred
// seconds, cost at most three fetches a minute on the whole path of a server that trusts another issuer, and its own
// people don't notice.
func TestK2_FloodOfStrangeKeys(t *testing.T) {
	const flood, perSecond = 100_000, 1000
	w := newWorld(t)
	key, err := keys.Generate(keys.ES256)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := keys.JWKS([]*keys.PublicKey{key.Public()})
	if err != nil {
		t.Fatal(err)
	}
	var fetches atomic.Int32
	publisher := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetches.Add(1)
		_, _ = w.Write(doc)
	}))
	t.Cleanup(publisher.Close)
	set, err := keys.Remote(keys.RemoteConfig{URL: publisher.URL, AllowInsecure: true, Now: w.Now})
	if err != nil {
		t.Fatal(err)
	}
	trust, err := session.NewExternal[struct{}](session.ExternalConfig{
		Issuer: "https://other.example", Audience: "api", Algorithms: []keys.Algorithm{keys.ES256}, Keys: set, Now: w.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	page := trust.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "in") }))
	ask := func(token string) int {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		rec := httptest.NewRecorder()
		page.ServeHTTP(rec, r)
		return rec.Code
	}
	token := func(kid string) string {
		payload := fmt.Sprintf(`{"iss":"https://other.example","aud":"api","sub":"1","exp":%d}`, w.Now().Add(time.Hour).Unix())
		input := jose.SigningInput("ES256", kid, "JWT", []byte(payload))
		signature, err := key.Sign(t.Context(), input)
		if err != nil {
			t.Fatal(err)
		}
		return jose.Compact(input, signature)
	}
	good := token(key.Public().ID())
	if status := ask(good); status != http.StatusOK {
		t.Fatalf("a good token: %d", status)
	}
	fetches.Store(0)
	minute := int32(0)
	for i := range flood {
		if i%perSecond == 0 {
			w.Advance(time.Second)
			if status := ask(good); status != http.StatusOK {
				t.Fatalf("a good token in second %d: %d", i/perSecond, status)
			}
		}
		forged := jose.Compact(jose.SigningInput("ES256", fmt.Sprintf("rogue-%d", i), "JWT", []byte(`{"iss":"https://other.example"}`)), make([]byte, 64))
		if status := ask(forged); status != http.StatusUnauthorized {
			t.Fatalf("forged token %d: %d", i, status)
		}
		if i == 60*perSecond-1 {
			minute = fetches.Load()
		}
	}
	if n := fetches.Load(); minute < 1 || minute > 3 || n > 5 {
		t.Errorf("%d fetches in the first minute, %d in a hundred seconds", minute, n)
	}
	// Nor do many at once cost more than one.
	w.Advance(time.Minute)
	fetches.Store(0)
	var crowd sync.WaitGroup
	for i := range 1000 {
		forged := jose.Compact(jose.SigningInput("ES256", fmt.Sprintf("crowd-%d", i), "JWT", []byte(`{}`)), make([]byte, 64))
		crowd.Go(func() { ask(forged) })
	}
	crowd.Wait()
	if n := fetches.Load(); n > 1 {
		t.Errorf("%d fetches for a thousand at once", n)
	}
}

// TestK2_FloodOfCallbacks: forged callbacks reach neither the token endpoint nor the keys of a provider; and where the
// provider itself signs with keys it does not publish, its keys are fetched three times in a minute at most.
func TestK2_FloodOfCallbacks(t *testing.T) {
	w := newWorld(t)
	idp := w.NewIdP("https://fast.example", "ES256")
	c := client(w)
	c.Issuer, c.Algorithms = idp.Issuer(), []algorithm{"ES256"}
	h := newHouse(t, w, plans{providers: map[string]postern.Provider{"google": oidc.New(c)}})
	first := h.browser()
	begin("google", "")(first).must(t)
	callback(first).must(t)
	idp.ResetCalls()
	mine := h.browser()
	begin("google", "")(mine).must(t)
	own, err := url.Parse(mine.back)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2000 {
		q := url.Values{"code": {fmt.Sprint("forged", i)}, "state": {own.Query().Get("state")}, "iss": {own.Query().Get("iss")}}
		h.browser().get(issuer+"/google/callback?"+q.Encode()).want(t, http.StatusBadRequest, "invalid_state")
	}
	if token, jwks := idp.Calls(fakeidp.Token), idp.Calls(fakeidp.JWKS); token+jwks != 0 {
		t.Errorf("forged callbacks cost %d token requests and %d fetches of keys", token, jwks)
	}
	callback(mine).must(t)

	idp.ResetCalls()
	idp.SetFaults(fakeidp.Faults{UnknownKey: true})
	seconds := make([]int, 120)
	for i := range 2 * len(seconds) { // two sign-ins a second
		if i%2 == 0 {
			w.Advance(time.Second)
		}
		before := idp.Calls(fakeidp.JWKS)
		b := h.browser()
		b.Addr = fmt.Sprintf("198.51.%d.1:1", i) // of many clients: one alone is limited sooner
		begin("google", "")(b).must(t)
		callback(b).want(t, http.StatusBadRequest, "invalid_id_token")
		seconds[i/2] += idp.Calls(fakeidp.JWKS) - before
	}
	for i := range len(seconds) - 59 {
		minute := 0
		for _, n := range seconds[i : i+60] {
			minute += n
		}
		if minute < 1 || minute > 3 {
			t.Errorf("%d fetches of keys in the minute from second %d", minute, i+1)
		}
	}
}
