package postern_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

const formType = "application/x-www-form-urlencoded"

func TestD1_Bounds(t *testing.T) {
	v := newWorld(t)
	many := strings.TrimSuffix(strings.Repeat("a=1&", 101), "&")
	distinct := url.Values{}
	for i := range 101 {
		distinct.Set(fmt.Sprint("f", i), "1")
	}
	for name, tc := range map[string]struct {
		target, contentType, body string
		status                    int
	}{
		"a form":               {"/desk/authorize", formType, "name=ann", 303},
		"with a charset":       {"/desk/authorize", formType + "; charset=utf-8", "name=ann", 303},
		"no body":              {"/desk/elsewhere", "", "", 303},
		"JSON":                 {"/desk/elsewhere", "application/json", `{"a":1}`, 303},
		"100 fields":           {"/desk/authorize", formType, strings.TrimSuffix(strings.Repeat("&", 90), "&") + "&name=ann", 303},
		"body of 64 KiB":       {"/desk/authorize", formType, "name=ann&x=" + strings.Repeat("a", 64<<10-11), 303},
		"larger body":          {"/desk/authorize", formType, "name=ann&x=" + strings.Repeat("a", 64<<10-10), 413},
		"larger JSON":          {"/desk/authorize", "application/json", strings.Repeat(" ", 64<<10+1), 413},
		"too many fields":      {"/desk/authorize", formType, distinct.Encode(), 400},
		"too many separators":  {"/desk/authorize", formType, strings.Repeat("&", 100) + "name=ann", 400},
		"the same field":       {"/desk/authorize", formType, many, 400},
		"in query and form":    {"/desk/authorize?name=bob", formType, "name=ann", 400},
		"multipart":            {"/desk/authorize", "multipart/form-data; boundary=x", "--x--", 415},
		"text/plain":           {"/desk/authorize", "text/plain", "name=ann", 415},
		"no type":              {"/desk/authorize", "", "name=ann", 415},
		"odd type":             {"/desk/authorize", ";;", "name=ann", 415},
		"semicolon":            {"/desk/authorize", formType, "name=ann;x=1", 400},
		"bad escape":           {"/desk/authorize", formType, "name=%zz", 400},
		"NUL":                  {"/desk/authorize", formType, "name=a%00b", 400},
		"line break":           {"/desk/authorize", formType, "name=a%0d%0ab", 400},
		"control character":    {"/desk/authorize", formType, "name=a%c2%85b", 400},
		"not UTF-8":            {"/desk/authorize", formType, "name=%c3%28", 400},
		"control in a name":    {"/desk/authorize", formType, "na%00me=ann", 400},
		"query of 8 KiB":       {"/desk/elsewhere?q=" + strings.Repeat("a", 8<<10-2), "", "", 303},
		"longer query":         {"/desk/elsewhere?q=" + strings.Repeat("a", 8<<10-1), "", "", 414},
		"control in the query": {"/desk/elsewhere?q=%1b%5b31m", "", "", 400},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("POST", issuer+tc.target, strings.NewReader(tc.body))
			if tc.contentType != "" {
				r.Header.Set("Content-Type", tc.contentType)
			}
			if w := v.browser().do(r); w.Code != tc.status {
				t.Errorf("%d, want %d\n%s", w.Code, tc.status, w.Body)
			}
		})
	}
	r := httptest.NewRequest("GET", issuer+"/door/authorize", nil)
	for i := range 20 {
		r.Header.Set(fmt.Sprint("X-", i), strings.Repeat("h", 1000))
	}
	if w := v.browser().do(r); w.Code != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("20 KB of headers: %d", w.Code)
	}
}

// Cookies in several header lines are one sum.
func TestD1_CookiesOfSeveralLines(t *testing.T) {
	v := newWorld(t)
	for lines, status := range map[int]int{1: 302, 2: 431} {
		r := httptest.NewRequest("GET", issuer+"/door/authorize", nil)
		for range lines {
			r.Header.Add("Cookie", "x="+strings.Repeat("x", 40<<10))
		}
		if w := v.browser().do(r); w.Code != status {
			t.Errorf("%d lines of 40 KiB: %d, want %d", lines, w.Code, status)
		}
	}
}

