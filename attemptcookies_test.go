package postern_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

// Attempts of several tabs do not disturb each other; a sixth replaces the oldest.
func TestS3_FiveAttempts(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	var states []string
	for range 8 {
		states = append(states, b.begin("door"))
		v.Advance(time.Second)
		if len(b.Cookies) > 5 {
			t.Fatalf("%d attempts at once", len(b.Cookies))
		}
	}
	for i, state := range states {
		// A copy of the browser, because each success adds a session and removes a cookie.
		copied := v.browser()
		for name, value := range b.Cookies {
			copied.Cookies[name] = value
		}
		want := 303
		if i < 3 {
			want = 400
		}
		if w := copied.get(callback("door", state)); w.Code != want {
			t.Errorf("attempt %d: %d, want %d", i, w.Code, want)
		}
	}
}

// The cookies of attempts stay small together, even with long parameters of applications. Junk among them is removed.
func TestS3_AttemptBytes(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	var before string
	for i := range 12 {
		state := b.begin("door", "state="+url.QueryEscape(fmt.Sprint(i, strings.Repeat(`"`, 900))))
		if i > 0 { // there is room for two: only those before them went
			tab := &browser{Browser: b.Clone(), v: v, secure: b.secure}
			if w := tab.get(callback("door", before)); w.Code != 303 {
				t.Errorf("attempt %d: removed to make room for the next one (%d)", i-1, w.Code)
			}
		}
		before = state
		v.Advance(time.Second)
		size := 0
		for name, value := range b.Cookies {
			size += len(name) + len(value)
		}
		if size > 6<<10 {
			t.Fatalf("%d bytes of attempt cookies", size)
		}
	}
	var prefix string
	for name := range b.Cookies {
		prefix = name[:len(name)-12]
	}
	for i := range 40 {
		b.Cookies[fmt.Sprintf("%sjunk%08d", prefix, i)] = "v1.x.junk"
	}
	state := b.begin("door")
	for name, value := range b.Cookies {
		if value == "v1.x.junk" {
			t.Errorf("junk is left: %s", name)
		}
	}
	if w := b.get(callback("door", state)); w.Code != 303 {
		t.Errorf("among junk: %d", w.Code)
	}
}

type bulky struct{ size int }

func (p bulky) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{"GET authorize": func(w http.ResponseWriter, r *http.Request) {
		var state any = strings.Repeat("x", max(0, p.size))
		if p.size < 0 {
			state = func() {} // not JSON
		}
		if _, err := f.Start(w, r, state); err != nil {
			f.Fail(w, r, err)
		}
	}})
}

func TestStart_TooLarge(t *testing.T) {
	long := "state=" + url.QueryEscape(strings.Repeat(`"`, 1024))
	for _, tc := range []struct {
		size   int
		query  string
		status int
	}{{1000, "", 200}, {5000, "", 500}, {900, long, 400}, {-1, "", 500}} {
		v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) { c.Providers["bulky"] = bulky{tc.size} })
		if w := v.browser().get(issuer + "/bulky/authorize?" + tc.query); w.Code != tc.status {
			t.Errorf("%d bytes with %d of query: %d, want %d", tc.size, len(tc.query), w.Code, tc.status)
		}
	}
}

// SST Auth set flow cookies without Secure, SameSite and Path, for 30 seconds, and never cleared them.
func TestSST_S7_FlowCookies(t *testing.T) {
	v := newWorld(t)
	for provider, same := range map[string]http.SameSite{"door": http.SameSiteLaxMode, "post": http.SameSiteNoneMode} {
		w := v.browser().get(issuer + "/" + provider + "/authorize")
		k := w.Result().Cookies()
		if len(k) != 1 || k[0].SameSite != same || !k[0].Secure || !k[0].HttpOnly || k[0].Path != "/" || k[0].MaxAge != 600 || !strings.HasPrefix(k[0].Name, "__Host-") {
			t.Errorf("%s: %v", provider, w.Header()["Set-Cookie"])
		}
	}
	local := newWorld(t, func(_ *world, s *session.Config, _ *postern.Config) { s.Issuer = "http://localhost:8420/auth" })
	w := local.browser().get("http://localhost:8420/auth/door/authorize")
	if k := w.Result().Cookies(); len(k) != 1 || k[0].Secure || strings.HasPrefix(k[0].Name, "__Host-") {
		t.Errorf("on localhost: %v", w.Header()["Set-Cookie"])
	}
	w = local.browser().get("http://localhost:8420/auth/post/authorize")
	if k := w.Result().Cookies(); len(k) != 1 || !k[0].Secure || k[0].SameSite != http.SameSiteNoneMode { // without Secure browsers drop it
		t.Errorf("on localhost, for a POST: %v", w.Header()["Set-Cookie"])
	}
}
