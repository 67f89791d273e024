package faults

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// TestC7_TrustedKeysGoWrong: a server that trusts another issuer answers 503 in six seconds while the keys of that
// issuer have never been had, whatever is wrong with them; and once it has them, it goes on with them without
// waiting.
func TestC7_TrustedKeysGoWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key, err := keys.Generate(keys.ES256)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := keys.JWKS([]*keys.PublicKey{key.Public()})
	if err != nil {
		t.Fatal(err)
	}
	other, err := keys.StaticSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	abroad, err := session.New(session.Config{Issuer: "https://other.example", Audience: "api", Keys: other, Now: w.Now})
	if err != nil {
		t.Fatal(err)
	}
	kind := session.NewKindConfig(abroad, session.KindConfig[user]{Name: "user", Stateless: true, Access: 24 * time.Hour})
	tokens, err := kind.Create(t.Context(), session.Grant[user]{Subject: "u1"})
	if err != nil {
		t.Fatal(err)
	}

	var visits []func()
	for _, m := range append(quick(t), slow(t)...) {
		if m.endpoint != fakeidp.JWKS {
			continue
		}
		p := newFront(t, w)
		p.answers["/jwks"] = string(doc)
		url := p.url + "/jwks"
		visit := func(set keys.Verifier) (status int, took time.Duration) {
			trust, err := session.NewExternal[user](session.ExternalConfig{
				Issuer: "https://other.example", Audience: "api", Algorithms: []keys.Algorithm{keys.ES256}, Keys: set, Now: w.Now,
			})
			if err != nil {
				t.Error(err)
				return 0, 0
			}
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Authorization", "Bearer "+tokens.Access)
			rec := httptest.NewRecorder()
			start := time.Now()
			trust.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(rec, r)
			if rec.Code == http.StatusServiceUnavailable && rec.Header().Get("Retry-After") == "" {
				t.Errorf("%s: 503 without Retry-After", m.name)
			}
			return rec.Code, time.Since(start)
		}
		had, err := keys.Remote(keys.RemoteConfig{URL: url, AllowInsecure: true, Now: w.Now})
		if err != nil {
			t.Fatal(err)
		}
		if status, _ := visit(had); status != http.StatusOK {
			t.Fatalf("before: %d", status)
		}
		delete(p.answers, "/jwks")
		p.moved["jwks_uri"] = url
		m.do(p)
		if moved := p.moved["jwks_uri"]; moved != url { // these keys are where their configuration says
			url, p.answers["/jwks"] = moved+"/jwks", string(doc)
		}
		never, err := keys.Remote(keys.RemoteConfig{URL: url, AllowInsecure: true, Now: w.Now})
		if err != nil {
			t.Fatal(err)
		}
		visits = append(visits, func() {
			status, took := visit(never)
			useless := m.useless && status == http.StatusUnauthorized // a set without this key
			if status != http.StatusServiceUnavailable && !useless || took > bound {
				t.Errorf("%s, keys that were never had: %d after %v", m.name, status, took)
			}
		}, func() {
			status, took := visit(had)
			if useless := m.useless && status == http.StatusUnauthorized; status != http.StatusOK && !useless || took > bound {
				t.Errorf("%s, keys that were had: %d after %v", m.name, status, took)
			}
		})
	}
	if len(visits) < 40 {
		t.Errorf("%d visits", len(visits))
	}
	w.Advance(11 * time.Minute) // the sets that were had are due to be fetched again
	var all sync.WaitGroup
	for _, visit := range visits {
		all.Go(visit)
	}
	all.Wait()
}