// The log names the wrong parameters of a callback, which a provider or a program between has added.
func TestD1_BadParametersAreLogged(t *testing.T) {
	for more, cause := range map[string]string{
		"&x=100%":                "a bare % or a semicolon",
		"&x=1;2":                 "a bare % or a semicolon",
		"&code=again":            "more than once",
		"&x=a%0ab":               "characters that are not allowed",
		strings.Repeat("&", 100): "more than 100",
	} {
		v := newWorld(t)
		b := v.browser()
		b.Header.Set("Accept", "application/json")
		state := b.begin("door")
		refused(t, b.get(callback("door", state)+more), 400, "invalid_request")
		if !strings.Contains(v.Log.String(), `"cause":"`) || !strings.Contains(v.Log.String(), cause) || strings.Contains(v.Log.String(), "c0de") {
			t.Errorf("%q: log %s, want %q", more, v.Log.String(), cause)
		}
		// The attempt is not used up: the callback without the extra parameter works.
		b.Header.Del("Accept")
		if w := b.get(callback("door", state)); w.Code/100 != 3 {
			t.Errorf("%q: the attempt is gone: %d %s", more, w.Code, w.Body)
		}
	}
}

// endless is a body without an end. It counts the bytes that are read.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	for i := range p {
		p[i] = "a=1&"[i%4]
	}
	return len(p), nil
}

func TestD1_EndlessBody(t *testing.T) {
	v := newWorld(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	body := new(endless)
	r := httptest.NewRequest("POST", issuer+"/desk/authorize", io.LimitReader(body, 1<<30))
	r.ContentLength = -1
	r.Header.Set("Content-Type", formType)
	w := v.browser().do(r)
	runtime.ReadMemStats(&after)
	if w.Code != 413 || body.read > 256<<10 {
		t.Errorf("%d after %d bytes of 1 GiB", w.Code, body.read)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 2<<20 {
		t.Errorf("%d bytes allocated", used)
	}
	r = httptest.NewRequest("POST", issuer+"/desk/authorize", new(endless))
	r.ContentLength = 1 << 30
	r.Header.Set("Content-Type", formType)
	refused(t, v.browser().do(r), 413, "request_too_large")
}

// guarded counts by key and by client address.
type guarded struct{}

func (guarded) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{
		"GET account": func(w http.ResponseWriter, r *http.Request) {
			if err := f.Limit(r.Context(), "guess", r.Form.Get("key"), time.Minute, 3); err != nil {
				f.Fail(w, r, err)
			}
		},
		"GET address": func(w http.ResponseWriter, r *http.Request) {
			if err := f.LimitAddr(r, "mail", time.Minute, 3); err != nil {
				f.Fail(w, r, err)
			}
		},
		"GET misused": func(w http.ResponseWriter, r *http.Request) {
			f.Fail(w, r, f.Limit(r.Context(), "", "", 0, 0))
		},
	})
}

