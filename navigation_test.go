package postern_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

// counter is a provider that begins an attempt by GET and by POST, as a provider with a JSON API does.
type counter struct{}

func (counter) Handler(f *postern.Flow) http.Handler {
	begin := func(w http.ResponseWriter, r *http.Request) {
		if _, err := f.Start(w, r, nil); err != nil {
			f.Fail(w, r, err)
		}
	}
	return f.Steps(map[string]http.HandlerFunc{"GET authorize": begin, "POST authorize": begin})
}

// A browser request that does not open a page begins no attempt, and does not count as a failed sign-in.
func TestS3_OnlyPagesBeginAttempts(t *testing.T) {
	const other, neighbour = "cross-site", "same-site"
	for name, tc := range map[string]struct {
		header map[string]string
		begins bool
	}{
		"typed, or from a bookmark": {map[string]string{"Site": "none", "Mode": "navigate", "Dest": "document", "User": "?1"}, true},
		"link of another site":      {map[string]string{"Site": other, "Mode": "navigate", "Dest": "document"}, true},
		"script that navigates":     {map[string]string{"Site": neighbour, "Mode": "navigate", "Dest": "document"}, true},
		"through a service worker":  {map[string]string{"Site": "same-origin", "Mode": "navigate", "Dest": "empty"}, true},
		"browser before 2020":       {map[string]string{"Site": other, "Mode": "navigate"}, true},
		"no browser":                {nil, true},
		"image":                     {map[string]string{"Site": other, "Mode": "no-cors", "Dest": "image"}, false},
		"image of a neighbour":      {map[string]string{"Site": neighbour, "Mode": "no-cors", "Dest": "image"}, false},
		"image of our own":          {map[string]string{"Site": "same-origin", "Mode": "no-cors", "Dest": "image"}, false},
		"script":                    {map[string]string{"Site": other, "Mode": "no-cors", "Dest": "script"}, false},
		"style":                     {map[string]string{"Site": other, "Mode": "no-cors", "Dest": "style"}, false},
		"font":                      {map[string]string{"Site": other, "Mode": "cors", "Dest": "font"}, false},
		"fetch":                     {map[string]string{"Site": other, "Mode": "no-cors", "Dest": "empty"}, false},
		"fetch with CORS":           {map[string]string{"Site": neighbour, "Mode": "cors", "Dest": "empty"}, false},
		"fetch of Node":             {map[string]string{"Mode": "cors"}, true},
		"fetch, an older browser":   {map[string]string{"Site": other, "Mode": "no-cors"}, false},
		"fetch of our own":          {map[string]string{"Site": "same-origin", "Mode": "cors", "Dest": "empty"}, false},
		"iframe":                    {map[string]string{"Site": other, "Mode": "navigate", "Dest": "iframe"}, false},
		"frame":                     {map[string]string{"Site": other, "Mode": "navigate", "Dest": "frame"}, false},
		"fenced frame":              {map[string]string{"Site": other, "Mode": "navigate", "Dest": "fencedframe"}, false},
		"embed":                     {map[string]string{"Site": other, "Mode": "navigate", "Dest": "embed"}, false},
		"object":                    {map[string]string{"Site": other, "Mode": "navigate", "Dest": "object"}, false},
		"of a kind to come":         {map[string]string{"Site": other, "Mode": "navigate", "Dest": "hologram"}, false},
		"web socket":                {map[string]string{"Site": other, "Mode": "websocket", "Dest": "websocket"}, false},
		"prefetched":                {map[string]string{"Site": other, "Mode": "no-cors", "Dest": "document", "Sec-Purpose": "prefetch"}, false},
		"prerendered":               {map[string]string{"Site": other, "Mode": "navigate", "Dest": "document", "Sec-Purpose": "prefetch;prerender"}, false},
		"prefetched by a proxy":     {map[string]string{"Site": other, "Mode": "navigate", "Dest": "document", "Sec-Purpose": "prefetch;anonymous-client-ip"}, false},
		"to be prerendered":         {map[string]string{"Site": other, "Mode": "navigate", "Dest": "document", "Sec-Purpose": "prerender"}, false},
		"prefetched by Firefox":     {map[string]string{"X-Moz": "prefetch"}, false},
		"prefetched, old":           {map[string]string{"Purpose": "Prefetch"}, false},
		"previewed by Safari":       {map[string]string{"X-Purpose": "preview"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) { c.Providers["counter"] = counter{} })
			for _, provider := range []string{"door", "post", "counter"} {
				b := v.browser()
				for field, value := range tc.header {
					if !strings.Contains(field, "-") && field != "Purpose" {
						field = "Sec-Fetch-" + field
					}
					b.Header.Set(field, value)
				}
				w := b.get(issuer + "/" + provider + "/authorize")
				if begun := len(b.Cookies) == 1; begun != tc.begins {
					t.Errorf("%s: begun: %v, want %v (%d)", provider, begun, tc.begins, w.Code)
				}
				if !tc.begins {
					refused(t, w, 403, "navigation_required")
				}
			}
			if got := v.outcomes(); len(got) != 0 {
				t.Errorf("events %q of what nobody tried", got)
			}
			if !tc.begins && strings.Contains(v.Log.String(), `"level":"INFO"`) {
				t.Errorf("any page can fill the log: %s", v.Log.String())
			}
		})
	}
}

