package hostile

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// cost is what a call takes: the bytes it allocates, and its time at the best of several tries.
func cost(call func()) (bytes uint64, best time.Duration) {
	best = time.Hour
	bytes = 1 << 62
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		call()
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		best = min(best, took)
		bytes = min(bytes, after.TotalAlloc-before.TotalAlloc) // what the runtime itself allocates now and then is not ours
	}
	return bytes, best
}

// bounds are inputs of up to 8 MiB: those of the corpus, and more that are no tokens at all.
func bounds(t *testing.T) map[string]string {
	inputs := map[string]string{}
	for _, one := range load(t).Cases {
		if one.Group == "dos" && !one.Accept && one.Layer != Profile {
			inputs[one.Name] = one.Text()
		}
	}
	good := newForge(t).good()
	fill := func(unit string) string { return strings.Repeat(unit, 8<<20/len(unit)) }
	for name, unit := range map[string]string{"cookies": "a=b; ", "semicolons": ";", "commas": "a, ", "good tokens and commas": good + ", ", "Bearer": "Bearer ", "escapes": "%2e", "digits and a dot": "A."} {
		inputs["8 MiB of "+name] = fill(unit)
	}
	inputs["a sealed value of 8 MiB"] = "v1.s1." + fill("A")
	inputs["a sealed value with a kid of 8 MiB"] = "v1." + fill("A") + ".AAAA"
	inputs["a sealed value of 8 MiB of dots"] = "v1.s1" + fill(".")
	return inputs
}

// TestJ15_Bounds: any input of up to 8 MiB, given to any reader, is refused, within 1 MiB of memory, and in a time
// that is small beside that of an honest signature check. -v prints the figures.
func TestJ15_Bounds(t *testing.T) {
	c := load(t)
	kind, door := socket(t, c)
	set := static(t, c)["main"]
	trust, err := session.NewExternal[struct{}](session.ExternalConfig{Issuer: c.Issuer, Audience: c.Audience, Keys: set,
		Algorithms: []keys.Algorithm{keys.RS256, keys.ES256, keys.ES512}, Now: func() time.Time { return c.Time }})
	if err != nil {
		t.Fatal(err)
	}
	secret, err := keys.NewSecret("s1", slices.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := keys.StaticSecrets(secret)
	if err != nil {
		t.Fatal(err)
	}
	direct := func(takes func(string) error) func(string) func() bool {
		return func(s string) func() bool { return func() bool { return takes(s) == nil } }
	}
	inHeader := func(name, scheme string) func(string) func() bool {
		return func(s string) func() bool {
			value := scheme + s
			return func() bool { return knock(door, name, value) }
		}
	}
	takers := map[string]func(input string) func() bool{
		"Kind.Verify":     direct(func(s string) error { _, err := kind.Verify(t.Context(), s); return err }),
		"External.Verify": direct(func(s string) error { _, err := trust.Verify(t.Context(), s); return err }),
		"seal.Open":       direct(func(s string) error { _, err := seal.Open(t.Context(), secrets, "flow", s); return err }),
		"seal.CheckMAC":   direct(func(s string) error { return seal.CheckMAC(t.Context(), secrets, "flow", s, "x") }),
		"a Bearer header": inHeader("Authorization", "Bearer "),
		"a Cookie header": inHeader("Cookie", "sid="),
		"a cookie jar":    inHeader("Cookie", ""),
		"subprotocols":    inHeader("Sec-Websocket-Protocol", "bearer."),
	}
	honest := newForge(t).token("es512", header("es512"), claims("sub", `"u3"`))
	tok, err := jose.Parse(honest)
	if err != nil {
		t.Fatal(err)
	}
	key, err := set.PublicKey(t.Context(), "es512")
	if err != nil {
		t.Fatal(err)
	}
	_, signature := cost(func() {
		if err := key.Verify(tok.Input, tok.Signature); err != nil {
			t.Fatal(err)
		}
	})
	var worstTime time.Duration
	var worstBytes uint64
	for name, input := range bounds(t) {
		for taker, takes := range takers {
			taken := takes(input)
			bytes, took := cost(func() {
				if taken() {
					t.Errorf("%s, shown to %s: ACCEPTED", name, taker)
				}
			})
			if bytes > 1<<20 {
				t.Errorf("%s, shown to %s: %d bytes allocated", name, taker, bytes)
			}
			if limit := max(2*time.Millisecond, 5*signature); took > limit { // the machine may be slow, or busy
				t.Errorf("%s, shown to %s: %v", name, taker, took)
			}
			if took > 500*time.Microsecond {
				t.Logf("%8v %8d bytes: %s, shown to %s", took.Round(time.Microsecond), bytes, name, taker)
			}
			worstTime, worstBytes = max(worstTime, took), max(worstBytes, bytes)
		}
	}
	t.Logf("worst: %v, %d bytes; an ES512 signature check: %v", worstTime, worstBytes, signature)
}

// socket is a kind whose tokens may come as a subprotocol too, and a door it guards.
func socket(t *testing.T, c *Corpus) (*session.Kind[User], http.Handler) {
	t.Helper()
	s, err := session.New(session.Config{Issuer: c.Issuer, Audience: c.Audience, Keys: static(t, c)["main"], Now: func() time.Time { return c.Time }})
	if err != nil {
		t.Fatal(err)
	}
	kind := session.NewKindConfig(s, session.KindConfig[User]{Name: c.Kind, Stateless: true, CookieName: "sid", WebSocketProtocol: true})
	return kind, kind.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
}

// knock makes a request with one header, and reports whether it was let in.
func knock(door http.Handler, name, value string) bool {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header[name] = []string{value}
	if name == "Sec-Websocket-Protocol" {
		r.Header.Set("Upgrade", "websocket")
	}
	w := httptest.NewRecorder()
	door.ServeHTTP(w, r)
	return w.Code == http.StatusTeapot
}

// TestJ15_Headers: how much of a header is looked through, to the byte.
func TestJ15_Headers(t *testing.T) {
	const most = 64 << 10
	_, door := socket(t, load(t))
	good := newForge(t).good()
	for _, tc := range []struct{ name, header, front, behind string }{
		{"Bearer", "Authorization", "Bearer", good},
		{"Cookie", "Cookie", "a=", "; sid=" + good},
		{"subprotocol", "Sec-Websocket-Protocol", "a", ", bearer." + good},
	} {
		for over := range 2 {
			fill, scheme := "x", 0
			if tc.name == "Bearer" {
				fill, scheme = " ", len("Bearer")
			}
			value := tc.front + strings.Repeat(fill, most+over+scheme-len(tc.front)-len(tc.behind)) + tc.behind
			if in := knock(door, tc.header, value); in != (over == 0) {
				t.Errorf("%s of 64 KiB and %d: let in = %v", tc.name, over, in)
			}
		}
	}
}

// TestJ15_BoundsCanFail: what counts the bytes does count them.
func TestJ15_BoundsCanFail(t *testing.T) {
	input := strings.Repeat("AAAA", 2<<20)
	bytes, _ := cost(func() {
		raw, err := base64.RawURLEncoding.DecodeString(input)
		if err != nil || len(raw) != 6<<20 {
			t.Fatal(err)
		}
	})
	if bytes < 6<<20 || bytes > 7<<20 {
		t.Errorf("decoding 8 MiB counts as %d bytes", bytes)
	}
}
