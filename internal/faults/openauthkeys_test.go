package faults

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// Holes that OpenAuth had: its keys, its pages, its tokens, and the guide to it.

// Refresh tokens worked for any client, could be replayed and lay in the store in clear. None are given here, and what the
// store keeps of a sign-in holds no token.
func TestOpenAuth_O6_NoTokenInTheStore(t *testing.T) {
	w := newWorld(t)
	memory := &witness{Store: &store.Memory{Now: w.Now}}
	for _, f := range flows() {
		h := newHouse(t, w, plans{store: memory})
		if a, _ := f.run(h.browser(), 0); !a.ok() && a.code() != "rate_limited" {
			t.Fatal(a.body)
		}
		h.browser().post(issuer+"/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}, "client_id": {"web"}}).
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
			b := houses[i].browser()
			for n, step := range f.steps {
				b.house = houses[(i+n)%len(houses)]
				if a := step(b); !a.ok() && a.code() != "rate_limited" {
					t.Errorf("%s, step %d at another instance: %d %s", f.name, n, a.status, a.body)
				} else if !a.ok() {
					break
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

// What ended all sessions of a user went by another name of theirs than the application's. The subject of a token is
// what the application said, and its session id belongs to that subject.
func TestOpenAuth_O14_SubjectIsTheApplications(t *testing.T) {
	h := newHouse(t, newWorld(t), plans{})
	prefixes := map[string]string{}
	for _, subject := range []string{"u1", "u2", "U1", "u1 ", "ada@example.com", "ünï"} {
		for range 2 {
			tokens, err := h.user.Create(t.Context(), session.Grant[user]{Subject: subject})
			if err != nil {
				t.Fatal(err)
			}
			_, claims := decoded(t, tokens.Access)
			prefix, _, _ := strings.Cut(tokens.SessionID, ".")
			if claims["sub"] != subject || claims["sid"] != tokens.SessionID {
				t.Errorf("%q: sub %v, sid %v", subject, claims["sub"], claims["sid"])
			}
			if owner, known := prefixes[prefix]; known && owner != subject {
				t.Errorf("sessions of %q and %q lie together", owner, subject)
			}
			prefixes[prefix] = subject
		}
	}
	if len(prefixes) != 6 {
		t.Errorf("%d prefixes of six subjects", len(prefixes))
	}
}

// Pages had no policy, could be framed and cached, and loaded fonts from elsewhere.
func TestOpenAuth_O15_Pages(t *testing.T) {
	h := newHouse(t, newWorld(t), plans{})
	b := h.browser()
	b.header.Set("Accept", "text/html")
	remote := regexp.MustCompile(`(?i)(src|srcset|href|action|data|poster)\s*=\s*["']?(https?:)?//([^"'/ >]*)|@import|url\(`)
	pages := 0
	for _, path := range []string{
		"/authorize", "/link/authorize", "/code/authorize", "/link/authorize?email=%22%3E%3Cscript%3E", "/nowhere", "/one/callback?state=x&code=y", "/one/callback?error=%3Cb%3E",
		"/one/authorize?redirect_uri=" + evil, "/link/callback?state=x&token=y", "/authorize?provider=nobody",
	} {
		a := b.get(issuer + path)
		if !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			t.Errorf("%s is %s", path, a.header.Get("Content-Type"))
			continue
		}
		pages++
		csp := a.header.Get("Content-Security-Policy")
		for _, rule := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action", "base-uri 'none'"} {
			if !strings.Contains(csp, rule) {
				t.Errorf("%s: no %s in %q", path, rule, csp)
			}
		}
		if strings.Contains(csp, "unsafe-") || a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Cache-Control") != "no-store" || a.header.Get("Referrer-Policy") == "" {
			t.Errorf("%s: %v", path, a.header)
		}
		for _, m := range remote.FindAllStringSubmatch(a.body, -1) {
			if m[3] != "app.example" {
				t.Errorf("%s loads %s", path, m[0])
			}
		}
		if strings.Contains(a.body, "<script") {
			t.Errorf("%s has a script", path)
		}
	}
	if pages < 10 {
		t.Errorf("%d pages", pages)
	}
	for _, from := range []string{"cross-site", "same-site"} { // no other site fills in a form
		b.header.Set("Sec-Fetch-Site", from)
		b.header.Set("Accept", "application/json")
		b.post(issuer+"/link/authorize", url.Values{"email": {"ada@example.com"}}).want(t, http.StatusForbidden, "cross_origin")
	}
}

// Verifiers kept the keys of their first request for ever: rotation broke them.
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
		w.Advance(3*time.Hour + time.Minute)
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
	if _, err := elsewhere.Verify(t.Context(), token); !errors.Is(err, session.ErrUnknownKey) {
		t.Errorf("a token of a revoked key: %v", err)
	}
}

// The guide let every address in, left PKCE and state out, and set cookies without Secure. None of it can be configured.
func TestOpenAuth_O17_NoUnsafeStart(t *testing.T) {
	w := newWorld(t)
	h := newHouse(t, w, plans{})
	for _, redirects := range [][]string{nil, {""}, {"*"}, {"https://*"}, {"https://*.example.com/"}, {"http://app.example.com/"}, {"//app.example.com"}, {"javascript:alert(1)"}} {
		c := postern.Config{
			Sessions: h.sessions, Redirects: redirects, Providers: map[string]postern.Provider{"door": door{}},
			OnSuccess: func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return nil },
		}
		if _, err := postern.New(c); err == nil {
			t.Errorf("Redirects %q are accepted", redirects)
		}
	}
	if _, err := session.New(session.Config{Issuer: "http://app.example/auth", Audience: "api", Keys: h.ring}); err == nil {
		t.Error("an issuer without https is accepted")
	}
	b := h.browser()
	a := begin("one", "")(b).must(t)
	if q := a.location.Query(); q.Get("state") == "" || q.Get("code_challenge") == "" || q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" {
		t.Errorf("the provider is asked %s", a.location)
	}
	for _, k := range (&http.Response{Header: a.header}).Cookies() {
		if !k.Secure || !k.HttpOnly || k.SameSite != http.SameSiteLaxMode {
			t.Errorf("cookie %s", k.Name)
		}
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