// A POST begins an attempt for pages of this site and, as JSON, for the listed origins.
func TestX2_WhoBeginsByPost(t *testing.T) {
	v := newWorld(t, func(_ *world, s *session.Config, c *postern.Config) {
		s.Origins = []string{"https://app.example.com", "https://sessions.example.com"}
		c.Origins = []string{"https://app.example.com"}
		c.Providers["counter"] = counter{}
	})
	const form, script = "application/x-www-form-urlencoded", "application/json"
	for _, tc := range []struct {
		origin, site, dest, media string
		status                    int
	}{
		{"https://api.example.com", "same-origin", "document", form, 200},
		{"https://api.example.com", "same-origin", "empty", script, 200},
		{"https://app.example.com", "same-site", "empty", script, 200},
		{"https://app.example.com", "", "", script, 200},
		{"https://app.example.com", "same-site", "empty", form, 403}, // sent without asking first
		{"https://app.example.com", "same-site", "document", form, 403},
		{"https://app.example.com.evil.example", "cross-site", "empty", script, 403},
		{"https://sessions.example.com", "same-site", "empty", script, 403}, // a list for other routes
		{"https://evil.example", "cross-site", "empty", script, 403},
		{"https://evil.example", "cross-site", "empty", form, 403},
		{"null", "cross-site", "empty", script, 403},
		{"", "cross-site", "empty", script, 403},
	} {
		b := v.browser()
		r := httptest.NewRequest("POST", issuer+"/counter/authorize", strings.NewReader("{}"))
		r.Header.Set("Content-Type", tc.media)
		for name, value := range map[string]string{"Origin": tc.origin, "Sec-Fetch-Site": tc.site, "Sec-Fetch-Dest": tc.dest} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		if w := b.do(r); w.Code != tc.status || (len(b.Cookies) == 1) != (tc.status == 200) {
			t.Errorf("%+v: %d, %d cookies", tc, w.Code, len(b.Cookies))
		}
	}
}