func TestLimit(t *testing.T) {
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.Providers["one"], c.Providers["two"] = guarded{}, guarded{}
	})
	b := v.browser()
	for i := range 5 {
		w := b.get(issuer + "/one/account?key=ann")
		if want := map[bool]int{true: 200, false: 429}[i < 3]; w.Code != want {
			t.Errorf("take %d: %d, want %d", i, w.Code, want)
		}
		if i >= 3 && w.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	for _, path := range []string{"/one/account?key=bob", "/two/account?key=ann"} {
		if w := b.get(issuer + path); w.Code != 200 {
			t.Errorf("%s shares the count: %d", path, w.Code)
		}
	}
	// Two refusals of one client in one period of the rule are one event, and later ones another.
	if got := v.outcomes(); len(got) != 1 || got[0] != "limited rate_limited" {
		t.Errorf("events %q", got)
	}
	v.Advance(2 * time.Minute)
	for range 5 {
		b.get(issuer + "/one/account?key=zoe")
	}
	if got := v.outcomes(); len(got) != 2 || got[1] != "limited rate_limited" {
		t.Errorf("events %q", got)
	}
	if w := b.get(issuer + "/one/account?key=ann"); w.Code != 200 {
		t.Errorf("after the window: %d", w.Code)
	}
	v.store.set(errors.New("down"))
	if w := b.get(issuer + "/one/account?key=ann"); w.Code != 503 {
		t.Errorf("store down: %d: a call that cannot be counted must be refused", w.Code)
	}
	if w := b.get(issuer + "/one/misused"); w.Code != 500 {
		t.Errorf("a limit without a rule: %d", w.Code)
	}
}

func TestD3_ClientAddress(t *testing.T) {
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) { c.Providers["one"] = guarded{} })
	try := func(v *world, peer string, header http.Header) int {
		r := httptest.NewRequest("GET", issuer+"/one/address", nil)
		r.RemoteAddr = peer
		r.Header = header
		return v.browser().do(r).Code
	}
	for i := range 6 {
		forged := http.Header{"X-Forwarded-For": {fmt.Sprintf("198.51.100.%d", i)}, "X-Real-Ip": {fmt.Sprintf("198.51.100.%d", i)}, "Forwarded": {fmt.Sprintf("for=198.51.100.%d", i)}}
		if got, want := try(v, "203.0.113.7:1234", forged), map[bool]int{true: 200, false: 429}[i < 3]; got != want {
			t.Errorf("forged address, take %d: %d, want %d", i, got, want)
		}
	}
	for i := range 6 { // one network of IPv6 is one client
		if got, want := try(v, fmt.Sprintf("[2001:db8:1:2:%x::1]:1234", i+1), nil), map[bool]int{true: 200, false: 429}[i < 3]; got != want {
			t.Errorf("IPv6, take %d: %d, want %d", i, got, want)
		}
	}
	behind := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.Providers["one"] = guarded{}
		c.TrustedProxies, c.ClientIPHeader = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, "X-Forwarded-For"
	})
	for i := range 6 {
		if got := try(behind, "10.0.0.1:1", http.Header{"X-Forwarded-For": {fmt.Sprintf("198.51.100.%d", i)}}); got != 200 {
			t.Errorf("client %d behind the proxy: %d", i, got)
		}
	}
	if e := behind.Events.All(); len(e) != 0 {
		t.Errorf("events %v", e)
	}
}

// A proxy that is not configured is logged once, not for each request. Forged headers of a peer on the internet are not
// logged, and neither is a configured proxy.
func TestD3_ProxyThatIsNotConfigured(t *testing.T) {
	const warning = "proxy that is not configured"
	ask := func(v *world, peer string) {
		r := httptest.NewRequest("GET", issuer+"/desk/authorize", nil)
		r.RemoteAddr = peer
		r.Header.Set("X-Forwarded-For", "198.51.100.9")
		if w := v.browser().do(r); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	v := newWorld(t)
	ask(v, "203.0.113.7:1")
	if strings.Contains(v.Log.String(), warning) {
		t.Error("a header that anybody can write is logged as a proxy")
	}
	for range 5 {
		ask(v, "10.0.0.1:1")
	}
	if n := strings.Count(v.Log.String(), warning); n != 1 || !strings.Contains(v.Log.String(), "Config.TrustedProxies and Config.ClientIPHeader") {
		t.Errorf("logged %d times, want once, with the settings:\n%s", n, v.Log.String())
	}
	v = newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.TrustedProxies, c.ClientIPHeader = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, "X-Forwarded-For"
	})
	ask(v, "10.0.0.1:1")
	if strings.Contains(v.Log.String(), warning) {
		t.Error("a configured proxy is logged")
	}
}

