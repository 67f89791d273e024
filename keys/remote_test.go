package keys_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testclock"
	"github.com/posternauth/postern/keys"
)

func generate(t testing.TB, alg keys.Algorithm) keys.SigningKey {
	t.Helper()
	key, err := keys.Generate(alg)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func jwks(t testing.TB, public ...*keys.PublicKey) string {
	t.Helper()
	doc, err := keys.JWKS(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

// A publisher serves a JWK Set and counts.
type publisher struct {
	*httptest.Server
	fetches atomic.Int64
	handler atomic.Pointer[http.HandlerFunc]
}

func publish(t *testing.T, doc string) *publisher {
	p := &publisher{}
	p.serve(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, doc) })
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.fetches.Add(1)
		(*p.handler.Load())(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) serve(h http.HandlerFunc) { p.handler.Store(&h) }

func (p *publisher) down() {
	p.serve(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", http.StatusBadGateway) })
}

func remote(t *testing.T, p *publisher, c *testclock.Clock, change ...func(*keys.RemoteConfig)) keys.Verifier {
	t.Helper()
	cfg := keys.RemoteConfig{URL: p.URL + "/jwks", AllowInsecure: true, Now: c.Now}
	for _, f := range change {
		f(&cfg)
	}
	v, err := keys.Remote(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func expect(t *testing.T, v keys.Verifier, kid string, want error) {
	t.Helper()
	k, err := v.PublicKey(t.Context(), kid)
	if !errors.Is(err, want) || (err == nil) != (k != nil) || err != nil && errors.Is(err, keys.ErrUnknownKey) == errors.Is(err, keys.ErrUnavailable) {
		t.Helper()
		t.Fatalf("kid %q: %v, %v; want %v", kid, k, err, want)
	}
}

func TestK2_UnknownKidFlood(t *testing.T) {
	const rogues, perSecond = 100_000, 1000
	a := generate(t, keys.EdDSA).Public()
	p, c := publish(t, jwks(t, a)), newClock()
	v := remote(t, p, c)
	expect(t, v, a.ID(), nil)
	for i := range rogues { // over 100 seconds
		if i%perSecond == 0 {
			c.Advance(time.Second)
		}
		if _, err := v.PublicKey(t.Context(), fmt.Sprint("rogue", i)); !errors.Is(err, keys.ErrUnknownKey) {
			t.Fatalf("rogue kid: %v", err)
		}
		if i == 60*perSecond-1 && p.fetches.Load() > 3 {
			t.Fatalf("%d fetches in the first minute", p.fetches.Load())
		}
	}
	if n := p.fetches.Load(); n < 3 || n > 5 {
		t.Errorf("%d fetches in 100 seconds, want 4", n)
	}
	expect(t, v, a.ID(), nil)
}

func TestK2_HostDown(t *testing.T) {
	a, b := generate(t, keys.EdDSA).Public(), generate(t, keys.EdDSA).Public()
	p, c := publish(t, jwks(t, a)), newClock()
	v := remote(t, p, c)
	expect(t, v, a.ID(), nil)
	p.down()
	for range 60 { // an hour
		c.Advance(time.Minute)
		expect(t, v, a.ID(), nil)
	}
	if n := p.fetches.Load(); n < 10 || n > 60 {
		t.Errorf("%d fetches in an hour of outage", n)
	}
	expect(t, v, "rogue", keys.ErrUnavailable) // it may be new, and that is unknown now
	c.Advance(time.Minute)
	p.serve(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, jwks(t, b)) })
	expect(t, v, b.ID(), nil)
	expect(t, v, a.ID(), keys.ErrUnknownKey) // its publisher took it back

	p.down()
	c.Advance(24*time.Hour - time.Minute)
	expect(t, v, b.ID(), nil)
	c.Advance(time.Minute) // MaxStale
	expect(t, v, b.ID(), keys.ErrUnavailable)
}

func TestK2_FirstFailure(t *testing.T) {
	a := generate(t, keys.EdDSA).Public()
	doc := jwks(t, a)
	p, c := publish(t, doc), newClock()
	p.down()
	v := remote(t, p, c)
	for range 1000 {
		expect(t, v, a.ID(), keys.ErrUnavailable)
	}
	for range 59 {
		c.Advance(time.Second)
		expect(t, v, a.ID(), keys.ErrUnavailable)
	}
	if n := p.fetches.Load(); n != 3 {
		t.Errorf("%d fetches in the first minute, want 3", n)
	}
	p.serve(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, doc) })
	c.Advance(30 * time.Second)
	expect(t, v, a.ID(), nil)
}

func TestRemoteShares(t *testing.T) {
	a := generate(t, keys.EdDSA).Public()
	doc := jwks(t, a)
	p, c := publish(t, doc), newClock()
	entered, release := make(chan struct{}, 100), make(chan struct{})
	p.serve(func(w http.ResponseWriter, _ *http.Request) {
		entered <- struct{}{}
		<-release
		fmt.Fprint(w, doc)
	})
	v := remote(t, p, c)

	// The caller that fetches goes away and does not wait, one that waits goes away, the others get the key.
	leaderCtx, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	left := make(chan struct{})
	wg.Go(func() {
		defer close(left)
		if _, err := v.PublicKey(leaderCtx, a.ID()); !errors.Is(err, keys.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Error("the caller that fetched and went away:", err)
		}
	})
	<-entered
	for range 20 {
		wg.Go(func() {
			if _, err := v.PublicKey(t.Context(), a.ID()); err != nil {
				t.Error("a caller that waited:", err)
			}
		})
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.PublicKey(gone, a.ID()); !errors.Is(err, keys.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Error("a caller that did not wait:", err)
	}
	leave()
	<-left
	close(release)
	wg.Wait()
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}

	// Nobody whose key is known waits for a fetch.
	release = make(chan struct{})
	c.Advance(time.Hour)
	wg.Go(func() { expect(t, v, a.ID(), nil) })
	<-entered
	expect(t, v, a.ID(), nil)
	close(release)
	wg.Wait()
}

func TestRemoteBounds(t *testing.T) {
	a := generate(t, keys.EdDSA).Public()
	doc := jwks(t, a)
	elsewhere := publish(t, doc)
	for name, h := range map[string]http.HandlerFunc{
		"500":          func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); fmt.Fprint(w, doc) },
		"404":          func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); fmt.Fprint(w, doc) },
		"204":          func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
		"empty":        func(http.ResponseWriter, *http.Request) {},
		"HTML":         func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"tail":         func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, doc, doc) },
		"no keys":      func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"kyes":[]}`) },
		"keys no list": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"keys":{}}`) },
		"too long": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, strings.TrimSpace(doc)+strings.Repeat(" ", 512<<10))
		},
		"endless": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		},
		"gzip": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			fmt.Fprint(z, doc)
			_ = z.Close()
		},
		"redirect elsewhere": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"redirect for ever":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/jwks", http.StatusFound) },
		"slow":               func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"slow body": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "{")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
		"too many keys": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"keys":[`+strings.Repeat(`{"kty":"x"},`, 100)+`{"kty":"x"}]}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := publish(t, doc)
			p.serve(h)
			v := remote(t, p, newClock(), func(cfg *keys.RemoteConfig) { cfg.Timeout = 100 * time.Millisecond })
			expect(t, v, a.ID(), keys.ErrUnavailable)
		})
	}
	if n := elsewhere.fetches.Load(); n != 0 {
		t.Errorf("%d requests reached another host", n)
	}

	p := publish(t, doc)
	p.serve(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/jwks" {
			http.Redirect(w, r, "/moved", http.StatusFound)
			return
		}
		if got := r.Header.Get("Accept-Encoding"); got != "identity" {
			t.Errorf("Accept-Encoding %q", got)
		}
		fmt.Fprint(w, doc)
	})
	expect(t, remote(t, p, newClock()), a.ID(), nil) // within the origin
}

