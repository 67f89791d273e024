package faults

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// Holes that OpenAuth had: its keys, its pages, its tokens, and the guide to it.

// Refresh tokens worked for any client, could be replayed and lay in the store in clear. None are given here, and
// what the store keeps of a sign-in holds no token.
func TestOpenAuth_O6_NoTokenInTheStore(t *testing.T) {
	w := newWorld(t)
	memory := &witness{Store: &store.Memory{Now: w.Now}}
	for _, f := range flows() {
		h := newHouse(t, w, plans{store: memory})
		if a, _ := f.run(h.browser(), 0); !a.ok() && a.code() != "rate_limited" {
			t.Fatal(a.body)
		}
		h.browser().post(issuer+"/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}, "client_id": {"api"}}).
			want(t, http.StatusBadRequest, "unsupported_grant_type", "invalid_grant")
		kept := memory.everything()
		if kept == "" {
			t.Fatal("nothing was stored")
		}
		for secret := range h.secrets {
			if len(secret) > 6 && strings.Contains(kept, secret) || regexp.MustCompile(`"`+regexp.QuoteMeta(secret)+`"`).MatchString(kept) {
				t.Errorf("%s: the store holds %q", f.name, secret)
			}
		}
	}
}

// Two instances that started on an empty store had two keys, and did not know each other's cookies.
func TestOpenAuth_O12_ColdStarts(t *testing.T) {
	w := newWorld(t)
	vault, shared := new(keys.MemoryVault), &store.Memory{Now: w.Now}
	houses := make([]*house, 8)
	var start sync.WaitGroup
	for i := range houses {
		start.Go(func() { houses[i] = newHouse(t, w, plans{vault: vault, store: shared}) })
	}
	start.Wait()
	for _, f := range flows()[:4] {
		for i := range houses {
			// Each step at another instance.
			w.Advance(30 * time.Minute) // or the mails of an hour end
			b := houses[i].browser()
			for n, step := range f.steps {
				b.house = houses[(i+n)%len(houses)]
				if a := step(b); !a.ok() {
					t.Fatalf("%s, step %d at another instance: %d %s", f.name, n, a.status, a.body)
				} else if n == len(f.steps)-1 {
					b.house = houses[(i+n+1)%len(houses)]
					if !b.signedIn(f.subject) {
						t.Errorf("%s: the session is unknown to another instance", f.name)
					}
				}
			}
		}
	}
}

// Verifiers kept the keys of their first request for ever: rotation broke them. SST Auth's keys never changed, and
// changing them signed everybody out (its finding S10).
func TestOpenAuth_O16_VerifiersFollowRotation(t *testing.T) {
	w := newWorld(t)
	h := newHouse(t, w, plans{})
	published, err := keys.Remote(keys.RemoteConfig{URL: issuer + "/.well-known/jwks.json", Client: &http.Client{Transport: serve{h.mux}}, Now: w.Now})
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := session.New(session.Config{Issuer: issuer, Audience: "api", Keys: published, Now: w.Now})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := session.NewKindConfig(sessions, session.KindConfig[user]{Name: "user", Stateless: true})
	create := func() (token, kid string) {
		t.Helper()
		tokens, err := h.user.Create(t.Context(), session.Grant[user]{Subject: "u1"})
		if err != nil {
			t.Fatal(err)
		}
		header, _ := decoded(t, tokens.Access)
		return tokens.Access, header["kid"].(string)
	}
	kids := map[string]bool{}
	for range 4 {
		token, kid := create()
		kids[kid] = true
		if _, err := elsewhere.Verify(t.Context(), token); err != nil {
			t.Fatalf("after %d rotations: %v", len(kids)-1, err)
		}
		if err := h.ring.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.Advance(2 * time.Minute)
		if _, err := elsewhere.Verify(t.Context(), token); err != nil {
			t.Errorf("a rotation signs people out: %v", err)
		}
		w.Advance(3 * time.Hour)
	}
	if len(kids) != 4 {
		t.Errorf("%d keys in four rotations", len(kids))
	}
	token, kid := create()
	if _, err := elsewhere.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if err := h.ring.Revoke(t.Context(), kid); err != nil {
		t.Fatal(err)
	}
	w.Advance(11 * time.Minute)
	if _, err := elsewhere.Verify(t.Context(), token); session.Reason(err) != "unknown_key" {
		t.Errorf("a token of a revoked key: %v", err)
	}
}

// serve is a network on which one handler answers.
type serve struct{ http.Handler }

func (s serve) RoundTrip(r *http.Request) (*http.Response, error) {
	in := httptest.NewRequest(r.Method, r.URL.String(), http.NoBody)
	in.Header = r.Header
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, in)
	return rec.Result(), nil
}