// A hostile page makes the browser send 250 requests at once, as images and as fetches. The next sign-in works.
func TestS3_CookieBomb(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	b.get(callback("door", b.begin("door")))
	session := maps.Clone(b.Cookies)
	var wg sync.WaitGroup
	var mu sync.Mutex
	set := 0
	for i := range 250 {
		wg.Go(func() {
			r := httptest.NewRequest("GET", issuer+"/"+[]string{"door", "post"}[i%2]+"/authorize", nil)
			r.Header.Set("Sec-Fetch-Site", []string{"cross-site", "same-site"}[i/2%2])
			r.Header.Set("Sec-Fetch-Mode", "no-cors")
			r.Header.Set("Sec-Fetch-Dest", []string{"image", "empty"}[i/4%2])
			for name, value := range session {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
			w := httptest.NewRecorder()
			v.auth.ServeHTTP(w, r)
			mu.Lock()
			defer mu.Unlock()
			set += len(w.Result().Cookies())
		})
	}
	wg.Wait()
	if set != 0 {
		t.Errorf("%d cookies were set", set)
	}
	if w := b.get(callback("door", b.begin("door"))); w.Code != 303 {
		t.Errorf("sign-in afterwards: %d", w.Code)
	}
}

// A page can still flood a browser without Sec-Fetch-* headers. After the flood the next sign-in works, at once or
// after one answer that clears the attempts, and the session's cookies stay.
func TestD1_TooManyAttempts(t *testing.T) {
	for _, local := range []bool{false, true} {
		for _, n := range []int{6, 40, 100, 180} {
			v := newWorld(t, func(_ *world, s *session.Config, _ *postern.Config) {
				if local {
					s.Issuer = "http://localhost:8420/auth"
				}
			})
			base := v.sessions.Issuer()
			b := v.browser()
			b.get(base + "/door/callback?state=" + b.begin("door") + "&code=c")
			kept := maps.Clone(b.Cookies)
			var wg sync.WaitGroup
			var mu sync.Mutex
			for range n {
				wg.Go(func() { // all at once, so no request has the cookies of another answer
					one := v.browser()
					one.begin([]string{"door", "post"}[n%2], "state="+strings.Repeat("s", 400))
					mu.Lock()
					defer mu.Unlock()
					maps.Copy(b.Cookies, one.Cookies)
				})
			}
			wg.Wait()
			w := b.get(base + "/door/authorize")
			if w.Code == 431 {
				if !strings.Contains(w.Body.String(), "please try again") {
					t.Errorf("the page does not help: %s", w.Body)
				}
				w = b.get(base + "/door/authorize")
			}
			to, _ := url.Parse(w.Header().Get("Location"))
			if w.Code != 302 || len(b.Cookies) > len(kept)+5 {
				t.Fatalf("local %v, %d attempts: %d, %d cookies left", local, n, w.Code, len(b.Cookies))
			}
			for name, value := range kept {
				if b.Cookies[name] != value {
					t.Errorf("the session's cookie %s is gone", name)
				}
			}
			if w := b.get(base + "/door/callback?code=c&state=" + to.Query().Get("state")); w.Code != 303 {
				t.Errorf("local %v, %d attempts: sign-in %d", local, n, w.Code)
			}
		}
	}
}

// Cookies of other programs stay, and the page has the next step.
func TestD1_TooManyForeignCookies(t *testing.T) {
	v := newWorld(t)
	for size, status := range map[int]int{60 << 10: 302, 70 << 10: 431} {
		b := v.browser()
		for i := range size >> 10 {
			b.Cookies[fmt.Sprint("other", i)] = strings.Repeat("o", 1000)
		}
		w := b.get(issuer + "/door/authorize")
		if w.Code != status {
			t.Errorf("%d bytes: %d, want %d", size, w.Code, status)
		}
		if status == 431 && (len(w.Result().Cookies()) != 0 || !strings.Contains(w.Body.String(), "delete the cookies of this site")) {
			t.Errorf("%v\n%s", w.Result().Cookies(), w.Body)
		}
	}
}

// Another host of the same domain, or another server on localhost, plants cookies: the same names with other paths and
// domains, in any order and number. They lock nobody out, remove no attempt, and are not accepted.
func TestS3_TossedCookies(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	first, second := b.begin("door"), b.begin("door")
	var names []string
	for name := range b.Cookies {
		names = append(names, name)
	}
	thief := v.browser()
	stolen := thief.begin("door")
	var foreign string // a valid value with another name
	for _, value := range thief.Cookies {
		foreign = value
	}
	junk := func(name string, n int) (pairs []string) {
		for i := range n {
			pairs = append(pairs, name+"="+[]string{"", "x", "v1.k.x", `"quoted"`, foreign, "v1." + strings.Repeat("k", 60) + "." + strings.Repeat("A", 200)}[i%6])
		}
		return pairs
	}
	own := []string{names[0] + "=" + b.Cookies[names[0]], names[1] + "=" + b.Cookies[names[1]]}
	prefix := names[0][:len(names[0])-12]
	for name, tc := range map[string]struct{ before, after []string }{
		"one before":           {junk(names[0], 1), nil},
		"one behind":           {nil, junk(names[1], 1)},
		"60 of both names":     {append(junk(names[0], 60), junk(names[1], 60)...), junk(names[0], 6)},
		"the same ones again":  {own, own},
		"60 of names like it":  {slices.Repeat(junk(prefix+"AAAAAAAAAAAA", 6), 5), slices.Repeat(junk(prefix+"BBBBBBBBBBBB", 6), 5)},
		"of names almost like": {junk(prefix+"short", 20), junk(prefix+"AAAAAAAAAAA%", 20)},
	} {
		t.Run(name, func(t *testing.T) {
			header := strings.Join(slices.Concat(tc.before, own, tc.after), "; ")
			send := func(target, header string) *httptest.ResponseRecorder {
				r := httptest.NewRequest("GET", target, nil)
				r.Header.Set("Cookie", header)
				w := httptest.NewRecorder()
				v.auth.ServeHTTP(w, r)
				return w
			}
			refused(t, send(callback("door", stolen), header), 400, "invalid_state")
			begun := send(issuer+"/door/authorize", header)
			if begun.Code != 302 {
				t.Fatalf("authorize: %d", begun.Code)
			}
			for _, k := range begun.Result().Cookies() {
				if k.MaxAge < 0 && slices.Contains(names, k.Name) {
					t.Errorf("an attempt of this browser was removed: %s", k.Name)
				}
				if k.MaxAge < 0 && (len(k.Name) != len(names[0]) || strings.HasSuffix(k.Name, "%")) {
					t.Errorf("another program's cookie was removed: %s", k.Name)
				}
			}
		})
	}
	// In the end both attempts work among the planted cookies.
	all := slices.Concat(junk(names[0], 30), junk(names[1], 30), own, junk(names[1], 30))
	for _, state := range []string{first, second} {
		r := httptest.NewRequest("GET", callback("door", state), nil)
		r.Header.Set("Cookie", strings.Join(all, "; "))
		w := httptest.NewRecorder()
		if v.auth.ServeHTTP(w, r); w.Code != 303 {
			t.Errorf("callback among planted cookies: %d %s", w.Code, w.Body)
		}
		// The attempt still works only once.
		w = httptest.NewRecorder()
		if v.auth.ServeHTTP(w, r.Clone(t.Context())); w.Code != 400 {
			t.Errorf("again: %d", w.Code)
		}
	}
}

// One answer removes no more cookies than a browser can have, so the headers of the answer stay small.
func TestD1_RemovedCookiesAreBounded(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	b.begin("door")
	prefix := ""
	for name := range b.Cookies {
		prefix = name[:len(name)-12]
	}
	for _, n := range []int{400, 1200} { // 400 are removed at authorize, 1,200 are too many to read
		var pairs []string
		for i := range n {
			pairs = append(pairs, fmt.Sprintf("%sjunk%08d=%040d", prefix, i, i))
		}
		r := httptest.NewRequest("GET", issuer+"/door/authorize", nil)
		r.Header.Set("Cookie", strings.Join(pairs, "; "))
		w := httptest.NewRecorder()
		v.auth.ServeHTTP(w, r)
		removed := 0
		for _, k := range w.Result().Cookies() {
			if k.MaxAge < 0 {
				removed++
			}
		}
		if want := map[int]int{400: 302, 1200: 431}[n]; w.Code != want || removed != 200 {
			t.Errorf("%d cookies: %d, %d removed, want %d, 200", n, w.Code, removed, want)
		}
	}
	// One name 1,500 times, as of other paths, is removed once.
	r := httptest.NewRequest("GET", issuer+"/door/authorize", nil)
	r.Header.Set("Cookie", strings.Repeat(prefix+"AAAAAAAAAAAA="+strings.Repeat("x", 40)+"; ", 1500))
	w := httptest.NewRecorder()
	if v.auth.ServeHTTP(w, r); w.Code != 431 || len(w.Result().Cookies()) != 1 {
		t.Errorf("one name: %d, %d removed", w.Code, len(w.Result().Cookies()))
	}
}

// A page opened under another name of this machine than the issuer's shows where to go: its form would be blocked
// without a word. Nothing is redirected, no attempt begins, and the answer has nothing of the request's Host.
func TestOtherNameOfThisMachine(t *testing.T) {
	v := newWorld(t, func(_ *world, s *session.Config, _ *postern.Config) { s.Issuer = "http://localhost:8420/auth" })
	ask := func(b *browser, target, host, dest string) *httptest.ResponseRecorder {
		r := b.Request(http.MethodGet, target, nil)
		r.Host = host
		if dest != "" {
			r.Header.Set("Sec-Fetch-Dest", dest)
			r.Header.Set("Sec-Fetch-Mode", "navigate")
		}
		return b.do(r)
	}
	for _, path := range []string{"/auth/door/authorize", "/auth/authorize"} {
		for host, refuses := range map[string]bool{
			"127.0.0.1:8420": true, "[::1]:8420": true, "127.0.0.2:8420": true,
			"localhost:8420": false, "LOCALHOST:8420": false,
			"127.0.0.1:9000":         false, // a proxy that does not pass Host on
			"evil.example:8420":      false, // not a name of this machine: the page names its issuer alone, as ever
			"127.0.0.1.evil.ex:8420": false,
			"":                       false,
		} {
			w := ask(v.browser(), "http://localhost:8420"+path, host, "document")
			if refuses {
				refused(t, w, 400, "wrong_host")
				body := w.Body.String()
				if !strings.Contains(body, `href="http://localhost:8420`) || strings.Contains(body, "127.0.0") || strings.Contains(body, "::1") || len(w.Result().Cookies()) != 0 {
					t.Errorf("%s at %q: %v\n%s", path, host, w.Result().Cookies(), body)
				}
			} else if w.Code >= 400 || strings.Contains(w.Body.String()+w.Header().Get("Location"), "evil") {
				t.Errorf("%s at %q: %d %s", path, host, w.Code, w.Body)
			}
		}
	}
	// A program is asked nothing: it follows what it reads.
	if w := ask(v.browser(), "http://localhost:8420/auth/door/authorize", "127.0.0.1:8420", ""); w.Code >= 400 {
		t.Errorf("a program: %d %s", w.Code, w.Body)
	}
	// On a public issuer the header counts for nothing.
	if w := ask(newWorld(t).browser(), issuer+"/door/authorize", "127.0.0.1", "document"); w.Code >= 400 {
		t.Errorf("a public issuer: %d %s", w.Code, w.Body)
	}
}