// TestRemoteSets: one odd member of a published set costs that member, never the set (RFC 7517 section 5).
func TestRemoteSets(t *testing.T) {
	a, b := generate(t, keys.EdDSA).Public(), generate(t, keys.ES256).Public()
	other, third := generate(t, keys.EdDSA).Public(), generate(t, keys.ES256).Public()
	member := func(k *keys.PublicKey) string {
		return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(jwks(t, k)), `{"keys":[`), `]}`)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	weakJWK := fmt.Sprintf(`{"kty":"RSA","kid":"weak","alg":"RS256","e":"AQAB","n":%q}`, b64(weak.N.Bytes()))
	oct := `{"kty":"oct","kid":"oct","alg":"HS256","k":"` + b64(bytes.Repeat([]byte{1}, 32)) + `"}`
	shown := strings.Replace(member(b), `"kty"`, `"d":"AAAA","kty"`, 1)
	for name, tt := range map[string]struct {
		members []string
		want    error // for a
	}{
		"two":               {[]string{member(a), member(b)}, nil},
		"weak beside":       {[]string{weakJWK, member(a)}, nil},
		"private beside":    {[]string{shown, member(a)}, nil},
		"malformed beside":  {[]string{`{"kty":"EC","crv":"P-256","alg":"ES256","x":"AA","y":"AA","kid":"m"}`, `1`, `{}`, member(a)}, nil},
		"unknown beside":    {[]string{`{"kty":"AKP","alg":"ML-DSA-44","pub":"AA","kid":"pq"}`, member(a)}, nil},
		"no kid beside":     {[]string{strings.Replace(member(b), `"kid"`, `"dik"`, 1), member(a)}, nil},
		"enc with its kid":  {[]string{strings.Replace(member(b), `"sig"`, `"enc"`, 1), member(a)}, nil},
		"same kid, enc":     {[]string{strings.Replace(member(a), `"sig"`, `"enc"`, 1), member(a)}, nil},
		"only a":            {[]string{member(a)}, nil},
		"empty":             {nil, keys.ErrUnknownKey},
		"kid of another":    {[]string{member(a), strings.Replace(member(b), b.ID(), a.ID(), 1)}, nil},
		"key twice":         {[]string{member(a), member(a)}, nil},
		"key three times":   {[]string{member(a), member(b), member(a), member(a)}, nil},
		"two with its kid":  {[]string{member(a), strings.Replace(member(other), other.ID(), a.ID(), 1), member(b)}, keys.ErrUnknownKey},
		"two of another":    {[]string{member(a), member(b), strings.Replace(member(third), third.ID(), b.ID(), 1)}, nil},
		"with a secret":     {[]string{member(a), oct}, nil},
		"members twice":     {[]string{member(a), `{"kty":"EC","kty":"RSA"}`}, keys.ErrUnavailable},
		"members folded":    {[]string{member(a), `{"kty":"x","KTY":"RSA"}`}, nil}, // malformed, alone
		"malformed as text": {[]string{member(a), `{"kty":}`}, keys.ErrUnavailable},
	} {
		p := publish(t, `{"keys":[`+strings.Join(tt.members, ",")+`]}`)
		v := remote(t, p, newClock())
		if _, err := v.PublicKey(t.Context(), a.ID()); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
		for _, kid := range []string{"weak", "oct", "m", "pq"} {
			if k, err := v.PublicKey(t.Context(), kid); err == nil && k.ID() == kid {
				t.Errorf("%s: kid %s verifies", name, kid)
			}
		}
	}
}

