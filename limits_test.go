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

// endless is a body without an end, and counts what is read of it.
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
	if got := v.outcomes(); len(got) != 2 || got[0] != "limited rate_limited" {
		t.Errorf("events %q", got)
	}
	v.advance(2 * time.Minute)
	if w := b.get(issuer + "/one/account?key=ann"); w.Code != 200 {
		t.Errorf("after the window: %d", w.Code)
	}
	v.store.set(errors.New("down"))
	if w := b.get(issuer + "/one/account?key=ann"); w.Code != 503 {
		t.Errorf("store down: %d: nothing may be allowed that cannot be counted", w.Code)
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
	if e := behind.events; len(e) != 0 {
		t.Errorf("events %v", e)
	}
}
