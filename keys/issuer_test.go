package keys_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testclock"
	"github.com/posternauth/postern/keys"
)

const wellKnown = "/.well-known/openid-configuration"

// An issuer serves metadata and, at any other path, a key set.
type issuer struct {
	*publisher
	metadata, sets   atomic.Int64 // requests
	document, keySet atomic.Pointer[string]
}

func publishIssuer(t *testing.T, set string) *issuer {
	i := &issuer{publisher: publish(t, "")}
	i.keySet.Store(&set)
	i.names(i.URL, i.URL+"/jwks")
	i.up()
	return i
}

// names sets what the metadata say.
func (i *issuer) names(issuer, jwks string) {
	doc := fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q,"authorization_endpoint":"http://ignored.example/","token_endpoint":null}`, issuer, jwks)
	i.document.Store(&doc)
}

func (i *issuer) up() {
	i.serve(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, wellKnown) {
			i.metadata.Add(1)
			fmt.Fprint(w, *i.document.Load())
			return
		}
		i.sets.Add(1)
		fmt.Fprint(w, *i.keySet.Load())
	})
}

func discover(t *testing.T, i *issuer, c *testclock.Clock, change ...func(*keys.RemoteConfig)) keys.Verifier {
	t.Helper()
	return remote(t, i.publisher, c, append([]func(*keys.RemoteConfig){func(cfg *keys.RemoteConfig) {
		cfg.URL, cfg.Issuer = "", i.URL
	}}, change...)...)
}

// TestRemoteIssuer: keys are found by the metadata, on another host too; unknown kids do not have them read again.
func TestRemoteIssuer(t *testing.T) {
	a, b := generate(t, keys.EdDSA).Public(), generate(t, keys.ES256).Public()
	host, c := publishIssuer(t, jwks(t, a)), newClock()
	i := publishIssuer(t, "")
	i.names(i.URL, host.URL+"/elsewhere?tenant=1")
	v := discover(t, i, c)
	if i.fetches.Load() != 0 {
		t.Error("Remote reads metadata before they are needed")
	}
	for range 10 {
		expect(t, v, a.ID(), nil)
		expect(t, v, "rogue", keys.ErrUnknownKey)
	}
	if m, s := i.metadata.Load(), host.sets.Load(); m != 1 || s != 1 || i.sets.Load() != 0 {
		t.Errorf("%d requests for metadata, %d for keys", m, s)
	}
	rotated := jwks(t, a, b)
	host.keySet.Store(&rotated)
	expect(t, v, b.ID(), keys.ErrUnknownKey) // within the cooldown
	c.Advance(30 * time.Second)
	expect(t, v, b.ID(), nil)
	if m, s := i.metadata.Load(), host.sets.Load(); m != 1 || s != 2 {
		t.Errorf("after a rotation: %d requests for metadata, %d for keys", m, s)
	}

	// An issuer with a path, and with a slash at the end.
	for _, path := range []string{"/", "/tenant", "/tenant/"} {
		i.names(i.URL+path, host.URL+"/elsewhere")
		expect(t, discover(t, i, c, func(cfg *keys.RemoteConfig) { cfg.Issuer += path }), a.ID(), nil)
	}
}

// TestRemoteIssuer_Moves: jwks_uri changes when the metadata are read again, and the old place is not asked any more.
func TestRemoteIssuer_Moves(t *testing.T) {
	a, b := generate(t, keys.EdDSA).Public(), generate(t, keys.EdDSA).Public()
	old, next, c := publishIssuer(t, jwks(t, a)), publishIssuer(t, jwks(t, b)), newClock()
	i := publishIssuer(t, "")
	i.names(i.URL, old.URL)
	v := discover(t, i, c)
	expect(t, v, a.ID(), nil)
	i.names(i.URL, next.URL)
	c.Advance(10*time.Minute - time.Second)
	expect(t, v, a.ID(), nil)
	if n := next.fetches.Load(); n != 0 {
		t.Errorf("%d requests reached the new place before MaxAge", n)
	}
	c.Advance(time.Second)
	before := old.fetches.Load()
	expect(t, v, a.ID(), keys.ErrUnknownKey)
	expect(t, v, b.ID(), nil)
	if n := old.fetches.Load() - before; n != 0 {
		t.Errorf("%d requests reached the old place", n)
	}
}

// TestRemoteIssuer_Outage: each of the two documents may be away for a while.
func TestRemoteIssuer_Outage(t *testing.T) {
	a, b := generate(t, keys.EdDSA).Public(), generate(t, keys.EdDSA).Public()
	host, c := publishIssuer(t, jwks(t, a)), newClock()
	i := publishIssuer(t, "")
	i.names(i.URL, host.URL)
	i.down()
	v := discover(t, i, c)
	expect(t, v, a.ID(), keys.ErrUnavailable)
	i.up()
	c.Advance(time.Minute)
	expect(t, v, a.ID(), nil)

	i.down() // the keys are still where they were
	rotated := jwks(t, a, b)
	host.keySet.Store(&rotated)
	c.Advance(time.Hour)
	expect(t, v, b.ID(), nil)

	// A server that hangs: half of the time is left for the keys.
	i.serve(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	slow := discover(t, i, c, func(cfg *keys.RemoteConfig) { cfg.Timeout = 200 * time.Millisecond })
	expect(t, slow, a.ID(), keys.ErrUnavailable)
	i.up()
	c.Advance(time.Minute)
	expect(t, slow, a.ID(), nil)
	i.serve(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	again := jwks(t, b)
	host.keySet.Store(&again)
	c.Advance(time.Hour)
	expect(t, slow, a.ID(), keys.ErrUnknownKey)

	i.down()
	expect(t, v, b.ID(), nil)
	host.down()
	c.Advance(23 * time.Hour)
	expect(t, v, b.ID(), nil)
	c.Advance(time.Hour) // MaxStale
	expect(t, v, b.ID(), keys.ErrUnavailable)
}

// TestC5_RemoteIssuer: metadata of another issuer, or from another place, lead to no key.
func TestC5_RemoteIssuer(t *testing.T) {
	a := generate(t, keys.EdDSA).Public()
	i, elsewhere := publishIssuer(t, jwks(t, a)), publishIssuer(t, jwks(t, a))
	elsewhere.names(i.URL, elsewhere.URL+"/jwks") // it claims to be i
	whole := fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, i.URL, i.URL+"/jwks")
	for name, h := range map[string]http.HandlerFunc{
		"redirect elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+wellKnown, http.StatusFound)
		},
		"redirect within":      func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/moved", http.StatusFound) },
		"404":                  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); fmt.Fprint(w, whole) },
		"500":                  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); fmt.Fprint(w, whole) },
		"too long":             func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, whole, strings.Repeat(" ", 512<<10)) },
		"tail":                 func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, whole, whole) },
		"other issuer":         says(elsewhere.URL, i.URL+"/jwks"),
		"issuer with slash":    says(i.URL+"/", i.URL+"/jwks"),
		"issuer in capitals":   says(strings.ToUpper(i.URL), i.URL+"/jwks"),
		"no issuer":            says("", i.URL+"/jwks"),
		"no jwks_uri":          says(i.URL, ""),
		"jwks_uri by http":     says(i.URL, "http://keys.example.com/jwks"),
		"jwks_uri relative":    says(i.URL, "/jwks"),
		"jwks_uri credentials": says(i.URL, strings.Replace(i.URL, "://", "://a:secret@", 1)),
		"jwks_uri file":        says(i.URL, "file:///etc/passwd"),
		"jwks_uri odd number":  says(i.URL, "https://2130706433/jwks"),
		"issuer twice": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, strings.Replace(whole, "{", `{"issuer":"x",`, 1))
		},
	} {
		i.serve(h)
		v := discover(t, i, newClock())
		if _, err := v.PublicKey(t.Context(), a.ID()); !errors.Is(err, keys.ErrUnavailable) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if m, s := elsewhere.fetches.Load(), i.sets.Load(); m != 0 || s != 0 {
		t.Errorf("%d requests reached another host, %d the keys", m, s)
	}

	// The keys are held to the host the metadata name.
	i.serve(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case wellKnown:
			fmt.Fprint(w, whole)
		default:
			http.Redirect(w, r, elsewhere.URL+"/jwks", http.StatusFound)
		}
	})
	expect(t, discover(t, i, newClock()), a.ID(), keys.ErrUnavailable)
	if n := elsewhere.fetches.Load(); n != 0 {
		t.Errorf("%d requests followed a redirect of the keys", n)
	}
}

func says(issuer, jwks string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, issuer, jwks)
	}
}

// TestC6_RemoteIssuerAddresses: neither the issuer nor its jwks_uri may be an address that is not public.
func TestC6_RemoteIssuerAddresses(t *testing.T) {
	_, port, connections := inside(t, "")
	byIssuer := func(cfg *keys.RemoteConfig) { cfg.URL, cfg.Issuer = "", cfg.URL }
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "10.0.0.1", "169.254.169.254", "[fd00:ec2::254]"} {
		refused(t, "https://"+host+":"+port, byIssuer)
	}
	for _, host := range []string{"127.0.0.1", "169.254.169.254", "[fd00:ec2::254]"} {
		refused(t, "https://"+host+":"+port, byIssuer, allowPrivate)
	}
	for _, ip := range []string{"127.0.0.1", "10.1.2.3", "169.254.169.254", "fd00::1"} {
		var lookups atomic.Int64
		rebind(t, netip.MustParseAddr(ip), &lookups)
		refused(t, "https://id.rebind.test:"+port, byIssuer)
	}

	// the author of the document chooses jwks_uri: a public issuer cannot send the request inside.
	i := publishIssuer(t, "")
	for _, target := range []string{"https://10.0.0.1/jwks", "https://169.254.169.254/latest", "https://[fd00:ec2::254]/"} {
		i.names(i.URL, target)
		_, err := discover(t, i, newClock()).PublicKey(t.Context(), "k")
		if !errors.Is(err, keys.ErrUnavailable) || !strings.Contains(err.Error(), "address refused") {
			t.Errorf("%s: %v", target, err)
		}
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

func TestRemoteIssuerConfig(t *testing.T) {
	for name, cfg := range map[string]keys.RemoteConfig{
		"both":     {Issuer: "https://example.com", URL: "https://example.com/jwks"},
		"relative": {Issuer: "/tenant"}, "http": {Issuer: "http://example.com"}, "http loopback": {Issuer: "http://127.0.0.1"},
		"user": {Issuer: "https://user:secret@example.com"}, "fragment": {Issuer: "https://example.com/#a"}, "empty fragment": {Issuer: "https://example.com/#"},
		"query": {Issuer: "https://example.com/?a=b"}, "empty query": {Issuer: "https://example.com?"}, "no scheme": {Issuer: "example.com"},
	} {
		if _, err := keys.Remote(cfg); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A client of the caller's own decides for itself.
	a := generate(t, keys.EdDSA).Public()
	var base string
	s, _, _ := inside(t, "")
	base = s.URL
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == wellKnown {
			says(base, base+"/jwks")(w, r)
			return
		}
		fmt.Fprint(w, jwks(t, a))
	})
	v, err := keys.Remote(keys.RemoteConfig{Issuer: base, Client: s.Client()})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, v, a.ID(), nil)
}