// New refuses one of the two settings without the other.
func TestD3_ProxySettingsGoTogether(t *testing.T) {
	v := newWorld(t)
	for name, c := range map[string]postern.Config{
		"networks alone": {TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
		"a header alone": {ClientIPHeader: "Fly-Client-IP"},
	} {
		c.Sessions, c.Redirects, c.Providers = v.sessions, []string{"/"}, map[string]postern.Provider{"door": door{}}
		c.OnSuccess = func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return nil }
		if _, err := postern.New(c); err == nil || !strings.Contains(err.Error(), "go together") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Attempts that fail after Resume are counted by client address. Over the limit people get a page with Retry-After, and
// the attempt can be tried again later.
func TestD3_FailedAttemptsOfOneAddress(t *testing.T) {
	v := newWorld(t)
	attempt := func(b *browser) string {
		return b.get(issuer + "/door/authorize").Header().Get("Location")
	}
	state := func(location string) string {
		u, err := url.Parse(location)
		if err != nil {
			t.Fatal(err)
		}
		return u.Query().Get("state")
	}
	b := v.browser()
	for i := range 100 {
		if w := b.get(issuer + "/door/callback?error=no&state=" + state(attempt(b))); w.Code != 403 {
			t.Fatalf("failure %d: %d", i, w.Code)
		}
	}
	late := state(attempt(b))
	writes := v.store.writes
	w := b.get(issuer + "/door/callback?state=" + late)
	if w.Code != 429 || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "Too many attempts") || v.store.writes != writes {
		t.Errorf("%d, Retry-After %q, %d writes\n%s", w.Code, w.Header().Get("Retry-After"), v.store.writes-writes, w.Body)
	}
	if got := v.outcomes(); got[len(got)-1] != "limited rate_limited" {
		t.Errorf("events end with %q", got[len(got)-1])
	}
	v.Advance(9 * time.Minute) // the age of the first failures; an attempt is valid for 10 minutes
	v.store.set(errors.New("down"))
	if w := b.get(issuer + "/door/callback?state=" + late); w.Code != 503 && w.Code != 429 {
		t.Errorf("store down: %d", w.Code)
	}
	v.store.set(nil)
	v.Advance(50 * time.Second)
	if w := b.get(issuer + "/door/callback?state=" + late); w.Code != 429 {
		t.Errorf("before the window ends: %d", w.Code)
	}
	v.Advance(2 * time.Minute)
	if w := b.get(issuer + "/door/callback?state=" + state(attempt(b))); w.Code != 303 {
		t.Errorf("after the window: %d", w.Code)
	}
}

// If failures cannot be counted, the callback is answered with 503.
func TestD3_FailureThatCannotBeCounted(t *testing.T) {
	var down error
	v := newWorld(t, func(v *world, _ *session.Config, c *postern.Config) {
		c.Providers["door"] = door{hits: func() { v.store.set(down) }}
	})
	begin := func(b *browser) string { return b.get(issuer + "/door/authorize").Header().Get("Location") }
	b := v.browser()
	u, err := url.Parse(begin(b))
	if err != nil {
		t.Fatal(err)
	}
	down = errors.New("down")
	w := b.get(issuer + "/door/callback?error=no&state=" + u.Query().Get("state"))
	if w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// People whom the application refuses count as failures: each has cost a request to the provider and a row.
func TestD3_RefusedPeopleAreCounted(t *testing.T) {
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.OnSuccess = func(http.ResponseWriter, *http.Request, *postern.SignIn) error {
			return postern.Deny("not_invited", "No.")
		}
	})
	for i := range 101 {
		b := v.browser()
		u, err := url.Parse(b.get(issuer + "/door/authorize").Header().Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		w := b.get(issuer + "/door/callback?state=" + u.Query().Get("state"))
		if want := map[bool]int{true: 403, false: 429}[i < 100]; w.Code != want {
			t.Fatalf("person %d: %d, want %d", i, w.Code, want)
		}
	}
}
