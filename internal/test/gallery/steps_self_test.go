package gallery

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/posternauth/postern/session"
)

// A post is a form that reaches a planted fault.
type post struct {
	w      http.ResponseWriter
	r      *http.Request
	path   string
	body   string
	values url.Values
}

// signIn begins a session of somebody, and leads on.
func (p post) signIn(w *sweep) {
	tokens, err := w.v.user.Create(p.r.Context(), session.Grant[profile]{Subject: w.fixture.id, Authentication: session.Authentication{Time: w.v.Now(), Methods: []string{"pwd"}}})
	if err != nil {
		w.Error(err)
		return
	}
	w.v.user.SetCookies(p.w, tokens)
	p.w.Header().Set("Location", "https://app.example/home")
	p.w.WriteHeader(http.StatusSeeOther)
}

// TestM14_EveryForm_FindsFaults: each fault that is planted in front of the handler is found.
func TestM14_EveryForm_FindsFaults(t *testing.T) {
	var mu sync.Mutex // twenty posts come at once
	posted := map[string]int{}
	cookies := ""
	for name, tc := range map[string]struct {
		scene, found string
		plant        func(w *sweep, p post) bool // it has answered
	}{
		"an empty post skips the step": {"totp.verify", "no body: it changed session/index, it changed session/*, it set the session", func(w *sweep, p post) bool {
			skips := p.path == "/factors/totp/verify" && p.body == ""
			if skips {
				p.signIn(w)
			}
			return skips
		}},
		"the fields of another step skip it": {"password.sign-in", "it set the session", func(w *sweep, p post) bool {
			skips := p.path == "/password/callback" && p.values.Has("language")
			if skips {
				p.signIn(w)
			}
			return skips
		}},
		"another site may post": {"postern.account-profile", "from another site cross-site https://evil.example: it changed", func(_ *sweep, p post) bool {
			p.r.Header.Del("Origin")
			p.r.Header.Set("Sec-Fetch-Site", "same-origin")
			return false
		}},
		"any browser may post": {"postern.sign-up-code", "without cookies: it is not refused", func(_ *sweep, p post) bool {
			if c := p.r.Header.Get("Cookie"); c != "" {
				cookies = c
			}
			p.r.Header.Set("Cookie", cookies)
			return false
		}},
		"a second post gets in again": {"magic.code", "twice: 303", func(w *sweep, p post) bool {
			if !strings.HasPrefix(p.path, "/mail/callback") || p.values.Get("code") == "" {
				return false
			}
			posted[p.body]++
			if posted[p.body] < 3 {
				return false
			}
			p.signIn(w)
			return true
		}},
		"a fault of the server": {"password.forgot", "identifier twice: it is a fault of the server", func(_ *sweep, p post) bool {
			if p.path == "/password/forgot" && len(p.values["identifier"]) > 1 {
				p.w.WriteHeader(http.StatusInternalServerError)
				return true
			}
			return false
		}},
		"a code that no document has": {"postern.sign-up", `the code "no_such_thing" is unknown`, func(_ *sweep, p post) bool {
			if p.path == "/sign-up" && p.body == "" {
				p.w.Header().Set(codeHeader, "no_such_thing")
				p.w.WriteHeader(http.StatusBadRequest)
				return true
			}
			return false
		}},
		"the right code is shown": {"postern.sign-up-code", "it shows the right code", func(w *sweep, p post) bool {
			if p.path == "/sign-up/code" && p.values.Get("code") == "" {
				p.w.Header().Set(codeHeader, "wrong_code")
				p.w.WriteHeader(http.StatusBadRequest)
				_, _ = p.w.Write([]byte("It is " + w.steps[0].mailed))
				return true
			}
			return false
		}},
		"a refusal that spoils the step": {"postern.sign-up-code", "as it should be, after:", func(_ *sweep, p post) bool {
			if p.path == "/sign-up/code" && !p.values.Has("code") {
				p.w.Header().Set(codeHeader, "wrong_code")
				for _, k := range p.r.Cookies() {
					http.SetCookie(p.w, &http.Cookie{Name: k.Name, Path: "/", MaxAge: -1, Secure: true})
				}
				p.w.WriteHeader(http.StatusBadRequest)
				return true
			}
			return false
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newSweep(t, tc.scene)
			w.fixture.id = w.fixture.api(http.MethodGet, "/account", nil)["id"].(string)
			w.v.planted = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				r.Body = io.NopCloser(bytes.NewReader(body))
				values, _ := url.ParseQuery(string(body))
				p := post{rw, r, strings.TrimPrefix(r.URL.Path, "/auth"), string(body), values}
				answered := false
				if r.Method == http.MethodPost {
					mu.Lock()
					answered = tc.plant(w, p)
					mu.Unlock()
				}
				if !answered {
					next.ServeHTTP(rw, r)
				}
			}
			w.run()
			for _, fault := range w.faults {
				if strings.Contains(fault, tc.found) {
					return
				}
			}
			t.Errorf("no fault with %q among %d:\n%s", tc.found, len(w.faults), strings.Join(w.faults[:min(len(w.faults), 10)], "\n"))
		})
	}
}