func TestRemoteAlgorithms(t *testing.T) {
	a, b, r := generate(t, keys.EdDSA).Public(), generate(t, keys.ES256).Public(), generate(t, keys.PS256).Public()
	doc := jwks(t, a, b, r)
	p := publish(t, doc)
	v := remote(t, p, newClock(), func(cfg *keys.RemoteConfig) { cfg.Algorithms = []keys.Algorithm{keys.ES256} })
	expect(t, v, b.ID(), nil)
	expect(t, v, a.ID(), keys.ErrUnknownKey)
	expect(t, v, "", nil) // the only one that is accepted

	p.serve(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, strings.Replace(doc, `"alg":"PS256",`, "", 1))
	})
	for _, tt := range []struct{ accept, want keys.Algorithm }{{keys.PS256, keys.PS256}, {keys.RS512, keys.RS512}, {"", keys.RS256}} {
		v := remote(t, p, newClock(), func(cfg *keys.RemoteConfig) {
			if tt.accept != "" {
				cfg.Algorithms = []keys.Algorithm{keys.ES256, tt.accept}
			}
		})
		if k, err := v.PublicKey(t.Context(), r.ID()); err != nil || k.Algorithm() != tt.want {
			t.Errorf("an RSA key without alg, %q accepted: %v, %v", tt.accept, k, err)
		}
	}
}

func TestRemoteConfig(t *testing.T) {
	for name, cfg := range map[string]keys.RemoteConfig{
		"none": {}, "relative": {URL: "/jwks"}, "http": {URL: "http://example.com/"}, "http loopback": {URL: "http://127.0.0.1/"},
		"http elsewhere":       {URL: "http://example.com/", AllowInsecure: true},
		"http looks loopback":  {URL: "http://localhost.example.com/", AllowInsecure: true},
		"http looks loopback2": {URL: "http://127.0.0.1.example.com/", AllowInsecure: true},
		"file":                 {URL: "file:///etc/passwd"}, "user": {URL: "https://user:secret@example.com/"},
		"fragment": {URL: "https://example.com/#a"}, "not a URL": {URL: "https://exa mple.com/"},
		"HS256": {URL: "https://example.com/", Algorithms: []keys.Algorithm{keys.RS256, keys.HS256}},
	} {
		if _, err := keys.Remote(cfg); err == nil || strings.Contains(err.Error(), "secret@") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, url := range []string{"http://localhost:1/", "http://127.9.9.9/", "http://[::1]:8080/jwks", "https://example.com/jwks?a=b"} {
		if _, err := keys.Remote(keys.RemoteConfig{URL: url, AllowInsecure: true}); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestRemoteDefaultClientAndLog(t *testing.T) {
	var log bytes.Buffer
	p := publish(t, "")
	v := remote(t, p, newClock(), func(cfg *keys.RemoteConfig) { cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	expect(t, v, "a", keys.ErrUnavailable)
	if !strings.Contains(log.String(), "could not be fetched") || !strings.Contains(log.String(), p.URL) {
		t.Errorf("log: %s", log.String())
	}
	expect(t, v, "", keys.ErrUnavailable)
}
